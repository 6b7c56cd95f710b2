"""`Settler`: a callback that tells a limiter what each model call used, and gives its place back.

A model asks its rate limiter without saying for whom and for how much, and never tells when it is done. LangChain's
callbacks do: a call's start, in the same thread or task, comes before its `acquire`, and its end carries the usage,
also of a stream. A call that fails or is cut counts with what was reserved for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import LLMResult

from langchain_redis_memory.limits.lease import LimitLease
from langchain_redis_memory.redis.client.coroutines import in_event_loop


class Run:
    """A model call: who makes it, and what was taken for it."""

    def __init__(self, settler: Settler, metadata: Mapping[str, Any]) -> None:
        self.settler = settler
        self.metadata = metadata
        self.lease: LimitLease | None = None
        self.asynchronous = False
        self.done = False

    async def asettle(self, usage: Mapping[str, Any] | None) -> None:
        """Settles the call in the colour in which it was made: a sync one may have been made beside an event loop."""
        if self.lease and self.asynchronous:
            await self.lease.asettle(usage)
        elif self.lease:
            self.lease.settle(usage)


_runs: ContextVar[tuple[Run, ...]] = ContextVar("model calls that have begun here", default=())
_MOST = 64


def current_run(limiter: object) -> Run | None:
    """Finds the model call that is about to be made, if a settler of the limiter heard of it."""
    for run in reversed(_runs.get()):
        if run.settler.limiter is limiter and run.lease is None and not run.done:
            return run
    return None


class Settler(BaseCallbackHandler):
    """Settles what a limiter reserved for model calls. Made by `RedisRateLimiter.settler`."""

    run_inline = True

    def __init__(self, limiter: object) -> None:
        self.limiter = limiter
        self._open: dict[UUID, Run] = {}

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Notes that a call begins; see LangChain's `BaseCallbackHandler`."""
        self._begin(run_id, kwargs.get("metadata") or {})

    def on_llm_start(self, serialized: Any, prompts: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Notes that a call begins."""
        self._begin(run_id, kwargs.get("metadata") or {})

    def _begin(self, run_id: UUID, metadata: Mapping[str, Any]) -> None:
        run = self._open[run_id] = Run(self, metadata)
        _runs.set((*[one for one in _runs.get() if not one.done][-_MOST:], run))

    # A sync call runs a coroutine in a loop of its own, an async one runs a plain function in its own thread.

    @property
    def on_llm_end(self) -> Callable[..., Any]:
        """Settles a call; a coroutine function inside of an event loop."""
        return self._aend if in_event_loop() else self._end

    @property
    def on_llm_error(self) -> Callable[..., Any]:
        """Gives back a failed call's place; a coroutine function inside of an event loop."""
        return self._afail if in_event_loop() else self._fail

    def _end(self, response: LLMResult, *, run_id: UUID, **_kwargs: Any) -> None:
        run = self._finish(run_id)
        if run and run.lease:
            run.lease.settle(usage_of(response))

    async def _aend(self, response: LLMResult, *, run_id: UUID, **_kwargs: Any) -> None:
        run = self._finish(run_id)
        if run and run.lease:
            await run.asettle(usage_of(response))

    def _fail(self, _error: BaseException, *, run_id: UUID, **_kwargs: Any) -> None:
        run = self._finish(run_id)
        if run and run.lease:
            run.lease.settle()

    async def _afail(self, _error: BaseException, *, run_id: UUID, **_kwargs: Any) -> None:
        run = self._finish(run_id)
        if run and run.lease:
            await run.asettle(None)

    def _finish(self, run_id: UUID) -> Run | None:
        run = self._open.pop(run_id, None)
        if run is not None:
            run.done = True
        return run


def usage_of(response: LLMResult) -> dict[str, float] | None:
    """Reads the tokens that a call used.

    Returns tokens by unit, of all its generations; None where the model does not say.
    """
    tokens: dict[str, float] = {}
    for generations in response.generations:
        for generation in generations[:1]:  # the usage of a call stands in each of its candidates
            usage = getattr(getattr(generation, "message", None), "usage_metadata", None) or {}
            for unit in ("input_tokens", "output_tokens", "total_tokens"):
                if isinstance(usage.get(unit), int):
                    tokens[unit] = tokens.get(unit, 0) + usage[unit]
    if not tokens:
        usage = (response.llm_output or {}).get("token_usage") or {}
        names = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens", "total_tokens": "total_tokens"}
        tokens = {unit: usage[name] for name, unit in names.items() if isinstance(usage.get(name), int)}
    return tokens or None
