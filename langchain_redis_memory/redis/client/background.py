"""Background flows: run in threads where the driver is sync, in tasks where it is async.

They are few, they are owned here (an event loop keeps no task alive by itself), and what they raise is logged: nobody
waits for them who could handle it. They end with the process or the loop; whatever they do must bear that. Many that
are started at once wait for their turn: what the users of a busy minute said is learnt a little later, not never.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from langchain_redis_memory.locks import new_lock

T = TypeVar("T")
_log = logging.getLogger(__name__)


def by_loop(table: WeakKeyDictionary[asyncio.AbstractEventLoop, T]) -> list[tuple[asyncio.AbstractEventLoop, T]]:
    """Lists what there is of each event loop; to iterate over the table fails where another thread begins a loop."""
    loops = [reference() for reference in table.keyrefs()]
    return [(loop, held) for loop in loops if loop is not None and (held := table.get(loop)) is not None]


class BackgroundFlows:
    """The flows that a client runs beside others, `most` of the threads and of each event loop at once; more wait.

    How many may wait is bounded, too: a further one is not started, and that is logged.
    """

    def __init__(self, most: int = 16, waiting: int = 1_000) -> None:
        self._most, self._most_waiting = most, waiting
        self._threads: set[threading.Thread] = set()
        self._waiting: deque[Callable[[], Any]] = deque()
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopFlows] = WeakKeyDictionary()
        self._lock = new_lock()

    def start(self, flow: Generator[Any, Any, Any], run: Callable[[], Any]) -> None:
        """Runs a flow in a thread."""

        def work() -> None:
            following: Callable[[], Any] | None = run
            while following is not None:
                try:
                    Context().run(following)
                except Exception as error:  # noqa: BLE001 - nobody else would see it
                    _failed(error)
                with self._lock:
                    following = self._waiting.popleft() if self._waiting else None
                    if following is None:
                        self._threads.discard(thread)

        thread = threading.Thread(target=work, name="langchain-redis-memory", daemon=True)
        with self._lock:
            starts = len(self._threads) < self._most
            waits = not starts and len(self._waiting) < self._most_waiting
            if starts:
                self._threads.add(thread)
            elif waits:
                self._waiting.append(run)
        if starts:
            thread.start()
        elif not waits:
            self._refuse(flow)

    def astart(self, flow: Generator[Any, Any, Any], run: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Runs a flow in a task of the running event loop."""
        for loop, _ in by_loop(self._loops):
            if loop.is_closed():
                self._loops.pop(loop, None)
        here = self._loops.setdefault(asyncio.get_running_loop(), _LoopFlows())
        if len(here.tasks) < self._most:
            here.start(run)
        elif len(here.waiting) < self._most_waiting:
            here.waiting.append((copy_context(), run))
        else:
            self._refuse(flow)

    def _refuse(self, flow: Generator[Any, Any, Any]) -> None:
        flow.close()
        _log.warning("%d flows wait to run beside turns already; one more was not started", self._most_waiting)

    def settle(self) -> None:
        """Waits for the threads."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()

    async def asettle(self) -> None:
        """Waits for the tasks of the running event loop."""
        here = self._loops.get(asyncio.get_running_loop(), _LoopFlows())
        while tasks := [task for task in here.tasks if task is not asyncio.current_task()]:
            await asyncio.wait(tasks)


class _LoopFlows:
    """The flows of one event loop: the tasks that run, and what waits, each with the context that it was started in."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()
        self.waiting: deque[tuple[Context, Callable[[], Coroutine[Any, Any, Any]]]] = deque()

    def start(self, run: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Runs a flow in a task, and the next one that waits after it."""

        async def work() -> None:
            try:
                await run()
            except Exception as error:  # noqa: BLE001 - nobody else would see it
                _failed(error)

        task = asyncio.get_running_loop().create_task(work())
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if self.waiting and not task.cancelled():  # tasks are cancelled where their loop ends
            context, run = self.waiting.popleft()
            context.run(self.start, run)


def _failed(error: Exception) -> None:
    _log.warning("what ran beside a turn failed: %r", error)
