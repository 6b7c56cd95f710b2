"""The factories for a LangGraph server: opened and closed by it, configured by the environment that it sets."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langgraph.checkpoint.base import empty_checkpoint

from langchain_redis_memory import Client, RedisSaver, RedisStore
from langchain_redis_memory.deploy import checkpointer, store
from langchain_redis_memory.errors import ConfigError
from tests.checkpoint.test_serde import Order
from tests.support.raw import raw
from tests.support.saves import checkpoint, place

ORDER = Order(1, "x")
ROOT = Path(__file__).parents[1]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, url: str, prefix: str) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    monkeypatch.setenv("REDIS_MEMORY_PREFIX", prefix)
    monkeypatch.setenv("REDIS_MEMORY_THREAD_TTL_S", "60")


@pytest.mark.usefixtures("environment")
async def test_a_server_keeps_state_between_two_lives() -> None:
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    checkpoint = empty_checkpoint()
    async with checkpointer() as saver:
        assert isinstance(saver, RedisSaver)
        await saver.aput(config, checkpoint, {"source": "input"}, {})
    async with checkpointer() as saver:
        found = await saver.aget_tuple(config)
        assert found is not None
        assert found.checkpoint["id"] == checkpoint["id"]


@pytest.mark.usefixtures("environment")
async def test_a_server_keeps_items_between_two_lives() -> None:
    async with store() as kept:
        assert isinstance(kept, RedisStore)
        await kept.aput(("a",), "k", {"v": 1}, ttl=1)
    async with store() as kept:
        found = await kept.aget(("a",), "k")
        assert found is not None
        assert found.value == {"v": 1}


async def test_a_bad_setting_is_said_when_the_server_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_MEMORY_THREAD_TTL_S", "soon")
    with pytest.raises(ConfigError, match="REDIS_MEMORY_THREAD_TTL_S"):
        async with checkpointer():
            pass


async def test_a_factory_of_your_own_names_another_server(prefix: str) -> None:
    client = Client(f"memory://{prefix}")
    for opened in (checkpointer(client), checkpointer(redis_url=f"memory://{prefix}")):
        async with opened as saver:
            await saver.aput(place(), checkpoint({"a": 1}), {"source": "input"}, {"a": 1})
            assert await saver.aget_tuple(place()) is not None
    async with store(url=f"memory://{prefix}") as kept:
        assert kept._client.url == client.url
    with pytest.raises(TypeError, match="use redis_url"):
        async with store(redis_uri="redis://h"):  # type: ignore[call-arg]
            pass


# --- what the server passes on of langgraph.json --------------------------------------------------


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch, prefix: str) -> pytest.MonkeyPatch:
    monkeypatch.setenv("REDIS_URL", f"memory://{prefix}")
    return monkeypatch


async def lifetime_s(saver: RedisSaver) -> float | None:
    await saver.aput(place(), checkpoint({"a": 1}), {"source": "input"}, {"a": 1})
    left = raw(saver._client, ("PTTL", saver._flows.space.thread("t").checkpoints))[0]
    return None if left == -1 else round(left / 1000)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"LANGGRAPH_CHECKPOINTER": {"path": "x"}}, None),
        ({"LANGGRAPH_CHECKPOINTER": {"ttl": {"default_ttl": 2, "sweep_interval_minutes": 5}}}, 120),
        ({"LANGGRAPH_CHECKPOINTER": {"ttl": {"default_ttl": 2, "strategy": "delete"}}}, 120),
        ({"LANGGRAPH_CHECKPOINTER": {"ttl": {"default_ttl": 2, "strategy": "keep_latest"}}}, None),
        ({"LANGGRAPH_CHECKPOINTER": {"ttl": {"default_ttl": 2}}, "LANGGRAPH_THREAD_TTL": 0.5}, 30),
        ({"LANGGRAPH_CHECKPOINTER": {"ttl": {"default_ttl": 2}}, "LANGGRAPH_THREAD_TTL": {"default_ttl": 3}}, 180),
        ({"LANGGRAPH_CHECKPOINTER": {"ttl": {"default_ttl": 2}}, "REDIS_MEMORY_THREAD_TTL_S": 7}, 7),
    ],
)
async def test_threads_live_as_long_as_the_server_is_configured(
    memory: pytest.MonkeyPatch, variables: dict[str, Any], expected: float | None
) -> None:
    for name, value in variables.items():
        memory.setenv(name, json.dumps(value))
    async with checkpointer() as saver:
        assert await lifetime_s(saver) == expected


@pytest.mark.parametrize("refresh", [False, True])
async def test_a_read_renews_a_thread_where_that_is_configured(memory: pytest.MonkeyPatch, *, refresh: bool) -> None:
    memory.setenv("LANGGRAPH_CHECKPOINTER", json.dumps({"ttl": {"default_ttl": 2, "refresh_on_read": refresh}}))
    async with checkpointer() as saver:
        await lifetime_s(saver)
        key = saver._flows.space.thread("t").checkpoints
        raw(saver._client, ("PEXPIRE", key, 5000))
        await saver.aget_tuple(place())
        assert (raw(saver._client, ("PTTL", key))[0] > 5000) is refresh


@pytest.mark.parametrize(
    ("serde", "built"),
    [
        ({}, False),
        ({"allowed_json_modules": None, "pickle_fallback": True}, False),
        ({"allowed_json_modules": [["other", "Order"]]}, False),
        ({"allowed_json_modules": [["tests", "checkpoint", "test_serde", "Order"]]}, True),
        ({"allowed_msgpack_modules": [["tests.checkpoint.test_serde", "Order"]]}, True),
        ({"allowed_json_modules": True}, True),
    ],
)
async def test_only_allowed_types_are_built(memory: pytest.MonkeyPatch, serde: dict[str, Any], *, built: bool) -> None:
    memory.setenv("LANGGRAPH_CHECKPOINTER", json.dumps({"serde": serde}))
    state = {"a": ORDER, "b": Document("known")}
    async with checkpointer() as saver:
        await saver.aput(place(), checkpoint(state), {"source": "input"}, dict.fromkeys(state, 1))
        found = await saver.aget_tuple(place())
    assert found is not None
    values = found.checkpoint["channel_values"]
    assert values["b"] == state["b"]
    assert (values["a"] == ORDER) is built


async def test_items_live_as_long_as_the_server_is_configured(memory: pytest.MonkeyPatch) -> None:
    memory.setenv("LANGGRAPH_STORE", json.dumps({"path": "x", "ttl": {"default_ttl": 2, "refresh_on_read": False}}))
    async with store() as kept:
        assert kept.ttl_config == {"default_ttl": 2, "refresh_on_read": False}
        await kept.aput(("a",), "k", {"v": 1})
        left = raw(kept._client, ("PTTL", kept._space.items("a").items))[0]
        assert 60_000 < left <= 120_000


@pytest.mark.parametrize(
    ("variable", "value", "factory"),
    [
        ("LANGGRAPH_CHECKPOINTER", "{", checkpointer),
        ("LANGGRAPH_CHECKPOINTER", "[1]", checkpointer),
        ("LANGGRAPH_CHECKPOINTER", '{"ttl": 5}', checkpointer),
        ("LANGGRAPH_CHECKPOINTER", '{"serde": {"allowed_json_modules": ["x"]}}', checkpointer),
        ("LANGGRAPH_CHECKPOINTER", '{"serde": {"allowed_json_modules": 5}}', checkpointer),
        ("LANGGRAPH_CHECKPOINTER", '{"ttl": {"default_ttl": "5"}}', checkpointer),
        ("LANGGRAPH_CHECKPOINTER", '{"ttl": {"default_ttl": 0}}', checkpointer),
        ("LANGGRAPH_THREAD_TTL", "soon", checkpointer),
        ("LANGGRAPH_STORE", "{", store),
        ("LANGGRAPH_STORE", '{"ttl": {"default_ttl": -1}}', store),
    ],
)
async def test_an_unusable_configuration_is_an_error(
    memory: pytest.MonkeyPatch, variable: str, value: str, factory: Any
) -> None:
    memory.setenv(variable, value)
    with pytest.raises(ConfigError, match=rf"{variable}|default_ttl"):
        async with factory():
            pass


# --- the server itself ----------------------------------------------------------------------------

_SERVER = """
import asyncio
from langgraph.checkpoint.base import empty_checkpoint
from langgraph_api import store
from langgraph_api._checkpointer import _adapter

async def main():
    await _adapter.collect_checkpointer_from_env()
    await store.collect_store_from_env()
    saver, items = await _adapter.get_checkpointer(), await store.get_store()
    inner = saver._inner
    assert type(inner).__module__ + "." + type(inner).__name__ == "langchain_redis_memory.checkpoint.saver.RedisSaver"
    here = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    await saver.aput(here, empty_checkpoint(), {"source": "input", "step": -1, "parents": {}}, {})
    assert await saver.aget_tuple(here) is not None
    await saver.aprune(["t"], strategy="keep_latest")
    assert await saver.aget_tuple(here) is not None
    await saver.aprune(["t"], strategy="delete_all")
    assert await saver.aget_tuple(here) is None
    await items.aput(("a",), "k", {"v": 1})
    assert (await items.aget(("a",), "k")).value == {"v": 1}
    assert items.ttl_config == {"default_ttl": 60}
    await store.exit_store()
    await _adapter.exit_checkpointer()
    print("served")

asyncio.run(main())
"""


def documented() -> dict[str, Any]:
    """The configuration that the documents show."""
    blocks = (ROOT / "docs" / "langgraph.md").read_text("utf-8").split("```json\n")[1:]
    shown = [block.partition("```")[0] for block in blocks if '"checkpointer"' in block]
    assert len(shown) == 1
    found: dict[str, Any] = json.loads(shown[0])
    return found


def test_the_docstring_shows_the_documented_paths() -> None:
    import langchain_redis_memory.deploy

    for part in documented().values():
        assert f'"path": "{part["path"]}"' in str(langchain_redis_memory.deploy.__doc__)


@pytest.mark.skipif(importlib.util.find_spec("langgraph_api") is None, reason="needs the extra langgraph-api")
def test_a_langgraph_server_loads_the_documented_configuration(tmp_path: Path, prefix: str) -> None:
    config = documented()
    config["store"]["ttl"] = {"default_ttl": 60}
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "DATABASE_URI": ":memory:",
        "REDIS_URI": "fake",
        "LANGGRAPH_RUNTIME_EDITION": "inmem",
        "REDIS_URL": f"memory://{prefix}",
        "LANGGRAPH_CHECKPOINTER": json.dumps(config["checkpointer"]),
        "LANGGRAPH_STORE": json.dumps(config["store"]),
    }
    done = subprocess.run(
        [sys.executable, "-c", _SERVER],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "served" in done.stdout
