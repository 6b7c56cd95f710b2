"""Thread index: the threads of a tenant, when each expires, and which runs wrote to it.

It lives under another hash tag than the threads, so it is updated by a command of its own, in the same trip and ahead
of the write: it may hold a thread that is gone, never miss one that is there, so every reader checks the thread itself.
A process that noted a thread does not do so again for a while (`NotedThreads`): the thread stands in the index for that
much longer than it lives, and a write that had to make the thread anew says so.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote

from langchain_redis_memory.errors import ServerError
from langchain_redis_memory.ops import Op, Reply
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.scripts import script

_PAUSE_MS = 60_000
"""Longest time for which a thread is not noted again."""
_MOST_NOTED = 10_000
"""Most threads that are remembered; then all are forgotten."""

_log = logging.getLogger(__name__)


def _spell(name: str) -> str:
    return quote(name, safe="", errors="surrogatepass")


def touch(space: KeySpace, thread_id: str, ttl_ms: int, how: str, runs: Sequence[str] = ()) -> Op[bool]:
    """Notes that a thread is alive, and the runs that write; `how` is "write", "read" or "pin", see `thread_touch.lua`.

    An op of one trip: whether it is noted. An index that the server refuses to update is logged.
    """
    call = script("checkpoint/thread_touch")(space.threads(), _spell(thread_id), ttl_ms, how, *map(_spell, runs))

    def read(replies: Sequence[Reply]) -> bool:
        refused = isinstance(replies[0], ServerError)
        if refused:
            _log.warning("thread %r is not noted in the index of threads: %s", thread_id, replies[0])
        return not refused

    return Op((call,), read, tolerant=True)


class _IndexedThread(NamedTuple):
    """When a thread was noted, for which lifetime, and with which run."""

    at: float
    ttl_ms: int
    run: str

    def covers(self, ttl_ms: int, run: str) -> bool:
        """Returns whether it was noted with the same."""
        return self.ttl_ms == ttl_ms and (not run or self.run == run)


class NotedThreads:
    """The threads that this process noted in the index a short while ago.

    Args:
        space: The tenant's key builder.
    """

    def __init__(self, space: KeySpace) -> None:
        self._space = space
        self._noted: dict[str, _IndexedThread] = {}

    def touch(self, thread_id: str, ttl_ms: int, run: str, now: float, *, anew: bool = False) -> Op[bool] | None:
        """Notes that a thread is written to by a run, "" for none that is known; None where it is noted already.

        `anew` says that it may have been deleted since it was noted.
        """
        noted, pause_ms = self._noted.get(thread_id), min(_PAUSE_MS, ttl_ms // 10) if ttl_ms else _PAUSE_MS
        if not anew and noted is not None and noted.covers(ttl_ms, run) and (now - noted.at) * 1000 < pause_ms:
            return None
        longer = ttl_ms + pause_ms if ttl_ms else 0

        def note(done: bool) -> bool:
            if done:
                if len(self._noted) >= _MOST_NOTED:
                    self._noted = {}
                self._noted[thread_id] = _IndexedThread(now, ttl_ms, run)
            return done

        return touch(self._space, thread_id, longer, "write", [run] if run else []).map(note)

    def forget(self, thread_id: str) -> None:
        """Forgets that a thread was noted."""
        self._noted.pop(thread_id, None)


def forget(space: KeySpace, thread_id: str) -> Op[None]:
    """Takes a thread and its runs out of the index."""
    return Op((script("checkpoint/thread_forget")(space.threads(), _spell(thread_id)),), lambda _replies: None)


def page(space: KeySpace, after: str | None, count: int) -> Op[list[str]]:
    """Reads a page of thread ids, after the last one of the page before.

    An op of one trip; some of them may be gone.
    """
    start = "[a" if after is None else "(a" + _spell(after)
    command = ("ZRANGEBYLEX", space.threads()[0], start, "(b", "LIMIT", 0, count)
    return Op((command,), lambda replies: [unquote(name.decode()[1:]) for name in replies[0]])


def of_run(space: KeySpace, run_id: str) -> Op[list[str]]:
    """Reads which threads a run wrote to. An op of one trip; some of them may be gone."""
    start = f"c{_spell(run_id)}/"
    command = ("ZRANGEBYLEX", space.threads()[0], f"[{start}", f"({start}\x7f")
    return Op((command,), lambda replies: [unquote(name.decode()[len(start) :]) for name in replies[0]])


def runs_of(space: KeySpace, thread_id: str) -> Op[list[str]]:
    """Reads which runs wrote to a thread."""
    start = f"b{_spell(thread_id)}/"
    command = ("ZRANGEBYLEX", space.threads()[0], f"[{start}", f"({start}\x7f")
    return Op((command,), lambda replies: [unquote(name.decode()[len(start) :]) for name in replies[0]])
