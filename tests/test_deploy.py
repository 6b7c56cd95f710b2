"""The factories for a LangGraph server: opened and closed by it, configured by the environment."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from langchain_redis_memory import RedisSaver, RedisStore
from langchain_redis_memory.deploy import checkpointer, store
from langchain_redis_memory.errors import ConfigError


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
