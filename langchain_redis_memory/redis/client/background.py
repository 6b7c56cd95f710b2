"""Background flows: run in threads where the driver is sync, in tasks where it is async.

They are few, they are owned here (an event loop keeps no task alive by itself), and what they raise is logged: nobody
waits for them who could handle it. They end with the process or the loop; whatever they do must bear that.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Generator
from typing import Any

_log = logging.getLogger(__name__)


class BackgroundFlows:
    """The flows that a client runs beside others.

    Args:
        most: How many may run at once; a further one is not started, and that is logged.
    """

    def __init__(self, most: int = 16) -> None:
        self._most = most
        self._threads: set[threading.Thread] = set()
        self._tasks: dict[asyncio.Task[Any], asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()

    def start(self, flow: Generator[Any, Any, Any], run: Callable[[], Any]) -> None:
        """Runs a flow in a thread.

        Args:
            flow: The flow.
            run: Drives it.
        """

        def work() -> None:
            try:
                run()
            except Exception as error:  # noqa: BLE001 - nobody else would see it
                _log.warning("what ran beside a turn failed: %r", error)
            finally:
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=work, name="langchain-redis-memory", daemon=True)
        with self._lock:
            full = len(self._threads) >= self._most
            if not full:
                self._threads.add(thread)
        if full:
            self._refuse(flow)
        else:
            thread.start()

    def astart(self, flow: Generator[Any, Any, Any], run: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Runs a flow in a task of the running event loop.

        Args:
            flow: The flow.
            run: Drives it.
        """
        for task, loop in list(self._tasks.items()):
            if loop.is_closed():
                self._tasks.pop(task, None)
        if len(self._tasks) >= self._most:
            self._refuse(flow)
            return

        async def work() -> None:
            try:
                await run()
            except Exception as error:  # noqa: BLE001 - nobody else would see it
                _log.warning("what ran beside a turn failed: %r", error)

        loop = asyncio.get_running_loop()
        task = loop.create_task(work())
        self._tasks[task] = loop
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    def _refuse(self, flow: Generator[Any, Any, Any]) -> None:
        flow.close()
        _log.warning("%d flows run beside turns already; one more was not started", self._most)

    def settle(self) -> None:
        """Waits for the threads."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()

    async def asettle(self) -> None:
        """Waits for the tasks of the running event loop."""
        here = asyncio.get_running_loop()
        tasks = [
            task for task, loop in list(self._tasks.items()) if loop is here and task is not asyncio.current_task()
        ]
        if tasks:
            await asyncio.wait(tasks)
