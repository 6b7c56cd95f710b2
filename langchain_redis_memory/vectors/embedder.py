"""Embeds questions for a semantic cache; a failure of the model is a miss.

What was embedded a moment ago is remembered, so a question that is missed and then stored is embedded once.
"""

from __future__ import annotations

import logging
from collections import OrderedDict

from langchain_core.embeddings import Embeddings

from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.ops import Flow, Invoke
from langchain_redis_memory.vectors.choose import check
from langchain_redis_memory.vectors.engine import Vectors, as_vectors

_log = logging.getLogger(__name__)

_REMEMBERED = 256


class Embedder:
    """Embeds questions, with a small LRU cache.

    Args:
        model: The embedding model.
        name: Names it: vectors of different ones are never compared.
    """

    def __init__(self, model: Embeddings, name: str) -> None:
        self._model = model
        self._name = name
        self._known: OrderedDict[str, Vectors] = OrderedDict()

    def name_of(self, vectors: Vectors) -> str:
        """The model's name with the dimensions of its vectors."""
        return f"{self._name}:{vectors.shape[-1]}"

    def one(self, text: str) -> Flow[Vectors | None]:
        """Embeds one question.

        Args:
            text: The question.

        Returns:
            Its numbers; None where the model fails.
        """
        known = self._known.get(text)
        if known is None:
            found = yield from self._call([text])
            if found is None:
                return None
            known = self._known[text] = found[0]
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return known

    def many(self, texts: list[str]) -> Flow[Vectors | None]:
        """Embeds several questions.

        Args:
            texts: The questions, at least one.

        Returns:
            A row for each; None where the model fails.
        """
        if len(texts) > 1:
            return (yield from self._call(texts))
        vector = yield from self.one(texts[0])
        return None if vector is None else vector[None]

    def _call(self, texts: list[str]) -> Flow[Vectors | None]:
        """Stored and asked questions are both questions, so both are embedded in the same way."""
        model = self._model
        try:
            found = yield Invoke(lambda: model.embed_documents(texts), lambda: model.aembed_documents(texts))
            check(len(found[0]))
            vectors: Vectors = as_vectors(found, len(found[0]))
            if len(vectors) != len(texts):
                msg = f"the embedding model gave {len(vectors)} vectors for {len(texts)} texts"
                raise InvalidInputError(msg)
            return vectors
        except Exception as error:  # noqa: BLE001 - an embedding model's errors are of any type
            _log.warning("a question is not embedded, the cache is bypassed: %s", error)
            return None
