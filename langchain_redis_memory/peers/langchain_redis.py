"""langchain-redis: `RedisChatMessageHistory`, one RedisJSON document for each message.

The key is `chat:{session}:{ULID}`; the document names the session, since a session's id may hold a colon. Messages
are ordered by their time, then by their ULID. What it never stored is lost: ids, names, tool calls, usage.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_redis_memory.errors import ServerError
from langchain_redis_memory.ops import Flow, Op, Reply, ask
from langchain_redis_memory.peers.chat import from_dict
from langchain_redis_memory.peers.reading import (
    Damaged,
    Found,
    escape_glob,
    json_get,
    parse_json,
    read_keys_flow,
    why_of,
)
from langchain_redis_memory.peers.records import Conversation, Record, Unreadable
from langchain_redis_memory.redis.replies import pairs

_INDEX = "idx:chat_history"
_ULID = re.compile(rb":[0-9A-HJKMNP-TV-Z]{26}$")
NEVER_STORED = "langchain-redis never stored the ids, names, tool calls and usage of messages"


@dataclass(frozen=True)
class LangChainRedisHistory:
    """Reads the histories of langchain-redis.

    Args:
        prefix: Its `key_prefix`.
        match: Which sessions, as a glob.
        name: How the source is named.
    """

    prefix: str = "chat:"
    match: str = "*"
    name: str = "langchain-redis"

    @property
    def patterns(self) -> Sequence[str]:
        """What SCAN is asked for."""
        return (f"{escape_glob(self.prefix)}{self.match}:*",)

    def unit(self, key: bytes) -> bytes | None:
        """Names what is read together with a key: the messages of a session."""
        return _ULID.sub(b"", key) if _ULID.search(key) else None

    def read_flow(self, keys: Sequence[bytes]) -> Flow[list[Record]]:
        """Reads conversations."""
        records: list[Record] = []
        sessions: dict[str, list[tuple[float, bytes, Any, int]]] = defaultdict(list)
        for found in (yield from read_keys_flow(keys, json_get)):
            try:
                session, timestamp, message = self._message(found)
                sessions[session].append((timestamp, found.key, message, found.ttl_ms))
            except (ValueError, TypeError, LookupError) as error:
                records.append(Unreadable(found.name, why_of(error)))
        for session, said in sessions.items():
            said.sort(key=lambda one: one[:2])
            lifetimes = [ttl for _, _, _, ttl in said]
            ttl_ms = 0 if 0 in lifetimes else max(lifetimes)
            messages = tuple(message for _, _, message, _ in said)
            records.append(Conversation(session, messages, ttl_ms, lost=(NEVER_STORED,)))
        return records

    def holds_flow(self, name: str) -> Flow[bool]:
        """Asks its index; where some messages could not be indexed, or there is no index, it may hold something."""
        tag = re.sub(r"([^A-Za-z0-9_])", r"\\\1", name)
        commands = (("FT.SEARCH", _INDEX, f"@session_id:{{{tag}}}", "LIMIT", 0, 0), ("FT.INFO", _INDEX))
        found, told = yield from ask(Op(commands, list, tolerant=True))
        if isinstance(found, ServerError) or isinstance(told, ServerError):
            return True
        return bool(_count(found, b"total_results")) or bool(_count(told, b"hash_indexing_failures"))

    def beside(self, record: Record) -> Sequence[bytes]:
        """Names keys of a record that are not among those of its unit."""
        return ()

    @staticmethod
    def _message(found: Found) -> tuple[str, float, Any]:
        if found.fault:
            raise Damaged(found.fault)
        body = parse_json(found.value)
        message = from_dict({"type": body["type"], "data": body["data"]}, str(body["message_id"]))
        return str(body["session_id"]), float(body["timestamp"]), message


def _count(reply: Reply, name: bytes) -> int:
    """Reads a number of a reply, in either protocol; of a search in the older one it stands first."""
    if isinstance(reply, list) and reply and isinstance(reply[0], int):
        return reply[0]
    return int(dict(pairs(reply)).get(name) or 0)
