"""A turn of `ConversationMemory`: its own time, what the state takes of it, and turns on `memory://`.

python -m benchmarks.speed.turn [--json FILE]
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import redis
from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder

from benchmarks.counts import HIT, MISS
from benchmarks.speed.harness import Median, Work, connected, interleaved, processor_time, server, trips
from benchmarks.speed.report import Report, command, installed
from langchain_redis_memory import ConversationMemory

OURS, MEMORY, BARE, CHAIN_ALONE = "langchain-redis-memory", "memory://", "redis-py GET", "the chain alone"
GOALS = {"a hit": 600, "a miss": 800, "state": 150}
"""In us, on a processor that nobody else wants."""
NOTES = [
    "One Redis 8.2.3 on the loopback, no persistence; medians after a warm-up, the cases taking turns. The chain is a "
    "prompt and a model that answers at once.",
    "A hit, a miss: the first turn of a conversation, whose question anybody has asked before, or nobody has. A "
    "follow-up: the next turn of one of which the newest 30 messages are read; it asks the model.",
    "Own time: the processor time of this process, without two bare GETs of redis-py for the two round trips, and "
    "without a call of the chain alone where the chain is asked.",
    "The state's part: what a turn with `state=True` takes beyond one without.",
]


def turns(url: str) -> dict[str, Work]:
    """A turn of each kind, without and with a state; each call is a new turn."""
    client, found = connected(url, prefix="turn"), dict[str, Work]()
    for kind in ("", " with state"):
        chain, numbers = ConversationMemory(client, state=bool(kind)).wrap(CHAIN), count()

        def turn(question: str, session: str, chain: Any = chain, kind: str = kind, of: Any = numbers) -> None:
            n = 2 * next(of) + bool(kind)
            chain.invoke(
                {"question": question.format(n)}, {"configurable": {"session_id": f"{session.format(n)}{kind}"}}
            )

        found[f"a hit{kind}"] = partial(turn, HIT, "hit {}")
        found[f"a miss{kind}"] = partial(turn, MISS, "miss {}")
        found[f"a follow-up{kind}"] = partial(turn, "And how long does it take?", "follow-up")
    for work in found.values():
        for _ in range(20):
            work()
    return found


CHAIN = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")]) | FakeListChatModel(
    responses=["By mail."]
)


def measure(port: int, report: Report) -> None:
    """All measures."""
    url, bare = f"redis://127.0.0.1:{port}/0", redis.Redis(port=port)
    real, memory = turns(url), turns("memory://turn")
    alone: Callable[[], object] = partial(CHAIN.invoke, {"question": "How do refunds work?", "history": []})
    used = processor_time({**real, CHAIN_ALONE: alone, BARE: lambda: bare.get("nothing")}, 40)
    get = used[BARE]
    for name in ("a hit", "a miss", "a follow-up"):
        for kind in ("", " with state"):
            whole = used[name + kind]
            report.add(
                f"{name}{kind}: client's processor time", "us", {OURS: whole, BARE: get, CHAIN_ALONE: used[CHAIN_ALONE]}
            )
            report.add(f"{name}{kind}: trips", "trips", {OURS: trips(real[name + kind])}, 2, "two trips")
            own = without(whole, 2 * get, 0.0 if name == "a hit" else used[CHAIN_ALONE])
            report.add(f"{name}{kind}: own time", "us", {OURS: own}, *goal(name if kind else ""))
        part = without(used[f"{name} with state"], used[name])
        report.add(f"{name}: the state's part", "us", {OURS: part}, *goal("state"))
    for name, work in real.items():
        took = interleaved({MEMORY: memory[name], OURS: work}, 200, 20)
        report.add(f"{name} on memory:// / on Redis", "", {OURS: took[MEMORY] / took[OURS]}, 2, "2x")


def goal(name: str) -> tuple[float | None, str]:
    """What ours may take, and how that is said."""
    return (GOALS[name], f"{GOALS[name]} us") if name in GOALS else (None, "")


def without(whole: Median, *parts: float) -> Median:
    """What a work takes of its own."""
    return whole + -sum(parts)


def measure_all() -> Report:
    """Measures everything."""
    versions = {OURS: installed(OURS), BARE: installed("redis"), CHAIN_ALONE: installed("langchain-core")}
    report = Report("A turn", versions, NOTES, floors=(BARE, CHAIN_ALONE))
    with server(query_engine=False) as port:
        measure(port, report)
    return report


if __name__ == "__main__":
    command("turn", __doc__, measure_all)
