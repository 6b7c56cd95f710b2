"""Pairs of conversations with customer service: does an answer given at the end of the one serve the other?

A file is a domain, a block a scene: `A` is the conversation, its turns divided by ` | `, the last one the question; `=`
says the same in other words; in `~` the question is about something else, in `!` a detail differs that decides the
answer, in `?` something else is wanted. Two kinds are composed: irrelevant history (asides with their answers) and
chatter. Domains are split as wholes: `DEV` may be fitted on, `HELD` checks, `UNTOUCHED` is judged once, at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

T = TypeVar("T")
HERE = Path(__file__).parent
DEV = ("bank", "airline", "telecom", "shop", "hotel", "gym", "energy", "library", "garage")
HELD = ("insurance", "carhire", "software")
UNTOUCHED = ("university", "vet")

HIT = ("reworded", "irrelevant history", "extra chatter")
"""The kinds that should hit."""
MISS = ("context swapped", "detail swapped", "intent flipped")
"""The kinds that must miss."""
KINDS = HIT + MISS

_MARKS = {"=": "reworded", "~": "context swapped", "!": "detail swapped", "?": "intent flipped"}
_REPLIES = (
    "Thank you, I will gladly help you with that.",
    "I see. What would you like to know?",
    "Of course.",
    "All right, thanks for telling me.",
    "Sure, go ahead.",
)
_ASIDES = (
    ("What are your opening hours?", "We are open from 9 to 6 on weekdays."),
    ("Do you have a newsletter?", "Yes, it comes out once a month."),
    ("Who founded your company?", "It was founded by two sisters in 1921."),
    ("Do you speak Portuguese?", "Some of us do, please ask for Ana."),
    ("Where is your head office?", "Our head office is in Leeds."),
    ("How can one become a partner of your company?", "Please write to partners at our address."),
    ("Are there jobs for students at your company?", "Yes, we look for students every summer."),
    ("Is there a lift for wheelchairs at your entrance?", "Yes, on the left side of the building."),
)
_GREETINGS = ("Hello!", "Hi there", "Good morning", "hey")
_FILLERS = ("thanks", "ok great", "perfect, thank you", "alright")
_OPENERS = ("Great, thanks. ", "One more question: ", "Okay. ", "Thank you! ")


class NeedPair(NamedTuple):
    """Two conversations, as what the user said and was answered.

    Args:
        domain: What they are about.
        kind: One of `KINDS`.
        asked: The one that was answered.
        other: The one that is asked now.
        same: Whether the answer serves the other as well.
    """

    domain: str
    kind: str
    asked: tuple[BaseMessage, ...]
    other: tuple[BaseMessage, ...]
    same: bool


def conversation(turns: Sequence[str | tuple[str, str]]) -> tuple[BaseMessage, ...]:
    """Makes messages of a user's turns; one without an answer of its own is answered politely.

    Args:
        turns: What the user said, with its answer where that matters; the last one is the question.

    Returns:
        The messages, the question last.
    """
    said: list[BaseMessage] = []
    for turn in turns:
        text, reply = turn if isinstance(turn, tuple) else (turn, _drawn(_REPLIES, turn, str(len(said))))
        said += [HumanMessage(text), AIMessage(reply)]
    return tuple(said[:-1])


def need_pairs(domains: Sequence[str]) -> Iterator[NeedPair]:
    """Reads the scenes of some domains and composes their pairs.

    Args:
        domains: Their names.

    Yields:
        Six pairs a scene, one of each kind.
    """
    for domain in domains:
        for block in (HERE / f"{domain}.txt").read_text("utf-8").strip().split("\n\n"):
            first, *others = block.splitlines()
            turns = first.removeprefix("A ").split(" | ")
            asked = conversation(turns)
            for line in others:
                kind = _MARKS[line[0]]
                yield NeedPair(domain, kind, asked, conversation(line[2:].split(" | ")), kind in HIT)
            yield NeedPair(domain, "irrelevant history", asked, conversation(_with_aside(turns)), same=True)
            yield NeedPair(domain, "extra chatter", asked, conversation(_with_chatter(turns)), same=True)


def _with_aside(turns: Sequence[str]) -> list[str | tuple[str, str]]:
    """The same turns with a question in front, or behind the first one, that has nothing to do with them."""
    at = int(_drawn(("0", "1"), *turns))
    return [*turns[:at], _drawn(_ASIDES, *turns), *turns[at:]]


def _with_chatter(turns: Sequence[str]) -> list[str]:
    """The same turns with a greeting, a thank you and a polite opening of the question."""
    *before, question = turns
    opener = _drawn(_OPENERS, question)
    return [_drawn(_GREETINGS, *turns), *before, _drawn(_FILLERS, *before), opener + question]


def _drawn(choices: Sequence[T], *texts: str) -> T:
    """A choice that follows from the texts."""
    return choices[int.from_bytes(blake2b("|".join(texts).encode(), digest_size=4).digest(), "big") % len(choices)]
