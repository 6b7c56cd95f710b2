"""From a URL or the environment to a client: what works, what is refused, and that no password is ever shown."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest
import redis

from langchain_redis_memory.errors import AuthenticationError, ConfigError, UnavailableError
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.connect import connect
from langchain_redis_memory.redis.client.settings import RedisMemorySettings, read_settings
from tests.conftest import Both, Watch
from tests.support import servers
from tests.support.servers import Farm, Process

PING = Op((("PING",),), lambda replies: replies[0] in {b"PONG", "PONG", True})

SHOWN = {
    "redis://": "redis://localhost:6379/0",
    "redis://h": "redis://h:6379/0",
    "redis://h:7/3": "redis://h:7/3",
    "redis://h?db=4": "redis://h:6379/4",
    "redis://user:pw@h:7": "redis://h:7/0",
    "redis://[::1]:7/1": "redis://::1:7/1",
    "rediss://h:7": "rediss://h:7/0",
    "valkey://h": "redis://h:6379/0",
    "valkeys://h": "rediss://h:6379/0",
    "unix:///run/redis.sock?db=2": "unix:///run/redis.sock",
    "unix://user:pw@/run/redis.sock": "unix:///run/redis.sock",
    "redis+cluster://a,b:7": "redis+cluster://a:6379,b:7",
    "rediss+cluster://:pw@a": "rediss+cluster://a:6379",
    "valkey+cluster://a": "redis+cluster://a:6379",
    "redis+sentinel://a,b:7/main": "redis+sentinel://a:26379,b:7/main/0",
    "rediss+sentinel://u:pw@a/main/3?sentinel_password=pw": "rediss+sentinel://a:26379/main/3",
    "memory://": "memory://",
    "memory://name": "memory://name",
}


@pytest.mark.parametrize(("given", "shown"), SHOWN.items(), ids=SHOWN.keys())
def test_every_scheme_and_how_it_is_shown(given: str, shown: str) -> None:
    client = Client.from_url(given, prefix="p")
    assert client.url == shown
    assert repr(client) == f"Client({shown!r}, prefix='p')"
    client.close()


BAD = [
    "localhost",
    "localhost:6379",
    "http://h",
    "redis+nothing://h",
    "unix+cluster:///x",
    "unix://",
    "redis:/h",
    "redis://h:port",
    "redis://h:99999",
    "redis://h:-1",
    "redis://h/zero",
    "redis://h/1/2",
    "redis://h?db=zero",
    "redis://h?socket_timeout=soon",
    "redis://h?no_such_option=1",
    "redis+cluster://",
    "redis+cluster://a,,b",
    "redis+cluster://a:x",
    "redis+cluster://a/3",
    "redis+sentinel://a",
    "redis+sentinel://a/",
    "redis+sentinel:///main",
    "redis+sentinel://a/main/zero",
]


@pytest.mark.parametrize("bad", BAD)
def test_a_url_that_cannot_work_is_refused_when_it_is_given(bad: str) -> None:
    with pytest.raises(ConfigError):
        Client.from_url(bad)
    with pytest.raises(ConfigError):
        RedisChatMessageHistory("s", bad)


@pytest.mark.parametrize("bad", [7, b"redis://h", {"host": "h"}])
def test_what_is_no_url_is_refused(bad: Any) -> None:
    with pytest.raises(ConfigError):
        Client.from_url(bad)
    with pytest.raises(ConfigError):
        connect(bad)


@pytest.mark.parametrize(
    "options",
    [
        {"max_connections": 0},
        {"retries": -1},
        {"timeout_s": 0},
        {"timeout_s": "1"},
        {"connect_timeout_s": -1.0},
        {"no_such_option": 1},
        {"prefix": ""},
        {"prefix": "a{b}"},
        {"prefix": "a*"},
        {"prefix": "x" * 65},
    ],
)
def test_an_option_that_cannot_work_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Client.from_url("redis://h", **options)


SECRETS = [
    "redis://user:hunter2@h:port/0",
    "redis://user:hunter2@h:6379/zero",
    "redis://user:hunter2@h?no_such_option=1",
    "redis://user:hunter2/3@h:6379/0",
    "redis://user:hunter2?@h:6379/0",
    "redis://user:hunter2#4@h:6379/0",
    "redis://:12/hunter2@h:6379/0",
    "redis://user:%68unter2@h:port/0",
    "redis+cluster://user:hunter2@h:port",
    "redis+cluster://user:hunter2/3@h",
    "redis+cluster://user:hunter2@h/3",
    "redis+sentinel://user:hunter2@h",
    "redis+sentinel://user:hunter2@h/main/zero",
    "redis+sentinel://user:hunter2?3@h/main",
    "redis+sentinel://h:x/main?sentinel_password=hunter2",
    "redis://h:x?password=hunter2",
    "hunter2",
    "nothing://user:hunter2@h",
]


@pytest.mark.parametrize("url", SECRETS)
def test_no_error_about_a_url_shows_its_password(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigError) as caught:
        Client.from_url(url)
    # Only the package's own words: a traceback also shows the source line that holds the URL.
    chain: list[BaseException] = [caught.value]
    while cause := chain[-1].__cause__ or (None if chain[-1].__suppress_context__ else chain[-1].__context__):
        chain.append(cause)
    assert not any("hunter2" in str(error) + repr(error) for error in chain)
    assert "hunter2" not in caplog.text


# --- the environment --------------------------------------------------------------------------------

VARIABLES = ["REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_DB", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_SSL"]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*VARIABLES, "REDIS_ENABLED", "REDIS_MEMORY_PREFIX", "REDIS_POOL_SIZE"]:
        monkeypatch.delenv(name, raising=False)


def test_the_url_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Client.from_url().url == "redis://localhost:6379/0"
    assert connect(None).url == "redis://localhost:6379/0"
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere:7/1")
    assert Client.from_url().url == "redis://elsewhere:7/1"
    assert connect(None).url == "redis://elsewhere:7/1"
    assert Client.from_url("redis://h").url == "redis://h:6379/0"
    monkeypatch.setenv("REDIS_URL", "")
    assert Client.from_url().url == "redis://localhost:6379/0"


def test_the_same_url_shares_one_client() -> None:
    assert connect("redis://shared") is connect("redis://shared")
    assert connect("redis://shared") is not connect("redis://other")
    mine = Client.from_url("redis://shared")
    assert connect(mine) is mine


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Client.from_settings().url == "redis://localhost:6379/0"
    monkeypatch.setenv("REDIS_HOST", "h")
    monkeypatch.setenv("REDIS_PORT", "7")
    monkeypatch.setenv("REDIS_DB", "3")
    monkeypatch.setenv("REDIS_MEMORY_PREFIX", "mine")
    client = Client.from_settings()
    assert client.url == "redis://h:7/3"
    assert client.keys().prefix == "mine"
    monkeypatch.setenv("REDIS_SSL", "true")
    assert Client.from_settings().url == "rediss://h:7/3"
    monkeypatch.setenv("REDIS_URL", "")
    assert Client.from_settings().url == "rediss://h:7/3", "an empty variable is no URL"
    monkeypatch.setenv("REDIS_URL", "redis://whole:1/2")
    assert Client.from_settings().url == "redis://whole:1/2"
    given: dict[str, Any] = {"redis_url": None, "host": "::1", "ssl": False}
    assert Client.from_settings(RedisMemorySettings(**given)).url == "redis://::1:7/3"


@pytest.mark.parametrize("off", ["false", "0", "no", "False", "off"])
async def test_redis_can_be_turned_off(monkeypatch: pytest.MonkeyPatch, off: str) -> None:
    monkeypatch.setenv("REDIS_ENABLED", off)
    monkeypatch.setenv("REDIS_URL", "redis://nowhere")
    monkeypatch.setenv("REDIS_PASSWORD", "hunter2")
    async with Client.from_settings() as client:
        assert client.url == "memory://"
        assert await client.arun(PING)
        assert client.run(PING)


@pytest.mark.parametrize(
    ("name", "value"),
    [("REDIS_PORT", "hunter2"), ("REDIS_DB", "-1"), ("REDIS_ENABLED", "maybe"), ("REDIS_MEMORY_MAX_CONNECTIONS", "0")],
)
def test_a_variable_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=name) as caught:
        Client.from_settings()
    assert "hunter2" not in str(caught.value)


def test_settings_do_not_show_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", "hunter2")
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@h")
    settings = read_settings()
    assert "hunter2" not in repr(settings) + str(settings) + settings.model_dump_json()
    assert "hunter2" not in repr(Client.from_settings(settings))


# --- credentials ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def locked(farm: Farm) -> Process:
    """A server with a password."""
    return farm.start(servers.NEWEST, password="hunter2")


async def test_the_right_password(locked: Process, both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Client.from_url(f"redis://:hunter2@127.0.0.1:{locked.port}/0") as client:
        assert await both(client.run)(PING)
    async with Client.from_url(f"redis://127.0.0.1:{locked.port}/0?password=hunter2") as client:
        assert await both(client.run)(PING)
    monkeypatch.setenv("REDIS_PORT", str(locked.port))
    monkeypatch.setenv("REDIS_HOST", "127.0.0.1")
    monkeypatch.setenv("REDIS_PASSWORD", "hunter2")
    async with Client.from_settings() as client:
        assert await both(client.run)(PING)


@pytest.mark.parametrize("credentials", ["", ":wrong-hunter3@", "nobody:wrong-hunter3@"], ids=["none", "wrong", "user"])
async def test_the_wrong_password(
    locked: Process, both: Both, credentials: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Client.from_url(f"redis://{credentials}127.0.0.1:{locked.port}/0") as client:
        for op in (PING, Op((("GET", "a"), ("GET", "b")), list)):
            with pytest.raises(AuthenticationError) as caught:
                await both(client.run)(op)
            told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(client)
            assert "hunter3" not in told
    assert "hunter3" not in caplog.text


async def test_a_host_that_is_not_there(both: Both, caplog: pytest.LogCaptureFixture) -> None:
    url = f"redis://user:hunter2@127.0.0.1:{servers.closed_port()}/0"
    for retries in (0, 1):
        async with Client.from_url(url, retries=retries, connect_timeout_s=1) as client:
            for op in (PING, Op((("GET", "a"), ("GET", "b")), list)):
                with pytest.raises(UnavailableError, match=r"127\.0\.0\.1") as caught:
                    await both(client.run)(op)
                assert isinstance(caught.value, ConnectionError)
                assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("url", ["redis+cluster://u:hunter2@127.0.0.1:{}", "redis+sentinel://u:hunter2@127.0.0.1:{}/m"])
async def test_a_topology_that_is_not_there(both: Both, url: str) -> None:
    async with Client.from_url(url.format(servers.closed_port()), retries=0, connect_timeout_s=1) as client:
        with pytest.raises(UnavailableError) as caught:
            await both(client.run)(PING)
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))


async def test_a_unix_socket(farm: Farm, both: Both, tmp_path: Any, watch: Watch) -> None:
    socket = tmp_path / "redis.sock"
    farm.start(servers.NEWEST, "--unixsocket", str(socket))
    async with Client.from_url(f"unix://{socket}?db=1", prefix="p") as client:
        watch(f"unix://{socket}?db=1", "p")
        await both(client.run)(Op((("SET", "p:x", 1, "EX", 60),), len))
        with redis.Redis(unix_socket_path=str(socket), db=1) as plain:
            assert plain.get("p:x") == b"1"
