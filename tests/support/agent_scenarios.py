"""The scenarios of `tests/support/scenario.py` for agents: each middleware on an agent of its own, tools, files."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import StructuredTool

from langchain_redis_memory import (
    AnswerCacheMiddleware,
    ConversationMemory,
    ExactAnswerCache,
    Limit,
    MemoryMiddleware,
    MemorySelector,
    RateLimitMiddleware,
    RedisRateLimiter,
    RedisStore,
    RedisValueCache,
    TokenBudgetMiddleware,
    ToolCacheMiddleware,
    cache_tools,
    memory_tools,
)
from langchain_redis_memory.redis import user_index
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.user_index import UserData
from tests.conftest import Both
from tests.support.agents import ScriptedModel, calling
from tests.support.chains import Marked
from tests.support.scenario_parts import SECRET, Read, Scenario

ANA: Any = {"configurable": {"thread_id": "t", "user_id": "ana"}}


def asking(both: Both, middleware: Any, *script: Any, tools: Any = ()) -> Any:
    """Asks an agent with the middleware; gives the thread's texts."""

    async def ask(question: str, config: Any = ANA) -> list[str]:
        model = ScriptedModel(script=list(script))
        graph: Any = create_agent(model, list(tools), middleware=[middleware])
        state = await both(graph.invoke)({"messages": [HumanMessage(question)]}, config)
        return [message.text for message in (*state["messages"], *(model.shown or [[]])[-1])]

    return ask


async def answers(both: Both, client: Client, tenant: str) -> list[Read]:
    middleware = AnswerCacheMiddleware(client, cache=ExactAnswerCache(60), classifier=Marked(), tenant=tenant)
    ask = asking(both, middleware, SECRET)
    await ask(f"N: What is {SECRET}?")
    return [lambda: ask(f"N: What is {SECRET}?"), both(middleware.answers.stats), both(middleware.answers.decisions)]


async def results(both: Both, client: Client, tenant: str) -> list[Read]:
    def find(query: str) -> str:
        """Find something."""
        return f"{query}!"

    tool = StructuredTool.from_function(find)
    ask = asking(
        both,
        ToolCacheMiddleware(client, tools={"find": 60}, tenant=tenant),
        calling("find", {"query": SECRET}),
        "found",
        tools=[tool],
    )
    await ask("Find it.")
    return [lambda: ask("Find it.")]


async def memory(both: Both, client: Client, tenant: str) -> list[Read]:
    kept = ConversationMemory(
        client, classifier=Marked(), selector=MemorySelector(scope="user"), ttl_s=60, tenant=tenant
    )
    await both(kept.profile("ana", tenant).set)("city", SECRET, ttl_s=60)
    chat = kept.wrap(ScriptedModel(script=[SECRET]))
    config = {"configurable": {"session_id": "s"}, "metadata": {"user_id": "ana"}}
    await both(chat.invoke)(f"N: The word is {SECRET}.", config)
    ask = asking(both, MemoryMiddleware(kept))
    mine = {"configurable": {**ANA["configurable"], "tenant": tenant}}
    return [lambda: ask("R: What was the word?", mine)]


def _spent() -> AIMessage:
    return AIMessage("said", usage_metadata={"input_tokens": 1, "output_tokens": 1, "total_tokens": 2})


async def rates(both: Both, client: Client, tenant: str) -> list[Read]:
    limiter = RedisRateLimiter(client, [Limit(99, "1m"), Limit(9, unit="concurrent")], tenant=tenant, key="user")
    ask = asking(both, RateLimitMiddleware(limiter), _spent())
    await ask("Hello")
    return [lambda: ask("Hello")]


async def budgets(both: Both, client: Client, tenant: str) -> list[Read]:
    middleware = TokenBudgetMiddleware(client, per_thread=900, per_user=999, window_s=60, reserve=9, tenant=tenant)
    ask = asking(both, middleware, _spent())
    await ask("Hello")
    return [lambda: ask("Hello")]


async def tools_of_memory(both: Both, client: Client, tenant: str) -> list[Read]:
    kept = ConversationMemory(client, ttl_s=60, tenant=tenant)
    config = {"configurable": {"session_id": "s"}, "metadata": {"user_id": "ana"}}
    await both(kept.wrap(ScriptedModel(script=[SECRET])).invoke)(f"What is {SECRET}?", config)
    ttl: Any = {"default_ttl": 5}
    made = {one.name: one for one in memory_tools(RedisStore(client, ttl=ttl, tenant=tenant), memory=kept)}
    mine = {"configurable": {**ANA["configurable"], "tenant": tenant}}

    async def call(name: str, **args: Any) -> str:
        return str(await both(made[name].invoke)(args, mine))

    await call("save_memory", content=f"Ana likes {SECRET}.")
    known = (await call("save_memory", content="gone")).split()[-1].rstrip(".")
    await call("update_memory", memory_id=known, content=f"Ana likes {SECRET} too.")
    await call("forget_memory", memory_id=known)
    return [
        lambda: call("search_memories", query=f"likes {SECRET}"),
        lambda: call("update_memory", memory_id=known, content=SECRET),
        lambda: call("recall_conversation", query=SECRET),
    ]


async def tools_of_caches(both: Both, client: Client, tenant: str) -> list[Read]:
    values = RedisValueCache(client, "n", ttl_s=60, tenant=tenant)
    await both(values.set)("ana", SECRET, user="ana")
    await both(values.set)("kept", SECRET)
    middleware = AnswerCacheMiddleware(client, cache=ExactAnswerCache(60), classifier=Marked(), tenant=tenant)
    await asking(both, middleware, SECRET)(f"N: What is {SECRET}?")
    await both(client.run)(user_index.note(client.keys(tenant), "ana", UserData("session", "", "t"), 60_000))
    made = {one.name: one for one in cache_tools(values, answers=middleware.answers, confirm=lambda _question: True)}

    async def call(name: str, **args: Any) -> str:
        return str(await both(made[name].invoke)(args, ANA))

    assert "cleared" in await call("clear_my_cache")
    assert "Deleted" in await call("invalidate_cache", pattern="a*")
    return [lambda: call("get_cache_stats"), lambda: both(values.get)("kept")]


AGENT_SCENARIOS: dict[str, Scenario] = {
    "answers_of_agents": Scenario(answers, ("AnswerCacheMiddleware",)),
    "results_of_agents": Scenario(results, ("ToolCacheMiddleware",)),
    "memory_of_agents": Scenario(memory, ("MemoryMiddleware",)),
    "rates_of_agents": Scenario(rates, ("RateLimitMiddleware",)),
    "budgets_of_agents": Scenario(budgets, ("TokenBudgetMiddleware",)),
    "memory_tools": Scenario(tools_of_memory, ("memory_tools",)),
    "cache_tools": Scenario(tools_of_caches, ("cache_tools", "AnswerCacheMiddleware")),
}

if find_spec("deepagents"):
    from langchain_redis_memory import RedisBackend

    async def files(both: Both, client: Client, tenant: str) -> list[Read]:
        made = RedisBackend(client, namespace=("files", "{user_id}"), ttl_s=60, tenant=tenant)

        async def as_ana(name: str, *args: Any) -> Any:
            token = var_child_runnable_config.set(ANA)
            try:
                return repr(await both(getattr(made, name))(*args))
            finally:
                var_child_runnable_config.reset(token)

        await as_ana("write", "/a.md", f"# {SECRET}")
        await as_ana("write", "/b/c.md", "gone")
        await as_ana("edit", "/a.md", SECRET, f"{SECRET}!")
        await as_ana("delete", "/b")
        calls = [
            ("ls", "/"),
            ("read", "/a.md"),
            ("grep", SECRET),
            ("glob", "*.md"),
            ("edit", "/a.md", "absent", "x"),
            ("download_files", ["/a.md"]),
            ("write", "/a.md", f"{SECRET} again"),
        ]
        return [lambda call=call: as_ana(*call) for call in calls]  # type: ignore[misc]

    AGENT_SCENARIOS["files"] = Scenario(files, ("RedisBackend",))
