"""Loads of what goes on without the server: turns, a history with a fallback, caches, limits; and calls that cannot."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from langchain_core.messages import HumanMessage
from langchain_core.outputs import Generation
from langchain_core.runnables import RunnableLambda

from benchmarks.chaos.load import Calls
from langchain_redis_memory import (
    CachedEmbeddings,
    Client,
    ConversationMemory,
    HistoryOptions,
    Limit,
    Outbox,
    RedisCache,
    RedisChatMessageHistory,
    RedisNodeCache,
    RedisRateLimiter,
    RedisSemanticCache,
    RedisValueCache,
)
from langchain_redis_memory.errors import UnavailableError
from langchain_redis_memory.ops import Op
from tests.support.meanings import WordEmbeddings, prompt


def repeat(asked: dict[str, Any]) -> str:
    """Answers a question of these turns: it repeats it."""
    return f"re {asked['question']}"


class Turns(Calls):
    """Two threads and a task with a conversation each: a turn is acknowledged when it is answered."""

    NAMES = ("one", "two", "three")

    def works(self) -> list[Callable[[], None]]:
        """Lists the talkers; see `Calls`."""
        memory = ConversationMemory(self.client, history=HistoryOptions(outbox=self._outbox), ttl_s=3600)
        chat = memory.wrap(RunnableLambda(repeat), scope="chaos")

        def said(name: str, number: str) -> tuple[str, Any]:
            return f"What is the number {number}?", {"configurable": {"session_id": name}}

        def talk(name: str) -> None:
            for number in self.numbers():
                self.call(lambda number=number: chat.invoke(*said(name, number)), name, number)

        return [
            lambda: talk("one"),
            lambda: talk("two"),
            lambda: self.in_loop(
                lambda number: self.acall(lambda: chat.ainvoke(*said("three", number)), "three", number)
            ),
        ]

    def compare(self, plain: Client) -> None:
        """Compares conversations, in which a question without its answer is lost; see `Calls`."""
        for name in self.NAMES:
            compare_turns(self, name, plain)


def compare_turns(load: Calls, name: str, plain: Client) -> None:
    """Compares a conversation whose answers repeat their questions with the numbers whose turns were acknowledged."""
    messages = [str(message.text) for message in RedisChatMessageHistory(name, plain, ttl_s=3600).messages]
    whole = [
        said.split()[-1].rstrip("?")
        for said, answer in zip(messages[::2], messages[1::2], strict=False)
        if answer == f"re {said}"
    ]
    load.compare_numbers(name, whole)
    load.outcome.doubled += len(messages) - 2 * len(whole)  # what has no place


class Waiting(Calls):
    """Two threads and a task with a bare history each, whose messages may wait."""

    NAMES = ("one", "two", "three")

    def works(self) -> list[Callable[[], None]]:
        """Lists the writers; see `Calls`."""
        one, two, three = (self._history(name, self.client, self._outbox) for name in self.NAMES)

        def write(name: str, history: RedisChatMessageHistory) -> None:
            for number in self.numbers():
                self.call(lambda number=number: history.add_messages([HumanMessage(number)]), name, number)

        return [
            lambda: write("one", one),
            lambda: write("two", two),
            lambda: self.in_loop(
                lambda number: self.acall(lambda: three.aadd_messages([HumanMessage(number)]), "three", number)
            ),
        ]

    def _history(self, name: str, client: Client, fallback: bool | Outbox) -> RedisChatMessageHistory:
        return RedisChatMessageHistory(name, client, ttl_s=3600, fallback=fallback)

    def compare(self, plain: Client) -> None:
        """Compares histories; see `Calls`."""
        for name in self.NAMES:
            stored = self._history(name, plain, False).messages
            self.compare_numbers(name, [str(message.content) for message in stored])


class Counted(Calls):
    """A load whose acknowledgements are only counted."""

    def __init__(self, client: Client, outbox: Outbox) -> None:
        super().__init__(client, outbox)
        self._count = 0

    def acknowledged(self, name: str, number: str) -> None:
        """Counts it; see `Calls`."""
        self._count += 1
        self.outcome.meanwhile += self.faulty

    def accepted(self) -> int:
        """Counts what was acknowledged; see `Calls`."""
        return self._count

    def is_warm(self) -> bool:
        """Tells whether all were called some times; see `Calls`."""
        return self._count > 50

    def compare(self, plain: Client) -> None:
        """Compares nothing; see `Calls`."""


class Caches(Counted):
    """Caches of every kind, in threads and a task: each look-up gives what was stored under its name, or misses.

    Another's value counts as lost.
    """

    def works(self) -> list[Callable[[], None]]:
        """Lists the caches; see `Calls`."""
        client, wrong = self.client, self._wrong
        exact, values = RedisCache(client, ttl_s=60), RedisValueCache(client, "chaos", ttl_s=60)
        nodes: RedisNodeCache[Any] = RedisNodeCache(client, ttl_s=60)
        near = RedisSemanticCache(client, WordEmbeddings(), ttl_s=60)
        embeddings = CachedEmbeddings(client, WordEmbeddings(), model="words")

        def check(found: Any, expected: Any) -> None:
            if found is not None and found != expected:
                wrong.append((found, expected))

        def look(number: str) -> None:
            said, key = str(int(number) % 50), (("n",), str(int(number) % 50))
            answer = [Generation(text=said)]
            check(self.call(lambda: exact.lookup(said, "model")), answer)
            self.call(lambda: exact.update(said, "model", answer))
            check(self.call(lambda: nodes.get([key])) or None, {key: said})
            self.call(lambda: nodes.set({key: (said, 60)}))
            check(self.call(lambda: values.get_or_load(said, lambda: said)), said)
            vector = self.call(lambda: embeddings.embed_query(said))
            check((vector and np.allclose(vector, WordEmbeddings().embed_query(said))) or None, True)

        def look_near(number: str) -> None:
            asked, said = prompt(f"What is {number} made of?"), [Generation(text=number)]
            check(self.call(lambda: near.lookup(asked, "model")), said)
            self.call(lambda: near.update(asked, "model", said))

        async def alook(number: str) -> None:
            said = str(int(number) % 50)
            answer = [Generation(text=said)]
            check(await self.acall(lambda: exact.alookup(said, "model")), answer)
            await self.acall(lambda: exact.aupdate(said, "model", answer))

        return [lambda: self._each(look), lambda: self._each(look_near), lambda: self.in_loop(alook)]

    def __init__(self, client: Client, outbox: Outbox) -> None:
        super().__init__(client, outbox)
        self._wrong: list[Any] = []

    def _each(self, work: Callable[[str], None]) -> None:
        for number in self.numbers():
            work(number)

    def compare(self, plain: Client) -> None:
        """Counts wrong values; see `Calls`."""
        self.outcome.lost = len(self._wrong)
        self.outcome.raised += map(repr, self._wrong[:3])


class Limits(Counted):
    """A limiter in a thread and a task. Where it decides "deny", a request while the server is away counts as refused.

    What the server has not counted of that for which it was asked is lost.
    """

    WHEN_DOWN = "allow"
    COUNT = 1_000_000

    def _limiter(self, client: Client) -> RedisRateLimiter:
        return RedisRateLimiter(client, [Limit(self.COUNT, "30d")], when_down=self.WHEN_DOWN)  # type: ignore[arg-type]

    def works(self) -> list[Callable[[], None]]:
        """Lists the callers; see `Calls`."""
        limiter = self._limiter(self.client)
        self._counted = 0

        def note(decision: Any) -> None:
            with self._lock:
                self._counted += decision is not None and not decision.down
                if decision is not None and not decision.allowed:
                    self._count -= 1
                    self.outcome.meanwhile -= self.faulty
                    self.outcome.refused += 1

        def check() -> None:
            for _ in self.numbers():
                note(self.call(lambda: limiter.check("ana")))

        async def acheck(_number: str) -> None:
            note(await self.acall(lambda: limiter.acheck("ana")))

        return [check, lambda: self.in_loop(acheck)]

    def compare(self, plain: Client) -> None:
        """Compares what was counted; see `Calls`."""
        self.outcome.lost = max(0, self._counted - self._limiter(plain).status("ana")[0].used)


class Denied(Limits):
    """The same, where nothing is allowed while the server is away."""

    WHEN_DOWN = "deny"


class Refused(Counted):
    """Calls that need the server, in a thread: what is measured is how fast they fail while the breaker is open."""

    def works(self) -> list[Callable[[], None]]:
        """Lists the caller; see `Calls`."""
        get: Op[Any] = Op((("GET", "chaos"),), lambda replies: replies[0])

        def ask() -> None:
            began = time.monotonic()
            try:
                self.client.run(get)
            except UnavailableError as error:
                if "not asked for a moment" in str(error):
                    self._took.append(time.monotonic() - began)
                raise

        def call() -> None:
            for _ in self.numbers():
                self.call(ask)

        return [call]

    def __init__(self, client: Client, outbox: Outbox) -> None:
        super().__init__(client, outbox)
        self._took: list[float] = []

    def compare(self, plain: Client) -> None:
        """Tells how long a call took while the breaker was open; see `Calls`."""
        self.outcome.usual_s = median(self._took)
