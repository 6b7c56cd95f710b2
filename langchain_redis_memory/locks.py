"""Locks that are open in a child process: a thread that held one at the fork is not there to give it back."""

from __future__ import annotations

import os
import threading
from typing import Any
from weakref import WeakSet

_locks: WeakSet[Any] = WeakSet()


def new_lock() -> threading.Lock:
    """Makes a lock that a child process finds open, as those of `logging` are."""
    lock = threading.Lock()
    _locks.add(lock)
    return lock


def _open() -> None:
    for lock in list(_locks):
        lock._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open)
