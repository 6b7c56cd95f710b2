"""The tools of an agent's memory: whose memories they reach, what they do, and that LangChain's suites accept them."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests
from langgraph.store.memory import InMemoryStore

from langchain_redis_memory import Client, ConversationMemory, RedisStore, RedisUsers, memory_tools
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from tests.conftest import Both
from tests.conversation.select.test_recall import Topics
from tests.support.agents import ScriptedModel, calling

TTL: Any = {"default_ttl": 5}
ANA: Any = {"configurable": {"user_id": "ana@example.com"}}
BEN: Any = {"configurable": {"user_id": "ben"}}


def store_of(client: Client, **options: Any) -> RedisStore:
    return RedisStore(client, ttl=TTL, **options)


class Tools:
    """Tools by name, called in one colour."""

    def __init__(self, both: Both, tools: list[BaseTool]) -> None:
        self.both, self.tools = both, {tool.name: tool for tool in tools}

    async def __call__(self, name: str, config: Any = ANA, **args: Any) -> str:
        return str(await self.both(self.tools[name].invoke)(args, config))

    async def save(self, content: str, config: Any = ANA) -> str:
        return (await self("save_memory", config, content=content)).removeprefix("Saved as memory ").rstrip(".")


async def test_memories_are_saved_found_changed_and_forgotten(client: Client, both: Both) -> None:
    tools = Tools(both, memory_tools(store_of(client)))
    tea = await tools.save("Ana drinks green tea.")
    await tools.save("Ana has a cat.")
    found = await tools("search_memories", query="What tea?")
    assert found.startswith(f"[{tea}] Ana drinks green tea. (saved 20")
    assert "cat" not in found
    assert await tools("update_memory", memory_id=tea, content="Ana drinks black tea.") == f"Updated memory {tea}."
    assert "black" in await tools("search_memories", query="tea")
    assert await tools("forget_memory", memory_id=tea) == f"Forgot memory {tea}."
    assert await tools("search_memories", query="tea") == "Nothing is known about that."
    for name, more in (("forget_memory", {}), ("update_memory", {"content": "x"})):
        assert (await tools(name, memory_id=tea, **more)).startswith("There is no memory")


async def test_what_is_saved_twice_is_one_memory(client: Client, both: Both) -> None:
    tools = Tools(both, memory_tools(store_of(client)))
    assert await tools.save("Ana has a cat.") == await tools.save("Ana has  a cat.")
    assert (await tools("search_memories", query="cat")).count("cat") == 1


async def test_whose_memories_they_are_is_told_by_the_run_alone(client: Client, both: Both) -> None:
    tools = Tools(both, memory_tools(store_of(client)))
    mine = await tools.save("My pin is 1234.")
    assert await tools("search_memories", BEN, query="pin") == "Nothing is known about that."
    assert "no memory" in await tools("forget_memory", BEN, memory_id=mine)
    assert "1234" in await tools("search_memories", query="pin", user_id="ben")
    authenticated = {"configurable": {"langgraph_auth_user_id": "ben", "user_id": "ana@example.com"}}
    assert await tools("search_memories", authenticated, query="pin") == "Nothing is known about that."
    assert all("user" not in "".join(tool.args) for tool in tools.tools.values())
    with pytest.raises(InvalidInputError, match="user_id"):
        await tools("search_memories", {}, query="pin")


async def test_a_store_with_an_index_finds_them_by_meaning(client: Client, both: Both) -> None:
    index: Any = {"dims": 4, "embed": Topics(), "fields": ["content"]}
    tools = Tools(both, memory_tools(store_of(client, index=index)))
    await tools.save("Ana cooks risotto.")
    await tools.save("Ana has a dog.")
    assert "dog" in await tools("search_memories", query="Which pet?", limit=1)


async def test_what_was_said_in_any_conversation_is_recalled(client: Client, both: Both) -> None:
    memory = ConversationMemory(client, ttl_s=60, cache=None)
    chat = memory.wrap(ScriptedModel(script=["A fine name."]))
    config: Any = {"configurable": {"session_id": "s1"}, "metadata": {"user_id": "ana@example.com"}}
    await both(chat.invoke)("My cat is called Minka.", config)
    tools = Tools(both, memory_tools(store_of(client), memory=memory))
    found = await tools("recall_conversation", query="cat")
    assert "user: My cat is called Minka.\nassistant: A fine name." in found
    assert found.startswith("[conversation 's1', 20")
    assert await tools("recall_conversation", BEN, query="cat") == "Nothing was said about that."


async def test_an_agent_uses_them_for_its_user(client: Client, both: Both) -> None:
    model = ScriptedModel(script=[calling("save_memory", {"content": "Ana has a cat."}), "Noted."])
    agent: Any = create_agent(model, tools=memory_tools(store_of(client)))
    state = await both(agent.invoke)({"messages": [("user", "I have a cat.")]}, ANA)
    assert [message.type for message in state["messages"]] == ["human", "ai", "tool", "ai"]
    users = RedisUsers(client, store=store_of(client))
    assert [line["value"] for line in users.export("ana@example.com")] == [{"content": "Ana has a cat."}]


async def test_without_the_server_the_agent_goes_on(both: Both) -> None:
    client = Client.from_url("redis://127.0.0.1:1/0")
    model = ScriptedModel(script=[calling("save_memory", {"content": "x"}), "I cannot save it now."])
    agent: Any = create_agent(model, tools=memory_tools(RedisStore(client)))
    state = await both(agent.invoke)({"messages": [("user", "Save x.")]}, ANA)
    assert state["messages"][-2].status == "error"
    assert "does not work now" in state["messages"][-2].text
    await both(client.close)()


async def test_any_store_of_langgraph_will_do(both: Both) -> None:
    tools = Tools(both, memory_tools(InMemoryStore()))
    await tools.save("Ana has a cat.")
    assert "cat" in await tools("search_memories", query="cat")


def test_what_is_no_store() -> None:
    with pytest.raises(ConfigError, match="a LangGraph store"):
        memory_tools({})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="a ConversationMemory"):
        memory_tools(InMemoryStore(), memory={})  # type: ignore[arg-type]


# --- LangChain's own suites ----------------------------------------------------------------------------------------


class Suite:
    """Each tool in turn; its memories are everybody's, as the suites invoke tools without a config."""

    name: str
    args: dict[str, Any]

    @pytest.fixture(
        autouse=True,
        params=[
            ("save_memory", {"content": "Ana has a cat."}),
            ("search_memories", {"query": "cat"}),
            ("update_memory", {"memory_id": "a", "content": "Ana has two cats."}),
            ("forget_memory", {"memory_id": "a"}),
        ],
        ids=lambda case: case[0],
    )
    def _case(self, request: pytest.FixtureRequest) -> None:
        self.name, self.args = request.param

    @property
    def tool_constructor(self) -> BaseTool:
        store = RedisStore(Client.from_url("memory://memory-tools"), ttl=TTL)
        tools = memory_tools(store, namespace=("memories", "shared"))
        return next(tool for tool in tools if tool.name == self.name)

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return self.args


class TestUnit(Suite, ToolsUnitTests):
    """LangChain's unit tests of tools."""


class TestIntegration(Suite, ToolsIntegrationTests):
    """LangChain's integration tests of tools."""
