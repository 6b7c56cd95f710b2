"""What was said while the server was away: kept in this process until it can be stored.

Messages have ids, so storing them twice does no harm. The box is bounded; when it is full the oldest conversation in it
gives way, and that is logged as an error, because then something that was said is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from langchain_core.messages import BaseMessage

from langchain_redis_memory.transcript import Transcript

_log = logging.getLogger(__name__)


class Outbox:
    """Messages that wait to be stored, by conversation.

    Args:
        most: Most messages that wait at once.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._waiting: dict[str, tuple[Transcript, list[BaseMessage]]] = {}

    def __len__(self) -> int:
        return sum(len(messages) for _, messages in list(self._waiting.values()))

    def put(self, transcript: Transcript, messages: Sequence[BaseMessage]) -> None:
        """Keeps messages of a conversation, after those that already wait.

        Args:
            transcript: The conversation.
            messages: In order.
        """
        key = transcript.keys.messages
        _, waiting = self._waiting.pop(key, (transcript, []))
        self._waiting[key] = (transcript, [*waiting, *messages])
        while len(self) > self._most and len(self._waiting) > 1:
            oldest = next(iter(self._waiting))
            _, lost = self._waiting.pop(oldest)
            _log.error("the outbox is full: %d unstored messages of %s are lost", len(lost), oldest)

    def take(self, transcript: Transcript) -> list[BaseMessage]:
        """Takes out what waits for one conversation.

        Args:
            transcript: The conversation.

        Returns:
            Its messages, in order.
        """
        return self._waiting.pop(transcript.keys.messages, (transcript, []))[1]

    def take_some(self, most: int) -> list[tuple[Transcript, list[BaseMessage]]]:
        """Takes out what waits for some conversations, the longest waiting first.

        Args:
            most: Most conversations.

        Returns:
            Conversations with their messages.
        """
        return [self._waiting.pop(key) for key in list(self._waiting)[:most]]
