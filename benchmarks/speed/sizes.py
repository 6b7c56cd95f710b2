"""What things take in Redis: bytes of each kind of data, to plan a server's memory with.

python -m benchmarks.speed.sizes [--json benchmarks/results/sizes.json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import START, MessagesState, StateGraph
from rich.console import Console

from benchmarks.speed.harness import bytes_of_keys, connected, server
from langchain_redis_memory import (
    CachedEmbeddings,
    CachedRetriever,
    Client,
    ConversationMemory,
    Limit,
    RedisCache,
    RedisChatMessageHistory,
    RedisRateLimiter,
    RedisSaver,
    RedisSemanticCache,
    RedisStore,
    RedisValueCache,
    SearchOptions,
    UserProfile,
)
from langchain_redis_memory.vectors.engine import EngineName

PROSE = " ".join(" ".join(topics.values()).split())
QUESTION, ANSWER = 60, 400
MANY = 200

Fill = Callable[[Client, int], None]


def words(at: int, length: int) -> str:
    """A piece of prose that no other number gives."""
    start = at * 97 % (len(PROSE) - length)
    return f"{at} {PROSE[start : start + length]}"


class Seeded(Embeddings):
    """Vectors of 384 numbers, one for each text."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        seeds = [abs(hash(text)) % 2**32 for text in texts]
        return [np.random.default_rng(seed).normal(size=384).astype(np.float32).tolist() for seed in seeds]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def turns(count: int) -> list[Any]:
    """Messages of turns: a question and an answer, with ids and an answer's usual metadata."""
    about = {"finish_reason": "stop", "model_name": "gpt-5", "token_usage": {"prompt_tokens": 120, "total_tokens": 220}}
    pairs = [
        (
            HumanMessage(words(at, QUESTION), id=f"q{at:08}"),
            AIMessage(words(at, ANSWER), id=f"a{at:08}", response_metadata=about),
        )
        for at in range(count)
    ]
    return [message for pair in pairs for message in pair]


def history(client: Client, count: int) -> None:
    """One conversation."""
    RedisChatMessageHistory("s", client).add_messages(turns(count))


def thread(client: Client, count: int) -> None:
    """A LangGraph thread of turns."""
    model = FakeListChatModel(responses=[words(at, ANSWER) for at in range(count)])
    builder = StateGraph(MessagesState)
    builder.add_node("answer", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph = builder.add_edge(START, "answer").compile(checkpointer=RedisSaver(client))
    for at in range(count):
        graph.invoke({"messages": [HumanMessage(words(at, QUESTION))]}, {"configurable": {"thread_id": "t"}})


def exact(client: Client, count: int) -> None:
    """Answers under the very same prompt."""
    model = FakeListChatModel(responses=[words(at, ANSWER) for at in range(count)], cache=RedisCache(client))
    for at in range(count):
        model.invoke(words(at, QUESTION))


def semantic(engine: EngineName) -> Fill:
    """Answers by meaning."""

    def fill(client: Client, count: int) -> None:
        cache = RedisSemanticCache(client, Seeded(), search=SearchOptions(engine=engine))
        model = FakeListChatModel(responses=[words(at, ANSWER) for at in range(count)], cache=cache)
        for at in range(count):
            model.invoke(words(at, QUESTION))

    return fill


def shared(client: Client, count: int) -> None:
    """Answers of conversations, with what finds them again and a line of the log; the conversations are erased."""
    model = FakeListChatModel(responses=[words(at, ANSWER) for at in range(count)])
    memory = ConversationMemory(client)
    chat = memory.wrap(model, scope="s")
    for at in range(count):
        question = f"Which river flows through the town number {at:05} of the map?"
        chat.invoke(question, {"configurable": {"session_id": f"s{at}"}})
        memory.history(f"s{at}").clear()
    client.settle()
    page = memory.answers.entries()
    stored = len(page.answers)
    while page.cursor:
        page = memory.answers.entries(page.cursor)
        stored += len(page.answers)
    if stored != count:
        sys.exit("not every answer was stored: what one takes would be told too small")


def items(index: Any) -> Fill:
    """Items of a store."""

    def fill(client: Client, count: int) -> None:
        store = RedisStore(client, index=index)
        for at in range(count):
            store.put(("memories", "ana"), f"k{at}", {"text": words(at, QUESTION * 2)})

    return fill


def vectors(client: Client, count: int) -> None:
    """Cached vectors."""
    CachedEmbeddings(client, Seeded(), model="m").embed_documents([words(at, ANSWER) for at in range(count)])


def searches(client: Client, count: int) -> None:
    """Cached search results of four documents each."""
    found = [Document(words(at, ANSWER), id=f"d{at}") for at in range(4)]
    retriever = CachedRetriever(client, lambda query: found, name="r")
    for at in range(count):
        retriever.invoke(words(at, QUESTION))


def values(client: Client, count: int) -> None:
    """Values of a value cache: a small dict each."""
    cache = RedisValueCache(client, "preferences")
    cache.set_many({f"user:{at}": {"theme": "dark", "language": "en", "size": at} for at in range(count)})


def profiles(client: Client, count: int) -> None:
    """Profiles with three facts each."""
    for at in range(count):
        profile = UserProfile(f"user-{at}", client)
        for trait, value in (("language", "de"), ("length", "short"), ("format", "list")):
            profile.set(trait, value)


def limits(client: Client, count: int) -> None:
    """Users with a limit of requests and one of tokens."""
    limiter = RedisRateLimiter(client, [Limit(1, "1m"), Limit(90_000, "1m", unit="tokens")])
    for at in range(count):  # used up, so that none is over before it is measured
        limiter.check(f"user-{at}", tokens=90_000)


ROWS: list[tuple[str, Fill, int]] = [
    ("a turn of a conversation (2 messages)", history, 2 * MANY),
    ("a turn of a LangGraph thread (2 messages, a graph of one node)", thread, MANY // 2),
    ("an answer of a conversation's cache, exact, with its marks and its line of the log", shared, MANY),
    ("an answer, `RedisCache`", exact, MANY),
    ("an answer, `RedisSemanticCache`, vector sets", semantic("vector_sets"), MANY),
    ("an answer, `RedisSemanticCache`, Query Engine (without its index)", semantic("query_engine"), MANY),
    ("an answer, `RedisSemanticCache`, exact scan", semantic("exact"), MANY),
    ("an item of a store", items(None), MANY),
    ("an item of a store, with a vector", items({"dims": 384, "embed": Seeded(), "fields": ["text"]}), MANY),
    ("a cached vector", vectors, MANY),
    ("a cached search of 4 documents", searches, MANY),
    ("a value of a value cache", values, MANY),
    ("a user's profile, 3 facts", profiles, MANY),
    ("a user's two limits", limits, MANY),
]
CHECKS = cycle(range(2**31))


def bytes_each(port: int, fill: Fill, count: int) -> float:
    """What each of many takes, beyond what one takes: the bytes that are there once are left out."""
    sizes = []
    for many in (count // 10, count):
        prefix = f"sizes{next(CHECKS)}"
        with connected(f"redis://127.0.0.1:{port}/0", prefix=prefix) as client:
            fill(client, many)
            client.settle()
        sizes.append(bytes_of_keys(port, f"{prefix}:*"))
    return (sizes[1] - sizes[0]) / (count - count // 10)


def main() -> None:
    """Measures, prints, and writes what the page of benchmarks is generated from."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.sizes", description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="also write the rows to a file")
    options = parser.parse_args()
    with server() as port:
        rows = [[name, f"{bytes_each(port, fill, count):,.0f}"] for name, fill, count in ROWS]
    for name, size in rows:
        Console(highlight=False).print(f"{size:>8}  {name}")
    about = (
        f"Bytes of Redis 8.2 (`MEMORY USAGE`, names of keys included) for each more of a kind, at {MANY} of them. "
        f"Questions have {QUESTION} characters, answers {ANSWER}, vectors 384 numbers; the prose does not repeat. "
        "What answers a write that is sent again is left out: 112 bytes of one, for a minute."
    )
    if options.json:
        told = {
            "order": 9,
            "title": "What things take",
            "command": "python -m benchmarks.speed.sizes",
            "about": about,
            "columns": ["one more of", "bytes"],
            "rows": rows,
            "notes": [],
        }
        Path(options.json).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
