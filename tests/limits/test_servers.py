"""The limiter on every kind of server: what it takes, how it waits, and what it gives back."""

from __future__ import annotations

import pytest

from langchain_redis_memory import Client, Limit, RateLimitedError, RedisRateLimiter
from tests.conftest import Both

LIMITS = [Limit(2, "100ms"), Limit(1_000, "1d", unit="tokens"), Limit(2, unit="concurrent")]


async def take_wait_and_give_back(client: Client, both: Both, limits: list[Limit]) -> None:
    limiter = RedisRateLimiter(client, limits, timeout_s=60)
    async with await both(limiter.reserve)("ana", 400) as first, await both(limiter.reserve)("ana", 300):
        states = {state.limit: state.remaining for state in await both(limiter.status)("ana")}
        assert (states[LIMITS[1]], states[LIMITS[2]]) == (300, 0)
        with pytest.raises(RateLimitedError):
            await both(limiter.reserve)("ana", 100, timeout_s=0.01)
        await both(first.settle)({"total_tokens": 50})
        third = await both(limiter.reserve)("ana", 600)
        assert third.decision.allowed
        await both(third.refund)()
    states = {state.limit: state.remaining for state in await both(limiter.status)("ana")}
    assert (states[LIMITS[1]], states[LIMITS[2]]) == (650, 2)
    assert (await both(limiter.check)("ben")).allowed
    assert await both(limiter.reset)("ana")


async def test_on_every_server(client: Client, both: Both) -> None:
    await take_wait_and_give_back(client, both, LIMITS)


@pytest.mark.parametrize("shared", [[], [Limit(100, "1d", shared=True)]])
async def test_on_a_cluster(cluster: Client, both: Both, shared: list[Limit]) -> None:
    await take_wait_and_give_back(cluster, both, [*LIMITS, *shared])
