"""Recorded conversations through the real path: which decisions, which hits, and which of them wrong.

Each line of the file is a JSON object with `conv` (the conversation), `question`, and optionally `turn`, `answer` and
`rewrite`, a person's self-contained form of the question. The conversations are replayed for several users at once,
turn by turn, so that they meet each other's answers in the cache. The model's place is taken by the recorded answer,
or by a stand-in that names the question it answers; so where rewrites are recorded, a hit can be judged: it is wrong
if the answer was made for another question than this turn's rewrite.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.keys import check_id
from langchain_redis_memory.memory import ConversationMemory
from langchain_redis_memory.policy import QuestionType
from langchain_redis_memory.turn import TurnReport


@dataclass(frozen=True)
class Recorded:
    """One recorded turn."""

    conversation: str
    turn: int
    question: str
    rewrite: str | None
    answer: str | None


@dataclass(frozen=True)
class Damaged:
    """A line that could not be read."""

    line: int
    why: str


@dataclass
class Outcome:
    """What a replay found.

    Args:
        turns: How many turns were replayed.
        types: How many of each question type.
        cache: How many of each cache decision.
        judged: Hits that a rewrite can judge.
        wrong: The wrong ones: (user, question, its rewrite, the rewrite that the served answer was made for).
        dependent: Turns whose rewrite differs from the question.
        unsafe: Those of them that were taken for self-contained.
        damaged: Lines that could not be read.
        tokens_saved: Tokens of the answers that came from the cache.
        seconds: Duration of the turns.
    """

    turns: int = 0
    types: Counter[QuestionType] = field(default_factory=Counter)
    cache: Counter[str] = field(default_factory=Counter)
    judged: int = 0
    wrong: list[tuple[str, str, str, str]] = field(default_factory=list)
    dependent: int = 0
    unsafe: int = 0
    damaged: list[Damaged] = field(default_factory=list)
    tokens_saved: int = 0
    seconds: float = 0.0


def read(path: Path) -> tuple[list[list[Recorded]], list[Damaged]]:
    """The conversations of a file.

    Args:
        path: A JSONL file.

    Returns:
        The conversations, each in order, and the lines that could not be read.

    Raises:
        ConfigError: The file cannot be opened.
    """
    conversations: dict[str, list[Recorded]] = defaultdict(list)
    damaged: list[Damaged] = []
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    turn = _turn(line)
                except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
                    damaged.append(Damaged(number, f"{type(error).__name__}: {error}"[:200]))
                else:
                    conversations[turn.conversation].append(turn)
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror}"
        raise ConfigError(msg) from error
    return list(conversations.values()), damaged


def _turn(line: bytes) -> Recorded:
    fields = json.loads(line)
    if not isinstance(fields, dict):
        msg = "not a JSON object"
        raise TypeError(msg)
    question = fields["question"]
    if not isinstance(question, str) or not question.strip():
        msg = "question is not a text"
        raise TypeError(msg)
    rewrite, answer = fields.get("rewrite"), fields.get("answer")
    if any(value is not None and not isinstance(value, str) for value in (rewrite, answer)):
        msg = "rewrite or answer is not a text"
        raise TypeError(msg)
    name = f"{fields.get('source', '')}/{fields['conv']}"
    check_id(f"{name}#100", "conv")
    return Recorded(name, int(fields.get("turn", 0)), question, rewrite, answer)


def _plain(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def replay(
    memory: ConversationMemory, conversations: Sequence[Sequence[Recorded]], users: int
) -> Iterator[tuple[Recorded, TurnReport, Outcome]]:
    """Replays conversations for several users at once.

    Args:
        memory: The memory; its `on_turn` is not used.
        conversations: The conversations.
        users: How many users have each conversation.

    Yields:
        Each turn with its report and the outcome so far (always the same object).
    """
    outcome = Outcome()
    turn_now: list[Recorded] = []

    def answer(_given: object) -> AIMessage:
        turn = turn_now[0]
        asked = turn.rewrite or turn.question
        return AIMessage(turn.answer or f"(the answer to: {asked})", response_metadata={_MADE_FOR: asked})

    reports: list[TurnReport] = []
    chat = memory.wrap(RunnableLambda(answer), scope="replay")
    memory.on_turn = reports.append
    longest = max(map(len, conversations), default=0)
    for place in range(longest):
        for user in range(users):
            for conversation in conversations:
                if place >= len(conversation):
                    continue
                turn = conversation[place]
                turn_now[:] = [turn]
                session = f"{turn.conversation}#{user + 1}"
                chat.invoke(turn.question, config={"configurable": {"session_id": session}})
                report = reports.pop()
                _judge(outcome, session, turn, report, first=place == 0)
                yield turn, report, outcome


_MADE_FOR = "made_for"


def _judge(outcome: Outcome, session: str, turn: Recorded, report: TurnReport, *, first: bool) -> None:
    outcome.turns += 1
    outcome.types[report.verdict.type] += 1
    outcome.cache[report.cache] += 1
    outcome.seconds += report.seconds
    if report.cache == "hit":
        outcome.tokens_saved += report.tokens
    if turn.rewrite is None:
        return
    if not first and _plain(turn.rewrite) != _plain(turn.question):
        outcome.dependent += 1
        outcome.unsafe += report.verdict.type is QuestionType.NEW_TOPIC
    if report.cache == "hit":
        outcome.judged += 1
        source = str(getattr(report.value, "response_metadata", {}).get(_MADE_FOR, "?"))
        if _plain(source) != _plain(turn.rewrite):
            outcome.wrong.append((session, turn.question, turn.rewrite, source))
