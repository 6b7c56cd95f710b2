"""The flows that LangChain's two caches of model answers share: update, single flight, warming, import, statistics.

A cache completes them by how it finds and stores an answer.
"""

from __future__ import annotations

import json
import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from copy import copy
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from langchain_core.caches import RETURN_VAL_TYPE
from typing_extensions import Self

from langchain_redis_memory.cache import generations, prompts
from langchain_redis_memory.cache.admission import AdmissionPolicy
from langchain_redis_memory.cache.best_effort import BestEffort, CacheUnavailable, QuickWrite
from langchain_redis_memory.cache.decision_log import DecisionLog
from langchain_redis_memory.cache.entry_options import EntryOptions
from langchain_redis_memory.cache.logged_flows import LoggedFlows
from langchain_redis_memory.cache.marks import AnswerFilter
from langchain_redis_memory.cache.single_flight import SingleFlight, making
from langchain_redis_memory.cache.stats import Prices, Tally
from langchain_redis_memory.errors import CorruptDataError, InvalidInputError, RedisMemoryError
from langchain_redis_memory.ops import Flow, Invoke, Op, ask
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.ttl import jittered, milliseconds

_log = logging.getLogger(__name__)


class Query(Protocol):
    """The prompt and the model that an answer is looked up by."""

    @property
    def model(self) -> str:
        """The model's short name, for the statistics."""


class QuickLookup(NamedTuple):
    """A look-up without a flow.

    Args:
        op: What is run.
        served: Gives the answer, or None for a miss, in a tuple; None where only the flow can tell.
        failed: Notes that the op failed, which is a miss.
    """

    op: Op[Any]
    served: Callable[[Any], tuple[RETURN_VAL_TYPE | None] | None]
    failed: Callable[[RedisMemoryError], None]


T = TypeVar("T")
QueryT = TypeVar("QueryT", bound=Query)
EntryT = TypeVar("EntryT")


class LLMCacheFlows(LoggedFlows, Generic[QueryT, EntryT]):
    """The flows of a cache of model answers; without `single_flight_s` nothing is coalesced."""

    batch = 500
    best_effort: BestEffort

    def __init__(
        self,
        client: Client,
        ttl_s: float | None,
        single_flight_s: float | None,
        options: EntryOptions,
    ) -> None:
        self.client = client
        self._ttl_ms = milliseconds(ttl_s)
        self._jitter = options.jitter
        self._flights = SingleFlight(milliseconds(single_flight_s, "single_flight_s"))
        self._admission = options.admission or AdmissionPolicy()
        self.prices: Prices | None = options.prices
        self.log: DecisionLog | None = options.log

    @property
    def tally(self) -> Tally:
        """The statistics."""
        return self.best_effort.tally

    @property
    def log_key(self) -> Key:
        """The key of the log."""
        return self.tally.lines.key

    # --- what a cache adds --------------------------------------------------------------------------------------------

    def quick(self, prompt: str, llm_string: str) -> QuickLookup | None:
        """Looks an answer up by one op and nothing else; None where there is more to do, as `lookup_flow` does it."""
        return None

    def quick_update(self, prompt: str, llm_string: str, answer: RETURN_VAL_TYPE) -> QuickWrite | None:
        """Stores an answer by one op and nothing else; None where there is more to do, as `update_flow` does it."""
        return None

    @abstractmethod
    def lookup_flow(self, prompt: str, llm_string: str, seen: Any = None) -> Flow[RETURN_VAL_TYPE | None]:
        """Looks up an answer, and counts; `seen` is what a quick look-up has just read."""

    @abstractmethod
    def query_flow(self, prompt: str, llm_string: str, *, after_lookup: bool = False) -> Flow[QueryT | None]:
        """Computes the query by which the answer to a prompt is found and stored; None where the prompt bypasses it."""

    @abstractmethod
    def lease(self, query: QueryT) -> str:
        """Returns the key of the lease of an answer that is being made."""

    @abstractmethod
    def entry(self, query: QueryT, prompt: str, answer: RETURN_VAL_TYPE) -> EntryT:
        """Builds the entry of an answer."""

    @abstractmethod
    def imported(self, row: Any) -> EntryT:
        """Reads an entry from a line of an export; raises any of Python's usual errors where it is something else."""

    @abstractmethod
    def store_flow(self, entries: list[EntryT]) -> Flow[None]:
        """Stores entries."""

    @abstractmethod
    def store_batch_flow(self, entries: list[EntryT]) -> Flow[int]:
        """Stores entries that nobody waits for; how many."""

    @abstractmethod
    def export_flow(self) -> Flow[None]:
        """Emits every entry as a line of JSON."""

    @abstractmethod
    def clear_flow(self, options: Mapping[str, Any]) -> Flow[None]:
        """Deletes the answers that the options name."""

    @abstractmethod
    def stored(self, query: QueryT) -> Op[Any]:
        """Reads the answer to the very same prompt; None where there is none."""

    @abstractmethod
    def switch(self, for_s: float, *, on: bool) -> Op[None]:
        """Switches the cache off for a time, or on again."""

    @abstractmethod
    def off_for(self) -> Op[float]:
        """Reads for how many seconds it is still off."""

    @abstractmethod
    def count(self) -> Op[int]:
        """Counts the entries."""

    # --- what all share -----------------------------------------------------------------------------------------------

    def lifetime(self) -> int:
        """Draws a new entry's lifetime in milliseconds, 0 for none."""
        return jittered(self._ttl_ms, self._jitter)

    def lasting(self, ttl_ms: int) -> Self:
        """Returns the flows whose entries live exactly so long; themselves for 0, which is the cache's own lifetime."""
        if not ttl_ms:
            return self
        flows = copy(self)
        flows._ttl_ms, flows._jitter = ttl_ms, 0.0
        return flows

    def refusal(self, prompt: str, answer: RETURN_VAL_TYPE) -> str | None:
        """Checks whether an answer may be cached; returns the reason against it as a word of statistics, else None."""
        return self._admission.refusal(answer)

    def update_flow(self, prompt: str, llm_string: str, answer: RETURN_VAL_TYPE) -> Flow[None]:
        """Stores an answer, if it may be cached, and gives the lease back."""
        query = yield from self.query_flow(prompt, llm_string, after_lookup=True)
        if query is None:
            return
        if (entry := self.admitted(query, prompt, answer)) is not None:
            try:
                yield from self.best_effort(self.store_flow([entry]), write=True)
            except CacheUnavailable:
                self.tally.add("dropped", model=query.model)
        yield from self._leave_flow(query)  # in a trip of its own: a script that the server does not know runs last

    def _leading_flow(self, query: QueryT, flow: Flow[T]) -> Flow[T]:
        """Runs a flow that may take the lead, which a caller who is cancelled gives up."""
        return self._flights.cancellable_flow(flow, lambda: self.lease(query))

    def admitted(self, query: QueryT, prompt: str, answer: RETURN_VAL_TYPE) -> EntryT | None:
        """Builds the entry of an answer that may be cached, and counts; None for another one."""
        tally, refusal = self.tally, self.refusal(prompt, answer)
        if refusal is None:
            try:
                entry = self.entry(query, prompt, answer)
                tally.add("updates", model=query.model)
                return entry
            except InvalidInputError as error:
                _log.warning("an answer is not cached: %s", error)
                refusal = "unserialisable"
        tally.add(f"refused_{refusal}", model=query.model)
        return None

    def _leave_flow(self, query: QueryT) -> Flow[None]:
        """Gives the lease back, if this thread or task has it."""
        if self._flights.leads(key := self.lease(query)):
            with suppress(CacheUnavailable):
                yield from self.best_effort(self._flights.leave_flow(key), write=True)

    def get_or_compute_flow(self, prompt: str, llm_string: str, compute: Callable[[], Any]) -> Flow[RETURN_VAL_TYPE]:
        """Looks up an answer, else computes and stores it."""
        found = yield from self.lookup_flow(prompt, llm_string)
        if found is not None:
            return found

        def give_back_flow() -> Flow[None]:
            query = yield from self.query_flow(prompt, llm_string, after_lookup=True)
            if query is not None:
                yield from self._leave_flow(query)

        answer: RETURN_VAL_TYPE = yield making(compute, generations.as_generations, give_back_flow, self.client)
        yield from self.update_flow(prompt, llm_string, answer)
        return answer

    def warm_flow(
        self, answers: Iterable[Any] | str | Path, model: Any, progress: Callable[[int], None] | None
    ) -> Flow[int]:
        """Stores answers in batches, those that may be cached."""
        from langchain_redis_memory.cache import warming

        stored, pairs = 0, warming.rows(answers)
        while batch := list(islice(pairs, self.batch)):
            entries = []
            for question, given in batch:
                prompt, llm_string = warming.asked_of(question, model)
                answer = generations.for_model(given, model)
                query = yield from self.query_flow(prompt, llm_string)
                if query is not None and self.refusal(prompt, answer) is None:
                    entries.append(self.entry(query, prompt, answer))
            stored += yield from self.store_batch_flow(entries)
            if progress is not None:
                progress(len(batch))
        return stored

    def warm_misses_flow(self, model: Any, most: int) -> Flow[int]:
        """Asks the model the prompts that it was asked most often in vain, and stores its answers."""
        from langchain_redis_memory.cache import warming
        from langchain_redis_memory.cache.advice import top_misses_of

        llm_string, asked = warming.asked_of("", model)[1], warming.uncached(model)
        decisions, wanted = (yield from self.decisions_flow()), AnswerFilter(scope=llm_string)
        stored = 0
        for missed in top_misses_of([one for one in decisions if wanted.fits(one.marks)], most):
            question = prompts.asked_again(missed.prompt)
            query = None if question is None else (yield from self.query_flow(missed.prompt, llm_string))
            if query is None or (yield from ask(self.stored(query))) is not None:
                continue
            answer = yield Invoke(partial(asked.invoke, question), partial(asked.ainvoke, question))
            stored += yield from self.warm_flow([(question, answer)], model, None)
        return stored

    def import_flow(self, lines: Iterable[str], progress: Callable[[int], None] | None) -> Flow[int]:
        """Stores exported entries in batches."""
        stored, numbered = 0, enumerate(lines, 1)
        while batch := list(islice(numbered, self.batch)):
            entries = [self._imported(number, line) for number, line in batch if line.strip()]
            stored += yield from self.store_batch_flow(entries)
            if progress is not None:
                progress(len(batch))
        return stored

    def _imported(self, number: int, line: str) -> EntryT:
        try:
            return self.imported(json.loads(line))
        except (ValueError, KeyError, TypeError, CorruptDataError) as error:
            raise InvalidInputError(f"line {number} is not an exported entry: {error}") from None
