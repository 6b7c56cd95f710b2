"""Running ops: clients of any kind, scripts that the server forgot, errors, trips, broken connections."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
import redis
import redis.asyncio as aredis
from langchain_core.messages import HumanMessage

from langchain_redis_memory.errors import (
    ConfigError,
    OutOfMemoryError,
    RedisMemoryError,
    ServerError,
    UnavailableError,
    WrongKeyTypeError,
)
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.ops import Op, merge, pure
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.redis.client.transport import AsyncPipelineTransport
from langchain_redis_memory.redis.scripts import parse
from tests.conftest import Both, Watch
from tests.support import servers
from tests.support.servers import Farm

TIMEOUT_S = 0.2
ECHO = parse("echo", "-- Gives its argument back.\n-- KEYS key\n-- ARGV text\nreturn text")
TWICE = parse("twice", "-- Gives its argument back twice.\n-- KEYS key\n-- ARGV text\nreturn {text, text}")


def command(*words: Any) -> Op[Any]:
    return Op((words,), lambda replies: replies[0])


def echo(client: Client, text: str) -> Op[Any]:
    return Op((ECHO((client.keys().key("answer", "", "x"),), text),), lambda replies: replies[0])


def twice(client: Client, text: str) -> Op[Any]:
    return Op((TWICE((client.keys().key("answer", "", "x"),), text),), lambda replies: replies[0])


# --- scripts and merged trips -----------------------------------------------------------------------


async def test_only_the_scripts_that_the_server_forgot_are_sent_again(
    client: Client, both: Both, trips: list[Trip]
) -> None:
    counter = client.keys().key("answer", "", "n")
    count = Op((("INCR", counter), ("PEXPIRE", counter, 60_000)), lambda replies: replies[0])
    await both(client.run)(command("SCRIPT", "FLUSH"))
    await both(client.run)(echo(client, "a"))
    trips.clear()
    found = await both(client.run)(merge(count, echo(client, "b"), twice(client, "c")))
    assert found == (1, b"b", [b"c", b"c"]), "what was done is not done again"
    assert [trip.commands for trip in trips] == [4, 1]
    trips.clear()
    assert await both(client.run)(merge(count, echo(client, "b"), twice(client, "c"))) == (2, b"b", [b"c", b"c"])
    assert [trip.commands for trip in trips] == [4]


async def test_a_script_alone_after_a_flush(client: Client, both: Both, trips: list[Trip]) -> None:
    for _ in range(2):
        await both(client.run)(command("SCRIPT", "FLUSH"))
        trips.clear()
        assert await both(client.run)(echo(client, "ä\n\0")) == "ä\n\0".encode()
        assert len(trips) == 2


async def test_nothing_to_send_is_no_trip(client: Client, both: Both, trips: list[Trip]) -> None:
    assert await both(client.run)(pure(3)) == 3
    assert await both(client.run)(merge(pure(1), pure(2))) == (1, 2)
    assert trips == []


async def test_an_optional_part_fails_alone(client: Client, both: Both, trips: list[Trip]) -> None:
    key = client.keys().key("answer", "", "x")
    await both(client.run)(command("SET", key, "text", "EX", 60))
    trips.clear()
    parts = merge(command("LLEN", key).optional("none"), command("GET", key), command("NO-SUCH-COMMAND").optional(0))
    assert await both(client.run)(parts) == ("none", b"text", 0)
    assert await both(client.run)(command("LLEN", key).optional(None)) is None
    assert len(trips) == 2
    with pytest.raises(WrongKeyTypeError):
        await both(client.run)(merge(command("GET", key), command("LLEN", key)))


async def test_a_clock_is_sent_again_with_what_is_read_by_it(
    client: Client, both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = client._connections
    transport: Any = (await opened.of_loop()).transport if both.asynchronous else opened.of_threads()
    send, sent = transport.send, list[list[Any]]()

    def refused(commands: Any, replies: Any) -> Any:
        sent.append([one[0] for one in commands])
        loading = redis.exceptions.BusyLoadingError("LOADING")
        first = len(sent) == 1
        return [loading if first and one[0] == "HMGET" else reply for one, reply in zip(commands, replies, strict=True)]

    async def arefused(commands: Any, *, by_digest: bool) -> Any:
        return refused(commands, await send(commands, by_digest=by_digest))

    monkeypatch.setattr(
        transport,
        "send",
        arefused
        if both.asynchronous
        else lambda commands, by_digest: refused(commands, send(commands, by_digest=by_digest)),
    )
    key = client.keys().key("answer", "", "x")
    await both(client.run)(Op((("TIME",), ("HMGET", key, "a"), ("EXISTS", key)), list))
    assert sent == [["TIME", "HMGET", "EXISTS"], ["TIME", "HMGET"]]


async def test_errors_name_the_command_and_the_key_only(client: Client, both: Both) -> None:
    key = client.keys().key("answer", "", "x")
    await both(client.run)(command("SET", key, "text", "EX", 60))
    with pytest.raises(WrongKeyTypeError) as caught:
        await both(client.run)(command("LPUSH", key, "secret words"))
    assert f"LPUSH on {key}" in str(caught.value)
    fail = parse("fail", "-- Fails.\n-- KEYS key\n-- ARGV text\nreturn redis.call('LPUSH', key, text)")
    with pytest.raises(WrongKeyTypeError) as caught:
        await both(client.run)(Op((fail((key,), "secret words"),), len))
    assert f"fail.lua on {key}" in str(caught.value)
    for bad in (command("NO-SUCH-COMMAND", key, "secret words"), command("INCRBY", key, "secret words")):
        with pytest.raises(ServerError) as error:
            await both(client.run)(bad)
        assert type(error.value) is ServerError
        assert "secret words" not in str(error.value)


async def test_a_key_that_spells_an_error_is_not_one(client: Client, both: Both) -> None:
    with pytest.raises(ServerError) as caught:
        await both(client.run)(command("NO-SUCH-COMMAND", "BATHROOM WRONGTYPE NOAUTH"))
    assert type(caught.value) is ServerError
    assert not isinstance(caught.value, OutOfMemoryError)


@pytest.mark.parametrize("bad", [None, {"a": 1}, object()])
async def test_an_argument_that_cannot_be_sent_is_no_connection_error(client: Client, both: Both, bad: Any) -> None:
    with pytest.raises(RedisMemoryError) as caught:
        await both(client.run)(command("GET", bad))
    assert not isinstance(caught.value, UnavailableError)


async def test_replies_are_bytes(client: Client, both: Both) -> None:
    key = client.keys().key("answer", "", "x")
    data = bytes(range(256))
    await both(client.run)(command("SET", key, data, "EX", 60))
    assert await both(client.run)(command("GET", key)) == data
    assert await both(client.run)(merge(command("GET", key), command("STRLEN", key))) == (data, 256)


async def test_what_the_server_is(client: Client, both: Both, trips: list[Trip], url: str, request: Any) -> None:
    row = request.node.callspec.params["url"]
    found = await both(client.server)()
    assert await both(client.server)() is found
    assert len(trips) == 1
    assert found.vector_sets is (row in {"redis82", "search"}) or row == "memory"  # fakeredis has them from 2.40 on
    assert found.query_engine is (row == "search")
    if row in {"redis62", "redis82", "search"}:
        assert found.flavour == "redis"
        assert found.version.startswith("6.2." if row == "redis62" else "8.2.")
    if row == "valkey":
        assert found.flavour in {"valkey", "redis"}


# --- clients that one has already -------------------------------------------------------------------


@pytest.mark.parametrize("decode", [True, False])
@pytest.mark.parametrize("protocol", [2, 3])
async def test_wrapped_clients_of_every_mode(
    real_url: str, prefix: str, both: Both, watch: Watch, decode: bool, protocol: int
) -> None:
    watch(real_url, prefix)
    options: dict[str, Any] = {"decode_responses": decode, "protocol": protocol}
    with redis.Redis.from_url(real_url, **options) as mine:
        async with aredis.Redis.from_url(real_url, **options) as amine:
            client = Client(redis=mine, aredis=amine, prefix=prefix)
            assert "Redis" in repr(client)
            kept = RedisChatMessageHistory("s", client)
            await both(kept.add_turn)("a\0é", "b")
            assert [m.content for m in await both.messages(kept)] == ["a\0é", "b"]
            assert (await both(client.run)(kept._flows.transcript.info())).messages == 2
            assert await both(client.run)(command("GET", f"{prefix}:none")) is None
            assert (await both(client.server)()).flavour == "redis"
            await both(client.run)(command("SCRIPT", "FLUSH"))
            assert len(await both(kept.recent_tokens)(99)) == 2
            await client.aclose()
            assert mine.ping()
            assert await amine.ping(), "a client that was lent is not closed"


async def test_one_colour_only(real_url: str, prefix: str, watch: Watch) -> None:
    watch(real_url, prefix)
    with redis.Redis.from_url(real_url) as mine:
        client = Client(redis=mine, prefix=prefix)
        assert client.run(command("GET", f"{prefix}:x")) is None
        with pytest.raises(ConfigError, match="made without aredis"):
            await client.arun(command("GET", f"{prefix}:x"))
    async with aredis.Redis.from_url(real_url) as amine:
        client = Client(aredis=amine, prefix=prefix)
        assert await client.arun(command("GET", f"{prefix}:x")) is None
        with pytest.raises(ConfigError, match="made without redis"):
            client.run(command("GET", f"{prefix}:x"))
        await client.aclose()


async def test_clients_of_the_wrong_colour_are_refused(real_url: str) -> None:
    with redis.Redis.from_url(real_url) as mine:
        async with aredis.Redis.from_url(real_url) as amine:
            for wrong in ({"redis": amine, "aredis": amine}, {"aredis": mine}, {}, {"aredis": object()}):
                with pytest.raises(ConfigError):
                    Client(**wrong)


# --- connections ------------------------------------------------------------------------------------


async def test_connections_that_the_server_kills_are_replaced(real: Client, real_url: str, both: Both) -> None:
    kept = RedisChatMessageHistory("s", real)
    with redis.Redis.from_url(real_url) as plain:
        for i in range(5):
            await both(kept.add_messages)([HumanMessage(str(i))])
            plain.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            assert len(await both.messages(kept)) == i + 1
            plain.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert [m.content for m in await both.messages(kept)] == list("01234")


async def test_a_server_that_went_away_and_came_back(farm: Farm, both: Both) -> None:
    server = farm.start(servers.NEWEST)
    async with Client.from_url(server.url, retries=0) as client:
        assert await both(client.run)(command("SET", "x", 1)) in {b"OK", True}
        server.stop()
        with pytest.raises(UnavailableError):
            await both(client.run)(command("GET", "x"))
        again = farm.start(servers.NEWEST, port=server.port)
        assert again.port == server.port
        servers.wait_for(lambda: servers.answers(client))
        assert await both(client.run)(command("GET", "x")) is None


@pytest.mark.clocked
async def test_a_server_that_does_not_answer(farm: Farm, both: Both) -> None:
    server = farm.start(servers.NEWEST)
    async with Client.from_url(server.url, retries=0, timeout_s=TIMEOUT_S) as client:
        assert await both(client.run)(command("PING"))
        with redis.Redis.from_url(server.url) as plain:
            plain.client_pause(60_000, all=False)
            with pytest.raises(UnavailableError, match="in time"):
                await both(client.run)(command("SET", "x", 1))
            with pytest.raises(UnavailableError, match="has just failed"):
                await both(client.run)(command("SET", "x", 1))
            plain.client_unpause()
        servers.wait_for(lambda: not client._trips.stall.rests(time.monotonic()))
        assert await both(client.run)(command("ECHO", "again")) == b"again"


def most_at_once(url: str, name: str) -> int:
    with redis.Redis.from_url(url) as plain:
        return sum(entry["name"] == name for entry in plain.client_list())


async def test_more_tasks_than_connections_wait_for_their_turn(real_url: str, prefix: str, watch: Watch) -> None:
    watch(real_url, prefix)
    async with Client.from_url(real_url, prefix=prefix, max_connections=5, client_name=prefix) as client:
        key = client.keys().key("answer", "", "n")
        counts = Op((("INCR", key), ("PEXPIRE", key, 60_000)), lambda replies: replies[0])
        found = await asyncio.gather(*(client.arun(counts) for _ in range(200)))
        assert sorted(found) == list(range(1, 201))
        assert 1 <= most_at_once(real_url, prefix) <= 5


def test_more_threads_than_connections_wait_for_their_turn(real_url: str, prefix: str, watch: Watch) -> None:
    watch(real_url, prefix)
    with Client.from_url(real_url, prefix=prefix, max_connections=3, client_name=prefix) as client:
        key = client.keys().key("answer", "", "n")
        counts = Op((("INCR", key), ("PEXPIRE", key, 60_000)), lambda replies: replies[0])
        found: list[int] = []

        def work() -> None:
            for _ in range(10):
                found.append(client.run(counts))

        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == list(range(1, 201))
        assert 1 <= most_at_once(real_url, prefix) <= 3


async def test_a_cancelled_trip_leaves_nothing_behind(real: Client, real_url: str, prefix: str) -> None:
    async with aredis.Redis.from_url(real_url) as plain:

        async def blocked() -> None:
            while not (await plain.info("clients"))["blocked_clients"]:
                pass

        for _ in range(5):
            waits = merge(command("ECHO", "stale"), command("BLPOP", f"{prefix}:never", 0))
            task = asyncio.create_task(real.arun(waits))
            await asyncio.wait_for(blocked(), servers.PATIENT_S)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await real.arun(merge(command("ECHO", "1"), command("ECHO", "2"))) == (b"1", b"2")


async def test_trips_are_told_as_they_are(real: Client, both: Both, trips: list[Trip]) -> None:
    await both(real.run)(command("PING"))
    await both(real.run)(merge(command("PING"), command("PING"), pure(1)))
    assert [(trip.commands, trip.failed) for trip in trips] == [(1, False), (2, False)]
    assert all(trip.seconds > 0 for trip in trips)
    trips.clear()
    dead = Client.from_url(f"redis://127.0.0.1:{servers.closed_port()}", retries=0, on_trip=trips.append)
    with pytest.raises(UnavailableError):
        await both(dead.run)(command("PING"))
    assert [(trip.commands, trip.failed) for trip in trips] == [(1, True)]
    await dead.aclose()


async def test_a_cluster_client_that_does_not_know_a_command() -> None:
    """redis-py before 8: nothing of a pipeline is sent if the nodes list one of its commands nowhere."""
    refusal = redis.RedisError("FT.SEARCH command doesn't exist in Redis commands")

    class Old:
        def pipeline(self, **_: Any) -> Old:
            return self

        async def execute(self, **_: Any) -> Any:
            raise refusal

        async def run(self, verb: str) -> bytes:
            if verb == "FT.SEARCH":
                raise refusal
            return b"1"

        def execute_command(self, verb: str, *_: Any, **__: Any) -> Any:
            return _Lazy(lambda: self.run(verb))

    found, unknown = await AsyncPipelineTransport(Old()).send((("GET", "a"), ("FT.SEARCH", "b", "*")), by_digest=True)
    assert found == b"1"
    assert isinstance(unknown, redis.ResponseError)
    assert "unknown command" in str(unknown)


class _Lazy:
    """An awaitable that nobody has to await, as a pipeline's command is."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __await__(self) -> Any:
        return self._call().__await__()
