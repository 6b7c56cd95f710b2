"""Writes conversations, threads, items and answers by other packages themselves, where they are installed.

`python tests/support/peers.py NAME URL` does so by hand, also in an environment that has an older version of one;
`tests/support/dumped.py` records what is then on the server. Nothing of this package is imported here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from operator import add
from typing import Annotated, Any, TypedDict

from langchain_core.load import dumps
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration

SESSION = "user:1,a"
"""An id that holds what separates the parts of a key, and what separates tags."""

CALL: Any = {"name": "weather", "args": {"city": "Oslo"}, "id": "c1", "type": "tool_call"}
SAID: list[BaseMessage] = [
    SystemMessage("Be brief.", id="m0"),
    HumanMessage("What is the weather in Oslo?", id="m1", name="ana"),
    AIMessage("", id="m2", tool_calls=[CALL]),
    ToolMessage("Rain.", id="m3", tool_call_id="c1"),
    AIMessage([{"type": "text", "text": "It rains."}], id="m4"),
    HumanMessage("Grüße ✓"),
]
"""What is said in a conversation; the last message has no id."""


def langchain_community(url: str) -> None:
    from langchain_community.chat_message_histories import RedisChatMessageHistory

    RedisChatMessageHistory(SESSION, url, ttl=3600).add_messages(SAID)
    RedisChatMessageHistory("forever", url).add_messages([HumanMessage("Hi")])


def langchain_redis(url: str) -> None:
    from langchain_redis import RedisChatMessageHistory

    # Version 0.2.6 breaks on RESP3, which redis-py 8.1 speaks by default.
    for session, said, ttl in ((SESSION, SAID, 3600), ("forever", [HumanMessage("Hi")], None)):
        history = RedisChatMessageHistory(session, redis_url=f"{url}?protocol=2", ttl=ttl)
        for message in said:
            history.add_message(message)


# --- threads ---------------------------------------------------------------------------------------


class State(TypedDict, total=False):
    messages: Annotated[list[Any], add]
    facts: dict[str, Any]
    parts: Annotated[list[str], add]
    raw: bytes


def graph(checkpointer: Any) -> Any:
    """A graph that asks before it answers: with messages, tasks by `Send`, a graph within it, and an interrupt."""
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import Send, interrupt

    inner = StateGraph(State)
    inner.add_node("note", lambda state: {"facts": {"n": 1, "of": ["a", {"b": None}]}, "raw": b"\x00\xff"})
    inner.add_edge(START, "note")
    inner.add_edge("note", END)

    def ask(state: Any) -> dict[str, Any]:
        answer = interrupt({"question": "Sure?"})
        return {"messages": [AIMessage(f"You said {answer}.", id=f"a{len(state['messages'])}")]}

    builder = StateGraph(State)
    builder.add_node("spread", lambda state: {})
    builder.add_node("part", lambda state: {"parts": [state["name"]]})
    builder.add_node("inner", inner.compile())
    builder.add_node("ask", ask)
    builder.add_edge(START, "spread")
    builder.add_conditional_edges("spread", lambda state: [Send("part", {"name": name}) for name in ("x", "y")])
    builder.add_edge("part", "inner")
    builder.add_edge("inner", "ask")
    builder.add_edge("ask", END)
    return builder.compile(checkpointer=checkpointer)


THREAD = "thread:1,b"
ASKED = [HumanMessage("Hello", id="h1"), AIMessage("", id="h2", tool_calls=[CALL])]


def at(thread: str) -> Any:
    return {"configurable": {"thread_id": thread, "user_id": "ana"}}


def converse(checkpointer: Any, thread: str = THREAD) -> None:
    """Two threads: one that ended, and one that waits for an answer."""
    from langgraph.types import Command

    built = graph(checkpointer)
    built.invoke({"messages": ASKED}, at(thread))
    built.invoke(Command(resume="yes"), at(thread))
    built.invoke({"messages": ASKED}, at("waiting"))


def langgraph_redis(url: str) -> None:
    from langgraph.checkpoint.redis import RedisSaver

    with RedisSaver.from_conn_string(url, ttl={"default_ttl": 60}) as saver:
        saver.setup()
        converse(saver)


def langgraph_redis_old(url: str) -> None:
    """With version 0.0.8, which does not find a thread again whose id holds a comma."""
    from langgraph.checkpoint.redis import RedisSaver

    with RedisSaver.from_conn_string(url, ttl={"default_ttl": 60}) as saver:
        saver.setup()
        converse(saver, "old")


def langgraph_redis_shallow(url: str) -> None:
    from langgraph.checkpoint.redis.shallow import ShallowRedisSaver

    with ShallowRedisSaver.from_conn_string(url) as saver:
        saver.setup()
        converse(saver)


def plainredis(url: str) -> None:
    from langgraph_checkpoint_plainredis import RedisSaver

    converse(RedisSaver(url=url, ttl=3600))


def aws_valkey(url: str) -> None:
    from langgraph_checkpoint_aws import ValkeySaver

    with ValkeySaver.from_conn_string(url, ttl_seconds=3600) as saver:
        converse(saver)


# --- items and memories ----------------------------------------------------------------------------

ITEMS: list[tuple[tuple[str, ...], str, dict[str, Any]]] = [
    (("memories", "u:1,a"), "food", {"text": "Likes ramen", "n": 1, "of": ["a", None]}),
    (("memories", "u:1,a"), "home-town", {"text": "Lives in Oslo"}),
    (("memories", "u:10"), "food", {"text": "Likes soup"}),
]


def langgraph_redis_store(url: str) -> None:
    from langgraph.store.base import PutOp
    from langgraph.store.redis import RedisStore

    with RedisStore.from_conn_string(url) as store:
        store.setup()
        for place, (namespace, key, value) in enumerate(ITEMS):
            store.batch([PutOp(namespace, key, value, ttl=60.0 if place == 0 else None)])


MEMORIES: dict[str, dict[str, Any]] = {
    "11111111-1111-1111-1111-111111111111": {
        "data": "Likes ramen",
        "hash": "h1",
        "user_id": "ana@example.org",
        "created_at": "2026-01-02T03:04:05+00:00",
        "topic": "food",
    },
    "22222222-2222-2222-2222-222222222222": {
        "data": "Grüße ✓",
        "hash": "h2",
        "agent_id": "clerk",
        "created_at": "2026-01-02T03:04:06+00:00",
    },
}


def mem0(url: str) -> None:
    from mem0.vector_stores.redis import RedisDB

    database = RedisDB(url, "mem0", 2)
    database.insert([[0.0, 1.0], [1.0, 0.5]], list(MEMORIES.values()), list(MEMORIES))
    RedisDB(url, "mem0migrations", 2).insert([[0.0, 1.0]], [{"data": "", "user_id": "install"}], ["m"])


def redisvl_history(url: str) -> None:
    from redisvl.extensions.message_history import MessageHistory

    history = MessageHistory("chats", session_tag=SESSION, redis_url=url)
    history.add_messages(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello", "metadata": {"locale": "de"}},
            {"role": "tool", "content": "Rain.", "tool_call_id": "c1"},
            {"role": "assistant", "content": "Grüße ✓"},
        ]
    )


# --- cached answers --------------------------------------------------------------------------------


def embedded() -> Any:
    from langchain_core.embeddings import DeterministicFakeEmbedding

    return DeterministicFakeEmbedding(size=8)


CHAT_PROMPT = dumps([HumanMessage("What is the capital of France?")])
MODEL = "a described model"


def answer() -> list[Any]:
    return [ChatGeneration(message=AIMessage("Paris.", response_metadata={"model": "m"}))]


def langchain_redis_semantic(url: str) -> None:
    from langchain_redis import RedisSemanticCache

    cache = RedisSemanticCache(embeddings=embedded(), redis_url=f"{url}?protocol=2", ttl=3600)
    cache.update(CHAT_PROMPT, MODEL, answer())


def redisvl_cache(url: str) -> None:
    from redisvl.extensions.cache.llm import SemanticCache
    from redisvl.utils.vectorize import CustomTextVectorizer

    cache = SemanticCache(
        name="questions",
        redis_url=url,
        vectorizer=CustomTextVectorizer(embed=lambda text, **_options: [1.0, float(len(text))]),
    )
    for question, said in QUESTIONS.items():
        cache.store(question, said)


QUESTIONS = {
    "What is the capital of France?": "Paris.",
    "Is it treatable?": "Yes.",
    "What is my balance?": "42.",
}
"""Of which one can be answered alike for everybody."""


def exact_caches(url: str) -> None:
    """The two exact caches, which keep digests of their prompts."""
    import redis
    from langchain_community.cache import RedisCache as CommunityCache
    from langchain_redis import RedisCache

    RedisCache(redis_url=url, ttl=3600).update(CHAT_PROMPT, MODEL, answer())
    CommunityCache(redis.Redis.from_url(url), ttl=3600).update(CHAT_PROMPT, MODEL, answer())


# --- cached vectors --------------------------------------------------------------------------------

TEXTS = ("The engine stalls.", "Grüße ✓")


def redisvl_embeddings(url: str) -> None:
    """Vectors of a model, one of them with a lifetime, one of another model, and one of bytes."""
    from redisvl.extensions.cache.embeddings import EmbeddingsCache

    cache, vectors = EmbeddingsCache(redis_url=url), embedded().embed_documents(list(TEXTS))
    cache.set(TEXTS[0], "fake-8", vectors[0], metadata={"from": "a test"}, ttl=3600)
    cache.set(TEXTS[1], "fake-8", vectors[1])
    cache.set(TEXTS[0], "another-3", [1.0, 2.0, 3.0])
    cache.set(b"image bytes", "fake-8", vectors[0])


def langchain_embeddings(url: str) -> None:
    """Vectors under each digest that has a name."""
    import warnings

    from langchain_classic.embeddings import CacheBackedEmbeddings
    from langchain_community.storage import RedisStore

    for encoder in ("sha1", "blake2b", "sha256", "sha512"):
        store = RedisStore(redis_url=url, namespace="vectors", ttl=3600)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of SHA-1
            cached = CacheBackedEmbeddings.from_bytes_store(embedded(), store, namespace="fake-8", key_encoder=encoder)
        cached.embed_documents([f"digested by {encoder}"])


WRITERS: dict[str, Callable[[str], None]] = {
    "langchain-community": langchain_community,
    "langchain-redis": langchain_redis,
    "langgraph-redis": langgraph_redis,
    "langgraph-redis-shallow": langgraph_redis_shallow,
    "langgraph-redis-0.0": langgraph_redis_old,
    "plainredis": plainredis,
    "aws-valkey": aws_valkey,
    "langgraph-redis-store": langgraph_redis_store,
    "mem0": mem0,
    "redisvl-history": redisvl_history,
    "langchain-redis-semantic": langchain_redis_semantic,
    "redisvl-cache": redisvl_cache,
    "exact-caches": exact_caches,
    "redisvl-embeddings": redisvl_embeddings,
    "langchain-embeddings": langchain_embeddings,
}

if __name__ == "__main__":
    WRITERS[sys.argv[1]](sys.argv[2])
