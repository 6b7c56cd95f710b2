"""Compiled graphs run on the saver as on `InMemorySaver`: the same outputs, the same history of states."""

from __future__ import annotations

import operator
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, Send, interrupt

from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.support.saves import TTL_S, tidy

CONFIG: Any = {"configurable": {"thread_id": "t"}}


class Chat(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]
    log: Annotated[list[str], operator.add]
    topic: str
    number: int


class Run:
    """A compiled graph in one colour."""

    def __init__(self, both: Both, graph: Any) -> None:
        self.both = both
        self.graph = graph

    async def __call__(self, value: Any, config: Any = CONFIG, **options: Any) -> Any:
        return await self.both(self.graph.invoke)(value, config, **options)

    async def stream(self, value: Any, **options: Any) -> list[Any]:
        return await self.both.each(self.graph.stream)(value, CONFIG, **options)

    async def history(self, config: Any = CONFIG, **options: Any) -> list[Any]:
        return await self.both.each(self.graph.get_state_history)(config, **options)

    async def state(self, config: Any = CONFIG, **options: Any) -> Any:
        return await self.both(self.graph.get_state)(config, **options)

    async def update(self, config: Any, values: Any, **options: Any) -> Any:
        return await self.both(self.graph.update_state)(config, values, **options)


def outline(state: Any) -> Any:
    """A state without what chance and time decide."""
    if not hasattr(state, "tasks"):
        return state and sorted(state["configurable"])
    told = {name: part for name, part in state.metadata.items() if name in {"source", "step"}}
    asked = [one.value for one in state.interrupts]
    tasks = [
        (task.name, task.error, [one.value for one in task.interrupts], task.result, outline(task.state))
        for task in state.tasks
    ]
    return state.values, state.next, told, tasks, asked, state.parent_config is None


Scene = Callable[[Run], Awaitable[list[Any]]]
SCENES: dict[str, tuple[Callable[[], StateGraph[Any]], dict[str, Any], Scene]] = {}


def scene(build: Callable[[], StateGraph[Any]], **compiled: Any) -> Callable[[Scene], Scene]:
    def note(play: Scene) -> Scene:
        SCENES[play.__name__] = (build, compiled, play)
        return play

    return note


def graph_of(*nodes: Any, kind: Any = Chat) -> StateGraph[Any]:
    """A line of nodes."""
    builder = StateGraph(kind)
    for node in nodes:
        builder.add_node(node.__name__, node)
    for first, second in zip([START, *nodes], [*nodes, END], strict=True):
        builder.add_edge(getattr(first, "__name__", first), getattr(second, "__name__", second))
    return builder


def answer(state: Chat) -> Any:
    said = state["messages"][-1]
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    calls = [{"name": "f", "args": {"a": said.content}, "id": f"c{said.id}"}]
    reply = AIMessage(f"to {said.content} " + "word " * 20, id=f"a{said.id}", tool_calls=calls, usage_metadata=usage)
    return {"messages": [reply, ToolMessage("done", tool_call_id=f"c{said.id}", id=f"t{said.id}")], "log": ["answer"]}


def forget(state: Chat) -> Any:
    long = state["messages"][:-6]
    return {"messages": [RemoveMessage(id=message.id or "") for message in long], "topic": state["messages"][-1].type}


@scene(lambda: graph_of(answer, forget))
async def a_chat_that_forgets(run: Run) -> list[Any]:
    seen = [await run({"messages": [HumanMessage(f"q{i}", id=f"h{i}")], "log": [f"in {i}"]}) for i in range(6)]
    limited = await run.history(limit=3)
    return [*seen, *map(outline, limited), *map(outline, await run.history(filter={"source": "input"}))]


def ask(state: Chat) -> Any:
    name = interrupt({"question": "name?"})
    age = interrupt({"question": "age?", "to": name})
    return {"log": [f"{name} {age}"]}


@scene(lambda: graph_of(answer, ask, forget))
async def questions_to_a_human(run: Run) -> list[Any]:
    first = await run({"messages": [HumanMessage("q", id="h")]})
    waiting = await run.state()
    second = await run(Command(resume="Ann"))
    third = await run(Command(resume=[7, {"a": 1}], update={"topic": "changed"}))
    return [str(first.keys()), outline(waiting), str(second.keys()), third, outline(await run.state())]


def asks(number: int) -> Any:
    def node(state: Chat) -> Any:
        return {"log": [f"{number}: {interrupt(number)}"]}

    node.__name__ = f"ask{number}"
    return node


def several() -> StateGraph[Any]:
    builder = StateGraph(Chat)
    for number in range(3):
        builder.add_node(asks(number).__name__, asks(number))
        builder.add_edge(START, f"ask{number}")
    return builder


@scene(several)
async def questions_side_by_side(run: Run) -> list[Any]:
    await run({"topic": "x"})
    asked = (await run.state()).interrupts
    some = await run(Command(resume={one.id: f"answer {one.value}" for one in asked[:2]}))
    left = await run.state()
    await run(Command(resume="last"))
    return [sorted(one.value for one in asked), some["topic"], outline(left), outline(await run.state())]


def with_a_subgraph() -> StateGraph[Any]:
    builder = graph_of(answer, ask)
    outer = StateGraph(Chat)
    outer.add_node("inner", builder.compile(checkpointer=True))
    outer.add_node("after", lambda state: {"topic": f"{len(state['log'])}"})
    outer.add_edge(START, "inner")
    outer.add_edge("inner", "after")
    return outer


@scene(with_a_subgraph)
async def a_subgraph_with_a_memory_of_its_own(run: Run) -> list[Any]:
    seen: list[Any] = []
    for i in range(2):
        await run({"messages": [HumanMessage(f"q{i}", id=f"h{i}")]})
        seen.append(outline(await run.state(subgraphs=True)))
        await run(Command(resume="Ann"))
        seen.append(outline(await run.state(subgraphs=True)))
        seen.append(await run(Command(resume=i)))
    return seen


def spread(state: Chat) -> list[Send]:
    return [Send("work", {"number": i, "topic": "x" * 100, "messages": state["messages"]}) for i in range(5)]


def fan() -> StateGraph[Any]:
    builder = StateGraph(Chat)
    builder.add_node("work", lambda state: {"log": [f"{state['number']} {len(state['messages'])}"]})
    builder.add_node("gather", lambda state: {"topic": ",".join(state["log"])})
    builder.add_conditional_edges(START, spread, ["work"])
    builder.add_edge("work", "gather")
    return builder


@scene(fan, interrupt_before=["work"], interrupt_after=["gather"])
async def work_that_is_sent_out(run: Run) -> list[Any]:
    await run({"messages": [HumanMessage("q", id="h")]})
    before = outline(await run.state())
    done = await run(None)
    return [before, done, outline(await run.state()), await run(None)]


def choose(state: Chat) -> Command[Any]:
    number = state.get("number", 0) + 1
    return Command(goto="choose" if number < 4 else END, update={"number": number, "log": [f"{number}"]})


@scene(lambda: graph_of(choose))
async def a_node_that_says_where_to_go(run: Run) -> list[Any]:
    return [await run({"topic": "x"}), await run({"number": 2})]


@scene(lambda: graph_of(answer, forget))
async def travel_in_time(run: Run) -> list[Any]:
    for i in range(3):
        await run({"messages": [HumanMessage(f"q{i}", id=f"h{i}")], "topic": f"{i}"})
    main = await run.state()
    early = next(state for state in await run.history() if state.metadata["step"] == 4)
    replayed = await run(None, early.config)
    fork = await run.update(
        early.config, {"messages": [HumanMessage("other", id="h9")], "topic": "fork"}, as_node="answer"
    )
    forked = await run(None, fork)
    again = await run({"messages": [HumanMessage("q5", id="h5")]}, early.config)
    kept = await run.state(main.config)
    assert kept.values == main.values, "a fork changes no other branch"
    assert (await run.state(fork)).values["topic"] == "fork"
    assert (await run.state(early.config)).values == early.values
    return [replayed, forked, again, outline(kept), *map(outline, await run.history(early.config))]


@scene(lambda: graph_of(answer, forget))
async def a_state_that_is_edited(run: Run) -> list[Any]:
    await run.update(CONFIG, {"messages": [HumanMessage("q", id="h")], "log": ["by hand"]}, as_node="answer")
    await run.update(CONFIG, {"messages": [HumanMessage("edited", id="h")]})
    return [await run(None), await run.update(CONFIG, None, as_node="forget") is not None, outline(await run.state())]


FAILS: dict[str, int] = {}


def flaky() -> StateGraph[Any]:
    def fails(state: Chat) -> Any:
        FAILS["times"] = FAILS.get("times", 0) + 1
        if FAILS["times"] == 1:
            msg = "broken"
            raise ValueError(msg)
        return {"log": ["mended"]}

    def fine(state: Chat) -> Any:
        FAILS["fine"] = FAILS.get("fine", 0) + 1
        return {"log": ["fine"]}

    FAILS.clear()
    builder = StateGraph(Chat)
    builder.add_node("fine", fine)
    builder.add_node("fails", fails)
    builder.add_edge(START, "fine")
    builder.add_edge(START, "fails")
    return builder


@scene(lambda: graph_of(answer, ask))
async def a_stream(run: Run) -> list[Any]:
    seen: list[Any] = []
    inputs: list[Any] = [{"messages": [HumanMessage("q", id="h")]}, Command(resume="Ann"), Command(resume=7)]
    for value in inputs:
        for mode, part in await run.stream(value, stream_mode=["values", "updates", "checkpoints"]):
            if mode == "checkpoints":
                seen.append((part["values"], part["next"], part["metadata"]["step"]))
            else:
                seen.append((mode, {name: one for name, one in part.items() if name != "__interrupt__"}))
    return seen


@pytest.mark.parametrize("name", SCENES)
async def test_a_graph_runs_as_in_memory(client: Client, both: Both, name: str) -> None:
    build, compiled, play = SCENES[name]
    seen = []
    saver = RedisSaver(client, ttl_s=TTL_S)
    for kept in (saver, InMemorySaver(serde=saver.serde)):
        run = Run(both, build().compile(checkpointer=kept, **compiled))
        seen.append([await play(run), [outline(state) for state in await run.history()]])
    assert seen[0] == seen[1]
    assert tidy(client)


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_durability(client: Client, both: Both, trips: list[Trip], durability: Any) -> None:
    seen, spent = [], 0
    saver = RedisSaver(client, ttl_s=TTL_S)
    for kept in (saver, InMemorySaver(serde=saver.serde)):
        run = Run(both, graph_of(answer, forget).compile(checkpointer=kept))
        said = [{"messages": [HumanMessage(f"q{i}", id=f"h{i}")], "log": [f"{i}"]} for i in range(4)]
        outputs = [await run(value, durability=durability) for value in said]
        spent = spent or len(trips)
        seen.append([outputs, [outline(state) for state in await run.history()]])
    assert seen[0] == seen[1]
    assert spent <= 4 * (2 if durability == "exit" else 8) + 8, (
        "4 scripts may be new to the server, for two calls at once"
    )


async def test_a_failure_is_gone_on_from(client: Client, both: Both) -> None:
    run = Run(both, flaky().compile(checkpointer=RedisSaver(client, ttl_s=TTL_S)))
    with pytest.raises(ValueError, match="broken"):
        await run({"topic": "x"}, durability="sync")
    assert [task.error for task in (await run.state()).tasks][1] == "ValueError('broken')"
    assert sorted((await run(None))["log"]) == ["fine", "mended"]
    assert (await run.state()).next == ()
    assert FAILS["times"] == 2


@pytest.mark.slow
async def test_two_processes_take_turns(client: Client, both: Both) -> None:
    """Neither knows what the other one sent, nor which elements the server has."""
    runs = [Run(both, graph_of(answer, forget).compile(checkpointer=RedisSaver(client, ttl_s=TTL_S))) for _ in range(2)]
    oracle = Run(both, graph_of(answer, forget).compile(checkpointer=InMemorySaver(serde=JsonPlusSerializer())))
    for i in range(6):
        value = {"messages": [HumanMessage(f"q{i}", id=f"h{i}")]}
        assert await runs[i % 2](value) == await oracle(value)
    assert [outline(state) for state in await runs[0].history()] == [outline(state) for state in await oracle.history()]


async def test_a_graph_on_a_cluster_and_behind_a_sentinel(cluster: Client, sentinel: Client, both: Both) -> None:
    for client in (cluster, sentinel):
        saver = RedisSaver(client, ttl_s=TTL_S)
        run = Run(both, graph_of(answer, ask).compile(checkpointer=saver))
        for thread in ("a", "b", "c"):
            config: Any = {"configurable": {"thread_id": thread}}
            await run({"messages": [HumanMessage("q", id="h")]}, config)
            await run(Command(resume="Ann"), config)
            assert (await run(Command(resume=7), config))["log"] == ["answer", "Ann 7"]
            assert len(await run.history(config)) == 4
