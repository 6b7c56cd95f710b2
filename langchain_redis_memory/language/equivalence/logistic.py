"""The calibrated probability from features: a logistic model whose weights are a small file of the package.

Its weights are bound in sign (agreement can only help, difference only harm): fitted on generated pairs and a few
small sets, a freer model learns their templates and is worse than the cosine on text it has not seen; measured, a
network with 16 hidden units was. `benchmarks.training` fits it. The file names its features, so that code
and weights that do not belong together are noticed at the first use.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

from langchain_redis_memory.errors import CorruptDataError

COSINE_CAP = 0.985
"""A cosine counts up to here: no model's scale can buy a hit by itself."""


class Model(NamedTuple):
    """Weights by feature, the intercept, and the cuts.

    Args:
        weights: What one unit of a feature adds to the log-odds.
        bias: The log-odds of nothing.
        base_rate: The share of equivalent pairs among the candidates that the probability is calibrated for.
        cuts: Pairs (tolerated share of wrong hits, least probability that keeps it), by the first.
        cosines: The range of cosines that the model was fitted on; one outside counts as the nearer end.
    """

    weights: Mapping[str, float]
    bias: float
    base_rate: float
    cuts: tuple[tuple[float, float], ...]
    cosines: tuple[float, float]

    def logit(self, features: Mapping[str, float]) -> float:
        """The log-odds of equivalence.

        Args:
            features: All features by name.

        Returns:
            Log-odds at `base_rate`.

        Raises:
            CorruptDataError: A feature that the weights name is missing.
        """
        try:
            return self.bias + sum(weight * features[name] for name, weight in self.weights.items())
        except KeyError as error:
            msg = f"the weights of the verifier name a feature that the code does not compute: {error}"
            raise CorruptDataError(msg) from error

    def cut(self, max_error: float) -> float:
        """The least probability of a hit, interpolated between the measured cuts.

        Args:
            max_error: The tolerated share of wrong hits.

        Returns:
            A probability.
        """
        errors = [error for error, _ in self.cuts]
        if max_error <= errors[0]:
            return 1 - (1 - self.cuts[0][1]) * max_error / errors[0]
        for (low, high_cut), (high, low_cut) in zip(self.cuts, self.cuts[1:], strict=False):
            if max_error <= high:
                return high_cut + (low_cut - high_cut) * (max_error - low) / (high - low)
        return self.cuts[-1][1]


def probability(logit: float) -> float:
    """The probability of log-odds."""
    return 1 / (1 + math.exp(-min(max(logit, -30.0), 30.0)))


def parse(text: str) -> Model:
    """A model from the text of its file.

    Args:
        text: JSON.

    Returns:
        The model.

    Raises:
        CorruptDataError: The text is not such a file.
    """
    try:
        data = json.loads(text)
        cuts = tuple((float(error), float(least)) for error, least in data["cuts"])
        weights = {str(name): float(weight) for name, weight in data["weights"].items()}
        low, high = data["cosines"]
        return Model(weights, float(data["bias"]), float(data["base_rate"]), cuts, (float(low), float(high)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        msg = f"the weights of the verifier are damaged ({error}): install the package again"
        raise CorruptDataError(msg) from error


@cache
def shipped() -> Model:
    """The weights of the package, read once per process."""
    return parse(resources.files(__package__).joinpath("weights.json").read_text("utf-8"))
