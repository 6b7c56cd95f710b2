"""The chaos command: short runs of three of its rows, that its check can object, and what the docs show of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.chaos.__main__ import COLUMNS, line, stored
from benchmarks.chaos.load import Load
from benchmarks.chaos.rows import AWAY, ROWS, Result, play
from langchain_redis_memory import Client, Outbox
from tests.support.servers import Farm

SHORT = ["slots move, ten keys at a time", "the master is demoted, its name moves on", f"turns: {AWAY}"]


@pytest.mark.parametrize("name", SHORT)
def test_a_row_loses_nothing(farm: Farm, name: str) -> None:
    row = next(row for row in ROWS if row.name == name)
    for seconds in (1, 5, 25):  # a busy machine gets to little in one
        found = play(row, seconds, farm)
        outcome = found.outcome
        assert not (row.goes_on and outcome.refused)
        assert (outcome.lost, outcome.doubled, outcome.reordered, outcome.raised) == (0, 0, 0, [])
        assert line(found).count("|") == len(COLUMNS) + 1
        if outcome.acknowledged > 5:
            break
    assert outcome.acknowledged > 5


def test_the_check_objects() -> None:
    client = Client("memory://chaos")
    load = Load(client, Outbox())
    for number in ("1", "3", "2", "2"):
        load.history("sync1").add_turn(number, number)
    load._accepted["sync1"] = ["1", "2", "3", "4", "5"]
    load._accepted["store"] = ["7"]
    outcome = load.check(client, 1)
    assert (outcome.lost, outcome.doubled, outcome.reordered) == (3, 5, 1)
    assert line(Result(ROWS[0], 1, outcome)).startswith(f"| {ROWS[0].name} |")


def test_the_table_in_the_docs_is_what_was_measured() -> None:
    figures = json.loads(Path("benchmarks/chaos/measured.json").read_text("utf-8"))
    page = Path("docs/faults.md").read_text("utf-8").splitlines()
    assert [row for row in stored(figures) if row not in page] == []
    for row, told in zip(ROWS, figures["rows"], strict=True):
        assert (told["doubled"], told["reordered"], told["raised"]) == (0, 0, []), row.name
        assert not (row.promises and told["lost"]), row.name
        assert not (row.goes_on and told["refused"]), row.name
