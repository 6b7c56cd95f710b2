"""Values of a graph's state as other savers keep them: JSON with markers for objects, or LangGraph's MessagePack.

Objects are built from a closed table; nothing is imported by a name that stands in the data. What the table does not
know stays the plain data in which it was stored, and is reported.
"""

from __future__ import annotations

from base64 import b64decode
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from langchain_core import messages
from langchain_core.documents import Document
from langchain_core.outputs import ChatGeneration, Generation
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from pydantic import ValidationError

from langchain_redis_memory.extras import missing
from langchain_redis_memory.peers.stored_keys import PICKLE, DamagedError, parse_json
from langchain_redis_memory.redis.codec.elements import check_elements
from langchain_redis_memory.redis.codec.nesting import check_nesting

AS_JSON = "the source stored JSON: tuples had become lists, times and UUIDs texts, and keys of dicts texts"
_NAMES = ("Human", "AI", "System", "Tool", "Function", "Chat")
_MESSAGES: dict[str, Any] = {
    **{kind: getattr(messages, kind) for name in _NAMES for kind in (f"{name}Message", f"{name}MessageChunk")},
    "RemoveMessage": messages.RemoveMessage,
    "Document": Document,
    "Generation": Generation,
    "ChatGeneration": ChatGeneration,
}


def _first(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    return args[0] if args else kwargs["__set_items__"]


_TABLE: dict[str, Callable[[Sequence[Any], Mapping[str, Any]], Any]] = {
    "builtins.set": lambda args, kwargs: set(_first(args, kwargs)),
    "builtins.frozenset": lambda args, kwargs: frozenset(_first(args, kwargs)),
    "builtins.bytes": lambda args, _kwargs: bytes.fromhex(args[0]),
    "builtins.bytearray": lambda args, _kwargs: bytearray.fromhex(args[0]),
    "collections.deque": lambda args, _kwargs: deque(args[0]),
    "uuid.UUID": lambda args, _kwargs: UUID(args[0]),
    "decimal.Decimal": lambda args, _kwargs: Decimal(args[0]),
    "datetime.datetime": lambda args, _kwargs: datetime.fromisoformat(args[0]),
    "datetime.date": lambda args, _kwargs: date(*args),
    "datetime.time": lambda args, kwargs: time(*args, **kwargs),
    "datetime.timedelta": lambda args, _kwargs: timedelta(*args),
    "zoneinfo.ZoneInfo": lambda args, _kwargs: ZoneInfo(args[0]),
    "langgraph.types.Send": lambda _args, kwargs: _of_langgraph("Send", kwargs),
    "langgraph.types.Interrupt": lambda _args, kwargs: _of_langgraph("Interrupt", kwargs),
    "langgraph.types.Command": lambda _args, kwargs: _of_langgraph("Command", kwargs),
}


def _of_langgraph(name: str, kwargs: Mapping[str, Any]) -> Any:
    try:
        from langgraph import types
    except ImportError as error:
        msg = f"a thread holds a {name} of langgraph"
        raise missing(msg, "langgraph") from error
    if name == "Send":
        return types.Send(kwargs["node"], kwargs["arg"])
    if name == "Command":
        return types.Command(**kwargs)
    return types.Interrupt(**{key: kwargs[key] for key in ("value", "id") if key in kwargs})


def strict_serde() -> SerializerProtocol:
    """Makes LangGraph's serialiser, which builds nothing but what LangGraph knows as safe."""
    return JsonPlusSerializer(allowed_msgpack_modules=None)


class Values:
    """Reads the values of one record, and remembers what could not be rebuilt."""

    def __init__(self, serde: SerializerProtocol) -> None:
        self._serde = serde
        self._kept: set[str] = set()

    @property
    def lost(self) -> tuple[str, ...]:
        """What the values lack."""
        return tuple(f"objects of {name} stay the dicts in which they were stored" for name in sorted(self._kept))

    def typed(self, kind: str, data: bytes) -> Any:
        """Reads what a serialiser of LangGraph made.

        Raises `Damaged`: it is a pickle, or of a type that nobody knows.
        """
        if kind == "json":
            return self.revive(parse_json(data))
        if kind == "pickle":
            raise DamagedError(PICKLE)
        if kind == "base64":
            return b64decode(data)
        if kind not in {"null", "bytes", "bytearray", "msgpack"} and "+" not in kind:
            raise DamagedError(f"a value of the type {kind!r} in it is of no known serialiser")
        try:
            if kind == "msgpack":
                check_elements(data)
                check_nesting(data)
            return self._serde.loads_typed((kind, data))
        except Exception as error:
            msg = f"the serialiser cannot read a value in it ({type(error).__name__}); is it the same serde?"
            raise DamagedError(msg) from error

    def revive(self, value: Any) -> Any:
        """Rebuilds the objects in what was parsed from JSON."""
        if isinstance(value, list):
            return [self.revive(part) for part in value]
        if not isinstance(value, dict):
            return value
        parts = {key: self.revive(part) for key, part in value.items()}
        if parts.get("lc") in {1, 2} and parts.get("type") == "constructor" and isinstance(parts.get("id"), list):
            return self._built(parts)
        if parts.keys() == {"__bytes__"} and isinstance(parts["__bytes__"], str):
            return b64decode(parts["__bytes__"])
        if parts.get("__interrupt__") is True and "value" in parts:
            return _of_langgraph("Interrupt", parts)
        if parts.get("__send__") is True and parts.keys() == {"__send__", "node", "arg"}:
            return _of_langgraph("Send", parts)
        if parts.get("__delta_snapshot__") is True and parts.keys() == {"__delta_snapshot__", "value"}:
            return _DeltaSnapshot(parts["value"])
        return parts

    def _built(self, parts: dict[str, Any]) -> Any:
        name = ".".join(map(str, parts["id"]))
        args, kwargs = parts.get("args") or (), parts.get("kwargs") or {}
        kind = _MESSAGES.get(str(parts["id"][-1])) if parts["id"][0] in {"langchain", "langchain_core"} else None
        try:
            if kind is not None:
                return kind(**kwargs)
            if name in _TABLE:
                return _TABLE[name](args, kwargs)
        except (ValidationError, ValueError, TypeError, LookupError):
            pass  # it says what it is and is something else: it stays what it is
        self._kept.add(name)
        return parts
