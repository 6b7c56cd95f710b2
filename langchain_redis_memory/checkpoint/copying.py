"""Copies what a thread holds for another one: encrypted values are encrypted anew, as each belongs to its thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from langchain_redis_memory.checkpoint.layout import netstring, netstrings, record_of, write_place
from langchain_redis_memory.redis.key_groups import ThreadKeys

Fields = Mapping[bytes, bytes]


class ThreadContent(NamedTuple):
    """All that the keys of a thread hold.

    Args:
        checkpoints: Records by namespace NUL id.
        order: The names of checkpoints.
        blobs: Values and elements of lists by field.
        writes: Writes by field.
    """

    checkpoints: Fields
    order: tuple[bytes, ...]
    blobs: Fields
    writes: Fields


def moved(content: ThreadContent, source: ThreadKeys, target: ThreadKeys) -> ThreadContent:
    """Encrypts for one thread what was encrypted for another.

    Args:
        content: What the source holds.
        source: Its keys.
        target: The other's keys.

    Returns:
        What the other is to hold: the same, where there is no cipher.

    Raises:
        DecryptionError: Something cannot be decrypted.
    """
    if not source.blobs.encrypts:
        return content
    return ThreadContent(
        {name: _record(name, data, source, target) for name, data in content.checkpoints.items()},
        content.order,
        {name: _blob(name, data, source, target) for name, data in content.blobs.items()},
        {name: _writes(name, data, source, target) for name, data in content.writes.items()},
    )


def _record(name: bytes, data: bytes, source: ThreadKeys, target: ThreadKeys) -> bytes:
    if name in {b"", b"owner"}:  # the count of changes, and whose the thread is
        return data
    body = record_of(name, data).body
    front = data[: len(data) - len(body)]
    return front + target.checkpoints.encrypt(source.checkpoints.decrypt(body, name), name)


def _blob(name: bytes, data: bytes, source: ThreadKeys, target: ThreadKeys) -> bytes:
    if name[:1] == b"e":
        channel = name.rpartition(b"\0")[0]
        return target.blobs.encrypt(source.blobs.decrypt(data, channel), channel)
    if name[:1] == b"b" and data[:1] == b"+":
        return b"+" + target.blobs.encrypt(source.blobs.decrypt(data[1:], name), name)
    return data


def _writes(name: bytes, data: bytes, source: ThreadKeys, target: ThreadKeys) -> bytes:
    ns, checkpoint_id, *task = name.split(b"\0")[:3] if name else [b"", b""]
    if not name or task == [b""]:  # the names of tasks
        return data
    parts = netstrings(data)
    front = [] if task else [parts.pop(0)]
    place = b"\0".join((ns, checkpoint_id)).decode()
    for at in range(3, len(parts), 4):
        if parts[at][:1] == b"+":
            field = write_place(place, (task or front)[0].decode(), int(parts[at - 3]), parts[at - 1].decode())
            parts[at] = b"+" + target.writes.encrypt(source.writes.decrypt(parts[at][1:], field), field)
    return b"".join(map(netstring, [*front, *parts]))
