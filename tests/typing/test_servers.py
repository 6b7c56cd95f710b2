"""What a type checker knows of how classes are given their server; see `test_public`."""

from __future__ import annotations

from datetime import timedelta

from typing_extensions import assert_type

from langchain_redis_memory import Client, Health, RedisCache, RedisChatMessageHistory, RedisMemorySettings


def test_servers(prefix: str) -> None:
    with Client(f"memory://{prefix}") as client:
        assert_type(client.ping(), float)
        assert_type(client.health(), Health)
        assert_type(client.settings, RedisMemorySettings)
        assert_type(client.settings.history_ttl_s, int | None)
    with RedisCache.from_conn_string(f"memory://{prefix}", ttl_s=60) as cache:
        assert_type(cache, RedisCache)
    RedisChatMessageHistory("s", redis_url=f"memory://{prefix}", ttl_s=timedelta(hours=1))
    RedisChatMessageHistory("s", url=f"memory://{prefix}", ttl_s="settings")
    RedisChatMessageHistory("s", f"memory://{prefix}", ttl_s="soon" if prefix == "" else None)  # type: ignore[arg-type]
    assert_type(RedisMemorySettings().answer_ttl_s, int | None)
