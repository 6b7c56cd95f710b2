"""LangGraph checkpointers: ours, InMemorySaver, langgraph-checkpoint-plainredis and langgraph-checkpoint-redis.

python -m benchmarks.speed.checkpoint [--json FILE]
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, cycle, islice
from typing import Annotated, Any, TypedDict, cast

import redis.asyncio
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph, add_messages

from benchmarks.speed.harness import (
    PATIENCE_S,
    Median,
    ainterleaved,
    bytes_of_keys,
    connected,
    counted_trips,
    interleaved,
    often,
    server,
)
from benchmarks.speed.history import prose
from benchmarks.speed.report import Report, command, installed
from langchain_redis_memory import RedisSaver

OURS, MEMORY, PLAIN, OFFICIAL = (
    "langchain-redis-memory",
    "InMemorySaver",
    "langgraph-checkpoint-plainredis",
    "langgraph-checkpoint-redis",
)
PATTERNS = {OURS: "lrm:*", PLAIN: "plainredis:*", OFFICIAL: "checkpoint*"}
TURNS, THREADS = often(50), 2
LONG, SHORT, AROUND = often(520), often(50), often(20) // 2
CROWD, ROUNDS = often(50), often(10)
NOTES = [
    "A turn is one invoke of a graph of two nodes: the first puts 4 documents of about 420 characters into the state, "
    "the second answers with about 400 characters; the messages accumulate. 50 turns in each of 2 threads, the "
    "contenders taking turns; the graph itself is part of the time.",
    "One Redis 8.2.3 with JSON and the Query Engine on the loopback, no persistence. The contenders' order rotates.",
    "get_tuple and list(10) read a thread of 50 turns. Bytes: MEMORY USAGE SAMPLES 0 of every key of a contender.",
    "The saver's own part is the time inside put, put_writes and get_tuple during a turn, with durability='sync' so "
    "that they do not wait for the graph.",
    "langgraph-checkpoint-redis and its index are created before the clock starts. With 50 threads at once both "
    "peers raise MaxConnectionsError on a client of their own, so they get 1,000 connections; ours has its 50.",
]

Make = Callable[[], BaseCheckpointSaver[Any]]


class State(TypedDict):
    """What the graph keeps."""

    messages: Annotated[list[AnyMessage], add_messages]
    documents: list[Document]
    query: str


def text(length: int, source: Iterator[str]) -> str:
    """Prose of about so many characters."""
    words = ""
    while len(words) < length:
        words += next(source) + " "
    return words[: length + 20]


def graph(saver: BaseCheckpointSaver[Any]) -> Any:
    """A retrieval graph with two nodes."""
    source = cycle([*islice(prose(), 2_000)])  # from which threads may take at once, unlike from a generator

    def retrieve(state: State) -> dict[str, Any]:
        found = [Document(text(400, source), metadata={"source": f"page {i}"}) for i in range(4)]
        return {"documents": found, "query": str(state["messages"][-1].content)}

    def answer(state: State) -> dict[str, Any]:
        return {"messages": [AIMessage(text(380, source), id=f"run-{len(state['messages'])}")]}

    builder = StateGraph(State)
    builder.add_node("retrieve", retrieve)
    builder.add_node("answer", answer)
    builder.add_edge(START, "retrieve")
    builder.add_edge("retrieve", "answer")
    builder.add_edge("answer", END)
    return builder.compile(checkpointer=saver)


def question(turn: int) -> dict[str, Any]:
    """A user's turn."""
    return {"messages": [HumanMessage(f"Question {turn}: how does the {turn % 7}th part of this fit the others?")]}


def config(thread: str) -> dict[str, Any]:
    """A config for a thread."""
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}


def contenders(port: int) -> dict[str, Make]:
    """Constructors of savers; ours is the first."""
    url = f"redis://127.0.0.1:{port}/0"
    found: dict[str, Make] = {OURS: lambda: RedisSaver(connected(url)), MEMORY: InMemorySaver}
    if installed(PLAIN):
        from langgraph_checkpoint_plainredis import RedisSaver as Plain

        found[PLAIN] = lambda: Plain(url=url, prefix="plainredis")
    if installed(OFFICIAL):
        from langgraph.checkpoint.redis import RedisSaver as Official

        def official() -> BaseCheckpointSaver[Any]:
            saver = Official(f"{url}?protocol=2")
            saver.setup()
            return saver

        found[OFFICIAL] = official
    return found


# --- the measures -------------------------------------------------------------------------------------------------


def turns(make: dict[str, Make], report: Report, port: int) -> dict[str, BaseCheckpointSaver[Any]]:
    """Turns of all contenders, then what reading costs and what is kept."""
    savers = {name: build() for name, build in make.items()}
    graphs = {name: graph(saver) for name, saver in savers.items()}
    for compiled in graphs.values():
        compiled.invoke(question(0), config("warm-up"))
    names, asked = list(make), {name: count() for name in make}

    def talk(name: str) -> None:
        turn = next(asked[name])
        graphs[name].invoke(question(turn), config(f"thread {turn % THREADS}"))

    spent = interleaved({name: partial(talk, name) for name in names}, TURNS * THREADS, 0, more=False)
    peers = [name for name in (PLAIN,) if name in spent]
    most = min([1.6 * spent[MEMORY], *(0.75 * spent[name] for name in peers)])
    report.add("a turn", "ms", spent, most, "0.75x plainredis, 1.6x memory")
    counts = {}
    for name in names:
        with counted_trips() as sent:
            for turn in range(10):
                graphs[name].invoke(question(turn), config("trips"))
        counts[name] = sent[0] / 10
    report.add("a turn", "trips", counts, 9, "9 trips")

    here = config("thread 0")
    reads = interleaved({name: lambda s=saver: s.get_tuple(here) for name, saver in savers.items()}, 40)
    report.add("get_tuple", "ms", reads, 1.3 * reads[MEMORY], "1.3x memory")
    lists = interleaved({name: lambda s=saver: list(s.list(here, limit=10)) for name, saver in savers.items()}, 15)
    report.add("list(10)", "ms", lists, lists[MEMORY], "1x memory")
    sizes = {name: bytes_of_keys(port, PATTERNS[name]) for name in names if name in PATTERNS}
    report.add("keys of all threads", "bytes", sizes, sizes[PLAIN] / 10 if peers else None, "1/10 of plainredis")
    return savers


def growth(make: dict[str, Make], report: Report, port: int) -> None:
    """What 100 turns take in comparison with 50."""
    ratios = {}
    for name in (name for name in make if name in PATTERNS):
        compiled = graph(make[name]())
        sizes = [bytes_of_keys(port, PATTERNS[name])]
        for half in range(2):
            for turn in range(TURNS):
                compiled.invoke(question(TURNS * half + turn), config("growing"))
            sizes.append(bytes_of_keys(port, PATTERNS[name]))
        ratios[name] = (sizes[2] - sizes[0]) / (sizes[1] - sizes[0])
    report.add("bytes of 100 turns / of 50 turns", "", ratios, 2.3, "2.3")


def own_part(saver: BaseCheckpointSaver[Any]) -> list[float]:
    """Makes a saver note what it spends in its own methods: seconds of the clock, and of the processor."""
    spent = [0.0, 0.0]
    lock = threading.Lock()

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            started, worked = time.perf_counter(), time.thread_time()
            try:
                return method(*args, **kwargs)
            finally:
                with lock:
                    spent[0] += time.perf_counter() - started
                    spent[1] += time.thread_time() - worked

        return call

    for name in ("put", "put_writes", "get_tuple"):
        setattr(saver, name, timed(getattr(saver, name)))
    return spent


def long_thread(make: dict[str, Make], report: Report) -> None:
    """The saver's own part of a turn at 50 and at 500 turns."""
    savers = {name: make[name]() for name in (OURS, MEMORY, PLAIN) if name in make}
    spent = {name: own_part(saver) for name, saver in savers.items()}
    graphs = {name: graph(saver) for name, saver in savers.items()}
    each: dict[str, list[tuple[float, float]]] = {name: [] for name in savers}
    for turn in range(LONG):
        for name, compiled in graphs.items():
            if name == PLAIN and turn >= SHORT + AROUND:
                continue
            clock, used = spent[name]
            compiled.invoke(question(turn), config("long"), durability="sync")
            each[name].append((1000 * (spent[name][0] - clock), 1000 * (spent[name][1] - used)))

    def around(turn: int) -> dict[str, Median]:
        found = {}
        for name, some in each.items():
            if part := some[turn - AROUND : turn + AROUND]:
                clocks, used = zip(*part, strict=True)
                found[name] = Median.of(clocks)
                found[name].cpu = Median.of(used)
        return found

    at_50, at_500 = around(SHORT), around(LONG - AROUND)
    report.add("the saver's own part of a turn, at 50 turns", "ms", at_50)
    report.add("the saver's own part of a turn, at 500 turns", "ms", at_500)
    report.add("that at 500 turns / at 50", "", {name: at_500[name] / at_50[name] for name in at_500}, 3, "3")


async def crowd(port: int, report: Report) -> None:
    """50 threads at once, ten turns each, async; the contenders take turns."""
    url = f"redis://127.0.0.1:{port}/0"
    make: dict[str, Make] = {OURS: lambda: RedisSaver(connected(url)), MEMORY: InMemorySaver}

    def wide() -> Any:
        patience: dict[str, Any] = {"socket_timeout": PATIENCE_S, "socket_connect_timeout": PATIENCE_S}
        return redis.asyncio.Redis.from_url(url, max_connections=1000, **patience)

    if installed(PLAIN):
        from langgraph_checkpoint_plainredis import AsyncRedisSaver as Plain

        make[PLAIN] = lambda: Plain(client=wide(), prefix="plainredis")
    if installed(OFFICIAL):
        from langgraph.checkpoint.redis.aio import AsyncRedisSaver as Official

        make[OFFICIAL] = lambda: Official(f"{url}?protocol=2&max_connections=1000")
    graphs = {}
    for name, build in make.items():
        saver = build()
        if name == OFFICIAL:
            await cast("Any", saver).asetup()
        graphs[name] = graph(saver)
    threads = [f"crowd {i}" for i in range(CROWD)]
    asked = dict.fromkeys(make, 0)

    async def talk(name: str, thread: str) -> None:
        await graphs[name].ainvoke(question(asked[name]), config(thread))

    async def all_talk(name: str) -> None:
        await asyncio.gather(*(talk(name, thread) for thread in threads))
        asked[name] += 1

    async def missing(name: str) -> float:
        states = await asyncio.gather(*(graphs[name].aget_state(config(thread)) for thread in threads))
        return float(sum(2 * asked[name] - len(state.values["messages"]) for state in states))

    for name in make:
        await talk(name, "crowd warm-up")
    taken = await ainterleaved({name: partial(all_talk, name) for name in make}, ROUNDS, 0, more=False)
    rates = {name: ms / CROWD for name, ms in taken.items()}
    lost = {name: await missing(name) for name in make}
    best = min((rate for name, rate in rates.items() if name not in (OURS, MEMORY)), default=None)
    report.add("async, 50 threads at once: a turn", "ms", rates, best and best / 2, "0.5x the faster Redis peer")
    report.add("messages lost in it", "", lost, 0, "0")


def measure_all() -> Report:
    """Measures everything."""
    logging.disable()
    versions = {
        OURS: installed(OURS) or "?",
        MEMORY: installed("langgraph-checkpoint"),
        PLAIN: installed(PLAIN),
        OFFICIAL: installed(OFFICIAL),
    }
    report = Report("LangGraph checkpointers", versions, NOTES)
    with server() as port:
        make = contenders(port)
        turns(make, report, port)
        growth(make, report, port)
        long_thread(make, report)
    with server() as port:
        asyncio.run(crowd(port, report))
    return report


if __name__ == "__main__":
    command("checkpoint", __doc__, measure_all)
