"""Round trips: within the call's deadline a place, a connection, the commands, their replies, and what is sent again.

Scripts go by digest, and once more in full where the server does not know them. A trip that failed for want of a
connection, and a command that the server refuses for now, are sent again while there is time. While the server is
silent calls fail at once. Each trip is timed and reported, and its failure becomes one of this package's errors.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator, Sequence
from math import inf
from random import random
from time import monotonic, sleep
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from langchain_redis_memory.errors import RedisMemoryError, UnavailableError
from langchain_redis_memory.ops import WAITS, Command, Op, Reply, writes_once
from langchain_redis_memory.redis.client.circuit_breaker import StallGuard
from langchain_redis_memory.redis.client.connections import Connections
from langchain_redis_memory.redis.client.coroutines import run_coroutine
from langchain_redis_memory.redis.client.deadline import CALL, Deadline, spent_s, timeout_at
from langchain_redis_memory.redis.client.errors import (
    explain,
    is_elsewhere,
    is_moving,
    is_refused_login,
    is_unknown_script,
    is_unreachable,
    translate,
)
from langchain_redis_memory.redis.client.gate import Token
from langchain_redis_memory.redis.client.operation import UNNAMED, operation_name

_PROBE_S = 1.0
"""Longest wait of the caller that tries whether a silent server is back."""


class Trip(NamedTuple):
    """Reports one round trip; what `Client.on_trip` receives.

    Args:
        commands: How many commands it carried.
        seconds: How long it took.
        failed: Whether it came to nothing.
        operation: The method that it was made for, the same in both colours, as in "RedisSaver.put".
        shared: How many operations of an event loop travelled in its pipeline.
    """

    commands: int
    seconds: float
    failed: bool
    operation: str = UNNAMED
    shared: int = 1


OnTrip = Callable[[Trip], object]
_Told = Coroutine[Any, Any, object]

_log = logging.getLogger(__name__)


class _Again(NamedTuple):
    """What of a trip is sent again: the places of its commands, after which pause, and whether anew connected."""

    places: list[int]
    pause_s: float = 0.0
    anew: bool = False


class Trips:
    """Makes the round trips of one `Client`.

    Args:
        connections: Its connections.
        nowhere: A key that is never written, to try whether the server answers.
    """

    def __init__(self, connections: Connections, nowhere: str) -> None:
        self._connections = connections
        self._shown, self._bounds = connections.topology.shown, connections.topology.bounds
        self._probe = (("EXISTS", nowhere),)
        self._probe_s = min(_PROBE_S, self._bounds.timeout_s)
        self.stall: StallGuard = StallGuard()
        self._renewals: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    # --- sync ---------------------------------------------------------------------------------------------------------

    def send(self, op: Op[Any], on_trip: OnTrip | None) -> Sequence[Reply]:
        """Sends the commands of an op.

        Returns:
            The replies in the same order; a refused command's is a `ServerError`.

        Raises:
            RedisMemoryError: The server cannot be reached or did not answer in time.
        """
        began = monotonic()
        until = began + self._left_s()
        if not self.stall.closed:
            self._try(began)
        connections, commands, token = self._connections, op.commands, Token()
        stale = op.stale_ok and connections.topology.reads_replicas
        before = CALL.until if CALL.until > began else inf  # that of an interrupted call may be left
        gate, spare = connections.gate, connections.spare if op.best_effort else None
        place = gate.place(token)
        extra = None if spare is None else spare.place(token)
        try:
            CALL.until = until
            try:
                if spare is not None and extra is not None:
                    spare.enter(extra, until)
                gate.enter(place, until)
            except TimeoutError as error:
                raise self._crowded() from error
            replies = self._trip(commands, True, until, on_trip, stale)
            if failed := [i for i, reply in enumerate(replies) if isinstance(reply, Exception)]:
                again = self._again(commands, replies, failed, until)
                fresh = None
                while (step := _step(again, fresh)) is not None:
                    sleep(step.pause_s)
                    if step.anew:
                        connections.of_threads().renew()
                    try:
                        fresh = self._trip([commands[i] for i in step.places], False, until, on_trip, stale)
                    except UnavailableError as error:  # of all that was sent, this is what failed
                        fresh = [error] * len(step.places)
            return replies
        finally:
            # These first: a store and a call in C, which no signal handler's exception can come before.
            CALL.until = before
            gate.inside.discard(place)
            if spare is not None and extra is not None:
                spare.inside.discard(extra)
                spare.wake(extra)
            if gate.waiting:
                gate.wake(place)

    def _trip(
        self, commands: Sequence[Command], by_digest: bool, until: float, on_trip: OnTrip | None, stale: bool
    ) -> list[Reply]:
        started, failed, attempt = monotonic(), True, 0
        try:
            while True:
                try:
                    transport = self._connections.of_threads()
                    if self._bounds.lifetime_s != inf and self._is_old(transport, started):
                        transport.retire()
                    send = transport.read if stale else transport.send
                    replies: list[Reply] = send(commands, by_digest=by_digest)
                except Exception as error:
                    attempt += 1
                    if (pause := self._pause(error, attempt, until)) is None:
                        raise self._failure(error, started) from error
                    sleep(pause)
                    self._connections.of_threads().renew()
                else:
                    failed = False
                    return replies
        finally:
            ended = monotonic()
            if not failed and not stale:  # a replica's answer says nothing of the master
                self.stall.worked(ended)
            if on_trip is not None:
                trip = Trip(len(commands), ended - started, failed, operation_name())
                if (coroutine := _tell(on_trip, trip)) is not None:
                    run_coroutine(_aheard(coroutine))

    def _try(self, now: float) -> None:
        """Tries whether a silent server is back; raises where it is not, and at once for all callers but one."""
        if not self.stall.tries(now, self._probe_s):
            raise self._silent()
        before, CALL.until = CALL.until, now + self._probe_s
        try:
            self._connections.of_threads().send(self._probe, by_digest=True)
        except Exception as error:
            raise self._failure(error, now) from error
        finally:
            CALL.until = before
        self.stall.worked(monotonic())

    # --- async --------------------------------------------------------------------------------------------------------

    async def asend(self, op: Op[Any], on_trip: OnTrip | None) -> Sequence[Reply]:
        """Sends the commands of an op; see `send`."""
        began = monotonic()
        seconds = self._left_s()
        if not self.stall.closed:
            await self._atry(began)
            seconds -= monotonic() - began
        held = None
        told: list[_Told] = []
        opened = await self._connections.of_loop()
        try:
            with Deadline(opened.deadlines, seconds):
                if op.best_effort:
                    await opened.spare.acquire()
                try:
                    async with opened.gate:
                        held = opened
                        return await self._awhole(held.transport, op, began + seconds, on_trip, told)
                finally:
                    if op.best_effort:
                        opened.spare.release()
        except asyncio.TimeoutError as error:  # not the builtin one on Python 3.10
            raise (self._crowded() if held is None else self._failure(error, began)) from error
        finally:
            for coroutine in told:  # the connection is free again, and the server's time is not used up
                await _aheard(coroutine)

    async def _awhole(
        self,
        transport: Any,
        op: Op[Any],
        until: float,
        on_trip: OnTrip | None,
        told: list[_Told],
    ) -> list[Reply]:
        commands, stale = op.commands, op.stale_ok and self._connections.topology.reads_replicas
        replies = await self._atrip(transport, commands, True, until, on_trip, told, stale)
        if failed := [i for i, reply in enumerate(replies) if isinstance(reply, Exception)]:
            again = self._again(commands, replies, failed, until)
            fresh = None
            while (step := _step(again, fresh)) is not None:
                await asyncio.sleep(step.pause_s)
                if step.anew:
                    await transport.renew()
                try:
                    some = [commands[i] for i in step.places]
                    fresh = await self._atrip(transport, some, False, until, on_trip, told, stale)
                except UnavailableError as error:
                    fresh = [error] * len(step.places)
        return replies

    async def _atrip(
        self,
        transport: Any,
        commands: Sequence[Command],
        by_digest: bool,
        until: float,
        on_trip: OnTrip | None,
        told: list[_Told],
        stale: bool,
    ) -> list[Reply]:
        started, failed, attempt, shared = monotonic(), True, 0, 1
        try:
            while True:
                try:
                    if self._bounds.lifetime_s != inf and self._is_old(transport, started):
                        await transport.retire()
                    send = transport.read if stale else transport.send
                    replies: list[Reply] = await send(commands, by_digest=by_digest)
                except Exception as error:
                    attempt += 1
                    if (pause := self._pause(error, attempt, until)) is None:
                        raise self._failure(error, started) from error
                    await asyncio.sleep(pause)
                    await transport.renew()
                else:
                    failed, shared = False, getattr(replies, "shared", 1)
                    return replies
        finally:
            ended = monotonic()
            if not failed and not stale:
                self.stall.worked(ended)
            if on_trip is not None:
                trip = Trip(len(commands), ended - started, failed, operation_name(), shared)
                if (coroutine := _tell(on_trip, trip)) is not None:
                    told.append(coroutine)

    async def _atry(self, now: float) -> None:
        """Tries whether a server is back that was silent; see `_try`."""
        if not self.stall.tries(now, self._probe_s):
            raise self._silent()
        try:
            async with timeout_at(asyncio.get_running_loop().time() + self._probe_s):
                held = await self._connections.of_loop()
                await held.transport.send(self._probe, by_digest=True)
        except Exception as error:
            raise self._failure(error, now) from error
        self.stall.worked(monotonic())

    def _is_old(self, transport: Any, now: float) -> bool:
        """Returns whether it is time to connect anew; what is in use then is closed the next time, at its whole age."""
        half = self._bounds.lifetime_s / 2
        if now < self._renewals.setdefault(transport, now + half):
            return False
        self._renewals[transport] = now + half
        return True

    def _left_s(self) -> float:
        """Returns how long the caller of this trip still waits."""
        left = self._bounds.timeout_s - spent_s()
        if left <= 0:
            msg = f"{self._shown}: the round trips of this call have taken its {self._bounds.timeout_s:g} s"
            raise UnavailableError(msg)
        return left

    # --- what fails ---------------------------------------------------------------------------------------------------

    def _pause(self, error: Exception, attempt: int, until: float) -> float | None:
        """Returns how long to wait before a trip that failed is made again; None where it is not."""
        if attempt == 1 and self._bounds.asks_again and is_refused_login(error):
            return 0.0
        if attempt > self._bounds.retries or not is_unreachable(error):
            return None
        pause = _backoff(attempt)
        return pause if monotonic() + pause < until else None

    def _failure(self, error: Exception, began: float) -> RedisMemoryError:
        error.__suppress_context__ = True  # the socket's, which a traceback would tell first, says the same
        shown_error = translate(error, self._shown, answered=bool(self.stall.answered))
        if isinstance(shown_error, UnavailableError) and not self._connections.topology.cluster:  # one node is not all
            self.stall.failed(began, monotonic())
        return shown_error

    def _crowded(self) -> UnavailableError:
        limit = self._connections.limit
        return UnavailableError(f"{self._shown}: none of the {limit} connections was free in time; see max_connections")

    def _silent(self) -> UnavailableError:
        return UnavailableError(f"{self._shown} has just failed to answer and is not asked for a moment")

    def _again(
        self, commands: Sequence[Command], replies: list[Reply], failed: list[int], until: float
    ) -> Generator[_Again, list[Reply], None]:
        """Yields what of a trip is sent again, and puts the replies that it receives in place; explains refusals."""
        if unknown := [i for i in failed if is_unknown_script(commands[i], replies[i])]:
            unknown = _with_others(commands, unknown)
            _put(replies, unknown, (yield _Again(unknown)))
        attempt = 0
        while refused := [i for i in failed if is_unreachable(replies[i])]:
            attempt += 1
            pause = _backoff(attempt)
            moving = all(is_moving(replies[i]) for i in refused)  # a slot of a cluster, which takes as long as it takes
            if (attempt > self._bounds.retries and not moving) or monotonic() + pause >= until:
                break
            anew = any(is_elsewhere(replies[i]) for i in refused)
            refused = _with_others(commands, refused)
            _put(replies, refused, (yield _Again(refused, pause, anew)))
        explain(commands, replies)


def _with_others(commands: Sequence[Command], places: list[int]) -> list[int]:
    """Adds what waits for writes, where one of them is sent again; likewise a clock and what is read by it."""
    verbs: list[Any] = [command[0] for command in commands]
    more: set[Any] = set()
    if any(writes_once(commands[i]) for i in places):
        more |= WAITS
    if "TIME" in verbs and not _CLOCKED.isdisjoint(verbs[i] for i in places):
        more |= _CLOCKED
    return sorted({*places, *(i for i, verb in enumerate(verbs) if verb in more)}) if more else places


_CLOCKED = frozenset(("TIME", "HMGET"))
"""What is read without a script, and by which clock (see `expiring_hash.glance`): an older one shows the expired."""


def _put(replies: list[Reply], places: list[int], fresh: list[Reply]) -> None:
    for i, reply in zip(places, fresh, strict=True):
        replies[i] = reply


def _step(again: Generator[_Again, Any, None], fresh: list[Reply] | None) -> _Again | None:
    """Returns what is sent next; None at the end."""
    try:
        return again.send(fresh)
    except StopIteration:
        return None


def _backoff(attempt: int) -> float:
    return random() * min(1.0, 0.02 * (1 << attempt))


def _tell(on_trip: OnTrip, trip: Trip) -> _Told | None:
    """Tells of a trip; returns what has still to be awaited."""
    try:
        result = on_trip(trip)
    except Exception:  # noqa: BLE001 - whatever a metrics callback raises is its own
        _log.exception(_BROKEN)
        return None
    return result if isinstance(result, Coroutine) else None


async def _aheard(coroutine: _Told) -> None:
    try:
        await coroutine
    except Exception:  # noqa: BLE001 - as in `_tell`
        _log.exception(_BROKEN)


_BROKEN = "on_trip failed; the round trip itself is not affected"
