"""Parses a question into what an embedding blurs: content words in order, numbers, negations, marks, literals, names.

Four passes over a normalised text, each pure: terms, numbers, marks (person, tense, modality, scope, time, degree), and
words with what governs them. A parse does not refer to any other text, so it is remembered for the next comparison.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from langchain_redis_memory.language.english import table, word_list
from langchain_redis_memory.language.equivalence.contrasts import OPPOSITE_PREPOSITIONS
from langchain_redis_memory.language.equivalence.normalise import CACHED, PLACEHOLDERS, normalise
from langchain_redis_memory.language.equivalence.question_words import (
    GENERIC,
    is_passive,
    opens_a_question,
    question_type,
    who_role,
)
from langchain_redis_memory.language.lexicon import lexicon
from langchain_redis_memory.language.turn_tokens import PART
from langchain_redis_memory.language.words import GRADABLE, degree, in_wordnet, is_name, lemma


class Word(NamedTuple):
    """A content word: its lemma, its weight, the preposition that governs it, its neighbours, and whether it is a name, for sure
    where a capital or the lexicon says so.
    """

    lemma: str
    weight: float
    preposition: str
    before: str
    after: str
    name: bool
    place: int
    sure: bool


class ParsedQuestion(NamedTuple):
    """What one text says; see the module."""

    words: tuple[Word, ...]
    tokens: tuple[str, ...]
    numbers: tuple[tuple[str, str], ...]
    question: str
    asks: bool
    subject: str
    negations: int
    marks: dict[str, frozenset[str]]
    literals: frozenset[str]
    symbols: tuple[str, ...]
    particles: frozenset[tuple[str, str, str]]
    loose: frozenset[str]
    passive: bool
    wh_role: str
    compared: tuple[str, str] | None
    english: float
    joined: frozenset[str]
    wanted: str


_NUMBERS = table("questions", "numbers")
_ORDINARY = word_list("questions", "ordinary")
"""Number words with another use: a number only where there is another sign of it."""
_ORDINAL_ENDINGS = frozenset({"th", "st", "nd", "rd"})
_MONTHS = table("questions", "months")
_DAYS = word_list("questions", "days")
_UNITS = word_list("questions", "units")
_UNIT_NAMES = table("questions", "unit_names")
_PREPOSITIONS = word_list("questions", "prepositions")
_LIGHT = word_list("questions", "light")
_FUNCTION = _PREPOSITIONS | word_list("questions", "function") | (lexicon("en").function - _LIGHT)
_MARK = {word: kind for kind, listed in table("questions", "marks").items() for word in listed.split()}
_MODAL = table("questions", "modal")
_NEGATIVE = word_list("questions", "negative") - {"lack", "except"}
_PARTICLES = {word for pair in OPPOSITE_PREPOSITIONS for word in pair} | word_list("questions", "particles")
_PERSONS = table("questions", "persons")
_OWNERS = word_list("questions", "owners")
_PAST = word_list("questions", "past")
_PRESENT = word_list("questions", "present")
_SUBJECTS = frozenset({"i", "you", "we", "he", "she", "they"})
_DETERMINERS = frozenset({"the", "a", "an", "my", "your", "his", "her", "its", "our", "their"})
_KINDS_OF_MARKS = ("scope", "modal", "time", "person", "tense", "degree", "owner")


@lru_cache(CACHED)
def parse(text: str) -> ParsedQuestion:
    """Parses a question, of which the first `LONGEST` characters are looked at."""
    normalised = normalise(text)
    lower = normalised.text
    question = question_type(lower, normalised.asks)
    raw = PART.findall(lower)
    terms = _terms(raw, normalised.literals)
    numbers = _numbers(terms, raw)
    marks = _marks([term.text for term in terms if term.kind == "word"], generic=question in GENERIC)
    content = _words(terms, raw, numbers.at, normalised.capitals)
    return ParsedQuestion(
        words=content.words,
        tokens=content.tokens,
        numbers=numbers.found,
        question=question,
        asks=normalised.asks or opens_a_question(lower),
        subject=marks.subject,
        negations=marks.negations,
        marks=marks.found,
        literals=frozenset(term.text for term in terms if term.kind == "literal"),
        symbols=tuple(term.text for term in terms if term.kind == "symbol"),
        particles=_particles(content.tokens),
        loose=numbers.loose,
        passive=is_passive(lower),
        wh_role=who_role(lower),
        compared=_compared(content.tokens),
        english=content.english,
        joined=content.joined,
        wanted=_wanted(content.tokens),
    )


class _Term(NamedTuple):
    """A term of the text: the place among all tokens, and whether a number stands right before it."""

    kind: Literal["literal", "number", "symbol", "word"]
    text: str
    at: int
    after_number: bool = False


def _terms(raw: Sequence[str], literals: Sequence[str]) -> list[_Term]:
    """First pass: what each token is. Punctuation, units as symbols and the ending of "5 th" are left out."""
    found: list[_Term] = []
    after_number = False
    for at, part in enumerate(raw):
        if part in PLACEHOLDERS:
            literal = literals[PLACEHOLDERS.index(part)]
            literal = literal.strip("\"'`").rstrip(",.;") if literal[0] in "\"'`" else literal.rstrip(".,;")
            # the capital that the start of a sentence gives; a quoted title has them everywhere, or not
            literal = literal.lower() if " " in literal else literal[:1].lower() + literal[1:]
            found.append(_Term("literal", literal, at))
            after_number = False
        elif number := _number(part, raw, at):
            found.append(_Term("number", number, at, after_number and not part[0].isdigit()))
            after_number = True
        elif after_number and part in _ORDINAL_ENDINGS:
            continue
        else:
            if part[0].isalpha() or part == "'s":
                found.append(_Term("word", part, at, after_number))
            elif part not in _UNIT_NAMES and part != "%" and _is_symbol(part):
                found.append(_Term("symbol", part, at))
            after_number = False
    return found


def _is_symbol(part: str) -> bool:
    return unicodedata.category(part[0])[0] == "S" or part in "*/&@#"


def _number(part: str, raw: Sequence[str], at: int) -> str:
    """The digits of a number, empty where the part is none."""
    if not part[0].isdigit():
        return "" if part in _ORDINARY and not _counts(part, raw, at) else _NUMBERS.get(part, "")
    number = part.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{2,3})+", part) else part
    return re.sub(r"^0+(?=\d)", "", re.sub(r"[.](?:0|00)$", "", number))


class _Numbers(NamedTuple):
    """The numbers with their units; for the place of each term its number so far, and whether it continues the last; those
    of number words with another use ("first").
    """

    found: tuple[tuple[str, str], ...]
    at: Mapping[int, tuple[str, bool]]
    loose: frozenset[str]


def _numbers(terms: Sequence[_Term], raw: Sequence[str]) -> _Numbers:
    """Second pass: numbers of several words become one ("twenty five"), each with its unit."""
    found: list[tuple[str, str]] = []
    at: dict[int, tuple[str, bool]] = {}
    loose: set[str] = set()
    for term in terms:
        if term.kind != "number":
            continue
        count = len(found)
        found = _add_number(found, term.text, term.after_number)
        following = _peek(raw, term.at)
        unit = following if following in _UNITS else lemma(following)
        if raw[term.at] in {"one", "first"}:
            loose.add(term.text)
        if term.at and raw[term.at - 1] in _UNIT_NAMES:
            found[-1] = (found[-1][0], _UNIT_NAMES[raw[term.at - 1]])
        elif following not in _ORDINAL_ENDINGS and unit in _UNITS:
            found[-1] = (found[-1][0], _UNIT_NAMES.get(unit, unit))
        at[term.at] = (found[-1][0], len(found) == count)
    return _Numbers(tuple(found), at, frozenset(loose))


class _Marks(NamedTuple):
    """Marks by kind, the grammatical subject as a person, and negations."""

    found: dict[str, frozenset[str]]
    subject: str
    negations: int


def _marks(terms: Sequence[str], *, generic: bool) -> _Marks:
    """Third pass: marks of scope, modality, time, tense and degree, and persons. A generic "I" or "you" is anybody."""
    found: dict[str, set[str]] = {kind: set() for kind in _KINDS_OF_MARKS}
    subject = speaker = ""
    for term in terms:
        _, grade = degree(term)
        if grade or term in {"more", "most", "less", "least"}:
            found["degree"].add(grade or term)
        person = _PERSONS.get(term)
        if person:
            if term in _SUBJECTS:
                speaker = speaker or person[0]
                subject = subject or ("1" if generic and person in {"1", "1p", "2"} else person)
            if term in _OWNERS:
                owner = person.rstrip("p") if person in {"1", "1p"} else person
                found["owner"].add("1" if generic and owner == (speaker or "1") else owner)
            anybody = generic and person in {"1", "1p", "2"} and subject == "1"
            found["person"].add("self" if anybody else person)
        kind = _MARK.get(term, "")
        if kind in found:
            found[kind].add(_MODAL.get(term, term) if kind == "modal" else term)
        if term in {"same", "other", "another"}:
            found["scope"].add(term)
        if tense := _tense(term):
            found["tense"].add(tense)
    return _Marks(
        {kind: frozenset(values) for kind, values in found.items()},
        subject,
        sum(term in _NEGATIVE for term in terms),
    )


def _tense(term: str) -> str:
    return "past" if term in _PAST else "present" if term in _PRESENT else "future" if term == "will" else ""


class _Words(NamedTuple):
    """Content words, all tokens, words that "and" or "or" follows, and the share of known English words."""

    words: tuple[Word, ...]
    tokens: tuple[str, ...]
    joined: frozenset[str]
    english: float


def _words(
    terms: Sequence[_Term], raw: Sequence[str], numbers: Mapping[int, tuple[str, bool]], capitals: frozenset[str]
) -> _Words:
    """Fourth pass: content words in order, each with its weight, its preposition and its neighbours."""
    found: list[Word] = []
    tokens: list[str] = []
    joined: set[str] = set()
    preposition = before = ""
    known = counted = 0
    for kind, text, at, after_number in terms:
        if kind == "symbol":
            continue
        if kind == "word" and text in _FUNCTION:
            tokens.append(text)
            counted, known = counted + 1, known + 1
            if text in _PREPOSITIONS:
                preposition = text
            elif text in {"and", "or"}:
                joined.add(before)
            elif text != "'s" and text not in _DETERMINERS:
                preposition = ""
            continue
        lemma_, weight, name, sure = text, 1.3, True, True
        if kind == "number":
            value, continues = numbers[at]
            if continues and found and found[-1].lemma.startswith("#") and found[-1].place == at - 1:
                found.pop()
            lemma_, weight, name, sure = f"#{value}", 1.0, False, False
        elif kind == "word":
            lemma_ = _base(text)
            counted, known = counted + 1, known + (in_wordnet(text) or in_wordnet(lemma_))
            said = text in capitals or text in _DAYS or text in _MONTHS
            name = said or is_name(lemma_)
            sure = said or (name and in_wordnet(lemma_))
            weight = 0.5 if after_number and lemma_ in _UNITS else 0.35 if lemma_ in _LIGHT else 1.0
            weight *= 1.3 if name else 1.0
        found.append(Word(lemma_, weight, preposition, before, _peek(raw, at), name, at, sure))
        before = lemma_ if kind == "word" else text
        tokens.append(before)
    return _Words(tuple(found), tuple(tokens), frozenset(joined), known / counted if counted else 0.0)


def _wanted(tokens: Sequence[str]) -> str:
    """The content word right after "which", "what", "how many" or "how much": what is asked for."""
    for at, token in enumerate(tokens[:-1]):
        following = tokens[at + 1]
        if token in {"which", "what"} or (token in {"many", "much"} and at and tokens[at - 1] == "how"):
            return "" if following in _FUNCTION else following
    return ""


def _particles(tokens: Sequence[str]) -> frozenset[tuple[str, str, str]]:
    """Prepositions and particles that have an opposite, each with the content words before and after it."""
    if _PARTICLES.isdisjoint(tokens):
        return frozenset()
    found, before = [], ""
    open_at = 0
    for token in tokens:
        if token in _PARTICLES:
            found.append((token, before, ""))
        elif token not in _FUNCTION:
            found[open_at:] = [(word, left, token) for word, left, _ in found[open_at:]]
            open_at, before = len(found), token
    return frozenset(found)


def _base(term: str) -> str:
    """The dictionary form of a word: its positive form where it is compared, the name of a month, else its lemma."""
    plain, grade = degree(term)
    return plain if grade else _MONTHS.get(term, lemma(term))


def _peek(raw: Sequence[str], at: int) -> str:
    return raw[at + 1] if at + 1 < len(raw) else ""


def _counts(term: str, raw: Sequence[str], at: int) -> bool:
    """Whether a number word with another use is a number here."""
    following = _peek(raw, at)
    previous = raw[at - 1] if at else ""
    if term == "one":
        return lemma(following) in _UNITS or following in {"hundred", "thousand", "million", "billion"}
    if term in {"first", "second"}:
        return previous in {"the", "a", "my", "your", "his", "her"} and bool(following) and following not in _FUNCTION
    return term == "half" and following in {"a", "an", "of"}


def _add_number(numbers: list[tuple[str, str]], number: str, joins: bool) -> list[tuple[str, str]]:
    """Adds a number; `twenty` `five` and `3` `million` become one."""
    if joins:
        try:
            last, now = float(numbers[-1][0]), float(number)
        except ValueError:
            return [*numbers, (number, "")]
        value = last * now if now >= 100 else last + now
        return [*numbers[:-1], (f"{value:.12g}", "")]
    return [*numbers, (number, "")]


def _compared(tokens: Sequence[str]) -> tuple[str, str] | None:
    """The words on both sides of a `than`."""
    if "than" not in tokens:
        return None
    at = tokens.index("than")
    left = [term for term in tokens[:at] if term not in _FUNCTION and term not in GRADABLE]
    right = [term for term in tokens[at + 1 :] if term not in _FUNCTION and term not in GRADABLE]
    return (left[0], right[0]) if left and right else None
