"""Limits as values: what may be used up in which time, what is left of it, and what was decided.

A rate is a bucket that fills evenly: `Limit(60, "1m")` lets 60 requests go at once and one more each second. In any
window it lets `burst` and what fills up meanwhile pass, never more. A limit without a period, of the unit "concurrent",
is a number of places that are held and given back.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from langchain_redis_memory.checks import check_positive, check_type, check_whole
from langchain_redis_memory.errors import ConfigError

CONCURRENT = "concurrent"
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_PERIOD = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")

Costs = Mapping[str, float]
"""Unit -> how much of it a request costs."""


@dataclass(frozen=True)
class Limit:
    """Bounds how much may be used in a period, or at the same time.

    Args:
        count: How many units in a period, or how many places at the same time.
        period: "1m", "90s", "1h", "1d", a number of seconds or a `timedelta`; none for the unit "concurrent".
        unit: "requests", "tokens", "input_tokens", "output_tokens", "concurrent", or a unit of your own, whose cost you
            say with each request.
        burst: How many units may be used at once after a pause; `count` by default. A smaller one spreads them.
        shared: Count all keys of the limiter together, such as all users of a tenant.

    Raises:
        ConfigError: It makes no limit.

    Example:
        ```python
        [Limit(60, "1m"), Limit(90_000, "1m", unit="tokens"), Limit(5, unit="concurrent")]
        [Limit(60, "1m"), Limit(9_000, "1h", shared=True)]
        ```
    """

    count: int
    period: str | float | timedelta | None = None
    unit: str = "requests"
    burst: int | None = None
    shared: bool = False
    period_s: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_whole(self.count, "count", error=ConfigError)
        if not isinstance(self.unit, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", self.unit):
            raise ConfigError(f"unit must be a word such as 'requests', 'tokens' or 'concurrent', got {self.unit!r}")
        object.__setattr__(self, "period_s", self._seconds())
        if self.burst is not None:
            check_whole(self.burst, "burst", error=ConfigError)
        if self.concurrent and self.burst is not None:
            raise ConfigError("places have no burst: Limit(5, unit='concurrent')")

    def _seconds(self) -> float:
        period = self.period
        if self.concurrent != (period is None):
            wanted = "places have no period" if self.concurrent else "a period is missing, such as '1m'"
            raise ConfigError(f"Limit({self.count}, {period!r}, unit={self.unit!r}): {wanted}")
        if period is None:
            return 0.0
        if isinstance(period, str):
            match = _PERIOD.fullmatch(period.strip())
            if match is None:
                raise ConfigError(f"period must be like '1m', '90s', '1h' or '1d', got {period!r}")
            period = float(match[1]) * _SECONDS[match[2] or "s"]
        elif isinstance(period, timedelta):
            period = period.total_seconds()
        return check_positive(period, "period", "number of seconds", ConfigError)

    def __str__(self) -> str:
        if self.concurrent:
            return f"{self.count:,} at the same time"
        return f"{self.count:,} {self.unit} in {self.period_s:g} s"

    @property
    def concurrent(self) -> bool:
        """Whether it is a number of places."""
        return self.unit == CONCURRENT

    @property
    def most(self) -> int:
        """The most that one request may cost."""
        return self.burst or self.count

    @property
    def name(self) -> str:
        """Names the limit in keys and headers: a limit with another count goes on where the old one stood."""
        period = "" if self.concurrent else f"-{self.period_s:g}s"
        return f"{self.unit}{period}{'-shared' if self.shared else ''}"

    def cost_us(self, amount: float) -> float:
        """Converts an amount of its unit to the microseconds in which it fills up."""
        return amount * self.period_s * 1e6 / self.count

    def amount(self, costs: Costs) -> float:
        """Reads what a request costs of its unit; a request is one request."""
        return costs.get(self.unit, 1 if self.unit == "requests" else 0)


@dataclass(frozen=True)
class LimitState:
    """Reports what is left of a limit.

    Args:
        limit: The limit.
        remaining: How much of its unit could be used at once now.
        reset_after_s: Seconds until all of it is there again, if nothing is used; 0 for places.
    """

    limit: Limit
    remaining: int
    reset_after_s: float

    @property
    def used(self) -> int:
        """How much of the limit is in use."""
        return self.limit.most - self.remaining

    @property
    def share(self) -> float:
        """The share that is left, 0 to 1."""
        return self.remaining / self.limit.most


@dataclass(frozen=True)
class LimitDecision:
    """Reports whether a request may go, and what is left of its limits.

    Args:
        allowed: Whether it may go.
        states: What is left of each limit; empty where the server is away.
        limit: The limit that is short: that refuses it, or makes it wait; None where none is.
        retry_after_s: Seconds until a refused request may work; of places that is not known, then it is 1.
        wait_s: Seconds that an allowed request was to wait, its start being booked.
        ahead: How many have to give a place back first.
        down: Whether the server was away or refused, so that `when_down` decided.
    """

    allowed: bool
    states: tuple[LimitState, ...] = ()
    limit: Limit | None = None
    retry_after_s: float = 0.0
    wait_s: float = 0.0
    ahead: int = 0
    down: bool = False

    @property
    def tightest(self) -> LimitState | None:
        """The limit of which the smallest share is left, or the one that refuses."""
        refusing = [state for state in self.states if not self.allowed and state.limit == self.limit]
        return min(refusing or self.states, key=lambda state: state.share, default=None)

    def headers(self) -> dict[str, str]:
        """Returns the decision as HTTP headers.

        Returns:
            `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers) for all limits;
            `X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds), which most clients read, for the tightest; and
            `Retry-After` where it was refused.
        """
        fields: dict[str, str] = {}
        if self.states:
            fields["RateLimit-Policy"] = ", ".join(_policy(state.limit) for state in self.states)
            fields["RateLimit"] = ", ".join(_left(state) for state in self.states)
        if self.tightest is not None:
            fields["X-RateLimit-Limit"] = str(self.tightest.limit.count)
            fields["X-RateLimit-Remaining"] = str(self.tightest.remaining)
            fields["X-RateLimit-Reset"] = str(math.ceil(self.tightest.reset_after_s))
        if not self.allowed:
            fields["Retry-After"] = str(max(1, math.ceil(self.retry_after_s)))
        return fields


def _policy(limit: Limit) -> str:
    if limit.concurrent:
        return f'"{limit.name}";q={limit.count};qu="concurrent-requests"'
    unit = "" if limit.unit == "requests" else f';qu="{limit.unit}"'
    return f'"{limit.name}";q={limit.count}{unit};w={math.ceil(limit.period_s)}'


def _left(state: LimitState) -> str:
    reset = "" if state.limit.concurrent else f";t={math.ceil(state.reset_after_s)}"
    return f'"{state.limit.name}";r={state.remaining}{reset}'


def check_limits(limits: Sequence[Limit]) -> tuple[Limit, ...]:
    """Checks that limits can be counted side by side. Returns the rates, then the places, each in the given order.

    Raises `ConfigError`: there is none, one is no limit, or two would be counted under one name.
    """
    if isinstance(limits, Limit) or not isinstance(limits, Sequence) or not limits:
        raise ConfigError("limits must be a list of at least one Limit, such as [Limit(60, '1m')]")
    for limit in limits:
        check_type(limit, Limit, "a limit", "a Limit", ConfigError)
    names = [limit.name for limit in limits]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigError(f"two limits are called {', '.join(sorted(twice))}: keep the stricter one")
    return tuple(sorted(limits, key=lambda limit: limit.concurrent))


def costs_of(usage: Mapping[str, Any]) -> dict[str, float]:
    """Reads what a request really cost, by unit, from a model's `usage_metadata`; `total_tokens` counts as "tokens"."""
    costs = {unit: float(n) for unit, n in usage.items() if isinstance(n, int | float) and not isinstance(n, bool)}
    total = costs.pop("total_tokens", None)
    if total is not None:
        costs.setdefault("tokens", total)
    return costs
