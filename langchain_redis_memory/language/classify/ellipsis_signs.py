"""Signs of ellipsis: acknowledgements, words that continue, and sentences that lack a part."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from langchain_redis_memory.language.classify.read_turn import BE, ReadTurn
from langchain_redis_memory.language.lexicon import Lexicon

_ASKING = frozenset("how when where why can should do does did could will would is who".split())
"""First words of questions whose object may be left out."""
_ACTING = _ASKING | {"what", "which", "may", "must", "am", "are"}
_DEFINITE = frozenset("the all every everything each both these those".split())
_WITHIN = frozenset("on in at for from of against near into about between".split())
"""Words that may say of what, or where, the object of a change is; "to", "by" and "with" say what it becomes."""
_SETTING = frozenset("on in at for with from to of against near during into by about between as without than".split())
"""Words that may say where, with what or on what occasion."""
_TELLER = frozenset("i we my our it he she they there mine i'm i've we're we've it's he's she's the this that".split())
_ASKERS = frozenset(("i", "we"))
_PREMISE = frozenset("and assume assuming because but if or suppose unless".split())
"""Words that a statement adds to another one by."""
_POLITE = frozenset("can could would will you please now then also just and only".split())

Span = tuple[int, int]
"""The places of the first and the last word of a sign."""
_Rule = tuple[str, Callable[[ReadTurn], "Span | None"], "frozenset[str] | str", str]
"""A sign's name, the words that show it, what one of a turn's words has to be for it (words, or a list of the lexicon;
empty where any may be), and the reason for people, empty where it is no reason."""
_Ready = tuple[str, Callable[[ReadTurn], "Span | None"], "frozenset[str] | None", str]
"""A rule for one language: the words themselves, none where any may be."""


def ellipsis_signs(t: ReadTurn) -> None:
    """Finds the signs of ellipsis in a turn."""
    openings, gaps = _rules(t.language)
    _apply(openings, t)
    _phrases(t)
    _apply(gaps, t)


@cache
def _rules(language: Lexicon) -> tuple[list[_Ready], list[_Ready]]:
    """The rules with the words that each needs in a language, those of openings first."""

    def words(needs: frozenset[str] | str) -> frozenset[str] | None:
        found: frozenset[str] = getattr(language, needs) if isinstance(needs, str) and needs else frozenset(needs)
        return found or None

    openings, gaps = ([(name, rule, words(needs), why) for name, rule, needs, why in one] for one in (_OPENINGS, _GAPS))
    return openings, gaps


def _apply(rules: list[_Ready], t: ReadTurn) -> None:
    inside = t.inside
    for name, rule, needs, why in rules:
        if (needs is None or not needs.isdisjoint(inside)) and (span := rule(t)):
            t.sign(name, *span, why=why)


def _rest(t: ReadTurn) -> Span:
    """The turn without the acknowledgements in front of it."""
    return t.start, t.last


def _head(t: ReadTurn) -> Span:
    return t.start, t.start


def _at_last_sentence(t: ReadTurn) -> int:
    return max(t.start, t.sentence)


def _has_verb(t: ReadTurn) -> bool:
    lists = t.language
    if not (lists.auxiliary.isdisjoint(t.inside) and lists.imperative.isdisjoint(t.inside)):
        return True
    return any(
        (len(word) > 4 and word.endswith(("ed", "ing"))) or (word in lists.light and place > 0)
        for place, word in enumerate(t.low)
    )


def _asks(t: ReadTurn) -> bool:
    return t.first in t.language.asking or "?" in t.stop


def _acknowledges(t: ReadTurn) -> Span | None:
    short = t.low[0] in t.language.acknowledgement and t.last < 4
    return (0, max(t.start - 1, 0)) if t.start or short else None


def _answers(t: ReadTurn) -> Span | None:
    return _acknowledges(t) if t.start >= t.last else None


def _only_acknowledges(t: ReadTurn) -> Span | None:
    return (0, t.last) if t.language.acknowledgement.issuperset(t.low) else None


def _opener(t: ReadTurn) -> Span | None:
    return _head(t) if t.first in t.language.opener else None


def _phrases(t: ReadTurn) -> None:
    """Phrases that continue a conversation, at the start of the turn or near it."""
    inside = t.inside
    for phrase in [one for one in t.language.opening_phrase if one[0] in inside and inside.issuperset(one)]:
        for at in (*range(t.start, min(t.last + 1, t.start + 12)), *range(max(t.start + 12, t.sentence), t.last + 1)):
            if tuple(t.low[at : at + len(phrase)]) == phrase:
                name = "opening_phrase" if at in (t.start, t.sentence) else "phrase"
                t.sign(name, at, at + len(phrase) - 1, why="continues")


def _bare_question(t: ReadTurn) -> Span | None:
    bare = t.first in t.language.wh and t.last - t.start <= 1 and not any(t.noun[t.start :])
    return _rest(t) if bare else None


def _fragment(t: ReadTurn) -> Span | None:
    return None if _has_verb(t) else _rest(t)


def _prepositional_phrase(t: ReadTurn) -> Span | None:
    return _head(t) if t.first in t.language.preposition and not _has_verb(t) else None


def _statement(t: ReadTurn) -> Span | None:
    return None if _asks(t) else _head(t)


def _reply(t: ReadTurn) -> Span | None:
    return _statement(t) if t.before.asked_back else None


def _no_object(t: ReadTurn) -> Span | None:
    """A transitive verb at the end of a question whose object is not asked for."""
    last, before = t.last, t.low[t.last - 1]
    asked = last > t.start and t.first in _ASKING and t.low[last] in t.language.transitive
    lacks = asked and t.function[last - 1] and before not in (*BE, "be", "been", "get")
    return (last, last) if lacks else None


def _no_subject(t: ReadTurn) -> Span | None:
    """A question without its subject: "how is being used?"."""
    be, verb, then = (*t.low[t.start + 1 : t.start + 4], "", "", "")[:3]
    if t.first not in t.language.wh or not verb or be not in BE:
        return None
    lacks = verb == "being" or (verb.endswith("ing") and then in t.language.preposition)
    return (t.start, t.start + 2) if lacks else None


def _existence(t: ReadTurn) -> Span | None:
    """Existence without a place: "is there a fee?"."""
    there = "there" in t.low[t.start : t.start + 2] and t.first in BE
    ends = t.low[-1] == "there" and t.low[t.last - 1] in BE  # "how many are there?"
    lacks = t.last - t.start <= 5 and (there or ends or t.first == "any") and not any(t.name[t.start :])
    return _rest(t) if lacks else None


def _unset(t: ReadTurn) -> bool:
    """Whether nothing says where, with what or on what occasion: at most one noun, no name, no complement."""
    nouns = [place for place in t.content if t.noun[place] and t.low[place] not in t.language.everyday]
    filled = nouns and any(word in _SETTING for word in t.low[1 : nouns[-1]])
    return not any(t.name) and not any(t.owned) and len(nouns) < 2 and not filled


def _no_setting(t: ReadTurn) -> Span | None:
    """The asker's own act without its occasion: "can I bring my bicycle?", "which documents do I need?"."""
    at = _at_last_sentence(t)
    low = t.low[at : at + 6]
    if low[0] not in _ACTING or _ASKERS.isdisjoint(low):
        return None
    method = low[0] == "how" and low[1] in ("do", "can", "to", "would") and "i" in low[:3]
    return None if method or not _unset(t) else (at, t.last)


def _no_occasion(t: ReadTurn) -> Span | None:
    """A service without who gives it: "is breakfast included?", "do children pay the full price?"."""
    at = _at_last_sentence(t)
    one, two = t.low[at], t.low[min(at + 1, t.last)]
    serves = one in (*BE, "what", "which") and t.low[-1] in t.language.offered
    pays = one in ("do", "does", "can", "must") and two in t.language.person_noun
    return (at, t.last) if (serves or pays) and _unset(t) else None


def _no_agent(t: ReadTurn) -> Span | None:
    """Something done to all of a kind, and by whom is unsaid: "which cities were spared?"."""
    at = _at_last_sentence(t)
    done = t.low[-1].endswith("ed") or t.low[-1] in t.language.light
    lacks = t.low[at] in ("what", "which") and 3 <= t.last - at < 6 and t.low[-2] in BE and done
    return (at, t.last) if lacks and _unset(t) else None


def _tells(t: ReadTurn) -> Span | None:
    """A statement about the speaker or something known, which asks nothing."""
    if t.first not in _TELLER or len(t.low) < 3 or _asks(t) or not t.language.wh.isdisjoint(t.low[1:]):
        return None
    wishes = t.first in ("i", "we", "i'd", "i'm", "we'd") and {"need", "want", "like", "looking"} & set(t.low[:6])
    return _rest(t) if _has_verb(t) and not wishes else None


def _amount(t: ReadTurn) -> Span | None:
    """A statement of how much or how many, which answers or adds to something: "my budget is 500 euros", "I'm 48"."""
    at = next((at for at in (t.last, t.last - 1) if at > 1 and _counts(t, at)), 0)
    verb = t.low[at - 1]
    told = at and (verb in ("is", "are", "am") or verb.endswith(("'m", "'s", "'re")))
    return _rest(t) if told and not _asks(t) and t.low[at] != t.first else None


def _premise(t: ReadTurn) -> Span | None:
    """A statement that adds to what was said: "ok but my oven only goes up to 220", "unless it rains"."""
    at = t.start + (t.first in t.language.opening and t.start < t.last)
    asks = t.language.asking
    wishes = t.low[at + 1 : at + 2] == ["you"]  # "if you could tell me ..."
    if t.low[at] not in _PREMISE or wishes or _asks(t) or not t.language.wh.isdisjoint(t.low):
        return None
    return None if any(stop and word in asks for stop, word in zip(t.stop, t.low[1:], strict=False)) else (at, t.last)


def _counts(t: ReadTurn, place: int) -> bool:
    return t.low[place].isdigit() or t.low[place] in t.language.number


def _edits(t: ReadTurn) -> Span | None:
    """A change to something unsaid: "can you add a total", "use only two colours"."""
    at = _command(t)
    if t.low[at] not in t.language.edit or sum(t.noun[at:]) >= 3 or any(t.name[at:]):
        return None
    filled = any(t.low[place] in _SETTING and any(t.noun[place:]) for place in range(at + 1, t.last + 1))
    return None if filled else (at, t.last)


def _edits_said(t: ReadTurn) -> Span | None:
    """A change to something known: "make the plan cheaper", "change Tuesday to Friday", "swap the last two rows".

    Its object is definite or a bare name, and nothing says of what it is ("the oil of a Honda").
    """
    at = _command(t)
    if at == t.last or t.low[at] not in t.language.changing:
        return None
    if any(t.low[place] in _WITHIN and any(t.noun[place:]) for place in range(at + 2, t.last + 1)):
        return None
    thing, number = t.low[at + 1], t.low[at + 2 : at + 3]
    member = thing in t.language.choices and number and number[0].isdigit()
    named = t.name[at + 1] and t.noun[at + 1 :] == t.name[at + 1 :]
    for_nothing = t.low[at] == "use" and _SETTING.isdisjoint(t.low[at + 2 :])  # "use British spelling"
    return (at, t.last) if thing in _DEFINITE or member or named or for_nothing else None


def _command(t: ReadTurn) -> int:
    """The place of the first word behind what is polite."""
    return next((at for at in range(t.start, t.last) if t.low[at] not in _POLITE), t.last)


_OPENINGS: tuple[_Rule, ...] = (
    ("acknowledges", _acknowledges, "opening", ""),
    ("acknowledges", _answers, "opening", "answers or comments"),
    ("only_acknowledges", _only_acknowledges, "opening", "answers or comments"),
    ("opener", _opener, "opener", "continues"),
)
_GAPS: tuple[_Rule, ...] = (
    ("bare_question", _bare_question, "wh", "part of a question"),
    ("fragment", _fragment, "", "part of a sentence"),
    ("phrase", _prepositional_phrase, "preposition", "part of a sentence"),
    ("statement", _statement, "", "a statement, not a question"),
    ("reply", _reply, "", "may answer what was asked"),
    ("no_object", _no_object, "transitive", "lacks its object"),
    ("no_subject", _no_subject, frozenset(BE), "lacks its subject"),
    ("existence", _existence, frozenset(("there", "any")), "where, or of what"),
    ("no_setting", _no_setting, _ASKERS, "where, or with what"),
    ("no_occasion", _no_occasion, "served", "where, or of what"),
    ("no_agent", _no_agent, frozenset(BE), "where, or by what"),
    ("tells", _tells, _TELLER, "tells something, asks nothing"),
    ("premise", _premise, _PREMISE, "adds to what was said"),
    ("amount", _amount, "", "tells how much"),
    ("edits", _edits, "edit", "changes something unsaid"),
    ("edits_said", _edits_said, "changing", "changes what was said"),
)
