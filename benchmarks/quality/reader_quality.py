"""What the local reader is worth: the verifier and the classifier with and without it, by source.

    python -m benchmarks.quality.reader_quality --data DIR [--vectors FILE] [--limit N]

Pairs: Quora, SICK, the self-made pairs and the written questions of the held domains are families that neither was
fitted on; of PAWS the test half. Vetoes are kept, the cosine has no floor. Turns: CANARD and TREC CAsT 2020 were never
trained on; what the reader counts was chosen on CAsT 2020. What is found is the share of the self-contained turns
(of people, their rewrites, new topics) that are told so, where a share of the dependent ones (unsafe) is told so too.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import numpy as np
from langchain_core.messages import AIMessage, HumanMessage

from benchmarks.quality.conversations import Case, cases, turns
from benchmarks.quality.semantic_quality import own_pairs, rate_at
from benchmarks.training.reader.fit_term import signs_of
from benchmarks.training.train_equivalence import Pair, is_test, question_pairs
from benchmarks.training.written import written_pairs
from langchain_redis_memory.language.classify import LinguisticClassifier
from langchain_redis_memory.language.equivalence.pair_scorer import scored_odds
from langchain_redis_memory.language.reader.local_reader import LocalReader
from langchain_redis_memory.language.reader.reading_classifier import joint

SHARES = (0.02, 0.05, 0.08, 0.15)
UNSAFE = (0.01, 0.02, 0.05, 0.1)
TRUE_HITS = f"true hits at the wrong shares {SHARES}"


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
    scores = {"signs": signs, "reader": read, "signs + 0.3 reader": signs + 0.3 * read, "signs + reader": signs + read}
    same, family = np.array([pair.same for pair in found]), np.array([pair.source for pair in found])
    for name in dict.fromkeys(family):
        print(f"{name}, {(family == name).sum()} pairs: area under the curve without a veto; {TRUE_HITS}")
        right, wrong = ((family == name) & ~vetoed & (same == one) for one in (1, 0))
        for title, score in scores.items():
            area = np.mean([np.mean((value > score[wrong]) + 0.5 * (value == score[wrong])) for value in score[right]])
            ranked = np.where(vetoed, -100 + cosine, score)[family == name]
            rates = [rate_at(ranked, same[family == name], share, name == "qqp") for share in SHARES]
            print(f"    {title:20} {area:.3f}  {' / '.join(f'{rate:.3f}' for rate in rates)}")


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
    origin, dependent = np.array([case.source for case in kept]), np.array([case.dependent for case in kept])
    for name in ("cast2020", "canard"):
        leans, alone = (origin == name) & dependent, (origin == name) & ~dependent
        print(f"{name}: {leans.sum()} dependent turns, {alone.sum()} self-contained; found at unsafe {UNSAFE}")
        for title, score in (("signs", signs), ("reader", read), ("both", both)):
            found_ = [float((score[alone] < np.quantile(score[leans], unsafe)).mean()) for unsafe in UNSAFE]
            print(f"    {title:8} {' / '.join(f'{share:.3f}' for share in found_)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, help="a file that keeps the vectors between runs")
    parser.add_argument("--limit", type=int, default=3000, help="most pairs of a family and most turns of an origin")
    given = parser.parse_args()
    of_pairs(given.data, given.vectors, given.limit)
    of_turns(given.data, given.limit)


if __name__ == "__main__":
    main()
