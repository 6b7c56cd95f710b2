"""The flows that every cache with a decision log shares: statistics, reports, what was missed, advice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from langchain_redis_memory.cache import decision_log
from langchain_redis_memory.cache.decision_log import DEFAULT_LOG, Decision, DecisionLog
from langchain_redis_memory.cache.marks import AnswerFilter
from langchain_redis_memory.cache.stats import Prices, Stats, Tally, read_stats_flow, reported_flow
from langchain_redis_memory.ops import Flow, Op, ask, merge
from langchain_redis_memory.redis.codec.cipher.key import Key

if TYPE_CHECKING:
    from langchain_redis_memory.cache.advice import Advice, MissedQuestion

_SHOWN_LINES = 5
"""How many lines of the log an explanation shows."""


class LoggedFlows(ABC):
    """The flows of a cache that counts and logs what it decides."""

    log: DecisionLog | None = None
    prices: Prices | None = None

    @property
    @abstractmethod
    def tally(self) -> Tally:
        """The statistics."""

    @property
    @abstractmethod
    def log_key(self) -> Key:
        """The key of the log."""

    @property
    def logged_as(self) -> str:
        """Names the cache in a log that several caches share; "" for a log of its own."""
        return ""

    @abstractmethod
    def report(self, hit_id: str, *, correct: bool) -> Op[bool]:
        """Notes whether a hit was right: an op of one trip that tells whether its entry was still there."""

    def stats_flow(self, prices: Prices | None = None) -> Flow[Stats]:
        """Reads the statistics."""
        (stats,) = yield from read_stats_flow([self.tally], prices or self.prices)
        return stats

    def report_flow(self, hit_id: str, *, correct: bool) -> Flow[bool]:
        """Notes whether a hit was right, counts it and logs it."""
        report = self.report(hit_id, correct=correct)
        if self.log is not None:
            line = Decision("right" if correct else "wrong", entry=hit_id, cache=self.logged_as)
            lines = merge(self.tally.lines.sends(), self.log.append(self.log_key, line))
            report = merge(report, lines).map(lambda done: done[0])
        return (yield from reported_flow(self.tally, report, correct=correct))

    def decisions_flow(self, most: int | None = None) -> Flow[list[Decision]]:
        """Reads the newest lines of the log, all for None, with those that this process has not sent yet."""
        every = (self.log or DEFAULT_LOG).most
        read = decision_log.read(self.log_key, every if self.logged_as else most or every, self.logged_as)
        _, decisions = yield from ask(merge(self.tally.lines.sends(), read))
        return decisions[:most]

    def top_misses_flow(self, most: int) -> Flow[list[MissedQuestion]]:
        """Counts what was missed."""
        from langchain_redis_memory.cache.advice import top_misses_of

        return top_misses_of((yield from self.decisions_flow()), most)

    def advise_flow(self) -> Flow[Advice]:
        """Computes what other risks would have given."""
        from langchain_redis_memory.cache.advice import advice_of

        return advice_of((yield from self.decisions_flow()))

    def forget_flow(self, wanted: AnswerFilter) -> Flow[list[str]]:
        """Removes lines from the log; gives the entries that were served in them."""
        decisions = yield from self.decisions_flow()
        if wanted == AnswerFilter() and not self.logged_as:
            yield from ask(decision_log.clear(self.log_key))
        else:
            yield from ask(decision_log.forget(self.log_key, decisions, wanted))
        return [one.entry for one in decisions if one.outcome == "hit" and wanted.fits(one.marks)]

    def log_lines_flow(self, wanted: AnswerFilter) -> Flow[list[str]]:
        """Reads what the log says of a question, the newest line first, for people."""
        decisions = yield from self.decisions_flow()
        return [str(one) for one in decisions if wanted.fits(one.marks)][:_SHOWN_LINES]
