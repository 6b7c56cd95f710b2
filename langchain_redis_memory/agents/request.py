"""Reads a model call of an agent: the turn it belongs to, what decides its answer, and who asks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

from langchain.agents.middleware import ModelRequest
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

from langchain_redis_memory.cache.provider_tools import provider_tools
from langchain_redis_memory.cache.sharing import Asker
from langchain_redis_memory.locks import new_lock
from langchain_redis_memory.redis.codec.fingerprint import Description, describe, equal_fields, plain_fields
from langchain_redis_memory.run_config import users_of

T = TypeVar("T")
_SESSIONS = ("session_id", "thread_id")
SEPARATED = ("agent", "tenant", "user_id", "langgraph_auth_user", "langgraph_auth_user_id")
"""Settings that every key is separated by anyway; the user is, where the agent can see who asks."""


class AgentTurn(NamedTuple):
    """The messages of an agent's thread before the user's last words, these, and what tools gave since."""

    before: list[BaseMessage]
    question: HumanMessage
    since: list[BaseMessage]

    @property
    def instructions(self) -> list[BaseMessage]:
        """What stands in the thread as words of the system: the model is shown it with every question."""
        return [said for said in self.before if isinstance(said, SystemMessage)]

    def forbidden(self, pure: Set[str]) -> str:
        """Returns why what follows since the question forbids to share an answer, "" for nothing.

        Tools that are `pure` only look things up.
        """
        called = {name for said in self.since if isinstance(said, AIMessage) for name in called_by(said)}
        if others := sorted(called - pure):
            return f"a tool ran that may do something: {', '.join(others)}"
        if any(said.status == "error" for said in self.since if isinstance(said, ToolMessage)):
            return "a tool failed"
        if self.since and not isinstance(self.since[-1], ToolMessage):
            return "goes on with what the model said"
        return ""


def called_by(said: AIMessage) -> set[str]:
    """Names the tools that a message calls, those included that its provider ran by itself."""
    return {str(call["name"]) for call in (*said.tool_calls, *said.invalid_tool_calls)} | provider_tools(said)


def turn_of(messages: Sequence[BaseMessage]) -> AgentTurn | None:
    """Splits a thread's messages at the user's last words; None where the user said nothing."""
    for at in range(len(messages) - 1, -1, -1):
        if isinstance(question := messages[at], HumanMessage):
            return AgentTurn(list(messages[:at]), question, list(messages[at + 1 :]))
    return None


def asker_of(config: Mapping[str, Any]) -> Asker:
    """Finds who asks; where neither a user nor a conversation is named, this run is by itself."""
    configurable = config.get("configurable") or {}
    session = next((configurable[name] for name in _SESSIONS if configurable.get(name) is not None), None)
    return Asker(users_of(config), str(uuid4() if session is None else session))


class Descriptions:
    """A memo of what was computed of long-lived objects, models and tools: once, until a plain field is changed."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self._found: OrderedDict[int, tuple[Any, Any, Any]] = OrderedDict()
        self._lock = new_lock()

    def __call__(self, thing: Any) -> Any:
        """Returns what is known of an object; it is kept alive as long as that is remembered."""
        known, plain = self._found.get(id(thing)), plain_fields(thing)
        if known is None or known[0] is not thing or not equal_fields(known[1], plain) or _has_changed(known[2]):
            known = self._kept(known, (thing, plain, self._compute(thing)))
        return known[2]

    def _kept(self, known: Any, now: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        """Keeps what was computed unless another thread did so meanwhile: a tool may have run since, and noted it."""
        with self._lock:
            thing, plain, _ = now
            other = self._found.get(id(thing))
            if other is not None and other is not known and other[0] is thing and equal_fields(other[1], plain):
                return other
            self._found[id(thing)] = now
            while len(self._found) > _MOST:
                self._found.popitem(last=False)
            return now


def _has_changed(computed: Any) -> bool:
    """Whether a part of what was described is another by now: a model within a binding has fields of its own."""
    return isinstance(computed, Description) and any(part.changed() for part in computed.live)


_MOST = 256
_describe_model = Descriptions(describe)
_describe_tool = Descriptions(lambda tool: tool if isinstance(tool, dict) else convert_to_openai_tool(tool))


class CallBasis(NamedTuple):
    """What decides an answer besides the messages, as a digest, with the names of what could not be described.

    It is of the model, its settings, the tools that it may call and the form of its output.
    """

    digest: str
    opaque: tuple[str, ...]


def basis_of(request: ModelRequest[Any]) -> CallBasis:
    """Describes what decides the answer to a model call, besides its messages and the asker."""
    model = _describe_model(request.model)
    tools = [_describe_tool(tool) for tool in request.tools]
    rest = describe([request.model_settings, request.tool_choice, tools, _form(request.response_format)])
    return CallBasis(describe([model.digest, rest.digest]).digest, (*model.opaque, *rest.opaque))


def _form(response_format: Any) -> Any:
    """Describes the form of an output: the strategy, and each schema."""
    if response_format is None:
        return None
    specs = [response_format.schema_spec] if isinstance(response_format, ProviderStrategy) else None
    if specs is None:
        strategy = (
            response_format
            if isinstance(response_format, ToolStrategy)
            else ToolStrategy(getattr(response_format, "schema", response_format))
        )
        specs = strategy.schema_specs
    schemas = [[one.name, one.description, one.json_schema, one.strict] for one in specs]
    return [type(response_format).__name__, schemas]


def as_given(question: HumanMessage, given: list[Any]) -> Any:
    """Returns what else decides the answer: settings and rights, and what stands beside the question's words."""
    if question.name or question.additional_kwargs:
        return [given if any(given) else None, question.name, question.additional_kwargs]
    return given if any(given) else None
