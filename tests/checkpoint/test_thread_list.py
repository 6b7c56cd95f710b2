"""A user's threads, listed for a sidebar: newest first, a page at a time, nobody else's."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph

from langchain_redis_memory import RedisSaver, ThreadInfo
from langchain_redis_memory.errors import InvalidIdError, InvalidInputError
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.support.raw import raw


@pytest.fixture
def saver(client: Client) -> RedisSaver:
    return RedisSaver(client, ttl_s=60)


async def say(both: Both, saver: RedisSaver, thread: str, text: str, **who: Any) -> None:
    builder = StateGraph(MessagesState)
    builder.add_node("answer", lambda state: {"messages": [AIMessage(f"{len(state['messages'])} messages")]})
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    config: RunnableConfig = {"configurable": {"thread_id": thread, **who}}
    await both(builder.compile(checkpointer=saver).invoke)({"messages": [HumanMessage(text)]}, config)


async def test_what_a_sidebar_shows(both: Both, saver: RedisSaver, trips: list[Trip]) -> None:
    await say(both, saver, "t1", "  Hello,\n what is Redis? " + "really " * 20, user_id="ana")
    await say(both, saver, "t2", "Other", user_id="ana")
    await say(both, saver, "of-ben", "Private", user_id="ben")
    await say(both, saver, "t1", "And Valkey?", user_id="ana")
    trips.clear()
    page = await both(saver.threads)("ana")
    assert len(trips) == 2
    assert page.cursor is None
    assert [(one.thread_id, one.messages) for one in page.threads] == [("t1", 4), ("t2", 2)]
    first = page.threads[0]
    assert first.title.startswith("Hello, what is Redis? really really")
    assert first.title.endswith("\u2026")
    assert len(first.title) <= 80
    assert first.updated_at >= page.threads[1].updated_at
    assert first.bytes is None or first.bytes > 100
    assert [one.text for one in await both(saver.messages)("t2")] == ["Other", "1 messages"]
    assert await both(saver.messages)("unknown") == []


async def test_pages(both: Both, saver: RedisSaver) -> None:
    for number in range(5):
        await say(both, saver, f"t{number}", "x", user_id="ana")
    found: list[ThreadInfo] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        page = await both(saver.threads)("ana", 2, cursor)
        found, cursor, pages = found + page.threads, page.cursor, pages + 1
    assert [one.thread_id for one in found] == ["t4", "t3", "t2", "t1", "t0"]
    assert pages == 3


async def test_a_deleted_or_damaged_thread_hides_no_other(both: Both, saver: RedisSaver, client: Client) -> None:
    for name in ("a", "b", "c"):
        await say(both, saver, name, "x", user_id="ana")
    await both(saver.delete_thread)("a")
    key = client.keys().thread("b").checkpoints
    raw(client, ("UNLINK", key), ("SET", key, "x"), ("PEXPIRE", key, 60_000))
    assert [one.thread_id for one in (await both(saver.threads)("ana")).threads] == ["c"]


async def test_arguments_are_checked(both: Both, saver: RedisSaver) -> None:
    with pytest.raises(InvalidIdError):
        await both(saver.threads)("")
    with pytest.raises(InvalidInputError, match="limit"):
        await both(saver.threads)("ana", 0)
    with pytest.raises(InvalidInputError, match="cursor"):
        await both(saver.threads)("ana", 5, "x")
