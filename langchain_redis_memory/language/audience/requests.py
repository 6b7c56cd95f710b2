"""Requests that stand beside a question, or are put as one.

"Cancel order 123: what is Redis?" asks for something to be done, in front of what it asks; so may what stands behind a
comma, a dash, in brackets or behind an "and". And "why don't you cancel it?" asks for no reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from langchain_redis_memory.language.audience.words import DEFINITE, FIRST_PERSON, OWN, WordLists
from langchain_redis_memory.language.turn_tokens import TurnTokens

_ASKERS = OWN | {"me", "us"}
_OBJECTS = DEFINITE | OWN | {"it", "them", "me", "us", "him", "her"}
_NEAR = 3
"""Within how many words behind its verb a number says what is meant: "cancel order 123", "transfer 50 euros"."""
_LEADS_ON = frozenset("and then also afterwards please just first aside way that this now instead kindly".split())
"""Words behind which an order may begin without a mark: "by the way cancel order 7"."""
_CLAUSES = frozenset("after as because before if once since when while".split())
"""What opens a clause that governs nothing behind its comma: "if you can, cancel it"."""
_ENDS = frozenset("?!.\n;")
_QUOTES = frozenset("\"'\u201c\u201d\u2018\u2019")
GOVERNS = frozenset(
    "to do does did can could should would will may must might shall if whether between both i we you they who".split()
)
"""Words behind which a second verb belongs to the question: "how do I copy and delete a file"."""


def orders_inside(tokens: TurnTokens, lists: WordLists) -> Set[int]:
    """Finds the places behind a break at which an order begins: a verb of doing, and what to do it to.

    Args:
        tokens: The turn.
        lists: The word lists.
    """
    low, verbs = tokens.low, lists["act_strong"]
    if verbs.isdisjoint(low):
        return _NONE
    stop, filler = tokens.stop, lists["filler"]
    return {
        place
        for place, word in enumerate(low)
        if place and word in verbs and stop[place - 1] not in _ENDS and _begins(tokens, place, filler)
    } or _NONE


_NONE: Set[int] = frozenset()


def _begins(tokens: TurnTokens, place: int, filler: frozenset[str]) -> bool:
    """Whether an order begins at a verb of doing that is not where the sentence starts, fillers apart."""
    low, before = tokens.low, place - 1
    between = tokens.text[tokens.places[before][1] : tokens.places[place][0]].strip()
    if not between and low[before] not in _LEADS_ON:
        return False
    sentence = next((at + 1 for at in range(before - 1, -1, -1) if tokens.stop[at] in _ENDS), 0)
    if filler.issuperset(low[sentence:place]):
        return False
    behind = low[place + 1 : place + 1 + _NEAR]
    numbered = any(word[0].isdigit() for word in behind)
    if between and _QUOTES.issuperset(between):  # mentioned rather than said: "what does 'call it' mean"
        return numbered or (not _ASKERS.isdisjoint(behind[:1]) and tokens.words[place + 1].islower())
    free = GOVERNS.isdisjoint(low[sentence:place]) or (between != "" and low[sentence] in _CLAUSES)
    return (numbered and (between != "" or free)) or (
        free and (low[before] == "please" or not _OBJECTS.isdisjoint(behind[:1]))
    )


_NOUN_BEHIND = DEFINITE | OWN | frozenset("a an about as at by for from in into of on per with without".split())
"""Words behind which a verb of doing is a noun: "in a call", "for the record"."""


def order_in_lead(tokens: TurnTokens, start: int, end: int, lists: WordLists) -> int:
    """Finds the verb of an order in a clause in front of a question: its place, 0 where none is.

    A clause with a verb of its own ("when customers cancel the order") orders nothing before its comma.

    Args:
        tokens: The turn.
        start: Where the clause starts.
        end: Its last word.
        lists: The word lists.
    """
    low, stop, verbs = tokens.low, tokens.stop, lists["act"]
    if verbs.isdisjoint(low[start:end]):
        return 0
    for place in range(start + 1, end):
        word, before, after = low[place], low[place - 1], low[place + 1]
        if word not in verbs or word == "like" or stop[place] or tokens.words[place] != word:
            continue
        if before in _NOUN_BEHIND or before[0].isdigit() or (low[start] in _CLAUSES and not stop[place - 1]):
            continue
        given = after in _OBJECTS or after in _A or after[0].isdigit() or tokens.words[place + 1][0].isupper()
        if (given or after in lists["personal_noun"]) and GOVERNS.isdisjoint(low[start:place]):
            return place
    return 0


_A = frozenset(("a", "an", "some", "all"))

OPENINGS: Mapping[str, tuple[str, ...]] = {
    "why": ("why don't you", "why not"),
    "how": ("how about you", "how about"),
    "can't": ("can't you",),
    "couldn't": ("couldn't you",),
    "won't": ("won't you",),
    "wouldn't": ("wouldn't you",),
    "would": (
        "would you mind",
        "would you be so kind as to",
        "would you be kind enough to",
        "would you be so good as to",
    ),
    "are": ("are you able to",),
    "do": ("do you mind", "do you think you could"),
}
"""How a request begins that is put as a question, by its first word."""
_SURELY = frozenset(("why don't you", "how about you", "would you mind", "do you mind", "can't you", "won't you"))
"""Openings behind which "you" is asked for what anybody could be asked for: "why don't you book a table"."""


def asked_to(words: list[str], at: int, lists: WordLists) -> int:
    """Finds the verb that a question asks to be done: "cancel" in "why don't you cancel it"; 0 where none is.

    Args:
        words: The words of a sentence.
        at: Where it starts, with a word that is in `OPENINGS`.
        lists: The word lists.
    """
    for opening in OPENINGS[words[at]]:
        size = opening.count(" ") + 1
        if words[at : at + size] != opening.split():
            continue
        verb = at + size
        while verb < len(words) - 1 and words[verb] in lists["filler"]:
            verb += 1
        rest = words[verb:]
        if len(rest) < 2 or (base(rest[0], lists) or rest[0]) not in lists["act"] | lists["produce"]:
            return 0
        strong = opening in _SURELY and (base(rest[0], lists) or rest[0]) in lists["act_strong"]
        named = not (_OBJECTS | FIRST_PERSON | {"please"}).isdisjoint(rest) or any(word[0].isdigit() for word in rest)
        return verb if strong or named else 0
    return 0


def base(word: str, lists: WordLists) -> str:
    """Returns the verb of doing that a word in "-ing" is of: "cancel" of "cancelling"; "" where it is of none."""
    if not word.endswith("ing"):
        return ""
    verbs = lists["act"]
    return next((verb for verb in (word[:-3], word[:-3] + "e", word[:-4]) if verb in verbs), "")
