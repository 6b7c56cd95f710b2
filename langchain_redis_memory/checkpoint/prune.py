"""Removes checkpoints from threads: read outlines, decide (see `retention`), delete if nothing has changed since.

Up to 50 threads share their round trips: one for each 1,000 checkpoints of the longest, one for the element ranges of
lists, one that deletes. A thread that was written to in between is looked at again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig

from langchain_redis_memory.checkpoint import thread_index
from langchain_redis_memory.checkpoint.blobs import Blobs
from langchain_redis_memory.checkpoint.config import config_of, thread_name
from langchain_redis_memory.checkpoint.layout import CheckpointPage, CheckpointRecord, ListRanges
from langchain_redis_memory.checkpoint.retention import CheckpointOutline, Removal, Span, going, surplus, unreferenced
from langchain_redis_memory.checkpoint.thread import Thread
from langchain_redis_memory.checks import check_several, check_whole, check_word
from langchain_redis_memory.errors import ConflictError
from langchain_redis_memory.ops import Flow, Op, ask, merge
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.scripts import command
from langchain_redis_memory.redis.ttl import Lifetime, milliseconds

_PAGE = 1000
_AT_ONCE = 50
_TRIES = 10

Rule = Callable[[Sequence[CheckpointOutline]], Callable[[CheckpointOutline], bool]]


@dataclass(frozen=True)
class PruneReport:
    """Reports a removal, or with `dry_run` one that was not carried out.

    Args:
        checkpoints: The configs of the removed checkpoints.
        bytes: Bytes of the names and values removed with them.
    """

    checkpoints: list[RunnableConfig]
    bytes: int


def remove_flow(
    space: KeySpace, blobs: Blobs, thread_ids: Sequence[str], rule: Rule, *, dry_run: bool = False
) -> Flow[PruneReport]:
    """Removes the checkpoints from threads that a rule allows, or reports what would go; missing threads are skipped.

    The rule decides from all checkpoints of a thread. Raises `ConflictError`: a thread was written to again and again.
    """
    names = list(dict.fromkeys(thread_ids))
    gone: list[RunnableConfig] = []
    total = 0
    for first in range(0, len(names), _AT_ONCE):
        left = [Thread(space, name) for name in names[first : first + _AT_ONCE]]
        for _ in range(_TRIES):
            left, taken = yield from _attempt_flow(left, blobs, rule, dry_run=dry_run)
            for thread, records, size in taken:
                gone += [config_of(thread.thread_id, record.ns, record.id) for record in records]
                total += size
            if not left:
                break
        else:
            msg = f"threads were written to again and again, nothing was removed from them; try again: {_named(left)}"
            raise ConflictError(msg)
    return PruneReport(gone, total)


def _named(left: Sequence[Thread]) -> str:
    return ", ".join(repr(thread.thread_id) for thread in left[:5])


def _attempt_flow(
    wanted: Sequence[Thread], blobs: Blobs, rule: Rule, *, dry_run: bool
) -> Flow[tuple[list[Thread], list[tuple[Thread, list[CheckpointRecord], int]]]]:
    """Tries once: returns the threads that changed meanwhile, and what was removed from the others."""
    plans: list[tuple[Thread, bytes, Removal]] = []
    for thread, (revision, now_ms, records) in zip(wanted, (yield from _outlines_flow(wanted)), strict=True):
        outlines = [_outline(record, blobs, now_ms) for record in records]
        plan = going(outlines, rule(outlines))
        if plan.gone:
            plans.append((thread, revision, plan))
    if not plans:
        return [], []
    lists = yield from ask(merge(*(thread.lists(*_asked(plan)) for thread, _, plan in plans)))
    drops = [
        thread.drop(revision, plan.gone, [*plan.fields, *_free(plan, found)], dry=dry_run)
        for (thread, revision, plan), found in zip(plans, lists, strict=True)
    ]
    sizes = yield from ask(merge(*drops))
    taken = [
        (thread, plan.gone, size) for (thread, _, plan), size in zip(plans, sizes, strict=True) if size is not None
    ]
    return [thread for (thread, _, _), size in zip(plans, sizes, strict=True) if size is None], taken


def _outlines_flow(wanted: Sequence[Thread]) -> Flow[list[CheckpointPage]]:
    """Reads all checkpoints of threads, without values. A change between two pages is noticed when deleting."""
    found = [CheckpointPage(b"", 0, []) for _ in wanted]
    cursors = dict.fromkeys(range(len(wanted)), "")
    while cursors:
        pages = yield from ask(merge(*(wanted[i].page(cursor, _PAGE) for i, cursor in cursors.items())))
        for i, page in zip(list(cursors), pages, strict=True):
            found[i] = CheckpointPage(found[i].revision or page.revision, page.now_ms, found[i].records + page.records)
            if len(page.records) < _PAGE:
                del cursors[i]
            else:
                last = page.records[-1]
                cursors[i] = f"{last.id}\0{last.ns}"
    return found


def _outline(record: CheckpointRecord, blobs: Blobs, now_ms: int) -> CheckpointOutline:
    _, metadata = blobs.unpack(record.body)
    counters = metadata.get("counters_since_delta_snapshot")
    return CheckpointOutline(
        record,
        now_ms - record.written_ms,
        metadata.get("run_id"),
        list(counters) if isinstance(counters, Mapping) else [],
    )


def _asked(plan: Removal) -> tuple[list[str], list[CheckpointRecord]]:
    """Returns the lists whose element ranges decide: removed and kept ones, in values and in writes."""
    return [*plan.lists_gone, *plan.lists_kept], [*plan.gone, *plan.kept]


def _free(plan: Removal, lists: ListRanges) -> list[str]:
    """Returns the fields of elements to which only removed lists refer."""
    gone, kept = defaultdict[str, list[Span]](list), defaultdict[str, list[Span]](list)
    fields = [*plan.lists_gone.values(), *plan.lists_kept.values()]
    for i, (channel, spans) in enumerate(zip(fields, lists.values, strict=True)):
        (gone if i < len(plan.lists_gone) else kept)[channel] += spans
    for i, written in enumerate(lists.written):
        for channel, spans in written:
            (gone if i < len(plan.gone) else kept)[channel] += spans
    return [f"e{channel}\0{number}" for channel in gone for number in unreferenced(gone[channel], kept[channel])]


def prune_flow(
    space: KeySpace,
    blobs: Blobs,
    thread_ids: Sequence[str],
    strategy: str,
    keep_last: int,
    older_than_s: Lifetime,
    *,
    dry_run: bool,
) -> Flow[PruneReport]:
    """Checks the arguments of `RedisSaver.prune`, then removes checkpoints; "delete" and "delete_all" mean the same.

    Raises `InvalidInputError`: an argument is not acceptable.
    """
    check_word(strategy, "strategy", ("keep_latest", "delete", "delete_all"))
    check_whole(keep_last, "keep_last (strategy='delete' removes everything)")
    older_than_ms = None if older_than_s is None else milliseconds(older_than_s, "older_than_s")
    kept = keep_last if strategy == "keep_latest" else 0

    def rule(outlines: Sequence[CheckpointOutline]) -> Callable[[CheckpointOutline], bool]:
        return surplus(outlines, kept, older_than_ms)

    names = _ids(thread_ids, "thread_ids")
    flow = remove_flow(space, blobs, names, rule, dry_run=dry_run)
    return flow if kept or older_than_ms is not None or dry_run else _with_index_flow(flow, space, names)


def _with_index_flow(removal: Flow[PruneReport], space: KeySpace, thread_ids: Sequence[str]) -> Flow[PruneReport]:
    """Removes all checkpoints of threads, then the threads themselves and their entries in the index."""
    report = yield from removal
    if thread_ids:
        yield from ask(merge(*(delete_thread(space, thread_id) for thread_id in thread_ids)))
    return report


def delete_for_runs_flow(space: KeySpace, blobs: Blobs, run_ids: Sequence[str]) -> Flow[PruneReport]:
    """Removes the checkpoints that runs made."""
    runs = set(_ids(run_ids, "run_ids"))

    def of_runs(_outlines: Sequence[CheckpointOutline]) -> Callable[[CheckpointOutline], bool]:
        return lambda outline: outline.run_id is not None and str(outline.run_id) in runs

    ops = [thread_index.of_run(space, run_id) for run_id in sorted(runs)]
    threads = (yield from ask(merge(*ops))) if ops else ()
    names = [thread for some in threads for thread in some]
    return (yield from remove_flow(space, blobs, names, of_runs))


def delete_thread(space: KeySpace, thread_id: str) -> Op[None]:
    """Deletes a thread and its entries in the index."""
    users: Op[None] = Op((command("UNLINK", (space.thread_users(thread_id),)),), lambda _replies: None)
    gone = merge(thread_index.forget(space, thread_id), Thread(space, thread_id).delete(), users)
    return gone.map(lambda _done: None)


def _ids(ids: Sequence[str], what: str) -> list[str]:
    return [thread_name(one) for one in check_several(ids, what)]
