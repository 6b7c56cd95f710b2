"""Every field of the settings has an effect where its argument is not given, and none where it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from langchain_redis_memory import (
    Client,
    ConversationMemory,
    EpochAnswerCache,
    ExactAnswerCache,
    RagCache,
    RedisChatMessageHistory,
    RedisConversationState,
    RedisMemorySettings,
    RedisSaver,
    RedisSessionData,
    SemanticAnswerCache,
)
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.redis.client.connect import connect

MODEL = DeterministicFakeEmbedding(size=3)
DAY_MS = 86_400_000


def option(name: str) -> Callable[[Client], Any]:
    """An option of redis-py's connections."""
    return lambda client: client._connections.of_threads().client.connection_pool.connection_kwargs[name]


SEEN: dict[str, tuple[str, Any, Callable[[Client], Any]]] = {
    "enabled": ("false", "memory://", lambda client: client.url),
    "redis_url": ("redis://elsewhere:1/2", "redis://elsewhere:1/2", lambda client: client.url),
    "host": ("elsewhere", "redis://elsewhere:6379/0", lambda client: client.url),
    "port": ("7", "redis://localhost:7/0", lambda client: client.url),
    "db": ("3", "redis://localhost:6379/3", lambda client: client.url),
    "username": ("ann", "ann", option("username")),
    "password": ("secret", "secret", option("password")),
    "ssl": ("true", "rediss://localhost:6379/0", lambda client: client.url),
    "prefix": ("mine", "mine", lambda client: client.keys().prefix),
    "max_connections": ("7", 7, lambda client: client._connections.limit),
    "connect_timeout_s": ("1.5", 1.5, option("socket_connect_timeout")),
    "timeout_s": ("2.5", 2.5, option("socket_timeout")),
    "retries": ("9", 9, lambda client: client._topology.bounds.retries),
    "history_ttl_s": ("86400", DAY_MS, lambda client: ConversationMemory(client)._ttl_ms),
    "answer_ttl_s": ("86400", DAY_MS, lambda client: RagCache(client).responses._ttl_ms),
    "thread_ttl_s": ("86400", DAY_MS, lambda client: RedisSaver(client)._flows.ttl_ms),
}
"""Field -> what its variable holds, what is then seen, and where."""

LOCATION = {"enabled", "redis_url", "host", "port", "db", "ssl"}
BOUNDS = {"prefix", "max_connections", "connect_timeout_s", "timeout_s", "retries"}

LIFETIMES: dict[str, list[Callable[..., int]]] = {
    "history_ttl_s": [
        lambda **given: ConversationMemory("memory://ttl", **given)._ttl_ms,
        lambda **given: ConversationMemory("memory://ttl", **given).history("s")._flows.transcript.ttl_ms,
        lambda **given: RedisChatMessageHistory("s", "memory://ttl", **given)._flows.transcript.ttl_ms,
        lambda **given: RedisSessionData("s", "memory://ttl", **given)._ttl_ms,
        lambda **given: RedisConversationState("s", "memory://ttl", **given)._ttl_ms,
    ],
    "answer_ttl_s": [
        lambda **given: ExactAnswerCache(**given)._ttl_ms,
        lambda **given: EpochAnswerCache("memory://ttl", **given)._ttl_ms,
        lambda **given: SemanticAnswerCache("memory://ttl", MODEL, **given)._ttl_ms,
        lambda **given: RagCache("memory://ttl", **answers("responses_ttl_s", given)).responses._ttl_ms,
        lambda **given: memory_answers(**answers("answer_ttl_s", given)),
        lambda **given: memory_answers(embeddings=MODEL, **answers("answer_ttl_s", given)),
    ],
    "thread_ttl_s": [lambda **given: RedisSaver("memory://ttl", **given)._flows.ttl_ms],
}
"""Field -> what takes its lifetime from it."""


def answers(name: str, given: dict[str, Any]) -> dict[str, Any]:
    return {name: given["ttl_s"]} if given else {}


def memory_answers(**given: Any) -> int:
    cache: Any = ConversationMemory("memory://ttl", **given)._flows.cache.cache
    return int(cache._ttl_ms)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    connect_afresh()
    for name in variables().values():
        monkeypatch.delenv(name, raising=False)


def connect_afresh() -> None:
    """The shared client of a URL has read the settings; forget it."""
    from langchain_redis_memory.redis.client import connect as module

    module._of_url.cache_clear()


def variables() -> dict[str, str]:
    """Each field's first variable."""
    aliases: Any = {name: field.validation_alias for name, field in RedisMemorySettings.model_fields.items()}
    return {name: alias.choices[0] for name, alias in aliases.items()}


@pytest.mark.parametrize("field", RedisMemorySettings.model_fields)
@pytest.mark.parametrize("made", [connect, Client.from_settings, Client.from_url])
def test_no_field_is_dead(made: Callable[[], Client], field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value, expected, seen = SEEN[field]
    if field not in {"username", "password"}:  # which the connection does not even know by default
        assert seen(made()) != expected
    monkeypatch.setenv(variables()[field], value)
    assert seen(made()) == expected
    assert seen(Client.from_settings(RedisMemorySettings.model_validate({}))) == expected


@pytest.mark.parametrize(
    "field", [name for name in SEEN if name not in {"enabled", "redis_url", "host", "port", "db", "ssl"}]
)
@pytest.mark.parametrize("made", [Client, Client.from_url, connect], ids=["Client", "from_url", "connect"])
def test_with_a_url_the_rest_still_counts(
    made: Callable[[str], Client], field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, expected, seen = SEEN[field]
    monkeypatch.setenv(variables()[field], value)
    client = made("redis://h:1/1")
    assert client.url == "redis://h:1/1"
    if field in {"username", "password"}:
        assert field not in client._connections.of_threads().client.connection_pool.connection_kwargs
    else:
        assert seen(client) == expected


def test_with_a_url_what_the_environment_says_of_its_server_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_PORT", "REDIS_DB", "REDIS_ENABLED", "REDIS_SSL"):
        monkeypatch.setenv(name, "nonsense")
    monkeypatch.setenv("REDIS_URL", "redis://env")
    assert Client("redis://h").settings.url() == "redis://h"
    assert connect("redis://h:2").url == "redis://h:2/0"
    assert ConversationMemory("memory://x", cache=ExactAnswerCache())._ttl_ms
    monkeypatch.setenv("REDIS_MEMORY_RETRIES", "many")
    with pytest.raises(ConfigError, match="REDIS_MEMORY_RETRIES"):
        Client("redis://h:3")


def test_an_argument_comes_before_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in BOUNDS:
        monkeypatch.setenv(variables()[field], SEEN[field][0])
    client = Client.from_url(
        "redis://h", prefix="p", max_connections=3, connect_timeout_s=0.5, timeout_s=0.25, retries=0
    )
    given = client.settings.model_dump(include=BOUNDS)
    assert given == {"prefix": "p", "max_connections": 3, "connect_timeout_s": 0.5, "timeout_s": 0.25, "retries": 0}
    for field in given:
        assert SEEN[field][2](client) == given[field]


@pytest.mark.parametrize("field", LIFETIMES)
def test_a_lifetime_that_is_not_given_is_the_settings(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default = RedisMemorySettings.model_fields[field].default
    for value, expected in ((None, default), ("60", 60), ("none", None), ("", default)):
        connect_afresh()
        if value is not None:
            monkeypatch.setenv(variables()[field], value)
        for made in LIFETIMES[field]:
            assert made() == made(ttl_s="settings") == (expected or 0) * 1000
            assert made(ttl_s=5) == 5000
            assert made(ttl_s=None) == 0
            with pytest.raises(InvalidInputError):
                made(ttl_s="soon")


def test_settings_that_were_given_decide_not_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_MEMORY_HISTORY_TTL_S", "60")
    given: dict[str, Any] = {"redis_url": "memory://own", "history_ttl_s": 7}
    client = Client.from_settings(RedisMemorySettings(**given))
    assert RedisChatMessageHistory("s", client)._flows.transcript.ttl_ms == 7000


def test_what_is_no_setting_is_refused() -> None:
    for given in ({"_env_file": ".env"}, {"hots": "h"}):
        with pytest.raises(ValueError, match=f"named {next(iter(given))}; what a file sets, load into the environment"):
            RedisMemorySettings(**given)


def test_a_variable_that_is_no_setting_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("HISTORY_TTL", "HIT_RATE_TARGETS", "MAX_INFLATED_MB", "SERVICE_HOST", "PORT_6379_TCP", "RETRIES"):
        monkeypatch.setenv(f"REDIS_MEMORY_{name}", "5")
    for _ in range(2):
        connect("memory://")
    (told,) = caplog.messages
    assert told.startswith("REDIS_MEMORY_HISTORY_TTL is not a setting")
    assert "REDIS_MEMORY_HISTORY_TTL_S" in told


def test_the_port_that_kubernetes_sets_for_a_service_named_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PORT", "tcp://10.0.0.1:6380")
    assert connect().url == "redis://localhost:6380/0"


def test_a_password_of_any_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "p@ss/w:rd#?"
    monkeypatch.setenv("REDIS_PASSWORD", secret)
    assert option("password")(connect()) == secret
    assert option("password")(connect(f"redis://:{quote(secret, safe='')}@h")) == secret


def test_the_documents_name_every_variable() -> None:
    page = (Path(__file__).parents[3] / "docs" / "connecting.md").read_text("utf-8")
    for name in variables().values():
        assert f"`{name}" in page or f"`{name.replace('REDIS_MEMORY', '...')}`" in page, name
