"""Weighing the signs: logistic weights, read from a small JSON file that `benchmarks.training` writes.

A weight belongs to the name of a feature; a feature that has none counts nothing. The probabilities are calibrated at
even odds of dependent and self-contained turns. The thresholds say below which probability a turn may be called
self-contained so that at most a given share of dependent turns is: the quantile on the worst source of people's
conversations, each judged by weights that were fitted without it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from math import exp, log

from langchain_redis_memory.errors import InvalidInputError


@dataclass(frozen=True)
class Weights:
    """A logistic model over named features.

    Args:
        bias: The log-odds of nothing.
        weights: By feature.
        thresholds: Share of unsafe turns -> the probability below which a turn is self-contained.
    """

    bias: float
    weights: Mapping[str, float]
    thresholds: Mapping[float, float]

    def log_odds(self, features: Mapping[str, float]) -> float:
        """The log-odds that a turn with these features depends on its conversation."""
        weights = self.weights
        return self.bias + sum(weights.get(name, 0.0) * value for name, value in features.items())

    def threshold(self, max_unsafe: float) -> float:
        """The probability below which a turn is self-contained.

        Args:
            max_unsafe: The largest share of dependent turns that may be called self-contained.

        Returns:
            The threshold of the next smaller share that was measured; 0, which no turn is below, where there is none.

        Raises:
            InvalidInputError: The share is not between 0 and 1.
        """
        if isinstance(max_unsafe, bool) or not isinstance(max_unsafe, int | float) or not 0 <= max_unsafe < 1:
            msg = f"max_unsafe must be a share from 0 to below 1, got {max_unsafe!r}"
            raise InvalidInputError(msg)
        return max((value for share, value in self.thresholds.items() if share <= max_unsafe), default=0.0)


def probability(log_odds: float) -> float:
    """The probability of log-odds, never quite 0 or 1."""
    return 1 / (1 + exp(-max(-15.0, min(15.0, log_odds))))


def odds(share: float) -> float:
    """The log-odds of a probability; see `probability`."""
    share = max(1e-6, min(1 - 1e-6, share))
    return log(share / (1 - share))


@cache
def weights(name: str) -> Weights:
    """The weights of a model, read once per process.

    Args:
        name: Its name in `weights.json`.

    Returns:
        The weights.
    """
    found = json.loads((resources.files(__package__) / "weights.json").read_text("utf-8"))[name]
    return Weights(
        found["bias"], found["weights"], {float(share): value for share, value in found.get("thresholds", {}).items()}
    )
