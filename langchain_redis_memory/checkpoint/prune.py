"""Removing checkpoints from threads, as flows: outline, decide (see `retention`), delete what has not changed since.

Threads go in step with each other, so the number of round trips does not grow with theirs: one for each 1,000
checkpoints of the longest, one for how lists are made up, one that deletes. A thread that was written to in between is
looked at again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig

from langchain_redis_memory.checkpoint import thread_index
from langchain_redis_memory.checkpoint.blobs import Blobs
from langchain_redis_memory.checkpoint.config import config_of
from langchain_redis_memory.checkpoint.layout import CheckpointPage, CheckpointRecord, ListRanges
from langchain_redis_memory.checkpoint.retention import CheckpointOutline, Removal, Span, going, unreferenced
from langchain_redis_memory.checkpoint.thread import Thread
from langchain_redis_memory.errors import ConflictError
from langchain_redis_memory.ops import Flow, ask, merge
from langchain_redis_memory.redis.keys import KeySpace

_PAGE = 1000
_AT_ONCE = 50
_TRIES = 10

Rule = Callable[[Sequence[CheckpointOutline]], Callable[[CheckpointOutline], bool]]


@dataclass(frozen=True)
class PruneReport:
    """What a removal took, or with `dry_run` would take.

    Args:
        checkpoints: The configs of the checkpoints.
        bytes: Bytes of names and values that go with them.
    """

    checkpoints: list[RunnableConfig]
    bytes: int


def remove(
    space: KeySpace, blobs: Blobs, thread_ids: Sequence[str], rule: Rule, *, dry: bool = False
) -> Flow[PruneReport]:
    """Removes checkpoints from threads.

    Args:
        space: The tenant's key builder.
        blobs: Reads checkpoints and metadata.
        thread_ids: The threads; those that do not exist are passed over.
        rule: From all checkpoints of a thread, which may go.
        dry: Only tell.

    Returns:
        A flow that gives what went.
    """
    names = list(dict.fromkeys(thread_ids))
    gone: list[RunnableConfig] = []
    total = 0
    for first in range(0, len(names), _AT_ONCE):
        left = [Thread(space, name) for name in names[first : first + _AT_ONCE]]
        for _ in range(_TRIES):
            left, taken = yield from _attempt(left, blobs, rule, dry=dry)
            for thread, records, size in taken:
                gone += [config_of(thread.thread_id, record.ns, record.id) for record in records]
                total += size
            if not left:
                break
        else:
            msg = f"threads were written to again and again, nothing was removed from them: {_named(left)}"
            raise ConflictError(msg)
    return PruneReport(gone, total)


def _named(left: Sequence[Thread]) -> str:
    return ", ".join(repr(thread.thread_id) for thread in left[:5])


def _attempt(
    wanted: Sequence[Thread], blobs: Blobs, rule: Rule, *, dry: bool
) -> Flow[tuple[list[Thread], list[tuple[Thread, list[CheckpointRecord], int]]]]:
    """One round: the threads that changed meanwhile, and what was taken from the others."""
    plans: list[tuple[Thread, bytes, Removal]] = []
    for thread, (revision, now_ms, records) in zip(wanted, (yield from _outlines(wanted)), strict=True):
        outlines = [_outline(record, blobs, now_ms) for record in records]
        plan = going(outlines, rule(outlines))
        if plan.gone:
            plans.append((thread, revision, plan))
    if not plans:
        return [], []
    lists = yield from ask(merge(*(thread.lists(*_asked(plan)) for thread, _, plan in plans)))
    drops = [
        thread.drop(revision, plan.gone, [*plan.fields, *_free(plan, found)], dry=dry)
        for (thread, revision, plan), found in zip(plans, lists, strict=True)
    ]
    sizes = yield from ask(merge(*drops))
    taken = [
        (thread, plan.gone, size) for (thread, _, plan), size in zip(plans, sizes, strict=True) if size is not None
    ]
    return [thread for (thread, _, _), size in zip(plans, sizes, strict=True) if size is None], taken


def _outlines(wanted: Sequence[Thread]) -> Flow[list[CheckpointPage]]:
    """All checkpoints of threads, without values. One that changes between its pages is found out when deleting."""
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
    """The lists whose elements decide: those that go and those that stay, in values and in writes."""
    return [*plan.lists_gone, *plan.lists_kept], [*plan.gone, *plan.kept]


def _free(plan: Removal, lists: ListRanges) -> list[str]:
    """The fields of elements that only what goes refers to."""
    gone, kept = defaultdict[str, list[Span]](list), defaultdict[str, list[Span]](list)
    fields = [*plan.lists_gone.values(), *plan.lists_kept.values()]
    for i, (channel, spans) in enumerate(zip(fields, lists.values, strict=True)):
        (gone if i < len(plan.lists_gone) else kept)[channel] += spans
    for i, written in enumerate(lists.written):
        for channel, spans in written:
            (gone if i < len(plan.gone) else kept)[channel] += spans
    return [f"e{channel}\0{number}" for channel in gone for number in unreferenced(gone[channel], kept[channel])]


def threads_of_runs(space: KeySpace, run_ids: Sequence[str]) -> Flow[list[str]]:
    """The threads that runs wrote to.

    Args:
        space: The tenant's key builder.
        run_ids: The runs.

    Returns:
        A flow that gives thread ids, each once.
    """
    if not run_ids:
        return []
    found = yield from ask(merge(*(thread_index.of_run(space, run_id) for run_id in run_ids)))
    return list(dict.fromkeys(thread for some in found for thread in some))
