"""The lifetime of a conversation, set by somebody else than its user: the user's index lives as long."""

from __future__ import annotations

from langchain_redis_memory.history.flows import lasting_flow
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.ops import Flow
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.ttl import milliseconds


def keep_flow(space: KeySpace, agent: str, name: str, ttl_s: float | None) -> Flow[bool]:
    """Sets how long a conversation lives from now, None for ever, and notes it with its user; gives whether it exists.

    So it is erased with the user's other data. Raises `InvalidInputError`: the number is not positive.

    **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`; `session_users`, `user_data`.
    **Trips:** 1, and 1 where it is a user's.
    """
    return lasting_flow(Transcript(space, name, agent), 0 if ttl_s is None else milliseconds(ttl_s, "ttl_s"))
