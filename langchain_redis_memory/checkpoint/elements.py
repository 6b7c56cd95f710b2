"""List elements of a write: which there are, and which of them the server most likely lacks.

A long list is stored by its elements, each once for a thread. A write sends only the elements that this process has not
sent before; what the server lacks nevertheless it names, and that is sent in one more trip.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_redis_memory.checkpoint.blobs import Blobs
from langchain_redis_memory.redis.codec.cipher.key import Key

_COLD = 32


class ValueSplitter:
    """Splits the channel values of one write into blobs and list elements.

    Args:
        blobs: Encodes values.
        key: What the elements are stored under; it may want keyed digests.
    """

    def __init__(self, blobs: Blobs, key: Key) -> None:
        self._blobs = blobs
        self._key = key
        self.elements: dict[tuple[str, bytes], Any] = {}
        """The elements of the lists, by channel and digest."""

    def take(self, channel: str, value: Any) -> bytes | list[bytes]:
        """Returns a value as a blob, or as the digests of its elements."""
        parts = self._blobs.divide(value)
        if parts is None:
            return self._blobs.pack(value)
        digests = [self._key.blind(part.digest) for part in parts]
        for digest, (_, element) in zip(digests, parts, strict=True):
            self.elements[channel, digest] = element
        return digests


class SentElements:
    """The list elements that this process has sent, by thread: a guess that the server corrects.

    Args:
        most: Most elements; then all are forgotten.
    """

    def __init__(self, most: int = 100_000) -> None:
        self._most = most
        self._count = 0
        self._known: dict[str, set[tuple[str, bytes]]] = {}

    def unknown(self, key: str, elements: Mapping[tuple[str, bytes], Any]) -> list[tuple[str, bytes]]:
        """Chooses the elements to send with a write.

        Args:
            key: The thread.
            elements: The elements of the write, by channel and digest.

        Returns:
            Their names. Of a long list that this process has not seen, the server most likely has all but the end.
        """
        known = self._known.get(key)
        if known is not None:
            return [name for name in elements if name not in known]
        return list(elements) if len(elements) <= _COLD else list(elements)[-8:]

    def note(self, key: str, elements: Mapping[tuple[str, bytes], Any]) -> None:
        """Remembers that a thread has elements."""
        if self._count > self._most:
            self._known, self._count = {}, 0
        known = self._known.setdefault(key, set())
        before = len(known)
        known.update(elements)
        self._count += len(known) - before
