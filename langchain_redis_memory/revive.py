"""LangChain's messages out of LangGraph's MessagePack, without validating them again.

LangGraph's serde writes a message as its class and its `model_dump()`, and reads it by calling the class, which
validates what was valid when it was written; that is most of the time that reading a state takes. Here the classes of
`langchain_core.messages` are put together by setting pydantic's slots, which gives the same object. Anything unusual (a
class that is not exactly one of these, missing or more fields, tool calls that only `additional_kwargs` knows of) goes
the serde's own way, and so does everything else. The serde's allow-list holds: these classes are on LangGraph's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ormsgpack
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.checkpoint.serde.jsonplus import EXT_PYDANTIC_V2, JsonPlusSerializer
from pydantic import BaseModel

Hook = Callable[[int, bytes], Any]

_KINDS: dict[tuple[str, str], tuple[type[BaseModel], set[str]]] = {
    (kind.__module__, kind.__name__): (kind, set(kind.model_fields))
    for kind in (HumanMessage, AIMessage, SystemMessage, ToolMessage, FunctionMessage, Document)
}
_set_extra = vars(BaseModel)["__pydantic_extra__"].__set__
_set_fields = vars(BaseModel)["__pydantic_fields_set__"].__set__
_set_private = vars(BaseModel)["__pydantic_private__"].__set__


def hook_of(serde: JsonPlusSerializer) -> Hook | None:
    """The function that builds what MessagePack extensions stand for.

    Args:
        serde: LangGraph's serialiser.

    Returns:
        The serde's own, with a short cut for messages; None where the serde has none that can be used.
    """
    own: Hook | None = getattr(serde, "_unpack_ext_hook", None)
    if type(serde) is not JsonPlusSerializer or own is None or getattr(serde, "_custom_unpack_ext_hook", False):
        return None

    def hook(code: int, data: bytes) -> Any:
        if code == EXT_PYDANTIC_V2:
            found = _quick(data, hook)
            if found is not None:
                return found
        return own(code, data)

    return hook


def _quick(data: bytes, hook: Hook) -> BaseModel | None:
    module, name, state, _ = ormsgpack.unpackb(data, ext_hook=hook, option=ormsgpack.OPT_NON_STR_KEYS)
    kind, fields = _KINDS.get((module, name), _NONE)
    if kind is None or state.keys() != fields:
        return None
    if issubclass(kind, BaseMessage) and not isinstance(state["content"], _TEXT_OR_BLOCKS):
        return None
    if kind is AIMessage and not state["tool_calls"] and "tool_calls" in state["additional_kwargs"]:
        return None
    built = object.__new__(kind)
    built.__dict__.update(state)
    _set_extra(built, {} if kind.model_config.get("extra") == "allow" else None)
    _set_fields(built, fields.copy())
    _set_private(built, None)
    return built


_NONE: tuple[None, set[str]] = (None, set())
_TEXT_OR_BLOCKS = (str, list)
