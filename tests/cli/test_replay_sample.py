"""The sample that comes with `replay`, and how sure a log makes one of what it shows."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from langchain_redis_memory.cli import local
from langchain_redis_memory.cli.app import app
from langchain_redis_memory.cli.replay import SAMPLE, Kind, askings, read_conversations
from langchain_redis_memory.cli.replay.reliability import Reliability, most_expected

CACHE = "semantic" if local.local_model() else "exact"


@pytest.mark.slow
def test_on_the_sample_a_naive_cache_serves_wrongly_and_ours_does_not(tmp_path: Path) -> None:
    """At one level of risk; that several stand side by side is shown in `test_replay.py`."""
    files = (tmp_path / "report.json", tmp_path / "report.html")
    options = ["--cache", CACHE, "--risk", "0.1", "--redis", f"memory://{uuid4().hex}"]
    done = CliRunner().invoke(app, ["replay", "--sample", *options, "--json", str(files[0]), "--html", str(files[1])])
    assert done.exit_code == 0, done.output
    report = json.loads(files[0].read_text("utf-8"))
    naive = [one for one in report["outcomes"] if one["risk"] is None]
    ours = [one for one in report["outcomes"] if one["risk"] is not None]
    assert all(one["wrong"] > 0 for one in naive)
    assert [one["wrong"] for one in ours] == [0]
    for one in ours:
        assert one["cache"]["hit"] > 10
        sure = one["reliability"]
        assert sure["achieved"] == 0.0
        assert sure["at_most"] == pytest.approx(3 / sure["judged_serves"], rel=0.01)
    assert report["recommended_risk"] == 0.1
    assert report["conclusion"] in files[1].read_text("utf-8")
    assert f"0 wrong of {ours[-1]['reliability']['judged_serves']} judged serves" in report["conclusion"]
    assert "How sure is that?" in " ".join(done.stdout.split())


def test_the_sample_has_several_domains_and_all_of_it_can_be_judged() -> None:
    conversations, damaged = read_conversations(SAMPLE)
    turns = [turn for conversation in conversations for turn in conversation]
    assert damaged == []
    assert len({turn.conversation.partition("-")[0] for turn in turns}) >= 5
    assert all(turn.rewrite and turn.answer for turn in turns)
    kinds = {asking.kind for asking in askings(conversations, 3)}
    assert kinds == {Kind.FIRST, Kind.SELF_CONTAINED, Kind.DEPENDENT, Kind.REWRITTEN}


@pytest.mark.parametrize("arguments", [[], ["some.jsonl", "--sample"]])
def test_replay_takes_one_file_or_the_sample(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["replay", *arguments])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "give one FILE to replay, or --sample" in done.stderr


@pytest.mark.parametrize(("wrong", "events"), [(0, 2.996), (1, 4.744), (10, 16.962), (1000, 1053.8)])
def test_the_upper_limit_is_that_of_the_poisson_law(wrong: int, events: float) -> None:
    assert most_expected(wrong) == pytest.approx(events, rel=1e-3)


@pytest.mark.parametrize(
    ("served", "wrong", "verdict"),
    [
        (0, 0, "too few serves to tell: 150 needed"),
        (149, 0, "too few serves to tell: 150 needed"),
        (150, 0, "borne out by this log"),
        (200, 1, "too few serves to tell: 238 needed"),
        (10_000, 100, "borne out by this log"),
        (10, 1, "more were wrong than claimed"),
    ],
)
def test_a_small_log_does_not_look_as_good_as_a_big_one(served: int, wrong: int, verdict: str) -> None:
    found = Reliability(0.02, served, wrong)
    assert found.verdict == verdict
    assert found.shown == (verdict == "borne out by this log")


def test_nothing_is_said_of_a_claim_that_nobody_made() -> None:
    found = Reliability(None, 10, 5)
    assert (found.achieved, found.verdict, found.needed, found.shown) == (0.5, "", None, False)
    assert Reliability(0.1, 0, 0).at_most is None
    assert Reliability(0.1, 2, 0).at_most == 1.0
