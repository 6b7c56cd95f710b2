"""Was the answer that was served made for this question? People's rewrites judge it, and every turn is counted.

A served answer is right if it was made for the same recorded turn, or for one whose rewrite asks the same: the same
text but for case and punctuation, or, to be fair to those who say it in other words, the same content words in the same
order with nearly all of the others (token F1 of at least 0.85), the same question word and the same negation. What is
doubtful counts as wrong; every wrong one is listed with both conversations, so that a person can look.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from langchain_redis_memory.cli.replay.reliability import Reliability
from langchain_redis_memory.cli.replay.stream import Kind, Role, StreamTurn, plain
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.words import stem

_NEARLY = 0.85
_EMPTY = frozenset(
    "a an the of in on at to for please tell me about do does did am is are was were be been s that hi hello".split()
)
_DECIDES = frozenset(
    "who whom whose what when where why which how not no never n't nt without except more less most least before after"
    " first last".split()
)


def same_question(one: str, other: str) -> bool:
    """Judges strictly whether two self-contained questions ask the same; where in doubt, not."""
    if plain(one) == plain(other):
        return True
    mine, theirs = _words(one), _words(other)
    shared = sum((Counter(map(stem, mine)) & Counter(map(stem, theirs))).values())
    if 2 * shared < _NEARLY * (len(mine) + len(theirs)):
        return False
    return _content(mine) == _content(theirs) and _decides(mine) == _decides(theirs)


def _words(text: str) -> list[str]:
    text = text.lower()
    for pattern, whole in _SHORT:
        text = re.sub(pattern, whole, text)
    return re.findall(r"\w+", text)


_SHORT = (
    (r"\bcan(['\u2019]t|not)\b", "can not"),
    (r"n['\u2019]t\b", " not"),
    (r"\bi['\u2019]m\b", "i am"),
    (r"['\u2019]re\b", " are"),
    (r"\b(what|who|where|when|how|it|that|there)['\u2019]s\b", r"\1 is"),
)
"""Short forms, written out."""


def _content(words: Iterable[str]) -> list[str]:
    return [stem(word) for word in words if word not in _EMPTY]


def _decides(words: Iterable[str]) -> list[str]:
    return sorted(word for word in words if word in _DECIDES)


@dataclass(frozen=True)
class ServedAnswer:
    """An answer from the cache that was made for another turn.

    Args:
        asked: Whose turn was answered.
        made_for: Whose turn the answer was made for.
        verdict: What the turn was taken for, with the reasons; "" where nobody judged it.
    """

    asked: StreamTurn
    made_for: StreamTurn
    verdict: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Returns both turns with what was said before them, as plain data."""
        return {
            "kind": str(self.asked.kind),
            "verdict": self.verdict,
            **{
                name: {
                    "session": one.session,
                    "question": one.text,
                    "meaning": one.meaning,
                    "before": one.before,
                }
                for name, one in (("asked", self.asked), ("made_for", self.made_for))
            },
        }


@dataclass
class CacheOutcome:
    """What one cache did with the stream.

    Args:
        name: Which cache.
        risk: The share of errors that it was told to keep to; None where it cannot be told.
        turns: How many turns were replayed.
        failed: Turns to which the answerer had no answer.
        types: How many of each question type.
        cache: How many of each cache decision: hit, miss, bypass, off.
        bypasses: How many of each question type bypassed the cache.
        met: (role, kind, wording, what) -> how many; `what` is a cache decision, or "wrong" for a hit that is.
        wrong: The wrong serves.
        unjudged: Hits that no rewrite can judge, whose answer was made in another conversation: for a person to judge.
        unsafe: Dependent turns that were taken for self-contained.
        tokens_spent: Tokens of the answers that were made.
        tokens_saved: Tokens of the answers that came from the cache.
        seconds_saved: What making those answers took, or is assumed to take.
        seconds: Duration of the turns without the answerer.
        trips: Round trips to the server.
        most_trips: The most of one turn.
    """

    name: str = ""
    risk: float | None = None
    turns: int = 0
    failed: int = 0
    types: Counter[QuestionType] = field(default_factory=Counter)
    cache: Counter[str] = field(default_factory=Counter)
    bypasses: Counter[QuestionType] = field(default_factory=Counter)
    met: Counter[tuple[Role, Kind, str, str]] = field(default_factory=Counter)
    wrong: list[ServedAnswer] = field(default_factory=list)
    unjudged: list[ServedAnswer] = field(default_factory=list)
    unsafe: int = 0
    tokens_spent: int = 0
    tokens_saved: int = 0
    seconds_saved: float = 0.0
    seconds: float = 0.0
    trips: int = 0
    most_trips: int = 0

    def saw(self, asking: StreamTurn, decision: str, made_for: StreamTurn | None, verdict: str = "") -> None:
        """Counts a turn, with the turn that a served answer was made for; the verdict says what it was taken for."""
        self.turns += 1
        self.cache[decision] += 1
        if made_for is not None and made_for.turn is not asking.turn:
            serve = ServedAnswer(asking, made_for, verdict)
            if asking.meaning is None or made_for.meaning is None:
                if asking.place or made_for.place or plain(asking.text) != plain(made_for.text):
                    self.unjudged.append(serve)
            elif not same_question(asking.meaning, made_for.meaning):
                self.wrong.append(serve)
                decision = "wrong"
        self.met[asking.role, asking.kind, asking.wording, decision] += 1

    def count(
        self,
        what: Iterable[str] = ("hit", "wrong", "miss", "bypass", "off"),
        *,
        roles: Iterable[Role] = tuple(Role),
        kinds: Iterable[Kind] = tuple(Kind),
        wording: str | None = None,
    ) -> int:
        """Counts the turns of some roles, kinds and wordings that met some decisions; "wrong" is a hit that was."""
        wanted, who, which = set(what), set(roles), set(kinds)
        return sum(
            times
            for (role, kind, words, met), times in self.met.items()
            if met in wanted
            and role in who
            and kind in which
            and (words != "unchanged" if wording is None else words == wording)
        )

    def rate(self, what: Iterable[str], **of: Any) -> float | None:
        """Returns the share of some decisions among turns of some roles and kinds; see `count`.

        None for no such turn.
        """
        whole = self.count(**of)
        return self.count(what, **of) / whole if whole else None

    @property
    def dependent(self) -> int:
        """Turns that lean on their conversation and were asked so."""
        return self.count(kinds=[Kind.DEPENDENT])

    @property
    def wrong_share(self) -> float | None:
        """The share of dependent turns that were served an answer to another question."""
        return self.rate(["wrong"], kinds=[Kind.DEPENDENT])

    @property
    def reliability(self) -> Reliability:
        """The claimed and the achieved share of wrong serves; hits that no rewrite can judge are left out."""
        return Reliability(self.risk, self.cache["hit"] - len(self.unjudged), len(self.wrong))

    @property
    def repeats_hit(self) -> dict[Kind, float | None]:
        """Of the turns that were repeated word for word, the share that hit, rightly."""
        return {kind: self.rate(["hit"], roles=[Role.REPEATS], kinds=[kind]) for kind in Kind}

    @property
    def paraphrases_hit(self) -> dict[Kind, float | None]:
        """Of the turns that were asked in other words, the share that hit, rightly."""
        return {kind: self.rate(["hit"], roles=[Role.PARAPHRASES], kinds=[kind]) for kind in Kind}

    def as_dict(self) -> dict[str, Any]:
        """Returns all results as plain data; a share is None where there is no such turn."""
        wordings = sorted({words for role, _, words, _ in self.met if role is Role.PARAPHRASES})
        alone = [Kind.FIRST, Kind.SELF_CONTAINED]
        return {
            "name": self.name,
            "risk": self.risk,
            "turns": self.turns,
            "failed": self.failed,
            "types": {str(kind): count for kind, count in sorted(self.types.items())},
            "cache": dict(sorted(self.cache.items())),
            "bypasses": {str(kind): count for kind, count in sorted(self.bypasses.items())},
            "dependent": self.dependent,
            "taken_for_self_contained": self.unsafe,
            "wrong": len(self.wrong),
            "wrong_by_kind": {str(kind): self.count(["wrong"], kinds=[kind]) for kind in Kind},
            "wrong_share_of_dependent": self.wrong_share,
            "reliability": self.reliability.as_dict(),
            "repeats_hit": {
                **{str(kind): share for kind, share in self.repeats_hit.items()},
                "first and self-contained": self.rate(["hit"], roles=[Role.REPEATS], kinds=alone),
            },
            "paraphrases_hit": {
                **{str(kind): share for kind, share in self.paraphrases_hit.items()},
                "first and self-contained": self.rate(["hit"], roles=[Role.PARAPHRASES], kinds=alone),
            },
            "paraphrases_hit_by_wording": {
                words: self.rate(["hit"], roles=[Role.PARAPHRASES], wording=words) for words in wordings
            },
            "tokens_spent": self.tokens_spent,
            "tokens_saved": self.tokens_saved,
            "seconds_saved": self.seconds_saved,
            "seconds": self.seconds,
            "trips": self.trips,
            "most_trips": self.most_trips,
            "wrong_serves": [serve.as_dict() for serve in self.wrong],
            "unjudged_serves": [serve.as_dict() for serve in self.unjudged],
        }
