"""`ping` and `health` ask the server, on every topology, and bear one that is away or forbids."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest
import redis
import redis.asyncio as aredis
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda

from langchain_redis_memory import Client, ConversationMemory, Health, HistoryOptions
from langchain_redis_memory.errors import AuthenticationError, UnavailableError
from langchain_redis_memory.history.outbox import Outbox
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.ops import pure
from langchain_redis_memory.redis.client.client import Trip
from tests.conftest import Both
from tests.support import servers
from tests.support.servers import Farm

CAN = {"memory": "exact", "redis62": "exact", "redis82": "vector_sets", "search": "vector_sets", "valkey": "exact"}


async def test_a_server_is_asked_each_time(client: Client, both: Both, trips: list[Trip]) -> None:
    assert 0 < await both(client.ping)() < 60
    assert len(trips) == 1
    found: Health = await both(client.health)()
    assert len(trips) == 3
    in_process = client.url.startswith("memory:")
    assert found.reachable
    assert found.round_trip_s
    assert found.url == client.url
    assert found.topology == ("memory" if in_process else "single")
    server = await both(client.server)()
    assert (found.flavour, found.version) == (server.flavour, server.version)
    assert found.engine == server.engines[0]
    assert found.eviction == ("" if in_process else "noeviction")
    assert found.memory_limit == (None if in_process else 0)
    assert (found.memory_used or 0) > (-1 if in_process else 1000)
    assert (found.error, found.warnings, found.unstored, found.breaker_open) == ("", (), 0, False)
    assert (found.connections, found.connection_limit) == (0, 50)
    hash(found)


@pytest.mark.parametrize("name", servers.EVERY)
async def test_the_engine_of_each_server(name: str, farm: Farm) -> None:
    if name not in CAN:
        pytest.skip("a server of this machine, of any version")
    async with Client.from_url(farm.url(name) if name != "memory" else "memory://health") as client:
        assert client.health().engine == CAN[name]


async def test_a_cluster_and_a_sentinel(cluster: Client, sentinel: Client, both: Both) -> None:
    for client, topology in ((cluster, "cluster"), (sentinel, "sentinel")):
        assert await both(client.ping)() > 0
        found: Health = await both(client.health)()
        assert (found.topology, found.reachable, found.eviction) == (topology, True, "noeviction")
        assert found.flavour == "redis"
        assert found.version.startswith("8.")


@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize("protocol", [2, 3])
async def test_a_client_of_redis(real_url: str, both: Both, decode: bool, protocol: int) -> None:
    options: Any = {"decode_responses": decode, "protocol": protocol}
    with redis.Redis.from_url(real_url, **options) as one:
        async with aredis.Redis.from_url(real_url, **options) as two:
            found: Health = await both(Client(one, two).health)()
    assert (found.url, found.topology, found.eviction) == ("<Redis>", "single", "noeviction")
    assert found.version.startswith("8.")
    assert found.connection_limit is None


@pytest.mark.parametrize(
    ("policy", "limit", "warned"),
    [
        ("allkeys-lru", "100mb", "evicts any key"),
        ("volatile-ttl", "100mb", "evicts keys with a lifetime"),
        ("allkeys-lru", "0", None),
        ("noeviction", "100mb", None),
    ],
)
async def test_a_policy_that_evicts_what_must_stay(
    farm: Farm, both: Both, policy: str, limit: str, warned: str | None
) -> None:
    process = farm.start(servers.NEWEST, "--maxmemory", limit, "--maxmemory-policy", policy)
    async with Client.from_url(process.url) as client:
        found: Health = await both(client.health)()
        assert (found.eviction, found.memory_limit) == (policy, 0 if limit == "0" else 100 * 2**20)
        assert [policy in warning and str(warned) in warning for warning in found.warnings] == [True] * bool(warned)
    process.stop()


async def test_a_server_that_forbids_what_managed_ones_do(farm: Farm, both: Both) -> None:
    process = farm.start(servers.NEWEST)
    admin = redis.Redis(port=process.port)
    for name, rules in {"managed": "+@all -config -@dangerous +info", "strict": "+@read +@write -info"}.items():
        admin.execute_command("ACL", "SETUSER", name, "on", ">pw", "~*", *rules.split())
    async with Client.from_url(f"redis://managed:pw@127.0.0.1:{process.port}") as client:
        found: Health = await both(client.health)()
        assert (found.reachable, found.eviction, found.warnings) == (True, "noeviction", ())
    async with Client.from_url(f"redis://strict:pw@127.0.0.1:{process.port}") as client:
        found = await both(client.health)()
        assert (found.reachable, found.eviction, found.engine) == (True, "", "exact")
        assert "does not tell" in found.warnings[0]
    async with Client.from_url(f"redis://strict:hunter2@127.0.0.1:{process.port}") as client:
        with pytest.raises(AuthenticationError):
            await both(client.ping)()
        found = await both(client.health)()
        assert not found.reachable
        assert "hunter2" not in str(found)
    admin.close()
    process.stop()


async def test_a_server_that_goes_away(farm: Farm, both: Both) -> None:
    process = farm.start(servers.NEWEST)
    async with Client.from_url(process.url, retries=0) as client:
        await both(client.server)()
        process.stop()
        client.breaker.failed(0.0, float("inf"))
        with pytest.raises(UnavailableError):
            await both(client.ping)()
        found: Health = await both(client.health)()
        assert (found.reachable, found.round_trip_s, found.version, found.engine) == (False, None, "", None)
        assert str(process.port) in found.error
        assert found.breaker_open
        farm.start(servers.NEWEST, port=process.port)
        servers.wait_for(lambda: servers.answers(client))
        assert (await both(client.health)()).reachable


async def test_the_messages_that_wait_are_counted() -> None:
    async with Client.from_url(f"redis://127.0.0.1:{servers.closed_port()}", retries=0) as client:
        outbox = Outbox(close_s=0.05)
        memories = [ConversationMemory(client, history=HistoryOptions(outbox=outbox)) for _ in range(2)]
        for place, memory in enumerate(memories):
            chat = memory.wrap(RunnableLambda(lambda _: "yes"), scope="s")
            for turn in range(place + 1):
                chat.invoke(f"Is it {turn}?", {"configurable": {"session_id": "a"}})
        assert client.health().unstored == memories[0].unstored == memories[1].unstored == 6


@pytest.mark.slow
def test_an_outbox_is_not_kept_alive() -> None:
    client = Client("memory://x")
    outbox = Outbox(replay_s=None).attach(client)
    outbox.put(Transcript(client.keys(), "s", "", 1000, 0), [HumanMessage("Hi")], pure(None))
    assert client.outboxes.waiting() == 1
    del outbox
    gc.collect()
    assert client.outboxes.waiting() == 0


async def test_round_trips_under_way_are_counted(farm: Farm) -> None:
    async with Client.from_url(farm.url(servers.NEWEST), max_connections=3) as client:
        blocked, go_on = threading.Event(), threading.Event()

        class Stuck:
            def send(self, commands: Any, *, by_digest: bool) -> Any:
                blocked.set()
                go_on.wait()
                return transport.send(commands, by_digest=by_digest)

            def close(self) -> None:
                transport.close()

        transport: Any = client._connections.of_threads()
        client._connections._transport = Stuck()
        thread = threading.Thread(target=client.ping)
        thread.start()
        await asyncio.to_thread(blocked.wait)
        found = await client.ahealth()
        assert (found.connections, found.connection_limit) == (1, 3)
        go_on.set()
        await asyncio.to_thread(thread.join)
        assert (await client.ahealth()).connections == 0
