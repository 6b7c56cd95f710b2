"""Factories for a LangGraph server: name them in `langgraph.json`, and it keeps its state on your Redis.

```json
{
  "checkpointer": {"path": "langchain_redis_memory.deploy.checkpointer", "ttl": {"default_ttl": 43200}},
  "store": {"path": "langchain_redis_memory.deploy.store", "ttl": {"default_ttl": 10080}}
}
```

The paths are dotted: `module:name` is for files. For another server or other options write factories like these, as in
`def mine(): return checkpointer("redis://...")`.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from typing_extensions import Unpack

from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.checks import check_positive, check_type
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.connect import ClientLike, ServerOptions, connect
from langchain_redis_memory.store.redis_store import RedisStore


@asynccontextmanager
async def checkpointer(client: ClientLike = None, **server: Unpack[ServerOptions]) -> AsyncIterator[RedisSaver]:
    """Opens a checkpointer for the lifetime of a server.

    The connection and the keys' prefix come from the environment (`REDIS_URL`, `REDIS_MEMORY_PREFIX` ...). The server
    passes the options of `langgraph.json` in `LANGGRAPH_CHECKPOINTER`; of these count:

    * `ttl.default_ttl`: Minutes that a thread lives after its last write. `REDIS_MEMORY_THREAD_TTL_S` comes first, then
      `LANGGRAPH_THREAD_TTL` (minutes or JSON). With the strategy "keep_latest" no thread expires: the server prunes.
    * `ttl.refresh_on_read`: Whether a read renews that lifetime.
    * `serde.allowed_json_modules`, `serde.allowed_msgpack_modules`: Types that may be built when state is read, each as
      the parts of its path, or true for any. Pickle is never used.

    Args:
        client: A `Client`, a URL, or a client of redis-py, which stays open; None for one of the environment's
            settings, which is closed.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Yields:
        The saver.

    Raises:
        ConfigError: A setting cannot work.

    **Keys:** those of `RedisSaver`.
    **Trips:** none to open.
    """
    options = _options("LANGGRAPH_CHECKPOINTER")
    ttl = _thread_ttl() or _section(options, "ttl", "LANGGRAPH_CHECKPOINTER")
    default = None if ttl.get("strategy") == "keep_latest" else _seconds(ttl.get("default_ttl"))
    serde = _serializer(_section(options, "serde", "LANGGRAPH_CHECKPOINTER"))
    async with _opened(client, server) as connected:
        ttl_s = connected.settings.thread_ttl_s or default
        yield RedisSaver(connected, ttl_s=ttl_s, touch_on_read=bool(ttl.get("refresh_on_read")), serde=serde)


@asynccontextmanager
async def store(client: ClientLike = None, **server: Unpack[ServerOptions]) -> AsyncIterator[RedisStore]:
    """Opens a store for the lifetime of a server.

    The connection and the keys' prefix come from the environment, as for `checkpointer`. The server passes the options
    of `langgraph.json` in `LANGGRAPH_STORE`; of these counts `ttl` (`default_ttl` in minutes, `refresh_on_read`). Redis
    removes what has expired, so no sweep is needed.

    Args:
        client: The server, see `checkpointer`.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Yields:
        The store.

    Raises:
        ConfigError: A setting cannot work.

    **Keys:** those of `RedisStore`.
    **Trips:** none to open.
    """
    ttl: Any = _section(_options("LANGGRAPH_STORE"), "ttl", "LANGGRAPH_STORE")
    async with _opened(client, server) as connected:
        yield RedisStore(connected, ttl=ttl or None)


@asynccontextmanager
async def _opened(client: ClientLike, server: ServerOptions) -> AsyncIterator[Client]:
    """The client that is named, which stays open; else one of the environment's settings, which is closed."""
    if client is None and not any(server.values()):
        async with Client.from_settings() as own:
            yield own
    else:
        yield connect(client, **server)


def _options(variable: str) -> Mapping[str, Any]:
    """Reads a JSON object from an environment variable; empty where it is not set."""
    text = os.environ.get(variable, "").strip()
    try:
        options = json.loads(text) if text else {}
    except ValueError:
        options = None
    return check_type(options, dict, variable, "a JSON object", ConfigError)


def _section(options: Mapping[str, Any], name: str, variable: str) -> Mapping[str, Any]:
    return check_type(options.get(name) or {}, dict, f"{variable}: {name}", "a JSON object", ConfigError)


def _thread_ttl() -> Mapping[str, Any]:
    """Reads `LANGGRAPH_THREAD_TTL`, which is a number of minutes or a JSON object."""
    text = os.environ.get("LANGGRAPH_THREAD_TTL", "").strip()
    if not text or text.startswith("{"):
        return _options("LANGGRAPH_THREAD_TTL")
    try:
        return {"default_ttl": float(text)}
    except ValueError:
        raise ConfigError("LANGGRAPH_THREAD_TTL must be a number of minutes or a JSON object") from None


def _seconds(minutes: Any) -> float | None:
    if minutes is None:
        return None
    return 60 * check_positive(minutes, "the default_ttl of a thread", "number of minutes", ConfigError)


def _serializer(serde: Mapping[str, Any]) -> JsonPlusSerializer | None:
    """Builds a serializer with the configured allow-lists; None where there are none."""
    types: list[tuple[str, str]] = []
    for name in ("allowed_json_modules", "allowed_msgpack_modules"):
        allowed = serde.get(name)
        if allowed is True:
            return JsonPlusSerializer(allowed_json_modules=True, allowed_msgpack_modules=True)
        for path in allowed if isinstance(allowed, list) else [allowed] if allowed else []:
            if not isinstance(path, list) or len(path) < 2 or not all(isinstance(part, str) for part in path):
                msg = f"LANGGRAPH_CHECKPOINTER: {name} must be true or a list of ['module', 'Type'], got {path!r}"
                raise ConfigError(msg)
            types.append((".".join(path[:-1]), path[-1]))
    if not types:
        return None
    return JsonPlusSerializer(
        allowed_json_modules=[(*module.split("."), name) for module, name in types], allowed_msgpack_modules=types
    )
