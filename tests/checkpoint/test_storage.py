"""What the saver costs and how long it keeps: round trips, bytes stored and sent, lifetimes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import START, MessagesState, StateGraph

from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.ops import Call
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.support import servers
from tests.support.raw import raw
from tests.support.saves import TTL_S, at, chain, checkpoint, hashed, listed, loop, names, place, size, tidy
from tests.support.servers import wait_for


def saying(number: int, start: int = 0) -> list[Any]:
    return [HumanMessage(f"{i} " + "word " * 30, id=f"m{i}") for i in range(start, start + number)]


class Wire:
    """Counts what a client sends."""

    def __init__(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[Call] = []
        for name in ("run", "arun"):
            monkeypatch.setattr(client, name, self._noting(getattr(client, name)))

    def _noting(self, method: Any) -> Any:
        def noted(op: Any) -> Any:
            self.calls += [command for command in op.commands if isinstance(command, Call)]
            return method(op)

        return noted

    def sent(self, name: str = "checkpoint/checkpoint_put") -> int:
        """Bytes of the arguments of a script since the last question."""
        found = sum(
            len(arg) if isinstance(arg, bytes) else len(str(arg).encode())
            for call in self.calls
            if call.script.name == name
            for arg in call.args
        )
        self.calls.clear()
        return found


# --- round trips ------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_round_trips(client: Client, both: Both, trips: list[Trip]) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S, touch_on_read=True)

    async def spent(method: Callable[..., Any], *arguments: Any, **options: Any) -> int:
        trips.clear()
        if method.__name__ == "list":
            await listed(both, saver, *arguments, **options)
        else:
            await both(method)(*arguments, **options)
        return len(trips)

    async def round_of(thread: str) -> dict[str, int]:
        states = [{"messages": saying(i + 1), "a": i} for i in range(40)]
        configs = await chain(both, saver, states, thread)
        new = {"messages": 99}
        again = checkpoint({"messages": saying(41)}, new)
        return {
            "put": await spent(saver.put, configs[-1] | {"metadata": {"run_id": "r"}}, again, loop(), new),
            "put_writes": await spent(saver.put_writes, configs[-1], [("a", 1), ("b", [saying(3)])], "task", "~1"),
            "get_tuple": await spent(saver.get_tuple, place(thread)),
            "get_tuple of one": await spent(saver.get_tuple, configs[3]),
            "list": await spent(saver.list, place(thread), limit=100),
            "list of ten": await spent(saver.list, place(thread, None), limit=10),
            "delta": await spent(saver.get_delta_channel_history, config=configs[-1], channels=["a", "b"]),
            "copy": await spent(saver.copy_thread, thread, f"{thread} copied"),
            "prune": await spent(saver.prune, [thread], keep_last=5),
            "delete_for_runs": await spent(saver.delete_for_runs, ["r"]),
            "persist": await spent(saver.persist, f"{thread} copied"),
            "delete_thread": await spent(saver.delete_thread, thread),
            "delete the copy": await spent(saver.delete_thread, f"{thread} copied"),
        }

    await round_of("warm")  # the scripts may be new to the server
    assert await round_of("t") == {
        "put": 1, "put_writes": 1, "get_tuple": 1, "get_tuple of one": 1, "list": 1, "list of ten": 1, "delta": 1,
        "copy": 2, "prune": 3, "delete_for_runs": 4, "persist": 1, "delete_thread": 1, "delete the copy": 1,
    }  # fmt: skip


@pytest.mark.parametrize("url", servers.REAL_TABLE, indirect=True)
async def test_pages(client: Client, both: Both, trips: list[Trip]) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S)
    for i in range(2):  # the scripts may be new to the server
        await saver.aput(place("warm"), checkpoint({"a": i}, {"a": i}, f"{i:04}"), loop(i), {"a": i})
    await listed(both, saver, place("warm"))
    await both(saver.prune)(["warm"])
    await asyncio.gather(
        *(saver.aput(place(), checkpoint({"a": i}, {"a": i}, f"{i:04}"), loop(i % 2), {"a": i}) for i in range(1050))
    )
    trips.clear()
    assert len(await listed(both, saver, place(), limit=250)) == 250
    assert len(trips) == 3
    trips.clear()
    first = saver.list(place())
    assert [next(first).checkpoint["id"] for _ in range(100)][::99] == ["1049", "0950"]
    assert len(trips) == 1, "the next page is not read before it is asked for"
    assert next(first).checkpoint["id"] == "0949"
    assert len(trips) == 2
    everything = await listed(both, saver, place())
    assert names(everything) == [f"{i:04}" for i in reversed(range(1050))]
    assert len(await listed(both, saver, place(), filter={"step": 1}, before=place(at="0501"), limit=220)) == 220
    trips.clear()
    pruned = await both(saver.prune)(["t"], keep_last=2)
    assert len(pruned.checkpoints) == 1048
    assert len(trips) <= 2 + 2
    assert tidy(client)


@pytest.mark.parametrize("url", servers.REAL_TABLE, indirect=True)
async def test_many_threads_are_pruned_in_step(client: Client, both: Both, trips: list[Trip]) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S)
    for i in range(12):
        await chain(both, saver, [{"messages": saying(n + 1)} for n in range(3)], f"t{i}")
    await both(saver.prune)(["t0"])
    trips.clear()
    assert len((await both(saver.prune)([f"t{i}" for i in range(12)])).checkpoints) == 22
    assert len(trips) == 3


# --- bytes --------------------------------------------------------------------------------------------


def graph(saver: RedisSaver) -> Any:
    def answer(state: MessagesState) -> Any:
        asked = state["messages"][-1]
        usage = {"input_tokens": 9, "output_tokens": 9, "total_tokens": 18}
        text = f"{asked.content} " + "".join(chr(97 + (i * i + int(asked.id or 0) * i) % 26) for i in range(400))
        return {"messages": [AIMessage(text, id=f"a{asked.id}", usage_metadata=usage)]}

    builder = StateGraph(MessagesState)
    builder.add_node("answer", answer)
    builder.add_edge(START, "answer")
    return builder.compile(checkpointer=saver)


async def test_storage_grows_with_the_turns(real: Client, both: Both) -> None:
    run = both(graph(RedisSaver(real, ttl_s=TTL_S)).invoke)
    sizes = {}
    for turn in range(1, 51):
        said = "".join(chr(97 + (turn * i * i) % 26) for i in range(250))
        await run({"messages": [HumanMessage(f"{turn} {said}", id=f"{turn}")]}, place(ns=None))
        sizes[turn] = size(real) if turn in {25, 50} else 0
    assert sizes[50] <= 2.3 * sizes[25]
    assert sizes[50] < 50 * 4000, "a turn holds 0.65 KB of text"


async def test_an_element_is_stored_once(client: Client, both: Both) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S)
    messages = saying(30)
    await chain(both, saver, [{"messages": messages[: i + 1], "copy": messages[: i + 1]} for i in range(30)])
    await chain(both, saver, [{"messages": messages[::-1] * 2}], ns="sub")
    fields = [field for field in hashed(client, client.keys().thread("t").blobs) if field[:1] == b"e"]
    assert len(fields) == 60, "30 of each channel name, whatever the namespace"
    assert tidy(client)


@pytest.mark.parametrize("url", servers.REAL_TABLE, indirect=True)
async def test_a_list_of_thousands(client: Client, both: Both) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S)
    value = [{"id": i, "text": f"{i} " + "t" * 70} for i in range(2500)]
    config = await both(saver.put)(place(), checkpoint({"m": value}), loop(), {"m": 1})
    shuffled = value[::-2] + value[::3]
    await both(saver.put)(config, checkpoint({"m": shuffled}, {"m": 2}), loop(), {"m": 2})
    found = await listed(both, saver, place())
    assert [one.checkpoint["channel_values"]["m"] for one in found] == [shuffled, value]
    await both(saver.prune)(["t"])
    assert (await both(saver.get_tuple)(place())).checkpoint["channel_values"]["m"] == shuffled
    assert tidy(client)


async def test_what_is_stored_is_not_sent_again(
    client: Client, both: Both, trips: list[Trip], monkeypatch: pytest.MonkeyPatch
) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S, compress_from_bytes=None)
    wire = Wire(client, monkeypatch)
    await both(saver.put)(place(), checkpoint({"messages": saying(100)}), loop(), {"messages": 1})
    whole = wire.sent()
    assert whole > 100 * 150
    trips.clear()
    await both(saver.put)(place(), checkpoint({"messages": saying(101)}, {"messages": 2}), loop(), {"messages": 2})
    assert wire.sent() < 16 * 101 + 1500, "digests, and one message"
    unchanged = checkpoint({"messages": saying(101)}, {"messages": 2, "a": 1})
    await both(saver.put)(place(), unchanged, loop(), {"a": 1})
    assert wire.sent() < 600, "a version that is stored is only named"
    assert len(trips) == 2
    assert (await both(saver.get_tuple)(place())).checkpoint["channel_values"] == {"messages": saying(101)}


async def test_a_process_that_knows_nothing_stores_correctly(
    client: Client, both: Both, trips: list[Trip], monkeypatch: pytest.MonkeyPatch
) -> None:
    await both(RedisSaver(client, ttl_s=TTL_S).put)(place(), checkpoint({"m": saying(100)}), loop(), {"m": 1})
    other = RedisSaver(client, ttl_s=TTL_S, compress_from_bytes=None)
    wire = Wire(client, monkeypatch)
    trips.clear()
    await both(other.put)(place(), checkpoint({"m": saying(101)}, {"m": 2}), loop(), {"m": 2})
    assert len(trips) == 1
    assert wire.sent() < 16 * 101 + 3000, "it guesses that the server has all but the end"
    changed = [*saying(30, 500), *saying(101), *saying(1, 700)]
    third = RedisSaver(client, ttl_s=TTL_S)
    trips.clear()
    await both(third.put)(place(), checkpoint({"m": changed}, {"m": 3}), loop(), {"m": 3})
    assert len(trips) == 2
    assert (await both(third.get_tuple)(place())).checkpoint["channel_values"] == {"m": changed}
    assert len(await listed(both, other, place())) == 3
    assert tidy(client)


async def test_what_the_server_lost_is_sent_again(client: Client, both: Both, trips: list[Trip]) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S)
    for how in ("deleted", "by hand", "evicted whole"):
        await both(saver.put)(place(), checkpoint({"m": saying(50)}), loop(), {"m": 1})
        if how == "deleted":
            await both(RedisSaver(client).delete_thread)("t")
        elif how == "by hand":
            raw(client, ("UNLINK", *client.keys().thread("t").all()))
        else:
            await both(RedisSaver(client).prune)(["t"], strategy="delete")
        trips.clear()
        await both(saver.put)(place(), checkpoint({"m": saying(51)}, {"m": 2}), loop(), {"m": 2})
        assert len(trips) == 2, "one trip that says what is missing, and one with it"
        assert (await both(saver.get_tuple)(place())).checkpoint["channel_values"] == {"m": saying(51)}
        assert tidy(client)


async def test_a_list_goes_on_only_from_what_the_server_has(client: Client, both: Both) -> None:
    saver, other = RedisSaver(client, ttl_s=TTL_S), RedisSaver(client, ttl_s=TTL_S)
    blobs = client.keys().thread("t").blobs
    await both(saver.put)(place(), checkpoint({"m": saying(1, 7)}), loop(), {"m": 9})
    await both(saver.put)(place(), checkpoint({"m": saying(10)}, {"m": 1}), loop(), {"m": 1})
    await both(saver.put)(place(), checkpoint({"m": saying(11)}, {"m": 2}), loop(), {"m": 2})
    assert hashed(client, blobs)[b"b\x00m\x00i2"] == b"*2-8,1,9-11", "numbered as they came, spelled by ranges"
    # The same version is another list by now, then no list at all: what this process remembers is not so.
    for version, changed in enumerate(([*saying(5, 100), *saying(5)], "text with 1-2,3"), 2):
        await both(other.delete_thread)("t")
        await both(other.put)(place(), checkpoint({"m": changed}, {"m": version}), loop(), {"m": version})
        longer = checkpoint({"m": saying(10 + version)}, {"m": version + 1})
        await both(saver.put)(place(), longer, loop(), {"m": version + 1})
        assert (await both(saver.get_tuple)(place())).checkpoint["channel_values"]["m"] == saying(10 + version)
        assert tidy(client)


# --- lifetimes ----------------------------------------------------------------------------------------


def left(client: Client, thread: str = "t") -> list[float]:
    """Seconds that each key of the thread lives, -0.001 for ever; then those of the index."""
    keys = [*client.keys().thread(thread).all(), client.keys().threads()[0]]
    return [milliseconds / 1000 for milliseconds in raw(client, *(("PTTL", key) for key in keys))]


def alike(lifetimes: list[float], seconds: float) -> bool:
    """Whether all keys of a thread have one lifetime, and the index at least that."""
    assert max(lifetimes[:4]) - min(lifetimes[:4]) < 30, lifetimes
    assert seconds - 300 < lifetimes[0] <= seconds, lifetimes
    assert lifetimes[4] >= lifetimes[0] - 30, "asked in one trip, but a trip has several nodes to ask"
    return True


async def test_every_write_moves_all_keys_together(client: Client, both: Both) -> None:
    short, long = RedisSaver(client, ttl_s=1000), RedisSaver(client, ttl_s=5000)
    config = await both(short.put)(place(), checkpoint({"m": saying(3)}), loop(), {"m": 1})
    assert alike(left(client), 1000)
    await both(short.get_tuple)(place())
    await both(long.put_writes)(config, [("a", 1)], "task")
    assert alike(left(client), 5000)
    await both(short.put)(config, checkpoint({}), loop(), {})
    await both(short.put_writes)(config, [("a", 1)], "task 2")
    assert alike(left(client), 5000), "a write never shortens"
    await both(short.put)(place(ttl_s=9000), checkpoint({}), loop(), {})
    assert alike(left(client), 9000)
    await both(short.put_writes)(place(at=at(config), ttl_s=12_000.5), [("b", 1)], "task")
    assert alike(left(client), 12_000.5)
    await both(short.copy_thread)("t", "copy")
    assert alike(left(client, "copy"), 1000)


async def test_reading_moves_the_lifetime_if_asked_to(client: Client, both: Both) -> None:
    config = await both(RedisSaver(client, ttl_s=1000).put)(place(), checkpoint({"m": 1}), loop(), {"m": 1})
    await both(RedisSaver(client, ttl_s=5000).get_tuple)(config)
    assert alike(left(client), 1000)
    touching = RedisSaver(client, ttl_s=5000, touch_on_read=True)
    assert (await both(touching.get_tuple)(config)).checkpoint["channel_values"] == {"m": 1}
    assert alike(left(client), 5000)
    await both(RedisSaver(client, ttl_s=2000, touch_on_read=True).get_tuple)(place())
    assert alike(left(client), 5000), "nor does reading shorten"
    assert await both(touching.get_tuple)(place("nobody")) is None
    assert await listed(both, touching, place("nobody")) == []
    assert raw(client, ("ZRANGEBYLEX", client.keys().threads()[0], "[a", "(b")) == [[b"at"]]


@pytest.mark.pins
async def test_persist_pins_a_thread(client: Client, both: Both) -> None:
    saver = RedisSaver(client, ttl_s=1000, touch_on_read=True)
    assert await both(saver.persist)("t") is False
    assert raw(client, ("EXISTS", *client.keys().threads())) == [0]
    config = await both(saver.put)(place(), checkpoint({"m": 1}), loop(), {"m": 1})
    assert await both(saver.persist)("t") is True
    for _ in range(2):
        assert left(client) == [-0.001] * 5
        await both(saver.put)(config, checkpoint({}), loop(), {})
        await both(saver.put_writes)(config, [("a", 1)], "task")
        await both(saver.get_tuple)(config)
    assert len(await listed(both, saver, None)) == 3


@pytest.mark.pins
async def test_without_a_lifetime_a_thread_is_permanent(client: Client, both: Both) -> None:
    config = await both(RedisSaver(client, ttl_s=1000).put)(place(), checkpoint({}), loop(), {})
    await both(RedisSaver(client).put_writes)(config, [("a", 1)], "task")
    assert left(client) == [-0.001] * 5
    await both(RedisSaver(client).put)(place("u", ttl_s=1000), checkpoint({}), loop(), {})
    assert alike([*left(client, "u")[:4], 1e9], 1000)


async def test_a_thread_is_noted_once_until_it_is_deleted_elsewhere(
    client: Client, both: Both, trips: list[Trip]
) -> None:
    await both(RedisSaver(client, ttl_s=TTL_S).put)(place(), checkpoint({}), loop(), {})  # so that scripts are known
    await both(RedisSaver(client).delete_thread)("t")
    saver = RedisSaver(client, ttl_s=TTL_S)
    for run, commands in ("r1", 2), ("r1", 1), ("r2", 2), ("r2", 1):
        trips.clear()
        await both(saver.put)(place(run_id=run), checkpoint({}), loop(), {})
        assert [trip.commands for trip in trips] == [commands], run
    await both(RedisSaver(client).delete_thread)("t")
    config = await both(saver.put)(place(run_id="r2"), checkpoint({}), loop(), {})
    assert raw(client, ("ZRANGEBYLEX", client.keys().threads()[0], "-", "+")) == [[b"at", b"bt/r2", b"cr2/t"]]
    await both(RedisSaver(client).delete_thread)("t")
    await both(saver.put_writes)(config, [("a", 1)], "task")
    assert await listed(both, saver, None) == []
    assert raw(client, ("ZRANGEBYLEX", client.keys().threads()[0], "-", "+")) == [[b"at"]]
    left_ms, (seconds, micros), noted = raw(
        client, ("PTTL", client.keys().thread("t").order), ("TIME",), ("ZSCORE", client.keys().threads()[1], "t")
    )
    assert float(noted) - int(seconds) * 1000 - int(micros) // 1000 > left_ms, "it is in the index for longer"


async def test_a_expired_thread_is_gone_from_everything(client: Client, both: Both) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S)
    await both(saver.put)(place("short", ttl_s=0.05, run_id="r"), checkpoint({}), loop(), {})
    await both(saver.put)(place("long"), checkpoint({}), loop(), {})
    wait_for(lambda: raw(client, ("EXISTS", *client.keys().thread("short").all())) == [0])
    assert [one.config["configurable"]["thread_id"] for one in await listed(both, saver, None)] == ["long"]
    assert (await both(saver.delete_for_runs)(["r"])).checkpoints == []

    def forgotten() -> bool:
        RedisSaver(client, ttl_s=TTL_S).put(place("long"), checkpoint({}), loop(), {})  # `saver` has just noted it
        return raw(client, ("ZRANGEBYLEX", client.keys().threads()[0], "-", "+")) == [[b"along"]]

    wait_for(forgotten)
