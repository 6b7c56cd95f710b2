"""The near cache: values kept in this process, each with its version.

A value is served without a trip for `near_s` seconds after it was read. After that only its version is asked for, and
its bytes come again only if it has another. Of two versions the newer one stays, in whatever order replies arrive.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

from langchain_redis_memory.locks import new_lock
from langchain_redis_memory.redis.codec.values import unpack_raw

_AS_THEY_ARE = (str, bytes, int, float, bool, type(None))


class NearValue(NamedTuple):
    """A value: its version, until when it is served, its bytes, and itself where nobody can change it."""

    version: int
    until: float
    body: bytes
    value: Any
    shared: bool

    def read(self) -> Any:
        """Returns the value, a new one each time where a caller could change it."""
        return self.value if self.shared else unpack_raw(self.body)


class NearCache:
    """Values of one cache in this process; those used least recently go."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, new_lock()
        self._kept: OrderedDict[str, NearValue] = OrderedDict()

    def get(self, key: str) -> NearValue | None:
        """Returns a value."""
        return self._kept.get(key)

    def put(self, key: str, version: int, until: float, body: bytes) -> None:
        """Keeps a value, unless a newer version is kept; it is served `until` then, in the process's monotonic time.

        One that was deleted has no bytes, so that what was read before is not kept any more.
        """
        value = unpack_raw(body) if body else None
        kept = NearValue(version, until, body, value, type(value) in _AS_THEY_ARE)
        with self._lock:
            known = self._kept.get(key)
            if known is None or known.version <= version:
                self._kept[key] = kept
                self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def drop(self, *keys: str) -> None:
        """Forgets some values, all without a name."""
        with self._lock:
            if not keys:
                self._kept.clear()
            for key in keys:
                self._kept.pop(key, None)
