"""Finds the user in a config, where LangChain and LangGraph applications put it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

__all__ = ["runtime_context", "users_of"]


def users_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Finds the user in a config.

    Args:
        config: A `RunnableConfig`.

    Returns:
        `metadata.user_id`, `configurable.user_id`, `configurable.langgraph_auth_user_id`, the identity of
        `configurable.langgraph_auth_user` and the `user_id` of LangGraph's runtime context, those that are there, each
        once: a chain may read any of them.
    """
    configurable, metadata = config.get("configurable") or {}, config.get("metadata") or {}
    auth, context = configurable.get("langgraph_auth_user"), runtime_context(configurable)
    found = (
        metadata.get("user_id"),
        configurable.get("user_id"),
        configurable.get("langgraph_auth_user_id"),
        auth.get("identity") if isinstance(auth, Mapping) else getattr(auth, "identity", None),
        context.get("user_id") if isinstance(context, Mapping) else None,
    )
    return tuple(dict.fromkeys(str(user) for user in found if user is not None and user != ""))


def runtime_context(configurable: Mapping[str, Any]) -> Any:
    """Reads what a LangGraph application gives to its nodes as `context=`, as a dict where it can be read."""
    context = getattr(configurable.get("__pregel_runtime"), "context", None)
    if isinstance(context, Mapping):
        return dict(context)
    if (names := getattr(type(context), "model_fields", None)) is not None:
        return {name: getattr(context, name) for name in names}
    if is_dataclass(context):
        return {field.name: getattr(context, field.name) for field in fields(context)}
    return context
