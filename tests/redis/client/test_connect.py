"""Every public class is given its server in the same ways, and closes only what it opened itself."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import redis
import redis.asyncio as aredis

from langchain_redis_memory import (
    Client,
    RedisAgentState,
    RedisByteStore,
    RedisChatMessageHistory,
    RedisConversationState,
    RedisRecordManager,
    RedisSaver,
    RedisSessionData,
    RedisSessions,
    RedisStore,
    UserProfile,
)
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.connect import ClientOwner, connect
from tests.conftest import Both
from tests.support import servers
from tests.support.servers import Farm

PING = Op((("PING",),), len)

CLASSES: dict[str, Callable[..., ClientOwner]] = {
    "history": partial(RedisChatMessageHistory, "s"),
    "sessions": RedisSessions,
    "saver": RedisSaver,
    "store": RedisStore,
    "byte_store": RedisByteStore,
    "record_manager": partial(RedisRecordManager, namespace="n"),
    "conversation_state": partial(RedisConversationState, "s"),
    "agent_state": partial(RedisAgentState, "a"),
    "session_data": partial(RedisSessionData, "s"),
    "profile": partial(UserProfile, "u"),
}
WAYS: dict[str, Callable[[], tuple[tuple[Any, ...], dict[str, Any], str]]] = {
    "client": lambda: ((Client("redis://h"),), {}, "redis://h:6379/0"),
    "url": lambda: (("redis://h",), {}, "redis://h:6379/0"),
    "redis": lambda: ((redis.Redis(),), {}, "<Redis>"),
    "async redis": lambda: ((aredis.Redis(),), {}, "<Redis>"),
    "client=": lambda: ((), {"client": "redis://h"}, "redis://h:6379/0"),
    "redis_url=": lambda: ((), {"redis_url": "redis://h"}, "redis://h:6379/0"),
    "url=": lambda: ((), {"url": "redis://h"}, "redis://h:6379/0"),
    "redis_client=": lambda: ((), {"redis_client": redis.Redis()}, "<Redis>"),
    "redis_client=Client": lambda: ((), {"redis_client": Client("memory://x")}, "memory://x"),
    "None": lambda: ((None,), {}, "redis://settings:7/0"),
    "nothing": lambda: ((), {"redis_url": None}, "redis://settings:7/0"),
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "REDIS_ENABLED", "REDIS_DB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REDIS_HOST", "settings")
    monkeypatch.setenv("REDIS_PORT", "7")


@pytest.fixture(params=CLASSES)
def made(request: pytest.FixtureRequest) -> Callable[..., ClientOwner]:
    return CLASSES[request.param]


@pytest.mark.parametrize("way", WAYS)
def test_each_class_takes_each_way(made: Callable[..., ClientOwner], way: str) -> None:
    args, keywords, url = WAYS[way]()
    built = made(*args, **keywords)
    assert built._client.url == url
    if args and isinstance(args[0], Client):
        assert built._client is args[0]
    assert "\n" not in repr(built)
    assert repr(built).endswith(f"Client({url!r}, prefix='lrm'))")


def test_two_servers_are_refused(made: Callable[..., ClientOwner]) -> None:
    with pytest.raises(ConfigError, match="client and redis_url are given"):
        made("redis://h", redis_url="redis://h")
    with pytest.raises(ConfigError, match="url and redis_client are given"):
        made(url="redis://h", redis_client=redis.Redis())


@pytest.mark.parametrize("bad", [7, b"redis://h", {"host": "h"}, object()])
def test_what_is_no_server_is_refused(made: Callable[..., ClientOwner], bad: Any) -> None:
    with pytest.raises(ConfigError, match="expected a Client, a URL, a client of redis-py"):
        made(bad)
    with pytest.raises(ConfigError, match="url must be a URL"):
        made(url=bad)


HINTS = [
    ("saver", "ttl", r"use ttl_s \(seconds\)"),
    ("saver", "ttl_ms", "not milliseconds"),
    ("history", "key_prefix", r"use client=Client\(url, prefix=...\)"),
    ("history", "max_message", "use max_messages"),
    ("store", "redis_", "use client"),
    ("store", "host", "redis_url='redis://"),
    ("sessions", "tenan", "use tenant"),
    ("sessions", "connection_string", "use redis_url"),
    ("profile", "timeout_s", r"Client.from_url\(url, .*timeout_s"),
    ("byte_store", "zzz", "the keywords are client, namespace, ttl_s, tenant, redis_url, url, redis_client"),
    ("store", "ttl_seconds", "has no keyword 'ttl_seconds'"),
]


@pytest.mark.parametrize(("name", "keyword", "hint"), HINTS)
def test_a_wrong_keyword_says_which_is_meant(name: str, keyword: str, hint: str) -> None:
    with pytest.raises(TypeError, match=hint):
        CLASSES[name](**{keyword: 1})


def test_a_hint_names_only_what_the_class_takes() -> None:
    with pytest.raises(TypeError, match=r"RedisSessions\(\) has no keyword 'ttl'; the keywords are client, tenant"):
        RedisSessions(ttl=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"connect\(\) has no keyword 'ulr'; use url"):
        connect(ulr="redis://h")  # type: ignore[call-arg]

    class Cache(ClientOwner):
        def __init__(self, client: Any = None, *, policy: Any = None, **server: Any) -> None:
            self._client = connect(client, owner=type(self), **server)

    for threshold in ("distance_threshold", "score_threshold"):
        with pytest.raises(TypeError, match=r"use policy=ThresholdPolicy\(...\)"):
            Cache(**{threshold: 0.1})


# --- which client it is -------------------------------------------------------------------------------------------


def test_the_environment_is_that_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_MEMORY_PREFIX", "mine")
    first = connect()
    assert repr(first) == "Client('redis://settings:7/0', prefix='mine')" == repr(Client.from_settings())
    assert connect() is first
    assert Client.from_url().url == first.url
    monkeypatch.setenv("REDIS_ENABLED", "false")
    assert connect().url == "memory://" == Client.from_url().url
    monkeypatch.setenv("REDIS_ENABLED", "true")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere")
    assert connect().url == "redis://elsewhere:6379/0"
    monkeypatch.setenv("REDIS_PORT", "none")
    with pytest.raises(ConfigError, match="REDIS_PORT"):
        connect()


def test_a_url_shares_one_client_and_so_does_a_client_of_redis() -> None:
    assert connect("redis://h") is connect(url="redis://h")
    theirs = redis.Redis()
    assert (first := connect(theirs)) is connect(redis_client=theirs)
    assert connect(redis.Redis()) is not first


def test_a_wrapped_client_is_forgotten_with_its_last_user() -> None:
    from langchain_redis_memory.redis.client import connect as module

    theirs = redis.Redis()
    known = len(module._wrapped)
    kept = connect(theirs)
    assert len(module._wrapped) == known + 1
    del kept
    gc.collect()
    assert len(module._wrapped) == known


def test_a_client_of_a_url_and_of_either_colour() -> None:
    assert repr(Client("redis://h", prefix="p")) == "Client('redis://h:6379/0', prefix='p')"
    with pytest.raises(ConfigError, match="not both"):
        Client("redis://h", aredis.Redis())
    with pytest.raises(ConfigError, match="made without redis;"):
        Client(aredis.Redis()).run(PING)
    with pytest.raises(ConfigError, match="known schemes"):
        Client("localhost")
    with pytest.raises(ConfigError, match="sync client"):
        Client(redis=aredis.Redis(), aredis=aredis.Redis())


# --- closing ------------------------------------------------------------------------------------------------------


@pytest.fixture
def connections(farm: Farm) -> Iterator[Callable[[], int]]:
    observer = redis.Redis.from_url(farm.url(servers.NEWEST))

    def count() -> int:
        return sum(1 for one in observer.client_list() if one["name"] == "connect-test")

    yield count
    observer.close()


@pytest.mark.parametrize("made", [RedisSaver, RedisStore, partial(RedisChatMessageHistory, session_id="s")])
async def test_what_it_opened_itself_is_closed(
    made: Any, farm: Farm, both: Both, connections: Callable[[], int]
) -> None:
    cls = getattr(made, "func", made)
    url = f"{farm.url(servers.NEWEST)}?client_name=connect-test"
    opened = cls.from_conn_string(url, **getattr(made, "keywords", {}))
    await both(opened._client.run)(PING)
    assert connections() == 1, "it is usable without a with block"
    await both(opened.close)()
    await both(opened.close)()
    if both.asynchronous:
        async with cls.from_conn_string(url, **getattr(made, "keywords", {})) as inside:
            await inside._client.arun(PING)
            assert connections() == 1
    else:
        with cls.from_conn_string(url, **getattr(made, "keywords", {})) as inside:
            inside._client.run(PING)
            assert connections() == 1
    assert connections() == 0


async def test_what_is_shared_or_was_passed_in_stays_open(
    farm: Farm, both: Both, connections: Callable[[], int]
) -> None:
    url = f"{farm.url(servers.NEWEST)}?client_name=connect-test"
    mine = Client(url)
    for server in (url, mine):
        first, second = RedisSaver(server), RedisSaver(server)
        await both(first._client.run)(PING)
        before = connections()
        assert before
        if both.asynchronous:
            async with first:
                pass
        else:
            with first:
                pass
        assert connections() == before, "others use it"
        await both(second._client.run)(PING)
        assert connections() == before
        await both(first._client.close)()
    assert connections() == 0


def test_a_copy_with_another_allow_list_closes_nothing() -> None:
    with RedisSaver.from_conn_string("memory://copied") as saver:
        copied = saver.with_allowlist([("decimal", "Decimal"), ("my.own", "Thing")])
        assert copied is not saver
        assert not copied._owns_client
    assert saver._owns_client


def test_the_options_of_the_class_go_through_the_connection_string() -> None:
    with RedisStore.from_conn_string("memory://s", tenant="t") as store:
        store.setup()
        store.put(("a",), "k", {"v": 1})
        found = store.get(("a",), "k")
        assert found is not None
        assert found.value == {"v": 1}
    with pytest.raises(TypeError, match="use ttl_s"):
        RedisSaver.from_conn_string("memory://s", ttl=3)
