"""The list of a user's threads, as the sidebar of a chat application shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage
from langgraph.checkpoint.base import CheckpointTuple

from langchain_redis_memory.checks import check_whole
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.ops import Flow, Op, Reply, ask, merge
from langchain_redis_memory.redis import user_index
from langchain_redis_memory.redis.key_groups import Id, text_of
from langchain_redis_memory.redis.keys import KeySpace

_LONGEST_TITLE = 80
_MOST = 200


@dataclass(frozen=True)
class ThreadInfo:
    """One thread of a user.

    Args:
        thread_id: Its id.
        title: The first words of its first user message; "" where there is none.
        messages: How many messages its state holds.
        updated_at: When its newest checkpoint was made.
        bytes: Memory of its keys, as the server estimates it; None where it does not say.
    """

    thread_id: str
    title: str
    messages: int
    updated_at: datetime
    bytes: int | None


@dataclass(frozen=True)
class ThreadPage:
    """A page of threads.

    Args:
        threads: What was written last first, where all threads have one lifetime.
        cursor: What to pass on for the next page; None after the last.
    """

    threads: list[ThreadInfo]
    cursor: str | None


def messages_of(found: CheckpointTuple | None) -> list[BaseMessage]:
    """Returns the messages of a state: those of its channel `messages`."""
    held = found.checkpoint["channel_values"].get("messages") if found else None
    return [one for one in held if isinstance(one, BaseMessage)] if isinstance(held, list) else []


def threads_flow(
    space: KeySpace, newest: Callable[[str], Op[CheckpointTuple | None]], user: Id, limit: int, cursor: str | None
) -> Flow[ThreadPage]:
    """Lists a page of a user's threads, from a cursor on, looking at `limit` of what is stored of the user.

    **Keys:** `user_data`; the threads'.
    **Trips:** 2.
    """
    check_whole(limit, "limit", 1, _MOST)
    if not (cursor is None or (isinstance(cursor, str) and cursor.isdigit())):
        raise InvalidInputError(f"cursor must be the one that threads gave, got {cursor!r}")
    start = int(cursor or 0)
    data = yield from ask(user_index.newest(space, text_of(user, "user"), start, limit))
    names = [one.name for one in data if one.kind == "thread"]
    # A thread that is damaged or was evicted must not hide the others.
    found = yield from ask(merge(*(merge(newest(name).optional(None), _memory(space, name)) for name in names)))
    threads = [_info(name, state, size) for name, (state, size) in zip(names, found, strict=True) if state is not None]
    return ThreadPage(threads, str(start + limit) if len(data) == limit else None)


def _memory(space: KeySpace, thread_id: str) -> Op[int | None]:
    def read(replies: Sequence[Reply]) -> int | None:
        sizes = [reply for reply in replies if isinstance(reply, int)]
        return sum(sizes) if sizes else None

    keys = space.thread(thread_id).all()
    return Op(tuple(("MEMORY", "USAGE", key) for key in keys), read, tolerant=True)


def _info(thread_id: str, found: CheckpointTuple, size: int | None) -> ThreadInfo:
    messages = messages_of(found)
    first: Any = next((one for one in messages if isinstance(one, HumanMessage)), None)
    words = " ".join(str(first.text).split()) if first is not None else ""
    title = words if len(words) <= _LONGEST_TITLE else words[: _LONGEST_TITLE - 1].rstrip() + "\u2026"
    return ThreadInfo(thread_id, title, len(messages), datetime.fromisoformat(found.checkpoint["ts"]), size)
