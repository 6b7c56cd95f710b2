"""The metrics callback of a client: it never disturbs a round trip, and it is no coroutine function."""

from __future__ import annotations

import pytest

from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both, Watch

PING: Op[bytes] = Op((("ECHO", "a"),), lambda replies: replies[0])


async def test_what_it_raises_is_logged(
    url: str, prefix: str, both: Both, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(trip: Trip) -> None:
        msg = f"the dashboard is full after {trip.commands}"
        raise ValueError(msg)

    client = Client.from_url(url, prefix=prefix, on_trip=broken)
    assert await both(client.run)(PING) == b"a"
    assert "the dashboard is full after 1" in caplog.text
    await client.aclose()


def test_a_coroutine_function_is_refused() -> None:
    async def later(trip: Trip) -> None: ...

    with pytest.raises(ConfigError, match="plain function"):
        Client.from_url("memory://on-trip", on_trip=later)
