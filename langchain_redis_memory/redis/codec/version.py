"""The version byte in front of every stored record.

It tells a format that this package does not know yet from bytes that it did not write: the one asks for an update, the
other is damage. Scripts check the same byte (`redis/lua/_version.lua`). `docs/formats.md` lists the formats.
"""

from __future__ import annotations

from langchain_redis_memory.errors import CorruptDataError, FormatVersionError

VERSION = b"\x01"
_ABOVE = b" "  # versions are control characters, which no text of ours begins with


def check_version(record: bytes, where: str) -> bytes:
    """Checks the version of a record that was read from the key `where`, and takes it off.

    Raises `FormatVersionError`: another version of this package wrote it. Raises `CorruptDataError`: this package did
    not.
    """
    if record[:1] == VERSION:
        return record[1:]
    if is_newer(record):
        raise FormatVersionError(newer(where))
    raise CorruptDataError(f"{where!r} holds bytes that were not written by this package, or are damaged")


def is_newer(record: bytes) -> bool:
    """Returns whether bytes begin with a version that is not known here."""
    return VERSION < record[:1] < _ABOVE


def newer(where: str) -> str:
    """Words the error of an unknown version."""
    return f"{where!r} was written by a newer version of this package; update langchain-redis-memory in this process"
