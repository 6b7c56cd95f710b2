"""The flows of `AnswerDesk`: removal of one tenant's answers, beside what all logged caches share."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from langchain_redis_memory.cache.answers.records import AnswerRecords, CachedAnswer, CachedAnswers
from langchain_redis_memory.cache.decision_log import DecisionLog
from langchain_redis_memory.cache.logged_flows import LoggedFlows
from langchain_redis_memory.cache.marks import AnswerFilter
from langchain_redis_memory.cache.stats import Tally
from langchain_redis_memory.cache.switchable import off_for, switched
from langchain_redis_memory.checks import check_type, check_whole
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.ops import Flow, Op
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.key_groups import Id
from langchain_redis_memory.redis.keys import KeySpace


class DeskFlows(LoggedFlows):
    """The flows of a desk, on a cache's entries; nothing is logged where `log` is None."""

    def __init__(self, records: AnswerRecords, space: KeySpace, log: DecisionLog | None) -> None:
        self.records: AnswerRecords = records
        self.space: KeySpace = space
        self.log = log

    @property
    def tally(self) -> Tally:
        """The statistics."""
        return self.records.tally(self.space)

    @property
    def log_key(self) -> Key:
        """The key of the log, which all memories of the tenant share."""
        return self.space.decisions()

    @property
    def logged_as(self) -> str:
        """Names the cache in the log."""
        return self.records.name

    def report(self, hit_id: str, *, correct: bool) -> Op[bool]:
        """Notes whether a hit was right."""
        return self.records.report(self.space, hit_id, correct=correct)

    def delete_flow(self, question: str | None, session: Id | Sequence[Id] | None, hit_id: str | None) -> Flow[int]:
        """Deletes answers; of a conversation also those that were served in it, as far as the log knows."""
        if question is None and session is None and hit_id is None:
            raise InvalidInputError("say which answers: question=..., session=... or hit_id=...; clear() deletes all")
        deleted = 0
        if hit_id is not None:
            deleted += yield from self.records.remove_flow(self.space, [hit_id])
        if question is None and session is None:
            return deleted
        named = [session] if isinstance(session, str | UUID) else session
        wanted = AnswerFilter(question, None if named is None else [*map(str, named)])
        deleted += yield from self.records.delete_flow(self.space, wanted)
        if session is not None:
            served = yield from self.forget_flow(wanted)
            if served:
                deleted += yield from self.records.remove_flow(self.space, served)
        return deleted

    def clear_flow(self, scope: str | None) -> Flow[int]:
        """Deletes the answers of a chain, or all, and their lines in the log."""
        wanted = AnswerFilter(scope=scope)
        deleted = yield from self.records.delete_flow(self.space, wanted)
        yield from self.forget_flow(wanted)
        return deleted

    def switch(self, *, on: bool, for_s: float) -> Op[None]:
        """Switches the cache off for a time, or on again."""
        return switched(self.space, self.records.name, for_s, on=on)

    def off_for(self) -> Op[float]:
        """Reads for how many seconds it is still off."""
        return off_for(self.space, self.records.name)

    def entries_flow(self, cursor: int) -> Flow[CachedAnswers]:
        """Reads through the answers."""
        return self.records.page_flow(self.space, check_whole(cursor, "cursor", 0))

    def entry_flow(self, hit_id: str) -> Flow[CachedAnswer | None]:
        """Reads one answer."""
        return self.records.entry_flow(self.space, hit_id)

    def edit_flow(self, hit_id: str, text: str) -> Flow[bool]:
        """Replaces the words of an answer."""
        return self.records.edit_flow(self.space, hit_id, check_type(text, str, "text", "the new words"))
