"""langgraph-checkpoint-redis: its `RedisStore`, a RedisJSON document for each item.

The namespace stands there as its labels joined by periods, with backslashes before whatever a search would read as
punctuation. Vectors are other documents and are not read: a store with an index makes them anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from langchain_redis_memory.peers.key_source import Command, KeySource
from langchain_redis_memory.peers.langgraph_values import Values, strict_serde
from langchain_redis_memory.peers.records import Record, SavedItem
from langchain_redis_memory.peers.stored_keys import DamagedError, StoredKey, json_get, parse_json

DATES = "when an item was created and updated: its dates are those of the migration"


@dataclass(frozen=True)
class LangGraphRedisStore(KeySource):
    """Reads its items; the prefix is its `store_prefix`."""

    prefix: str = "store"
    name: str = "langgraph-redis-store"
    command: ClassVar[Command] = staticmethod(json_get)
    shapes: ClassVar[tuple[str, ...]] = (":{match}",)

    def record(self, found: StoredKey) -> Record:
        """Builds what a key holds."""
        document, values = parse_json(found.value), Values(strict_serde())
        value = values.revive(document["value"])
        if not isinstance(value, dict):
            raise DamagedError("its value is not a dict")
        spelled = re.sub(r"\\(.)", r"\1", document["prefix"])
        namespace = tuple(spelled.split(".")) if spelled else ()
        updated = float(document.get("updated_at") or 0) / 1e6
        return SavedItem(namespace, document["key"], value, found.ttl_ms, (DATES, *values.lost), updated)

    def vectors(self, key: bytes) -> bytes:
        """Spells the key of an item's vectors."""
        prefix = self.prefix.encode()
        return prefix + b"_vectors" + key[len(prefix) :]
