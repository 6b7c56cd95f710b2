"""What grows, how it is made to grow, and the operations whose cost is stated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import Generation
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.store.base import PutOp

from benchmarks.scale.fit import Stated
from benchmarks.scale.loader import Copier, more_entries
from benchmarks.scale.meter import Meter, Work
from langchain_redis_memory import (
    ConversationMemory,
    RedisCache,
    RedisChatMessageHistory,
    RedisSaver,
    RedisSemanticCache,
    RedisStore,
    SearchOptions,
)
from langchain_redis_memory.vectors.engine import EngineName

DIMS = 64
GRAPH = (1_000, 3_000, 10_000)
"""Sizes of what is in a graph of vectors: a search of a smaller one looks at all of it."""
AT_ONCE = 100
STORED, SAMPLED = 20_000, 40
"""Items and exact answers up to this number are stored by the classes; of those beyond it, only each item of so many,
with a vector: the others are copies."""


class Operation(NamedTuple):
    """An operation whose cost is stated.

    Args:
        name: Its name.
        stated: How the cost is stated to grow.
        work: One call, with a number that is new each time.
    """

    name: str
    stated: Stated
    work: Work


class Grown(NamedTuple):
    """What grows on a server.

    Args:
        grow: Makes it grow from a size to another.
        operations: Measured at each size.
    """

    grow: Callable[[int, int], object]
    operations: Sequence[Operation]


@dataclass(frozen=True)
class Axis:
    """A size that grows.

    Args:
        name: What it is.
        sizes: Its sizes.
        begin: Prepares a server.
        large: Further sizes, which take long.
        most: The largest exponent of what is stated not to grow.
    """

    name: str
    sizes: tuple[int, ...]
    begin: Callable[[Meter], Grown]
    large: tuple[int, ...] = ()
    most: float = 0.25


class Seeded(Embeddings):
    """A vector for each text, of few numbers: how costs grow does not depend on how many."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [np.random.default_rng(crc32(text.encode())).normal(size=DIMS).tolist() for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def together(works: Sequence[Callable[[], Coroutine[Any, Any, Any]]]) -> None:
    """Runs many calls in one event loop, so many at once that they share their trips."""

    async def run() -> None:
        for start in range(0, len(works), AT_ONCE):
            await asyncio.gather(*(work() for work in works[start : start + AT_ONCE]))

    asyncio.run(run())


def turn(n: int) -> list[HumanMessage | AIMessage]:
    """A turn of two messages."""
    return [
        HumanMessage(f"What is known of number {n:08}?", id=f"q{n:08}"),
        AIMessage(f"Number {n:08} is next to {n + 1:08}.", id=f"a{n:08}"),
    ]


# --- one conversation, one thread ---------------------------------------------------------------------------------


def messages(meter: Meter) -> Grown:
    """The messages of one conversation."""
    memory = ConversationMemory(meter.client)
    history = memory.history("long")
    chat = memory.wrap(FakeListChatModel(responses=["It is known."]), scope="scale")

    def grow(known: int, many: int) -> None:
        for start in range(known // 2, many // 2, 500):
            history.add_messages([one for n in range(start, min(start + 500, many // 2)) for one in turn(n)])

    def whole_turn(n: int) -> None:
        chat.invoke(f"And what of {n}?", {"configurable": {"session_id": "long"}})

    return Grown(grow, [
        Operation("the last 20 messages", "O(1)", lambda _: history.recent(20)),
        Operation("how many messages there are", "O(1)", lambda _: history.count()),
        Operation("the messages before one in the middle", "O(log n)", lambda _: history.before(f"q{4:08}", 5)),
        Operation("all messages", "O(n)", lambda _: history.messages),
        Operation("a turn of ConversationMemory", "O(1)", whole_turn),
        Operation("a turn added", "O(1)", lambda n: history.add_messages(turn(10_000_000 + n))),
    ])  # fmt: skip


def checkpoint(n: int) -> Any:
    """The n-th checkpoint of a thread."""
    made = empty_checkpoint()
    made["id"] = f"1f{n:06x}-0000-6000-8000-000000000000"
    made["channel_values"], made["channel_versions"] = {"n": n, "text": "a value"}, {"n": f"{n:032}.0", "text": "1"}
    return made


def config(thread: str, checkpoint_id: str = "") -> Any:
    """The config of a thread."""
    return {"configurable": {"thread_id": thread, "checkpoint_ns": "", "checkpoint_id": checkpoint_id or None}}


def checkpoints(meter: Meter) -> Grown:
    """The checkpoints of one thread."""
    saver = RedisSaver(meter.client)

    async def aput(n: int) -> None:
        await saver.aput(config("long"), checkpoint(n), {"step": n}, {"n": f"{n:032}.0", "text": "1"})

    def grow(known: int, many: int) -> None:
        together([partial(aput, n) for n in range(known, many)])

    def put(n: int) -> None:
        at = 0x800000 + n
        saver.put(config("long"), checkpoint(at), {"step": n}, {"n": f"{at:032}.0"})

    def writes(n: int) -> None:  # of eight tasks, as what a checkpoint has of them must not grow from call to call
        saver.put_writes(config("long", checkpoint(n % 4)["id"]), [("n", n)], f"task-{n // 4 % 8}")

    middle = config("long", checkpoint(4)["id"])
    return Grown(grow, [
        Operation("the newest checkpoint", "O(1)", lambda _: saver.get_tuple(config("long"))),
        Operation("a checkpoint by its id", "O(1)", lambda _: saver.get_tuple(middle)),
        Operation("the newest ten", "O(log n)", lambda _: list(saver.list(config("long"), limit=10))),
        Operation("writes put", "O(1)", writes),
        Operation("a checkpoint put", "O(log n)", put),
    ])  # fmt: skip


def tasks_of_a_step(meter: Meter) -> Grown:
    """The tasks of one checkpoint that have put their writes, as the branches of a fan-out do."""
    saver = RedisSaver(meter.client)

    def task(n: int) -> Any:  # among eight checkpoints, as what is measured must add few tasks to each
        return config("wide", checkpoint(n % 8)["id"]), [("n", n)], f"task-{n:08}"

    def grow(known: int, many: int) -> None:
        together([partial(saver.aput_writes, *task(n)) for n in range(8 * known, 8 * many)])

    def read(n: int) -> None:
        saver.get_tuple(config("wide", checkpoint(n % 8)["id"]))

    for n in range(8):
        saver.put(config("wide"), checkpoint(n), {"step": n}, {"n": f"{n:032}.0", "text": "1"})
    return Grown(grow, [
        Operation("the writes of one more task put", "O(1)", lambda n: saver.put_writes(*task(0x800000 + n))),
        Operation("a checkpoint with the writes of all", "O(n)", read),
    ])  # fmt: skip


# --- many threads, tenants, items, answers ------------------------------------------------------------------------


def threads(meter: Meter) -> Grown:
    """Threads of one checkpoint."""
    saver = RedisSaver(meter.client)

    def put(thread: str) -> None:
        saver.put(config(thread), checkpoint(1), {"step": 1}, {"n": f"{1:032}.0", "text": "1"})

    put("thread-00000000")
    copier = Copier([meter.admin], "thread-00000000")

    def grow(known: int, many: int) -> None:
        copier.copy(f"thread-{n:08}" for n in range(max(known, 1), many))
        assert saver.get_tuple(config(f"thread-{many - 1:08}")) is not None

    return Grown(grow, [
        Operation("the newest checkpoint", "O(1)", lambda n: saver.get_tuple(config(f"thread-{n % 10:08}"))),
        Operation("the first checkpoint of a thread put", "O(log n)", lambda n: put(f"fresh-{n:08}")),
        Operation("a thread deleted", "O(log n)", lambda n: saver.delete_thread(f"fresh-{n - 50:08}")),
    ])  # fmt: skip


def tenants(meter: Meter) -> Grown:
    """Tenants with a conversation each."""

    def history(n: int) -> RedisChatMessageHistory:
        return RedisChatMessageHistory("session-1", meter.client, tenant=f"tenant-{n:08}")

    history(0).add_messages(turn(0))
    copier = Copier([meter.admin], "tenant-00000000")

    def grow(known: int, many: int) -> None:
        copier.copy(f"tenant-{n:08}" for n in range(max(known, 1), many))
        assert history(many - 1).count() >= 2

    return Grown(grow, [
        Operation("a tenant's conversation read", "O(1)", lambda n: history(n % 10).messages),
        Operation("a turn of a new tenant added", "O(1)", lambda n: history(90_000_000 + n).add_messages(turn(n))),
    ])  # fmt: skip


def items(meter: Meter) -> Grown:
    """Items of one namespace, one in four with a vector, one in forty of those that are sampled."""
    store = RedisStore(meter.client, index={"dims": DIMS, "embed": Seeded(), "fields": ["text"]})
    here = ("memories", "ana")

    def one(n: int) -> PutOp:
        half = (n // 4 + n // SAMPLED) % 2  # of those with vectors, whichever are sampled
        value = {"text": f"text {n}", "rank": n, "half": half}
        return PutOp(here, f"k{n:08}", value, index=None if n % 4 == 0 else False)

    store.batch([one(1)])
    copier = Copier([meter.admin], "k00000001")

    def grow(known: int, many: int) -> None:
        numbers = [n for n in range(known, many) if n < STORED or n % SAMPLED == 0]
        for start in range(0, len(numbers), 500):
            store.batch([one(n) for n in numbers[start : start + 500]])
        copier.copy(f"k{n:08}" for n in range(max(known, STORED), many) if n % SAMPLED)

    def near(n: int, **wanted: Any) -> None:
        store.search(here, query=f"query {n}", limit=3, refresh_ttl=False, **wanted)

    return Grown(grow, [
        Operation("an item got", "O(1)", lambda n: store.get(here, f"k{n % 10:08}")),
        Operation("the first ten items", "O(log n)", lambda _: store.search(here, limit=10)),
        Operation("the nearest items", "graph", near),
        Operation("the nearest of one in two", "graph", lambda n: near(n, filter={"half": {"$gte": 1}})),
        Operation("the items that a filter wants, none", "O(n)", lambda _: store.search(here, filter={"rank": -1})),
        Operation("an item put", "O(log n)", lambda n: store.put(here, f"new{n:08}", {"rank": n})),
        Operation("an item put with a vector", "graph", lambda n: store.put(here, f"v{n:08}", {"text": f"new {n}"})),
        Operation("an item deleted", "O(log n)", lambda n: store.delete(here, f"new{n - 50:08}")),
    ])  # fmt: skip


def exact_answers(meter: Meter) -> Grown:
    """Answers of the exact cache."""
    cache = RedisCache(meter.client)

    def grow(known: int, many: int) -> None:
        stored = min(many, STORED)
        cache.warm(((f"question {n:08}", f"answer {n:08}") for n in range(known, stored)), "model")
        more_entries(meter.admin, many - max(known, stored))

    return Grown(grow, [
        Operation("a hit", "O(1)", lambda n: cache.lookup(f"question {n % 10:08}", "model")),
        Operation("a miss", "O(1)", lambda n: cache.lookup(f"unknown {n:08}", "model")),
        Operation("an answer stored", "O(log n)", lambda n: cache.update(f"new {n}", "model", [Generation(text="x")])),
    ])  # fmt: skip


def answers_by_meaning(engine: EngineName, meter: Meter) -> Grown:
    """Answers of the semantic cache, quantised."""
    cache = RedisSemanticCache(meter.client, Seeded(), search=SearchOptions(max_entries=None, engine=engine))

    def question(n: int) -> str:
        return f"What is the capital of region number {n:08}?"

    def grow(known: int, many: int) -> None:
        cache.warm(((question(n), f"City {n:08}") for n in range(known, many)), "model")

    def update(n: int) -> None:
        cache.update(f"Which river flows through town number {n:08}?", "model", [Generation(text="The blue one")])

    return Grown(grow, [
        Operation("a hit, the same words", "O(1)", lambda n: cache.lookup(question(n % 10), "model")),
        Operation("nothing near", "graph", lambda n: cache.lookup(f"Who painted picture {n:08}?", "model")),
        Operation("an answer stored", "graph", update),
    ])  # fmt: skip


AXES = (
    Axis("messages of a conversation", (10, 100, 1_000, 10_000, 100_000), messages),
    Axis("checkpoints of a thread", (10, 100, 1_000, 10_000), checkpoints),
    Axis("tasks of a step", (10, 100, 1_000, 3_000), tasks_of_a_step),
    Axis("threads", (100, 10_000, 100_000), threads, (1_000_000,)),
    Axis("tenants", (100, 1_000, 10_000, 100_000), tenants),
    Axis("items of a store", (2_000, 6_000, 20_000), items, (200_000, 1_000_000)),
    Axis("answers, exact", (100, 3_000, 30_000), exact_answers, (300_000, 1_000_000)),
    Axis("answers by meaning, vector sets", GRAPH, partial(answers_by_meaning, "vector_sets"), (100_000, 1_000_000)),
    Axis("answers by meaning, Query Engine", GRAPH, partial(answers_by_meaning, "query_engine"), (100_000, 1_000_000)),
)
