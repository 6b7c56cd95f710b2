"""A classifier that adds embedding similarity to the linguistic signs, through any LangChain embedding model.

The signs of language come first. Where they leave room the turn, the last messages and the question before it are
embedded, in one call for what this process has not embedded yet, and the similarities correct the linguist's log-odds.
A model that fails, or gives something else than vectors, costs nothing but the correction.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from langchain_core.embeddings import Embeddings
from langchain_core.messages import AIMessage, BaseMessage

from langchain_redis_memory.checks import check_type, check_whole
from langchain_redis_memory.language.classify.linguistic import Assessment, LinguisticClassifier
from langchain_redis_memory.language.classify.similarity_features import (
    UNRELATED,
    around,
    cosines,
    features,
    unlike,
)
from langchain_redis_memory.language.classify.tokens import EACH, said
from langchain_redis_memory.language.classify.verdict import Verdict
from langchain_redis_memory.language.classify.weights import weights
from langchain_redis_memory.language.text_vectors import TextVectors, Vector, unit
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.ops import Flow

_log = logging.getLogger(__name__)

_SURE = 3.0
"""Log-odds of dependence above which meaning would change nothing."""


class EmbeddingClassifier:
    """Classifies by linguistic signs and by the embedding similarity to the conversation.

    Args:
        embeddings: Any embedding model. Its weights were fitted with MiniLM; the scale of another is adapted to.
        language: The language of the turns; see `LinguisticClassifier`.
        max_unsafe: The share of dependent turns that may be called self-contained; see `LinguisticClassifier`. The
            default leaves room for conversations unlike those that it was measured on, where somewhat more were.
        remembered: Vectors that this process keeps at least, so that a conversation's messages are embedded once. All
            that are given the same `embeddings` share them.

    Raises:
        ConfigError: There is no lexicon of the language.
        InvalidInputError: `max_unsafe` is not a share, or `remembered` is not positive.

    Example:
        ```python
        memory = ConversationMemory(classifier=EmbeddingClassifier(MiniLMEmbeddings()))
        ```

    **Keys:** none.
    **Trips:** none; at most one call of the embedding model a turn.
    """

    def __init__(
        self, embeddings: Embeddings, language: str = "en", *, max_unsafe: float = 0.04, remembered: int = 4096
    ) -> None:
        check_type(embeddings, Embeddings, "embeddings", "a LangChain embedding model")
        check_whole(remembered, "remembered")
        self._first = LinguisticClassifier(language, max_unsafe=max_unsafe)
        self._weights = weights("embedding")
        self._threshold = self._weights.threshold(max_unsafe)
        self._vectors = TextVectors(embeddings, remembered)
        self._zero: float | None = None

    def classify(
        self, turn: str, history: Sequence[BaseMessage], state: TurnState = NO_STATE
    ) -> Verdict | Flow[Verdict]:
        """Classifies one turn, in a flow where similarity may change the verdict; see `Classifier.classify`."""
        judged = self._first.judge(turn, history, state)
        if judged.verdict is not None:
            return judged.verdict
        texts, joined = around(turn, history)
        if not texts or judged.log_odds >= _SURE:
            return self._first.decide(judged, history, judged.log_odds, self._first.threshold)
        return self._corrected_flow(turn, history, judged, texts, joined)

    def _corrected_flow(
        self, turn: str, history: Sequence[BaseMessage], judged: Assessment, texts: list[str], joined: str
    ) -> Flow[Verdict]:
        try:
            vector, behind, *others = yield from self._embed_flow([turn[:EACH], joined, *texts])
        except Exception as error:  # noqa: BLE001 - whatever a model raises, the signs of language remain
            _log.warning("the embedding model failed, the signs of language decide: %s", type(error).__name__)
            return self._first.decide(judged, history, judged.log_odds, self._first.threshold)
        zero = self._zero or 0.0
        answered = any(isinstance(message, AIMessage) for message in said(history))
        pulled = cosines(vector, [behind], zero)[0]
        similar = cosines(vector, others, zero)
        found = features(judged.log_odds, similar, pulled, answered, judged.reading.features)
        log_odds = self._weights.log_odds(found)
        if judged.fixed:
            log_odds = max(log_odds, judged.log_odds) if judged.log_odds > 0 else min(log_odds, judged.log_odds)
        return self._first.decide(judged, history, log_odds, self._threshold)

    def _embed_flow(self, texts: list[str]) -> Flow[list[Vector]]:
        """Returns the vectors of texts, of length 1."""
        zero = [] if self._zero is not None else list(UNRELATED)
        rows = [unit(row) for row in (yield from self._vectors.rows_flow([*texts, *zero]))]
        if zero:
            self._zero = unlike(rows[len(texts) :])
        return rows[: len(texts)]
