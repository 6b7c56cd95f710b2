"""redisvl: `MessageHistory` and `SemanticMessageHistory`, a hash for each message."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_redis_memory.ops import Flow
from langchain_redis_memory.peers.chat import of_role
from langchain_redis_memory.peers.reading import (
    Damaged,
    Found,
    escape_glob,
    hash_get,
    parse_json,
    read_keys_flow,
    text_of,
    texts,
    why_of,
)
from langchain_redis_memory.peers.records import Conversation, Record, Unreadable

_MESSAGE = re.compile(rb":[0-9.]+(:[0-9a-f]{8})?$")


@dataclass(frozen=True)
class RedisVLHistory:
    """Reads the histories of redisvl.

    Args:
        prefix: The history's name, or its `prefix`.
        match: Which sessions, as a glob.
        name: How the source is named.
    """

    prefix: str
    match: str = "*"
    name: str = "redisvl-history"

    @property
    def patterns(self) -> Sequence[str]:
        """What SCAN is asked for."""
        return (f"{escape_glob(self.prefix)}:{self.match}:*",)

    def unit(self, key: bytes) -> bytes | None:
        """Names what is read together with a key: the messages of a session."""
        return _MESSAGE.sub(b"", key) if _MESSAGE.search(key) else None

    def read_flow(self, keys: Sequence[bytes]) -> Flow[list[Record]]:
        """Reads conversations."""
        records: list[Record] = []
        sessions: dict[str, list[tuple[float, bytes, Any, int]]] = defaultdict(list)
        for found in (yield from read_keys_flow(keys, hash_get)):
            try:
                session, timestamp, message = self._message(found)
                sessions[session].append((timestamp, found.key, message, found.ttl_ms))
            except (ValueError, TypeError, LookupError) as error:
                records.append(Unreadable(found.name, why_of(error)))
        for session, said in sessions.items():
            said.sort(key=lambda one: one[:2])
            lifetimes = [ttl for _, _, _, ttl in said]
            ttl_ms = 0 if 0 in lifetimes else max(lifetimes)
            records.append(Conversation(session, tuple(message for _, _, message, _ in said), ttl_ms))
        return records

    @staticmethod
    def _message(found: Found) -> tuple[str, float, Any]:
        if found.fault:
            raise Damaged(found.fault)
        fields = texts(found.value)
        more = {"metadata": parse_json(fields["metadata"])} if fields.get("metadata") else {}
        message = of_role(
            text_of(fields["role"]),
            text_of(fields["content"]),
            text_of(fields["entry_id"]),
            tool_call_id=text_of(fields.get("tool_call_id")),
            additional_kwargs=more,
        )
        return text_of(fields["session_tag"]), float(fields["timestamp"]), message
