"""A mixed load whose every acknowledgement is remembered, and the check of what is stored in the end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from langchain_core.messages import HumanMessage
from langchain_core.outputs import Generation

from langchain_redis_memory import Client, Outbox, RedisCache, RedisChatMessageHistory, RedisStore
from langchain_redis_memory.errors import DurabilityError, RedisMemoryError, UnavailableError

PAUSE_S = 0.003
HISTORIES = ("sync1", "sync2", "async1", "async2", "waiting")


@dataclass
class Outcome:
    """What became of a load."""

    acknowledged: int = 0
    refused: int = 0
    """Calls that raised that the server is away, or that a write is not as far as it has to be."""
    raised: list[str] = field(default_factory=list)
    """Anything else that was raised."""
    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    slowest_s: float = 0.0


class Load:
    """Two threads and two tasks that write a history each, one whose messages may wait, a store, and a cache.

    Args:
        client: The client whose calls are counted.
        outbox: Where messages wait.
    """

    def __init__(self, client: Client, outbox: Outbox) -> None:
        self.client = client
        self.outcome = Outcome()
        self._outbox = outbox
        self._ended, self._looked = threading.Event(), threading.Event()
        self._accepted: dict[str, list[str]] = {name: [] for name in (*HISTORIES, "store")}
        self._lock = threading.Lock()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Runs the load inside of the block."""
        works: list[Callable[[], None]] = [
            lambda: self._write("sync1"),
            lambda: self._write("sync2"),
            lambda: self._write("waiting"),
            self._put,
            self._look,
            lambda: asyncio.run(self._in_loop()),
        ]
        threads = [threading.Thread(target=work) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()

    def history(self, name: str, client: Client | None = None) -> RedisChatMessageHistory:
        """Returns the history of one writer."""
        fallback = self._outbox if name == "waiting" and client is None else False
        return RedisChatMessageHistory(name, client or self.client, ttl_s=3600, fallback=fallback)

    def is_warm(self) -> bool:
        """Tells whether all writers have written, and what is loaded once in a process has been."""
        return self._looked.is_set() and all(self._accepted.values())

    def accepted(self) -> int:
        """Counts what was acknowledged."""
        return sum(map(len, self._accepted.values()))

    def forget(self) -> int:
        """Forgets what was acknowledged, and empties the histories; returns how many it were."""
        with self._lock:
            many = self.accepted()
            for accepted in self._accepted.values():
                accepted.clear()
        for name in HISTORIES:
            self.history(name).clear()
        return many

    # --- writers ------------------------------------------------------------------------------------------------------

    def _count(self, began: float, error: Exception | None, name: str = "", number: str = "") -> None:
        with self._lock:
            self.outcome.slowest_s = max(self.outcome.slowest_s, time.monotonic() - began)
            if isinstance(error, UnavailableError | DurabilityError):
                self.outcome.refused += 1
            elif error is not None:
                self.outcome.raised.append(repr(error))
            elif name:
                self._accepted[name].append(number)

    def _numbers(self) -> Iterator[str]:
        number = 0
        while not self._ended.wait(PAUSE_S):
            number += 1
            yield str(number)

    def _call(self, call: Callable[[], Any], name: str = "", number: str = "") -> None:
        began, raised = time.monotonic(), None
        try:
            call()
        except Exception as error:  # noqa: BLE001 - what it is, is what is measured
            raised = error
        self._count(began, raised, name, number)

    async def _acall(self, call: Callable[[], Awaitable[Any]], name: str, number: str) -> None:
        began, raised = time.monotonic(), None
        try:
            await call()
        except Exception as error:  # noqa: BLE001 - what it is, is what is measured
            raised = error
        self._count(began, raised, name, number)

    def _write(self, name: str) -> None:
        history = self.history(name)
        for number in self._numbers():
            self._call(lambda number=number: history.add_messages([HumanMessage(number)]), name, number)

    def _put(self) -> None:
        store = RedisStore(self.client)
        for number in self._numbers():
            value = {"n": int(number)}
            self._call(lambda value=value: store.put(("load",), "k", value, ttl=60), "store", number)

    def _look(self) -> None:
        cache = RedisCache(self.client, ttl_s=60)
        for number in self._numbers():
            prompt = str(int(number) % 50)
            self._call(lambda prompt=prompt: cache.lookup(prompt, "model"))
            self._call(lambda prompt=prompt: cache.update(prompt, "model", [Generation(text=prompt)]))
            self._looked.set()

    async def _in_loop(self) -> None:
        async def write(name: str) -> None:
            history, number = self.history(name), 0
            while not self._ended.is_set():
                number += 1
                said = [HumanMessage(str(number))]
                await self._acall(lambda said=said: history.aadd_messages(said), name, str(number))
                await asyncio.sleep(PAUSE_S)

        try:
            await asyncio.gather(write("async1"), write("async2"))
        finally:
            await self.client.aclose()

    # --- the check ----------------------------------------------------------------------------------------------------

    def check(self, plain: Client, seconds: float) -> Outcome:
        """Compares what is stored with what was acknowledged, as soon as the server is back.

        Args:
            plain: A client whose calls are not counted.
            seconds: How long to wait for the server.

        Returns:
            What became of the load.
        """
        until = time.monotonic() + seconds
        while self.history("waiting").unstored and time.monotonic() < until:
            time.sleep(0.05)  # the outbox stores it in the background
        while True:
            try:
                return self._checked(plain)
            except RedisMemoryError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def _checked(self, plain: Client) -> Outcome:
        found = self.outcome
        found.acknowledged, found.lost, found.doubled, found.reordered = self.accepted(), 0, 0, 0
        for name in HISTORIES:
            accepted = self._accepted[name]
            stored = [str(message.content) for message in self.history(name, plain).messages]
            found.doubled += len(stored) - len(set(stored))
            found.lost += len(set(accepted) - set(stored))
            numbers = [int(number) for number in stored]
            found.reordered += sum(one > other for one, other in pairwise(numbers))
        item = RedisStore(plain).get(("load",), "k")
        last = int(self._accepted["store"][-1]) if self._accepted["store"] else 0
        found.lost += int((item.value["n"] if item else 0) < last)
        return found
