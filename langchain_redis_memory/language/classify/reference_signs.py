"""Signs of reference without an antecedent: pronouns, demonstratives, anaphors, definite noun phrases.

A pronoun points outside only if nothing before it in the turn can be what it means, and "the" only before a noun that
has no complement, no name and is not one of its kind in the world.
"""

from __future__ import annotations

from langchain_redis_memory.language.classify.tokens import HistoryWords
from langchain_redis_memory.language.classify.word_kinds import ENDS, WordKinds
from langchain_redis_memory.language.english import straight
from langchain_redis_memory.language.lexicon import Lexicon
from langchain_redis_memory.language.turn_tokens import HEAD, TurnTokens
from langchain_redis_memory.language.words import ends_like_plural

_ADJECTIVE = ("ous", "ful", "able", "ible", "ive", "ic", "ant", "ent", "ish", "less", "est")
_ADJUNCT = frozenset("on at in for with from when where".split())
"""Words that may begin an adjunct and so complete no noun."""
_BE = frozenset(
    "is are was were be been isn't aren't wasn't weren't has have had will would can could may might must seems exists "
    "exist".split()
)


def pointers(reading: TurnTokens, kinds: WordKinds, before: HistoryWords, language: Lexicon) -> None:
    """Finds pronouns, demonstratives, and anaphors such as "other", "same", "there"."""
    low, stop, count = reading.low, reading.stop, len(reading.low)
    expletive = None
    for place, word in enumerate(low):
        following = low[place + 1] if place + 1 < count and not stop[place] else ""
        previous = low[place - 1] if place and not stop[place - 1] else ""
        if word in language.person or word in language.thing:
            if word in language.thing and word not in language.person:
                if expletive is None:
                    expletive = [found.span() for found in language.expletive.finditer(straight(reading.text[:HEAD]))]
                if any(start <= reading.places[place][0] < end for start, end in expletive):
                    continue
            _pronoun(reading, kinds, place, language)
        elif word in language.demonstrative:
            if following in language.calendar or (word == "those" and following == "who"):
                continue
            resolved = kinds.clause[place] > 0 and _resolved(kinds, place, following, language)
            reading.sign(
                "pointer_resolved" if resolved else "demonstrative", place, why="" if resolved else "points back"
            )
        elif word in ("that", "that's"):
            after_verb = (
                previous in language.auxiliary or previous in language.preposition or previous in ("do", "than", "like")
            )
            if (
                word == "that's"
                or not following
                or after_verb
                or following in ("much", "many")
                or (not previous and following not in ("",))
            ):
                resolved = kinds.clause[place] > 1 and _resolved(kinds, place, following, language)
                reading.sign(
                    "pointer_resolved" if resolved else "demonstrative", place, why="" if resolved else "points back"
                )
        elif word == "there":
            existential = following in _BE or previous in _BE or previous in ("hi", "hello", "hey")
            if not existential and not any(kinds.name[:place]):
                reading.sign("there", place, why="points back")
        elif word in language.anaphor or (
            word == "one" and (not following or following in language.function) and previous not in ("no", "number")
        ):
            if word == "such" and following == "as":
                continue
            if word in ("other", "others", "another") and (following == "than" or previous == "each"):
                continue
            if word == "both" and "and" in low[place:]:
                continue
            if word in ("too", "again", "instead") and following and stop[place] == "":
                continue
            reading.sign("anaphor", place, why="refers to something before")


def _resolved(kinds: WordKinds, place: int, following: str, language: Lexicon) -> bool:
    """Whether a demonstrative can mean something before it: "these cars" only cars, "that one" no single thing."""
    if following in language.choices or following in language.number:
        return False
    if following and following not in language.function and following not in language.shell:
        return kinds.stems[place + 1] in kinds.stems[:place]
    return (kinds.sentence > 0 or kinds.clause[place] > 1 or bool(following)) and any(kinds.noun[:place])


def members(reading: TurnTokens, kinds: WordKinds, before: HistoryWords, language: Lexicon) -> None:
    """Finds members of a set that the turn does not name: "the last two options", "number 2", "the second"."""
    low, stop, count = reading.low, reading.stop, len(reading.low)
    for place, word in enumerate(low):
        end = place
        if word == "the" and not stop[place]:
            while end + 1 < count and not stop[end] and low[end + 1] in language.ordinal:
                end += 1
            ranked = end
            while end > place and end + 1 < count and not stop[end] and low[end + 1] in language.number:
                end += 1
            if end > place and end + 1 < count and not stop[end] and low[end + 1] in language.choices:
                end += 1
            if end == place or (end == ranked and low[end] in ("next", "other", "final", "last") and end + 1 < count):
                continue
        elif word in language.choices - {"one", "ones"} and place + 1 < count and not stop[place]:
            if place and reading.words[place][0].isupper():
                continue  # "Tesla Model 3"
            end = place + 1
            if not (
                (low[end].isdigit() and len(low[end]) < 3)
                or low[end] in language.number
                or reading.words[end] in _LETTERS
            ):
                continue
        else:
            continue
        closed = end + 1 >= count or bool(stop[end]) or (word == "the" and low[end] in ("one", "ones"))
        if closed or (low[end + 1] in language.function and low[end + 1] not in _GOVERNS):
            reading.sign("member", place, end, why="one of a set")


_LETTERS = frozenset("ABCDEFbcdef")
"""Letters that options are named by; "a" may be an article."""
_GOVERNS = frozenset("of in on that who which to ever at from".split())
"""Words behind a member that say of which set: "the first to reach the pole"."""


def _pronoun(reading: TurnTokens, kinds: WordKinds, place: int, language: Lexicon) -> None:
    """A pronoun: what before it in the turn can it mean?

    A name or a noun of an earlier clause that says something (a bare heading does not), or one that the same clause
    gives a possessive. "It" and "they" also mean nouns that agree in number; "he" and "she" mean persons and no places.
    """
    word, here = reading.low[place], kinds.clause[place]
    personal = word in ("he", "she", "him", "her", "his", "hers", "himself", "herself", "he's", "she's")
    many = word in ("they", "them", "their", "theirs", "themselves")
    possessive = word in language.possessive_person or word == "its"
    nearby = named = noun = False
    for at in range(place):
        one = reading.low[at]
        earlier = kinds.clause[at] < here and kinds.clause[at] in kinds.telling
        if kinds.name[at]:
            if personal and _is_place(reading, kinds, at):
                continue
            named = True
        elif (
            not kinds.noun[at]
            or (personal and one not in language.persons)
            or (not personal and ends_like_plural(one) != many and not (many and one in language.persons))
        ):
            continue
        else:
            noun = True
        nearby = nearby or earlier or (possessive and kinds.name[at] and kinds.clause[at] in kinds.telling)
    if nearby and any(stop in ENDS for stop in reading.stop[:place]):
        reading.sign("pronoun_across", place)
    if named and nearby:
        reading.sign("pronoun_named", place)
    elif noun and nearby:
        reading.sign("pronoun_resolved", place)
    elif noun and possessive:
        reading.sign("pronoun_doubtful", place, why="may point back")
    else:
        reading.sign("pronoun", place, why="points back")
        if personal:
            reading.sign("pronoun_personal", place)


def _is_place(reading: TurnTokens, kinds: WordKinds, at: int) -> bool:
    """Whether a name is where something is, and so nobody: "I live in Berlin. Is he nearby?"."""
    while at and kinds.name[at - 1] and not reading.stop[at - 1]:
        at -= 1
    return at > 0 and reading.low[at - 1] in ("at", "in", "near")


def definites(reading: TurnTokens, kinds: WordKinds, before: HistoryWords, language: Lexicon) -> None:
    """Finds definite noun phrases: whether the turn itself says which one."""
    low, stop, count = reading.low, reading.stop, len(reading.low)
    place = 0
    while place < count:
        if low[place] != "the" or stop[place]:
            place += 1
            continue
        end = place + 1
        while end < count and not kinds.function[end]:
            end += 1
            if stop[end - 1]:
                break
        if end > place + 1:
            closed = end >= count or bool(stop[end - 1])
            _definite(range(place + 1, end), "" if closed else low[end], reading, kinds, before, language)
        place = end


def _definite(
    run: range, following: str, reading: TurnTokens, kinds: WordKinds, before: HistoryWords, language: Lexicon
) -> None:
    """The sign of one noun phrase: `run` are its words behind "the", `following` the word that governs more of it."""
    low, first, end = reading.low, run[0], run[-1]
    superlative = any(low[at] in language.superlative for at in run)
    filled = following in language.complement
    if any((kinds.name[at] and reading.words[at][0].isupper()) or low[at] in language.unique for at in run):
        reading.sign("definite_own", first)
    elif superlative and following != "of" and all(_modifies(low[at], language) for at in run):
        reading.sign("headless", first - 1, end, why="the most of what")
    elif filled and (superlative or following not in _ADJUNCT):
        reading.sign("definite_own", first)
    elif not superlative or len(run) == 1:
        long = sum(low[at] not in language.generic for at in run) > 1
        name = "definite_filled" if filled else "definite_long" if long else "definite"
        reading.sign(name, first - 1, end, why="" if filled else "not introduced")
        if any(kinds.stems[at] in before.content for at in run):
            reading.sign("definite_known", first - 1, end)


def _modifies(word: str, language: Lexicon) -> bool:
    """Whether a word only says something of a noun that is missing: "the best", "the most recommended"."""
    return word in language.superlative or word in language.generic or word.endswith((*_ADJECTIVE, "ed"))
