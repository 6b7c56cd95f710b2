"""Per-entry feedback: learns from users' reports whether a similarity score may be served (after vCache, 2502.03771).

A score that was reported wrong raises the entry's bar above itself for as long as the report is kept. Reports of right
answers let a score below the verifier's cut be served, where the lower confidence bound of its correctness allows it.
The share of wrong answers from an entry is then at most delta, if reports are right and independent given the score
and correctness is logistic in it. Users who report only errors break independence: the bar errs to the strict side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from langchain_redis_memory.errors import CorruptDataError, InvalidInputError
from langchain_redis_memory.language.logistic import probability

MOST = 64
"""Observations of one entry that are kept: the most recent."""
LEAST = 6
"""Observations below which nothing is concluded from right ones."""
MARGIN = 1e-6
_PRIOR = ((0.0, 0.02), (0.0, 0.05))
"""Mean and precision of slope and intercept, for scores in standard units."""
_SCALE = 0.1
"""One standard unit of a score."""
_BOUND = 40.0
"""Largest log-odds that are told apart."""

Served = Literal["serve", "refuse", "undecided"]


@dataclass(frozen=True)
class EntryModel:
    """A logistic model of the correctness of one entry: log-odds `slope * u + intercept` of u = (s - center) / 0.1.

    Slope and intercept maximise the likelihood under a weak normal prior, without which separable observations have no
    maximum. With the Hessian H at the maximum the log-odds at x = (u, 1) have the variance x' H^-1 x, from which the
    lower confidence bound of correctness follows.
    """

    center: float
    slope: float
    intercept: float
    covariance: tuple[float, float, float]

    def log_odds(self, score: float) -> tuple[float, float]:
        """Returns the mean and the standard deviation of the log-odds at a score."""
        u = (score - self.center) / _SCALE
        a, b, c = self.covariance
        return self.slope * u + self.intercept, math.sqrt(max(a * u * u + 2 * b * u + c, 0.0))

    def least_correctness(self, score: float, doubt: float) -> float:
        """Bounds L(s) from below at confidence 1 - doubt: L_e(s)."""
        mean, deviation = self.log_odds(score)
        return probability(mean - NormalDist().inv_cdf(1 - doubt) * deviation, _BOUND)


def fit(observations: Sequence[tuple[float, bool]]) -> EntryModel:
    """Fits the model by Newton's method on two unknowns; the slope is never negative.

    Returns:
        The model; without observations the prior's.
    """
    center = sum(score for score, _ in observations) / len(observations) if observations else 0.0
    points = [((score - center) / _SCALE, float(right)) for score, right in observations]
    (slope, slope_precision), (intercept, precision) = _PRIOR
    a = b = c = 0.0
    for _ in range(30):
        a, b, c = slope_precision, 0.0, precision
        down, across = slope_precision * slope, precision * intercept
        for u, right in points:
            p = probability(slope * u + intercept, _BOUND)
            down += (p - right) * u
            across += p - right
            curve = max(p * (1 - p), 1e-9)
            a, b, c = a + curve * u * u, b + curve * u, c + curve
        determinant = a * c - b * b
        step = ((c * down - b * across) / determinant, (a * across - b * down) / determinant)
        longest = max(abs(step[0]), abs(step[1]), 1.0)
        new_slope = max(slope - 2 * step[0] / longest if longest > 2 else slope - step[0], 0.0)
        new_intercept = intercept - (2 * step[1] / longest if longest > 2 else step[1])
        done = abs(new_slope - slope) + abs(new_intercept - intercept) < 1e-8
        slope, intercept = new_slope, new_intercept
        if done:
            break
    determinant = a * c - b * b
    return EntryModel(center, slope, intercept, (c / determinant, -b / determinant, a / determinant))


@dataclass(frozen=True)
class Observations:
    """The reports on one entry's answers, bounded to the most recent 64.

    Args:
        reports: Pairs (score, right), oldest first. Scores lie in 0..1 and are of one kind: the verifier's probability
            or the cosine.
    """

    reports: tuple[tuple[float, bool], ...] = ()

    def __post_init__(self) -> None:
        if any(not 0 <= score <= 1 for score, _ in self.reports):
            raise InvalidInputError("a score lies between 0 and 1")
        if len(self.reports) > MOST:
            object.__setattr__(self, "reports", self.reports[-MOST:])

    def reported(self, score: float, right: bool) -> Observations:
        """Returns the observations with one more report.

        Returns:
            New observations; the oldest fall out.

        Raises:
            InvalidInputError: The score is not between 0 and 1.
        """
        return Observations((*self.reports, (float(score), bool(right))))

    @property
    def bar(self) -> float:
        """The score that a hit has to exceed: the highest that was wrong; -1 where none was."""
        return max((score for score, right in self.reports if not right), default=-1.0)

    def decide(self, score: float, delta: float, *, doubt: float = 0.05) -> Served:
        """Decides whether a score may be served, from the reports alone; deterministic.

        Args:
            score: The score of the candidate.
            delta: The tolerated chance of a wrong answer, between 0 and 1.
            doubt: One minus the confidence of the bound.

        Returns:
            `refuse` at or under the bar, `serve` where the lower bound of correctness is at least 1 - delta, else
            `undecided`: the verifier's cut decides.

        Raises:
            InvalidInputError: `delta` or `doubt` is not between 0 and 1.
        """
        _check(delta, doubt)
        if score <= self.bar + MARGIN:
            return "refuse"
        if len(self.reports) < LEAST or score < min(one for one, _ in self.reports):
            return "undecided"
        return "serve" if fit(self.reports).least_correctness(score, doubt) >= 1 - delta else "undecided"

    def may_serve(self, score: float, verified: bool, delta: float) -> bool:
        """Combines the verifier's decision with the reports.

        Args:
            score: The score of the candidate.
            verified: Whether the verifier calls it a hit. A vetoed candidate is not to be asked about here.
            delta: The tolerated chance of a wrong answer.
        """
        decided = self.decide(score, delta)
        return decided == "serve" or (verified and decided == "undecided")

    def encode(self) -> list[int]:
        """Encodes the reports as a list: ten-thousandths of the score, negative (and less one) for a wrong one."""
        return [round(score * 10_000) if right else -round(score * 10_000) - 1 for score, right in self.reports]

    @classmethod
    def decode(cls, values: Iterable[object]) -> Observations:
        """Decodes what `encode` returned.

        Returns:
            The observations, to 0.0001.

        Raises:
            CorruptDataError: It is no such list.
        """
        reports = []
        for value in values:
            if not isinstance(value, int) or isinstance(value, bool) or not -10_001 <= value <= 10_000:
                raise CorruptDataError("the reports of a cache entry are damaged; purge the entry")
            reports.append((value / 10_000, True) if value >= 0 else ((-value - 1) / 10_000, False))
        return cls(tuple(reports))


def _check(delta: float, doubt: float) -> None:
    if not (0 < delta < 1 and 0 < doubt < 1):
        raise InvalidInputError(f"delta and doubt are shares between 0 and 1, not {delta} and {doubt}")
