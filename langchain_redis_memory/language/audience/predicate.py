"""Signs of what a predicate says: a state that passes ("is flooded") or a rule that lasts ("is included").

Linguists call them stage-level and individual-level predicates. A question for a passing state is volatile whatever it
is of; one for a rule, a facility or a schedule is answered alike for all. Also whose doing a past event was: what "the
clerk" or "you" did is known only to those who were there. The forms are data (`forms` of `words.json`).
"""

from __future__ import annotations

from langchain_redis_memory.language.audience.words import SentenceSigns, word_lists

_NOBODYS = (
    "did_the",
    "third_person",
    "past_the",
    "past_definite",
    "schedule",
    "gauge_size",
    "how_general",
    "bare_general",
)
_OF_NAMES = ("past_definite", "gauge_size", "bare_general")
"""Signs that are none where a name is in the sentence: what Kafka wrote is history, "when is Rex due" no schedule."""


def predicate_signs(text: str, found: SentenceSigns, *, named: bool) -> None:
    """Finds the signs of a sentence's predicate.

    Args:
        text: The sentence's words in lower case, from where it starts.
        found: Its signs so far; those of the predicate are added.
        named: Whether a word inside it is capitalised.
    """
    signs = found.signs
    for name, shown in word_lists().forms(text):
        history = named and name in _NOBODYS and (name in _OF_NAMES or " in " not in text)
        if not history and (named or name != "name_state"):
            found.add(name, shown[:40])
    if "home_noun" in signs:
        signs.pop("facility", None)
    if "hours" in signs or ("stage" in signs and "lasting" in signs and not text.endswith(signs["stage"][-8:])):
        signs.pop("stage", None)
    if "hours" in signs:
        signs.pop("the_state", None)
