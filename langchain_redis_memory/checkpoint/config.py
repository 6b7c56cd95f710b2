"""Parses a RunnableConfig into a thread id, a namespace and a checkpoint id."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from langchain_core.runnables import RunnableConfig

from langchain_redis_memory.checkpoint.layout import no_nul
from langchain_redis_memory.errors import InvalidInputError


class CheckpointRef(NamedTuple):
    """A parsed config: a thread, a namespace (None where it names none), a checkpoint (empty: the newest), who asks."""

    thread_id: str
    ns: str | None
    checkpoint_id: str
    asker: str = ""


def parse_config(config: RunnableConfig) -> CheckpointRef:
    """Parses a config. Raises `InvalidInputError`: the config has no usable `thread_id`, namespace or checkpoint id."""
    configurable = config.get("configurable") if isinstance(config, dict) else None
    if not isinstance(configurable, dict) or configurable.get("thread_id") is None:
        raise InvalidInputError("the config needs a thread: {'configurable': {'thread_id': ...}}")
    ns = configurable.get("checkpoint_ns")
    checkpoint_id = configurable.get("checkpoint_id") or ""
    return CheckpointRef(
        thread_name(configurable["thread_id"]),
        None if ns is None else no_nul(ns, "checkpoint_ns"),
        no_nul(checkpoint_id, "checkpoint_id"),
    )


def thread_name(thread_id: Any) -> str:
    """Returns a thread's id as text: numbers and UUIDs are taken as they print.

    Raises `InvalidInputError`: it is of another type.
    """
    if isinstance(thread_id, str):
        return thread_id
    if isinstance(thread_id, int | UUID) and not isinstance(thread_id, bool):
        return str(thread_id)
    raise InvalidInputError(f"thread_id must be a string, got {type(thread_id).__name__}")


def config_of(thread_id: str, ns: str, checkpoint_id: str) -> RunnableConfig:
    """Builds the config of a checkpoint."""
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": ns, "checkpoint_id": checkpoint_id}}


def bound_of(before: RunnableConfig | None) -> str:
    """Returns the checkpoint id of `before`, empty for none. Raises `InvalidInputError`: it is not acceptable."""
    if before is None:
        return ""
    configurable = before.get("configurable", {}) if isinstance(before, dict) else None
    if not isinstance(configurable, dict):
        raise InvalidInputError(f"before must be a config, got {type(before).__name__}")
    return no_nul(configurable.get("checkpoint_id") or "", "the checkpoint_id of `before`")
