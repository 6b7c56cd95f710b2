"""`LLMCache`: the doors of LangChain's caches of model answers, in both colours.

Each door runs a flow of `LLMCacheFlows`, which `RedisCache` and `RedisSemanticCache` complete.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from langchain_core.caches import RETURN_VAL_TYPE, BaseCache

from langchain_redis_memory.cache.llm_flows import LLMCacheFlows
from langchain_redis_memory.cache.logged_cache import LoggedCache
from langchain_redis_memory.cache.switchable import Switchable
from langchain_redis_memory.errors import RedisMemoryError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.connect import ClientOwner


class LLMCache(LoggedCache, Switchable, ClientOwner, BaseCache):
    """The doors of LangChain's caches of model answers, for sync and async calls.

    **Keys:** those of the cache.
    **Trips:** none to construct; each method says its own.
    """

    _flows: LLMCacheFlows[Any, Any]

    # --- LangChain's interface ----------------------------------------------------------------------------------------

    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """Looks up the answer to a prompt.

        Args:
            prompt: What the model is asked: a text, or messages as LangChain serialises them.
            llm_string: Describes the model and its parameters.

        Returns:
            The generations as they were given, messages under new ids. An answer to another question carries
            "semantic_cache" in its `response_metadata` (for a text in its `generation_info`): the hit's id for
            `RedisSemanticCache.report`, that question, the similarity and the probability that both are equivalent.
            None for a miss: no answer, a damaged one, none that may be served, or an unreachable server.

        **Keys:** `entries`; for a search by meaning also `entry_expiries`, `entry_uses`, `entry_reports` and the
            partition's vectors; at times `tally`.
        **Trips:** `RedisCache`: 1, and with `stale_s` one more for an answer that is over its lifetime.
            `RedisSemanticCache`: none for a bypass; 1 for the very same question; else 2 for a miss or a hit, one more
            for each candidate that is read besides the nearest one (on a cluster and by exact search for that one too),
            for a judge's verdict, and for a candidate whose answer is gone. Exact search takes one more for each 4,000
            vectors not read. Both, with `single_flight_s`: one more for a miss, and one for each look while another
            caller makes the answer.
        """
        flows = self._flows
        if (quick := flows.quick(prompt, llm_string)) is None:
            return self._client.drive(flows.lookup_flow(prompt, llm_string))
        try:
            seen = self._client.run(quick.op)
        except RedisMemoryError as error:
            return quick.failed(error)
        if (done := quick.served(seen)) is not None:
            return done[0]
        return self._client.drive(flows.lookup_flow(prompt, llm_string, seen))

    async def alookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """Looks up the answer to a prompt; see `lookup`."""
        flows = self._flows
        if (quick := flows.quick(prompt, llm_string)) is None:
            return await self._client.adrive(flows.lookup_flow(prompt, llm_string))
        try:
            seen = await self._client.arun(quick.op)
        except RedisMemoryError as error:
            return quick.failed(error)
        if (done := quick.served(seen)) is not None:
            return done[0]
        return await self._client.adrive(flows.lookup_flow(prompt, llm_string, seen))

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Stores an answer, if it may be cached; nothing is raised if not.

        Args:
            prompt: What the model was asked.
            llm_string: Describes the model and its parameters.
            return_val: What it answered.

        **Keys:** those of `lookup`, `entry_expiries`; `tally`; `lease`.
        **Trips:** 1, and one more for the leader of a single flight or a refresh (`single_flight_s`, `stale_s`), and
            where entries are evicted because of `max_entries`; none for a prompt that bypasses the cache.
        """
        if (quick := self._flows.quick_update(prompt, llm_string, return_val)) is None:
            self._client.drive(self._flows.update_flow(prompt, llm_string, return_val))
        else:
            with quick:
                quick.done(self._client.run(quick.op))

    async def aupdate(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Stores an answer, if it may be cached; see `update`."""
        if (quick := self._flows.quick_update(prompt, llm_string, return_val)) is None:
            await self._client.adrive(self._flows.update_flow(prompt, llm_string, return_val))
        else:
            with quick:
                quick.done(await self._client.arun(quick.op))

    def clear(self, **kwargs: Any) -> None:
        """Deletes every answer of the tenant, or some.

        Args:
            **kwargs: `model`: only the answers of this model, with what is bound to it; for `RedisSemanticCache` the
                arguments of `delete`.

        Raises:
            InvalidInputError: An option is unknown.
            UnavailableError: The server cannot be reached: what was to be deleted may still be served.
            ServerError: The server refused.

        **Keys:** `entries`, `entry_expiries`; for a search by meaning also `entry_uses`, `entry_reports` and vectors.
        **Trips:** `RedisCache`: 1; for one model 1 for about each 32,000 entries, and 1 each to remove those found.
            `RedisSemanticCache`: 2 for each 500 entries.
        """
        self._client.drive(self._flows.clear_flow(kwargs))

    async def aclear(self, **kwargs: Any) -> None:
        """Deletes every answer of the tenant, or some; see `clear`."""
        await self._client.adrive(self._flows.clear_flow(kwargs))

    # --- more ---------------------------------------------------------------------------------------------------------

    def get_or_compute(self, prompt: str, llm_string: str, compute: Callable[[], Any]) -> RETURN_VAL_TYPE:
        """Looks up an answer, else computes and stores it; with `single_flight_s` concurrent misses are coalesced.

        Args:
            prompt: What the model is asked.
            llm_string: Describes the model and its parameters.
            compute: Gives a text, a message or generations; for `aget_or_compute` it may be a coroutine function.

        Returns:
            The generations.

        Raises:
            Exception: Whatever `compute` raises; the next of the callers that wait then computes.
            InvalidInputError: It gives something else.

        **Keys:** those of `lookup` and `update`.
        **Trips:** those of `lookup` and `update`.
        """
        return self._client.drive(self._flows.get_or_compute_flow(prompt, llm_string, compute))

    async def aget_or_compute(self, prompt: str, llm_string: str, compute: Callable[[], Any]) -> RETURN_VAL_TYPE:
        """Looks up an answer, else computes and stores it; see `get_or_compute`."""
        return await self._client.adrive(self._flows.get_or_compute_flow(prompt, llm_string, compute))

    def count(self) -> int:
        """Counts the stored answers, with those that have expired and were not removed yet.

        Returns:
            The number.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `entries`.
        **Trips:** 1.
        """
        return self._client.run(self._flows.count())

    async def acount(self) -> int:
        """Counts the stored answers; see `count`."""
        return await self._client.arun(self._flows.count())

    def warm(
        self, answers: Iterable[Any] | str | Path, model: Any, *, progress: Callable[[int], None] | None = None
    ) -> int:
        """Stores answers before anybody asks.

        Args:
            answers: Pairs (question, answer), mappings with "prompt" and "answer", or the path of a file with such a
                mapping in each line (JSON Lines).
            model: The model that will be asked, or the string that describes it; see `warming.asked_of`.
            progress: Called with the number of rows done since the last call.

        Returns:
            How many were cached: not those that the admission policy refuses, nor prompts that bypass the cache.

        Raises:
            InvalidInputError: A row is something else; batches before it are stored.
            UnserialisableError: An answer cannot be stored.
            UnavailableError: The server cannot be reached (`RedisCache`; `RedisSemanticCache` then stores less).

        **Keys:** those of `update`.
        **Trips:** those of one `update` for each batch: 500 rows, 200 for `RedisSemanticCache`.
        """
        return self._client.drive(self._flows.warm_flow(answers, model, progress))

    async def awarm(
        self, answers: Iterable[Any] | str | Path, model: Any, *, progress: Callable[[int], None] | None = None
    ) -> int:
        """Stores answers before anybody asks; see `warm`."""
        return await self._client.adrive(self._flows.warm_flow(answers, model, progress))

    def warm_from_misses(self, model: Any, n: int = 10) -> int:
        """Asks a model the self-contained prompts that it was asked most often in vain, and stores its answers.

        Args:
            model: The model, with what is bound to it. Only prompts that this model was asked, of texts alone and not
                too long to be logged, are asked again, and only where their answers are not there.
            n: How many of them at most.

        Returns:
            How many answers were stored.

        Raises:
            InvalidInputError: It is not a model.
            UnavailableError: The server cannot be reached.

        **Keys:** `decisions`; those of `update`.
        **Trips:** 1, and for each prompt 1 and those of `warm`.
        """
        return self._client.drive(self._flows.warm_misses_flow(model, n))

    async def awarm_from_misses(self, model: Any, n: int = 10) -> int:
        """Asks a model what it was asked most often in vain, and stores its answers; see `warm_from_misses`."""
        return await self._client.adrive(self._flows.warm_misses_flow(model, n))

    def export_entries(self) -> Iterator[str]:
        """Exports every entry as a line of JSON, for `import_entries`.

        `RedisCache` exports digests of its prompts; `RedisSemanticCache` no vectors, which the import makes anew.

        Yields:
            Lines that end with a newline.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `entries`.
        **Trips:** 1 for about each 500 entries of a hash: 1 for 32,000 of `RedisCache`.
        """
        return self._client.stream(self._flows.export_flow())

    def aexport_entries(self) -> AsyncIterator[str]:
        """Exports every entry as a line of JSON; see `export_entries`."""
        return self._client.astream(self._flows.export_flow())

    def import_entries(self, lines: Iterable[str], *, progress: Callable[[int], None] | None = None) -> int:
        """Stores what `export_entries` gave, each entry with a whole lifetime from now.

        Args:
            lines: Its lines.
            progress: Called with the number of entries done since the last call.

        Returns:
            How many were stored.

        Raises:
            InvalidInputError: A line is something else; batches before it are stored.
            UnavailableError: The server cannot be reached (`RedisCache`; `RedisSemanticCache` then stores less).

        **Keys:** those of `update`.
        **Trips:** those of `warm`.
        """
        return self._client.drive(self._flows.import_flow(lines, progress))

    async def aimport_entries(self, lines: Iterable[str], *, progress: Callable[[int], None] | None = None) -> int:
        """Stores what `export_entries` gave; see `import_entries`."""
        return await self._client.adrive(self._flows.import_flow(lines, progress))

    # --- the switch ---------------------------------------------------------------------------------------------------

    def _switch(self, for_s: float, *, on: bool) -> Op[None]:
        return self._flows.switch(for_s, on=on)

    def _off_for(self) -> Op[float]:
        return self._flows.off_for()
