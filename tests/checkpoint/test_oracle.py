"""What the saver gives is what `InMemorySaver` gives, whatever was done before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.base import WRITES_IDX_MAP
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.examples import share
from tests.support.saves import TTL_S, chain, checkpoint, listed, loop, names, ordered, place

THREADS = ["a", "a:b", "*"]
SPACES = ["", "x", "x|y:1"]
IDS = ["1", "2", "20", "21", "3"]
CHANNELS = ["m", "n", "with:colon|and\n", "__error__"]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
VALUE = st.one_of(
    st.none(),
    st.integers(-5, 5),
    TEXT,
    st.lists(st.integers(0, 3), max_size=3),
    st.lists(st.sampled_from(["x" * 70, "y" * 80, "z" * 700, "x" * 70]), max_size=6),
    st.dictionaries(st.integers(0, 3) | TEXT, st.integers(0, 3), max_size=2),
)
ABSENT = object()


@dataclass
class Put:
    """`values` maps channels to a new value or `ABSENT`; the other channels stay as the parent has them."""

    thread: str
    ns: str
    name: str
    parent: str
    values: dict[str, Any]
    kind: str
    metadata: dict[str, Any]


@dataclass
class Write:
    thread: str
    ns: str
    name: str
    writes: list[tuple[str, Any]]
    task: str
    path: str


@dataclass
class Delete:
    thread: str


@dataclass
class Look:
    """`before`, `limit` and `wanted` may be None."""

    thread: str | None
    ns: str | None
    before: str | None
    limit: int | None
    wanted: dict[str, Any] | None


WHERE = {"thread": st.sampled_from(THREADS), "ns": st.sampled_from(SPACES), "name": st.sampled_from(IDS)}
METADATA = st.fixed_dictionaries(
    {"source": st.sampled_from(["loop", "input"])},
    optional={"step": st.integers(-1, 2), "owner": TEXT | st.just("nul\0inside"), "tags": st.lists(TEXT, max_size=2)},
)
PUT = st.builds(
    Put,
    **WHERE,
    parent=st.sampled_from(["", *IDS]),
    values=st.dictionaries(st.sampled_from(CHANNELS), VALUE | st.just(ABSENT), max_size=3),
    kind=st.sampled_from(["int", "float", "str"]),
    metadata=METADATA,
)
WRITE = st.builds(
    Write,
    **WHERE,
    writes=st.lists(st.tuples(st.sampled_from([*CHANNELS, *WRITES_IDX_MAP]), VALUE), max_size=3),
    task=st.sampled_from(["t1", "t2", "t:3"]),
    path=st.sampled_from(["", "~a", "~b, 2", "\x01"]),
)
LOOK = st.builds(
    Look,
    thread=st.none() | st.sampled_from([*THREADS, "other"]),
    ns=st.none() | st.sampled_from(SPACES),
    before=st.none() | st.sampled_from(["", *IDS]),
    limit=st.none() | st.integers(0, 4),
    wanted=st.none() | METADATA | st.just({"owner": None}),
)
LIFE = st.lists(st.one_of(PUT, PUT, WRITE, st.builds(Delete, st.sampled_from(THREADS))), max_size=25)


class World:
    """The same done to a saver and to the oracle."""

    def __init__(self, both: Both, saver: RedisSaver) -> None:
        self.both = both
        self.saver = saver
        self.oracle = InMemorySaver(serde=saver.serde)
        self.counter = 0
        self.versions: dict[tuple[str, str, str], dict[str, Any]] = {}

    async def do(self, step: Any) -> None:
        for name, arguments in (self.calls(step),):
            done = await self.both(getattr(self.saver, name))(*arguments)
            assert done == getattr(self.oracle, name)(*arguments)

    def calls(self, step: Any) -> tuple[str, tuple[Any, ...]]:
        if isinstance(step, Delete):
            return "delete_thread", (step.thread,)
        if isinstance(step, Write):
            return "put_writes", (place(step.thread, step.ns, step.name), step.writes, step.task, step.path)
        self.counter += 1
        spelled: dict[str, Callable[[int], Any]] = {
            "int": int,
            "float": lambda n: n + 0.5,
            "str": lambda n: f"{n:032}.0.7",
        }
        version = spelled[step.kind](self.counter)
        new = dict.fromkeys(step.values, version)
        versions = self.versions.get((step.thread, step.ns, step.parent), {}) | new
        self.versions[step.thread, step.ns, step.name] = versions
        values = {name: value for name, value in step.values.items() if value is not ABSENT}
        stored = checkpoint(values, versions, step.name)
        return "put", (place(step.thread, step.ns, step.parent or None), stored, step.metadata, new)

    async def equal(self, looks: list[Look]) -> None:
        for thread in THREADS:
            for ns in SPACES:
                for name in (None, *IDS):
                    config = place(thread, ns, name)
                    found, expected = await self.both(self.saver.get_tuple)(config), self.oracle.get_tuple(config)
                    assert found == expected
                    if found is not None:
                        assert types(found) == types(expected)
        for look in looks:
            config = None if look.thread is None else place(look.thread, look.ns)
            options: dict[str, Any] = {"filter": look.wanted}
            if look.before is not None:
                options["before"] = place("anything", "anywhere", look.before)
            everything = list(self.oracle.list(config, **options))
            found = await listed(self.both, self.saver, config, limit=look.limit, **options)
            if look.thread is not None and look.ns is not None:
                assert found == everything[: look.limit]
            elif look.limit is None:
                assert ordered(found) == ordered(everything)
            else:
                assert len(found) == min(look.limit, len(everything))
                assert all(one in everything for one in found)


def types(found: Any) -> list[Any]:
    versions = found.checkpoint["channel_versions"].items()
    values = found.checkpoint["channel_values"].items()
    return sorted([(name, type(version).__name__, repr(version)) for name, version in versions]) + sorted(
        [(name, type(value).__name__, repr(value)) for name, value in values]
    )


@pytest.mark.slow
async def test_any_life_gives_what_the_oracle_gives(client: Client, both: Both) -> None:
    def run(steps: list[Any], looks: list[Look]) -> None:
        async def live() -> None:
            world = World(both, RedisSaver(client, ttl_s=TTL_S, tenant=uuid4().hex, compress_from_bytes=256))
            for step in steps:
                await world.do(step)
            await world.equal([*looks, Look(None, None, None, None, None)])

        asyncio.run(live())

    @share(2)
    @given(LIFE, st.lists(LOOK, max_size=4))
    def check(steps: list[Any], looks: list[Look]) -> None:
        run(steps, looks)

    await asyncio.to_thread(check)


# --- rules, one by one ----------------------------------------------------------------------------


@pytest.fixture
def saver(client: Client) -> RedisSaver:
    return RedisSaver(client, ttl_s=TTL_S)


Oracle = Callable[[], Any]


@pytest.fixture(params=["memory", "sqlite"])
async def oracle(request: pytest.FixtureRequest, both: Both) -> AsyncIterator[Any]:
    """The savers of LangGraph itself, each of the colour that is tested."""
    if request.param == "memory":
        yield InMemorySaver()
    elif both.asynchronous:
        async with AsyncSqliteSaver.from_conn_string(":memory:") as kept:
            yield kept
    else:
        with SqliteSaver.from_conn_string(":memory:") as kept:
            yield kept


async def test_writes_come_in_the_order_of_path_task_and_index(saver: RedisSaver, oracle: Any, both: Both) -> None:
    for kept in (saver, oracle):
        config = await both(kept.put)(place(), checkpoint(name="1"), loop(), {})
        for task, path in (("z", "~a"), ("a", "~b"), ("m", ""), ("b", "~a"), ("b2", "~a, 10"), ("b3", "~a, 9")):
            await both(kept.put_writes)(config, [(f"c{i}", [task, i]) for i in range(12)], task, path)
        await both(kept.put_writes)(config, [("__error__", "boom"), ("c", 1)], "b", "~a")
    found, expected = [(await both(kept.get_tuple)(place())).pending_writes for kept in (saver, oracle)]
    assert len(found) == 73
    assert found == expected


async def test_a_write_stays_and_a_special_one_changes(saver: RedisSaver, oracle: Any, both: Both) -> None:
    for kept in (saver, oracle):
        config = await both(kept.put)(place(), checkpoint(name="1"), loop(), {})
        for turn in range(3):
            await both(kept.put_writes)(config, [("a", turn), ("b", turn)], "task")
            for special in WRITES_IDX_MAP:
                await both(kept.put_writes)(config, [(special, turn)], "task", f"~{turn}")
        await both(kept.put_writes)(config, [("other", 7), ("b", 8), ("c", 9)], "task")
        await both(kept.put_writes)(config, [("__interrupt__", [1]), ("__interrupt__", [2])], "two")
    found, expected = [(await both(kept.get_tuple)(place())).pending_writes for kept in (saver, oracle)]
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert ("task", "a", 0) in found
    assert ("task", "__error__", 2) in found
    assert ("two", "__interrupt__", [2]) in found
    assert len(found) == 3 + len(WRITES_IDX_MAP) + 1


async def test_an_older_checkpoint_stored_again_is_not_the_latest(saver: RedisSaver, oracle: Any, both: Both) -> None:
    for kept in (saver, oracle):
        for name in ("1", "3", "2", "1"):
            await both(kept.put)(place(), checkpoint({"a": name}, {"a": int(name)}, name), loop(), {"a": int(name)})
    for kept in (saver, oracle):
        found = await both(kept.get_tuple)(place())
        assert found.checkpoint["id"] == "3"
        assert found.checkpoint["channel_values"] == {"a": "3"}
        assert names(await listed(both, kept, place())) == ["3", "2", "1"]


@pytest.mark.slow
async def test_all_namespaces_and_threads_newest_first(saver: RedisSaver, both: Both) -> None:
    with SqliteSaver.from_conn_string(":memory:") as oracle:
        for kept, hue in ((saver, both), (oracle, Both(asynchronous=False))):
            for i in range(230):
                spot = place(f"thread {i % 2}", ["", "x", "xy", "x:y"][i % 4])
                await hue(kept.put)(spot, checkpoint(name=f"{i * 7 % 230:04}"), loop(i % 3), {})
        for options in ({}, {"limit": 101}, {"before": place(at="0120")}, {"filter": {"step": 1}, "limit": 50}):
            for thread in ("thread 0", "thread 1"):
                found = await listed(both, saver, place(thread, None), **options)
                expected = list(oracle.list(place(thread, None), **options))
                assert names(found) == names(expected), "as SqliteSaver orders them"
                assert [one.metadata for one in found] == [one.metadata for one in expected]
            found = await listed(both, saver, None, **options)
            assert len(found) == len(list(oracle.list(None, **options)))


async def test_a_config_that_names_a_checkpoint_lists_only_that(saver: RedisSaver, both: Both) -> None:
    oracle = InMemorySaver()
    for kept, hue in ((saver, both), (oracle, Both(asynchronous=False))):
        for ns in ("", "x"):
            for name in ("1", "2"):
                await hue(kept.put)(place(ns=ns), checkpoint(name=name), loop(), {})
    for config in (place(at="1"), place(ns="x", at="2"), place(ns=None, at="2"), place(at="9"), place(ns="y", at="1")):
        for options in ({}, {"limit": 5}, {"before": place(at="2")}, {"filter": {"source": "x"}}):
            found = await listed(both, saver, config, **options)
            expected = list(oracle.list(config, **options))
            assert ordered(found) == ordered(expected)


ODD = ["a,b", "a:b:checkpoints", "*", "[a-z]?", "}{x}", "a\nb", "🦊👩‍👩‍👧", "x" * 1024, "%2F", " ", "\0", "a/b"]
ODD += ["\u00e9", "e\u0301"]


async def test_strange_threads_are_apart(saver: RedisSaver, both: Both) -> None:
    for i, thread in enumerate(ODD):
        config = await both(saver.put)(place(thread), checkpoint({"a": i}), loop(run_id=f"{thread}/r"), {"a": 1})
        await both(saver.put_writes)(config, [("a", thread)], "task")
    for i, thread in enumerate(ODD):
        found = await both(saver.get_tuple)(place(thread))
        assert found.checkpoint["channel_values"] == {"a": i}
        assert found.pending_writes == [("task", "a", thread)]
        assert found.config["configurable"]["thread_id"] == thread
        assert len(await listed(both, saver, place(thread, None))) == 1
    everything = await listed(both, saver, None)
    assert sorted(one.config["configurable"]["thread_id"] for one in everything) == sorted(ODD)
    await both(saver.delete_for_runs)([f"{ODD[0]}/r"])
    for thread in ODD[1:]:
        await both(saver.delete_thread)(thread)
        assert await both(saver.get_tuple)(place(thread)) is None
    assert await listed(both, saver, None) == []


async def test_the_parts_of_names_do_not_run_together(saver: RedisSaver, both: Both) -> None:
    spots = [("a:b", "c"), ("a", "b:c"), ("a", "b"), ("a|b", ""), ("a", "|b"), ("a", "")]
    for i, (thread, ns) in enumerate(spots):
        values = {"x:1": i, "x": [f"{i}" * 80], "x:1:1": -i}
        await both(saver.put)(place(thread, ns), checkpoint(values, name="b"), loop(), dict.fromkeys(values, 1))
    for i, (thread, ns) in enumerate(spots):
        found = await both(saver.get_tuple)(place(thread, ns, "b"))
        assert found.checkpoint["channel_values"] == {"x:1": i, "x": [f"{i}" * 80], "x:1:1": -i}
    assert len(await listed(both, saver, place("a", None))) == 4


@pytest.mark.slow
async def test_two_hundred_writes_at_once_are_all_kept(client: Client) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S)
    config = await saver.aput(place(), checkpoint(), loop(), {})
    await asyncio.gather(*(saver.aput_writes(config, [("a", i), ("b", -i)], f"task {i:03}") for i in range(200)))
    found = await saver.aget_tuple(place())
    assert found is not None
    assert found.pending_writes == [
        (f"task {i:03}", channel, value) for i in range(200) for channel, value in (("a", i), ("b", -i))
    ]


async def test_a_write_may_come_before_its_checkpoint(saver: RedisSaver, oracle: Any, both: Both) -> None:
    for kept in (saver, oracle):
        await both(kept.put_writes)(place(at="5"), [("a", 1)], "task")
        assert await both(kept.get_tuple)(place(at="5")) is None
        assert await both(kept.get_tuple)(place()) is None
        assert await listed(both, kept, place()) == []
        await both(kept.put)(place(), checkpoint(name="5"), loop(), {})
        assert (await both(kept.get_tuple)(place())).pending_writes == [("task", "a", 1)]


async def test_a_version_stored_again_is_what_was_stored_last(saver: RedisSaver, both: Both) -> None:
    oracle = InMemorySaver()
    for kept, hue in ((saver, both), (oracle, Both(asynchronous=False))):
        for i, value in enumerate([["x" * 80, "y" * 80], ["y" * 80], "text", ["z" * 80, "x" * 80], {"a": 1}]):
            await hue(kept.put)(place(), checkpoint({"a": value}, name=f"{i}"), loop(), {"a": 1})
    assert await listed(both, saver, place()) == list(oracle.list(place()))


async def test_a_version_stored_again_without_a_value_breaks_no_other_checkpoint(
    client: Client, saver: RedisSaver, both: Both
) -> None:
    for name, value in (("1", ["x" * 80]), ("2", ABSENT), ("3", "text"), ("4", ABSENT)):
        state = {} if value is ABSENT else {"a": value}
        await both(saver.put)(place(), checkpoint(state, {"a": 1}, name), loop(), {"a": 1})
        found = await both(saver.get_tuple)(place())
        assert found.checkpoint["channel_values"] == state
        assert len(await listed(both, saver, place())) == int(name), "all can be read"
    assert len((await both(saver.prune)(["t"])).checkpoints) == 3
    assert len(await listed(both, saver, place())) == 1


async def test_get_is_the_checkpoint_of_get_tuple(saver: RedisSaver, both: Both) -> None:
    assert await both(saver.get)(place()) is None
    await chain(both, saver, [{"a": 1}, {"a": 2}])
    assert (await both(saver.get)(place()))["channel_values"] == {"a": 2}


async def test_a_new_version_is_greater_and_differs_on_each_branch(saver: RedisSaver) -> None:
    for start in (None, 1, 3.5, "00000000000000000000000000000007.0.5"):
        version, seen = start, []
        for _ in range(50):
            version = saver.get_next_version(version, None)
            seen.append(version)
        assert seen == sorted(seen)
        assert len(set(seen)) == 50
        assert len({type(one) for one in seen}) == 1
        assert len({saver.get_next_version(seen[-1], None) for _ in range(20)}) > 1, "two branches of one fork"


async def test_what_is_given_back_belongs_to_the_caller(saver: RedisSaver, both: Both) -> None:
    value = {"a": [{"b": ["x" * 80]}], "c": {"d": {1: 2}}}
    config = await both(saver.put)(place(), checkpoint(value), loop(), {"a": 1, "c": 1})
    first = await both(saver.get_tuple)(config)
    first.checkpoint["channel_values"]["a"].append(1)
    first.checkpoint["channel_values"]["c"]["d"] = 0
    first.checkpoint["channel_versions"]["z"] = 1
    assert (await both(saver.get_tuple)(config)).checkpoint["channel_values"] == value
