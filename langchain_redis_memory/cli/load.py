"""A bounded load: users who talk at once for some seconds; its keys have a prefix of their own, and expire."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from time import perf_counter
from typing import TYPE_CHECKING
from uuid import uuid4

from langchain_redis_memory.errors import RedisMemoryError

if TYPE_CHECKING:
    from langchain_redis_memory.redis.client.client import Client

_TTL_S = 120
_SHOWN = 10


@dataclass(frozen=True)
class LoadReport:
    """The report of a load.

    Args:
        users: How many talked at once.
        seconds: How long it took.
        turns: How many turns they had: what was said is read, a question and its answer are stored.
        failed: How many turns failed.
        error: The first failure, "" for none.
        p50_ms: What half of the turns took at most, in milliseconds.
        p95_ms: The same for 95 %.
        p99_ms: The same for 99 %.
    """

    users: int
    seconds: float
    turns: int
    failed: int
    error: str
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def turns_per_s(self) -> float:
        """Turns a second, of all users."""
        return self.turns / self.seconds if self.seconds else 0.0


def load(client: Client, users: int, seconds: float, size: int, progress: Callable[[], object]) -> LoadReport:
    """Loads a server by users who talk at once, under a client's prefix that nothing else uses.

    A message has `size` letters; `progress` is called after each turn.
    """
    from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory

    text = ("word " * (size // 5 + 1))[:size]
    began, stopped = perf_counter(), Event()

    def talk(user: int) -> tuple[list[float], list[str]]:
        history = RedisChatMessageHistory(f"{user}-{uuid4()}", client, ttl_s=_TTL_S, max_messages=100)
        took, failed = list[float](), list[str]()
        while (started := perf_counter()) - began < seconds and not stopped.is_set():
            try:
                history.recent(_SHOWN)
                history.add_turn(text, text)
            except RedisMemoryError as error:
                failed.append(f"{type(error).__name__}: {error}")
            else:
                took.append(perf_counter() - started)
            progress()
        return took, failed

    with ThreadPoolExecutor(users) as pool:
        try:
            done = list(pool.map(talk, range(users)))
        finally:
            stopped.set()
    elapsed = perf_counter() - began
    took = sorted(one for taken, _ in done for one in taken)
    failed = [one for _, missed in done for one in missed]
    shares = [1000 * took[min(len(took) - 1, int(len(took) * share))] if took else 0.0 for share in (0.5, 0.95, 0.99)]
    return LoadReport(users, elapsed, len(took), len(failed), failed[0] if failed else "", *shares)
