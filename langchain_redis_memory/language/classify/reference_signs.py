"""Signs of reference without an antecedent: pronouns, demonstratives, anaphors, definite noun phrases.

A pronoun points outside only if nothing before it in the turn can be what it means, and "the" only before a noun that
has no complement, no name and is not one of its kind in the world.
"""

from __future__ import annotations

from langchain_redis_memory.language.classify.read_turn import ENDS, ReadTurn
from langchain_redis_memory.language.english import straight
from langchain_redis_memory.language.turn_tokens import HEAD
from langchain_redis_memory.language.words import ends_like_plural

_ADJECTIVE = ("ous", "ful", "able", "ible", "ive", "ic", "ant", "ent", "ish", "less", "est")
_ADJUNCT = frozenset("on at in for with from when where".split())
"""Words that may begin an adjunct and so complete no noun."""
_BE = frozenset(
    "is are was were be been isn't aren't wasn't weren't has have had will would can could may might must seems exists "
    "exist".split()
)
_LETTERS = frozenset("ABCDEFbcdef")
"""Letters that options are named by; "a" may be an article."""
_TOPIC = frozenset("about on of to regarding".split())
"""Words behind a noun of saying that name its topic."""
_GOVERNS = frozenset("of in on that who which to ever at from".split())
"""Words behind a member that say of which set: "the first to reach the pole"."""


def pointers(t: ReadTurn) -> None:
    """Finds pronouns, demonstratives, and anaphors such as "other", "same", "there"."""
    lists = t.language
    if lists.pointing.isdisjoint(t.inside):
        return
    expletive = None
    for place, word in enumerate(t.low):
        if word not in lists.pointing:
            continue
        following, previous = t.after(place), t.previous(place)
        if word in lists.person:
            _pronoun(t, place)
        elif word in lists.thing:
            if expletive is None:
                expletive = [found.span() for found in lists.expletive.finditer(straight(t.tokens.text[:HEAD]))]
            if not any(start <= t.tokens.places[place][0] < end for start, end in expletive):
                _pronoun(t, place)
        elif word in lists.demonstrative:
            if following not in lists.calendar and not (word == "those" and following == "who"):
                _demonstrative(t, place, resolved=t.clause[place] > 0 and _resolved(t, place, following))
        elif word in ("that", "that's"):
            ends = word == "that's" or not following or not previous or following in ("much", "many")
            governs = previous in lists.auxiliary or previous in lists.preposition or previous in ("do", "than", "like")
            if ends or governs:
                _demonstrative(t, place, resolved=t.clause[place] > 1 and _resolved(t, place, following))
        elif word == "there":
            existential = following in _BE or previous in _BE or previous in ("hi", "hello", "hey")
            if not existential and not any(t.name[:place]):
                t.sign("there", place, why="points back")
        elif word in lists.anaphor or (
            word == "one" and (not following or following in lists.function) and previous not in ("no", "number")
        ):
            of_its_own = (
                (word == "such" and following == "as")
                or (word in ("other", "others", "another") and (following == "than" or previous == "each"))
                or (word == "both" and "and" in t.low[place:])
                or (word in ("too", "again", "instead") and following)
            )
            if not of_its_own:
                t.sign("anaphor", place, why="refers to something before")


def _demonstrative(t: ReadTurn, place: int, *, resolved: bool) -> None:
    t.sign("pointer_resolved" if resolved else "demonstrative", place, why="" if resolved else "points back")


def _resolved(t: ReadTurn, place: int, following: str) -> bool:
    """Whether a demonstrative can mean something before it: "these cars" only cars, "that one" no single thing."""
    if following in t.language.choices or following in t.language.number:
        return False
    if following and following not in t.language.function and following not in t.language.shell:
        return t.stems[place + 1] in t.stems[:place]
    return (t.sentence > 0 or t.clause[place] > 1 or bool(following)) and any(t.noun[:place])


def replies(t: ReadTurn) -> None:
    """Finds what the other party said, as something to go on with: "put your answer into a table".

    What is said to be about something ("your opinion on tea") may be asked for at any time.
    """
    if "your" not in t.inside:
        return
    said = t.language.exchange
    for place in range(t.last):
        if t.low[place] != "your" or t.stop[place]:
            continue
        end = place + 1
        while t.low[end] not in said and end < min(place + 3, t.last) and not t.function[end] and not t.stop[end]:
            end += 1
        if t.low[end] in said and t.after(end) not in _TOPIC:
            t.sign("edits_said", place, end, why="goes on with what was said")


def members(t: ReadTurn) -> None:
    """Finds members of a set that the turn does not name: "the last two options", "number 2", "the second"."""
    for place, word in enumerate(t.low):
        if word != "the" and word not in t.language.of_a_set:
            continue
        end = _ranked(t, place) if word == "the" else _numbered(t, place)
        if end > place:
            following = t.after(end)
            closed = not following or (word == "the" and t.low[end] in ("one", "ones"))
            if closed or (following in t.language.function and following not in _GOVERNS):
                t.sign("member", place, end, why="one of a set")


def _ranked(t: ReadTurn, place: int) -> int:
    """The end of "the last two options" that begins here; the place itself where nothing does."""
    end = place
    while t.after(end) in t.language.ordinal:
        end += 1
    ranked = end
    while end > place and t.after(end) in t.language.number:
        end += 1
    if end > place and t.after(end) in t.language.choices:
        end += 1
    vague = end == ranked and t.low[end] in ("next", "other", "final", "last") and end < t.last
    return place if vague else end


def _numbered(t: ReadTurn, place: int) -> int:
    """The end of "number 2" that may begin here, if it does; "Tesla Model 3" is a name."""
    following = t.after(place)
    if not following:
        return place
    counts = (following.isdigit() and len(following) < 3) or following in t.language.number
    named = place and t.words[place][0].isupper()
    return place + 1 if not named and (counts or t.words[place + 1] in _LETTERS) else place


def _pronoun(t: ReadTurn, place: int) -> None:
    """A pronoun: what before it in the turn can it mean?

    A name or a noun of an earlier clause that says something (a bare heading does not), or one that the same clause
    gives a possessive. "It" and "they" also mean nouns that agree in number; "he" and "she" mean persons and no places.
    """
    word, here = t.low[place], t.clause[place]
    personal = word in ("he", "she", "him", "her", "his", "hers", "himself", "herself", "he's", "she's")
    many = word in ("they", "them", "their", "theirs", "themselves")
    possessive = word in t.language.possessive_person or word == "its"
    nearby = named = noun = False
    for at in range(place):
        person = t.low[at] in t.language.persons
        if t.name[at]:
            if personal and _is_place(t, at):
                continue
            named = True
        elif t.noun[at] and (person if personal else ends_like_plural(t.low[at]) == many or (many and person)):
            noun = True
        else:
            continue
        told = t.clause[at] in t.telling
        nearby = nearby or (told and (t.clause[at] < here or (possessive and t.name[at])))
    if nearby and any(stop in ENDS for stop in t.stop[:place]):
        t.sign("pronoun_across", place)
    if named and nearby:
        t.sign("pronoun_named", place)
    elif noun and nearby:
        t.sign("pronoun_resolved", place)
    elif noun and possessive:
        t.sign("pronoun_doubtful", place, why="may point back")
    else:
        t.sign("pronoun", place, why="points back")
        if personal:
            t.sign("pronoun_personal", place)


def _is_place(t: ReadTurn, at: int) -> bool:
    """Whether a name is where something is, and so nobody: "I live in Berlin. Is he nearby?"."""
    while at and t.name[at - 1] and not t.stop[at - 1]:
        at -= 1
    return at > 0 and t.low[at - 1] in ("at", "in", "near")


def definites(t: ReadTurn) -> None:
    """Finds definite noun phrases: whether the turn itself says which one."""
    if "the" not in t.inside:
        return
    place = 0
    while place <= t.last:
        end = place + 1
        if t.low[place] == "the" and not t.stop[place]:
            while end <= t.last and not t.function[end]:
                end += 1
                if t.stop[end - 1]:
                    break
            if end > place + 1:
                _definite(t, range(place + 1, end))
        place = end


def _definite(t: ReadTurn, run: range) -> None:
    """The sign of one noun phrase: `run` are its words behind "the"."""
    first, end, following = run[0], run[-1], t.after(run[-1])
    words = [t.low[at] for at in run]
    superlative = not t.language.superlative.isdisjoint(words)
    filled = following in t.language.complement
    own = not t.language.unique.isdisjoint(words) or any(t.name[at] and t.words[at][0].isupper() for at in run)
    if own:
        t.sign("definite_own", first)
    elif superlative and following != "of" and all(_modifies(t, word) for word in words):
        t.sign("headless", first - 1, end, why="the most of what")
    elif filled and (superlative or following not in _ADJUNCT):
        t.sign("definite_own", first)
    elif not superlative or len(run) == 1:
        long = sum(word not in t.language.generic for word in words) > 1
        name = "definite_filled" if filled else "definite_long" if long else "definite"
        t.sign(name, first - 1, end, why="" if filled else "not introduced")
        if t.before.content and any(t.stems[at] in t.before.content for at in run):
            t.sign("definite_known", first - 1, end)


def _modifies(t: ReadTurn, word: str) -> bool:
    """Whether a word only says something of a noun that is missing: "the best", "the most recommended"."""
    return word in t.language.superlative or word in t.language.generic or word.endswith((*_ADJECTIVE, "ed"))
