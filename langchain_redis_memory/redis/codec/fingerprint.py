"""What a chain is, as text: two chains share cached answers only if they are described alike.

LangChain's own serialisation describes models, prompts and their sequences, with secrets left out. What it cannot
describe (a function, a local object) makes the whole chain undescribable, and its answers are then not shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from langchain_core.documents import Document
from langchain_core.load import dumpd
from langchain_core.messages import BaseMessage

from langchain_redis_memory.errors import UnserialisableError
from langchain_redis_memory.redis.codec.values import digest

_EXACT = {type(None), bool, int, float, complex, str, bytes, Decimal, UUID, datetime, date, time, timedelta}


def fingerprint(part: Any) -> str | None:
    """A digest of a runnable's own description.

    Args:
        part: A model, a chain, a prompt.

    Returns:
        Hexadecimal digits, equal in every process; None where something in it cannot be described.
    """
    described = dumpd(part)
    if not _whole(described):
        return None
    return digest({"described": _plain(described)})


_LANGGRAPH = ("checkpoint_", "__")


def deciding_settings(configurable: Mapping[str, Any], *separated: str) -> dict[str, Any]:
    """Returns the settings of a config that may decide a result, to be made part of a cache key.

    Left out is what names a conversation and what LangGraph adds for itself, so that conversations may share.

    Args:
        configurable: The config's `configurable`.
        *separated: Further settings that the caller's keys already separate by; only these may be left out as well.
    """
    places = {"session_id", "thread_id", *separated}
    return {
        name: value for name, value in configurable.items() if name not in places and not name.startswith(_LANGGRAPH)
    }


def _whole(value: Any) -> bool:
    if isinstance(value, dict):
        if value.get("lc") == 1 and value.get("type") == "not_implemented":
            return False
        return all(_whole(item) for name, item in value.items() if name not in _labels(value))
    if isinstance(value, list):
        return all(map(_whole, value))
    return True


def _labels(value: dict[str, Any]) -> set[str]:
    """What LangChain adds to an object's description for people; a name inside a tool or a prompt is no label."""
    return {"name", "graph"} if value.get("lc") == 1 else set()


def _plain(value: Any) -> Any:
    """Without what differs from one construction to the next and changes no answer."""
    if isinstance(value, dict):
        return {str(name): _plain(value[name]) for name in sorted(value, key=str) if name not in _labels(value)}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def describable(value: Any) -> bool:
    """Whether a value's bytes tell all of it: different values of different types then never share a key.

    Args:
        value: What a chain is given besides the question.

    Returns:
        False for what cannot be stored, and for an enum or another subclass, which would be stored as what it extends.
    """
    try:
        digest({"value": value})
    except UnserialisableError:
        return False
    return _exact(value)


def _exact(value: Any) -> bool:
    kind = type(value)
    if kind in _EXACT:
        return True
    if kind in {list, tuple, set, frozenset}:
        return all(map(_exact, value))
    if kind is dict:
        return all(_exact(name) and _exact(item) for name, item in value.items())
    if isinstance(value, Document | BaseMessage):
        return kind.__module__.startswith("langchain_core.") and all(map(_exact, vars(value).values()))
    return kind.__module__ == "numpy"
