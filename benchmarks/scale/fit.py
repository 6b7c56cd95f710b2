"""How a cost grows with a size: the exponent of a power of it, and whether that is what was stated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, log
from typing import Literal

Stated = Literal["O(1)", "O(log n)", "graph", "O(n)"]
"""How a cost is stated to grow; "graph" is what walks a graph of vectors: a logarithm only where it is large."""
BELOW_LINEAR = 0.8
"""The largest exponent of what walks a graph of vectors. Its search looks at the neighbours of a fixed number of
candidates: some thousand vectors, so up to a few times that it meets a growing share of all, and its exponent lies
anywhere between that of a logarithm and 1, which is a scan's. The bound tells it from a scan and promises no more."""
Costs = Mapping[str, float]
"""What one call costs: round trips, the server's commands, bytes, time of both processors in bare GETs, wall time."""

COUNTED = ("trips", "commands", "bytes")
TIMED = ("server", "client")
"""The costs whose growth is judged; the wall time of a busy machine is only shown."""
NOISE, JITTER = 2.5, 1.5
"""A time that grows less than the first, in all, may be noise; a count less than the second: which calls share a trip
is a matter of chance."""


def slope(points: Mapping[float, float]) -> float:
    """The slope of the line through the logarithms of sizes and costs, by least squares.

    Args:
        points: Size -> cost, all positive.

    Returns:
        The exponent: 0 for what does not grow, 1 for what grows with the size; 0 for fewer than two points.
    """
    if len(points) < 2:
        return 0.0
    pairs = [(log(size), log(cost)) for size, cost in points.items()]
    x, y = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    return sum((a - x) * (b - y) for a, b in pairs) / sum((a - x) ** 2 for a, _ in pairs)


def exponent(points: Mapping[float, float]) -> float:
    """The exponent of a growth, over all sizes or at the end of them, whichever is larger.

    A constant part hides growth where the size is small, so the last decade counts by itself as well.

    Args:
        points: Size -> cost.

    Returns:
        The exponent.
    """
    known = {size: max(cost, 1e-9) for size, cost in points.items()}
    last = {size: cost for size, cost in known.items() if size * 10.01 >= max(known)}
    return max(slope(known), slope(last))


@dataclass(frozen=True)
class Growth:
    """What one operation costs at each size.

    Args:
        axis: What grows.
        operation: The operation.
        stated: How its cost is stated to grow.
        costs: Size -> its costs.
        most: The largest exponent of what is stated not to grow with the size.
    """

    axis: str
    operation: str
    stated: Stated
    costs: dict[int, Costs]
    most: float = 0.25

    @property
    def exponents(self) -> dict[str, float]:
        """The exponent of each cost that counts."""
        return {
            what: exponent({size: costs[what] for size, costs in self.costs.items()})
            for what in (*COUNTED, *TIMED)
            if all(what in costs for costs in self.costs.values())
        }

    @property
    def broken(self) -> list[str]:
        """The costs that grow although it is stated that they do not."""
        most = {"graph": BELOW_LINEAR, "O(n)": inf}.get(self.stated, self.most)
        found = [what for what, power in self.exponents.items() if power > most]
        return [what for what in found if self._times(what) > (JITTER if what in COUNTED else NOISE)]

    def again(self, costs: Costs) -> None:
        """Keeps the better of two measurements at the largest size: other work may have hit the first."""
        largest = max(self.costs)
        self.costs[largest] = {what: min(cost, costs[what]) for what, cost in self.costs[largest].items()}

    def _times(self, what: str) -> float:
        """How many times the smallest of its costs the last is."""
        costs = [costs[what] for _, costs in sorted(self.costs.items())]
        return costs[-1] / max(min(costs), 1e-9)
