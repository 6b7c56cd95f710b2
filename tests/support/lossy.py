"""A client whose next write is applied, but its reply is lost: others write, then the trip is sent again."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

from langchain_redis_memory.ops import Call, Op
from langchain_redis_memory.redis.client.client import Client


class Lossy:
    """Loses the reply of the next write of a client.

    Args:
        client: The client.
    """

    def __init__(self, client: Client) -> None:
        self.between: Callable[[], Any] | None = None
        run, arun = client.run, client.arun

        def taken(op: Op[Any]) -> Callable[[], Any] | None:
            if not any(isinstance(command, Call) and command.script.trip for command in op.commands):
                return None
            between, self.between = self.between, None
            return between

        def twice(_client: Client, op: Op[Any]) -> Any:
            between = taken(op)
            if between is not None:
                run(op)
                between()
            return run(op)

        async def atwice(_client: Client, op: Op[Any]) -> Any:
            between = taken(op)
            if between is not None:
                await arun(op)
                between()
            return await arun(op)

        client.run = MethodType(twice, client)  # type: ignore[method-assign]
        client.arun = MethodType(atwice, client)  # type: ignore[method-assign]
