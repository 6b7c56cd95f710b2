"""A second opinion for a classifier: where its verdict is unsure, the turn is read together with its conversation.

What the signs decide with certainty stays: recalls, first turns, what nobody can read, and every verdict whose
probability lies outside the bounds. A reader that fails costs nothing but the second opinion.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from langchain_core.messages import BaseMessage

from langchain_redis_memory.checks import check_band, check_method, check_number
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.classify import Classifier, Verdict
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.logistic import odds, probability
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.ops import Flow

_log = logging.getLogger(__name__)

_EITHER = 0.6
"""What the log-odds of the signs and of the reading count: half as much each would be their mean."""


class TurnReader(Protocol):
    """Reads turns behind their conversations, such as `LocalReader` does."""

    def dependence(self, turns: Sequence[tuple[str, Sequence[BaseMessage]]]) -> Sequence[float]:
        """Returns for each turn the probability that it depends on the conversation before it."""
        ...


class ReadingClassifier:
    """Asks a classifier, and where it is unsure a model that reads the turn and its conversation together.

    Args:
        first: The classifier whose verdict may be corrected.
        reader: Reads turns behind their conversation; a `LocalReader`.
        unsure: The bounds of the probability of dependence between which the reader is asked, bounds included.
        alone_below: The joint probability of dependence below which a turn stands alone; at the default, and with a
            `LinguisticClassifier`, about 1 to 3 % of dependent turns are taken to stand alone.

    Raises:
        ConfigError: `first` or `reader` lacks its method.
        InvalidInputError: The bounds are not 0 <= low <= high <= 1, or `alone_below` is not a probability.

    Example:
        ```python
        ConversationMemory(url, classifier=ReadingClassifier(LinguisticClassifier(), LocalReader()))
        ```

    **Keys:** none.
    **Trips:** none; the calls of the first classifier.
    """

    def __init__(
        self,
        first: Classifier,
        reader: TurnReader,
        *,
        unsure: tuple[float, float] = (0.01, 0.5),
        alone_below: float = 0.02,
    ) -> None:
        check_method(first, "classify", "first", ConfigError)
        check_method(reader, "dependence", "reader", ConfigError)
        self._first, self._reader = first, reader
        self._low, self._high = check_band(unsure, "unsure")
        self._alone_below = check_number(alone_below, "alone_below")

    def classify(
        self, turn: str, history: Sequence[BaseMessage], state: TurnState = NO_STATE
    ) -> Verdict | Flow[Verdict]:
        """Classifies one turn; see `Classifier.classify`."""
        answer = self._first.classify(turn, history, state)
        if isinstance(answer, Verdict):
            return self._read(answer, turn, history)
        return self._read_flow(answer, turn, history)

    def _read_flow(self, answer: Flow[Verdict], turn: str, history: Sequence[BaseMessage]) -> Flow[Verdict]:
        verdict = yield from answer
        return self._read(verdict, turn, history)

    def _read(self, verdict: Verdict, turn: str, history: Sequence[BaseMessage]) -> Verdict:
        before = verdict.dependence
        if before is None or verdict.type is QuestionType.HISTORY_RECALL or not history:
            return verdict
        if not self._low <= before <= self._high:
            return verdict
        try:
            [read] = self._reader.dependence([(turn, history)])
        except Exception as error:  # noqa: BLE001 - whatever a model raises, the first verdict remains
            _log.warning("the reader failed, the first classifier decides: %s", type(error).__name__)
            return verdict
        return self._joined(verdict, joint(before, read), read, len(history))

    def _joined(self, verdict: Verdict, share: float, read: float, messages: int) -> Verdict:
        """The verdict at the joint probability."""
        why = f"read with its conversation: dependent with probability {read:.2f}"
        alone = share < self._alone_below
        if alone == (verdict.type is QuestionType.NEW_TOPIC):
            return replace(verdict, dependence=share, reasons=(*verdict.reasons, why))
        if alone:
            return Verdict(
                QuestionType.NEW_TOPIC, 1 - share, (why,), dependence=share, said_of_audience=verdict.said_of_audience
            )
        return replace(
            verdict,
            type=QuestionType.CONTEXTUAL_WITH_SEARCH,
            confidence=max(share, 0.5),
            reasons=(why,),
            standalone=None,
            dependence=share,
            depends_on=tuple(range(max(0, messages - 3), messages)),
        )


def joint(before: float, read: float) -> float:
    """Returns the probability of dependence by the signs and by reading together: their log-odds are added, weighed."""
    return probability(_EITHER * (odds(before) + odds(read)))
