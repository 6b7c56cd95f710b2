"""langgraph-checkpoint-plainredis: checkpoints, values and writes as strings and hashes of plain Redis.

Every value is JSON of a type and base64. Which thread a key is of is told by the hash `lg:threads`, as ids may hold a
colon.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from langgraph.checkpoint.serde.base import SerializerProtocol

from langchain_redis_memory.ops import Flow, Op, ask
from langchain_redis_memory.peers.key_source import PrefixSource
from langchain_redis_memory.peers.langgraph_redis import NO_PATH
from langchain_redis_memory.peers.langgraph_values import Values, strict_serde
from langchain_redis_memory.peers.records import Record, SavedCheckpoint, SavedWrite
from langchain_redis_memory.peers.stored_keys import (
    DamagedError,
    StoredKey,
    exists_flow,
    hash_get,
    parse_json,
    read_keys_flow,
    records_of,
    text_get,
    texts,
)


@dataclass(frozen=True)
class PlainRedis(PrefixSource):
    """Reads its threads: a unit is a checkpoint."""

    prefix: str = "lg"
    serde: SerializerProtocol = field(default_factory=strict_serde)
    name: str = "plainredis"
    shapes: ClassVar[tuple[str, ...]] = (":cp:{match}:*",)

    def read_flow(self, keys: Sequence[bytes]) -> Flow[list[Record]]:
        """Reads checkpoints with their values and writes."""
        records: list[Record] = []
        for stored in (yield from read_keys_flow(keys, text_get)):
            suffix = stored.key[len(f"{self.prefix}:cp:") :]
            index = f"{self.prefix}:idx:".encode() + suffix.rpartition(b":")[0]
            registry = ("HGET", f"{self.prefix}:threads", index)
            registered = yield from ask(Op((registry,), lambda replies: replies[0]))
            start = f"{self.prefix}:blob:".encode() + suffix.rpartition(b":")[0]
            try:
                body = _typed(stored, Values(self.serde)) if not stored.fault else {}
                versions = dict(body["checkpoint"]["channel_versions"]) if body else {}
            except (ValueError, TypeError, LookupError):
                versions = {}  # it is reported where the record is built
            blobs = {name: start + f":{name}:{version}".encode() for name, version in versions.items()}
            values = {one.key: one for one in (yield from read_keys_flow(list(blobs.values()), text_get))}
            writes = yield from read_keys_flow([f"{self.prefix}:wr:".encode() + suffix], hash_get)
            records += records_of([stored], lambda one: self._record(one, registered, blobs, values, writes))  # noqa: B023
        return records

    def holds_flow(self, name: str) -> Flow[bool]:
        """Returns whether it may hold something of that name."""
        return exists_flow(f"{self.prefix}:idx:{name}:")

    def beside(self, record: Record) -> Sequence[bytes]:
        """Names keys of a record that are not among those of its unit: its values and writes, and its index."""
        if not isinstance(record, SavedCheckpoint):
            return ()
        suffix, checkpoint = f"{record.thread_id}:{record.ns}", record.checkpoint
        start = f"{self.prefix}:blob:{suffix}"
        blobs = [f"{start}:{name}:{version}" for name, version in checkpoint["channel_versions"].items()]
        rest = [f"{self.prefix}:wr:{suffix}:{checkpoint['id']}", f"{self.prefix}:idx:{suffix}"]
        return [key.encode() for key in (*blobs, *rest)]

    def _record(
        self,
        found: StoredKey,
        registered: bytes | None,
        blobs: dict[str, bytes],
        values: dict[bytes, StoredKey],
        written: Sequence[StoredKey],
    ) -> Record:
        if registered is None:
            raise DamagedError(f"{self.prefix}:threads does not say which thread it is of")
        thread, reader = parse_json(registered), Values(self.serde)
        body = _typed(found, reader)
        stored, gone = {}, []
        for channel, key in blobs.items():
            if key not in values:
                gone.append(channel)
            elif parse_json(values[key].value)["t"] != "empty":
                stored[channel] = _typed(values[key], reader)
        writes = []
        for one in written:
            for name, raw in texts(one.value).items():
                task, channel, value = _read(raw, reader)
                writes.append(SavedWrite(task, int(name.rpartition(":")[2]), channel, value))
        lost = tuple(f"the value of a channel had expired before the thread ({channel})" for channel in gone)
        return SavedCheckpoint(
            thread["thread"],
            thread["ns"],
            {**body["checkpoint"], "channel_values": stored},
            body["metadata"],
            body.get("parent_id") or "",
            tuple(writes),
            found.ttl_ms,
            (*((NO_PATH,) if writes else ()), *lost, *reader.lost),
        )


def _typed(found: StoredKey, values: Values) -> Any:
    return _read(found.value, values)


def _read(raw: bytes, values: Values) -> Any:
    stored = parse_json(raw)
    return values.typed(stored["t"], b64decode(stored["d"]))
