"""`LimitLease`: what a request took from its limits, to be corrected when its true cost is known."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from typing_extensions import Self

from langchain_redis_memory.limits.flows import NOTHING, LimitFlows, Reservation
from langchain_redis_memory.limits.limit import Costs, LimitDecision, costs_of
from langchain_redis_memory.ops import Flow
from langchain_redis_memory.redis.client.client import Client


class LimitLease:
    """Holds what a request took of its limits, until its real cost is known. Made by `RedisRateLimiter.reserve`.

    Leave it as a context manager, or settle it: places are given back then, and what was reserved and not used. A
    request of which nobody knows what it cost (a stream that was cut, an error) counts with what it reserved.

    Args:
        client: The server.
        flows: The limiter's flows.
        taken: What was taken.

    Example:
        ```python
        with limiter.reserve("user-42", tokens=800) as lease:
            answer = model.invoke(question)
            lease.settle(answer.usage_metadata)
        ```

    **Keys:** `rate`, `places`, `queue` of its limits.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(self, client: Client, flows: LimitFlows, taken: Reservation) -> None:
        self._client, self._flows, self._taken = client, flows, taken
        self._settled = False

    def __repr__(self) -> str:
        return f"LimitLease({dict(self._taken.request.costs)}{', settled' if self._settled else ''})"

    @property
    def decision(self) -> LimitDecision:
        """What was decided when it was taken."""
        return self._taken.decision

    @property
    def costs(self) -> Costs:
        """What was reserved, by unit."""
        return self._taken.request.costs

    def settle(self, usage: Mapping[str, Any] | None = None) -> None:
        """Corrects what was reserved to what was used, once; later calls do nothing.

        Args:
            usage: A model's `usage_metadata`, or amounts by unit; what it does not name stays as reserved. More than
                was reserved is a debt, which later requests wait for. None: as reserved.

        **Keys:** `rate`, `places`, `queue` of its limits.
        **Trips:** 1; 0 where there is nothing to correct.
        """
        self._client.drive(self._settle_flow({**self.costs, **costs_of(usage or {})}))

    async def asettle(self, usage: Mapping[str, Any] | None = None) -> None:
        """Corrects what was reserved to what was used, once; see `settle`."""
        await self._client.adrive(self._settle_flow({**self.costs, **costs_of(usage or {})}))

    def refund(self) -> None:
        """Gives everything back, for a request that was never made.

        **Keys:** `rate`, `places`, `queue` of its limits.
        **Trips:** 1.
        """
        self._client.drive(self._settle_flow(NOTHING))

    async def arefund(self) -> None:
        """Gives everything back; see `refund`."""
        await self._client.adrive(self._settle_flow(NOTHING))

    def _settle_flow(self, costs: Costs) -> Flow[None]:
        if not self._settled:
            self._settled = True
            yield from self._flows.settle_flow(self._taken, costs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.settle()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.asettle()
