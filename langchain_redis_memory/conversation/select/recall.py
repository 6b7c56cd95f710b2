"""What was said when? Finds the turns of a conversation that a question about it asks for.

By position, where the question counts ("my second question", "two questions ago", "at the beginning", "what did you say
after the joke?"), and by words, where it names something ("which book did you recommend?"). Positions count the user's
messages; where some of these are not questions ("Hi!"), "my second question" means the second either way, and both are
given: a turn too many costs tokens, the missing one costs the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from langchain_redis_memory.history.turns import turn_starts
from langchain_redis_memory.language.bm25 import TextMatch, search
from langchain_redis_memory.language.lazy_pattern import lazy_pattern
from langchain_redis_memory.language.words import stem

LONGEST = 2_000
"""Characters of a question that are looked at."""

_COUNTED = "one two three four five six seven eight nine ten".split()
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth".split()
_NUMBER = {word: number for number, word in enumerate(_COUNTED, 1)} | {"couple of": 2, "few": 3, "a": 1}
_PLACE = (
    {word: number for number, word in enumerate(_ORDINALS, 1)}
    | {"initial": 1, "original": 1, "opening": 1, "earliest": 1}
    | {"last": -1, "latest": -1, "previous": -1, "most recent": -1, "final": -1, "preceding": -1}
)
_THING = r"(?:question|message|query|request|thing|topic|subject|prompt|answer|reply|respons|point|turn|statement)\w*"
_SAY = r"(?:ask|say|said|tell|told|talk|mention|discuss|speak|spoke|chat|want|answer|repl[yi]|write|wrote)\w*"
_NTH_WORDS = "|".join([*map(re.escape, _PLACE), r"\d{1,4}(?:st|nd|rd|th)"])
_NUMBER_WORDS = "|".join([*map(re.escape, _NUMBER), r"\d{1,4}"])


def _pattern(pattern: str) -> re.Pattern[str]:
    return lazy_pattern(pattern, re.IGNORECASE)


_BEFORE_LAST = _pattern(
    r"\b(?:(?P<nth>second|third|fourth|next)[- ](?:to[- ])?(?:the[- ])?last|penultimate|last but one|"
    r"(?:one )?before (?:the )?last|(?:one|question|message|thing)?\s*before (?:that|this|it)(?: one)?)\b"
)
_AGO = _pattern(rf"\b(?P<number>{_NUMBER_WORDS}) (?:{_THING}) (?:ago|back|earlier|before)\b")
_SEVERAL = _pattern(rf"\b(?P<end>first|last|latest|previous) (?P<number>{_NUMBER_WORDS}) (?:{_THING})")
_NTH = _pattern(rf"\b(?P<nth>{_NTH_WORDS}) (?:\w+ )?{_THING}")
_NUMBERED = _pattern(rf"\b{_THING} (?:number |no\.? ?|nr\.? ?|#)(?P<nth>\d{{1,4}}|{'|'.join(_COUNTED)})\b")
_FIRST = _pattern(
    rf"\b{_SAY}(?: \w+){{0,3}} first\b(?! \w)|\bfirst (?:\w+ ){{0,2}}{_SAY}|\bat (?:the )?(?:very )?(?:beginning|start|outset|first)"
    r"\b|\b(?:did|have|had) (?:we|i|you|our \w+|this \w+|the \w+) (?:all )?(?:start|beg[iau]n)|\b(?:started|began|begun|opened) "
    r"(?:with|off|out|our|this|the (?:chat|conversation))|\b(?:start|beginning) of (?:our|this|the) |\bto begin with\b"
)
_JUST = _pattern(
    rf"\bjust (?:now\b|{_SAY})|\ba (?:moment|minute|second) ago\b|\b{_SAY}(?: \w+){{0,2}} last\b|\blast (?:\w+ )?{_SAY}"
)
_BESIDE = _pattern(
    rf"\b(?P<side>after|before|following)\s+(?:(?:i|you|we) (?:had |have )?{_SAY} )?(?:(?:you|me|about|for|that|whether|if|"
    r"my|your|our|the|a|an) )*(?P<anchor>\S.{2,200}?)\s*[?.!]*$"
)
_ALL = _pattern(
    r"\b(?:summar|recap|sum up|so far|everything|all (?:of )?(?:my|our|the|your) |whole (?:conversation|chat)|(?:conversation|"
    r"chat|discussion) (?:was )?about|(?:have|did) we (?:talk|discuss|cover))"
)
SCAFFOLD = frozenset(
    stem(word)
    for word in (
        "a about after again ago all also am an and any are as ask at back be been before beginning but by can chat could "
        "conversation did do does earlier ever exactly first for from give given had has have he her him his how i if in "
        "into is it its just know last me mention mentioned message my now of on once one or our please previous previously "
        "question recall recently remember remind said same say she should so some something start still talk talked tell "
        "that the their them then there these they thing this those time to today told topic us was we were what when where "
        "which who whom whose why will with would yes you your i'm i've what's don't didn't you've who's"
    ).split()
)
"""Words by which one asks for something said, not what was said."""

_MINE = _pattern(r"\b(?:i|my|mine|we|our)\b")
_YOURS = _pattern(r"\b(?:you|your|yours)\b")
_TENDENCY = 1.3
"""By how much words count more in what the asked-for side said."""

_ASKING = _pattern(
    r"\?|^\W*(?:who|whom|whose|which|what|when|where|why|how|is|are|was|were|do|does|did|can|could|will|would|should|tell|"
    r"give|show|explain|describe|list|find|write|compare|name|define)\b"
)


def by_position(turn: str, history: Sequence[BaseMessage]) -> list[int]:
    """Finds the turns that a question refers to by position ("my first question") in the conversation before it.

    Returns the places of the user's messages that begin these turns, the most wanted first; none where it does not
    count.
    """
    starts = turn_starts(history)
    if not starts:
        return []
    text = " ".join(turn[:LONGEST].replace("\u2019", "'").split())
    wanted: dict[int, None] = {}
    numbers = _numbers(text)
    asked = [place for place in starts if _ASKING.search(str(history[place].text)[:LONGEST])] if numbers else []
    for number in numbers:
        for places in (asked, starts):
            at = number - 1 if number > 0 else len(places) + number
            if 0 <= at < len(places):
                wanted[places[at]] = None
    for place in _beside(text, history, starts):
        wanted[place] = None
    return list(wanted)


def _numbers(text: str) -> list[int]:
    """The turns that are counted, from 1 at the beginning and from -1 at the end."""
    numbers: list[int] = []
    if match := _BEFORE_LAST.search(text):
        word = (match["nth"] or "second").lower()
        numbers.append(-2 if word == "next" else -_PLACE[word])
        text = text[: match.start()] + text[match.end() :]
    for match in _SEVERAL.finditer(text):
        most = min(_number(match["number"]), 50)
        numbers += range(1, most + 1) if match["end"].lower() == "first" else range(-1, -most - 1, -1)
    numbers += [-_number(match["number"]) for match in _AGO.finditer(text)]
    numbers += [_nth(match["nth"]) for match in _NTH.finditer(text)]
    numbers += [_number(match["nth"]) for match in _NUMBERED.finditer(text)]
    if _FIRST.search(text):
        numbers.append(1)
    if _JUST.search(text):
        numbers.append(-1)
    if _ALL.search(text):
        numbers.append(1)
    return [number for number in dict.fromkeys(numbers) if number]


def _number(word: str) -> int:
    return int(word) if word.isdecimal() else _NUMBER[word.lower()]


def _nth(word: str) -> int:
    return int(word[:-2]) if word[0].isdecimal() else _PLACE[word.lower()]


def _beside(text: str, history: Sequence[BaseMessage], starts: Sequence[int]) -> list[int]:
    """The turn after (or before) the one that a question names, and that one."""
    match = _BESIDE.search(text)
    if match is None:
        return []
    hits = search(match["anchor"], [str(history[place].text) for place in starts], SCAFFOLD)
    if not hits:
        return []
    at = hits[0].place
    there = at - 1 if match["side"].lower() == "before" else at + 1
    return [starts[place] for place in (there, at) if 0 <= place < len(starts)]


def by_words(turn: str, history: Sequence[BaseMessage]) -> list[TextMatch]:
    """Ranks the messages of the conversation by the words that they share with a question (BM25).

    Returns messages of users, models and tools, best first. Words count more in what the side said that is asked about.
    """
    text = turn[:LONGEST]
    said = [place for place, message in enumerate(history) if not isinstance(message, SystemMessage)]
    mine, yours = _MINE.search(text) is not None, _YOURS.search(text) is not None
    kind = HumanMessage if mine and not yours else AIMessage if yours and not mine else None
    hits = [
        TextMatch(
            said[hit.place], hit.score * (_TENDENCY if kind and isinstance(history[said[hit.place]], kind) else 1.0)
        )
        for hit in search(text, [str(history[place].text) for place in said], SCAFFOLD)
    ]
    return sorted(hits, key=lambda hit: (-hit.score, -hit.place))
