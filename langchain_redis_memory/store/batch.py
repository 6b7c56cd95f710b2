"""A batch of LangGraph's operations as one flow: all reads, then all writes, in as few round trips as possible.

Reads and writes share one trip where the reads surely need no second one: gets, searches without a query and lists
within named roots. The scripts of the reads are sent in full then, so that they run before the writes whatever the
server knows, and a write does nothing where its root is too large to be looked through at once; it is then sent again
after the reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from langgraph.store.base import GetOp, Item, ListNamespacesOp, PutOp, Result, SearchOp
from langgraph.store.base import Op as StoreOp

from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.ops import Flow, Op, ask, merge, pure
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.store import items, root_index
from langchain_redis_memory.store.embedding import IndexSettings
from langchain_redis_memory.store.items import (
    ItemsRead,
    Namespace,
    StoredItem,
    check_key,
    check_namespace,
    in_full,
    name_of,
    root_of,
)
from langchain_redis_memory.store.scan import ItemSource, StoreSearchResult, check_search, listing, searching
from langchain_redis_memory.store.vector_search import VectorQuery
from langchain_redis_memory.store.writes import changes, collection, notes, points, writes
from langchain_redis_memory.vectors.engine import Engine, Vectors

Ready = Callable[[], Flow[Engine]]


class _Get(NamedTuple):
    """An item that is asked for: where in the batch, its name, and whether it gets its lifetime anew."""

    position: int
    name: bytes
    refresh: bool


class Batch:
    """Operations, checked and sorted by what they do; `ready` gives the engine of vectors.

    Raises `InvalidInputError`: one of them is not acceptable.
    """

    def __init__(self, space: KeySpace, indexing: IndexSettings | None, ready: Ready, ops: Iterable[StoreOp]) -> None:
        self._space, self._indexing, self._ready = space, indexing, ready
        self._gets: dict[str, list[_Get]] = {}
        self._searches: dict[int, SearchOp] = {}
        self._lists: dict[int, ItemSource] = {}
        puts, self._size = [], 0
        for position, op in enumerate(ops):
            self._size = position + 1
            if isinstance(op, GetOp):
                namespace = check_namespace(op.namespace)
                get = _Get(position, name_of(namespace, check_key(op.key)), bool(op.refresh_ttl))
                self._gets.setdefault(root_of(namespace), []).append(get)
            elif isinstance(op, SearchOp):
                self._searches[position] = check_search(op)
            elif isinstance(op, ListNamespacesOp):
                self._lists[position] = listing(space, op)
            elif isinstance(op, PutOp):
                puts.append(op)
            else:
                msg = f"a batch takes LangGraph's GetOp, SearchOp, ListNamespacesOp and PutOp, not {type(op).__name__}"
                raise InvalidInputError(msg)
        self._changes = changes(puts, indexing, marked=space.may_read("filters"))

    def run_flow(self) -> Flow[list[Result]]:
        """Runs the batch."""
        results: list[Result] = [None] * self._size
        if len(self._gets) == 1 and not (self._searches or self._lists or self._changes):
            for root, gets in self._gets.items():  # what a store is asked most
                read = yield from ask(self._get(root, gets))
                yield from self._got_flow(None, gets, read, results)
            return results
        engine, queried, embedded = yield from self._embed_flow()
        readings = {
            position: self._search(engine, op, queried) for position, op in self._searches.items()
        } | self._lists
        if not (self._gets or readings):
            yield from self._settle_flow(engine, (yield from ask(self._write(engine, embedded))))
            return results
        together = all(reading.whole for reading in readings.values())
        written = self._write(engine, embedded, items.PAGE if readings else 0) if together else pure([])
        got_first = merge(*(self._get(root, gets) for root, gets in self._gets.items()))
        begins: Op[Any] = merge(*(reading.begin for reading in readings.values()))
        reads = merge(got_first, begins)
        if written.commands:
            reads = in_full(reads)
        asked = merge(reads, written)
        if not (self._gets or self._lists or self._changes):
            asked = asked.may_be_stale()  # only searches, which tidy nothing by what they find
        (got, begun), had = yield from ask(asked)
        for gets, read in zip(self._gets.values(), got, strict=True):
            yield from self._got_flow(engine, gets, read, results)
        for (position, reading), first in zip(readings.items(), begun, strict=True):
            results[position] = result = yield from reading.finish(first)
            if isinstance(result, StoreSearchResult):
                results[position] = result.items()
                if self._searches[position].refresh_ttl:
                    yield from self._renew_flow(engine, result.records)
        if not together or None in had:
            had = yield from ask(self._write(engine, embedded))
        yield from self._settle_flow(engine, had)
        return results

    def _embed_flow(self) -> Flow[tuple[Engine | None, dict[str, Vectors], dict[str, Vectors]]]:
        if self._indexing is None:
            return None, {}, {}
        queries = [op.query for op in self._searches.values() if op.query]
        queried, embedded = yield from self._indexing.embed_flow(
            queries, [text for c in self._changes for text in c.texts]
        )
        engine = (yield from self._ready()) if queries or self._changes else None
        return engine, queried, embedded

    def _search(self, engine: Engine | None, op: SearchOp, queried: Mapping[str, Vectors]) -> ItemSource:
        if engine is None or not op.query:
            return searching(self._space, op)
        return VectorQuery(self._space, engine, op, queried[op.query]).reading()

    # --- gets, and lifetimes given anew -------------------------------------------------------------------------------

    def _get(self, root: str, gets: list[_Get]) -> Op[ItemsRead]:
        return items.read(self._space, root, [(get.name, get.refresh) for get in gets])

    def _got_flow(self, engine: Engine | None, gets: list[_Get], read: ItemsRead, results: list[Result]) -> Flow[None]:
        """Puts what was read of one root among the results, and renews what has vectors or could not be renewed."""
        kept: list[StoredItem] = []
        for get, record in zip(gets, read.records, strict=True):
            if record is not None:
                results[get.position] = Item(**record.fields)
                if get.refresh:
                    kept.append(record)
        if read.unnoted:
            yield from self._renew_flow(engine, kept, unnoted=True)
        else:
            yield from self._renew_points_flow(engine, kept)

    def _renew_flow(self, engine: Engine | None, records: Iterable[StoredItem], *, unnoted: bool = False) -> Flow[None]:
        """Renews the lifetimes of items, after the index of roots has been updated if need be."""
        by_root: dict[str, list[StoredItem]] = {}
        for record in records:
            if record.ttl_ms:
                by_root.setdefault(root_of(record.namespace), []).append(record)
        for root, found in by_root.items():
            names = [(name_of(record.namespace, record.key), True) for record in found]
            if unnoted or (yield from ask(items.read(self._space, root, names))).unnoted:
                yield from ask(root_index.note(self._space, root, 0, "read").optional(None))
                yield from ask(items.read(self._space, root, names, noted=True))
            yield from self._renew_points_flow(engine, found)

    def _renew_points_flow(self, engine: Engine | None, records: Iterable[StoredItem]) -> Flow[None]:
        by_namespace: dict[Namespace, list[tuple[str, int]]] = {}
        for record in records:
            if record.ttl_ms and record.vectors:
                by_namespace.setdefault(record.namespace, []).append((record.key, record.ttl_ms))
        if by_namespace:
            engine = engine or (yield from self._ready())
            touched = (engine.touch(collection(self._space, space), found) for space, found in by_namespace.items())
            yield from ask(merge(*touched).optional(None))

    # --- writes -------------------------------------------------------------------------------------------------------

    def _write(
        self, engine: Engine | None, embedded: Mapping[str, Vectors], most: int = 0
    ) -> Op[list[list[int] | None]]:
        """Notes the roots, stores the vectors, then the items: how many vectors each item had before, by root."""
        before = notes(self._space, self._changes)
        if engine is not None:
            before += points(self._space, engine, self._changes, embedded)
        after = [op for _, op in writes(self._space, self._changes, most).values()]
        return merge(*before, *after).map(lambda done: list(done[len(before) :]))

    def _settle_flow(self, engine: Engine | None, had: list[list[int] | None]) -> Flow[None]:
        """Removes the vectors that another store, with an index, has stored for items written here."""
        if engine is not None or not any(count for counts in had for count in counts or ()):
            return
        by_root = [found for found, _ in writes(self._space, self._changes).values()]
        left = [
            change
            for found, counts in zip(by_root, had, strict=True)
            for change, count in zip(found, counts or (), strict=True)
            if count
        ]
        engine = yield from self._ready()
        yield from ask(merge(*points(self._space, engine, left, {})))
