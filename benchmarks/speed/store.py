"""Long-term memory: our store, langgraph-checkpoint-redis' and LangGraph's own in memory, on the same items.

python -m benchmarks.speed.store [--json FILE]
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import count
from statistics import mean
from typing import Any

import numpy as np
from langgraph.store.base import BaseStore, GetOp, ListNamespacesOp, MatchCondition, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore

from benchmarks.speed.harness import ainterleaved, bytes_of_keys, connected, interleaved, often, server, trips
from benchmarks.speed.report import Report, command, installed
from langchain_redis_memory import RedisStore
from langchain_redis_memory.vectors.engine import EngineName

OURS, OFFICIAL, MEMORY = "langchain-redis-memory", "langgraph-checkpoint-redis", "InMemoryStore"
DIMS, ITEMS, NEAREST = 384, often(10_000), 10
NOTES = [
    "One Redis 8.2.3 with JSON and the Query Engine on the loopback, no persistence, for both stores on Redis; medians "
    "after a warm-up, the contenders taking turns.",
    "An item is a dict of six fields, about 300 bytes as JSON. Vectors are 384 float32 in 200 clusters, made up front: "
    "the embedding takes no time. Ours searches vector sets (float32), the first engine that the server has, and the "
    "two others by name.",
    "Recall: how many of the ten nearest of an exact search are found, over 100 queries. A search that gives too few, "
    "because the filter came after it, loses recall.",
    "Trips: calls of redis-py's send_packed_command, of which every command or pipeline makes one.",
    "Bytes: MEMORY USAGE SAMPLES 0 of every key of the contender; the index of the Query Engine is not in it.",
]


# --- the contenders -----------------------------------------------------------------------------------------------


class Vectors:
    """An embedding that knows the vectors of its texts: "item 7", "query 3"."""

    def __init__(self, items: int, queries: int) -> None:
        chance = np.random.default_rng(5)
        centres = chance.normal(size=(200, DIMS))
        rows = centres[chance.integers(0, 200, items)] + 0.7 * chance.normal(size=(items, DIMS))
        asked = centres[chance.integers(0, 200, queries)] + 0.7 * chance.normal(size=(queries, DIMS))
        self.items = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        self.queries = (asked / np.linalg.norm(asked, axis=1, keepdims=True)).astype(np.float32)
        self._lists = {"item": self.items.tolist(), "query": self.queries.tolist()}

    def __call__(self, texts: list[str]) -> list[list[float]]:
        return [self._lists[text.split()[0]][int(text.split()[1])] for text in texts]

    def nearest(self, query: int, among: list[int]) -> set[str]:
        scores = self.items[among] @ self.queries[query]
        return {str(among[i]) for i in np.argsort(-scores)[:NEAREST]}


def value(number: int) -> dict[str, Any]:
    """What an item holds."""
    chance = random.Random(number)
    return {
        "text": f"item {number}",
        "kind": ("fact", "event", "task", "taste")[number % 4],
        "rank": number % 100,
        "score": chance.random(),
        "done": bool(number % 3),
        "note": "".join(chance.choice("abcdefghij ") for _ in range(200)),
    }


def contenders(port: int, names: ExitStack, index: Any, prefix: str) -> dict[str, BaseStore]:
    """Empty stores by contender; ours is the first."""
    url = f"redis://127.0.0.1:{port}/0"
    found: dict[str, BaseStore] = {OURS: RedisStore(connected(url, prefix=f"lrm-{prefix}"), index=index)}
    if installed(OFFICIAL):
        from langgraph.store.redis import RedisStore as Official

        made = Official.from_conn_string(
            f"{url}?protocol=2", index=index, store_prefix=f"s-{prefix}", vector_prefix=f"v-{prefix}"
        )
        found[OFFICIAL] = names.enter_context(made)
        found[OFFICIAL].setup()  # type: ignore[attr-defined]
    found[MEMORY] = InMemoryStore(index=index)
    return found


def fill(store: BaseStore, namespace: tuple[str, ...], size: int, step: int = 500) -> None:
    """Stores so many items."""
    for start in range(0, size, step):
        store.batch([PutOp(namespace, str(i), value(i)) for i in range(start, min(size, start + step))])


# --- the measures -------------------------------------------------------------------------------------------------


def measure(port: int, report: Report) -> None:
    """All measures."""
    logging.disable()
    with ExitStack() as names:
        stores = contenders(port, names, None, "plain")
        one_by_one(stores, report)
        asyncio.run(asynchronous(contenders(port, names, None, "async"), report))
        many(port, stores, report)
    with ExitStack() as names:
        meaning(port, names, report)


def each(stores: dict[str, BaseStore], work: Callable[[BaseStore], Any]) -> dict[str, Callable[[], Any]]:
    """The same work on each store."""
    return {name: lambda store=store: work(store) for name, store in stores.items()}


def on_redis(works: Mapping[str, Callable[..., Any]]) -> dict[str, float]:
    """Trips of each work; the store in memory makes none."""
    return {name: trips(work) for name, work in works.items()}


def add(report: Report, name: str, works: Mapping[str, Callable[..., Any]], times: int, warm_up: int = 5) -> None:
    """Time and trips of one work."""
    report.add(name, "ms", interleaved(works, times, warm_up))
    report.add(name, "trips", on_redis(works), 1 if "one trip" in name else None)


def one_by_one(stores: dict[str, BaseStore], report: Report) -> None:
    """Single operations and batches, among 1,000 items of one user."""
    here = ("memories", "ana")
    for store in stores.values():
        fill(store, here, 1000)
    numbers = {name: count(2000) for name in stores}
    puts = {
        name: lambda name=name, store=store: store.put(here, str(i := next(numbers[name])), value(i))
        for name, store in stores.items()
    }
    add(report, "put a new item", puts, 300)
    add(report, "put a known item", each(stores, lambda store: store.put(here, "5", value(5))), 300)
    add(report, "get an item", each(stores, lambda store: store.get(here, "7")), 300)
    gets = [GetOp(here, str(i)) for i in range(100)]
    works = each(stores, lambda store: store.batch(gets))
    add(report, "a batch of 100 gets", works, 60)
    report.add("a batch of 100 gets: found", "items", {n: sum(i is not None for i in w()) for n, w in works.items()})
    writes = [PutOp(here, str(i), value(i)) for i in range(100)]
    add(report, "a batch of 100 puts", each(stores, lambda store: store.batch(writes)), 40)
    mixed: list[GetOp | SearchOp | PutOp | ListNamespacesOp] = [
        *gets[:20],
        SearchOp(here, {"kind": "task"}),
        *writes[:20],
    ]
    add(report, "a batch of 20 gets, a search, 20 puts", each(stores, lambda store: store.batch(mixed)), 40)


async def asynchronous(stores: dict[str, BaseStore], report: Report) -> None:
    """Puts and gets with await; the peer's class for that is another one and is left out."""
    stores = {name: store for name, store in stores.items() if name != OFFICIAL}
    here, numbers = ("memories", "ana"), count()

    async def put(store: BaseStore) -> None:
        await store.aput(here, str(i := next(numbers)), value(i))

    async def get(store: BaseStore) -> None:
        await store.aget(here, "1")

    for name, work in (("async: put an item", put), ("async: get an item", get)):
        works = {each: lambda store=store, work=work: work(store) for each, store in stores.items()}
        report.add(name, "ms", await ainterleaved(works, 200))


def many(port: int, stores: dict[str, BaseStore], report: Report) -> None:
    """Searches and lists among 10,000 items."""
    here = ("many", "items")
    for store in stores.values():
        fill(store, here, ITEMS)
        store.batch([PutOp(("spaces", f"u{i}", "notes"), "k", {"i": i}) for i in range(1000)])
    searches: dict[str, dict[str, Any]] = {
        "ten of 10,000, no filter": {},
        "ten of 10,000, by equality (1 in 4)": {"kind": "task"},
        "ten of 10,000, by equality (1 in 100)": {"rank": 42},
        "ten of 10,000, by $gte (1 in 50)": {"rank": {"$gte": 98}},
    }
    for name, wanted in searches.items():
        works = each(stores, lambda store, wanted=wanted: store.search(here, filter=wanted or None))
        add(report, name, works, 12, 2)
        report.add(f"{name}: found", "items", {each: len(work()) for each, work in works.items()})
    lists = {
        "1,000 namespaces beneath one": ListNamespacesOp((MatchCondition("prefix", ("spaces",)),), limit=2000),
        "roots": ListNamespacesOp(max_depth=1),
    }
    for name, op in lists.items():
        works = each(stores, lambda store, op=op: store.batch([op]))
        add(report, name, works, 15, 2)
        report.add(f"{name}: found", "namespaces", {each: len(work()[0]) for each, work in works.items()})
    sizes = {OURS: "lrm-plain:*", OFFICIAL: "s-plain:*"}
    report.add(
        "keys, for each item", "bytes", {n: bytes_of_keys(port, p) / ITEMS for n, p in sizes.items() if n in stores}
    )


def meaning(port: int, names: ExitStack, report: Report) -> None:
    """Semantic search among 10,000 items, and how much of what is nearest it finds."""
    vectors = Vectors(ITEMS, 100)
    index: Any = {"dims": DIMS, "embed": vectors, "fields": ["text"], "distance_type": "cosine"}
    stores = contenders(port, names, index, "near")
    url, here = f"redis://127.0.0.1:{port}/0", ("memories", "ana")
    engines: dict[str, EngineName] = {"vector sets": "vector_sets", "Query Engine": "query_engine", "exact": "exact"}
    for store in stores.values():
        fill(store, here, ITEMS)
    filters: dict[str, dict[str, Any] | None] = {
        "": None,
        ", equal (1 in 100)": {"rank": 42},
        ", $gte (1 in 50)": {"rank": {"$gte": 98}},
    }
    for label, engine in engines.items():
        if label != "vector sets":
            ours = RedisStore(connected(url, prefix=f"lrm-{engine}"), index=index, engine=engine)
            fill(ours, here, ITEMS)
            stores = {OURS: ours} | {name: store for name, store in stores.items() if name != OURS}
        for what, wanted in filters.items():
            queries = {name: turns() for name in stores}
            works = {
                name: lambda store=store, wanted=wanted, mine=queries[name]: store.search(
                    here, query=f"query {next(mine)}", filter=wanted, limit=NEAREST
                )
                for name, store in stores.items()
            }
            name = f"the ten nearest of 10,000{what}; ours: {label}"
            add(report, name, works, 15, 3)
            found = {each: recall(store, vectors, here, wanted) for each, store in stores.items()}
            report.add(f"{name}: recall", "of 1", found)
            if found[OURS] < 0.98:
                report.notes.append(f"Our recall is below 0.98: {name}.")
    puts = {name: count() for name in stores}
    works = {
        name: lambda name=name, store=store: store.put(here, f"new {next(puts[name])}", value(next(puts[name]) % ITEMS))
        for name, store in {**stores, OURS: contenders(port, names, index, "near2")[OURS]}.items()
    }
    add(report, "put an item with a vector; ours: vector sets", works, 60)


def turns() -> Iterator[int]:
    """The queries, again and again."""
    while True:
        yield from range(100)


def recall(store: BaseStore, vectors: Vectors, here: tuple[str, ...], wanted: dict[str, Any] | None) -> float:
    """The share of the ten nearest that is found."""
    among = [i for i in range(ITEMS) if wanted is None or i % 100 in ((42,) if wanted["rank"] == 42 else (98, 99))]
    shares = []
    for query in range(100 if wanted is None else 50):
        found = {item.key for item in store.search(here, query=f"query {query}", filter=wanted, limit=NEAREST)}
        shares.append(len(found & vectors.nearest(query, among)) / NEAREST)
    return round(mean(shares), 4)


def measure_all() -> Report:
    """Measures everything."""
    versions = {
        OURS: installed(OURS) or "?",
        OFFICIAL: installed(OFFICIAL),
        MEMORY: installed("langgraph-checkpoint"),
    }
    report = Report("Long-term memory", versions, NOTES, floors=(MEMORY,))
    with server() as port:
        measure(port, report)
    return report


if __name__ == "__main__":
    command("store", __doc__, measure_all)
