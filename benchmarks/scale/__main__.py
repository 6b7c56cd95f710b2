"""How costs grow: with messages, checkpoints, threads, tenants, items, answers, tasks and nodes.

python -m benchmarks.scale [--full] [--only WORD] [--most N] [--write FILE]

Of each operation and size: round trips, the server's commands, bytes on the wire, time of the server's and of the
client's processor in bare GETs, which take turns with the calls until their ratio settles, so other work on the
machine matters little; and the median of the wall time beside them. Over the sizes the exponent of each is fitted. The
exit code is 1 where a cost that is stated to be O(1) or O(log n) grows with more than the fourth root of the size.

`--full` goes to a million threads, items and answers. The file is written after each axis; with `--only`, the axes
that it already has and that are not measured again stay in it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.scale import width
from benchmarks.scale.axes import AXES, DIMS, Axis
from benchmarks.scale.fit import BELOW_LINEAR, COUNTED, NOISE, TIMED, Costs, Growth
from benchmarks.scale.meter import LEAST, Meter, metered
from benchmarks.speed.harness import separable, server

ROOMS = (50, 38, 8, 10, 10, 14, 14, 20, 0)
"""Widths of what is printed."""


class Measured(NamedTuple):
    """When an axis was measured, how many processes wanted a processor then, and whether the servers had their own."""

    day: str
    load: float
    apart: bool = False


Runs = Mapping[str, Measured]
"""Axis -> its run."""


def growths(meter: Meter, axis: Axis, sizes: tuple[int, ...], rounds: int = LEAST) -> list[Growth]:
    """Makes one axis grow on an empty server and measures at each size."""
    grown = axis.begin(meter)
    costs: dict[str, dict[int, Costs]] = {operation.name: {} for operation in grown.operations}
    for before, size in zip((0, *sizes), sizes, strict=False):
        grown.grow(before, size)
        meter.rest([operation.work for operation in grown.operations if operation.stated != "O(n)"])
        for operation in grown.operations:
            costs[operation.name][size] = meter.costs(operation.work, rounds=rounds)
    found = [Growth(axis.name, one.name, one.stated, costs[one.name], axis.most) for one in grown.operations]
    for growth, operation in zip(found, grown.operations, strict=True):
        if growth.broken:
            growth.again(meter.costs(operation.work, rounds=rounds))
    return found


def measured(only: str, *, full: bool, most: int) -> Iterator[list[Growth]]:
    """Every axis, each on an empty server; in full only those with sizes that take long."""
    for axis in AXES:
        if only in axis.name and (axis.large or not full):
            with server() as port, metered(f"redis://127.0.0.1:{port}/0", [port]) as meter:
                sizes = axis.sizes + axis.large if full else axis.sizes
                yield growths(meter, axis, tuple(size for size in sizes if size <= most))
    if only in "tasks at once" and not full:
        with server() as port, metered(f"redis://127.0.0.1:{port}/0", [port]) as meter:
            yield width.tasks(meter, width.TASKS)
    if only in "nodes of a cluster" and not full:
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


def told(found: list[Growth], runs: Runs, *, full: bool) -> dict[str, object]:
    """What the page of benchmarks is generated from."""
    loads, days = [run.load for run in runs.values()], sorted({run.day for run in runs.values()})
    spreads = [costs["spread"] for one in found for costs in one.costs.values() if "spread" in costs]
    about = (
        "Costs of one call at the smallest and the largest size. Times of processors are in those of a bare GET: calls "
        "and GETs take turns in rounds until their ratio settles, and the median counts. The exponents are those of "
        "trips / commands / bytes / the server's / the client's time: 0 does not grow, 1 grows with the size. "
        f"{os.cpu_count()} processors, load averages of {min(loads):.0f} to {max(loads):.0f}, {' and '.join(days)}"
    )
    about += f"; half of the spreads are below {median(spreads):.0%}." if spreads else "."
    if together := ", ".join(axis for axis, run in runs.items() if not run.apart):
        about += f" Where client and server shared processors, figures may be off by a factor of two: {together}."
    names = ["what grows", "operation", "stated", "trips", "commands, in scripts too", "server", "client", "wall"]
    rule = (
        "The command fails where what is stated O(1) or O(log n) has an exponent above 0.25 (0.5 over nodes), what "
        f"walks a graph of vectors one above {BELOW_LINEAR}, and a time grows {NOISE} times in all. A search of a "
        "graph looks at some thousand vectors: among a few thousand it is somewhere between a logarithm and a scan, "
        "whose exponent is 1, and this bound tells it from the scan only. "
        f"Items and answers have vectors of {DIMS} random numbers, one item in four has one (of those beyond "
        "20,000 one in forty); answers' are quantised."
    )
    return {
        "order": 8.5 if full else 8,
        "title": "How costs grow to a million" if full else "How costs grow",
        "command": f"python -m benchmarks.scale{' --full' if full else ''}",
        "about": f"What grows further than in the table above. {about}" if full else about,
        "columns": [*names, "exponents"],
        "rows": table(found),
        "notes": [] if full else [rule],
        "runs": {axis: run._asdict() for axis, run in runs.items()},
        "costs": [
            {
                "axis": one.axis,
                "operation": one.operation,
                "stated": one.stated,
                "most": one.most,
                "costs": one.costs,
                "exponents": one.exponents,
            }
            for one in found
        ],
    }


def kept(path: Path) -> tuple[list[Growth], dict[str, Measured]]:
    """What a file has of axes, each with its run."""
    known: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {"costs": [], "runs": {}}
    growths = [
        Growth(
            one["axis"],
            one["operation"],
            one["stated"],
            {int(size): costs for size, costs in one["costs"].items()},
            one["most"],
        )
        for one in known["costs"]
    ]
    return growths, {axis: Measured(**run) for axis, run in known["runs"].items()}


def main() -> int:
    """Measures, prints, writes.

    Returns:
        1 if something grows that is stated not to, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help="what grows to 100,000 and more: over an hour, 5 GB")
    parser.add_argument("--only", default="", metavar="WORD", help="only what grows by a name with this word")
    parser.add_argument("--most", type=int, default=10**9, metavar="N", help="no sizes above this one")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the figures as JSON")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    found, runs = kept(options.write) if options.write and options.only else ([], {})
    measured_now: list[Growth] = []
    begun, apart = time.monotonic(), separable()
    print(f"exponents of {' / '.join((*COUNTED, *TIMED))}")
    for some in measured(options.only, full=options.full, most=options.most):
        measured_now += some
        found = [one for one in found if one.axis != some[0].axis] + some
        runs[some[0].axis] = Measured(time.strftime("%Y-%m-%d"), round(os.getloadavg()[1], 1), apart)
        for row in table(some):
            print("  ".join(f"{cell:<{room}}" for cell, room in zip(row, ROOMS, strict=True)))
        print(f"{time.monotonic() - begun:.0f} s", flush=True)
        if options.write:
            text = json.dumps(told(found, runs, full=options.full), indent=1, ensure_ascii=False)
            options.write.write_text(f"{text}\n", "utf-8")
    broken = [f"{one.axis}: {one.operation}: {what}" for one in measured_now for what in one.broken]
    print("\n".join(f"GROWS: {line}" for line in broken) or "nothing grows that is stated not to")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
