"""Searches by meaning: the vectors of each namespace beneath the one asked for, then the items that they belong to.

An engine gives candidates. Their items are read, because a candidate may have gone and its filter is decided on the
value; where too few are left, more candidates are asked for. A result is final when no namespace can still have a
nearer one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from langgraph.store.base import SearchOp

from langchain_redis_memory.ops import Flow, Op, ask, merge
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.store import filters, items, root_index
from langchain_redis_memory.store.items import Namespace, NamespacePage, StoredItem, name_of, root_of
from langchain_redis_memory.store.scan import ItemSource, StoreSearchResult, in_chunks_flow, scanning
from langchain_redis_memory.store.writes import collection
from langchain_redis_memory.vectors.engine import Engine, VectorHits, Vectors

Place = tuple[Namespace, str]


@dataclass
class VectorQuery:
    """One search by meaning."""

    space: KeySpace
    engine: Engine
    op: SearchOp
    vector: Vectors
    _hits: dict[Namespace, VectorHits] = field(default_factory=dict)
    _records: dict[Place, StoredItem | None] = field(default_factory=dict)

    def reading(self) -> ItemSource:
        """Searches by vectors; the result is a `StoreSearchResult`."""
        prefix = self.op.namespace_prefix
        if not prefix:
            return ItemSource(root_index.known(self.space), self._from_roots_flow, whole=False)
        first: Op[Any] = merge(items.spaces(self.space, prefix[0], prefix), self._near(prefix, self._needed))
        return ItemSource(first, self._from_prefix_flow, whole=False)

    @property
    def _needed(self) -> int:
        return self.op.offset + self.op.limit

    def _near(self, namespace: Namespace, k: int) -> Op[VectorHits | None]:
        wanted = self.op.filter if self.space.may_read("filters") else None
        tags = [word.decode() for word in filters.marks_of(wanted or {})]
        bounds = list(filters.bounds_of(wanted or {}))
        return self.engine.search(collection(self.space, namespace), self.vector, max(k, 1), tags, bounds)

    def _from_prefix_flow(self, first: tuple[NamespacePage, VectorHits | None]) -> Flow[StoreSearchResult]:
        prefix, (spaces, hits) = self.op.namespace_prefix, first
        if hits is not None:
            self._hits[prefix] = hits
        namespaces = yield from self._spaces_flow({prefix[0]: spaces})
        return (yield from self._search_flow(namespaces))

    def _from_roots_flow(self, known: Iterable[str]) -> Flow[StoreSearchResult]:
        names = list(known)
        pages = yield from in_chunks_flow([items.spaces(self.space, root, ()) for root in names])
        namespaces = yield from self._spaces_flow(dict(zip(names, pages, strict=True)))
        return (yield from self._search_flow(namespaces))

    def _spaces_flow(self, pages: Mapping[str, NamespacePage]) -> Flow[list[Namespace]]:
        namespaces: list[Namespace] = []
        while pages:
            for page in pages.values():
                namespaces += page.namespaces
            further = {root: page.low for root, page in pages.items() if page.low is not None}
            prefix = self.op.namespace_prefix
            ops = [items.spaces(self.space, root, prefix, low) for root, low in further.items()]
            pages = dict(zip(further, (yield from in_chunks_flow(ops)), strict=True))
        return namespaces

    def _search_flow(self, namespaces: list[Namespace]) -> Flow[StoreSearchResult]:
        if not self.op.limit:
            return StoreSearchResult([])
        k, ranked = self._needed, list[tuple[float, StoredItem]]()
        todo = [namespace for namespace in namespaces if namespace not in self._hits]
        while True:
            yield from self._ask_flow(todo, k)
            horizon = max((self._hits[n].found[-1][1] for n in namespaces if self._open(n)), default=-2.0)
            ranked = yield from self._rank_flow(namespaces)
            if sum(score >= horizon for score, _ in ranked) >= self._needed:
                break
            todo = [namespace for namespace in namespaces if self._open(namespace)]
            if not todo:
                break
            k *= 4
        kept = ranked[self.op.offset : self._needed]
        records = [record for _, record in kept]
        if len(kept) < self.op.limit:
            records += yield from self._bare_flow(self.op.limit - len(kept))
        return StoreSearchResult(records, tuple(score for score, _ in kept))

    def _open(self, namespace: Namespace) -> bool:
        """Whether a namespace may have more candidates."""
        hits = self._hits[namespace]
        return hits.more and bool(hits.found)

    def _ask_flow(self, namespaces: list[Namespace], k: int) -> Flow[None]:
        while namespaces:
            nearest = yield from in_chunks_flow([self._near(namespace, k) for namespace in namespaces])
            answered = dict(zip(namespaces, nearest, strict=True))
            self._hits.update({namespace: hits for namespace, hits in answered.items() if hits is not None})
            namespaces = [namespace for namespace, hits in answered.items() if hits is None]

    def _rank_flow(self, namespaces: list[Namespace]) -> Flow[list[tuple[float, StoredItem]]]:
        """The candidates that are wanted, nearest first, and the older first of two as near; only as many as needed."""
        candidates = sorted(
            ((score, (namespace, owner)) for namespace in namespaces for owner, score in self._hits[namespace].found),
            key=lambda pair: -pair[0],
        )
        ranked: list[tuple[float, StoredItem]] = []
        start, step = 0, max(self._needed, 32)
        while start < len(candidates):
            end = start + step
            while end < len(candidates) and candidates[end][0] == candidates[end - 1][0]:
                end += 1
            part = candidates[start:end]
            yield from self._read_flow([place for _, place in part])
            for score, place in part:
                record = self._records[place]
                if record is not None and record.vectors and filters.wants(self.op.filter or {}, record.value):
                    ranked.append((score, record))
            if len(ranked) >= self._needed:
                break
            start, step = end, min(step * 4, items.PAGE)
        return sorted(ranked, key=lambda pair: (-pair[0], pair[1].order))

    def _read_flow(self, places: list[Place]) -> Flow[None]:
        by_root: dict[str, list[Place]] = {}
        for place in places:
            if place not in self._records:
                by_root.setdefault(root_of(place[0]), []).append(place)
        ops = [
            items.read(self.space, root, [(name_of(*place), False) for place in found])
            for root, found in by_root.items()
        ]
        for found, got in zip(by_root.values(), (yield from in_chunks_flow(ops)), strict=True):
            self._records.update(zip(found, got.records, strict=True))

    def _bare_flow(self, most: int) -> Flow[list[StoredItem]]:
        """Items without vectors fill what is left of the limit."""
        reading = scanning(self.space, self.op, most, bare=True)
        first = yield from ask(reading.begin)
        records: list[StoredItem] = yield from reading.finish(first)
        return records[:most]
