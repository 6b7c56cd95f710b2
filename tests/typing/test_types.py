"""What a type checker knows of the public classes. mypy reads this file; the tests below run nothing but the calls."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel
from typing_extensions import assert_type

from langchain_redis_memory import (
    Client,
    ConversationMemory,
    ConversationState,
    Explanation,
    MemoryAnswers,
    RedisAgentState,
    RedisByteStore,
    RedisChatMessageHistory,
    RedisConversationState,
    RedisSessions,
    Session,
    SessionPage,
    Turn,
    Verdict,
)
from langchain_redis_memory.cache.answers.advice import MissedQuestion
from langchain_redis_memory.cache.answers.answer_cache import Answer
from langchain_redis_memory.cache.stats import Stats
from langchain_redis_memory.conversation.runnable import RememberingRunnable
from langchain_redis_memory.language.classify import LinguisticClassifier


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


def test_conversations(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        memory = ConversationMemory(client)
        assert_type(memory.wrap(RunnableLambda(lambda _: "yes")), RememberingRunnable)
        assert_type(memory.unstored, int)
        assert_type(memory.flush(), int)
        assert_type(memory.answers.stats(), Stats)
        assert_type(memory.answers.top_misses(3), list[MissedQuestion])
        chat = memory.wrap(RunnableLambda(lambda _: "yes"), scope="typed")
        assert_type(memory.answers.explain("What is Redis?", None, chat), Explanation[Answer])
        assert_type(memory.answers.bind(tenant="acme"), MemoryAnswers)


def test_classifier() -> None:
    assert_type(LinguisticClassifier().classify("What is Redis?", []), Verdict)


def test_byte_store(prefix: str) -> None:
    with Client.from_url(f"memory://{prefix}") as client:
        assert_type(RedisByteStore(client).mget(["a"]), list[bytes | None])
