"""The classifier protocol and its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from langchain_core.messages import BaseMessage

from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.ops import Flow


@dataclass(frozen=True)
class Verdict:
    """The decision of a classifier.

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
    """

    type: QuestionType
    confidence: float
    reasons: tuple[str, ...] = ()
    standalone: str | None = None
    dependence: float | None = None
    spans: tuple[tuple[int, int], ...] = ()
    depends_on: tuple[int, ...] = ()


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
