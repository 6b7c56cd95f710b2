"""List elements of a write: which there are, and which of them the server most likely lacks.

A long list is stored by its elements, each once for a thread. A write sends only the elements that this process has not
sent before; what the server lacks nevertheless it names, and that is sent in one more trip.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from langchain_core.messages import BaseMessage

from langchain_redis_memory.checkpoint.blobs import NO_LIST, Blobs, DividedList, Element
from langchain_redis_memory.checkpoint.layout import NewValue
from langchain_redis_memory.errors import UnserialisableError
from langchain_redis_memory.redis.codec.cipher.key import Key

_COLD = 32
_MOST_ELEMENTS = 100_000
"""Most that are remembered; then all are forgotten."""
_MOST_BYTES = 16_000_000
"""Most bytes of lists that longer ones are compared with; then all are forgotten."""

Name = tuple[str, bytes]
"""What an element is called within a thread: the channel of its list, and its digest."""


class SentElements:
    """The list elements that this process has sent, by thread: a guess that the server corrects."""

    def __init__(self) -> None:
        self._count = self._bytes = 0
        self._known: dict[str, set[Name]] = {}
        self._lists: dict[tuple[str, str, str], DividedList] = {}

    def unknown(self, key: str, elements: Mapping[Name, Any]) -> list[Name]:
        """Chooses the elements to send with a write to a thread, of those by channel and digest.

        Of a long list that this process has not seen, the server most likely has all but the end.
        """
        known = self._known.get(key)
        if known is not None:
            return [name for name in elements if name not in known]
        return list(elements) if len(elements) <= _COLD else list(elements)[-8:]

    def note(self, key: str, elements: Mapping[Name, Any]) -> None:
        """Remembers that a thread has elements."""
        if self._count > _MOST_ELEMENTS:
            self._known, self._count = {}, 0
        known = self._known.setdefault(key, set())
        before = len(known)
        known.update(elements)
        self._count += len(known) - before

    def list_of(self, key: str, ns: str, channel: str) -> DividedList:
        """Returns the list that a channel was last stored with."""
        return self._lists.get((key, ns, channel), NO_LIST)

    def note_list(self, key: str, ns: str, channel: str, stored: DividedList) -> None:
        """Remembers what list a channel was stored with."""
        if self._bytes > _MOST_BYTES:
            self._lists, self._bytes = {}, 0
        before = self._lists.get((key, ns, channel), NO_LIST)
        self._lists[key, ns, channel] = stored
        self._bytes += len(stored.exact) - len(before.exact)


class ValueSplitter:
    """Splits the channel values of one write into blobs and list elements.

    Args:
        blobs: Encodes values.
        key: What the elements are stored under; it may want keyed digests.
        sent: What was sent before; lists that are whole channels are compared with those of it.
        ns: The namespace whose channels they are; None where they are parts of channels.
    """

    def __init__(self, blobs: Blobs, key: Key, sent: SentElements, ns: str | None = None) -> None:
        self._blobs, self._key, self._sent, self._ns = blobs, key, sent, ns
        self._lists: dict[str, tuple[list[bytes], list[Any], DividedList | None]] = {}
        self.elements: dict[Name, Element] = {}
        """The elements of the lists that were not in the lists before them."""

    def new_value(self, channel: str, reference: str, value: Any) -> NewValue:
        """Returns a channel's new value, with the list that it goes on."""
        body = self.take(channel, value, reference)
        before = self._sent.list_of(self._key, self._ns or "", channel) if type(body) is list else NO_LIST
        return NewValue(channel, reference, body, before.reference)

    def take(self, channel: str, value: Any, reference: str = "") -> bytes | list[bytes]:
        """Returns a value as a blob, or as the digests of its elements."""
        before = None if self._ns is None else self._sent.list_of(self._key, self._ns, channel)
        try:
            parts = self._blobs.divide(value, before)
            if parts is None:
                return self._blobs.pack(value)
        except UnserialisableError as error:
            raise UnserialisableError(f"channel {channel!r}: {error}") from error.__cause__
        digests = before.digests[: parts.known] if before is not None else []
        for element in parts.elements:
            digest = self._key.blind(element.digest)
            digests.append(digest)
            self.elements[channel, digest] = element
        stored = None if parts.exact is None else DividedList(parts.exact, digests, parts.size, reference)
        self._lists[channel] = digests, value, stored
        return digests

    def take_write(self, channel: str, value: Any) -> bytes | list[bytes]:
        """Returns a task's write; a message without an id gets one when it is applied: the state will not share it."""
        nameless = type(value) is list and any(isinstance(item, BaseMessage) and item.id is None for item in value)
        return self._blobs.pack(value) if nameless else self.take(channel, value)

    def sending(self) -> list[Name]:
        """Chooses the elements to send."""
        return self._sent.unknown(self._key, self.elements) if self.elements else []

    def encoded(self, names: Iterable[Name]) -> dict[Name, bytes]:
        """Encodes elements for the key that they are stored under."""
        return {name: self._blobs.encode(self.elements[name]) for name in names}

    def missing(self, digests: Iterable[bytes], sending: Collection[Name]) -> list[Name]:
        """Adds to what was sent what the server lacks."""
        lacking, wanted = set(digests), set(sending)
        for channel, (names, values, _) in self._lists.items():
            for digest, value in zip(names, values, strict=True):
                if digest in lacking:
                    self.elements.setdefault((channel, digest), Element(digest, value))
        return [name for name in self.elements if name in wanted or name[1] in lacking]

    def note(self) -> None:
        """Remembers that all this is stored."""
        if self.elements:
            self._sent.note(self._key, self.elements)
        for channel, (_, _, stored) in self._lists.items():
            if stored is not None and self._ns is not None:
                self._sent.note_list(self._key, self._ns, channel, stored)
