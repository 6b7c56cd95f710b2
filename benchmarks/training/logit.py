"""Logistic regression with a prior for each weight, and weights that may count one way only."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def fit(x: Array, y: Array, w: Array, prior: Array, signs_: Array, strength: float | Array) -> Array:
    """Weights of a logistic regression, the last one the bias: damped Newton, with weights that got a wrong sign at 0.

    Args:
        x: Features, (cases, features).
        y: 0 or 1.
        w: What each case counts.
        prior: The expected weights.
        signs_: 1 for a weight that must not be negative, -1 for one that must not be positive, 0 for any.
        strength: Of the prior, in cases; of each weight, or of all.
    """
    z = np.c_[x, np.ones(len(x))]
    prior, signs_ = np.append(prior, 0.0), np.append(signs_, 0.0)
    pull = np.append(np.broadcast_to(strength, x.shape[1]), 1e-6)
    b, free = prior.copy(), np.ones(len(prior), bool)

    def loss(v: Array) -> float:
        scores = z @ v
        return float((w * (np.logaddexp(0, scores) - y * scores)).sum() + 0.5 * (pull * (v - prior) ** 2).sum())

    while True:
        for _ in range(60):
            p = 1 / (1 + np.exp(-np.clip(z @ b, -30, 30)))
            gradient = (z.T @ (w * (p - y)) + pull * (b - prior))[free]
            curvature = (z[:, free] * (w * p * (1 - p))[:, None]).T @ z[:, free] + np.diag(pull[free] + 1e-6)
            step, size, before = np.linalg.solve(curvature, gradient), 1.0, loss(b)
            while size > 1e-4:
                tried = b.copy()
                tried[free] -= size * step
                if loss(tried) <= before:
                    break
                size /= 2
            b = tried
            if np.abs(size * step).max() < 1e-6:
                break
        wrong = free & (b * signs_ < 0)
        if not wrong.any():
            return b
        b[wrong], free = 0.0, free & ~wrong


def fit_sparse(
    rows: Sequence[Sequence[int]], y: Array, w: Array, prior: Array, signs_: Array, pull: Array, rounds: int = 150
) -> Array:
    """Weights of a logistic regression over thousands of features that are 0 or 1, the last one the bias: L-BFGS.

    Args:
        rows: The features that each case has.
        y: 0 or 1.
        w: What each case counts.
        prior: The expected weights.
        signs_: 1 for a weight that must not be negative, 0 for any.
        pull: How strongly each weight is pulled to its prior, in cases.
        rounds: Of the search, at most.
    """
    width = len(prior)
    lengths = [len(row) + 1 for row in rows]
    index = np.fromiter((place for row in rows for place in (*row, width)), np.int64, sum(lengths))
    starts, owner = np.cumsum([0, *lengths[:-1]]), np.repeat(np.arange(len(rows)), lengths)
    prior, signs_, pull = np.append(prior, 0.0), np.append(signs_, 0.0), np.append(pull, 1e-3)
    free, b = np.ones(width + 1, bool), prior.copy()

    def at(v: Array) -> tuple[float, Array]:
        found = np.add.reduceat(v[index], starts)
        loss = float((w * (np.logaddexp(0, found) - y * found)).sum() + 0.5 * (pull * (v - prior) ** 2).sum())
        error = w * (1 / (1 + np.exp(-np.clip(found, -30, 30))) - y)
        return loss, (np.bincount(index, error[owner], width + 1) + pull * (v - prior)) * free

    while True:
        loss, gradient = at(b)
        steps: deque[tuple[Array, Array]] = deque(maxlen=12)
        for _ in range(rounds):
            step = _direction(gradient, steps)
            size = 1.0 if steps else 1 / max(1.0, float(np.abs(gradient).sum()))
            tried, slope = at(b - size * step), float(gradient @ step)
            while tried[0] > loss - 1e-4 * size * slope and size > 1e-8:
                size /= 2
                tried = at(b - size * step)
            if loss - tried[0] < 1e-5:
                break
            if -size * step @ (tried[1] - gradient) > 1e-10:
                steps.append((-size * step, tried[1] - gradient))
            b, (loss, gradient) = b - size * step, tried
        wrong = free & (b * signs_ < 0)
        if not wrong.any():
            return b
        b[wrong], free = 0.0, free & ~wrong


def _direction(gradient: Array, steps: deque[tuple[Array, Array]]) -> Array:
    """The gradient times what the last steps tell of the inverse curvature."""
    found, taken = gradient.copy(), []
    for move, change in reversed(steps):
        share = float(move @ found) / float(move @ change)
        found -= share * change
        taken.append(share)
    if steps:
        move, change = steps[-1]
        found *= float(move @ change) / float(change @ change)
    for (move, change), share in zip(steps, reversed(taken), strict=True):
        found += (share - float(change @ found) / float(move @ change)) * move
    return found


def scores(b: Array, x: Array) -> Array:
    """The log-odds of cases."""
    return np.asarray(x @ b[:-1] + b[-1])


def model(names: Sequence[str], b: Array, bounds: dict[str, float] | None = None) -> dict[str, Any]:
    """A model as it is written."""
    kept = {name: round(float(value), 4) for name, value in zip(names, b, strict=False) if abs(value) > 5e-5}
    return {"bias": round(float(b[-1]), 4), "weights": kept, **({"thresholds": bounds} if bounds else {})}
