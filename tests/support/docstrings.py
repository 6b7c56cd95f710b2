"""The examples of docstrings, and the names that they use without making them: an application's own."""

from __future__ import annotations

import inspect
import json
import re
from importlib import import_module
from importlib.util import find_spec
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import fakeredis
import prometheus_client
from fastapi import Depends, FastAPI, HTTPException, Request
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.globals import set_llm_cache
from langchain_core.indexing import index
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import CachePolicy
from pydantic import BaseModel

import langchain_redis_memory
from langchain_redis_memory import (
    Client,
    ConversationMemory,
    KeyRing,
    Limit,
    RedisCache,
    RedisChatMessageHistory,
    RedisRateLimiter,
    RedisStore,
)
from tests.support.snippets import Model, Snippet, given

EXAMPLE = re.compile(r"^ *```python\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def examples() -> dict[str, list[Snippet]]:
    """The examples in this package's docstrings of public names, by name."""
    found: dict[str, list[Snippet]] = {}
    for name in langchain_redis_memory.__all__:
        public = getattr(langchain_redis_memory, name)
        if not getattr(public, "__module__", "").startswith("langchain_redis_memory"):
            continue
        own = {f"{name}.{member}": value for member, value in vars(public).items()} if inspect.isclass(public) else {}
        for label, documented in {name: public, **own}.items():
            said = getattr(documented, "__doc__", None) if label == name or callable(documented) else None
            code = [dedent(block) for block in EXAMPLE.findall(said or "")]
            if code and not label.rpartition(".")[2].startswith("_"):
                found[label] = [Snippet(label, 1, block) for block in code]
    return found


@tool
def search(query: str) -> str:
    """Search the handbook."""
    return f"found {query}"


@tool
def send_email(text: str) -> str:
    """Send an e-mail."""
    return text


def application(url: str) -> dict[str, Any]:
    """An application's own names, and what it imports."""
    client = Client.from_url(url)
    memory = ConversationMemory(client)
    builder = StateGraph(MessagesState)
    builder.add_node("answer", lambda state: {"messages": []})
    builder.add_edge(START, "answer")
    names = given(url)
    documents = [Document("Purchases can be returned.", metadata={"source": "returns.md"})]
    vector_store = InMemoryVectorStore(names["embeddings"])
    vector_store.add_documents(documents)
    return {
        **{name: getattr(langchain_redis_memory, name) for name in langchain_redis_memory.__all__},
        **names,
        **{made.__name__: made for made in IMPORTED},
        "app": FastAPI(),
        "builder": builder,
        "cache": RedisCache(client),
        "CacheBackedEmbeddings": SimpleNamespace(from_bytes_store=lambda model, store, **options: model),
        "chain": names["model"],
        "chat": memory.wrap(names["model"], scope="docstrings"),
        "ChatOpenAI": Model,
        "client": client,
        "config": {"configurable": {"session_id": "user-42", "thread_id": "t1"}},
        "create_deep_agent": find_spec("deepagents") and import_module("deepagents").create_deep_agent,
        "current_user": lambda: "ana",
        "DefaultAzureCredential": lambda: SimpleNamespace(get_token=lambda scope: SimpleNamespace(token="...")),
        "documents": documents,
        "history": RedisChatMessageHistory("user-42", client),
        "json": json,
        "keys_url": url,
        "kms_decrypt": lambda wrapped: wrapped[::-1],
        "kms_encrypt": lambda secret: secret[::-1],
        "last_event_id": "0",
        "limiter": RedisRateLimiter(client, [Limit(10_000, "1m", unit="tokens")]),
        "memory": memory,
        "my_redis": fakeredis.FakeRedis(),
        "my_async_redis": fakeredis.FakeAsyncRedis(),
        "new": documents,
        "object_id": "8f3c",
        "OpenAIEmbeddings": lambda **options: names["embeddings"],
        "os": SimpleNamespace(environ={"MEMORY_KEY": KeyRing.new_secret()}),
        "prometheus_client": SimpleNamespace(REGISTRY=prometheus_client.CollectorRegistry()),
        "question": "What is Redis?",
        "run_id": "run-1",
        "secret": "...",
        "refund": send_email,
        "search": search,
        "send_email": send_email,
        "store": RedisStore(client),
        "task": {"messages": [("user", "Write a plan.")]},
        "tools": [search],
        "vector_store": vector_store,
    }


IMPORTED: list[Any] = [
    AIMessage,
    BaseModel,
    CachePolicy,
    Depends,
    Document,
    FastAPI,
    HTTPException,
    HumanMessage,
    InMemoryVectorStore,
    Request,
    create_agent,
    index,
    set_llm_cache,
    tool,
]
