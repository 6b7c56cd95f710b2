"""Single flight: of all who miss the same answer at once, one makes it and the others wait for it.

The one takes a lease in Redis (see `lease`). The others look again, at growing distances; each look also tries to take
the lease, so a leader who fails and gives it back, or dies and lets it lapse, is followed by the next. Nobody
waits for longer than a lease lasts. Whoever leads and asks again from the same thread or task (a retry, the same prompt
twice in one call) goes on leading and does not wait for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from random import random
from typing import TypeVar

from langchain_redis_memory import lease
from langchain_redis_memory.ops import Flow, Now, Op, Sleep, merge, pure

T = TypeVar("T")
Ask = Callable[[Op[tuple[T | None, bool]]], Flow[tuple[T | None, bool] | None]]

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.2

_mine: ContextVar[dict[str, str] | None] = ContextVar("leases of this thread or task", default=None)


class Flights:
    """The pieces of work of one cache that only one should do at a time.

    Args:
        ttl_ms: How long a lease lasts, and how long at most somebody waits; 0: everybody does everything.
    """

    def __init__(self, ttl_ms: int) -> None:
        self._ttl_ms = ttl_ms

    def __bool__(self) -> bool:
        return bool(self._ttl_ms)

    def join(self, key: str, look: Op[T | None], ask: Ask[T]) -> Flow[T | None]:
        """Takes the lead, or waits for who has it.

        Args:
            key: The lease.
            look: Looks for the result.
            ask: Runs an op; None where the server is away.

        Returns:
            What another made meanwhile; None where the caller is to make it.
        """
        mine = _mine.get() or {}
        token = mine.get(key) or lease.new_token()
        began: float = yield Now()
        pause = _FIRST_PAUSE_S
        while True:
            told = yield from ask(merge(look, lease.acquire(key, token, self._ttl_ms)))
            if told is None:
                return None
            found, leads = told
            if leads:
                _mine.set({**mine, key: token})
                if found is not None:
                    yield from ask(merge(pure(None), self.leave(key)))
                return found
            now: float = yield Now()
            left = began + self._ttl_ms / 1000 - now
            if found is not None or left <= 0:
                return found
            yield Sleep(min(pause * (0.5 + random()), left))
            pause = min(1.5 * pause, _LONGEST_PAUSE_S)

    def may_refresh(self, key: str, ask: Callable[[Op[bool]], Flow[bool | None]]) -> Flow[bool]:
        """Whether the caller is the one who makes what is stale anew; the others are not to wait.

        Args:
            key: The lease.
            ask: Runs an op; None where the server is away.

        Returns:
            Whether the caller has the lease now.
        """
        mine = _mine.get() or {}
        token = mine.get(key) or lease.new_token()
        leads = yield from ask(lease.acquire(key, token, self._ttl_ms or _REFRESH_MS))
        if leads:
            _mine.set({**mine, key: token})
        return bool(leads)

    def leave(self, key: str) -> Op[bool]:
        """Gives the lease back, if this thread or task has it.

        Args:
            key: The lease.

        Returns:
            An op of one trip, of none where there is nothing to give back.
        """
        mine = _mine.get() or {}
        if key not in mine:
            return pure(False)
        token = mine[key]
        _mine.set({held: by for held, by in mine.items() if held != key})
        return lease.release(key, token).optional(False)


_REFRESH_MS = 30_000
