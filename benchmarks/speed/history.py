"""Chat message history: ours, langchain-redis' and langchain-community's, on the same conversations.

python -m benchmarks.speed.history [--json FILE]
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Callable, Iterator
from itertools import cycle
from pydoc_data.topics import topics
from uuid import UUID

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from benchmarks.speed.harness import (
    ainterleaved,
    at_once,
    atrips,
    bytes_of_keys,
    interleaved,
    server,
    trips,
    used_memory,
)
from benchmarks.speed.report import Report, command, installed
from langchain_redis_memory import RedisChatMessageHistory

OURS, OFFICIAL, COMMUNITY = "langchain-redis-memory", "langchain-redis", "langchain-community"
TTL_S = 3600
NOTES = [
    "One Redis 8.2.3 with JSON and the Query Engine on the loopback, no persistence, for all of them; medians after a "
    "warm-up, the contenders taking turns.",
    "A turn is a question of about 60 characters and an answer of about 400 (prose of Python's own manual), the answer "
    "with OpenAI's usage_metadata and response_metadata, both messages with ids. langchain-redis stores neither the "
    "ids nor that metadata, so it moves and keeps less than the others; ours also keeps an index of sessions.",
    "Trips: calls of redis-py's send_packed_command, of which every command or pipeline makes one. A new connection's "
    "handshake counts.",
    "Bytes: MEMORY USAGE SAMPLES 0 of every key of the contender, divided by its messages; the growth of used_memory "
    "also has the search index of langchain-redis. Async of the peers is their inherited thread pool.",
    "langchain-redis runs with ?protocol=2: with redis-py 8's default its second construction raises AttributeError.",
]

Make = Callable[[str, "int | None"], BaseChatMessageHistory]


def contenders(port: int) -> dict[str, Make]:
    """Constructors of history objects by contender; ours is the first."""
    url = f"redis://127.0.0.1:{port}/0"
    found: dict[str, Make] = {OURS: lambda session, ttl: RedisChatMessageHistory(session, url, ttl_s=ttl)}
    if installed(OFFICIAL):
        from langchain_redis import RedisChatMessageHistory as Official

        found[OFFICIAL] = lambda session, ttl: Official(session, f"{url}?protocol=2", ttl=ttl)
    if installed(COMMUNITY):
        from langchain_community.chat_message_histories import RedisChatMessageHistory as Community

        found[COMMUNITY] = lambda session, ttl: Community(session, url, ttl=ttl)
    return found


PATTERNS = {OURS: "lrm:*", OFFICIAL: "chat:*", COMMUNITY: "message_store:*"}

# --- the work -----------------------------------------------------------------------------------------------------


def prose() -> Iterator[str]:
    """Sentences without end, from the manual that Python carries, in an order that is always the same."""
    text = " ".join(re.sub(r"\s+", " ", topics[name]) for name in sorted(topics))
    sentences = [part for part in re.split(r"(?<=[.?!]) ", text) if 30 < len(part) < 300 and part[0].isalpha()]
    chance = random.Random(7)
    while True:
        yield chance.choice(sentences)


def turns(count: int) -> Iterator[list[BaseMessage]]:
    """So many turns, made before they are asked for so that making them is not timed."""
    source = _turns()
    return iter([next(source) for _ in range(count)])


def _turns() -> Iterator[list[BaseMessage]]:
    """Questions with their answers, as a chat model of OpenAI gives them."""
    sentences, chance = prose(), random.Random(11)
    while True:
        question, answer = next(sentences)[:60], ""
        while len(answer) < 360:
            answer += next(sentences) + " "
        read, written, run = chance.randrange(20, 3000), chance.randrange(60, 140), UUID(int=chance.getrandbits(128))
        usage = {
            "completion_tokens": written,
            "prompt_tokens": read,
            "total_tokens": read + written,
            "completion_tokens_details": {
                "accepted_prediction_tokens": 0,
                "audio_tokens": 0,
                "reasoning_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
            "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
        }
        metadata = {
            "token_usage": usage,
            "model_provider": "openai",
            "model_name": "gpt-4o-mini-2024-07-18",
            "system_fingerprint": f"fp_{chance.getrandbits(40):010x}",
            "id": f"chatcmpl-{chance.getrandbits(116):029x}",
            "service_tier": "default",
            "finish_reason": "stop",
            "logprobs": None,
        }
        counts = {
            "input_tokens": read,
            "output_tokens": written,
            "total_tokens": read + written,
            "input_token_details": {"audio": 0, "cache_read": 0},
            "output_token_details": {"audio": 0, "reasoning": 0},
        }
        yield [
            HumanMessage(question, id=str(UUID(int=chance.getrandbits(128)))),
            AIMessage(answer[:440], id=f"lc_run--{run}", usage_metadata=counts, response_metadata=metadata),
        ]


def conversation(messages: int) -> list[BaseMessage]:
    """A conversation of so many messages."""
    return [message for turn in turns(messages // 2) for message in turn]


# --- the measures -------------------------------------------------------------------------------------------------


def measure(port: int, report: Report) -> None:
    """All measures."""
    make = contenders(port)
    peers = [name for name in make if name != OURS]
    logging.disable()
    for name in make:
        make[name]("warm-up", None).add_messages(conversation(2))

    writing(make, report)
    reading(make, peers, report)
    asyncio.run(asynchronous(make, report))
    requests(make, report)
    memory(port, make, peers, report)


def writing(make: dict[str, Make], report: Report) -> None:
    """A turn, with a lifetime and without, in conversations of up to 50 turns and at the end of a long one."""
    for ttl, what in ((TTL_S, "with TTL"), (None, "without TTL")):
        histories = {name: cycle([make[name](f"turn {what} {i}", ttl) for i in range(10)]) for name in make}
        source = {name: turns(1600) for name in make}
        add = {name: lambda h=histories[name], s=source[name]: next(h).add_messages(next(s)) for name in make}
        taken = interleaved(add, 450, 50)
        sent = {name: trips(add[name]) for name in make}
        community = taken.get(COMMUNITY)
        report.add(f"a turn of two messages, {what}", "ms", taken, community and 0.8 * community, "0.8x community")
        report.add(f"a turn of two messages, {what}", "trips", sent, 1, "1 trip")
        apart = {name: taken[name] + 0.5 * sent[name] for name in make}
        report.add(f"a turn, {what}, 0.5 ms of network a trip (computed)", "ms", apart)

    long = {name: make[name]("long", TTL_S) for name in make}
    for each in long.values():
        each.add_messages(conversation(2000))
    source = {name: turns(400) for name in make}
    add = {name: lambda h=long[name], s=source[name]: h.add_messages(next(s)) for name in make}
    report.add("a turn after 2000 messages, with TTL", "ms", interleaved(add, 100))


def reading(make: dict[str, Make], peers: list[str], report: Report) -> None:
    """A short and a long conversation."""
    for size, times in ((10, 300), (400, 40)):
        history = {name: make[name](f"read {size}", TTL_S) for name in make}
        for each in history.values():
            each.add_messages(conversation(size))
            assert len(each.messages) == size
        read = {name: lambda h=history[name]: h.messages for name in make}
        taken = interleaved(read, times)
        most = 0.5 * min(taken[peer] for peer in peers) if peers and size == 400 else None
        report.add(f"reading {size} messages", "ms", taken, most, "0.5x faster peer" if most else "")
        report.add(f"reading {size} messages", "trips", {name: trips(read[name]) for name in make})


async def asynchronous(make: dict[str, Make], report: Report) -> None:
    """The same with await, one at a time and twenty at once."""
    source = turns(12_000)
    history = {name: make[name]("async", TTL_S) for name in make}
    add = {name: lambda h=history[name]: h.aadd_messages(next(source)) for name in make}
    report.add("async: a turn of two messages", "ms", await ainterleaved(add, 300, 20))
    report.add("async: a turn of two messages", "trips", {name: await atrips(add[name]) for name in make})

    many = {name: [make[name](f"async {i}", TTL_S) for i in range(20)] for name in make}
    crowd = {
        name: lambda name=name: at_once([lambda h=h: h.aadd_messages(next(source)) for h in many[name]])
        for name in make
    }
    taken = await ainterleaved(crowd, 30)
    report.add("async: one of 20 turns at once", "ms", {name: ms / 20 for name, ms in taken.items()})

    for size, times in ((10, 200), (400, 30)):
        history = {name: make[name](f"async read {size}", TTL_S) for name in make}
        for each in history.values():
            each.add_messages(conversation(size))
        read = {name: lambda h=history[name]: h.aget_messages() for name in make}
        report.add(f"async: reading {size} messages", "ms", await ainterleaved(read, times))


def requests(make: dict[str, Make], report: Report) -> None:
    """A history object for each request, as a web handler makes it."""
    source = turns(1000)
    build = {name: lambda name=name: make[name]("request", TTL_S) for name in make}
    report.add("constructing a history", "ms", interleaved(build, 60))
    report.add("constructing a history", "trips", {name: trips(build[name]) for name in make})

    def request(name: str) -> None:
        history = make[name](next(sessions), TTL_S)
        history.messages  # noqa: B018 - reads
        history.add_messages(next(source))

    sessions = iter(f"request {i}" for i in range(10**9))
    whole = {name: lambda name=name: request(name) for name in make}
    report.add("a request: construct, read, add a turn", "ms", interleaved(whole, 60))
    report.add("a request: construct, read, add a turn", "trips", {name: trips(whole[name]) for name in make})


def memory(port: int, make: dict[str, Make], peers: list[str], report: Report) -> None:
    """Five conversations of 400 messages, written turn by turn."""
    each, used = {}, {}
    for name, build in make.items():
        source = turns(1000)
        keys, whole = bytes_of_keys(port, PATTERNS[name]), used_memory(port)
        for i in range(5):
            history = build(f"memory {i}", TTL_S)
            for _ in range(200):
                history.add_messages(next(source))
        each[name] = round((bytes_of_keys(port, PATTERNS[name]) - keys) / 2000, 1)
        used[name] = round((used_memory(port) - whole) / 2000, 1)
    most = 0.6 * min(each[peer] for peer in peers) if peers else None
    report.add("keys, for each of 400 messages", "bytes", each, most, "0.6x smaller peer")
    report.add("growth of used_memory, for each message", "bytes", used)


def measure_all() -> Report:
    """Measures everything."""
    versions = {OURS: installed(OURS) or "?", OFFICIAL: installed(OFFICIAL), COMMUNITY: installed(COMMUNITY)}
    report = Report("Chat message history", versions, NOTES)
    with server() as port:
        measure(port, report)
    return report


if __name__ == "__main__":
    command("history", __doc__, measure_all)
