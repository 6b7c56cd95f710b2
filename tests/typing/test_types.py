"""What a type checker knows of the public classes. mypy reads this file; the tests below run nothing but the calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import Generation
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.store.base import GetOp, Item, Result, SearchItem
from pydantic import BaseModel
from typing_extensions import assert_type

from langchain_redis_memory import (
    AnswerCacheMiddleware,
    CachedEmbeddings,
    CachedRetriever,
    Client,
    ConfigError,
    ConversationMemory,
    ConversationState,
    EpochAnswerCache,
    Explanation,
    HistoryOptions,
    MemoryAnswers,
    MemoryMiddleware,
    PruneReport,
    RagCache,
    RedisAgentState,
    RedisByteStore,
    RedisCache,
    RedisChatMessageHistory,
    RedisConversationState,
    RedisNodeCache,
    RedisRecordManager,
    RedisSaver,
    RedisSemanticCache,
    RedisSessions,
    RedisStore,
    Session,
    SessionPage,
    Stats,
    TokenBudgetMiddleware,
    ToolCacheMiddleware,
    Turn,
    Verdict,
    cached_model,
)
from langchain_redis_memory.cache.advice import MissedQuestion
from langchain_redis_memory.cache.answers.answer_cache import Answer
from langchain_redis_memory.cache.semantic.search import SemanticHit
from langchain_redis_memory.conversation.runnable import RememberingRunnable
from langchain_redis_memory.language.classify import LinguisticClassifier
from tests.support.chains import LetterEmbeddings, PureModel, look_up
from tests.support.saves import checkpoint, loop, place


class Plan(BaseModel):
    step: int = 0


def test_history(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        history = RedisChatMessageHistory("s", client)
        history.add_messages([HumanMessage("hello", id="1")])
        assert_type(history.messages, list[BaseMessage])
        assert_type(history.recent(1), list[BaseMessage])
        assert_type(history.before("1", 1), list[BaseMessage])
        assert_type(history.turns(1), list[Turn])
        assert_type(history.delete(["1"]), int)
        assert_type(history.count(), int)
        assert_type(history.ttl(), float | None)


async def test_async_history(prefix: str) -> None:
    client = Client.from_url(f"memory://{prefix}")
    history = RedisChatMessageHistory("s", client)
    await history.aadd_messages([HumanMessage("hello")])
    assert_type(await history.aget_messages(), list[BaseMessage])
    assert_type(await history.aturns(1), list[Turn])
    assert_type(await history.attl(), float | None)
    await client.aclose()


def test_sessions(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        sessions = RedisSessions(client)
        assert_type(sessions.list_sessions(), SessionPage)
        assert_type(sessions.get("s"), Session | None)
        assert_type(sessions.erase("s"), bool)


def test_states(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        assert_type(RedisConversationState("s", client).load(), ConversationState)
        state = RedisAgentState("planner", client, model=Plan)
        assert_type(state, RedisAgentState[Plan])
        state.save(Plan(step=1))
        assert_type(state.load(), Plan | dict[str, Any] | None)
        plain = RedisAgentState("searcher", client)
        plain.update(lambda known: {**(known or {}), "runs": 1})
        assert_type(plain.load(), dict[str, Any] | None)


def test_conversations(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        memory = ConversationMemory(client)
        chain = ChatPromptTemplate.from_template("{question}") | PureModel()
        assert_type(memory.wrap(chain, scope="typed"), RememberingRunnable[AIMessage])
        config = RunnableConfig(configurable={"session_id": "s"})
        assert_type(memory.wrap(chain | StrOutputParser(), scope="typed").invoke("What is Redis?", config), str)
        assert_type(memory.unstored, int)
        assert_type(memory.flush(), int)
        assert_type(memory.answers.stats(), Stats)
        assert_type(memory.answers.top_misses(3), list[MissedQuestion])
        chat = memory.wrap(RunnableLambda(lambda _: "yes"), scope="typed")
        assert_type(memory.answers.explain("What is Redis?", None, chat), Explanation[Answer])
        assert_type(memory.answers.bind(tenant="acme"), MemoryAnswers)


def test_models_and_middleware(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        model = cached_model(PureModel(), RedisCache(client))
        assert_type(model, BaseChatModel)
        assert_type(cached_model(PureModel().bind(stop=["."]), RedisCache(client)), Runnable[Any, AIMessage])
        budget, tools = TokenBudgetMiddleware(client, per_user=5), ToolCacheMiddleware(client, tools={"search": 60})
        middleware = [MemoryMiddleware(ConversationMemory(client)), budget, tools, AnswerCacheMiddleware(client)]
        create_agent(model, tools=[], middleware=middleware)


def test_classifier() -> None:
    assert_type(LinguisticClassifier().classify("What is Redis?", []), Verdict)


def test_byte_store(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        assert_type(RedisByteStore(client).mget(["a"]), list[bytes | None])


class Database:
    def load(self, session_id: str) -> list[BaseMessage]:
        return [HumanMessage(session_id)]

    async def awrite(self, session_id: str, messages: Sequence[BaseMessage], *, tenant: str = "") -> None: ...


async def loaded(session_id: str, *, agent: str = "") -> list[BaseMessage]:
    return [HumanMessage(session_id + agent)]


def test_loaders_and_writers(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        for loader in (Database(), loaded, Database().load):
            RedisChatMessageHistory("s", client, loader=loader, writer=Database())
            ConversationMemory(client, history=HistoryOptions(loader=loader, writer=Database()))
        with pytest.raises(ConfigError):
            RedisChatMessageHistory("s", client, loader=object())  # type: ignore[arg-type]
        with pytest.raises(ConfigError):
            ConversationMemory(client, history=HistoryOptions(writer=3))  # type: ignore[arg-type]


def test_history_by_tokens_words_and_lifetime(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        history = RedisChatMessageHistory("s", client)
        assert_type(history.recent_tokens(10), list[BaseMessage])
        assert_type(history.search_messages("hello"), list[BaseMessage])
        assert_type(history.extend_ttl(60), bool)
        assert_type(history.persist(), bool)


def test_saver(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        saver = RedisSaver(client)
        stored = saver.put(place(), checkpoint({"a": 1}), loop(), {"a": 1})
        assert_type(stored, RunnableConfig)
        assert_type(saver.get_tuple(stored), CheckpointTuple | None)
        assert_type(saver.list(place()), Iterator[CheckpointTuple])
        assert_type(saver.prune(["t"]), PruneReport)
        assert_type(saver.persist("t"), bool)
        assert_type(saver.with_allowlist([]), RedisSaver)


async def test_async_saver(prefix: str) -> None:
    client = Client.from_url(f"memory://{prefix}")
    saver = RedisSaver(client)
    assert_type(await saver.aget_tuple(place()), CheckpointTuple | None)
    assert_type(saver.alist(place()), AsyncIterator[CheckpointTuple])
    assert_type(await saver.aprune(["t"]), PruneReport)
    await client.aclose()


def test_store(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        store = RedisStore(client)
        store.put(("a",), "k", {"text": "x"})
        assert_type(store.get(("a",), "k"), Item | None)
        assert_type(store.search(("a",)), list[SearchItem])
        assert_type(store.list_namespaces(), list[tuple[str, ...]])
        assert_type(store.batch([GetOp(("a",), "k")]), list[Result])


def test_records(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        records = RedisRecordManager(client, namespace="docs")
        assert_type(records.exists(["a"]), list[bool])
        assert_type(records.list_keys(), list[str])
        assert_type(records.get_time(), float)


def test_cache_of_answers(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        cache = RedisCache(client)
        answer = [Generation(text="yes")]
        assert_type(cache.lookup("q", "model"), Sequence[Generation] | None)
        assert_type(cache.get_or_compute("q", "model", lambda: answer), Sequence[Generation])
        assert_type(cache.delete(prompt="q", model="model"), int)
        assert_type(cache.count(), int)
        assert_type(cache.export_entries(), Iterator[str])
        assert_type(cache.stats(), Stats)


async def test_async_cache_of_answers(prefix: str) -> None:
    client = Client.from_url(f"memory://{prefix}")
    cache = RedisCache(client)
    assert_type(await cache.alookup("q", "model"), Sequence[Generation] | None)
    assert_type(await cache.acount(), int)
    assert_type(await cache.astats(), Stats)
    await client.aclose()


def test_cache_by_meaning(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        cache = RedisSemanticCache(client, embeddings=LetterEmbeddings())
        assert_type(cache.bind(tenant="acme"), RedisSemanticCache)
        assert_type(cache.lookup("q", "model"), Sequence[Generation] | None)
        assert_type(cache.explain("q", "model"), Explanation[SemanticHit])
        assert_type(cache.report("0" * 32 + "-0", correct=True), bool)
        assert_type(cache.delete(prompt="q", model="model"), int)


def test_cache_of_nodes(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        cache: RedisNodeCache[str] = RedisNodeCache(client)
        cache.set({(("ns",), "k"): ("value", 60)})
        assert_type(cache.get([(("ns",), "k")]), dict[tuple[tuple[str, ...], str], str])


def test_caches_of_retrieval(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        rag = RagCache(client, embeddings=LetterEmbeddings())
        assert_type(rag.embeddings, CachedEmbeddings)
        assert_type(rag.embeddings.embed_query("a"), list[float])
        retriever = rag.retriever(look_up, name="documents")
        assert_type(retriever, CachedRetriever)
        assert_type(retriever.invoke("q"), list[Document])
        assert_type(rag.responses, EpochAnswerCache)
        assert_type(rag.stats(), dict[str, Stats])


def test_wrapped_chain(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        chat = ConversationMemory(client).wrap(RunnableLambda(lambda _: "yes"), look_up, scope="typed")
        assert_type(chat.retriever, Runnable[Any, Any] | None)

        def found(query: str, config: RunnableConfig) -> list[Document]:
            return look_up(query)

        ConversationMemory(client).wrap(PureModel(), found, scope="typed")
        assert_type(chat.scope, str)
        assert_type(chat.stream("q", {"configurable": {"session_id": "s"}}), Iterator[str])
