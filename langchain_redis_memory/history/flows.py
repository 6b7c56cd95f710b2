"""The flows behind `RedisChatMessageHistory`: arguments checked, read-through and write-behind applied to each op."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from langchain_core.messages import BaseMessage

from langchain_redis_memory.checks import check_bounds, check_text, check_whole
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.history.read_through import UserCallback, add_flow, as_callback, change_flow, read_flow
from langchain_redis_memory.history.transcript import Transcript, WriteResult
from langchain_redis_memory.history.turns import Turn, exchanges, turn_messages
from langchain_redis_memory.history.write_behind import WriteBehind
from langchain_redis_memory.language.bm25 import search
from langchain_redis_memory.ops import Flow, Op
from langchain_redis_memory.redis.codec.messages import TokenCounter
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.ttl import Lifetime, milliseconds

T = TypeVar("T")


@dataclass(frozen=True)
class HistoryFlows:
    """Builds the flows of one conversation.

    Args:
        transcript: Its ops.
        loader: Loads it where Redis does not have it; None for no read-through.
        writer: Writes added messages to the permanent database; None for no write-behind.
    """

    transcript: Transcript
    loader: UserCallback | None = None
    writer: WriteBehind | None = None

    @classmethod
    def of(
        cls,
        space: KeySpace,
        session_id: str,
        agent: str,
        ttl_s: Lifetime,
        bounds: tuple[int | None, int | None],
        counter: TokenCounter,
        touch_on_read: bool,
        loader: Any,
        writer: Any,
    ) -> HistoryFlows:
        """Checks the arguments of a history and builds its flows.

        Args:
            space: The tenant's key builder.
            session_id: The conversation's id.
            agent: Its agent.
            ttl_s: Its lifetime from the last write, None for no expiry.
            bounds: Most messages and most tokens kept, None for no bound.
            counter: Counts tokens.
            touch_on_read: Whether reading moves the lifetime as writing does.
            loader: The user's loader, or None.
            writer: The user's writer, or None.

        Returns:
            The flows.

        Raises:
            InvalidIdError: An id is not acceptable.
            InvalidInputError: A number is not positive.
            ConfigError: The loader or the writer cannot be called.
        """
        messages, tokens = bounds
        check_bounds(max_messages=messages, max_tokens=tokens)
        ttl_ms = milliseconds(ttl_s)
        transcript = Transcript(space, session_id, agent, ttl_ms, messages or 0, tokens or 0, counter, touch_on_read)
        transcript.keys  # noqa: B018 - validates the ids
        space.index(agent)
        callback = as_callback(writer, "write")
        return cls(transcript, as_callback(loader, "load"), None if callback is None else WriteBehind(callback))

    def _read_flow(self, op: Op[T]) -> Flow[T]:
        return read_flow(op, self.transcript, self.loader)

    def _change_flow(self, build: Callable[[], Op[T]]) -> Flow[T]:
        return change_flow(build, self.transcript, self.loader)

    def messages_flow(self) -> Flow[list[BaseMessage]]:
        """Reads all messages."""
        return self._read_flow(self.transcript.read())

    def add_flow(self, messages: Sequence[BaseMessage]) -> Flow[WriteResult]:
        """Stores messages, then passes them to the writer."""
        added = yield from add_flow(messages, self.transcript, self.loader)
        if self.writer is not None:
            yield from self.writer.write_flow(self.transcript, messages)
        return added

    def recent_flow(self, n: int) -> Flow[list[BaseMessage]]:
        """Reads the newest `n` messages."""
        return self._read_flow(self.transcript.tail(messages=check_whole(n, "n")))

    def recent_tokens_flow(self, budget: int) -> Flow[list[BaseMessage]]:
        """Reads the newest messages within a token budget."""
        return self._read_flow(self.transcript.tail(tokens=check_whole(budget, "budget")))

    def before_flow(self, message_id: str, n: int) -> Flow[list[BaseMessage]]:
        """Reads the `n` messages before a known one."""
        return self._change_flow(lambda: self.transcript.before(message_id, check_whole(n, "n")))

    def search_flow(self, query: str, limit: int) -> Flow[list[BaseMessage]]:
        """Reads all messages and ranks them by BM25."""
        check_text(query, "query")
        most = check_whole(limit, "limit")

        def ranked(messages: list[BaseMessage]) -> list[BaseMessage]:
            matches = search(query, [str(message.text) for message in messages])
            return [messages[match.place] for match in matches[:most]]

        return self._read_flow(self.transcript.read().map(ranked))

    def count_flow(self) -> Flow[int]:
        """Counts the messages."""
        return self._read_flow(self.transcript.length())

    def edit_flow(self, message_id: str, message: BaseMessage) -> Flow[None]:
        """Replaces a message under its id."""
        return self._change_flow(lambda: self.transcript.edit(message_id, message))

    def delete_flow(self, message_ids: Sequence[str]) -> Flow[int]:
        """Removes messages by id."""
        ids = [message_ids] if isinstance(message_ids, str) else message_ids
        return self._change_flow(lambda: self.transcript.remove(ids))

    def add_turn_flow(self, user: str, assistant: str) -> Flow[WriteResult]:
        """Stores a turn given as text."""
        return self.add_flow(turn_messages(user, assistant))

    def turns_flow(self, n: int) -> Flow[list[Turn]]:
        """Reads the newest `n` turns as text."""
        return self._read_flow(self.transcript.tail(turns=check_whole(n, "n")).map(exchanges))

    def extend_ttl(self, ttl_s: Lifetime) -> Op[bool]:
        """Sets the lifetime from now."""
        ttl_ms = milliseconds(ttl_s) or self.transcript.ttl_ms
        if not ttl_ms:
            msg = "this history has no ttl_s of its own: give extend_ttl a number of seconds, or use persist()"
            raise InvalidInputError(msg)
        return self.transcript.expire(ttl_ms)

    def ttl(self) -> Op[float | None]:
        """Reads the lifetime that is left."""
        return self.transcript.info().map(lambda session: session.ttl_s if session else 0.0)
