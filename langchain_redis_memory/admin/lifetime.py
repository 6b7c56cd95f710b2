"""The lifetime of a conversation, set by somebody else than its user: the user's index must live as long."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.ops import Flow, ask, merge
from langchain_redis_memory.redis import user_index
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.ttl import milliseconds
from langchain_redis_memory.redis.user_index import UserData

_AT_ONCE = 1000


def keep_flow(space: KeySpace, users: Iterable[str], agent: str, name: str, ttl_s: float | None) -> Flow[bool]:
    """Sets how long a conversation lives from now, and notes it with its user, so that it is erased with the rest.

    Args:
        space: The tenant's key builder.
        users: Whose it may be.
        agent: The agent.
        name: The conversation.
        ttl_s: Seconds; None for ever.

    Returns:
        Whether it exists.

    Raises:
        InvalidInputError: The number is not positive.

    **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`; `user_data`.
    **Trips:** 1, and 1 for each 1,000 users.
    """
    data, left, owner = UserData("session", agent, name), iter(users), ""
    while not owner and (some := list(islice(left, _AT_ONCE))):
        held = yield from ask(merge(*(user_index.holds(space, user, data).optional(False) for user in some)))
        owner = next((user for user, holds in zip(some, held, strict=True) if holds), "")
    transcript = Transcript(space, name, agent, user=owner)
    op = transcript.persist() if ttl_s is None else transcript.expire(milliseconds(ttl_s, "ttl_s"))
    return (yield from ask(op))
