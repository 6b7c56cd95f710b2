"""Watches what becomes of a model call behind the cache: only what the request's own model answered is stored.

Middleware that stands behind the cache may change the request, ask another model, or answer itself (an error as a
message, a budget that is used up). The cache's key holds none of that, so such an answer is nobody else's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any
from uuid import UUID

from langchain.agents.middleware import ModelRequest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.config import get_config

from langchain_redis_memory.conversation.tool_watch import watched

_FIELDS = tuple(field.name for field in fields(ModelRequest))
_DECIDES = tuple(name for name in _FIELDS if name not in {"state", "runtime"})


class ModelWatch(BaseCallbackHandler):
    """Notes which fields of a request are changed, how many models are asked, and whether one fails."""

    run_inline = True

    def __init__(self) -> None:
        self.changed: set[str] = set()
        self.failed: str = ""
        self.streamed: bool = False
        self._asked = 0
        self._inside: set[UUID] = set()

    @property
    def refusal(self) -> str:
        """Why the answer is not to be stored, "" where it may be."""
        if self.failed:
            return f"the model failed first ({self.failed})"
        if self.changed:
            return f"middleware behind the cache changed {', '.join(sorted(self.changed))}"
        if self._asked == 0:
            return "no model said it"
        return "" if self._asked == 1 else "several models were asked for it"

    def on_chat_model_start(self, serialized: Mapping[str, Any], messages: Any, **kwargs: Any) -> None:
        """Notes a model that is asked; see LangChain's `BaseCallbackHandler`."""
        self._asked += kwargs.get("parent_run_id") not in self._inside
        self._inside.add(kwargs["run_id"])

    def on_chain_start(self, serialized: Mapping[str, Any] | None, inputs: Any, **kwargs: Any) -> None:
        """Follows the runs inside of a model, which are a part of it."""
        if kwargs.get("parent_run_id") in self._inside:
            self._inside.add(kwargs["run_id"])

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        """Notes that an answer has begun to come."""
        self.streamed = True

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        """Notes a model that fails."""
        self.failed = self.failed or type(error).__name__


class _WatchedRequest(ModelRequest[Any]):
    """A request that tells its watch what is changed of it."""

    watch: ModelWatch

    def override(self, **overrides: Any) -> ModelRequest[Any]:
        made = _with(super().override(**overrides), self.watch)
        for name in _DECIDES:
            before, after = getattr(self, name), getattr(made, name)
            if before is not after and before != after:
                self.watch.changed.add(name)
        return made

    def __setattr__(self, name: str, value: Any) -> None:
        self.watch.changed.add(name)
        super().__setattr__(name, value)


def _with(request: ModelRequest[Any], watch: ModelWatch) -> ModelRequest[Any]:
    object.__setattr__(request, "watch", watch)
    return request


def watched_request(request: ModelRequest[Any], watch: ModelWatch) -> ModelRequest[Any]:
    """Returns the request as one whose changes are noted."""
    return _with(_WatchedRequest(**{name: getattr(request, name) for name in _FIELDS}), watch)


@contextmanager
def watching(watch: ModelWatch) -> Iterator[None]:
    """Notes the models that are asked meanwhile in this thread or task."""
    before = var_child_runnable_config.set(watched(get_config(), watch))
    try:
        yield
    finally:
        var_child_runnable_config.reset(before)
