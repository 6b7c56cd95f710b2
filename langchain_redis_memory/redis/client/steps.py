"""What the client does for each step of a flow, in both colours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic, sleep
from typing import Any

from langchain_redis_memory.ops import Background, Flow, Invoke, Now, OneDeadline, Op, Sleep, Step
from langchain_redis_memory.redis.client.background import BackgroundFlows
from langchain_redis_memory.redis.client.deadline import Spent, spent_s
from langchain_redis_memory.redis.client.timeout import awithin, within


def stepper(
    run: Callable[[Op[Any]], Any], drive: Callable[[Flow[Any]], Any], background: BackgroundFlows
) -> Callable[[Step], Any]:
    """Makes what runs the steps of one flow, whose round trips share their deadline."""
    spent = Spent()

    def run_step(step: Step) -> Any:
        if not isinstance(step, Op):
            return _run_step(step, spent, drive, background)
        if spent.trips or spent_s():
            with spent:
                return run(step)
        began = monotonic()  # most flows have one trip, before which nobody spent anything
        try:
            return run(step)
        finally:
            spent.add(monotonic() - began)

    return run_step


def _run_step(step: Step, spent: Spent, drive: Callable[[Flow[Any]], Any], background: BackgroundFlows) -> Any:
    if isinstance(step, Invoke):
        return within(step.timeout_s, step.call)
    if isinstance(step, Now):
        return monotonic()
    if isinstance(step, Sleep):
        sleep(step.seconds)
    elif isinstance(step, OneDeadline):
        spent.whole = True
    elif isinstance(step, Background):
        flow = step.flow
        background.start(flow, lambda: drive(flow))
    return None


def astepper(
    arun: Callable[[Op[Any]], Awaitable[Any]], adrive: Callable[[Flow[Any]], Any], background: BackgroundFlows
) -> Callable[[Step], Awaitable[Any]]:
    """Makes what runs the steps of one flow; see `stepper`."""
    spent = Spent()

    async def run_step(step: Step) -> Any:
        if not isinstance(step, Op):
            return await _arun_step(step, spent, adrive, background)
        if spent.trips or spent_s():
            with spent:
                return await arun(step)
        began = monotonic()
        try:
            return await arun(step)
        finally:
            spent.add(monotonic() - began)

    return run_step


async def _arun_step(step: Step, spent: Spent, adrive: Callable[[Flow[Any]], Any], background: BackgroundFlows) -> Any:
    if isinstance(step, Invoke):
        return await awithin(step.timeout_s, step.acall)
    if isinstance(step, Now):
        return monotonic()
    if isinstance(step, Sleep):
        await asyncio.sleep(step.seconds)
    elif isinstance(step, OneDeadline):
        spent.whole = True
    elif isinstance(step, Background):
        flow = step.flow
        background.astart(flow, lambda: adrive(flow))
    return None
