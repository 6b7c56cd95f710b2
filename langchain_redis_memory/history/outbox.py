"""Outbox: messages that could not be stored while the server was away, kept in this process until they can.

Messages have ids, so storing them twice does no harm. The outbox is bounded; when it is full the oldest conversation in
it is dropped, which is logged as an error, because messages are lost then.
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
        """Appends messages of a conversation.

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
        """Puts messages back that could not be stored, before those that have come since.

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
        """Takes the messages of one conversation out.

        Args:
            transcript: The conversation.

        Returns:
            Its messages, in order.
        """
        with self._lock:
            return self._waiting.pop(transcript.keys.messages, (transcript, []))[1]

    def take_some(self, most: int | None = None) -> list[tuple[Transcript, list[BaseMessage]]]:
        """Takes conversations out, the longest waiting first.

        Args:
            most: Most conversations, None for all.

        Returns:
            Conversations with their messages.
        """
        with self._lock:
            return [self._waiting.pop(key) for key in list(self._waiting)[:most]]


Waiting = list[tuple[Transcript, list[BaseMessage]]]


def attempts(waiting: Waiting, beside: Callable[[Transcript, list[BaseMessage]], Op[None]]) -> Op[Waiting]:
    """Retries conversations that wait; a refusal by the server is logged and fails nothing.

    Args:
        waiting: Conversations with their messages.
        beside: Builds the op that goes with the messages of a conversation.

    Returns:
        An op of one trip: the conversations that the server refused.
    """

    def attempt(transcript: Transcript, messages: list[BaseMessage]) -> Op[Waiting]:
        write = merge(beside(transcript, messages), transcript.add(messages))

        def read(replies: Sequence[Reply]) -> Waiting:
            try:
                write.read(replies)
            except ServerError as error:
                _log.warning("messages wait in this process until they can be stored: %s", error)
                return [(transcript, messages)]
            return []

        return Op(write.commands, read, tolerant=True)

    return merge(*(attempt(*one) for one in waiting)).map(lambda refused: [one for some in refused for one in some])
