"""Watches a run for tools: an answer that came with an effect is never served in place of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager
from langchain_core.runnables import RunnableConfig


class ToolWatch(BaseCallbackHandler):
    """Notes the tools that run anywhere inside of a chain.

    Args:
        pure: Names of tools that only look things up and find the same for everybody; they are not noted.
    """

    run_inline = True

    def __init__(self, pure: Collection[str] = ()) -> None:
        self._pure = frozenset(pure)
        self.tools: set[str] = set()

    def on_tool_start(self, serialized: Mapping[str, Any] | None, input_str: str, **kwargs: Any) -> None:
        """Notes a tool; see LangChain's `BaseCallbackHandler`."""
        name = str(kwargs.get("name") or (serialized or {}).get("name") or "a tool without a name")
        if name not in self._pure:
            self.tools.add(name)


def watched(config: RunnableConfig, watch: ToolWatch) -> RunnableConfig:
    """Adds a watch to a run.

    Args:
        config: The run's config.
        watch: What notes its tools.

    Returns:
        The config, with the watch among its callbacks and those of every run inside.
    """
    callbacks = config.get("callbacks")
    if isinstance(callbacks, BaseCallbackManager):
        manager = callbacks.copy()
        manager.add_handler(watch, inherit=True)
        return cast("RunnableConfig", {**config, "callbacks": manager})
    return cast("RunnableConfig", {**config, "callbacks": [*(callbacks or ()), watch]})
