"""Epochs: whatever was made from a corpus becomes stale at once, in O(1), when the corpus changes.

An epoch is a random token in Redis. What is stored carries the token that was current when its making *began*, and is
served only where that is the current token still, read in the same trip. So what was made from the old documents is
never served as new, however slow its making was, and in whatever order results are stored.

To end an epoch is to delete its token. A missing token matches nothing, and the next lookup makes a new one that never
was there before; so an epoch that expires or is evicted costs misses and no wrong answer, and a full server, which
refuses a SET, still ends one. The token is made by the lookup, not by the store: a store that finds none could not tell
whether there was one meanwhile. A failover to a replica that has not heard of the end yet would bring the token back.
"""

from __future__ import annotations

from secrets import token_hex

from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.scripts import command, script


def current(key: str, ttl_ms: int) -> Op[bytes]:
    """Reads the token of an epoch, or stores a new one, which lives longer than what is stored under it.

    An op of one trip: the token, without a `;`. The op may be sent any number of times.
    """
    call = script("cache/epoch_current")((key,), token_hex(8), ttl_ms)
    return Op((call,), lambda replies: bytes(replies[0]))


def bump(*keys: str) -> Op[bool]:
    """Ends epochs of one corpus: what was stored, or whose making has begun, under their tokens is never served again.

    An op of one trip: whether there was an epoch to end. Sent again it ends none that has begun since.
    """
    return Op((command("DEL", keys),), lambda replies: bool(replies[0]))


def sign(token: bytes, body: bytes) -> bytes:
    """Joins a body with the token that was current when its making began, for storing."""
    return token + b";" + body


def signed(token: bytes, stored: bytes) -> bytes | None:
    """Reads the body of what `sign` made; None where it belongs to another epoch, which is a miss."""
    by, mark, body = stored.partition(b";")
    return body if mark and by == token else None
