"""Counts what the audience classifier shares: of sentences that must not be shared, and of those that may."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.quality.audience.sentences import CHOSEN_ON, HELD_OUT, JUDGED, Sentence, by_hand
from benchmarks.training import audience as training
from langchain_redis_memory.cache.sharing import AudienceClassifier
from langchain_redis_memory.language.audience import classify_audience
from langchain_redis_memory.language.audience.verdict import MAX_UNSAFE, QUESTIONS
from langchain_redis_memory.language.reader import LocalReader, ReadingAudience

COLUMNS = (
    "unsafe",
    "personal",
    "volatile",
    "effect",
    "vary",
    "public",
    "plain: unsafe",
    "plain: own how-to",
    "plain: public",
)


def judged(
    rows: Sequence[Sentence], risk: float, *, verbose: bool = False, classify: AudienceClassifier | None = None
) -> dict[str, tuple[int, int]]:
    """Shared and all, by column; `verbose` prints the errors. By the words alone unless a classifier is given."""
    found = dict.fromkeys(COLUMNS, (0, 0))
    classify = classify or partial(classify_audience, max_unsafe=risk)

    def count(name: str, shared: bool) -> None:
        before = found[name]
        found[name] = (before[0] + shared, before[1] + 1)

    for row in rows:
        shared = classify(row.text, opaque=True).shareable()
        plain = classify(row.text, opaque=False).shareable()
        if row.unsafe:
            count("unsafe", shared)
            for head in QUESTIONS:
                if getattr(row, head):
                    count(head, shared)
        elif row.howto_my:
            count("plain: own how-to", plain)
        else:
            count("public", shared)
            count("plain: public", plain)
        if row.unsafe_plain:
            count("plain: unsafe", plain)
        if verbose and (shared if row.unsafe else not plain if row.howto_my else not shared):
            verdict = classify(row.text, opaque=not row.howto_my)
            kind = "LEAK" if row.unsafe else "own-howto" if row.howto_my else "public"
            numbers = f"{verdict.p_personal:.3f} {verdict.p_volatile:.3f} {verdict.p_effect:.3f} {verdict.p_vary:.3f}"
            print(f"{kind:9} {row.domain:8} {row.template:10} {numbers}  {row.text}")
    return found


def held_out(place: Path | None) -> dict[str, list[Sentence]]:
    """What nothing was fitted on, by source; the reader's thresholds were chosen on all but the first three domains."""
    groups: dict[str, tuple[str, ...]] = {", ".join(domains): domains for domains in (JUDGED, HELD_OUT)}
    groups["all ten domains that were left out"] = (*JUDGED, *HELD_OUT, *CHOSEN_ON)
    found = {name: [row for domain in domains for row in by_hand(domain)] for name, domains in groups.items()}
    if place:
        rows = [row for row, _ in training.home(place) if row.template in training.HELD_INTENTS]
        found["home_intents, intents left out"] = rows
    return found


def audiences(place: Path) -> dict[str, dict[str, float]]:
    """The shares by source and column, at the default risk: by the words, and where the reader is asked as well."""
    reading = ReadingAudience(LocalReader())
    counted = {}
    for name, rows in held_out(place).items():
        counted[name] = judged(rows, MAX_UNSAFE)
        counted[f"{name}, with the reader"] = judged(rows, MAX_UNSAFE, classify=reading)
    return {
        name: {column: shared / every for column, (shared, every) in found.items() if every}
        for name, found in counted.items()
    }
