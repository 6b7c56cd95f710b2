"""The classifiers' logistic weights and the thresholds that `max_unsafe` stands for.

`benchmarks/training/train_classifier.py` writes `weights.json`. The probabilities are calibrated at even odds of
dependent and self-contained turns. A threshold is the probability below which a turn may be called self-contained so
that at most a given share of dependent turns is: the quantile on the worst source of English conversations, each
judged by weights that were fitted without it, with a margin below 0.1 for a source that nobody has seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources

from langchain_redis_memory.checks import check_number
from langchain_redis_memory.language.logistic import LogisticModel


class DependenceModel(LogisticModel):
    """The log-odds that a turn depends on its conversation, with thresholds.

    Args:
        bias: See `LogisticModel`.
        weights: See `LogisticModel`.
        thresholds: Share of unsafe turns -> the probability below which a turn is self-contained.
    """

    thresholds: Mapping[float, float]

    def threshold(self, max_unsafe: float) -> float:
        """Returns the probability below which a turn is self-contained.

        Args:
            max_unsafe: The largest share of dependent turns that may be called self-contained.

        Returns:
            The threshold of the next smaller share that was measured; 0, which no turn is below, where there is none.

        Raises:
            InvalidInputError: The share is not between 0 and 1.
        """
        check_number(max_unsafe, "max_unsafe", without=(1,))
        return max((value for share, value in self.thresholds.items() if share <= max_unsafe), default=0.0)


@cache
def weights(name: str) -> DependenceModel:
    """Loads a model, once per process."""
    found = json.loads((resources.files(__package__) / "weights.json").read_text("utf-8"))[name]
    return DependenceModel(
        found["bias"], found["weights"], {float(share): value for share, value in found.get("thresholds", {}).items()}
    )
