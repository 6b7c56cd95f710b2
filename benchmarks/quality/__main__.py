"""Prints every table of quality on the data at hand, and compares it with the stored last result.

    python -m benchmarks.quality --data DIR [--limit N] [--vectors FILE] [--store]

By source, of what nothing was fitted on: conversations served rightly and wrongly by the two caches; whether one answer
serves two questions, by signs alone and with the reader; what a turn depends on, with and without the reader; what is
shared across users; questions of recall. `--store` keeps the result in `last.json`, of which `python .ci/site.py` makes
docs/quality.md.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.quality.audience_quality import audiences
from benchmarks.quality.conversation_quality import recalls
from benchmarks.quality.conversations import Case, cases, turns
from benchmarks.quality.needs import HELD, MISS, UNTOUCHED, need_pairs
from benchmarks.quality.needs.served import served, service_pairs
from benchmarks.quality.reader_quality import families
from benchmarks.quality.semantic_quality import rate_at, shares
from benchmarks.quality.turns import half
from benchmarks.training.reader.fit_term import read_odds, signs_of
from langchain_redis_memory.language.classify import LinguisticClassifier
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.equivalence.weights import shipped
from langchain_redis_memory.language.logistic import odds
from langchain_redis_memory.language.need.policy import NeedPolicy
from langchain_redis_memory.language.reader.local_reader import LocalReader
from langchain_redis_memory.language.reader.reading_classifier import ReadingClassifier, joint

LAST = Path(__file__).parent / "last.json"
SERVED = "Who may be served"
ERRORS = (0.01, 0.02, 0.05, 0.1)
Rows = dict[str, dict[str, float]]
"""Figures by row and column."""


HARD = ("reworded", *MISS)
"""The kinds that a cache can get wrong; what is only padded is measured by `tests/language/need`."""


def conversations() -> Rows:
    """The share of conversations that are served another one's answer."""
    found: Rows = {}
    for source, pairs in (
        (f"held: {', '.join(HELD)}", need_pairs(HELD)),
        (f"untouched: {', '.join(UNTOUCHED)}", need_pairs(UNTOUCHED)),
    ):
        hard = [pair for pair in pairs if pair.kind in HARD]
        for title, scorer in (("", None), (" with the reader", LocalReader())):
            for cache, kinds in served(hard, NeedPolicy(0.05, scorer=scorer)).items():
                found[f"{cache}{title}, {source}"] = kinds
    return found


def service() -> Rows:
    """The share of customer-service conversations served the answer of an equal need, or of a look-alike."""
    return {
        f"{cache}{title}": kinds
        for title, scorer in (("", None), (" with the reader", LocalReader()))
        for cache, kinds in served(service_pairs(), NeedPolicy(0.05, scorer=scorer)).items()
    }


def questions(data: Path, vectors: Path | None, limit: int) -> Iterator[tuple[str, Rows]]:
    """True hits at a wrong share of .08, and what each `max_error` comes to."""
    pairs = families(data, limit)
    signs, vetoed, cosine = signs_of([(pair.a, pair.b) for pair in pairs], vectors)
    texts = [(pair.a, pair.b) for pair in pairs]
    both, _, _ = signs_of(texts, vectors, read_odds(texts, LocalReader(threads=2)))
    same, family = np.array([pair.same for pair in pairs]), np.array([pair.source for pair in pairs])
    right: Rows = {}
    honest: dict[str, Rows] = {"by the signs": {}, "with the reader": {}}
    kinds = (("by the signs", signs, shipped()), ("with the reader", both, LocalReader().verifier_weights))
    for name in dict.fromkeys(family):
        at, balanced = family == name, name == "qqp"
        scores = {"cosine": cosine, "signs": signs, "signs and reader": both}
        right[name] = {
            title: rate_at(
                score[at] if title == "cosine" else np.where(vetoed, -100 + cosine, score)[at], same[at], 0.08, balanced
            )
            for title, score in scores.items()
        }
        for title, score, model in kinds:
            row = honest[title][name] = {}
            for error in ERRORS:
                hit = ~vetoed & (score >= odds(model.cut(error)))
                row[f"{error}: true hits"], row[f"{error}: wrong"] = shares(hit[at], same[at], balanced)
    yield "One answer for two questions: true hits at a wrong share of .08", right
    for title, rows in honest.items():
        yield f"max_error, {title}: true hits, and the share of hits that are wrong", rows


def dependence(data: Path, limit: int) -> Rows:
    """Dependent turns that are called self-contained, at a recall of .5 and at `max_unsafe=0.02`."""
    found: list[Case] = list(half(1))
    found += cases([turn for turn in turns(data) if turn["source"] in {"cast2020", "canard"}])
    signs, reader = LinguisticClassifier(max_unsafe=0.02), LocalReader(threads=2)
    reading = ReadingClassifier(signs, reader)
    rows: Rows = {}
    for source in dict.fromkeys(case.source for case in found):
        here = [case for case in found if case.source == source]
        here = random.Random(1).sample(here, min(limit, len(here)))
        leans = np.array([case.dependent for case in here])
        first = [signs.classify(case.turn, case.history) for case in here]
        share = np.array([one.dependence or 0.0 for one in first])
        read = np.array(reader.dependence([(case.turn, case.history) for case in here]))
        both = np.array([joint(a, b) for a, b in zip(share, read, strict=True)])
        second = [reading.classify(case.turn, case.history) for case in here]
        alone = np.array([one.type is QuestionType.NEW_TOPIC for one in first])
        told = np.array([getattr(one, "type", None) is QuestionType.NEW_TOPIC for one in second])
        rows[source] = {
            "unsafe at recall .5": float((share[leans] < np.median(share[~leans])).mean()),
            "with the reader": float((both[leans] < np.median(both[~leans])).mean()),
            "max_unsafe=.02: unsafe": float(alone[leans].mean()),
            "self-contained found": float(alone[~leans].mean()),
            "ReadingClassifier: unsafe": float(told[leans].mean()),
            "ReadingClassifier: found": float(told[~leans].mean()),
        }
    return rows


def tables(data: Path, vectors: Path | None, limit: int) -> dict[str, Rows]:
    """All tables, by title."""
    found = {"Conversations: the share that is served another one's answer": conversations()}
    found["Customer service: equal needs and look-alikes that are served"] = service()
    found |= dict(questions(data, vectors, limit))
    found["Dependent turns that are called self-contained"] = dependence(data, limit)
    found[SERVED] = audiences(data)
    found["Taken for a question of recall"] = {name: {"share": share} for name, share in recalls(data).items()}
    return {
        title: {row: {name: round(value, 3) for name, value in figures.items()} for row, figures in rows.items()}
        for title, rows in found.items()
    }


def show(console: Console, found: dict[str, Rows], last: dict[str, Rows]) -> None:
    """Prints the tables; what differs from the last result with what it was."""
    for title, rows in found.items():
        columns = list(dict.fromkeys(name for figures in rows.values() for name in figures))
        table = Table("", *columns, title=title, title_justify="left")
        for row, figures in rows.items():
            before = last.get(title, {}).get(row, {})
            cells = []
            for name in columns:
                value, was = figures.get(name), before.get(name)
                changed = f" (was {was:.3f})" if was is not None and value is not None and was != value else ""
                cells.append("" if value is None else f"{value:.3f}{changed}")
            table.add_row(row, *cells)
        console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, help="a file that keeps the vectors between runs")
    parser.add_argument("--limit", type=int, default=800, help="most pairs of a family and turns of a source")
    parser.add_argument("--store", action="store_true", help="keep the result as the last one")
    given = parser.parse_args()
    console = Console(width=220, highlight=False)
    started = time.perf_counter()
    found = tables(given.data, given.vectors, given.limit)
    last = json.loads(LAST.read_text("utf-8")) if LAST.exists() else {}
    show(console, found, last.get("tables", {}))
    console.print(f"{time.perf_counter() - started:.0f} seconds; at most {given.limit} of a family or source")
    if given.store:
        LAST.write_text(json.dumps({"limit": given.limit, "tables": found}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
