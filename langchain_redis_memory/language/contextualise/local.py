"""Query rewriting by rules: resolves pronouns and continues fragments, without a model.

It walks through the user's turns, oldest first, and keeps what the conversation is about: what a self-contained
question speaks of, or what a dependent one was resolved to (the centre of attention, after Grosz, Joshi and Weinstein,
"Centering", 1995). A pronoun means the one thing that agrees with it in number and kind. Where two agree, where an
answer brought in something new that agrees, where the sentence could mean a statement instead of a thing, or where what
comes out still leans on the conversation, it says that the rewrite is not to be trusted. English.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_redis_memory.language.classify import dependence
from langchain_redis_memory.language.contextualise import patterns as phrasings
from langchain_redis_memory.language.contextualise import word_lists as lists
from langchain_redis_memory.language.contextualise.contextualiser import Rewrite
from langchain_redis_memory.language.contextualise.mentions import LONGEST, Mention, mentions
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.language.words import singular

_TURNS = 8
"""User turns that are looked back."""


@dataclass(frozen=True)
class _Focus:
    """What the conversation is about: candidates for a pronoun, and whether one can rely on them."""

    about: tuple[Mention, ...] = ()
    question: str = ""
    place: int = -1
    sure: bool = True


class LocalContextualiser:
    """Rewrites by rules where the user's own questions make the meaning certain, and says where they do not.

    Pronouns, "this cancer", nouns that are always of something ("the symptoms"), "what about X?" and "and in X?". Turns
    that stand alone come back as they are. `benchmarks/quality/rewrite_quality.py` measures it.

    Example:
        ```python
        rewrite = LocalContextualiser().contextualise("Is it treatable?", [HumanMessage("What is throat cancer?")])
        rewrite.question  # "Is throat cancer treatable?"
        ```
    """

    def contextualise(self, turn: str, history: Sequence[BaseMessage], state: TurnState = NO_STATE) -> Rewrite:
        """Rewrites the turn as a question that stands alone; see `Contextualiser`.

        Args:
            turn: What the user said.
            history: The conversation before it, oldest first.
            state: Its `entities` and `topic` are used where the history names nothing.

        Returns:
            The rewrite.
        """
        if not turn.strip() or len(turn) > LONGEST:
            return Rewrite(turn, reasons=("too long or empty to rewrite",))
        if not dependence(turn):
            return Rewrite(turn, confidence=0.9, trusted=True, reasons=("stands alone",))
        focus = _Focus()
        asked = [place for place, message in enumerate(history) if isinstance(message, HumanMessage)][-_TURNS:]
        for place in asked:
            text = str(history[place].text)[:LONGEST]
            answer = _answer(history, place)
            focus = _after(_moved_on(focus, text, place), answer, place + 1)
        if not focus.about:
            focus = _from_state(state)
        return _resolve(turn, focus)


def _answer(history: Sequence[BaseMessage], place: int) -> str:
    """What the model said last before the user's next turn."""
    said = ""
    for message in history[place + 1 :]:
        if isinstance(message, HumanMessage):
            break
        if isinstance(message, AIMessage):
            said = str(message.text)[:LONGEST]
    return said


# --- what the conversation is about ---------------------------------------------------------------------------------


def _moved_on(focus: _Focus, text: str, place: int) -> _Focus:
    """The focus after a user's turn."""
    # "The cost of solar power" competes with what it is of; "its origin" hardly does with the thing that has it.
    own = tuple(
        replace(mention, safe=mention.safe and not mention.relational)
        for mention in mentions(text, place)
        if not (mention.relational and mention.owned) or singular(mention.head) in lists.PARTNERS
    )
    if phrasings.REQUEST.match(phrasings.FILLER.sub("", text)):  # which book it is, the answer says
        own = tuple(replace(mention, safe=mention.safe and mention.named) for mention in own)
    if not dependence(text):
        if not own:
            return replace(focus, question=text, place=place)
        frame = phrasings.TOPIC.match(phrasings.FILLER.sub("", text))
        if (
            frame
            and len(own) == 1
            and not own[0].relational
            and (not own[0].oblique or frame[0].rstrip().endswith("about"))
        ):
            return _Focus(own, text, place)
        return _Focus(_merged(focus.about[:4], own), text, place, focus.sure)
    rewrite = _resolve(text, focus)
    if rewrite.trusted:
        kept = tuple(mention for mention in focus.about if mention.text.lower() in rewrite.question.lower())
        return _Focus(_merged(kept, own), rewrite.question, place, focus.sure)
    return _Focus(_merged(focus.about, own), text, place, sure=False)


def _merged(old: Sequence[Mention], new: Sequence[Mention]) -> tuple[Mention, ...]:
    """Both, each thing once, in its longest form."""
    found: list[Mention] = []
    for mention in (*old, *new):
        known = next((at for at, one in enumerate(found) if one.same(mention)), None)
        if known is None:
            found.append(mention)
        elif len(mention.words) > len(found[known].words):
            found[known] = mention
    return tuple(found)


def _after(focus: _Focus, answer: str, place: int) -> _Focus:
    """The focus after an answer: one that begins with what it is about confirms it, new names make it doubtful."""
    if not answer.strip() or not focus.about:
        return focus if focus.about or not answer.strip() else replace(focus, sure=False)
    opening = set(re.findall(r"[\w'-]+", " ".join(answer.lower().split()[:8])))
    if any(mention.words & opening for mention in focus.about) or opening & set(phrasings.KINDS):
        return focus
    known = {word for mention in focus.about for word in mention.words}
    brought = tuple(mention for mention in mentions(answer, place) if mention.named and not mention.words & known)
    return replace(focus, about=(*focus.about, *brought), sure=focus.sure and not brought)


def _from_state(state: TurnState) -> _Focus:
    """Returns the focus that the state gives: its entities, or without any its topic."""
    texts = state.entities or (() if state.topic is None else (state.topic,))
    short = [text for text in dict.fromkeys(texts) if text.strip() and len(text) <= 80][:20]
    found = [mention for text in short for mention in mentions(f"about {text}")[-1:]]
    return _Focus(tuple(found))


# --- what the turn means --------------------------------------------------------------------------------------------


def _resolve(turn: str, focus: _Focus) -> Rewrite:
    text = turn.replace("\u2019", "'")
    if not focus.about:
        return Rewrite(turn, reasons=("nothing that it could mean",))
    for way in (_by_pronoun, _by_pointing, _by_exchange, _by_relation):
        rewrite = way(text, focus)
        if rewrite is not None:
            return _checked(rewrite, focus)
    return Rewrite(turn, reasons=("no rule for it",))


def _checked(rewrite: Rewrite, focus: _Focus) -> Rewrite:
    """Trusted only if the focus is certain and what came out stands alone with all of the user's words."""
    if not rewrite.trusted:
        return rewrite
    if not focus.sure:
        return replace(rewrite, trusted=False, confidence=0.4, reasons=(*rewrite.reasons, "the topic is uncertain"))
    # What was put in says of what; the sign for that does not see "mammals' characteristics" or "what causes cancer".
    left = [sign for sign in dependence(rewrite.question) if not sign.startswith("of what")]
    if left:
        return replace(rewrite, trusted=False, confidence=0.4, reasons=(*rewrite.reasons, f"still: {left[0]}"))
    return rewrite


def _meant(kind: str, focus: _Focus) -> tuple[Mention | None, str]:
    """The one thing that a pronoun can mean, and why there is none."""
    fitting = [mention for mention in focus.about if mention.agrees(kind) and mention.words]
    different = list({mention.text.lower(): mention for mention in fitting}.values())
    if not different:
        return None, f"nothing that {kind!r} agrees with"
    if len(different) > 1:
        return None, f"{kind!r} could be " + " or ".join(repr(mention.text) for mention in different[:3])
    if not different[0].surely(kind):
        return None, f"uncertain whether {kind!r} is {different[0].text!r}"
    return different[0], ""


def _by_pronoun(text: str, focus: _Focus) -> Rewrite | None:
    found = list(phrasings.PRONOUN.finditer(text))
    if not found:
        return None
    if phrasings.EXPLETIVE.search(text):
        return Rewrite(text, reasons=("'it' may mean nothing here",))
    if phrasings.ABOUT_THE_ANSWER.search(text):
        return Rewrite(text, reasons=("it may mean the answer itself",))
    kinds = {phrasings.KINDS[one[0].lower()] for one in found}
    own = [mention for mention in mentions(text) if not mention.relational]
    out, last, used, why = "", 0, [], []
    named: dict[str, Mention] = {}
    for one in found:
        word = one[0].lower()
        kind = phrasings.KINDS[word]
        if _inside(text, one, kind, own):
            return Rewrite(text, reasons=(f"{word!r} may mean something in the same sentence",))
        mention, reason = (named[kind], "") if kind in named else _meant(kind, focus)
        if mention is None:
            return Rewrite(text, reasons=(reason,))
        named[kind] = mention
        used.append(mention.place)
        why.append(f"{one[0]} = {mention.text}")
        out += text[last : one.start()] + _as(mention, word, text[one.end() :])
        last = one.end()
    if len(kinds) > 1:
        return Rewrite(out + text[last:], _places(used), 0.4, False, (*why, "several pronouns"))
    return Rewrite(out + text[last:], _places(used), 0.8, True, tuple(why))


def _inside(text: str, pronoun: re.Match[str], kind: str, own: Sequence[Mention]) -> bool:
    """Whether a pronoun may mean something in its own sentence.

    Not what is in the same clause, unless it is possessive: in "how does exercise affect it" they differ (principle B
    of the binding theory).
    """
    for mention in own:
        at = text.find(mention.text)
        if 0 <= at < pronoun.start() and mention.agrees(kind):
            between = text[at + len(mention.text) : pronoun.start()]
            if pronoun[0].lower() in phrasings.POSSESSIVE or phrasings.CLAUSE.search(between):
                return True
    return False


def _as(mention: Mention, word: str, after: str) -> str:
    """A mention in the place of a pronoun."""
    possessive = word in phrasings.POSSESSIVE and (word != "her" or re.match(r"\s+[a-z]", after) is not None)
    if possessive:
        return mention.text + ("'" if mention.text.endswith("s") else "'s")
    if word.endswith("'s"):
        return mention.text + " is"
    if word.endswith("'re"):
        return mention.text + " are"
    return mention.text


def _places(places: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted({place for place in places if place >= 0}))


def _by_pointing(text: str, focus: _Focus) -> Rewrite | None:
    """Resolves "this cancer" after "throat cancer"."""
    found = phrasings.POINTING.search(text)
    if found is None:
        return None
    noun = singular(found["noun"].lower())
    fitting = {m.text.lower(): m for m in focus.about if singular(m.head) == noun and len(m.words) > 1}
    ends = not found["next"] or found["next"].lower() in lists.FUNCTION | lists.VERBS
    if len(fitting) != 1 or not ends:
        return Rewrite(text, reasons=(f"nothing certain that {found[0]!r} means",))
    mention = next(iter(fitting.values()))
    question = text[: found.start()] + mention.text + text[found.end() :]
    return Rewrite(question, _places([mention.place]), 0.8, mention.safe, (f"{found[0]} = {mention.text}",))


def _by_exchange(text: str, focus: _Focus) -> Rewrite | None:
    """Asks the last question of another thing: "what about lung cancer?", "and in Norway?"."""
    bare = phrasings.FILLER.sub("", text)
    about = phrasings.ABOUT.match(bare)
    found = about or phrasings.AND_IN.match(text)
    if found is None or not focus.question:
        return None
    new = mentions(f"about {found['new']}" if about else found["new"])
    if len(new) != 1 or not new[0].words >= {word.lower() for word in found["new"].split()[not about :]} - {
        "the",
        "a",
        "an",
    }:
        return Rewrite(text, reasons=("not one thing that it asks about",))
    if len(focus.question.split()) > 15 or re.search(r"[.?!]\s+\S", focus.question):
        return Rewrite(text, reasons=("what it continues is more than one question",))
    old = [
        mention
        for mention in mentions(focus.question)
        if mention.safe
        and (
            (_all_named(mention) and _all_named(new[0]) and mention.person == new[0].person)
            or mention.head == new[0].head
        )
    ]
    if len(old) != 1 or old[0].words == new[0].words:
        return Rewrite(text, reasons=("not one thing that it stands in the place of",))
    if focus.question.count(old[0].text) != 1:
        return Rewrite(text, reasons=("its place is uncertain",))
    question = focus.question.replace(old[0].text, new[0].text)
    why = (f"{new[0].text} in the place of {old[0].text}",)
    return Rewrite(question, _places([focus.place]), 0.8, True, why)


def _all_named(mention: Mention) -> bool:
    return mention.named and all(
        word[0].isupper() for word in mention.text.split() if word.lower() not in {"the", "of"}
    )


def _by_relation(text: str, focus: _Focus) -> Rewrite | None:
    """Says of what: "the symptoms" are those of what the conversation is about."""
    bare = phrasings.FILLER.sub("", text)
    found = phrasings.LACKING.match(bare)
    if found is None:
        return None
    noun = (found["noun"] or found["noun2"]).lower()
    if singular(noun) not in lists.RELATIONAL:
        return None
    things = {mention.text.lower(): mention for mention in focus.about}
    if len(things) != 1:
        return Rewrite(text, reasons=(f"{noun!r} could be of several things",))
    mention = next(iter(things.values()))
    end = bare.lower().rindex(noun) + len(noun)
    question = f"{bare[:end]} of {mention.text}{bare[end:]}"
    return Rewrite(question, _places([mention.place]), 0.7, mention.safe, (f"{noun} of {mention.text}",))
