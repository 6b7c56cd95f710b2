"""Who asks what, and when: several users have the same conversations, interleaved.

The first user plays a conversation as it was recorded; the second repeats it word for word; the third has it in other
words; further ones repeat and paraphrase in turn. Nobody is ahead of the first, so that each of the others may meet an
answer. The order is drawn at random from a seed, across all conversations.

Other words are the recorded `paraphrase`; else, for a turn that leans on its conversation, its rewrite, as somebody
would ask who says everything at once; else a plain change of form that keeps the meaning: case and final punctuation,
politeness, or a contraction. Which it was is counted, as the first two are people's and the last are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random

from langchain_redis_memory.cli.replay.recorded import RecordedTurn


class Role(str, Enum):
    """What a user does with a recorded conversation."""

    PLAYS = "plays"
    REPEATS = "repeats"
    PARAPHRASES = "paraphrases"

    def __str__(self) -> str:
        return self.value


class Kind(str, Enum):
    """What a turn is, by what people wrote down about it."""

    FIRST = "first"
    """The first of its conversation, and self-contained as far as is known."""
    CUT_OFF = "first, cut off"
    """The first, but its rewrite says more: it leans on something that the recording lacks."""
    SELF_CONTAINED = "self-contained"
    """A later one whose rewrite says the same."""
    DEPENDENT = "dependent"
    """A later one whose rewrite says something else: it leans on its conversation."""
    REWRITTEN = "rewritten"
    """A dependent one, asked in the words of its rewrite."""
    NOT_KNOWN = "not known"
    """A later one without a rewrite."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class StreamTurn:
    """One user's turn.

    Args:
        number: Its place in the stream.
        conversation: The recorded conversation.
        place: The turn's place in it.
        user: The user, from 0.
        role: What the user does.
        text: What the user says.
        wording: Where the words are from.
        kind: What the turn is.
    """

    number: int
    conversation: Sequence[RecordedTurn]
    place: int
    user: int
    role: Role
    text: str
    wording: str
    kind: Kind

    @property
    def turn(self) -> RecordedTurn:
        """The recorded turn."""
        return self.conversation[self.place]

    @property
    def session(self) -> str:
        """The conversation's id."""
        return f"{self.turn.conversation}#{self.user + 1}"

    @property
    def meaning(self) -> str | None:
        """The question as it would be asked alone, as far as people wrote it down."""
        return self.turn.rewrite

    @property
    def before(self) -> list[str]:
        """What was recorded before it in its conversation."""
        return [turn.question for turn in self.conversation[: self.place]]


def plain(text: str) -> str:
    """Normalises a text for comparison: without case, white space and punctuation."""
    return "".join(character for character in text.casefold() if character.isalnum())


def kind_of(turn: RecordedTurn, place: int) -> Kind:
    """Classifies a recorded turn by its place in its conversation, from 0, and its rewrite."""
    same = turn.rewrite is None or plain(turn.rewrite) == plain(turn.question)
    if place == 0:
        return Kind.FIRST if same else Kind.CUT_OFF
    if turn.rewrite is None:
        return Kind.NOT_KNOWN
    return Kind.SELF_CONTAINED if same else Kind.DEPENDENT


def askings(conversations: Sequence[Sequence[RecordedTurn]], users: int, seed: int = 0) -> list[StreamTurn]:
    """Builds the stream of turns: every user's conversations, interleaved; `seed` draws the order and the wordings."""
    turns: list[StreamTurn] = []
    wording = Random(f"{seed} wording")
    for at, user, place in _order(conversations, users, Random(seed)):
        conversation = conversations[at]
        turn = conversation[place]
        role, kind = _role(user), kind_of(turn, place)
        text, words = turn.question, "as recorded"
        if role is Role.PARAPHRASES:
            text, words = _otherwise(turn, kind, wording.randrange(len(_FORMS)))
        if kind is Kind.DEPENDENT and words == "rewrite":
            kind = Kind.REWRITTEN
        turns.append(StreamTurn(len(turns), conversation, place, user, role, text, words, kind))
    return turns


def _role(user: int) -> Role:
    return Role.PLAYS if user == 0 else Role.REPEATS if user % 2 else Role.PARAPHRASES


def _order(
    conversations: Sequence[Sequence[RecordedTurn]], users: int, chance: Random
) -> Iterator[tuple[int, int, int]]:
    """(conversation, user, place) of every turn."""
    steps = [at for at, conversation in enumerate(conversations) for _ in range(users * len(conversation))]
    chance.shuffle(steps)
    places = [[0] * users for _ in conversations]
    for at in steps:
        here = places[at]
        ready = [user for user in range(users) if here[user] < (here[0] if user else len(conversations[at]))]
        user = chance.choice(ready)
        yield at, user, here[user]
        here[user] += 1


# --- other words --------------------------------------------------------------------------------------------------


def _otherwise(turn: RecordedTurn, kind: Kind, first: int) -> tuple[str, str]:
    """Other words for a turn, and where they are from."""
    if turn.paraphrase is not None:
        return turn.paraphrase, "paraphrase"
    if kind is Kind.DEPENDENT and turn.rewrite is not None:
        return turn.rewrite, "rewrite"
    names = list(_FORMS)
    for name in [*names[first:], *names[:first]]:
        changed = _FORMS[name](turn.question)
        if changed != turn.question:
            return changed, name
    return turn.question, "unchanged"


def _case(question: str) -> str:
    low = question.strip().rstrip("?.! ")
    return low.lower() if low != low.lower() else low


def _politeness(question: str) -> str:
    asked = question.strip()
    if re.match(r"(?:please|can you|could you)\b", asked, re.IGNORECASE):
        return question
    start, rest = asked[:1], asked[1:]
    low = start + rest if rest[:1].isupper() or asked.startswith(("I ", "I'")) else start.lower() + rest
    return f"Please {low}" if _IMPERATIVE.match(asked) else f"Please tell me {low}"


def _contraction(question: str) -> str:
    for pattern, replacement in _CONTRACTIONS:
        changed, times = pattern.subn(replacement, question, count=1)
        if times:
            return changed
    return question


_FORMS = {"case": _case, "politeness": _politeness, "contraction": _contraction}
_IMPERATIVE = re.compile(r"(?:tell|give|list|show|explain|describe|compare|name|find|help|define)\b", re.IGNORECASE)
_CONTRACTIONS = [
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"\b(what|who|where|when|how)['\u2019]s (?=the\b|an?\b|your\b|my\b)", r"\1 is "),
        (r"\b(what|who|where|when|how) is\b", r"\1's"),
        (r"\b(is|are|was|were|does|did|has|have|could|would|should) not\b", r"\1n't"),
        (r"\bI am\b", "I'm"),
        (r"\bI['\u2019]m\b", "I am"),
        (r"\bcannot\b", "can't"),
        (r"\bcan['\u2019]t\b", "cannot"),
    )
]
