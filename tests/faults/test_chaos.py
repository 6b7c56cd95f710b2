"""The chaos command: a short run of two of its rows, and that its check can object."""

from __future__ import annotations

import pytest

from benchmarks.chaos.__main__ import COLUMNS, line
from benchmarks.chaos.load import Load
from benchmarks.chaos.rows import ROWS, Result, play
from langchain_redis_memory import Client, Outbox
from tests.support.servers import Farm


@pytest.mark.parametrize("name", ["connections are cut", "slots move, ten keys at a time"])
def test_a_row_loses_nothing(farm: Farm, name: str) -> None:
    row = next(row for row in ROWS if row.name == name)
    found = play(row, 2, farm)
    outcome = found.outcome
    assert outcome.acknowledged > 20
    assert (outcome.lost, outcome.doubled, outcome.reordered, outcome.raised) == (0, 0, 0, [])
    assert line(found).count("|") == len(COLUMNS) + 1


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
