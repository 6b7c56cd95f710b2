"""`ValueLock`: one holder at a time, with a number that rises with every holder (a fencing token)."""

from __future__ import annotations

from random import uniform
from types import TracebackType

from typing_extensions import Self

from langchain_redis_memory.errors import ConflictError
from langchain_redis_memory.ops import Flow, Now, Op, Sleep, ask
from langchain_redis_memory.redis import lease
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.scripts import script

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.25


class ValueLock:
    """Locks a name for all processes. Made by `RedisValueCache.lock`; a context manager, sync and async.

    A lock that expires is taken by the next one while its holder may still be at work. So whatever the holder writes to
    should refuse a lower `fence` than it has seen. The number comes from the server's clock and rises with every
    holder.

    Args:
        client: The server.
        key: The lock's key.
        ttl_ms: When it expires.
        wait_s: How long to wait for it.

    **Keys:** `lease`.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(self, client: Client, key: str, ttl_ms: int, wait_s: float) -> None:
        self._client, self._key, self._ttl_ms, self._wait_s = client, key, ttl_ms, wait_s
        self._held = ""

    @property
    def fence(self) -> int:
        """The holder's number, 0 where it is not held."""
        return int(self._held.partition("/")[0] or 0)

    def acquire(self) -> int:
        """Takes the lock, and waits for it.

        Returns:
            The number, higher than that of every holder before.

        Raises:
            ConflictError: Somebody else held it all the time.

        **Keys:** `lease`.
        **Trips:** 1, and one for each time that somebody else holds it.
        """
        return self._client.drive(self._acquire_flow())

    async def aacquire(self) -> int:
        """Takes the lock, and waits for it; see `acquire`."""
        return await self._client.adrive(self._acquire_flow())

    def renew(self) -> bool:
        """Lets the lock last `ttl_s` from now.

        Returns:
            Whether it is still held; if not, stop working.

        **Keys:** `lease`.
        **Trips:** 1.
        """
        return self._client.run(lease.renew(self._key, self._held or "-", self._ttl_ms))

    async def arenew(self) -> bool:
        """Lets the lock last `ttl_s` from now; see `renew`."""
        return await self._client.arun(lease.renew(self._key, self._held or "-", self._ttl_ms))

    def release(self) -> bool:
        """Gives the lock back.

        Returns:
            Whether it was still held.

        **Keys:** `lease`.
        **Trips:** 1.
        """
        return self._client.run(self._release())

    async def arelease(self) -> bool:
        """Gives the lock back; see `release`."""
        return await self._client.arun(self._release())

    def _release(self) -> Op[bool]:
        held, self._held = self._held, ""
        return lease.release(self._key, held or "-")

    def _acquire_flow(self) -> Flow[int]:
        token = lease.new_token()
        take = Op((script("cache/lock_take")((self._key,), token, self._ttl_ms),), lambda replies: replies[0].decode())
        began: float = yield Now()
        pause = _FIRST_PAUSE_S
        while True:
            held = yield from ask(take)
            if held != "0":
                self._held = held
                return self.fence
            now: float = yield Now()
            left = began + self._wait_s - now
            if left <= 0:
                raise ConflictError(f"the lock {self._key!r} is held by somebody else; try again")
            yield Sleep(min(left, pause * uniform(0.5, 1)))
            pause = min(1.5 * pause, _LONGEST_PAUSE_S)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    async def __aenter__(self) -> Self:
        await self.aacquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.arelease()
