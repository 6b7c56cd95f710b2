"""Judges the audience classifier on domains that it was not fitted on: `python -m benchmarks.quality.audience`.

Each development domain is judged by weights and thresholds that it had no part in; the held-out domains by the
weights that ship. Shown are shares in percent: of the sentences that must not be shared, how many were (by kind), and
of those that may, how many were. `-v` lists the errors of the development domains, and shows nothing of the held-out
ones.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from benchmarks.quality.audience.sentences import load
from benchmarks.quality.audience_quality import COLUMNS, held_out, judged
from benchmarks.training import audience as training
from langchain_redis_memory.language.audience import linguistic
from langchain_redis_memory.language.audience.verdict import MAX_UNSAFE


def line(name: str, found: dict[str, tuple[int, int]]) -> str:
    """One row of the table."""
    cells = (f"{100 * shared / max(1, every):5.1f} ({shared}/{every})" for shared, every in found.values())
    return f"{name:22} " + " ".join(f"{cell:>16}" for cell in cells)


def put(written: dict[str, Any]) -> None:
    """Makes the classifier use other weights."""
    made = linguistic.AudienceWeights.parse(written)
    linguistic._classified.cache_clear()
    linguistic.audience_weights = lambda: made  # type: ignore[assignment]


def add(one: dict[str, tuple[int, int]], two: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """The sum of two results."""
    return {name: (one[name][0] + two[name][0], one[name][1] + two[name][1]) for name in one}


def main() -> None:
    """Prints the table."""
    rows = load()
    place = training.folder()
    extra = training.intents(place) if place else []
    shipped = linguistic.audience_weights
    total, hand_total = None, None
    print(f"shared across users, % at max_unsafe={RISK}; some domains left out\n")
    print(f"{'domain':22} " + " ".join(f"{name[:16]:>16}" for name in COLUMNS))
    folds = list(training.left_out(rows, extra))
    for domain, fitted, _ in folds:
        others = [pair for other, _, scored in folds if other != domain for pair in scored]
        put({**fitted, "thresholds": training.thresholds(others)})
        mine = [row for row in rows if row.domain == domain]
        hand = judged([row for row in mine if row.template == "hand"], RISK, verbose=VERBOSE)
        made = judged([row for row in mine if row.template != "hand"], RISK, verbose=VERBOSE)
        print(line(domain, add(hand, made)))
        total = add(total, add(hand, made)) if total else add(hand, made)
        hand_total = add(hand_total, hand) if hand_total else hand
    assert total
    assert hand_total
    print(line("all left out", total))
    print(line("  of them by hand", hand_total))
    linguistic.audience_weights = shipped
    linguistic._classified.cache_clear()
    if not VERBOSE:
        print("\nheld out, the weights that ship")
        for name, mine in held_out(place).items():
            print(line(name[:22], judged(mine, RISK)))
    start = time.perf_counter()
    for row in rows:
        linguistic._classified.__wrapped__(row.text, True)
    print(f"\n{(time.perf_counter() - start) / len(rows) * 1e3:.3f} ms a turn")


VERBOSE = "-v" in sys.argv
RISK = next((float(part) for part in sys.argv[1:] if part[0].isdigit()), MAX_UNSAFE)

if __name__ == "__main__":
    main()
