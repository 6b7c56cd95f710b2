"""Checkpoints made by hand, and what the tests of the saver share: both colours, oracles, reading what is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.base.id import uuid6

from langchain_redis_memory.checkpoint.layout import field_of, record_of, spans
from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.raw import raw

Saver = Callable[..., RedisSaver]
TTL_S = 600


def place(thread: Any = "t", ns: str | None = "", at: str | None = None, **more: Any) -> Any:
    """A config."""
    configurable = {"thread_id": thread, **more}
    if ns is not None:
        configurable["checkpoint_ns"] = ns
    if at is not None:
        configurable["checkpoint_id"] = at
    return {"configurable": configurable}


def checkpoint(
    values: Mapping[str, Any] | None = None, versions: Mapping[str, Any] | None = None, name: str | None = None
) -> Any:
    """A checkpoint; each of its values has version 1 unless `versions` says otherwise."""
    values = dict(values or {})
    return {
        "v": 4,
        "id": name or str(uuid6(clock_seq=-1)),
        "ts": "2026-01-02T03:04:05.678901+00:00",
        "channel_values": values,
        "channel_versions": dict.fromkeys(values, 1) if versions is None else dict(versions),
        "versions_seen": {"__input__": {}, "node": {"a": 1}},
        "updated_channels": None,
    }


def loop(step: int = 0, **more: Any) -> Any:
    """Metadata."""
    return {"source": "loop", "step": step, "parents": {}, **more}


async def chain(
    both: Both, saver: Any, values: Sequence[Mapping[str, Any]], thread: str = "t", ns: str = ""
) -> list[Any]:
    """Stores checkpoints, each the child of the one before; a value that did not change keeps its version."""
    config, configs = place(thread, ns), list[Any]()
    versions: dict[str, int] = {}
    before: Mapping[str, Any] = {}
    for step, state in enumerate(values):
        new = {name: step + 1 for name in state if name not in before or before[name] != state[name]}
        versions = {**versions, **new}
        config = await both(saver.put)(config, checkpoint(state, versions), loop(step), new)
        before = state
        configs.append(config)
    return configs


async def listed(both: Both, saver: Any, config: Any, **options: Any) -> list[CheckpointTuple]:
    """What `list` gives."""
    return await both.each(saver.list)(config, **options)


def names(found: list[CheckpointTuple]) -> list[str]:
    """The ids of checkpoints."""
    return [one.config["configurable"]["checkpoint_id"] for one in found]


def at(config: Any) -> str:
    """The checkpoint that a config names."""
    return str(config["configurable"]["checkpoint_id"])


def ordered(found: list[CheckpointTuple]) -> list[CheckpointTuple]:
    """In an order that no saver decides: thread, namespace, newest first."""

    def key(one: CheckpointTuple) -> tuple[str, str]:
        where = one.config["configurable"]
        return where["thread_id"], where["checkpoint_ns"]

    return sorted(sorted(found, key=lambda one: one.checkpoint["id"], reverse=True), key=key)


def hashed(client: Client, key: str) -> dict[bytes, bytes]:
    """A hash."""
    found = raw(client, ("HGETALL", key))[0]
    return found if isinstance(found, dict) else dict(zip(found[::2], found[1::2], strict=True))


def stray(client: Client, thread: str = "t") -> dict[str, set[bytes]]:
    """What the keys of a thread hold that no checkpoint refers to, and what is referred to and not there."""
    keys = client.keys().thread(thread)
    records = {name: data for name, data in hashed(client, keys.checkpoints).items() if name}
    blobs, writes = hashed(client, keys.blobs), hashed(client, keys.writes)
    order = {member for member in raw(client, ("ZRANGE", keys.order, 0, -1))[0] if member}
    wanted, members, noted = {b""}, set(), set()

    def want(channel: bytes, value: bytes) -> None:
        for first, last in spans(value[1:]) if value[:1] == b"*" else ():
            wanted.update(b"e%b\0%d" % (channel, number) for number in range(first, last + 1))

    for name, data in records.items():
        record = record_of(name, data)
        members |= {f"i{record.id}\0{record.ns}".encode()} | ({b"n" + name} if record.ns else set())
        for reference in record.references:
            if reference.mark != "-":
                field = field_of(record.ns, reference).encode()
                wanted.add(field)
                want(reference.channel.encode(), blobs.get(field, b""))
        noted |= {name + b"\0\0", *(fields := fields_at(name, writes))}
        for parts in (netstrings(writes[field]) for field in fields):
            for channel, value in zip(parts[len(parts) % 4 + 2 :: 4], parts[len(parts) % 4 + 3 :: 4], strict=True):
                want(channel, value)
    digests = {field: data for field, data in blobs.items() if field[:1] == b"d"}
    stored = {b"e%b\0%d" % (field[1:], i // 16 + 1) for field, data in digests.items() for i in held(data)}
    elements = {field for field in blobs if field[:1] == b"e"}
    return {
        "blobs left": set(blobs) - wanted - set(digests),
        "blobs lost": wanted - set(blobs) - ({b""} if not records else set()),
        "digests left": stored - elements,
        "digests lost": elements - stored,
        "writes left": set(writes) - set(records) - noted - {b""},
        "order left": order - members,
        "order lost": members - order,
    }


def fields_at(name: bytes, writes: Mapping[bytes, bytes]) -> list[bytes]:
    """The fields of a checkpoint's writes: the first task's, and those of the chain of others."""
    if name not in writes:
        return []
    first, others = netstrings(writes[name])[0], netstrings(writes.get(name + b"\0\0", b"").removeprefix(b"<"))
    fields = [name]
    for task in others:  # which grows as links are followed
        if task != first:
            fields.append(name + b"\0" + task)
            parts = netstrings(writes[fields[-1]])
            others += netstrings(parts[0]) if len(parts) % 4 else []
    return fields


def held(digests: bytes) -> list[int]:
    """Where in a run of digests those of elements start that are stored."""
    return [i for i in range(0, len(digests), 16) if digests[i : i + 16].strip(b"\0")]


def netstrings(data: bytes) -> list[bytes]:
    """The parts of a run of netstrings."""
    found = []
    while data:
        size, _, data = data.partition(b":")
        found.append(data[: int(size)])
        data = data[int(size) :]
    return found


def tidy(client: Client, thread: str = "t") -> bool:
    """Whether everything stored is referred to and everything referred to is stored."""
    found = stray(client, thread)
    assert not any(found.values()), found
    return True


def size(client: Client, thread: str = "t") -> int:
    """Bytes of names and values under the keys of a thread."""
    keys = client.keys().thread(thread)
    parts = [hashed(client, key) for key in (keys.checkpoints, keys.blobs, keys.writes)]
    order = raw(client, ("ZRANGE", keys.order, 0, -1))[0]
    return sum(len(name) + len(data) for part in parts for name, data in part.items()) + sum(map(len, order))
