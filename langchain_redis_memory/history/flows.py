"""The flows behind `RedisChatMessageHistory`: arguments checked, read-through and write-behind applied to each op."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from langchain_core.messages import BaseMessage

from langchain_redis_memory.checks import check_text, check_whole
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.history.adoption import AdoptingLoader
from langchain_redis_memory.history.outbox import AWAY, Outbox, deleting_flow
from langchain_redis_memory.history.read_through import (
    LoaderLike,
    UserCallback,
    WriterLike,
    add_flow,
    as_callback,
    change_flow,
    read_flow,
)
from langchain_redis_memory.history.transcript import Transcript, WriteResult
from langchain_redis_memory.history.turns import Turn, exchanges, turn_messages
from langchain_redis_memory.history.waiting_writes import added, outage_level
from langchain_redis_memory.history.write_behind import WriteBehind
from langchain_redis_memory.language.bm25 import search
from langchain_redis_memory.ops import Arg, Flow, Op
from langchain_redis_memory.redis import user_index
from langchain_redis_memory.redis.client.outboxes import Outboxes
from langchain_redis_memory.redis.ttl import Lifetime, milliseconds
from langchain_redis_memory.redis.user_index import UserData

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class HistoryFlows:
    """Builds the flows of one conversation.

    Args:
        transcript: Its ops.
        loader: Loads it where Redis does not have it; None for no read-through.
        writer: Writes added messages to the permanent database; None for no write-behind.
        outbox: Keeps added messages while the server is away; None: then every method raises.
    """

    transcript: Transcript
    loader: UserCallback | None = None
    writer: WriteBehind | None = None
    outbox: Outbox | None = None

    @classmethod
    def of(
        cls,
        transcript: Transcript,
        loader: LoaderLike | UserCallback | None,
        writer: WriterLike | UserCallback | None,
        outbox: Outbox | None = None,
    ) -> HistoryFlows:
        """Checks the ids of a conversation and the user's callbacks, and builds the flows.

        Raises `InvalidIdError`: an id is not acceptable. Raises `ConfigError`: the loader or the writer cannot be
        called.
        """
        transcript.keys  # noqa: B018 - validates the ids
        transcript.space.index(transcript.agent)
        callback = as_callback(writer, "write")
        return cls(transcript, as_callback(loader, "load"), None if callback is None else WriteBehind(callback), outbox)

    def _read_flow(self, op: Op[T], remembered: Callable[[list[BaseMessage]], T]) -> Flow[T]:
        """Reads, after what waits was stored; while the server is away, what this process remembers."""
        if self.outbox is None:
            if self.loader is None and not self.transcript.touch_on_read:
                op = op.may_be_stale()
            return (yield from read_flow(op, self.transcript, self.loader))
        try:
            yield from self.outbox.store_flow(self.transcript)
            return (yield from read_flow(op, self.transcript, self.loader))
        except AWAY as error:
            level, session_id = outage_level(self.outbox), self.transcript.session_id
            _log.log(level, "session %r is read from what this process remembers: %s", session_id, error)
            return remembered(added(self.outbox.seen.get(self._key), self.outbox.messages(self.transcript)))

    @property
    def _key(self) -> str:
        return self.transcript.keys.messages

    def _change_flow(self, build: Callable[[], Op[T]]) -> Flow[T]:
        if self.outbox is not None:
            yield from self.outbox.store_flow(self.transcript)
        return (yield from change_flow(build, self.transcript, self.loader))

    def _forgetting_flow(self, changing: Flow[T], outboxes: Outboxes) -> Flow[T]:
        """Changes what is stored, and forgets what this process remembers of the conversation."""
        try:
            return (yield from changing)
        finally:
            outboxes.forget([self._key])

    def messages_flow(self) -> Flow[list[BaseMessage]]:
        """Reads all messages."""
        stored = yield from self._read_flow(self.transcript.read(), lambda messages: messages)
        if self.outbox is not None and not self.outbox.messages(self.transcript):
            self.outbox.seen.put(self.transcript, stored)
        return stored

    def _add_flow(self, messages: Sequence[BaseMessage]) -> Flow[WriteResult]:
        parts = self.transcript.slices(self.transcript.pairs(messages))
        done, first = WriteResult(0, 0, 0, 0, 0), 0
        for part in parts:
            said = messages[first : first + len(part) // 2]
            first += len(said)
            done = done.then((yield from self._write_flow(part, said)))
        return done

    def _write_flow(self, pairs: list[Arg], said: Sequence[BaseMessage]) -> Flow[WriteResult]:
        write = self.transcript.write(pairs)

        def built(how: str) -> Op[WriteResult]:
            return write if how == "add" else self.transcript.write(pairs, how)

        if self.outbox is None:
            return (yield from add_flow(built, self.transcript, self.loader))
        try:
            yield from self.outbox.store_flow(self.transcript)
            stored = yield from add_flow(built, self.transcript, self.loader)
        except AWAY as error:
            _log.log(outage_level(self.outbox), "messages are kept in this process until they can be stored: %s", error)
            self.outbox.put(self.transcript, said, write, self.loader)
            return WriteResult(0, 0, 0, 0, 0)
        self.outbox.seen.add(self.transcript, said)
        return stored

    def add_flow(self, messages: Sequence[BaseMessage]) -> Flow[WriteResult]:
        """Stores messages, then passes them to the writer."""
        stored = yield from self._add_flow(messages)
        if self.writer is not None:
            yield from self.writer.write_flow(self.transcript, messages)
        return stored

    def recent_flow(self, n: int) -> Flow[list[BaseMessage]]:
        """Reads the newest `n` messages."""
        return self._read_flow(self.transcript.tail(messages=check_whole(n, "n")), lambda messages: messages[-n:])

    def recent_tokens_flow(self, budget: int) -> Flow[list[BaseMessage]]:
        """Reads the newest messages within a token budget."""
        return self._read_flow(self.transcript.tail(tokens=check_whole(budget, "budget")), self._within(budget))

    def _within(self, budget: int) -> Callable[[list[BaseMessage]], list[BaseMessage]]:
        def newest(messages: list[BaseMessage]) -> list[BaseMessage]:
            spent, first = 0, len(messages)
            while first and (spent := spent + self.transcript.counter([messages[first - 1]])) <= budget:
                first -= 1
            return messages[first:]

        return newest

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

        return self._read_flow(self.transcript.read().map(ranked), ranked)

    def count_flow(self) -> Flow[int]:
        """Counts the messages."""
        return self._read_flow(self.transcript.length(), len)

    def edit_flow(self, message_id: str, message: BaseMessage, outboxes: Outboxes) -> Flow[None]:
        """Replaces a message under its id."""
        changing = self._change_flow(lambda: self.transcript.edit(message_id, message))
        return self._forgetting_flow(changing, outboxes)

    def delete_flow(self, message_ids: Sequence[str], outboxes: Outboxes) -> Flow[int]:
        """Removes messages by id."""
        ids = [message_ids] if isinstance(message_ids, str) else message_ids
        return self._forgetting_flow(self._change_flow(lambda: self.transcript.remove(ids)), outboxes)

    def add_turn_flow(self, user: str, assistant: str) -> Flow[WriteResult]:
        """Stores a turn given as text."""
        return self.add_flow(turn_messages(user, assistant))

    def turns_flow(self, n: int) -> Flow[list[Turn]]:
        """Reads the newest `n` turns as text."""
        newest = self.transcript.tail(turns=check_whole(n, "n")).map(exchanges)
        return self._read_flow(newest, lambda messages: exchanges(messages)[-n:])

    def clear_flow(self, outboxes: Outboxes) -> Flow[None]:
        """Deletes the conversation, and what waits of it in any outbox of the client."""
        if isinstance(self.loader, AdoptingLoader):
            yield from self.loader.forget_flow(self.transcript.session_id)
        yield from deleting_flow(outboxes, [self._key], self.transcript.clear())

    def extend_ttl_flow(self, ttl_s: Lifetime) -> Flow[bool]:
        """Sets the lifetime from now."""
        ttl_ms = milliseconds(ttl_s) or self.transcript.ttl_ms
        if not ttl_ms:
            msg = "this history has no ttl_s of its own: give extend_ttl a number of seconds, or use persist()"
            raise InvalidInputError(msg)
        return (yield from lasting_flow(self.transcript, ttl_ms))

    def persist_flow(self) -> Flow[bool]:
        """Pins the conversation."""
        return (yield from lasting_flow(self.transcript, 0))

    def ttl(self) -> Op[float | None]:
        """Reads the lifetime that is left."""
        return self.transcript.info().map(lambda session: session.ttl_s if session else 0.0)


def lasting_flow(transcript: Transcript, ttl_ms: int) -> Flow[bool]:
    """Sets the lifetime of a conversation from now, 0 to pin it, and lets its user's index live as long.

    Gives whether it exists. The transcript may name no user: the server knows whose it is.

    **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`; `session_users`, `user_data`.
    **Trips:** 1, and 1 where it is noted with a user that the transcript does not name.
    """
    lasts = transcript.expire(ttl_ms) if ttl_ms else transcript.persist()
    data = UserData("session", transcript.agent, transcript.session_id)
    return user_index.lasting_flow(transcript.space, data, lasts, ttl_ms, transcript.user)
