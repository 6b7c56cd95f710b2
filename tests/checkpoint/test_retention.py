"""Removing: what goes goes with all that only it referred to, what stays is untouched; copies; and lifetimes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage

from langchain_redis_memory.checkpoint.prune import PruneReport
from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.checkpoint.thread import Thread
from langchain_redis_memory.errors import ConflictError
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.support import servers
from tests.support.examples import share
from tests.support.raw import raw
from tests.support.saves import TTL_S, at, chain, checkpoint, hashed, listed, loop, names, place, size, tidy
from tests.support.servers import wait_for


@pytest.fixture
def saver(client: Client) -> RedisSaver:
    return RedisSaver(client, ttl_s=TTL_S)


def talk(turns: int, window: int | None = None) -> list[dict[str, Any]]:
    """States of a conversation, perhaps with a window that forgets."""
    said = [HumanMessage(f"{i} " + "word " * 20, id=f"m{i}") for i in range(turns)]
    return [
        {"messages": said[max(0, i - window) if window else 0 : i + 1], "topic": "x" * 100, "turn": i}
        for i in range(turns)
    ]


def keys(client: Client, thread: str = "t") -> int:
    return int(raw(client, ("EXISTS", *client.keys().thread(thread).all()))[0])


# --- prune ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("keep", [1, 3, 99])
async def test_prune_keeps_the_newest_of_each_namespace(
    client: Client, saver: RedisSaver, both: Both, keep: int
) -> None:
    for ns, window in (("", None), ("x", 4), ("xy", 2)):
        for i, config in enumerate(await chain(both, saver, talk(10, window), ns=ns)):
            await both(saver.put_writes)(config, [("messages", f"{i} " + "w" * 100)], "task")
    before = await listed(both, saver, place(ns=None))
    bytes_before = size(client)
    told = await both(saver.prune)(["t", "not there"], keep_last=keep, dry_run=True)
    assert await listed(both, saver, place(ns=None)) == before, "a dry run changes nothing"
    assert size(client) == bytes_before
    pruned = await both(saver.prune)(["t", "not there"], keep_last=keep)
    assert pruned == told
    after = await listed(both, saver, place(ns=None))
    assert all(one in before for one in after)
    assert len(after) == 3 * min(keep, 10)
    assert sorted(map(at, pruned.checkpoints)) == sorted(set(names(before)) - set(names(after)))
    for ns in ("", "x", "xy"):
        kept = [one for one in after if one.config["configurable"]["checkpoint_ns"] == ns]
        assert names(kept) == names([one for one in before if one.config["configurable"]["checkpoint_ns"] == ns])[:keep]
    assert tidy(client)
    # what the order of checkpoints takes is not counted
    assert 0 <= bytes_before - size(client) - pruned.bytes <= 100 * len(pruned.checkpoints)
    assert await both(saver.prune)(["t"], keep_last=keep) == PruneReport([], 0)
    more = await chain(both, saver, talk(12), ns="new")
    assert (await both(saver.get_tuple)(more[-1])).checkpoint["channel_values"] == talk(12)[-1]
    assert tidy(client)


def aged(client: Client, name: str, hours: float) -> None:
    """Makes a stored checkpoint look as if it had been written earlier."""
    key = client.keys().thread("t").checkpoints
    record = hashed(client, key)[b"\0" + name.encode()]
    written = int(record[1:14]) - round(hours * 3_600_000)
    raw(client, ("HSET", key, b"\0" + name.encode(), record[:1] + b"%013d" % written + record[14:]))


async def test_prune_by_age(client: Client, saver: RedisSaver, both: Both) -> None:
    for i, hours in enumerate((50, 30, 10, 1, 0)):
        await both(saver.put)(place(), checkpoint({"a": f"{i}" * 90}, {"a": i}, f"{i}"), loop(), {"a": i})
        aged(client, f"{i}", hours)
    pruned = await both(saver.prune)(["t"], older_than_s=24 * 3600)
    assert sorted(map(at, pruned.checkpoints)) == ["0", "1"]
    assert await both(saver.prune)(["t"], keep_last=3, older_than_s=0.001) == PruneReport([], 0)
    pruned = await both(saver.prune)(["t"], strategy="delete", older_than_s=5 * 3600)
    assert names(await listed(both, saver, place())) == ["4", "3"]
    assert tidy(client)


@pytest.mark.parametrize("wrong", ["1999-01-02T03:04:05+00:00", "2999-01-02T03:04:05+00:00", "long ago"])
async def test_the_age_of_a_checkpoint_is_measured_by_the_server(
    client: Client, saver: RedisSaver, both: Both, wrong: str
) -> None:
    for name in ("1", "2", "3"):
        await both(saver.put)(place(), checkpoint({}, {}, name) | {"ts": wrong}, loop(), {})
    assert await both(saver.prune)(["t"], older_than_s=3600) == PruneReport([], 0)

    def milliseconds() -> int:
        seconds, rest = raw(client, ("TIME",))[0]
        return int(seconds) * 1000 + int(rest) // 1000

    start = milliseconds()
    wait_for(lambda: milliseconds() > start + 2)
    pruned = await both(saver.prune)(["t"], older_than_s=0.001)
    assert sorted(map(at, pruned.checkpoints)) == ["1", "2"]


@pytest.mark.parametrize("strategy", ["delete", "delete_all"])
async def test_the_strategy_delete_leaves_nothing(client: Client, saver: RedisSaver, both: Both, strategy: str) -> None:
    for thread in ("t", "u", "v"):
        await chain(both, saver, talk(4), thread)
    told = await both(saver.prune)(["t", "u"], strategy=strategy, dry_run=True)
    assert keys(client, "t") == keys(client, "u") == 4
    assert await both(saver.prune)(["t", "u"], strategy=strategy) == told
    assert keys(client, "t") == keys(client, "u") == 0
    assert {one.config["configurable"]["thread_id"] for one in await listed(both, saver, None)} == {"v"}
    assert raw(client, ("ZRANGEBYLEX", client.keys().threads()[0], "[a", "(b")) == [[b"av"]]
    assert await both(saver.prune)([], strategy=strategy) == PruneReport([], 0)


async def test_prune_of_nothing_sends_nothing(saver: RedisSaver, both: Both, trips: list[Trip]) -> None:
    assert await both(saver.prune)([]) == PruneReport([], 0)
    assert await both(saver.delete_for_runs)([]) == PruneReport([], 0)
    assert trips == []


@pytest.mark.slow
@pytest.mark.parametrize("url", servers.TWO, indirect=True)
async def test_any_life_of_lists_is_tidy_afterwards(client: Client) -> None:
    """Lists that grow, shrink, repeat and are shared; forks; then any removal."""
    both = Both(asynchronous=False)
    texts = st.sampled_from([f"{i}" * 80 for i in range(8)])
    node = st.tuples(st.integers(0, 5), st.lists(texts, max_size=6), st.sampled_from(["m", "n"]), st.sampled_from("ab"))

    @share(2)
    @given(st.lists(node, min_size=1, max_size=12), st.integers(1, 4), st.sampled_from(["prune", "runs", "run by run"]))
    def check(nodes: list[Any], keep: int, how: str) -> None:
        saver = RedisSaver(client, ttl_s=TTL_S)
        states: list[tuple[dict[str, Any], dict[str, int]]] = []
        for i, (back, value, channel, run) in enumerate(nodes):
            parent = i - 1 - back if i > back else None
            values, versions = states[parent] if parent is not None else ({}, {})
            states.append((values | {channel: value}, versions | {channel: i + 1}))
            config = place(at=None if parent is None else f"{parent:02}")
            made = checkpoint(*states[-1], f"{i:02}")
            made_config = saver.put(config, made, loop(run_id=run), {channel: i + 1})
            saver.put_writes(made_config, [(channel, value)], "task")
        before = {at(one.config): one for one in saver.list(place())}
        if how == "prune":
            saver.prune(["t"], keep_last=keep)
        else:
            saver.delete_for_runs(["a", "b"][: 1 if how == "runs" else 2])
        after = {at(one.config): one for one in saver.list(place())}
        assert after.items() <= before.items()
        assert len(after) == {"prune": min(keep, len(nodes)), "runs": sum(n[3] == "b" for n in nodes)}.get(how, 0)
        assert tidy(client)
        if not after:
            assert keys(client) == 0
        saver.delete_thread("t")

    await asyncio.to_thread(check)
    assert await listed(both, RedisSaver(client), None) == []


async def test_removed_elements_are_sent_again(client: Client, saver: RedisSaver, both: Both) -> None:
    states = talk(6, window=1)
    await chain(both, saver, states)
    await both(saver.prune)(["t"])
    config = await both(saver.put)(place(), checkpoint(states[1], {"messages": 99}), loop(), {"messages": 99})
    found = (await both(saver.get_tuple)(config)).checkpoint["channel_values"]
    assert found == {"messages": states[1]["messages"]}
    assert tidy(client)


@pytest.mark.slow
async def test_puts_while_pruning_lose_nothing(client: Client) -> None:
    saver, other = RedisSaver(client, ttl_s=TTL_S), RedisSaver(client, ttl_s=TTL_S)
    both = Both(asynchronous=True)
    states = talk(40, window=3)
    await chain(both, saver, states[:3])
    done = asyncio.Event()

    async def prune() -> int:
        conflicts = 0
        while not done.is_set():
            try:
                await other.aprune(["t"], keep_last=2)
            except ConflictError:
                conflicts += 1
            await asyncio.sleep(0)
        return conflicts

    async def put() -> None:
        config, version = place(), 1000
        for state in states:
            version += 1
            made = checkpoint(state, dict.fromkeys(state, version))
            config = await saver.aput(config, made, loop(), dict.fromkeys(state, version))
            await saver.aput_writes(config, [("messages", state["messages"])], "task")
            found = await saver.aget_tuple(place())
            assert found is not None
            assert found.checkpoint["channel_values"] == state
            assert found.pending_writes == [("task", "messages", state["messages"])]
        done.set()

    await asyncio.gather(prune(), put())
    await saver.aprune(["t"])
    assert tidy(client)


async def test_a_prune_that_never_gets_through_is_said(client: Client, both: Both, monkeypatch: Any) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S)
    await chain(both, saver, talk(3))
    before = await listed(both, saver, place())
    key = client.keys().thread("t").checkpoints
    lists = Thread.lists

    def meanwhile(thread: Thread, *arguments: Any) -> Any:
        raw(client, ("HINCRBY", key, "", 1))
        return lists(thread, *arguments)

    monkeypatch.setattr(Thread, "lists", meanwhile)
    with pytest.raises(ConflictError, match="'t'"):
        await both(saver.prune)(["t"])
    assert await listed(both, saver, place()) == before


@pytest.mark.parametrize("known", [True, False], ids=["at a checkpoint", "before its checkpoint"])
async def test_a_write_while_pruning_keeps_its_elements(
    client: Client, both: Both, monkeypatch: Any, known: bool
) -> None:
    saver, said = RedisSaver(client, ttl_s=TTL_S), talk(5)[-1]["messages"]
    configs = await chain(both, saver, [{"m": said}, {"m": said[:1]}])
    where = configs[-1] if known else place(at="2")
    drop, late = Thread.drop, list[str]()

    def meanwhile(*arguments: Any, **options: Any) -> Any:
        if not late:
            late.append("late")
            saver.put_writes(where, [("m", said)], "late")
        return drop(*arguments, **options)

    monkeypatch.setattr(Thread, "drop", meanwhile)
    await both(saver.prune)(["t"])
    if not known:
        await both(saver.put)(configs[-1], checkpoint({}, name="2"), loop(), {})
    found = await both(saver.get_tuple)(where)
    assert found.pending_writes == [("late", "m", said)]
    assert await both(saver.prune)(["t"]) == PruneReport([], 0) or not known
    assert (await both(saver.get_tuple)(where)).pending_writes == [("late", "m", said)]


async def test_writes_that_wait_for_their_checkpoint_keep_their_elements(client: Client, both: Both) -> None:
    saver, said = RedisSaver(client, ttl_s=TTL_S), talk(5)[-1]["messages"]
    configs = await chain(both, saver, [{"m": said}, {"m": said[:1]}])
    await both(saver.put_writes)(place(at="2"), [("m", said)], "early")
    await both(saver.prune)(["t"])
    await both(saver.put)(configs[-1], checkpoint({}, name="2"), loop(), {})
    assert (await both(saver.get_tuple)(place(at="2"))).pending_writes == [("early", "m", said)]


# --- runs -------------------------------------------------------------------------------------------


async def test_runs_are_removed_across_threads_and_namespaces(client: Client, saver: RedisSaver, both: Both) -> None:
    for thread in ("t", "u", "with/slash"):
        for ns in ("", "x"):
            for i in range(4):
                state = {"a": [f"{i}" * 90, "same" * 30]}
                config = place(thread, ns, run_id=f"run/{i % 2}")
                made = await both(saver.put)(config, checkpoint(state, {"a": i}, f"{i}"), loop(), {"a": i})
                await both(saver.put_writes)(made, [("a", i)], "task")
    pruned = await both(saver.delete_for_runs)(["run/0", "run", "nobody"])
    assert len(pruned.checkpoints) == 12
    assert pruned.bytes > 12 * 100
    for thread in ("t", "u", "with/slash"):
        assert tidy(client, thread)
        for ns in ("", "x"):
            left = await listed(both, saver, place(thread, ns))
            assert names(left) == ["3", "1"]
            assert [one.checkpoint["channel_values"]["a"] for one in left] == [
                ["3" * 90, "same" * 30],
                ["1" * 90, "same" * 30],
            ]
            assert [len(one.pending_writes or ()) for one in left] == [1, 1]
    await both(saver.delete_for_runs)(["run/1"])
    assert [keys(client, thread) for thread in ("t", "u", "with/slash")] == [0, 0, 0]
    assert await listed(both, saver, None) == []


async def test_runs_on_a_cluster(cluster: Client, both: Both) -> None:
    saver = RedisSaver(cluster, ttl_s=TTL_S)
    for i in range(30):
        await both(saver.put)(place(f"t{i}", run_id=f"r{i % 3}"), checkpoint({"a": i}), loop(), {"a": 1})
    assert len(await listed(both, saver, None)) == 30
    assert len((await both(saver.delete_for_runs)(["r0", "r1"])).checkpoints) == 20
    assert len(await listed(both, saver, None)) == 10
    await both(saver.copy_thread)("t2", "copied")
    await both(saver.delete_thread)("t2")
    assert (await both(saver.get_tuple)(place("copied"))).checkpoint["channel_values"] == {"a": 2}
    assert len((await both(saver.prune)([f"t{i}" for i in range(30)], strategy="delete")).checkpoints) == 9
    assert len(await listed(both, saver, None)) == 1


# --- copies and deletion ----------------------------------------------------------------------------


async def test_a_copy_is_the_same_and_apart(client: Client, saver: RedisSaver, both: Both) -> None:
    for ns in ("", "x"):
        for config in await chain(both, saver, talk(4), ns=ns):
            await both(saver.put_writes)(config, [("a", [1]), ("__error__", "e")], "task", "~1")
    await both(saver.copy_thread)("t", "copy")

    async def content(thread: str) -> list[Any]:
        return [one[1:3] + one[4:] for one in await listed(both, saver, place(thread, None))]

    expected = await content("t")
    assert await content("copy") == expected
    with pytest.raises(ConflictError):
        await both(saver.copy_thread)("t", "copy")
    await both(saver.prune)(["t"])
    assert await content("copy") == expected
    await both(saver.delete_thread)("t")
    assert await content("copy") == expected
    assert tidy(client, "copy")
    await both(saver.copy_thread)("t", "nothing")
    assert keys(client, "nothing") == 0
    await both(saver.put)(place("copy"), checkpoint(talk(9)[-1], {"messages": 99}), loop(), {"messages": 99})
    assert (await both(saver.get_tuple)(place("copy"))).checkpoint["channel_values"]["messages"] == talk(9)[-1][
        "messages"
    ]


async def test_a_copy_is_found_by_the_runs_of_its_source(client: Client, saver: RedisSaver, both: Both) -> None:
    await both(saver.put)(place(run_id="r"), checkpoint({"a": 1}), loop(), {"a": 1})
    await both(saver.copy_thread)("t", "copy")
    assert len((await both(saver.delete_for_runs)(["r"])).checkpoints) == 2
    assert keys(client, "copy") == 0


async def test_delete_thread_leaves_no_key(client: Client, saver: RedisSaver, both: Both) -> None:
    for thread in ("t", "t:u", "t*"):
        for config in await chain(both, saver, talk(3), thread, ns="x"):
            await both(saver.put_writes)(config, [("a", 1)], "task")
    await both(saver.delete_thread)("t*")
    await both(saver.delete_thread)("not there")
    assert [keys(client, thread) for thread in ("t", "t:u", "t*")] == [4, 4, 0]
    await both(saver.delete_thread)("t")
    await both(saver.delete_thread)("t:u")
    assert raw(client, ("EXISTS", *client.keys().threads())) == [0]
    assert hashed(client, client.keys().thread("t").blobs) == {}
    assert await both(saver.get_tuple)(place(ns="x")) is None
    wait_for(lambda: keys(client, "t:u") == 0)
