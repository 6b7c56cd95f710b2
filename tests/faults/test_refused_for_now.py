"""A server that answers, but refuses for now: a replica, busy, without its replicas, its disk or its cluster, loading.

It counts as away: errors are `UnavailableError`, a turn goes on and is kept, caches miss, and a demoted master is left.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from langchain_core.messages import HumanMessage
from langchain_core.outputs import Generation
from redis.backoff import NoBackoff
from redis.retry import Retry

from langchain_redis_memory import RedisCache, RedisChatMessageHistory
from langchain_redis_memory.errors import RedisMemoryError, ServerError, UnavailableError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis import lease
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.errors import explain, refuses_for_now
from tests.conftest import Both
from tests.support.chains import Desk, Marked
from tests.support.proxy import Proxy
from tests.support.servers import NEWEST, Farm, Process, answers, closed_port, wait_for

Trouble = Callable[[Process, redis.Redis], AbstractContextManager[None]]


@contextmanager
def replica(process: Process, admin: redis.Redis) -> Iterator[None]:
    """READONLY: it follows another server, whose data has not come yet."""
    admin.replicaof("127.0.0.1", str(closed_port()))
    yield
    admin.replicaof("NO", "ONE")


@contextmanager
def masterless(process: Process, admin: redis.Redis) -> Iterator[None]:
    """MASTERDOWN: it follows a server that is not there, and gives no stale data."""
    admin.config_set("replica-serve-stale-data", "no")
    admin.replicaof("127.0.0.1", str(closed_port()))
    yield
    admin.replicaof("NO", "ONE")


@contextmanager
def lonely(process: Process, admin: redis.Redis) -> Iterator[None]:
    """NOREPLICAS: it takes writes only while a replica follows."""
    admin.config_set("min-replicas-to-write", 1)
    yield
    admin.config_set("min-replicas-to-write", 0)


@contextmanager
def diskless(process: Process, admin: redis.Redis) -> Iterator[None]:
    """MISCONF: it cannot save."""
    admin.config_set("save", "3600 1000000")
    folder = Path(str(admin.config_get("dir")["dir"]))
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(redis.ResponseError):
        admin.bgsave()
    wait_for(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err")
    yield
    folder.mkdir()
    admin.config_set("dir", str(folder))
    admin.config_set("save", "")


@contextmanager
def busy(process: Process, admin: redis.Redis) -> Iterator[None]:
    """BUSY: a script runs too long."""
    admin.config_set("lua-time-limit", 10)

    def run() -> None:
        with redis.Redis(port=process.port) as other, pytest.raises(redis.ResponseError):
            other.eval("while true do end", 0)

    def refuses() -> bool:
        try:
            admin.get("x")
        except redis.ResponseError as error:
            return "BUSY" in str(error)
        return False

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(refuses)
    yield
    admin.script_kill()
    thread.join()


@contextmanager
def loading(process: Process, admin: redis.Redis) -> Iterator[None]:
    """LOADING: it reads its data from the disk, for as long as this takes."""
    keys = {f"loaded:{number}": b"x" * 1100 for number in range(1000)}  # after each of them it looks for commands
    for name, value in keys.items():
        admin.set(name, value, ex=600)
    slow: dict[str, str | int] = {
        "rdbcompression": "no",
        "loading-process-events-interval-bytes": 1024,
        "key-load-delay": 30_000,
    }
    for name, setting in slow.items():
        admin.config_set(name, setting)

    def load() -> None:
        with redis.Redis(port=process.port) as other:
            other.execute_command("DEBUG", "RELOAD")

    def refuses() -> bool:
        try:
            impatient.get("x")
        except redis.BusyLoadingError:
            return True
        return False

    thread = threading.Thread(target=load)
    thread.start()
    with redis.Redis(port=process.port, retry=Retry(NoBackoff(), 0)) as impatient:
        wait_for(refuses)
        yield
        assert refuses(), "all the time"
        impatient.config_set("key-load-delay", 0)
    thread.join()
    admin.delete(*keys)


TROUBLES: dict[str, Trouble] = {
    "READONLY": replica,
    "MASTERDOWN": masterless,
    "NOREPLICAS": lonely,
    "MISCONF": diskless,
    "BUSY": busy,
    "LOADING": loading,
}


@pytest.fixture(scope="module")
def process(farm: Farm) -> Iterator[Process]:
    """A server of these tests' own, which they bring into trouble and out of it."""
    made = farm.start(NEWEST, "--enable-debug-command", "yes", "--enable-protected-configs", "yes")
    yield made
    made.stop()


@pytest.mark.parametrize("code", TROUBLES)
async def test_a_turn_goes_on_and_is_kept(process: Process, prefix: str, code: str, both: Both) -> None:
    async with Client.from_url(process.url, prefix=prefix, retries=1) as client:
        with redis.Redis(port=process.port) as admin:
            desk = Desk(client, both, classifier=Marked())
            await desk.say("F: a")
            with TROUBLES[code](process, admin):
                await desk.say("F: b")
                assert (desk.last.stored, desk.memory.unstored) == (False, 2)
                assert [m.type for m in desk.model.shown[-1]] == ["human", "ai", "human"]
                with pytest.raises(UnavailableError, match=r"for now|loading|for a moment"):
                    await both(RedisChatMessageHistory("other", client).add_messages)([HumanMessage("c")])
                cache = RedisCache(client)
                assert await both(cache.lookup)("prompt", "model") is None
                await both(cache.update)("prompt", "model", [Generation(text="x")])
            wait_for(lambda: answers(client))
            await desk.say("F: d")
            assert desk.last.stored
            said = [text for kind, text in await desk.told() if kind == "human"]
            assert said == ["F: a", "F: b", "F: d"]
            assert desk.memory.unstored == 0


async def test_a_node_without_its_cluster(farm: Farm, prefix: str) -> None:
    both = Both(asynchronous=False)
    process = farm.start(NEWEST, "--cluster-enabled", "yes")
    async with Client.from_url(process.url, prefix=prefix, retries=1) as client:
        desk = Desk(client, both, classifier=Marked())
        await desk.say("F: a")
        await desk.say("F: b")
        assert [m.type for m in desk.model.shown[-1]] == ["human", "ai", "human"]
        assert desk.memory.unstored == 4
        with redis.Redis(port=process.port) as admin:
            admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            wait_for(lambda: b"cluster_state:ok" in admin.execute_command("CLUSTER", "INFO", NEVER_DECODE=True))
        wait_for(lambda: answers(client))
        assert await both(desk.memory.flush)() == 0
    process.stop()


async def test_a_demoted_master_is_left(farm: Farm, prefix: str, both: Both) -> None:
    old, new = (farm.start(NEWEST, "--repl-diskless-sync-delay", "0") for _ in range(2))
    with Proxy(old.port) as name:
        async with Client.from_url(name.url, prefix=prefix) as client:
            kept = RedisChatMessageHistory("s", client)
            await both(kept.add_messages)([HumanMessage("1")])
            with redis.Redis(port=old.port) as one, redis.Redis(port=new.port) as two:
                two.replicaof("127.0.0.1", str(old.port))
                wait_for(lambda: two.info("replication")["master_link_status"] == "up")
                two.replicaof("NO", "ONE")
                one.replicaof("127.0.0.1", str(new.port))
            name.to = new.port
            await both(kept.add_messages)([HumanMessage("2")])
            assert [m.content for m in await both.messages(kept)] == ["1", "2"]
            await both(kept.clear)()
    for process in (old, new):
        process.stop()


async def test_only_what_was_refused_is_sent_again(real: Client, both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[Any, ...]] = []

    class Refusing:
        """Refuses the second command once."""

        def renew(self) -> Any:
            sent.append(("renewed",))
            return _nothing() if both.asynchronous else None

        def send(self, commands: Any, *, by_digest: bool) -> Any:
            sent.append(tuple(commands))
            refused = redis.exceptions.ReadOnlyError("You can't write against a read only replica.")
            replies: list[Any] = [b"1", refused] if len(commands) == 2 else [b"2"]
            return _coroutine(replies) if both.asynchronous else replies

    connections = real._connections
    held = await connections.of_loop()
    monkeypatch.setattr(connections, "_transport", Refusing())
    monkeypatch.setitem(connections._loops, next(iter(connections._loops)), held._replace(transport=Refusing()))
    assert await both(real.run)(Op((("GET", "a"), ("SET", "b", 1)), list)) == [b"1", b"2"]
    assert sent == [(("GET", "a"), ("SET", "b", 1)), ("renewed",), (("SET", "b", 1),)]
    monkeypatch.undo()


async def test_a_lease_that_is_taken_at_the_second_attempt_is_held(process: Process, prefix: str, both: Both) -> None:
    with redis.Redis(port=process.port) as admin, lonely(process, admin):
        async with Client.from_url(
            process.url, prefix=prefix, on_trip=lambda _trip: admin.config_set("min-replicas-to-write", 0)
        ) as client:
            key, run = client.keys().lease("work", "s"), both(client.run)
            assert await run(lease.acquire(key, "mine", 60_000)) is True
            assert await run(lease.holder(key)) == "mine"


async def _nothing() -> None:
    pass


async def _coroutine(value: Any) -> Any:
    return value


TEXTS = [
    "READONLY You can't write against a read only replica.",
    "READONLY You can't write against a read only replica. script: f1, on @user_script:7.",
    "Error running script (call to f_f1): @user_script:7: @user_script: 7: -READONLY You can't write",
    "NOREPLICAS Not enough good replicas to write.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "CLUSTERDOWN The cluster is down",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "LOADING Redis is loading the dataset in memory",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "TRYAGAIN Multiple keys request during rehashing of slot",
]


@pytest.mark.parametrize("text", TEXTS)
def test_what_counts_as_refused_for_now(text: str) -> None:
    (explained,) = explain([("SET", "k", 1)], [redis.ResponseError(text)])
    assert isinstance(explained, UnavailableError)
    assert isinstance(explained, ServerError), "an optional op's default takes its place"


@pytest.mark.parametrize("text", ["BUSYGROUP Consumer Group name already exists", "BUSYKEY Target key", "ERR BUSY"])
def test_what_does_not(text: str) -> None:
    assert not refuses_for_now(redis.ResponseError(text))
    (explained,) = explain([("SET", "k", 1)], [redis.ResponseError(text)])
    assert isinstance(explained, RedisMemoryError)
    assert not isinstance(explained, UnavailableError)
