"""A turn as its signs are found in it: words with their classes, by word lists and spelling. No tagger, no model."""

from __future__ import annotations

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
        self.function: list[bool] = [word in language.function for word in low]
        opens = [place == 0 or stop[place - 1] in ENDS for place in range(count)]
        shouting = sum(word.isupper() and len(word) > 1 for word in words) * 2 > count
        self.stems: list[str] = [stem(word) for word in low]
        self.name: list[bool] = [
            not self.function[place]
            and (
                (not shouting and _spelt_as_name(words[place], opens=opens[place]))
                or words[place][0].isdigit()
                or (
                    self.stems[place] in before.names
                    and low[place] not in language.weak
                    and low[place] not in language.relational
                )
            )
            for place in range(count)
        ]
        self.noun: list[bool] = [
            not self.function[place]
            and (self.name[place] or (low[place] not in language.light and low[place] not in language.imperative))
            for place in range(count)
        ]
        if self.start + 3 < count and " ".join(low[self.start : self.start + 3]) in _DEFINES and not stop[self.start]:
            self.noun[-1] |= not self.function[-1]  # "what is a left join?"
        self.owned: list[bool] = [word.endswith(("'s", "s'")) and word not in language.function for word in low]
        self.clause: list[int] = [0] * count
        for place in range(1, count):
            joins = low[place] in ("and", "or") and (
                place + 1 >= count or low[place + 1] not in language.clause_subject
            )
            begins = stop[place - 1] or (low[place] in language.clause and not joins)
            self.clause[place] = self.clause[place - 1] + bool(begins)
        self.sentence: int = max((place + 1 for place in range(count - 1) if stop[place] in ENDS), default=0)
        """The place of the first word of the last sentence."""
        self.telling: set[int] = {self.clause[place] for place in range(count) if self.function[place]}
        """The clauses that say something: a heading has no function word."""

    def after(self, place: int) -> str:
        """Returns the word behind a place, "" where a mark or nothing is."""
        return "" if place >= self.last or self.stop[place] else self.low[place + 1]

    def previous(self, place: int) -> str:
        """Returns the word before a place, "" where a mark or nothing is."""
        return self.low[place - 1] if place and not self.stop[place - 1] else ""

    def sign(self, name: str, first: int, last: int | None = None, why: str = "") -> None:
        """Notes a sign at the words from `first` to `last`."""
        self.tokens.sign(name, first, last, why)


def _spelt_as_name(word: str, *, opens: bool) -> bool:
    capital = word[0].isupper() and not opens
    return capital or (opens and word.isupper() and len(word) > 1) or word[1:2].isupper()
