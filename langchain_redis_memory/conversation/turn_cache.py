"""The answer cache within a turn: look-up, single flight of equal questions, store.

The lease of single flight is taken in the trip that looks the answer up and given back in the trip that stores the
turn, so neither a hit nor a leader pays a trip for it. Who finds the lease taken waits and looks; what is found then is
judged like any other candidate. A question that turns out not to be read from the cache may have taken a lease that
nobody needs: another turn waits for it at worst until that one's answer is stored.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import Any, NamedTuple

from langchain_redis_memory.cache.admission import worth_keeping
from langchain_redis_memory.cache.answers import switch
from langchain_redis_memory.cache.answers.answer_cache import Answer, AnswerCache, CacheQuestion, SearchableAnswerCache
from langchain_redis_memory.cache.single_flight import SingleFlight, give_back, repay_flow
from langchain_redis_memory.errors import ConfigError, UnavailableError
from langchain_redis_memory.ops import Flow, Op, merge, pure
from langchain_redis_memory.redis import lease
from langchain_redis_memory.redis.client.clock import monotonic

_log = logging.getLogger(__name__)


class Flight(NamedTuple):
    """A turn's part in a single flight: the lease, its own token, when it expires, and whether it leads, if known."""

    key: str
    token: str
    until: float
    leads: bool | None = None


class TurnLookup(NamedTuple):
    """The result of looking for a turn's answer, None for none, with the lease that was asked for in the same trip."""

    answer: Answer | None = None
    flight: Flight | None = None


NOTHING = TurnLookup()


class TurnCache:
    """The answer cache as a turn uses it; None for none. Raises `ConfigError`: it is not a cache of answers."""

    def __init__(self, cache: AnswerCache | None) -> None:
        if cache is not None and not callable(getattr(cache, "store", None)):
            raise ConfigError(
                f"cache must be a cache of answers, as SemanticAnswerCache(...) or RagCache(...).responses, not "
                f"{type(cache).__name__}; a cache of LangChain goes to set_llm_cache"
            )
        self.cache = cache

    @cached_property
    def _switch(self) -> str | None:
        return switch.name_of(self.cache)

    @cached_property
    def _searches(self) -> SearchableAnswerCache | None:
        """The cache, if it searches by meaning: Python takes some 20 us to look whether an object fits a protocol."""
        return self.cache if isinstance(self.cache, SearchableAnswerCache) else None

    def look(self, cache: AnswerCache, asked: CacheQuestion) -> Op[Answer | None]:
        """Looks up the answer to the very same question, unless the cache is switched off."""
        return switch.watched(cache.lookup(asked), asked, self._switch)

    def lookup(
        self, asked: CacheQuestion | None, lease_ms: int, held: Flight | None = None
    ) -> tuple[Op[TurnLookup], Flight | None]:
        """Looks up the answer to the very same question, and asks for the lead in answering it.

        The lease of another question that is `held` is given back. Returns an op of one trip, of none for no question,
        and what is to be given back where its reply does not come.
        """
        if self.cache is None or asked is None:
            return pure(NOTHING), held
        look = self.look(self.cache, asked).optional(None)
        if not lease_ms or not look.commands:
            return look.map(TurnLookup), held
        until = monotonic() + lease_ms / 1000
        flight = Flight(asked.space.lease("turn", asked.entry, asked.agent), lease.new_token(), until)
        taken = lease.acquire(flight.key, flight.token, lease_ms).optional(None)
        whole = merge(taken, look, leave(held))
        return whole.map(lambda read: TurnLookup(read[1], flight._replace(leads=read[0]))), flight

    def find_flow(self, asked: CacheQuestion, lookup: TurnLookup, lease_ms: int) -> Flow[Answer | None]:
        """Goes on where the very same question has no answer yet: searches by meaning, and waits for who leads.

        Gives the answer; None to ask the model.

        **Trips:** those of a search by meaning; 1 for each look while waiting.
        """
        if switch.was_off(asked):
            return None
        if lookup.flight is not None and lookup.flight.leads is not None:  # the server takes writes
            yield from repay_flow()
        answer = lookup.answer
        if answer is None and self._searches is not None:
            answer = yield from self._searches.search(asked)
        if answer is None and self.cache is not None and lookup.flight is not None and lookup.flight.leads is False:
            look = self.cache.lookup(asked).optional(None)
            try:
                answer = yield from SingleFlight(lease_ms).follow_flow(lookup.flight.key, look)
            except UnavailableError as error:
                _log.warning("asked without waiting for an equal question: %s", error)
        return answer

    def store_flow(self, asked: CacheQuestion | None, answer: Answer) -> Flow[Op[Any]]:
        """Prepares the storing of an answer; without a question it is not to be cached.

        Gives an op for the trip that stores the turn, an empty one where the answer is not worth keeping.
        """
        if self.cache is None or asked is None or switch.was_off(asked) or not worth_keeping(answer.value):
            return pure(None)
        made = self.cache.store(asked, answer)
        return (made if isinstance(made, Op) else (yield from made)).optional(None)


def leave(held: Flight | None) -> Op[bool]:
    """Gives a lease back. An op of one trip, of none where there is nothing to give back."""
    if held is None or held.leads is False:
        return pure(False)
    return give_back(held.key, held.token, held.until)
