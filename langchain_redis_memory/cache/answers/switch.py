"""The switch of a cache of answers: off for a time, in all processes, without a restart.

It is a key that is there while the cache is off. A look-up asks for it in its own round trip, and notes it with the
question, so that what a turn finds while the cache is off is neither served nor replaced.
"""

from __future__ import annotations

from langchain_redis_memory.cache.answers.answer_cache import Answer, AnswerCache, CacheQuestion
from langchain_redis_memory.cache.answers.records import ManagedAnswerCache
from langchain_redis_memory.cache.switchable import off_for
from langchain_redis_memory.ops import Op, merge

_OFF = "switched off"


def name_of(cache: AnswerCache | None) -> str | None:
    """Returns the name of a cache's switch; None for one that has none."""
    return cache.records.name if isinstance(cache, ManagedAnswerCache) else None


def watched(look: Op[Answer | None], asked: CacheQuestion, name: str | None) -> Op[Answer | None]:
    """Asks for the switch of a cache, if it has one, beside a look-up, which finds nothing while it is switched off.

    An op of one trip, of none where the look-up is.
    """
    if name is None or not look.commands:
        return look

    def read(both: tuple[Answer | None, float]) -> Answer | None:
        asked.notes[_OFF] = both[1] > 0
        return None if both[1] > 0 else both[0]

    return merge(look, off_for(asked.space, name).optional(0.0)).map(read)


def was_off(asked: CacheQuestion) -> bool:
    """Returns whether a look-up for this question found the cache switched off."""
    return bool(asked.notes.get(_OFF))
