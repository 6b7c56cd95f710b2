"""Memories of users as mem0 and agent-memory-server keep them, and the latter's working memory.

A memory becomes an item of a store: its text under "text", the rest beside it, in the namespace ("memories", user).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, ClassVar

from langchain_redis_memory.ops import Flow
from langchain_redis_memory.peers.chat import of_role
from langchain_redis_memory.peers.key_source import Command, KeySource
from langchain_redis_memory.peers.langgraph_store import DATES
from langchain_redis_memory.peers.records import PERIOD, Conversation, Record, SavedItem, label_of
from langchain_redis_memory.peers.stored_keys import (
    DamagedError,
    StoredKey,
    escape_glob,
    hash_get,
    json_get,
    parse_json,
    read_keys_flow,
    records_of,
    text_get,
    text_of,
    texts,
)

VECTORS = "vectors: a store with an index makes them anew"


def memory_of(key: str, text: str, fields: Mapping[str, Any], ttl_ms: int, *lost: str) -> SavedItem:
    """Builds the item of a memory; its field `user_id` says whose it is, `lost` what it lacks.

    Raises `Damaged`: it has no text or no id.
    """
    if not text or not key:
        raise DamagedError("a memory in it has no text or no id")
    user = str(fields.get("user_id") or "")
    value = {"text": text, **{name: part for name, part in fields.items() if part not in (None, "")}}
    losses = (*lost, PERIOD) if "." in user else lost
    return SavedItem(("memories", label_of(user)) if user else ("memories",), key, value, ttl_ms, losses)


def _date(value: Any) -> str:
    text = text_of(value)
    return datetime.fromtimestamp(float(text), timezone.utc).isoformat() if text and float(text) else ""


@dataclass(frozen=True)
class Mem0(KeySource):
    """Reads the memories of mem0, on Redis and on Valkey."""

    prefix: str = "mem0:"
    name: str = "mem0"
    command: ClassVar[Command] = staticmethod(hash_get)
    shapes: ClassVar[tuple[str, ...]] = ("{match}:*",)

    def unit(self, key: bytes) -> bytes | None:
        """Names what is read together with a key: each of them is a memory."""
        return None if key.startswith(self.prefix.encode() + b"mem0migrations:") else key

    def record(self, found: StoredKey) -> Record:
        """Builds what a key holds."""
        stored = texts(found.value)
        fields: dict[str, Any] = {name: text_of(stored.get(name)) for name in ("user_id", "agent_id", "run_id", "hash")}
        fields |= {name: _date(stored.get(name)) for name in ("created_at", "updated_at")}
        metadata = parse_json(stored.get("metadata") or b"{}")
        fields = {**(metadata if isinstance(metadata, dict) else {"metadata": metadata}), **fields}
        key = text_of(stored.get("memory_id")) or found.key.decode().rpartition(":")[2]
        return memory_of(key, text_of(stored.get("memory")), fields, found.ttl_ms, VECTORS)


@dataclass(frozen=True)
class AgentMemoryServer:
    """Reads sessions and long-term memories of agent-memory-server; the prefix is its `redisvl_index_prefix`."""

    prefix: str = "memory_idx"
    match: str = "*"
    name: str = "agent-memory-server"

    _WORKING = b"working_memory:"
    _LISTS = ("topics", "entities", "extracted_from")
    _DATES = ("created_at", "last_accessed", "updated_at", "persisted_at", "event_date")
    _TEXTS = ("session_id", "user_id", "namespace", "memory_type", "memory_hash")

    @property
    def patterns(self) -> Sequence[str]:
        """What SCAN is asked for."""
        return (f"working_memory:{self.match}", f"{escape_glob(self.prefix)}:*")

    def unit(self, key: bytes) -> bytes | None:
        """Names what is read together with a key: a session, or a memory."""
        return None if key.startswith(b"working_memory:migration:") else key

    def read_flow(self, keys: Sequence[bytes]) -> Flow[list[Record]]:
        """Reads sessions and memories."""
        sessions = [key for key in keys if key.startswith(self._WORKING)]
        documents = yield from read_keys_flow(sessions, json_get)
        older = [found.key for found in documents if found.fault]  # before it kept RedisJSON it kept strings
        documents = [found for found in documents if not found.fault]
        documents += yield from read_keys_flow(older, text_get)
        memories = yield from read_keys_flow([key for key in keys if not key.startswith(self._WORKING)], hash_get)
        return records_of(documents, self._session) + records_of(memories, self._memory)

    def _session(self, found: StoredKey) -> list[Record]:
        document = parse_json(found.value)
        name = "agent-memory-server-"
        messages = tuple(
            of_role(said["role"], said["content"], said.get("id") or f"{name}{place}")
            for place, said in enumerate(document.get("messages") or ())
        )
        data = dict(document.get("data") or {})
        if document.get("context"):
            data["summary"] = document["context"]
        user, agent = document.get("user_id") or "", document.get("namespace") or ""
        kept = [
            memory_of(memory["id"], memory["text"], {"user_id": user, **_known(memory)}, found.ttl_ms)
            for memory in document.get("memories") or ()
        ]
        return [Conversation(document["session_id"], messages, found.ttl_ms, agent, data, user), *kept]

    def _memory(self, found: StoredKey) -> Record:
        stored = texts(found.value)
        fields: dict[str, Any] = {name: text_of(stored.get(name)) for name in self._TEXTS}
        fields |= {name: _date(stored.get(name)) for name in self._DATES}
        fields |= {name: text_of(stored.get(name)).split(",") for name in self._LISTS if stored.get(name)}
        key = text_of(stored.get("id_")) or found.key.decode().partition(":")[2]
        return memory_of(key, text_of(stored.get("text")), fields, found.ttl_ms, VECTORS, DATES)


def _known(memory: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in memory.items() if name not in {"id", "text"} and part not in (None, "", [])}
