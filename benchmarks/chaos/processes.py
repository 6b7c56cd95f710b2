"""Rows in which the process ends while turns wait: killed, with a spool or without, or as programs end."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.chaos.going_on import compare_turns
from benchmarks.chaos.load import Calls
from langchain_redis_memory import Client, Outbox
from tests.support.servers import Process, wait_for

AWAY_TURNS = 20
"""How many turns go on without the server before the process ends."""


class Talkers(Calls):
    """A process that talks, and the next one after it has ended; a turn is acknowledged when the process printed it.

    Args:
        url: The server.
        spool: The folder of the outbox; none for none.
    """

    NAMES = ("one",)

    def __init__(self, url: str, spool: str = "") -> None:
        super().__init__(Client.from_url(url), Outbox())
        self._words = [url, *filter(None, [spool])]
        self.process: subprocess.Popen[str] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Talks inside of the block; see `Calls`."""
        try:
            self.start()
            yield
            self.end()
        finally:
            self.client.close()
            if self.process is not None:
                self.process.kill()

    def start(self) -> None:
        """Starts a process, which goes on counting."""
        last = max(map(int, self._accepted["one"]), default=0)
        self._start(last + 1000)  # what was said last was perhaps not told
        many = self.accepted()
        wait_for(lambda: self.accepted() > many, 200)

    def _start(self, first: int) -> None:
        url, *spool = self._words
        words = [sys.executable, "-m", "benchmarks.chaos.talker", url, str(first), *spool]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def _read(self, process: Any) -> None:
        for line in process.stdout:
            number, _, seconds = line.partition(" ")
            if seconds:
                with self._lock:
                    self._accepted["one"].append(number)
                    self.outcome.meanwhile += self.faulty
                    self.outcome.slowest_s = max(self.outcome.slowest_s, float(seconds))

    def go_on(self) -> None:
        """Waits for turns that go on without the server."""
        many = self.accepted()
        wait_for(lambda: self.accepted() >= many + AWAY_TURNS, 60)

    def kill(self) -> None:
        """Kills the process."""
        assert self.process is not None
        self.process.kill()
        self._ended_whole()

    def end(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Lets the process end as programs do.

        Args:
            meanwhile: What happens while it ends.
        """
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.close()
        time.sleep(0.3)
        meanwhile()
        self._ended_whole()

    def _ended_whole(self) -> None:
        assert self.process is not None
        self.process.wait(60)
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def compare(self, plain: Client) -> None:
        """Compares the conversation; see `Calls`."""
        compare_turns(self, "one", plain)


def talkers(
    process: Process, restart: Callable[[Process], None], *, spool: bool, ends: bool
) -> Iterator[tuple[Talkers, Callable[[], None]]]:
    """Makes the load of a row in which processes end, and its fault.

    Args:
        process: The server.
        restart: Starts the server again.
        spool: Whether the outbox has a spool.
        ends: Whether the process ends as programs do, the server coming back meanwhile; otherwise it is killed.
    """
    with tempfile.TemporaryDirectory() as folder:
        load = Talkers(process.url, folder if spool else "")

        def fault() -> None:
            process.popen.kill()
            process.popen.wait()
            load.go_on()
            if ends:
                load.end(lambda: restart(process))
            else:
                load.kill()
                restart(process)
            load.start()

        yield load, fault
