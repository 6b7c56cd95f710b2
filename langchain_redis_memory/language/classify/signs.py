"""Signs that a turn depends on its conversation, each with its place in the turn.

A sign is what a linguist would point at: a pronoun or demonstrative without an antecedent in the turn, "the" before a
noun that the turn never introduced, a relational noun without its argument ("symptoms"), a transitive verb without its
object, a comparison without a standard, a question without its verb, a word that continues. Against them stand the
signs of a self-contained turn: names, specific nouns, modifiers, complements. No sign decides: a logistic model weighs
them.
"""

from __future__ import annotations

from langchain_redis_memory.language.classify.content_features import content_features
from langchain_redis_memory.language.classify.ellipsis_signs import ellipsis_signs
from langchain_redis_memory.language.classify.reference_signs import definites, members, pointers
from langchain_redis_memory.language.classify.tokens import HistoryWords
from langchain_redis_memory.language.classify.word_kinds import WordKinds
from langchain_redis_memory.language.lexicon import Lexicon
from langchain_redis_memory.language.turn_tokens import TurnTokens


def signs(reading: TurnTokens, before: HistoryWords, language: Lexicon) -> TurnTokens:
    """Finds the signs of a turn."""
    if reading.words:
        kinds = WordKinds(reading, before, language)
        for look in (pointers, members, definites, _relational, ellipsis_signs, _comparison, content_features):
            look(reading, kinds, before, language)
    return reading


def _relational(reading: TurnTokens, kinds: WordKinds, before: HistoryWords, language: Lexicon) -> None:
    low, stop, count = reading.low, reading.stop, len(reading.low)
    for place, word in enumerate(low):
        if word not in language.relational or kinds.name[place]:
            continue
        if place + 1 < count and not stop[place] and not kinds.function[place + 1]:
            continue  # the head of a compound comes later
        start = place
        while start and not stop[start - 1] and not kinds.function[start - 1]:
            start -= 1
        modifiers = [
            at for at in range(start, place) if low[at] not in language.generic and low[at] not in language.relational
        ]
        owner = low[start - 1] if start and not stop[start - 1] else ""
        filled = any(kinds.owned[at] for at in range(start, place))
        complement = ""
        if not stop[place] and place + 1 < count and low[place + 1] in language.complement:
            rest = [
                at
                for at in range(place + 2, min(place + 8, count))
                if kinds.clause[at] == kinds.clause[place + 1] or low[place + 1] in language.clause
            ]
            complement = "own" if any(kinds.noun[at] for at in rest) else "empty"
        if filled or complement == "own":
            reading.sign("relation_filled", place)
        elif owner in ("my", "your", "our"):
            reading.sign("relation_mine", place)
        elif modifiers:
            reading.sign("relation_modified", place)
        elif any(
            kinds.noun[at] and low[at] not in language.relational and low[at] not in language.generic
            for at in range(count)
            if at != place
        ):
            reading.sign("relation_doubtful", place, why="of what")
        else:
            reading.sign("relation_open", place, why="of what")


def _comparison(reading: TurnTokens, kinds: WordKinds, before: HistoryWords, language: Lexicon) -> None:
    low, stop, count = reading.low, reading.stop, len(reading.low)
    for place, word in enumerate(low):
        closing = place + 1 >= count or bool(stop[place])
        if word in language.comparative:
            if "than" in low[place:] or "or" in low[place:]:
                continue
            if closing or (low[place + 1] in language.function and low[place + 1] != "about"):
                reading.sign("comparative", place, why="compares with something unsaid")
            elif word == "more" and low[place + 1] == "about":
                continue
            elif word not in ("more", "less"):
                reading.sign("comparative_noun", place, why="compares with something unsaid")
            else:
                reading.sign("more", place)
        elif word in language.comparison:
            rest = low[place + 1 :]
            two = ("and" in low and any(kinds.noun)) or any(
                one in ("between", "than", "vs", "versus", "or") for one in low
            )
            if not two and (closing or not any(one in language.standard for one in rest)):
                reading.sign("comparison", place, why="compares with something unsaid")
            elif not two:
                reading.sign("comparison_one", place)
        elif len(word) > 4 and word.endswith("er") and closing and place and low[place - 1] in language.auxiliary:
            reading.sign("comparative", place, why="compares with something unsaid")
