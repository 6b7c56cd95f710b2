"""Leases: one process at a time does a piece of work, for a bounded time.

Whoever wants to work takes the lease under a token of its own and gives it back when done. A holder that dies keeps the
others waiting until the lease expires, on the server's clock; its late release or renewal then changes nothing, because
both compare the token. A lease saves work. It is not a lock that guards data: what the holder writes must be right even
if its lease has expired meanwhile.
"""

from __future__ import annotations

from uuid import uuid4

from langchain_redis_memory.checks import check_whole
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.key_groups import check_id
from langchain_redis_memory.redis.scripts import script


def new_token() -> str:
    """Draws a random token, which identifies one holder."""
    return uuid4().hex


def acquire(key: str, token: str, ttl_ms: int) -> Op[bool]:
    """Takes a lease that nobody else holds, with one token for each piece of work, for so long from now.

    An op of one trip: whether the token holds the lease now. Sending it again after a lost reply does no harm. Raises
    `InvalidIdError`: the token is not acceptable. Raises `InvalidInputError`: the lifetime is not a positive whole
    number.
    """
    # A plain command keeps its place in a merged trip, while a script that the server does not know yet comes last: so
    # what is read behind it is read by the holder. The renewal says who holds it, also where the first reply was lost;
    # the command does where the server refused it for a moment, so that it was sent again after the renewal.
    held = renew(key, token, ttl_ms)
    taking = ("SET", key, token, "NX", "PX", ttl_ms)
    return Op((taking, *held.commands), lambda replies: bool(replies[0]) or held.read(replies[1:]))


def holder(key: str) -> Op[str | None]:
    """Reads who holds a lease. An op of one trip: the holder's token, None where nobody holds it."""
    return Op((("GET", key),), lambda replies: None if replies[0] is None else replies[0].decode())


def renew(key: str, token: str, ttl_ms: int) -> Op[bool]:
    """Lets a lease last so long from now.

    An op of one trip: whether the token still holds it; if not, nothing was changed. Raises as `acquire` does.
    """
    call = script("redis/lease_renew")((key,), check_id(token, "token"), check_whole(ttl_ms, "ttl_ms"))
    return Op((call,), lambda replies: bool(replies[0]))


def release(key: str, token: str) -> Op[bool]:
    """Gives a lease back. An op of one trip: whether the token held it; if not, nothing was changed.

    Raises `InvalidIdError`: the token is not acceptable.
    """
    return Op((script("redis/lease_release")((key,), check_id(token, "token")),), lambda replies: bool(replies[0]))
