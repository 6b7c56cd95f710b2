"""Every public class on a server that accepts connections and never answers: each call ends with its deadline.

The table of classes is that of `tests/support/scenario.py`. The first call of each class waits for the server; what it
could not do makes the rest of its scenario end sooner or later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from math import inf
from typing import Any
from zlib import crc32

import pytest

from langchain_redis_memory import Client
from langchain_redis_memory.errors import RedisMemoryError, UnavailableError
from langchain_redis_memory.redis.client.circuit_breaker import StallGuard
from tests.conftest import Both
from tests.support.lateness import Stopwatch
from tests.support.patience import LONGER
from tests.support.proxy import Proxy
from tests.support.scenario import SCENARIOS

TIMEOUT_S = 0.15
MOST = 1.93
"""How many timeouts a call may take: less than two waits."""
ENDS = (RedisMemoryError, AttributeError, TypeError, AssertionError)
"""How a scenario ends that goes on with None."""


@pytest.fixture(scope="module")
def hole() -> Iterator[Proxy]:
    with Proxy() as proxy:
        yield proxy


class Timed(Both):
    """Takes the time of the first call of each class, and goes on where it could not be made."""

    def __init__(self, client: Client, *, asynchronous: bool) -> None:
        super().__init__(asynchronous=asynchronous)
        self._client = client
        self.took: dict[str, float] = {}
        self.elapsed = 0.0

    def __call__(self, method: Callable[..., Any]) -> Callable[..., Any]:
        call, name = super().__call__(method), type(method.__self__).__name__  # type: ignore[attr-defined]

        async def timed(*args: Any, **kwargs: Any) -> Any:
            if name in self.took:
                with suppress(UnavailableError):
                    return await call(*args, **kwargs)
                return None
            self._client._trips.stall = StallGuard()
            try:
                with Stopwatch() as watch, suppress(UnavailableError):
                    return await call(*args, **kwargs)
            finally:
                self.took[name] = watch.seconds
                self.elapsed = max(self.elapsed, watch.elapsed)
                self._client._trips.stall._until = inf  # all that follows fails at once
            return None

        return timed


async def waits(name: str, hole: Proxy, both: Both, timeout_s: float) -> tuple[dict[str, float], float]:
    """How long the calls of a class waited for a server that says nothing, and the longest on the clock."""
    client = Client.from_url(hole.url, timeout_s=timeout_s)
    timed = Timed(client, asynchronous=both.asynchronous)
    with Stopwatch() as run, suppress(*ENDS):
        for read in await SCENARIOS[name].run(timed, client, name):
            with suppress(*ENDS):
                await read()
    await client._connections.aclose()  # no more: what waits would be tried for a while
    return timed.took or {name: run.seconds}, timed.elapsed or run.elapsed


async def test_every_class_keeps_the_deadline(hole: Proxy, request: pytest.FixtureRequest, both: Both) -> None:
    """In each colour every other class; `--servers=all` calls all in both."""
    whole = request.config.getoption("--servers") == "all"
    for name in SCENARIOS:
        if not whole and crc32(name.encode()) % 2 != both.asynchronous:
            continue
        for factor in (1, *LONGER):  # what it does itself at its first call, such as building a graph, counts too
            timeout_s = factor * TIMEOUT_S
            took, elapsed = await waits(name, hole, both, timeout_s)
            if max(took.values()) < MOST * timeout_s:
                break
        assert max(took.values()) < MOST * timeout_s, (name, took)
        assert elapsed > timeout_s / 2, f"nobody has waited for the server in {name}: {took}"
