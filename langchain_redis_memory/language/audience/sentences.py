"""Cutting a turn into sentences, and finding where each one starts behind its fillers and polite openings."""

from __future__ import annotations

from collections.abc import Set
from itertools import pairwise
from typing import NamedTuple

from langchain_redis_memory.language.audience.requests import GOVERNS, OPENINGS, asked_to, order_in_lead, orders_inside
from langchain_redis_memory.language.audience.words import (
    DEFINITE,
    FIRST_PERSON,
    OWN,
    WordLists,
    word_lists,
)
from langchain_redis_memory.language.turn_tokens import TurnTokens

_SENTENCES = 8
_SHORT = frozenset("it me us on off up no ok in so to do go is".split())
_TELLERS = FIRST_PERSON | OWN | frozenset("the it she he they outlook you".split())
_LEADERS = frozenset(
    "after along although apart as aside at because before besides by during for from generally given if in of oh ok "
    "okay on once other since together unlike when while with without wow".split()
)
"""Words that a clause in front of a question starts with."""
_LEADS = (
    "tell me",
    "i wonder",
    "i'd like to know",
    "i want to know",
    "i would like to know",
    "do you know",
    "i need to know",
    "i was wondering",
    "any idea",
    "show me",
    "explain",
    "explain to me",
)
_LEADS_BY_FIRST = {
    first: [(lead, lead.count(" ") + 1) for lead in _LEADS if lead.split()[0] == first]
    for first in {lead.split()[0] for lead in _LEADS}
}
_WISHES = ("would it be possible for you to", "would it be possible to", "is it possible for you to")
_DOING = frozenset("open start make get brew clean vacuum find give show help check fix tell read write".split())


_AND = frozenset(("and", "then", "also", "afterwards"))
_ASKS_YOU = frozenset(("can", "could", "would", "will"))
_IT = frozenset(("it", "them", "this", "that"))
_ASKED = frozenset(("to", "how", "if", "whether"))
_ADDS = frozenset("add fit throw enter count include".split())
_OBJECTS = frozenset("it them this that these those me us one two three my our the a an some for".split())
LEAD = "lead"
"""The mark of a clause in front of a question: it is what the question is asked in, and asks nothing itself."""


class SentenceWords(NamedTuple):
    """A sentence: its words in lower case and as written, and the mark that it ends with."""

    words: list[str]
    written: list[str]
    mark: str

    def capitals(self) -> list[bool]:
        """Returns whether each word has a capital, "I" apart."""
        return [word[0].isupper() and word not in _I for word in self.written]


_I = frozenset(("I", "I'm", "I've", "I'd", "I'll"))


def is_named(capitals: list[bool]) -> bool:
    """Returns whether a word behind the first one is capitalised; not where everything is."""
    return True in capitals[1:] and False in capitals


def has_full_name(capitals: list[bool]) -> bool:
    """Returns whether there are two capitalised words in a row behind the first word; not where everything is."""
    return True in capitals[1:] and capitals.count(False) > 1 and (True, True) in pairwise(capitals[1:])


def sentences(tokens: TurnTokens) -> list[SentenceWords]:
    """Splits a turn into sentences; a clause in front of a question ("Besides that, what ...") is one of its own."""
    lists = word_lists()
    low, start = tokens.low, 0
    found: list[SentenceWords] = []
    asks, end = lists["asks"], len(low) - 1
    inside = orders_inside(tokens, lists)
    for place, mark in enumerate(tokens.stop):
        last = place == end
        if inside and place + 1 in inside:
            found.append(SentenceWords(low[start : place + 1], tokens.words[start : place + 1], mark or "."))
            start = place + 1
            continue
        joined = not last and low[place + 1] in _AND
        if not mark and not last and not joined:
            continue
        short = (
            mark == "." and (len(low[place]) < 3 or low[place] in ("mrs", "prof", "etc")) and low[place] not in _SHORT
        )
        turns = mark in (",", "\u2014") and not last and low[place + 1] in asks
        leads = turns and low[start] in _LEADERS
        turns = leads or (turns and low[start] in _TELLERS)
        turns = turns or (mark == "(" and not last and _asks_aside(low[place + 1 : place + 3], asks))
        if (
            mark == ":" and not last and low[place + 1] in asks and not _gives_order(low[start : place + 1], lists)
        ) or (found and low[start] == "or" and mark in ("?", "!", ".", "\n")):
            turns = leads = True
        if joined and (order := _next_order(low, start, place + 1, lists)):
            found.append(SentenceWords(low[start : place + 1], tokens.words[start : place + 1], "."))
            start = order
        elif last or turns or (mark in ("?", "!", ".", "\n", ";") and not short):
            if leads and (order := order_in_lead(tokens, start, place, lists)):
                start, leads = order, False
            part = slice(start, place + 1)
            ending = LEAD if leads else "." if turns else mark
            found.append(SentenceWords(low[part], tokens.words[part], ending))
            start = place + 1
    return found[:1] + found[1:][-_SENTENCES:]


def _gives_order(words: list[str], lists: WordLists) -> bool:
    """Whether a clause orders something behind its fillers: "please pay bill 7: what ..."."""
    return next((word for word in words if word not in lists["filler"]), "") in lists["orders"]


def _asks_aside(words: list[str], asks: Set[str]) -> bool:
    """Whether what stands in brackets asks by itself: "(and where is order 12)"."""
    return bool(words) and words[1 if words[0] in _AND and len(words) > 1 else 0] in asks


def _next_order(low: list[str], start: int, at: int, lists: WordLists) -> int:
    """Where a second order begins: "summarise the report and mail it to Bob"; 0 where none does.

    Behind a question or a "how to" the verb asks for nothing: "tell me how to copy and delete a file".
    """
    verb = at
    while verb < len(low) and verb < at + 3 and low[verb] in _AND:
        verb += 1
    if verb == at or verb + 1 >= len(low):
        return 0
    if low[verb] in _ASKS_YOU and low[verb + 1] == "you":
        return verb  # "What is a late check-out, and can you put us down for it"
    first = low[start:at]
    given = low[verb] in lists["act"] or low[verb] in lists["produce"] or low[verb] in _ADDS
    if given and low[start] in lists["wh"] and low[verb + 1] in _OBJECTS and GOVERNS.isdisjoint(first):
        return verb  # "What is a late check-out, and get us one"
    if low[verb] not in lists["act"]:
        return 0
    if low[verb + 1] in _IT and verb + 2 >= len(low) and _ASKED.isdisjoint(first) and not {"i", "you"} & set(first):
        return verb  # "What is the fee for order 7 - and cancel it"
    begins = next((word for word in first if word not in lists["filler"]), "")
    told = lists["inform"] | lists["produce"]
    return 0 if begins not in told or not _ASKED.isdisjoint(first) or not lists["wh"].isdisjoint(first) else verb


def start(words: list[str], lists: WordLists) -> tuple[int, bool]:
    """Finds where the sentence starts behind its fillers, and whether it is a polite request ("could you ...")."""
    at = 0
    filler = lists["filler"]
    while at < len(words) - 1 and words[at] in filler:
        at += 1
    for lead, size in _LEADS_BY_FIRST.get(words[at], ()):
        if (
            words[at + size : at + size + 1]
            and words[at + size] in lists["wh"]
            and " ".join(words[at : at + size]) == lead
        ):
            return at + size, False
    if (
        words[at + 1 : at + 2]
        and words[at] in ("in", "at", "on", "for", "to", "by", "from")
        and words[at + 1] in lists["wh"]
    ):
        return at + 1, False
    text = " ".join(words[at : at + 7])
    for wish in _WISHES if words[at] in ("would", "is") else ():
        if text.startswith(wish) and len(words) > at + wish.count(" ") + 1:
            return at + wish.count(" ") + 1, True
    if words[at] in OPENINGS and (verb := asked_to(words, at, lists)):
        return verb, True
    head = words[at : at + 2]
    if head and head[0] in ("can", "could", "would", "will", "may") and head[1:] == ["you"] and len(words) > at + 2:
        rest = at + 2
        while rest < len(words) - 1 and (words[rest] in filler or words[rest] in ("like", "to", "mind", "be", "able")):
            rest += 1
        if head[0] in ("can", "may") and _general_can(words[rest:], lists):
            return at, False
        if words[rest : rest + 2] == ["tell", "me"] and words[rest + 2 : rest + 3] and words[rest + 2] in lists["wh"]:
            return rest + 2, False
        return rest, True
    return at, False


def _general_can(rest: list[str], lists: WordLists) -> bool:
    """Whether "can you ..." asks what one can do: "can you dry-clean silk", not "can you clean the floor"."""
    named = DEFINITE | OWN | FIRST_PERSON | lists["pointing"] | {"for", "please", "some"}
    return (
        rest[0] not in lists["act_strong"] | lists["inform"] | _DOING
        and named.isdisjoint(rest)
        and not any(word.isdigit() for word in rest)
        and len(rest) > 1
    )
