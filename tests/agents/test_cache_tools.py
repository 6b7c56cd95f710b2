"""The tools by which an agent looks after caches: bounded to the tenant, the run's user, and what a person confirms."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langchain_redis_memory import Client, ConversationMemory, RedisValueCache, cache_tools
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from tests.agents.test_memory_tools import Tools
from tests.conftest import Both
from tests.support.agents import ScriptedModel, calling

CONFIG: Any = {"configurable": {"user_id": "ana"}}


def yes(_question: str) -> bool:
    return True


async def test_values_are_invalidated_by_a_pattern_of_the_tenant_s_names_alone(client: Client, both: Both) -> None:
    mine = RedisValueCache(client, "prefs", ttl_s=60, tenant="acme")
    theirs = RedisValueCache(client, "prefs", ttl_s=60, tenant="other")
    for cache in (mine, theirs):
        for key in ("user:1:profile", "user:2:profile", "user:1:x"):
            await both(cache.set)(key, 1)
    tools = Tools(both, cache_tools(mine, confirm=yes))
    assert await tools("invalidate_cache", CONFIG, pattern="user:*:profile") == "Deleted 2 cached values."
    assert await tools("invalidate_cache", CONFIG, pattern="*") == "Deleted 1 cached values."
    assert await both(theirs.get)("user:1:profile") == 1
    refused = Tools(both, cache_tools(theirs, confirm=lambda _question: False))
    assert "nothing is deleted" in await refused("invalidate_cache", CONFIG, pattern="*")
    assert await both(theirs.get)("user:1:profile") == 1


async def test_a_user_clears_what_is_kept_of_himself(client: Client, both: Both) -> None:
    cache = RedisValueCache(client, "prefs", ttl_s=60)
    for user in ("ana", "ben"):
        await both(cache.set)(f"user:{user}", user, user=user)
    memory = ConversationMemory(client, ttl_s=60, answer_ttl_s=60)
    model = ScriptedModel()
    chat = memory.wrap(model, scope="c")
    for user in ("ana", "ben"):
        config: Any = {"configurable": {"session_id": f"of {user}"}, "metadata": {"user_id": user}}
        await both(chat.invoke)(f"What is the height of mountain {len(user) + ord(user[0])}?", config)
    tools = Tools(both, cache_tools(cache, answers=memory.answers))
    assert await tools("clear_my_cache", CONFIG) == "Your cached values are cleared, and 1 cached answers."
    assert await both(cache.get)("user:ana") is None
    assert await both(cache.get)("user:ben") == "ben"
    with pytest.raises(InvalidInputError, match="user_id"):
        await tools("clear_my_cache", {})


async def test_statistics_are_told_by_cache(client: Client, both: Both) -> None:
    cache = RedisValueCache(client, "prefs", ttl_s=60)
    await both(cache.set)("a", 1)
    await both(cache.get)("a")
    await both(cache.get)("b")
    memory = ConversationMemory(client, ttl_s=60, answer_ttl_s=60)
    told = await Tools(both, cache_tools(cache, answers=memory.answers))("get_cache_stats", {})
    assert told.startswith("prefs: 1 of 2 look-ups hit (50%)")
    assert "\nanswers: 0 of 0 look-ups hit" in told


@pytest.mark.parametrize("approved", [True, False])
async def test_a_person_confirms_before_anything_is_invalidated(client: Client, both: Both, approved: bool) -> None:
    cache = RedisValueCache(client, "prefs", ttl_s=60)
    await both(cache.set)("a", 1)
    model = ScriptedModel(script=[calling("invalidate_cache", {"pattern": "*"}), "Done."])
    agent: Any = create_agent(model, tools=cache_tools(cache), checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t", "user_id": "ana"}}
    asked = await both(agent.invoke)({"messages": [("user", "Clear it all.")]}, config)
    assert asked["__interrupt__"][0].value["message"] == "Delete all cached values whose names match '*'?"
    assert await both(cache.get)("a") == 1
    state = await both(agent.invoke)(Command(resume=approved), config)
    assert state["messages"][-1].text == "Done."
    assert await both(cache.get)("a") == (None if approved else 1)


def test_what_is_no_cache(client: Client) -> None:
    with pytest.raises(ConfigError, match="name the caches"):
        cache_tools()
    with pytest.raises(ConfigError, match="a RedisValueCache"):
        cache_tools({})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="a desk"):
        cache_tools(answers={})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="confirm"):
        cache_tools(RedisValueCache(client), confirm="never")  # type: ignore[arg-type]


# --- LangChain's own suites ----------------------------------------------------------------------------------------


class Suite:
    """Each tool in turn, in a run of a user."""

    name: str
    args: dict[str, Any]

    @pytest.fixture(
        autouse=True,
        params=[("get_cache_stats", {}), ("clear_my_cache", {}), ("invalidate_cache", {"pattern": "user:*"})],
        ids=lambda case: case[0],
    )
    def _case(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name, self.args = request.param
        monkeypatch.setattr("langchain_redis_memory.agents.cache_tools.user_of", lambda _config: "ana")

    @property
    def tool_constructor(self) -> BaseTool:
        cache = RedisValueCache(Client.from_url("memory://cache-tools"), ttl_s=60)
        return next(tool for tool in cache_tools(cache, confirm=yes) if tool.name == self.name)

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return self.args


class TestUnit(Suite, ToolsUnitTests):
    """LangChain's unit tests of tools."""


class TestIntegration(Suite, ToolsIntegrationTests):
    """LangChain's integration tests of tools."""
