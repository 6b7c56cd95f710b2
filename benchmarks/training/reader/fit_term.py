"""Fits how much the reader counts beside the signs of the verifier, on pairs that neither was trained on.

    python -m benchmarks.training.reader.fit_term --examples examples.jsonl --out FILE [--vectors FILE]

Three numbers are fitted: what the log-odds of the signs count, what those of the reader count, and the intercept. The
written file is the verifier's weights scaled so, with one for `scored` and cuts of its own. Run it again whenever the
verifier's weights or the reader change.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.training.train_equivalence import (
    BASE_RATE,
    ERRORS,
    at_base_rate,
    least_odds,
    scaled,
    sigmoid,
    vectors_of,
)
from langchain_redis_memory.language.equivalence.compare import compare
from langchain_redis_memory.language.equivalence.pair_scorer import SCORED, scored_odds
from langchain_redis_memory.language.equivalence.parse import parse
from langchain_redis_memory.language.equivalence.weights import COSINE_CAP, shipped
from langchain_redis_memory.language.reader.local_reader import LocalReader

WEIGHTS = {
    "clusters": 1.0,
    "made": 0.5,
    "frames": 0.2,
    "banking": 0.3,
    "banking-same": 0.3,
    "paws": 0.5,
    "gptcache": 0.2,
}
"""What each source counts as a whole."""
FAMILIES = (("clusters",), ("paws",), ("banking", "banking-same"), ("made", "frames"))
"""Each `max_error` is kept in each of these; the strictest cut counts."""
MOST = {"banking": 400, "banking-same": 300, "made": 700}
"""Most pairs of a source; all of the others."""
Array = npt.NDArray[np.float64]


def signs_of(pairs: list[tuple[str, str]], cached: Path | None) -> tuple[Array, npt.NDArray[np.bool_], Array]:
    """The signs' log-odds of pairs, whether a veto forbids them, and their cosine."""
    vectors = vectors_of([text for pair in pairs for text in pair], cached)
    model = shipped()
    log_odds, vetoed, cosines = np.zeros(len(pairs)), np.zeros(len(pairs), bool), np.zeros(len(pairs))
    for at, (a, b) in enumerate(pairs):
        difference = compare(parse(min(a, b)), parse(max(a, b)))
        cosines[at] = vectors[a].astype("f4") @ vectors[b].astype("f4")
        cosine = max(min(float(cosines[at]), COSINE_CAP), model.cosines[0])
        log_odds[at] = model.log_odds({**difference.features, SCORED: 0.0, "cosine": cosine})
        vetoed[at] = bool(difference.vetoes)
    return log_odds, vetoed, cosines


def fit(x: Array, y: Array, weight: Array) -> Array:
    """Logistic regression by Newton's method: the coefficients, the intercept last."""
    x = np.hstack([x, np.ones((len(x), 1))])
    found = np.array([0.7, 0.3, 0.0])
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(x @ found, -30, 30)))
        slope = x.T @ (weight * (p - y)) + 1e-3 * found
        curve = (x * (weight * p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(3)
        found -= np.linalg.solve(curve, slope)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, help="a file that keeps the vectors between runs")
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.examples.open(encoding="utf-8")]
    chance = random.Random(3)
    kept: list[dict[str, Any]] = []
    for source in WEIGHTS:
        part = [row for row in rows if row["head"] == "same" and row["held"] and row["from"] == source]
        kept += chance.sample(part, min(len(part), MOST.get(source, len(part))))
    pairs = [(row["a"], row["b"]) for row in kept]
    signs, vetoed, _ = signs_of(pairs, given.vectors)
    read = np.array([scored_odds(share) for share in LocalReader(threads=2).score(pairs)])
    y = np.array([float(row["y"] > 0.5) for row in kept])
    origin = np.array([row["from"] for row in kept])
    weight = np.zeros(len(kept))
    for name, share in WEIGHTS.items():
        for label in (0.0, 1.0):
            cell = (origin == name) & ~vetoed & (y == label)
            weight[cell] = 1000 * share / max(cell.sum(), 1)
    there = ~vetoed
    x = np.stack([signs, read], 1)
    of_signs, of_read, intercept = fit(x[there], y[there], weight[there])
    print(f"signs {of_signs:.3f}, reader {of_read:.3f}, intercept {intercept:.3f}, of {there.sum()} pairs")
    joint = x[there] @ np.array([of_signs, of_read]) + intercept
    families = [np.isin(origin[there], sources) for sources in FAMILIES]
    even = np.zeros(len(joint))
    for members in families:
        even[members] = at_base_rate(y[there][members])
    scale, shift = scaled(joint, y[there], even)
    cuts = []
    for error in ERRORS:
        needed = [least_odds(scale * joint[at] + shift, y[there][at], error) for at in families]
        print(error, [round(float(sigmoid(np.array(least))), 4) for least in needed])
        cuts.append((error, round(float(sigmoid(np.array(max(needed)))), 5)))
    model = shipped()
    weights = {name: round(scale * of_signs * value, 5) for name, value in model.weights.items()}
    weights[SCORED] = round(scale * of_read, 5)
    bias = scale * (of_signs * model.bias + intercept) + shift
    written = {
        "about": "Fitted by benchmarks/training/reader/fit_term.py: the verifier's weights and the reader as a term.",
        "weights": weights, "bias": round(bias, 5), "base_rate": BASE_RATE,
        "cuts": cuts, "cosines": list(model.cosines),
    }  # fmt: skip
    given.out.write_text(json.dumps(written, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
