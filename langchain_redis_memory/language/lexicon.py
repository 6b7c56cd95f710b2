"""The lexicon of a language, word lists and phrasings, read from a JSON file; another language is another file.

Word lists are strings of words; phrasings are regular expressions in which `{NAME}` stands for a slot of the same
file. A language that no lexicon knows is not guessed at: `Lexicon.unreadable` tells, and every part of this room errs
to the safe side.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_redis_memory.checks import check_text
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.lazy_pattern import lazy_pattern
from langchain_redis_memory.language.turn_tokens import TurnTokens

_PATTERNS = ("recall", "not_recall", "change", "rephrase", "expletive", "meddling")
_PHRASES = ("definition", "looking_back", "opening_phrase")


class Lexicon:
    """The word lists and phrasings of one language: an attribute for each key of its file."""

    language: str
    definition: tuple[tuple[str, ...], ...]
    looking_back: tuple[tuple[str, ...], ...]
    opening_phrase: tuple[tuple[str, ...], ...]
    recall: re.Pattern[str]
    not_recall: re.Pattern[str]
    change: re.Pattern[str]
    rephrase: re.Pattern[str]
    expletive: re.Pattern[str]
    meddling: re.Pattern[str]

    def __init__(self, lists: Mapping[str, Any]) -> None:
        self.__dict__.update(lists)

    if TYPE_CHECKING:  # all else is a word list

        def __getattr__(self, name: str) -> frozenset[str]: ...

    @cached_property
    def unspecific(self) -> frozenset[str]:
        """Words that do not say by themselves what a turn is about."""
        return self.relational | self.generic | self.comparative | self.acknowledgement | self.anaphor

    @cached_property
    def vague(self) -> frozenset[str]:
        """Nouns and adjectives that do not say by themselves of what."""
        return self.generic | self.relational

    @cached_property
    def everyday(self) -> frozenset[str]:
        """Words that do not say where, with what or on what occasion something is."""
        return self.unspecific | self.calendar | self.person_noun

    @cached_property
    def pointing(self) -> frozenset[str]:
        """Words that may point at something outside of the turn."""
        words = self.person | self.thing | self.demonstrative | self.anaphor
        return words | {"that", "that's", "there", "one"}

    @cached_property
    def served(self) -> frozenset[str]:
        """Words of services, and of those who get them."""
        return self.offered | self.person_noun

    @cached_property
    def changing(self) -> frozenset[str]:
        """Verbs that may ask for a change to what was said."""
        return self.edit | {"make"}

    @cached_property
    def of_a_set(self) -> frozenset[str]:
        """Words that may name a member of a set by its number."""
        return self.choices - {"one", "ones"}

    @cached_property
    def weak(self) -> frozenset[str]:
        """Words that carry little meaning."""
        return self.light | self.generic

    @cached_property
    def opening(self) -> frozenset[str]:
        """Words in front of a turn that neither ask nor tell anything."""
        return self.acknowledgement | self.filler

    @cached_property
    def telling(self) -> frozenset[str]:
        """Function words that only this language has: what has none of them may be in another one."""
        return (self.function - self.shared) | self.imperative

    @cached_property
    def asking(self) -> frozenset[str]:
        """First words of questions and requests."""
        return self.wh | self.auxiliary | self.imperative | {"how", "what"}

    def start(self, low: Sequence[str], stop: Sequence[str]) -> int:
        """Returns the place of the first word behind the acknowledgements and fillers that a turn opens with.

        Returns:
            The place; that of the last word where there is nothing else.
        """
        start, opening = 0, self.opening
        while start < len(low) - 1 and low[start] in opening and (stop[start] or low[start + 1] in opening):
            start += 1
        return start

    def unreadable(self, reading: TurnTokens, content: Collection[str] = ()) -> str | None:
        """Returns why a turn cannot be judged by its words: they are not of this language.

        Args:
            reading: The turn.
            content: Words of the language that are not function words; one of them is enough to tell it by.

        Returns:
            The reason; None where it can be read.
        """
        start = self.start(reading.low, reading.stop)
        words, low = reading.words[start:], reading.low[start:]
        if not reading.text.isascii():
            written = "".join(reading.words)
            if sum(ord(letter) > 0x24F for letter in written) * 2 > len(written):
                return f"a language other than {self.language!r}"
            strange = [word for word in words if word[0].islower() and not word.isascii() and word not in self.function]
            asked = not self.wh.isdisjoint(low)  # "what does née mean" asks for one word of another language
            if len(strange) > asked:
                return f"another language: {strange[0][:40]!r}"
        if foreign := [word for place, word in enumerate(low) if word in self.foreign and not _is_name(words, place)]:
            return f"another language: {foreign[0]!r}"
        if low[:1] not in _OPENS and self.telling.isdisjoint(low) and not any(word in content for word in low):
            return "no function word of its language"
        return None


def _is_name(words: Sequence[str], place: int) -> bool:
    """Whether a word is a name or begins one, in a turn that is not written in capitals: "UN", "Le Havre"."""
    word, behind = words[place], words[place + 1 : place + 2]
    if not any(other[0].islower() for other in words):
        return False
    begins = place > 0 and word.istitle() and bool(behind) and behind[0].istitle()
    return begins or (len(word) > 1 and word.isupper())


_OPENS = (["do"], ["has"])
"""Words of several languages that open a question in English only."""


def build_lexicon(data: Mapping[str, Any], *, ours: bool) -> Lexicon:
    """Builds a lexicon from the content of its file.

    Args:
        data: The word lists, the phrases, `slots`, and the phrasings.
        ours: Whether its phrasings are known to be regular expressions; else they are compiled at once, to see.

    Raises:
        ConfigError: A list is missing, or a phrasing is not a regular expression.
    """
    needed = data if ours else _data("en")
    words = [name for name, value in needed.items() if isinstance(value, str)]
    try:
        lists: dict[str, Any] = {name: frozenset(data[name].split()) for name in words}
        lists |= {name: tuple(tuple(phrase.split()) for phrase in data[name]) for name in _PHRASES}
        lists |= {name: pattern(data[name], data["slots"]) for name in _PATTERNS}
        if not ours:
            lists |= {name: re.compile(lists[name].pattern, re.IGNORECASE) for name in _PATTERNS}
        lists["clause_subject"] |= lists["auxiliary"] | lists["wh"]
        return Lexicon({**lists, "language": str(data["language"])})
    except (KeyError, AttributeError, TypeError, re.error) as error:
        msg = f"a lexicon needs the lists {', '.join((*words, *_PHRASES, *_PATTERNS))} and `slots`: {error!r}"
        raise ConfigError(msg) from error


def pattern(phrasings: Sequence[str], slots: Mapping[str, str], flags: int = re.IGNORECASE) -> re.Pattern[str]:
    """Makes one regular expression of phrasings.

    Args:
        phrasings: Regular expressions, in which `{NAME}` stands for a slot.
        slots: What the slots stand for; a slot may hold other slots, one deep.
        flags: Of the expression.
    """
    filled = [
        _SLOT.sub(lambda found: slots[found[1]], _SLOT.sub(lambda found: slots[found[1]], one)) for one in phrasings
    ]
    return lazy_pattern("|".join(f"(?:{one})" for one in filled), flags)


_SLOT = lazy_pattern(r"\{([A-Z]+)\}")


def lexicon(language: str) -> Lexicon:
    """Loads the lexicon of a language.

    Args:
        language: Its code ("en"), or the path of a file in the form of `lexicons/en.json`.

    Returns:
        The lexicon, read once per process.

    Raises:
        ConfigError: There is no such lexicon, or its file is not one.
    """
    return _loaded(check_text(language, "language"))


@cache
def _loaded(language: str) -> Lexicon:
    try:
        data = _data(language)
    except (OSError, ValueError) as error:
        msg = f"no lexicon for {language!r}: name a language that is there, or the path of a JSON file"
        raise ConfigError(msg) from error
    return build_lexicon(data, ours=language.isalpha())


def _data(language: str) -> Any:
    ours = resources.files(__package__) / "lexicons" / f"{language}.json"
    return json.loads((ours if language.isalpha() else Path(language)).read_text("utf-8"))
