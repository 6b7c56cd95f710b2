"""Word classes by word lists and spelling: function words, names, nouns, clauses. No tagger, no model."""

from __future__ import annotations

from langchain_redis_memory.language.classify.tokens import HistoryWords
from langchain_redis_memory.language.lexicon import Lexicon
from langchain_redis_memory.language.turn_tokens import TurnTokens
from langchain_redis_memory.language.words import stem

ENDS = frozenset("?!.\n")
_DEFINES = frozenset(("what is a", "what is an", "explain what a"))


class WordKinds:
    """The word class of each word of a turn."""

    def __init__(self, reading: TurnTokens, before: HistoryWords, language: Lexicon) -> None:
        low, words, stop = reading.low, reading.words, reading.stop
        count = len(low)
        self.start: int = language.start(low, stop)
        """The place of the first word that is more than an opening ("Ok, um, ...")."""
        self.function: list[bool] = [word in language.function for word in low]
        opens = [place == 0 or stop[place - 1] in ENDS for place in range(count)]
        shouting = sum(word.isupper() and len(word) > 1 for word in words) * 2 > count
        self.stems: list[str] = [stem(word) for word in low]
        self.name: list[bool] = [
            not self.function[place]
            and (
                (words[place][0].isupper() and not opens[place] and not shouting)
                or (opens[place] and (words[place].isupper() and len(words[place]) > 1 and not shouting))
                or (any(letter.isupper() for letter in words[place][1:2]) and not shouting)
                or words[place][0].isdigit()
                or (
                    self.stems[place] in before.names
                    and low[place] not in language.light
                    and low[place] not in language.generic
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
            self.noun[count - 1] |= not self.function[count - 1]  # "what is a left join?"
        self.owned: list[bool] = [word.endswith(("'s", "s'")) and word not in language.function for word in low]
        self.clause: list[int] = [0] * count
        clause = 0
        for place in range(count):
            joins = low[place] in ("and", "or") and (
                place + 1 >= count or low[place + 1] not in language.clause_subject
            )
            if place and (stop[place - 1] or (low[place] in language.clause and not joins)):
                clause += 1
            self.clause[place] = clause
        self.sentence: int = max((place + 1 for place in range(count - 1) if stop[place] in ENDS), default=0)
        """The place of the first word of the last sentence."""
        self.telling: set[int] = {self.clause[place] for place in range(count) if self.function[place]}
        """The clauses that say something: a heading has no function word."""
