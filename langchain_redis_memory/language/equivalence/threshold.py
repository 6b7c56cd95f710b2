"""The baseline hit policy: a threshold on the cosine."""

from __future__ import annotations

import math

from langchain_redis_memory.checks import check_number
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.equivalence.cosine_scales import scale_of
from langchain_redis_memory.language.equivalence.hit_policy import Judgement


class ThresholdPolicy:
    """Calls every candidate a hit whose cosine reaches a threshold; numbers, negation and swapped roles go unnoticed.

    Args:
        threshold: The least cosine of a hit, above 0 up to 1.
        model: The embedding model, whose threshold is looked up in `scales.SCALES` where none is given.

    Raises:
        ConfigError: Neither a threshold nor a known model is given, or the threshold is out of range.
    """

    def __init__(self, threshold: float | None = None, model: str | None = None) -> None:
        if threshold is None:
            if model is None:
                raise ConfigError("ThresholdPolicy needs a threshold, or the name of a known embedding model")
            threshold = scale_of(model).threshold
        self.threshold: float = check_number(threshold, "threshold (a cosine)", without=(0,), error=ConfigError)

    @property
    def floor(self) -> float:
        """The least cosine of a hit."""
        return self.threshold

    def judge(self, asked: str, stored: str, similarity: float) -> Judgement:
        """Judges by the cosine alone: a hit from the threshold up.

        Args:
            asked: The question that was asked; only whether it is the stored one to the letter is looked at.
            stored: The question whose answer is stored.
            similarity: The cosine of their vectors.

        Returns:
            The judgement; its `probability` is the cosine and not calibrated, 1 for the same text.
        """
        if asked == stored:
            return Judgement(True, 1.0, (), {"cosine": similarity})
        bounded = min(max(similarity, 0.0), 1.0) if not math.isnan(similarity) else 0.0
        return Judgement(bounded >= self.threshold, bounded, (), {"cosine": similarity})
