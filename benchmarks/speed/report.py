"""The table of a benchmark: its rows, what is won, lost and within the spread, and the JSON of it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import redis
from rich.console import Console
from rich.table import Table

from benchmarks.speed.harness import Median


def installed(package: str) -> str | None:
    """The version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


MORE = ("of 1", "items", "namespaces")
"""Units of which more is better."""


def ranges(values: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Between what the first divided by each other lies, in all parts of the run but the two at the ends."""
    parts = {name: getattr(value, "parts", ()) for name, value in values.items()}
    ours = next(iter(parts.values()), ())
    found = {}
    for peer, theirs in list(parts.items())[1:]:
        if len(ours) == len(theirs) > 3 and all(theirs):
            ratios = sorted(one / other for one, other in zip(ours, theirs, strict=True))
            found[peer] = (ratios[1], ratios[-2])
    return found


FAR = 1.25
"""Beyond this ratio a row is lost by its median alone, however restless the machine was."""


def decided(between: tuple[float, float]) -> Literal["won", "lost"] | None:
    """Whether a ratio is on one side of 1 whatever part of the run is asked, None if it is not."""
    low, high = between
    return "lost" if low > 1 else "won" if high < 1 else None


@dataclass
class Row:
    """One measure: a value for each contender, and what we want of ours.

    Args:
        name: What was measured.
        unit: Its unit.
        values: By contender; ours is the first.
        most: The most that ours may be, None for no target.
        target: That target in words.
    """

    name: str
    unit: str
    values: dict[str, float]
    most: float | None = None
    target: str = ""

    def ratio(self, peer: str) -> float | None:
        """Ours divided by a peer's."""
        ours, theirs = next(iter(self.values.values())), self.values.get(peer)
        return ours / theirs if theirs else None

    @property
    def spread(self) -> float:
        """How far the middle half of ours lies from its median, as a share of it; 0 for what does not vary."""
        return round(getattr(next(iter(self.values.values())), "spread", 0.0), 3)

    @property
    def cpu(self) -> dict[str, Median]:
        """The client's processor time by contender, where it was measured, in the row's unit."""
        found = {name: getattr(value, "cpu", None) for name, value in self.values.items()}
        return {name: cpu for name, cpu in found.items() if cpu}

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Between what ours divided by each peer's lies, in all parts of the run but the two at the ends."""
        return ranges(self.values)

    def state(self, peer: str) -> Literal["won", "lost", "even", "same"]:
        """Whether a peer is better: by the clock, or by the client's processor time where the clock does not tell."""
        ours, theirs = next(iter(self.values.values())), self.values[peer]
        if self.unit in MORE or peer not in self.ranges:
            better = ours < theirs if self.unit in MORE else ours > theirs
            return "lost" if better else "same" if ours == theirs else "won"
        sure = decided(self.ranges[peer]) or decided(ranges(self.cpu).get(peer, (0, 2)))
        return sure or ("lost" if ours > FAR * theirs else "even")

    @property
    def verdict(self) -> str:
        """Whether the target is met; what we lose to, or cannot be told from, is named in any case."""
        ours, *peers = self.values
        met = "" if self.most is None else "met" if self.values[ours] <= self.most else "MISSED"
        said = [met]
        for state, words in {"lost": "we lose to", "even": "within the spread of"}.items():
            some = [peer for peer in peers if self.state(peer) == state]
            said.append(f"{words} {', '.join(some)}" if some else "")
        return "; ".join(part for part in said if part)


@dataclass
class Report:
    """The rows of one benchmark.

    Args:
        title: Its title.
        versions: Contender -> version, None where it is not installed; ours is the first.
        notes: What a reader must know to judge the numbers.
        floors: Contenders without a server, which show what is there to gain and are not called peers.
    """

    title: str
    versions: dict[str, str | None]
    notes: list[str]
    floors: tuple[str, ...] = ()
    rows: list[Row] = field(default_factory=list)

    def add(
        self, name: str, unit: str, values: Mapping[str, float], most: float | None = None, target: str = ""
    ) -> None:
        """Adds a measure."""
        self.rows.append(Row(name, unit, dict(values), most, target))

    def show(self) -> None:
        """Prints the table."""
        _, *peers = self.versions
        table = Table(title=self.title, title_justify="left")
        table.add_column("measure")
        table.add_column("unit")
        for name in self.versions:
            table.add_column(name, justify="right", overflow="fold")
        for peer in peers:
            table.add_column(f"/ {peer}", justify="right")
        table.add_column("target for ours")
        table.add_column("verdict")
        for row in self.rows:
            ratios = [row.ratio(peer) for peer in peers]
            used = [_of_cpu(row.cpu, peer) for peer in peers]
            table.add_row(
                row.name,
                row.unit,
                *(_number(row.values.get(name)) for name in self.versions),
                *("" if ratio is None else f"{ratio:.2f}x{cpu}" for ratio, cpu in zip(ratios, used, strict=True)),
                row.target,
                row.verdict,
            )
        wide = None if sys.stdout.isatty() else 220
        console = Console(width=wide, highlight=False)
        console.print(table)
        console.print("; ".join(f"{name} {number or 'not installed'}" for name, number in self.versions.items()))
        console.print(f"{self.machine()}. A ratio below 1 is in our favour; CPU: the client's alone.")
        for note in self.notes:
            console.print(f"* {note}")

    def write(self, path: str) -> None:
        """Writes the numbers as JSON, of which the page of benchmarks is generated."""
        told = {
            "title": self.title,
            "machine": self.machine(),
            "versions": self.versions,
            "rows": [
                {
                    **asdict(row),
                    "verdict": row.verdict,
                    "spread": row.spread,
                    "ranges": row.ranges,
                    "cpu": row.cpu,
                    "cpu_ranges": ranges(row.cpu),
                }
                for row in self.rows
            ],
            "notes": self.notes,
            "floors": self.floors,
        }
        Path(path).write_text(json.dumps(told, indent=2) + "\n", "utf-8")

    @staticmethod
    def machine() -> str:
        """What it ran on."""
        return (
            f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, "
            f"redis-py {redis.__version__}, hiredis {installed('hiredis') or 'not installed'}, "
            f"load average {os.getloadavg()[1]:.1f}"
        )


def command(name: str, about: str | None, measure: Callable[[], Report], **instead: Callable[[], Report]) -> None:
    """Runs a benchmark from the command line: prints its table, and writes the numbers where `--json` says.

    `instead` is measured in place of `measure` where an option of that name is given.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.speed.{name}", description=about)
    for option, other in instead.items():
        what = (other.__doc__ or "").splitlines()[0]
        parser.add_argument(f"--{option}", dest="measure", action="store_const", const=other, help=what)
    parser.add_argument("--json", metavar="FILE", help="also write the numbers to a file")
    parser.set_defaults(measure=measure)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    report: Report = options.measure()
    report.show()
    if options.json:
        report.write(options.json)


def _of_cpu(cpu: Mapping[str, float], peer: str) -> str:
    """The ratio of the client's processor time, behind that of the clock."""
    return f" (CPU {next(iter(cpu.values())) / cpu[peer]:.2f}x)" if cpu.get(peer) else ""


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if float(value).is_integer() or value >= 100 else f"{value:.3f}"
