"""Recorded conversations, read from a file that may be damaged.

Each line is a JSON object: `conv` (the conversation), `question`, and optionally `turn` (its number), `source` (where
the conversation comes from), `answer`, `rewrite` (a person's self-contained form of the question) and `paraphrase`
(other words for it). A line that cannot be used is skipped and named; it costs nothing but itself.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.redis.key_groups import check_id

SAMPLE = Path(__file__).with_name("sample.jsonl")
"""Conversations of shops, banks, travellers, patients and others, made up for this package and free of rights (CC0):
follow-ups in the same words, whose answers differ."""


@dataclass(frozen=True)
class RecordedTurn:
    """One recorded turn.

    Args:
        conversation: The conversation's name.
        turn: The turn's number; None where the line has none.
        question: What the user said.
        rewrite: A person's self-contained form of it.
        answer: What was answered.
        paraphrase: What another user would say for it, at the same place of the same conversation.
    """

    conversation: str
    turn: int | None
    question: str
    rewrite: str | None = None
    answer: str | None = None
    paraphrase: str | None = None


@dataclass(frozen=True)
class DamagedLine:
    """A line that could not be read."""

    line: int
    why: str


def read_conversations(path: Path) -> tuple[list[list[RecordedTurn]], list[DamagedLine]]:
    """Reads the conversations of a file.

    Returns the conversations, each in the order of its turns' numbers, in the file's order where a turn has none; and
    the lines that could not be read. Raises `ConfigError`: the file cannot be opened.
    """
    conversations: dict[str, list[RecordedTurn]] = defaultdict(list)
    damaged: list[DamagedLine] = []
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    turn = _turn(line)
                except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
                    damaged.append(DamagedLine(number, f"{type(error).__name__}: {error}"[:200]))
                else:
                    conversations[turn.conversation].append(turn)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    return [_ordered(turns) for turns in conversations.values()], damaged


def _ordered(turns: list[RecordedTurn]) -> list[RecordedTurn]:
    numbers = [turn.turn for turn in turns]
    if any(number is None for number in numbers):
        return turns
    return sorted(turns, key=lambda turn: turn.turn or 0)


def _turn(line: bytes) -> RecordedTurn:
    fields = json.loads(line)
    if not isinstance(fields, dict):
        raise TypeError("not a JSON object")
    question = fields["question"]
    if not isinstance(question, str) or not question.strip():
        raise TypeError("question is not a text")
    others = {name: fields.get(name) for name in ("rewrite", "answer", "paraphrase")}
    for name, value in others.items():
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} is not a text")
    for text in (question, *others.values()):
        if text:
            text.encode()  # what has no UTF-8 form could not be stored
    name = f"{fields.get('source', '')}/{fields['conv']}"
    check_id(f"{name}#100", "conv")
    turn = int(fields["turn"]) if "turn" in fields else None
    said = {name: value if value and value.strip() else None for name, value in others.items()}
    return RecordedTurn(name, turn, question, **said)
