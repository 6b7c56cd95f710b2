"""Thread index: the threads of a tenant, when each expires, and which runs wrote to it.

It lives under another hash
tag than the threads, so it is updated by a command of its own, in the same trip and ahead of the write: it may hold a
thread that is gone, never miss one that is there, so every reader checks the thread itself.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from urllib.parse import quote, unquote

from langchain_redis_memory.errors import ServerError
from langchain_redis_memory.ops import Op, Reply
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.scripts import script

_log = logging.getLogger(__name__)


def _spell(name: str) -> str:
    return quote(name, safe="", errors="surrogatepass")


def touch(space: KeySpace, thread_id: str, ttl_ms: int, how: str, runs: Sequence[str] = ()) -> Op[None]:
    """Notes that a thread is alive.

    Args:
        space: The tenant's key builder.
        thread_id: The thread.
        ttl_ms: Its lifetime from now in milliseconds, 0 for none.
        how: "write", "read" or "pin"; see `thread_touch.lua`.
        runs: The runs that write to it now.

    Returns:
        An op of one trip. An index that the server refuses to update is logged.
    """
    call = script("checkpoint/thread_touch")(space.threads(), _spell(thread_id), ttl_ms, how, *map(_spell, runs))

    def read(replies: Sequence[Reply]) -> None:
        if isinstance(replies[0], ServerError):
            _log.warning("thread %r is not noted in the index of threads: %s", thread_id, replies[0])

    return Op((call,), read, tolerant=True)


def forget(space: KeySpace, thread_id: str) -> Op[None]:
    """Takes a thread and its runs out of the index.

    Args:
        space: The tenant's key builder.
        thread_id: The thread.

    Returns:
        An op of one trip.
    """
    return Op((script("checkpoint/thread_forget")(space.threads(), _spell(thread_id)),), lambda _replies: None)


def page(space: KeySpace, after: str | None, count: int) -> Op[list[str]]:
    """Reads a page of thread ids.

    Args:
        space: The tenant's key builder.
        after: The last id of the page before; None for the first page.
        count: Most ids.

    Returns:
        An op of one trip; some of them may be gone.
    """
    start = "[a" if after is None else "(a" + _spell(after)
    command = ("ZRANGEBYLEX", space.threads()[0], start, "(b", "LIMIT", 0, count)
    return Op((command,), lambda replies: [unquote(name.decode()[1:]) for name in replies[0]])


def of_run(space: KeySpace, run_id: str) -> Op[list[str]]:
    """Reads which threads a run wrote to.

    Args:
        space: The tenant's key builder.
        run_id: The run.

    Returns:
        An op of one trip; some of them may be gone.
    """
    start = f"c{_spell(run_id)}/"
    command = ("ZRANGEBYLEX", space.threads()[0], f"[{start}", f"({start}\x7f")
    return Op((command,), lambda replies: [unquote(name.decode()[len(start) :]) for name in replies[0]])


def runs_of(space: KeySpace, thread_id: str) -> Op[list[str]]:
    """Reads which runs wrote to a thread.

    Args:
        space: The tenant's key builder.
        thread_id: The thread.

    Returns:
        An op of one trip.
    """
    start = f"b{_spell(thread_id)}/"
    command = ("ZRANGEBYLEX", space.threads()[0], f"[{start}", f"({start}\x7f")
    return Op((command,), lambda replies: [unquote(name.decode()[len(start) :]) for name in replies[0]])
