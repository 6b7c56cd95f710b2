"""Conversations as this process last saw them: a guess, never the truth.

The guess lets a turn ask the cache in its first round trip, together with the history that then confirms or refutes
it, and it is the memory that is left while the server is away. It is bounded; the longest unused conversation goes.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from langchain_redis_memory.history.transcript import Transcript


class RecentConversations:
    """The newest messages of the conversations that this process took part in.

    Args:
        most: Most conversations.
    """

    def __init__(self, most: int = 512) -> None:
        self._most = most
        self._messages: dict[str, list[BaseMessage]] = {}
        self._beyond: dict[str, Any] = {}
        self._lock = threading.Lock()

    def get(self, transcript: Transcript) -> list[BaseMessage] | None:
        """What was last seen of a conversation.

        Args:
            transcript: The conversation.

        Returns:
            Its newest messages, None where it was not seen.
        """
        return self._messages.get(transcript.keys.messages)

    def beyond(self, transcript: Transcript) -> Any:
        """What was last known of a conversation beyond its messages, None where nothing was."""
        return self._beyond.get(transcript.keys.messages)

    def put(self, transcript: Transcript, messages: Sequence[BaseMessage], reach: int, beyond: Any = None) -> None:
        """Notes a conversation.

        Args:
            transcript: The conversation.
            messages: Its newest messages, oldest first.
            reach: How many of them a turn loads.
            beyond: What is known beyond them.
        """
        key = transcript.keys.messages
        with self._lock:
            self._messages.pop(key, None)
            self._messages[key] = list(messages[-reach:]) if reach else []
            self._beyond[key] = beyond
            while len(self._messages) > self._most:
                oldest = next(iter(self._messages))
                del self._messages[oldest], self._beyond[oldest]
