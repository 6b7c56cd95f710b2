"""`MemoryAnswers`: the desk of a memory's answers, which also knows how a turn is planned: it explains and warms."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage

from langchain_redis_memory.cache.answers.answer_cache import Answer
from langchain_redis_memory.cache.explanation import Explanation
from langchain_redis_memory.cache.marks import AnswerFilter
from langchain_redis_memory.conversation.chain_shape import is_model
from langchain_redis_memory.conversation.context import StoredContext
from langchain_redis_memory.conversation.runnable import RememberingRunnable
from langchain_redis_memory.conversation.turn import TurnInput
from langchain_redis_memory.conversation.turn_desk import TurnDesk, key_parts
from langchain_redis_memory.conversation.turn_record import why_bypassed
from langchain_redis_memory.conversation.turn_steps import AnsweredTurn, LoadedTurn, TurnRequest
from langchain_redis_memory.ops import Flow, ask

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_redis_memory.cache.decision_log import DecisionLog
    from langchain_redis_memory.conversation.flows import TurnFlows
    from langchain_redis_memory.history.transcript import Transcript
    from langchain_redis_memory.redis.client.client import Client


class MemoryAnswers(TurnDesk):
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
        wrap: Callable[[Runnable[Any, Any]], RememberingRunnable[Any]],
        transcript: Callable[[TurnInput], Transcript],
    ) -> None:
        super().__init__(client, turns.cache.cache, tenant=tenant, log=log)
        self._turns, self._wrap, self._transcript = turns, wrap, transcript

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
        parts = key_parts(plan.asked or turn.asked)
        step = turn.chain.retrieve(plan.query) if plan.rule.search else None
        if answer is not None and step is not None and turn.chain.grounding == "check":
            grounded = answer.grounded_in((yield step))
            parts["documents"] = "those that it was made from" if grounded else "not those that it was made from"
            answer = answer if grounded else None
        hit_id = answer.entry if answer else ""
        if answer is not None:
            parts["why"] = answer.why
        return Explanation(turn.text, kind, verdict.reasons, "", tuple(candidates), answer, hit_id, parts, log)

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
