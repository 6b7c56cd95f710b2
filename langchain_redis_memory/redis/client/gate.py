"""The gate: how many round trips are under way at once, and that no exception from outside takes a place with it.

A signal handler may raise between any two instructions, and a semaphore, which counts, loses a place then. So a place
is a weak reference to a token of its owner in a set: leaving is one call in C, right whether or not the owner had got
in, and a token that is forgotten on the way leaves by itself.
"""

from __future__ import annotations

import os
import threading
from queue import Empty, SimpleQueue
from time import monotonic
from weakref import WeakSet, ref

_LOOK_AGAIN_S = 0.05
"""After how long who waits looks again by himself: who left may have been interrupted before he could say so."""


class Token:
    """The holder of a place; lives as long as the call."""

    __slots__ = ("__weakref__",)


Place = ref[Token]


class Gate:
    """Lets a number of callers in at once."""

    def __init__(self, places: int) -> None:
        self.places = places
        self._renew()
        _gates.add(self)

    def _renew(self) -> None:
        self.inside: set[Place] = set()
        self.waiting: set[Place] = set()
        self._left: SimpleQueue[None] = SimpleQueue()
        self._lock = threading.Lock()

    def place(self, token: Token) -> Place:
        """Makes a place for a token, which no one else refers to; `enter` takes it."""
        return ref(token, self.inside.discard)

    def enter(self, place: Place, until: float) -> None:
        """Enters, or waits for a place `until` then, in the process's monotonic time.

        Whether or not this returns, `inside.discard(place)` leaves, and `wake` comes after it. Raises `TimeoutError`:
        there was no place until then.
        """
        while True:
            with self._lock:
                if len(self.inside) < self.places:
                    self.inside.add(place)
                    return
            self.waiting.add(place)
            left = until - monotonic()
            if left <= 0:
                raise TimeoutError
            try:
                self._left.get(timeout=min(left, _LOOK_AGAIN_S))
            except Empty:
                continue

    def wake(self, place: Place) -> None:
        """Lets the next one in, after who leaves took its place out of `inside`."""
        self.waiting.discard(place)
        if self.waiting:
            self._left.put(None)


_gates: WeakSet[Gate] = WeakSet()


def _renew() -> None:
    """Empties all gates in a child process: whoever was inside is a thread of the parent."""
    for gate in list(_gates):
        gate._renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
