"""The limiter: one trip for all limits, waiting, correcting, giving back, and a server that is away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.config import set_config_context

from langchain_redis_memory import (
    Client,
    ConfigError,
    InvalidInputError,
    Limit,
    RateLimitedError,
    RedisRateLimiter,
    Trip,
    UnavailableError,
)
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client import steps
from tests.conftest import Both, url_of
from tests.support.servers import TWO, Farm, closed_port, wait_for

REQUESTS, TOKENS, PLACES = Limit(3, "1h"), Limit(1_000, "1d", unit="tokens"), Limit(2, unit="concurrent")
"""A token comes back in a minute and a half, so that none does while a test looks."""
Make = Callable[..., RedisRateLimiter]


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


@pytest.fixture
def make(client: Client) -> Make:
    def limiter(*limits: Limit, **options: Any) -> RedisRateLimiter:
        return RedisRateLimiter(client, limits, **{"reserve": 100, "timeout_s": 5, **options})

    return limiter


def left(limiter: RedisRateLimiter, key: str | None = None) -> list[int]:
    return [state.remaining for state in limiter.status(key)]


# --- one trip -------------------------------------------------------------------------------------------------------


async def test_all_limits_are_decided_in_one_trip(make: Make, both: Both, trips: list[Trip]) -> None:
    limiter = make(REQUESTS, TOKENS, PLACES, Limit(100, "1d", shared=True))
    await both(limiter.peek)("ana")
    trips.clear()
    decision = await both(limiter.check)("ana", 400)
    assert len(trips) == 1
    assert decision.allowed
    assert [state.remaining for state in decision.states] == [2, 600, 99, 2]
    assert (await both(limiter.status)("ana"))[1].reset_after_s == pytest.approx(400 * 86.4, abs=600)
    assert left(limiter, "ben") == [3, 1000, 99, 2]


async def test_a_request_takes_from_all_limits_or_from_none(make: Make, both: Both) -> None:
    limiter = make(REQUESTS, TOKENS)
    assert (await both(limiter.check)("ana", 700)).allowed
    decision = await both(limiter.check)("ana", 700)
    assert not decision.allowed
    assert decision.limit == TOKENS
    assert decision.retry_after_s == pytest.approx(400 * 86.4, abs=600)
    assert left(limiter, "ana") == [2, 300]


async def test_peek_takes_nothing(make: Make, both: Both) -> None:
    limiter = make(REQUESTS, PLACES)
    assert (await both(limiter.peek)("ana")).allowed
    assert left(limiter, "ana") == [3, 2]
    for _ in range(3):
        await both(limiter.check)("ana")
    decision = await both(limiter.peek)("ana")
    assert not decision.allowed
    assert decision.retry_after_s > 1000


async def test_reset_forgets_one_key(make: Make, both: Both) -> None:
    limiter = make(REQUESTS, PLACES)
    for key in ("ana", "ben"):
        await both(limiter.reserve)(key)
    assert await both(limiter.reset)("ana") is True
    assert await both(limiter.reset)("ana") is False
    assert left(limiter, "ana") == [3, 2]
    assert left(limiter, "ben") == [2, 1]


async def test_tenants_and_scopes_are_counted_apart(make: Make) -> None:
    options: dict[str, Any]
    for options in ({}, {"tenant": "acme"}, {"scope": "gpt"}, {"scope": "a/b"}, {"scope": "a", "tenant": "b"}):
        limiter = make(Limit(1, "1h"), **options)
        assert limiter.check("ana").allowed
        assert not limiter.check("ana").allowed


async def test_a_limit_of_another_count_goes_on_where_the_old_one_stood(make: Make) -> None:
    for _ in range(3):
        make(REQUESTS).check("ana")
    assert left(make(Limit(30, "1h")), "ana") == [0]


# --- waiting --------------------------------------------------------------------------------------------------------


async def test_who_waits_has_a_start_booked_and_makes_one_trip(
    make: Make, both: Both, trips: list[Trip], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    pause = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.extend([seconds] if seconds else [])
        await pause(0)

    limiter = make(Limit(1, "1m"), timeout_s=60)
    await both(limiter.reserve)("ana")
    trips.clear()
    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(steps, "sleep", slept.append)
    lease = await both(limiter.reserve)("ana")
    assert len(trips) == 1
    assert 0 < lease.decision.wait_s <= 60
    assert slept == [pytest.approx(lease.decision.wait_s, abs=60)]
    assert lease.decision.limit == Limit(1, "1m")


async def test_who_cannot_start_in_time_is_refused_at_once(make: Make, both: Both, trips: list[Trip]) -> None:
    limiter = make(Limit(1, "1h"))
    await both(limiter.reserve)("ana")
    trips.clear()
    with pytest.raises(RateLimitedError, match=r"requests in 3600 s is used up; try again in 3\d+ s") as raised:
        await both(limiter.reserve)("ana")
    assert len(trips) == 1
    assert raised.value.retry_after_s == pytest.approx(3600, abs=60)
    assert raised.value.decision.headers()["X-RateLimit-Remaining"] == "0"


async def test_a_task_that_is_cancelled_while_it_waits_gives_everything_back(make: Make, trips: list[Trip]) -> None:
    limiter = make(Limit(10, "1h", burst=1), PLACES, timeout_s=3600)
    await limiter.areserve("ana")
    trips.clear()
    task = asyncio.create_task(limiter.areserve("ana"))
    await asyncio.to_thread(wait_for, lambda: trips)  # it knows that it has to wait
    assert left(limiter, "ana")[1] == 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left(limiter, "ana")[1] == 1
    decision = limiter.peek("ana")
    assert decision.retry_after_s == pytest.approx(360, abs=60), "the start that was booked is free again"


# --- correcting -----------------------------------------------------------------------------------------------------


async def test_a_lease_is_settled_by_what_was_used(make: Make, both: Both, trips: list[Trip]) -> None:
    limiter = make(REQUESTS, TOKENS)
    await both((await both(limiter.reserve)("ben", 800)).refund)()
    lease = await both(limiter.reserve)("ana", 800)
    assert left(limiter, "ana") == [2, 200]
    trips.clear()
    await both(lease.settle)({"input_tokens": 30, "output_tokens": 20, "total_tokens": 50})
    await both(lease.settle)({"total_tokens": 900})
    await both(lease.refund)()
    assert len(trips) == 1
    assert left(limiter, "ana") == [2, 950]


async def test_what_was_used_beyond_is_a_debt(make: Make, both: Both) -> None:
    limiter = make(Limit(100, "1h"), TOKENS)
    await both((await both(limiter.reserve)("ana", 100)).settle)({"total_tokens": 1_500})
    assert left(limiter, "ana") == [99, 0]
    decision = await both(limiter.check)("ana", 100)
    assert decision.retry_after_s == pytest.approx(600 * 86.4, abs=600)


async def test_a_refund_gives_everything_back(make: Make, both: Both) -> None:
    limiter = make(REQUESTS, TOKENS, PLACES)
    lease = await both(limiter.reserve)("ana", 800)
    await both(lease.refund)()
    assert left(limiter, "ana") == [3, 1000, 2]


async def test_input_and_output_have_limits_of_their_own(make: Make, both: Both) -> None:
    limiter = make(Limit(1000, "1d", unit="input_tokens"), Limit(200, "1d", unit="output_tokens"))
    lease = await both(limiter.reserve)("ana", 100, cost={"input_tokens": 400})
    assert left(limiter, "ana") == [600, 100]
    await both(lease.settle)({"input_tokens": 380, "output_tokens": 10, "total_tokens": 390})
    assert left(limiter, "ana") == [620, 190]


async def test_units_of_your_own(make: Make, both: Both) -> None:
    limiter = make(Limit(5, "1d", unit="dollars"))
    lease = await both(limiter.reserve)("ana", cost={"dollars": 0.5})
    assert left(limiter, "ana") == [4]
    await both(lease.settle)({"dollars": 2.25})
    assert left(limiter, "ana") == [2]
    assert (await both(limiter.check)("ana")).allowed, "a request that costs none of it"


# --- places ---------------------------------------------------------------------------------------------------------


async def test_places_are_held_and_given_back(make: Make, both: Both) -> None:
    limiter = make(PLACES)
    with await both(limiter.reserve)("ana"):
        async with await both(limiter.reserve)("ana"):
            assert left(limiter, "ana") == [0]
            assert not (await both(limiter.check)("ana")).allowed
            with pytest.raises(RateLimitedError, match="2 at the same time is used up; try again when others are done"):
                await both(limiter.reserve)("ana", timeout_s=0)
        assert left(limiter, "ana") == [1]
        with pytest.raises(KeyError):
            async with await both(limiter.reserve)("ana"):
                raise KeyError
    assert left(limiter, "ana") == [2]


async def test_a_place_of_a_holder_who_died_is_free_again(make: Make, both: Both) -> None:
    limiter = make(Limit(1, unit="concurrent"), lease_s=0.05)
    await both(limiter.reserve)("ana")
    assert (await both(limiter.reserve)("ana")).decision.allowed


async def test_who_gave_up_waiting_holds_nobody_up(client: Client, make: Make, both: Both) -> None:
    limiter = make(Limit(1, unit="concurrent"))
    first = await both(limiter.reserve)("ana")
    with pytest.raises(RateLimitedError):
        await both(limiter.reserve)("ana", timeout_s=0.02)
    queue = limiter._flows.keys("ana")[1]
    assert client.run(Op((("ZCARD", queue),), lambda replies: replies[0])) == 0
    await both(first.settle)()
    assert (await both(limiter.reserve)("ana", timeout_s=0)).decision.allowed


def test_places_are_taken_in_the_order_in_which_they_were_asked_for(client: Client, make: Make) -> None:
    limiter, order = make(Limit(1, unit="concurrent"), timeout_s=300), list[int]()
    queue = limiter._flows.keys("ana")[1]

    def work(number: int) -> None:
        with limiter.reserve("ana"):
            order.append(number)

    def waiting() -> int:
        return int(client.run(Op((("ZCARD", queue),), lambda replies: replies[0])))

    first, threads = limiter.reserve("ana"), list[threading.Thread]()
    for number in range(4):
        threads.append(threading.Thread(target=work, args=(number,)))
        threads[-1].start()
        wait_for(lambda: waiting() == len(threads))
    first.settle()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3]


# --- whose limits ---------------------------------------------------------------------------------------------------


async def test_the_key_is_the_runs_user(make: Make, both: Both) -> None:
    limiter = make(Limit(1, "1h"), key="user")

    async def ask(_: str) -> bool:
        return bool(await both(limiter.acquire)(blocking=False))

    for config in ({"metadata": {"user_id": "ana"}}, {"configurable": {"user_id": "ben"}}, {}):
        assert await RunnableLambda(ask).ainvoke("q", config=config)  # type: ignore[arg-type]
        assert not await RunnableLambda(ask).ainvoke("q", config=config)  # type: ignore[arg-type]
    assert left(limiter, "ana") == left(limiter, "ben") == left(limiter, "") == [0]
    assert left(limiter, "cleo") == [1]


async def test_the_key_may_be_a_function_of_the_config(make: Make) -> None:
    limiter = make(Limit(1, "1h"), key=lambda config: str(config["metadata"]["team"]))
    with set_config_context({"metadata": {"team": "red"}}) as context:
        context.run(limiter.acquire)
    assert left(limiter, "red") == [0]


async def test_for_key_names_it_for_a_thread_or_task(make: Make, both: Both) -> None:
    limiter, other = make(Limit(2, "1h"), key="user"), make(Limit(2, "1h"), scope="other")
    with limiter.for_key("ana"):
        assert await both(limiter.acquire)()
        assert await both(other.acquire)()
        with limiter.for_key("ben"):
            await both(limiter.check)()
        await both(limiter.check)()
    assert left(limiter, "ana") == [0]
    assert left(limiter, "ben") == [1]
    assert left(other) == [1]


async def test_shared_limits_count_all_keys_together(make: Make, both: Both) -> None:
    limiter = make(Limit(5, "1h"), Limit(2, "1h", shared=True))
    assert [(await both(limiter.check)(key)).allowed for key in ("ana", "ben", "cleo")] == [True, True, False]
    assert left(limiter, "ana") == [4, 0]
    assert left(limiter, "cleo") == [5, 0]


# --- arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"on_timeout": "wait"}, "on_timeout must be one of 'raise', 'return'"),
        ({"when_down": "open"}, "when_down must be one of 'allow', 'deny'"),
        ({"key": "session"}, "key must be None, 'user' or a function"),
        ({"limits": []}, "at least one Limit"),
        ({"limits": [TOKENS], "reserve": 5_000}, "reserve=5,000 never fits into 1,000 tokens in 86400 s"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        RedisRateLimiter("memory://options", **{"limits": [REQUESTS], **options})


async def test_what_never_fits_is_refused_before_anything_is_sent(make: Make, both: Both, trips: list[Trip]) -> None:
    with pytest.raises(InvalidInputError, match=r"2000 tokens never fits into 1,000 tokens in 86400 s"):
        await both(make(TOKENS).reserve)("ana", 2_000)
    assert trips == []


def test_repr_names_the_limits() -> None:
    limiter = RedisRateLimiter("memory://repr", [REQUESTS, PLACES])
    assert repr(limiter).endswith("[3 requests in 3600 s, 2 at the same time])")
    assert repr(limiter.reserve(tokens=5)).startswith("LimitLease({")


# --- a server that is away ------------------------------------------------------------------------------------------


def away(**options: Any) -> RedisRateLimiter:
    client = Client.from_url(f"redis://127.0.0.1:{closed_port()}", retries=0, connect_timeout_s=0.2)
    return RedisRateLimiter(client, [REQUESTS, TOKENS], reserve=100, **options)


async def test_a_server_that_is_away_allows_if_you_say_so(both: Both, caplog: pytest.LogCaptureFixture) -> None:
    limiter = away(when_down="allow")
    assert await both(limiter.acquire)()
    decision = await both(limiter.check)("ana")
    assert decision.allowed
    assert decision.down
    lease = await both(limiter.reserve)("ana")
    await both(lease.settle)({"total_tokens": 5})
    assert caplog.text.count("the server of the limits is away") == 1
    with pytest.raises(UnavailableError):
        await both(limiter.status)("ana")


async def test_a_server_that_is_away_denies_if_you_say_so(both: Both) -> None:
    limiter = away(when_down="deny")
    with pytest.raises(UnavailableError):
        await both(limiter.acquire)()
    assert await both(limiter.acquire)(blocking=False) is False
    decision = await both(limiter.check)("ana")
    assert (decision.allowed, decision.down) == (False, True)
    assert decision.headers() == {"Retry-After": "1"}
    with pytest.raises(UnavailableError):
        await both(limiter.reserve)("ana")


@pytest.mark.parametrize("when_down", ["allow", "deny"])
async def test_a_server_that_refuses_is_away_as_well(real: Client, both: Both, when_down: Any, caplog: Any) -> None:
    limiter = RedisRateLimiter(real, [REQUESTS], when_down=when_down)
    real.run(Op((("SADD", limiter._flows.keys("ana")[0], "x"), ("EXPIRE", limiter._flows.keys("ana")[0], 60)), list))
    decision = await both(limiter.check)("ana")
    assert (decision.allowed, decision.down) == (when_down == "allow", True)
    assert "the limits are not counted" in caplog.text
