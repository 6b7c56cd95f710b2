"""Conversations about documents (`rag.txt`) and with an assistant (`assistant.txt`), each turn labelled.

`# name` starts a conversation, `S` is a self-contained turn, `D turn | rewrite` one that depends on the conversation,
`>` an answer. Half 0 is fitted on, half 1 only judges; a conversation is in one half.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from benchmarks.quality.conversations import Case, fold

HERE = Path(__file__).parent
SOURCES = ("rag", "assistant")


def half(number: int, seed: int = 3) -> Iterator[Case]:
    """The cases of one half: turns, people's rewrites of them, and first turns spliced into other conversations.

    Args:
        number: 0 for the half that is fitted on, 1 for the one that only judges.
        seed: Of what is spliced in.

    Yields:
        The cases.
    """
    for source in SOURCES:
        yield from _cases(source, number, random.Random(seed))


def _cases(source: str, number: int, chance: random.Random) -> Iterator[Case]:
    talks = (HERE / f"{source}.txt").read_text("utf-8").split("# ")[1:]
    chosen = [talk.splitlines() for talk in talks if fold(talk.partition("\n")[0], 2) == number]
    first = {lines[0]: lines[1].removeprefix("S ") for lines in chosen}
    for name, *lines in chosen:
        history: list[BaseMessage] = []
        conversation = f"{source}/{name}"
        for line in lines:
            kind, text = line.split(" ", 1)
            if kind == ">":
                history.append(AIMessage(text))
                continue
            turn, _, rewrite = text.partition(" | ")
            if history:
                before = tuple(history)
                yield Case(source, "utterance", conversation, turn, before, dependent=kind == "D")
                if rewrite:
                    yield Case(source, "rewrite", conversation, rewrite, before, dependent=False)
                other = chance.choice([text for title, text in first.items() if title != name])
                yield Case(source, "splice", conversation, other, before, dependent=False)
            history.append(HumanMessage(turn))
