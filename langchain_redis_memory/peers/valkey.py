"""langgraph-checkpoint-aws: its `ValkeySaver`, which keeps a checkpoint with all its values as one string of JSON.

The braces in its keys are literal: `checkpoint:{thread}:namespace:checkpoint`.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from langgraph.checkpoint.serde.base import SerializerProtocol

from langchain_redis_memory.ops import Flow
from langchain_redis_memory.peers.key_source import PrefixSource
from langchain_redis_memory.peers.langgraph_redis import NO_PATH
from langchain_redis_memory.peers.langgraph_values import Values, strict_serde
from langchain_redis_memory.peers.records import Record, SavedCheckpoint, SavedWrite
from langchain_redis_memory.peers.stored_keys import (
    DamagedError,
    StoredKey,
    exists_flow,
    parse_json,
    read_keys_flow,
    records_of,
    text_get,
)


@dataclass(frozen=True)
class Valkey(PrefixSource):
    """Reads its threads: a unit is a checkpoint."""

    prefix: str = "checkpoint:"
    serde: SerializerProtocol = field(default_factory=strict_serde)
    name: str = "aws-valkey"
    shapes: ClassVar[tuple[str, ...]] = ("{{{match}}}:*:*",)

    def read_flow(self, keys: Sequence[bytes]) -> Flow[list[Record]]:
        """Reads checkpoints with their writes."""
        records: list[Record] = []
        for stored in (yield from read_keys_flow(keys, text_get)):
            beside = b"writes:" + stored.key[len(self.prefix) :]
            writes = yield from read_keys_flow([beside], text_get)
            records += records_of([stored], lambda one: self._record(one, writes))  # noqa: B023
        return records

    def holds_flow(self, name: str) -> Flow[bool]:
        """Returns whether it may hold something of that name."""
        return exists_flow(f"thread:{{{name}}}:")

    def beside(self, record: Record) -> Sequence[bytes]:
        """Names keys of a record that are not among those of its unit: its writes, and the list of its checkpoints."""
        if not isinstance(record, SavedCheckpoint):
            return ()
        place = f"{{{record.thread_id}}}:{record.ns}"
        return [f"writes:{place}:{record.checkpoint['id']}".encode(), f"thread:{place}".encode()]

    def _record(self, found: StoredKey, written: Sequence[StoredKey]) -> Record:
        document = parse_json(found.value)
        thread, own = document["thread_id"], document["checkpoint_id"]
        start, end = f"{self.prefix}{{{thread}}}:", f":{own}"
        key = found.key.decode()
        if not key.startswith(start) or not key.endswith(end):
            raise DamagedError("its key names another thread or checkpoint than its value")
        values = Values(self.serde)
        checkpoint = values.typed(document["type"], b64decode(document["checkpoint"]))
        writes = tuple(_write(write, values) for one in written for write in parse_json(one.value))
        return SavedCheckpoint(
            thread,
            key[len(start) : len(key) - len(end)],
            checkpoint,
            parse_json(b64decode(document["metadata"])),
            document["parent_checkpoint_id"] or "",
            writes,
            found.ttl_ms,
            (*((NO_PATH,) if writes else ()), *values.lost),
        )


def _write(write: dict[str, Any], values: Values) -> SavedWrite:
    value = values.typed(write["type"], b64decode(write["value"]))
    return SavedWrite(write["task_id"], int(write["idx"]), write["channel"], value)
