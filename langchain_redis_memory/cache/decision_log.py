"""The decision log: what became of the newest turns of a tenant, or of the newest look-ups of a cache, and why.

A capped stream, written with round trips that are made anyway; the server's clock is in the ids of its lines. It is
read by people on call and by `advise`; nothing is ever served from it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from math import inf
from typing import Any, NamedTuple

from langchain_redis_memory.cache.marks import NO_MARKS, AnswerFilter, Marks, marks_from
from langchain_redis_memory.errors import CorruptDataError, DecryptionError, InvalidInputError
from langchain_redis_memory.frozen import Frozen
from langchain_redis_memory.ops import Op, Reply, merge, pure
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.codec.values import pack, unpack
from langchain_redis_memory.redis.scripts import command
from langchain_redis_memory.redis.ttl import WEEK_S, milliseconds

_VERSION = 3
_LONGEST_TEXT = 300
_LONGEST_PROMPT = 1500
_MOST_CANDIDATES = 4
_MOST_REASONS = 4


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


class TurnTrace(NamedTuple):
    """How a turn was decided, and what it took until it was stored; times are those of its parts.

    Args:
        session: The conversation; "" where contents are not logged, as for the agent and the reasons.
        agent: The agent.
        reasons: What in the words decided its type.
        confidence: How sure the classifier was, 0 to 1.
        audience: Who may be served its answer, and why; "" where that was not asked.
        shown: How many messages the model was shown, or would have been.
        trips: Round trips to the server.
        redis_ms: Milliseconds of the round trips before the one that stored it.
        retrieval_ms: Milliseconds of the retriever.
        model_ms: Milliseconds of the chain.
        answer: A mark of the answer: two answers are the same where theirs are.
    """

    session: str = ""
    agent: str = ""
    reasons: tuple[str, ...] = ()
    confidence: float = 0.0
    audience: str = ""
    shown: int = 0
    trips: int = 0
    redis_ms: int = 0
    retrieval_ms: int = 0
    model_ms: int = 0
    answer: bytes = b""


NO_TRACE = TurnTrace()
"""Of a look-up that was no turn of a conversation, and of a report."""


class Decision(NamedTuple):
    """Records what became of one turn, or a report of a hit.

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
        cache: Names the cache that was asked.
        prompt: What the model was asked, as LangChain passes it to a cache; "" where it is long or not logged.
        trace: Of a conversation's turn: how it was decided, and what it took.
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
    cache: str = ""
    prompt: str = ""
    trace: TurnTrace = NO_TRACE
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
        prompt = self.prompt if content and len(self.prompt) <= _LONGEST_PROMPT else ""
        strings = [
            self.outcome,
            text(self.question),
            self.type,
            self.kind,
            text(self.why),
            self.entry,
            self.cache,
            prompt,
        ]
        session, agent, reasons, confidence, audience, *measured = self.trace
        why = [text(reason) for reason in reasons[:_MOST_REASONS]] if content else []
        whom = text(audience) or audience.partition(" (")[0]
        trace = [session if content else "", agent if content else "", why, confidence, whom, *measured]
        return pack([_VERSION, *strings, self.tokens, self.dependence, near, self.marks.joined(), trace])


def decoded(data: bytes, line: str) -> Decision | None:
    """Decodes what `Decision.encoded` made, of a line with such an id; None for other bytes."""
    try:
        version, *texts, tokens, dependence, near, marks, traced = unpack(data, "decisions")
        if version != _VERSION or len(texts) != 8 or not all(isinstance(text, str) for text in texts):
            return None
        *strings, cache, prompt = texts
        at = datetime.fromtimestamp(int(line.partition("-")[0]) / 1000, timezone.utc)
        candidates = tuple(LoggedCandidate(str(a), float(b), float(c), bool(d)) for a, b, c, d in near)
        share = None if dependence is None else float(dependence)
        outcome, question, type_, kind, why, entry = strings
        session, agent, reasons, sure, *measured = traced
        trace = TurnTrace(str(session), str(agent), tuple(map(str, reasons)), float(sure), *measured)
        rest = (int(tokens), share, candidates, marks_from(marks), cache, prompt, trace, at, line)
        return Decision(outcome, question, type_, kind, why, entry, *rest)
    except (CorruptDataError, ValueError, TypeError):
        return None


class DecisionLog(Frozen):
    """Configures what is logged of the turns that ask a cache, and for how long.

    Args:
        most: How many lines of a tenant are kept, at most about 4 KB each.
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
            raise InvalidInputError(f"most must be a positive number of lines, got {self.most!r}")
        if not milliseconds(self.ttl_s):
            raise InvalidInputError("a log of decisions has a lifetime: ttl_s must be a number of seconds")

    def append(self, key: Key, decision: Decision) -> Op[None]:
        """Adds a line; a server that refuses it disturbs nothing else.

        Args:
            key: The log.
            decision: The line.

        Returns:
            An op of one trip.
        """
        return self.append_all(key, [decision])

    def append_all(self, key: Key, decisions: Sequence[Decision]) -> Op[None]:
        """Adds lines, the oldest first; see `append`."""
        if not decisions:
            return pure(None)
        # The session stands beside the line as well, so that a script finds what goes with a conversation.
        lines = [
            ("d", key.encrypt(one.encoded(content=self.content)), "s", key.blind(one.marks.session))
            for one in decisions
        ]
        adds = tuple(("XADD", key, "MAXLEN", self.most, "*", *line) for line in lines)
        lifetime = ("PEXPIRE", key, milliseconds(self.ttl_s))
        return Op[None]((*adds, lifetime), lambda _replies: None).optional(None)


class PendingLines:
    """Lines of one cache's log that wait for a round trip which is made anyway.

    They are made when they are sent: with the next write, or once a second. So a look-up that hits pays next to
    nothing, and of a burst of hits only the newest are logged; what cannot be sent is lost.
    """

    def __init__(self, key: Key, log: DecisionLog | None) -> None:
        self.key: Key = key
        self.log: DecisionLog | None = log
        self._waiting: deque[tuple[Key, Callable[[], Decision]]] = deque(maxlen=_MOST_WAITING)
        self._sent, self._due = -inf, False

    def add(self, make: Callable[[], Decision], *, soon: bool) -> None:
        """Notes a line, made when it is sent: `soon` with the next trip that takes counts, however recent."""
        if self.log is not None:
            self._waiting.append((self.key, make))
            self._due = self._due or soon

    def tick(self, now: float) -> None:
        """Decides whether the lines are sent with the counts that are taken now."""
        if now - self._sent >= _LONG_S:
            self._sent, self._due = now, True

    def adopt(self, other: PendingLines) -> None:
        """Takes over what waits in another one; it goes to that one's log."""
        self._waiting.extend(other._waiting)

    def sends(self, *, now: bool = True) -> Op[None]:
        """Adds all that waits, `now` or where it is time; a server that refuses it disturbs nothing else.

        An op of one trip, of none where nothing waits.
        """
        send, self._due = now or self._due, False
        if not self._waiting:
            return pure(None)
        by_key: dict[Key, list[Decision]] = {}
        while send and self._waiting:
            try:
                key, make = self._waiting.popleft()
            except IndexError:  # others may take at the same time
                break
            by_key.setdefault(key, []).append(make())
        log = self.log or DEFAULT_LOG
        return merge(*(log.append_all(key, lines) for key, lines in by_key.items())).map(lambda _done: None)


_MOST_WAITING = 128
_LONG_S = 1.0


def clear(key: Key) -> Op[None]:
    """Removes a log."""
    return Op((command("DEL", (key,)),), lambda _replies: None)


VERY_SAME = "the very same question"
"""Why an answer is served that was found under its key."""

DEFAULT_LOG = DecisionLog()
"""What is logged where nobody says."""


def read(key: Key, most: int, cache: str = "") -> Op[list[Decision]]:
    """Reads the newest lines, the newest first, of one cache or of all."""

    def lines(replies: Sequence[Reply]) -> list[Decision]:
        found = (_line(key, one) for one in replies[0] or ())
        return [one for one in found if one is not None and cache in {"", one.cache}]

    return Op((("XREVRANGE", key, "+", "-", "COUNT", most),), lines)


def _line(key: Key, entry: Any) -> Decision | None:
    name, fields = entry
    values = list(fields.values()) if isinstance(fields, dict) else fields[1::2]
    with suppress(DecryptionError):
        return decoded(key.decrypt(values[0]), name.decode()) if values else None
    return None


def forget(key: Key, decisions: Sequence[Decision], wanted: AnswerFilter) -> Op[int]:
    """Removes lines that are meant, of those that were read.

    An op of one trip, of none where no line is meant: how many went.
    """
    names = [one.id for one in decisions if wanted.fits(one.marks)]
    return Op((("XDEL", key, *names),) if names else (), lambda replies: int(replies[0]) if replies else 0)


def hit_of(hit_id: str) -> tuple[bytes, float]:
    """Reads the entry's name and the probability from the id of a hit."""
    try:
        name, _, probability = hit_id.partition("-")
        found = bytes.fromhex(name), int(probability) / 10_000
        if len(found[0]) == 16 and 0 <= found[1] <= 1:
            return found
    except (ValueError, AttributeError, TypeError):
        pass
    raise InvalidInputError(f"{hit_id!r} is not the id of a hit; take it from the answer or from `explain`")
