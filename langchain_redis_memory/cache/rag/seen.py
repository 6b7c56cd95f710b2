"""What a retriever sees besides the query: who asks, and how it is set to search by now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.vectorstores import VectorStoreRetriever

from langchain_redis_memory.redis.codec.fingerprint import describable, made_of
from langchain_redis_memory.run_config import rights_of, users_of


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
