"""What a benchmark of speed says: a median with the parts of its run, and won, lost or within the spread."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

from benchmarks.speed import harness
from benchmarks.speed.harness import Median, interleaved
from benchmarks.speed.report import Report, Row, decided


def measured(*parts: float, cpu: tuple[float, ...] = ()) -> Median:
    made = Median.of(parts)
    made.cpu = Median.of(cpu) if cpu else None
    return made


STEADY = measured(*[1.0] * 10)


@pytest.mark.parametrize(
    ("ours", "state"),
    [
        (measured(*[1.1] * 10), "lost"),
        (measured(*[1.1] * 9, 0.5), "lost"),
        (measured(*[1.1] * 8, 0.5, 0.6), "even"),
        (measured(*[1.3] * 8, 0.5, 0.6), "lost"),
        (measured(*[0.9] * 9, 5.0), "won"),
    ],
)
def test_what_all_parts_of_a_run_but_one_say_is_decided(ours: Median, state: str) -> None:
    row = Row("a row", "ms", {"ours": ours, "peer": STEADY})
    assert row.state("peer") == state
    said = {"lost": "we lose to peer", "even": "within the spread of peer", "won": ""}[state]
    assert row.verdict == said


@pytest.mark.parametrize(("used", "state"), [(2.0, "lost"), (0.5, "won")])
def test_the_processor_decides_where_the_clock_does_not(used: float, state: Literal["won", "lost"]) -> None:
    even = (*[1.1] * 5, *[0.9] * 5)
    row = Row(
        "a row", "ms", {"ours": measured(*even, cpu=(used,) * 10), "peer": measured(*even[::-1], cpu=(1.0,) * 10)}
    )
    assert decided(row.ranges["peer"]) is None
    assert row.state("peer") == state


def test_plain_numbers_are_compared_as_they_are() -> None:
    assert Row("a row", "trips", {"ours": 2, "peer": 1, "other": 2}, most=2).verdict == "met; we lose to peer"
    assert Row("a row", "of 1", {"ours": 0.9, "peer": 1.0}).verdict == "we lose to peer"
    assert Row("a row", "ms", {}).cpu == {}


def test_a_figure_keeps_its_parts_in_another_unit() -> None:
    figure = measured(1, 2, 3, 4, 5, cpu=(1, 1, 1))
    scaled = figure * 1000 / 2
    assert [float(scaled), *scaled.parts] == [1500, 500, 1000, 1500, 2000, 2500]
    assert scaled.spread == figure.spread
    assert scaled.cpu is not None
    assert float(scaled.cpu) == 500
    assert (figure + 1).parts == (2, 3, 4, 5, 6)
    assert (figure + 3).spread == figure.spread / 2


def test_contenders_take_turns_and_a_restless_run_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(harness.QUICK, raising=False)
    clock = iter(range(10_000))
    monkeypatch.setattr("benchmarks.speed.harness.time.perf_counter", lambda: next(clock) ** 2 % 7919)
    called: list[str] = []
    works = {name: partial(called.append, name) for name in "ab"}
    found = interleaved(works, 20, 1)
    assert called[:6] == ["a", "b", "b", "a", "a", "b"]
    assert len(called) == 2 * (1 + 2 * harness.MOST_PARTS)
    assert len(found["a"].parts) == len(found["b"].parts) == harness.PARTS
    called.clear()
    interleaved(works, 20, 1, more=False)
    assert len(called) == 2 * (1 + 20)
    report = Report("A table", {"a": "1", "b": "2"}, [])
    report.add("a row", "ms", found)
    report.write(str(tmp_path / "row.json"))
    (row,) = json.loads((tmp_path / "row.json").read_text())["rows"]
    assert row["ranges"].keys() == row["cpu_ranges"].keys() == {"b"}
    assert row["cpu"].keys() == {"a", "b"}
