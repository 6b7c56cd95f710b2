"""What goes wrong with a thread: keys lost, foreign bytes, no memory, connections cut. Nothing half written."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import redis
from langchain_core.messages import HumanMessage

from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.errors import (
    CorruptDataError,
    EvictedError,
    OutOfMemoryError,
    UnavailableError,
    WrongKeyTypeError,
)
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both, Watch
from tests.support.full import full_server
from tests.support.raw import raw
from tests.support.saves import TTL_S, at, chain, checkpoint, listed, loop, place, tidy
from tests.support.servers import REAL_TABLE, TWO, Farm, closed_port

KINDS = ["checkpoints", "order", "blobs", "writes"]


def saying(number: int) -> list[Any]:
    return [HumanMessage(f"{i} " + "word " * 30, id=f"m{i}") for i in range(number)]


@pytest.fixture
def saver(client: Client) -> RedisSaver:
    return RedisSaver(client, ttl_s=TTL_S)


async def filled(both: Both, saver: RedisSaver, thread: str = "t") -> list[Any]:
    configs = await chain(both, saver, [{"m": saying(i + 1), "a": i} for i in range(3)], thread)
    for config in configs:
        await both(saver.put_writes)(config, [("a", 1), ("m", "x" * 99)], "task")
    return configs


def dump(client: Client, thread: str = "t") -> list[Any]:
    return raw(client, *(("DUMP", key) for key in client.keys().thread(thread).all()))


Do = Callable[[Both, RedisSaver, Any], Any]
WRITES: dict[str, Do] = {
    "put": lambda both, saver, config: both(saver.put)(
        config, checkpoint({"m": saying(9), "b": 1}, {"m": 99, "b": 7}), loop(), {"m": 99, "b": 7}
    ),
    "put_writes": lambda both, saver, config: both(saver.put_writes)(config, [("b", "y" * 99)], "task 2"),
}
READS: dict[str, Do] = {
    "get_tuple": lambda both, saver, config: both(saver.get_tuple)(place()),
    "get_tuple of one": lambda both, saver, config: both(saver.get_tuple)(config),
    "list": lambda both, saver, config: listed(both, saver, place()),
    "list everything": lambda both, saver, config: listed(both, saver, None),
    "delta": lambda both, saver, config: both(saver.get_delta_channel_history)(config=config, channels=["m"]),
    "copy": lambda both, saver, config: both(saver.copy_thread)("t", "copy"),
    "prune": lambda both, saver, config: both(saver.prune)(["t"]),
}


# --- keys that are gone -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_a_thread_that_lost_a_key_is_reported(client: Client, saver: RedisSaver, both: Both, kind: str) -> None:
    configs = await filled(both, saver)
    key = getattr(client.keys().thread("t"), kind)
    raw(client, ("UNLINK", key))
    before = dump(client)
    for do in (WRITES | READS).values():
        with pytest.raises(EvictedError) as caught:
            await do(both, saver, configs[-1])
        assert repr(key) in str(caught.value)
        assert "'t'" in str(caught.value)
    assert dump(client) == before
    assert raw(client, ("EXISTS", *client.keys().thread("copy").all())) == [0]
    await both(saver.delete_thread)("t")
    await filled(both, saver)
    assert tidy(client), "it can be started anew"


async def test_a_thread_that_lost_everything_is_new(client: Client, saver: RedisSaver, both: Both) -> None:
    await filled(both, saver)
    raw(client, ("UNLINK", *client.keys().thread("t").all()))
    assert await listed(both, saver, None) == []
    await filled(both, saver)
    assert tidy(client)


async def test_a_value_that_is_gone_is_not_an_empty_channel(client: Client, saver: RedisSaver, both: Both) -> None:
    configs = await filled(both, saver)
    key = client.keys().thread("t").blobs
    for field in (b"b\0a\0i3", b"b\0m\0i3", b"em\0" + b"3"):
        stored = raw(client, ("HGET", key, field))[0]
        assert stored is not None
        raw(client, ("HDEL", key, field))
        for name in ("get_tuple", "get_tuple of one", "list"):
            with pytest.raises(EvictedError, match="blobs"):
                await READS[name](both, saver, configs[-1])
        raw(client, ("HSET", key, field, stored))
    assert (await both(saver.get_tuple)(place())).checkpoint["channel_values"] == {"m": saying(3), "a": 2}


# --- keys that are something else ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("new", [True, False], ids=["new", "filled"])
async def test_a_foreign_type_is_reported_and_nothing_is_half_written(
    client: Client, saver: RedisSaver, both: Both, kind: str, new: bool
) -> None:
    config = place(at="1")
    keys = client.keys().thread("t")
    if not new:
        config = (await filled(both, saver))[-1]
    else:
        for name in KINDS:
            command = ("ZADD", 0, "") if name == "order" else ("HSET", "", "")
            raw(client, (command[0], getattr(keys, name), *command[1:]), ("PEXPIRE", getattr(keys, name), 60_000))
    key = getattr(keys, kind)
    raw(client, ("DEL", key), ("SET", key, "mine", "EX", 60))
    before = dump(client)
    for name, do in WRITES.items():
        with pytest.raises(WrongKeyTypeError) as caught:
            await do(both, saver, config)
        assert key in str(caught.value)
        assert (dump(client) == before) is True, name
    await both(saver.delete_thread)("t")
    assert raw(client, ("EXISTS", *keys.all())) == [0]


@pytest.mark.parametrize("which", [0, 1])
async def test_a_foreign_index_does_not_stop_a_thread(
    client: Client, saver: RedisSaver, both: Both, which: int, caplog: pytest.LogCaptureFixture
) -> None:
    raw(client, ("SET", client.keys().threads()[which], "mine", "EX", 60))
    await filled(both, saver)
    assert (await both(saver.get_tuple)(place())).checkpoint["channel_values"] == {"m": saying(3), "a": 2}
    assert "not noted" in caplog.text


FOREIGN = {
    "empty": b"",
    "text": b"hello",
    "json": b'{"a": 1}',
    "pickle": b"\x80\x04\x95\x0f\x00\x00\x00",
    "too long": b"999999:x",
    "negative": b"-5:x",
    "no parent": b"0:",
    "huge": b"99999999999999999999999:x",
    "letters": b"m\xc1",
    "other kind": b"xnone\0data",
    "cut deflate": b"M\x01\x02",
    "zeros": b"\0" * 50,
    "list of nothing": b"*",
    "backwards list": b"*9-1",
}


@pytest.mark.parametrize("url", TWO, indirect=True)
@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN.keys())
async def test_foreign_bytes_are_reported_and_left_alone(
    client: Client, saver: RedisSaver, both: Both, foreign: bytes
) -> None:
    config = (await filled(both, saver))[-1]
    keys = client.keys().thread("t")
    name = b"\0" + at(config).encode()
    for key, field in (
        (keys.checkpoints, name),
        (keys.writes, name),
        (keys.blobs, b"b\0a\0i3"),
        (keys.blobs, b"b\0m\0i3"),
        (keys.blobs, b"em\0" + b"1"),
    ):
        stored = raw(client, ("HGET", key, field))[0]
        raw(client, ("HSET", key, field, foreign))
        before = dump(client)
        for name_of in ("get_tuple", "list", "delta"):
            with contextlib.suppress(CorruptDataError):  # what is not read does no harm
                await READS[name_of](both, saver, config)
        assert (dump(client) == before) is True
        raw(client, ("HSET", key, field, stored))
    assert (await both(saver.get_tuple)(place())).checkpoint["channel_values"] == {"m": saying(3), "a": 2}


# --- memory ---------------------------------------------------------------------------------------------


@pytest.fixture(params=REAL_TABLE)
async def full(
    request: pytest.FixtureRequest, farm: Farm, prefix: str, watch: Watch
) -> AsyncIterator[tuple[Client, redis.Redis]]:
    """A client on a server of its own that can be filled up, and a plain one to fill it with."""
    async with full_server(request.param, farm, prefix, watch) as made:
        yield made


async def test_a_full_server_refuses_a_write_whole(full: tuple[Client, redis.Redis], both: Both) -> None:
    client, plain = full
    saver = RedisSaver(client, ttl_s=TTL_S)
    config = (await filled(both, saver))[-1]
    plain.config_set("maxmemory", 1)
    before = dump(client)
    for do in WRITES.values():
        with pytest.raises(OutOfMemoryError, match="raise maxmemory"):
            await do(both, saver, config)
        with pytest.raises(OutOfMemoryError):
            await do(both, saver, place("new", at=at(config)))
        assert dump(client) == before
    with pytest.raises(OutOfMemoryError):
        await both(saver.copy_thread)("t", "copy")
    assert raw(client, ("EXISTS", *client.keys().thread("new").all(), *client.keys().thread("copy").all())) == [0]
    assert (await both(saver.get_tuple)(place())).checkpoint["channel_values"] == {"m": saying(3), "a": 2}
    assert len((await both(saver.prune)(["t"])).checkpoints) == 2, "what makes room is not refused"
    await both(saver.delete_thread)("t")
    plain.config_set("maxmemory", 0)
    await filled(both, saver)
    assert tidy(client)


# --- scripts and connections ------------------------------------------------------------------------------


async def test_a_server_that_forgot_its_scripts(client: Client, saver: RedisSaver, both: Both) -> None:
    config = (await filled(both, saver))[-1]
    for do in (*WRITES.values(), *READS.values()):
        raw(client, ("SCRIPT", "FLUSH"))
        await do(both, saver, config)
    raw(client, ("SCRIPT", "FLUSH"))
    await both(saver.persist)("nobody")
    raw(client, ("SCRIPT", "FLUSH"))
    await both(saver.delete_for_runs)(["nobody"])
    assert tidy(client)
    assert tidy(client, "copy")


async def test_connections_that_the_server_kills(real: Client, real_url: str, both: Both) -> None:
    saver = RedisSaver(real, ttl_s=TTL_S)
    with redis.Redis.from_url(real_url, client_name="killer") as plain:
        config = place()
        for i in range(12):
            made = checkpoint({"m": saying(i + 1)}, {"m": i + 1}, f"{i:02}")
            _kill(plain)
            config = await both(saver.put)(config, made, loop(i), {"m": i + 1})
            _kill(plain)
            await both(saver.put_writes)(config, [("a", i)], "task")
    found = await listed(both, saver, place())
    assert [one.checkpoint["channel_values"]["m"] for one in found] == [saying(i + 1) for i in reversed(range(12))]
    assert [one.pending_writes for one in found] == [[("task", "a", i)] for i in reversed(range(12))]


def _kill(plain: redis.Redis) -> None:  # all connections but its own
    for one in plain.client_list():
        if one["name"] != "killer":
            plain.execute_command("CLIENT", "KILL", "ID", one["id"])


class Cut:
    """A way to a server that breaks after so many bytes from the client, and then lets nobody through."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.budget: int | None = None
        self.passed = 0
        self.open: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            if self.budget is not None and self.passed >= self.budget:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.target))
            self.open += [near, far]
            threading.Thread(target=self._pass, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, False), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if counted:
                    if self.budget is not None and self.passed + len(data) > self.budget:
                        sink.sendall(data[: self.budget - self.passed])
                        self.passed = self.budget
                        break
                    self.passed += len(data)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.listener.close()
        for one in self.open:
            one.close()


@pytest.fixture
def cut(farm: Farm, real_url: str) -> Iterator[Cut]:
    way = Cut(int(real_url.rsplit(":", 1)[1].partition("/")[0]))
    yield way
    way.close()


@pytest.mark.parametrize("what", ["put", "put_writes", "prune", "copy", "delete_thread", "delete_for_runs"])
async def test_a_cut_anywhere_leaves_the_old_or_the_new_state(real: Client, both: Both, cut: Cut, what: str) -> None:
    do = (WRITES | READS | REMOVALS)[what]
    steady = RedisSaver(real, ttl_s=TTL_S)
    whole = 1
    for tenth in (-1, 0, 2, 4, 5, 7, 9, 10, 11):
        async with Client.from_url(f"redis://127.0.0.1:{cut.port}/0", prefix=real.keys().prefix, retries=0) as client:
            saver = RedisSaver(client, ttl_s=TTL_S)
            configs = await filled(both, steady)
            before = await listed(both, steady, place())
            await both(saver.get_tuple)(configs[0])  # the connection stands
            raw(real, ("SCRIPT", "FLUSH"))
            cut.passed, cut.budget = 0, None if tenth < 0 else whole * tenth // 10
            try:
                await do(both, saver, configs[-1])
                assert tenth in {-1, 10, 11}
            except UnavailableError:
                assert tenth in range(11)
            if tenth < 0:
                whole = cut.passed
            cut.budget = None
            after = await listed(both, steady, place())
            if what in {"put", "put_writes"}:
                assert len(after) in {3, 4}
                assert [one[1] for one in after[-2:]] == [one[1] for one in before[-2:]]
            elif what != "copy":
                assert all(one in before for one in after)
            assert tidy(real)
            assert tidy(real, "copy")
            for thread in ("t", "copy"):
                await both(steady.delete_thread)(thread)


REMOVALS: dict[str, Do] = {
    "delete_thread": lambda both, saver, config: both(saver.delete_thread)("t"),
    "delete_for_runs": lambda both, saver, config: both(saver.delete_for_runs)(["r"]),
}


async def test_all_that_was_acknowledged_is_there(real: Client, real_url: str) -> None:
    """Many at once, while connections are killed."""
    saver = RedisSaver(real, ttl_s=TTL_S)
    config = await saver.aput(place(), checkpoint({"a": 1}, name="1"), loop(), {"a": 1})
    stored: list[int] = []

    async def write(i: int) -> None:
        try:
            await saver.aput_writes(config, [("a", i)], f"{i:03}")
        except UnavailableError:
            return
        stored.append(i)

    with redis.Redis.from_url(real_url, client_name="killer") as plain:
        for start in range(0, 100, 20):
            tasks = [asyncio.create_task(write(i)) for i in range(start, start + 20)]
            await asyncio.sleep(0)
            _kill(plain)
            await asyncio.gather(*tasks)
    found = await saver.aget_tuple(place())
    assert found is not None
    assert found.pending_writes is not None
    assert set(stored) <= {write[2] for write in found.pending_writes}


async def test_a_server_that_is_not_there(both: Both) -> None:
    async with Client.from_url(f"redis://127.0.0.1:{closed_port()}/0", retries=0) as client:
        saver = RedisSaver(client, ttl_s=TTL_S)
        for do in (WRITES | READS | REMOVALS).values():
            with pytest.raises(UnavailableError):
                await do(both, saver, place(at="1"))
