"""Fits the weights by which two conversations are found to need the same answer.

python -m benchmarks.training.train_need --data DIR --out FILE [--vectors FILE] [--reader]

Fitted on the domains `needs.DEV` (this project's, CC0) and on the training half of PAWS, which knows word order. A
scene gives more pairs than its six kinds: the reworded conversation against every trap, a reworded question behind the
same history and the other way round, other scenes of its domain, and last questions by themselves where they stand
alone. The cuts come from scores out of fold, a domain left out each time, at the base rate of 0.3: one for questions
that are compared together with what was said before, one for those that stand alone within their conversation.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from langchain_core.messages import BaseMessage

from benchmarks.quality.needs import DEV, MISS, need_pairs
from benchmarks.training.train_equivalence import (
    ERRORS,
    at_base_rate,
    fit,
    is_test,
    least_odds,
    question_pairs,
    scaled,
    sigmoid,
    vectors_of,
)
from langchain_redis_memory.language.classify.standalone import leaning
from langchain_redis_memory.language.equivalence.pair_scorer import SCORED, scored_odds
from langchain_redis_memory.language.equivalence.weights import COSINE_CAP
from langchain_redis_memory.language.need.compare import compare_needs
from langchain_redis_memory.language.need.need import Need, need_of
from langchain_redis_memory.language.reader.local_reader import LocalReader

HELPS = ("cosine", "question_plain", "question_covered", "numbers_same", "against", SCORED)
WEIGHTS = {
    "reworded": 3.0, "question reworded": 1.0, "history reworded": 1.0, "irrelevant history": 0.3,
    "extra chatter": 0.3, "context swapped": 1.0, "detail swapped": 1.5, "intent flipped": 1.5,
    "reworded, context swapped": 1.0, "reworded, detail swapped": 1.0, "reworded, intent flipped": 1.0,
    "other scene": 2.0, "alone": 3.0, "paws": 1.0,
}  # fmt: skip
"""How much each kind weighs as a whole, whatever its size."""
FAMILIES = {
    "conversations": ("reworded", "question reworded", *MISS, *(f"reworded, {kind}" for kind in MISS)),
    "questions that stand alone": ("alone",),
}
BASE_RATE = 0.3
ALONE = 0.3
"""The probability of dependence below which a last question is also taken by itself."""


class Row(NamedTuple):
    """Two needs."""

    domain: str
    kind: str
    a: Need
    b: Need
    same: int


def rows(domains: tuple[str, ...]) -> Iterator[Row]:
    """All pairs of needs of some domains."""
    for domain in domains:
        scenes: dict[str, dict[str, tuple[BaseMessage, ...]]] = {}
        for pair in need_pairs([domain]):
            scenes.setdefault(str([said.content for said in pair.asked]), {"asked": pair.asked})[pair.kind] = pair.other
        found = list(scenes.values())
        for at, scene in enumerate(found):
            asked, reworded = scene["asked"], scene["reworded"]
            pairs = [(kind, asked, other, kind not in MISS) for kind, other in scene.items() if kind != "asked"]
            pairs += [(f"reworded, {kind}", reworded, scene[kind], False) for kind in MISS]
            pairs.append(("question reworded", asked, (*asked[:-1], reworded[-1]), True))
            pairs.append(("history reworded", asked, (*reworded[:-1], asked[-1]), True))
            others = [one["asked" if place < at else "reworded"] for place, one in enumerate(found) if place != at]
            pairs += [("other scene", asked, other, False) for other in others]
            for kind, one, two, same in pairs:
                a, b = need_of(one), need_of(two)
                assert a
                assert b
                yield Row(domain, kind, a, b, same)
                apart = kind.partition(", ")[0] in {"reworded", *MISS} and a.asked != b.asked
                if apart and max(leaning(a.asked), leaning(b.asked)) < ALONE:
                    yield Row(domain, "alone", Need(a.asked), Need(b.asked), same)


def features(
    found: list[Row], cached: Path | None, reader: LocalReader | None = None
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The names of the features, their values, and which rows have a veto; what a reader says of conversations."""
    vectors = vectors_of([need.gist for row in found for need in (row.a, row.b)], cached)
    compared = [compare_needs(row.a, row.b) for row in found]
    for row, difference in zip(found, compared, strict=True):
        one, two = (vectors[need.gist].astype(np.float32) for need in (row.a, row.b))
        difference.features["cosine"] = min(float(one @ two), COSINE_CAP)
    if reader is not None:
        pairs = [(min(row.a.words, row.b.words), max(row.a.words, row.b.words)) for row in found]
        for row, difference, share in zip(found, compared, reader.score(pairs), strict=True):
            difference.features[SCORED] = 0.0 if row.kind == "paws" else scored_odds(share)
    names = [name for name in compared[0].features if name != "leaning"]
    values = np.array([[one.features[name] for name in names] for one in compared])
    return names, values, np.array([bool(one.vetoes) for one in compared])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, help="a file that keeps the vectors between runs")
    parser.add_argument("--reader", action="store_true", help="with `LocalReader` as a term; for its need_weights.json")
    given = parser.parse_args()
    found = list(rows(DEV))
    for pair in question_pairs(given.data):
        if pair.source == "paws" and not is_test(pair.a, pair.b):
            found.append(Row("paws", "paws", Need(pair.a), Need(pair.b), pair.same))
    names, x, vetoed = features(found, given.vectors, LocalReader(threads=2) if given.reader else None)
    y = np.array([row.same for row in found]).astype(float)
    kind, domain = np.array([row.kind for row in found]), np.array([row.domain for row in found])
    weight = np.array([WEIGHTS[name] / ((kind == name) & ~vetoed).sum() for name in kind])
    sign = np.array([1.0 if name in HELPS else -1.0 for name in names])
    z = np.zeros(len(y))
    for one in DEV:
        others = (domain != one) & ~vetoed
        w, bias = fit(x[others], y[others], weight[others], sign, l2=3e-3)
        z[domain == one] = x[domain == one] @ w + bias
    families = {name: np.isin(kind, kinds) for name, kinds in FAMILIES.items()}
    even = np.zeros(len(y))
    for members in families.values():
        even[members & ~vetoed] = at_base_rate(y[members & ~vetoed])
    scale, shift = scaled(z, y, even)
    z[vetoed] = -1e3
    cuts: dict[str, list[tuple[float, float]]] = {name: [] for name in families}
    for error in ERRORS:
        for name, at in families.items():
            least = least_odds(scale * z[at] + shift, y[at], error)
            cuts[name].append((error, round(float(sigmoid(np.array(least))), 5)))
            hits = float((scale * z + shift >= least)[at & (y == 1)].mean())
            print(f"{error:<6} {name:28} cut {cuts[name][-1][1]:.4f} true hits {hits:.3f}")
    w, bias = fit(x[~vetoed], y[~vetoed], weight[~vetoed], sign, l2=3e-3)
    place = names.index("cosine")
    result = {
        "about": "Fitted by benchmarks/training/train_need.py on conversations of this project and on PAWS (Google).",
        "weights": {n: round(float(scale * one), 5) for n, one in zip(names, w, strict=True) if abs(one) > 1e-4},
        "bias": round(scale * bias + shift, 5), "base_rate": BASE_RATE,
        "cuts": cuts["conversations"], "cuts_alone": cuts["questions that stand alone"],
        "cosines": [round(float(end), 3) for end in (np.quantile(x[~vetoed, place], 0.005), COSINE_CAP)],
    }  # fmt: skip
    given.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(result["weights"])


if __name__ == "__main__":
    main()
