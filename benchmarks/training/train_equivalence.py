"""Fits the weights of the semantic cache's verifier.

python -m benchmarks.training.train_equivalence --data DIR --out FILE [--seed 7]

Only data whose licence allows it is fitted: PAWS, the GPTCache mock data, banking77 (different intents as hard
negatives; one intent, a cosine above 0.88 and no veto as positives with some noise), CAsT rewrites (other questions
as hard negatives) and pairs made by `equivalence_pairs`. Quora and SICK are never fitted. Half of PAWS and of the
GPTCache data is kept out, as a test part (see `is_test`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.training import equivalence_pairs
from langchain_redis_memory.language.equivalence.compare import compare
from langchain_redis_memory.language.equivalence.parse import parse
from langchain_redis_memory.language.equivalence.weights import COSINE_CAP
from langchain_redis_memory.vectors.minilm import MiniLMEmbeddings


class Pair(NamedTuple):
    """Two texts, whether one answer serves both, and the set that they are of."""

    a: str
    b: str
    same: int
    source: str


WEIGHTS = {
    "paws": 2.0, "gptcache": 1.0, "gptcache-near": 0.3, "banking": 0.6, "banking-same": 0.4, "cast": 0.6,
    "made": 0.8, "frames": 0.4,
}  # fmt: skip
"""How much each set weighs as a whole, whatever its size."""
HELPS = ("cosine", "plain", "neighbours", "covered", "synonym", "derived")
HARMS = (
    "alone_share alone_less one_sided restricted sister opposite inverted inverted_any exchanged "
    "reordered question names_one literals told_inverted told_changed told_alone number_order voice_kept "
    "time_one scope_one degree_one person_both modal_both "
).split()
BASE_RATE = 0.3
"""The share of equivalent ones among near neighbours without a veto; the calibration assumes it."""
MADE_SHARE = 0.1
"""The share of adversarial changes among the neighbours that are not equivalent, in the calibration."""
ERRORS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3)


def is_test(a: str, b: str) -> bool:
    """Whether a pair is of the test half: never fitted, only reported."""
    return hashlib.sha256("\0".join(sorted((a, b))).encode()).digest()[0] % 2 == 0


def question_pairs(data: Path) -> list[Pair]:
    """The pairs of `question_pairs.jsonl`."""
    rows = map(json.loads, (data / "question_pairs.jsonl").open(encoding="utf-8"))
    return [Pair(row["a"], row["b"], int(row["same"]), row["source"]) for row in rows]


def vectors_of(texts: list[str], cached: Path | None = None) -> dict[str, np.ndarray]:
    """MiniLM vectors by text, kept in a file between runs."""
    known: dict[str, np.ndarray] = {}
    if cached and cached.exists():
        with np.load(cached, allow_pickle=True) as file:
            known = dict(zip(file["texts"], file["v"], strict=True))
    missing = sorted(set(texts) - set(known))
    if missing:
        print(f"embedding {len(missing)} texts", flush=True)
        known |= dict(zip(missing, MiniLMEmbeddings().vectors(missing).astype(np.float16), strict=True))
        if cached:
            np.savez(cached, texts=np.array(list(known), dtype=object), v=np.stack(list(known.values())))
    return known


def nearest(
    groups: list[str], texts: list[str], vectors: dict[str, np.ndarray], least: float, each: int
) -> list[tuple[str, str]]:
    """Near neighbours of another group."""
    matrix = np.stack([vectors[text] for text in texts]).astype(np.float32)
    numbers = {name: at for at, name in enumerate(dict.fromkeys(groups))}
    group = np.array([numbers[name] for name in groups])
    found: set[tuple[str, str]] = set()
    for at in range(len(texts)):
        close = matrix @ matrix[at]
        close[group == group[at]] = -1
        for other in np.argsort(-close)[:each]:
            if close[other] >= least and texts[other].lower() != texts[at].lower():
                one, two = sorted((texts[at], texts[int(other)]))
                found.add((one, two))
    return sorted(found)


def training_pairs(data: Path, seed: int, cached: Path | None) -> list[Pair]:
    """All pairs that are fitted."""
    chance = random.Random(seed)
    asked = question_pairs(data)
    paws = [pair for pair in asked if pair.source == "paws" and not is_test(pair.a, pair.b)]
    mock = [pair for pair in asked if pair.source == "gptcache-mock" and not is_test(pair.a, pair.b)]
    found = list(paws) + [pair._replace(source="gptcache") for pair in mock]

    banking = [json.loads(line) for line in (data / "banking77_train.jsonl").open(encoding="utf-8")]
    turns = [json.loads(line) for line in (data / "conversation_turns.jsonl").open(encoding="utf-8")]
    cast = sorted({row["rewrite"].strip() for row in turns if row["source"].startswith("cast")})
    vectors = vectors_of([row["text"] for row in banking] + cast + [pair.a for pair in mock], cached)
    near = nearest([row["category"] for row in banking], [row["text"] for row in banking], vectors, 0.6, 2)
    found += [Pair(a, b, 0, "banking") for a, b in chance.sample(near, min(5000, len(near)))]
    by_intent: dict[str, list[str]] = defaultdict(list)
    for row in banking:
        by_intent[row["category"]].append(row["text"])
    for texts in by_intent.values():
        close = _close(texts, vectors, 0.88)
        found += [Pair(a, b, 1, "banking-same") for a, b in chance.sample(close, min(60, len(close)))]
    near = nearest(cast, cast, vectors, 0.55, 4)
    found += [Pair(a, b, 0, "cast") for a, b in near if _differs(a, b)]
    statements = sorted({pair.a for pair in mock})
    near = nearest(statements, statements, vectors, 0.6, 2)
    found += [
        Pair(a, b, 0, "gptcache-near")
        for a, b in near
        if _differs(a, b) and vectors[a].astype(float) @ vectors[b] < 0.9
    ]

    real = [
        *cast,
        *chance.sample([row["text"] for row in banking], 1500),
        *chance.sample(statements, min(200, len(statements))),
    ]
    real += [pair.a.replace(" ,", ",").replace(" .", ".") for pair in chance.sample(paws, min(250, len(paws)))]
    found += [Pair(*pair, "made") for pair in equivalence_pairs.pairs(real, chance)]
    found += [
        Pair(*pair, "frames") for pair in equivalence_pairs.pairs(list(equivalence_pairs.frames(chance, 15)), chance)
    ]
    return found


def _close(texts: list[str], vectors: dict[str, np.ndarray], least: float) -> list[tuple[str, str]]:
    """Pairs of one intent that are so near that most ask the same: positives with some noise, of people's own words."""
    matrix = np.stack([vectors[text] for text in texts]).astype(np.float32)
    rows, columns = np.where(np.triu(matrix @ matrix.T, 1) > least)
    return [(texts[a], texts[b]) for a, b in zip(rows, columns, strict=True) if texts[a].lower() != texts[b].lower()]


def _differs(a: str, b: str) -> bool:
    """Whether two neighbours differ in a content word: mere variants of one question are not taken for different."""
    one, two = {word.lemma for word in parse(a).words}, {word.lemma for word in parse(b).words}
    return bool(one - two) and bool(two - one)


def rows_of(pairs: list[Pair], vectors: dict[str, np.ndarray]) -> list[dict[str, float]]:
    """The features of pairs, with the number of vetoes."""
    found = []
    for pair in pairs:
        cosine = float(vectors[pair.a].astype(np.float32) @ vectors[pair.b].astype(np.float32))
        difference = compare(parse(pair.a), parse(pair.b))
        found.append(
            {**difference.features, "vetoes": float(len(difference.vetoes)), "cosine": min(cosine, COSINE_CAP)}
        )
    return found


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(z, -30, 30)))


def fit(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, sign: np.ndarray, l2: float = 1e-3, steps: int = 800
) -> tuple[np.ndarray, float]:
    """Logistic regression with bounds on the signs, by projected Adam on standardised columns.

    Args:
        x: Features, one row a pair.
        y: 1 for equivalent.
        weight: The weight of each pair.
        sign: +1 for a weight that may not be negative, -1 for one that may not be positive.
        l2: The penalty on standardised weights.
        steps: Full-batch steps.

    Returns:
        Weights and intercept for raw features.
    """
    mean, deviation = x.mean(0), np.maximum(x.std(0), 0.1)
    z = (x - mean) / deviation
    w, b, weight = sign * 0.05, 0.0, weight / weight.sum()
    first, second = np.zeros(len(w) + 1), np.zeros(len(w) + 1)
    for step in range(1, steps + 1):
        off = weight * (sigmoid(z @ w + b) - y)
        slope = np.append(z.T @ off + l2 * w, off.sum())
        first, second = 0.9 * first + 0.1 * slope, 0.99 * second + 0.01 * slope**2
        rate = 0.02 * 0.5 * (1 + np.cos(np.pi * step / steps))
        move = rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-9)
        w, b = sign * np.maximum(sign * (w - move[:-1]), 0), b - move[-1]
    return w / deviation, float(b - (w / deviation) @ mean)


def calibrate(z: np.ndarray, y: np.ndarray, made: np.ndarray) -> tuple[float, float, list[tuple[float, float]]]:
    """Scale and shift of log-odds on held-out pairs at `BASE_RATE`, and the cut for each tolerated wrong share."""
    kinds = (y == 1, (y == 0) & made, (y == 0) & ~made)
    shares = (BASE_RATE, (1 - BASE_RATE) * MADE_SHARE, (1 - BASE_RATE) * (1 - MADE_SHARE))
    weight = sum(kind * share / max(kind.sum(), 1) for kind, share in zip(kinds, shares, strict=True))
    scale, shift = 1.0, 0.0
    for _ in range(50):
        p = sigmoid(scale * z + shift)
        gradient = np.array([(weight * (p - y) * z).sum(), (weight * (p - y)).sum()])
        curve = weight * p * (1 - p)
        hessian = np.array([[(curve * z * z).sum(), (curve * z).sum()], [(curve * z).sum(), curve.sum()]])
        scale, shift = np.array([scale, shift]) - np.linalg.solve(hessian + 1e-9 * np.eye(2), gradient)
    p = sigmoid(scale * z + shift)
    order = np.argsort(-p)
    expected = np.cumsum((weight * (1 - p))[order]) / np.cumsum(weight[order])
    measured = np.cumsum((weight * (1 - y))[order]) / np.cumsum(weight[order])
    worse = np.maximum(expected, measured)
    cuts = []
    for error in ERRORS:
        allowed = np.where(worse <= error)[0]
        allowed = allowed[allowed >= 20]
        cuts.append((error, round(float(p[order][allowed[-1]] if len(allowed) else p.max()), 5)))
    return float(scale), float(shift), cuts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--vectors", type=Path, help="a file that keeps the vectors between runs")
    given = parser.parse_args()

    pairs = training_pairs(given.data, given.seed, given.vectors)
    vectors = vectors_of([text for pair in pairs for text in pair[:2]], given.vectors)
    rows = rows_of(pairs, vectors)
    kept = [at for at, row in enumerate(rows) if not row["vetoes"]]  # a veto needs no probability
    pairs, rows = [pairs[at] for at in kept], [rows[at] for at in kept]
    names = [*HELPS, *HARMS]
    x = np.array([[row[name] for name in names] for row in rows])
    y = np.array([pair.same for pair in pairs])
    source = np.array([pair.source for pair in pairs])
    held = np.array([is_test(pair.a, pair.b) for pair in pairs]) & np.isin(
        source, ["made", "frames", "banking", "cast"]
    )
    weight = np.zeros(len(y))
    for name, share in WEIGHTS.items():
        weight[(source == name) & ~held] = share / max(((source == name) & ~held).sum(), 1)
    sign = np.array([1.0] * len(HELPS) + [-1.0] * len(HARMS))
    w, bias = fit(x[~held], y[~held], weight[~held], sign)
    scale, shift, cuts = calibrate(x[held] @ w + bias, y[held], np.isin(source[held], ["made", "frames"]))
    weights = {name: round(float(scale * one), 5) for name, one in zip(names, w, strict=True) if abs(one) > 1e-4}
    ends = [round(float(value), 3) for value in (np.quantile(x[:, 0], 0.005), COSINE_CAP)]
    result = {
        "about": "Fitted by benchmarks/training/train_equivalence.py on PAWS (Google), GPTCache mock data (MIT), "
        "banking77 (PolyAI, CC BY 4.0), TREC CAsT (MIT) and generated pairs.",
        "weights": weights, "bias": round(scale * bias + shift, 5), "base_rate": BASE_RATE,
        "cuts": cuts, "cosines": ends,
    }  # fmt: skip
    given.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
