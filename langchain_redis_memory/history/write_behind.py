"""Write-behind: mirrors messages to your database after Redis has stored them, and retries what failed.

A failing database must not fail a turn that Redis has stored. What could not be written waits in this process, in order
and within a bound, and goes out together with the conversation's next messages.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from langchain_core.messages import BaseMessage, RemoveMessage

from langchain_redis_memory.history.read_through import UserCallback
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.locks import new_lock
from langchain_redis_memory.ops import Flow

_MAX_WAITING = 10_000
"""Most messages of a writer that wait."""
_log = logging.getLogger(__name__)


class _Queue:
    """Messages by conversation; where there are too many, the least recently written conversation is dropped."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[Transcript, list[BaseMessage]]] = {}
        self._lock = new_lock()

    def __len__(self) -> int:
        return sum(len(messages) for _, messages in list(self._waiting.values()))

    def put(self, transcript: Transcript, messages: Sequence[BaseMessage], *, back: bool = False) -> None:
        key = transcript.keys.messages
        with self._lock:
            _, known = self._waiting.pop(key, (transcript, []))
            if kept := [*messages, *known] if back else [*known, *messages]:
                self._waiting[key] = (transcript, kept)
            while len(self) > _MAX_WAITING:
                oldest = next(iter(self._waiting))
                _, lost = self._waiting.pop(oldest)
                _log.error("%d messages of %s are lost to the permanent database", len(lost), oldest)

    def take(self, transcript: Transcript) -> list[BaseMessage]:
        with self._lock:
            return self._waiting.pop(transcript.keys.messages, (transcript, []))[1]

    def all(self) -> list[Transcript]:
        with self._lock:
            return [transcript for transcript, _ in self._waiting.values()]


class WriteBehind:
    """The write-behind queue of one writer. Threads may share it."""

    def __init__(self, writer: UserCallback) -> None:
        self._writer = writer
        self._waiting = _Queue()

    def __len__(self) -> int:
        return len(self._waiting)

    def write_flow(self, transcript: Transcript, messages: Sequence[BaseMessage]) -> Flow[None]:
        """Writes messages of a conversation, after those that still wait; orders to remove are not passed on."""
        self._waiting.put(transcript, [one for one in messages if not isinstance(one, RemoveMessage)])
        left = taken = self._waiting.take(transcript)
        try:
            if taken:
                yield self._writer.step(transcript, taken)
            left = []
        except Exception as error:  # noqa: BLE001 - a database's errors are of any type, and Redis has the messages
            _log.warning("messages of session %r wait for the permanent database: %r", transcript.session_id, error)
        finally:
            self._waiting.put(transcript, left, back=True)

    def flush_flow(self) -> Flow[None]:
        """Retries everything that waits, conversation by conversation."""
        for transcript in self._waiting.all():
            yield from self.write_flow(transcript, [])
