"""What a batch looks for: searches and lists of namespaces, each an op to begin with and a flow from its result on.

The first ops of all of them go in one trip. Most are done then; the flow goes on where there is more to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, zip_longest
from types import NoneType
from typing import Any, NamedTuple

from langgraph.store.base import ListNamespacesOp, SearchItem, SearchOp

from langchain_redis_memory.checks import check_type, check_whole, check_word
from langchain_redis_memory.ops import Flow, Op, ask, merge
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.store import filters, items, root_index
from langchain_redis_memory.store.items import (
    Namespace,
    NamespacePage,
    StoredItem,
    StoredItemPage,
    check_namespace,
    root_of,
)

AT_ONCE = 200
"""Most roots or namespaces that one trip asks."""


class ItemSource(NamedTuple):
    """The two steps of a search: the first trip, and the rest, from the result of the first.

    `whole` says that the first trip tells everything, where a root has no more items than a script looks at.
    """

    begin: Op[Any]
    finish: Callable[[Any], Flow[Any]]
    whole: bool


class StoreSearchResult(NamedTuple):
    """What a search found, in order; the first ones may have scores."""

    records: list[StoredItem]
    scores: tuple[float, ...] = ()

    def items(self) -> list[SearchItem]:
        """Converts the found items to LangGraph's."""
        pairs = zip_longest(self.records, self.scores)
        return [SearchItem(**record.fields, score=score) for record, score in pairs]


def check_search(op: SearchOp) -> SearchOp:
    """Checks a search. Returns the same with its namespace as a tuple and its filter as a dict.

    Raises `InvalidInputError`: one of its fields is not acceptable.
    """
    check_whole(op.limit, "limit", 0)
    check_whole(op.offset, "offset", 0)
    check_type(op.query, (str, NoneType), "query", "a string or None")
    return op._replace(namespace_prefix=check_namespace(op.namespace_prefix), filter=filters.check_filter(op.filter))


def in_chunks_flow(ops: Sequence[Op[Any]]) -> Flow[list[Any]]:
    """Runs any number of ops, so many in a trip that none becomes too large."""
    results: list[Any] = []
    for start in range(0, len(ops), AT_ONCE):
        results += yield from ask(merge(*ops[start : start + AT_ONCE]))
    return results


# --- searches without a query -------------------------------------------------------------------------------------


def searching(space: KeySpace, op: SearchOp) -> ItemSource:
    """Searches without a query: items in the order in which they came.

    Returns its reading; the result is a `StoreSearchResult`.
    """
    reading = scanning(space, op, most=max(op.offset + op.limit, 1))

    def finish_flow(first: Any) -> Flow[StoreSearchResult]:
        found = yield from reading.finish(first)
        return StoreSearchResult(found[op.offset : op.offset + op.limit])

    return reading._replace(finish=finish_flow)


def scanning(space: KeySpace, op: SearchOp, most: int, *, bare: bool = False) -> ItemSource:
    """Finds the items beneath a namespace that a filter wants, in the order in which they came; `most` are needed.

    Returns its reading; the result is a list of records, which may be longer.
    """
    prefix, wanted = op.namespace_prefix, op.filter or {}
    marked = space.may_read("filters")
    options: dict[str, Any] = {
        "most": most if not wanted or (marked and filters.decided_by_marks(wanted)) else 0,
        "marked": [*filters.marks_of(wanted), *filters.ranges_of(wanted)] if marked else [],
        "bare": bare,
    }

    def page(root: str, low: bytes | None = None) -> Op[StoredItemPage]:
        return items.scan(space, root, prefix, low, **options)

    def go_on_flow(pages: Mapping[str, StoredItemPage]) -> Flow[list[StoredItem]]:
        records: list[StoredItem] = []
        while pages:
            records += chain.from_iterable(each.records for each in pages.values())
            further = {root: each.low for root, each in pages.items() if each.low is not None}
            pages = dict(
                zip(further, (yield from in_chunks_flow([page(*pair) for pair in further.items()])), strict=True)
            )
        records.sort(key=lambda record: record.order)
        return [record for record in records if filters.wants(wanted, record.value)] if wanted else records

    def from_roots_flow(known: Iterable[str]) -> Flow[list[StoredItem]]:
        names = list(known)
        pages = yield from in_chunks_flow([page(root) for root in names])
        return (yield from go_on_flow(dict(zip(names, pages, strict=True))))

    if prefix:
        return ItemSource(page(prefix[0]), lambda first: go_on_flow({prefix[0]: first}), whole=True)
    return ItemSource(root_index.known(space), from_roots_flow, whole=False)


# --- namespaces ---------------------------------------------------------------------------------------------------


def listing(space: KeySpace, op: ListNamespacesOp) -> ItemSource:
    """Lists the namespaces that hold an item. Returns its reading; the result is a sorted list of namespaces.

    Raises `InvalidInputError`: one of its fields is not acceptable.
    """
    limit, offset = check_whole(op.limit, "limit", 0), check_whole(op.offset, "offset", 0)
    deepest = None if op.max_depth is None else check_whole(op.max_depth, "max_depth", 0)
    conditions = [(condition.match_type, check_namespace(condition.path)) for condition in op.match_conditions or ()]
    for kind, _path in conditions:
        check_word(kind, "match_type", ("prefix", "suffix"))
    lead = max((_literal(path) for kind, path in conditions if kind == "prefix"), key=len, default=())
    # A script may cut what it finds only where the cut decides no condition.
    cuts = bool(deepest) and all(kind == "prefix" and len(path) <= (deepest or 0) for kind, path in conditions)
    depth = (deepest or 0) - 1 if cuts else -1

    def page(root: str, low: bytes | None = None) -> Op[NamespacePage]:
        return items.spaces(space, root, lead, low, depth=depth)

    def fits(namespaces: Iterable[Namespace]) -> set[Namespace]:
        kept = (space for space in namespaces if all(_fits(space, kind, path) for kind, path in conditions))
        return {space[:deepest] for space in kept}

    def go_on_flow(pages: Mapping[str, NamespacePage], *, alone: bool) -> Flow[list[Namespace]]:
        namespaces: set[Namespace] = set()
        while pages:
            namespaces |= fits(chain.from_iterable(each.namespaces for each in pages.values()))
            further = {root: each.low for root, each in pages.items() if each.low is not None}
            if alone and len(namespaces) >= offset + limit:
                break
            pages = dict(
                zip(further, (yield from in_chunks_flow([page(*pair) for pair in further.items()])), strict=True)
            )
        return sorted(namespaces)[offset : offset + limit]

    def from_roots_flow(known: Mapping[str, bytes]) -> Flow[list[Namespace]]:
        pages = dict(zip(known, (yield from in_chunks_flow([page(root) for root in known])), strict=True))
        empty = {root: known[root] for root, each in pages.items() if not each.namespaces and each.low is None}
        yield from ask(root_index.forget(space, empty).optional(None))
        return (yield from go_on_flow(pages, alone=False))

    if lead:
        return ItemSource(page(root_of(lead)), lambda first: go_on_flow({lead[0]: first}, alone=True), whole=True)
    return ItemSource(root_index.known(space), from_roots_flow, whole=False)


def _literal(path: Namespace) -> Namespace:
    """The labels before the first wildcard."""
    return path[: path.index("*")] if "*" in path else path


def _fits(namespace: Namespace, kind: str, path: Namespace) -> bool:
    if len(namespace) < len(path):
        return False
    part = namespace[: len(path)] if kind == "prefix" else namespace[len(namespace) - len(path) :]
    return all(wanted in ("*", label) for label, wanted in zip(part, path, strict=True))
