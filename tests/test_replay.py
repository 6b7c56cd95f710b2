"""Replaying recorded conversations: damaged lines, the judge of wrong serves, and the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from chains import Marked
from typer.testing import CliRunner

from langchain_redis_memory.cli import app
from langchain_redis_memory.demo.replay import Outcome, read, replay
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.memory import ConversationMemory
from langchain_redis_memory.policy import QuestionType
from langchain_redis_memory.turn import TurnReport


def write(path: Path, *lines: Any) -> Path:
    file = path / "turns.jsonl"
    file.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    return file


def run(file: Path, users: int = 2, **options: Any) -> Outcome:
    conversations, damaged = read(file)
    outcome = Outcome()
    for _, _, so_far in replay(ConversationMemory(f"memory://{uuid4().hex}", **options), conversations, users):
        outcome = so_far
    outcome.damaged = damaged
    return outcome


def command(*arguments: Any) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["replay", *map(str, arguments), "--redis", f"memory://{uuid4().hex}"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


GOOD = {"conv": "a", "question": "What is it?", "rewrite": "What is it?"}
DAMAGED: dict[str, bytes] = {
    "text": b"hello",
    "cut": b'{"conv": "a", "question": ',
    "list": b"[]",
    "number": b"7",
    "null": b"null",
    "no question": b'{"conv": "a"}',
    "no conversation": b'{"question": "a"}',
    "question is a number": b'{"conv": "a", "question": 7}',
    "question is blank": b'{"conv": "a", "question": " "}',
    "rewrite is a list": b'{"conv": "a", "question": "a", "rewrite": []}',
    "answer is a number": b'{"conv": "a", "question": "a", "answer": 7}',
    "turn is a word": b'{"conv": "a", "question": "a", "turn": "x"}',
    "turn is null": b'{"conv": "a", "question": "a", "turn": null}',
    "turn is endless": b'{"conv": "a", "question": "a", "turn": 1e999}',
    "turn is no number": b'{"conv": "a", "question": "a", "turn": NaN}',
    "not utf-8": b'{"conv": "a", "question": "\xff"}',
    "too deep": b'{"conv": "a", "question": ' + b"[" * 100_000,
    "a name that is too long": b'{"conv": "' + b"x" * 2000 + b'", "question": "a"}',
    "a name without utf-8": b'{"conv": "\\ud800", "question": "a"}',
}


@pytest.mark.parametrize("line", DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_lines_are_skipped_and_named(tmp_path: Path, line: bytes) -> None:
    file = write(tmp_path, GOOD, line, b"", {**GOOD, "question": "Why?"})
    conversations, damaged = read(file)
    assert [[turn.question for turn in conversation] for conversation in conversations] == [["What is it?", "Why?"]]
    assert [fault.line for fault in damaged] == [2]
    assert len(damaged[0].why) < 300
    code, output = command(file)
    assert code == 0
    assert "line 2 skipped" in output
    assert "4 turns" in output


def test_many_damaged_lines_are_summed_up(tmp_path: Path) -> None:
    code, output = command(write(tmp_path, GOOD, *[b"x"] * 30))
    assert code == 0
    assert "and 10 more" in output


def test_a_file_with_a_mark_at_its_start(tmp_path: Path) -> None:
    conversations, damaged = read(write(tmp_path, b"\xef\xbb\xbf" + json.dumps(GOOD).encode()))
    assert (len(conversations), damaged) == (1, [])


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        read(tmp_path / "none.jsonl")
    with pytest.raises(ConfigError, match="cannot read"):
        read(tmp_path)
    code, output = command(tmp_path / "none.jsonl")
    assert code == 1
    assert output.startswith("ConfigError: cannot read")
    assert "Traceback" not in output


def test_an_empty_file(tmp_path: Path) -> None:
    assert read(write(tmp_path)) == ([], [])
    code, output = command(write(tmp_path))
    assert code == 0
    assert "0 turns" in output


# --- what it counts --------------------------------------------------------------------------------


def turns(conv: str, *said: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"conv": conv, "turn": number, "question": question, "rewrite": rewrite}
        for number, (question, rewrite) in enumerate(said)
    ]


def test_wrong_serves_are_counted(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        *turns("a", ("How old is he?", "How old is Ibsen?"), ("Who wrote Hamlet?", "Who wrote Hamlet?")),
        *turns("b", ("How old is he?", "How old is Grieg?"), ("Who wrote Hamlet?", "Who wrote Hamlet?")),
    )
    outcome = run(file, users=1)
    assert outcome.turns == 4
    assert outcome.judged == 2
    assert outcome.wrong == [("/b#1", "How old is he?", "How old is Grieg?", "How old is Ibsen?")]
    code, output = command(file, "--users", 1)
    assert code == 0
    assert "wrong: /b#1 asked 'How old is he?'" in output


def test_right_serves_are_not_counted_as_wrong(tmp_path: Path) -> None:
    said = turns("a", ("What is Redis?", "What is Redis?"), ("Is it fast?", "Is Redis fast?"))
    outcome = run(write(tmp_path, *said), users=3)
    assert (outcome.turns, outcome.judged, outcome.wrong) == (6, 4, [])
    assert outcome.cache == {"miss": 2, "hit": 4}
    assert outcome.dependent == 3
    assert outcome.tokens_saved > 0


def test_equal_answers_to_different_questions_are_told_apart(tmp_path: Path) -> None:
    """The judge goes by what an answer was made for, not by its words: many recorded answers are just "Yes"."""
    said = [
        {**turn, "answer": "Yes."}
        for conv, asked in (("a", "Is water wet?"), ("b", "Is fire hot?"), ("c", "Is water wet?"))
        for turn in turns(conv, (asked, asked))
    ]
    outcome = run(write(tmp_path, *said), users=2)
    assert outcome.judged == 4
    assert outcome.wrong == []


def test_a_wrong_serve_of_equal_words_is_still_wrong(tmp_path: Path) -> None:
    said = [
        {**turn, "answer": "Yes."}
        for conv, meant in (("a", "Is Ibsen dead?"), ("b", "Is Grieg dead?"))
        for turn in turns(conv, ("Is he dead?", meant))
    ]
    outcome = run(write(tmp_path, *said), users=1)
    assert len(outcome.wrong) == 1


def test_unsafe_verdicts_are_counted(tmp_path: Path) -> None:
    said = turns("a", ("N: Who was Ibsen?", "Who was Ibsen?"), ("N: And his wife?", "Who was the wife of Ibsen?"))
    outcome = run(write(tmp_path, *said), users=2, classifier=Marked())
    assert (outcome.dependent, outcome.unsafe) == (2, 2)
    careful = run(write(tmp_path, *said), users=2)
    assert careful.dependent == 2
    assert careful.unsafe == 0


def test_without_rewrites_nothing_is_judged(tmp_path: Path) -> None:
    outcome = run(write(tmp_path, {"conv": "a", "question": "What is it?"}), users=3)
    assert (outcome.turns, outcome.judged, outcome.dependent) == (3, 0, 0)
    assert outcome.cache == {"miss": 1, "hit": 2}
    assert outcome.types == {QuestionType.NEW_TOPIC: 3}


def test_conversations_of_two_sources_are_two(tmp_path: Path) -> None:
    conversations, _ = read(write(tmp_path, {**GOOD, "source": "x"}, {**GOOD, "source": "y"}, {**GOOD, "source": "x"}))
    assert [len(conversation) for conversation in conversations] == [2, 1]


def test_turns_of_users_alternate(tmp_path: Path) -> None:
    conversations, _ = read(write(tmp_path, *turns("a", ("1", "1"), ("2", "2")), *turns("b", ("3", "3"))))
    memory = ConversationMemory(f"memory://{uuid4().hex}")
    seen: list[tuple[str, TurnReport]] = [
        (turn.question, report) for turn, report, _ in replay(memory, conversations, 2)
    ]
    assert [question for question, _ in seen] == ["1", "3", "1", "3", "2", "2"]
    assert [report.question for _, report in seen] == [question for question, _ in seen]


@pytest.mark.parametrize("users", [0, 101, "x"])
def test_wrong_numbers_of_users(tmp_path: Path, users: Any) -> None:
    code, _ = command(write(tmp_path, GOOD), "--users", users)
    assert code == 2


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["replay", str(write(tmp_path, GOOD)), "--redis", "redis://127.0.0.1:1/0"])
    assert done.exit_code == 1
    assert done.output.startswith("UnavailableError: ")
    assert done.output.count("\n") == 1
