"""A server that can be filled up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import redis

from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Watch
from tests.support.servers import Farm


@asynccontextmanager
async def full_server(
    kind: str, farm: Farm, prefix: str, watch: Watch, **options: Any
) -> AsyncIterator[tuple[Client, redis.Redis]]:
    """A client on a server of its own that can be filled up, and a plain one to fill it with."""
    name = f"full {kind}"
    if name not in farm.started:
        farm.started[name] = farm.start(kind, "--maxmemory-policy", "noeviction")
    url = farm.started[name].url
    watch(url, prefix)
    client = Client.from_url(url, prefix=prefix, **options)
    with redis.Redis.from_url(url) as plain:
        yield client, plain
        plain.config_set("maxmemory", 0)
    await client.aclose()
