"""The verifier's logistic weights and the cuts that `max_error` stands for.

The weights are bound in sign (agreement can only help, difference only harm): fitted on generated pairs and a few small
sets, a freer model learns their templates and is worse than the cosine on text it has not seen; measured, a network
with 16 hidden units was. `benchmarks/training/train_equivalence.py` fits them. The file names its features, so that
code and weights that do not belong together are noticed at the first use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources

from langchain_redis_memory.errors import CorruptDataError
from langchain_redis_memory.language.logistic import LogisticModel

COSINE_CAP = 0.985
"""A cosine counts up to here: no model's scale can buy a hit by itself."""


class EquivalenceModel(LogisticModel):
    """The log-odds that two questions are equivalent, with the cuts of a hit.

    Args:
        bias: See `LogisticModel`.
        weights: See `LogisticModel`.
        base_rate: The share of equivalent pairs among the candidates that the probability is calibrated for.
        cuts: Pairs (tolerated share of wrong hits, least probability that keeps it), by the first.
        cosines: The range of cosines that the model was fitted on; one outside counts as the nearer end.
    """

    base_rate: float
    cuts: tuple[tuple[float, float], ...]
    cosines: tuple[float, float]

    def log_odds(self, features: Mapping[str, float]) -> float:
        """Returns the log-odds of equivalence at `base_rate`.

        Raises:
            CorruptDataError: A feature that the weights name is missing.
        """
        try:
            return super().log_odds({name: features[name] for name in self.weights})
        except KeyError as error:
            msg = f"the weights of the verifier name a feature that the code does not compute: {error}"
            raise CorruptDataError(msg) from error

    def cut(self, max_error: float) -> float:
        """Returns the least probability of a hit, interpolated between the measured cuts."""
        errors = [error for error, _ in self.cuts]
        if max_error <= errors[0]:
            return 1 - (1 - self.cuts[0][1]) * max_error / errors[0]
        for (low, high_cut), (high, low_cut) in zip(self.cuts, self.cuts[1:], strict=False):
            if max_error <= high:
                return high_cut + (low_cut - high_cut) * (max_error - low) / (high - low)
        return self.cuts[-1][1]


def parse_weights(text: str) -> EquivalenceModel:
    """Parses the text of a weights file.

    Raises:
        CorruptDataError: The text is not such a file.
    """
    try:
        data = json.loads(text)
        cuts = tuple((float(error), float(least)) for error, least in data["cuts"])
        weights = {str(name): float(weight) for name, weight in data["weights"].items()}
        low, high = data["cosines"]
        return EquivalenceModel(float(data["bias"]), weights, float(data["base_rate"]), cuts, (float(low), float(high)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        msg = f"the weights of the verifier are damaged ({error}): install the package again"
        raise CorruptDataError(msg) from error


@cache
def shipped() -> EquivalenceModel:
    """Loads the weights of the package, once per process."""
    return parse_weights(resources.files(__package__).joinpath("weights.json").read_text("utf-8"))
