"""What decides what a retriever finds besides the query: how it is set to search by now, and who asks."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStoreRetriever

from langchain_redis_memory.redis.codec.fingerprint import LiveSettings, describable, fingerprint, made_of
from langchain_redis_memory.run_config import rights_of, users_of

_log = logging.getLogger(__name__)


class RetrieverScope:
    """Names a retriever in the names of its results, as its owner named it, else by how it is set.

    Args:
        retriever: The retriever.
        name: Its owner's name for it; None for none.
    """

    def __init__(self, retriever: Any, name: str | None) -> None:
        self._retriever, self._name = retriever, name
        self._live = None if name is not None or not isinstance(retriever, BaseRetriever) else LiveSettings(retriever)
        self._now = self._described()

    def now(self) -> str:
        """Returns the name, another one where somebody has changed its settings."""
        if self._live is not None and self._live.changed():
            self._live.renew()
            self._now = self._described()
        return self._now

    def _described(self) -> str:
        if self._name is not None:
            return f"name:{self._name}"
        described = fingerprint(self._retriever)
        if described is not None:
            return f"described:{described}"
        _log.info(
            "the retriever cannot be described, so its cached results serve only this object; "
            "name it with CachedRetriever(..., name='...') to share them across processes"
        )
        return f"private:{uuid4()}"


def seen_by(retriever: Any, settings: Mapping[str, Any], callbacks: Any) -> list[Any]:
    """Returns how a vector store is searched, and who asks unless the retriever is LangChain's own, which sees nobody.

    Args:
        retriever: The retriever.
        settings: What is configurable in its run.
        callbacks: Of its run, with metadata and tags.
    """
    searched = _searched(retriever) if isinstance(retriever, VectorStoreRetriever) else []
    if type(retriever) is VectorStoreRetriever:
        return searched
    config = {"configurable": settings, **{name: getattr(callbacks, name, None) for name in ("metadata", "tags")}}
    return [*searched, *users_of(config), *rights_of(config)]


def _searched(retriever: VectorStoreRetriever) -> list[Any]:
    """How a vector store is searched; a filter that is an object or a function is there by what it is made of."""
    given = dict(retriever.search_kwargs)
    made = {name: made_of(value, retriever) for name, value in given.items() if not describable(value)}
    return [retriever.search_type, {name: value for name, value in given.items() if name not in made}, made]
