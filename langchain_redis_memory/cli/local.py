"""Whether the local embedding model is there; asked without numpy, which the demo does without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_redis_memory.vectors.minilm import missing_packages

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings


def local_model() -> bool:
    """Returns whether the extra `local` is installed."""
    return not missing_packages()


def embeddings() -> Embeddings | None:
    """Returns the local embedding model; None where it is not installed."""
    if not local_model():
        return None
    from langchain_redis_memory.vectors.minilm import MiniLMEmbeddings

    return MiniLMEmbeddings()
