"""Question types: what a user's turn depends on, which decides search, memory and cache."""

from __future__ import annotations

from enum import Enum


class QuestionType(str, Enum):
    """What a user's turn depends on."""

    NEW_TOPIC = "NEW_TOPIC"
    """Stands alone: search, cache the answer, store."""
    CONTEXTUAL_FOLLOW_UP = "CONTEXTUAL_FOLLOW_UP"
    """Continues the conversation and needs nothing new: memory only, never the cache."""
    HISTORY_RECALL = "HISTORY_RECALL"
    """Asks for what was said before: memory only, never the cache."""
    CONTEXTUAL_WITH_SEARCH = "CONTEXTUAL_WITH_SEARCH"
    """Leans on the conversation and asks for something new: search, memory, and the cache under both."""

    def __str__(self) -> str:
        return self.value
