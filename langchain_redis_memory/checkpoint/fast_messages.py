"""LangChain's messages out of LangGraph's MessagePack, without validating them again.

LangGraph's serde writes a message as its class and its `model_dump()`, and reads it by calling the class, which
validates what was valid when it was written; that is most of the time that reading a state takes. Here the classes of
`langchain_core.messages` are put together by setting pydantic's slots, which gives the same object. Anything unusual (a
class that is not exactly one of these, missing or more fields, tool calls that only `additional_kwargs` knows of) goes
the serde's own way, and so does everything else. The serde's allow-list holds: these classes are on LangGraph's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import ormsgpack
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, FunctionMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails
from langgraph.checkpoint.serde.jsonplus import EXT_PYDANTIC_V2, JsonPlusSerializer
from pydantic import BaseModel

from langchain_redis_memory.redis.codec.elements import SMALL_BYTES, check_elements
from langchain_redis_memory.redis.codec.nesting import check_nesting

Hook = Callable[[int, bytes], Any]


class _Kind(NamedTuple):
    kind: type[BaseModel]
    fields: set[str]
    name: str
    extra: dict[str, Any] | None
    head: bytes


_KINDS = {
    (kind.__module__, kind.__name__): _Kind(
        kind,
        set(kind.model_fields),
        kind.model_fields["type"].default,
        {} if kind.model_config.get("extra") == "allow" else None,
        b"\x94" + ormsgpack.packb(kind.__module__) + ormsgpack.packb(kind.__name__),
    )
    for kind in (HumanMessage, AIMessage, SystemMessage, ToolMessage, FunctionMessage, Document)
}
_BY_CLASS: dict[type, _Kind] = {known.kind: known for known in _KINDS.values()}
_TAIL = ormsgpack.packb("model_validate_json")
_EXTENSION = 6
"""Most bytes in front of an extension's data."""
_LONGEST = 16_384
_MOST_BYTES = 8_000_000
"""Most bytes remembered; then all are forgotten."""
"""Longer messages are not remembered."""
FAST_KINDS: dict[tuple[str, str], type[BaseModel]] = {name: known.kind for name, known in _KINDS.items()}
"""The classes that are put together here, by module and name."""
_new = object.__new__
_set_state = vars(BaseModel)["__dict__"].__set__
_set_extra = vars(BaseModel)["__pydantic_extra__"].__set__
_set_fields = vars(BaseModel)["__pydantic_fields_set__"].__set__
_set_private = vars(BaseModel)["__pydantic_private__"].__set__


def hook_of(serde: JsonPlusSerializer) -> Hook | None:
    """Builds the hook that decodes what MessagePack extensions stand for.

    Returns the serde's own, with a short cut for messages; None where the serde has none that can be used.
    """
    own: Hook | None = getattr(serde, "_unpack_ext_hook", None)
    if type(serde) is not JsonPlusSerializer or own is None or getattr(serde, "_custom_unpack_ext_hook", False):
        return None

    def nested(code: int, data: bytes) -> Any:
        check_nesting(data)
        return own(code, data)

    def hook(code: int, data: bytes) -> Any:
        if code == EXT_PYDANTIC_V2:
            found = _quick(data, nested)  # no short cut within a short cut: each would be tried twice as often
            if found is not None:
                return found
        return nested(code, data)

    return hook


def _quick(data: bytes, hook: Hook) -> BaseModel | None:
    try:
        module, name, state, _ = ormsgpack.unpackb(data, ext_hook=hook, option=ormsgpack.OPT_NON_STR_KEYS)
        known = _KINDS.get((module, name))
        if known is None or state.keys() != known.fields or not _usual(known, state):
            return None
    except (TypeError, ValueError, AttributeError):
        return None
    return _built(known, state)


def _built(known: _Kind, state: dict[str, Any]) -> BaseModel:
    kind, fields, _, extra, _ = known
    built = _new(kind)
    _set_state(built, state)
    _set_extra(built, None if extra is None else {})
    _set_fields(built, fields.copy())
    _set_private(built, None)
    return built


def array_of(elements: Sequence[bytes]) -> bytes:
    """Joins values to MessagePack's list of them."""
    size = len(elements)
    if size < 16:
        head = bytes([0x90 | size])
    else:
        head = b"\xdc" + size.to_bytes(2, "big") if size <= 0xFFFF else b"\xdd" + size.to_bytes(4, "big")
    return head + b"".join(elements)


class MessageReader:
    """Decodes messages that stand alone, such as the elements of a list; those that come again are not checked again.

    Args:
        hook: Decodes extensions.
    """

    def __init__(self, hook: Hook) -> None:
        self._hook, self._bytes = hook, 0
        self._known: dict[bytes, tuple[_Kind, bytes]] = {}

    def read(self, stored: Sequence[bytes], inflated: Callable[[bytes], bytes]) -> list[Any]:
        """Decodes values; the fields of those that are remembered all at once.

        Raises `ValueError`: one is no MessagePack. What `inflated` raises is passed on.
        """
        found = list(map(self._known.get, stored))
        fields = array_of([known[1] for known in found if known is not None])
        states = iter(ormsgpack.unpackb(fields, ext_hook=self._hook, option=ormsgpack.OPT_NON_STR_KEYS))
        return [
            self._read(one, inflated) if known is None else _built(known[0], next(states))
            for one, known in zip(stored, found, strict=True)
        ]

    def _read(self, stored: bytes, inflated: Callable[[bytes], bytes]) -> Any:
        data = inflated(stored)
        if len(data) > SMALL_BYTES:
            check_elements(data)
        found = ormsgpack.unpackb(data, ext_hook=self._hook, option=ormsgpack.OPT_NON_STR_KEYS)
        self.note(stored, found, data)
        return found

    def note(self, stored: bytes, value: Any, data: bytes) -> None:
        """Remembers where the fields of a message are, if it is one that need not be validated.

        Args:
            stored: How it is stored.
            value: The message, or anything else.
            data: What `stored` is inflated to.
        """
        kind = _BY_CLASS.get(value.__class__)
        if kind is None or len(data) > _LONGEST or stored in self._known:
            return
        head = data.find(kind.head)
        if not 0 < head <= _EXTENSION or not data.endswith(_TAIL):
            return
        fields = data[head + len(kind.head) : -len(_TAIL)]
        try:
            # In a list, as they are read later.
            (state,) = ormsgpack.unpackb(array_of([fields]), ext_hook=self._hook, option=ormsgpack.OPT_NON_STR_KEYS)
            if state.keys() != kind.fields or not _usual(kind, state):
                return
        except (TypeError, ValueError, AttributeError):
            return
        if self._bytes > _MOST_BYTES:
            self._known, self._bytes = {}, 0
        self._known[stored] = kind, fields
        self._bytes += len(stored) + len(fields)


def _usual(known: _Kind, state: dict[str, Any]) -> bool:
    """Whether validation would change nothing; somebody may have set a field to anything before it was stored."""
    kind = known.kind
    if state["type"] != known.name or type(state["id"]) not in _TEXT_OR_NONE:
        return False
    if kind is Document:
        return type(state["page_content"]) is str and _named(state["metadata"])
    content, more = state["content"], state["additional_kwargs"]
    if type(content) is not str and (type(content) is not list or any(type(part) not in _BLOCKS for part in content)):
        return False
    if not (type(more) is type(state["response_metadata"]) is dict and type(state["name"]) in _TEXT_OR_NONE):
        return False
    if kind is AIMessage:
        return _usual_answer(state, more)
    if kind is ToolMessage:
        return type(state["tool_call_id"]) is str and state["status"] in _STATUSES
    return kind is not FunctionMessage or type(state["name"]) is str


def _usual_answer(state: dict[str, Any], more: dict[str, Any]) -> bool:
    calls, bad, usage = state["tool_calls"], state["invalid_tool_calls"], state["usage_metadata"]
    return (
        type(calls) is type(bad) is list
        and (bool(calls) or "tool_calls" not in more)
        and (not calls or all(map(_usual_call, calls)))
        and (not bad or all(part.keys() == _BAD_CALL and _texts(part, _BAD_CALL) for part in bad))
        and (usage is None or _usual_usage(usage))
    )


def _named(value: Any) -> bool:
    return type(value) is dict and all(type(name) is str for name in value)


def _texts(value: dict[str, Any], names: set[str]) -> bool:
    return all(type(value[name]) in _TEXT_OR_NONE for name in names)


def _usual_call(call: dict[str, Any]) -> bool:
    return (
        call.keys() == _CALL
        and call["type"] == "tool_call"
        and type(call["name"]) is str
        and type(call["id"]) in _TEXT_OR_NONE
        and _named(call["args"])
    )


def _usual_usage(usage: dict[str, Any]) -> bool:
    for name, value in usage.items():
        known = _DETAILS.get(name)
        if known is None:
            if name not in _TOKENS or type(value) is not int:
                return False
        elif type(value) is not dict or not all(part in known and type(n) is int for part, n in value.items()):
            return False
    return usage.keys() >= _TOKENS


_TEXT_OR_NONE = {str, type(None)}
_BLOCKS = {str, dict}
_STATUSES = {"success", "error"}
_CALL = {"name", "args", "id", "type"}
_BAD_CALL = {"name", "args", "id", "error", "type"}
_TOKENS = {"input_tokens", "output_tokens", "total_tokens"}
_DETAILS = {
    "input_token_details": set(InputTokenDetails.__annotations__),
    "output_token_details": set(OutputTokenDetails.__annotations__),
}
