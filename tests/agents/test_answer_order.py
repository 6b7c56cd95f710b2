"""`AnswerCacheMiddleware` among other middleware: what stands behind it never puts a wrong answer into the cache."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    ModelFallbackMiddleware,
    ModelRequest,
    ModelRetryMiddleware,
    after_model,
)
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, SystemMessage
from langgraph.config import get_config

from langchain_redis_memory import AnswerCacheMiddleware, TokenBudgetMiddleware
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.agents import ScriptedModel
from tests.support.chains import DescribedModel

QUESTION = "What is the capital of Norway?"


class Desk:
    """An agent whose cache stands where it is told, asked by users."""

    def __init__(self, client: Client, both: Both, model: Any, *middleware: Any, **given: Any) -> None:
        self.both = both
        self.cache = AnswerCacheMiddleware(client, scope="desk", answer_ttl_s=60, **given.pop("options", {}))
        placed: list[Any] = [self.cache if one is CACHE else one for one in middleware or (CACHE,)]
        self.graph: Any = create_agent(model, middleware=placed, **given)

    async def ask(self, *said: Any, user: str = "ana", thread: str = "t") -> tuple[str, bool]:
        """The answer, and whether it is from the cache."""
        messages = [HumanMessage(one) if isinstance(one, str) else one for one in said or (QUESTION,)]
        config = {"configurable": {"user_id": user, "thread_id": thread}}
        state = await self.both(self.graph.invoke)({"messages": messages}, config)
        self.last: AIMessage = state["messages"][-1]
        return self.last.text, bool(self.last.response_metadata.get("cache", {}).get("hit"))

    @property
    def why(self) -> str:
        return str(self.last.response_metadata["cache"]["why"])


CACHE: Any = object()


class Changes(AgentMiddleware[Any, Any, Any]):
    """Changes requests, as middleware does that fits a prompt, a model or tools to the user."""

    def __init__(self, change: Callable[[ModelRequest[Any], str], ModelRequest[Any]]) -> None:
        super().__init__()
        self.change = change

    def _changed(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        return self.change(request, get_config()["configurable"]["user_id"])

    def wrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]) -> Any:
        return handler(self._changed(request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[Any]]
    ) -> Any:
        return await handler(self._changed(request))


@pytest.mark.parametrize("behind", [True, False], ids=["fallback behind", "fallback before"])
async def test_a_fallback_s_answer_is_not_the_first_model_s(client: Client, both: Both, behind: bool) -> None:
    fallback = ModelFallbackMiddleware(ScriptedModel(name_="second", script=["second's"]))
    model = ScriptedModel(name_="first", script=[RuntimeError("down"), "first's"])
    desk = Desk(client, both, model, *([CACHE, fallback] if behind else [fallback, CACHE]))
    assert await desk.ask() == ("second's", False)
    assert await desk.ask() == ("first's", False), "the first model is back"
    assert await desk.ask() == ("first's", True)


async def test_an_error_as_a_message_is_no_answer(client: Client, both: Both) -> None:
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0, jitter=False, on_failure="continue")
    desk = Desk(client, both, ScriptedModel(script=[ValueError("down"), ValueError("down"), "up"]), CACHE, retry)
    text, hit = await desk.ask()
    assert ("failed" in text, hit) == (True, False)
    assert "not kept, as the model failed first (ValueError)" in desk.why
    assert await desk.ask() == ("up", False)
    assert await desk.ask() == ("up", True)


async def test_a_budget_that_is_used_up_is_no_answer_for_others(client: Client, both: Both) -> None:
    budget = TokenBudgetMiddleware(client, per_user=10, reserve=1)
    desk = Desk(client, both, ScriptedModel(script=["Madrid", "Oslo"]), CACHE, budget)
    await desk.ask("What is the capital of Spain?")
    assert "used up" in (await desk.ask())[0]
    assert "no model said it" in desk.why
    assert await desk.ask(user="ben") == ("Oslo", False)


@pytest.mark.parametrize("what", ["system_message", "model", "tools", "model_settings", "messages"])
async def test_what_changes_requests_behind_the_cache_ends_it(
    client: Client, both: Both, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    other = ScriptedModel(name_="other", script=["for ana", "for ana again"])

    def change(request: ModelRequest[Any], user: str) -> ModelRequest[Any]:
        new: dict[str, Any] = {
            "system_message": SystemMessage("You talk to ana."),
            "model": other,
            "tools": [{"type": "web_search"}],
            "model_settings": {"seed": 1},
            "messages": [*request.messages, HumanMessage("And be brief.")],
        }
        return request.override(**{what: new[what]}) if user == "ana" else request

    model = ScriptedModel(script=["one", "two", "three"])
    desk = Desk(client, both, model, CACHE, Changes(change))
    with caplog.at_level(logging.WARNING, "langchain_redis_memory"):
        first = await desk.ask()
        assert not first[1]
        assert f"middleware behind the cache changed {what}" in desk.why
        again = await desk.ask(user="ben")
    assert (again[0] != first[0], again[1]) == (True, False)
    assert [record.message for record in caplog.records if "put AnswerCacheMiddleware last" in record.message]


async def test_an_answer_of_another_agent_is_not_replayed_through_a_changed_request(client: Client, both: Both) -> None:
    plain = Desk(client, both, ScriptedModel(script=["plain"]))
    assert await plain.ask(user="ben") == ("plain", False)
    polite = Changes(lambda request, _user: request.override(system_message=SystemMessage("Be polite.")))
    model = ScriptedModel(script=["polite"])
    desk = Desk(client, both, model, CACHE, polite)
    assert await desk.ask() == ("polite", False)
    assert [message.text for message in model.shown[0]] == ["Be polite.", QUESTION]


async def test_what_changes_requests_before_the_cache_is_in_its_keys(client: Client, both: Both) -> None:
    def change(request: ModelRequest[Any], user: str) -> ModelRequest[Any]:
        return request.override(system_message=SystemMessage(f"You talk to {user}."))

    desk = Desk(client, both, ScriptedModel(), Changes(change), CACHE)
    assert [await desk.ask(user=user) for user in ("ana", "ben", "ana")] == [
        ("answer 1", False),
        ("answer 2", False),
        ("answer 1", True),
    ]


async def test_an_answer_that_was_taken_back_is_not_given_again(client: Client, both: Both) -> None:
    @after_model(can_jump_to=["model"])
    def checked(state: Any, runtime: Any) -> Any:
        last = state["messages"][-1]
        return {"messages": [RemoveMessage(id=last.id)], "jump_to": "model"} if last.text == "bad" else None

    desk = Desk(client, both, ScriptedModel(script=["bad", "good"]), checked, CACHE)
    assert await desk.ask() == ("good", False)
    assert await desk.ask(thread="other") == ("good", True)


async def test_words_of_the_system_within_the_thread_are_shown_and_in_the_key(client: Client, both: Both) -> None:
    model = ScriptedModel()
    desk = Desk(client, both, model)
    for language, text, hit in (
        ("French", "answer 1", False),
        ("German", "answer 2", False),
        ("French", "answer 1", True),
    ):
        assert await desk.ask(SystemMessage(f"Answer in {language}."), QUESTION) == (text, hit)
    assert [message.text for message in model.shown[0]] == ["Answer in French.", QUESTION]


@pytest.mark.parametrize(("pure", "hit"), [((), False), (("web_search",), True)])
async def test_a_tool_that_the_provider_ran_counts_as_a_tool(client: Client, both: Both, pure: Any, hit: bool) -> None:
    ran = {"type": "server_tool_call", "id": "1", "name": "web_search", "args": {}}
    said = AIMessage([ran, {"type": "text", "text": "Oslo."}])
    model = ScriptedModel(script=[said, said.model_copy()])
    desk = Desk(client, both, model, tools=[{"type": "web_search"}], options={"pure_tools": pure})
    await desk.ask()
    assert await desk.ask() == ("Oslo.", hit)


async def test_a_model_that_is_set_otherwise_has_other_answers(client: Client, both: Both) -> None:
    model = DescribedModel(temperature=0.1)
    desk = Desk(client, both, model)
    await desk.ask()
    assert (await desk.ask())[1]
    model.temperature = 0.9
    assert not (await desk.ask())[1]


@pytest.mark.parametrize("replay", ["model", "message"])
async def test_an_answer_is_said_by_the_agent_that_serves_it(client: Client, both: Both, replay: str) -> None:
    for name in ("alpha", "beta", None):
        desk = Desk(client, both, ScriptedModel(), name=name, options={"replay": replay})
        await desk.ask()
        assert desk.last.name == name
    assert desk.last.response_metadata["cache"]["hit"]
