"""What scenarios are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both

SECRET = "xyzzy-4711"
"""Stands in whatever the scenarios store as content, and in no name."""

Read = Callable[[], Awaitable[Any]]
Run = Callable[[Both, Client, str], Awaitable[list[Read]]]


class Scenario(NamedTuple):
    """Writes with a client for a tenant; gives what reads it back, each call by itself."""

    run: Run
    classes: tuple[str, ...]
