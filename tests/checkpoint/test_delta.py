"""Delta channels: their history is what LangGraph's own walk gives, and nothing that removes checkpoints cuts it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypedDict, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.graph import START, StateGraph

from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.support import servers
from tests.support.examples import share
from tests.support.saves import TTL_S, at, checkpoint, loop, place, tidy

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

CHANNELS = ["d", "e", "never", "plain"]


@pytest.fixture
def saver(client: Client) -> RedisSaver:
    return RedisSaver(client, ttl_s=TTL_S)


async def by_walking(both: Both, saver: Any, config: Any, channels: Sequence[str]) -> Any:
    """LangGraph's own walk, from checkpoint to checkpoint."""
    if both.asynchronous:
        return await BaseCheckpointSaver.aget_delta_channel_history(saver, config=config, channels=channels)
    return BaseCheckpointSaver.get_delta_channel_history(saver, config=config, channels=channels)


def tree(saver: Any) -> list[Any]:
    """Calls that make a thread with a fork: `d` has a snapshot at the third checkpoint, `e` never, `plain` a value."""
    calls: list[Any] = []
    parents = {0: None, 1: 0, 2: 1, 3: 2, 4: 3, 5: 2, 6: 5, 7: 6}
    for number, parent in parents.items():
        values: dict[str, Any] = {"other": number}
        if number == 2:
            values["d"] = _DeltaSnapshot([HumanMessage("snapshot " * 20, id="s")])
        if number == 1:
            values["plain"] = ["a" * 80, "b" * 80]
        versions = {"other": number + 1, "e": number + 1, "d": number + 1} | ({"plain": 2} if number else {})
        new = {name: version for name, version in versions.items() if name != "plain" or number == 1}
        config = place(at=None if parent is None else f"{parent:03}")
        calls.append(("put", (config, checkpoint(values, versions, f"{number:03}"), loop(number), new)))
        spot = place(at=f"{number:03}")
        for task, path in (("z", "~1"), ("a", "~2")):
            writes = [("d", f"{task}{number}"), ("e", number), ("d", [number]), ("plain", number)]
            calls.append(("put_writes", (spot, writes, task, path)))
    return calls


@pytest.mark.slow
async def test_the_history_is_what_the_walk_gives(saver: RedisSaver, both: Both, trips: list[Trip]) -> None:
    oracle = InMemorySaver()
    for name, arguments in tree(saver):
        await both(getattr(saver, name))(*arguments)
        getattr(oracle, name)(*arguments)
    for where in [None, *(f"{number:03}" for number in range(8)), "gone"]:
        for channels in (CHANNELS, ["d"], ["e", "d"], ["d", "d"]):
            config = place(at=where)
            trips.clear()
            found = await both(saver.get_delta_channel_history)(config=config, channels=channels)
            assert len(trips) <= 2, "the script may be new to the server"
            assert found == oracle.get_delta_channel_history(config=config, channels=channels)
            assert found == await by_walking(both, saver, config, channels)
    trips.clear()
    found = await both(saver.get_delta_channel_history)(config=place(at="007"), channels=["d"])
    assert len(trips) == 1
    assert [write[2] for write in found["d"]["writes"]] == [
        "z2",
        [2],
        "a2",
        [2],
        "z5",
        [5],
        "a5",
        [5],
        "z6",
        [6],
        "a6",
        [6],
    ]
    assert isinstance(found["d"]["seed"], _DeltaSnapshot)
    trips.clear()
    assert await both(saver.get_delta_channel_history)(config=place(at="007"), channels=[]) == {}
    assert trips == []


async def test_a_history_of_a_thread_that_is_not_there(saver: RedisSaver, both: Both) -> None:
    found = await both(saver.get_delta_channel_history)(config=place("none"), channels=["d"])
    assert found == {"d": {"writes": []}}


@pytest.mark.parametrize("url", servers.REAL_TABLE, indirect=True)
async def test_a_long_history_in_one_trip(saver: RedisSaver, both: Both, trips: list[Trip]) -> None:
    config = place()
    for number in range(150):
        made = checkpoint({}, {"d": number + 1}, f"{number:03}")
        config = await both(saver.put)(config, made, loop(number), {"d": number + 1})
        await both(saver.put_writes)(config, [("d", number)], "task")
    await both(saver.get_delta_channel_history)(config=config, channels=["d"])
    trips.clear()
    found = await both(saver.get_delta_channel_history)(config=config, channels=["d"])
    assert [write[2] for write in found["d"]["writes"]] == list(range(149))
    assert len(trips) == 1


# --- on a graph ---------------------------------------------------------------------------------------


def extend(state: Any, writes: Sequence[Any]) -> Any:
    return [*(state or []), *(part for write in writes for part in (write if isinstance(write, list) else [write]))]


def made(frequency: int) -> Any:
    fields = {
        "messages": Annotated[list[Any], DeltaChannel(extend, list, snapshot_frequency=frequency)],
        "rare": Annotated[list[Any], DeltaChannel(extend, list, snapshot_frequency=100)],
        "log": Annotated[list[str], operator.add],
    }
    State: Any = TypedDict("State", cast("Any", fields), total=False)  # type: ignore[misc]

    def answer(state: Any) -> Any:
        count = len(state["messages"])
        found: dict[str, Any] = {"messages": [AIMessage(f"{count} " + "word " * 20, id=f"a{count}")]}
        return found | {"log": [f"{count}"]} | ({"rare": [count]} if count % 4 == 1 else {})

    builder = StateGraph(State)
    builder.add_node("answer", answer)
    builder.add_edge(START, "answer")
    return builder


async def talk(both: Both, graph: Any, turns: range, config: Any = None, **options: Any) -> Any:
    found = None
    for turn in turns:
        said = {"messages": [HumanMessage(f"q{turn}", id=f"h{turn}")]}
        found = await both(graph.invoke)(said, config or place(ns=None), **options)
    return found


async def states(both: Both, graph: Any, thread: str = "t") -> dict[str, Any]:
    config = place(thread, None)
    found = await both.each(graph.get_state_history)(config)
    return {at(state.config): (state.values, state.next) for state in found}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("frequency", "durability"), [(1, "sync"), (3, "async"), (3, "exit"), (100, "exit"), (100, "sync")]
)
@pytest.mark.parametrize("url", servers.TWO, indirect=True)
async def test_a_graph_with_delta_channels(saver: RedisSaver, both: Both, frequency: int, durability: Any) -> None:
    oracle = InMemorySaver(serde=saver.serde)
    seen = []
    for kept in (saver, oracle):
        graph = made(frequency).compile(checkpointer=kept)
        outputs = [await talk(both, graph, range(turn, turn + 1), durability=durability) for turn in range(5)]
        early = list((await states(both, graph)).items())[-3][0]
        fork = await both(graph.update_state)(place(at=early), {"messages": [HumanMessage("f", id="f")]})
        forked = await both(graph.invoke)(None, fork)
        again = await talk(both, graph, range(7, 9), durability=durability)
        seen.append([outputs, forked, again, list((await states(both, graph)).values())])
    assert seen[0] == seen[1]


Removal = Callable[[Both, RedisSaver, list[str]], Any]
REMOVALS: dict[str, Removal] = {
    "keep 1": lambda both, saver, runs: both(saver.prune)(["t"]),
    "keep 3": lambda both, saver, runs: both(saver.prune)(["t"], keep_last=3),
    "keep 7": lambda both, saver, runs: both(saver.prune)(["t"], keep_last=7),
    "first run": lambda both, saver, runs: both(saver.delete_for_runs)(runs[:1]),
    "middle runs": lambda both, saver, runs: both(saver.delete_for_runs)(runs[2:4]),
    "last run": lambda both, saver, runs: both(saver.delete_for_runs)(runs[-1:]),
    "forked run": lambda both, saver, runs: both(saver.delete_for_runs)(["fork"]),
}


@pytest.mark.parametrize("removal", REMOVALS)
@pytest.mark.parametrize(("frequency", "both"), [(4, "sync"), (100, "async")], indirect=["both"])
@pytest.mark.parametrize("url", [servers.NEWEST], indirect=True)
async def test_what_stays_is_rebuilt_as_before(
    client: Client, saver: RedisSaver, both: Both, removal: str, frequency: int
) -> None:
    graph = made(frequency).compile(checkpointer=saver)
    runs = [f"run {turn}" for turn in range(6)]
    for turn, run in enumerate(runs):
        await talk(both, graph, range(turn, turn + 1), place(ns=None, run_id=run))
    early = list((await states(both, graph)).items())[-8][0]
    await talk(both, graph, range(20, 22), place(at=early, run_id="fork"))
    before = await states(both, graph)
    pruned = await REMOVALS[removal](both, saver, runs)
    after = await states(both, graph)
    assert {at(config) for config in pruned.checkpoints} == set(before) - set(after)
    assert after.items() <= before.items(), "no state is another one now"
    assert tidy(client)
    copied = await both(saver.copy_thread)("t", "copy")
    assert copied is None
    assert await states(both, graph, "copy") == after
    rest = await talk(both, graph, range(30, 32))
    copy = await talk(both, graph, range(30, 32), place("copy", None))
    assert rest == copy


TREE = st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.booleans()), min_size=2, max_size=14)


async def test_any_tree_stays_whole(real: Client) -> None:
    """A checkpoint's parent is some way back; it has a snapshot or not; its run is removed or not."""

    @share(2)
    @given(TREE, st.integers(1, 4), st.booleans())
    def check(nodes: list[tuple[int, bool, bool]], keep: int, by_run: bool) -> None:
        saver = RedisSaver(real, ttl_s=TTL_S)
        since: list[int] = []
        for number, (back, snapshot, goes) in enumerate(nodes):
            parent = number - 1 - back if number > back else None
            since.append(0 if snapshot else 1 + (since[parent] if parent is not None else 0))
            values = {"d": _DeltaSnapshot([number])} if snapshot else {}
            counters = {"counters_since_delta_snapshot": {"d": (since[-1], since[-1])}} if since[-1] else {}
            metadata = loop(number, run_id="goes" if goes else "stays", **counters)
            config = place(at=None if parent is None else f"{parent:03}")
            saver.put(config, checkpoint(values, {"d": number + 1}, f"{number:03}"), metadata, {"d": number + 1})
            saver.put_writes(place(at=f"{number:03}"), [("d", number)], "task")
        before = rebuilt(saver)
        gone = saver.delete_for_runs(["goes"]) if by_run else saver.prune(["t"], keep_last=keep)
        after = rebuilt(saver)
        assert {at(config) for config in gone.checkpoints} == set(before) - set(after)
        for i, (name, state) in enumerate(sorted(before.items())):
            if not nodes[i][2] if by_run else i >= len(nodes) - keep:
                assert after[name] == state
        assert tidy(real)
        saver.delete_thread("t")

    check()


def rebuilt(saver: RedisSaver) -> dict[str, Any]:
    """What each checkpoint's channel is made from."""
    return {
        at(one.config): one.checkpoint["channel_values"]
        or saver.get_delta_channel_history(config=one.config, channels=["d"])
        for one in saver.list(place())
    }
