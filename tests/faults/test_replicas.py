"""Reads that may be stale: from a replica where one answers, and from the master in the same call where none does."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import pytest
import redis
from langchain_core.messages import HumanMessage
from langchain_core.outputs import Generation
from langgraph.checkpoint.base import empty_checkpoint

from langchain_redis_memory import (
    Client,
    RedisAgentState,
    RedisCache,
    RedisChatMessageHistory,
    RedisSaver,
    RedisSessions,
    RedisStore,
)
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.history.outbox import Outbox
from langchain_redis_memory.redis.client.slots import Replica
from tests.conftest import Both
from tests.support.lateness import Stopwatch
from tests.support.servers import NEWEST, Farm, Process, start_cluster, wait_for

pytestmark = pytest.mark.clocked
TIMEOUT_S = 1.0
MOST = 1.4
"""How many timeouts a call may take, and what a busy machine needs."""
CAREFUL: list[dict[str, Any]] = [{"fallback": Outbox(replay_s=None)}, {"touch_on_read": True}, {"loader": lambda _: []}]
"""What makes a history read from the master: it remembers, moves or loads what it finds."""


class Place(NamedTuple):
    """A master and its replica, and the URL by which both are found."""

    url: str
    master: Process
    replica: Process

    def copied(self) -> None:
        """Waits until the replica has what the master has."""
        with redis.Redis(port=self.master.port) as master:
            assert master.wait(1, 60_000) == 1

    def asked(self) -> dict[str, set[str]]:
        """Which of the two has run commands that read since it was asked this last."""
        found = {}
        for name, process in (("master", self.master), ("replica", self.replica)):
            with redis.Redis(port=process.port) as admin:
                stats = admin.info("commandstats")
                admin.config_resetstat()
            # What the master runs its replica repeats, but as writes: what reads shows who was asked.
            found[name] = {stat.removeprefix("cmdstat_") for stat in stats} & {"lrange", "llen", "evalsha", "eval"}
        return found


@pytest.fixture(scope="module", params=["cluster", "sentinel"])
def place(request: pytest.FixtureRequest, farm: Farm) -> Iterator[Place]:
    if request.param == "cluster":
        url = start_cluster(farm, masters=1, replicas=1)
        master, replica = own = farm.processes[-2:]
        yield Place(url, master, replica)
    else:
        master = farm.start(NEWEST, "--repl-diskless-sync-delay", "0")
        replica = farm.start(NEWEST, "--replicaof", "127.0.0.1", str(master.port))
        with redis.Redis(port=replica.port) as admin:
            wait_for(lambda: admin.info("replication")["master_link_status"] == "up")
        sentinel = farm.sentinel(master, "main")
        with redis.Redis(port=sentinel.port) as admin:
            wait_for(lambda: any(one["master-link-status"] == "ok" for one in admin.sentinel_slaves("main")))
        own = [sentinel, master, replica]
        yield Place(f"redis+sentinel://127.0.0.1:{sentinel.port}/main/0", master, replica)
    for process in own:  # they talk to each other as long as they live
        process.stop()


@pytest.fixture
async def reader(place: Place, prefix: str) -> AsyncIterator[Client]:
    async with Client.from_url(place.url, prefix=prefix, timeout_s=TIMEOUT_S, read_from="prefer_replica") as client:
        yield client


async def test_what_may_be_stale_is_read_from_the_replica(reader: Client, place: Place, both: Both) -> None:
    history, store = RedisChatMessageHistory("s", reader, ttl_s=60), RedisStore(reader, ttl={"default_ttl": 60})
    await both(history.add_messages)([HumanMessage("a"), HumanMessage("b")])
    await both(store.put)(("docs", "a"), "k", {"x": 1})
    place.copied()
    with redis.Redis(port=place.replica.port) as replica:
        replica.script_flush()
    place.asked()
    assert [one.content for one in await both.messages(history)] == ["a", "b"]
    assert place.asked() == {"master": set(), "replica": {"lrange"}}
    assert [one.content for one in await both(history.recent_tokens)(1000)] == ["a", "b"]
    assert await both(history.count)() == 2
    found = await both(store.search)(("docs",), refresh_ttl=False)
    assert [one.value for one in found] == [{"x": 1}]
    asked = place.asked()
    assert asked["master"] == set(), "not even for scripts that the replica does not know"
    assert asked["replica"] >= {"evalsha", "eval", "llen"}


async def test_all_else_is_read_from_the_master(reader: Client, place: Place, both: Both) -> None:
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    saver, cache = RedisSaver(reader, ttl_s=60), RedisCache(reader)
    state = RedisAgentState[Any]("a", reader, ttl_s=60)
    store = RedisStore(reader, ttl={"default_ttl": 60})
    place.asked()
    for number in range(10):  # read at once, as nobody could from a replica that is behind
        checkpoint: Any = {**empty_checkpoint(), "channel_values": {"n": number}, "channel_versions": {"n": number + 1}}
        await both(saver.put)(config, checkpoint, {}, {"n": number + 1})
        await both(cache.update)("p", "m", [Generation(text=str(number))])
        await both(state.save)({"n": number})
        await both(store.put)(("docs",), "k", {"n": number})
        await both(RedisChatMessageHistory("s", reader, ttl_s=60).add_messages)([HumanMessage(str(number))])
        assert (await both(saver.get_tuple)(config)).checkpoint["channel_values"] == {"n": number}
        assert (await both(cache.lookup)("p", "m"))[0].text == str(number)
        assert await both(state.load)() == {"n": number}
        assert (await both(store.get)(("docs",), "k")).value == {"n": number}
        assert (await both(RedisSessions(reader).list_sessions)()).sessions[0].messages == number + 1
        for careful in CAREFUL:
            seen = await both.messages(RedisChatMessageHistory("s", reader, ttl_s=60, **careful))
            assert len(seen) == number + 1, careful
    assert place.asked()["replica"] == set()


async def test_a_silent_replica_leaves_time_for_the_master(reader: Client, place: Place, both: Both) -> None:
    history = RedisChatMessageHistory("s", reader, ttl_s=60)
    await both(history.add_messages)([HumanMessage("a")])
    place.copied()
    assert await both(history.count)() == 1
    os.kill(place.replica.popen.pid, signal.SIGSTOP)
    try:
        with Stopwatch() as first:
            assert await both(history.count)() == 1
        with Stopwatch() as second:
            assert await both(history.count)() == 1
    finally:
        os.kill(place.replica.popen.pid, signal.SIGCONT)
    assert first.seconds < MOST * TIMEOUT_S
    assert second.seconds < TIMEOUT_S / 4, "it is left alone for a while"


async def test_what_a_replica_refuses_the_master_answers(reader: Client, place: Place, both: Both) -> None:
    history = RedisChatMessageHistory("s", reader, ttl_s=60)
    await both(history.add_messages)([HumanMessage("a")])
    place.copied()
    place.asked()
    with redis.Redis(port=place.replica.port) as replica:
        replica.execute_command("ACL", "SETUSER", "default", "-llen")
        try:
            assert await both(history.count)() == 1
        finally:
            replica.execute_command("ACL", "SETUSER", "default", "+llen")
    assert place.asked()["master"] == {"llen"}


async def test_a_replica_that_has_gone_costs_nobody_his_answer(reader: Client, place: Place, both: Both) -> None:
    nodes = reader._topology.nodes
    if nodes is None:
        pytest.skip("of a cluster")
    history = RedisChatMessageHistory("s", reader, ttl_s=60)
    await both(history.add_messages)([HumanMessage("a")])
    [owner] = nodes.known
    assert nodes._replicas == {owner: [Replica("127.0.0.1", place.replica.port)]}
    nodes._replicas[owner] = [Replica("127.0.0.1", 1)]
    assert await both(history.count)() == 1, "nobody is there"
    assert not (await both(reader.health)()).breaker_open
    nodes._guards[Replica("127.0.0.1", 1)]._until = 0.1  # the pause is over: where the slots are is asked anew
    assert await both(history.count)() == 1
    assert nodes._replicas == {owner: [Replica("127.0.0.1", place.replica.port)]}
    nodes._replicas[owner] = [Replica(*owner)]
    assert await both(history.count)() == 1, "one that has become the master meanwhile"


def test_where_replicas_cannot_be_found_it_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"redis\+cluster:// or redis\+sentinel://"):
        Client.from_url("redis://localhost", read_from="prefer_replica")
    with pytest.raises(ConfigError, match="read_from"):
        Client.from_url("redis+cluster://localhost", read_from="slave")
    assert Client.from_url("memory://x", read_from="prefer_replica").url == "memory://x"
