"""Envelopes with a right checksum around any body, which nobody sealed."""

from __future__ import annotations

from hashlib import blake2b

from langchain_redis_memory.redis.codec.version import VERSION


def envelope(body: bytes) -> bytes:
    """An envelope around an encoding's letter and its bytes."""
    return VERSION + blake2b(body, digest_size=8).digest() + body
