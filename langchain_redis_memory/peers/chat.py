"""Messages as other packages keep them: LangChain's dicts, and pairs of a role and a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    messages_from_dict,
)
from pydantic import ValidationError

from langchain_redis_memory.peers.stored_keys import DamagedError

_ROLES: dict[str, type[BaseMessage]] = {
    **dict.fromkeys(("user", "human"), HumanMessage),
    **dict.fromkeys(("assistant", "ai", "llm", "bot"), AIMessage),
    **dict.fromkeys(("system", "developer"), SystemMessage),
}


def from_dict(stored: Any, name: str) -> BaseMessage:
    """Builds a message from LangChain's `message_to_dict`. Raises `Damaged`: it is not a message."""
    if not isinstance(stored, Mapping) or not isinstance(stored.get("type"), str):
        raise DamagedError("a message in it has no type")
    try:
        (message,) = messages_from_dict([dict(stored)])
    except (ValidationError, ValueError, TypeError, KeyError):
        raise DamagedError(f"a message of the type {stored['type']!r} in it cannot be built") from None
    return message if message.id else message.model_copy(update={"id": name})


def of_role(role: str, content: Any, name: str, **fields: Any) -> BaseMessage:
    """Builds a message from who said it, in whichever package's word, and what was said: text or content blocks.

    Further fields that are empty are left out. A role that nobody knows gives a `ChatMessage`. Raises `Damaged`: it has
    no content.
    """
    more: dict[str, Any] = {key: value for key, value in fields.items() if value}
    if not isinstance(content, str | list):
        raise DamagedError("a message in it has no content")
    if role in {"tool", "function"}:
        return ToolMessage(content, id=name, tool_call_id=more.pop("tool_call_id", ""), **more)
    more.pop("tool_call_id", None)
    kind = _ROLES.get(role)
    if kind is None:
        return ChatMessage(content=content, role=role, id=name, **more)
    return kind(content, id=name, **more)
