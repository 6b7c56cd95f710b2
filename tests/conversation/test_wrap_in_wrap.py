"""A chain with a memory and a cache of its own within another: neither serves what the other may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import tool

from langchain_redis_memory import AnswerCacheMiddleware, ConversationMemory
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.chains import DescribedModel, PureModel

INNER: RunnableConfig = {"configurable": {"agent": "inner"}}


def asked_by(who: str) -> RunnableConfig:
    return {"configurable": {"session_id": f"of {who}"}, "metadata": {"user_id": who}}


def directly(inner: Runnable[Any, Any]) -> Runnable[Any, Any]:
    return inner


def in_a_function(inner: Runnable[Any, Any]) -> Runnable[Any, Any]:
    def call(given: dict[str, Any], config: RunnableConfig) -> Any:
        return inner.invoke(given["question"], config)

    async def acall(given: dict[str, Any], config: RunnableConfig) -> Any:
        return await inner.ainvoke(given["question"], config)

    return RunnableLambda(call, acall)


@pytest.mark.parametrize("place", [directly, in_a_function])
@pytest.mark.parametrize("question", ["What is my account balance?", "Cancel order 5.", "What is the weather now?"])
async def test_what_may_not_be_served_is_not_served_by_either(
    client: Client, both: Both, question: str, place: Callable[[Any], Runnable[Any, Any]]
) -> None:
    done: list[str] = []

    def answer(given: dict[str, Any], config: RunnableConfig) -> str:
        done.append(config["metadata"]["user_id"])
        return f"{done[-1]}, {len(done)}"

    inner = ConversationMemory(client).wrap(RunnableLambda(answer), scope="inner").with_config(INNER)
    outer = ConversationMemory(client).wrap(place(inner), scope="outer")
    for who in ("ana", "ben"):
        assert str(await both(outer.invoke)(question, asked_by(who))).startswith(who)
    assert done == ["ana", "ben"]


async def test_what_the_inner_one_shares_with_nobody_the_outer_one_does_not_share(client: Client, both: Both) -> None:
    model = PureModel()
    inner = ConversationMemory(client).wrap(model, share="none").with_config(INNER)
    outer = ConversationMemory(client).wrap(inner, scope="outer")
    for who in ("ana", "ben"):
        await both(outer.invoke)("What is an IBAN?", asked_by(who))
    assert model.calls == 2


async def test_what_the_inner_ones_conversation_says_keeps_answers_apart(client: Client, both: Both) -> None:
    model = DescribedModel()
    memory = ConversationMemory(client)
    outer = memory.wrap(memory.wrap(model).with_config(INNER), scope="outer")
    said = [HumanMessage("From now on answer in French."), AIMessage("Oui.")]
    await both(memory.history("of ana", agent="inner").add_messages)(said)
    ana, ben = [await both(outer.invoke)("Explain how loans work.", asked_by(who)) for who in ("ana", "ben")]
    assert ana.text != ben.text
    assert model.calls == 2


async def test_an_agent_with_a_cache_of_its_own_acts_for_each(client: Client, both: Both) -> None:
    paid: list[str] = []

    @tool
    def pay(what: str) -> str:
        """Pays."""
        paid.append(what)
        return f"paid {len(paid)}"

    class Payer(GenericFakeChatModel):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self

    def call(number: int) -> AIMessage:
        return AIMessage("", tool_calls=[{"name": "pay", "args": {"what": "5"}, "id": f"call {number}"}])

    script = iter([call(0), AIMessage("done once"), call(1), AIMessage("done twice")])
    agent: Any = create_agent(Payer(messages=script), [pay], middleware=[AnswerCacheMiddleware(client)])
    outer = ConversationMemory(client).wrap(agent, scope="outer")
    found = [await both(outer.invoke)("What does a transfer cost?", asked_by(who)) for who in ("ana", "ben")]
    assert [state["messages"][-1].text for state in found] == ["done once", "done twice"]
    assert len(paid) == 2
