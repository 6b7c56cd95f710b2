"""A chain with a memory and a cache of its own within another: neither serves what the other may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import tool

from langchain_redis_memory import AnswerCacheMiddleware, ConversationMemory, RagCache, TurnReport
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


def test_a_chain_around_one_that_serves_this_process_only_is_named_alike_in_each(client: Client) -> None:
    def outer(said: str) -> str:
        inner = ConversationMemory(client).wrap(RunnableLambda(lambda given: f"{said} {given}"))
        return ConversationMemory(client).wrap(in_a_function(inner), scope="outer").scope

    assert outer("one") == outer("one") != outer("two")


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


# --- an inner one that nobody can see from outside: it is looked up while the chain runs ---------------------------

HIDDEN: dict[str, Runnable[Any, Any]] = {}


def ask_hidden(given: dict[str, Any], config: RunnableConfig) -> Any:
    return HIDDEN["inner"].invoke(given["question"], config)


async def ask_hidden_async(given: dict[str, Any], config: RunnableConfig) -> Any:
    return await HIDDEN["inner"].ainvoke(given["question"], config)


def take_the_first_chunk(given: dict[str, Any], config: RunnableConfig) -> Any:
    return next(HIDDEN["inner"].stream(given["question"], config))


async def take_the_first_chunk_async(given: dict[str, Any], config: RunnableConfig) -> Any:
    return await anext(HIDDEN["inner"].astream(given["question"], config))


WAYS: dict[str, Runnable[Any, Any]] = {
    "asked": RunnableLambda(ask_hidden, ask_hidden_async),
    "streamed in part": RunnableLambda(take_the_first_chunk, take_the_first_chunk_async),
}


@pytest.mark.parametrize("way", WAYS)
async def test_what_a_hidden_inner_one_answered_is_its_own_to_share(client: Client, both: Both, way: str) -> None:
    """The inner one shares by user and remembers a conversation, of which the outer one's words say nothing."""

    def answer(given: dict[str, Any], config: RunnableConfig) -> str:
        return f"for {config['metadata']['user_id']}"

    HIDDEN["inner"] = (
        ConversationMemory(client).wrap(RunnableLambda(answer), scope="i", share="user").with_config(INNER)
    )
    outer = ConversationMemory(client).wrap(WAYS[way], scope="outer")
    said = [await both(outer.invoke)("What is the capital of Norway?", asked_by(who)) for who in ("ana", "ben")]
    assert said == ["for ana", "for ben"]


@pytest.mark.parametrize("way", WAYS)
async def test_the_end_of_a_hidden_inner_ones_epoch_is_heard(client: Client, both: Both, way: str) -> None:
    rag, documents = RagCache(client), [Document("old")]
    inner = ConversationMemory(client, cache=rag.responses).wrap(
        RunnableLambda(lambda given: given["context"]), lambda query: documents, scope="i", grounding="epoch"
    )
    HIDDEN["inner"] = inner.with_config(INNER)
    reports: list[TurnReport] = []
    outer = ConversationMemory(client, on_turn=reports.append).wrap(WAYS[way], scope="outer")
    for who in ("ana", "ben"):
        assert await both(outer.invoke)("What are the terms of the merger?", asked_by(who)) == "old"
    documents[:] = [Document("new")]
    await both(rag.bump_epoch)()
    assert await both(outer.invoke)("What are the terms of the merger?", asked_by("cleo")) == "new"
    assert [report.cache for report in reports] == ["miss"] * 3


async def test_an_agents_cache_within_a_chain_is_its_own_to_share(client: Client, both: Both) -> None:
    class ByUser(PureModel):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self

    mine = AnswerCacheMiddleware(client, scope="agent", share="user")
    agent: Any = create_agent(ByUser(), [], middleware=[mine])
    reports: list[TurnReport] = []
    outer = ConversationMemory(client, on_turn=reports.append).wrap(agent, scope="outer")
    for who in ("ana", "ben"):
        await both(outer.invoke)("What is the capital of Norway?", asked_by(who))
    assert [report.cache for report in reports] == ["miss", "miss"]
