"""Key phrase extraction by rules: names, noun phrases, and the language. No model, about a millisecond.

A name is a run of capitalised words ("Marie Curie", "Bank of Norway"), an acronym or what stands in quotation marks. A
noun phrase is a run of words between function words and common verbs ("throat cancer"). A capital at the start of a
sentence proves nothing. The language is the one whose function words are most frequent, or that of the script.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from langchain_redis_memory.language.english import table, word_list
from langchain_redis_memory.language.lazy_pattern import lazy_pattern
from langchain_redis_memory.language.lexicon import lexicon
from langchain_redis_memory.language.turn_tokens import TOKEN
from langchain_redis_memory.language.words import singular

_LONGEST = 2000
"""Characters that are looked at: the time that a text takes is bounded."""
LONGEST_NAME = 80


class Phrase(NamedTuple):
    """A key phrase; `named` where it is a name and not a noun phrase."""

    text: str
    named: bool


_QUOTED = lazy_pattern(r"[\"“]([^\"“”\n]{2,80})[\"”]|`([^`\n]{2,80})`")
_STOPS = frozenset('.?!:;\n"“”`(),')
_QUOTES = ('"', "“", "`")
_PLAIN_TOKEN = lazy_pattern(TOKEN.pattern.replace(r"[^\W_]", "[A-Za-z0-9]"))
"""The same as `TOKEN` in a text of ASCII, in half the time."""
_INSIDE = frozenset("of the de la del der den van von di da du al el".split())
"""Small words that a name may hold, never begin or end with."""

_FUNCTION = lexicon("en").function | word_list("phrases", "function")
_WORDS_OF = table("phrases", "languages")
_PREDICATE = ("able", "ible")
"""What ends like this says something of the noun before it: "is throat cancer treatable"."""
_BY_WORD: dict[str, tuple[str, ...]] = {}
for _language, _words in _WORDS_OF.items():
    for _word in _words.split():
        _BY_WORD[_word] = (*_BY_WORD.get(_word, ()), _language)
_POINTS = {word: tuple((language, 1 / len(of)) for language in of) for word, of in _BY_WORD.items()}
"""What a function word says for each language that has it."""
_LETTERS = lazy_pattern(r"[^\W\d_]+")
_LETTERS_ALONE = {code: " " for code in range(128) if not chr(code).isalpha()}
"""What stands between the words of a text of ASCII: to replace it takes a tenth of the time that the pattern does."""
_SCRIPTS = (
    (0x0370, 0x03FF, "el"),
    (0x0400, 0x04FF, "ru"),
    (0x0590, 0x05FF, "he"),
    (0x0600, 0x06FF, "ar"),
    (0x0900, 0x097F, "hi"),
    (0x0E00, 0x0E7F, "th"),
    (0x3040, 0x30FF, "ja"),
    (0xAC00, 0xD7AF, "ko"),
    (0x4E00, 0x9FFF, "zh"),
)


def phrases(text: str) -> list[Phrase]:
    """Extracts the key phrases of a text.

    Args:
        text: Any text; its first 2000 characters are looked at.

    Returns:
        Names and noun phrases in the order of their first mention, each once.
    """
    return phrases_in(text, language_of(text))


def phrases_in(text: str, language: str | None, most: int = _LONGEST) -> list[Phrase]:
    """Extracts the first key phrases of a text in a language, that of `language_of`; see `phrases`."""
    text = text[:_LONGEST]
    stop = _FUNCTION if language in (None, "en") else _FUNCTION.union(_WORDS_OF.get(language or "", "").split())
    found: dict[str, Phrase] = {}
    for quoted in _QUOTED.finditer(text) if any(mark in text for mark in _QUOTES) else ():
        _note(found, (quoted[1] or quoted[2]).strip(), named=True)
    for words, first in _runs(text):
        for phrase in _in_run(words, stop, first=first):
            _note(found, *phrase)
        if len(found) >= most:
            break
    return list(found.values())[:most]


@lru_cache(maxsize=4_096)
def key_of(text: str) -> str:
    """Returns the key of a phrase: case, a possessive and a plural ending do not count."""
    return " ".join(map(_key_of_word, text.casefold().split()))


@lru_cache(maxsize=4_096)
def _key_of_word(word: str) -> str:
    return singular(_without_possessive(word))


def _without_possessive(text: str) -> str:
    return text[:-2] if text.endswith(("'s", "\u2019s")) else text


def language_of(text: str) -> str | None:
    """Detects the language of a text.

    Returns:
        Two letters (ISO 639-1) of one of some common languages; None where the text is too short to tell.
    """
    text = text[:_LONGEST]
    foreign = [] if text.isascii() else [ord(each) for each in text if each >= "\u0370" and each.isalpha()]
    letters = sum(map(str.isalpha, text)) if foreign else 0
    for low, high, language in _SCRIPTS if len(foreign) * 3 > letters else ():
        if sum(low <= letter <= high for letter in foreign) * 3 > letters:
            return language
    points: dict[str, float] = {}
    spelled = text.casefold()
    for word in spelled.translate(_LETTERS_ALONE).split() if spelled.isascii() else _LETTERS.findall(spelled):
        for language, point in _POINTS.get(word, ()):
            points[language] = points.get(language, 0.0) + point
    best = sorted(points, key=lambda language: -points[language])[:2]
    clear = best and points[best[0]] >= 1 and (len(best) == 1 or points[best[0]] > points[best[1]])
    return best[0] if clear else None


def _note(found: dict[str, Phrase], text: str, named: bool) -> None:
    text = _without_possessive(text)[:LONGEST_NAME]
    if len(text) > 1 and text.casefold() not in _FUNCTION:
        found.setdefault(key_of(text), Phrase(text, named))


def _runs(text: str) -> Iterator[tuple[list[str], bool]]:
    """The words between marks of punctuation, and whether a sentence begins with them."""
    run: list[str] = []
    first = begins = True
    for word in _PLAIN_TOKEN.findall(text) if text.isascii() else TOKEN.findall(text):
        if word not in _STOPS:
            run.append(word)
            continue
        if run:
            yield run, begins
        run, begins = [], (first and not run) or word in ".?!:\n"
        first = False
    if run:
        yield run, begins


def _in_run(words: list[str], stop: frozenset[str], *, first: bool) -> Iterator[tuple[str, bool]]:
    free = [word.casefold() not in stop for word in words]
    capital = [may and word[0].isupper() for may, word in zip(free, words, strict=True)]
    place, size = 0, len(words)
    while place < size:
        end = _name_end(words, capital, place, first=first) if capital[place] else place
        if end > place:
            yield " ".join(words[place:end]), True
        else:
            while end < size and free[end] and _has_letter(words[end]) and not (end > place and capital[end]):
                end += 1
            if end > place:
                last = end - 1 if end - place > 1 and words[end - 1].endswith(_PREDICATE) else end
                yield " ".join(words[max(place, last - 4) : last]), False
        place = max(end, place + 1)


def _has_letter(word: str) -> bool:
    return word[0].isalpha() or any(character.isalpha() for character in word)


def _name_end(words: list[str], capital: list[bool], place: int, *, first: bool) -> int:
    """Where a name that begins here ends; `place` itself where what begins a sentence proves none."""
    end = place + 1
    while end < len(words):
        inside = end
        while inside < len(words) and inside - end < 2 and words[inside] in _INSIDE:
            inside += 1
        if inside < len(words) and (capital[inside] or (inside == end and words[inside][0].isdigit())):
            end = inside + 1
        else:
            break
    alone = end == place + 1
    proves = not (first and place == 0) or (len(words[place]) > 1 and words[place][1:] != words[place][1:].lower())
    return end if proves or not alone else place
