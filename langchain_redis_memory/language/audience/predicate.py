"""Signs of what a predicate says: a state that passes ("is flooded") or a rule that lasts ("is included").

Linguists call them stage-level and individual-level predicates. A question for a passing state is volatile whatever it
is of; one for a rule, a facility or a schedule is answered alike for all. Also whose doing a past event was: what "the
clerk" or "you" did is known only to those who were there. The forms are data (`forms` of `words.json`).
"""

from __future__ import annotations

from langchain_redis_memory.language.audience.words import Sentence

_OF_NAMES = frozenset("past_definite gauge_size bare_general".split())
"""Signs that are none where a name is in the sentence: what Kafka wrote is history, "when is Rex due" no schedule."""
_NOBODYS = _OF_NAMES | frozenset("did_the third_person past_the schedule how_general".split())


def predicate_signs(s: Sentence, *, named: bool) -> None:
    """Finds the signs of a sentence's predicate.

    Args:
        s: The sentence.
        named: Whether a word inside it is capitalised.
    """
    for name, shown in s.lists.forms(s.text, s.letters):
        history = named and name in _NOBODYS and (name in _OF_NAMES or " in " not in s.text)
        if not history and (named or name != "name_state"):
            s.add(name, shown[:40])
    if s.has("home_noun"):
        s.drop("facility")
    if s.has("hours"):
        s.drop("stage", "the_state")
    elif s.has("stage") and s.has("lasting") and not s.text.endswith(s.signs["stage"][-8:]):
        s.drop("stage")
