"""All middleware in one agent: subagents, parallel calls of tools, interrupts, pictures in questions."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.types import Command

from langchain_redis_memory import (
    AnswerCacheMiddleware,
    ConversationMemory,
    Limit,
    MemoryMiddleware,
    RateLimitMiddleware,
    RedisRateLimiter,
    RedisSaver,
    TokenBudgetMiddleware,
    ToolCacheMiddleware,
)
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.agents import USAGE, ScriptedModel, calling


class Agents:
    """Makes agents that share all middleware, as the agents of one application do."""

    def __init__(self, client: Client, both: Both) -> None:
        self.client, self.both = client, both
        self.limiter = RedisRateLimiter(client, [Limit(100, "1d")], key="user")
        self.budget = TokenBudgetMiddleware(client, per_user=1_000, reserve=10)
        self.saver = RedisSaver(client, ttl_s=60)
        self.middleware: list[Any] = [
            MemoryMiddleware(ConversationMemory(client, ttl_s=60)),
            self.budget,
            RateLimitMiddleware(self.limiter),
            ToolCacheMiddleware(client, tools={"look": 60}),
            AnswerCacheMiddleware(client, scope="app", pure_tools=["look"], answer_ttl_s=60),
        ]

    def make(self, model: ScriptedModel, tools: list[BaseTool], prompt: str, *more: Any, saved: bool = True) -> Any:
        saver = self.saver if saved else None
        return create_agent(
            model, tools=tools, system_prompt=prompt, middleware=[*more, *self.middleware], checkpointer=saver
        )

    async def say(self, agent: Any, said: Any, thread: str = "t", user: str = "ana") -> list[Any]:
        given = said if isinstance(said, Command) else {"messages": [HumanMessage(said)]}
        state = await self.both(agent.invoke)(given, {"configurable": {"thread_id": thread, "user_id": user}})
        assert "remembered" not in state
        found: list[Any] = state["messages"]
        return found


class Count:
    """A number that several threads add to."""

    def __init__(self) -> None:
        self._ran: list[None] = []  # no plain data: a tool is the same one after it has run

    def add(self) -> None:
        self._ran.append(None)

    @property
    def number(self) -> int:
        return len(self._ran)


def tool_of(name: str, run: Any) -> BaseTool:
    def call(query: str) -> str:
        return str(run(query))

    return StructuredTool.from_function(call, name=name, description="Look something up.")


@pytest.mark.slow
async def test_a_subagent_has_answers_of_its_own_and_the_same_budget(client: Client, both: Both) -> None:
    agents = Agents(client, both)
    expert_model = ScriptedModel(script=["The expert's answer."])
    expert = agents.make(expert_model, [], "You are an expert.", saved=False)

    async def ask_expert(question: str) -> str:
        """Ask the expert."""
        said = {"messages": [HumanMessage(question)]}
        state = await expert.ainvoke(said) if both.asynchronous else expert.invoke(said)
        return str(state["messages"][-1].text)

    def ask_expert_sync(question: str) -> str:
        state = expert.invoke({"messages": [HumanMessage(question)]})
        return str(state["messages"][-1].text)

    ask = StructuredTool.from_function(ask_expert_sync, ask_expert, name="expert", description="Ask the expert.")
    call = calling("expert", {"question": "What is Redis?"}).model_copy(update={"usage_metadata": USAGE})
    model = ScriptedModel(script=[call, "He says so."])
    main = agents.make(model, [ask], "You lead.")
    messages = await agents.say(main, "What is Redis?")
    assert [message.text for message in messages[1:]] == ["", "The expert's answer.", "He says so."]
    assert [shown[0].text for shown in expert_model.shown] == ["You are an expert."]
    assert (await both(agents.limiter.status)("ana"))[0].used == 3
    (spent,) = await both(agents.budget._budgets[0].limiter.status)("ana")
    assert spent.used == 3 * USAGE["total_tokens"]
    again = agents.make(ScriptedModel(), [], "You are an expert.", saved=False)
    assert (await agents.say(again, "What is Redis?"))[-1].text == "The expert's answer.", "the expert's own, cached"


@pytest.mark.slow
async def test_parallel_calls_of_a_tool_run_once_and_are_all_answered(client: Client, both: Both) -> None:
    agents, ran = Agents(client, both), Count()

    def look(query: str) -> str:
        ran.add()
        return f"found {query}"

    calls = calling("look", {"query": "a"}, {"query": "a"}, {"query": "b"})
    agent = agents.make(ScriptedModel(script=[calls, "Seen."]), [tool_of("look", look)], "Look.")
    messages = await agents.say(agent, "What is a?")
    results = [message for message in messages if isinstance(message, ToolMessage)]
    assert [(one.tool_call_id, one.text) for one in results] == [
        ("look-0", "found a"),
        ("look-1", "found a"),
        ("look-2", "found b"),
    ]
    assert ran.number == 2
    fresh = agents.make(ScriptedModel(script=[calls]), [tool_of("look", look)], "Look.")
    messages = await agents.say(fresh, "What is a?", "other")
    assert (messages[-1].text, ran.number) == ("Seen.", 2), "tools and the last answer are from the caches"


async def test_an_interrupted_turn_goes_on_with_what_it_remembered(client: Client, both: Both) -> None:
    agents = Agents(client, both)
    approve: Any = HumanInTheLoopMiddleware(interrupt_on={"send": True})
    model = ScriptedModel(script=[calling("send", {"query": "it"}), "Sent."])
    agent = agents.make(model, [tool_of("send", lambda query: f"sent {query}")], "Send.", approve)
    profile = agents.middleware[0]._memory.profile("ana")
    await both(profile.set)("city", "Bonn", ttl_s=60)
    await agents.say(agent, "Send it.")
    await both(profile.set)("city", "Rome", ttl_s=60)
    messages = await agents.say(agent, Command(resume={"decisions": [{"type": "approve"}]}))
    assert [message.text for message in messages[-2:]] == ["sent it", "Sent."]
    assert all("Bonn" in shown[0].text for shown in model.shown), "one turn, one memory"
    await agents.say(agent, "Thanks.")
    assert "Rome" in model.shown[-1][0].text
    await both(profile.erase)()


async def test_a_picture_is_a_part_of_the_question(client: Client, both: Both) -> None:
    agents, model = Agents(client, both), ScriptedModel(script=["A cat.", "A dog."])
    agent = agents.make(model, [], "Look.")

    def asked(data: str) -> Any:
        picture = {"type": "image", "base64": data, "mime_type": "image/png"}
        return [{"type": "text", "text": "What does a zebra look like?"}, picture]

    answers = [
        (await agents.say(agent, asked(data), thread))[-1]
        for thread, data in (("1", "Y2F0"), ("2", "ZG9n"), ("3", "Y2F0"))
    ]
    assert [answer.text for answer in answers] == ["A cat.", "A dog.", "A cat."]
    assert isinstance(answers[-1], AIMessage)
    assert model.calls == 2
    assert model.shown[0][-1].content == asked("Y2F0")
