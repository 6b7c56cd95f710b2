"""`AnswerDesk`: what people on call do with cached answers: look at them, remove them, report them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from typing_extensions import Self

from langchain_redis_memory.cache.answers.answer_cache import AnswerCache
from langchain_redis_memory.cache.answers.desk_flows import DeskFlows
from langchain_redis_memory.cache.answers.records import CachedAnswer, CachedAnswers, ManagedAnswerCache
from langchain_redis_memory.cache.decision_log import DEFAULT_LOG, DecisionLog
from langchain_redis_memory.cache.logged_cache import LoggedCache
from langchain_redis_memory.cache.switchable import Switchable
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.key_groups import Id


class AnswerDesk(LoggedCache, Switchable):
    """Looks at the answers of one tenant in a cache, removes them, and reports wrong ones.

    `ConversationMemory.answers` and `AnswerCacheMiddleware.answers` are such that also explain and warm.

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
            raise ConfigError(f"{what}: there is nothing to look at")
        self._client = client
        self._flows: DeskFlows = DeskFlows(cache.records, client.keys(tenant), log)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._client!r}, tenant={self._flows.space.tenant!r})"

    @property
    def name(self) -> str:
        """Names the cache in the log: "exact", or "semantic/" and the name that it was given."""
        return self._flows.logged_as

    def bind(self, *, tenant: str) -> Self:
        """Binds the desk to the answers of another tenant; it costs nothing.

        Args:
            tenant: Whose answers.

        Returns:
            A desk on the same client.

        Raises:
            InvalidIdError: The tenant is not acceptable.
        """
        bound = copy(self)
        bound._flows = DeskFlows(self._flows.records, self._client.keys(tenant), self._flows.log)
        return bound

    def delete(
        self, *, question: str | None = None, session: Id | Sequence[Id] | None = None, hit_id: str | None = None
    ) -> int:
        """Deletes answers, so that the chain is asked again.

        Args:
            question: Answers to this question, whatever else is in their keys; case and white space do not matter.
            session: Answers that were made in this conversation, or in one of several, and those of the log that were
                served in it; its lines in the log go as well. With a question only its answers to that.
            hit_id: The answer of one entry, as a hit's report or `explain` names it.

        Returns:
            How many there were.

        Raises:
            InvalidInputError: Nothing is given, or the id is none.
            UnavailableError: The server cannot be reached: what was to be deleted may still be served.

        **Keys:** `answer`, `entries`, `entry_expiries`; of a search by meaning also `entry_uses`, `entry_reports` and
            vectors; `decisions`.
        **Trips:** 1 for an id (2 by meaning); else 1 to 2 for each 500 entries, and 3 more for
            conversations, any number of them.
        """
        return self._client.drive(self._flows.delete_flow(question, session, hit_id))

    async def adelete(
        self, *, question: str | None = None, session: Id | Sequence[Id] | None = None, hit_id: str | None = None
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

    def entries(self, cursor: int = 0) -> CachedAnswers:
        """Reads through the answers of the tenant, some at a time.

        Args:
            cursor: The page's before; 0 for the first.

        Returns:
            Some answers, and the cursor for the next ones. What was there all the time is given at least once.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `entries`; `answer`.
        **Trips:** 2, by meaning 1.
        """
        return self._client.drive(self._flows.entries_flow(cursor))

    async def aentries(self, cursor: int = 0) -> CachedAnswers:
        """Reads through the answers of the tenant; see `entries`."""
        return await self._client.adrive(self._flows.entries_flow(cursor))

    def entry(self, hit_id: str) -> CachedAnswer | None:
        """Reads one answer with what was reported of it.

        Args:
            hit_id: The entry, as a hit's report, the log or `explain` names it.

        Returns:
            The answer; None where there is none (any more).

        Raises:
            InvalidInputError: It is not the id of an entry.
            UnavailableError: The server cannot be reached.

        **Keys:** `answer`; by meaning `entries`, `entry_uses`, `entry_reports`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.entry_flow(hit_id))

    async def aentry(self, hit_id: str) -> CachedAnswer | None:
        """Reads one answer with what was reported of it; see `entry`."""
        return await self._client.adrive(self._flows.entry_flow(hit_id))

    def edit(self, hit_id: str, text: str) -> bool:
        """Replaces the text of an answer, which is served from then on, for as long as the old one would have been.

        Args:
            hit_id: The entry, as a hit's report, the log or `explain` names it.
            text: The new words.

        Returns:
            Whether there was such an entry.

        Raises:
            InvalidInputError: It is not the id of an entry.
            UnavailableError: The server cannot be reached.

        **Keys:** those of `entry`.
        **Trips:** 2.
        """
        return self._client.drive(self._flows.edit_flow(hit_id, text))

    async def aedit(self, hit_id: str, text: str) -> bool:
        """Replaces the words of an answer; see `edit`."""
        return await self._client.adrive(self._flows.edit_flow(hit_id, text))

    def _switch(self, for_s: float, *, on: bool) -> Op[None]:
        return self._flows.switch(on=on, for_s=for_s)

    def _off_for(self) -> Op[float]:
        return self._flows.off_for()
