"""What the replay's page concludes, and where it puts its labels."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import pytest

from langchain_redis_memory.cli.replay.html import page, spread
from langchain_redis_memory.cli.replay.judge import CacheOutcome, ServedAnswer
from langchain_redis_memory.cli.replay.recorded import RecordedTurn
from langchain_redis_memory.cli.replay.report import ReplayReport, Settings
from langchain_redis_memory.cli.replay.stream import Kind, Role, StreamTurn, askings


def stream() -> list[StreamTurn]:
    said = [RecordedTurn("a", 1, "What is a?", rewrite="What is a?"), RecordedTurn("a", 2, "Why?", rewrite="Why is a?")]
    return askings([said], 2, 0)


def outcome(name: str, risk: float | None, hits: int, wrong: int) -> CacheOutcome:
    one = stream()[0]
    met = Counter({(Role.REPEATS, Kind.DEPENDENT, "", what): 1 for what in ("wrong", "miss")})
    met[Role.REPEATS, Kind.FIRST, "", "hit"] = 1
    serves = [ServedAnswer(one, one, "") for _ in range(wrong)]
    return CacheOutcome(name, risk, 100, cache=Counter(hit=hits), met=met, wrong=serves)


def report(*outcomes: CacheOutcome) -> ReplayReport:
    return ReplayReport(Settings(), "memory", 1, 2, 4, Counter(), Counter(), list(outcomes))


def test_the_recommended_risk_has_the_fewest_wrong_serves_then_the_most_hits_then_is_the_lowest() -> None:
    levels = [outcome(f"risk {r}", r, hits, wrong) for r, hits, wrong in ((0.01, 20, 0), (0.02, 30, 0), (0.05, 30, 0))]
    found = report(outcome("naive, same words", None, 40, 7), *levels, outcome("risk 0.1", 0.1, 50, 1))
    assert found.recommended is levels[1]
    assert "max_error 0.02 for now: of 100 turns 30 were served" in found.conclusion
    assert "served 7 (naive, same words) wrongly" in found.conclusion
    assert found.conclusion in page(found)


def test_without_rewrites_no_risk_is_recommended() -> None:
    found = report(CacheOutcome("risk 0.02", 0.02))
    assert found.recommended is None
    assert "add rewrites" in found.conclusion


@pytest.mark.parametrize("wanted", [[300.0, 300, 300, 300, 299], [0.0, 0, 500], [100.0, 104, 50], []])
def test_labels_keep_a_gap_inside_the_plot(wanted: list[float]) -> None:
    places = spread(wanted, 15, 30, 278)
    assert all(30 <= place <= 278 for place in places)
    assert all(after - before >= 15 for before, after in pairwise(sorted(places)))


def test_labels_of_equal_outcomes_do_not_overlap_on_the_page() -> None:
    html = page(report(*(outcome(f"risk {risk}", risk, 20, 0) for risk in (0.01, 0.02, 0.05, 0.1))))
    plot = html[: html.index("Hits and bypasses")]
    rows = sorted(float(y) for y in re.findall(r'<text x="[^"]+" y="([^"]+)"[^>]*>risk ', plot))
    assert len(rows) == 4
    assert all(after - before >= 14.9 for before, after in pairwise(rows))
