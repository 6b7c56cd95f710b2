"""Optimistic per-process cache of recent conversations; never authoritative.

It lets a turn ask the cache in its first round trip, together with the history that then confirms or refutes the key,
and it is what a turn goes on with while the server is away. Bounded: the conversation that was used last the longest
ago is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from langchain_core.messages import BaseMessage

from langchain_redis_memory.conversation.context import StoredContext
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.locks import new_lock
from langchain_redis_memory.redis.client.clock import monotonic


class RecentConversation(NamedTuple):
    """A conversation after its last turn in this process: the newest messages, oldest first, and the rest."""

    messages: list[BaseMessage]
    context: StoredContext
    until: float = inf
    """When its lifetime ends, in the process's monotonic time."""


NOTHING_SEEN = RecentConversation([], StoredContext())


class RecentConversations:
    """The conversations that this process took part in."""

    def __init__(self, most: int = 512) -> None:
        self._most = most
        self._known: dict[str, RecentConversation] = {}
        self._lock = new_lock()

    def get(self, transcript: Transcript) -> RecentConversation | None:
        """Returns a conversation, None where this process had no turn of it in its lifetime, or has dropped it."""
        known = self._known.get(transcript.keys.messages)
        return None if known is None or known.until <= monotonic() else known

    def forget(self, key: str) -> None:
        """Forgets a conversation, by the key of its messages: it was deleted, or one of its messages was."""
        with self._lock:
            self._known.pop(key, None)

    def put(self, transcript: Transcript, messages: Sequence[BaseMessage], reach: int, context: StoredContext) -> None:
        """Remembers a conversation by its newest messages, a turn's `reach` of them, and what else is stored."""
        key = transcript.keys.messages
        until = monotonic() + transcript.ttl_ms / 1000 if transcript.ttl_ms else inf
        with self._lock:
            self._known.pop(key, None)
            self._known[key] = RecentConversation(list(messages[-reach:]) if reach else [], context, until)
            while len(self._known) > self._most:
                del self._known[next(iter(self._known))]
