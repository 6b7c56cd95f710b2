"""`RateLimitMiddleware` and `TokenBudgetMiddleware` on real agents: what is counted, and what happens at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tools import tool
from langgraph.types import Command

from langchain_redis_memory import (
    AnswerCacheMiddleware,
    Limit,
    RateLimitMiddleware,
    RedisRateLimiter,
    RedisSaver,
    TokenBudgetMiddleware,
)
from langchain_redis_memory.errors import ConfigError, InvalidInputError, RateLimitedError
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.agents import USAGE, ScriptedModel, calling
from tests.support.chains import Marked


@tool
def look() -> str:
    """Look."""
    return "seen"


def looking() -> AIMessage:
    return calling("look", {}).model_copy(update={"usage_metadata": USAGE})


async def say(both: Both, graph: Any, text: str = "N: Hello?", **configurable: Any) -> AIMessage:
    config = {"configurable": {"thread_id": "t", **configurable}}
    state = await both(graph.invoke)({"messages": [HumanMessage(text)]}, config)
    found: AIMessage = state["messages"][-1]
    return found


def limited(client: Client, **options: Any) -> RedisRateLimiter:
    return RedisRateLimiter(client, [Limit(3, "1d"), Limit(1_000, "1d", unit="tokens")], reserve=100, **options)


async def test_every_model_call_counts_and_tokens_as_they_were_used(client: Client, both: Both) -> None:
    limiter = limited(client, timeout_s=0.001)
    model: Any = ScriptedModel(script=[looking()])
    graph = create_agent(model, [look], middleware=[RateLimitMiddleware(limiter)])
    await say(both, graph)
    requests, tokens = await both(limiter.status)()
    assert (requests.used, tokens.used) == (2, 30)
    await say(both, graph)
    with pytest.raises(RateLimitedError):
        await say(both, graph)
    assert model.calls == 3
    with pytest.raises(ConfigError, match="a RedisRateLimiter"):
        RateLimitMiddleware(None)  # type: ignore[arg-type]


async def test_users_have_limits_of_their_own(client: Client, both: Both) -> None:
    limiter = limited(client, key="user", timeout_s=0.001)
    graph: Any = create_agent(ScriptedModel(), middleware=[RateLimitMiddleware(limiter)])
    for user in ("ana", "ben"):
        await say(both, graph, user_id=user)
    assert (await both(limiter.status)("ana"))[0].used == 1
    chosen: Any = create_agent(
        ScriptedModel(), middleware=[RateLimitMiddleware(limiter, key=lambda request: request.messages[-1].text)]
    )
    await say(both, chosen, "cleo")
    assert (await both(limiter.status)("cleo"))[0].used == 1


async def test_an_answer_from_the_cache_uses_no_tokens(client: Client, both: Both) -> None:
    limiter = limited(client)
    cache = AnswerCacheMiddleware(client, classifier=Marked())
    graph: Any = create_agent(ScriptedModel(), middleware=[RateLimitMiddleware(limiter), cache])
    for thread in "ab":
        await say(both, graph, "N: What is Redis?", thread_id=thread)
    assert (await both(limiter.status)())[1].used == 15
    await both(client.settle)()


async def test_a_turn_ends_when_its_tokens_are_used_up(client: Client, both: Both) -> None:
    model: Any = ScriptedModel(script=[looking(), looking(), looking()])
    graph = create_agent(model, [look], middleware=[TokenBudgetMiddleware(client, per_turn=30)])
    said = await say(both, graph)
    assert (said.text, model.calls) == ("The token budget of this turn is used up.", 2)
    assert (await say(both, graph)).text == "answer 4", "a turn's budget is its own"


@pytest.mark.parametrize("whose", ["thread", "user"])
async def test_threads_and_users_have_budgets_of_their_own(client: Client, both: Both, whose: str) -> None:
    options: Any = {f"per_{whose}": 20}
    budget = TokenBudgetMiddleware(client, reserve=1, exit_behavior="error", **options)
    graph: Any = create_agent(ScriptedModel(), middleware=[budget])
    named = {"thread": "thread_id", "user": "user_id"}[whose]
    for _ in range(2):
        await say(both, graph, **{named: "a"})
    with pytest.raises(RateLimitedError):
        await say(both, graph, **{named: "a"})
    await say(both, graph, **{named: "b"})


async def test_a_call_goes_as_long_as_something_is_left_however_much_it_reserves(client: Client, both: Both) -> None:
    budget = TokenBudgetMiddleware(client, per_user=40, per_thread=10_000)
    model: Any = ScriptedModel()
    graph = create_agent(model, middleware=[budget])
    for _ in range(4):
        await say(both, graph, user_id="a")
    assert model.calls == 3, "15 tokens a call, and 10 are left for the third"


async def test_a_call_that_fails_gives_back_what_it_reserved(client: Client, both: Both) -> None:
    budget = TokenBudgetMiddleware(client, per_thread=20, reserve=20)
    model: Any = ScriptedModel(script=[ValueError("down"), ValueError("down")])
    graph = create_agent(model, middleware=[budget])
    for _ in range(2):
        with pytest.raises(ValueError, match="down"):
            await say(both, graph)
    assert (await say(both, graph)).text == "answer 3"


class Cut(ScriptedModel):
    """A model whose stream is cut after its first word."""

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for chunk in super()._stream(*args, **kwargs):
            yield chunk
            msg = "cut"
            raise ConnectionError(msg)


async def test_a_stream_that_is_cut_counts_with_what_it_reserved(client: Client, both: Both) -> None:
    budget = TokenBudgetMiddleware(client, per_thread=1_000, reserve=50)
    graph: Any = create_agent(Cut(), middleware=[budget])
    given: Any = ({"messages": [HumanMessage("?")]}, {"configurable": {"thread_id": "t"}})
    with pytest.raises(ConnectionError):
        await both.each(graph.stream)(*given, stream_mode="messages")
    (state,) = await both(budget._budgets[0].limiter.status)("t")
    assert state.used == 50


async def test_the_user_is_asked_and_decides(client: Client, both: Both) -> None:
    budget = TokenBudgetMiddleware(client, per_thread=10, reserve=1, exit_behavior="ask")
    saver = RedisSaver(client, ttl_s=60)
    graph: Any = create_agent(ScriptedModel(), middleware=[budget], checkpointer=saver)
    config = {"configurable": {"thread_id": "t"}}
    await say(both, graph)
    for resume, text in ((True, "answer 2"), (False, "The token budget of this thread is used up.")):
        state = await both(graph.invoke)({"messages": [HumanMessage("more")]}, config)
        assert state["__interrupt__"][0].value["budget"] == "thread"
        state = await both(graph.invoke)(Command(resume=resume), config)
        assert state["messages"][-1].text == text


async def test_a_budget_that_is_nearly_used_up_is_told(client: Client, both: Both) -> None:
    budget = TokenBudgetMiddleware(client, per_thread=30, warn_at=0.6)
    graph: Any = create_agent(ScriptedModel(), middleware=[budget])
    told = []
    for _ in range(2):
        given = ({"messages": [HumanMessage("?")]}, {"configurable": {"thread_id": "t"}})
        told.append(await both.each(graph.stream)(*given, stream_mode="custom"))
    assert told[0] == []
    (warning,) = [part["langchain_redis_memory.budget"] for part in told[1]]
    assert warning["budget"] == "thread"
    assert warning["used"] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("options", [{}, {"per_turn": 0}, {"per_user": 1, "exit_behavior": "cry"}])
def test_what_cannot_be_a_budget(client: Client, options: Any) -> None:
    with pytest.raises(ConfigError if options != {"per_turn": 0} else ValueError):
        TokenBudgetMiddleware(client, **options)


PRICES = {"small": (1.0, 2.0), "small-pro": (10.0, 20.0)}


def said_by(model: str, text: str = "Hello.") -> AIMessage:
    return AIMessage(text, usage_metadata=USAGE, response_metadata={"model_name": model})


@pytest.mark.parametrize(("model", "millionths"), [("small-2026", 20), ("small-pro-1", 200), ("unknown", 200)], ids=str)
async def test_with_prices_a_budget_is_money(client: Client, both: Both, model: str, millionths: int) -> None:
    budget = TokenBudgetMiddleware(client, per_user=0.001, prices=PRICES, reserve=1)
    graph: Any = create_agent(ScriptedModel(script=[said_by(model)]), middleware=[budget])
    await say(both, graph, user_id="ana")
    (state,) = await both(budget._budgets[0].limiter.status)("ana")
    assert state.used == millionths


async def test_money_is_used_up_as_tokens_are(client: Client, both: Both) -> None:
    budget = TokenBudgetMiddleware(client, per_turn=0.00002, prices=PRICES)
    model = ScriptedModel(script=[looking().model_copy(update={"response_metadata": {"model_name": "small"}}), "no"])
    ended = await say(both, create_agent(model, [look], middleware=[budget]))
    assert ended.text == "The token budget of this turn is used up."


def test_prices_that_are_none(client: Client) -> None:
    for prices in ({}, {"small": (1.0,)}, {"small": (-1.0, 2.0)}):
        with pytest.raises(ConfigError, match="price"):
            TokenBudgetMiddleware(client, per_user=1.0, prices=prices)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="per_user"):
        TokenBudgetMiddleware(client, per_user=0.5)


async def test_nobody_spends_another_one_s_budget_by_saying_so(client: Client, both: Both) -> None:
    limiter = limited(client, key="user", timeout_s=0.001)
    budget = TokenBudgetMiddleware(client, per_user=1_000, reserve=1)
    graph: Any = create_agent(ScriptedModel(), middleware=[budget, RateLimitMiddleware(limiter)])
    config = {"configurable": {"thread_id": "t", "langgraph_auth_user_id": "ben"}, "metadata": {"user_id": "ana"}}
    await both(graph.invoke)({"messages": [HumanMessage("N: Hello?")]}, config)
    for counts in (limiter, budget._budgets[0].limiter):
        assert [(await both(counts.status)(user))[0].used > 0 for user in ("ana", "ben")] == [False, True]
