"""Commands sent as they are."""

from __future__ import annotations

from typing import Any

from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client


def raw(client: Client, *commands: tuple[Any, ...]) -> list[Any]:
    """The replies to commands."""
    return list(client.run(Op(commands, list)))


def reply(client: Client, *command: Any) -> Any:
    """The reply to one command."""
    return client.run(Op((command,), lambda replies: replies[0]))
