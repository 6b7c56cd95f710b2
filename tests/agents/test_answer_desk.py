"""The desk of an agent's answers: it explains and warms by the agent itself, whose tools do nothing for it."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents.middleware import AgentMiddleware, ModelRetryMiddleware
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.redis.client.client import Client
from tests.agents.test_answer_cache import QUESTION, Agent, Town, cache_of, search
from tests.conftest import Both
from tests.support.agents import ScriptedModel, calling

OTHER = "What is Valkey?"
THREAD: Any = {"configurable": {"thread_id": "new", "user_id": "ana"}}


class Acted(AgentMiddleware[Any, Any, Any]):
    """Notes what is done after the model, which the desk must not cause."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def after_model(self, state: Any, runtime: Any) -> None:
        self.done.append("after model")

    def after_agent(self, state: Any, runtime: Any) -> None:
        self.done.append("after agent")


async def test_it_explains_as_the_agent_would_ask_and_leaves_nothing(client: Client, both: Both) -> None:
    acted = Acted()
    agent = Agent(
        client, both, saver=True, before=[acted, ModelRetryMiddleware(initial_delay=0)], system_prompt="Be brief."
    )
    desk = agent.cache.answers
    missed = await both(desk.explain)(QUESTION, THREAD, agent.graph)
    assert (missed.question, missed.hit, agent.model.calls) == (QUESTION, None, 0)
    assert missed.parts["context"] == "['system: Be brief.']"
    await agent.say(QUESTION)
    await both(client.settle)()
    found = await both(desk.explain)(QUESTION, THREAD, agent.graph)
    assert found.hit is not None
    assert found.hit.value.text == "answer 1"
    assert [line.split()[-1] for line in found.log]
    assert await both(desk.report)(found.hit_id, correct=True)
    assert (agent.model.calls, acted.done) == (1, ["after model", "after agent"])
    assert not (await both(agent.graph.get_state)(THREAD)).values
    stats = await both(desk.stats)()
    assert (stats.hits, stats.misses, stats.bypasses) == (0, 1, 0)


async def test_it_explains_a_question_in_its_thread(client: Client, both: Both) -> None:
    agent = Agent(client, both, saver=True)
    await agent.say("N: What is Valkey?", thread="t")
    config: Any = {"configurable": {"thread_id": "t"}}
    told = await both(agent.cache.answers.explain)("S: Who made it?", config, agent.graph)
    assert "human: N: What is Valkey?" in told.parts["context"]
    told = await both(agent.cache.answers.explain)("R: What did I ask?", config, agent.graph)
    assert (told.question, told.bypass) == (None, "HISTORY_RECALL by policy")


async def test_answers_that_are_given_are_served(client: Client, both: Both) -> None:
    agent = Agent(client, both, tools=[search], saver=True)
    rows = [(QUESTION, "a store"), (OTHER, AIMessage("a fork")), ("R: What did I ask?", "nothing")]
    assert await both(agent.cache.answers.warm)(rows, agent.graph) == 2
    assert await both(agent.cache.answers.warm)(rows, agent.graph) == 0
    said = await agent.say(QUESTION)
    assert (said.text, cache_of(said)["hit"], agent.model.calls) == ("a store", True, 0)
    assert (await both(agent.cache.answers.stats)()).misses == 0


async def test_what_was_missed_is_asked_and_tools_that_act_are_not_used(client: Client, both: Both) -> None:
    acted = list[str]()

    @tool
    def book(what: str) -> str:
        """Book something."""
        acted.append(what)
        return "booked"

    looks_up, acts = calling("search", {"query": "x"}), calling("book", {"what": "y"})
    agent = Agent(client, both, tools=[search, book], pure_tools=["search"])
    desk = agent.cache.answers
    for question in (QUESTION, OTHER):
        await agent.say(question)
    assert await both(desk.delete)(question=QUESTION) == 1
    assert await both(desk.delete)(question=OTHER) == 1
    agent.model.script = [looks_up, "known", acts]
    assert await both(desk.warm_from_misses)(agent.graph, 2) == 1
    assert acted == []
    assert (await both(desk.stats)()).misses == 2
    hits = []
    for question in (QUESTION, OTHER):
        agent.model.script = [looks_up]
        hits.append(cache_of(await agent.say(question))["hit"])
    assert sorted(hits) == [False, True]


async def test_a_model_stands_for_an_agent_with_the_cache_alone(client: Client, both: Both) -> None:
    agent = Agent(client, both)
    assert await both(agent.cache.answers.warm)([(QUESTION, "a store")], ScriptedModel()) == 1
    assert (await agent.say(QUESTION)).text == "a store"


async def test_what_cannot_be_warmed_or_explained_says_why(client: Client, both: Both) -> None:
    agent, other = Agent(client, both), Agent(client, both)
    desk = agent.cache.answers
    with pytest.raises(ConfigError, match="did not come to this cache"):
        await both(desk.explain)(QUESTION, None, other.graph)
    assert other.model.calls == 0
    with pytest.raises(ConfigError, match="the agent that has this cache"):
        await both(desk.warm)([(QUESTION, "x")], RunnableLambda(str))
    with pytest.raises(InvalidInputError, match="a text or an AIMessage"):
        await both(desk.warm)([(QUESTION, 1)], agent.graph)
    formed = Agent(client, both, response_format=ToolStrategy(Town), before=[ModelRetryMiddleware(initial_delay=0)])
    with pytest.raises(InvalidInputError, match="have a form"):
        await both(formed.cache.answers.warm)([(QUESTION, "Oslo")], formed.graph)
