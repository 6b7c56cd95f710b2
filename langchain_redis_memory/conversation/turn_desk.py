"""`TurnDesk`: the desk of a cache around turns, which also explains what it would do and is warmed by a chain."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig

from langchain_redis_memory.cache.answers.answer_cache import Answer, CacheQuestion
from langchain_redis_memory.cache.answers.desk import AnswerDesk
from langchain_redis_memory.cache.explanation import Explanation
from langchain_redis_memory.cache.warming import rows
from langchain_redis_memory.ops import Flow


class TurnDesk(AnswerDesk):
    """Looks at cached answers, explains and removes them, reports wrong ones, and warms the cache.

    **Keys:** those of `AnswerDesk`; those of a turn that is explained.
    **Trips:** each method says its own.
    """

    def explain(self, question: Any, config: RunnableConfig | None, chain: Runnable[Any, Any]) -> Explanation[Answer]:
        """Explains what the cache would do with a question, and why; the chain is not asked, nothing is counted.

        The retriever runs, as it does on a hit, where an answer is served only with the documents it was made from.

        Args:
            question: What the chain would be asked, in its conversation as it is now.
            config: Names the conversation, as for the chain's `invoke`; None for a new one.
            chain: Of a memory what `wrap` returned, or any chain or model as `wrap` would take it without options; of
                agents the agent that has the cache, or a model as `create_agent` would take it with the cache alone.

        Returns:
            The question's type and why, all that its key is made of, every candidate with what spoke against it, what
            would be served, and what the log says of the question.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** those of a turn, `decisions`.
        **Trips:** those of a turn's look-up twice, and 1 for the log.
        """
        return self._client.drive(self._explain_flow(question, config, chain))

    async def aexplain(
        self, question: Any, config: RunnableConfig | None, chain: Runnable[Any, Any]
    ) -> Explanation[Answer]:
        """Explains what the cache would do with a question; see `explain`."""
        return await self._client.adrive(self._explain_flow(question, config, chain))

    def warm(
        self, answers: Iterable[Any] | str | Path, chain: Runnable[Any, Any], config: RunnableConfig | None = None
    ) -> int:
        """Stores answers before anybody asks; no conversation is written.

        Args:
            answers: Pairs (question, answer), mappings with "question" and "answer", or the path of a file with such a
                mapping in each line (JSON Lines). An answer is a text, a message, or what the chain would return.
            chain: Of a memory what `wrap` returned, or any chain or model as `wrap` would take it without options; of
                agents the agent that has the cache, or a model as `create_agent` would take it with the cache alone.
            config: As for the chain's `invoke`, for its tenant, agent and settings; a conversation need not be named.

        Returns:
            How many were stored: not those that are there already, nor what is shared with nobody or one user only.

        Raises:
            InvalidInputError: A row is something else; those before it are stored.
            UnavailableError: The server cannot be reached.

        **Keys:** `answer`; by meaning `entries` and vectors.
        **Trips:** those of a look-up and 1 for each answer.
        """
        return self._client.drive(self._warm_flow(rows(answers), chain, config))

    async def awarm(
        self, answers: Iterable[Any] | str | Path, chain: Runnable[Any, Any], config: RunnableConfig | None = None
    ) -> int:
        """Stores answers before anybody asks; see `warm`."""
        return await self._client.adrive(self._warm_flow(rows(answers), chain, config))

    def warm_from_misses(self, chain: Runnable[Any, Any], n: int = 10, config: RunnableConfig | None = None) -> int:
        """Asks the chain the questions that were missed most often, where their answers are not there, and stores them.

        Args:
            chain: Of a memory what `wrap` returned, or any chain or model as `wrap` would take it without options; of
                agents the agent that has the cache, or a model as `create_agent` would take it with the cache alone.
            n: How many of `top_misses`.
            config: As for the chain's `invoke`; a conversation need not be named.

        Returns:
            How many were stored.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** those of `warm`; `decisions`.
        **Trips:** 1, and those of `warm`.
        """
        return self._client.drive(self._warm_misses_flow(chain, n, config))

    async def awarm_from_misses(
        self, chain: Runnable[Any, Any], n: int = 10, config: RunnableConfig | None = None
    ) -> int:
        """Asks the chain what was missed most often, and stores the answers; see `warm_from_misses`."""
        return await self._client.adrive(self._warm_misses_flow(chain, n, config))

    # --- flows --------------------------------------------------------------------------------------------------------

    @abstractmethod
    def _explain_flow(
        self, question: Any, config: RunnableConfig | None, chain: Runnable[Any, Any]
    ) -> Flow[Explanation[Answer]]:
        """Explains what the cache would do with a question."""

    @abstractmethod
    def _warm_flow(
        self, answers: Iterable[tuple[Any, Any]], chain: Runnable[Any, Any], config: RunnableConfig | None
    ) -> Flow[int]:
        """Stores answers that are not there; None as an answer asks the chain. How many were stored."""

    def _warm_misses_flow(self, chain: Runnable[Any, Any], n: int, config: RunnableConfig | None) -> Flow[int]:
        missed = yield from self._flows.top_misses_flow(n)
        return (yield from self._warm_flow(((one.question, None) for one in missed), chain, config))


def key_parts(asked: CacheQuestion) -> dict[str, str]:
    """Names what the key of a question is made of, for people."""
    shown = {
        "tenant": asked.space.tenant,
        "agent": asked.agent,
        "scope": asked.scope,
        "audience": asked.audience or "everybody of the tenant",
        "context": [f"{message.type}: {message.text}" for message in (*asked.context, *asked.memory)],
        "given": asked.given,
        "query": asked.query,
    }
    return {name: str(value) for name, value in shown.items() if value}
