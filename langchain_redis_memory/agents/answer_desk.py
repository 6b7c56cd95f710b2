"""`AgentAnswers`: the desk of an agent's cached answers, which runs the agent up to its cache.

What decides a key is in the request that the agent makes of its model. So the agent itself is run, without its
checkpointer; the cache then looks at the request, and ends the run before a model or a tool does anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRequest
from langchain.agents.middleware.types import ModelResponse
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config, merge_configs
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph

from langchain_redis_memory.agents.answer_flows import AnswerFlows, ModelLookup
from langchain_redis_memory.agents.model_watch import ModelWatch, watched_request, watching
from langchain_redis_memory.agents.request import called_by, turn_of
from langchain_redis_memory.cache.answers.answer_cache import Answer
from langchain_redis_memory.cache.explanation import Explanation
from langchain_redis_memory.cache.marks import AnswerFilter
from langchain_redis_memory.conversation.turn_desk import TurnDesk, key_parts
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.ops import Flow, Invoke, Now, ask

Final = Callable[[Any, ModelLookup, ModelWatch], tuple[AIMessage | None, ModelLookup]]


class RunEnd(BaseException):
    """Ends an agent's run at its cache; no middleware that tries again or asks another model may catch it."""


@dataclass
class Visit:
    """One run of an agent up to its cache; `serve` is a flow that gives what the desk is to know, or `GoOn`."""

    calls: AnswerFlows
    serve: Callable[[ModelRequest[Any], Callable[[ModelRequest[Any]], Any], Final], Flow[Any]]
    question: str | None = None
    result: Any = None
    error: Exception | None = None

    def flow(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any], final: Final) -> Flow[Any]:
        """Does at the cache what the visit is for, and ends the run.

        Returns the model's response, only where the agent is to go on: it looks something up.
        """
        try:
            result = yield from self.serve(request, handler, final)
        except Exception as error:
            self.error = error
            raise RunEnd from error
        if isinstance(result, GoOn):
            return result.response
        self.result = result
        raise RunEnd


@dataclass(frozen=True)
class GoOn:
    """A response of the model with which the agent goes on."""

    response: Any


_VISIT: ContextVar[Visit | None] = ContextVar("the desk's visit in whose run of an agent this is", default=None)


def visit_of(calls: AnswerFlows, request: ModelRequest[Any]) -> Visit | None:
    """Finds the visit that a model call is part of; an agent within a tool is not."""
    visit = _VISIT.get()
    if visit is None or visit.calls is not calls:
        return None
    turn = turn_of(request.messages)
    question = "" if turn is None else str(turn.question.id)
    if visit.question is None:
        visit.question = question
    return visit if visit.question == question else None


@dataclass
class _Guard(BaseCallbackHandler):
    """Ends a run in which the agent's model is asked before the cache that is meant."""

    visit: Visit

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        """Looks where a model is asked; see LangChain's `BaseCallbackHandler`."""
        if self.visit.question is None and (kwargs.get("metadata") or {}).get("langgraph_node") == "model":
            raise RunEnd


class AgentAnswers(TurnDesk):
    """Looks at an agent's cached answers, explains and removes them, reports wrong ones, and warms the cache.

    Made by `AnswerCacheMiddleware.answers`. To explain or warm, the agent is run up to its cache, on what its
    checkpointer has of the thread but without writing there. The other middleware's hooks before the model run as in a
    turn; those after it do not. No tool ever runs for the desk but one of `pure_tools`.

    **Keys:** those of `AnswerDesk`; what the agent reads before it asks its model.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(self, cache: AgentMiddleware[Any, Any, Any], calls: AnswerFlows) -> None:
        super().__init__(calls.client, calls.cache.cache, tenant=calls.tenant, log=calls.planner.answers.log)
        self._middleware, self._calls = cache, calls

    # --- flows --------------------------------------------------------------------------------------------------------

    def _explain_flow(
        self, question: Any, config: RunnableConfig | None, chain: Runnable[Any, Any]
    ) -> Flow[Explanation[Answer]]:
        found: Explanation[Answer]
        found, text = yield from self._visited_flow(
            question, config, chain, lambda request, *_: self._told_flow(request)
        )
        log = yield from self._flows.log_lines_flow(AnswerFilter(question=text))
        return replace(found, log=log)

    def _told_flow(self, request: ModelRequest[Any]) -> Flow[tuple[Explanation[Answer], str]]:
        began: float = yield Now()
        turn = turn_of(request.messages)
        if turn is None:
            return Explanation(None, "", (), "the user has said nothing", (), None), ""
        _, plan, looked = yield from self._calls.planned_flow(request, turn, began)
        text = str(turn.question.text)
        kind, reasons = ("", ()) if plan is None else (str(plan.verdict.type), plan.verdict.reasons)
        asked = looked.asked
        if asked is None:
            return Explanation(None, kind, reasons, looked.why, (), None), text
        answer, candidates = yield from self._flows.records.explain_flow(asked)
        parts = key_parts(asked)
        if answer is not None and not isinstance(answer.value, AIMessage):
            answer = None
        if answer is not None:
            parts["why"] = answer.why
        hit_id = answer.entry if answer else ""
        return Explanation(text, kind, reasons, "", tuple(candidates), answer, hit_id, parts), text

    def _warm_flow(
        self, answers: Iterable[tuple[Any, Any]], chain: Runnable[Any, Any], config: RunnableConfig | None
    ) -> Flow[int]:
        stored = 0
        for question, given in answers:
            if not (given is None or isinstance(given, str | AIMessage)):
                msg = f"an agent's answer must be a text or an AIMessage, not {type(given).__name__}"
                raise InvalidInputError(msg)
            answer = AIMessage(given) if isinstance(given, str) else given

            def serve(
                request: ModelRequest[Any], handler: Any, final: Final, answer: AIMessage | None = answer
            ) -> Flow[Any]:
                return self._kept_flow(request, handler, final, answer)

            stored += yield from self._visited_flow(question, config, chain, serve)
        return stored

    def _kept_flow(
        self, request: ModelRequest[Any], handler: Any, final: Final, answer: AIMessage | None
    ) -> Flow[bool | GoOn]:
        """Stores a given answer, or the model's own; nothing where one is there, or would not be everybody's."""
        calls, turn = self._calls, turn_of(request.messages)
        if turn is None:
            return False
        began: float = yield Now()
        _, _, looked = yield from calls.planned_flow(request, turn, began)
        asked = looked.asked
        if asked is None or asked.audience or (yield from calls.find_flow(asked, 0))[0] is not None:
            return False
        structured = False
        if answer is None:
            response = yield from _asked_flow(request, handler, looked, watch := ModelWatch())
            answer, looked = final(response, looked, watch)
            structured = isinstance(response, ModelResponse) and response.structured_response is not None
            if answer is None:
                return GoOn(response) if not watch.refusal and _looks_up(response, calls) else False
        elif request.response_format is not None and not answer.tool_calls:
            msg = "this agent's answers have a form: give AIMessages as its model says them, or warm_from_misses"
            raise InvalidInputError(msg)
        else:
            structured = bool(answer.tool_calls)
        kept, _ = yield from calls.kept_flow(asked, looked, answer, structured=structured)
        if not kept.commands:
            return False
        yield from ask(kept)
        return True

    def _visited_flow(
        self, question: Any, config: RunnableConfig | None, chain: Runnable[Any, Any], serve: Any
    ) -> Flow[Any]:
        """Runs the agent up to its cache; gives what is made there of the request."""
        agent: Any = chain
        if isinstance(chain, BaseChatModel):
            agent = create_agent(chain, middleware=[self._middleware])
        if not isinstance(agent, CompiledStateGraph):
            msg = f"give the agent that has this cache (from create_agent), or its model, not a {type(chain).__name__}"
            raise ConfigError(msg)
        given: dict[str, Any] = dict(question) if isinstance(question, Mapping) else {"messages": [_message(question)]}
        visit = Visit(self._calls, serve)
        named = {"tenant": self._flows.space.tenant, **((config or {}).get("configurable") or {})}
        wanted = merge_configs(ensure_config(config), {"configurable": named, "callbacks": [_Guard(visit)]})
        if isinstance(agent.checkpointer, BaseCheckpointSaver) and named.get("thread_id") is not None:
            thread = yield Invoke(lambda: agent.get_state(wanted), lambda: agent.aget_state(wanted))
            given = {**thread.values, **given}
            given["messages"] = [*thread.values.get("messages", ()), *given.get("messages", ())]
        bare = agent.copy({"checkpointer": None})

        def run() -> None:
            token = _VISIT.set(visit)
            try:
                bare.invoke(given, wanted)
            except RunEnd:
                pass
            finally:
                _VISIT.reset(token)

        async def arun() -> None:
            token = _VISIT.set(visit)
            try:
                await bare.ainvoke(given, wanted)
            except RunEnd:
                pass
            finally:
                _VISIT.reset(token)

        yield Invoke(run, arun)
        if visit.error is not None:
            raise visit.error
        if visit.question is None:
            msg = "the agent did not come to this cache: it is not in its middleware, or what stands before it answers"
            raise ConfigError(
                f"{msg} or asks a model; give the agent that has it, with the cache before such middleware"
            )
        return visit.result


def _message(question: Any) -> BaseMessage:
    return question if isinstance(question, BaseMessage) else HumanMessage(question)


def _looks_up(response: Any, calls: AnswerFlows) -> bool:
    """Whether the model wants to know something first, from tools that only look things up."""
    messages = response.result if isinstance(response, ModelResponse) else [response]
    called = {name for said in messages if isinstance(said, AIMessage) for name in called_by(said)}
    return bool(called) and called <= calls.pure


def _asked_flow(request: ModelRequest[Any], handler: Any, looked: ModelLookup, watch: ModelWatch) -> Flow[Any]:
    """Asks the model what the key holds, and watches what becomes of it."""
    messages: Any = looked.messages
    shown = request if messages is None else request.override(messages=messages)

    def call() -> Any:
        with watching(watch):
            return handler(watched_request(shown, watch))

    async def acall() -> Any:
        with watching(watch):
            return await handler(watched_request(shown, watch))

    return (yield Invoke(call, acall))
