"""`Switchable`: a cache that can be switched off for a time, in all processes, without a restart.

The switch of a cache of answers is a key that is there while the cache is off; its look-ups ask for it in their own
round trips.
"""

from __future__ import annotations

from abc import abstractmethod

from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.scripts import command
from langchain_redis_memory.redis.ttl import WEEK_S, milliseconds

WHY = "the cache is switched off"
"""Why a look-up bypasses it, for people."""
SWITCHED_OFF = "switched_off"
"""The same as a word of statistics."""


def off_for(space: KeySpace, name: str) -> Op[float]:
    """Reads for how many seconds a cache of answers is still off; 0 where it is on. **Keys:** `switch`.

    **Trips:** none.
    """
    return Op((("PTTL", space.switch(name)),), lambda replies: max(0, int(replies[0])) / 1000)


def switched(space: KeySpace, name: str, for_s: float, *, on: bool) -> Op[None]:
    """Switches a cache of answers off for a time, or on again. **Keys:** `switch`. **Trips:** none."""
    key, off_ms = space.switch(name), milliseconds(for_s, "for_s")
    call = command("DEL", (key,)) if on else command("SET", (key,), "", "PX", off_ms)
    return Op((call,), lambda _replies: None)


class Switchable:
    """Switches a cache off and on for all processes: an off cache serves nothing and keeps nothing of what is asked.

    **Keys:** `switch` of a cache of answers and of `RedisSemanticCache`; `entries`, `entry_expiries` of `RedisCache`;
        `values`, `value_expiries` of a cache of values.
    **Trips:** 1 each.
    """

    _client: Client

    def switch(self, *, on: bool, for_s: float = WEEK_S) -> None:
        """Switches the cache off or on for all processes, without a restart.

        Args:
            on: Whether it is on.
            for_s: For how many seconds it is off.

        Raises:
            InvalidInputError: The time is not positive.
            UnavailableError: The server cannot be reached.

        **Keys:** those of the class.
        **Trips:** 1.
        """
        self._client.run(self._switch(for_s, on=on))

    async def aswitch(self, *, on: bool, for_s: float = WEEK_S) -> None:
        """Switches the cache off or on for all processes; see `switch`."""
        await self._client.arun(self._switch(for_s, on=on))

    def off_for(self) -> float:
        """Reads for how long the cache is still off.

        Returns:
            Seconds; 0 where it is on.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** those of the class.
        **Trips:** 1.
        """
        return self._client.run(self._off_for())

    async def aoff_for(self) -> float:
        """Reads for how long the cache is still off; see `off_for`."""
        return await self._client.arun(self._off_for())

    @abstractmethod
    def _switch(self, for_s: float, *, on: bool) -> Op[None]:
        """Builds what switches it."""

    @abstractmethod
    def _off_for(self) -> Op[float]:
        """Builds what reads the switch."""
