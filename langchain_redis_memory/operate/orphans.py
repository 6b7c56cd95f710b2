"""Keys that nothing leads to any more: parts whose main key is gone, and names that this package does not spell.

What belongs together shares a hash tag and a lifetime and is deleted together, so orphans come from eviction, from a
`DEL` by hand, or from something else that writes under the prefix. A script removes one only while its main key is
absent, so what is written meanwhile loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from langchain_redis_memory.ops import Flow, Op, ask, merge
from langchain_redis_memory.redis.key_parts import parse_key
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.nodes import KeyScan
from langchain_redis_memory.redis.scripts import script

_MAIN: Mapping[str, str] = {
    **dict.fromkeys(("ids", "meta"), "messages"),
    "data_expiries": "data",
    **dict.fromkeys(("order", "blobs", "writes"), "checkpoints"),
    "node_expiries": "nodes",
    **dict.fromkeys(("item_names", "item_expiries"), "items"),
    **dict.fromkeys(("entry_expiries", "entry_uses", "entry_reports"), "entries"),
    "point_expiries": "point_owners",
    "points": "point_owners",
    "value_expiries": "values",
    "expiries": "sessions",
    "thread_expiries": "threads",
    "root_spans": "roots",
    "byte_expiries": "byte_names",
}
"""Kind of a part -> the kind without which it is of no use."""


class Orphan(NamedTuple):
    """A key that nothing leads to.

    Args:
        key: Its name.
        why: "messages is gone", or "not a key of this package".
        main: The key that is gone; "" where there is none.
    """

    key: str
    why: str
    main: str = ""


@dataclass(frozen=True)
class OrphanReport:
    """The report of a search for orphans, complete if all keys were looked at.

    Names that are not this package's are never removed.
    """

    orphans: Sequence[Orphan]
    removed: int = 0
    complete: bool = True


def orphans_flow(space: KeySpace, pattern: str, most: int, *, remove: bool) -> Flow[OrphanReport]:
    """Finds orphans, and removes them. **Keys:** those of the pattern.

    **Trips:** 1, and 2 (3 to remove) for each 1,000 keys of the server.
    """
    scan, orphans, looked, removed = KeyScan(space, pattern), dict[str, Orphan](), 0, 0
    while not scan.ended and looked < most:
        page = [orphan for name in (yield from scan.page_flow()) if (orphan := _suspect(name, space.prefix))]
        looked += len(page)
        there = yield from ask(merge(*(_orphaned(orphan) for orphan in page)))
        new = {orphan.key: orphan for orphan, is_one in zip(page, there, strict=True) if is_one}
        orphans |= new
        if remove:
            removed += sum((yield from ask(merge(*(_remove(orphan) for orphan in new.values() if orphan.main)))))
    return OrphanReport(tuple(orphans.values()), removed, scan.ended)


def _suspect(name: str, prefix: str) -> Orphan | None:
    parts = parse_key(name, prefix)
    if parts is None:
        return Orphan(name, "not a key of this package")
    if (main := _MAIN.get(parts.kind)) is None:
        return None
    beside = name[: name.index("}:") + 2]
    return Orphan(name, f"{main} is gone", f"{beside}{main}{parts.more and f':{parts.more}'}")


def _orphaned(orphan: Orphan) -> Op[bool]:
    if not orphan.main:
        return Op((("EXISTS", orphan.key),), lambda replies: bool(replies[0]))
    # The part first: a main key that is written in between is seen.
    commands = (("EXISTS", orphan.key), ("EXISTS", orphan.main))
    return Op(commands, lambda replies: bool(replies[0]) and not replies[1])


def _remove(orphan: Orphan) -> Op[int]:
    call = script("operate/orphan_remove")((orphan.main, orphan.key))
    return Op((call,), lambda replies: int(replies[0]))
