"""A chain's output: the answer in it, its plain-data form for the cache, and the same output from that again.

What is kept says how it is built, never what code to load: a class is only looked up among those that the chain's own
schema names and those of which this chain has returned an object in this process, by its name and its schema. Whatever
would not come back equal is not kept.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast
from uuid import uuid4

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    BaseMessageChunk,
    HumanMessage,
    ToolMessage,
    message_chunk_to_message,
)
from langchain_core.messages.base import TextAccessor
from langchain_core.runnables.utils import AddableDict, add
from pydantic import TypeAdapter
from pydantic_core import to_json

from langchain_redis_memory.conversation.chain_shape import ChainShape, is_rebuildable
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.redis.codec.fingerprint import describable
from langchain_redis_memory.redis.codec.values import digest, is_document

_log = logging.getLogger(__name__)

_MOST_TYPES = 64
_FAULTS = (ValueError, TypeError, RuntimeError)
"""What pydantic raises, and validators of the user's own."""


class _Unfit(Exception):
    """An output that would not come back as it was."""


class Raw(NamedTuple):
    """What a chain returned or streamed; whether it is sure to be whole: chunks of unknown kinds may not add up."""

    value: Any
    sure: bool = True


class OutputForm:
    """Reads and rebuilds the outputs of one chain, whose answer is under a key, or is the output."""

    def __init__(self, shape: ChainShape, key: str | None) -> None:
        self._shape = shape
        self._key = key
        self._types: dict[tuple[str, str], TypeAdapter[Any]] = {}
        self._refused: set[str] = set()
        for kind in shape.types:
            try:
                self._learn(kind)
            except _FAULTS:
                _log.debug("%s has no schema, so it is never cached", kind)

    # --- whole --------------------------------------------------------------------------------------------------------

    def joined(self, chunks: Sequence[Any]) -> Raw:
        """Returns the output that was streamed. Raises `InvalidInputError`: there are none, or they are patches."""
        if not chunks or self._shape.patches:
            msg = "the chain's parser streams JSON patches (diff=True)" if chunks else "the chain streamed nothing"
            raise InvalidInputError(msg)
        if len(chunks) == 1 or self._shape.cumulative:
            return Raw(chunks[-1])
        try:
            whole = add(chunks)
        except TypeError:
            return Raw(chunks[-1], sure=False)
        return Raw(whole, isinstance(chunks[0], str | BaseMessageChunk | AddableDict))

    def answer(self, output: Any) -> str | BaseMessage:
        """Returns the answer in an output, as the conversation is to show it: structured ones as JSON.

        Raises `InvalidInputError`: there is none.
        """
        if self._is_state(output):
            return _last_answer(output["messages"])
        if self._shape.takes == "state" and self._shape.graph and self._key is None:
            msg = f"the graph returned {type(output).__name__} without messages: wrap(..., output_key=...) says where"
            raise InvalidInputError(msg)
        if isinstance(output, dict) and self._key is not None:
            if self._key not in output:
                raise InvalidInputError(_unnamed(output))
            output = output[self._key]
        output = _unchunked(output)
        return output if isinstance(output, str | AIMessage) else _as_json(output)

    def _is_state(self, output: Any) -> bool:
        if self._key is not None or not isinstance(output, dict):
            return False
        messages = output.get("messages")
        return isinstance(messages, list) and any(isinstance(message, BaseMessage) for message in messages)

    # --- kept ---------------------------------------------------------------------------------------------------------

    def keep(self, raw: Raw) -> tuple[bool, Mapping[str, Any] | None]:
        """Returns whether an output would come back as it was, and all but the answer as plain data, if any."""
        output = _unchunked(raw.value)
        try:
            if not raw.sure:
                raise _Unfit(f"a stream of {type(output).__name__}")
            if isinstance(output, str | AIMessage):
                return True, None
            if self._is_state(output):
                made = _made(output["messages"])
                return True, {"state": self._plain({**_without(output, "messages"), "messages": made})}
            if isinstance(output, dict) and self._key is not None:
                inner = output[self._key]
                rest = {"key": self._key, "rest": self._plain(_without(output, self._key))}
                return True, rest if isinstance(inner, str | BaseMessage) else {**rest, "answer": self._plain(inner)}
            return True, {"key": self._key, "answer": self._plain(output), "rest": ["plain", {}]}
        except _Unfit as unfit:
            self._refuse(str(unfit))
            return False, None

    def build(
        self, value: str | BaseMessage, kept: Mapping[str, Any] | None, shown: Sequence[BaseMessage]
    ) -> tuple[bool, Any]:
        """Builds the output that a cached answer stands for, from what `keep` made and the messages `shown` to a graph.

        Returns whether it can be built here, and the output.
        """
        try:
            return True, self._built(value, kept, shown)
        except (_Unfit, KeyError, TypeError, ValueError, AttributeError) as unfit:
            _log.info("a cached answer is not served, because its output cannot be built: %s", unfit)
            return False, None

    def _built(self, value: Any, kept: Mapping[str, Any] | None, shown: Sequence[BaseMessage]) -> Any:
        if kept is None:
            return value if self._key is None else {self._key: value}
        if "state" in kept:
            if self._key is not None:
                raise _Unfit("a state, where a dict is asked for")
            state = self._back(kept["state"])
            return {**state, "messages": [*map(_named, shown), *map(_anew, state["messages"]), value]}
        if kept["key"] != self._key:
            raise _Unfit("it was made under another output_key")
        answer = self._back(kept["answer"]) if "answer" in kept else value
        return answer if self._key is None else {**self._back(kept["rest"]), self._key: answer}

    def _refuse(self, what: str) -> None:
        if what not in self._refused and len(self._refused) < _MOST_TYPES:
            self._refused.add(what)
            _log.warning("not cached, because it would not come back as it was: %s", what)

    # --- plain data ---------------------------------------------------------------------------------------------------

    def _plain(self, value: Any) -> list[Any]:
        """A value as `[how, data]`."""
        if describable(value):
            return ["plain", value]
        if type(value) is dict:
            return ["dict", [[name, self._plain(item)] for name, item in value.items()]]
        if type(value) is list:
            return ["list", [self._plain(item) for item in value]]
        if is_rebuildable(type(value)):
            return ["made", self._made(value)]
        raise _Unfit(type(value).__name__)

    def _made(self, value: Any) -> list[str]:
        kind = type(value)
        try:
            name, schema = self._learn(kind)
            adapter = self._types[name, schema]
            text = adapter.dump_json(value, by_alias=True, warnings="error").decode()
            again = adapter.validate_json(text)
        except _FAULTS as error:
            raise _Unfit(f"{kind.__name__} ({type(error).__name__})") from error
        if type(again) is not kind or again != value:
            raise _Unfit(f"{kind.__name__} (its JSON is not all of it)")
        return [name, schema, text]

    def _learn(self, kind: type) -> tuple[str, str]:
        """Notes a class as one that outputs may be rebuilt as, under its name and its schema."""
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
        names = f"{kind.__module__}.{kind.__qualname__}", digest({"schema": adapter.json_schema()})
        if len(self._types) >= _MOST_TYPES and names not in self._types:
            self._types.pop(next(iter(self._types)), None)
        self._types[names] = adapter
        return names

    def _back(self, kept: Any) -> Any:
        how, data = kept
        if how == "plain":
            return data
        if how == "dict":
            return {name: self._back(item) for name, item in data}
        if how == "list":
            return [self._back(item) for item in data]
        name, schema, text = data
        adapter = self._types.get((name, schema))
        if adapter is None:
            raise _Unfit(f"{name} is not known here, or has another schema")
        try:
            return adapter.validate_json(text)
        except _FAULTS as error:
            raise _Unfit(f"{name} ({type(error).__name__})") from error


def _unchunked(value: Any) -> Any:
    """What streaming leaves behind, as whole messages and plain containers."""
    if isinstance(value, BaseMessageChunk):
        return message_chunk_to_message(value)
    if isinstance(value, TextAccessor):  # the text of a message, as LangChain's parser gives it
        return str(value)
    if type(value) is dict or type(value) is AddableDict:
        return {name: _unchunked(item) for name, item in value.items()}
    return [_unchunked(item) for item in value] if type(value) is list else value


def _without(output: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in output.items() if name != key}


def _unnamed(output: Mapping[str, Any]) -> str:
    keys = sorted(map(str, output))
    return f"the chain returned a dict with the keys {keys}: wrap(..., output_key=...) names the answer's"


def _as_json(output: Any) -> str:
    """A structured output as the conversation shows it."""
    if isinstance(output, dict) and any(_is_langchains(value) for value in output.values()):
        raise InvalidInputError(_unnamed(output))
    if output is not None and not isinstance(output, BaseMessage | bytes):
        try:
            return to_json(output).decode()
        except _FAULTS:
            pass
    raise InvalidInputError(
        f"the chain returned {type(output).__name__}; an answer is a string, an AIMessage, a structured output "
        "(a pydantic model, a dict, a list, a number), or a dict with one of them"
    )


def _is_langchains(value: Any) -> bool:
    values = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(item, BaseMessage) or is_document(item) for item in values)


def _last_answer(messages: Sequence[Any]) -> AIMessage:
    """The answer in a state's messages: the last one of the model, or of a tool whose result is the answer."""
    last = messages[-1]
    if isinstance(last, ToolMessage):
        return AIMessage(str(last.text), name=last.name)
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            break
        if isinstance(message, AIMessage):
            return cast("AIMessage", _unchunked(message))
    raise InvalidInputError(
        "the graph returned messages without an AIMessage after the question: let its last step add the answer"
    )


def _made(messages: Sequence[Any]) -> list[BaseMessage]:
    """What a graph added between the question and its answer."""
    if not isinstance(messages[-1], AIMessage):
        raise _Unfit("a state that does not end with the answer")
    made: list[BaseMessage] = []
    for message in reversed(messages[:-1]):
        if isinstance(message, HumanMessage):
            return made[::-1]
        made.append(message)
    raise _Unfit("a state without the question")


def _named(message: BaseMessage) -> BaseMessage:
    return message if message.id else _anew(message)


def _anew(message: BaseMessage) -> BaseMessage:
    """A replayed message: a new one, for which no tokens were spent."""
    changes: dict[str, Any] = {"id": str(uuid4())}
    return message.model_copy(update={**changes, "usage_metadata": None} if isinstance(message, AIMessage) else changes)
