"""Caches of model answers: ours, langchain-redis' and langchain-community's, on the same questions and answers.

python -m benchmarks.speed.cache [--json FILE]
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import numpy as np
import redis
import redis.asyncio
from langchain_core.caches import BaseCache
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import FakeListChatModel
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, Generation

from benchmarks.speed.harness import (
    Median,
    ainterleaved,
    bytes_of_keys,
    connected,
    interleaved,
    often,
    server,
    trips,
    used_memory,
)
from benchmarks.speed.report import Report, command, installed
from langchain_redis_memory import RedisCache, RedisSemanticCache, SearchOptions
from langchain_redis_memory.vectors.engine import EngineName

OURS, OFFICIAL, COMMUNITY = "langchain-redis-memory", "langchain-redis", "langchain-community"
TTL_S, ENTRIES = 3600, 1000
NOTES = [
    "Redis 8.2.3 on the loopback, no persistence, once with JSON and the Query Engine, which langchain-redis needs, "
    "and once without modules; medians after a warm-up, the contenders taking turns.",
    "A prompt is a system message of 200 words and a question, as LangChain hands them to a cache; a chat answer has "
    "about 400 characters with OpenAI's usage_metadata and response_metadata, a text answer the same text alone.",
    "Ours counts hits, misses, tokens and latencies on the way, and checks what it reads; the others do neither. Their "
    "lifetime is a command of its own (langchain-redis) or of the same transaction (langchain-community).",
    "Async: langchain-redis' is its inherited thread pool, langchain-community's another class (AsyncRedisCache).",
    "langchain-community's clear flushes the whole database, others' keys included; so it is not measured. "
    "langchain-redis' scans the whole database: its time grows with whatever else is stored.",
    "By meaning: vectors of 384 numbers made beforehand, so no model is timed; ours verifies each near question, "
    "counts, and keeps vectors as int8 (float16 in the Query Engine); langchain-redis' compares the cosine and keeps "
    "float32.",
    "Trips: calls of redis-py's send_packed_command, of which every command or pipeline makes one.",
]
MODEL = (
    '{"id": ["langchain", "chat_models", "openai"], "kwargs": {"model_name": "gpt-4o", "n": 1}}---[(\'stop\', None)]'
)
Work = Callable[[BaseCache], Any]

# --- the contenders -----------------------------------------------------------------------------------------------


def contenders(port: int, *, json: bool) -> dict[str, BaseCache]:
    """Empty caches by contender; ours is the first."""
    url = f"redis://127.0.0.1:{port}/0"
    found: dict[str, BaseCache] = {OURS: RedisCache(connected(url), ttl_s=TTL_S)}
    if json and installed(OFFICIAL):
        from langchain_redis import RedisCache as Official

        found[OFFICIAL] = Official(f"{url}?protocol=2", ttl=TTL_S)
    if installed(COMMUNITY):
        from langchain_community.cache import RedisCache as Community

        found[COMMUNITY] = Community(redis.Redis.from_url(url), ttl=TTL_S)
    return found


def asynchronous(port: int, caches: dict[str, BaseCache]) -> dict[str, BaseCache]:
    """The same for async calls."""
    if COMMUNITY not in caches:
        return caches
    from langchain_community.cache import AsyncRedisCache

    client = redis.asyncio.Redis.from_url(f"redis://127.0.0.1:{port}/0")
    return {**caches, COMMUNITY: AsyncRedisCache(client, ttl=TTL_S)}


# --- questions and answers ----------------------------------------------------------------------------------------


def words(number: int, seed: int) -> str:
    """So many words of a made-up language."""
    chance = random.Random(seed)
    return " ".join("".join(chance.choices("abdeiklmnorstu", k=chance.randint(2, 9))) for _ in range(number))


SYSTEM = words(200, 1)
PROMPTS = [
    dumps([SystemMessage(SYSTEM), HumanMessage(f"{number}: {words(10, number)}?")]) for number in range(3 * ENTRIES)
]


def chat(number: int) -> list[Generation]:
    """A chat model's answer."""
    message = AIMessage(
        words(60, number),
        id=f"lc_run--019{number:033x}",
        usage_metadata={"input_tokens": 240, "output_tokens": 90, "total_tokens": 330},
        response_metadata={
            "token_usage": {"completion_tokens": 90, "prompt_tokens": 240, "total_tokens": 330},
            "model_name": "gpt-4o-2024-08-06",
            "system_fingerprint": "fp_44709d6fcb",
            "finish_reason": "stop",
            "logprobs": None,
        },
    )
    return [ChatGeneration(message=message, generation_info={"finish_reason": "stop", "logprobs": None})]


def text(number: int) -> list[Generation]:
    """A language model's answer."""
    return [Generation(text=words(60, number))]


CHATS, TEXTS = [chat(number) for number in range(ENTRIES)], [text(number) for number in range(ENTRIES)]

# --- the measures: each gets the report and adds its rows -----------------------------------------------------------


def exact(report: Report) -> None:
    """The caches for the very same prompt, on a server with modules and on one without."""
    for where, json in (("Redis with modules", True), ("plain Redis", False)):
        with server(query_engine=json) as port:
            one_by_one(f"{where}: ", port, contenders(port, json=json), report)
            asyncio.run(awaited(f"{where}, async: ", asynchronous(port, contenders(port, json=json)), report))
            clearing(f"{where}: ", contenders(port, json=json), report)


def turned(caches: dict[str, BaseCache], work: Callable[[BaseCache, int], Any]) -> dict[str, Callable[[], Any]]:
    """The same work on each cache, with a number that goes on from call to call."""
    numbers = {name: count() for name in caches}
    return {name: lambda name=name, cache=cache: work(cache, next(numbers[name])) for name, cache in caches.items()}


def add(
    report: Report, name: str, works: Mapping[str, Callable[..., Any]], times: int, most: float | None = None
) -> None:
    """Time and trips of one work; `most` is the target as a share of langchain-redis' time."""
    taken = interleaved(works, times, 20)
    bound = most * taken[OFFICIAL] if most and OFFICIAL in taken else None
    report.add(name, "ms", taken, bound, f"<= {most}x of {OFFICIAL}" if bound else "")
    report.add(name, "trips", {each: trips(work) for each, work in works.items()})


def one_by_one(where: str, port: int, caches: dict[str, BaseCache], report: Report) -> None:
    """Hits, misses and updates, among 1,000 answers."""
    for kind, answers in (("chat", CHATS), ("text", TEXTS)):
        for cache in caches.values():
            for number, answer in enumerate(answers):
                cache.update(PROMPTS[number], MODEL, answer)
        hits = turned(caches, lambda cache, i: cache.lookup(PROMPTS[7 * i % ENTRIES], MODEL))
        for name, hit in hits.items():
            assert hit()[0].text, name
        add(report, f"{where}hit, {kind} answer", hits, 600, 1.1)
        puts = turned(
            caches, lambda cache, i, all_of_them=answers: cache.update(PROMPTS[i], MODEL, all_of_them[i % 50])
        )
        add(report, f"{where}update, {kind} answer", puts, 600)
        if kind == "chat":
            patterns = {OURS: "lrm:*entr*", OFFICIAL: "redis:*"}
            sizes = {n: bytes_of_keys(port, pattern) / ENTRIES for n, pattern in patterns.items() if n in caches}
            report.add(f"{where}{ENTRIES} chat answers, each", "bytes", sizes)
    missing = turned(caches, lambda cache, i: cache.lookup(PROMPTS[2 * ENTRIES + i % ENTRIES], MODEL))
    add(report, f"{where}miss", missing, 600)
    models = {name: FakeListChatModel(responses=["an answer"], cache=cache) for name, cache in caches.items()}
    asked = {name: lambda model=model: model.invoke("a question") for name, model in models.items()}
    report.add(f"{where}a chat model's invoke that hits", "ms", interleaved(asked, 300, 20))


async def awaited(where: str, caches: dict[str, BaseCache], report: Report) -> None:
    """Hits and updates with await."""
    for cache in caches.values():
        for number in range(100):
            await cache.aupdate(PROMPTS[number], MODEL, CHATS[number])
    hits = turned(caches, lambda cache, i: cache.alookup(PROMPTS[i % 100], MODEL))
    puts = turned(caches, lambda cache, i: cache.aupdate(PROMPTS[i % 100], MODEL, CHATS[i % 100]))
    taken = await ainterleaved(hits, 400, 20)
    bound = 1.1 * taken[OFFICIAL] if OFFICIAL in taken else None
    report.add(f"{where}hit, chat answer", "ms", taken, bound, f"<= 1.1x of {OFFICIAL}" if bound else "")
    report.add(f"{where}update, chat answer", "ms", await ainterleaved(puts, 400, 20))
    if COMMUNITY in caches:
        await caches[COMMUNITY].redis.aclose()  # type: ignore[attr-defined]
    await caches[OURS]._client.aclose()  # type: ignore[attr-defined]


def clearing(where: str, caches: dict[str, BaseCache], report: Report, times: int = often(7)) -> None:
    """Clearing 1,000 answers, which are stored anew each time."""
    taken: dict[str, list[float]] = {name: [] for name in caches if name != COMMUNITY}
    for _ in range(times):
        for name, durations in taken.items():
            for number in range(ENTRIES):
                caches[name].update(PROMPTS[number], MODEL, TEXTS[number])
            started = time.perf_counter()
            caches[name].clear()
            durations.append(1000 * (time.perf_counter() - started))
    report.add(
        f"{where}clear {ENTRIES} answers", "ms", {name: Median.of(durations) for name, durations in taken.items()}
    )
    report.add(f"{where}clear an empty cache", "trips", {name: trips(caches[name].clear) for name in taken})


# --- by meaning ---------------------------------------------------------------------------------------------------


class Vectors(Embeddings):
    """Vectors of 384 numbers in 2,000 clusters, made beforehand: what is timed is the cache, not a model."""

    model = "benchmark"

    def __init__(self) -> None:
        self.made: dict[str, list[float]] = {}
        self._random = np.random.default_rng(0)
        self._centres = self._random.normal(size=(2000, 384))

    def make(self, text: str, near: str | None = None) -> None:
        """A vector of its own, or one that is hardly another's."""
        noise = self._random.normal(size=384)
        if near is None:
            vector = self._centres[len(self.made) % 2000] + 0.9 * noise
        else:
            vector = np.asarray(self.made[near]) + 0.005 * noise
        self.made[text] = (vector / np.linalg.norm(vector)).tolist()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vectors of texts."""
        return [self.made[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """The vector of a text."""
        if text not in self.made:  # langchain-redis embeds a word of its own to learn the dimension
            self.make(text)
        return self.made[text]


ENGINES: tuple[EngineName, ...] = ("query_engine", "vector_sets", "exact")


def semantic(report: Report, entries: int = often(10_000), engines: tuple[EngineName, ...] = ENGINES) -> None:
    """The caches by meaning among many answers, on each of our engines; langchain-redis' needs the Query Engine."""
    embeddings = Vectors()
    stored = [f"What is the use of item {number} in the catalogue of {words(3, number)}?" for number in range(entries)]
    asked = [question[:-1].replace("What", "what") for question in stored]
    others = [f"How do people in {words(4, number)} celebrate?" for number in range(600)]
    for text_ in (*stored, *others):
        embeddings.make(text_)
    for near, text_ in zip(stored, asked, strict=True):
        embeddings.make(text_, near)
    answers = [TEXTS[number % ENTRIES] for number in range(entries)]
    half = 2700.0  # of what langchain-redis takes, where it is not measured here
    limits = {"vector_sets": 1.0 if entries <= 10_000 else 2.0, "exact": 2.0}
    for engine in engines:
        where, modules = f"by meaning, {engine}: ", engine == "query_engine"
        with server(query_engine=modules) as port:
            url, before = f"redis://127.0.0.1:{port}/0", used_memory(port)
            ours = RedisSemanticCache(connected(url), embeddings, ttl_s=TTL_S, search=SearchOptions(engine=engine))
            ours.warm(zip(stored, answers, strict=True), MODEL)
            caches: dict[str, BaseCache] = {OURS: ours}
            sizes = {OURS: (used_memory(port) - before) / entries}
            if modules and installed(OFFICIAL):
                from langchain_redis import RedisSemanticCache as Official

                theirs = Official(embeddings, url, distance_threshold=0.1, ttl=TTL_S)
                before = used_memory(port)
                for question, answer in zip(stored, answers, strict=True):
                    theirs.update(question, MODEL, answer)
                sizes[OFFICIAL] = (used_memory(port) - before) / entries
                half, caches[OFFICIAL] = sizes[OFFICIAL] / 2, theirs
            report.add(f"{where}{entries} answers, each", "bytes", sizes, half, f"<= {half:.0f}")
            for name, cache in caches.items():
                assert cache.lookup(asked[7], MODEL), name
            hits = turned(caches, lambda cache, i: cache.lookup(asked[37 * i % entries], MODEL))
            times = interleaved(hits, 400, 20)
            bound = limits.get(engine, times.get(OFFICIAL))
            report.add(f"{where}hit", "ms", times, bound, f"<= {bound:.2f} ms" if bound else "")
            report.add(f"{where}hit", "trips", {name: trips(hit) for name, hit in hits.items()})
            misses = turned(caches, lambda cache, i: cache.lookup(others[i % len(others)], MODEL))
            report.add(f"{where}miss", "ms", interleaved(misses, 300, 20))


def large(report: Report) -> None:
    """100,000 answers on vector sets."""
    semantic(report, 100_000, ("vector_sets",))


MEASURES = (exact, semantic)
"""What is measured."""


def measure_all(*measures: Callable[[Report], None]) -> Report:
    """Measures everything, or some of it."""
    versions = {name: installed(name) for name in (OURS, OFFICIAL, COMMUNITY)}
    report = Report("Caches of model answers", versions, NOTES)
    for measure in measures or MEASURES:
        measure(report)
    return report


def measure_large() -> Report:
    """Measures only 100,000 answers by meaning, on vector sets."""
    return measure_all(large)


if __name__ == "__main__":
    command("cache", __doc__, measure_all, large=measure_large)
