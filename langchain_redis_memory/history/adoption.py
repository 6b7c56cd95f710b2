"""Adoption of conversations: one that is not here is loaded from another package's keys, by the read-through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from langchain_redis_memory.errors import CorruptDataError
from langchain_redis_memory.history.read_through import UserCallback
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.ops import Flow, Invoke
from langchain_redis_memory.peers.adoption import Adopter, AdoptFrom
from langchain_redis_memory.peers.records import Conversation, Record, Unreadable
from langchain_redis_memory.redis.client.client import Client


class AdoptingLoader(UserCallback):
    """Loads conversations that are still where another package keeps them."""

    def __init__(self, client: Client, adopt: AdoptFrom) -> None:
        self._adopter = Adopter(adopt.client(client), adopt.conversations())

    def takes(self, what: str) -> bool:
        """Returns whether it takes a keyword argument: whoever asks, the conversation is the one of that id."""
        return True

    def step(self, transcript: Transcript, *args: Any) -> Invoke:
        """Builds the step that loads a conversation."""
        session, read = transcript.session_id, self._adopter.read(transcript.session_id)

        async def aload() -> Any:
            return _messages(session, await read.acall())

        return Invoke(lambda: _messages(session, read.call()), aload)

    def forget_flow(self, session_id: str) -> Flow[None]:
        """Deletes a conversation where it would be adopted from."""
        yield self._adopter.forget(session_id)


def _messages(session_id: str, records: Sequence[Record]) -> list[BaseMessage]:
    for record in records:
        if isinstance(record, Unreadable):
            raise CorruptDataError(f"session {session_id!r} cannot be adopted: {record.key}: {record.why}")
    theirs = [record for record in records if isinstance(record, Conversation) and record.session_id == session_id]
    return [message for record in theirs for message in record.messages]
