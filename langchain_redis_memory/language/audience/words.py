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
        words["season"] = words["calendar"] - {"may"}
        words["certain"] = named | FIRST_PERSON | words["pointing"] | {"there", "any", "you", "anyone"}
        self._words = words
        self.known: frozenset[str] = frozenset().union(*words.values())
        self.common: frozenset[str] = frozenset(found["common"].split())
        self._forms: dict[str, list[_Form]] = {
            sign: [_Form(key, written, self) for key, written in groups.items()]
            for sign, groups in found["forms"].items()
        }
        self._starts = frozenset().union(*(form.starts for forms in self._forms.values() for form in forms))
        self._by_start: dict[str, list[tuple[str, frozenset[str], list[_Form]]]] = {}

    def __getitem__(self, name: str) -> frozenset[str]:
        return self._words[name]

    def forms(self, text: str, letters: frozenset[str] | None = None) -> Iterator[tuple[str, str]]:
        """Finds the forms that a sentence has: the sign that each is, and the words that it was found in."""
        first, _, rest = text.partition(" ")
        both = f"{first}+{rest.partition(' ')[0]}"
        start = next((start for start in (both, first) if start in self._starts), "")
        if start not in self._by_start:
            self._by_start[start] = list(self._starting({start, start.partition("+")[0]}))
        inside = frozenset(_RUN.findall(text)) if letters is None else letters
        for sign, needed, forms in self._by_start[start]:
            if needed and needed.isdisjoint(inside):
                continue
            found = [shown for form in forms if form.may_be(inside) and (shown := form.pattern.search(text))]
            if found:
                yield sign, min(found, key=re.Match.start)[0]

    def _starting(self, starts: set[str]) -> Iterator[tuple[str, frozenset[str], list[_Form]]]:
        """Lists the forms of sentences that start so, with words one of which each sign needs (none: any)."""
        for sign, forms in self._forms.items():
            if mine := [form for form in forms if not form.starts or not form.starts.isdisjoint(starts)]:
                every = all(form.needed for form in mine)
                yield sign, frozenset().union(*(form.needed for form in mine)) if every else frozenset(), mine

    @cached_property
    def slots(self) -> dict[str, str]:
        """The words of each list, for a phrasing that has a place for one of them."""
        return {name.upper(): "|".join(sorted(group, key=len, reverse=True)) for name, group in self._words.items()}


class _Form:
    """One form of sentences; its phrasings are compiled for the first sentence that may have it, as few do.

    Args:
        key: The first words of its sentences, or their first two with a plus between them; none for any sentence.
            Behind a slash the list of words one of which is in it, or behind `=` these words.
        written: Its phrasings.
        lists: The lists.
    """

    def __init__(self, key: str, written: Sequence[str], lists: WordLists) -> None:
        starts, _, needed = key.partition("/")
        self.starts: frozenset[str] = frozenset(starts.split())
        needed = needed.strip().lower()
        words = needed[1:].split() if needed.startswith("=") else lists[needed] if needed else ()
        self.needed: frozenset[str] = frozenset(_RUN.findall(word)[0] for word in words)
        self._written, self._lists = written, lists

    def may_be(self, inside: frozenset[str]) -> bool:
        """Returns whether a sentence may have it, by the letters between whatever else is in it."""
        return not self.needed or not self.needed.isdisjoint(inside)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Its phrasings in one expression."""
        return pattern(self._written, self._lists.slots, 0)


@cache
def word_lists() -> WordLists:
    """Reads the word lists, once per process."""
    return WordLists(json.loads((resources.files(__package__) / "words.json").read_text("utf-8")))


class Phrasing:
    """An expression that is tried only where a sentence has one of the words that all that it finds have.

    Most sentences have none, and to see that is ten times faster than to look through them.

    Args:
        words: These words, each between whatever is not a letter.
        pattern: The expression.
    """

    def __init__(self, words: str, pattern: str) -> None:
        self.words: frozenset[str] = frozenset(words.split())
        self.pattern: re.Pattern[str] = lazy_pattern(pattern)

    def search(self, s: Sentence) -> re.Match[str] | None:
        """Finds the first place of a sentence that fits."""
        return None if self.words.isdisjoint(s.letters) else self.pattern.search(s.text)


class Sentence:
    """One sentence from where it starts, and the signs found in it so far, with the words that each was found in."""

    body: list[str]
    mark: str
    polite: bool
    text: str
    first: str
    second: str
    third: str
    last: str
    inside: frozenset[str]
    lists: WordLists

    def __init__(self, body: list[str], mark: str = "", *, polite: bool = False) -> None:
        self.body, self.mark, self.polite = body, mark, polite
        self.text = " ".join(body)
        self.first, self.second, self.third = (*body[:3], "", "", "")[:3]
        self.last = body[-1]
        self.inside = frozenset(body)
        self.lists = word_lists()
        self.signs: dict[str, str] = {}

    def add(self, names: str, words: str = "") -> None:
        """Notes signs, whose names spaces part; the first words of each stay."""
        for name in names.split():
            self.signs.setdefault(name, words)

    def note(self, names: str, words: str) -> None:
        """Notes signs where words speak for them."""
        if words:
            self.add(names, words)

    def drop(self, *names: str) -> None:
        """Takes signs back."""
        for name in names:
            self.signs.pop(name, None)

    def has(self, *names: str) -> bool:
        """Returns whether one of the signs was found."""
        return not self.signs.keys().isdisjoint(names)

    def opening(self, most: int) -> str:
        """Returns the first words."""
        return " ".join(self.body[:most])

    def one_of(self, name: str) -> str:
        """Finds the first word that is in a word list; "" where none is."""
        return one_of(self.body, self.lists[name])

    @cached_property
    def letters(self) -> frozenset[str]:
        """What stands between whatever is not a letter or digit."""
        return frozenset(_RUN.findall(self.text))

    @cached_property
    def _spaced(self) -> str:
        return f" {self.text} ".replace("'s ", " ")

    def phrase(self, name: str) -> str:
        """Finds the first of the phrases of a list; "" where none is there."""
        text = self._spaced
        return next((phrase.strip() for phrase in self.lists.phrases[name] if phrase in text), "")

    def around(self) -> Iterator[tuple[int, str, str, str]]:
        """Goes through the words: the place, the word before, the word, and the word after."""
        row = ["", *self.body, ""]
        yield from zip(range(len(self.body)), row, self.body, row[2:], strict=False)

    @cached_property
    def tech(self) -> str:
        """A word for a programming tool; one that is an everyday word as well counts only behind a preposition."""
        if self.lists["tech"].isdisjoint(self.inside):
            return ""
        for place, before, word, _ in self.around():
            plain = word not in _AMBIGUOUS_TECH or before in ("in", "on", "with", "using", "for")
            if word in self.lists["tech"] and (plain or (place and before in ("is", "does") and self.last != word)):
                return word
        return ""


def one_of(body: Sequence[str], words: frozenset[str]) -> str:
    """Finds the first word of a sentence that is one of the words; "" where none is."""
    return "" if words.isdisjoint(body) else next(word for word in body if word in words)
