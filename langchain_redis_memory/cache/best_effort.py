"""Asking a server that may be away, for what can be done without: a cache never fails the call that it serves.

What cannot be had is None. A server that is away is left alone for a while (see `client/breaker.py`), so callers go on
at once instead of waiting for one timeout after another. Statistics ride on the trips that are made anyway.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Protocol, TypeVar, cast

from langchain_redis_memory.cache.stats import Count, Tally
from langchain_redis_memory.errors import AuthenticationError, RedisMemoryError, UnavailableError
from langchain_redis_memory.ops import Flow, Now, Op, Reply, merge

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Fuse(Protocol):
    """Says whether to ask; see `client/breaker.py`."""

    def allows(self, now: float) -> bool:
        """Whether to ask at this time."""

    def rests(self, now: float) -> bool:
        """Whether nothing is asked at this time."""

    def failed(self, began: float, now: float) -> bool:
        """Notes a failure; whether it is the first."""

    def worked(self) -> None:
        """Notes a success."""


class BestEffort:
    """Runs ops and never fails.

    Args:
        what: What is asked, for the log.
        tally: Its statistics.
        fuse: The server's circuit breaker.
    """

    def __init__(self, what: str, tally: Tally, fuse: Fuse) -> None:
        self._what = what
        self.tally = tally
        self._fuse = fuse

    def ask(self, op: Op[T], *, write: bool = False) -> Flow[T | None]:
        """Runs an op.

        Args:
            op: What to run.
            write: Whether it writes: then all counts that wait go along.

        Returns:
            Its result; None where the server is away or refuses.
        """
        began: float = yield Now()
        if not self._fuse.allows(began):
            self.tally.add("skipped")
            return None
        counts, sent = self.tally.take(began) if write or self.tally.due(began) else _NONE, False
        try:
            if counts:
                result, sent = yield merge(_tried(op), self.tally.sends(counts))
            else:
                result = yield _tried(op)
            self._fuse.worked()
        except UnavailableError as error:
            yield from self.lost(error, began)
            return None
        except RedisMemoryError as error:
            result = error
        finally:
            if not sent:  # also where the caller was cancelled
                self.tally.put_back(counts)
        if isinstance(result, RedisMemoryError):
            self.tally.add("errors")
            level = logging.ERROR if isinstance(result, AuthenticationError) else logging.WARNING
            _log.log(level, "%s is passed over: %s", self._what, result)
            return None
        return cast("T", result)

    def lost(self, error: UnavailableError, began: float) -> Flow[None]:
        """Notes that the server is away.

        Args:
            error: How it was found out.
            began: When it was asked.
        """
        self.tally.add("unavailable")
        ended: float = yield Now()
        if self._fuse.failed(began, ended):
            _log.warning("%s is away and passed over: %s", self._what, error)

    def rests(self) -> Flow[bool]:
        """Whether the server is left alone, so that preparing a question for it is in vain."""
        now: float = yield Now()
        return self._fuse.rests(now)


def _tried(op: Op[T]) -> Op[T | RedisMemoryError]:
    """The same op, whose result may be the error with which the server refused it."""

    def read(replies: Sequence[Reply]) -> T | RedisMemoryError:
        try:
            return op.read(replies)
        except RedisMemoryError as error:
            return error

    return Op(op.commands, read, tolerant=True)


_NONE: Counter[Count] = Counter()
