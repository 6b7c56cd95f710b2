"""Erases keys by a pattern: everything of a tenant, what it takes, and what could not be erased."""

from __future__ import annotations

from collections import defaultdict

from langchain_redis_memory.errors import RedisMemoryError
from langchain_redis_memory.operate.key_sizes import measured_flow
from langchain_redis_memory.operate.receipt import KindReceipt
from langchain_redis_memory.ops import Flow, Op, ask
from langchain_redis_memory.redis.key_parts import parse_key
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.nodes import KeyScan

_AT_ONCE = 500


def erase_keys_flow(space: KeySpace, pattern: str, *, dry_run: bool = False) -> Flow[dict[str, KindReceipt]]:
    """Erases all keys of a pattern.

    Returns kind of key -> what was erased; keys that are written meanwhile may be left.
    **Keys:** those of the pattern.
    **Trips:** 1, and 1 for each 1,000 keys of the server; 2 for each 500 keys that are erased.
    """
    scan, receipts = KeyScan(space, pattern), dict[str, KindReceipt]()
    seen = set[str]()
    while not scan.ended:
        by_kind = defaultdict[str, list[str]](list)
        for name in (yield from scan.page_flow()):
            if name not in seen:
                seen.add(name)
                parts = parse_key(name, space.prefix)
                by_kind["unknown" if parts is None else parts.kind].append(name)
        for kind, names in by_kind.items():
            for start in range(0, len(names), _AT_ONCE):
                erased = yield from _erase_flow(names[start : start + _AT_ONCE], dry_run=dry_run)
                before = receipts.get(kind, KindReceipt())
                receipts[kind] = KindReceipt(
                    (), before.keys + erased.keys, before.bytes + erased.bytes, (*before.failed, *erased.failed)
                )
    return dict(sorted(receipts.items()))


def _erase_flow(names: list[str], *, dry_run: bool) -> Flow[KindReceipt]:
    try:
        keys, size = yield from measured_flow(names)
        if not dry_run:
            yield from ask(Op(tuple(("UNLINK", name) for name in names), lambda _replies: None))
    except RedisMemoryError as error:
        return KindReceipt(failed=(f"{type(error).__name__}: {error}",))
    return KindReceipt((), keys, size)
