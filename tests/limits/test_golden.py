"""The stored bytes of limits: what the keys of a server hold, and that it is read."""

from __future__ import annotations

import re

import pytest

from langchain_redis_memory import Client, Limit, RedisRateLimiter
from tests.support.golden import held, put
from tests.support.raw import raw

pytestmark = pytest.mark.clocked  # a rate is kept until it is full again: for seconds


def test_a_rate_is_stored_as_these_bytes(client: Client) -> None:
    limiter = RedisRateLimiter(client, [Limit(60, "1m"), Limit(2, unit="concurrent")], scope="gpt")
    lease = limiter.reserve("ana")
    rate, places, queue = limiter._flows.keys("ana")
    assert rate == f"{client.keys().key('rate', '', 'ana')}:gpt//requests-60s"
    assert re.fullmatch(rb"1[789]\d{14} 1000000", raw(client, ("GET", rate))[0])
    assert held(client, places) == [b"+" + lease._taken.request.token.encode()]
    assert held(client, queue) is None
    lease.settle()
    limiter.check("ana")
    ttl_ms = raw(client, ("PTTL", rate))[0]
    assert 0 < ttl_ms <= 2_001


def test_what_was_given_back_is_stored_behind_it(client: Client) -> None:
    limiter = RedisRateLimiter(client, [Limit(60, "1m", unit="tokens")], reserve=20)
    limiter.reserve("ana", 20).settle({"total_tokens": 5})
    (rate,) = limiter._flows.keys("ana")
    full = rb"1[789]\d{14} \d{7} 15000000 0 1000000000000000 0 1000000000000000 ;20000000:15000000;"
    assert re.fullmatch(full, raw(client, ("GET", rate))[0])


def test_these_bytes_are_read(client: Client) -> None:
    limiter = RedisRateLimiter(client, [Limit(10, "1h"), Limit(2, unit="concurrent")])
    rate, places, _ = limiter._flows.keys("ana")
    put(client, rate, b"1700000000000000 9e15 0 0 1e15 0 1e15 ;")
    raw(client, ("ZADD", places, 9_999_999_999_999, "+a", 1, "+gone"), ("PEXPIRE", places, 60_000))
    requests, concurrent = limiter.status("ana")
    assert (requests.remaining, concurrent.remaining) == (0, 1)
    assert requests.reset_after_s > 1e9


def test_other_bytes_count_as_an_unused_limit(client: Client) -> None:
    limiter = RedisRateLimiter(client, [Limit(10, "1h")])
    put(client, limiter._flows.keys("ana")[0], b"something else")
    assert limiter.check("ana").states[0].remaining == 9
