"""`MemoryAnswers`: the desk of a memory's answers, which also knows how a turn is planned: it explains and warms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage

from langchain_redis_memory.cache.answers.answer_cache import Answer
from langchain_redis_memory.cache.answers.desk import AnswerDesk
from langchain_redis_memory.cache.marks import AnswerFilter
from langchain_redis_memory.cache.semantic.explanation import Explanation
from langchain_redis_memory.cache.warming import rows
from langchain_redis_memory.conversation.chain_shape import is_model
from langchain_redis_memory.conversation.context import StoredContext
from langchain_redis_memory.conversation.runnable import RememberingRunnable
from langchain_redis_memory.conversation.turn import Plan, TurnInput
from langchain_redis_memory.conversation.turn_record import why_bypassed
from langchain_redis_memory.conversation.turn_steps import AnsweredTurn, LoadedTurn, TurnRequest
from langchain_redis_memory.ops import Flow, ask

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_redis_memory.cache.decision_log import DecisionLog
    from langchain_redis_memory.conversation.flows import TurnFlows
    from langchain_redis_memory.history.transcript import Transcript
    from langchain_redis_memory.redis.client.client import Client


class MemoryAnswers(AnswerDesk):
    """Looks at a memory's cached answers, explains and removes them, reports wrong ones, and warms the cache.

    Made by `ConversationMemory.answers`. A chain is given as `wrap` returned it, so that the key is that of its turns.

    **Keys:** those of `AnswerDesk`; `messages`, `meta`, `state` of a conversation that is explained.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self,
        client: Client,
        turns: TurnFlows,
        *,
        tenant: str,
        log: DecisionLog | None,
        wrap: Callable[[Runnable[Any, Any]], RememberingRunnable],
        transcript: Callable[[TurnInput], Transcript],
    ) -> None:
        super().__init__(client, turns.cache.cache, tenant=tenant, log=log)
        self._turns, self._wrap, self._transcript = turns, wrap, transcript

    def explain(self, question: Any, config: RunnableConfig | None, chain: Runnable[Any, Any]) -> Explanation[Answer]:
        """Explains what the cache would do with a question, and why; the chain is not asked, nothing is counted.

        The retriever runs, as it does on a hit, where an answer is served only with the documents it was made from.

        Args:
            question: What the chain would be asked, in its conversation as it is now.
            config: Names the conversation, as for the chain's `invoke`; None for a new one.
            chain: What `wrap` returned; of any other chain or model, what `wrap` would make of it without options.

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
            chain: What `wrap` returned; of any other chain or model, what `wrap` would make of it without options.
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
            chain: What `wrap` returned; of any other chain or model, what `wrap` would make of it without options.
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

    def _request(self, question: Any, config: RunnableConfig | None, chain: Runnable[Any, Any]) -> TurnRequest:
        """A turn of the chain, which is not run."""
        wrapped = chain if isinstance(chain, RememberingRunnable) else self._wrap(chain)
        named: dict[str, Any] = dict((config or {}).get("configurable") or {})
        if not {"session_id", "thread_id"} & named.keys():
            named["session_id"] = "desk"
        named.setdefault("tenant", self._flows.space.tenant)
        incoming, call = wrapped._prepare(question, {**(config or {}), "configurable": named}, {})
        call.single_flight_ms = 0  # nobody is to wait for a question that is not asked
        return self._turns._request(self._transcript(incoming), incoming, call)

    def _explain_flow(
        self, question: Any, config: RunnableConfig | None, chain: Runnable[Any, Any]
    ) -> Flow[Explanation[Answer]]:
        turn, flows = self._request(question, config, chain), self._turns
        planned = yield from flows.plan_flow(turn, (yield from flows.load_flow(turn)))
        plan, verdict = planned.plan, planned.plan.verdict
        log = yield from self._flows.log_lines_flow(AnswerFilter(question=turn.text))
        kind = str(verdict.type)
        if plan.reads is None:
            return Explanation(None, kind, verdict.reasons, why_bypassed(turn, plan), (), None, log=log)
        answer, candidates = yield from self._flows.records.explain_flow(plan.reads)
        parts = _parts(turn, plan)
        step = turn.chain.retrieve(plan.query) if plan.rule.search else None
        if answer is not None and step is not None and turn.chain.grounding == "check":
            grounded = answer.grounded_in((yield step))
            parts["documents"] = "those that it was made from" if grounded else "not those that it was made from"
            answer = answer if grounded else None
        hit_id = answer.entry if answer else ""
        if answer is not None:
            parts["why"] = answer.why
        return Explanation(turn.text, kind, verdict.reasons, "", tuple(candidates), answer, hit_id, parts, log)

    def _warm_misses_flow(self, chain: Runnable[Any, Any], n: int, config: RunnableConfig | None) -> Flow[int]:
        missed = yield from self._flows.top_misses_flow(n)
        return (yield from self._warm_flow(((one.question, None) for one in missed), chain, config))

    def _warm_flow(
        self, answers: Iterable[tuple[Any, Any]], chain: Runnable[Any, Any], config: RunnableConfig | None
    ) -> Flow[int]:
        flows, stored = self._turns, 0
        for question, given in answers:
            turn = self._request(question, config, chain)
            planned = yield from flows.plan_flow(turn, LoadedTurn([], StoredContext()))
            plan = planned.plan
            if plan.asked is None or plan.asked.audience or planned.answer is not None:
                continue
            if given is None:
                answered = yield from flows.answer_flow(turn, planned)
            else:
                step = turn.chain.retrieve(plan.query) if plan.rule.search else None
                documents = () if step is None else (yield step)
                answered = AnsweredTurn(_as_value(given, chain, turn), 0, "miss", documents, plan.query)
            write = yield from flows._cache_write_flow(turn, planned, answered)
            if write.commands:
                yield from ask(write)
                stored += 1
        return stored


def _as_value(given: Any, chain: Runnable[Any, Any], turn: TurnRequest) -> str | BaseMessage:
    """The answer in what is given: of a model a message; what is neither text nor message is the chain's output."""
    if not isinstance(given, str):
        return given if isinstance(given, BaseMessage) else turn.chain.value(given)
    return AIMessage(given) if is_model(chain.chain if isinstance(chain, RememberingRunnable) else chain) else given


def _parts(turn: TurnRequest, plan: Plan) -> dict[str, str]:
    """What the key is made of, for people."""
    asked = plan.asked or turn.asked
    shown: Mapping[str, Any] = {
        "tenant": asked.space.tenant,
        "agent": asked.agent,
        "scope": asked.scope,
        "audience": asked.audience or "everybody of the tenant",
        "context": [f"{message.type}: {message.text}" for message in (*asked.context, *asked.memory)],
        "given": asked.given,
        "query": asked.query,
    }
    return {name: str(value) for name, value in shown.items() if value}
