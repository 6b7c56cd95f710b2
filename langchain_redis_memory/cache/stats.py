"""Statistics of a cache, counted in Redis by hour.

A `Tally` collects what happens in this process and sends it along with trips that are made anyway: with each write, and
with a read when enough has come together. So counting costs no trip of its own, and a read by a script of statistics
costs one. What was counted is only lost with the process, a second's worth at most.

A count is named by model, type of question and metric; `Stats` sums them up by any of these, or by hour.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from math import frexp, inf
from typing import Any, NamedTuple
from urllib.parse import unquote

from langchain_redis_memory.cache.decision_log import DecisionLog, PendingLines
from langchain_redis_memory.language.lazy_pattern import lazy_pattern
from langchain_redis_memory.ops import Arg, Flow, Now, Op, Reply, ask, merge, pure
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.keys import escape
from langchain_redis_memory.redis.replies import pairs
from langchain_redis_memory.redis.scripts import script

KEEP_HOURS = 30 * 24
_ENOUGH = 256
_MOST = 4096
_MODELS = 200
_LONG_S = 1.0
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

Prices = Mapping[str, tuple[float, float]]
"""Model -> what a million tokens cost: read, written."""


class Count(NamedTuple):
    """What is counted: a metric, of a model and a type of question where they are known.

    Args:
        metric: The metric.
        model: The model, "" for none.
        kind: The type of question, "" for none.
        key: Where it is counted, "" for the tally's own key.
    """

    metric: str
    model: str = ""
    kind: str = ""
    key: str = ""

    def spelled(self) -> str:
        """Returns the count as the name of a hash field."""
        return f"{escape(self.model)}/{escape(self.kind)}/{self.metric}"


_count = lru_cache(1_024)(Count)
_BUCKETS = tuple(f"us:{power}" for power in range(64))
_NO_LOG: tuple[Key, None] = (Key(""), None)


class Tally:
    """Counts of one cache that wait to be sent to a key, and lines of its log: the key, and what is logged."""

    def __init__(self, key: str, log: tuple[Key, DecisionLog | None] = _NO_LOG) -> None:
        self._key = key
        self.lines: PendingLines = PendingLines(*log)
        self._waiting: deque[tuple[Count, int]] = deque()
        self._models: set[str] = set()
        self._sent = -inf

    def add(self, metric: str, n: int = 1, *, model: str = "", kind: str = "") -> None:
        """Counts something; what waits stays bounded, however long the server is away, and so do the models."""
        self._waiting.append((_count(metric, self._known(model), kind), n))
        if len(self._waiting) >= _MOST:
            self.put_back(self.take(self._sent))

    def _known(self, model: str) -> str:
        """Returns the name that a model is counted under."""
        if model not in self._models:
            if len(self._models) >= _MODELS:
                return "other models"
            self._models.add(model)
        return model

    def timed(self, seconds: float, *, model: str = "") -> None:
        """Counts a lookup's duration in a histogram whose buckets double: `us:10` is 512 to 1023 microseconds."""
        self.add(_BUCKETS[max(0, frexp(seconds * 1e6)[1])], model=model)

    def looked_up(self, metric: str, seconds: float, model: str = "", tokens: tuple[int, int] | None = None) -> None:
        """Counts a lookup, its duration and the tokens that it saved; the same as `add` and `timed`, in less time."""
        if model:
            model = self._known(model)
        bucket = _BUCKETS[max(0, frexp(seconds * 1e6)[1])]
        self._waiting.extend(((_count(metric, model, ""), 1), (_count(bucket, model, ""), 1)))
        if tokens is not None:
            read, written = tokens
            saved = (_count("tokens_read", model, ""), read), (_count("tokens_written", model, ""), written)
            self._waiting.extend(saved)
        if len(self._waiting) >= _MOST:
            self.put_back(self.take(self._sent))

    def due(self, now: float, *, write: bool = False) -> bool:
        """Decides whether the next trip sends the waiting counts along: they are many, or wait for long.

        A write always takes them: a model was most often asked before it, and a short program's counts are not lost.
        """
        return bool(self._waiting) and (write or len(self._waiting) >= _ENOUGH or now - self._sent >= _LONG_S)

    def take(self, now: float) -> Counter[Count]:
        """Takes the waiting counts; the caller sends them or puts them back."""
        found: Counter[Count] = Counter()
        self._sent = now
        self.lines.tick(now)
        while True:
            try:
                count, n = self._waiting.popleft()
            except IndexError:  # others may take at the same time
                return found
            found[count] += n

    def put_back(self, counts: Counter[Count]) -> None:
        """Keeps what could not be sent, the largest counts if there are too many."""
        if counts:
            self._waiting.extend(counts.most_common(_MOST // 2))

    def adopt(self, other: Tally) -> None:
        """Takes over the counts of a tally that is given up: they go to its key with the next trip of this one."""
        self.lines.adopt(other.lines)
        waiting = other.take(other._sent)
        self._waiting.extend((count._replace(key=count.key or other._key), n) for count, n in waiting.items())

    def sends(self, counts: Counter[Count]) -> Op[bool]:
        """Adds counts in Redis, and the lines that wait.

        An op of one trip, of none for no counts: whether they were added. A server that refuses it disturbs nothing
        else.
        """
        if not counts:
            return pure(True)
        own: Op[bool] = pure(True)
        besides: list[Op[Any]] = []
        by_key: dict[str, list[Arg]] = {}
        for count, n in counts.items():
            by_key.setdefault(count.key, []).extend((count.spelled(), n))
        for key, args in by_key.items():
            call = script("cache/tally_add")((key or self._key,), KEEP_HOURS, *args)
            if key:
                besides.append(Op((call,), lambda _replies: None).optional(None))
            else:
                own = Op((call,), lambda _replies: True).optional(False)
        lines = self.lines.sends(now=False)
        if not besides and not lines.commands:
            return own
        return merge(own, lines, *besides).map(lambda done: done[0])

    def reads(self, prices: Prices | None = None) -> Op[Stats]:
        """Reads what has been counted."""

        def read(replies: Sequence[Reply]) -> Stats:
            return Stats(tuple(row for row in map(_row, pairs(replies[0])) if row), dict(prices or {}))

        return Op((("HGETALL", self._key),), read)


class Row(NamedTuple):
    """How often something was counted in an hour.

    Args:
        hour: Its start, in UTC.
        model: The model, "" where it plays no part.
        kind: The type of question, "" where it plays no part.
        metric: What was counted.
        n: How often.
    """

    hour: datetime
    model: str
    kind: str
    metric: str
    n: int


_NAME = lazy_pattern(rb"(\d{1,7})/([^/]*)/([^/]*)/(us:\d{1,2}|[a-z][a-z_]*)")


def _row(pair: tuple[bytes, bytes]) -> Row | None:
    name = _NAME.fullmatch(pair[0])
    if name is None or not re.fullmatch(rb"-?\d{1,19}", pair[1]):
        return None
    hour, model, kind, metric = (part.decode("utf-8", "replace") for part in name.groups())
    return Row(_EPOCH + timedelta(hours=int(hour)), unquote(model), unquote(kind), metric, int(pair[1]))


class Stats(NamedTuple):
    """Holds what a cache has counted.

    Args:
        rows: Every count, by hour, model, type of question and metric.
        prices: Model -> what a million tokens cost: read, written.
    """

    rows: tuple[Row, ...]
    prices: Prices

    def __str__(self) -> str:
        asked = self.hits + self.misses
        why = ", ".join(f"{n:,} {reason}" for reason, n in self.bypass_reasons.items() if reason)
        parts = [
            f"{self.hits:,} of {asked:,} look-ups hit ({self.hit_rate:.0%})",
            f"{self.bypasses:,} bypassed{f' ({why})' if why else ''}",
            f"{self.wrong_hits:,} reported wrong",
        ]
        saved = [f"{self.tokens_saved:,} tokens"]
        if self.seconds_saved >= 1:
            saved.append(f"{self.seconds_saved:,.0f} s")
        if self.prices:
            saved.append(f"${self.money_saved:,.2f}")
        return f"{', '.join(parts)}; saved {', '.join(saved)}"

    def __repr__(self) -> str:
        return f"<Stats: {self}>"

    def total(self, metric: str) -> int:
        """Returns the sum of one metric."""
        return sum(row.n for row in self.rows if row.metric == metric)

    @property
    def hits(self) -> int:
        """Lookups that were served."""
        return self.total("hits")

    @property
    def misses(self) -> int:
        """Lookups that found nothing to serve."""
        return self.total("misses")

    @property
    def bypasses(self) -> int:
        """Lookups that must not be served from the cache."""
        return self.total("bypasses")

    @property
    def bypass_reasons(self) -> dict[str, int]:
        """Why lookups bypassed the cache, the most frequent reason first."""
        found: Counter[str] = Counter()
        for row in self.rows:
            if row.metric == "bypasses":
                found[row.kind] += row.n
        return dict(found.most_common())

    @property
    def refusals(self) -> int:
        """Lookups with near neighbours that the verifier refused; they are misses as well."""
        return self.total("refusals")

    @property
    def wrong_hits(self) -> int:
        """Hits that were reported as wrong."""
        return self.total("wrong")

    @property
    def hit_rate(self) -> float:
        """Share of the lookups that were served, 0 to 1; bypasses do not count."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0

    @property
    def tokens_saved(self) -> int:
        """Tokens, read and written, that the served answers would have cost."""
        return self.total("tokens_read") + self.total("tokens_written")

    @property
    def seconds_saved(self) -> float:
        """Seconds that the served answers took to make, where that is known."""
        return self.total("ms_saved") / 1000

    @property
    def money_saved(self) -> float:
        """What these tokens would have cost by the price table; models that it lacks count nothing."""
        spent = 0.0
        for row in self.rows:
            if row.metric in {"tokens_read", "tokens_written"} and row.model in self.prices:
                spent += row.n * self.prices[row.model][row.metric == "tokens_written"] / 1e6
        return spent

    @property
    def latency_s(self) -> dict[float, int]:
        """Durations of lookups: upper bound of a bucket in seconds -> how many."""
        found: Counter[float] = Counter()
        for row in self.rows:
            if row.metric.startswith("us:"):
                found[2 ** int(row.metric[3:]) / 1e6] += row.n
        return dict(sorted(found.items()))

    def by(self, field: str) -> dict[str | datetime, Stats]:
        """Splits the statistics by a field.

        Args:
            field: "hour", "model" or "kind".

        Returns:
            A `Stats` for each value that occurs.
        """
        values = dict.fromkeys(getattr(row, field) for row in self.rows)
        return {value: self._only(row for row in self.rows if getattr(row, field) == value) for value in values}

    def since(self, hour: datetime) -> Stats:
        """Returns only what was counted in an hour and after it."""
        return self._only(row for row in self.rows if row.hour >= hour)

    def _only(self, rows: Iterable[Row]) -> Stats:
        return Stats(tuple(rows), self.prices)

    def as_dict(self) -> dict[str, object]:
        """Returns the sums as plain data, for a log or a metrics endpoint."""
        names = sorted({row.metric for row in self.rows if not row.metric.startswith("us:")})
        sums: dict[str, object] = {name: self.total(name) for name in names}
        return {
            **sums,
            "hit_rate": self.hit_rate,
            "tokens_saved": self.tokens_saved,
            "seconds_saved": self.seconds_saved,
            "money_saved": self.money_saved,
        }


def read_stats_flow(tallies: Sequence[Tally], prices: Prices | None = None) -> Flow[list[Stats]]:
    """Reads statistics, and sends the counts of this process first.

    A flow of one trip, of two where something waited, that gives the statistics of each.
    """
    now: float = yield Now()
    waiting = [(tally, tally.take(now)) for tally in tallies]
    sent: Sequence[bool] = [False] * len(waiting)
    try:  # in a trip of its own: a script that the server does not know yet would run after the reads
        sent = yield from ask(merge(*(tally.sends(counts) for tally, counts in waiting)))
    finally:
        for (tally, counts), done in zip(waiting, sent, strict=True):
            if not done:
                tally.put_back(counts)
    return list((yield from ask(merge(*(tally.reads(prices) for tally in tallies)))))


def reported_flow(tally: Tally, report: Op[bool], *, correct: bool) -> Flow[bool]:
    """Runs an op that notes whether a hit was right, and counts the report in the same trip."""
    tally.add("right" if correct else "wrong")
    now: float = yield Now()
    counts, sent = tally.take(now), False
    try:
        there, sent = yield from ask(merge(report, tally.sends(counts)))
    finally:
        if not sent:
            tally.put_back(counts)
    return there
