"""Threads whose keys are spelled already: spelling them takes longer than all else that a write puts together."""

from __future__ import annotations

from langchain_redis_memory.checkpoint.thread import Thread
from langchain_redis_memory.redis.keys import KeySpace

_MOST = 1_000
"""Most threads; then all are forgotten."""


class Threads:
    """The threads of a tenant; the keys of those that were asked for lately are spelled already.

    Args:
        space: The tenant's key builder.
    """

    def __init__(self, space: KeySpace) -> None:
        self._space = space
        self._known: dict[tuple[str, str], Thread] = {}

    def of(self, thread_id: str, asker: str = "") -> Thread:
        """Returns a thread, for whom asks."""
        thread = self._known.get((thread_id, asker))
        if thread is None:
            thread = Thread(self._space, thread_id, asker)
            if self._space.cipher is None:  # whose keys may be changed or shredded
                if len(self._known) >= _MOST:
                    self._known = {}
                self._known[thread_id, asker] = thread
        return thread
