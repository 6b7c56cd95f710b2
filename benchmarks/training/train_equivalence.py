"""Fits the weights of the semantic cache's verifier.

python -m benchmarks.training.train_equivalence --data DIR --out FILE [--seed 7]

Only data whose licence allows it is fitted: PAWS, the GPTCache mock data, banking77 (different intents as hard
negatives; one intent, a cosine above 0.88 and no veto as positives with some noise), CAsT rewrites (other questions
as hard negatives), pairs made by `equivalence_pairs` and the domains of `written` that are not held out. Quora and
SICK are never fitted, nor do they move a cut. Half of PAWS and of the GPTCache data is kept out (see `is_test`).

The cuts come from scores out of fold, family by family, each at the base rate of 0.3: the cut of a `max_error` is the
one of the family that needs the strictest.
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
from benchmarks.training.written import written_pairs
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
    "made": 0.5, "frames": 0.3, "written": 2.0,
}  # fmt: skip
"""How much each set weighs as a whole, whatever its size."""
HELPS = ("cosine", "plain", "covered", "synonym", "derived", "fronted")
HARMS = (
    "alone_share alone_less one_sided sister inverted_any exchanged crossed replaced replaced_only governed "
    "wanted reordered question names_one names_both literals told_plain number_one owner subject "
    "negations time_one scope_one scope_both degree_one person_both modal_both"
).split()
BASE_RATE = 0.3
"""The share of equivalent ones among near neighbours without a veto; the calibration assumes it."""
FAMILIES = {
    "look-alikes, written": ("written",), "word order": ("paws",), "bank questions": ("banking", "banking-same"),
    "free paraphrases": ("gptcache", "gptcache-near"),
}  # fmt: skip
"""The families of pairs, by their sources, of which the worst decides a cut. Generated pairs are none: some of their
labels are wrong, since a changed sentence may mean the same, or nothing."""
FOLDS = 4
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
    found += [Pair(a, b, 0, "banking") for a, b in chance.sample(near, min(5000, len(near))) if _differs(a, b)]
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
        *chance.sample([row["text"] for row in banking], 300),
        *chance.sample(statements, min(100, len(statements))),
    ]
    real += [pair.a.replace(" ,", ",").replace(" .", ".") for pair in chance.sample(paws, min(100, len(paws)))]
    found += [Pair(*pair, "made") for pair in equivalence_pairs.pairs(real, chance)]
    found += [
        Pair(*pair, "frames") for pair in equivalence_pairs.pairs(list(equivalence_pairs.frames(chance, 3)), chance)
    ]
    found += [Pair(a, b, same, f"written:{domain}") for a, b, same, domain in written_pairs(held=False)]
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


def scaled(z: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Scale (not negative) and shift of log-odds by maximum likelihood, under a weak prior."""
    scale, shift = 1.0, 0.0
    weight = weight / weight.sum()
    for _ in range(50):
        p = sigmoid(scale * z + shift)
        gradient = np.array([(weight * (p - y) * z).sum() + 1e-3 * (scale - 1), (weight * (p - y)).sum()])
        curve = weight * p * (1 - p)
        hessian = np.array([[(curve * z * z).sum() + 1e-3, (curve * z).sum()], [(curve * z).sum(), curve.sum()]])
        step = np.linalg.solve(hessian + 1e-9 * np.eye(2), gradient)
        scale, shift = np.array([scale, shift]) - step / max(1.0, float(np.abs(step).max()))
    return max(float(scale), 0.05), float(shift)


def at_base_rate(y: np.ndarray) -> np.ndarray:
    """Weights under which a share `BASE_RATE` of the pairs is equivalent."""
    return np.where(y == 1, BASE_RATE / max(y.sum(), 1), (1 - BASE_RATE) / max((1 - y).sum(), 1))


def least_odds(z: np.ndarray, y: np.ndarray, error: float) -> float:
    """The calibrated log-odds from which on the wrong share of one family is at most a bound.

    Half a wrong pair is added to what is measured. Where the family is too small or too noisy to show so low a share,
    the odds of the lowest one that it does show are raised by as much as the bound is lower.
    """
    weight = at_base_rate(y)
    order = np.argsort(-z, kind="stable")
    half = weight[y == 0].max() / 2
    share = (np.cumsum((weight * (1 - y))[order]) + half) / (np.cumsum(weight[order]) + half)
    ends = np.append(np.diff(z[order]) != 0, True)
    share = np.where(ends, share, 1.0)
    allowed = np.where(share <= error)[0]
    if len(allowed):
        return float(z[order][allowed[-1]])
    best = int(np.argmin(share))
    return float(z[order][best] + np.log(share[best] / (1 - share[best])) - np.log(error / (1 - error)))


def fold_of(pair: Pair) -> int:
    """The fold of a pair: a domain that was written is in one fold as a whole."""
    key = pair.source if pair.source.startswith("written") else "\0".join(sorted(pair[:2])) + "fold"
    return hashlib.sha256(key.encode()).digest()[0] % FOLDS


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
    result = fitted(pairs, rows)
    given.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(json.dumps(result, indent=1))


def fitted(pairs: list[Pair], rows: list[dict[str, float]]) -> dict[str, object]:
    """Fits weights and cuts.

    Args:
        pairs: Pairs without a veto.
        rows: Their features.

    Returns:
        The content of the weights file.
    """
    names = [*HELPS, *HARMS]
    sign = np.array([1.0] * len(HELPS) + [-1.0] * len(HARMS))
    x = np.array([[row[name] for name in names] for row in rows])
    y = np.array([pair.same for pair in pairs])
    source = np.array([pair.source.partition(":")[0] for pair in pairs])
    fold = np.array([fold_of(pair) for pair in pairs])
    weight = np.zeros(len(y))
    for name, share in WEIGHTS.items():
        weight[source == name] = share / max((source == name).sum(), 1)
    z = np.zeros(len(y))
    for one in range(FOLDS):
        w, bias = fit(x[fold != one], y[fold != one], weight[fold != one], sign)
        z[fold == one] = x[fold == one] @ w + bias
    families = {name: np.isin(source, sources) for name, sources in FAMILIES.items()}
    even = np.zeros(len(y))
    for members in families.values():
        even[members] = at_base_rate(y[members])
    scale, shift = scaled(z, y, even)
    cuts = []
    for error in ERRORS:
        needed = {name: least_odds(scale * z[at] + shift, y[at], error) for name, at in families.items()}
        print(error, {name: round(float(sigmoid(np.array(least))), 4) for name, least in needed.items()})
        cuts.append((error, round(float(sigmoid(np.array(max(needed.values())))), 5)))
    w, bias = fit(x, y, weight, sign)
    return {
        "about": "Fitted by benchmarks/training/train_equivalence.py on PAWS (Google), GPTCache mock data (MIT), "
        "banking77 (PolyAI, CC BY 4.0), TREC CAsT (MIT), and on written and generated pairs.",
        "weights": {n: round(float(scale * one), 5) for n, one in zip(names, w, strict=True) if abs(one) > 1e-4},
        "bias": round(scale * bias + shift, 5), "base_rate": BASE_RATE, "cuts": cuts,
        "cosines": [round(float(end), 3) for end in (np.quantile(x[:, 0], 0.005), COSINE_CAP)],
    }  # fmt: skip


if __name__ == "__main__":
    main()
