"""Counts what the audience classifier shares: of sentences that must not be shared, and of those that may."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.quality.audience.sentences import HELD_OUT, Sentence, by_hand
from benchmarks.training import audience as training
from langchain_redis_memory.language.audience import linguistic
from langchain_redis_memory.language.audience.verdict import MAX_UNSAFE

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


def judged(rows: Sequence[Sentence], risk: float, *, verbose: bool = False) -> dict[str, tuple[int, int]]:
    """Shared and all, by column; `verbose` prints the errors."""
    found = dict.fromkeys(COLUMNS, (0, 0))

    def count(name: str, shared: bool) -> None:
        before = found[name]
        found[name] = (before[0] + shared, before[1] + 1)

    for row in rows:
        shared = linguistic.classify_audience(row.text, opaque=True, max_unsafe=risk).shareable()
        plain = linguistic.classify_audience(row.text, opaque=False, max_unsafe=risk).shareable()
        if row.unsafe:
            count("unsafe", shared)
            for head in linguistic.HEADS:
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
            verdict = linguistic.classify_audience(row.text, opaque=not row.howto_my, max_unsafe=risk)
            kind = "LEAK" if row.unsafe else "own-howto" if row.howto_my else "public"
            numbers = f"{verdict.p_personal:.3f} {verdict.p_volatile:.3f} {verdict.p_effect:.3f} {verdict.p_vary:.3f}"
            print(f"{kind:9} {row.domain:8} {row.template:10} {numbers}  {row.text}")
    return found


def held_out(place: Path | None) -> dict[str, list[Sentence]]:
    """What nothing was fitted on, by source."""
    found = {domain: by_hand(domain) for domain in HELD_OUT}
    found["all four"] = [row for rows in found.values() for row in rows]
    if place:
        rows = [row for row, _ in training.home(place) if row.template in training.HELD_INTENTS]
        found["home_intents, intents left out"] = rows
    return found


def audiences(place: Path) -> dict[str, dict[str, float]]:
    """The shares by source and column, at the default risk."""
    counted = {name: judged(rows, MAX_UNSAFE) for name, rows in held_out(place).items()}
    return {
        name: {column: shared / every for column, (shared, every) in found.items() if every}
        for name, found in counted.items()
    }
