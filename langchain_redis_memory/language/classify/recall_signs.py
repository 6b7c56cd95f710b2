"""Signs of a recall question: who said something to whom, and when.

A question for what was said has the speakers themselves as the subject of a verb of saying ("did I tell", "the book you
mentioned"), or names a piece of the exchange ("your second tip", "my last question"), or an act of memory ("remind me",
"read back"), or asks the assistant for a fact that only the user knows ("what's my dog's name"). The same words with
another subject ("what did Einstein say"), with a mood that is not past ("what should I say", "what do you recommend")
or with an infinitive ("remind me to call") ask for something else.

No sign decides: `logistic` weighs them, together with each two neighbours, as kinds of words ("did i", "i said", "your
ordinal"). They find the phrasings that the lexicon does not list.
"""

from __future__ import annotations

import re
from itertools import pairwise
from math import log1p

from langchain_redis_memory.language.english import straight
from langchain_redis_memory.language.lazy_pattern import lazy_pattern
from langchain_redis_memory.language.lexicon import Lexicon
from langchain_redis_memory.language.turn_tokens import WORD, TurnTokens

_NEAR = 4
"""Words between a subject and its verb."""
_READ = 60
"""Words of a turn that are read."""
_NEIGHBOURS = 40
"""Words whose neighbours are looked at."""
_KEPT = frozenset(
    "i you we my your our me us mine yours it that this these those one was were is are did do have has had would "
    "should could can will about for to of in on with what which who where when how why if".split()
)
_KINDS = (
    "said", "saying", "memory", "exchange", "life", "deed", "back", "recall_ordinal", "recall_number", "third_person",
    "imperative", "preposition", "auxiliary", "function",
)  # fmt: skip
"""Lists of the lexicon, in the order in which a word is looked for in them."""
_PAST = frozenset("did didn't have haven't had hadn't".split())
_IS = frozenset("is are was were what's whats who's where's when's of".split())
_UNREAL = frozenset("would should could can will must may might shall do to don't".split())


def asking_part(text: str, language: Lexicon) -> str:
    """Returns the sentences of a turn that ask, and what tells them what they ask for.

    What was said is often only the occasion of another question: "You recommended yoga. Does it help?" asks about yoga.

    Returns:
        The sentences that ask; the whole turn where they ask for what the other ones tell ("I mentioned a book. Which
        one was it?"); "" where none asks.
    """
    parts = [part for sentence in _SENTENCE.split(text.strip(_QUOTES)) for part in _clauses(sentence, language)]
    asking = [part for part in parts if _asks(part, language)]
    told = any(_IDENTITY.search(part) for part in asking) or any(_TOLD_BEFORE.search(part) for part in parts)
    return text if asking and (told or _tells_of_the_past(parts, asking, language)) else " ".join(asking)


def _tells_of_the_past(parts: list[str], asking: list[str], language: Lexicon) -> bool:
    """Whether it is told what was said, and asked for what it was: "You told me two reasons. What was the second?"."""
    if not any(_PAST_QUESTION.search(part) for part in asking):
        return False
    for part in parts:
        low = [word.lower() for word in WORD.findall(part[:200])]
        for place, (one, two) in enumerate(pairwise(low[:9])):
            if one.partition("'")[0] in language.party and (two in language.said or two in language.deed):
                return one != "i" or "you" in low[place + 2 : place + 4] or two in _SAID_ALONE
    return False


def _clauses(sentence: str, language: Lexicon) -> list[str]:
    """Splits off what is told in front of a question: "since you mentioned wine, which one goes with fish?"."""
    front, _, rest = sentence.partition(", ")
    words = front.lower().split()
    if not words:
        return [sentence]  # it begins with the comma
    as_said = words[0] in ("as", "like") and words[1:2] in (["you"], ["we"])  # "As you said, is it safe?"
    tells = rest and words[0] in _TELLS and not as_said and not language.saying.isdisjoint(words)
    asks = rest.lower().removeprefix("but ").partition(" ")[0] in language.wh | language.auxiliary
    return [front, rest] if tells and asks else [sentence]


def _start(low: list[str], language: Lexicon) -> int:
    """The place of the first word behind acknowledgements; that of the last word where there is nothing else."""
    opens = (at for at, word in enumerate(low[:-1]) if word not in language.acknowledgement | language.recall_filler)
    return next(opens, max(len(low) - 1, 0))


def _asks(part: str, language: Lexicon) -> bool:
    if part.endswith("?") or _WH_BEHIND.search(part) or _WONDERS.match(part):
        return True
    low = [word.lower() for word in WORD.findall(part[:400])]
    start = _start(low, language)
    first = {word.partition("'")[0] for word in low[: start + 1]}
    past = any(one in _PAST and two in language.party for one, two in pairwise(low[:5]))
    ends = low[-1:] and low[-1] in ("again", "please", "more")
    return bool(past or ends or first & (language.asking | language.back_to) or not language.memory.isdisjoint(low))


_SAID_ALONE = frozenset("named listed mentioned described said dictated brought".split())
"""What "I" did in a conversation, whoever heard it: "I named two cities"."""
_QUOTES = ' "\u201c\u201d'
_SENTENCE = lazy_pattern(r"(?<=[.!?]) ")
_TELLS = frozenset("since as when after because if although i i've you you've we we've my".split())
_WONDERS = lazy_pattern(
    r"i(?:'d| would)? (?:wonder|(?:like|want) to (?:know|hear|see)|'?a?m (?:curious|trying to re\w+))\b", re.IGNORECASE
)
_WH_BEHIND = lazy_pattern(r", ?(?:what|which|who|whom|where|when|how)\b", re.IGNORECASE)
_IDENTITY = lazy_pattern(
    r"^(?:and |so |but )?(?:what|which|who|where|when|how)\b[\w' ]{0,20}"
    r"(?:'s|\b(?:was|were|is|are)) "
    r"(?:(?:it|they|that|those|he|she|number \w+)\b[\w ,]{0,14}|(?:its|their|his|her) \w+)\W*$"
    r"|^how did (?:it|that) go\b|^do you (?:still )?(?:have|know|remember) (?:it|them|that)\b",
    re.IGNORECASE,
)
"""Asks which one it was that was told: "what was it?", "which one was that?"."""
_AGAIN_FIRST = lazy_pattern(r"(?:again|once more|once again|one more time)\b(?! (?:and|unto|time))")
_PAST_QUESTION = lazy_pattern(
    r"^(?:and |so |but )?(?:what|which|who|whose|where|when|how\b[\w ]{0,12})\b[\w' ]{0,20}"
    r"\b(?:was|were|did|had|came|went)\b"
    r"|^(?:which|who) (?:one |of them )?\w+ed\b|^(?:which|which one|how much|how many|was it\b.*|were they\b.*)\?",
    re.IGNORECASE,
)
"""Asks what it was, not what it is."""
_TOLD_BEFORE = lazy_pattern(
    r"\b(?:i(?:'ve| have)?|we(?:'ve)?)\b[\w' ]{0,40}\b(?:told|asked|gave|showed|with) you\b"
    r"[\w' ]*\b(?:once|earlier|before|previously|ago|yesterday|already|at the (?:start|beginning)|last (?:time|week))\b"
    r"|\b(?:i|you|we) (?:once|earlier|previously|already) \w+"
    r"|^i(?:'ve)? (?:already |just )?told you(?: (?:that|this|it))?\W*$"
    r"|\b(?:earlier|before|a (?:while|moment|minute) ago|last (?:time|week)|yesterday),? you \w+"
    r"|\bbefore (?:the|that|this)\b[\w' ]{0,20}\byou \w+ed\b",
    re.IGNORECASE,
)
"""Says that something was said before, so that the question is about that."""


def recall_signs(reading: TurnTokens, language: Lexicon) -> dict[str, float]:
    """Finds the signs of a recall question."""
    low, stop = reading.low[:_READ], reading.stop[:_READ]
    if not low:
        return {}
    start = _start(low, language)
    wh = low[start].partition("'")[0] in language.wh or low[start] == "whats"
    wants = wh or "?" in stop or low[start] in language.auxiliary
    found = {"asks" if wants or not language.imperative.isdisjoint(low[: start + 1]) else "states"}
    found |= _openings(low, start, wh, language)
    for place, word in enumerate(low):
        behind = low[max(0, place - _NEAR) : place]
        ahead = "" if stop[place] or place + 1 >= len(low) else low[place + 1]
        ends = place >= len(low) - 2 or bool(stop[place])
        last = behind[-1] if behind else ""
        if word in language.saying:
            found |= _said_by(word, behind, ahead, language)
        if word in language.party:
            found |= _subject(word, last, ahead, wh and low[start] not in ("why", "how"), language)
        if word == "my" and last in _IS:
            found |= _mine(low, stop, place, wh, language)
        if word in language.memory:
            found |= _memory(word, place == start, last, ahead)
        if word in language.back and (word != "before" or ends):
            found.add("back_end" if ends else "back")
        if word in ("me", "myself") and last in ("about", "on"):
            found.add("about_me")
        if word in language.exchange:
            found |= _exchange(behind, ahead, low[place + 1 : place + 3], wh and place <= start + 3, language)
        if word in language.third_person:
            found.add("third")
    found |= _deeds(low, stop, language)
    parts = _SENTENCE.split(straight(" ".join(reading.text[:500].split())))
    asked = parts[1:] or [parts[0].partition(", ")[2]]  # "You told me two reasons, what was the second?"
    if _TOLD_BEFORE.search(reading.text[:500]) or _tells_of_the_past(parts, asked, language):
        found.add("told")
    looked = (phrase for phrase in language.looking_back if phrase[0] in low)
    looks = any(tuple(low[at : at + len(phrase)]) == phrase for phrase in looked for at in range(len(low)))
    requests = low[start] in language.imperative or low[start + 1 : start + 2] == ["you"]
    found |= _true(
        announces=":" in stop[:-1] and "exchange" in found,
        looks_back=looks,
        memory_exchange="memory_first" in found and not language.exchange.isdisjoint(low),
        wh_back="back" in found and wh,
        looks_was=looks and "wh_was" in found,
        again_please=requests and (low[-1] == "again" or low[-2:] == ["once", "more"]),
    )
    found |= _neighbours(low[:_NEIGHBOURS], stop, language)
    return {**dict.fromkeys(found, 1.0), "long": max(0.0, log1p(len(low)) - 2.5)}


def _true(**signs: object) -> set[str]:
    """The names of the signs that are there."""
    return {name for name, there in signs.items() if there}


def _neighbours(low: list[str], stop: list[str], language: Lexicon) -> set[str]:
    """Each two neighbours as kinds of words, marks between them, and what the turn begins and ends with."""
    kinds = ["^"]
    for word, mark in zip(low, stop, strict=False):
        kind = _kind(word, language)
        if kind != "other" or kinds[-1] != "other":
            kinds.append(kind)
        if mark:
            kinds.append(mark if mark in "?.,:" else ".")
    return {f"{one} {two}" for one, two in pairwise([*kinds, "$"])}


def _kind(word: str, language: Lexicon) -> str:
    """A word's kind: itself where it is one of a few, the first list that has it, or "other"."""
    if (head := word.partition("'")[0]) in _KEPT:
        return head
    return next((name for name in _KINDS if word in getattr(language, name)), "ed" if word[-2:] == "ed" else "other")


def _deeds(low: list[str], stop: list[str], language: Lexicon) -> set[str]:
    """What the speakers did in the exchange: "the price you found", "which word did you start with"."""
    found: set[str] = set()
    for place, (one, two) in enumerate(pairwise(low)):
        speaker = one.partition("'")[0]
        before = low[place - 1] if place else ""
        if speaker not in language.party or stop[place]:
            continue
        if before in _PAST and two not in language.saying:
            if two in language.chitchat and speaker == "you":
                found.add("chitchat")
            else:
                found.add(f"did_{speaker}_wh" if low[0] in language.wh else f"did_{speaker}")
            if place + 3 >= len(low):
                found.add("did_end")
        elif place > 1 and before not in language.auxiliary | _UNREAL | language.clause:
            done = two in language.deed or (two.endswith("ed") and len(two) > 4)
            if done and two not in language.saying:
                found.add(f"deed_{speaker}")
        if before in ("were", "was") and (place + 2 == len(low) or low[place + 1] in ("on", "up", "at")):
            found.add("were_we")
    if low[-1] in ("we", "i") and low[-2:-1] in (["were"], ["was"]):
        found.add("were_we")
    return found


def _openings(low: list[str], start: int, wh: bool, language: Lexicon) -> set[str]:
    """What the turn opens with."""
    one, two, three = [*low[start : start + 3], "", ""][:3]
    was = wh and two in ("was", "were")
    return _true(
        why=one == "why",
        how_do=one == "how" and two in ("do", "can", "to", "should", "does", "could", "would"),
        where_do=one == "where" and two in ("do", "can", "to", "should", "does") and three == "i",
        wh_was=was,
        was_again=was and low[-1] == "again",
        again_first=(start and low[start - 1] == "again") or _AGAIN_FIRST.match(" ".join(low[:4])),
        was_my=was and three == "my",
        was_it=(one, two) == ("was", "it") and not language.party.isdisjoint(low[start + 2 :]),
    )


def _said_by(word: str, behind: list[str], ahead: str, language: Lexicon) -> set[str]:
    """Who said it: the nearest speaker before a verb of saying, and in which mood."""
    for at in range(len(behind) - 1, -1, -1):
        one, asked = behind[at].partition("'")[0], behind[at - 1] if at else ""
        if one in language.party:
            if asked in _UNREAL or asked == "am":
                return {"unreal"}
            if asked in _PAST or (asked in ("was", "were") and word.endswith("ing")):
                return {"said_asked", f"said_{one}"}
            if {"was", "were", "been"} & set(behind[at + 1 :]) and not word.endswith("ing"):
                return {"other_said"}  # "I was told to"
            if ahead in ("for", "to"):
                return {"said_for"}
            return {"said_clause", f"said_{one}"} if word in language.said else {"says"}
        if behind[at] not in language.recall_between and behind[at] not in language.auxiliary:
            break
    return {"other_said"} if {"did", "has", "was"} & set(behind) else set()


def _subject(word: str, last: str, ahead: str, wh: bool, language: Lexicon) -> set[str]:
    """What the speaker is the subject of: something past, the user's life, or something that is to come."""
    found = set()
    if (last in _PAST and ahead != "do") or (last in ("was", "were", "wasn't", "weren't") and ahead.endswith("ing")):
        found |= {f"past_{word}", "past_asked" if wh else "past"}
    if last in ("would", "should", "could", "can", "will", "must", "may"):
        found.add("mood_i" if word != "you" else "mood_you")
    if last == "do" and wh and ahead in language.recall_living:
        found.add("living_i" if word == "i" else "living_you")
    if word == "i" and last == "am" and wh:
        found.add("am_i" if ahead.endswith("ing") and ahead != "doing" else "am_i_other")
    return found


def _mine(low: list[str], stop: list[str], place: int, wh: bool, language: Lexicon) -> set[str]:
    """What is asked about "my": a fact of the user's life, or something that others know better."""
    for at in range(place + 1, min(place + 4, len(low))):
        if low[at].removesuffix("'s") in language.life:
            ends = at == len(low) - 1 or stop[at] or low[at + 1] in ("again", "called", "please", "now")
            return {"life_asked" if wh and ends else "life"}
        if stop[at]:
            break
    return {"my_asked"}


def _memory(word: str, first: bool, last: str, ahead: str) -> set[str]:
    """An act of memory, and whether its object is what was said."""
    if ahead == "to" or last in ("to", "how"):
        return {"memory_to"}
    found = {"memory_first" if first else "memory"}
    if ahead == "my" and word.startswith("forg"):
        return found  # a password, not what was said
    if ahead in ("my", "our", "your", "what", "which", "who", "where", "when", "how", "if", "whether", "me", "that"):
        found.add("memory_of")
    return found


def _exchange(behind: list[str], ahead: str, after: list[str], early: bool, language: Lexicon) -> set[str]:
    """A piece of the exchange: whose it is, or which one."""
    last, two_before = behind[-1] if behind else "", behind[-2] if len(behind) > 1 else ""
    own = not {"my", "your", "our"}.isdisjoint(behind[-3:])
    if two_before.endswith("'s"):
        return _true(exchange=own)  # "Kennedy's last message"
    closes = not ahead or ahead in language.party or ahead in language.auxiliary or ahead in ("again", "that", "please")
    return _true(
        exchange=own,
        ordinal=(last in language.recall_ordinal and closes) or ahead in language.recall_number,
        exchange_this=last in ("this", "these", "few"),
        exchange_asked=early and not {"did", "have"}.isdisjoint(after),
    )
