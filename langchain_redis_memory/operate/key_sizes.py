"""Counts keys and the memory that they take."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_redis_memory.errors import ServerError
from langchain_redis_memory.ops import Flow, Op, Reply, ask

_AT_ONCE = 200


def measured_flow(keys: Sequence[str]) -> Flow[tuple[int, int]]:
    """Counts the keys that exist and the memory that they take, 0 where the server does not say.

    Returns how many there are, and their bytes.
    **Keys:** the keys.
    **Trips:** 1 for each 200 keys.
    """
    count = size = 0
    for start in range(0, len(keys), _AT_ONCE):
        page = keys[start : start + _AT_ONCE]
        commands = [command for key in page for command in (("EXISTS", key), ("MEMORY", "USAGE", key))]
        there, used = yield from ask(Op(tuple(commands), _sums, tolerant=True))
        count, size = count + there, size + used
    return count, size


def _sums(replies: Sequence[Reply]) -> tuple[int, int]:
    for reply in replies[::2]:
        if isinstance(reply, ServerError):
            raise reply
    return sum(replies[::2]), sum(reply for reply in replies[1::2] if isinstance(reply, int))
