"""What the local reader is worth: the verifier and the classifier with and without it, by source.

    python -m benchmarks.quality.reader_quality --data DIR [--vectors FILE] [--limit N]

Pairs: Quora, SICK, the self-made pairs and the written questions of the held domains are families that neither was
fitted on; of PAWS the test half. True hits at a wrong share, vetoes kept, no floor on the
cosine. Turns: CANARD and TREC CAsT 2020 were never trained on; what the reader counts was chosen on CAsT 2020. A figure
is the share of dependent turns called self-contained, where .5, .8, .9 of the self-contained ones (of the people's own
rewrites, of new topics) are found.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import numpy as np
from langchain_core.messages import AIMessage, HumanMessage

from benchmarks.quality.conversations import Case, cases, turns
from benchmarks.quality.semantic_quality import own_pairs, rate_at, shares
from benchmarks.training.reader.fit_term import signs_of
from benchmarks.training.train_equivalence import Pair, is_test, question_pairs
from benchmarks.training.written import written_pairs
from langchain_redis_memory.language.classify import LinguisticClassifier
from langchain_redis_memory.language.equivalence.pair_scorer import SCORED, scored_odds
from langchain_redis_memory.language.equivalence.weights import shipped
from langchain_redis_memory.language.reader.local_reader import LocalReader
from langchain_redis_memory.language.reader.reading_classifier import joint

SHARES = (0.02, 0.05, 0.08)


def families(data: Path, limit: int) -> list[Pair]:
    """The pairs, at most `limit` of a family."""
    found = [*own_pairs(), *(Pair(a, b, same, "written") for a, b, same, _ in written_pairs(held=True))]
    asked = [pair for pair in question_pairs(data) if is_test(pair.a, pair.b)]
    found += [pair for pair in asked if pair.source != "gptcache-mock"]  # all of these are equivalent
    chance, kept = random.Random(1), []
    for family in dict.fromkeys(pair.source for pair in found):
        part = [pair for pair in found if pair.source == family]
        kept += chance.sample(part, min(len(part), limit))
    return kept


def of_pairs(data: Path, cached: Path | None, limit: int) -> None:
    """Prints the table of pairs."""
    found = families(data, limit)
    signs, vetoed, cosine = signs_of([(pair.a, pair.b) for pair in found], cached)
    reader = LocalReader(threads=2)
    reader.score([("a", "b")])
    started = time.process_time()
    read = np.array([scored_odds(share) for share in reader.score([(pair.a, pair.b) for pair in found])])
    print(f"{1000 * (time.process_time() - started) / len(found):.2f} ms of CPU for a pair")
    with_, plain = reader.weights, shipped()
    scale = with_.weights["cosine"] / plain.weights["cosine"]
    joined = scale * (signs - plain.bias) + with_.bias + with_.weights[SCORED] * read
    scores = {"cosine": cosine, "reader alone": read}
    scores |= {
        "signs": np.where(vetoed, -100 + cosine, signs),
        "signs + reader": np.where(vetoed, -100 + cosine, joined),
    }
    print(f"{'true hits at wrong share':26}", *(f"{name:>22}" for name in scores))
    for family in dict.fromkeys(pair.source for pair in found):
        at = np.array([pair.source == family for pair in found])
        same = np.array([pair.same for pair in found])[at]
        row = [
            " / ".join(f"{rate_at(score[at], same, share, family == 'qqp'):.3f}" for share in SHARES)
            for score in scores.values()
        ]
        print(f"{family:14}{at.sum():6} pairs ", *(f"{cell:>22}" for cell in row))
        for error in (0.02, 0.05, 0.1):
            hits = [
                ~vetoed[at] & (1 / (1 + np.exp(-score[at])) >= model.cut(error))
                for score, model in ((signs, plain), (joined, with_))
            ]
            told = ["{:.3f}/{:.3f}".format(*shares(hit, same, family == "qqp")) for hit in hits]
            print(f"    max_error {error}: true hits / wrong share  signs {told[0]}  signs + reader {told[1]}")


def of_turns(data: Path, limit: int) -> None:
    """Prints the table of turns."""
    recorded = [turn for turn in turns(data) if turn["source"] in {"cast2020", "canard"}]
    found = list(cases(recorded))
    chance, kept = random.Random(1), list[Case]()
    for source in ("cast2020", "canard"):
        part = [case for case in found if case.source == source]
        kept += chance.sample(part, min(len(part), limit))
    first = LinguisticClassifier()
    signs = np.array([first.classify(case.turn, case.history).dependence or 0.0 for case in kept])
    reader = LocalReader(threads=2)
    reader.dependence([("a", [HumanMessage("b"), AIMessage("c")])])
    started = time.process_time()
    read = np.array(reader.dependence([(case.turn, case.history) for case in kept]))
    print(f"\n{1000 * (time.process_time() - started) / len(kept):.2f} ms of CPU for a turn")
    both = np.array([joint(a, b) for a, b in zip(signs, read, strict=True)])
    print("dependent turns called self-contained where a share of ... is found: signs / reader / both")
    for source in ("cast2020", "canard"):
        there = np.array([case.source == source for case in kept])
        dependent = there & np.array([case.dependent for case in kept])
        for kind in ("utterance", "rewrite", "splice"):
            alone = there & np.array([case.kind == kind and not case.dependent for case in kept])
            if alone.sum() < 5:
                continue
            for recall in (0.5, 0.8, 0.9):
                bounds = [np.quantile(score[alone], recall) for score in (signs, read, both)]
                unsafe = [
                    f"{(score[dependent] <= bound).mean():.3f}"
                    for score, bound in zip((signs, read, both), bounds, strict=True)
                ]
                print(f"{source:9} {recall} of {alone.sum():4} {kind:9} ({dependent.sum()} dependent)  {' / '.join(unsafe)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, help="a file that keeps the vectors between runs")
    parser.add_argument("--limit", type=int, default=3000, help="most pairs of a family and most turns of a source")
    given = parser.parse_args()
    of_pairs(given.data, given.vectors, given.limit)
    of_turns(given.data, given.limit)


if __name__ == "__main__":
    main()
