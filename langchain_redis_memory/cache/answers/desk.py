"""`AnswerDesk`: what people on call do with cached answers: look at them, remove them, report them."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from langchain_redis_memory.cache.answers.advice import Advice, MissedQuestion
from langchain_redis_memory.cache.answers.answer_cache import AnswerCache
from langchain_redis_memory.cache.answers.decision_log import DEFAULT_LOG, Decision, DecisionLog
from langchain_redis_memory.cache.answers.desk_flows import DeskFlows
from langchain_redis_memory.cache.answers.records import ManagedAnswerCache
from langchain_redis_memory.cache.stats import Prices, Stats
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.key_groups import Id

if TYPE_CHECKING:
    from typing_extensions import Self


class AnswerDesk:
    """Looks at the answers of one tenant in a cache, removes them, and reports wrong ones.

    `ConversationMemory.answers` is one that also explains and warms.

    Args:
        client: The client.
        cache: An `ExactAnswerCache`, `EpochAnswerCache` or `SemanticAnswerCache`.
        tenant: Whose answers.
        log: What the memory logs of its turns; None for nothing.

    Raises:
        ConfigError: There is no cache, or it is one whose entries cannot be looked at.
        InvalidIdError: The tenant is not acceptable.

    Example:
        ```python
        desk = memory.answers
        print(desk.stats())
        desk.delete(question="What are the opening hours?")
        ```

    **Keys:** `answer`, `entries`, `entry_expiries`; of a search by meaning also `entry_uses`, `entry_reports` and
        vectors; `tally`, `decisions`.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self,
        client: Client,
        cache: AnswerCache | None,
        *,
        tenant: str = "",
        log: DecisionLog | None = DEFAULT_LOG,
    ) -> None:
        if not isinstance(cache, ManagedAnswerCache):
            what = "this memory has no cache of answers" if cache is None else f"{type(cache).__name__} has no records"
            msg = f"{what}: there is nothing to look at"
            raise ConfigError(msg)
        self._client = client
        self._flows = DeskFlows(cache.records, client.keys(tenant), log)

    def bind(self, *, tenant: str) -> Self:
        """Binds the desk to the answers of another tenant; it costs nothing.

        Args:
            tenant: Whose answers.

        Returns:
            A desk on the same client.

        Raises:
            InvalidIdError: The tenant is not acceptable.

        **Keys:** none.
        **Trips:** none.
        """
        bound = copy(self)
        bound._flows = DeskFlows(self._flows.records, self._client.keys(tenant), self._flows.log)
        return bound

    def stats(self, prices: Prices | None = None) -> Stats:
        """Reads the statistics; printed they are one line.

        Args:
            prices: Model -> what a million tokens cost (read, written), for `Stats.money_saved`.

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

    def delete(self, *, question: str | None = None, session: Id | None = None, hit_id: str | None = None) -> int:
        """Deletes answers, so that the chain is asked anew.

        Args:
            question: Answers to this question, whatever else is in their keys; case and white space do not matter.
            session: Answers that were made in this conversation, and those of the log that were served in it; its lines
                in the log go as well. With a question only its answers to that.
            hit_id: The answer of one entry, as a hit's report or `explain` names it.

        Returns:
            How many there were.

        Raises:
            InvalidInputError: Nothing is given, or the id is none.
            UnavailableError: The server cannot be reached: what was to be deleted may still be served.

        **Keys:** `answer`, `entries`, `entry_expiries`; of a search by meaning also `entry_uses`, `entry_reports` and
            vectors; `decisions`.
        **Trips:** 1 for an id (2 by meaning); else 1 to 2 for each 500 entries, and 3 more for a conversation.
        """
        return self._client.drive(self._flows.delete_flow(question, session, hit_id))

    async def adelete(
        self, *, question: str | None = None, session: Id | None = None, hit_id: str | None = None
    ) -> int:
        """Deletes answers; see `delete`."""
        return await self._client.adrive(self._flows.delete_flow(question, session, hit_id))

    def clear(self, *, scope: str | None = None) -> int:
        """Deletes all answers of a chain, or every one of the tenant, and their lines in the log.

        Args:
            scope: The name that was given to `wrap(scope=...)`, or the runnable's whole `scope`; None for all.

        Returns:
            How many there were.

        Raises:
            UnavailableError: The server cannot be reached: what was to be deleted may still be served.

        **Keys:** those of `delete`.
        **Trips:** 1 to 2 for each 500 entries, and 1 to 2 for the log.
        """
        return self._client.drive(self._flows.clear_flow(scope))

    async def aclear(self, *, scope: str | None = None) -> int:
        """Deletes all answers of a chain, or every one of the tenant; see `clear`."""
        return await self._client.adrive(self._flows.clear_flow(scope))

    def report(self, hit_id: str, *, correct: bool = False) -> bool:
        """Reports whether a hit was right.

        A wrong answer to the very same question is not served again; one to a near question is from then on served to
        nearer ones only.

        Args:
            hit_id: The entry, as the hit's report or `explain` names it.
            correct: Whether the answer was right.

        Returns:
            Whether the entry was still there.

        Raises:
            InvalidInputError: It is no id of an entry.
            UnavailableError: The server cannot be reached.

        **Keys:** `answer`, `entries`, `entry_expiries`, `entry_reports`; `tally`, `decisions`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.report_flow(hit_id, correct=correct))

    async def areport(self, hit_id: str, *, correct: bool = False) -> bool:
        """Reports whether a hit was right; see `report`."""
        return await self._client.adrive(self._flows.report_flow(hit_id, correct=correct))

    def decisions(self, n: int = 100) -> list[Decision]:
        """Reads the log: what became of the newest turns, and why.

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
            A row for each value; printed it is a table.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `decisions`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.advise_flow())

    async def aadvise(self) -> Advice:
        """Computes what other risks would have given; see `advise`."""
        return await self._client.adrive(self._flows.advise_flow())
