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
from tests.support.lateness import thread_waited_s

PAUSE_S = 0.003
HISTORIES = ("sync1", "sync2", "async1", "async2", "waiting")


def _now() -> float:
    """The time, less what the calling thread was kept waiting for a processor: that is the machine's, not a call's."""
    return time.monotonic() - thread_waited_s()


@dataclass
class Outcome:
    """What became of a load."""

    acknowledged: int = 0
    meanwhile: int = 0
    """Of these, during a fault."""
    refused: int = 0
    """Calls that raised that the server is away, or that a write is not as far as it has to be."""
    raised: list[str] = field(default_factory=list)
    """Anything else that was raised."""
    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    slowest_s: float = 0.0
    usual_s: float | None = None
    """What a call takes usually, where that is what a row is about."""


class Calls:
    """Threads and tasks that call a client again and again, and notes of what was acknowledged.

    Args:
        client: The client whose calls are counted.
        outbox: Where messages wait.
    """

    NAMES: tuple[str, ...] = ()
    """Whose acknowledgements are noted one by one."""

    def __init__(self, client: Client, outbox: Outbox) -> None:
        self.client = client
        self.outcome = Outcome()
        self.faulty = False
        """Whether a fault is being made."""
        self._outbox = outbox
        self._ended = threading.Event()
        self._accepted: dict[str, list[str]] = {name: [] for name in self.NAMES}
        self._lock = threading.Lock()

    def works(self) -> list[Callable[[], None]]:
        """Lists what runs in a thread each, until the load ends."""
        raise NotImplementedError

    @contextmanager
    def running(self) -> Iterator[None]:
        """Runs the load inside of the block."""
        threads = [threading.Thread(target=work) for work in self.works()]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()

    def is_warm(self) -> bool:
        """Tells whether all writers have written, and what is loaded once in a process has been."""
        return all(self._accepted.values())

    def accepted(self) -> int:
        """Counts what was acknowledged."""
        return sum(map(len, self._accepted.values()))

    def numbers(self) -> Iterator[str]:
        """Counts up, with a pause before each, until the load ends."""
        number = 0
        while not self._ended.wait(PAUSE_S):
            number += 1
            yield str(number)

    def call(self, call: Callable[[], Any], name: str = "", number: str = "") -> Any:
        """Makes a call and notes what became of it; returns what it gives, None where it raises."""
        began = _now()
        try:
            found = call()
        except Exception as error:  # noqa: BLE001 - what it is, is what is measured
            return self._note(began, error, name, number)
        self._note(began, None, name, number)
        return found

    async def acall(self, call: Callable[[], Awaitable[Any]], name: str = "", number: str = "") -> Any:
        """Makes an async call; see `call`."""
        began = _now()
        try:
            found = await call()
        except Exception as error:  # noqa: BLE001 - what it is, is what is measured
            return self._note(began, error, name, number)
        self._note(began, None, name, number)
        return found

    def in_loop(self, *writers: Callable[[str], Awaitable[Any]]) -> None:
        """Runs async writers in an event loop of their own, each called with numbers."""

        async def write(writer: Callable[[str], Awaitable[Any]]) -> None:
            number = 0
            while not self._ended.is_set():
                number += 1
                await writer(str(number))
                await asyncio.sleep(PAUSE_S)

        async def run() -> None:
            try:
                await asyncio.gather(*map(write, writers))
            finally:
                await self.client.aclose()

        asyncio.run(run())

    def _note(self, began: float, error: Exception | None, name: str, number: str) -> None:
        with self._lock:
            found = self.outcome
            found.slowest_s = max(found.slowest_s, _now() - began)
            if isinstance(error, UnavailableError | DurabilityError):
                found.refused += 1
            elif error is not None:
                found.raised.append(repr(error))
            else:
                self.acknowledged(name, number)

    def acknowledged(self, name: str, number: str) -> None:
        """Notes that a call came back."""
        if name:
            self._accepted[name].append(number)
            self.outcome.meanwhile += self.faulty

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
        while len(self._outbox) and time.monotonic() < until:
            time.sleep(0.05)  # the outbox stores it in the background
        while True:
            try:
                self.outcome.acknowledged, self.outcome.doubled, self.outcome.reordered = self.accepted(), 0, 0
                self.outcome.lost = 0
                self.compare(plain)
            except RedisMemoryError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
            else:
                return self.outcome

    def compare(self, plain: Client) -> None:
        """Counts what is lost, doubled and out of order."""
        raise NotImplementedError

    def compare_numbers(self, name: str, stored: list[str]) -> None:
        """Compares the numbers that are stored of one writer with those that were acknowledged."""
        found = self.outcome
        found.doubled += len(stored) - len(set(stored))
        found.lost += len(set(self._accepted[name]) - set(stored))
        found.reordered += sum(one > other for one, other in pairwise(map(int, stored)))


class Load(Calls):
    """Two threads and two tasks that write a history each, one whose messages may wait, a store, and a cache."""

    NAMES = (*HISTORIES, "store")

    def __init__(self, client: Client, outbox: Outbox) -> None:
        super().__init__(client, outbox)
        self._looked = threading.Event()

    def works(self) -> list[Callable[[], None]]:
        """Lists the writers; see `Calls`."""
        return [
            lambda: self._write("sync1"),
            lambda: self._write("sync2"),
            lambda: self._write("waiting"),
            self._put,
            self._look,
            lambda: self.in_loop(self._awrite("async1"), self._awrite("async2")),
        ]

    def history(self, name: str, client: Client | None = None) -> RedisChatMessageHistory:
        """Returns the history of one writer."""
        fallback = self._outbox if name == "waiting" and client is None else False
        return RedisChatMessageHistory(name, client or self.client, ttl_s=3600, fallback=fallback)

    def is_warm(self) -> bool:
        """Tells whether all have worked; see `Calls`."""
        return self._looked.is_set() and super().is_warm()

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

    def _write(self, name: str) -> None:
        history = self.history(name)
        for number in self.numbers():
            self.call(lambda number=number: history.add_messages([HumanMessage(number)]), name, number)

    def _awrite(self, name: str) -> Callable[[str], Awaitable[Any]]:
        history = self.history(name)
        return lambda number: self.acall(lambda: history.aadd_messages([HumanMessage(number)]), name, number)

    def _put(self) -> None:
        store = RedisStore(self.client)
        for number in self.numbers():
            value = {"n": int(number)}
            self.call(lambda value=value: store.put(("load",), "k", value, ttl=60), "store", number)

    def _look(self) -> None:
        cache = RedisCache(self.client, ttl_s=60)
        for number in self.numbers():
            prompt = str(int(number) % 50)
            self.call(lambda prompt=prompt: cache.lookup(prompt, "model"))
            self.call(lambda prompt=prompt: cache.update(prompt, "model", [Generation(text=prompt)]))
            self._looked.set()

    def compare(self, plain: Client) -> None:
        """Compares histories and store; see `Calls`."""
        for name in HISTORIES:
            self.compare_numbers(name, [str(message.content) for message in self.history(name, plain).messages])
        item = RedisStore(plain).get(("load",), "k")
        last = int(self._accepted["store"][-1]) if self._accepted["store"] else 0
        self.outcome.lost += int((item.value["n"] if item else 0) < last)
