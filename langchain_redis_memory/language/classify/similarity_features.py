"""Features of dependence from the embedding similarity of a turn to its conversation.

A turn without a sign of dependence is a new topic where it is far from everything that was said, and names its
subject itself where it is close to what was said; in between it may be a question that forgot its subject. So the
similarity enters as bends at both ends, and counts the more the less the signs of language decide. Where the answers
are there too every follow-up is close to something, so closeness counts less. A second measure is how far the turn is
pulled when the question before is put in front of it.

Cosines are scaled by what the same model gives for sentences that have nothing to do with each other, so that weights
fitted with one model serve another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from langchain_core.messages import BaseMessage, HumanMessage

from langchain_redis_memory.extras import np, npt
from langchain_redis_memory.language.classify.tokens import EACH, said, text_of
from langchain_redis_memory.language.logistic import probability

Vector: TypeAlias = "npt.NDArray[np.float32]"

UNRELATED = (
    "The train to the coast leaves at nine.",
    "Photosynthesis turns light into sugar.",
    "She plays the violin in an orchestra.",
    "Interest rates rose by half a percent.",
    "Preheat the oven before you bake the bread.",
    "The compiler reports a missing semicolon.",
    "Penguins cannot fly but swim well.",
    "The contract ends after two years.",
)
"""Sentences that have nothing to do with each other."""


def around(turn: str, history: Sequence[BaseMessage]) -> tuple[list[str], str]:
    """Returns the texts that a turn is compared with.

    Returns:
        The last messages' texts, oldest first, and the turn with the user's question before put in front of it.
    """
    last = said(history)
    asked = next((text_of(message) for message in reversed(last) if isinstance(message, HumanMessage)), "")
    texts = [text_of(message)[:EACH] for message in last]
    return [text for text in texts if text.strip()], f"{asked[: EACH // 2]} {turn[:EACH]}"[:EACH]


def unlike(vectors: Sequence[Vector]) -> float:
    """Returns the mean cosine of unrelated sentences: the zero of a model's scale."""
    stacked = np.stack(vectors)
    cosines = stacked @ stacked.T
    return float((cosines.sum() - np.trace(cosines)) / (len(stacked) * (len(stacked) - 1)))


def cosines(vector: Vector, others: Sequence[Vector], zero: float) -> list[float]:
    """Returns the scaled cosines of one vector to others."""
    return [(float(vector @ other) - zero) / max(1 - zero, 1e-3) for other in others]


def features(
    log_odds: float, similar: Sequence[float], pulled: float, answered: bool, found: Mapping[str, float]
) -> dict[str, float]:
    """Computes the features of dependence.

    Args:
        log_odds: What the signs of language say.
        similar: Scaled cosines of the turn to the last messages.
        pulled: Scaled cosine of the turn to itself behind the question before.
        answered: The history has the assistant's answers, not only the user's turns.
        found: The signs of language.
    """
    most = max(similar)
    open_, doubtful = probability(-log_odds), probability(2 - log_odds)
    close = 3.0 if answered else 10.0
    far = {"far_12": 10 * max(0.12 - most, 0.0), "far_25": 10 * max(0.25 - most, 0.0)}
    near = {"near_50": close * max(most - 0.5, 0.0)}
    drift = far["far_25"] * doubtful
    return {
        "language": max(-4.0, min(4.0, log_odds)),
        "language_up": max(0.0, min(4.0, log_odds)),
        **{name: value * doubtful for name, value in far.items()},
        **{f"{name}_open": value * open_ for name, value in (*far.items(), *near.items())},
        **{f"far_{name}": drift * found.get(name, 0.0) for name in ("own_subject", "my_thing", "named", "two_anchors")},
        "answered": float(answered),
        "pulled": pulled,
        "pulled_open": pulled * open_,
    }
