"""Counts of the hot paths that do not depend on the machine, compared with those that are stored.

python -m benchmarks.counts [--instructions] [--write]

Of each path: round trips, commands and bytes sent (the same on every machine), and how many functions are called on
the way (the same on every machine with this minor version of Python and these packages). More trips or commands than
stored, or 10 % more bytes or calls, are a regression; fewer are a reason to store them with `--write`. With
`--instructions` callgrind counts those of the processor for four of the paths, which takes a minute or two: 5 % more
than is stored for the same build of Python are a regression.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from langchain_core.language_models import FakeListChatModel
from langchain_core.outputs import Generation
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder

from benchmarks import instructions, peers
from benchmarks.speed.harness import server
from langchain_redis_memory import (
    Client,
    ConversationMemory,
    Limit,
    RedisCache,
    RedisChatMessageHistory,
    RedisRateLimiter,
    RedisSaver,
    RedisStore,
    RedisValueCache,
)

STORED = Path(__file__).with_suffix(".json")
MORE = {"bytes": 1.10, "calls": 1.10}
"""What may grow by how much before it is a regression."""
HIT, MISS = "How do refunds work?", "What does chapter {:04} of the manual say?"
KEPT_OUT = "What time is it now in town {:04}?"
"""Questions of turns. Which may be cached is the classifier's to say, so a test asks it."""
Work = Callable[[int], object]
Counts = dict[str, int]


def paths(client: Client) -> dict[str, Work]:
    """The hot paths: each is called with a number that is new each time."""
    memory = ConversationMemory(client)
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")])
    chain = memory.wrap(prompt | FakeListChatModel(responses=["By mail."]))
    history = RedisChatMessageHistory("h", client, max_messages=50)
    cache = RedisCache(client, ttl_s=600)
    cache.update("warm", "model", [Generation(text="By mail.")])
    saver, store = RedisSaver(client), RedisStore(client)
    values = RedisValueCache(client, "v", ttl_s=600)
    limiter = RedisRateLimiter(client, limits=[Limit(1_000_000, "1m")])
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    store.put(("a",), "warm", {"x": 1})
    values.set("warm", "v")

    def turn(question: str, session: str) -> None:
        chain.invoke({"question": question}, {"configurable": {"session_id": session}})

    return {
        "a turn that misses": lambda n: turn(MISS.format(n), f"s{n:04}"),
        "a turn that is kept out of the cache": lambda n: turn(KEPT_OUT.format(n), f"b{n:04}"),
        "a turn that hits": lambda n: turn(HIT, f"t{n:04}"),
        "a turn added to a history": lambda n: history.add_messages(peers.turn(n)),
        "a history read": lambda _: history.messages,
        "an exact cache hit": lambda _: cache.lookup("warm", "model"),
        "an exact cache miss": lambda n: cache.lookup(f"cold {n:04}", "model"),
        "a checkpoint put": peers.put(saver),
        "a checkpoint got": lambda _: saver.get_tuple(config),
        "an item put": lambda n: store.put(("a",), f"k{n:04}", {"x": n}),
        "an item got": lambda _: store.get(("a",), "warm"),
        "a value got": lambda _: values.get("warm"),
        "a limit asked": lambda _: limiter.check(),
    }


@contextmanager
def sent() -> Iterator[Counts]:
    """Counts what connections send: pipelines, commands, bytes."""
    counts = {"trips": 0, "commands": 0, "bytes": 0}
    kind = redis.connection.AbstractConnection
    kept = kind.send_packed_command

    def send(self: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
        data = command if isinstance(command, bytes) else b"".join(command)
        counts["trips"] += 1
        counts["commands"] += data.count(b"\r\n*") + 1
        counts["bytes"] += len(data)
        return kept(self, command, *args, **kwargs)

    kind.send_packed_command = send
    try:
        yield counts
    finally:
        kind.send_packed_command = kept


def calls(work: Callable[[], object]) -> int:
    """How many functions, of Python and of C, one call makes."""
    count = 0

    def profile(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def measure(url: str) -> dict[str, Counts]:
    """Counts of each path: the fewest of some calls, after a warm-up."""
    found: dict[str, Counts] = {}
    with Client.from_url(url, prefix="counts") as client:
        for name, work in paths(client).items():
            for n in range(5):
                work(n)
            seen: list[Counts] = []
            for n in range(5, 15):  # in quick succession: what waited for a second goes along
                with sent() as counts:
                    work(n)
                seen.append({**counts})
            called = [calls(lambda work=work, n=n: work(n)) for n in range(15, 20)]
            found[name] = {what: min(one[what] for one in seen) for what in seen[0]} | {"calls": min(called)}
    return found


def worse(found: dict[str, Counts], stored: dict[str, Any]) -> list[str]:
    """Says what became worse than it was.

    Args:
        found: The counts of now.
        stored: Those that were stored, and the Python that they are of.

    Returns:
        A line for each.
    """
    lines = []
    for name, counts in found.items():
        for what, n in counts.items():
            before = stored["counts"].get(name, {}).get(what)
            if before is None or (what == "calls" and stored["python"] != python()):
                continue
            if n > before * MORE.get(what, 1):
                lines.append(f"{name}: {n} {what}, {before} are stored")
    return lines


def python() -> str:
    """The minor version of Python."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def count(stored: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Counts trips, commands, bytes and calls, and prints a table; what is to be stored, and what became worse."""
    with server(query_engine=False) as port:
        found = measure(f"redis://127.0.0.1:{port}/0")
    print(f"{'':28}{'trips':>8}{'commands':>10}{'bytes':>8}{'calls':>8}")
    for name, counts in found.items():
        print(f"{name:28}{counts['trips']:8}{counts['commands']:10}{counts['bytes']:8}{counts['calls']:8}")
    return {"python": python(), "counts": found}, worse(found, stored)


def count_instructions(stored: dict[str, Any]) -> tuple[dict[str, Any], list[str] | None]:
    """As `count`, of instructions; None if nothing is stored for this build of Python."""
    with server(query_engine=False) as port:
        found = instructions.measure(f"redis://127.0.0.1:{port}/0")
    print(f"{found['build']}, {', '.join(found['packages'])}\n{'':28}{'thousand instructions':>24}")
    for name, thousands in found["thousands"].items():
        against = found["peers"].get(name, {})
        ratios = (f"{thousands / theirs:.2f}x of {peer} ({theirs:,})" for peer, theirs in against.items())
        print(f"{name:28}{thousands:24,}  {', '.join(ratios)}")
    before = stored["instructions"]
    return {"instructions": instructions.written(found, before)}, instructions.worse(found, before)


def main() -> int:
    """Counts, prints a table and what became worse.

    Returns:
        1 if something did, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counts", description=__doc__)
    parser.add_argument("--instructions", action="store_true", help="count instructions instead, with valgrind")
    parser.add_argument("--write", action="store_true", help="store the counts")
    options = parser.parse_args()
    if options.instructions and not instructions.available():
        print("NOT COMPARED: instructions are counted by valgrind, which is not installed here")
        return int(options.write)
    stored = json.loads(STORED.read_text("utf-8"))
    found, lines = (count_instructions if options.instructions else count)(stored)
    if options.write:
        STORED.write_text(json.dumps(stored | found, indent=1) + "\n", "utf-8")
        return 0
    if lines is None:
        print("NOT COMPARED: nothing is stored for this build of Python")
        return 0
    print("\n".join(lines) or "nothing is worse than what is stored")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
