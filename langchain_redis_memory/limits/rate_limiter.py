"""`RedisRateLimiter`: LangChain's rate limiter for all processes together: requests, tokens, concurrent calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import RunnableConfig, ensure_config
from typing_extensions import Unpack

from langchain_redis_memory.checks import check_number, check_positive, check_whole, check_word
from langchain_redis_memory.errors import ConfigError, RedisMemoryError
from langchain_redis_memory.limits.flows import LimitFlows, Request, Reservation, WhenDown, refused
from langchain_redis_memory.limits.lease import LimitLease
from langchain_redis_memory.limits.limit import Costs, Limit, LimitDecision, LimitState
from langchain_redis_memory.limits.settler import Settler, current_run
from langchain_redis_memory.ops import Flow
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.key_groups import Id
from langchain_redis_memory.redis.ttl import milliseconds
from langchain_redis_memory.run_config import accessor_of

KeyOf = Callable[[RunnableConfig], Id]
"""Says from a run's config whose limits count it."""


class RedisRateLimiter(ClientOwner, BaseRateLimiter):
    """Limits what all processes together use: requests, tokens, places, for everybody or for each user.

    All limits of a request are decided in one round trip, on the server's clock: it takes from all of them or from
    none. A request that has to wait has its start booked and sleeps until then, so nobody polls and who came first goes
    first. In any window of a rate no more than its burst and what fills up meanwhile is let through, whatever the
    number of processes, and whatever is given back.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        limits: The limits; they must be given, by name or after the client.
        key: Whose limits count a request: None for one count of all; "user" for the user of the run (as
            `metadata.user_id`, `configurable.user_id` or LangGraph's authenticated user say, and one count for all who
            are not named); or a function of the run's config.
        scope: Names what is limited, such as a model, so that its limits are counted apart.
        tenant: Whose limits they are; tenants never count for each other.
        timeout_s: How long a request may wait; what cannot start by then is refused at once, without waiting.
        on_timeout: What `acquire` does then: "raise" a `RateLimitedError`, as chat models ignore what it returns; or
            "return" False.
        when_down: What is decided while the server is away: "allow" requests without counting them, or "deny" them.
        reserve: How many tokens `acquire` and `reserve` take where nobody says how many.
        lease_s: After how many seconds a place is given back by itself, as its holder may have died.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        ConfigError: There is no limit, two are the same, an option is not known, or the URL cannot work.
        InvalidInputError: An option is out of range.
        InvalidIdError: The tenant or the scope is not acceptable.

    Example:
        ```python
        limiter = RedisRateLimiter("redis://localhost:6379/0", [Limit(60, "1m"), Limit(90_000, "1m", unit="tokens")])
        model = ChatOpenAI(rate_limiter=limiter, callbacks=[limiter.settler()])
        ```

    **Keys:** `rate` of each rate, `places` and `queue` of each number of places; those of one request share a hash tag.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self,
        client: ClientLike = None,
        limits: Sequence[Limit] = (),
        *,
        key: Literal["user"] | KeyOf | None = None,
        scope: str = "",
        tenant: Id = "",
        timeout_s: float = 30.0,
        on_timeout: Literal["raise", "return"] = "raise",
        when_down: WhenDown = "allow",
        reserve: int = 1_000,
        lease_s: float = 600.0,
        **server: Unpack[ServerOptions],
    ) -> None:
        check_word(on_timeout, "on_timeout", ("raise", "return"), ConfigError)
        check_word(when_down, "when_down", ("allow", "deny"), ConfigError)
        if not (key is None or key == "user" or callable(key)):
            raise ConfigError(
                f"key must be None, 'user' or a function of the run's config, got {key!r}; see for_key for a fixed one"
            )
        self._client = connect(client, owner=type(self), **server)
        self._flows = LimitFlows(
            self._client,
            limits,
            scope=scope,
            tenant=tenant,
            when_down=when_down,
            lease_ms=milliseconds(check_positive(lease_s, "lease_s", "number of seconds")),
        )
        self._key_of, self._on_timeout = key, on_timeout
        self._timeout_s = check_positive(timeout_s, "timeout_s", "number of seconds")
        self._reserve = check_whole(reserve, "reserve", 0)
        for limit in self.limits:
            if limit.unit in _TOKENS and limit.most < reserve:
                raise ConfigError(f"reserve={reserve:,} never fits into {limit}; choose a smaller one")

    def __repr__(self) -> str:
        return f"RedisRateLimiter({self._client!r}, [{', '.join(map(str, self.limits))}])"

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The limits: rates, then places."""
        return self._flows.limits

    # --- for LangChain ------------------------------------------------------------------------------------------------

    def acquire(self, *, blocking: bool = True) -> bool:
        """Takes one request and the reserved tokens; what a chat model calls before it asks its provider.

        Args:
            blocking: Wait for the request's start, `timeout_s` at most; without it only what can start now is taken.

        Returns:
            Whether the request may go.

        Raises:
            RateLimitedError: It does not fit in before the timeout (`on_timeout="raise"`).
            UnavailableError: The server is away (`when_down="deny"`).
            ConfigError: There are places, and nobody who gives them back.

        **Keys:** `rate`, `places`, `queue` of its limits.
        **Trips:** 1; with places that others hold, one for each time that it asks again.
        """
        return self._client.drive(self._acquire_flow(blocking))

    async def aacquire(self, *, blocking: bool = True) -> bool:
        """Takes one request and the reserved tokens; see `acquire`."""
        return await self._client.adrive(self._acquire_flow(blocking, asynchronous=True))

    def settler(self) -> Settler:
        """Returns a callback handler that settles what `acquire` takes, by what each call of a model used.

        Returns:
            The handler, for a model's or a run's `callbacks`. It also tells `acquire` the metadata of the run, where
            the user may be named. One serves any number of calls.
        """
        return Settler(self)

    @contextmanager
    def for_key(self, key: Id) -> Iterator[None]:
        """Counts what this thread or task does inside the `with` block under a key.

        Args:
            key: Whose limits count it; with it `key=` is not asked.

        Yields:
            Nothing.
        """
        before = _key.set((self, key))
        try:
            yield
        finally:
            _key.reset(before)

    # --- for everybody else -------------------------------------------------------------------------------------------

    def check(self, key: Id | None = None, tokens: int = 0, *, cost: Costs | None = None) -> LimitDecision:
        """Takes what a request costs from its rates if it may go now, without waiting; for an endpoint of your own.

        Args:
            key: Whose limits count it; None for the one of this run.
            tokens: How many tokens it costs.
            cost: Amounts of other units.

        Returns:
            The decision, which makes HTTP headers. Of places it says whether one is free, and takes none.

        Raises:
            InvalidIdError: The key is not acceptable.
            InvalidInputError: It costs more than ever fits into a limit.

        **Keys:** `rate` of its limits.
        **Trips:** 1.
        """
        request = self._flows.request(self._key(key), _costs(tokens, cost))
        if (quick := self._flows.check(request)) is None:
            return self._client.drive(self._check_flow(request))
        op, failed = quick
        try:
            return self._client.run(op).decision
        except RedisMemoryError as error:
            return failed(error).decision

    async def acheck(self, key: Id | None = None, tokens: int = 0, *, cost: Costs | None = None) -> LimitDecision:
        """Takes what a request costs from its rates if it may go now; see `check`."""
        request = self._flows.request(self._key(key), _costs(tokens, cost))
        if (quick := self._flows.check(request)) is None:
            return await self._client.adrive(self._check_flow(request))
        op, failed = quick
        try:
            return (await self._client.arun(op)).decision
        except RedisMemoryError as error:
            return failed(error).decision

    def peek(self, key: Id | None = None, tokens: int = 0, *, cost: Costs | None = None) -> LimitDecision:
        """Decides whether a request could go now, and takes nothing.

        Args:
            key: Whose limits count it; None for the one of this run.
            tokens: How many tokens it costs.
            cost: Amounts of other units.

        Returns:
            The decision.

        Raises:
            InvalidIdError: The key is not acceptable.
            InvalidInputError: It costs more than ever fits into a limit.

        **Keys:** `rate`, `places`, `queue` of its limits.
        **Trips:** 1.
        """
        request = self._flows.request(self._key(key), _costs(tokens, cost))
        return self._client.drive(self._flows.take_flow(request, mode="peek")).decision

    async def apeek(self, key: Id | None = None, tokens: int = 0, *, cost: Costs | None = None) -> LimitDecision:
        """Decides whether a request could go now, and takes nothing; see `peek`."""
        request = self._flows.request(self._key(key), _costs(tokens, cost))
        return (await self._client.adrive(self._flows.take_flow(request, mode="peek"))).decision

    def reserve(
        self,
        key: Id | None = None,
        tokens: int | None = None,
        *,
        cost: Costs | None = None,
        timeout_s: float | None = None,
    ) -> LimitLease:
        """Takes what a request is expected to cost, waits for its start, and lets it be corrected afterwards.

        Args:
            key: Whose limits count it; None for the one of this run.
            tokens: How many tokens it is expected to cost; None for the limiter's `reserve`.
            cost: Amounts of other units.
            timeout_s: How long it may wait; None for the limiter's, 0 for not at all.

        Returns:
            What was taken, a context manager.

        Raises:
            RateLimitedError: It does not fit in before the timeout; nothing was taken.
            UnavailableError: The server is away (`when_down="deny"`).
            InvalidIdError: The key is not acceptable.
            InvalidInputError: It costs more than ever fits into a limit.

        **Keys:** `rate`, `places`, `queue` of its limits.
        **Trips:** 1; with places that others hold, one for each time that it asks again.
        """
        return self._client.drive(self._lease_flow(self._request(self._key(key), tokens, cost), timeout_s))

    async def areserve(
        self,
        key: Id | None = None,
        tokens: int | None = None,
        *,
        cost: Costs | None = None,
        timeout_s: float | None = None,
    ) -> LimitLease:
        """Takes what a request is expected to cost; see `reserve`. `async with await limiter.areserve(): ...`."""
        return await self._client.adrive(self._lease_flow(self._request(self._key(key), tokens, cost), timeout_s))

    def status(self, key: Id | None = None) -> tuple[LimitState, ...]:
        """Reads what is left of each limit.

        Args:
            key: Whose; None for the one of this run.

        Returns:
            The states, in the order of `limits`.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `rate`, `places`, `queue` of its limits.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.states_flow(self._key(key)))

    async def astatus(self, key: Id | None = None) -> tuple[LimitState, ...]:
        """Reads what is left of each limit; see `status`."""
        return await self._client.adrive(self._flows.states_flow(self._key(key)))

    def reset(self, key: Id | None = None) -> bool:
        """Forgets what was taken, places that are held included.

        Args:
            key: Whose; None for the one of this run. Shared limits are reset for all.

        Returns:
            Whether there was anything.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `rate`, `places`, `queue` of its limits.
        **Trips:** 1.
        """
        return self._client.run(self._flows.reset(self._key(key)))

    async def areset(self, key: Id | None = None) -> bool:
        """Forgets what was taken; see `reset`."""
        return await self._client.arun(self._flows.reset(self._key(key)))

    def personal_keys(self, user: Id, sessions: Sequence[str] = ()) -> tuple[str, ...]:
        """Spells the keys that hold what was counted of a user alone, for `RedisUsers`.

        Args:
            user: The user.
            sessions: Conversations and threads of the user, where a limiter counts by these.

        Returns:
            The keys, which need not exist.
        """
        return tuple(key for name in (user, *sessions) for key in self._flows.personal(name))

    # --- in between ---------------------------------------------------------------------------------------------------

    def _key(self, key: Id | None) -> Id:
        """Names whose limits count what is done here."""
        return self._named() if key is None else key

    def _named(self, metadata: dict[str, Any] | None = None) -> Id:
        limiter, key = _key.get()
        if limiter is self:
            return key
        if self._key_of is None:
            return ""
        config = ensure_config()
        if (
            metadata
        ):  # of the run that a settler heard of: a model that is called directly sets no config for its limiter
            config = {**config, "metadata": {**config.get("metadata", {}), **metadata}}
        if self._key_of == "user":
            return accessor_of(config)
        return self._key_of(config)

    def _request(self, key: Id, tokens: int | None, cost: Costs | None) -> Request:
        return self._flows.request(key, _costs(self._reserve if tokens is None else tokens, cost))

    def _acquire_flow(self, blocking: bool, *, asynchronous: bool = False) -> Flow[bool]:
        run = current_run(self)
        if run is None and self._flows.places:
            raise ConfigError(
                "places (unit='concurrent') are held until a call is done, and a rate limiter is not told when: give "
                "the model callbacks=[limiter.settler()] as well, or use `with limiter.reserve():` around the call"
            )
        key = self._named(None if run is None else dict(run.metadata))
        timeout_s = self._timeout_s if blocking else 0.0
        taken = yield from self._flows.reserve_flow(self._request(key, None, None), timeout_s)
        if run is not None and taken.decision.allowed:
            run.lease, run.asynchronous = LimitLease(self._client, self._flows, taken), asynchronous
        if blocking and not taken.decision.allowed and self._on_timeout == "raise":
            raise refused(taken)
        return taken.decision.allowed

    def _check_flow(self, request: Request) -> Flow[LimitDecision]:
        return (yield from self._flows.take_flow(request, mode="rates")).decision

    def _lease_flow(self, request: Request, timeout_s: float | None) -> Flow[LimitLease]:
        wait_s = self._timeout_s if timeout_s is None else check_number(timeout_s, "timeout_s", 0, 1e9)
        taken: Reservation = yield from self._flows.reserve_flow(request, wait_s)
        if not taken.decision.allowed:
            raise refused(taken)
        return LimitLease(self._client, self._flows, taken)


_TOKENS = ("tokens", "input_tokens", "output_tokens")
_key: ContextVar[tuple[object, Id]] = ContextVar("whose limits count what is done here", default=(None, ""))


def _costs(tokens: int, cost: Costs | None) -> Costs:
    """Spells costs by unit; how many of the tokens are written is not known, so each kind counts all of them."""
    return {"tokens": tokens, "input_tokens": tokens, "output_tokens": tokens, **(cost or {})}
