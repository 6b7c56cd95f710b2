"""Measures a flow: its round trips and the seconds that they took, also where the flow fails."""

from __future__ import annotations

from typing import TypeVar, cast

from langchain_redis_memory.ops import Flow, Op
from langchain_redis_memory.redis.client.clock import monotonic

T = TypeVar("T")


class TurnCost:
    """The cost of a turn so far.

    Attributes:
        trips: Round trips to the server.
        redis_s: Seconds that they took.
        retrieval_s: Seconds that the retriever took.
        model_s: Seconds that the chain took.
        first_chunk_s: Seconds from the start of the turn to the first chunk; None where nothing was streamed.
    """

    def __init__(self) -> None:
        self.trips: int = 0
        self.redis_s: float = 0.0
        self.retrieval_s: float = 0.0
        self.model_s: float = 0.0
        self.first_chunk_s: float | None = None


def measured_flow(flow: Flow[T], spent: TurnCost) -> Flow[T]:
    """Runs a flow and counts its round trips."""
    try:
        step = next(flow)
        while True:
            trip = isinstance(step, Op) and bool(step.commands)
            began = monotonic() if trip else 0.0
            try:
                sent = yield step
            except Exception as error:  # noqa: BLE001 - the flow decides
                failed: Exception | None = error
            else:
                failed = None
            if trip:
                spent.trips += 1
                spent.redis_s += monotonic() - began
            step = flow.send(sent) if failed is None else flow.throw(failed)
    except StopIteration as done:
        return cast("T", done.value)
    finally:
        flow.close()
