"""Recall by meaning: the messages of a conversation whose vectors are nearest to a question's.

Vectors are remembered by text (see `TextVectors`), so each message is embedded once. The work is bounded: of a long
conversation the newest messages and those that share a word with the question are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from langchain_core.messages import BaseMessage

from langchain_redis_memory.extras import np
from langchain_redis_memory.language.text_vectors import TextVectors
from langchain_redis_memory.ops import Flow

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

_LONGEST = 1_000
"""Characters of a text that are embedded: sentence models read little more."""


class SemanticRecall:
    """Finds messages by meaning, comparing at most so many of a conversation; see `TextVectors` for `most_vectors`."""

    def __init__(self, embeddings: Embeddings, most_vectors: int = 20_000, most_compared: int = 2_000) -> None:
        self._vectors = TextVectors(embeddings, most_vectors)
        self._most_compared = most_compared

    def nearest_flow(self, turn: str, history: Sequence[BaseMessage], preferred: Sequence[int]) -> Flow[list[int]]:
        """Finds the messages nearest to a question by the cosine of their vectors; gives places, the nearest first.

        The `preferred` places are compared even where the conversation is too long to compare all. What the embedding
        model raises passes through.
        """
        newest = range(max(0, len(history) - self._most_compared), len(history))
        places = sorted({*newest, *preferred[: self._most_compared]})
        texts = {place: str(history[place].text)[:_LONGEST] for place in places}
        texts = {place: text for place, text in texts.items() if text.strip()}
        question = turn[:_LONGEST]
        if not texts:
            return []
        *rows, row = yield from self._vectors.rows_flow([*texts.values(), question])
        stacked = np.stack(rows)
        near = (stacked @ row) / np.maximum(np.linalg.norm(stacked, axis=1), 1e-12)
        order = list(texts)
        return [order[row] for row in np.argsort(-near, kind="stable")]
