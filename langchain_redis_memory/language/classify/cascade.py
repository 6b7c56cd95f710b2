"""A cascade of classifiers: the next one is asked only where the one before is unsure.

So the cheap one decides most turns, and the model that costs money sees only those whose probability of dependence
lies between two bounds. A question for what was said is never passed on.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import BaseMessage

from langchain_redis_memory.checks import check_band, check_method
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.classify.verdict import Classifier, Verdict
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.ops import Flow, settled


class CascadeClassifier:
    """Asks one classifier after the other until one is sure.

    Args:
        first: The cheapest.
        *more: The next ones, each asked only where the verdict before is unsure.
        unsure: The bounds of the probability of dependence between which a verdict is unsure, bounds included. A
            verdict without a probability is unsure where its confidence is below 0.75.

    Raises:
        InvalidInputError: The bounds are not 0 <= low <= high <= 1.

    Example:
        ```python
        CascadeClassifier(EmbeddingClassifier(embeddings), LLMClassifier(model), unsure=(0.05, 0.6))
        ```

    **Keys:** none.
    **Trips:** none; the calls of the classifiers that are asked.
    """

    def __init__(self, first: Classifier, *more: Classifier, unsure: tuple[float, float] = (0.05, 0.6)) -> None:
        for classifier in (first, *more):
            check_method(classifier, "classify", "each classifier")
        low, high = check_band(unsure, "unsure")
        self._classifiers = (first, *more)
        self._low, self._high = low, high

    def classify(
        self, turn: str, history: Sequence[BaseMessage], state: TurnState = NO_STATE
    ) -> Verdict | Flow[Verdict]:
        """Returns the verdict of the first classifier that is sure, else of the last; see `Classifier.classify`."""
        answer = self._classifiers[0].classify(turn, history, state)
        if isinstance(answer, Verdict) and (len(self._classifiers) == 1 or not self._unsure(answer)):
            return answer
        return self._next_flow(answer, turn, history, state)

    def _next_flow(
        self,
        answer: Verdict | Flow[Verdict],
        turn: str,
        history: Sequence[BaseMessage],
        state: TurnState,
    ) -> Flow[Verdict]:
        verdict = yield from settled(answer)
        for classifier in self._classifiers[1:]:
            if not self._unsure(verdict):
                break
            verdict = yield from settled(classifier.classify(turn, history, state))
        return verdict

    def _unsure(self, verdict: Verdict) -> bool:
        if verdict.type is QuestionType.HISTORY_RECALL:
            return False
        if verdict.dependence is None:
            return verdict.confidence < 0.75
        return self._low <= verdict.dependence <= self._high
