"""Answers a planned turn: serves the cached answer where it is right for this asker, or retrieves and generates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_core.messages import BaseMessage

from langchain_redis_memory.conversation.turn import ModelInput, cost
from langchain_redis_memory.conversation.turn_cost import TurnCost
from langchain_redis_memory.conversation.turn_report import outcome_of, why_not
from langchain_redis_memory.conversation.turn_steps import AnsweredTurn, PlannedTurn, TurnRequest
from langchain_redis_memory.ops import Flow, Invoke, Now, StreamResult

if TYPE_CHECKING:
    from langchain_core.documents import Document


def answer_flow(
    turn: TurnRequest, planned: PlannedTurn, started: float, guard: Callable[[Invoke], Invoke]
) -> Flow[AnsweredTurn]:
    """Answers a planned turn.

    A cached answer is served only if its documents are still those that the retriever finds for this asker, and if the
    chain's output can be built from it.

    Returns the answered turn. What the retriever or the model raises passes through. Raises `InvalidInputError`: the
    retriever gave something else than documents.
    """
    plan, chain, question, spent = planned.plan, turn.chain, turn.incoming.question, turn.progress.spent
    answer, why = planned.answer, ""
    documents: Sequence[Document] = ()
    step = chain.retrieve(plan.query) if plan.rule.search else None
    if answer is not None and chain.grounding != "check":
        shown = ModelInput(question, plan.shown, answer.documents, plan.query)
        if (served := AnsweredTurn.from_cache(chain, answer, shown)) is not None:
            return served
        answer, why = None, "the cached output cannot be built here"
    if step is not None:
        from langchain_redis_memory.cache.rag.results import (
            documents_of,
        )  # a chain without a retriever needs none of it

        documents = documents_of((yield from _timed_flow(guard(step), spent, "retrieval_s")))
    shown = ModelInput(question, plan.shown, documents, plan.query)
    if answer is not None and answer.grounded_in(documents):
        # The documents in the order in which the answer may count them: "as [1] says".
        same = ModelInput(question, plan.shown, answer.documents, plan.query)
        query = None if step is None else plan.query
        if (served := AnsweredTurn.from_cache(chain, answer, same, query)) is not None:
            return served
        why = "the cached output cannot be built here"
    elif answer is not None:
        why = "its documents have changed, or are others for this asker"
    began: float = yield Now()
    raw = yield from _timed_flow(guard(chain.generate(shown)), spent, "model_s")
    if isinstance(raw, StreamResult) and raw.first_s is not None:
        spent.first_chunk_s = began - started + raw.first_s
    value = chain.value(raw)
    output = chain.output(value)
    tokens = cost(value, [*turn.incoming.lead, question], documents, planned.shown_tokens)
    if isinstance(value, BaseMessage) and value.id in {message.id for message in planned.history}:
        # A model that repeats an id (LangChain's own cache does) would overwrite an earlier message.
        again = value.model_copy(update={"id": str(uuid4())})
        value, output = again, again if output is value else output
    outcome = outcome_of(planned)
    query = None if step is None else plan.query
    return AnsweredTurn(value, tokens, outcome, documents, query, output, None, why or why_not(turn, planned))


def _timed_flow(step: Invoke, spent: TurnCost, name: str) -> Flow[Any]:
    """Takes a step and notes its seconds, also where it fails: a model that times out took the longest."""
    began: float = yield Now()
    try:
        result = yield step
    except Exception:
        failed: float = yield Now()
        setattr(spent, name, failed - began)
        raise
    ended: float = yield Now()
    setattr(spent, name, ended - began)
    return result
