"""Retention: which checkpoints of a thread are removed, and which values and elements with them. Pure.

A delta channel keeps no value at most checkpoints; it is rebuilt from the writes of the ancestors, back to the nearest
one that has a value. So a checkpoint that stays keeps that chain with it: dropping a link would silently empty the
channel. Values and list elements go when nothing that stays refers to them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from langchain_redis_memory.checkpoint.layout import CheckpointRecord, Reference, field_of

Span = tuple[int, int]


@dataclass(frozen=True)
class CheckpointOutline:
    """A checkpoint as retention sees it."""

    record: CheckpointRecord
    age_ms: int
    run_id: str | None
    delta_channels: Collection[str]


class Removal(NamedTuple):
    """The plan of a removal: checkpoints and fields of values that go, lists that go or stay (field -> channel)."""

    gone: list[CheckpointRecord]
    kept: list[CheckpointRecord]
    fields: list[str]
    lists_gone: dict[str, str]
    lists_kept: dict[str, str]


def surplus(
    outlines: Sequence[CheckpointOutline], keep_last: int, older_than_ms: int | None = None
) -> Callable[[CheckpointOutline], bool]:
    """Builds the rule of pruning: remove all but the newest so many of each namespace, if they are old enough."""
    namespaces: dict[str, list[str]] = defaultdict(list)
    for outline in outlines:
        namespaces[outline.record.ns].append(outline.record.id)
    newest = {(ns, name) for ns, names in namespaces.items() for name in sorted(names, reverse=True)[:keep_last]}

    def may_go(outline: CheckpointOutline) -> bool:
        if (outline.record.ns, outline.record.id) in newest:
            return False
        return older_than_ms is None or outline.age_ms > older_than_ms

    return may_go


def going(outlines: Sequence[CheckpointOutline], may_go: Callable[[CheckpointOutline], bool]) -> Removal:
    """Selects the checkpoints that are removed.

    What a delta channel of a checkpoint that stays is rebuilt from stays against the rule.
    """
    by_name = {(outline.record.ns, outline.record.id): outline for outline in outlines}
    staying = {name for name, outline in by_name.items() if not may_go(outline)}
    for name in list(staying):
        staying |= set(_chain(by_name[name], by_name))
    gone = [outline.record for name, outline in by_name.items() if name not in staying]
    kept = [outline.record for name, outline in by_name.items() if name in staying]
    kept_fields = _fields(kept)
    gone_fields = {field: ref for field, ref in _fields(gone).items() if field not in kept_fields}
    return Removal(gone, kept, list(gone_fields), _lists(gone_fields), _lists(kept_fields))


def _chain(
    outline: CheckpointOutline, by_name: Mapping[tuple[str, str], CheckpointOutline]
) -> Iterable[tuple[str, str]]:
    """The ancestors that the delta channels of a checkpoint are rebuilt from."""
    open_channels = set(outline.delta_channels) - _with_value(outline)
    here: CheckpointOutline | None = outline
    while open_channels and here is not None:
        parent = (here.record.ns, here.record.parent)
        here = by_name.get(parent)
        if here is not None:
            yield parent
            open_channels -= _with_value(here)


def _with_value(outline: CheckpointOutline) -> set[str]:
    return {reference.channel for reference in outline.record.references if reference.mark != "-"}


def _fields(records: Iterable[CheckpointRecord]) -> dict[str, Reference]:
    return {
        field_of(record.ns, reference): reference
        for record in records
        for reference in record.references
        if reference.mark != "-"
    }


def _lists(fields: Mapping[str, Reference]) -> dict[str, str]:
    # A mark does not say which they are: a version that is stored again may be a list where it was none.
    return {field: reference.channel for field, reference in fields.items()}


def unreferenced(gone: Iterable[Span], kept: Iterable[Span]) -> list[int]:
    """Selects the elements that only removed checkpoints refer to."""
    held = _merged(kept)
    free: list[int] = []
    at = 0
    for first, last in _merged(gone):
        while at < len(held) and held[at][1] < first:
            at += 1
        start, i = first, at
        while start <= last:
            if i < len(held) and held[i][0] <= start:
                start, i = max(start, held[i][1] + 1), i + 1
            else:
                stop = min(last, held[i][0] - 1) if i < len(held) else last
                free.extend(range(start, stop + 1))
                start = stop + 1
    return free


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for first, last in sorted(set(spans)):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged
