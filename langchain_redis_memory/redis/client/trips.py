"""Round trips: sends commands by a transport, scripts by digest, and unknown scripts once more in full.

Each trip is timed and reported, and its failure becomes one of this package's errors.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, NamedTuple

from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.ops import Command, Reply
from langchain_redis_memory.redis.client.errors import explain, translate, unknown_scripts


class Trip(NamedTuple):
    """One round trip, as `Client.on_trip` receives it."""

    commands: int
    seconds: float
    failed: bool


OnTrip = Callable[[Trip], object]

_log = logging.getLogger(__name__)


def check_on_trip(on_trip: OnTrip | None) -> OnTrip | None:
    """Refuses a callback that nobody would await: a trip is told in the middle of sync and async calls alike.

    Args:
        on_trip: The callback.

    Returns:
        The callback.

    Raises:
        ConfigError: It is a coroutine function.
    """
    if inspect.iscoroutinefunction(on_trip):
        msg = "on_trip must be a plain function: it is called between commands, where nothing can be awaited"
        raise ConfigError(msg)
    return on_trip


def _tell(on_trip: OnTrip, trip: Trip) -> None:
    try:
        on_trip(trip)
    except Exception:  # noqa: BLE001 - whatever a metrics callback raises is its own
        _log.exception("on_trip failed; the round trip itself is not affected")


def send(transport: Any, commands: Sequence[Command], shown: str, on_trip: OnTrip | None) -> Sequence[Reply]:
    """Sends commands.

    Args:
        transport: What sends.
        commands: What is sent.
        shown: The server's URL without credentials, for errors.
        on_trip: Called after each round trip.

    Returns:
        The replies in the same order; a refused command's is a `ServerError`.

    Raises:
        RedisMemoryError: The server cannot be reached or did not answer in time.
    """
    replies = _trip(transport, commands, shown, on_trip, by_digest=True)
    unknown = unknown_scripts(commands, replies)
    if unknown:
        again = _trip(transport, [commands[i] for i in unknown], shown, on_trip, by_digest=False)
        for i, reply in zip(unknown, again, strict=True):
            replies[i] = reply
    return explain(commands, replies)


async def asend(transport: Any, commands: Sequence[Command], shown: str, on_trip: OnTrip | None) -> Sequence[Reply]:
    """Sends commands; see `send`."""
    replies = await _atrip(transport, commands, shown, on_trip, by_digest=True)
    unknown = unknown_scripts(commands, replies)
    if unknown:
        again = await _atrip(transport, [commands[i] for i in unknown], shown, on_trip, by_digest=False)
        for i, reply in zip(unknown, again, strict=True):
            replies[i] = reply
    return explain(commands, replies)


def _trip(
    transport: Any, commands: Sequence[Command], shown: str, on_trip: OnTrip | None, *, by_digest: bool
) -> list[Reply]:
    started = monotonic()
    failed = True
    try:
        replies: list[Reply] = transport.send(commands, by_digest=by_digest)
        failed = False
    except Exception as error:
        raise translate(error, shown) from error
    finally:
        if on_trip is not None:
            _tell(on_trip, Trip(len(commands), monotonic() - started, failed))
    return replies


async def _atrip(
    transport: Any, commands: Sequence[Command], shown: str, on_trip: OnTrip | None, *, by_digest: bool
) -> list[Reply]:
    started = monotonic()
    failed = True
    try:
        replies: list[Reply] = await transport.send(commands, by_digest=by_digest)
        failed = False
    except Exception as error:
        raise translate(error, shown) from error
    finally:
        if on_trip is not None:
            _tell(on_trip, Trip(len(commands), monotonic() - started, failed))
    return replies
