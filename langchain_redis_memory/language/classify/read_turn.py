"""A turn as its signs are found in it: words with their classes, by word lists and spelling. No tagger, no model."""

from __future__ import annotations

from functools import cached_property

from langchain_redis_memory.language.classify.tokens import HistoryWords
from langchain_redis_memory.language.lexicon import Lexicon
from langchain_redis_memory.language.turn_tokens import TurnTokens
from langchain_redis_memory.language.words import stem

ENDS = frozenset("?!.\n")
BE = ("is", "are", "was", "were")
_DEFINES = frozenset(("what is a", "what is an", "explain what a"))


class ReadTurn:
    """A turn's words with the class of each, what was said before, and the lexicon.

    Args:
        tokens: The turn; signs are added to it.
        before: The history's words.
        language: The lexicon.
    """

    tokens: TurnTokens
    before: HistoryWords
    language: Lexicon
    low: list[str]
    words: list[str]
    stop: list[str]
    features: dict[str, float]
    last: int
    first: str

    def __init__(self, tokens: TurnTokens, before: HistoryWords, language: Lexicon) -> None:
        self.tokens, self.before, self.language = tokens, before, language
        self.low, self.words, self.stop = low, words, stop = tokens.low, tokens.words, tokens.stop
        self.features = tokens.features
        self.last = len(low) - 1
        count = len(low)
        self.start: int = language.start(low, stop)
        """The place of the first word that is more than an opening ("Ok, um, ...")."""
        self.first = low[self.start]
        self.inside: frozenset[str] = frozenset(low)
        """What is there, to see at once that a sign is not."""
        function = language.function
        self.function: list[bool] = [word in function for word in low]
        self.content: list[int] = [place for place, plain in enumerate(self.function) if not plain]
        """The places of all but function words."""
        self.name: list[bool] = [False] * count
        self.noun: list[bool] = [False] * count
        for place in self.content:
            word = words[place]
            name = word[0].isdigit() or (not word.islower() and self._spelt_as_name(place))
            self.name[place] = name = name or (bool(before.names) and self._known_name(place))
            self.noun[place] = name or (low[place] not in language.light and low[place] not in language.imperative)
        if self.start + 3 < count and " ".join(low[self.start : self.start + 3]) in _DEFINES and not stop[self.start]:
            self.noun[-1] |= not self.function[-1]  # "what is a left join?"
        self.owned: list[bool] = [word.endswith(("'s", "s'")) and word not in function for word in low]
        self.clause: list[int] = [0]
        self.sentence: int = 0
        """The place of the first word of the last sentence."""
        for place in range(1, count):
            if mark := stop[place - 1]:
                self.sentence = place if mark in ENDS else self.sentence
            begins = mark or (low[place] in language.clause and not self._joins(place))
            self.clause.append(self.clause[-1] + bool(begins))

    def _joins(self, place: int) -> bool:
        """Whether a word joins parts of one clause."""
        if self.low[place] not in ("and", "or"):
            return False
        return place >= self.last or self.low[place + 1] not in self.language.clause_subject

    def _spelt_as_name(self, place: int) -> bool:
        if self._shouting:
            return False
        word = self.words[place]
        opens = place == 0 or self.stop[place - 1] in ENDS
        capital = word[0].isupper() and not opens
        return capital or (opens and word.isupper() and len(word) > 1) or word[1:2].isupper()

    def _known_name(self, place: int) -> bool:
        word, lists = self.low[place], self.language
        return self.stems[place] in self.before.names and word not in lists.weak and word not in lists.relational

    @cached_property
    def _shouting(self) -> bool:
        return sum(word.isupper() and len(word) > 1 for word in self.words) * 2 > len(self.words)

    @cached_property
    def stems(self) -> list[str]:
        """The stem of each word."""
        return [stem(word) for word in self.low]

    @cached_property
    def telling(self) -> set[int]:
        """The clauses that say something: a heading has no function word."""
        return {number for number, plain in zip(self.clause, self.function, strict=True) if plain}

    def after(self, place: int) -> str:
        """Returns the word behind a place, "" where a mark or nothing is."""
        return "" if place >= self.last or self.stop[place] else self.low[place + 1]

    def previous(self, place: int) -> str:
        """Returns the word before a place, "" where a mark or nothing is."""
        return self.low[place - 1] if place and not self.stop[place - 1] else ""

    def sign(self, name: str, first: int, last: int | None = None, why: str = "") -> None:
        """Notes a sign at the words from `first` to `last`."""
        self.tokens.sign(name, first, last, why)
