"""What was said while the server was away: kept in this process until it can be stored.

Messages have ids, so storing them twice does no harm. The box is bounded; when it is full the oldest conversation in it
gives way, and that is logged as an error, because then something that was said is lost.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from langchain_core.messages import BaseMessage

from langchain_redis_memory.errors import ServerError
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.ops import Op, Reply, merge

_log = logging.getLogger(__name__)


class Outbox:
    """Messages that wait to be stored, by conversation. Threads may share it.

    Args:
        most: Most messages that wait at once.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._waiting: dict[str, tuple[Transcript, list[BaseMessage]]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return self._length()

    def _length(self) -> int:
        return sum(len(messages) for _, messages in self._waiting.values())

    def put(self, transcript: Transcript, messages: Sequence[BaseMessage]) -> None:
        """Keeps messages of a conversation, after those that already wait.

        Args:
            transcript: The conversation.
            messages: In order.
        """
        with self._lock:
            key = transcript.keys.messages
            _, waiting = self._waiting.pop(key, (transcript, []))
            self._waiting[key] = (transcript, [*waiting, *messages])
            self._shrink()

    def put_back(self, taken: Sequence[tuple[Transcript, list[BaseMessage]]]) -> None:
        """Keeps what was taken out and could not be stored, before what has come since.

        Args:
            taken: Conversations with their messages.
        """
        with self._lock:
            for transcript, messages in taken:
                key = transcript.keys.messages
                if messages:
                    _, later = self._waiting.pop(key, (transcript, []))
                    self._waiting[key] = (transcript, [*messages, *later])
            self._shrink()

    def _shrink(self) -> None:
        while (over := self._length() - self._most) > 0:
            oldest = next(iter(self._waiting))
            transcript, lost = self._waiting.pop(oldest)
            if not self._waiting:
                self._waiting[oldest] = (transcript, lost[over:])
                lost = lost[:over]
            _log.error("the outbox is full: %d unstored messages of %s are lost", len(lost), oldest)

    def take(self, transcript: Transcript) -> list[BaseMessage]:
        """Takes out what waits for one conversation.

        Args:
            transcript: The conversation.

        Returns:
            Its messages, in order.
        """
        with self._lock:
            return self._waiting.pop(transcript.keys.messages, (transcript, []))[1]

    def take_some(self, most: int | None = None) -> list[tuple[Transcript, list[BaseMessage]]]:
        """Takes out what waits for some conversations, the longest waiting first.

        Args:
            most: Most conversations, None for all.

        Returns:
            Conversations with their messages.
        """
        with self._lock:
            return [self._waiting.pop(key) for key in list(self._waiting)[:most]]


Waiting = list[tuple[Transcript, list[BaseMessage]]]


def attempts(waiting: Waiting, beside: Callable[[Transcript, list[BaseMessage]], Op[None]]) -> Op[Waiting]:
    """Stores what waits; what the server refuses is no reason to fail a turn.

    Args:
        waiting: Conversations with their messages.
        beside: What else is stored with the messages of a conversation.

    Returns:
        An op of one trip: those that the server refused.
    """

    def attempt(transcript: Transcript, messages: list[BaseMessage]) -> Op[Waiting]:
        write = merge(beside(transcript, messages), transcript.add(messages))

        def read(replies: Sequence[Reply]) -> Waiting:
            try:
                write.read(replies)
            except ServerError as error:
                _log.warning("what was said is kept in this process until it can be stored: %s", error)
                return [(transcript, messages)]
            return []

        return Op(write.commands, read, tolerant=True)

    return merge(*(attempt(*one) for one in waiting)).map(lambda refused: [one for some in refused for one in some])
