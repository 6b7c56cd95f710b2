"""The words and phrasings of a language, read from a JSON file: another language is another file.

Word lists are strings of words; phrasings are regular expressions in which `{NAME}` stands for a slot of the same
file. A language that no lexicon knows is not guessed at: `Lexicon.foreign` says so and the turn counts as dependent.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from langchain_redis_memory.errors import ConfigError

_WORDS = (
    "function foreign person possessive_person thing demonstrative persons wh auxiliary imperative preposition "
    "complement clause opener anaphor comparative comparison standard superlative unique generic light "
    "relational transitive fact acknowledgement calendar recall_needs common party saying said memory back exchange "
    "life recall_filler recall_living recall_ordinal recall_number recall_between third_person"
).split()
_PATTERNS = ("recall", "not_recall", "change", "rephrase", "expletive", "meddling")


class Lexicon:
    """One language.

    Args:
        data: What its file holds: the word lists, `opening_phrase`, `slots`, and the lists of phrasings.

    Raises:
        ConfigError: A list is missing, or a phrasing is no regular expression.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        try:
            self.language = str(data["language"])
            for name in _WORDS:
                setattr(self, name, frozenset(data[name].split()))
            self.definition = tuple(tuple(phrase.split()) for phrase in data["definition"])
            self.looking_back = tuple(tuple(phrase.split()) for phrase in data["looking_back"])
            self.opening_phrase = tuple(tuple(phrase.split()) for phrase in data["opening_phrase"])
            self.clause_subject = frozenset(data["clause_subject"].split()) | self.auxiliary | self.wh
            slots = data["slots"]
            for name in _PATTERNS:
                filled = [
                    _SLOT.sub(lambda found: slots[found[1]], _SLOT.sub(lambda found: slots[found[1]], one))
                    for one in data[name]
                ]
                setattr(self, name, re.compile("|".join(f"(?:{one})" for one in filled), re.IGNORECASE))
        except (KeyError, AttributeError, TypeError, re.error) as error:
            msg = (
                f"a lexicon needs the lists {', '.join((*_WORDS, *_PATTERNS))}, `slots` and `opening_phrase`: {error!r}"
            )
            raise ConfigError(msg) from error

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


_SLOT = re.compile(r"\{([A-Z]+)\}")


@cache
def lexicon(language: str) -> Lexicon:
    """The lexicon of a language.

    Args:
        language: Its code ("en"), or the path of a file in the form of `lexicon/en.json`.

    Returns:
        The lexicon, read once per process.

    Raises:
        ConfigError: There is no such lexicon, or its file is not one.
    """
    file = resources.files(__package__) / "lexicon" / f"{language}.json" if language.isalpha() else Path(language)
    try:
        data = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        msg = f"no lexicon for {language!r}: name a language that is there, or the path of a JSON file"
        raise ConfigError(msg) from error
    return Lexicon(data)
