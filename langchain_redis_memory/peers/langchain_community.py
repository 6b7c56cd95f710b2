"""langchain-community: `RedisChatMessageHistory` (and Upstash's) and the digests of its `RedisCache`.

A conversation is a list under `message_store:{session}`, newest first, of whole messages in JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from langchain_redis_memory.ops import Flow
from langchain_redis_memory.peers.chat import from_dict
from langchain_redis_memory.peers.key_source import Command, KeySource
from langchain_redis_memory.peers.records import Conversation, Record
from langchain_redis_memory.peers.stored_keys import StoredKey, exists_flow, list_get, parse_json


@dataclass(frozen=True)
class CommunityHistory(KeySource):
    """Reads the histories of langchain-community, also those on Upstash; the prefix is its `key_prefix`."""

    prefix: str = "message_store:"
    name: str = "langchain-community"
    command: ClassVar[Command] = staticmethod(list_get)

    def holds_flow(self, name: str) -> Flow[bool]:
        """Returns whether it may hold something of that name."""
        return exists_flow(self.prefix + name)

    def record(self, found: StoredKey) -> Record:
        """Builds what a key holds."""
        stored = [parse_json(raw) for raw in reversed(found.value)]
        messages = tuple(from_dict(one, f"{self.name}-{place}") for place, one in enumerate(stored))
        return Conversation(found.key.decode()[len(self.prefix) :], messages, found.ttl_ms)
