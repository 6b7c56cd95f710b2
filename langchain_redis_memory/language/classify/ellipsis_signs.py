"""Signs of ellipsis: acknowledgements, words that continue, and sentences that lack a part."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from langchain_redis_memory.language.classify.tokens import HistoryWords
from langchain_redis_memory.language.classify.word_kinds import WordKinds
from langchain_redis_memory.language.lexicon import Lexicon
from langchain_redis_memory.language.turn_tokens import TurnTokens

_BE = ("is", "are", "was", "were")
_ASKING = frozenset("how when where why can should do does did could will would is who".split())
"""First words of questions whose object may be left out."""


class _Sentence(NamedTuple):
    """A turn without the acknowledgements in front of it.

    Args:
        low: The turn's words in lower case.
        stop: The punctuation behind each.
        kinds: The kind of each.
        language: The lexicon.
        before: The history's words.
        start: The place of the first word that acknowledges nothing.
        has_verb: There is a verb.
        asks: It is a question or a request.
    """

    low: list[str]
    stop: list[str]
    kinds: WordKinds
    language: Lexicon
    before: HistoryWords
    start: int
    has_verb: bool
    asks: bool

    @property
    def first(self) -> str:
        """The first word behind the acknowledgements."""
        return self.low[self.start]

    @property
    def last(self) -> int:
        """The place of the last word."""
        return len(self.low) - 1


Span = tuple[int, int]
"""The places of the first and the last word of a sign."""


def ellipsis_signs(reading: TurnTokens, kinds: WordKinds, before: HistoryWords, language: Lexicon) -> None:
    """Finds the signs of ellipsis in a turn.

    Args:
        reading: The turn; the signs are added to it.
        kinds: The kind of each word.
        before: The history's words.
        language: The lexicon.
    """
    sentence = _sentence(reading, kinds, before, language)
    _apply(_OPENINGS, sentence, reading)
    _phrases(sentence, reading)
    _apply(_GAPS, sentence, reading)


def _apply(table: tuple[_Rule, ...], sentence: _Sentence, reading: TurnTokens) -> None:
    for name, rule, why in table:
        if span := rule(sentence):
            reading.sign(name, *span, why=why)


def _sentence(reading: TurnTokens, kinds: WordKinds, before: HistoryWords, language: Lexicon) -> _Sentence:
    low, stop, start = reading.low, reading.stop, kinds.start
    has_verb = any(
        word in language.auxiliary
        or word in language.imperative
        or (len(word) > 4 and word.endswith(("ed", "ing")))
        or (word in language.light and place > 0)
        for place, word in enumerate(low)
    )
    return _Sentence(low, stop, kinds, language, before, start, has_verb, low[start] in language.asking or "?" in stop)


def _acknowledges(sentence: _Sentence) -> Span | None:
    short = sentence.low[0] in sentence.language.acknowledgement and len(sentence.low) <= 4
    return (0, max(sentence.start - 1, 0)) if sentence.start or short else None


def _answers(sentence: _Sentence) -> Span | None:
    return _acknowledges(sentence) if sentence.start >= sentence.last else None


def _only_acknowledges(sentence: _Sentence) -> Span | None:
    return (0, sentence.last) if all(word in sentence.language.acknowledgement for word in sentence.low) else None


def _opener(sentence: _Sentence) -> Span | None:
    return (sentence.start, sentence.start) if sentence.first in sentence.language.opener else None


def _phrases(sentence: _Sentence, reading: TurnTokens) -> None:
    """Phrases that continue a conversation, at the start of the turn or near it."""
    low, start = sentence.low, sentence.start
    for phrase in sentence.language.opening_phrase:
        if phrase[0] not in low:
            continue
        for at in (
            *range(start, min(len(low), start + 12)),
            *range(max(start + 12, sentence.kinds.sentence), len(low)),
        ):
            if tuple(low[at : at + len(phrase)]) == phrase:
                name = "opening_phrase" if at in (start, sentence.kinds.sentence) else "phrase"
                reading.sign(name, at, at + len(phrase) - 1, why="continues")


def _bare_question(sentence: _Sentence) -> Span | None:
    start, last = sentence.start, sentence.last
    bare = sentence.first in sentence.language.wh and last - start <= 1 and not any(sentence.kinds.noun[start:])
    return (start, last) if bare else None


def _fragment(sentence: _Sentence) -> Span | None:
    return None if sentence.has_verb else (sentence.start, sentence.last)


def _prepositional_phrase(sentence: _Sentence) -> Span | None:
    leads = sentence.first in sentence.language.preposition and not sentence.has_verb
    return (sentence.start, sentence.start) if leads else None


def _statement(sentence: _Sentence) -> Span | None:
    return None if sentence.asks else (sentence.start, sentence.start)


def _reply(sentence: _Sentence) -> Span | None:
    return _statement(sentence) if sentence.before.asked_back else None


def _no_object(sentence: _Sentence) -> Span | None:
    """A transitive verb at the end of a question whose object is not asked for."""
    low, last, function = sentence.low, sentence.last, sentence.kinds.function
    lacks = (
        last > sentence.start
        and low[last] in sentence.language.transitive
        and sentence.first in _ASKING
        and low[last - 1] not in ("be", "is", "are", "was", "were", "been", "get")
        and function[last - 1]
    )
    return (last, last) if lacks else None


def _no_subject(sentence: _Sentence) -> Span | None:
    """A question without its subject: "how is being used?"."""
    low, start = sentence.low, sentence.start
    if sentence.first not in sentence.language.wh or sentence.last - start < 2 or low[start + 1] not in _BE:
        return None
    participle = low[start + 2].endswith("ing") and sentence.last - start >= 3
    lacks = low[start + 2] == "being" or (participle and low[start + 3] in sentence.language.preposition)
    return (start, start + 2) if lacks else None


def _existence(sentence: _Sentence) -> Span | None:
    """Existence without a place: "is there a fee?"."""
    start, last = sentence.start, sentence.last
    there = "there" in sentence.low[start : start + 2] and sentence.first in _BE
    ends = sentence.low[last] == "there" and sentence.low[last - 1] in _BE  # "how many are there?"
    lacks = last - start <= 5 and (there or ends or sentence.first == "any") and not any(sentence.kinds.name[start:])
    return (start, last) if lacks else None


def _unset(sentence: _Sentence) -> bool:
    """Whether nothing says where, with what or on what occasion: at most one noun, no name, no complement."""
    low, kinds, language = sentence.low, sentence.kinds, sentence.language
    vague = language.unspecific | language.calendar | language.person_noun
    if any(kinds.name) or any(kinds.owned):
        return False
    nouns = [place for place in range(len(low)) if kinds.noun[place] and low[place] not in vague]
    filled = any(low[place] in _SETTING and any(at > place for at in nouns) for place in range(1, len(low)))
    return len(nouns) < 2 and not filled


def _no_setting(sentence: _Sentence) -> Span | None:
    """The asker's own act without its occasion: "can I bring my bicycle?", "which documents do I need?"."""
    at = max(sentence.start, sentence.kinds.sentence)
    low = sentence.low[at : at + 6]
    if low[0] not in _ASKING | {"what", "which", "may", "must", "am", "are"} or not {"i", "we"} & set(low):
        return None
    method = low[0] == "how" and low[1:2] and low[1] in ("do", "can", "to", "would") and "i" in low[:3]
    return None if method or not _unset(sentence) else (at, sentence.last)


def _no_occasion(sentence: _Sentence) -> Span | None:
    """A service without who gives it: "is breakfast included?", "do children pay the full price?"."""
    at, low, language = max(sentence.start, sentence.kinds.sentence), sentence.low, sentence.language
    one, two = low[at], low[min(at + 1, sentence.last)]
    serves = one in (*_BE, "what", "which") and low[-1] in language.offered
    pays = one in ("do", "does", "can", "must") and two in language.person_noun
    return (at, sentence.last) if (serves or pays) and _unset(sentence) else None


def _no_agent(sentence: _Sentence) -> Span | None:
    """Something done to all of a kind, and by whom is unsaid: "which cities were spared?"."""
    at, low = max(sentence.start, sentence.kinds.sentence), sentence.low
    done = low[-1].endswith("ed") or low[-1] in sentence.language.light
    lacks = low[at] in ("what", "which") and 3 <= sentence.last - at < 6 and low[-2] in _BE and done
    return (at, sentence.last) if lacks and _unset(sentence) else None


def _tells(sentence: _Sentence) -> Span | None:
    """A statement about the speaker or something known, which asks nothing."""
    low, first = sentence.low, sentence.first
    asks = sentence.asks or any(low[place + 1] in sentence.language.wh for place in range(len(low) - 1))
    wishes = first in ("i", "we", "i'd", "i'm", "we'd") and {"need", "want", "like", "looking"} & set(low[:6])
    tells = first in _TELLER and sentence.has_verb and len(low) > 2 and not asks and not wishes
    return (sentence.start, sentence.last) if tells else None


def _edits(sentence: _Sentence) -> Span | None:
    """A change to something unsaid: "can you add a total", "use only two colours"."""
    at, low = _command(sentence), sentence.low
    nouns = sum(sentence.kinds.noun[at:])
    filled = any(low[place] in _SETTING and any(sentence.kinds.noun[place:]) for place in range(at + 1, len(low)))
    edits = low[at] in sentence.language.edit and nouns < 3 and not filled and not any(sentence.kinds.name[at:])
    return (at, sentence.last) if edits else None


def _edits_said(sentence: _Sentence) -> Span | None:
    """A change to something known: "make the plan cheaper", "change Tuesday to Friday", "swap the last two rows".

    Its object is definite or a bare name, and nothing says of what it is ("the oil of a Honda").
    """
    at, low, kinds, last = _command(sentence), sentence.low, sentence.kinds, sentence.last
    if at == last or low[at] not in sentence.language.edit | {"make"}:
        return None
    if any(low[place] in _WITHIN and any(kinds.noun[place:]) for place in range(at + 2, last + 1)):
        return None
    member = low[at + 1] in sentence.language.choices and at + 2 <= last and low[at + 2].isdigit()
    named = kinds.name[at + 1] and not any(
        noun and not name for noun, name in zip(kinds.noun[at + 1 :], kinds.name[at + 1 :], strict=True)
    )
    return (at, last) if low[at + 1] in _DEFINITE or member or named else None


def _command(sentence: _Sentence) -> int:
    """The place of the first word behind what is polite."""
    at = sentence.start
    while at < sentence.last and sentence.low[at] in _POLITE:
        at += 1
    return at


_DEFINITE = frozenset("the all every everything each both these those".split())
_WITHIN = frozenset("on in at for from of against near into about between".split())
"""Words that may say of what, or where, the object of a change is; "to", "by" and "with" say what it becomes."""
_SETTING = frozenset("on in at for with from to of against near during into by about between as without than".split())
"""Words that may say where, with what or on what occasion."""
_TELLER = frozenset("i we my our it he she they there mine i'm i've we're we've it's he's she's the this that".split())
_POLITE = frozenset("can could would will you please now then also just and only".split())


_Rule = tuple[str, Callable[[_Sentence], Span | None], str]
"""A sign's name, the words that show it, and the reason for people, empty where it is no reason."""
_OPENINGS: tuple[_Rule, ...] = (
    ("acknowledges", _acknowledges, ""),
    ("acknowledges", _answers, "answers or comments"),
    ("only_acknowledges", _only_acknowledges, "answers or comments"),
    ("opener", _opener, "continues"),
)
_GAPS: tuple[_Rule, ...] = (
    ("bare_question", _bare_question, "part of a question"),
    ("fragment", _fragment, "part of a sentence"),
    ("phrase", _prepositional_phrase, "part of a sentence"),
    ("statement", _statement, "a statement, not a question"),
    ("reply", _reply, "may answer what was asked"),
    ("no_object", _no_object, "lacks its object"),
    ("no_subject", _no_subject, "lacks its subject"),
    ("existence", _existence, "where, or of what"),
    ("no_setting", _no_setting, "where, or with what"),
    ("no_occasion", _no_occasion, "where, or of what"),
    ("no_agent", _no_agent, "where, or by what"),
    ("tells", _tells, "tells something, asks nothing"),
    ("edits", _edits, "changes something unsaid"),
    ("edits_said", _edits_said, "changes what was said"),
)
