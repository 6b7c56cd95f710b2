"""Calibrates the reader as a term beside the signs of the verifier, on pairs that neither was trained on.

    python -m benchmarks.training.reader.fit_term --examples examples.jsonl --out FILE [--vectors FILE]

The written file is the verifier's weights with one for `scored`, calibrated together, with cuts of its own. Run it
again whenever the verifier's weights or the reader change.
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

SOURCES = ("clusters", "banking", "banking-same", "paws")
SHARE = 0.5
"""What the reader's log-odds count beside those of the signs. Fitted on the held examples it would be 2.4: they have
the author and the makers of those that it was trained on, so it knows them better than what people ask."""
FAMILIES = (("clusters",), ("paws",), ("banking", "banking-same"))
"""Each `max_error` is kept in each of these; the strictest cut counts. Generated pairs are none, as for the signs."""
MOST = {"banking": 400, "banking-same": 300}
"""Most pairs of a source; all of the others."""
Array = npt.NDArray[np.float64]


def read_odds(pairs: list[tuple[str, str]], reader: LocalReader) -> Array:
    """What the reader says of pairs, as the verifier takes it: nothing of two statements."""
    found = np.array([scored_odds(share) for share in reader.score([(min(pair), max(pair)) for pair in pairs])])
    return np.where([parse(a).question == parse(b).question == "tell" for a, b in pairs], 0.0, found)


def signs_of(
    pairs: list[tuple[str, str]], cached: Path | None, read: Array | None = None
) -> tuple[Array, npt.NDArray[np.bool_], Array]:
    """The verifier's log-odds of pairs, whether a veto forbids them, and their cosine; with `read` as a term."""
    vectors = vectors_of([text for pair in pairs for text in pair], cached)
    model = shipped() if read is None else LocalReader().verifier_weights
    log_odds, vetoed, cosines = np.zeros(len(pairs)), np.zeros(len(pairs), bool), np.zeros(len(pairs))
    for at, (a, b) in enumerate(pairs):
        difference = compare(parse(min(a, b)), parse(max(a, b)))
        cosines[at] = vectors[a].astype("f4") @ vectors[b].astype("f4")
        cosine = max(min(float(cosines[at]), COSINE_CAP), model.cosines[0])
        log_odds[at] = model.log_odds(
            {**difference.features, SCORED: 0.0 if read is None else float(read[at]), "cosine": cosine}
        )
        vetoed[at] = bool(difference.vetoes)
    return log_odds, vetoed, cosines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, help="a file that keeps the vectors between runs")
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.examples.open(encoding="utf-8")]
    chance = random.Random(3)
    kept: list[dict[str, Any]] = []
    for source in SOURCES:
        part = [row for row in rows if row["head"] == "same" and row["from"] == source]
        part = [row for row in part if row["held"] or source == "paws"]  # statements, which are not read
        kept += chance.sample(part, min(len(part), MOST.get(source, len(part))))
    pairs = [(row["a"], row["b"]) for row in kept]
    signs, vetoed, _ = signs_of(pairs, given.vectors)
    read = read_odds(pairs, LocalReader(threads=2))
    y = np.array([float(row["y"] > 0.5) for row in kept])
    origin = np.array([row["from"] for row in kept])
    there = ~vetoed
    joint = signs[there] + SHARE * read[there]
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
    weights = {name: round(scale * value, 5) for name, value in model.weights.items()}
    weights[SCORED] = round(scale * SHARE, 5)
    bias = scale * model.bias + shift
    written = {
        "about": "Fitted by benchmarks/training/reader/fit_term.py: the verifier's weights and the reader as a term.",
        "weights": weights, "bias": round(bias, 5), "base_rate": BASE_RATE,
        "cuts": cuts, "cosines": list(model.cosines),
    }  # fmt: skip
    given.out.write_text(json.dumps(written, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
