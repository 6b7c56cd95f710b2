"""LangGraph threads: the list, and the checkpoints of one with their sizes and what changed from one to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fastapi import HTTPException
from langchain_core.messages import BaseMessage
from langgraph.checkpoint.base import CheckpointTuple

from langchain_redis_memory.admin.page import Page
from langchain_redis_memory.admin.visit import Visit
from langchain_redis_memory.checkpoint import thread_index
from langchain_redis_memory.ops import Op, Reply

_PER_PAGE = 50
_LONGEST = 400


@dataclass(frozen=True)
class Change:
    """One channel of a checkpoint against the one before.

    Args:
        channel: Its name.
        how: "new", "gone", "changed", or "+3" for messages that were added.
        before: What it was; "" where it was not there.
        after: What it is; "" where it is gone.
    """

    channel: str
    how: str
    before: str
    after: str


@dataclass(frozen=True)
class CheckpointView:
    """One checkpoint.

    Args:
        id: Its id.
        at: When it was made.
        metadata: What LangGraph says of it.
        channels: Channel -> about how many characters its value takes.
        writes: How many pending writes it has.
        changes: What changed since the one before.
    """

    id: str
    at: datetime
    metadata: Mapping[str, Any]
    channels: Mapping[str, int]
    writes: int
    changes: list[Change] = field(default_factory=list)


async def threads(visit: Visit) -> Page:
    """Lists the threads of a tenant in the order of their names."""
    after = visit.query.get("after") or None
    names = await visit.run(thread_index.page(visit.space, after, _PER_PAGE))
    more = names[-1] if len(names) == _PER_PAGE else None
    return Page("threads.html", "Threads", {"threads": names, "more": more})


async def thread(visit: Visit) -> Page:
    """Shows the checkpoints of a thread, the newest first."""
    name, namespace = visit.asked("id"), visit.query.get("ns", "")
    config: Any = {"configurable": {"thread_id": name, "checkpoint_ns": namespace}}
    checkpoints = [one async for one in visit.saver().alist(config, limit=_PER_PAGE + 1)]
    if not checkpoints:
        raise HTTPException(404, "there is no such thread (any more)")
    views = [_view(one, older) for one, older in zip(checkpoints, [*checkpoints[1:], None], strict=True)][:_PER_PAGE]
    keys = visit.space.thread(name).all()
    sizes = await visit.run(Op(tuple(("MEMORY", "USAGE", key) for key in keys), _total, tolerant=True))
    shown = {
        "thread": name,
        "namespace": namespace,
        "checkpoints": views,
        "bytes": sizes,
        "cut": len(checkpoints) > _PER_PAGE,
    }
    return Page("thread.html", f"Thread {name}", shown)


def _total(replies: Any) -> int | None:
    sizes: list[Reply] = [reply for reply in replies if isinstance(reply, int)]
    return sum(sizes) if sizes else None


def _view(checkpoint: CheckpointTuple, older: CheckpointTuple | None) -> CheckpointView:
    values = checkpoint.checkpoint["channel_values"]
    before = older.checkpoint["channel_values"] if older else {}
    return CheckpointView(
        checkpoint.checkpoint["id"],
        datetime.fromisoformat(checkpoint.checkpoint["ts"]),
        {name: value for name, value in checkpoint.metadata.items() if name in {"source", "step", "run_id"}},
        {name: len(shown(value)) for name, value in values.items()},
        len(checkpoint.pending_writes or ()),
        list(_changes(before, values)),
    )


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    changes = []
    for channel in sorted({*before, *after}):
        old, new = before.get(channel), after.get(channel)
        if channel in before and channel in after and old == new:
            continue
        how = "new" if channel not in before else "gone" if channel not in after else "changed"
        if isinstance(old, list) and isinstance(new, list) and new[: len(old)] == old:
            how, old, new = f"+{len(new) - len(old)}", [], new[len(old) :]
        changes.append(Change(channel, how, _cut(old), _cut(new)))
    return changes


def shown(value: Any) -> str:
    """Spells a value of a state for people: messages as who says what."""
    if isinstance(value, BaseMessage):
        return f"{value.type}: {value.text}"
    if isinstance(value, list):
        return "\n".join(map(shown, value))
    return "" if value is None else repr(value)


def _cut(value: Any) -> str:
    text = shown(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "\u2026"
