"""The word lists of the audience signs, and the few closed word classes that all of them use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from langchain_redis_memory.language.lexicon import pattern

OWN = frozenset({"my", "mine", "our", "ours", "myself"})
FIRST_PERSON = frozenset({"i", "i'm", "i've", "i'd", "i'll", "im", "ive", "we", "we're", "we've", "we'd", "us", "me"})
BE = frozenset({"is", "are", "was", "were", "isn't", "aren't", "am"})
DEFINITE = frozenset({"the", "this", "that", "these", "those"})
_CLOCK = frozenset("time day date year month else happened happens in for on".split())
_AMBIGUOUS_TECH = frozenset("go windows swift rust c excel node".split())


@dataclass(frozen=True)
class WordLists:
    """The English words that signs are made of, phrases (each with a space on both sides), and forms of sentences.

    Common words occur in many domains; they are found by the training.

    Forms are kept by the first word of the sentences that they can have; those of any sentence under "".
    """

    words: dict[str, frozenset[str]]
    phrases: dict[str, tuple[str, ...]]
    forms: dict[str, tuple[tuple[str, re.Pattern[str]], ...]]
    known: frozenset[str]
    common: frozenset[str]

    def __getitem__(self, name: str) -> frozenset[str]:
        return self.words[name]


@cache
def word_lists() -> WordLists:
    """Reads the word lists, once per process."""
    found = json.loads((resources.files(__package__) / "words.json").read_text("utf-8"))
    phrases = {
        name: tuple(f" {phrase} " for phrase in value) for name, value in found.items() if name.endswith("_phrase")
    }
    words = {name: frozenset(value) for name, value in found.items() if isinstance(value, list) and name not in phrases}
    words["asks"] = words["wh"] | words["auxiliary"]
    words["orders"] = words["act"] | words["act_strong"] | words["inform"] | words["produce"]
    named = DEFINITE | OWN
    words["subjects"] = words["personal_noun"] | words["home_noun"] | words["auxiliary"] | named | _CLOCK
    words["certain"] = named | FIRST_PERSON | words["pointing"] | {"there", "any", "you", "anyone"}
    slots = {name.upper(): "|".join(sorted(group, key=len, reverse=True)) for name, group in words.items()}
    firsts = {first for written in found["forms"].values() for group in written for first in group.split()} | {""}
    forms = {first: tuple(_forms_of(first, found["forms"], slots)) for first in firsts}
    return WordLists(words, phrases, forms, frozenset().union(*words.values()), frozenset(found["common"].split()))


def _forms_of(
    first: str, written: dict[str, dict[str, list[str]]], slots: dict[str, str]
) -> Iterator[tuple[str, re.Pattern[str]]]:
    for name, groups in written.items():
        mine = [form for group, forms in groups.items() if not group or first in group.split() for form in forms]
        if mine:
            yield name, pattern(mine, slots, 0)


@dataclass
class SentenceSigns:
    """The signs of one sentence, with the words that each was found in."""

    signs: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, words: str = "") -> None:
        """Notes a sign; the first words stay."""
        self.signs.setdefault(name, words)


def one_of(body: list[str], words: frozenset[str]) -> str:
    """Finds the first word of a sentence that is one of the words; "" where none is."""
    return "" if words.isdisjoint(body) else next(word for word in body if word in words)


def phrase_in(body: list[str], phrases: tuple[str, ...]) -> str:
    """Finds the first of the phrases that is in the sentence; "" where none is."""
    text = f" {' '.join(body)} ".replace("'s ", " ")
    return next((phrase.strip() for phrase in phrases if phrase in text), "")


def tech_word(body: list[str], lists: WordLists) -> str:
    """Finds a word for a programming tool; one that is an everyday word as well counts only behind a preposition."""
    for place, word in enumerate(body):
        if word in lists["tech"]:
            before = body[place - 1] if place else ""
            if (
                word not in _AMBIGUOUS_TECH
                or before in ("in", "on", "with", "using", "for")
                or (place and before in ("is", "does") and body[-1] != word)
            ):
                return word
    return ""
