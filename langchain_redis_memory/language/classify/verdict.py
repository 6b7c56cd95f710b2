"""The classifier protocol and its verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from langchain_core.messages import BaseMessage

from langchain_redis_memory.frozen import Frozen
from langchain_redis_memory.language.audience.verdict import AudienceVerdict
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.ops import Flow


class Verdict(Frozen):
    """Holds the decision of a classifier.

    Args:
        type: The type of question.
        confidence: How sure it is, 0 to 1.
        reasons: Why, for people: the words and rules that decided.
        standalone: The question as it would be asked without its conversation, where the classifier knows; the
            retriever is asked this.
        dependence: The calibrated probability that the turn depends on its conversation; None where the classifier
            gives none.
        spans: Where in the turn the evidence is: pairs (start, end) of characters.
        depends_on: Which messages of the history it depends on, as places in it; empty where it depends on none.
        audience: Who may be served the answer, and whether it changes by itself or is an effect; None where it was not
            asked for.
        said_of_audience: What a model that the classifier asked said of it: a probability each for "personal",
            "volatile", "effect" and "vary". It corrects what the words say (see `corrected`).
    """

    type: QuestionType
    confidence: float
    reasons: tuple[str, ...] = ()
    standalone: str | None = None
    dependence: float | None = None
    spans: tuple[tuple[int, int], ...] = ()
    depends_on: tuple[int, ...] = ()
    audience: AudienceVerdict | None = None
    said_of_audience: Mapping[str, float] | None = None


class Classifier(Protocol):
    """Decides the type of a user's turn."""

    def classify(
        self, turn: str, history: Sequence[BaseMessage], state: TurnState = NO_STATE
    ) -> Verdict | Flow[Verdict]:
        """Classifies one turn.

        Args:
            turn: What the user said.
            history: The conversation before it, oldest first, as far as it was loaded.
            state: What is known of the conversation beyond its messages.

        Returns:
            The verdict, or a flow that gives it where a model has to be asked.
        """
        ...
