"""The messages of one conversation, as ops.

A conversation is a list of records (see `codec`), a sorted set of eight-byte identities in the same order, by which a
script finds a message's place in O(log n), and a hash of counters. A message without an id gets a random identity (nine
bytes) when the op is built, so sending the same op again after a lost reply changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import field
from functools import cached_property
from typing import ClassVar, NamedTuple

from langchain_core.messages import BaseMessage, RemoveMessage

from langchain_redis_memory.errors import (
    EVICTED,
    EvictedError,
    InvalidInputError,
    MessageNotFoundError,
    NotAMessageError,
)
from langchain_redis_memory.frozen import Frozen
from langchain_redis_memory.history import session_index
from langchain_redis_memory.ops import Arg, Command, Op, Reply, merge, pure
from langchain_redis_memory.redis import user_index
from langchain_redis_memory.redis.codec.messages import TokenCounter, decode_messages, encode_message, identity
from langchain_redis_memory.redis.codec.tokens import count_tokens
from langchain_redis_memory.redis.key_groups import SessionKeys
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.scripts import script
from langchain_redis_memory.redis.user_index import UserData

REMOVE_ALL_MESSAGES = "__remove_all__"
"""The id by which LangGraph's `RemoveMessage` empties a conversation."""

MOST_BYTES = 64 * 1024 * 1024
"""How large a message may be as it is stored."""
SLICE_MESSAGES, SLICE_BYTES = 250, 8 * 1024 * 1024
"""How much is written at once: a script keeps the server from everybody else."""


class WriteResult(NamedTuple):
    """The result of a write.

    Args:
        stored: Messages stored now.
        appended: New ones.
        replaced: Known ones stored again in their place.
        removed: Ones that a `RemoveMessage` took out.
        trimmed: Old ones dropped to keep within the bounds.
    """

    stored: int
    appended: int
    replaced: int
    removed: int
    trimmed: int

    def then(self, later: WriteResult) -> WriteResult:
        """Returns what this write and a later one did together."""
        return WriteResult(later.stored, *(one + other for one, other in zip(self[1:], later[1:], strict=True)))


class Transcript(Frozen):
    """Builds the ops of one conversation.

    Args:
        space: The tenant's key builder.
        session_id: The conversation's id.
        agent: The agent it belongs to.
        ttl_ms: Its lifetime from the last write in milliseconds, 0 for none.
        max_messages: Most messages kept, 0 for no bound.
        max_tokens: Most tokens kept, 0 for no bound.
        counter: Counts a message's tokens when it is stored.
        touch_on_read: Whether reading moves the lifetime as writing does.
        user: Whose conversation it is, for the index by which it is found and erased; "" for nobody's.
    """

    ADD: ClassVar[str] = "history/history_add"
    PAIRS: ClassVar[int] = 4
    """The script that adds messages, and where in its arguments their pairs begin."""

    space: KeySpace
    session_id: str
    agent: str = ""
    ttl_ms: int = 604_800_000
    max_messages: int = 0
    max_tokens: int = 0
    counter: TokenCounter = count_tokens
    touch_on_read: bool = False
    user: str = field(default="", compare=False)

    @cached_property
    def keys(self) -> SessionKeys:
        """The conversation's keys."""
        return self.space.session(self.session_id, self.agent)

    def add(self, messages: Sequence[BaseMessage], how: str = "add") -> Op[WriteResult]:
        """Appends messages; replaces those whose id is stored; obeys `RemoveMessage`; trims.

        `how` is "add"; "known" leaves out messages whose id is not stored; "fill" does nothing where the conversation
        is there, "more" where it is not. Raises `NotAMessageError`, `UnserialisableError`: one of them is not a
        message, or holds a value that cannot be stored.
        """
        return self.write(self.pairs(messages), how)

    def pairs(self, messages: Sequence[BaseMessage]) -> list[Arg]:
        """Encodes messages for `write`; one without an id gets a random identity, which stays with it.

        Returns an identity and a record for each; no record removes the message, no identity all.
        """
        if isinstance(messages, BaseMessage):
            msg = f"expected a list of messages, got one {type(messages).__name__}: add_message() stores one"
            raise NotAMessageError(msg)
        pairs: list[Arg] = []
        for message in messages:
            if isinstance(message, RemoveMessage):
                everything = message.id == REMOVE_ALL_MESSAGES
                pairs += [b"" if everything else identity(_needed(message.id)), b""]
                continue
            record = encode_message(message, self.counter, self.keys.messages)
            if len(record) > MOST_BYTES:
                msg = f"a {message.type} message takes more than {MOST_BYTES >> 20} MiB: store it elsewhere and name it"
                raise InvalidInputError(msg)
            pairs += [identity(message.id) if message.id else os.urandom(9), record]
        return pairs

    @staticmethod
    def slices(pairs: list[Arg]) -> list[list[Arg]]:
        """Cuts messages into writes that keep the server for some milliseconds only.

        Returns parts, in order: at least one.
        """
        if len(pairs) <= 2 * SLICE_MESSAGES and sum(len(one) for one in pairs if isinstance(one, bytes)) <= SLICE_BYTES:
            return [pairs]
        parts, size = [list[Arg]()], 0
        for identity_, record in zip(pairs[::2], pairs[1::2], strict=True):
            bytes_ = len(record) if isinstance(record, bytes) else 0
            if len(parts[-1]) >= 2 * SLICE_MESSAGES or (parts[-1] and size + bytes_ > SLICE_BYTES):
                parts.append([])
                size = 0
            parts[-1] += [identity_, record]
            size += bytes_
        return parts

    def write(self, pairs: list[Arg], how: str = "add", trip: str = "") -> Op[WriteResult]:
        """Stores what `pairs` encoded; see `add`.

        `trip` is the key of the trip that sent it before, maybe by another process.
        """
        call = script("history/history_add")(
            self.keys.all(), self.ttl_ms, self.max_messages, self.max_tokens, how, *pairs
        )
        if trip:
            call = call._replace(keys=(*call.keys[:-1], trip))
        write = Op((call,), lambda replies: WriteResult(*replies[0]))
        return merge(self._touch("write"), write).map(lambda both: both[1])

    def _touch(self, how: str, ttl_ms: int | None = None) -> Op[None]:
        ttl_ms = self.ttl_ms if ttl_ms is None else ttl_ms
        touch = session_index.touch(self.space, self.agent, self.session_id, ttl_ms, how)
        if not self.user:
            return touch
        data = UserData("session", self.agent, self.session_id)
        note = user_index.note(self.space, self.user, data, 0 if how == "pin" else ttl_ms)
        return merge(touch, note).map(lambda _both: None)

    def remove(self, message_ids: Iterable[str]) -> Op[int]:
        """Removes messages by id; unknown ones are skipped. An op of one trip: how many were removed.

        Raises `InvalidInputError`: an id is not a non-empty string.
        """
        pairs: list[Arg] = []
        for message_id in message_ids:
            pairs += [identity(_needed(message_id)), b""]
        return self.write(pairs).map(lambda added: added.removed) if pairs else pure(0)

    def edit(self, message_id: str, message: BaseMessage) -> Op[None]:
        """Stores another message in the place of a known one, under the same id, which it may leave out.

        An op of one trip, which raises `MessageNotFoundError` if no stored message has that id. Raises
        `NotAMessageError`, `InvalidInputError`: it is not a message, or has another id.
        """
        _needed(message_id)
        if not isinstance(message, BaseMessage) or isinstance(message, RemoveMessage):
            raise NotAMessageError(f"edit needs the message to store, got {type(message).__name__}")
        if message.id not in (None, message_id):
            raise InvalidInputError(f"the message has the id {message.id!r}, but {message_id!r} is to be edited")

        def check(added: WriteResult) -> None:
            if not added.replaced:
                raise MessageNotFoundError(self._unknown(message_id))

        named = message if message.id else message.model_copy(update={"id": message_id})
        return self.add([named], "known").map(check)

    def _unknown(self, message_id: str) -> str:
        return f"no message with the id {message_id!r} is stored in session {self.session_id!r}"

    def read(self) -> Op[list[BaseMessage]]:
        """Reads all messages, oldest first."""
        return self._reading(self._found(("LRANGE", self.keys.messages, 0, -1)))

    def head(self, count: int) -> Op[list[BaseMessage]]:
        """Reads the oldest messages that are stored, without moving any lifetime."""
        return self._found(("LRANGE", self.keys.messages, 0, count - 1))

    def _found(self, command: Command) -> Op[list[BaseMessage]]:
        """Reads messages, and whether there have to be some: an evicted list is not an empty conversation."""
        messages, ids = self.keys.messages, self.keys.ids

        def read(replies: Sequence[Reply]) -> list[BaseMessage]:
            if not replies[0] and replies[1] == 1:  # one of the two: others may write in between, but never one
                raise EvictedError(f"{messages}: {EVICTED}")
            return decode_messages(replies[0], messages)

        return Op((command, ("EXISTS", messages, ids)), read)

    def tail(self, *, messages: int = 0, tokens: int = 0, turns: int = 0) -> Op[list[BaseMessage]]:
        """Reads the newest messages within bounds, 0 for none, oldest first; with `turns` a user's comes first."""
        key = self.keys.messages
        if messages and not tokens and not turns:
            return self._reading(self._found(("LRANGE", key, -messages, -1)))
        found = Op((script("history/history_tail")((key, self.keys.ids), messages, tokens, turns),), self._decode)
        return self._reading(found)

    def _decode(self, replies: Sequence[Reply]) -> list[BaseMessage]:
        return decode_messages(replies[0], self.keys.messages)

    def before(self, message_id: str, count: int) -> Op[list[BaseMessage]]:
        """Reads the messages just before a known one, oldest first.

        An op of one trip, which raises `MessageNotFoundError` if no stored message has that id.
        """
        keys = self.keys

        def read(replies: Sequence[Reply]) -> list[BaseMessage]:
            if replies[0] is None:
                raise MessageNotFoundError(self._unknown(message_id))
            return decode_messages(replies[0], keys.messages)

        call = script("history/history_before")((keys.messages, keys.ids), identity(_needed(message_id)), count)
        return self._reading(Op((call,), read))

    def _reading(self, found: Op[list[BaseMessage]]) -> Op[list[BaseMessage]]:
        if not self.touch_on_read:
            return found
        # A server that is full or read-only refuses the touch; that is no reason not to read.
        touches = merge(self._touch("read"), self._lifetime("touch", self.ttl_ms)).optional(None)
        return merge(touches, found).map(lambda both: both[1])

    def exists(self) -> Op[bool]:
        """Asks whether the conversation exists, be it empty."""
        return Op((("EXISTS", self.keys.meta),), lambda replies: bool(replies[0]))

    def length(self) -> Op[int]:
        """Counts the stored messages."""
        return Op((("LLEN", self.keys.messages),), lambda replies: int(replies[0]))

    def clear(self) -> Op[None]:
        """Deletes the conversation and its entry in the index."""
        return session_index.erase(self.space, self.agent, [self.session_id]).map(lambda _existed: None)

    def _lifetime(self, how: str, ttl_ms: int) -> Op[bool]:
        return Op((script("history/lifetime")(self.keys.all(), ttl_ms, how),), lambda replies: bool(replies[0]))

    def expire(self, ttl_ms: int) -> Op[bool]:
        """Sets the lifetime from now; a pinned conversation is no longer pinned.

        An op of one trip: whether the conversation exists.
        """
        return merge(self._touch("set", ttl_ms), self._lifetime("set", ttl_ms)).map(lambda both: both[1])

    def persist(self) -> Op[bool]:
        """Pins the conversation: it lives until it is cleared or given a lifetime again.

        An op of one trip: whether the conversation exists.
        """
        return merge(self._touch("pin"), self._lifetime("pin", 0)).map(lambda both: both[1])

    def info(self) -> Op[session_index.Session | None]:
        """Reads what is known of the conversation, None where it does not exist."""
        return session_index.info(self.space, self.agent, self.session_id)


def _needed(message_id: str | None) -> str:
    if not isinstance(message_id, str) or not message_id:
        raise InvalidInputError(f"a message id must be a non-empty string, got {message_id!r}")
    return message_id
