"""Circuit breakers: calls skip a server that has just failed.

`Breaker` is for best-effort calls: after a failure none is made during a pause, then one caller tries; each further
failure doubles the pause, up to a bound, and a success ends it. `StallGuard` is for all calls, also for those that can
not do without the server, so a pause is no longer than the wait that it spares.
"""

from __future__ import annotations

from langchain_redis_memory.locks import new_lock

_LONGEST_STALL_S = 5.0
"""The longest pause of a `StallGuard`."""


class Breaker:
    """Decides whether a best-effort call is sent to the server: after a failure there is a pause, which doubles.

    Times are the process's monotonic time in seconds.
    """

    def __init__(self, cool_s: float = 0.5, longest_s: float = 30.0) -> None:
        self._lock = new_lock()
        self._first, self._longest = cool_s, longest_s
        self._while = 0.0
        self._since = 0.0
        self._until = 0.0

    def allows(self, now: float) -> bool:
        """Decides whether a call is sent now; after a pause one is, and one more after each further pause."""
        if not self._while:
            return True
        with self._lock:
            if now < self._until:
                return False
            self._until = now + self._while
            return True

    @property
    def closed(self) -> bool:
        """Whether the server answered when it was asked last."""
        return not self._while

    def rests(self, now: float) -> bool:
        """Returns whether this is a pause; unlike `allows` it lets no call through."""
        return bool(self._while) and now < self._until

    def failed(self, began: float, now: float) -> bool:
        """Records that the server was not reached, which begins or doubles a pause; gives whether it worked before.

        Of all who were waiting when it failed only the first counts, by when they `began`.
        """
        with self._lock:
            first = not self._while
            if first or began >= self._since:
                self._while = min(self._longest, 2 * self._while) or self._first
                self._since, self._until = now, now + self._while
            return first

    def worked(self) -> None:
        """Records that the server answered, which ends the pause."""
        if self._while:
            with self._lock:
                self._while = self._until = 0.0


class StallGuard:
    """Lets calls fail at once while the server is silent: for as long as the last one waited for it in vain.

    Where a server refuses connections a failure takes no time, and so is asked again at once; where it accepts them and
    does not answer, each call would wait for its whole deadline. After the pause one caller makes a short trip, and
    what that gives decides for all.
    """

    def __init__(self) -> None:
        self._lock = new_lock()
        self._until = 0.0
        self.answered: float = 0.0
        """When the server answered last; 0 for never."""

    def rests(self, now: float) -> bool:
        """Returns whether this is a pause."""
        return now < self._until

    @property
    def closed(self) -> bool:
        """Whether the server answered when it was asked last."""
        return not self._until

    def tries(self, now: float, seconds: float) -> bool:
        """Decides whether a call may try; one does, and for so many seconds all others fail."""
        with self._lock:
            if now < self._until:
                return False
            self._until = now + seconds
            return True

    def failed(self, began: float, now: float) -> None:
        """Records that a call failed, which begins a pause unless the server answered another one since it began."""
        if self.answered <= began:
            self._until = now + min(_LONGEST_STALL_S, now - began)

    def worked(self, now: float) -> None:
        """Records that the server answered, which ends the pause."""
        self.answered = now
        if self._until:
            self._until = 0.0
