"""redisvl: `MessageHistory` and `SemanticMessageHistory`, a hash for each message."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from langchain_redis_memory.peers.chat import of_role
from langchain_redis_memory.peers.key_source import Command, MessageSource
from langchain_redis_memory.peers.stored_keys import StoredKey, hash_get, parse_json, text_of, texts

_MESSAGE = re.compile(rb":[0-9.]+(:[0-9a-f]{8})?$")


@dataclass(frozen=True)
class RedisVLHistory(MessageSource):
    """Reads the histories of redisvl; the prefix is the history's name, or its `prefix`."""

    name: str = "redisvl-history"
    command: ClassVar[Command] = staticmethod(hash_get)
    ending: ClassVar[re.Pattern[bytes]] = _MESSAGE
    shapes: ClassVar[tuple[str, ...]] = (":{match}:*",)

    def message(self, found: StoredKey) -> tuple[str, float, Any]:
        """Builds a message, with its session and its time."""
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
