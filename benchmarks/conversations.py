"""Turns in their conversations, with what they depend on: the cases that a classifier is fitted and judged on.

A case is a turn behind a history, dependent or not. Three kinds come from people: what a user said (dependent where a
person's rewrite adds a content word), that person's own self-contained rewrite, and a new topic: the first turn or a
rewrite of another conversation, spliced in behind a history that it has nothing to do with.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage


@dataclass(frozen=True)
class Case:
    """A turn behind a history."""

    source: str
    kind: str
    conversation: str
    turn: str
    history: tuple[BaseMessage, ...]
    dependent: bool


def fold(conversation: str, folds: int = 5) -> int:
    """The fold of a conversation: fixed by its id, so that no conversation is in two folds."""
    return int.from_bytes(blake2b(conversation.encode(), digest_size=4).digest(), "big") % folds


def messages(history: Sequence[Sequence[str]]) -> tuple[BaseMessage, ...]:
    """A history of the data as messages."""
    return tuple((HumanMessage if role == "user" else AIMessage)(text) for role, text in history)


def turns(data: Path) -> list[dict[str, Any]]:
    """The recorded turns; the three forms of CamRest are one source."""
    found = [json.loads(line) for line in (data / "conversation_turns.jsonl").read_text("utf-8").splitlines()]
    for turn in found:
        turn["source"] = turn["source"].split("-")[0].replace("camrest", "gecor")
    return found


def cases(recorded: Sequence[dict[str, Any]], seed: int = 7) -> Iterator[Case]:
    """The cases of recorded turns, three kinds; new topics are taken from other conversations of the same source."""
    chance = random.Random(seed)
    by_source: dict[str, list[dict[str, Any]]] = {}
    for turn in recorded:
        by_source.setdefault(turn["source"], []).append(turn)
    for source, found in by_source.items():
        alone = [turn for turn in found if turn["turn"] == 1 or turn["dep_content"]]
        for turn in found:
            if turn["turn"] < 2:
                continue
            history, name = messages(turn["history"]), f"{source}/{turn['conv']}"
            yield Case(source, "utterance", name, turn["question"], history, bool(turn["dep_content"]))
            if turn["dep_content"]:
                yield Case(source, "rewrite", name, turn["rewrite"], history, dependent=False)
            other = chance.choice(alone)
            while other["conv"] == turn["conv"]:
                other = chance.choice(alone)
            spliced = other["question"] if other["turn"] == 1 else other["rewrite"]
            yield Case(source, "splice", name, spliced, history, dependent=False)


def tiage(data: Path) -> list[tuple[str, list[tuple[str, bool]]]]:
    """Chats of TIAGE: a name, and what was said with whether it changes the topic."""
    found = json.loads((data / "topic_shift_tiage_train.json").read_text("utf-8"))
    return [(f"tiage/{name}", [(text, label == "1") for text, label in said]) for name, said in found.items()]
