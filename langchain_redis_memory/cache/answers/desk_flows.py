"""The flows of `AnswerDesk`: statistics, removal, reports and the log of one tenant's answers."""

from __future__ import annotations

from langchain_redis_memory.cache.answers import decision_log
from langchain_redis_memory.cache.answers.advice import Advice, MissedQuestion, advice_of, top_misses_of
from langchain_redis_memory.cache.answers.decision_log import DEFAULT_LOG, Decision, DecisionLog
from langchain_redis_memory.cache.answers.marks import Wanted
from langchain_redis_memory.cache.answers.records import AnswerRecords
from langchain_redis_memory.cache.stats import Prices, Stats, read_stats_flow, reported_flow
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.ops import Flow, Op, ask, merge
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.key_groups import Id
from langchain_redis_memory.redis.keys import KeySpace


class DeskFlows:
    """The flows of a desk.

    Args:
        records: The cache's entries.
        space: The tenant's key builder.
        log: What is logged; None for nothing.
    """

    def __init__(self, records: AnswerRecords, space: KeySpace, log: DecisionLog | None) -> None:
        self.records: AnswerRecords = records
        self.space: KeySpace = space
        self.log: DecisionLog | None = log

    @property
    def _key(self) -> Key:
        return self.space.decisions(self.records.name)

    def stats_flow(self, prices: Prices | None) -> Flow[Stats]:
        """Reads the statistics."""
        (found,) = yield from read_stats_flow([self.records.tally(self.space)], prices)
        return found

    def decisions_flow(self, most: int) -> Flow[list[Decision]]:
        """Reads the newest lines of the log."""
        return (yield from ask(decision_log.read(self._key, most)))

    def all_decisions_flow(self) -> Flow[list[Decision]]:
        """Reads the whole log."""
        return (yield from self.decisions_flow((self.log or DEFAULT_LOG).most))

    def delete_flow(self, question: str | None, session: Id | None, hit_id: str | None) -> Flow[int]:
        """Deletes answers; of a conversation also those that were served in it, as far as the log knows."""
        if question is None and session is None and hit_id is None:
            msg = "say which answers: question=..., session=... or hit_id=...; clear() deletes all"
            raise InvalidInputError(msg)
        deleted = 0
        if hit_id is not None:
            deleted += yield from self.records.remove_flow(self.space, [hit_id])
        if question is None and session is None:
            return deleted
        wanted = Wanted(question, None if session is None else str(session))
        deleted += yield from self.records.delete_flow(self.space, wanted)
        if session is not None:
            decisions = yield from self.all_decisions_flow()
            served = [one.entry for one in decisions if one.outcome == "hit" and wanted.fits(one.marks)]
            if served:
                deleted += yield from self.records.remove_flow(self.space, served)
            yield from ask(decision_log.forget(self._key, decisions, wanted))
        return deleted

    def clear_flow(self, scope: str | None) -> Flow[int]:
        """Deletes the answers of a chain, or all, and their lines in the log."""
        wanted = Wanted(scope=scope)
        deleted = yield from self.records.delete_flow(self.space, wanted)
        if scope is None:
            yield from ask(Op((("DEL", self._key),), lambda _replies: None))
        else:
            decisions = yield from self.all_decisions_flow()
            yield from ask(decision_log.forget(self._key, decisions, wanted))
        return deleted

    def report_flow(self, hit_id: str, *, correct: bool) -> Flow[bool]:
        """Notes whether a hit was right, counts it and logs it."""
        report = self.records.report(self.space, hit_id, correct=correct)
        if self.log is not None:
            line = self.log.append(self._key, Decision("right" if correct else "wrong", entry=hit_id))
            report = merge(report, line).map(lambda done: done[0])
        return (yield from reported_flow(self.records.tally(self.space), report, correct=correct))

    def top_misses_flow(self, most: int) -> Flow[list[MissedQuestion]]:
        """Counts what was missed."""
        return top_misses_of((yield from self.all_decisions_flow()), most)

    def advise_flow(self) -> Flow[Advice]:
        """Computes what other risks would have given."""
        return advice_of((yield from self.all_decisions_flow()))
