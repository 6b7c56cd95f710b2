"""The signs in a turn that tell who may be served its answer: person, time, and what is asked to be done.

A turn is read sentence by sentence. Sentences that ask or order something carry the signs of their own; sentences that
only tell something ("I moved house.") are the situation that the others are asked in. Each sign has a name and is 0 or
1; the weights of `weights.json` say what it speaks for. Public forms (definitions, procedures, history, general
subjects) are signs as well, because a turn without any sign is nobody's to share; so are the patterns of its words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from langchain_redis_memory.language.audience.form import form_signs
from langchain_redis_memory.language.audience.patterns import patterns
from langchain_redis_memory.language.audience.person import person_signs
from langchain_redis_memory.language.audience.predicate import predicate_signs
from langchain_redis_memory.language.audience.public import joint_signs, public_signs
from langchain_redis_memory.language.audience.requests import base
from langchain_redis_memory.language.audience.sentences import (
    SentenceWords,
    has_full_name,
    is_named,
    sentences,
    start,
)
from langchain_redis_memory.language.audience.words import BE, Sentence, WordLists, word_lists
from langchain_redis_memory.language.audience.world import time_signs, vary_signs, world_signs
from langchain_redis_memory.language.english import hidden_inside, visible
from langchain_redis_memory.language.lexicon import lexicon
from langchain_redis_memory.language.turn_tokens import read


class SentenceSigns(NamedTuple):
    """What a sentence shows.

    Args:
        named: The names of its signs, with the words that speak for each.
        words: Its words, from where it starts.
        capitals: Whether each has a capital.
        mark: What it ends with.
    """

    named: dict[str, str]
    words: Sequence[str] = ()
    capitals: Sequence[bool] = ()
    mark: str = ""

    def patterns(self) -> list[str]:
        """Finds the patterns of its words, each once; nobody needs them of a sentence whose signs say enough."""
        return (
            [*dict.fromkeys(patterns(self.words, self.capitals, self.mark, word_lists().common))] if self.words else []
        )


def signs(turn: str, *, unreadable: bool = True) -> list[SentenceSigns]:
    """Finds the signs of every sentence that asks or orders, or of all where none does.

    Args:
        turn: What the user said.
        unreadable: Whether a turn that cannot be read is looked at as well; else that is its one sign.

    Returns:
        The signs of each sentence; at least one sentence.
    """
    seen = turn if turn.isascii() else visible(turn)
    tokens = read(seen.replace(" & ", " and "))
    if not tokens.words:
        return [SentenceSigns({"unreadable": turn.strip()[:40]})]
    lists = word_lists()
    why = lexicon("en").unreadable(tokens, lists.known)
    if not why and unreadable and seen != turn and hidden_inside(turn):
        why = "characters that nobody sees"
    if why and not unreadable:
        return [SentenceSigns({"unreadable": why})]
    found = sentences(tokens)
    saying = [each for each in found if each.mark == "?" or not lists["exclamation"].issuperset(each.words)]
    every = [_sentence(each, lists) for each in saying or found]
    asking = [each for each in every if "tells" not in each.named]
    telling = [each.named for each in every if "tells" in each.named]
    if why or not asking:
        more = {"unreadable": why} if why else {"only_tells": ""}
        return [each._replace(named={**each.named, **more}) for each in asking or every]
    context: dict[str, str] = {}
    leads: dict[str, str] = {}
    for each in telling:
        for name in ("own", "i", "i_situation"):
            if name in each:
                context.setdefault(f"context_{name}", each[name])
        if "lead" in each:
            leads |= {name: words for name, words in each.items() if name in _OF_THE_QUESTION}
    if telling:
        context.setdefault("context", "")
    idle = {"context_idle": ""} if telling else {}
    return [
        each._replace(named={**leads, **each.named, **_in_context(each.named, context, idle)}) if telling else each
        for each in asking
    ]


_OF_THE_QUESTION = frozenset("now here weekday home_noun weather weather_strong".split())
"""Signs in a clause in front of a question that are the question's: "At the moment, is it open?"."""


def _in_context(each: dict[str, str], context: dict[str, str], idle: dict[str, str]) -> dict[str, str]:
    """What the situation adds to a sentence: little where it asks something general that stands alone."""
    if "nobody" in each and not {"no_public", "pointing_inside", "judged"} & each.keys():
        return idle
    used = {"pointing", "i", "i_procedure", "pointing_inside", "own"} & each.keys()
    return {**context, "context_used": next(iter(sorted(used)))} if context and used else context


def _is_number(word: str) -> bool:
    return word.isdigit() or word in _NUMBERS


_NUMBERS = frozenset("one two three four five six seven eight nine ten eleven twelve".split())
_A = frozenset(("a", "an"))


def _sentence(each: SentenceWords, lists: WordLists) -> SentenceSigns:
    """The signs of one sentence."""
    at, polite = start(each.words, lists)
    body = each.words[at:] or each.words
    if polite and (verb := base(body[0], lists)):  # "would you mind cancelling it"
        body = [verb, *body[1:]]
    written = each.capitals()
    capitals = written[-len(body) :]
    if at and len(body) > 2 and body[-1] in BE and body[0] in lists["wh"]:  # "tell me what asthma is": what is asthma
        body, capitals = ([*part[:1], *part[-1:], *part[1:-1]] for part in (body, capitals))
    found = Sentence(body, each.mark, polite=polite)
    if has_full_name(written):
        found.add("full_name")
    form_signs(found)
    person_signs(found)
    time_signs(found)
    predicate_signs(found, named=is_named(written))
    world_signs(found)
    vary_signs(found)
    public_signs(found)
    if body[0] in BE and len(body) > 3 and _is_number(body[2]) and not capitals[1] and _A.isdisjoint(body):
        found.drop("bare_general")  # "is dryer three free": one of many, as it is now
        found.add("is_state", " ".join(body[:3]))
    joint_signs(found)
    return SentenceSigns(found.signs, body, capitals, each.mark)
