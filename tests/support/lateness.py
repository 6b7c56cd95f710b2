"""How long a block takes on a machine that is busy with other things."""

from __future__ import annotations

import time
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


class Stopwatch:
    """Measures how long a block takes (`elapsed`), and that less what its threads were kept waiting for a processor."""

    def __enter__(self) -> Stopwatch:
        self._waited, self._began = _kept_waiting_s(), time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.elapsed = time.monotonic() - self._began
        self.seconds = self.elapsed - max(0.0, _kept_waiting_s() - self._waited)
