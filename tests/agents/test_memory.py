"""`MemoryMiddleware` on real agents: what the model is shown, what the thread keeps, and what is learnt."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import SummarizationMiddleware
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool

from langchain_redis_memory import (
    ConversationMemory,
    MemoryMiddleware,
    MemorySelector,
    RedisSaver,
    RedisUsers,
    RollingSummary,
)
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.support.agents import ScriptedModel, calling
from tests.support.chains import Marked
from tests.support.grouped import grouped


def memory_of(client: Client, **options: Any) -> ConversationMemory:
    return ConversationMemory(
        client, classifier=Marked(), selector=MemorySelector(base=2), ttl_s=60, **grouped(options)
    )


async def shown(both: Both, middleware: Any, *said: Any, **configurable: Any) -> list[Any]:
    """What the model is shown of a thread, and that the thread keeps all of it."""
    model = ScriptedModel()
    graph: Any = create_agent(model, system_prompt="Be brief.", middleware=[middleware])
    messages = [HumanMessage(one) if isinstance(one, str) else one for one in said]
    config = {"configurable": {"thread_id": "t", **configurable}}
    state = await both(graph.invoke)({"messages": messages}, config)
    assert len(state["messages"]) == len(messages) + 1
    return model.shown[-1]


def thread(turns: int) -> list[Any]:
    pairs = [(HumanMessage(f"N: question {number}"), AIMessage(f"reply {number}")) for number in range(turns)]
    return [message for pair in pairs for message in pair]


async def test_the_model_sees_a_window_and_the_thread_keeps_everything(client: Client, both: Both) -> None:
    seen = await shown(both, MemoryMiddleware(memory_of(client)), *thread(20), "F: And then?")
    assert len(seen) < 20
    assert [seen[0].text, seen[-2].text, seen[-1].text] == ["Be brief.", "reply 19", "F: And then?"]
    whole = await shown(both, MemoryMiddleware(memory_of(client), window=False), *thread(20), "F: And then?")
    assert len(whole) == 42


async def test_a_recall_finds_what_was_said_long_ago(client: Client, both: Both) -> None:
    said = [HumanMessage("N: My cat is called Minka."), AIMessage("A fine name."), *thread(20)]
    seen = await shown(both, MemoryMiddleware(memory_of(client)), *said, "R: What is my cat called?")
    assert any("Minka" in message.text for message in seen)
    assert len(seen) < len(said)


async def test_calls_of_tools_stay_with_their_results(client: Client, both: Both) -> None:
    called = [HumanMessage("N: look"), calling("look", {}, {}), *(_result(at) for at in range(2)), AIMessage("seen")]
    seen = await shown(both, MemoryMiddleware(memory_of(client)), *thread(9), *called, "F: And then?")
    calls = {call["id"] for message in seen for call in getattr(message, "tool_calls", ())}
    assert calls == {message.tool_call_id for message in seen if isinstance(message, ToolMessage)}


def _result(at: int) -> ToolMessage:
    return ToolMessage(str(at), tool_call_id=f"look-{at}")


async def test_the_profile_is_shown_to_its_user_s_model_and_learnt_from(client: Client, both: Both) -> None:
    middleware = MemoryMiddleware(memory_of(client, learn=True))
    await both(middleware._memory.profile("ana").set)("city", "Bonn", ttl_s=60)
    seen = await shown(both, middleware, "N: Hello", user_id="ana")
    assert seen[0].text.startswith("Be brief.\n\n")
    assert "Bonn" in seen[0].text
    assert (await shown(both, middleware, "N: Hello", user_id="ben"))[0].text == "Be brief."
    assert (await shown(both, middleware, "N: Hello"))[0].text == "Be brief."
    await shown(both, middleware, "I prefer short answers.", user_id="ben")
    await both(client.settle)()
    assert [fact.value for fact in await both(middleware._memory.profile("ben").facts)()] == ["short"]
    for user in ("ana", "ben"):
        await both(middleware._memory.profile(user).erase)()


async def test_what_is_remembered_is_read_once_a_turn(client: Client, both: Both, trips: list[Trip]) -> None:
    memory = memory_of(client)
    await both(memory.profile("ana").set)("city", "Bonn", ttl_s=60)
    model = ScriptedModel(script=[calling("look", {}), calling("look", {}), "Seen."])
    graph: Any = create_agent(model, tools=[look], middleware=[MemoryMiddleware(memory)])
    config = {"configurable": {"thread_id": "t", "user_id": "ana"}}
    for _ in range(2):  # the first run teaches the server scripts
        trips.clear()
        state = await both(graph.invoke)({"messages": [HumanMessage("N: Hello")]}, config)
    assert len(trips) == 1
    assert all("Bonn" in shown[0].text for shown in model.shown)
    assert "remembered" not in state
    await both(memory.profile("ana").erase)()


async def test_what_the_user_said_in_another_thread_is_recalled(client: Client, both: Both) -> None:
    memory = ConversationMemory(client, classifier=Marked(), selector=MemorySelector(scope="user"), ttl_s=60)
    model = ScriptedModel()
    saver = RedisSaver(client, ttl_s=60)
    graph: Any = create_agent(model, middleware=[MemoryMiddleware(memory)], checkpointer=saver)

    async def say(said: str, thread: str, user: str = "ana") -> str:
        config = {"configurable": {"thread_id": thread, "user_id": user}}
        await both(graph.invoke)({"messages": [HumanMessage(said)]}, config)
        return str(model.shown[-1][0].text)

    await say("N: My cat is called Minka.", "t1")
    await say("N: My cat is called Tom.", "t2", "ben")
    told = await say("R: What is my cat called?", "t3")
    assert "[conversation 't1', 20" in told
    assert "Minka" in told
    assert "Tom" not in told
    assert "Minka" not in await say("N: What is a cat?", "t4")


@pytest.mark.slow
async def test_a_summary_of_the_thread_is_kept_and_shown_before_the_window(client: Client, both: Both) -> None:
    writer = ScriptedModel(script=["They spoke of Minka."])
    memory = memory_of(client, summary=RollingSummary(writer, every_turns=3))
    model = ScriptedModel()
    saver = RedisSaver(client, ttl_s=60)
    graph: Any = create_agent(model, middleware=[MemoryMiddleware(memory)], checkpointer=saver)
    config = {"configurable": {"thread_id": "t", "user_id": "ana"}}
    for number in range(5):
        await both(graph.invoke)({"messages": [HumanMessage(f"N: question {number}")]}, config)
        await both(client.settle)()
    assert writer.calls == 1
    assert "They spoke of Minka." in model.shown[-1][0].text
    assert not any("question 0" in message.text for message in model.shown[-1])
    assert (await both(RedisUsers(client).erase)("ana")).complete
    assert not client.run(Op((("EXISTS", client.keys().session("t").state),), lambda replies: replies[0]))


@tool
def look() -> str:
    """Look."""
    return "seen"


async def test_a_server_that_is_away_is_no_reason_to_fail(both: Both) -> None:
    client = Client.from_url("redis://127.0.0.1:1/0")
    assert (await shown(both, MemoryMiddleware(memory_of(client)), "N: Hello", user_id="ana"))[0].text == "Be brief."
    await both(client.close)()


async def test_a_rolling_summary_summarises_for_langchain(both: Both) -> None:
    writer = ScriptedModel(script=["They spoke."])
    summary = RollingSummary(writer).as_summarizer()
    model = ScriptedModel()
    middleware: Any = SummarizationMiddleware(model, trigger=("messages", 6), keep=("messages", 2), summarizer=summary)
    graph: Any = create_agent(model, middleware=[middleware])
    await both(graph.invoke)({"messages": [*thread(5), HumanMessage("And?")]})
    assert "They spoke." in model.shown[-1][0].text
    assert "question 0" in writer.shown[0][-1].text


def test_what_is_no_memory() -> None:
    with pytest.raises(ConfigError, match="a ConversationMemory"):
        MemoryMiddleware(None)  # type: ignore[arg-type]
