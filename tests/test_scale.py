"""How costs grow: the fit tells growth from none, copies are what was copied, a tiny run judges what it measured."""

from __future__ import annotations

import json
import os
from math import log
from pathlib import Path

import pytest
from langchain_core.outputs import Generation

from benchmarks.scale import meter as meter_module
from benchmarks.scale.__main__ import Measured, growths, kept, table, told
from benchmarks.scale.axes import AXES
from benchmarks.scale.fit import Growth, Stated, exponent, slope
from benchmarks.scale.loader import Copier, more_entries
from benchmarks.scale.meter import Meter, metered
from benchmarks.speed.harness import bytes_of_keys, separable
from langchain_redis_memory import Client, RedisCache, RedisChatMessageHistory, RedisSessions

SIZES = [10, 100, 1_000, 10_000, 100_000]


@pytest.mark.parametrize("power", [0, 0.5, 1, 2])
def test_a_power_is_found(power: float) -> None:
    points: dict[float, float] = {size: 3.0 * size**power for size in SIZES}
    assert slope(points) == pytest.approx(power)
    assert exponent(points) == pytest.approx(power)
    assert slope({5: 7.0}) == slope({}) == exponent({5: 0.0}) == 0


def test_a_logarithm_is_below_the_bound_and_a_root_above_it() -> None:
    assert exponent({size: log(size) for size in SIZES[1:]}) < 0.25 < exponent({size: size**0.3 for size in SIZES})


def test_growth_behind_a_constant_part_is_found() -> None:
    assert exponent({size: 100 + 0.005 * size for size in SIZES}) > 0.5


@pytest.mark.parametrize(
    ("stated", "costs", "broken"),
    [
        ("O(1)", {"trips": 1, "server": 1.0, "client": 1.0}, []),
        ("O(1)", {"trips": "n", "server": "n", "client": 1.0}, ["trips", "server"]),
        ("O(log n)", {"trips": 1, "server": "n", "client": 1.0}, ["server"]),
        ("O(n)", {"trips": "n", "server": "n", "client": "n"}, []),
    ],
)
def test_what_grows_that_must_not_is_named(stated: Stated, costs: dict[str, object], broken: list[str]) -> None:
    growth = Growth("a", "o", stated, {n: {k: float(n if v == "n" else 1) for k, v in costs.items()} for n in SIZES})
    assert growth.broken == broken


def test_noise_of_a_time_is_no_growth() -> None:
    noisy = Growth("a", "o", "O(1)", {n: {"trips": 1.0, "server": 1.0 + (n == SIZES[-1])} for n in SIZES})
    assert noisy.exponents["server"] > 0.25
    assert noisy.broken == []


def test_what_seems_to_grow_is_judged_by_the_better_of_two_measurements() -> None:
    growth = Growth("a", "o", "O(1)", {n: {"trips": 1.0, "server": 1.0 + 9 * (n == SIZES[-1])} for n in SIZES})
    assert growth.broken == ["server"]
    growth.again({"trips": 3.0, "server": 1.1})
    assert growth.costs[SIZES[-1]] == {"trips": 1.0, "server": 1.1}
    assert growth.broken == []


def ports_of(url: str) -> list[int]:
    return [int(url.rsplit(":", 1)[1].split("/", maxsplit=1)[0])]


def test_copies_are_read_like_what_was_copied(real: Client, real_url: str) -> None:
    history = RedisChatMessageHistory("copied-00", real)
    history.add_turn("How are you?", "Well.")
    with metered(real_url, ports_of(real_url)) as meter:
        assert Copier([meter.admin], "copied-00").copy(f"copied-{n:02}" for n in range(1, 8)) == 7
        with pytest.raises(ValueError, match="nothing is stored"):
            Copier([meter.admin], "copied-99")
        RedisChatMessageHistory("stored-07", real).add_messages(history.messages)
        copied, stored = (bytes_of_keys(ports_of(real_url)[0], f"*{name}}}:*") for name in ("copied-07", "stored-07"))
        assert copied == stored > 400
        copy = RedisChatMessageHistory("copied-07", real)
        assert copy.messages == history.messages
        copy.add_turn("And now?", "Still.")
        assert (copy.count(), history.count()) == (4, 2)
        assert len(RedisSessions(real).list_sessions().sessions) == 9


def test_entries_are_added_beside_those_that_are_stored(real: Client, real_url: str) -> None:
    cache = RedisCache(real)
    cache.warm([(f"question {n}", f"answer {n}") for n in range(100)], "model")
    with metered(real_url, ports_of(real_url)) as meter:
        shards = list(meter.admin.scan_iter("*:entries"))
        before = sum(meter.admin.hlen(shard) for shard in shards)
        more_entries(meter.admin, 3 * len(shards))
        assert sum(meter.admin.hlen(shard) for shard in shards) == before + 3 * len(shards)
    assert cache.lookup("question 7", "model") == [Generation(text="answer 7")]


def test_a_tiny_run(real_url: str, prefix: str, tmp_path: Path) -> None:
    (messages,) = [axis for axis in AXES if axis.name.startswith("messages")]
    with metered(real_url, ports_of(real_url), prefix) as meter:
        found = growths(meter, messages, (10, 100), rounds=1)
    by_name = {growth.operation: growth for growth in found}
    assert by_name["all messages"].exponents["bytes"] > 0.5
    assert {cost["trips"] for cost in by_name["the last 20 messages"].costs.values()} == {1}
    assert all(cost["server"] > 0 and cost["client"] > 0 for cost in by_name["a turn added"].costs.values())
    assert len(table(found)) == len(found)
    runs = {messages.name: Measured("2026-11-30", 1.5)}
    written = told(found, runs, full=False)
    assert written["title"] == "How costs grow"
    assert f"shared processors, figures may be off by a factor of two: {messages.name}" in str(written["about"])
    assert "shared processors" not in str(told(found, {messages.name: Measured("2026-11-30", 1.5, True)}, full=False))
    file = tmp_path / "scale.json"
    assert kept(file) == ([], {})
    file.write_text(json.dumps(written))
    assert kept(file) == (found, runs)


@pytest.mark.skipif(not separable(), reason="one processor, or a system that cannot choose")
def test_the_client_and_the_servers_keep_apart_while_they_are_measured(real_url: str) -> None:
    before = os.sched_getaffinity(0)
    with metered(real_url, ports_of(real_url)) as meter:
        server = meter.admin.info("server")["process_id"]
        own, theirs = os.sched_getaffinity(0), os.sched_getaffinity(server)
        assert (len(own), own & theirs, own | theirs) == (1, set(), before)
    assert (os.sched_getaffinity(0), os.sched_getaffinity(server)) == (before, before)


def test_rounds_go_on_until_they_agree(monkeypatch: pytest.MonkeyPatch, real_url: str, prefix: str) -> None:
    asked: list[float] = []

    def restless(_self: Meter, _work: object) -> tuple[tuple[float, float], float]:
        asked.append(0)
        return (1.0 + 2 * (len(asked) % 2), 1.0), 0.001

    def calm(_self: Meter, _work: object) -> tuple[tuple[float, float], float]:
        asked.append(0)
        return (2.0, 6.0), 0.001

    with metered(real_url, ports_of(real_url), prefix) as meter:
        for rounds, spread_above, in_gets in ((meter_module.MOST, 0.3, restless), (meter_module.LEAST, 0.0, calm)):
            asked.clear()
            monkeypatch.setattr(Meter, "_in_gets", in_gets)
            costs = meter.costs(lambda _: None, operations=2)
            assert len(asked) == rounds
            assert costs["spread"] >= spread_above
    assert (costs["server"], costs["client"], costs["spread"], costs["trips"]) == (1.0, 3.0, 0.0, 0.0)
