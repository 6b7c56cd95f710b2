"""Faults under load.

python -m benchmarks.chaos [--seconds 5] [--row TEXT] [--json FILE] [--soak SECONDS] [--blocking]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from benchmarks.chaos.blocking import blocking
from benchmarks.chaos.load import Outcome
from benchmarks.chaos.places import TIMEOUT_S
from benchmarks.chaos.rows import ROWS, Result, play
from benchmarks.chaos.soak import soak
from tests.support.servers import Farm

ASKED = ("what happens", "where", "durability")
COLUMNS = (
    *ASKED,
    "faults",
    "acknowledged",
    "of these meanwhile",
    "refused",
    "lost",
    "doubled",
    "out of order",
    "slowest call",
)
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def line(result: Result) -> str:
    """A row of the table."""
    row, found = result.row, result.outcome
    lost = f"{found.lost}" if row.promises else f"{found.lost} (not promised)"
    numbers = (result.faults, found.acknowledged, found.meanwhile, found.refused, lost, found.doubled, found.reordered)
    usual = "" if found.usual_s is None else f" (usually {found.usual_s * 1e6:.0f} us)"
    cells = (row.name, row.where, row.durability, *map(str, numbers), f"{found.slowest_s:.2f} s{usual}")
    return f"| {' | '.join(cells)} |"


def stored(figures: dict[str, Any]) -> list[str]:
    """The table of stored figures."""
    names = {field.name for field in fields(Outcome)}
    found = []
    for told, row in zip(figures["rows"], ROWS, strict=True):
        outcome = Outcome(**{name: value for name, value in told.items() if name in names})
        assert (told["what"], told["where"], told["durability"]) == (row.name, row.where, row.durability)
        found.append(line(Result(row, told["faults"], outcome)))
    return [*HEAD.splitlines(), *found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long the load runs, for each row")
    parser.add_argument("--row", default="", help="only rows with this text")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    parser.add_argument("--soak", type=float, default=0.0, help="only watch the memory of a load for so many seconds")
    parser.add_argument("--blocking", action="store_true", help="only measure how long a write keeps the server")
    args = parser.parse_args()
    farm = Farm()
    try:
        if args.blocking:
            print(blocking(farm))
            return
        if args.soak:
            print(soak(args.soak, farm))
            return
        print(
            f"timeout_s={TIMEOUT_S:g}, {args.seconds:g} s a row\n\n{HEAD}",
            flush=True,
        )
        results = []
        for row in ROWS:
            if args.row in f"{row.name}, {row.where}, {row.durability}":
                results.append(play(row, args.seconds, farm))
                print(line(results[-1]), *results[-1].outcome.raised[:3], flush=True)
    finally:
        farm.stop()
    if args.json:
        told = [
            {"what": r.row.name, "where": r.row.where, "durability": r.row.durability, "faults": r.faults}
            | vars(r.outcome)
            for r in results
        ]
        args.json.write_text(
            json.dumps({"seconds": args.seconds, "timeout_s": TIMEOUT_S, "rows": told}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
