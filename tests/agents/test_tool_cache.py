"""`ToolCacheMiddleware` on real agents: which results are served again, to whom, and which never are."""

from __future__ import annotations

import logging
from threading import Event, Lock
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.prebuilt import InjectedState
from langgraph.types import Command, interrupt

from langchain_redis_memory import RedisSaver, ToolCacheMiddleware
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.support.agents import ScriptedModel, calling


class Desk:
    """A tool that notes its runs, on an agent with the middleware."""

    def __init__(self, client: Client, both: Both, run: Any = None, **options: Any) -> None:
        self.runs: list[Any] = []
        self.failing, self.asking = Event(), Event()  # what a tool holds is looked at, but for what is no plain data
        self.interrupts: Any = ()
        self.tool = self.made(run, options.pop("metadata", None))
        self.both = both
        self.model = ScriptedModel()
        options.setdefault("tools", {"find": 60})
        graph_tools: Any = [self.tool]
        saver = options.pop("checkpointer", None)
        self.middleware = ToolCacheMiddleware(client, **options)
        self.graph: Any = create_agent(self.model, tools=graph_tools, middleware=[self.middleware], checkpointer=saver)

    def made(self, run: Any, metadata: Any) -> BaseTool:
        def find(query: str, request: str = "") -> tuple[str, Any]:
            """Find something."""
            self.runs.append(query)
            if self.failing.is_set():
                msg = "down"
                raise ValueError(msg)
            if self.asking.is_set():
                return f"{interrupt('Sure?')} {len(self.runs)}", None
            return f"{query} {len(self.runs)}", {"raw": query}

        if isinstance(run, BaseTool):
            return run
        if run is not None:
            return StructuredTool.from_function(run, name="find", description="x", metadata=metadata)
        return StructuredTool.from_function(
            find, response_format="content_and_artifact", metadata=metadata, handle_tool_error=True
        )

    async def call(self, *args: Any, **configurable: Any) -> list[ToolMessage]:
        """The tool's results for one turn that calls it with each of the arguments."""
        given = [arg if isinstance(arg, dict) else {"query": arg} for arg in args]
        self.model.script[:] = [calling("find", *given)]
        asked = {"messages": [HumanMessage("?")]}
        state = await self.both(self.graph.invoke)(asked, {"configurable": {"thread_id": "t", **configurable}})
        self.interrupts = state.get("__interrupt__", ())
        return [message for message in state["messages"] if isinstance(message, ToolMessage)]


def hit(message: ToolMessage) -> bool:
    return bool(message.response_metadata.get("cache", {}).get("hit"))


async def test_a_named_tool_runs_once_and_its_result_comes_back_whole(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    (first,) = await desk.call("x")
    (second,) = await desk.call("x")
    assert (first.text, second.text, desk.runs) == ("x 1", "x 1", ["x"])
    assert (hit(first), hit(second)) == (False, True)
    assert second.artifact == {"raw": "x"}
    assert (second.name, second.tool_call_id) == ("find", "find-0")


async def test_parallel_calls_get_their_own_results_and_ids(client: Client, both: Both) -> None:
    desk = Desk(client, both, single_flight_s=None)
    await desk.call("x")
    found = await desk.call("y", "x")
    assert [message.tool_call_id for message in found] == ["find-0", "find-1"]
    assert [hit(message) for message in found] == [False, True]


async def test_equal_calls_at_once_run_the_tool_once(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    found = await desk.call("x", "x", "x")
    assert desk.runs == ["x"]
    assert {message.text for message in found} == {"x 1"}
    assert [message.tool_call_id for message in found] == ["find-0", "find-1", "find-2"]


@pytest.mark.slow
async def test_results_are_the_user_s_own_unless_they_are_shared(client: Client, both: Both) -> None:
    for scope, runs in (("user", 2), ("tenant", 1)):
        desk = Desk(client, both, scope=scope, name=scope)
        for user in ("ana", "ben", "ana"):
            await desk.call("x", user_id=user)
        assert len(desk.runs) == runs
        await desk.call("x", user_id="ana", role="admin")
        await desk.call("x", user_id="ana", tenant="acme")
        assert len(desk.runs) == runs + 2, "rights and tenants are a part of the key"


async def test_arguments_are_compared_as_data_and_some_may_not_matter(client: Client, both: Both) -> None:
    desk = Desk(client, both, ignore_args=["request"])
    for args in ({"query": "x", "request": "1"}, {"request": "2", "query": "x"}, {"query": "X"}):
        await desk.call(args)
    assert desk.runs == ["x", "X"]


async def test_an_error_is_never_served_again(client: Client, both: Both) -> None:
    def broken(query: str) -> ToolMessage:
        runs.append(query)
        return ToolMessage("no", tool_call_id="find-0", status="error", name="find")

    runs: list[str] = []
    desk = Desk(client, both, broken)
    for _ in range(2):
        await desk.call("x")
    assert runs == ["x", "x"]
    raising = Desk(client, both, name="raising")
    raising.failing.set()
    for _ in range(2):
        with pytest.raises(ValueError, match="down"):
            await raising.call("x")
    raising.failing.clear()
    assert (await raising.call("x"))[0].text == "x 3", "nobody waits for a call that failed"


async def test_a_command_is_never_stored(client: Client, both: Both) -> None:
    def go(query: str) -> Any:
        runs.append(query)
        return Command(update={"messages": [ToolMessage(query, tool_call_id="find-0")]})

    runs: list[str] = []
    desk = Desk(client, both, go)
    for _ in range(2):
        await desk.call("x")
    assert runs == ["x", "x"]


async def test_a_tool_that_sees_the_state_is_not_cached(
    client: Client, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    def peek(query: str, state: Annotated[Any, InjectedState]) -> str:
        runs.append(query)
        return str(len(state["messages"]))

    runs: list[str] = []
    desk = Desk(client, both, peek)
    with caplog.at_level(logging.WARNING, "langchain_redis_memory"):
        for _ in range(2):
            await desk.call("x")
    assert runs == ["x", "x"]
    assert sum("is given the agent's state" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize(
    ("metadata", "runs"),
    [
        ({"cacheable": True}, 1),
        ({"annotations": {"readOnlyHint": True, "idempotentHint": True}}, 1),
        ({"readOnlyHint": True, "idempotentHint": True, "destructiveHint": True}, 2),
        ({"readOnlyHint": True}, 2),
        (None, 2),
    ],
)
async def test_what_a_tool_says_of_itself(client: Client, both: Both, metadata: Any, runs: int) -> None:
    desk = Desk(client, both, tools=None, hinted_s=60, metadata=metadata)
    for _ in range(2):
        await desk.call("x")
    assert len(desk.runs) == runs


async def test_a_tool_that_is_not_named_runs_each_time(client: Client, both: Both, trips: list[Trip]) -> None:
    desk = Desk(client, both, tools={"other": 60})
    for _ in range(2):
        await desk.call("x")
    assert len(desk.runs) == 2
    assert trips == []
    with pytest.raises(ConfigError, match="name the tools"):
        ToolCacheMiddleware(client)
    with pytest.raises(ConfigError, match="tools must be a dict from names to seconds"):
        ToolCacheMiddleware(client, tools=["find"])  # type: ignore[arg-type]


async def test_an_old_result_stands_for_a_tool_that_fails(client: Client, both: Both) -> None:
    desk = Desk(client, both, tools={"find": 0.001}, stale_if_error_s=60)
    await desk.call("x")
    assert (await desk.call("x"))[0].text == "x 2", "it is over its lifetime"
    desk.failing.set()
    (served,) = await desk.call("x")
    assert (served.text, served.response_metadata["cache"]["kind"]) == ("x 2", "stale")


async def test_a_tool_that_asks_a_person_is_no_tool_that_fails(client: Client, both: Both) -> None:
    desk = Desk(client, both, tools={"find": 0.001}, stale_if_error_s=60, checkpointer=RedisSaver(client, ttl_s=60))
    await desk.call("x")
    desk.asking.set()
    await desk.call("x")
    assert desk.interrupts, "the older result does not stand for what a person is asked"
    state = await both(desk.graph.invoke)(Command(resume="yes"), {"configurable": {"thread_id": "t"}})
    assert [message.text for message in state["messages"] if isinstance(message, ToolMessage)] == ["x 1", "yes 3"]


async def test_tools_that_differ_in_what_they_were_made_with_share_nothing(client: Client, both: Both) -> None:
    def made_for(index: str) -> Any:
        def find(query: str) -> str:
            return f"{index}: {query}"

        return find

    for index, hits in (("pets", False), ("cars", False), ("pets", True)):
        desk = Desk(client, both, made_for(index))
        (found,) = await desk.call("x")
        assert (found.text, hit(found)) == (f"{index}: x", hits)


class Index:
    """An object whose method is a tool; it counts, and notes what it was asked."""

    def __init__(self, name: str) -> None:
        self.name, self.asked, self.seen = name, 0, list[str]()

    def find(self, query: str) -> str:
        self.asked += 1
        self.seen.append(query)
        return f"{self.name}: {query}"


def over_a_dict() -> tuple[Any, Any]:
    settings = {"index": "pets"}
    return lambda query: f"{settings['index']}: {query}", lambda name: settings.update(index=name)


def over_a_list() -> tuple[Any, Any]:
    names = ["pets"]
    return lambda query: f"{names[0]}: {query}", lambda name: names.__setitem__(0, name)


def over_a_variable() -> tuple[Any, Any]:
    index = "pets"

    def find(query: str) -> str:
        return f"{index}: {query}"

    def change(name: str) -> None:
        nonlocal index
        index = name

    return find, change


def by_default() -> tuple[Any, Any]:
    given = {"index": "pets"}

    def find(query: str, *, settings: Any = given) -> str:
        return f"{settings['index']}: {query}"

    return lambda query: f"{find(query)}", lambda name: given.update(index=name)


def of_an_object() -> tuple[Any, Any]:
    index = Index("pets")
    return index.find, lambda name: setattr(index, "name", name)


def over_an_object() -> tuple[Any, Any]:
    index = Index("pets")
    return lambda query: f"{index.find(query)}", lambda name: setattr(index, "name", name)


@pytest.mark.parametrize("made", [over_a_dict, over_a_list, over_a_variable, by_default, of_an_object, over_an_object])
async def test_what_a_tool_holds_is_looked_at_each_time(client: Client, both: Both, made: Any) -> None:
    find, change = made()
    desk, other = Desk(client, both, find), Desk(client, both, made()[0])
    for name, hits in (("pets", False), ("pets", True), ("cars", False), ("pets", True)):
        change(name)
        (found,) = await desk.call("x")
        assert (found.text, hit(found)) == (f"{name}: x", hits)
    (found,) = await other.call("x")  # as in another process, which has no cars
    assert (found.text, hit(found)) == ("pets: x", True)


class Api:
    """Several tools of one object, which counts all calls and keeps what it was told."""

    def __init__(self) -> None:
        self.calls = 0
        self.told: dict[str, str] = {}

    def find(self, query: str) -> str:
        """Find something."""
        self.calls += 1
        self.told[query] = "x"
        return f"{query} {self.calls}"

    def get(self, query: str) -> str:
        """Get something."""
        return self.find(query)


async def test_what_another_tool_of_its_object_noted_is_no_setting_of_a_tool(client: Client, both: Both) -> None:
    api = Api()
    for run in (api.find, api.get):
        desk = Desk(client, both, run, name=run.__name__)
        assert [hit(*await desk.call("x")) for _ in range(3)] == [False, True, True]
    assert api.calls == 2


async def test_a_result_that_was_made_while_the_tool_changed_is_not_kept(
    client: Client, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    index = Index("pets")

    def find(query: str) -> str:
        index.name = "cars"  # as another thread may do meanwhile
        return index.find(query)

    await Desk(client, both, find).call("x")
    index.name = "pets"
    (found,) = await Desk(client, both, find).call("x")
    assert not hit(found)
    assert "results of the tool 'find' are not cached: what it closes over, or its object holds, changed" in caplog.text


class Server:
    """What is asked, somewhere else."""

    def __init__(self, found: str) -> None:
        self.answers = {"x": [found, Lock()]}


class Shelf:
    """Something to search in that cannot be read whole."""

    def __init__(self, found: str) -> None:
        self.server = Server(found)

    def find(self, query: str) -> str:
        return str(self.server.answers["x"][0])


class Search(BaseTool):
    """A tool of a class of somebody's own."""

    name: str = "find"
    description: str = "x"
    index: Any = None

    def _run(self, query: str) -> str:
        return str(self.index.find(query))


def by_index(index: Shelf) -> Any:
    def find(query: str) -> str:
        return index.find(query)

    return find


@pytest.mark.parametrize(
    "make", [by_index, lambda index: index.find, lambda index: Search(index=index)], ids=["closure", "method", "class"]
)
async def test_the_same_code_over_another_index_is_another_tool(client: Client, both: Both, make: Any) -> None:
    pets, cars = Shelf("pets"), Shelf("cars")
    found = []
    for index in (pets, cars, pets):
        [message] = await Desk(client, both, make(index)).call("x")
        found.append((message.text, hit(message)))
    assert found == [("pets", False), ("cars", False), ("pets", True)]
    for index, hits in ((pets, False), (cars, True)):  # of a cache with a name, the application says what is the same
        [message] = await Desk(client, both, make(index), name="pets-v1").call("x")
        assert (message.text, hit(message)) == ("pets", hits)


async def test_what_a_person_answered_to_one_call_is_no_result_of_another(client: Client, both: Both) -> None:
    desk = Desk(client, both, checkpointer=RedisSaver(client, ttl_s=60))
    desk.asking.set()
    for thread, answer in (("a", "yes"), ("b", "no")):
        named = {"thread_id": thread, "user_id": "ana"}
        await desk.call("x", **named)
        assert desk.interrupts, "each is asked"
        state = await both(desk.graph.invoke)(Command(resume=answer), {"configurable": named})
        assert [one.text[:3].strip() for one in state["messages"] if isinstance(one, ToolMessage)] == [answer]


async def test_a_tool_that_sees_who_asks_is_shared_with_nobody_else(client: Client, both: Both) -> None:
    def orders(query: str, config: RunnableConfig) -> str:
        return f"orders of {config['configurable']['user_id']}"

    desk = Desk(client, both, orders, scope="tenant")
    found = [(await desk.call("x", user_id=user))[0] for user in ("ana", "ben", "ana")]
    assert [(one.text, hit(one)) for one in found] == [
        ("orders of ana", False),
        ("orders of ben", False),
        ("orders of ana", True),
    ]


async def test_a_server_that_is_away_is_no_reason_to_fail(both: Both) -> None:
    client = Client.from_url("redis://127.0.0.1:1/0")
    desk = Desk(client, both)
    assert (await desk.call("x"))[0].text == "x 1"
    await both(client.close)()
