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
from langchain_redis_memory.language.classify.read_turn import ReadTurn
from langchain_redis_memory.language.classify.reference_signs import definites, members, pointers, replies
from langchain_redis_memory.language.classify.tokens import HistoryWords
from langchain_redis_memory.language.lexicon import Lexicon
from langchain_redis_memory.language.turn_tokens import TurnTokens

_TWO = frozenset("between than vs versus or".split())
"""Words of comparisons that say with what."""


def signs(tokens: TurnTokens, before: HistoryWords, language: Lexicon) -> TurnTokens:
    """Finds the signs of a turn."""
    if tokens.words:
        turn = ReadTurn(tokens, before, language)
        for look in (pointers, replies, members, definites, _relational, ellipsis_signs, _comparison, content_features):
            look(turn)
    return tokens


def _relational(t: ReadTurn) -> None:
    relational = t.language.relational
    if relational.isdisjoint(t.inside):
        return
    unspecific = t.language.vague
    for place, word in enumerate(t.low):
        if word not in relational or t.name[place] or (t.after(place) and not t.function[place + 1]):
            continue  # in the last case its head comes later
        start = place
        while start and not t.stop[start - 1] and not t.function[start - 1]:
            start -= 1
        complement = t.after(place)
        if complement in t.language.complement:
            joined = complement in t.language.clause
            rest = range(place + 2, min(place + 8, t.last + 1))
            filled = any(t.noun[at] and (joined or t.clause[at] == t.clause[place + 1]) for at in rest)
        else:
            filled = False
        if filled or any(t.owned[start:place]):
            t.sign("relation_filled", place)
        elif t.previous(start) in ("my", "your", "our"):
            t.sign("relation_mine", place)
        elif not unspecific.issuperset(t.low[start:place]):
            t.sign("relation_modified", place)
        elif any(noun and other not in unspecific for noun, other in zip(t.noun, t.low, strict=True)):
            t.sign("relation_doubtful", place, why="of what")
        else:
            t.sign("relation_open", place, why="of what")


def _comparison(t: ReadTurn) -> None:
    comparative, comparison, auxiliary = t.language.comparative, t.language.comparison, t.language.auxiliary
    why = "compares with something unsaid"
    for place, word in enumerate(t.low):
        if word in comparative:
            following = t.after(place)
            if "than" in t.low[place:] or "or" in t.low[place:]:
                continue
            if not following or (following in t.language.function and following != "about"):
                t.sign("comparative", place, why=why)
            elif word not in ("more", "less"):
                t.sign("comparative_noun", place, why=why)
            elif t.previous(place) in t.language.number:
                t.sign("anaphor", place - 1, place, why="refers to something before")  # "two more examples"
            elif word == "less" or following != "about":
                t.sign("more", place)
        elif word in comparison:
            following = t.after(place)
            if not ("and" in t.inside and any(t.noun)) and _TWO.isdisjoint(t.inside):
                open_ = not following or t.language.standard.isdisjoint(t.low[place + 1 :])
                t.sign("comparison" if open_ else "comparison_one", place, why=why if open_ else "")
        elif word[-2:] == "er" and len(word) > 4 and not t.after(place) and place and t.low[place - 1] in auxiliary:
            t.sign("comparative", place, why=why)
