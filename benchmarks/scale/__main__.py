"""How costs grow: with messages, checkpoints, threads, tenants, items, answers, tasks and nodes.

python -m benchmarks.scale [--full] [--only WORD] [--write FILE]

Of each operation and size: round trips, the server's commands, bytes on the wire, time of the server's and of the
client's processor in bare GETs (the best of three rounds, so other work on the machine matters little), and the median
of the wall time beside them. Over the sizes the exponent of each is fitted. The exit code is 1 where a cost that is
stated to be O(1) or O(log n) grows with more than the fourth root of the size.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from benchmarks.scale import width
from benchmarks.scale.axes import AXES, DIMS, Axis
from benchmarks.scale.fit import BELOW_LINEAR, COUNTED, NOISE, TIMED, Growth
from benchmarks.scale.meter import ROUNDS, Meter, metered
from benchmarks.speed.harness import server

ROOMS = (50, 38, 8, 10, 10, 14, 14, 20, 0)
"""Widths of what is printed."""


def growths(meter: Meter, axis: Axis, sizes: tuple[int, ...], rounds: int = ROUNDS) -> list[Growth]:
    """Makes one axis grow on an empty server and measures at each size."""
    grown = axis.begin(meter)
    costs: dict[str, dict[int, dict[str, float]]] = {operation.name: {} for operation in grown.operations}
    for before, size in zip((0, *sizes), sizes, strict=False):
        grown.grow(before, size)
        for operation in grown.operations:
            times = 1 if operation.stated == "O(n)" else rounds
            costs[operation.name][size] = meter.costs(operation.work, rounds=times)
    return [Growth(axis.name, one.name, one.stated, costs[one.name], axis.most) for one in grown.operations]


def measured(only: str, *, quick: bool) -> Iterator[list[Growth]]:
    """Every axis, each on an empty server."""
    for axis in AXES:
        if only in axis.name:
            with server() as port, metered(f"redis://127.0.0.1:{port}/0", [port]) as meter:
                yield growths(meter, axis, axis.quick if quick else axis.sizes)
    if only in "tasks at once":
        with server() as port, metered(f"redis://127.0.0.1:{port}/0", [port]) as meter:
            yield width.tasks(meter, width.TASKS[quick])
    if only in "nodes of a cluster":
        yield width.nodes()


def table(found: list[Growth]) -> list[list[str]]:
    """A row for each operation: what it costs at the smallest and the largest size, and how that grows."""
    rows = []
    for growth in found:
        sizes = sorted(growth.costs)
        first, last = growth.costs[sizes[0]], growth.costs[sizes[-1]]
        rows.append([
            f"{growth.axis}, {sizes[0]:,} to {sizes[-1]:,}",
            growth.operation,
            growth.stated,
            f"{first['trips']:.2g} to {last['trips']:.2g}",
            f"{first['commands']:.0f} to {last['commands']:.0f}",
            f"{first['server']:.1f} to {last['server']:.1f}",
            f"{first['client']:.1f} to {last['client']:.1f}",
            f"{first['wall_us'] / 1000:.2f} to {last['wall_us'] / 1000:.2f} ms",
            " / ".join(f"{found:.2f}" for found in growth.exponents.values()),
        ])  # fmt: skip
    return rows


def told(found: list[Growth], *, quick: bool) -> dict[str, object]:
    """What the page of benchmarks is generated from."""
    about = (
        "Costs of one call at the smallest and the largest size. Times of processors are in those of a bare GET, "
        "measured before and after. The exponents are those of trips / commands / bytes / the server's / the client's "
        "time: 0 does not grow, 1 grows with the size."
    )
    names = ["what grows", "operation", "stated", "trips", "commands, in scripts too", "server", "client", "wall"]
    rule = (
        "The command fails where what is stated O(1) or O(log n) has an exponent above 0.25 (0.5 over nodes), what "
        f"walks a graph of vectors one above {BELOW_LINEAR}, and a time grows {NOISE} times in all. A search of a "
        "graph looks at some thousand vectors: among a few thousand it is somewhere between a logarithm and a scan, "
        "whose exponent is 1, and this bound tells it from the scan only. "
        f"Items and answers have vectors of {DIMS} random numbers, one item in four has one."
    )
    return {
        "order": 8,
        "title": "How costs grow",
        "command": f"python -m benchmarks.scale{'' if quick else ' --full'}",
        "about": f"A quick run; `--full` goes to a million threads, items and answers. {about}" if quick else about,
        "columns": [*names, "exponents"],
        "rows": table(found),
        "notes": [rule],
        "costs": [
            {
                "axis": one.axis,
                "operation": one.operation,
                "stated": one.stated,
                "costs": one.costs,
                "exponents": one.exponents,
            }
            for one in found
        ],
    }


def main() -> int:
    """Measures, prints, writes.

    Returns:
        1 if something grows that is stated not to, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help="the largest sizes: more than an hour; else some minutes")
    parser.add_argument("--only", default="", metavar="WORD", help="only what grows by a name with this word")
    parser.add_argument("--write", metavar="FILE", help="also write the figures as JSON")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    found: list[Growth] = []
    begun = time.monotonic()
    print(f"exponents of {' / '.join((*COUNTED, *TIMED))}")
    for some in measured(options.only, quick=not options.full):
        found += some
        for row in table(some):
            print("  ".join(f"{cell:<{room}}" for cell, room in zip(row, ROOMS, strict=True)), flush=True)
    broken = [f"{one.axis}: {one.operation}: {what}" for one in found for what in one.broken]
    print(f"{time.monotonic() - begun:.0f} s")
    print("\n".join(f"GROWS: {line}" for line in broken) or "nothing grows that is stated not to")
    if options.write:
        Path(options.write).write_text(
            json.dumps(told(found, quick=not options.full), indent=1, ensure_ascii=False) + "\n", "utf-8"
        )
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
