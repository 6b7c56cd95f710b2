"""`AnswerCacheMiddleware` on real agents: what is served, what never is, and how a hit looks from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware, ModelRetryMiddleware
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.types import Command
from pydantic import BaseModel

from langchain_redis_memory import (
    AnswerCacheMiddleware,
    AnswerDesk,
    ExactAnswerCache,
    LinguisticClassifier,
    RedisSaver,
    SemanticAnswerCache,
)
from langchain_redis_memory.agents.request import basis_of
from langchain_redis_memory.cache.semantic.tenants import SearchOptions
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.audience.linguistic import classify_audience
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.support.agents import ScriptedModel, calling
from tests.support.chains import DescribedModel, Marked
from tests.support.grouped import grouped
from tests.support.meanings import ASKED, NEAR, Cut, WordEmbeddings
from tests.support.raw import raw
from tests.support.servers import wait_for

QUESTION = "What is Redis?"


class Town(BaseModel):
    """A town."""

    name: str


@tool
def search(query: str) -> str:
    """Look something up."""
    return f"found {query}"


@tool
def cancel(order: int) -> str:
    """Cancel an order."""
    return f"cancelled {order}"


class Agent:
    """An agent with the middleware, asked in either colour."""

    def __init__(
        self,
        client: Client,
        both: Both,
        *script: Any,
        tools: Any = (),
        saver: bool = False,
        before: Any = (),
        **given: Any,
    ) -> None:
        form = {name: given.pop(name) for name in ("response_format", "system_prompt") if name in given}
        self.model = ScriptedModel(script=list(script), name_=given.pop("model", "scripted"))
        self.client, self.both = client, both
        self.cache = AnswerCacheMiddleware(client, **grouped({"classifier": Marked(), **given}))
        middleware = [*before, self.cache]
        checkpointer = RedisSaver(client, ttl_s=60) if saver else None
        self.graph: Any = create_agent(
            self.model, tools=tools, middleware=middleware, checkpointer=checkpointer, **form
        )

    async def ask(self, *said: Any, thread: str = "t", user: str | None = None, **more: Any) -> Any:
        configurable = {"thread_id": thread, **({"user_id": user} if user else {}), **more}
        messages = [HumanMessage(one) if isinstance(one, str | list) else one for one in said]
        return await self.both(self.graph.invoke)({"messages": messages}, {"configurable": configurable})

    async def say(self, *said: Any, **more: Any) -> AIMessage:
        found: AIMessage = (await self.ask(*said, **more))["messages"][-1]
        return found


def cache_of(message: AIMessage) -> Any:
    return message.response_metadata["cache"]


@pytest.mark.parametrize("saver", [False, True], ids=["no saver", "saver"])
async def test_a_question_that_stands_alone_is_served_to_another_thread(
    client: Client, both: Both, saver: bool
) -> None:
    agent = Agent(client, both, saver=saver)
    first = await agent.say(QUESTION, thread="a")
    assert (first.text, cache_of(first)["kind"]) == ("answer 1", "miss")
    second = await agent.say(QUESTION, thread="b", user="ben")
    assert (second.text, agent.model.calls) == ("answer 1", 1)
    assert (cache_of(second)["hit"], cache_of(second)["kind"]) == (True, "exact")
    assert cache_of(second)["saved"]["tokens"] == 15
    assert second.usage_metadata is None
    assert second.id != first.id


async def test_it_is_answered_without_the_thread_and_the_thread_keeps_everything(client: Client, both: Both) -> None:
    agent = Agent(client, both, saver=True, system_prompt="Be brief.")
    await agent.say("N: My name is Ana.", thread="a")
    state = await agent.ask(QUESTION, thread="a")
    assert [message.text for message in agent.model.shown[-1]] == ["Be brief.", QUESTION]
    assert [message.type for message in state["messages"]] == ["human", "ai", "human", "ai"]
    assert len({message.id for message in state["messages"]}) == 4


async def test_a_hit_in_the_same_thread_adds_a_message(client: Client, both: Both) -> None:
    agent = Agent(client, both, saver=True)
    await agent.say(QUESTION, thread="a")
    state = await agent.ask(QUESTION, thread="a")
    assert [message.text for message in state["messages"]] == [QUESTION, "answer 1"] * 2
    assert agent.model.calls == 1


async def test_a_dependent_question_is_shared_only_under_all_that_was_said(client: Client, both: Both) -> None:
    agent = Agent(client, both, share="tenant")
    flu, rabies = (
        [HumanMessage("N: What is flu?"), AIMessage("A disease.")],
        [HumanMessage("N: Rabies?"), AIMessage("Bad.")],
    )
    await agent.say(*flu, "S: Is it treatable?", thread="a")
    assert not cache_of(await agent.say(*rabies, "S: Is it treatable?", thread="b"))["hit"]
    assert cache_of(await agent.say(*flu, "S: Is it treatable?", thread="c"))["hit"]
    assert len(agent.model.shown[0]) == 3, "the model is shown what the key holds"


@pytest.mark.parametrize(
    "question", ["R: What did I ask?", "F: Go on.", "N: Cancel order 7.", "N: What is the time now?"]
)
async def test_what_may_not_be_shared_is_asked_each_time(client: Client, both: Both, question: str) -> None:
    def judge(turn: str, /, *, opaque: bool) -> Any:
        return classify_audience(turn.partition(" ")[2], opaque=opaque)

    agent = Agent(client, both, audience=judge)
    before = [HumanMessage("N: one"), AIMessage("two")]
    for thread in "ab":
        said = await agent.say(*before, question, thread=thread)
        assert (cache_of(said)["hit"], cache_of(said)["kind"]) == (False, "bypass")
    assert agent.model.calls == 2
    assert len(agent.model.shown[0]) == 3, "a turn that is not shared sees the whole thread"


async def test_who_said_how_to_answer_is_answered_so(client: Client, both: Both) -> None:
    agent = Agent(client, both)
    await agent.say(QUESTION, thread="a")
    said = await agent.say(HumanMessage("N: From now on answer in French."), AIMessage("Oui."), QUESTION, thread="b")
    assert (cache_of(said)["kind"], cache_of(said)["why"]) == ("bypass", "the user said how to answer from then on")


async def test_a_turn_in_which_a_tool_ran_is_never_stored(client: Client, both: Both) -> None:
    agent = Agent(client, both, calling("cancel", {"order": 7}), "Done.", tools=[cancel, search])
    said = await agent.say(QUESTION, thread="a")
    assert (said.text, cache_of(said)["kind"]) == ("Done.", "bypass")
    assert "cancel" in cache_of(said)["why"]
    assert not cache_of(await agent.say(QUESTION, thread="b"))["hit"]


async def test_results_of_pure_tools_are_in_the_key(client: Client, both: Both) -> None:
    script = [calling("search", {"query": "redis"}), "A store.", calling("search", {"query": "redis"})]
    agent = Agent(client, both, *script, tools=[search], pure_tools=["search"])
    await agent.say(QUESTION, thread="a")
    said = await agent.say(QUESTION, thread="b")
    assert (said.text, cache_of(said)["hit"], agent.model.calls) == ("A store.", True, 3)
    agent.model.script[:] = [calling("search", {"query": "valkey"}), "Another."]
    assert (await agent.say(QUESTION, thread="c")).text == "Another."


async def test_a_pure_tool_that_failed_is_not_shared(client: Client, both: Both) -> None:
    agent = Agent(client, both, tools=[search], pure_tools=["search"])
    failed = ToolMessage("no", tool_call_id="search-0", status="error")
    for thread in "ab":
        said = await agent.say(QUESTION, calling("search", {"query": "x"}), failed, thread=thread)
        assert cache_of(said)["why"] == "a tool failed"


async def test_parallel_calls_of_which_one_acts_forbid_sharing(client: Client, both: Both) -> None:
    mixed = AIMessage(
        "", tool_calls=[*calling("search", {"query": "x"}).tool_calls, *calling("cancel", {"order": 1}).tool_calls]
    )
    agent = Agent(client, both, mixed, "Both.", tools=[search, cancel], pure_tools=["search"])
    said = await agent.say(QUESTION)
    assert cache_of(said)["why"] == "a tool ran that may do something: cancel"


@pytest.mark.slow
async def test_agents_that_differ_share_nothing(client: Client, both: Both) -> None:
    agents = [
        Agent(client, both),
        Agent(client, both, model="another"),
        Agent(client, both, system_prompt="Be brief."),
        Agent(client, both, tools=[search]),
        Agent(client, both, tools=[search, cancel]),
        Agent(client, both, scope="v2"),
        Agent(client, both, tenant="acme"),
        Agent(client, both, '{"name": "x"}', response_format=ProviderStrategy(Town)),
    ]
    for agent in agents:
        assert not cache_of(await agent.say(QUESTION))["hit"]
    assert not cache_of(await agents[0].say(QUESTION, level="expert"))["hit"], "a setting decides the answer"
    assert cache_of(await Agent(client, both).say(QUESTION))["hit"]


class Tuned(FakeListChatModel):
    tuned: dict[str, Any]

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"tuned": self.tuned}


def test_a_models_settings_may_be_changed_in_place() -> None:
    model = Tuned(responses=["one"], tuned={"seed": 1, "extra": {"top": [1]}})
    request: Any = SimpleNamespace(model=model, model_settings={}, tool_choice=None, tools=[], response_format=None)
    first = basis_of(request)
    assert basis_of(request) == first
    model.tuned["extra"]["top"].append(2)
    second = basis_of(request)
    assert second != first
    model.tuned["seed"] = 2
    assert basis_of(request) not in (first, second)


async def test_users_of_an_agent_with_tools_share_what_is_public(client: Client, both: Both) -> None:
    agent = Agent(client, both, tools=[search])
    await agent.say("N: What is my balance?", user="ana")
    assert cache_of(await agent.say("N: What is my balance?", user="ana"))["kind"] == "bypass"
    await agent.say(QUESTION, user="ana")
    assert cache_of(await agent.say(QUESTION, user="ben"))["hit"]
    mine = Agent(client, both, tools=[search], share="user")
    await mine.say(QUESTION, user="ana")
    assert not cache_of(await mine.say(QUESTION, user="ben"))["hit"]
    assert cache_of(await mine.say(QUESTION, user="ana"))["hit"]


@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy])
async def test_a_structured_output_comes_back_whole(client: Client, both: Both, strategy: Any) -> None:
    said = calling("Town", {"name": "Bonn"}) if strategy is ToolStrategy else '{"name": "Bonn"}'
    agent = Agent(client, both, said, response_format=strategy(Town))
    for thread in "ab":
        state = await agent.ask(QUESTION, thread=thread)
        assert state["structured_response"] == Town(name="Bonn")
    assert agent.model.calls == 1
    calls = [message for message in state["messages"] if isinstance(message, AIMessage)]
    assert cache_of(calls[-1])["hit"]


async def test_a_schema_by_itself_takes_the_form_that_was_stored(client: Client, both: Both) -> None:
    agent = Agent(client, both, calling("Town", {"name": "Bonn"}), response_format=Town)
    for thread in "ab":
        assert (await agent.ask(QUESTION, thread=thread))["structured_response"] == Town(name="Bonn")
    assert agent.model.calls == 1


async def test_a_picture_is_a_part_of_the_question(client: Client, both: Both) -> None:
    agent = Agent(client, both)
    for number in (1, 2, 1):
        picture = {"type": "image", "url": f"https://example.org/{number}.png"}
        await agent.say([{"type": "text", "text": "N: What is in this picture?"}, picture], thread=str(number))
    assert agent.model.calls == 2


async def test_a_hit_is_streamed_like_the_model(client: Client, both: Both) -> None:
    agent = Agent(client, both, "A store.\nIn memory.")
    modes = ["messages", "updates", "custom"]
    for thread in "ab":
        config = {"configurable": {"thread_id": thread}}
        given = {"messages": [HumanMessage(QUESTION)]}
        parts = await both.each(agent.graph.stream)(given, config, stream_mode=modes)
        chunks = [part[0] for mode, part in parts if mode == "messages"]
        assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
        assert "".join(str(chunk.text) for chunk in chunks) == "A store.\nIn memory."
        assert len({chunk.id for chunk in chunks}) == 1
        (told,) = [part["langchain_redis_memory.cache"] for mode, part in parts if mode == "custom"]
        assert told["hit"] is (thread == "b")
        (update,) = [part["model"]["messages"] for mode, part in parts if mode == "updates"]
        assert update[-1].text == "A store.\nIn memory."
    assert agent.model.calls == 1


async def test_a_hit_may_be_put_into_the_state_at_once(client: Client, both: Both) -> None:
    agent = Agent(client, both, replay="message")
    await agent.say(QUESTION)
    assert cache_of(await agent.say(QUESTION))["hit"]
    with pytest.raises(ConfigError, match="replay"):
        AnswerCacheMiddleware(client, replay="never")  # type: ignore[arg-type]


async def test_an_approval_interrupts_and_resumes_and_is_not_stored(client: Client, both: Both) -> None:
    wait = HumanInTheLoopMiddleware(interrupt_on={"cancel": True})
    agent = Agent(client, both, calling("cancel", {"order": 7}), "Done.", tools=[cancel], saver=True, before=[wait])
    state = await agent.ask(QUESTION, thread="a")
    assert state["__interrupt__"]
    resume: Any = Command(resume={"decisions": [{"type": "approve"}]})
    done = await both(agent.graph.invoke)(resume, {"configurable": {"thread_id": "a"}})
    assert cache_of(done["messages"][-1])["kind"] == "bypass"


async def test_a_model_that_fails_stores_nothing_and_is_asked_again(client: Client, both: Both) -> None:
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0, jitter=False)
    agent = Agent(client, both, ValueError("down"), "up", before=[retry])
    assert (await agent.say(QUESTION, thread="a")).text == "up"
    assert cache_of(await agent.say(QUESTION, thread="b"))["hit"]


async def test_answers_are_found_by_meaning(client: Client, both: Both) -> None:
    cache = SemanticAnswerCache(client, WordEmbeddings(), search=SearchOptions(policy=Cut()))
    agent = Agent(client, both, cache=cache)
    await agent.say(ASKED)
    said = await agent.say(NEAR)
    assert (said.text, cache_of(said)["kind"]) == ("answer 1", "meaning")


async def test_the_desk_counts_explains_by_its_log_and_deletes(client: Client, both: Both) -> None:
    agent = Agent(client, both)
    for thread in "abc":
        await agent.say(QUESTION, thread=thread)
    await agent.say("R: What did I ask?")
    await both(client.settle)()
    stats = await both(agent.cache.answers.stats)()
    assert (stats.hits, stats.misses, stats.bypasses) == (2, 1, 1)
    assert stats.tokens_saved == 30
    outcomes = [one.outcome for one in await both(agent.cache.answers.decisions)()]
    assert sorted(outcomes) == ["bypass", "hit", "hit", "miss"]
    assert await both(agent.cache.answers.delete)(question=QUESTION) == 1
    assert not cache_of(await agent.say(QUESTION))["hit"]


async def test_trips(real: Client, both: Both, trips: list[Trip]) -> None:
    agent = Agent(real, both, log=None)
    await agent.say("N: The scripts are known now.")
    await both(real.settle)()
    trips.clear()
    await agent.say(QUESTION)
    assert len(trips) == 2, [trip.commands for trip in trips]


async def test_a_server_that_is_away_is_no_reason_to_fail(both: Both) -> None:
    client = Client.from_url("redis://127.0.0.1:1/0")
    agent = Agent(client, both, cache=ExactAnswerCache(60))
    assert (await agent.say(QUESTION)).text == "answer 1"
    assert (await agent.say(QUESTION)).text == "answer 2"
    await both(client.settle)()
    await both(client.close)()


@pytest.mark.slow
async def test_of_equal_calls_at_once_one_asks_the_model(client: Client, both: Both) -> None:
    begun: list[int] = []
    model = SlowModel(all_have_begun=lambda: len(begun) >= 8)
    agent: Any = create_agent(model, middleware=[AnswerCacheMiddleware(client, scope="s", answer_ttl_s=60)])

    def one(number: int) -> Any:
        begun.append(number)
        return agent.invoke(SAME, {"configurable": {"thread_id": str(number)}})

    async def aone(number: int) -> Any:
        begun.append(number)
        return await agent.ainvoke(SAME, {"configurable": {"thread_id": str(number)}})

    if both.asynchronous:
        states = await asyncio.gather(*map(aone, range(16)))
    else:
        with ThreadPoolExecutor(8) as pool:
            states = list(pool.map(one, range(16)))
    assert model.calls == 1
    assert {state["messages"][-1].text for state in states} == {"answer 1"}


async def test_when_the_one_that_asks_fails_another_one_asks(client: Client, both: Both) -> None:
    model = ScriptedModel(script=[RuntimeError("down"), "Fine."])
    agent: Any = create_agent(model, middleware=[AnswerCacheMiddleware(client, scope="s", answer_ttl_s=60)])
    with pytest.raises(RuntimeError, match="down"):
        await both(agent.invoke)(SAME)
    assert raw(client, ("KEYS", f"{client.keys().prefix}:*:lease:*")) == [[]], "nobody waits for who failed"
    assert (await both(agent.invoke)(SAME))["messages"][-1].text == "Fine."


SAME: Any = {"messages": [("user", "What is the capital of Norway?")]}


class SlowModel(ScriptedModel):
    """Answers when all who ask at once have begun."""

    all_have_begun: Callable[[], bool]

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        wait_for(self.all_have_begun)
        return super()._generate(*args, **kwargs)

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        await asyncio.to_thread(wait_for, self.all_have_begun)
        return super()._generate(*args, **kwargs)


async def test_a_cache_that_is_switched_off_serves_and_keeps_nothing(client: Client, both: Both) -> None:
    agent = Agent(client, both)
    first = await agent.say("What is Redis?", thread="a")
    desk = AnswerDesk(client, ExactAnswerCache())
    await both(desk.switch)(on=False, for_s=60)
    again = await agent.say("What is Redis?", thread="b")
    other = await agent.say("What is Valkey?", thread="c")
    assert [cache_of(one)["kind"] for one in (first, again, other)] == ["miss"] * 3
    await both(desk.switch)(on=True)
    assert cache_of(await agent.say("What is Valkey?", thread="d"))["kind"] == "miss"
    assert cache_of(await agent.say("What is Redis?", thread="e"))["kind"] == "exact"


async def test_a_trusted_rewrite_shares_the_answer_of_the_question_that_it_means(client: Client, both: Both) -> None:
    agent = Agent(client, both, saver=True, classifier=LinguisticClassifier(), share_rewrites=True)
    await agent.say("What is throat cancer?", thread="a")
    first = await agent.say("Is it treatable?", thread="a")
    second = await agent.say("Is throat cancer treatable?", thread="b")
    assert (second.text, cache_of(second)["hit"], cache_of(first)["hit"]) == (first.text, True, False)


def test_a_model_inside_of_a_binding_counts_as_it_is_set_now() -> None:
    model = DescribedModel()
    bound = SimpleNamespace(
        model=model.bind(stop=["x"]), model_settings={}, tool_choice=None, tools=[], response_format=None
    )
    before = basis_of(bound).digest  # type: ignore[arg-type]
    assert basis_of(bound).digest == before  # type: ignore[arg-type]
    model.temperature = 0.1
    assert basis_of(bound).digest != before  # type: ignore[arg-type]
