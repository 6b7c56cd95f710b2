"""Writes that wait for replicas and for the disk, in their own round trip; what stands but is not that far says so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.base import empty_checkpoint
from redis.crc import key_slot

from langchain_redis_memory.cache.exact import RedisCache
from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.errors import ConfigError, DurabilityError, InvalidInputError
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.ops import merge
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.redis.client.durability import Durability
from langchain_redis_memory.state.agent_state import RedisAgentState
from langchain_redis_memory.store.redis_store import RedisStore
from tests.conftest import Both
from tests.support.chains import Desk, Marked
from tests.support.servers import NEWEST, PATIENT_S, Farm, of_cluster, start_cluster, wait_for

SOON = Durability("replicated", timeout_s=0.05)
PATIENT = Durability("replicated", timeout_s=PATIENT_S)


@pytest.fixture(scope="module")
def pair(farm: Farm) -> Iterator[tuple[str, redis.Redis]]:
    """A master with a replica: its URL, and a client of the replica."""
    master = farm.start(NEWEST, "--repl-diskless-sync-delay", "0")
    copy = farm.start(NEWEST)
    replica = redis.Redis(port=copy.port)
    replica.replicaof("127.0.0.1", master.port)
    wait_for(lambda: replica.info("replication")["master_link_status"] == "up")
    yield master.url, replica
    replica.close()
    for process in (copy, master):
        process.stop()


@pytest.fixture
async def replicated(pair: tuple[str, redis.Redis], prefix: str, trips: list[Trip]) -> AsyncIterator[Client]:
    """A client whose writes wait for the replica."""
    client = Client.from_url(pair[0], prefix=prefix, on_trip=trips.append).durable(PATIENT)
    yield client
    await client.aclose()


async def written(both: Both, client: Client) -> None:
    """One write of each room that stores, and a delete."""
    await both(RedisChatMessageHistory("s", client).add_messages)([HumanMessage("a")])
    await both(RedisAgentState[Any]("a", client, ttl_s=60).save)({"step": 1})
    await both(RedisStore(client, ttl={"default_ttl": 60}).put)(("a",), "k", {"x": 1})
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    saver = RedisSaver(client, ttl_s=60)
    saved = await both(saver.put)(config, empty_checkpoint(), {}, {})
    await both(saver.put_writes)(saved, [("x", 1)], "task")


async def test_a_replica_has_what_was_written(
    replicated: Client, pair: tuple[str, redis.Redis], both: Both, trips: list[Trip]
) -> None:
    await written(both, replicated)
    for number in range(20):
        session = f"s{number}"
        trips.clear()
        await both(RedisChatMessageHistory(session, replicated).add_messages)([HumanMessage("a")])
        assert len(trips) == 1, "no trip of its own"
        assert pair[1].llen(replicated.keys().session(session).messages) == 1
    await both(RedisChatMessageHistory("s1", replicated).clear)()
    assert not pair[1].exists(replicated.keys().session("s1").messages)


async def test_a_script_that_the_server_does_not_know_is_waited_for_too(
    replicated: Client, pair: tuple[str, redis.Redis], both: Both, trips: list[Trip]
) -> None:
    with redis.Redis.from_url(pair[0]) as plain:
        plain.script_flush()
    await both(RedisChatMessageHistory("new", replicated).add_messages)([HumanMessage("a")])
    assert [trip.commands for trip in trips] == [3, 3], "the second sends both scripts in full, and waits again"
    assert pair[1].llen(replicated.keys().session("new").messages) == 1


async def test_a_server_without_a_replica_says_what_stands(real: Client, both: Both) -> None:
    alone = real.durable(SOON)
    history = RedisChatMessageHistory("s", alone)
    with pytest.raises(DurabilityError, match=r"stands.*only 0 of 1 replicas had it after 0.05 s"):
        await both(history.add_messages)([HumanMessage("a")])
    assert len(await both.messages(history)) == 1
    await both(RedisChatMessageHistory("s", real).add_messages)([HumanMessage("b")])
    assert len(await both.messages(history)) == 2, "the client itself does not wait"


async def test_classes_take_it(real: Client, both: Both) -> None:
    for made in (
        RedisChatMessageHistory("s", real, durability=SOON),
        RedisAgentState[Any]("s", real, ttl_s=60, durability=SOON),
    ):
        write: Any = made.add_turn if isinstance(made, RedisChatMessageHistory) else made.save
        with pytest.raises(DurabilityError):
            await both(write)(*(("a", "b") if isinstance(made, RedisChatMessageHistory) else ({},)))
    with pytest.raises(ConfigError, match="durability"):
        RedisSaver(real, durability="safe")  # type: ignore[arg-type]


async def test_a_turn_goes_on(real: Client, both: Both, caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(real, both, classifier=Marked(), durability=SOON)
    await desk.say("F: a")
    assert desk.last.stored
    assert "the turn is stored, and goes on" in caplog.text
    assert (len(await desk.told()), desk.memory.unstored) == (2, 0)


@pytest.fixture(scope="module")
def half_replicated(farm: Farm) -> Iterator[str]:
    """A cluster of two masters, one of which has a replica."""
    url = start_cluster(farm, 2, 1)
    own = farm.processes[-3:]
    yield url
    for process in own:
        process.stop()


async def test_on_a_cluster_each_node_is_waited_for(half_replicated: str, prefix: str, both: Both) -> None:
    client = Client.from_url(half_replicated, prefix=prefix)
    durable, patient = client.durable(SOON), client.durable(PATIENT)
    with of_cluster(half_replicated) as cluster:

        def history(*, copied: bool) -> RedisChatMessageHistory:
            for name in map(str, range(100)):
                slot = key_slot(client.keys().session(name).messages.encode())
                if (len(cluster.nodes_manager.slots_cache[slot]) > 1) is copied:
                    return RedisChatMessageHistory(name, patient if copied else durable, ttl_s=60)
            raise AssertionError

        safe, alone = history(copied=True), history(copied=False)
    add, other = (one._flows.transcript.add([HumanMessage("x")]) for one in (safe, alone))
    await both(safe.add_messages)([HumanMessage("a")])
    with pytest.raises(DurabilityError, match="only 0 of 1 replicas"):
        await both(alone.add_messages)([HumanMessage("a")])
    with pytest.raises(DurabilityError, match="only 0 of 1 replicas"):
        await both(durable.run)(merge(add, other))
    added, read = await both(patient.run)(merge(add, alone._flows.transcript.read()))
    assert (added.appended, len(read)) == (1, 2), "where only something is read nobody waits"
    assert [len(await both.messages(one)) for one in (safe, alone)] == [2, 2]
    await client.aclose()


async def test_a_cache_does_not_wait(real: Client, both: Both) -> None:
    from langchain_core.outputs import Generation

    cache = RedisCache(real, durability=Durability("replicated", timeout_s=60))
    await both(cache.update)("p", "m", [Generation(text="a")])
    assert await both(cache.lookup)("p", "m") is not None


async def test_it_is_on_the_disk(farm: Farm, prefix: str, both: Both) -> None:
    process = farm.start(NEWEST, "--appendonly", "yes", "--appendfsync", "everysec")
    client = Client.from_url(process.url, prefix=prefix).durable(Durability("fsynced", timeout_s=PATIENT_S))
    await both(RedisChatMessageHistory("s", client).add_messages)([HumanMessage("a")])
    assert len(await both.messages(RedisChatMessageHistory("s", client))) == 1
    await client.aclose()
    process.stop()


async def test_a_server_that_writes_nothing_down_says_so(real: Client, both: Both) -> None:
    history = RedisChatMessageHistory("s", real, durability="fsynced")
    with pytest.raises(DurabilityError, match=r"stands.*needs appendonly yes"):
        await both(history.add_messages)([HumanMessage("a")])
    assert len(await both.messages(history)) == 1


class _Cluster:
    """A client of redis-py that routes by key."""

    def execute_command(self, *args: Any, **options: Any) -> None: ...

    def keyslot(self, key: str) -> int:
        return len(key)


def test_what_cannot_wait_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a server with replicas"):
        Client("memory://x").durable("replicated")
    with pytest.raises(ConfigError, match="needs a server with replicas"):
        Client(_Cluster()).durable("fsynced")
    assert Client("memory://x").durable("written").url == "memory://x"
    with pytest.raises(InvalidInputError, match="replicas"):
        Durability("replicated", replicas=0)
    with pytest.raises(InvalidInputError, match="timeout_s"):
        Durability(timeout_s=0)
