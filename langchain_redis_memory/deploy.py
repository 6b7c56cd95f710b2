"""Factories for a LangGraph server: name them in `langgraph.json`, and it keeps its state on your Redis.

```json
{
  "checkpointer": {"path": "langchain_redis_memory.deploy:checkpointer"},
  "store": {"path": "langchain_redis_memory.deploy:store"}
}
```

Both read the environment (see `settings`): `REDIS_URL` or `REDIS_HOST` and so on, `REDIS_MEMORY_PREFIX`,
`REDIS_MEMORY_THREAD_TTL_S`. The server opens them when it starts and closes them when it ends. For other options (an
index of the store, an allow-list of the checkpointer) write factories like these.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.settings import read_settings
from langchain_redis_memory.store.redis_store import RedisStore


@asynccontextmanager
async def checkpointer() -> AsyncIterator[RedisSaver]:
    """A checkpointer for the lifetime of a server.

    Yields:
        The saver.

    Raises:
        ConfigError: A setting cannot work.
    """
    settings = read_settings()
    async with Client.from_settings(settings) as client:
        yield RedisSaver(client, ttl_s=settings.thread_ttl_s)


@asynccontextmanager
async def store() -> AsyncIterator[RedisStore]:
    """A store for the lifetime of a server.

    Yields:
        The store.

    Raises:
        ConfigError: A setting cannot work.
    """
    async with Client.from_settings() as client:
        yield RedisStore(client)
