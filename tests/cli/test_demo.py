"""The demo: what it says is what happened, and the documents show it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from langchain_redis_memory.cli import local
from langchain_redis_memory.cli.app import app
from langchain_redis_memory.cli.demo.show import WIDTH, NaiveCache

SHOWN = Path(__file__).parents[2] / "docs" / "demo.md"
LOCAL = pytest.mark.skipif(not local.local_model(), reason="needs the extra 'local'")


def played(**options: Any) -> str:
    done = CliRunner().invoke(app, ["demo", "--redis", f"memory://{uuid4()}"], **options)
    assert done.exit_code == 0, done.output
    return done.output


def turn(output: str, number: int) -> list[str]:
    """The lines of one turn, with continued lines joined: question, ours, naive."""
    block = re.search(rf"^ ?{number} \w+: .*?(?=^ ?\d+ \w+: |^$)", output, re.MULTILINE | re.DOTALL)
    assert block is not None
    return re.sub(r"\n      +", " ", block[0]).splitlines()


@pytest.mark.slow
def test_without_embeddings_it_says_how_to_get_them_and_needs_three_trips_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local, "local_model", lambda: False)
    output = played()
    assert "langchain-redis-memory[local]" in output
    assert max(int(trips) for trips in re.findall(r", (\d+) trips?\]", output)) <= 3
    assert "[miss" in turn(output, 8)[1]  # a paraphrase
    assert "[hit" in turn(output, 7)[1]  # the same words of another user


@pytest.mark.slow
def test_each_naive_answer_that_is_called_wrong_belongs_to_the_other_user() -> None:
    output = played()
    assert "would have told ben ana's answer: Throat cancer is treatable" in turn(output, 4)[2]
    assert "Asthma is treatable" in turn(output, 4)[1]
    assert output.count("[WRONG]") == 4
    assert "answered 5, 4 of them wrongly" in " ".join(output.split())
    assert "and answered 0 wrongly" in " ".join(output.split())


@pytest.mark.slow
def test_personal_questions_and_effects_are_not_served() -> None:
    output = played()
    for number in (9, 10, 11, 12):
        assert "[hit" not in turn(output, number)[1]


@pytest.mark.slow
def test_nothing_is_wider_than_80_columns_and_no_colour_is_written_to_a_file() -> None:
    output = played()
    assert max(map(len, output.splitlines())) <= WIDTH
    assert "\x1b" not in output


def test_the_naive_cache_gives_everybody_the_first_answer_to_the_words() -> None:
    naive = NaiveCache()
    assert naive.serve("ana", "Is it?", "Yes.") is None
    assert naive.serve("ben", "Is it? ", "No.") == ("ana", "Yes.")
    assert naive.serve("ben", "Was it?", "No.") is None


@pytest.mark.slow
@LOCAL
def test_a_paraphrase_hits_and_the_documents_show_what_the_demo_prints() -> None:
    output = played()
    assert "[hit" in turn(output, 8)[1]
    block = re.search(r"```text\n(Two users, ana and ben.*?)```", SHOWN.read_text("utf-8"), re.DOTALL)
    assert block is not None
    assert block[1] == output
