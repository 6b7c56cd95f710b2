"""Steps that may be interrupted: a consumer closes the stream, a task is cancelled, a process is stopped.

A flow that is interrupted is closed and asks nothing more, so what has to be done then is done from inside of the step:
at once where the step is sync, beside the caller where it is async, because whoever was cancelled cannot wait.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, NamedTuple, Protocol, TypeVar

from langchain_redis_memory.errors import RedisMemoryError
from langchain_redis_memory.ops import Background, Flow, Invoke

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Driver(Protocol):
    """Runs flows; see `Client`."""

    def drive(self, flow: Flow[T]) -> T:
        """Runs one."""

    async def adrive(self, flow: Flow[T]) -> T:
        """Runs one."""


class GuardedStep(NamedTuple):
    """A guarded step, and what it has streamed so far."""

    step: Invoke
    chunks: list[Any]


def guarded(step: Invoke, interrupted: Callable[[BaseException], Flow[None]], driver: Driver) -> GuardedStep:
    """Guards a step: what is to be done when it is `interrupted`, and by what, is run by `driver`.

    An error of the step itself is no interruption: the flow sees it. Returns the step to yield, and where its chunks
    can be seen.
    """
    chunks: list[Any] = []

    def call() -> Any:
        try:
            return step.call()
        except Exception:
            raise
        except BaseException as error:
            driver.drive(_logged_flow(interrupted(error)))
            raise

    async def acall() -> Any:
        try:
            return await step.acall()
        except Exception:
            raise
        except BaseException as error:
            await driver.adrive(_beside_flow(interrupted(error)))
            raise

    def stream() -> Iterator[Any]:
        assert step.stream is not None  # noqa: S101 - given below only where it is
        try:
            for chunk in step.stream():
                chunks.append(chunk)
                yield chunk
        except Exception:
            raise
        except BaseException as error:
            driver.drive(_logged_flow(interrupted(error)))
            raise

    async def astream() -> AsyncGenerator[Any, None]:
        assert step.astream is not None  # noqa: S101 - given below only where it is
        made = step.astream()
        try:
            async for chunk in made:
                chunks.append(chunk)
                yield chunk
        except Exception:
            raise
        except BaseException as error:
            await driver.adrive(_beside_flow(interrupted(error)))
            raise
        finally:
            if isinstance(made, AsyncGenerator):
                await made.aclose()

    streams = step.stream is not None and step.astream is not None
    made = Invoke(call, acall, stream if streams else None, astream if streams else None, step.timeout_s)
    return GuardedStep(made, chunks)


def _beside_flow(flow: Flow[None]) -> Flow[None]:
    yield Background(flow)


def _logged_flow(flow: Flow[None]) -> Flow[None]:
    try:
        yield from flow
    except RedisMemoryError as error:
        _log.warning("what was left of an interrupted turn is not stored: %s", error)
