"""The word lists of the audience signs, and the few closed word classes that all of them use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from importlib import resources
from typing import Any

from langchain_redis_memory.language.lazy_pattern import lazy_pattern
from langchain_redis_memory.language.lexicon import pattern

OWN = frozenset({"my", "mine", "our", "ours", "myself"})
FIRST_PERSON = frozenset({"i", "i'm", "i've", "i'd", "i'll", "im", "ive", "we", "we're", "we've", "we'd", "us", "me"})
BE = frozenset({"is", "are", "was", "were", "isn't", "aren't", "am"})
DEFINITE = frozenset({"the", "this", "that", "these", "those"})
_RUN = lazy_pattern(r"\w+")
_CLOCK = frozenset("time day date year month else happened happens in for on".split())
_AMBIGUOUS_TECH = frozenset("go windows swift rust c excel node".split())


class WordLists:
    """The English words that signs are made of, phrases (each with a space on both sides), and forms of sentences.

    Common words occur in many domains; they are found by the training.

    Args:
        found: The content of `words.json`.
    """

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.phrases: dict[str, tuple[str, ...]] = {
            name: tuple(f" {phrase} " for phrase in value) for name, value in found.items() if name.endswith("_phrase")
        }
        words = {
            name: frozenset(value)
            for name, value in found.items()
            if isinstance(value, list) and name not in self.phrases
        }
        words["asks"] = words["wh"] | words["auxiliary"]
        words["orders"] = words["act"] | words["act_strong"] | words["inform"] | words["produce"]
        named = DEFINITE | OWN
        words["subjects"] = words["personal_noun"] | words["home_noun"] | words["auxiliary"] | named | _CLOCK
        words["certain"] = named | FIRST_PERSON | words["pointing"] | {"there", "any", "you", "anyone"}
        self._words = words
        self.known: frozenset[str] = frozenset().union(*words.values())
        self.common: frozenset[str] = frozenset(found["common"].split())
        self._forms: dict[str, list[_Form]] = {
            sign: [_Form(key, written, self) for key, written in groups.items()]
            for sign, groups in found["forms"].items()
        }
        self._starts = frozenset().union(*(form.starts for forms in self._forms.values() for form in forms))
        self._by_start: dict[str, list[tuple[str, list[_Form]]]] = {}

    def __getitem__(self, name: str) -> frozenset[str]:
        return self._words[name]

    def forms(self, text: str) -> Iterator[tuple[str, str]]:
        """Finds the forms that a sentence has: the sign that each is, and the words that it was found in."""
        first, _, rest = text.partition(" ")
        both = f"{first}+{rest.partition(' ')[0]}"
        start = next((start for start in (both, first) if start in self._starts), "")
        if start not in self._by_start:
            self._by_start[start] = list(self._starting({start, start.partition("+")[0]}))
        inside = frozenset(_RUN.findall(text))
        for sign, forms in self._by_start[start]:
            found = [shown for form in forms if form.may_be(inside) and (shown := form.pattern.search(text))]
            if found:
                yield sign, min(found, key=re.Match.start)[0]

    def _starting(self, starts: set[str]) -> Iterator[tuple[str, list[_Form]]]:
        """Lists the forms of sentences that start so."""
        for sign, forms in self._forms.items():
            if mine := [form for form in forms if not form.starts or not form.starts.isdisjoint(starts)]:
                yield sign, mine

    @cached_property
    def slots(self) -> dict[str, str]:
        """The words of each list, for a phrasing that has a place for one of them."""
        return {name.upper(): "|".join(sorted(group, key=len, reverse=True)) for name, group in self._words.items()}


class _Form:
    """One form of sentences; its phrasings are compiled for the first sentence that may have it, as few do.

    Args:
        key: The first words of its sentences, or their first two with a plus between them; none for any sentence.
            Behind a slash the list of words one of which is in it.
        written: Its phrasings.
        lists: The lists.
    """

    def __init__(self, key: str, written: Sequence[str], lists: WordLists) -> None:
        starts, _, needed = key.partition("/")
        self.starts: frozenset[str] = frozenset(starts.split())
        needed = needed.strip().lower()
        self._needed = frozenset(_RUN.findall(word)[0] for word in lists[needed]) if needed else frozenset[str]()
        self._written, self._lists = written, lists

    def may_be(self, inside: frozenset[str]) -> bool:
        """Tells whether a sentence may have it, by the letters between whatever else is in it."""
        return not self._needed or not self._needed.isdisjoint(inside)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Its phrasings in one expression."""
        return pattern(self._written, self._lists.slots, 0)


@cache
def word_lists() -> WordLists:
    """Reads the word lists, once per process."""
    return WordLists(json.loads((resources.files(__package__) / "words.json").read_text("utf-8")))


class SentenceSigns:
    """The signs of one sentence, with the words that each was found in."""

    def __init__(self) -> None:
        self.signs: dict[str, str] = {}

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
