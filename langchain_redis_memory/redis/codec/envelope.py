"""The envelope of a cached value: format version, checksum, and bytes that may be deflated.

    version (1 byte) | checksum (8 bytes) | encoding (1 byte) | body

The checksum is a BLAKE2b digest of everything behind it, so damaged bytes are never read as another value. A cache
treats an envelope of another version as a miss, so the layout can change without a migration.
"""

from __future__ import annotations

import zlib
from hashlib import blake2b

from langchain_redis_memory.errors import CorruptDataError, FormatVersionError
from langchain_redis_memory.redis.codec.compression import deflate, inflate
from langchain_redis_memory.redis.codec.version import VERSION, is_newer, newer

_CHECKSUM_BYTES = 8
_PLAIN, _DEFLATED = b"|", b"~"


def seal(data: bytes, *, deflate_from: int | None = None) -> bytes:
    """Puts bytes into an envelope, deflated from so many bytes on where that makes them shorter; None: never."""
    small = deflate(data) if deflate_from is not None and len(data) >= deflate_from else None
    body = _PLAIN + data if small is None else _DEFLATED + small
    return VERSION + _checksum(body) + body


def unseal(envelope: bytes, where: str) -> bytes:
    """Takes the bytes out of an envelope that was read from the key `where`.

    Raises `FormatVersionError`: a newer version of this package wrote it. Raises `CorruptDataError`: it is damaged or
    something else.
    """
    head, body = envelope[: 1 + _CHECKSUM_BYTES], envelope[1 + _CHECKSUM_BYTES :]
    if is_newer(envelope):
        raise FormatVersionError(newer(where))
    try:
        if head == VERSION + _checksum(body) and body[:1] in {_PLAIN, _DEFLATED}:
            return inflate(body[1:]) if body[:1] == _DEFLATED else body[1:]
        reason = "damaged or not written by this package"
    except (ValueError, zlib.error, CorruptDataError) as error:
        reason = f"not what it was deflated from: {error}"
    raise CorruptDataError(f"the value under {where!r} is {reason}")


def _checksum(body: bytes) -> bytes:
    return blake2b(body, digest_size=_CHECKSUM_BYTES).digest()
