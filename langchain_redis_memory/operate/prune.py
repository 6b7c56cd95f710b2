"""Old checkpoints of all threads of a tenant: how many could go, and their removal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from langchain_redis_memory.checkpoint import thread_index
from langchain_redis_memory.checkpoint.prune import PruneReport
from langchain_redis_memory.errors import RedisMemoryError
from langchain_redis_memory.ops import Flow, Invoke, ask
from langchain_redis_memory.redis.keys import KeySpace

_PAGE = 50

OnProgress = Callable[[int], object]
"""Receives how many have been done."""


@dataclass
class PruneCounts:
    """What was removed, or could be.

    Args:
        threads: How many threads were looked at.
        checkpoints: How many checkpoints were removed.
        bytes: Bytes of their names and values.
        dry_run: Whether nothing was removed.
        failed: Threads of which nothing was removed, with why.
    """

    threads: int = 0
    checkpoints: int = 0
    bytes: int = 0
    dry_run: bool = False
    failed: dict[str, str] = field(default_factory=dict)


def prune_flow(
    space: KeySpace, prune: Callable[[Sequence[str]], Invoke], dry_run: bool, progress: OnProgress | None
) -> Flow[PruneCounts]:
    """Removes old checkpoints of all threads, or says what it would remove, and goes on where one fails.

    `prune` removes those of some threads; `progress` receives how many have been looked at.

    **Keys:** `threads`; `checkpoints`, `order`, `blobs`, `writes`.
    **Trips:** 1, and those of `RedisSaver.prune`, for each 50 threads.
    """
    done, after = PruneCounts(dry_run=dry_run), None
    while page := (yield from ask(thread_index.page(space, after, _PAGE))):
        after = page[-1]
        try:
            reports: list[PruneReport] = [(yield prune(page))]
        except RedisMemoryError:
            reports = yield from _one_by_one_flow(page, prune, done)
        done.threads += len(page)
        done.checkpoints += sum(len(report.checkpoints) for report in reports)
        done.bytes += sum(report.bytes for report in reports)
        if progress is not None:
            progress(done.threads)
    return done


def _one_by_one_flow(
    page: Sequence[str], prune: Callable[[Sequence[str]], Invoke], done: PruneCounts
) -> Flow[list[PruneReport]]:
    reports: list[PruneReport] = []
    for thread in page:
        try:
            reports.append((yield prune([thread])))
        except RedisMemoryError as error:
            done.failed[thread] = f"{type(error).__name__}: {error}"
    return reports
