"""Tells of a turn: its report, the metrics callback, and the event in LangChain's run tree."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from langchain_redis_memory.conversation.turn import TurnReport
from langchain_redis_memory.conversation.turn_record import why_bypassed
from langchain_redis_memory.conversation.turn_steps import PlannedTurn, StoredTurn, TurnRequest
from langchain_redis_memory.language.classify import QuestionType, Verdict
from langchain_redis_memory.ops import Flow, Invoke
from langchain_redis_memory.redis.client.coroutines import run_coroutine

_log = logging.getLogger(__name__)

EVENT = "langchain_redis_memory.turn"
"""The name of the event that each turn leaves in LangChain's run tree."""

_UNDECIDED = Verdict(QuestionType.CONTEXTUAL_FOLLOW_UP, 0.0, ("the turn failed before it was classified",))


def report_of(
    turn: TurnRequest, done: StoredTurn | None, seconds: float, error: BaseException | None = None
) -> TurnReport:
    """Reports a turn: what came of it, or the error that it failed with."""
    incoming, spent = turn.incoming, turn.progress.spent
    planned = turn.progress.planned if done is None else done.planned
    answered = None if done is None else done.answered
    served = None if answered is None else answered.served
    shown = [] if planned is None else planned.plan.shown
    outcome = "off" if planned is None else outcome_of(planned)
    return TurnReport(
        question=turn.text,
        verdict=_UNDECIDED if planned is None else planned.plan.verdict,
        cache=outcome if answered is None else answered.outcome,
        value=None if answered is None else answered.value,
        memory=shown,
        memory_tokens=0 if planned is None else planned.shown_tokens,
        query=None if answered is None else answered.query,
        documents=() if answered is None else answered.documents,
        tokens=0 if answered is None else answered.tokens,
        trips=spent.trips,
        seconds=seconds,
        stored=done is not None and done.stored,
        output=None if answered is None else answered.output,
        why=why_failed(error) if answered is None else answered.why,
        kind="" if served is None else served.kind,
        entry="" if served is None else served.entry,
        age_s=None if served is None else served.age_s,
        saved_tokens=0 if served is None else served.tokens,
        saved_s=0.0 if served is None else served.seconds,
        redis_s=spent.redis_s,
        retrieval_s=spent.retrieval_s,
        model_s=spent.model_s,
        first_chunk_s=spent.first_chunk_s,
        session=str(incoming.session_id),
        tenant=incoming.tenant,
        agent=incoming.agent,
        user=incoming.user,
        run_id=incoming.run_id,
        scope=turn.chain.scope,
        error=error,
    )


def why_failed(error: BaseException | None) -> str:
    """Names what a turn failed with or was interrupted by (its task, its consumer), without what the error says."""
    how = "failed" if isinstance(error, Exception) else "was interrupted"
    return f"the turn {how}: {type(error).__name__}"


def outcome_of(planned: PlannedTurn) -> str:
    """Names how the cache was used by a turn that asked the model; see `TurnReport.cache`."""
    if planned.plan.reads is not None:
        return "miss"
    return "bypass" if planned.cached and planned.reachable else "off"


def why_not(turn: TurnRequest, planned: PlannedTurn) -> str:
    """Says why an answer was not served from the cache."""
    outcome = outcome_of(planned)
    if outcome == "off":
        return "there is no cache" if not planned.cached else "the server is away"
    if planned.plan.reads is not None:
        return planned.plan.reads.unanswered
    return why_bypassed(turn, planned.plan)


def tell_flow(on_turn: Callable[[TurnReport], object] | None, report: TurnReport) -> Flow[None]:
    """Tells of a turn; what a metrics callback raises is logged, and is not the user's problem."""
    if on_turn is None:
        return
    try:
        result = on_turn(report)
        if isinstance(result, Coroutine):
            yield Invoke(lambda: run_coroutine(result), lambda: result)
    except Exception:  # noqa: BLE001 - whatever a metrics callback raises is its own
        _log.exception("on_turn failed; the turn itself is not")


def event_of(report: TurnReport) -> dict[str, Any]:
    """Builds a turn's event for LangChain's run tree: what decided, what it cost and what it saved."""
    about = {"type": str(report.verdict.type), "confidence": report.verdict.confidence}
    names = (
        "cache why kind entry age_s saved_tokens saved_s tokens trips seconds redis_s retrieval_s model_s "
        "first_chunk_s stored session tenant agent user"
    )
    return {**about, **{name: getattr(report, name) for name in names.split()}}
