"""A circuit breaker: best-effort calls skip a server that has just failed.

After a failure no call is made during a pause, then one caller tries; each further failure doubles the pause, up to a
bound, and a success ends it. It is for caches: their callers can go on at once, while a checkpointer's cannot.
"""

from __future__ import annotations

import threading


class Breaker:
    """Decides whether a best-effort call is sent to the server.

    Args:
        cool_s: The pause after the first failure, in seconds.
        longest_s: The longest pause, in seconds.
    """

    def __init__(self, cool_s: float = 0.5, longest_s: float = 30.0) -> None:
        self._lock = threading.Lock()
        self._first, self._longest = cool_s, longest_s
        self._while = 0.0
        self._since = 0.0
        self._until = 0.0

    def allows(self, now: float) -> bool:
        """Decides whether a call is sent now; after a pause one is, and one more after each further pause.

        Args:
            now: The process's monotonic time in seconds.
        """
        if not self._while:
            return True
        with self._lock:
            if now < self._until:
                return False
            self._until = now + self._while
            return True

    def rests(self, now: float) -> bool:
        """Returns whether this is a pause; unlike `allows` it lets no call through.

        Args:
            now: The process's monotonic time in seconds.
        """
        return bool(self._while) and now < self._until

    def failed(self, began: float, now: float) -> bool:
        """Records that the server could not be reached, which begins a pause or doubles it.

        Args:
            began: When it was asked: of all who were waiting when it failed only the first counts.
            now: The process's monotonic time in seconds.

        Returns:
            Whether it worked before, so that it is worth a log line.
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
