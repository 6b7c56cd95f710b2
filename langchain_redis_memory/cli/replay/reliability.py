"""How sure a log makes one of a share of wrong serves: none of ten shows far less than none of a thousand."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, lgamma, log
from typing import Any

CONFIDENCE = 0.95


def most_expected(wrong: int) -> float:
    """Finds how many wrong serves may have to be expected where some were seen: the Poisson law's upper limit.

    Returns the greatest expectation under which so few would still be seen in one of twenty logs: 3 for none (the rule
    of three), 4.7 for one.
    """
    low, high = float(wrong), 2.0 * wrong + 10
    for _ in range(60):
        middle = (low + high) / 2
        so_few = sum(exp(times * log(middle) - middle - lgamma(times + 1)) for times in range(wrong + 1))
        low, high = (middle, high) if so_few > 1 - CONFIDENCE else (low, middle)
    return high


@dataclass(frozen=True)
class Reliability:
    """What a cache claims of its serves, and what a log shows.

    Args:
        claimed: The share of wrong serves that it was told to keep to; None where it cannot be told.
        served: How many serves could be judged.
        wrong: How many of them were wrong.
    """

    claimed: float | None
    served: int
    wrong: int

    @property
    def achieved(self) -> float | None:
        """The share of wrong serves in this log; None where there was no serve."""
        return self.wrong / self.served if self.served else None

    @property
    def at_most(self) -> float | None:
        """The share of wrong serves that is not exceeded with 95 % confidence; None where there was no serve."""
        return min(1.0, most_expected(self.wrong) / self.served) if self.served else None

    @property
    def needed(self) -> int | None:
        """How many serves, with no more wrong ones than these, would bear out what is claimed."""
        return None if self.claimed is None else ceil(most_expected(self.wrong) / self.claimed)

    @property
    def shown(self) -> bool:
        """Whether the log bears out what is claimed."""
        return self.claimed is not None and self.at_most is not None and self.at_most <= self.claimed

    @property
    def verdict(self) -> str:
        """What the log says of the claim, in a few words; "" where nothing is claimed."""
        if self.claimed is None:
            return ""
        if self.shown:
            return "borne out by this log"
        if self.achieved is not None and self.achieved > self.claimed:
            return "more were wrong than claimed"
        return f"too few serves to tell: {self.needed} needed"

    def as_dict(self) -> dict[str, Any]:
        """Returns all fields as plain data."""
        return {
            "claimed": self.claimed,
            "judged_serves": self.served,
            "wrong": self.wrong,
            "achieved": self.achieved,
            "at_most": self.at_most,
            "confidence": CONFIDENCE,
            "needed_serves": self.needed,
            "verdict": self.verdict,
        }
