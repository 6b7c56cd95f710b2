"""Reads from a `RunnableConfig` who asks, and with which rights: one place for caches, memory and checkpoints.

LangChain, LangGraph and their servers put a user in five places. Whoever stores or shares something of a user must look
at the same ones, else what one part takes for the user's another does not find again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel


def users_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Finds the user in a config, where LangChain and LangGraph applications put it.

    Returns `metadata.user_id`, `configurable.user_id`, `configurable.langgraph_auth_user_id`, the identity of
    `configurable.langgraph_auth_user` and the `user_id` of LangGraph's runtime context, those that are there, each
    once: a chain may read any of them.
    """
    configurable, metadata = config.get("configurable") or {}, config.get("metadata") or {}
    auth, context = configurable.get("langgraph_auth_user"), _runtime_context(configurable)
    found = (
        metadata.get("user_id"),
        configurable.get("user_id"),
        configurable.get("langgraph_auth_user_id"),
        _identity(auth),
        None if context is None or not isinstance(context, Mapping) else context.get("user_id"),
    )
    return tuple(dict.fromkeys(str(user) for user in found if user is not None and user != ""))


def owners_of(config: Mapping[str, Any], users: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Names whose data it is that a run writes: metadata comes from the caller, an authenticated user does not.

    Returns the authenticated user alone where LangGraph's server named one, else all of `users_of`, which a caller may
    have found already.
    """
    configurable = config.get("configurable") or {}
    known = _identity(configurable.get("langgraph_auth_user")) or configurable.get("langgraph_auth_user_id")
    return (str(known),) if known else users_of(config) if users is None else users


def accessor_of(config: Mapping[str, Any], users: tuple[str, ...] | None = None) -> str:
    """Names who asks, for a decision on access, and whose memory it is.

    Returns the first of `owners_of`, "" for nobody.
    """
    return next(iter(owners_of(config, users)), "")


def namespace_of(template: Sequence[str], user: str) -> tuple[str, ...]:
    """Fills in whose namespace of a store it is: `{user_id}` stands for the user, whose periods are escaped."""
    label = user.replace("%", "%25").replace(".", "%2E")
    return tuple(part.replace("{user_id}", label) for part in template)


def _identity(auth: Any) -> Any:
    """Reads who an authenticated user is."""
    if auth is None:
        return None
    return auth.get("identity") if isinstance(auth, Mapping) else getattr(auth, "identity", None)


def _runtime_context(configurable: Mapping[str, Any]) -> Any:
    """Reads what a LangGraph application gives to its nodes as `context=`, as a dict where it can be read."""
    context = getattr(configurable.get("__pregel_runtime"), "context", None)
    if context is None:
        return None
    if isinstance(context, Mapping):
        return dict(context)
    if isinstance(context, BaseModel):
        return {name: getattr(context, name) for name in type(context).model_fields}
    if is_dataclass(context):
        return {field.name: getattr(context, field.name) for field in fields(context)}
    return context


def _user_fields(auth: Any) -> Any:
    """Reads all fields of an authenticated user: an object of LangGraph's protocol, or any other."""
    if auth is None or isinstance(auth, Mapping):
        return auth and dict(auth)
    if isinstance(auth, str):
        return auth
    known = {name: getattr(auth, name) for name in _AUTH if hasattr(auth, name)}
    named = {name: auth[name] for name in auth} if hasattr(auth, "__iter__") and hasattr(auth, "__getitem__") else {}
    own = {name: value for name, value in getattr(auth, "__dict__", {}).items() if not name.startswith("_")}
    return {**known, **named, **own}


_AUTH = ("identity", "permissions", "display_name", "is_authenticated")
_OF_TRACING = ("ls_", "lc_", "langgraph_", "langfuse_", "langsmith_")
_RUNS = frozenset("user_id session_id thread_id trace_id span_id run_id run_name request_id revision_id".split())


def rights_of(config: Mapping[str, Any]) -> list[Any]:
    """Picks what a function in the chain may decide by, besides the settings: a role, a department, permissions.

    Returns its metadata, without the asker (see `Asker`), what LangChain copied from `configurable`, and what names a
    run for tracing; the authenticated user's fields; LangGraph's runtime context, without the asker; the tags. Empty
    for none.
    """
    configurable = config.get("configurable") or {}
    metadata = {
        name: value
        for name, value in (config.get("metadata") or {}).items()
        if name not in _RUNS
        and not name.startswith(_OF_TRACING)
        and not (name in configurable and configurable[name] == value)
    }
    context = _runtime_context(configurable)
    if isinstance(context, dict):
        context.pop("user_id", None)
    found = [metadata, _user_fields(configurable.get("langgraph_auth_user")), context, config.get("tags")]
    return found if any(part for part in found) else []
