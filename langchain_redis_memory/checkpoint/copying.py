"""Encrypts what a thread holds anew: for another thread, as each value belongs to its own, or under another key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from langchain_redis_memory.checkpoint.layout import netstring, netstrings, record_of, write_place
from langchain_redis_memory.redis.key_groups import ThreadKeys

Fields = Mapping[bytes, bytes]

Anew = Callable[[bytes, "str | bytes"], bytes]
"""From encrypted bytes and the field that they are bound to, to the bytes that are stored instead."""


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

    Returns what the other is to hold: the same, where there is no cipher. Raises `DecryptionError`: something cannot be
    decrypted.
    """
    if not source.blobs.encrypts:
        return content

    def anew(part: str) -> Anew:
        here, there = getattr(source, part), getattr(target, part)
        return lambda data, field: there.encrypt(here.decrypt(data, field), field)

    records, values, writes = anew("checkpoints"), anew("blobs"), anew("writes")
    return ThreadContent(
        {name: record_anew(name, data, records) for name, data in content.checkpoints.items()},
        content.order,
        {name: value_anew(name, data, values) for name, data in content.blobs.items()},
        {name: writes_anew(name, data, writes) for name, data in content.writes.items()},
    )


def record_anew(name: bytes, data: bytes, anew: Anew) -> bytes:
    """Encrypts a field of `checkpoints` anew."""
    if name in {b"", b"owner"}:  # the count of changes, and whose the thread is
        return data
    body = record_of(name, data).body
    return data[: len(data) - len(body)] + anew(body, name)


def value_anew(name: bytes, data: bytes, anew: Anew) -> bytes:
    """Encrypts a field of `blobs` anew."""
    if name[:1] == b"e":
        return anew(data, name.rpartition(b"\0")[0])
    return b"+" + anew(data[1:], name) if name[:1] == b"b" and data[:1] == b"+" else data


def writes_anew(name: bytes, data: bytes, anew: Anew) -> bytes:
    """Encrypts a field of `writes` anew."""
    ns, checkpoint_id, *task = name.split(b"\0")[:3] if name else [b"", b""]
    if not name or task == [b""]:  # the names of tasks
        return data
    parts = netstrings(data)
    front = [parts.pop(0)] if len(parts) % 4 else []  # names of tasks
    place = b"\0".join((ns, checkpoint_id)).decode()
    for at in range(3, len(parts), 4):
        if parts[at][:1] == b"+":
            field = write_place(place, (task or front)[0].decode(), int(parts[at - 3]), parts[at - 1].decode())
            parts[at] = b"+" + anew(parts[at][1:], field)
    return b"".join(map(netstring, [*front, *parts]))
