"""Replaying recorded conversations: damaged lines, the judge of wrong serves, and the command."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from langchain_redis_memory import QuestionOptions
from langchain_redis_memory.cli.app import app
from langchain_redis_memory.cli.replay import CacheOutcome, Kind, Role, askings, play, read_conversations, same_question
from langchain_redis_memory.conversation.memory import ConversationMemory
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.redis.client.options import Options
from langchain_redis_memory.redis.client.topology import topology
from tests.support.chains import Marked, for_everyone


def write(path: Path, *lines: Any) -> Path:
    file = path / "turns.jsonl"
    file.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    return file


def run(file: Path, users: int = 2, **options: Any) -> CacheOutcome:
    conversations, _ = read_conversations(file)
    outcome = CacheOutcome()
    memory = ConversationMemory(f"memory://{uuid4().hex}", questions=QuestionOptions(audience=for_everyone), **options)
    for _ in play(memory, askings(conversations, users), outcome=outcome):
        pass
    return outcome


def command(*arguments: Any) -> tuple[int, str]:
    """The command with one risk level and the exact cache, unless the arguments say otherwise."""
    few = ["--risk", "0.1", "--cache", "exact", "--redis", f"memory://{uuid4().hex}"]
    done = CliRunner().invoke(app, ["replay", *few, *map(str, arguments)])
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
    "paraphrase is a list": b'{"conv": "a", "question": "a", "paraphrase": ["b"]}',
    "answer without utf-8": b'{"conv": "a", "question": "a", "answer": "\\ud800"}',
    "answer is a number": b'{"conv": "a", "question": "a", "answer": 7}',
    "turn is a word": b'{"conv": "a", "question": "a", "turn": "x"}',
    "turn is null": b'{"conv": "a", "question": "a", "turn": null}',
    "turn is endless": b'{"conv": "a", "question": "a", "turn": 1e999}',
    "turn is not a number": b'{"conv": "a", "question": "a", "turn": NaN}',
    "not utf-8": b'{"conv": "a", "question": "\xff"}',
    "too deep": b'{"conv": "a", "question": ' + b"[" * 100_000,
    "a name that is too long": b'{"conv": "' + b"x" * 2000 + b'", "question": "a"}',
    "a name without utf-8": b'{"conv": "\\ud800", "question": "a"}',
}


@pytest.mark.parametrize("line", DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_lines_are_skipped_and_named(tmp_path: Path, line: bytes) -> None:
    file = write(tmp_path, GOOD, line, b"", {**GOOD, "question": "Why?"})
    conversations, damaged = read_conversations(file)
    assert [[turn.question for turn in conversation] for conversation in conversations] == [["What is it?", "Why?"]]
    assert [fault.line for fault in damaged] == [2]
    assert len(damaged[0].why) < 300


def test_a_damaged_line_is_named_and_the_rest_is_replayed(tmp_path: Path) -> None:
    code, output = command(write(tmp_path, GOOD, b"[]", b"", {**GOOD, "question": "Why?"}))
    assert code == 0
    assert "line 2 skipped" in output
    assert "3 users each: 6 turns" in output


def test_many_damaged_lines_are_summed_up(tmp_path: Path) -> None:
    code, output = command(write(tmp_path, GOOD, *[b"x"] * 30))
    assert code == 0
    assert "and 10 more" in output


def test_a_file_with_a_mark_at_its_start(tmp_path: Path) -> None:
    conversations, damaged = read_conversations(write(tmp_path, b"\xef\xbb\xbf" + json.dumps(GOOD).encode()))
    assert (len(conversations), damaged) == (1, [])


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        read_conversations(tmp_path / "none.jsonl")
    with pytest.raises(ConfigError, match="cannot read"):
        read_conversations(tmp_path)
    code, output = command(tmp_path / "none.jsonl")
    assert code == 1
    assert output.startswith("ConfigError: cannot read")
    assert "Traceback" not in output


def test_an_empty_file(tmp_path: Path) -> None:
    assert read_conversations(write(tmp_path)) == ([], [])
    code, output = command(write(tmp_path))
    assert code == 0
    assert "0 turns" in output


# --- the stream ------------------------------------------------------------------------------------


def turns(conv: str, *said: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"conv": conv, "turn": number, "question": question, "rewrite": rewrite}
        for number, (question, rewrite) in enumerate(said)
    ]


TALK = turns(
    "a", ("What is Redis?", "What is Redis?"), ("Is it fast?", "Is Redis fast?"), ("Who is Grieg?", "Who is Grieg?")
)


def test_turns_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    conversations, _ = read_conversations(write(tmp_path, TALK[2], TALK[0], TALK[1]))
    assert [turn.question for turn in conversations[0]] == [turn["question"] for turn in TALK]
    unnumbered = [{"conv": "a", "question": turn["question"]} for turn in (TALK[2], TALK[0])]
    conversations, _ = read_conversations(write(tmp_path, *unnumbered))
    assert [turn.question for turn in conversations[0]] == ["Who is Grieg?", "What is Redis?"]


def test_conversations_of_two_sources_are_two(tmp_path: Path) -> None:
    conversations, _ = read_conversations(
        write(tmp_path, {**GOOD, "source": "x"}, {**GOOD, "source": "y"}, {**GOOD, "source": "x"})
    )
    assert [len(conversation) for conversation in conversations] == [2, 1]


def test_users_are_interleaved_and_nobody_is_ahead_of_the_first(tmp_path: Path) -> None:
    conversations, _ = read_conversations(
        write(tmp_path, *TALK, *turns("b", ("1", "1"), ("2", "2"), ("3", "3"), ("4", "4")))
    )
    stream = askings(conversations, 5, seed=3)
    assert [asking.number for asking in stream] == list(range(35))
    assert stream == askings(conversations, 5, seed=3)
    assert [asking.session for asking in stream] != [asking.session for asking in askings(conversations, 5, seed=4)]
    done: dict[str, int] = {}
    for asking in stream:
        assert asking.place == done.get(asking.session, 0)
        done[asking.session] = asking.place + 1
        assert done[f"{asking.turn.conversation}#1"] >= done[asking.session]
    sessions = [asking.session for asking in stream]
    assert sessions != sorted(sessions)
    roles = {asking.user: asking.role for asking in stream}
    assert roles == {0: Role.PLAYS, 1: Role.REPEATS, 2: Role.PARAPHRASES, 3: Role.REPEATS, 4: Role.PARAPHRASES}


def test_what_each_turn_is(tmp_path: Path) -> None:
    said = [*TALK, {"conv": "a", "turn": 9, "question": "And?"}, *turns("b", ("Is he dead?", "Is Ibsen dead?"))]
    conversations, _ = read_conversations(write(tmp_path, *said))
    kinds = {asking.text: asking.kind for asking in askings(conversations, 2)}
    assert kinds == {
        "What is Redis?": Kind.FIRST,
        "Is it fast?": Kind.DEPENDENT,
        "Who is Grieg?": Kind.SELF_CONTAINED,
        "And?": Kind.NOT_KNOWN,
        "Is he dead?": Kind.CUT_OFF,
    }


def in_other_words(tmp_path: Path, *said: dict[str, Any]) -> dict[str, tuple[str, str]]:
    conversations, _ = read_conversations(write(tmp_path, *said))
    return {
        asking.turn.question: (asking.text, asking.wording)
        for asking in askings(conversations, 3)
        if asking.role is Role.PARAPHRASES
    }


def test_the_third_user_has_other_words(tmp_path: Path) -> None:
    found = in_other_words(tmp_path, *TALK, {**TALK[0], "turn": 7, "question": "And why?", "paraphrase": "How come?"})
    assert found["Is it fast?"] == ("Is Redis fast?", "rewrite")
    assert found["And why?"] == ("How come?", "paraphrase")
    assert found["What is Redis?"][0] in {"what is redis", "What's Redis?", "Please tell me what is Redis?"}
    conversations, _ = read_conversations(write(tmp_path, *TALK))
    assert {asking.kind for asking in askings(conversations, 3) if asking.text == "Is Redis fast?"} == {Kind.REWRITTEN}


def test_forms_keep_the_words_that_matter(tmp_path: Path) -> None:
    asked = [f"{start} {thing}{stop}" for start in ("What is", "Tell me about", "I am in", "NATO is not") for thing in
             ("the US", "Oslo") for stop in ("?", ".", "")]  # fmt: skip
    asked += ["ok", "42", "Please help me", "I'm lost", "What's the time?", "cannot log in"]
    found = in_other_words(tmp_path, *({"conv": number, "question": text} for number, text in enumerate(asked)))
    for question, (text, wording) in found.items():
        if wording == "unchanged":
            assert text == question
            continue
        assert text != question
        added = {"please", "tell", "me", "is", "not", "am", "can"}
        words = set(re.findall(r"[a-z0-9]+", re.sub(r"n't|'s|'m|cannot|can't", " ", text.lower())))
        before = set(re.findall(r"[a-z0-9]+", re.sub(r"n't|'s|'m|cannot|can't", " ", question.lower())))
        assert words ^ before <= added, (question, text)
    assert found["42"][1] == "politeness"
    assert {wording for _, wording in found.values()} >= {"case", "politeness", "contraction"}


# --- the judge -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is Redis?", "what is  redis"),
        ("What is throat cancer?", "What's throat cancer?"),
        ("What are the symptoms of throat cancer?", "What are symptoms of throat cancers?"),
        ("Isn't Redis fast?", "Is not Redis fast?"),
        ("Hi, I'm looking for a cheap hotel in the east.", "I am looking for a cheap hotel that is in the east."),
    ],
)
def test_the_same_question(one: str, other: str) -> None:
    assert same_question(one, other)
    assert same_question(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How old is Ibsen?", "How old is Grieg?"),
        ("Who is the president?", "Who was the president?"),
        ("When did Ibsen leave Norway for Italy?", "Why did Ibsen leave Norway for Italy?"),
        ("Did Ibsen teach Grieg to play the piano?", "Did Grieg teach Ibsen to play the piano?"),
        ("Can you eat the seeds of this fruit at all?", "Can you not eat the seeds of this fruit at all?"),
        ("What happened in Oslo in 1905?", "What happened in Oslo in 1906?"),
        ("I want a cheap hotel in the east part of town.", "I want a cheap hotel in the west part of town."),
        ("What is Redis?", ""),
    ],
)
def test_another_question(one: str, other: str) -> None:
    assert not same_question(one, other)
    assert not same_question(other, one)


def test_wrong_serves_are_counted_and_told_with_both_conversations(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        *turns("a", ("Who was Ibsen?", "Who was Ibsen?"), ("N: How old is he?", "How old is Ibsen?")),
        *turns("b", ("Who was Grieg?", "Who was Grieg?"), ("N: How old is he?", "How old is Grieg?")),
    )
    outcome = run(file, users=2, classifier=Marked())
    assert (outcome.turns, outcome.dependent, outcome.unsafe) == (8, 4, 4)
    assert len(outcome.wrong) == 2
    assert outcome.wrong_share == 0.5
    serve = outcome.wrong[0].as_dict()
    assert {serve["asked"]["meaning"], serve["made_for"]["meaning"]} == {"How old is Ibsen?", "How old is Grieg?"}
    assert {*serve["asked"]["before"], *serve["made_for"]["before"]} == {"Who was Ibsen?", "Who was Grieg?"}
    assert serve["kind"] == "dependent"
    assert serve["verdict"].startswith("NEW_TOPIC")
    careful = run(file, users=2)
    assert (careful.unsafe, careful.wrong, careful.wrong_share) == (0, [], 0.0)


def test_right_serves_are_not_counted_as_wrong(tmp_path: Path) -> None:
    outcome = run(write(tmp_path, *TALK), users=2)
    assert (outcome.turns, outcome.wrong, outcome.unjudged) == (6, [], [])
    assert outcome.cache == {"miss": 3, "hit": 3}
    assert outcome.repeats_hit[Kind.FIRST] == outcome.repeats_hit[Kind.DEPENDENT] == 1.0
    assert outcome.paraphrases_hit[Kind.FIRST] is None
    assert outcome.tokens_saved > 0
    assert outcome.tokens_spent > 0
    assert outcome.seconds_saved == 3.0
    assert 0 < outcome.most_trips <= 4


def test_equal_answers_to_different_questions_are_told_apart(tmp_path: Path) -> None:
    """The judge goes by what an answer was made for, not by its words: many recorded answers are just "Yes"."""
    said = [
        {**turn, "answer": "Yes."}
        for conv, meant in (("a", "Is Ibsen dead?"), ("b", "Is Grieg dead?"))
        for turn in turns(conv, ("Is anybody dead?", meant))
    ]
    outcome = run(write(tmp_path, *said), users=1)
    assert len(outcome.wrong) == 1
    assert outcome.count(["wrong"], kinds=[Kind.CUT_OFF]) == 1
    said = [{**turn, "answer": "Yes."} for conv in "ab" for turn in turns(conv, ("Is fire hot?", "Is fire hot?"))]
    outcome = run(write(tmp_path, *said), users=1)
    assert (outcome.cache["hit"], outcome.wrong) == (1, [])


def test_without_rewrites_a_person_has_to_judge(tmp_path: Path) -> None:
    said = [
        {"conv": conv, "question": question} for conv in "ab" for question in ("What is Redis?", "N: Is Oslo a city?")
    ]
    outcome = run(write(tmp_path, *said), users=1, classifier=Marked())
    assert outcome.types == {QuestionType.NEW_TOPIC: 4}
    assert (outcome.wrong, outcome.wrong_share, outcome.dependent) == ([], None, 0)
    assert outcome.cache == {"miss": 2, "hit": 2}
    assert [serve.asked.text for serve in outcome.unjudged] == ["N: Is Oslo a city?"]


# --- the command ------------------------------------------------------------------------------------


def keys_of(url: str) -> list[bytes]:
    client = topology(url, Options()).open().client
    try:
        return list(client.scan_iter("*"))
    finally:
        client.close()


def test_levels_raw_keys_and_files(tmp_path: Path, real_url: str) -> None:
    said = [*turns("a", ("Who was Ibsen?", "Who was Ibsen?"), ("How old was he?", "How old was Ibsen?")),
            *turns("b", ("Who was Grieg?", "Who was Grieg?"), ("How old was he?", "How old was Grieg?"))]  # fmt: skip
    before = keys_of(real_url)
    code, output = command(
        *(write(tmp_path, *said), "--risk", "0.02,0.1", "--redis", real_url),
        *("--json", tmp_path / "report.json", "--html", tmp_path / "report.html"),
    )
    assert code == 0, output
    assert set(keys_of(real_url)) <= set(before), "nothing is left on the server"
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    by_name = {outcome["name"]: outcome for outcome in report["outcomes"]}
    assert list(by_name) == ["naive, same words", "naive, cosine 0.85", "ours, risk 0.02", "ours, risk 0.1"]
    assert by_name["naive, same words"]["wrong_share_of_dependent"] == 0.5
    assert by_name["naive, same words"]["wrong"] == 2
    for name in ("ours, risk 0.02", "ours, risk 0.1"):
        assert by_name[name]["wrong"] == 0
        assert by_name[name]["repeats_hit"]["first"] == 1.0
        assert by_name[name]["trips"] > 0
    assert report["paraphrase_wordings"]["rewrite"] == 2
    assert report["settings"]["users"] == 3
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "How old was Grieg?" in page
    assert output.count("naive,") >= 2


def test_by_meaning(tmp_path: Path, real_url: str) -> None:
    before = keys_of(real_url)
    said = {"conv": "a", "question": "What is the capital of Norway?", "paraphrase": "what is the capital of norway"}
    code, _ = command(
        *(write(tmp_path, said), "--cache", "semantic", "--classifier", "embedding", "--risk", "0.02"),
        *("--redis", real_url, "--json", tmp_path / "report.json"),
    )
    assert code == 0
    assert set(keys_of(real_url)) <= set(before), "what others left there expires meanwhile, and a scan has no order"
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert report["outcomes"][0]["paraphrases_hit"]["first"] == 0.0
    assert report["outcomes"][-1]["paraphrases_hit"]["first"] == 1.0


@pytest.mark.slow
def test_the_page_runs_and_loads_nothing(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=y> & \"'"
    said = [
        {**turn, "conv": f"{conv} {evil}"}
        for conv, name in (("a", "Ibsen"), ("b", "Grieg"))
        for turn in turns(
            conv, (f"Who is {name}?", f"Who is {name}?"), (f"Is he {evil} dead?", f"Is {name} {evil} dead?")
        )
    ]
    code, output = command(write(tmp_path, *said, b"<b>damaged</b>"), "--html", tmp_path / "report.html")
    assert code == 0
    assert "[/]" not in output
    text = (tmp_path / "report.html").read_text("utf-8")
    seen = Tags()
    seen.feed(text)
    assert not seen.names & {"script", "img", "link", "iframe", "object", "b"}
    assert not {name for name in seen.attributes if name.startswith("on") or name in {"src", "href"}}
    assert "url(" not in text
    assert seen.open == []
    assert seen.names >= {"svg", "table", "details", "circle"}
    assert evil in "".join(seen.said)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.names.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


@pytest.mark.slow
@pytest.mark.parametrize("rewritten", [True, False])
@pytest.mark.parametrize("users", [1, 3])
def test_a_page_of_little(tmp_path: Path, rewritten: bool, users: int) -> None:
    turn = {"conv": "a", "question": "Why?", "rewrite": "Why?" if rewritten else None}
    for said in ([], [turn]):
        code, _ = command(write(tmp_path, *said), "--users", users, "--html", tmp_path / "report.html")
        assert code == 0
        seen = Tags()
        seen.feed((tmp_path / "report.html").read_text("utf-8"))
        assert seen.open == []


ANSWERS = """
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

model = FakeListChatModel(responses=["a", "b"])
runnable = RunnableLambda(lambda question: AIMessage(f"r {question}"))
number = 7
failures = []

def function(question):
    return f"f {question}"

def failing(question):
    raise ValueError("no [/] model")

def sometimes(question):
    failures.append(question)
    if len(failures) % 2:
        raise ValueError("not now")
    return "at last"

async def later(question):
    return question
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"answers_{uuid4().hex}"
    (tmp_path / f"{name}.py").write_text(ANSWERS, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["function", "runnable", "model"])
def test_an_answerer_of_ones_own(tmp_path: Path, module: str, name: str) -> None:
    code, output = command(write(tmp_path, *TALK), "--answerer", f"{module}:{name}", "--json", tmp_path / "report.json")
    assert code == 0, output
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert report["settings"]["seconds_per_answer"] is None
    assert 0 < report["outcomes"][-1]["seconds_saved"] < 60
    assert report["outcomes"][-1]["cache"]["hit"] >= 1


@pytest.mark.parametrize("name", ["nothing", "number", "later", "function.__name__.x"])
def test_an_answerer_that_cannot_be_used(tmp_path: Path, module: str, name: str) -> None:
    for spec in (f"{module}:{name}", name, f"no_such_{module}:function"):
        code, output = command(write(tmp_path, GOOD), "--answerer", spec)
        assert code == 1
        assert output.startswith("ConfigError: --answerer")


@pytest.mark.slow
def test_an_answerer_that_fails(tmp_path: Path, module: str) -> None:
    code, output = command(write(tmp_path, *TALK), "--answerer", f"{module}:failing")
    assert code == 1
    assert "ConfigError: the answerer failed 5 times in a row, last with ValueError: no [/] model" in output
    code, output = command(
        write(tmp_path, *TALK), "--answerer", f"{module}:sometimes", "--json", tmp_path / "report.json"
    )
    assert code == 0, output
    outcome = json.loads((tmp_path / "report.json").read_text("utf-8"))["outcomes"][-1]
    assert outcome["turns"] == 9
    assert 0 < outcome["failed"] < 9


@pytest.mark.parametrize(
    "wrong",
    [
        ["--risk", "high"],
        ["--risk", "0"],
        ["--risk", "0.5"],
        ["--risk", "nan"],
        ["--risk", ""],
        ["--cache", "none"],
        ["--classifier", "none"],
        ["--json", "/no/such/folder/report.json"],
        ["--html", "/"],
    ],
)
def test_wrong_options(tmp_path: Path, wrong: list[str]) -> None:
    code, output = command(write(tmp_path, GOOD), *wrong)
    assert code == 1
    assert "ConfigError: " in output


@pytest.mark.parametrize("users", [0, 101, "x"])
def test_wrong_numbers_of_users(tmp_path: Path, users: Any) -> None:
    code, _ = command(write(tmp_path, GOOD), "--users", users)
    assert code == 2


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    code, output = command(write(tmp_path, GOOD), "--redis", "redis://127.0.0.1:1/0")
    assert code == 2
    assert output.startswith("UnavailableError: ")
    assert output.count("\n") == 1


def test_a_cluster(tmp_path: Path, cluster_url: str) -> None:
    code, output = command(write(tmp_path, *TALK), "--redis", cluster_url)
    assert code == 0, output
    assert "3 users each: 9 turns" in output
