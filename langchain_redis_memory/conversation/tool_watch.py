"""Watches a run for tools, retrievers, failures and other caches inside of a chain.

An answer that came with an effect is never served in place of it, nor one from documents that nobody could check again,
nor what a chain made do with where a part of it failed: a fallback's answer is not an answer for the day after. What a
cache inside of the chain answers is shared as that one is told to: it knows another conversation, asker or epoch.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any, cast
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables import RunnableConfig

from langchain_redis_memory.cache.provider_tools import provider_tools

_log = logging.getLogger(__name__)


class ToolWatch(BaseCallbackHandler):
    """Notes the tools, retrievers and answer caches inside of a chain, and whether anything failed there.

    Tools and retrievers that are `pure` only look things up and find the same for everybody; neither they nor the
    retrievers that such a tool runs are noted. Where documents are trusted no retriever is.
    """

    run_inline = True

    def __init__(self, pure: Collection[str] = (), *, trusting: bool = False) -> None:
        self._pure = frozenset(pure)
        self._trusting = trusting
        self._inside_pure: set[UUID] = set()
        self.tools: set[str] = set()
        self.retrievers: set[str] = set()
        self.failed: str = ""
        self.caches: bool = False

    def on_tool_start(self, serialized: Mapping[str, Any] | None, input_str: str, **kwargs: Any) -> None:
        """Notes a tool; see LangChain's `BaseCallbackHandler`."""
        name = _name(serialized, kwargs, "a tool without a name")
        if name not in self._pure:
            self.tools.add(name)
        else:
            self._inside_pure.add(kwargs["run_id"])

    def on_chain_start(self, serialized: Mapping[str, Any] | None, inputs: Any, **kwargs: Any) -> None:
        """Follows the runs inside of a pure tool."""
        if kwargs.get("parent_run_id") in self._inside_pure:
            self._inside_pure.add(kwargs["run_id"])

    def on_retriever_start(self, serialized: Mapping[str, Any] | None, query: str, **kwargs: Any) -> None:
        """Notes a retriever."""
        name = _name(serialized, kwargs, "a retriever without a name")
        if not (self._trusting or name in self._pure or kwargs.get("parent_run_id") in self._inside_pure):
            self.retrievers.add(name)

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        """Notes tools that the model's provider ran by itself."""
        if kwargs.get("parent_run_id") not in self._inside_pure:
            said = [one.message for some in response.generations for one in some if isinstance(one, ChatGeneration)]
            self.tools.update(*map(provider_tools, said))
            self.tools -= self._pure

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        """Notes a part that failed: what comes of the run after all is from a fallback or a further try."""
        self.failed = self.failed or type(error).__name__

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        """Notes a part that failed."""
        self.on_chain_error(error)

    def on_tool_error(self, error: BaseException, **kwargs: Any) -> None:
        """Notes a part that failed."""
        self.on_chain_error(error)

    def on_retriever_error(self, error: BaseException, **kwargs: Any) -> None:
        """Notes a part that failed."""
        self.on_chain_error(error)

    def forbids_caching(self, warned: set[str]) -> bool:
        """Returns whether the run's answer is not to be cached, and says why.

        Of retrievers it is said once, as it is a setting: they are added to `warned`.
        """
        if self.tools:
            _log.debug("not cached, because tools ran: %s", ", ".join(sorted(self.tools)))
        if unknown := self.retrievers - warned:
            warned |= unknown
            _log.warning(
                "not cached: %s ran inside of the chain, so a hit could not check what is found now; give the "
                "retriever to wrap(chain, retriever), or trust its documents with grounding='trust'",
                " and ".join(sorted(unknown)),
            )
        if self.failed:
            _log.debug("not cached, because a part of the chain failed: %s", self.failed)
        if self.caches:
            _log.debug("not cached, because a cache inside of the chain decides by itself with whom it shares")
        return bool(self.tools or self.retrievers or self.failed or self.caches)


def _name(serialized: Mapping[str, Any] | None, kwargs: Mapping[str, Any], otherwise: str) -> str:
    return str(kwargs.get("name") or (serialized or {}).get("name") or otherwise)


def watched(config: RunnableConfig, watch: BaseCallbackHandler) -> RunnableConfig:
    """Adds a watch to a run. Returns the config, with the watch among its callbacks and those of every run inside."""
    callbacks = config.get("callbacks")
    if isinstance(callbacks, BaseCallbackManager):
        manager = callbacks.copy()
        manager.add_handler(watch, inherit=True)
        return cast("RunnableConfig", {**config, "callbacks": manager})
    return cast("RunnableConfig", {**config, "callbacks": [*(callbacks or ()), watch]})


def note_cache(config: Mapping[str, Any]) -> None:
    """Tells the chains that a run is a part of that an answer cache of its own decides in it."""
    callbacks = config.get("callbacks")
    for handler in getattr(callbacks, "handlers", callbacks) or ():
        if isinstance(handler, ToolWatch):
            handler.caches = True
