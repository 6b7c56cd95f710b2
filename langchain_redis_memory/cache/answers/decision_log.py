"""The decision log: what became of the newest turns of a tenant, and why.

A capped stream, written with the turn's own round trip; the server's clock is in the ids of its lines. It is read by
people on call and by `advise`; nothing is ever served from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

from langchain_redis_memory.cache.answers.marks import NO_MARKS, Marks, Wanted, marks_from
from langchain_redis_memory.errors import CorruptDataError, DecryptionError, InvalidInputError
from langchain_redis_memory.ops import Op, Reply
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.codec.values import pack, unpack
from langchain_redis_memory.redis.ttl import WEEK_S, milliseconds

_VERSION = 1
_LONGEST_TEXT = 300
_MOST_CANDIDATES = 4


class LoggedCandidate(NamedTuple):
    """A question that was near the one that was asked.

    Args:
        question: Its words; "" where contents are not logged.
        similarity: The cosine.
        probability: That both mean the same, by the verifier.
        vetoed: Whether something spoke against it whatever the probability.
    """

    question: str
    similarity: float
    probability: float
    vetoed: bool


@dataclass(frozen=True)
class Decision:
    """What became of one turn, or a report of a hit.

    Args:
        outcome: "hit", "miss" or "bypass" of a turn; "right" or "wrong" of a report.
        question: The words; "" where contents are not logged.
        type: The type of the question, as the classifier decided it.
        kind: Of a hit: "exact" or "meaning".
        why: Why it was served, or not looked up.
        entry: The entry that was served or reported.
        tokens: What the answer cost, or would have cost.
        dependence: The probability that the question depends on its conversation; None where nobody gave one.
        candidates: What was found near, the nearest first.
        marks: By which it is removed with the conversation.
        at: When, by the server's clock.
        id: The line's id in the log.
    """

    outcome: str
    question: str = ""
    type: str = ""
    kind: str = ""
    why: str = ""
    entry: str = ""
    tokens: int = 0
    dependence: float | None = None
    candidates: tuple[LoggedCandidate, ...] = ()
    marks: Marks = NO_MARKS
    at: datetime | None = None
    id: str = ""

    def __str__(self) -> str:
        when = f"{self.at:%Y-%m-%d %H:%M:%S} " if self.at else ""
        parts = [self.kind, self.why, self.entry]
        return f"{when}{self.outcome} {self.question!r} {self.type} {', '.join(filter(None, parts))}".rstrip()

    def encoded(self, *, content: bool) -> bytes:
        """Encodes the decision for the stream, with long texts and lists cut to a bound.

        Args:
            content: Whether words are kept; without, only digests and scores.
        """

        def text(words: str) -> str:
            return words[:_LONGEST_TEXT] if content else ""

        near = [[text(one.question), *one[1:]] for one in self.candidates[:_MOST_CANDIDATES]]
        told = [self.outcome, text(self.question), self.type, self.kind, text(self.why), self.entry]
        return pack([_VERSION, *told, self.tokens, self.dependence, near, self.marks.joined()])


def decoded(data: bytes, line: str) -> Decision | None:
    """Decodes what `Decision.encoded` made; None where it is something else or of another version.

    Args:
        data: The bytes.
        line: The line's id: the server's milliseconds, a dash, a number.
    """
    try:
        version, outcome, question, type_, kind, why, entry, tokens, dependence, near, marks = unpack(data, "decisions")
        texts = (outcome, question, type_, kind, why, entry)
        if version != _VERSION or not all(isinstance(text, str) for text in texts):
            return None
        at = datetime.fromtimestamp(int(line.partition("-")[0]) / 1000, timezone.utc)
        candidates = tuple(LoggedCandidate(str(a), float(b), float(c), bool(d)) for a, b, c, d in near)
        share = None if dependence is None else float(dependence)
        told = (int(tokens), share, candidates, marks_from(marks), at, line)
        return Decision(outcome, question, type_, kind, why, entry, *told)
    except (CorruptDataError, ValueError, TypeError):
        return None


@dataclass(frozen=True)
class DecisionLog:
    """What is logged of the turns that ask a cache, and for how long.

    Args:
        most: How many lines of a tenant are kept, at most about 2 KB each.
        ttl_s: Seconds after its last line at which a log goes.
        content: Whether questions are logged in words; without, digests and scores only, and `top_misses` cannot name
            what was missed.

    Raises:
        InvalidInputError: A number is not positive.
    """

    most: int = 1000
    ttl_s: float = WEEK_S
    content: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.most, bool) or not isinstance(self.most, int) or self.most < 1:
            msg = f"most must be a positive number of lines, got {self.most!r}"
            raise InvalidInputError(msg)
        if not milliseconds(self.ttl_s):
            msg = "a log of decisions has a lifetime: ttl_s must be a number of seconds"
            raise InvalidInputError(msg)

    def append(self, key: Key, decision: Decision) -> Op[None]:
        """Adds a line; a server that refuses it disturbs nothing else.

        Args:
            key: The log.
            decision: The line.

        Returns:
            An op of one trip.
        """
        line = key.encrypt(decision.encoded(content=self.content))
        commands = (("XADD", key, "MAXLEN", self.most, "*", "d", line), ("PEXPIRE", key, milliseconds(self.ttl_s)))
        return Op(commands, lambda _replies: None).optional(None)


DEFAULT_LOG = DecisionLog()
"""What is logged where nobody says."""


def read(key: Key, most: int) -> Op[list[Decision]]:
    """Reads the newest lines, the newest first.

    Args:
        key: The log.
        most: How many.

    Returns:
        An op of one trip.
    """

    def lines(replies: Sequence[Reply]) -> list[Decision]:
        found = (_line(key, one) for one in replies[0] or ())
        return [decision for decision in found if decision is not None]

    return Op((("XREVRANGE", key, "+", "-", "COUNT", most),), lines)


def _line(key: Key, entry: Any) -> Decision | None:
    name, fields = entry
    values = list(fields.values()) if isinstance(fields, dict) else fields[1::2]
    with suppress(DecryptionError):
        return decoded(key.decrypt(values[0]), name.decode()) if values else None
    return None


def forget(key: str, decisions: Sequence[Decision], wanted: Wanted) -> Op[int]:
    """Removes lines that are meant, of those that were read.

    Args:
        key: The log.
        decisions: What was read of it.
        wanted: Which are meant.

    Returns:
        An op of one trip, of none where no line is meant: how many went.
    """
    names = [one.id for one in decisions if wanted.fits(one.marks)]
    return Op((("XDEL", key, *names),) if names else (), lambda replies: int(replies[0]) if replies else 0)
