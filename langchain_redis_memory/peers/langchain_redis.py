"""langchain-redis: `RedisChatMessageHistory`, one RedisJSON document for each message.

The key is `chat:{session}:{ULID}`; the document names the session, since a session's id may hold a colon. Messages
are ordered by their time, then by their ULID. What it never stored is lost: ids, names, tool calls, usage.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from langchain_redis_memory.errors import ServerError
from langchain_redis_memory.ops import Flow, Op, Reply, ask
from langchain_redis_memory.peers.chat import from_dict
from langchain_redis_memory.peers.key_source import Command, MessageSource
from langchain_redis_memory.peers.stored_keys import StoredKey, json_get, parse_json
from langchain_redis_memory.redis.replies import pairs

_INDEX = "idx:chat_history"
_ULID = re.compile(rb":[0-9A-HJKMNP-TV-Z]{26}$")
NEVER_STORED = "langchain-redis never stored the ids, names, tool calls and usage of messages"


@dataclass(frozen=True)
class LangChainRedisHistory(MessageSource):
    """Reads the histories of langchain-redis; the prefix is its `key_prefix`."""

    prefix: str = "chat:"
    name: str = "langchain-redis"
    command: ClassVar[Command] = staticmethod(json_get)
    ending: ClassVar[re.Pattern[bytes]] = _ULID
    lost: ClassVar[tuple[str, ...]] = (NEVER_STORED,)
    shapes: ClassVar[tuple[str, ...]] = ("{match}:*",)

    def holds_flow(self, name: str) -> Flow[bool]:
        """Asks its index; where some messages could not be indexed, or there is no index, it may hold something."""
        tag = re.sub(r"([^A-Za-z0-9_])", r"\\\1", name)
        commands = (("FT.SEARCH", _INDEX, f"@session_id:{{{tag}}}", "LIMIT", 0, 0), ("FT.INFO", _INDEX))
        found, index = yield from ask(Op(commands, list, tolerant=True))
        if isinstance(found, ServerError) or isinstance(index, ServerError):
            return True
        return bool(_count(found, b"total_results")) or bool(_count(index, b"hash_indexing_failures"))

    def message(self, found: StoredKey) -> tuple[str, float, Any]:
        """Builds a message, with its session and its time."""
        body = parse_json(found.value)
        message = from_dict({"type": body["type"], "data": body["data"]}, str(body["message_id"]))
        return str(body["session_id"]), float(body["timestamp"]), message


def _count(reply: Reply, name: bytes) -> int:
    """Reads a number of a reply, in either protocol; of a search in the older one it stands first."""
    if isinstance(reply, list) and reply and isinstance(reply[0], int):
        return reply[0]
    return int(dict(pairs(reply)).get(name) or 0)
