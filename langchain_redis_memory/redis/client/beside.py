"""What is left to do when a flow is closed, as its caller was cancelled or interrupted: the flow asks nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from langchain_redis_memory.redis.client.client import Client


def beside(client: Client, flow: Generator[Any, Any, Any]) -> None:
    """Starts a flow beside the caller: in a task where this thread runs an event loop, else in a thread."""
    if asyncio._get_running_loop() is None:
        client._background.start(flow, lambda: client.drive(flow))
    else:
        client._background.astart(flow, lambda: client.adrive(flow))
