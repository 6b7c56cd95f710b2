"""What a chain takes and gives: messages, a state with messages, or a dict; a graph's modes, a parser's classes.

It is read once, when a chain is wrapped, from what LangChain says of it: what it is composed of and its schemas.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import is_dataclass
from typing import Any, Literal, get_args, get_type_hints

from langchain_core.language_models import BaseLanguageModel
from langchain_core.output_parsers.transform import BaseCumulativeTransformOutputParser
from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import Runnable, RunnableParallel, RunnableSequence
from langchain_core.runnables.base import RunnableBindingBase
from pydantic import BaseModel

from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.extras import loaded
from langchain_redis_memory.frozen import Frozen
from langchain_redis_memory.redis.codec.fingerprint import is_configurable_model

QUESTION_KEYS = ("question", "input", "messages")
"""Where a question is looked for in a dict, in this order, where the caller named no key."""

HISTORY_KEYS = ("history", "chat_history")
"""What the conversation is called in a dict, in this order."""


class ChainShape(Frozen):
    """The input and the output of a chain.

    Args:
        takes: "messages" (a model), "state" (a dict with `messages`: a graph, an agent), or "fields" (any other dict).
        question_key: The name under which it gets the question, unless the caller names another.
        fields: The names that its schema asks for; empty where it does not tell.
        graph: Whether it is a LangGraph graph, which streams by modes.
        stream_mode: The mode in which the graph streams by itself.
        cumulative: Whether each chunk of its stream stands for all before it.
        patches: Whether its stream is JSON patches.
        types: The classes that its own schema names for its outputs.
    """

    takes: Literal["messages", "state", "fields"]
    question_key: str = "question"
    fields: frozenset[str] = frozenset()
    graph: bool = False
    stream_mode: Any = "values"
    cumulative: bool = False
    patches: bool = False
    types: tuple[type, ...] = ()

    @property
    def history_key(self) -> str:
        """The name under which it gets the conversation: LangChain's `chat_history` where it asks for that."""
        return next((key for key in HISTORY_KEYS if key in self.fields), HISTORY_KEYS[0])


def shape_of(chain: Runnable[Any, Any], input_key: str | None = None) -> ChainShape:
    """Reads what a chain takes and gives; where the caller says `messages` for the question, it takes a state.

    Raises `ConfigError`: it is a graph that keeps its conversations itself, or takes nothing but text.
    """
    first, last, whole = _core(chain, "first"), _core(chain, "last"), _core(chain, None)
    if _is_graph(first) and getattr(first, "checkpointer", None):
        raise ConfigError(
            "the graph has a checkpointer, so it would be shown the conversation twice: by its checkpointer and by "
            "this memory. Wrap a graph that was compiled without one (checkpointer=False)"
        )
    fields = frozenset() if _takes_messages(first) else frozenset(_fields_of(chain))
    graph = _is_graph(whole)
    if not fields.intersection(HISTORY_KEYS):  # a named step before a prompt hides what that asks for
        fields = fields.union(name for asked in _variables_of(chain) for name in asked if name in HISTORY_KEYS)
    key = next((key for key in QUESTION_KEYS[:2] if key in fields), QUESTION_KEYS[0])
    takes: Literal["messages", "state", "fields"] = "fields"
    if _takes_messages(first):
        takes = "messages"
    elif input_key == "messages" or ("messages" in fields and not fields.intersection({*QUESTION_KEYS[:2], input_key})):
        takes = "state"
    elif _input_of(chain) in (str, "str"):  # a name where the annotations of a function are not evaluated
        raise ConfigError(
            "the chain takes text, but is given a dict of the question, the conversation and what was found: wrap what "
            "stands behind its first step (prompt | model), and give a retriever as retriever="
        )
    return ChainShape(
        takes,
        key,
        fields,
        graph,
        getattr(whole, "stream_mode", "values") if graph else "values",
        isinstance(last, BaseCumulativeTransformOutputParser),
        getattr(last, "diff", False) is True,
        tuple(kind for kind in _types_of(last) if is_rebuildable(kind)),
    )


def is_model(chain: Any) -> bool:
    """Returns whether a runnable is a language model, also bound, retried, configurable or before a parser."""
    return _takes_messages(_core(chain, "first"))


def _takes_messages(first: Any) -> bool:
    """Whether a part is a model, also one that LangChain's `init_chat_model` makes for each call."""
    return isinstance(first, BaseLanguageModel) or is_configurable_model(first)


def is_rebuildable(kind: Any) -> bool:
    """Returns whether objects of a class may be rebuilt from plain data: a pydantic model or a dataclass."""
    if not isinstance(kind, type) or kind.__module__.startswith(("langchain_core.", "langgraph.")):
        return False
    return issubclass(kind, BaseModel) or is_dataclass(kind)


def _core(chain: Any, end: Literal["first", "last"] | None) -> Any:
    """What is inside of bindings, retries, fallbacks and, if an end is named, sequences."""
    while True:
        if isinstance(chain, RunnableBindingBase):
            chain = chain.bound
        elif isinstance(chain, loaded("langchain_core.runnables.fallbacks", "RunnableWithFallbacks")):
            chain = chain.runnable
        elif isinstance(chain, loaded("langchain_core.runnables.configurable", "DynamicRunnable")):
            chain = chain.default
        elif isinstance(chain, RunnableSequence) and end is not None:
            chain = getattr(chain, end)
        else:
            return chain


def _variables_of(part: Any) -> Iterator[list[str]]:
    """The variables of the prompts that a chain is composed of, as far as sequences and dicts of steps show them."""
    part = _core(part, None)
    if isinstance(part, BasePromptTemplate):
        yield [*part.input_variables, *part.optional_variables]
    steps: Iterable[Any] = ()
    if isinstance(part, RunnableSequence):
        steps = part.steps
    elif isinstance(part, RunnableParallel):
        steps = part.steps__.values()
    elif isinstance(part, loaded("langchain_core.runnables.passthrough", "RunnableAssign")):
        steps = (part.mapper,)
    for step in steps:
        yield from _variables_of(step)


def _is_graph(chain: Any) -> bool:
    """Whether a runnable is a compiled graph."""
    return isinstance(chain, loaded("langgraph.pregel", "Pregel"))


def _fields_of(chain: Runnable[Any, Any]) -> Iterator[str]:
    """The names of what a chain takes; none for one that cannot say."""
    state = getattr(getattr(_core(chain, "first"), "builder", None), "input_schema", None)
    try:
        if isinstance(state, type) and not issubclass(state, BaseModel):
            # A graph's own, as pydantic refuses `typing.TypedDict` before Python 3.12.
            yield from get_type_hints(state)
            return
        first = chain.first if isinstance(chain, RunnableSequence) else chain
        own = getattr(type(first), "get_input_schema", None)
        if isinstance(first, BasePromptTemplate) and own is BasePromptTemplate.get_input_schema:
            # To make a class of these names takes milliseconds.
            yield from (*first.input_variables, *first.optional_variables)
            return
        schema = chain.get_input_schema()
        fields = getattr(schema, "model_fields", {})
        # A graph's state is a class of its own, a TypedDict as a rule, as the root of a model.
        yield from get_type_hints(fields["root"].annotation) if set(fields) == {"root"} else fields
    except (TypeError, ValueError, RuntimeError, NameError, AttributeError):
        return


def _input_of(chain: Runnable[Any, Any]) -> Any:
    """The type that a chain says it takes; None for one that cannot say."""
    try:
        return chain.InputType
    except (TypeError, ValueError, NameError, AttributeError):
        return None


def _types_of(last: Any) -> Iterator[Any]:
    yield getattr(last, "pydantic_object", None)
    tools = getattr(last, "tools", None)
    yield from tools if isinstance(tools, list | tuple) else ()
    try:
        declared = last.OutputType
    except (TypeError, ValueError, NameError, AttributeError):
        return
    yield declared
    yield from get_args(declared)
