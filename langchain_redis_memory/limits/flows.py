"""What a limiter asks the server: take from all limits at once, wait for a booked start, correct, give back.

Every step is one script on one server's clock. A request that has to wait is not asked for again and again: its start
is booked with the first round trip, in the order in which requests come, and then it sleeps. Only who waits for a place
of others asks again, as nobody knows when they will be done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import lru_cache
from random import uniform
from typing import Literal, NamedTuple, TypeVar

from langchain_redis_memory.checks import check_number
from langchain_redis_memory.errors import InvalidInputError, RateLimitedError, RedisMemoryError, UnavailableError
from langchain_redis_memory.limits.limit import Costs, Limit, LimitDecision, LimitState, check_limits
from langchain_redis_memory.ops import Arg, Flow, Invoke, Now, Op, Reply, Sleep, ask
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.clock import monotonic
from langchain_redis_memory.redis.key_groups import Id, text_of
from langchain_redis_memory.redis.lease import new_token
from langchain_redis_memory.redis.scripts import command, script

T = TypeVar("T")
WhenDown = Literal["allow", "deny"]
Mode = Literal["peek", "all", "rates"]
_MODES: dict[Mode, int] = {"peek": 0, "all": 1, "rates": 2}
_log = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _PATIENCE_MS = 0.01, 0.25, 5_000
_JITTER_S = 0.02


class Request(NamedTuple):
    """A request: under which keys it counts, and what it costs of each unit."""

    keys: tuple[str, ...]
    costs: Costs
    token: str


class Reservation(NamedTuple):
    """The decision on a request, and the marks by which it can be corrected, one for each rate."""

    request: Request
    decision: LimitDecision
    marks: tuple[tuple[bytes, bytes], ...] = ()
    error: RedisMemoryError | None = None


class LimitFlows:
    """The operations and flows of one limiter; a place is held for `lease_ms` at most.

    **Keys:** `rate`, `places`, `queue` of its limits.
    **Trips:** each says its own.
    """

    def __init__(
        self, client: Client, limits: Sequence[Limit], *, scope: str, tenant: Id, when_down: WhenDown, lease_ms: int
    ) -> None:
        self.limits: tuple[Limit, ...] = check_limits(limits)
        self.rates: tuple[Limit, ...] = tuple(limit for limit in self.limits if not limit.concurrent)
        self.places: tuple[Limit, ...] = self.limits[len(self.rates) :]
        self._client, self._space = client, client.keys(tenant)
        self._scope = text_of(scope, "scope", empty=True)
        self._apart = not any(limit.shared for limit in self.limits)
        self._when_down, self._lease_ms = when_down, lease_ms
        self._costs = lru_cache(maxsize=256)(self._spell_costs)
        self._words = lru_cache(maxsize=256)(self._spell)
        self.keys: Callable[[Id], tuple[str, ...]] = lru_cache(maxsize=1024)(self._keys)

    # --- operations ---------------------------------------------------------------------------------------------------

    def _keys(self, key: Id) -> tuple[str, ...]:
        """Spells the keys of all limits of a user, with one hash tag: one of each rate, two of each kind of places."""
        name = text_of(key, "key", empty=True)
        group = self._space.limits(name if self._apart else "")
        keys: list[str] = []
        for limit in self.limits:
            one = group.of(self._scope, "" if limit.shared or self._apart else name, limit.name)
            keys += [one.places, one.queue] if limit.concurrent else [one.rate]
        return tuple(keys)

    def personal(self, key: Id) -> tuple[str, ...]:
        """Spells the keys of the limits of a user that nobody else shares."""
        name = text_of(key, "key", empty=True)
        group = self._space.limits(name if self._apart else "")
        limits = [limit for limit in self.limits if not limit.shared]
        return tuple(
            key for limit in limits for key in group.of(self._scope, "" if self._apart else name, limit.name).all()
        )

    def request(self, key: Id, costs: Costs) -> Request:
        """Builds a request. Raises `InvalidIdError`: the key is not acceptable.

        Raises `InvalidInputError`: it costs more than ever fits into a limit.
        """
        for limit in self.rates:
            amount = check_number(limit.amount(costs), limit.unit, 0, 1e12)
            if amount > limit.most:
                msg = f"a request of {amount:g} {limit.unit} never fits into {limit} (at most {limit.most:,} at once)"
                raise InvalidInputError(msg)
        return Request(self.keys(key), costs, new_token() if self.places else "-")

    def take(self, request: Request, wait_s: float = 0.0, mode: Mode = "all") -> Op[Reservation]:
        """Takes what a request costs from all limits, or nothing; its start is booked where it is within `wait_s`.

        The mode is "all", only from rates, or nothing. An op of one trip. Sent again after a lost reply it takes twice
        from rates, which is the safe side.
        """
        amounts = tuple([limit.amount(request.costs) for limit in self.rates])
        if mode == "rates" and not self.places:
            call = script("limits/check")(request.keys, *self._costs(amounts))
            return Op((call,), lambda replies: self._checked(request, *replies[0]))
        call = script("limits/take")(request.keys, request.token, *self._words(amounts, wait_s, mode))
        return Op((call,), lambda replies: self._decided(request, replies[0], mode))

    def _spell_costs(self, amounts: tuple[float, ...]) -> tuple[str, ...]:
        """Spells for each rate what a request costs and what it may cost at most."""
        return tuple(
            word
            for limit, amount in zip(self.rates, amounts, strict=True)
            for word in (repr(limit.cost_us(amount)), repr(limit.cost_us(limit.most)))
        )

    def _checked(self, request: Request, delay: int, short: int, *levels: int) -> Reservation:
        states = tuple([_state(limit, level) for limit, level in zip(self.limits, levels, strict=True)])
        if not short:
            return Reservation(request, LimitDecision(True, states))
        return Reservation(request, LimitDecision(False, states, self.limits[short - 1], delay / 1e6))

    def _spell(self, amounts: tuple[float, ...], wait_s: float, mode: Mode) -> tuple[str, ...]:
        """Spells the arguments of the script, which are the same for most requests."""
        how = (str(_MODES[mode]), repr(wait_s * 1e6), str(self._lease_ms), str(_PATIENCE_MS), str(len(self.rates)))
        return (*how, *self._costs(amounts), *(str(limit.count) for limit in self.places))

    def _decided(self, request: Request, reply: Reply, mode: Mode) -> Reservation:
        taken, delay, short, ahead, *found = reply
        wait_s = int(delay) / 1e6
        states = tuple(_state(limit, int(one[0])) for limit, one in zip(self.limits, found, strict=True))
        allowed = not (wait_s or ahead) if mode == "peek" else bool(taken)
        decision = LimitDecision(
            allowed,
            states,
            self.limits[short - 1] if short else None,
            0.0 if allowed else wait_s or 1.0,
            wait_s if taken else 0.0,
            ahead,
        )
        marks = tuple((one[1], one[2]) for one in found[: len(self.rates)])
        return Reservation(request, decision, marks if taken else ())

    def settle(self, taken: Reservation, costs: Costs) -> Op[None] | None:
        """Corrects what a request took to what it really cost, and gives its places back.

        An op of one trip; None where there is nothing to correct.
        """
        args: list[Arg] = []
        before, changed = taken.request.costs, False
        for limit, (born, mark) in zip(self.rates, taken.marks or [(b"", b"0")] * len(self.rates), strict=True):
            change = limit.cost_us(limit.amount(costs)) - limit.cost_us(limit.amount(before))
            changed = changed or change != 0
            args += [repr(change), born, mark]
        if not self.places and not (changed and taken.marks):
            return None
        call = script("limits/settle")(taken.request.keys, taken.request.token, len(self.rates), *args)
        return Op((call,), lambda _replies: None)

    def reset(self, key: Id) -> Op[bool]:
        """Forgets what was taken; shared limits are reset for all. An op of one trip: whether there was anything."""
        return Op((command("DEL", tuple(self.keys(key))),), lambda replies: bool(replies[0]))

    # --- flows --------------------------------------------------------------------------------------------------------

    def take_flow(self, request: Request, wait_s: float = 0.0, mode: Mode = "all") -> Flow[Reservation]:
        """Takes what a request costs, see `take`; where the server is away, `when_down` decides.

        **Trips:** 1; none while the server's circuit breaker rests.
        """
        try:
            return (yield from self._ask_flow(self.take(request, wait_s, mode)))
        except RedisMemoryError as error:
            return self._down(request, error)

    def check(self, request: Request) -> tuple[Op[Reservation], Callable[[RedisMemoryError], Reservation]] | None:
        """Takes from rates by one op and nothing else.

        Returns the op, and what is decided if it raises; None where the server has just failed, so that a flow decides.
        """
        if not self._client.breaker.closed:
            return None
        began = monotonic()

        def failed(error: RedisMemoryError) -> Reservation:
            self._noted(error, began, monotonic())
            return self._down(request, error)

        return self.take(request, mode="rates"), failed

    def _down(self, request: Request, error: RedisMemoryError) -> Reservation:
        allowed = self._when_down == "allow"
        return Reservation(
            request, LimitDecision(allowed, retry_after_s=0.0 if allowed else 1.0, down=True), error=error
        )

    def _noted(self, error: RedisMemoryError, began: float, ended: float) -> None:
        if not isinstance(error, UnavailableError):
            _log.error("the limits are not counted, requests are decided by %r: %s", self._when_down, error)
        elif self._client.breaker.failed(began, ended):
            _log.warning("the server of the limits is away, requests are decided by %r: %s", self._when_down, error)

    def _ask_flow(self, op: Op[T]) -> Flow[T]:
        breaker = self._client.breaker
        began: float = yield Now()
        if not breaker.allows(began):
            raise UnavailableError("the server of the limits has just failed and is not asked for a moment")
        try:
            reservation = yield from ask(op)
        except RedisMemoryError as error:
            ended: float = yield Now()
            self._noted(error, began, ended)
            raise
        breaker.worked()
        return reservation

    def reserve_flow(self, request: Request, timeout_s: float) -> Flow[Reservation]:
        """Takes what a request costs, and waits for its start; what cannot start in time is refused at once.

        Gives what was taken; `decision.allowed` is false where it does not fit.

        **Trips:** 1; with places that others hold, one for each time that it asks again.
        """
        began: float = yield Now()
        taken = yield from self.take_flow(request, timeout_s)
        if taken.decision.wait_s or taken.decision.ahead:
            taken = yield self._wait(taken, began + timeout_s)
        return taken

    def _wait(self, first: Reservation, until: float) -> Invoke:
        """Builds the step that waits; a caller who is interrupted meanwhile gives back what he took."""
        seen = [first]

        def wait() -> Reservation:
            try:
                return self._client.drive(self._wait_flow(seen, until))
            except BaseException:
                self._client.drive(self.settle_flow(seen[-1], NOTHING))
                raise

        async def await_() -> Reservation:
            try:
                return await self._client.adrive(self._wait_flow(seen, until))
            except BaseException:
                await self._client.adrive(self.settle_flow(seen[-1], NOTHING))
                raise

        return Invoke(wait, await_)

    def _wait_flow(self, seen: list[Reservation], until: float) -> Flow[Reservation]:
        pause = _FIRST_PAUSE_S
        while seen[-1].decision.ahead and not seen[-1].decision.allowed:
            now: float = yield Now()
            left = until - now
            if left <= 0:
                yield from self.settle_flow(seen[-1], NOTHING)
                break
            yield Sleep(min(left, pause * uniform(0.5, 1)))
            pause = min(1.5 * pause, _LONGEST_PAUSE_S)
            now = yield Now()
            seen.append((yield from self.take_flow(seen[-1].request, max(until - now, 0.001))))
        decision = seen[-1].decision
        if decision.wait_s and decision.limit:  # jitter of less than what is between two starts keeps their order
            apart_s = decision.limit.cost_us(decision.limit.amount(seen[-1].request.costs)) / 1e6
            yield Sleep(decision.wait_s + uniform(0, min(_JITTER_S, 0.5 * apart_s)))
        return seen[-1]

    def settle_flow(self, taken: Reservation, costs: Costs) -> Flow[None]:
        """Corrects what a request took; a server that is away meanwhile is logged, the answer being there already.

        **Trips:** 1, none where there is nothing to correct.
        """
        op = None if taken.decision.down else self.settle(taken, costs)
        if op is None:
            return
        try:
            yield from self._ask_flow(op)
        except RedisMemoryError as error:
            _log.warning("a request is not settled, what it reserved counts as used: %s", error)

    def states_flow(self, key: Id) -> Flow[tuple[LimitState, ...]]:
        """Reads what is left of each limit. **Trips:** 1."""
        request = Request(self.keys(key), NOTHING, new_token())
        taken = yield from ask(self.take(request, mode="peek"))
        return taken.decision.states


NOTHING: Costs = {"requests": 0}


def refused(taken: Reservation) -> RedisMemoryError:
    """Words the error of a request that is not allowed."""
    decision = taken.decision
    if decision.down:
        return taken.error or UnavailableError("the server of the limits is away")
    seconds = f"{decision.retry_after_s:{'.3g' if decision.retry_after_s < 100 else '.0f'}}"
    when = f"try again in {seconds} s" if not decision.ahead else "try again when others are done"
    return RateLimitedError(f"the limit of {decision.limit} is used up; {when}", decision.retry_after_s, decision)


def _state(limit: Limit, level: int) -> LimitState:
    if limit.concurrent:
        return LimitState(limit, max(0, limit.count - level), 0.0)
    left = (limit.cost_us(limit.most) - level + 1) / limit.cost_us(1)  # levels are whole microseconds
    return LimitState(limit, max(0, min(limit.most, int(left))), level / 1e6)
