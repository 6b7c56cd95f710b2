"""Writes that wait, by conversation and in order, within bounds. Threads may share them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence, Sized
from math import inf
from typing import Any

from langchain_core.messages import BaseMessage, RemoveMessage

from langchain_redis_memory.errors import ServerError
from langchain_redis_memory.history.read_through import UserCallback, change_flow
from langchain_redis_memory.history.transcript import REMOVE_ALL_MESSAGES, Transcript
from langchain_redis_memory.locks import new_lock
from langchain_redis_memory.ops import Call, Flow, Op, Reply, pure
from langchain_redis_memory.redis.client.clock import monotonic

_log = logging.getLogger(__name__)

_SEEN_CONVERSATIONS, _SEEN_MESSAGES = 512, 200


class Entry:
    """One write that waits.

    Args:
        transcript: The conversation.
        messages: What was said, in order.
        op: The operation that stores it.
        number: Its place in the order of all entries.
        loader: Loads the conversation before it is stored, where Redis does not have it.
        refused: Whether the server has refused it, which is logged once.
    """

    def __init__(
        self,
        transcript: Transcript,
        messages: Sequence[BaseMessage],
        op: Op[Any],
        number: int,
        loader: UserCallback | None = None,
        refused: bool = False,
    ) -> None:
        self.transcript: Transcript = transcript
        self.messages: Sequence[BaseMessage] = messages
        self.op: Op[Any] = op
        self.number: int = number
        self.loader: UserCallback | None = loader
        self.refused: bool = refused

    @property
    def key(self) -> str:
        """Names the conversation."""
        return self.transcript.keys.messages

    @property
    def size(self) -> int:
        """Counts the bytes that are to be sent."""
        calls = (command for command in self.op.commands if isinstance(command, Call))
        return sum(len(arg) for call in calls for arg in call.args if isinstance(arg, bytes | str))

    def load_flow(self) -> Flow[None]:
        """Loads the conversation where Redis does not have it, as its next reader would."""
        yield from change_flow(lambda: pure(None), self.transcript, self.loader)

    def attempt(self) -> Op[bool]:
        """Tries to store it. An op of one trip: whether the server took it.

        What it says else is logged, and fails nothing.
        """

        def read(replies: Sequence[Reply]) -> bool:
            try:
                self.op.read(replies)
            except ServerError as error:
                _log.log(logging.DEBUG if self.refused else logging.WARNING, "messages wait to be stored: %s", error)
                self.refused = True
                return False
            return True

        return Op(self.op.commands, read, tolerant=True)


class WaitingWrites:
    """The entries of an outbox, at most so many messages and bytes."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._entries: dict[int, Entry] = {}
        self._of: dict[str, dict[int, Entry]] = {}
        self._messages = self._bytes = self._numbers = 0
        self.changed: threading.Condition = threading.Condition()

    def __len__(self) -> int:
        return self._messages

    def put(
        self, transcript: Transcript, messages: Sequence[BaseMessage], op: Op[Any], loader: UserCallback | None
    ) -> tuple[Entry, list[Entry]]:
        """Appends a write; gives its entry, and those that gave way: the oldest ones."""
        with self.changed:
            self._numbers += 1
            entry = Entry(transcript, messages, op, self._numbers, loader)
            self._insert(entry)
            lost = []
            while self._messages > self._most or self._bytes > self._most_bytes:
                lost.append(next(iter(self._entries.values())))
                self._remove(lost[-1])
        return entry, lost

    def _insert(self, entry: Entry) -> None:
        self._entries[entry.number] = self._of.setdefault(entry.key, {})[entry.number] = entry
        self._messages += len(entry.messages)
        self._bytes += entry.size

    def _remove(self, entry: Entry) -> None:
        if self._entries.pop(entry.number, None) is None:
            return
        del self._of[entry.key][entry.number]
        if not self._of[entry.key]:
            del self._of[entry.key]
        self._messages -= len(entry.messages)
        self._bytes -= entry.size
        if not self._entries:
            self.changed.notify_all()

    def of(self, key: str) -> list[Entry]:
        """Lists the entries of a conversation, in order."""
        with self.changed:
            return list(self._of.get(key, {}).values())

    def first(self, most: int, stuck: set[str]) -> list[Entry]:
        """Lists the first entry of each of some conversations."""
        with self.changed:
            keys = [key for key in self._of if key not in stuck][:most]
            return [next(iter(self._of[key].values())) for key in keys]

    def remove(self, entries: Iterable[Entry]) -> None:
        """Removes entries; one that is not there is no problem."""
        with self.changed:
            for entry in entries:
                self._remove(entry)

    def take(self, key: str | None = None) -> list[Entry]:
        """Takes out the entries of a conversation, or all."""
        with self.changed:
            taken = list(self._entries.values()) if key is None else self.of(key)
            self.remove(taken)
        return taken

    def restore(self, entries: Iterable[Entry]) -> None:
        """Puts entries back where they were."""
        with self.changed:
            for entry in entries:
                self._insert(entry)
            self._entries = dict(sorted(self._entries.items()))
            self._of = {key: dict(sorted(of.items())) for key, of in self._of.items()}


class SeenMessages:
    """The newest messages of what this process last read or wrote: what it can show without a server."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, list[BaseMessage]]] = {}
        self._lock = new_lock()

    def get(self, key: str) -> list[BaseMessage]:
        """Returns the messages of a conversation, oldest first; none where its lifetime is over."""
        until, messages = self._known.get(key, (0.0, []))
        return messages if until > monotonic() else []

    def put(self, transcript: Transcript, messages: Sequence[BaseMessage]) -> None:
        """Remembers a conversation as it was read."""
        key = transcript.keys.messages
        until = monotonic() + transcript.ttl_ms / 1000 if transcript.ttl_ms else inf
        with self._lock:
            self._known.pop(key, None)
            if messages:
                self._known[key] = until, list(messages[-_SEEN_MESSAGES:])
            if len(self._known) > _SEEN_CONVERSATIONS:
                del self._known[next(iter(self._known))]

    def forget(self, key: str) -> None:
        """Forgets a conversation: it was deleted, or one of its messages was."""
        with self._lock:
            self._known.pop(key, None)

    def add(self, transcript: Transcript, messages: Sequence[BaseMessage]) -> None:
        """Remembers messages that were added."""
        self.put(transcript, added(self.get(transcript.keys.messages), messages))


def added(known: Sequence[BaseMessage], messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Returns messages as they are after others were added: a known id replaces, a `RemoveMessage` removes."""
    result = list(known)
    for message in messages:
        place = next((i for i, one in enumerate(result) if message.id and one.id == message.id), None)
        if isinstance(message, RemoveMessage):
            result = [] if message.id == REMOVE_ALL_MESSAGES else [one for one in result if one.id != message.id]
        elif place is None:
            result.append(message)
        else:
            result[place] = message
    return result


def outage_level(waiting: Sized) -> int:
    """Returns the level at which a failed call is logged: a warning, until something waits and the outage is told."""
    return logging.DEBUG if len(waiting) else logging.WARNING
