"""What a turn leaves behind for the people on call: counts and a line in the log, in the trip that stores it."""

from __future__ import annotations

from typing import Any, NamedTuple

from langchain_redis_memory.cache.answers.answer_cache import CANDIDATES, Answer
from langchain_redis_memory.cache.answers.records import AnswerRecords
from langchain_redis_memory.cache.answers.switch import was_off
from langchain_redis_memory.cache.candidate import Candidate, logged
from langchain_redis_memory.cache.decision_log import Decision, DecisionLog, TurnTrace
from langchain_redis_memory.cache.stats import Tally
from langchain_redis_memory.cache.switchable import WHY
from langchain_redis_memory.conversation.turn import Plan
from langchain_redis_memory.conversation.turn_steps import AnsweredTurn, PlannedTurn, TurnRequest
from langchain_redis_memory.ops import Flow, Now, Op, merge, pure
from langchain_redis_memory.redis.key_groups import mark_of


class TurnRecorder(NamedTuple):
    """Counts and logs turns, with the entries of the cache that was asked."""

    records: AnswerRecords
    log: DecisionLog | None

    def write_flow(
        self, turn: TurnRequest, planned: PlannedTurn, answered: AnsweredTurn, *, cached: bool
    ) -> Flow[Op[Any]]:
        """Prepares what a turn leaves behind.

        An op that is merged into the turn's own trip; what the server refuses of it disturbs nothing else.
        **Keys:** `tally`, `decisions`.
        **Trips:** none.
        """
        if answered.outcome == "off":
            return pure(None)
        space, plan = turn.asked.space, planned.plan
        tally, near = self.records.tally(space), _candidates(plan)
        kind = why_bypassed(turn, plan) if answered.outcome == "bypass" else str(plan.verdict.type)
        tally.add(_COUNTED[answered.outcome], kind=kind)
        if answered.outcome == "hit" and planned.answer is not None:
            count_saved(tally, planned.answer, kind)
        elif any(one.judgement is not None for one in near):
            tally.add("refusals", kind=kind)
        if cached:
            tally.add("updates", kind=kind)
        now: float = yield Now()
        counts = tally.take(now)
        sends = tally.sends(counts).map(lambda sent: None if sent else tally.put_back(counts))
        if self.log is None:
            return sends
        decision = _decision(turn, planned, answered, near)._replace(cache=self.records.name)
        return merge(sends, self.log.append(space.decisions(), decision))


_COUNTED = {"hit": "hits", "miss": "misses", "bypass": "bypasses"}


def why_bypassed(turn: TurnRequest, plan: Plan) -> str:
    """Names the reason why a turn bypasses the cache, in a few words."""
    if was_off(turn.asked):
        return WHY
    if why := turn.chain.sharing.bypass():
        return why
    return "leans on what the model is not shown" if plan.rule.read_cache else f"{plan.verdict.type} by policy"


def _candidates(plan: Plan) -> list[Candidate]:
    return [] if plan.asked is None else plan.asked.notes.get(CANDIDATES, [])


def count_saved(tally: Tally, answer: Answer, kind: str) -> None:
    """Counts what a hit saved, by the model that made the answer where the message names it."""
    metadata = getattr(answer.value, "response_metadata", {})
    named = metadata.get("model_name") or metadata.get("model")
    model = named[:64] if isinstance(named, str) else ""
    usage = getattr(answer.value, "usage_metadata", None) or {"input_tokens": 0, "output_tokens": answer.tokens}
    tally.add("tokens_read", usage["input_tokens"], model=model, kind=kind)
    tally.add("tokens_written", usage["output_tokens"], model=model, kind=kind)
    tally.add("ms_saved", round(answer.seconds * 1000), model=model, kind=kind)


def _decision(turn: TurnRequest, planned: PlannedTurn, answered: AnsweredTurn, near: list[Candidate]) -> Decision:
    plan, answer = planned.plan, planned.answer if answered.outcome == "hit" else None
    return Decision(
        answered.outcome,
        question=turn.text,
        type=str(plan.verdict.type),
        kind=answer.kind if answer else "",
        why=answered.why,
        entry=answer.entry if answer else "",
        tokens=answered.tokens,
        dependence=plan.verdict.dependence,
        candidates=logged(near),
        marks=turn.asked.marks,
        trace=_trace(turn, plan, answered),
    )


def _trace(turn: TurnRequest, plan: Plan, answered: AnsweredTurn) -> TurnTrace:
    verdict, spent = plan.verdict, turn.progress.spent
    said = answered.value if isinstance(answered.value, str) else answered.value.text
    return TurnTrace(
        session=str(turn.incoming.session_id),
        agent=turn.incoming.agent,
        reasons=verdict.reasons,
        confidence=verdict.confidence,
        audience=str(verdict.audience or ""),
        shown=len(plan.shown),
        trips=spent.trips + 1,  # the trip that takes this along
        redis_ms=round(spent.redis_s * 1000),
        retrieval_ms=round(spent.retrieval_s * 1000),
        model_ms=round(spent.model_s * 1000),
        answer=mark_of(str(said)),
    )
