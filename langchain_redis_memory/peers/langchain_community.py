"""langchain-community: `RedisChatMessageHistory` (and Upstash's) and the digests of its `RedisCache`.

A conversation is a list under `message_store:{session}`, newest first, of whole messages in JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from langchain_redis_memory.ops import Flow
from langchain_redis_memory.peers.chat import from_dict
from langchain_redis_memory.peers.reading import (
    Found,
    escape_glob,
    exists_flow,
    list_get,
    parse_json,
    read_keys_flow,
    records_of,
)
from langchain_redis_memory.peers.records import Conversation, Record


@dataclass(frozen=True)
class CommunityHistory:
    """Reads the histories of langchain-community, also those on Upstash.

    Args:
        prefix: Its `key_prefix`.
        match: Which sessions, as a glob.
        name: How the source is named.
    """

    prefix: str = "message_store:"
    match: str = "*"
    name: str = "langchain-community"

    @property
    def patterns(self) -> Sequence[str]:
        """What SCAN is asked for."""
        return (escape_glob(self.prefix) + self.match,)

    def unit(self, key: bytes) -> bytes | None:
        """Names what is read together with a key: each key is a conversation."""
        return key

    def holds_flow(self, name: str) -> Flow[bool]:
        """Tells whether it may hold something of that name."""
        return exists_flow(self.prefix + name)

    def beside(self, record: Record) -> Sequence[bytes]:
        """Names keys of a record that are not among those of its unit."""
        return ()

    def read_flow(self, keys: Sequence[bytes]) -> Flow[list[Record]]:
        """Reads conversations."""
        return records_of((yield from read_keys_flow(keys, list_get)), self._conversation)

    def _conversation(self, found: Found) -> Record:
        stored = [parse_json(raw) for raw in reversed(found.value)]
        messages = tuple(from_dict(one, f"{self.name}-{place}") for place, one in enumerate(stored))
        return Conversation(found.key.decode()[len(self.prefix) :], messages, found.ttl_ms)
