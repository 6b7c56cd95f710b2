"""How long a block takes on a machine that is busy with other things."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_THREADS = Path("/proc/self/task")


def _kept_waiting_s() -> float:
    """How long the threads of this process have been ready to run while others ran; 0 where Linux does not tell."""
    waited = 0
    for told in _THREADS.glob("*/schedstat"):
        with suppress(OSError, ValueError, IndexError):  # it has just ended
            waited += int(told.read_text("ascii").split()[1])
    return waited / 1e9


def thread_waited_s() -> float:
    """The same of the calling thread alone."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/thread-self/schedstat").read_text("ascii").split()[1]) / 1e9
    return 0.0


def in_proportion(work: Callable[[int], object], size: int, most_s: float) -> bool:
    """Whether work of a size takes little processor time, or on a slow machine some four times that of a quarter."""
    if (whole := _takes_s(work, size)) < most_s:
        return True
    return whole < 8 * max(_takes_s(work, size // 4) for _ in range(3))  # by the square it would be sixteen


def _takes_s(work: Callable[[int], object], size: int) -> float:
    began = time.thread_time()
    work(size)
    return time.thread_time() - began


class Stopwatch:
    """Measures how long a block takes (`elapsed`), and that less what its threads were kept waiting for a processor."""

    def __enter__(self) -> Stopwatch:
        self._waited, self._began = _kept_waiting_s(), time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.elapsed = time.monotonic() - self._began
        self.seconds = self.elapsed - max(0.0, _kept_waiting_s() - self._waited)
