"""The scripts on a clock that the test sets: whatever is taken, waited for and given back, no window holds too much."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lupa import lua51

from langchain_redis_memory.redis.scripts import script
from tests.support.examples import share

BORN = 1_700_000_000_000_000
TOLERANCES = (1000.0, 300.0)


class Buckets:
    """Two rates in a server that is only a clock and keys; it notes when each request starts and what it costs."""

    def __init__(self) -> None:
        self.now = BORN
        self.stored: dict[bytes, tuple[bytes, float]] = {}
        self.events: list[tuple[float, list[float], list[float]]] = []
        self.marks: list[list[Any]] = []
        self.lua = lua51.LuaRuntime(encoding=None)
        self.lua.globals()[b"redis"] = self.lua.table_from({b"call": self.call})
        self.lua.execute(b"cjson = {encode = function() return 'told' end}")  # no trip is sent twice here
        self.trips = 0

    def call(self, verb: bytes, key: bytes = b"", *args: Any) -> Any:
        if verb == b"TIME":
            return self.lua.table(*(str(part).encode() for part in divmod(self.now, 1_000_000)))
        if verb == b"GET":
            value, expires = self.stored.get(key, (None, 0.0))
            return value if self.now < expires else None
        assert verb == b"SET"
        assert args[1] == b"PX"
        self.stored[key] = args[0], self.now + int(args[2]) * 1000
        return b"OK"

    def run(self, name: str, *args: object) -> list[Any]:
        globals_ = self.lua.globals()
        source = script(name).source
        self.trips += 1
        own = [f"trip {self.trips}".encode()] if "function once(" in source else []
        globals_[b"KEYS"] = self.lua.table(b"a", b"b", *own)
        globals_[b"ARGV"] = self.lua.table(*(arg if isinstance(arg, bytes) else str(arg).encode() for arg in args))
        found = self.lua.execute(source)
        return [] if found == 1 else [list(one.values()) if hasattr(one, "values") else one for one in found.values()]

    def take(self, cost: float, wait: float, other: float = 0.0) -> bool:
        costs = (cost, other)
        pairs = [part for pair in zip(costs, TOLERANCES, strict=True) for part in pair]
        taken, delay, _short, _ahead, *states = self.run("limits/take", "token", 1, wait, 1000, 1000, 2, *pairs)
        if taken:
            assert int(delay) <= wait + 1
            self.events.append((self.now - BORN + int(delay), list(costs), list(costs)))
            self.marks.append([part for _level, born, mark in states for part in (born, mark)])
        return bool(taken)

    def settle(self, which: int, share: float) -> None:
        _, now, full = self.events[which]
        first, second = (cost * share - before for cost, before in zip(full, now, strict=True))
        now[:] = [cost * share for cost in full]
        born_a, mark_a, born_b, mark_b = self.marks[which]
        self.run("limits/settle", "token", 2, first, born_a, mark_a, second, born_b, mark_b)

    def excess(self, which: int) -> float:
        """By how much the fullest window of a rate holds more than it may."""
        events = sorted((start, costs[which]) for start, costs, _ in self.events)
        worst = 0.0
        for i, (first, _) in enumerate(events):
            total = 0.0
            for last, cost in events[i:]:
                total += cost
                worst = max(worst, total - (last - first) - TOLERANCES[which])
        return worst


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.sampled_from([1.0, 37.5, 100.0, 400.0, 1000.0]), st.sampled_from([0, 500, 1500])),
        st.tuples(st.just("take both"), st.sampled_from([0.0, 100.0, 800.0]), st.sampled_from([0, 1500])),
        st.tuples(st.just("sleep"), st.integers(0, 1200), st.just(0)),
        st.tuples(st.just("settle"), st.integers(0, 20), st.sampled_from([0.0, 0.2, 0.9])),
    ),
    max_size=30,
)


@given(STEPS)
def test_no_window_holds_more_than_the_burst_and_what_fills_up_meanwhile(steps: list[tuple[str, Any, Any]]) -> None:
    buckets, settled = Buckets(), set[int]()
    for step, number, more in steps:
        if step.startswith("take"):
            buckets.take(number, more, 150.0 if step == "take both" else 0.0)
        elif step == "sleep":
            buckets.now += number
        elif number < len(buckets.events) and number not in settled:
            settled.add(number)
            buckets.settle(number, more)
    assert max(buckets.excess(0), buckets.excess(1)) <= len(buckets.events), "starts are told in whole microseconds"


@given(STEPS, st.sampled_from([(0.0, 0.0), (1.0, 300.0), (400.0, 0.0), (37.5, 100.0)]))
@share(2)
def test_a_check_decides_and_keeps_what_a_take_without_waiting_does(
    steps: list[tuple[str, Any, Any]], costs: tuple[float, float]
) -> None:
    buckets = Buckets()
    pairs = [part for pair in zip(costs, TOLERANCES, strict=True) for part in pair]
    for step, number, more in steps:
        if step.startswith("take"):
            buckets.take(number, more, 150.0 if step == "take both" else 0.0)
        elif step == "sleep":
            buckets.now += number
        elif number < len(buckets.events):
            buckets.settle(number, more)
        kept = dict(buckets.stored)
        taken, delay, short, _ahead, *states = buckets.run("limits/take", "token", 2, 0, 1000, 1000, 2, *pairs)
        after, buckets.stored = buckets.stored, dict(kept)
        checked_delay, checked_short, *levels = buckets.run("limits/check", *pairs)
        assert (not checked_short, checked_short) == (bool(taken), short)
        wanted = [int(delay), *(int(level) for level, _born, _mark in states)]
        assert all(abs(int(one) - two) <= 1 for one, two in zip([checked_delay, *levels], wanted, strict=True))
        assert buckets.stored == after
        buckets.stored = kept


def test_what_was_paid_off_meanwhile_is_not_given_back_again() -> None:
    buckets = Buckets()
    assert buckets.take(1000, 0)
    buckets.now += 1000
    assert buckets.take(1000, 0)
    buckets.settle(0, 0.0)
    assert not buckets.take(100, 0)


def test_what_others_gave_back_moves_those_behind_forward() -> None:
    buckets = Buckets()
    assert buckets.take(500, 0)
    assert buckets.take(500, 0)
    buckets.settle(0, 0.0)
    buckets.now += 500
    assert buckets.take(1000, 0)
    buckets.settle(1, 0.0)
    assert not buckets.take(100, 0), "the second was paid off in the place of the first"


def test_what_those_behind_gave_back_changes_nothing_for_those_ahead() -> None:
    buckets = Buckets()
    assert all(buckets.take(300, 0) for _ in range(3))
    for which in (2, 1, 0):
        buckets.settle(which, 0.1)
    assert buckets.take(910, 0)
    assert not buckets.take(1, 0)


def test_only_the_newest_that_gave_back_are_remembered() -> None:
    buckets = Buckets()
    for which in range(40):
        assert buckets.take(100, 0)
        buckets.settle(which, 0.5)
        buckets.now += 50
    assert len(buckets.stored[b"a"][0]) < 500
    assert buckets.take(1000, 50)


def test_what_is_not_paid_off_is_given_back_at_once() -> None:
    buckets = Buckets()
    assert buckets.take(1000, 0)
    assert not buckets.take(800, 0)
    buckets.settle(0, 0.2)
    assert buckets.take(800, 0)
    assert not buckets.take(1, 0)


def test_a_booked_start_that_is_given_up_is_free_again_unless_others_stand_behind_it() -> None:
    buckets = Buckets()
    assert buckets.take(1000, 0)
    assert buckets.take(1000, 1500)
    buckets.settle(1, 0.0)
    assert buckets.take(1000, 1000)
    assert buckets.take(1000, 2000)
    buckets.settle(1, 0.0)
    assert not buckets.take(1000, 2999), "who stands behind keeps his start, so nothing is free before it"


def test_only_so_much_is_given_back_as_those_who_wait_behind_leave() -> None:
    buckets = Buckets()
    assert buckets.take(500, 0)
    assert buckets.take(500, 0)
    assert buckets.take(800, 800), "starts at 800, when 200 of the first two are not paid off"
    buckets.settle(0, 0.0)
    assert not buckets.take(500, 1099)
    assert buckets.take(500, 1101)


def test_what_was_given_back_once_is_not_left_for_the_next() -> None:
    buckets = Buckets()
    assert all(buckets.take(cost, 0) for cost in (100, 100, 700))
    assert buckets.take(800, 800), "starts at 700, when 200 are not paid off"
    buckets.settle(0, 0.0)
    buckets.settle(1, 0.0)
    buckets.settle(2, 0.0)
    assert not buckets.take(800, 1299), "200 were given back"
    assert buckets.take(800, 1301)


@pytest.mark.slow
def test_what_was_reserved_in_vain_is_used_by_others_also_where_somebody_always_waits() -> None:
    buckets, settled = Buckets(), 0
    for _ in range(300):
        while buckets.take(100, 400):
            pass
        buckets.now += 50
        while settled < len(buckets.events) and buckets.events[settled][0] + 200 < buckets.now - BORN:
            buckets.settle(settled, 0.5)
            settled += 1
    used = sum(costs[0] for _, costs, _ in buckets.events[:settled])
    assert used > 0.9 * (buckets.now - BORN)
    assert buckets.excess(0) <= len(buckets.events)


def test_a_request_that_waits_for_one_rate_counts_in_the_others_when_it_starts() -> None:
    buckets = Buckets()
    assert buckets.take(1000, 0)
    assert buckets.take(1000, 1000, 300), "the second rate has room now, but it starts at 1000"
    buckets.now += 1000
    assert not buckets.take(0, 0, 300)


def test_giving_back_twice_after_a_lost_reply_counts_once() -> None:
    buckets = Buckets()
    assert buckets.take(600, 0)
    assert buckets.take(400, 0)
    for _ in range(2):
        buckets.run("limits/settle", "token", 2, -300, *buckets.marks[1][:2], 0, *buckets.marks[1][2:])
    assert not buckets.take(301, 0)
    assert buckets.take(300, 0)


@pytest.mark.parametrize("wait", [0, 500])
def test_a_debt_is_waited_for(wait: int) -> None:
    buckets = Buckets()
    assert buckets.take(100, 0)
    buckets.settle(0, 20.0)
    assert not buckets.take(1, wait)
    buckets.now += 1001
    assert buckets.take(1, 0)
