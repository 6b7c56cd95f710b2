"""langgraph-checkpoint-redis: its saver since 0.1, its shallow saver, and its saver up to 0.0.8.

All keep a checkpoint as a RedisJSON document, and each write of a task as another one. Since 0.1 the values stand in
the checkpoint; before they were documents of their own, and a checkpoint's key and its `checkpoint_id` were those of
its parent. The shallow saver keeps one checkpoint of each namespace.
"""

from __future__ import annotations

from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol

from langchain_redis_memory.ops import Flow
from langchain_redis_memory.peers.langgraph_values import AS_JSON, Values, strict_serde
from langchain_redis_memory.peers.records import Record, SavedCheckpoint, SavedWrite
from langchain_redis_memory.peers.stored_keys import (
    DamagedError,
    StoredKey,
    escape_glob,
    exists_flow,
    json_get,
    parse_json,
    read_keys_flow,
    records_of,
)

_NO_NAME, _NO_ID = "__empty__", "00000000-0000-0000-0000-000000000000"
_OLD = "a version up to 0.0.8 wrote it: migrate it as the source langgraph-redis-0.0"
NO_PATH = "the source did not store the task paths of writes"


@dataclass(frozen=True)
class LangGraphRedis:
    """Reads the threads of its saver since 0.1: a unit is a checkpoint with its writes.

    The prefix is its `checkpoint_prefix`, and after a comma its `checkpoint_write_prefix` where that is another.
    """

    prefix: str = "checkpoint"
    match: str = "*"
    serde: SerializerProtocol = field(default_factory=strict_serde)
    name: str = "langgraph-redis"

    @property
    def _checkpoints(self) -> bytes:
        return self.prefix.partition(",")[0].encode() + b":"

    @property
    def _writes(self) -> bytes:
        return (self.prefix.partition(",")[2] or "checkpoint_write").encode() + b":"

    @property
    def patterns(self) -> Sequence[str]:
        """What SCAN is asked for."""
        return tuple(f"{escape_glob(start.decode())}{self.match}:*" for start in (self._checkpoints, self._writes))

    def unit(self, key: bytes) -> bytes | None:
        """Names what is read together with a key: a checkpoint and its writes."""
        if key.startswith(self._checkpoints):
            rest = key[len(self._checkpoints) :]
            return None if rest.endswith(b":") else rest
        return key[len(self._writes) :].rsplit(b":", 2)[0]

    def read_flow(self, keys: Sequence[bytes]) -> Flow[list[Record]]:
        """Reads a checkpoint with its writes."""
        own = [key for key in keys if key.startswith(self._checkpoints)]
        documents = yield from read_keys_flow(own, json_get)
        theirs = [key for key in keys if not key.startswith(self._checkpoints)] if documents else []
        written = yield from read_keys_flow(theirs, json_get)
        return records_of(documents, lambda found: self._record(found, written))

    def holds_flow(self, name: str) -> Flow[bool]:
        """Returns whether it may hold something of that name."""
        return exists_flow(f"{self._checkpoints[:-1].decode()}_latest:{name}:{_NO_NAME}")

    def beside(self, record: Record) -> Sequence[bytes]:
        """Names keys of a record that are not among those of its unit."""
        if not isinstance(record, SavedCheckpoint):
            return ()
        place = f"{record.thread_id}:{record.ns or _NO_NAME}"
        latest = f"{self._checkpoints[:-1].decode()}_latest:{place}"
        return [latest.encode(), f"write_keys_zset:{place}:{record.checkpoint['id']}".encode()]

    def _record(self, found: StoredKey, written: Sequence[StoredKey]) -> Record | list[Record]:
        document = parse_json(found.value)
        if found.key.rpartition(b":")[2].decode() != str(document["checkpoint_id"]):
            return []  # of the shallow saver
        if "run_id" not in document and "checkpoint_ts" not in document:
            raise DamagedError(_OLD)
        values = Values(self.serde)
        writes = tuple(write_of(parse_json(one.value), values) for one in written if not one.fault)
        return checkpoint_of(document, values, writes, found.ttl_ms)


@dataclass(frozen=True)
class LangGraphRedisShallow(LangGraphRedis):
    """Reads the threads of its shallow saver: a unit is a namespace of a thread."""

    name: str = "langgraph-redis-shallow"

    def unit(self, key: bytes) -> bytes | None:
        """Names what is read together with a key: a namespace of a thread."""
        if key.startswith(self._checkpoints):
            rest = key[len(self._checkpoints) :]
            return rest + _NO_NAME.encode() if rest.endswith(b":") else rest
        return key[len(self._writes) :].rsplit(b":", 3)[0]

    def holds_flow(self, name: str) -> Flow[bool]:
        """Returns whether it may hold something of that name."""
        return exists_flow(f"{self._checkpoints.decode()}{name}:")

    def beside(self, record: Record) -> Sequence[bytes]:
        """Names keys of a record that are not among those of its unit."""
        if not isinstance(record, SavedCheckpoint):
            return ()
        return [f"write_registry:{record.thread_id}:{record.ns or _NO_NAME}:shallow".encode()]

    def _record(self, found: StoredKey, written: Sequence[StoredKey]) -> Record | list[Record]:
        document = parse_json(found.value)
        thread, ns = str(document["thread_id"]), _name_of(document["checkpoint_ns"])
        if found.key != self._checkpoints + f"{thread}:{ns}".encode():
            return []  # of the saver that keeps all checkpoints
        values = Values(self.serde)
        parsed = [parse_json(one.value) for one in written if not one.fault]
        theirs = [write for write in parsed if write["checkpoint_id"] == document["checkpoint_id"]]
        return checkpoint_of(document, values, tuple(write_of(write, values) for write in theirs), found.ttl_ms)


@dataclass(frozen=True)
class LangGraphRedisOld(LangGraphRedis):
    """Reads the threads of its saver up to 0.0.8: a unit is a namespace of a thread."""

    name: str = "langgraph-redis-0.0"

    def unit(self, key: bytes) -> bytes | None:
        """Names what is read together with a key: a namespace of a thread."""
        if key.startswith(self._checkpoints):
            rest = key[len(self._checkpoints) :]
            return None if rest.endswith(b":") else rest.rpartition(b":")[0]
        return key[len(self._writes) :].rsplit(b":", 3)[0]

    def read_flow(self, keys: Sequence[bytes]) -> Flow[list[Record]]:
        """Reads the checkpoints of a namespace with their values and writes."""
        own = [key for key in keys if key.startswith(self._checkpoints)]
        documents = yield from read_keys_flow(own, json_get)
        theirs = [key for key in keys if not key.startswith(self._checkpoints)]
        written: dict[str, list[Any]] = defaultdict(list)
        for one in (yield from read_keys_flow(theirs, json_get)):
            write = parse_json(one.value)
            written[write["checkpoint_id"]].append(write)
        names = sorted({name for found in documents for name in _blob_keys(found)})
        blobs = {found.key: parse_json(found.value) for found in (yield from read_keys_flow(names, json_get))}
        records = records_of(documents, lambda found: self._old(found, written, blobs))
        return sorted(records, key=lambda one: one.checkpoint["id"] if isinstance(one, SavedCheckpoint) else "")

    def holds_flow(self, name: str) -> Flow[bool]:
        """Returns whether it may hold something of that name."""
        return exists_flow(f"{self._checkpoints.decode()}{name}:{_NO_NAME}:{_NO_ID}")

    def beside(self, record: Record) -> Sequence[bytes]:
        """Names keys of a record that are not among those of its unit: its values."""
        if not isinstance(record, SavedCheckpoint):
            return ()
        start = f"checkpoint_blob:{record.thread_id}:{record.ns or _NO_NAME}"
        versions = record.checkpoint["channel_versions"]
        return [f"{start}:{channel}:{version}".encode() for channel, version in versions.items()]

    def _old(self, found: StoredKey, written: Mapping[str, Sequence[Any]], blobs: Mapping[bytes, Any]) -> Record:
        document = parse_json(found.value)
        values = Values(self.serde)
        stored, gone = {}, []
        for channel, key in _blobs_of(document):
            blob = blobs.get(key)
            if blob is None:
                gone.append(channel)
            elif blob["type"] != "empty":
                stored[channel] = values.typed(blob["type"], (blob["blob"] or "").encode())
        checkpoint = {**document["checkpoint"], "channel_values": {}}
        parent = _id_of(document["checkpoint_id"])
        document = {**document, "checkpoint": checkpoint, "parent_checkpoint_id": parent}
        writes = tuple(write_of(write, values, raw=True) for write in written.get(checkpoint["id"], ()))
        record = checkpoint_of(document, values, writes, found.ttl_ms, checkpoint["id"], stored)
        lost = tuple(f"the value of a channel had expired before the thread ({channel})" for channel in gone)
        return SavedCheckpoint(**{**vars(record), "lost": record.lost + lost})


def _blob_keys(found: StoredKey) -> list[bytes]:
    try:
        return [key for _, key in _blobs_of(parse_json(found.value))]
    except (ValueError, TypeError, LookupError):
        return []  # it is reported where the record is built


def _blobs_of(document: Mapping[str, Any]) -> Iterable[tuple[str, bytes]]:
    for channel, version in document["checkpoint"]["channel_versions"].items():
        start = f"checkpoint_blob:{document['thread_id']}:{document['checkpoint_ns']}"
        yield channel, f"{start}:{channel}:{version}".encode()


def write_of(document: Mapping[str, Any], values: Values, *, raw: bool = False) -> SavedWrite:
    """Builds a write from its document; `raw` says that the value stands there as it is, and not in base64."""
    blob = document["blob"] or ""
    value = values.typed(document["type"], blob.encode() if raw else b64decode(blob))
    path = str(document.get("task_path") or "")
    return SavedWrite(str(document["task_id"]), int(document["idx"]), str(document["channel"]), value, path)


def checkpoint_of(
    document: Mapping[str, Any],
    values: Values,
    writes: tuple[SavedWrite, ...],
    ttl_ms: int,
    checkpoint_id: str | None = None,
    stored: Mapping[str, Any] | None = None,
) -> SavedCheckpoint:
    """Builds a checkpoint from its document; its id and its values stand in it unless they are given."""
    body = {key: part for key, part in document["checkpoint"].items() if key != "type"}
    if not body.get("pending_sends"):
        body.pop("pending_sends", None)
    channel_values = values.revive(body["channel_values"]) if stored is None else dict(stored)
    metadata = document["metadata"]
    checkpoint = {
        **body,
        "id": checkpoint_id or _id_of(document["checkpoint_id"]),
        "channel_values": channel_values,
        "channel_versions": dict(body["channel_versions"]),
    }
    return SavedCheckpoint(
        _id_of(document["thread_id"]),
        _name_of(document["checkpoint_ns"]),
        checkpoint,
        values.revive(parse_json(metadata) if isinstance(metadata, str) else metadata),
        _id_of(document.get("parent_checkpoint_id") or ""),
        writes,
        ttl_ms,
        (AS_JSON, *values.lost),
    )


def _name_of(name: Any) -> str:
    return "" if name == _NO_NAME else str(name)


def _id_of(name: Any) -> str:
    return "" if name == _NO_ID else str(name)
