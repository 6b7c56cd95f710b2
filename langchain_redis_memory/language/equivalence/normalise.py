"""Normalises a question before it is parsed: literals set aside, contractions spelt out, frames and politeness removed.

Phrasings that mean the same ("is it possible to", "can I") become one. The contractions and the phrasings are data
(`english.json`); they are applied in their order.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from langchain_redis_memory.language.english import replacements
from langchain_redis_memory.language.equivalence.contrasts import MORE_PHRASES
from langchain_redis_memory.language.lazy_pattern import lazy_pattern

LONGEST = 2000
"""Characters of a text that are looked at. Longer texts are equivalent only if they are the same."""
CACHED = 4096
"""Texts whose key and parse are remembered."""

PLACEHOLDERS = "".join(map(chr, range(0xE000, 0xE000 + LONGEST)))
"""Characters for private use: the first stands for the first literal."""
_PLAIN = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": " - "}
                       | dict.fromkeys(PLACEHOLDERS, " "))  # fmt: skip
_DOTTED = lazy_pattern(r"\b(?:(?:[A-Z]\.)+[A-Z]|(?i:u\.s|u\.s\.a|u\.k|[ap]\.m|e\.g|i\.e))\b\.?")
_WHOLE = {"u.s": "USA", "u.s.a": "USA", "u.k": "UK"}
_US = lazy_pattern(r"\bUS\b(?! ?\$)")
_SPACE = lazy_pattern(r"[\s\x00-\x1f\x7f]+")
_LITERAL = lazy_pattern(
    r"\"[^\"]{1,200}\"|`[^`]{1,200}`|(?<!\w)'[^']{2,80}'(?!\w)|https?://\S+|\b[\w.+-]{1,64}@[\w-]{1,64}\.[\w.]{1,64}|"
    r"(?<![\w/])/?(?:[\w.-]+/){2,}[\w.-]*|\b\w{1,80}(?:[.:]{1,2}\w{1,80}){0,9}\(\)|\b[A-Za-z]\w*_\w+\b|\b[a-z]+[A-Z]\w*\b|"
    r"(?<!\w)--?[a-zA-Z][\w-]*\b|\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\b|\b[A-Za-z]+\d+\w*\b|\b[\da-f]{8,}\b"
)
_LETTER = lazy_pattern(r"(?<=[a-z,] )[B-HJ-Z](?!\w)")
_LETTER_A = lazy_pattern(
    r"(?<=[a-z,] )A(?=[?.!,;:]|$| (?:to|with|from|and|or|but|not|is|than|into|for|by|in|on|before|after)\b)"
)
"""A letter that stands for something, and an A that does so beside one: no article, so its place decides."""
_CONTRACTIONS = [(lazy_pattern(each.pattern), each.plain) for each in replacements("questions", "contractions")]
_BARE = lazy_pattern(
    r"\b(?:can(?:no)?t|im|(?:is|are|was|were|do|does|did|has|have|had|could|would|should)nt|(?:what|who|where|how|that)s)\b"
)
_SYMBOLS = lazy_pattern(r"c\+\+|c#|f#|\.net\b")
_SPELT = str.maketrans({"+": "p", "#": "s", ".": "d"})
_PHRASES = [
    (lazy_pattern(each.pattern), each.plain, each.pattern[0] == "^" and "|\\b" not in each.pattern, each.needs)
    for each in [*replacements("questions", "phrases"), *MORE_PHRASES]
]
"""Pattern, replacement, whether it only matches at the start, and of what one is in each text that it fits."""
_ENDING = " ?.!\u2026,;:"
_IDENTIFIER = lazy_pattern(r"[a-z][A-Z]|[_/\\=<>{}()\[\]`\"]|\w[.:]\w|\d[A-Za-z]|[A-Za-z]\d|^-")


_DECIDING = lazy_pattern(
    r"[\u00b2\u00b3\u00b9\u2070-\u209c\u00bc-\u00be\u2150-\u215e]"  # raised, lowered, fractions
    r"|(?:(?<=^)|(?<=[\s(=,:]))[-\u2212](?=\d)"  # the sign of a number
    r"|(?<=\d)\s?(?:%|per ?cent\b)|(?<!\w)[$]\w+|\b[A-Za-z]#"
    r"|(?<!\w)\\[A-Za-z](?!\w)|(?<![\w+])\+\+(?=\w)"  # an escape of one letter, an increment before its variable
)
_ACRONYMS = lazy_pattern(r"\b(?:IT|WHO|ME|OR|IN|(?<!\d )AM|AIDS)\b")


class NormalisedText(NamedTuple):
    """A normalised question.

    Args:
        text: The text in lower case, with a placeholder for each literal.
        asks: It holds a question mark.
        capitals: Its words with a capital inside a sentence, in lower case.
        literals: The literals that were set aside: quotations, identifiers, paths, addresses.
    """

    text: str
    asks: bool
    capitals: frozenset[str]
    literals: tuple[str, ...]


def _plain(text: str) -> str:
    """The text with plain quotes, dashes and spaces, and abbreviations without dots; the US is the USA, unlike "us"."""
    plain = unicodedata.normalize("NFKC", text).translate(_PLAIN)
    plain = _DOTTED.sub(lambda found: _WHOLE.get(found[0].lower().strip("."), found[0].replace(".", "")), plain)
    plain = plain if plain.isupper() else _US.sub("USA", plain)
    return _SPACE.sub(" ", plain).strip()


@lru_cache(CACHED)
def key_of(text: str) -> str:
    """Returns the key of a text: without Unicode forms, white space, final punctuation and case of prose.

    Words that mix capitals and digits or underscores in their inside are identifiers and keep their case.

    Returns:
        The key: two texts with one key are the same question. "Maße" are no "Masse", so nothing is folded but case.
    """
    plain = _plain(text)
    plain = plain.rstrip(_ENDING) or plain
    return " ".join(word if _IDENTIFIER.search(word) else word.lower() for word in plain.split(" "))


@lru_cache(CACHED)
def deciding_marks(text: str) -> tuple[str, ...]:
    """Returns the marks that no normal form may lose: signs, exponents, fractions, percent, acronyms that are words.

    Returns:
        The marks in order; two texts with different ones are not the same question.
    """
    found = (mark.strip() for mark in _DECIDING.findall(text))
    marks = ("%" if mark.startswith("per") else mark for mark in found)
    return (*marks, *(() if text.isupper() else _ACRONYMS.findall(text)))


def normalise(text: str) -> NormalisedText:
    """Normalises a question, of which the first `LONGEST` characters are looked at."""
    raw = _plain(text[:LONGEST])
    literals: list[str] = []

    def set_aside(match: re.Match[str]) -> str:
        literals.append(match.group())
        return f" {PLACEHOLDERS[len(literals) - 1]} "

    held = _LITERAL.sub(set_aside, raw)
    if " A" in held and _LETTER.search(held):
        held = _LETTER_A.sub(set_aside, held)
    capitals = frozenset(word.lower() for word in re.findall(r"(?<=[\w,;:] )[A-Z][\w-]*", held))
    lower = held.lower()
    if "'" in lower or _BARE.search(lower):
        for pattern, plain in _CONTRACTIONS:
            lower = pattern.sub(plain, lower)
    lower = _SYMBOLS.sub(lambda match: f" {match.group().translate(_SPELT)} ", lower)
    lower = lower.rstrip(_ENDING)
    for pattern, plain, anchored, needs in _PHRASES:
        if pattern.match(lower) if anchored else not needs or any(map(lower.__contains__, needs)):
            lower = pattern.sub(plain, lower, 1 if anchored else 0)
    return NormalisedText(_SPACE.sub(" ", lower).strip(), "?" in raw, capitals, tuple(literals))
