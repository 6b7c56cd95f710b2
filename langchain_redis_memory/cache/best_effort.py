"""Best-effort flows: an unreachable server is a miss, never an error.

A cache must not fail the call that it serves. `BestEffort` runs a whole flow: where the server is away, rests behind
its circuit breaker, or refuses a command, the flow gets one `CacheUnavailable`, and so does the door that runs it,
which makes a miss of it. Statistics that wait are sent with the flow's own round trips.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar, cast

from langchain_redis_memory.cache.stats import Count, Tally
from langchain_redis_memory.errors import AuthenticationError, RedisMemoryError, UnavailableError
from langchain_redis_memory.ops import Flow, Now, Op, Reply, merge
from langchain_redis_memory.redis.client.clock import monotonic

T = TypeVar("T")
_log = logging.getLogger(__name__)


class CacheUnavailable(Exception):
    """The cache cannot be used now: a look-up is a miss, an update is dropped."""


class CircuitBreaker(Protocol):
    """Decides whether a best-effort call is sent to the server; see `redis/client/circuit_breaker.py`."""

    def allows(self, now: float) -> bool:
        """Decides whether a call is sent now; after a pause it lets one through, to try."""

    def rests(self, now: float) -> bool:
        """Returns whether this is a pause; unlike `allows` it lets no call through."""

    def failed(self, began: float, now: float) -> bool:
        """Notes a failure; returns whether it is the first."""

    def worked(self) -> None:
        """Notes a success."""


class BestEffort:
    """Runs flows that the caller can do without; `what` names the cache in the log."""

    def __init__(self, what: str, tally: Tally, breaker: CircuitBreaker) -> None:
        self._what = what
        self.tally = tally
        self._breaker = breaker

    def __call__(self, flow: Flow[T], *, write: bool = False) -> Flow[T]:
        """Runs a flow: each of its ops may raise `CacheUnavailable` in it, where the server is away, rests or refuses.

        The flow goes on if it catches that. With a `write` counts that wait go along sooner; see `Tally.due`.
        """
        began: float = yield Now()
        try:
            if self._breaker.rests(began):  # not even an embedding model is asked in vain
                raise self._skipped()
            step = next(flow)
            while True:
                try:
                    if isinstance(step, Op) and step.commands:
                        reply = yield from self._trip_flow(step, write)
                    else:
                        reply = yield step
                except Exception as error:  # noqa: BLE001 - the flow decides
                    step = flow.throw(error)
                else:
                    step = flow.send(reply)
        except StopIteration as done:
            return cast("T", done.value)
        except UnavailableError as error:  # where the flow called something that asks the server itself
            raise (yield from self._away_flow(error, began)) from error
        except RedisMemoryError as error:
            raise self._refused(error) from error
        finally:
            flow.close()

    def _trip_flow(self, op: Op[T], write: bool) -> Flow[T]:
        """Runs one op, with the counts that wait."""
        began: float = yield Now()
        if not self._breaker.allows(began):
            raise self._skipped()
        counts, sent = self.tally.take(began) if self.tally.due(began, write=write) else _NONE, False
        try:
            if counts:
                result, sent = yield self._with_counts(op, counts)
            else:
                result = yield _settled(op)
        except UnavailableError as error:
            raise (yield from self._away_flow(error, began)) from error
        except RedisMemoryError as error:
            raise self._refused(error) from error
        finally:
            if not sent:  # also where the caller was cancelled
                self.tally.put_back(counts)
        if isinstance(result, UnavailableError):  # it answers, but is a replica now, or loads its data
            raise (yield from self._away_flow(result, began)) from result
        self._breaker.worked()
        if isinstance(result, RedisMemoryError):
            raise self._refused(result) from result
        return cast("T", result)

    def _with_counts(self, op: Op[T], counts: Counter[Count]) -> Op[tuple[T | RedisMemoryError, bool]]:
        both = merge(_settled(op), self.tally.sends(counts))
        return Op(both.commands, both.decode, tolerant=True, best_effort=True)

    def write(self, op: Op[Any], model: str, began: float) -> QuickWrite:
        """Prepares a write that needs no flow, with the counts that wait; the circuit breaker must be closed."""
        counts = self.tally.take(began) if op.commands else _NONE
        return QuickWrite(self, self._with_counts(op, counts), counts, model, began)

    def noted(self, error: RedisMemoryError, began: float, ended: float) -> CacheUnavailable:
        """Notes what an op failed with that was run without a flow, and gives the error to raise."""
        return self._away(error, began, ended) if isinstance(error, UnavailableError) else self._refused(error)

    def _skipped(self) -> CacheUnavailable:
        self.tally.add("skipped")
        return CacheUnavailable(f"{self._what} rests after a failure")

    def _away_flow(self, error: UnavailableError, began: float) -> Flow[CacheUnavailable]:
        ended: float = yield Now()
        return self._away(error, began, ended)

    def _away(self, error: RedisMemoryError, began: float, ended: float) -> CacheUnavailable:
        self.tally.add("unavailable")
        if self._breaker.failed(began, ended):
            _log.warning("%s is away and bypassed: %s", self._what, error)
        return CacheUnavailable(f"{self._what} is away")

    def _refused(self, error: RedisMemoryError) -> CacheUnavailable:
        self.tally.add("errors")
        level = logging.ERROR if isinstance(error, AuthenticationError) else logging.WARNING
        _log.log(level, "%s is bypassed: %s", self._what, error)
        return CacheUnavailable(f"{self._what} was refused")


class QuickWrite:
    """A write of one op, which is run inside of a `with`: there an absent server is no error, and is counted.

    Args:
        best_effort: Whose it is.
        op: What is run.
        counts: What it sends along; it waits again if that fails.
        model: The model that an answer is dropped of.
        began: When it began.
    """

    def __init__(self, best_effort: BestEffort, op: Op[Any], counts: Counter[Count], model: str, began: float) -> None:
        self.op: Op[Any] = op
        self._best_effort, self._counts, self._model, self._began = best_effort, counts, model, began
        self._sent = False

    def done(self, reply: tuple[Any, bool]) -> None:
        """Notes what the op gave; raises what the server refused it with."""
        result, self._sent = reply
        if isinstance(result, RedisMemoryError):
            raise result

    def __enter__(self) -> QuickWrite:
        return self

    def __exit__(self, _type: Any, error: BaseException | None, _traceback: Any) -> bool:
        tally = self._best_effort.tally
        if not self._sent:  # also where the caller was cancelled
            tally.put_back(self._counts)
        if not isinstance(error, RedisMemoryError):
            return False
        self._best_effort.noted(error, self._began, monotonic())
        tally.add("dropped", model=self._model)
        return True


def _settled(op: Op[T]) -> Op[T | RedisMemoryError]:
    """Returns the same op, whose result may be the error with which the server refused it."""

    def read(replies: Sequence[Reply]) -> T | RedisMemoryError:
        try:
            return op.read(replies)
        except RedisMemoryError as error:
            return error

    return Op(op.commands, read, tolerant=True, best_effort=True)


_NONE: Counter[Count] = Counter()
