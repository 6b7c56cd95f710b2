"""Limits as values: what makes one, its name, and the headers of a decision."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from langchain_redis_memory import ConfigError, Limit, LimitDecision, LimitState
from langchain_redis_memory.limits.limit import check_limits, costs_of


@pytest.mark.parametrize(
    ("period", "seconds"),
    [
        ("1m", 60),
        ("90s", 90),
        ("90", 90),
        ("1.5 h", 5400),
        ("2d", 172_800),
        ("250ms", 0.25),
        (10, 10),
        (timedelta(hours=1), 3600),
    ],
)
def test_periods(period: Any, seconds: float) -> None:
    assert Limit(1, period).period_s == seconds


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((0, "1m"), "count must be a positive whole number"),
        ((1.5, "1m"), "count must be"),
        ((1, "soon"), "'1m', '90s'"),
        ((1, -1), "period must be a positive number of seconds"),
        ((1,), "a period is missing"),
        ((1, "1m", "concurrent"), "places have no period"),
        ((1, "1m", "Tokens!"), "unit must be a word"),
        ((1, "1m", "requests", 0), "burst must be"),
        ((1, None, "concurrent", 2), "places have no burst"),
    ],
)
def test_what_makes_no_limit_is_refused(arguments: tuple[Any, ...], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Limit(*arguments)


@pytest.mark.parametrize("limits", [[], Limit(1, "1m"), ["60/m"], None, [Limit(1, "60s"), Limit(2, "1m")]])
def test_limits_that_cannot_be_counted_side_by_side_are_refused(limits: Any) -> None:
    with pytest.raises(ConfigError):
        check_limits(limits)


def test_rates_come_before_places() -> None:
    places, rate = Limit(5, unit="concurrent"), Limit(60, "1m")
    assert check_limits([places, rate]) == (rate, places)


def test_what_a_model_used_is_read_by_unit() -> None:
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7, "input_token_details": {"cache_read": 1}}
    assert costs_of(usage) == {"input_tokens": 3, "output_tokens": 4, "tokens": 7}
    assert costs_of({"usd": 0.25, "tokens": 2}) == {"usd": 0.25, "tokens": 2}


STATES = (
    LimitState(Limit(60, "1m"), 50, 9.5),
    LimitState(Limit(90_000, "1m", unit="tokens"), 0, 60.2),
    LimitState(Limit(5, unit="concurrent"), 4, 0.0),
)


def test_headers_of_a_refused_request() -> None:
    decision = LimitDecision(False, STATES, STATES[1].limit, retry_after_s=0.3)
    assert decision.headers() == {
        "RateLimit-Policy": '"requests-60s";q=60;w=60, "tokens-60s";q=90000;qu="tokens";w=60, '
        '"concurrent";q=5;qu="concurrent-requests"',
        "RateLimit": '"requests-60s";r=50;t=10, "tokens-60s";r=0;t=61, "concurrent";r=4',
        "X-RateLimit-Limit": "90000",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "61",
        "Retry-After": "1",
    }


def test_headers_of_an_allowed_request() -> None:
    headers = LimitDecision(True, STATES[:1]).headers()
    assert headers["X-RateLimit-Remaining"] == "50"
    assert "Retry-After" not in headers
    assert LimitDecision(True, down=True).headers() == {}
