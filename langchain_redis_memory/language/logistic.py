"""Logistic regression over named features: the one model of this room.

A model file holds the intercept and a weight for each feature's name. What a probability is compared with (a threshold,
a cut) belongs to the rooms that use the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log

from langchain_redis_memory.frozen import Frozen


class LogisticModel(Frozen):
    """A logistic model over named features.

    Args:
        bias: The intercept: the log-odds where every feature is 0.
        weights: What one unit of a feature adds to the log-odds, by the feature's name.
    """

    bias: float
    weights: Mapping[str, float]

    def log_odds(self, features: Mapping[str, float]) -> float:
        """Returns the log-odds of features; one without a weight counts nothing."""
        weights = self.weights
        return self.bias + sum(weights.get(name, 0.0) * value for name, value in features.items())


def probability(log_odds: float, bound: float = 15.0) -> float:
    """Returns the probability of log-odds, never quite 0 or 1."""
    return 1 / (1 + exp(-max(-bound, min(bound, log_odds))))


def odds(share: float) -> float:
    """Returns the log-odds of a probability.

    Args:
        share: The probability, cut to 1e-6 from 0 and 1.
    """
    share = max(1e-6, min(1 - 1e-6, share))
    return log(share / (1 - share))
