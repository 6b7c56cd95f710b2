"""A record that is changed by compare-and-set (CAS): read, computed anew, swapped if nobody else wrote meanwhile.

A record carries a head: how often it was written, and a random mark, so that a record that was deleted and made anew is
never taken for the old one, and a write that is sent again after a lost reply is recognised. A writer that comes too
late can leave a note beside the record instead, which whoever reads it next takes into account; so a write that must
not wait and must not be lost is neither. Bytes that were not written by this package count as no record.
"""

from __future__ import annotations

import logging
import os
import random
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from langchain_redis_memory.errors import ConflictError, DecryptionError, FormatVersionError, UnknownKeyError
from langchain_redis_memory.ops import Flow, Op, Reply, Sleep, ask
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.codec.version import is_newer, newer
from langchain_redis_memory.redis.scripts import command, script

_log = logging.getLogger(__name__)

_HEAD = re.compile(rb"\x01(\d{1,18}-[0-9a-f]{16}):")
_NOTE = re.compile(rb"(\d{1,9}):")

MOST_NOTES_BYTES = 65_536
ATTEMPTS = 24


class Version(NamedTuple):
    """Which version of a record was read: its head, and how many bytes of notes."""

    head: str = ""
    seen: int = 0

    @property
    def writes(self) -> int:
        """How often the record was written."""
        return int(self.head.partition("-")[0] or 0)


class CasRecord(NamedTuple):
    """What stands under a field: its version, its body (None: nothing that can be read), and the notes beside it."""

    version: Version = Version()
    body: bytes | None = None
    notes: tuple[bytes, ...] = ()


def parse(record: bytes | None, notes: bytes | None, where: Key, field: str) -> CasRecord:
    """Parses what is stored. Returns the record; whatever else is there counts as none.

    Raises `FormatVersionError`: a newer version of this package wrote it. Raises `UnknownKeyError`: it was encrypted
    with a key that is not there.
    """
    if is_newer(record or b""):
        raise FormatVersionError(newer(where))
    head = _HEAD.match(record or b"")
    body = _opened((record or b"")[head.end() :], where, field) if head else None
    kept, rest = [], notes or b""
    while size := _NOTE.match(rest):
        kept.append(_opened(rest[size.end() : size.end() + int(size[1])], where, f"{field}+"))
        rest = rest[size.end() + int(size[1]) :]
    version = Version(head[1].decode() if head else "", len(notes or b""))
    return CasRecord(version, body, tuple(note for note in kept if note is not None))


def _opened(data: bytes, where: Key, field: str) -> bytes | None:
    """Decrypts a body or a note; None for one that counts as damaged, as it does without a cipher."""
    try:
        return where.decrypt(data, field)
    except UnknownKeyError:
        raise
    except DecryptionError as error:
        _log.warning("a record counts as absent: %s", error)
        return None


def renew(where: Key, field: bytes, record: bytes, notes: bytes) -> tuple[bytes, bytes]:
    """Encrypts a record and its notes under the current key; see `Key.renew`. Returns both, as they are to be stored.

    A record whose notes changed has another mark: how many bytes of notes somebody has seen says nothing any more.
    Raises `DecryptionError`: one of them cannot be decrypted.
    """
    head = _HEAD.match(record)
    made = head[0] + where.renew(record[head.end() :], field) if head else record
    kept, rest = b"", notes
    while size := _NOTE.match(rest):
        end = size.end() + int(size[1])
        note = where.renew(rest[size.end() : end], field + b"+", repeatable=True)
        kept, rest = kept + b"%d:%s" % (len(note), note), rest[end:]
    if head and kept + rest != notes:
        made = b"\x01%s-%s:" % (head[1].partition(b"-")[0], os.urandom(8).hex().encode()) + made[head.end() :]
    return made, kept + rest


def read(key: Key, field: str) -> Op[CasRecord]:
    """Reads a record."""

    def decode(replies: Sequence[Reply]) -> CasRecord:
        record, notes = replies[0]
        return parse(record, notes, key, field)

    return Op((("HMGET", key, field, f"{field}+"),), decode)


def swap(
    key: Key, owner: str, field: str, version: Version, body: bytes, ttl_ms: int, note: bytes = b""
) -> Op[Version | CasRecord]:
    """Stores a record in the place of the version that was read.

    It shares the lifetime of `owner`, which is `key` itself for a lifetime of its own; `ttl_ms` counts where the owner
    does not exist. The `note` is kept beside the record if it was changed meanwhile. An op of one trip: the body's
    version where it stands, else the record that stands.
    """
    fresh = Version(f"{version.writes + 1}-{os.urandom(8).hex()}")
    if note:  # what is noted twice is known by its bytes
        note = key.encrypt(note, f"{field}+", repeatable=True)
    kept = b"%d:%s" % (len(note), note) if note else b""
    stored = key.encrypt(body, field)
    call = script("redis/record_swap")(
        (key, owner), field, version.head, fresh.head, stored, version.seen, kept, MOST_NOTES_BYTES, ttl_ms
    )

    def decode(replies: Sequence[Reply]) -> Version | CasRecord:
        return fresh if replies[0] == 1 else parse(replies[0][0], replies[0][1], key, field)

    return Op((call,), decode)


def drop(key: Key, field: str) -> Op[bool]:
    """Deletes a record with its notes. An op of one trip: whether there was one."""
    return Op((command("HDEL", (key,), field, f"{field}+"),), lambda replies: bool(replies[0]))


def revise_flow(
    key: Key,
    owner: str,
    field: str,
    change: Callable[[CasRecord], bytes],
    ttl_ms: int,
    record: CasRecord | None = None,
) -> Flow[Version]:
    """Changes a record by `change`, again and again until nobody else has changed it meanwhile.

    A flow of two trips, one less for a `record` that was read already, one more for each time that somebody else was
    faster: the version that stands now. Raises `ConflictError`: others were faster each time; nothing was changed.
    """
    if record is None:
        record = yield from ask(read(key, field))
    for attempt in range(ATTEMPTS):
        if attempt > 2:
            yield Sleep(random.uniform(0, min(0.05, 0.002 * 2**attempt)))
        standing = yield from ask(swap(key, owner, field, record.version, change(record), ttl_ms))
        if isinstance(standing, Version):
            return standing
        record = standing
    raise ConflictError(f"{key!r} was changed by others {ATTEMPTS} times while it was being changed here; try again")
