"""`RateLimitMiddleware` and `TokenBudgetMiddleware`: what an agent's model calls may use, in all processes together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any, Literal, NamedTuple

from langchain.agents.middleware import AgentMiddleware, ModelRequest
from langchain.agents.middleware.types import ModelResponse
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.config import get_config
from langgraph.types import interrupt
from typing_extensions import Unpack

from langchain_redis_memory.agents.model_watch import ModelWatch, watching
from langchain_redis_memory.agents.prices import Meter, model_of
from langchain_redis_memory.agents.request import asker_of, turn_of
from langchain_redis_memory.cache.stats import Prices
from langchain_redis_memory.checks import (
    check_function,
    check_number,
    check_positive,
    check_type,
    check_whole,
    check_word,
)
from langchain_redis_memory.errors import ConfigError, RateLimitedError
from langchain_redis_memory.limits.lease import LimitLease
from langchain_redis_memory.limits.limit import Limit
from langchain_redis_memory.limits.rate_limiter import RedisRateLimiter
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.key_groups import Id
from langchain_redis_memory.run_config import accessor_of

EVENT = "langchain_redis_memory.budget"
"""The key of what a token budget writes to an agent's stream in the mode `custom`."""
_ZERO = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}


class RateLimitMiddleware(AgentMiddleware[Any, Any, Any]):
    """Limits an agent's model calls by a `RedisRateLimiter`, tokens by what each call really used.

    Every model call of a turn counts, those of a tool loop as well; an answer from `AnswerCacheMiddleware` uses no
    tokens.

    Args:
        limiter: The limiter.
        key: Says from a call whose limits count it; None: as the limiter's own `key` says.

    Raises:
        ConfigError: The limiter is none.

    Example:
        ```python
        limiter = RedisRateLimiter(url, [Limit(60, "1m"), Limit(90_000, "1m", unit="tokens")], key="user")
        agent = create_agent(model, tools, middleware=[RateLimitMiddleware(limiter)])
        ```

    **Keys:** those of the limiter.
    **Trips:** none to construct. A model call: 1 before it, 1 after it.
    """

    def __init__(self, limiter: RedisRateLimiter, *, key: Callable[[ModelRequest[Any]], Id] | None = None) -> None:
        super().__init__()
        check_type(limiter, RedisRateLimiter, "limiter", "a RedisRateLimiter", ConfigError)
        if key is not None:
            check_function(key, "key", ConfigError)
        self._limiter, self._key = limiter, key

    def wrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]) -> Any:
        """Waits for the call's start, asks the model, and settles what it used.

        Args:
            request: The call.
            handler: Asks the model.

        Returns:
            The model's response.

        Raises:
            RateLimitedError: The call does not fit in before the limiter's timeout.

        **Keys:** those of the limiter.
        **Trips:** 1 before the call, 1 after it.
        """
        with self._limiter.reserve(self._key(request) if self._key else None) as lease:
            response = handler(request)
            lease.settle(used_by(response))
        return response

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]) -> Any:
        """Waits for the call's start, asks the model, and settles what it used; see `wrap_model_call`."""
        async with await self._limiter.areserve(self._key(request) if self._key else None) as lease:
            response = await handler(request)
            await lease.asettle(used_by(response))
        return response


class _Budget(NamedTuple):
    """A budget of tokens that all processes count: its name, its limiter and whose it is."""

    name: str
    limiter: RedisRateLimiter
    key: Callable[[], Id]

    def reserve(self) -> LimitLease:
        """Takes what a call may cost, or all that is left; raises `RateLimitedError`: nothing is."""
        try:
            return self.limiter.reserve(self.key(), timeout_s=0)
        except RateLimitedError as error:
            return self.limiter.reserve(self.key(), _left(error), timeout_s=0)

    async def areserve(self) -> LimitLease:
        """Takes what a call may cost, or all that is left; see `reserve`."""
        try:
            return await self.limiter.areserve(self.key(), timeout_s=0)
        except RateLimitedError as error:
            return await self.limiter.areserve(self.key(), _left(error), timeout_s=0)


class TokenBudgetMiddleware(ClientOwner, AgentMiddleware[Any, Any, Any]):
    """Ends, asks or fails when a turn, a thread or a user has used up its tokens.

    A call goes as long as something is left, and may overdraw its budget; what it overdraws is paid by later calls. A
    call that fails gives back what it reserved, unless its answer had begun to come: then nobody knows what it used. A
    budget of a window fills up evenly, as every `Limit` does.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        per_turn: Tokens of all model calls since the user's last words, or money with `prices`; None for no bound.
        per_thread: The same of a thread within the window.
        per_user: The same of a user within the window, who is found as everywhere.
        window_s: The window in seconds.
        reserve: Tokens that a call takes before it is made, until it is known what it used, so that calls at once do
            not all pass by.
        warn_at: The share of a budget from which on the stream's mode `custom` tells of it.
        exit_behavior: "end" ends the turn with a message, "error" raises, "ask" interrupts the graph (which needs a
            checkpointer); resumed with a true value the call is made.
        tenant: Whose budgets.
        prices: Model -> what a million tokens cost, read and written. Budgets are then in that money. A model's name
            may go on behind the one that is given; a model without a price costs as the dearest.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        ConfigError: There is no budget, an option is not known, or the URL cannot work.
        InvalidInputError: A number is out of range.

    Example:
        ```python
        budget = TokenBudgetMiddleware(url, per_turn=20_000, per_user=200_000, window_s=86_400)
        dollars = TokenBudgetMiddleware(url, per_user=2.5, prices={"gpt-5-mini": (0.25, 2.0)})
        agent = create_agent(model, tools, middleware=[budget])
        ```

    **Keys:** `rate` of each budget.
    **Trips:** none to construct. A model call: for the thread's and the user's budget 1 before it and 1 after it each;
        2 before it where less is left than `reserve`.
    """

    def __init__(
        self,
        client: ClientLike = None,
        *,
        per_turn: float | None = None,
        per_thread: float | None = None,
        per_user: float | None = None,
        window_s: float = 86_400.0,
        reserve: int = 1_000,
        warn_at: float = 0.8,
        exit_behavior: Literal["ask", "end", "error"] = "end",
        tenant: Id = "",
        prices: Prices | None = None,
        **server: Unpack[ServerOptions],
    ) -> None:
        super().__init__()
        self._client = connect(client, owner=type(self), **server)
        check_word(exit_behavior, "exit_behavior", ("ask", "end", "error"), ConfigError)
        if per_turn is None and per_thread is None and per_user is None:
            raise ConfigError("a token budget needs per_turn, per_thread or per_user")
        check_type(prices, (Mapping, NoneType), "prices", "a dict, as {'gpt-5-mini': (0.25, 2.0)}", ConfigError)
        check_positive(window_s, "window_s", "number of seconds")
        check_whole(reserve, "reserve", 0)
        self._client.keys(tenant)
        self._meter = Meter(prices)
        for name, most in {"per_turn": per_turn, "per_thread": per_thread, "per_user": per_user}.items():
            if most is not None and prices is None:
                check_whole(most, name)
            elif most is not None:
                check_number(most, name, 0, 1e9, without=(0,))
        self._per_turn = None if per_turn is None else self._meter.budget(per_turn)
        self._exit, self._warn_at = exit_behavior, check_number(warn_at, "warn_at")
        keys = {"thread": _thread, "user": _user}
        counts = {"thread": per_thread, "user": per_user}
        self._budgets = [
            _Budget(
                name,
                RedisRateLimiter(
                    self._client,
                    [Limit(self._meter.budget(most), window_s, unit="tokens")],
                    scope=f"{'budget' if prices is None else 'money'}-{name}",
                    tenant=tenant,
                    reserve=min(self._meter.reserve(reserve), self._meter.budget(most)),
                ),
                keys[name],
            )
            for name, most in counts.items()
            if most is not None
        ]

    def wrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]) -> Any:
        """Makes a model call if every budget has something left, and counts what it used.

        Args:
            request: The call.
            handler: Asks the model.

        Returns:
            The model's response, or the message that ends the turn.

        Raises:
            RateLimitedError: A budget is used up (`exit_behavior="error"`).

        **Keys:** `rate` of each budget.
        **Trips:** for the thread's and the user's budget 1 before the call and 1 after it each; 2 before it where
            less is left than `reserve`.
        """
        if (over := self._turn_over(request)) and (ended := self._ended(request, over, None)) is not None:
            return ended
        leases, watch = dict[str, LimitLease](), ModelWatch()
        try:
            for budget in self._budgets:
                try:
                    leases[budget.name] = budget.reserve()
                except RateLimitedError as error:
                    if (ended := self._ended(request, budget.name, error)) is not None:
                        return ended
            with watching(watch):
                response = handler(request)
            used = self._used(response)
            for lease in leases.values():
                lease.settle(used)
        finally:
            for lease in leases.values():  # of a call that failed; what is settled stays so
                lease.settle() if watch.streamed else lease.refund()
        self._tell(request, leases, used)
        return response

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]) -> Any:
        """Makes a model call if every budget has something left; see `wrap_model_call`."""
        if (over := self._turn_over(request)) and (ended := self._ended(request, over, None)) is not None:
            return ended
        leases, watch = dict[str, LimitLease](), ModelWatch()
        try:
            for budget in self._budgets:
                try:
                    leases[budget.name] = await budget.areserve()
                except RateLimitedError as error:
                    if (ended := self._ended(request, budget.name, error)) is not None:
                        return ended
            with watching(watch):
                response = await handler(request)
            used = self._used(response)
            for lease in leases.values():
                await lease.asettle(used)
        finally:
            for lease in leases.values():
                await (lease.asettle() if watch.streamed else lease.arefund())
        self._tell(request, leases, used)
        return response

    def personal_keys(self, user: Id, sessions: Sequence[str] = ()) -> tuple[str, ...]:
        """Spells the keys that hold what was counted of a user and of the user's threads, for `RedisUsers`.

        Args:
            user: The user.
            sessions: The threads of the user.

        Returns:
            The keys, which need not exist.
        """
        return tuple(key for budget in self._budgets for key in budget.limiter.personal_keys(user, sessions))

    def _used(self, response: Any) -> Mapping[str, Any] | None:
        said = next((message for message in _messages_of(response) if isinstance(message, AIMessage)), None)
        used = self._meter.used(used_by(response), "" if said is None else model_of(said))
        return None if used is None else {"total_tokens": used}

    def _turn_over(self, request: ModelRequest[Any]) -> str:
        """Names the turn's budget where it is used up, "" where it is not."""
        if self._per_turn is None:
            return ""
        turn = turn_of(request.messages)
        spent = self._meter.spent(request.messages if turn is None else turn.since)
        share = spent / self._per_turn
        if self._warn_at <= share < 1:
            request.runtime.stream_writer({EVENT: {"budget": "turn", "used": share}})
        return "turn" if share >= 1 else ""

    def _ended(self, request: ModelRequest[Any], budget: str, error: RateLimitedError | None) -> AIMessage | None:
        """Does what is wanted of a budget that is used up; None where the call is made all the same."""
        msg = f"The token budget of this {budget} is used up."
        request.runtime.stream_writer({EVENT: {"budget": budget, "used": 1.0}})
        if self._exit == "error":
            raise error or RateLimitedError(msg)
        if self._exit == "ask" and interrupt({"type": "token_budget", "budget": budget, "message": msg}):
            return None
        return AIMessage(msg, response_metadata={"token_budget": budget})

    def _tell(
        self, request: ModelRequest[Any], leases: Mapping[str, LimitLease], used: Mapping[str, Any] | None
    ) -> None:
        for name, lease in leases.items():
            state, reserved = lease.decision.tightest, lease.costs["tokens"]
            if state is None:  # the server is away
                continue
            spent = state.used - reserved + (reserved if used is None else used["total_tokens"])
            if spent >= self._warn_at * state.limit.most:
                share = min(1.0, spent / state.limit.most)
                request.runtime.stream_writer({EVENT: {"budget": name, "used": share}})


def _left(error: RateLimitedError) -> int:
    """How much is left of the budget that refused; raises the refusal where nothing is."""
    state = None if error.decision is None else error.decision.tightest
    if state is None or state.remaining < 1:
        raise error
    return int(state.remaining)


def _thread() -> Id:
    return asker_of(get_config()).session


def _user() -> Id:
    config = get_config()
    return accessor_of(config) or asker_of(config).session


def _messages_of(response: Any) -> Sequence[BaseMessage]:
    return response.result if isinstance(response, ModelResponse) else [response]


def used_by(response: Any) -> Mapping[str, Any] | None:
    """Reads what a model call used; None where nobody says.

    Returns the usage of its message; nothing for one from a cache.
    """
    for message in _messages_of(response):
        if isinstance(message, AIMessage):
            cached = message.response_metadata.get("cache")
            if isinstance(cached, Mapping) and cached.get("hit"):
                return _ZERO
            return message.usage_metadata
    return None
