"""Single flight: coalesces concurrent misses of the same answer; one caller computes it, the others wait.

The leader holds a lease in Redis (see `redis/lease.py`). The others look again at growing intervals; each look first
tries to take the lease, so a leader that fails and gives it back, or dies and lets it expire, is followed by the next.
No caller waits longer than two leases last: a dead leader's and its follower's. A leader that asks again from the same
thread or task (a retry, the same prompt twice in one call) goes on leading and does not wait for itself. A leader of
several computations waits in the order of their names only, so no two wait for each other. What a leader could not give
back, as the server was away or refused writes, this process gives back later: else all would wait for nobody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from math import inf
from random import random
from typing import Any, NamedTuple, Protocol, TypeVar

from langchain_redis_memory.cache.best_effort import CacheUnavailable
from langchain_redis_memory.errors import UnavailableError
from langchain_redis_memory.ops import Background, Flow, Invoke, Now, Op, Sleep, ask, leave_behind, merge, pure
from langchain_redis_memory.redis import lease
from langchain_redis_memory.redis.client.clock import monotonic

T = TypeVar("T")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.2
_LEASES = 2


class _Lease(NamedTuple):
    """A lease of this thread or task, and when it expires: not every model that fails gives its lease back."""

    token: str
    until: float


_mine: ContextVar[dict[str, _Lease] | None] = ContextVar("leases of this thread or task", default=None)


class _Debt(NamedTuple):
    """A lease that this process is done with: when a server was told last, and when the lease expires."""

    told: float
    until: float


_LATE_S, _MOST_OWED = 6.0, 256
"""A trip takes up to 5 s (`timeout_s`): one that is under way may store the answer first, for those who wait."""
_owed: dict[tuple[str, str], _Debt] = {}
"""By key and token, until the server that has the lease says so: another one, of another client, does not know it."""


def give_back(key: str, token: str, until: float) -> Op[bool]:
    """Gives a lease back: an op of one trip. Where no reply says so in time, `repay_flow` tries again, `until` then."""
    _owed[key, token] = _Debt(monotonic(), until)
    if len(_owed) > _MOST_OWED:
        _owed.pop(list(_owed)[0], None)  # noqa: RUF015 - an iterator fails where another thread changes the dict

    def given(held: bool) -> bool:
        if held:
            _owed.pop((key, token), None)
        return held

    return lease.release(key, token).map(given).optional(False)


def repay_flow() -> Flow[None]:
    """Gives back what could not be when it was to be; for a caller to whom the server has just answered.

    **Trips:** 1 beside the caller's, where there is something to give back.
    """
    now, late = monotonic(), list[Op[bool]]()
    for owed, debt in list(_owed.items()) if _owed else ():
        if now > debt.until:
            _owed.pop(owed, None)
        elif now - debt.told > _LATE_S:
            late.append(give_back(*owed, debt.until))
    if late:
        yield Background(_again_flow(merge(*late)))


def _again_flow(given_back: Op[Any]) -> Flow[None]:
    with suppress(UnavailableError):
        yield from ask(given_back)


class SingleFlight:
    """The computations of one cache that only one caller should do at a time.

    `ttl_ms` is how long a lease lasts, and half of the longest wait; 0: no coalescing.
    """

    def __init__(self, ttl_ms: int) -> None:
        self._ttl_ms = ttl_ms

    def __bool__(self) -> bool:
        return bool(self._ttl_ms)

    def join_flow(self, key: str, look: Op[T | None]) -> Flow[T | None]:
        """Takes the lead and gives None, or waits for the caller that has it and gives what that one made.

        The lease `key` has the hash tag of what is looked for, so that both are read in order.
        """
        began: float = yield Now()
        mine = _held(began)
        token = mine[key].token if key in mine else lease.new_token()
        # Who leads first and then finds nothing can be sure: a leader stores its result before it gives the lease back.
        step, now, pause = merge(lease.acquire(key, token, self._ttl_ms), look), began, _FIRST_PAUSE_S
        while True:
            # Known before the server has it: who is cancelled meanwhile, or gets no reply, gives it back.
            _mine.set({**mine, key: _Lease(token, now + self._ttl_ms / 1000)})
            leads, found = yield from ask(step)
            yield from repay_flow()
            if leads:
                if found is not None:
                    yield from self.leave_flow(key)
                return found
            _mine.set({other: held for other, held in mine.items() if other != key})
            now = yield Now()
            left = began + _LEASES * self._ttl_ms / 1000 - now
            if found is not None or left <= 0 or any(held > key for held in mine):
                return found
            yield Sleep(min(pause * (0.5 + random()), left))
            now = yield Now()
            pause = min(1.5 * pause, _LONGEST_PAUSE_S)

    def follow_flow(self, key: str, look: Op[T | None]) -> Flow[T | None]:
        """Waits for what another caller makes, without wanting to make it next.

        For results that may turn out not to be shared: had each who waits to take the lead, they would make them one
        after the other.

        Returns what the leader stored; None where it gave the lease back without, was followed by another, or took
        longer than one lease lasts.
        **Trips:** 1 for each look.
        """
        began: float = yield Now()
        leader, pause = None, _FIRST_PAUSE_S
        # The lease is read first: a leader stores its result before it gives the lease back.
        step = merge(lease.holder(key), look)
        while True:
            now: float = yield Now()
            left = began + self._ttl_ms / 1000 - now
            if left <= 0:
                return None
            yield Sleep(min(pause * (0.5 + random()), left))
            pause = min(1.5 * pause, _LONGEST_PAUSE_S)
            holder, found = yield from ask(step)
            yield from repay_flow()
            if found is not None or holder is None or leader not in (None, holder):
                return found
            leader = holder

    def refresh_flow(self, key: str, old: T, look: Op[T | None], is_stale: Callable[[T], bool]) -> Flow[T | None]:
        """Decides which caller makes a stale result anew; the others do not wait.

        Returns what may be served, stale or made meanwhile; None where the caller is to make it.
        """
        now: float = yield Now()
        mine, ttl_ms = _held(now), self._ttl_ms or _REFRESH_MS
        token = mine[key].token if key in mine else lease.new_token()
        _mine.set({**mine, key: _Lease(token, now + ttl_ms / 1000)})
        try:
            leads, found = yield from ask(merge(lease.acquire(key, token, ttl_ms), look))
        except CacheUnavailable:  # what was stale before the server went away may be served
            return old
        if not leads:
            _mine.set({other: held for other, held in mine.items() if other != key})
            return old if found is None else found
        if found is None or is_stale(found):
            return None
        yield from self.leave_flow(key)
        return found

    def cancellable_flow(self, flow: Flow[T], key: Callable[[], str]) -> Flow[T]:
        """Runs a flow that may take the lead; where its caller is cancelled the lease is given back."""
        try:
            return (yield from flow)
        except GeneratorExit:
            if (given_back := self.leave(key())).commands:
                leave_behind(ask(given_back))
            raise

    def leave_flow(self, key: str) -> Flow[None]:
        """Gives the lease back; one that cannot be given back now is later.

        **Trips:** 1, none where this thread or task does not have it.
        """
        mine = _mine.get() or {}
        given_back = self.leave(key)  # owed from now on, also where the flow is not run, as the server is away

        def given_back_flow() -> Flow[None]:
            try:
                yield from ask(given_back)
            except CacheUnavailable:
                if key in mine and (owed := (key, mine[key].token)) in _owed:
                    _owed[owed] = _owed[owed]._replace(told=-inf)

        return given_back_flow()

    def leads(self, key: str) -> bool:
        """Returns whether this thread or task holds the lease."""
        return key in (_mine.get() or {})

    def leave(self, key: str) -> Op[bool]:
        """Gives the lease back, if this thread or task has it.

        An op of one trip, of none where there is nothing to give back.
        """
        mine = _mine.get() or {}
        if key not in mine:
            return pure(False)
        _mine.set({other: held for other, held in mine.items() if other != key})
        return give_back(key, *mine[key])


_REFRESH_MS = 30_000


class Driver(Protocol):
    """Runs flows; see `Client`."""

    def drive(self, flow: Flow[T]) -> T:
        """Runs one."""

    async def adrive(self, flow: Flow[T]) -> T:
        """Runs one."""


def making(
    compute: Callable[[], Any], read: Callable[[Any], T], give_back: Callable[[], Flow[None]], driver: Driver
) -> Invoke:
    """Builds a step that makes a result, and gives the lease back where that fails, so that the next caller tries.

    In async calls `compute` may be a coroutine function; `read` makes the result of what it gave. A flow is closed when
    its caller is interrupted or cancelled, and asks nothing more; so the lease is given back from in here, by `driver`.
    """

    def made() -> T:
        try:
            return read(compute())
        except BaseException:
            driver.drive(give_back())
            raise

    async def amade() -> T:
        try:
            found = compute()
            return read(await found if isinstance(found, Awaitable) else found)
        except BaseException:
            await driver.adrive(give_back())
            raise

    return Invoke(made, amade)


def _held(now: float) -> dict[str, _Lease]:
    """Returns the leases that this thread or task still has."""
    return {key: held for key, held in (_mine.get() or {}).items() if now < held.until}
