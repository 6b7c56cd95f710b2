"""What a chat model says of a turn's audience, as a correction of what the words say.

The model's word is evidence, no order: it moves the log-odds that the words gave, up freely but down only by `trust`,
and never what the words say plainly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_redis_memory.language.audience.verdict import QUESTIONS, AudienceVerdict
from langchain_redis_memory.language.logistic import odds, probability

PROPERTIES = {
    name: {"type": "number", "description": f"Probability, 0 to 1, that the message is {name}"} for name in QUESTIONS
}
"""What a model is asked for a probability of, as properties of a JSON schema."""
TRUST = 3.0
"""By how much log-odds a model may lower a probability, unless told otherwise."""
_PLAIN = 0.6
"""From which probability on the words are so plain that the model may not lower it."""


def shares(found: Mapping[str, Any]) -> dict[str, float]:
    """Reads the four probabilities from what a model answered.

    Raises:
        ValueError: One is missing or is not a probability.
    """
    said = {}
    for name in QUESTIONS:
        value = found.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ValueError(f"{name} is not a probability")
        said[name] = float(value)
    return said


def moved_odds(before: float, share: float, trust: float) -> float:
    """Returns the log-odds of a probability, moved by what a model said: up freely, down by `trust` at most."""
    return odds(before) + max(-trust, 2 * odds(max(0.02, min(0.98, share))))


def corrected(words: AudienceVerdict, said: Mapping[str, float], trust: float = TRUST) -> AudienceVerdict:
    """Corrects the verdict of the words by what a model said."""
    moved: dict[str, Any] = {}
    for name in QUESTIONS:
        share = min(said[name], 0.5) if name == "personal" and not words.opaque else said[name]
        before = getattr(words, f"p_{name}")
        after = probability(moved_odds(before, share, trust))
        moved[f"p_{name}"] = max(after, before) if before >= _PLAIN else after
    told = ", ".join(f"{name} {said[name]:.2f}" for name in QUESTIONS)
    return words._replace(**moved, evidence=(*words.evidence, f"the model says {told}")).at(words.max_unsafe)
