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


def foreign(data: Path, recorded: Sequence[dict[str, Any]], seed: int = 11) -> Iterator[Case]:
    """New topics of another kind than their history, as the source "banking": a bank's customer's question, or the
    first turn of a conversation of CAsT, behind a chat, a search or a booking."""
    chance = random.Random(seed)
    bank = [json.loads(line)["text"] for line in (data / "banking77_train.jsonl").open(encoding="utf-8")]
    first = [turn["question"] for turn in recorded if turn["turn"] == 1 and turn["source"] == "cast2019"]
    talks = [(f"{turn['source']}/{turn['conv']}", turn["history"]) for turn in recorded if turn["turn"] > 1]
    talks = [talk for talk in talks if not talk[0].startswith("canard")]
    chats = []
    for name, said in tiage(data):
        chats.append((name, [("user" if at % 2 == 0 else "assistant", text) for at, (text, _) in enumerate(said[:6])]))
    for behind in (chance.sample(talks, 600), chats):
        for name, history in behind:
            yield Case("banking", "splice", name, chance.choice(bank), messages(history), dependent=False)
            if name.startswith("tiage"):
                yield Case("banking", "splice", name, chance.choice(first), messages(history), dependent=False)


def tiage(data: Path) -> list[tuple[str, list[tuple[str, bool]]]]:
    """Chats of TIAGE: a name, and what was said with whether it changes the topic."""
    found = json.loads((data / "topic_shift_tiage_train.json").read_text("utf-8"))
    return [(f"tiage/{name}", [(text, label == "1") for text, label in said]) for name, said in found.items()]
