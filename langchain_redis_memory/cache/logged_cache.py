"""`LoggedCache`: the doors that every cache with a decision log shares, in both colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_redis_memory.cache.decision_log import Decision
from langchain_redis_memory.cache.logged_flows import LoggedFlows
from langchain_redis_memory.cache.stats import Prices, Stats
from langchain_redis_memory.redis.client.client import Client

if TYPE_CHECKING:
    from langchain_redis_memory.cache.advice import Advice, MissedQuestion


class LoggedCache:
    """The doors of a cache that counts and logs what it decides: for people on call.

    **Keys:** `tally`, `decisions`; those of the cache.
    **Trips:** each method says its own.
    """

    _client: Client
    _flows: LoggedFlows

    def stats(self, prices: Prices | None = None) -> Stats:
        """Reads the statistics, with the counts that this process has not sent yet; printed they are one line.

        Args:
            prices: Model -> what a million tokens cost (read, written), for `Stats.money_saved`; by default those that
                the cache was given.

        Returns:
            Hits, misses, bypasses and their reasons, hits reported as wrong, and what was saved, by hour, model and
            type of question.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `tally`.
        **Trips:** 1, and 1 where counts of this process wait.
        """
        return self._client.drive(self._flows.stats_flow(prices))

    async def astats(self, prices: Prices | None = None) -> Stats:
        """Reads the statistics; see `stats`."""
        return await self._client.adrive(self._flows.stats_flow(prices))

    def report(self, hit_id: str, *, correct: bool = False) -> bool:
        """Reports whether a hit was right.

        A wrong answer to the very same question is not served again; one to a near question is from then on served to
        nearer ones only.

        Args:
            hit_id: The hit's id: from the answer (`Answer.entry`, "semantic_cache"), from `explain` or from the log.
            correct: Whether the answer was right.

        Returns:
            Whether the entry was still there.

        Raises:
            InvalidInputError: It is not the id of a hit.
            UnavailableError: The server cannot be reached.

        **Keys:** those of the entry; `tally`, `decisions`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.report_flow(hit_id, correct=correct))

    async def areport(self, hit_id: str, *, correct: bool = False) -> bool:
        """Reports whether a hit was right; see `report`."""
        return await self._client.adrive(self._flows.report_flow(hit_id, correct=correct))

    def decisions(self, n: int = 100) -> list[Decision]:
        """Reads the log: what became of the newest turns or look-ups, and why.

        Args:
            n: How many lines.

        Returns:
            The lines, the newest first; empty where nothing is logged.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `decisions`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.decisions_flow(n))

    async def adecisions(self, n: int = 100) -> list[Decision]:
        """Reads the log; see `decisions`."""
        return await self._client.adrive(self._flows.decisions_flow(n))

    def top_misses(self, n: int = 10) -> list[MissedQuestion]:
        """Lists the self-contained questions that were missed most often, as far as the log reaches.

        Args:
            n: How many.

        Returns:
            The questions with how often each was missed, the most frequent first.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `decisions`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.top_misses_flow(n))

    async def atop_misses(self, n: int = 10) -> list[MissedQuestion]:
        """Lists the questions that were missed most often; see `top_misses`."""
        return await self._client.adrive(self._flows.top_misses_flow(n))

    def advise(self) -> Advice:
        """Computes what other values of `max_error` and `max_unsafe` would have given on the logged turns and reports.

        Returns:
            How many misses had been asked before, and a row for each value of a risk that plays a part; printed it is
            a table.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `decisions`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.advise_flow())

    async def aadvise(self) -> Advice:
        """Computes what other risks would have given; see `advise`."""
        return await self._client.adrive(self._flows.advise_flow())
