"""A thread belongs to the first user who writes to it: nobody else reads it, writes to it or goes back in it."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph

from langchain_redis_memory import NotOwnerError, RedisSaver
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both

Graph = CompiledStateGraph[Any, Any, Any, Any]


def graph(saver: RedisSaver) -> Graph:
    builder = StateGraph(MessagesState)
    builder.add_node("answer", lambda state: {"messages": [AIMessage(f"{len(state['messages'])} messages")]})
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    return builder.compile(checkpointer=saver)


def of(user: str | None = None, thread: str = "t", **more: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, **({"user_id": user} if user else {}), **more}}


def said(text: str) -> Any:
    return {"messages": [HumanMessage(text)]}


async def test_only_its_owner_gets_at_a_thread(client: Client, both: Both, trips: list[Trip]) -> None:
    saver = RedisSaver(client, ttl_s=60, owner="user_id")
    app = graph(saver)
    await both(app.invoke)(said("a"), of("ana"))
    state = await both(app.get_state)(of("ana"))
    for refused in (
        lambda: both(app.invoke)(said("b"), of("ben")),
        lambda: both(app.get_state)(of("ben")),
        lambda: both(app.update_state)(of("ben"), said("b")),
        lambda: both(saver.get_tuple)(of("ben", checkpoint_id=state.config["configurable"]["checkpoint_id"])),
        lambda: both(saver.messages)("t", "ben"),
        lambda: both(saver.put_writes)(of("ben", checkpoint_id="x"), [("messages", 1)], "task"),
    ):
        with pytest.raises(NotOwnerError, match="belongs to another user"):
            await refused()
    with pytest.raises(NotOwnerError):
        list(app.get_state_history(of("ben")))
    assert await both(app.get_state)(of("ana")) == state
    await both(app.update_state)(of("ana"), said("c"))
    result = await both(app.invoke)(said("d"), of("ana"))
    assert [message.text for message in result["messages"]] == ["a", "1 messages", "c", "d", "4 messages"]
    assert [one.thread_id for one in (await both(saver.threads)("ana")).threads] == ["t"]
    assert (await both(saver.threads)("ben")).threads == []


async def test_who_is_refused_moves_no_lifetime(client: Client, both: Both) -> None:
    saver = RedisSaver(client, ttl_s=60, owner="user_id", touch_on_read=True)
    await both(graph(saver).invoke)(said("a"), of("ana"))
    keys = client.keys().thread("t").all()
    client.run(Op(tuple(("PEXPIRE", key, 30_000) for key in keys), list))
    ttl = Op((("PTTL", keys[0]),), lambda replies: replies[0])
    with pytest.raises(NotOwnerError):
        await both(graph(saver).get_state)(of("ben"))
    assert client.run(ttl) <= 30_000
    await both(graph(saver).get_state)(of("ana"))
    assert client.run(ttl) > 30_000


async def test_a_user_has_to_be_named(client: Client, both: Both) -> None:
    saver = RedisSaver(client, ttl_s=60, owner="user_id")
    with pytest.raises(InvalidInputError, match=r"needs configurable\.user_id"):
        await both(graph(saver).invoke)(said("a"), of())
    with pytest.raises(InvalidInputError, match="lists one thread"):
        list(saver.list(None))
    await both(graph(saver).invoke)(said("a"), {**of(), "metadata": {"user_id": "ana"}})
    with pytest.raises(NotOwnerError):
        await both(saver.messages)("t", "ben")
    with pytest.raises(InvalidInputError, match="as user="):
        await both(saver.messages)("t")


async def test_an_authenticated_user_cannot_pass_for_another(client: Client, both: Both) -> None:
    app = graph(RedisSaver(client, ttl_s=60, owner="user_id"))
    await both(app.invoke)(said("a"), of(langgraph_auth_user_id="ana"))
    for named in ({"langgraph_auth_user_id": "ben"}, {"langgraph_auth_user": {"identity": "ben"}}):
        with pytest.raises(NotOwnerError):
            await both(app.get_state)({**of("ana", **named), "metadata": {"user_id": "ana"}})


async def test_who_was_there_before_owners_were_asked_for(client: Client, both: Both) -> None:
    plain, owned = RedisSaver(client, ttl_s=60), RedisSaver(client, ttl_s=60, owner="org")
    await both(graph(plain).invoke)(said("a"), of())
    await both(graph(owned).invoke)(said("b"), of(org="acme"))  # nobody's yet: the next who writes owns it
    with pytest.raises(NotOwnerError):
        await both(graph(owned).invoke)(said("c"), of(org="other"))
    assert len(await both(plain.messages)("t")) == 4  # a saver without owners sees every thread


@pytest.mark.pins
async def test_whole_threads_are_their_owners_where_a_user_asks(client: Client, both: Both) -> None:
    saver = RedisSaver(client, ttl_s=60, owner="user_id")
    await both(graph(saver).invoke)(said("a"), of("ana"))
    for refused in (
        lambda: both(saver.delete_thread)("t", user="ben"),
        lambda: both(saver.copy_thread)("t", "u", user="ben"),
        lambda: both(saver.prune)(["none", "t"], strategy="delete", user="ben"),
        lambda: both(saver.persist)("t", user="ben"),
    ):
        with pytest.raises(NotOwnerError, match="belongs to another user"):
            await refused()
    assert len(await both(saver.messages)("t", "ana")) == 2
    await both(saver.copy_thread)("t", "u", user="ana")
    assert (await both(saver.prune)(["t"], keep_last=1, user="ana")).checkpoints
    assert await both(saver.persist)("t", user="ana") is True
    await both(saver.delete_thread)("t", user="ana")
    assert await both(saver.messages)("t", "ben") == []


@pytest.mark.pins
async def test_a_pinned_thread_stays_in_its_users_index(client: Client, both: Both) -> None:
    saver = RedisSaver(client, ttl_s=60)
    await both(graph(saver).invoke)(said("a"), of("ana"))
    assert await both(saver.persist)("t") is True
    ttl = Op((("PTTL", client.keys().user_data("ana")),), lambda replies: replies[0])
    assert client.run(ttl) == -1


async def test_a_thread_is_deleted_and_copied_with_its_owner(client: Client, both: Both) -> None:
    saver = RedisSaver(client, ttl_s=60, owner="user_id")
    await both(graph(saver).invoke)(said("a"), of("ana"))
    await both(saver.copy_thread)("t", "copy")
    with pytest.raises(NotOwnerError):
        await both(saver.messages)("copy", "ben")
    assert len(await both(saver.messages)("copy", "ana")) == 2
    await both(saver.prune)(["t"], strategy="delete")
    await both(graph(saver).invoke)(said("b"), of("ben"))
    assert len(await both(saver.messages)("t", "ben")) == 2
    await both(saver.delete_thread)("t")
    await both(graph(saver).invoke)(said("c"), of("cleo"))
