"""`Switchable`: a cache that can be switched off for a time, in all processes, without a restart."""

from __future__ import annotations

from abc import abstractmethod

from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.ttl import WEEK_S


class Switchable:
    """Switches a cache off and on for all processes: an off cache serves and keeps nothing, each look-up is a miss.

    **Keys:** `switch` of a cache of answers; `values`, `value_expiries` of a cache of values.
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
