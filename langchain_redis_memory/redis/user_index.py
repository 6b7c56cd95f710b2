"""User index: what is stored of each user, so that it can be found, exported and erased without a scan of the server.

It lives under the user's own hash tag, so it is updated by a command of its own, in the same trip and ahead of the
write: it may hold what is gone, never miss what is there. Beside a conversation or a thread stands whose it is, so that
what two users share is not erased with one of them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from langchain_redis_memory.errors import CorruptDataError, ServerError
from langchain_redis_memory.ops import Flow, Op, Reply, ask, merge
from langchain_redis_memory.redis.codec.values import pack, unpack
from langchain_redis_memory.redis.codec.version import VERSION, check_version
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.scripts import command, script

_log = logging.getLogger(__name__)

DataKind = Literal["session", "thread"]


class UserData(NamedTuple):
    """Something that is stored of a user.

    Args:
        kind: What it is.
        agent: The agent whose conversation it is; "" for the default one, and for threads.
        name: Its session or thread id.
    """

    kind: DataKind
    agent: str
    name: str


def _member(data: UserData) -> bytes:
    return VERSION + pack(list(data), "the index of a user")


def note(space: KeySpace, user: str, data: UserData, ttl_ms: int) -> Op[None]:
    """Notes that something of a user is stored.

    An op of one trip. An index that the server refuses to update is logged: what was to be stored is stored.
    """

    def read(replies: Sequence[Reply]) -> None:
        if isinstance(replies[0], ServerError):
            _log.warning("%s %r is not noted in its user's index: %s", data.kind, data.name, replies[0])

    noted = script("redis/user_note")((space.user_data(user),), _member(data), ttl_ms)
    return Op((noted, script("redis/data_user")((users_key(space, data),), user, ttl_ms)), read, tolerant=True)


def users_key(space: KeySpace, data: UserData) -> str:
    """Spells the key that says whose a conversation or a thread is."""
    return space.thread_users(data.name) if data.kind == "thread" else space.session_users(data.name, data.agent)


def users_of_each(space: KeySpace, data: Sequence[UserData]) -> Op[list[set[str]]]:
    """Reads whose each conversation and thread is. An op of one trip: the users of each; nobody where none is noted."""

    def read(replies: Sequence[Reply]) -> list[set[str]]:
        return [{name.decode() for name in reply} for reply in replies]

    return Op(tuple(("SMEMBERS", users_key(space, one)) for one in data), read)


def part(space: KeySpace, user: str, data: Sequence[UserData]) -> Op[None]:
    """Takes a user off what stays because it is somebody else's too; an op of no trip for nothing."""
    return Op(tuple(("SREM", users_key(space, one), user) for one in data), lambda _replies: None)


def stored(space: KeySpace, user: str) -> Op[list[UserData]]:
    """Reads what is stored of a user. An op of one trip; some of it may be gone."""
    key = space.user_data(user)
    return Op((("ZRANGE", key, 0, -1),), lambda replies: [_read(member, key) for member in replies[0]])


def _read(member: bytes, key: str) -> UserData:
    match unpack(check_version(member, key), key):
        case [kind, str(agent), str(name)] if kind in get_args(DataKind):
            return UserData(kind, agent, name)
    raise CorruptDataError(f"{key!r} holds bytes that were not written by this package, or are damaged")


def holds(space: KeySpace, user: str, data: UserData) -> Op[bool]:
    """Returns whether something is noted as a user's."""
    return Op((("ZSCORE", space.user_data(user), _member(data)),), lambda replies: replies[0] is not None)


def newest(space: KeySpace, user: str, start: int, count: int) -> Op[list[UserData]]:
    """Reads a page of what is stored of a user, what lives longest first: of one lifetime, what was written last.

    An op of one trip; some of it may be gone.
    """
    key = space.user_data(user)
    return Op(
        (("ZREVRANGE", key, start, start + count - 1),), lambda replies: [_read(member, key) for member in replies[0]]
    )


def forget(space: KeySpace, user: str, data: Sequence[UserData]) -> Op[None]:
    """Takes out of the index what is erased; an op of no trip for nothing."""
    members = [_member(one) for one in data]
    return Op((command("ZREM", (space.user_data(user),), *members),) if members else (), lambda _replies: None)


def lasting_flow(space: KeySpace, data: UserData, lasts: Op[bool], ttl_ms: int, named: str = "") -> Flow[bool]:
    """Gives something another lifetime by `lasts`, and lets its user's index live as long.

    Gives whether it exists: a flow of one trip, and one more where it is somebody else's than that of `named`, whose
    index knows already.
    """
    (users,), there = yield from ask(merge(users_of_each(space, [data]), lasts))
    others = sorted(users - {named}) if there else []
    if others:
        yield from ask(merge(*(note(space, user, data, ttl_ms) for user in others)))
    return there
