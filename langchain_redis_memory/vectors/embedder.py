"""Embeds the questions of a cache that is searched by meaning; a model that fails is a miss.

The vectors are shared with all who use the same embedding model (see `TextVectors`), so a question is embedded once a
turn: also one that is missed and then stored.
"""

from __future__ import annotations

import logging

from langchain_core.embeddings import Embeddings

from langchain_redis_memory.language.text_vectors import TextVectors
from langchain_redis_memory.ops import Flow
from langchain_redis_memory.vectors.engine import Vectors

_log = logging.getLogger(__name__)

_REMEMBERED = 256


class Embedder:
    """Embeds questions, with a small LRU cache; vectors of models with different names are never compared."""

    def __init__(self, model: Embeddings, name: str) -> None:
        self._vectors = TextVectors(model, _REMEMBERED)
        self._name = name

    def name_of(self, vectors: Vectors) -> str:
        """Returns the model's name with the dimensions of its vectors."""
        return f"{self._name}:{vectors.shape[-1]}"

    def many_flow(self, texts: list[str]) -> Flow[Vectors | None]:
        """Returns a row for each question; None where the model fails. Several, as of an import, are not remembered."""
        try:
            if len(texts) > 1:
                vectors: Vectors = yield from self._vectors.embed_flow(texts)
            else:
                vectors = (yield from self._vectors.rows_flow(texts))[0][None]
        except Exception as error:  # noqa: BLE001 - an embedding model's errors are of any type
            _log.warning("a question is not embedded, the cache is bypassed: %s", error)
            return None
        return vectors
