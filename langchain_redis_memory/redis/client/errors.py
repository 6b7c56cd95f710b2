"""Translates redis-py's errors into this package's: with key names, without values or secrets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from langchain_redis_memory.errors import (
    EVICTED,
    AuthenticationError,
    ConfigError,
    CorruptDataError,
    EvictedError,
    FormatVersionError,
    InvalidInputError,
    OutOfMemoryError,
    RedisMemoryError,
    ServerError,
    UnavailableError,
    WrongKeyTypeError,
)
from langchain_redis_memory.ops import Call, Command, Reply

_FOR_NOW = re.compile(r"(?:^|-)(READONLY|MASTERDOWN|CLUSTERDOWN|NOREPLICAS|TRYAGAIN|MISCONF|LOADING|BUSY) ")
"""Codes of a server that refuses everything, or all writes, until something about it changes; a script's has a dash."""


def is_unknown_script(command: Command, reply: Reply) -> bool:
    """Returns whether the server refused a call because it does not know the script."""
    from redis.exceptions import NoScriptError

    return isinstance(reply, NoScriptError) and isinstance(command, Call)


def refuses_for_now(reply: Reply) -> bool:
    """Returns whether a server did nothing of a command and may do it soon: it is a replica, loads, is busy, ..."""
    import redis.exceptions as their

    known = their.ReadOnlyError | their.ClusterDownError | their.TryAgainError | their.BusyLoadingError
    return isinstance(reply, known) or (isinstance(reply, their.RedisError) and bool(_FOR_NOW.search(str(reply))))


def is_elsewhere(reply: Reply) -> bool:
    """Returns whether a server is away, or no master any more, so that its name may stand for another one by now."""
    import redis.exceptions as their

    moved = their.ReadOnlyError | their.MasterDownError | their.ConnectionError | their.TimeoutError | OSError
    return isinstance(reply, moved) or any(code in str(reply) for code in ("READONLY ", "MASTERDOWN "))


def is_moving(reply: Reply) -> bool:
    """Returns whether the keys of a script are just being moved from one node of a cluster to another."""
    from redis.exceptions import TryAgainError

    return isinstance(reply, TryAgainError)


def is_unreachable(error: Reply) -> bool:
    """Returns whether a trip, or a node's part of one, failed so that it can be tried again: on another connection."""
    import redis.exceptions as their

    refused = their.AuthenticationError | their.AuthorizationError | RedisMemoryError
    lost = their.ConnectionError | their.TimeoutError | their.RedisClusterException | OSError
    return (isinstance(error, lost) and not isinstance(error, refused)) or refuses_for_now(error)


def explain(commands: Sequence[Command], replies: list[Reply]) -> list[Reply]:
    """Replaces redis-py's errors among the replies by this package's."""
    for i, reply in enumerate(replies):
        if isinstance(reply, Exception):
            replies[i] = _server_error(commands[i], reply)
    return replies


def _server_error(command: Command, error: Exception) -> RedisMemoryError:
    if isinstance(command, Call):
        own = command.keys if command.script.trip is None else command.keys[:-1]
        what, keys = f"{command.script.name}.lua", ", ".join(own)
    elif command[0] == "EVAL":
        what, keys = "a script", str(command[3])
    else:
        what, keys = str(command[0]), str(command[1]) if len(command) > 1 else ""
    text = str(error).partition(" with args beginning with")[0].rstrip(",")
    where = f"{what} on {keys}" if keys else what
    if is_unreachable(error) or isinstance(error, UnavailableError):
        return _RefusedForNow(f"{where}: not possible for now: {text}")
    if "WRONGTYPE" in text:
        msg = f"{where}: a key holds another kind of value; use another prefix or database, or delete that key"
        return WrongKeyTypeError(msg)
    if "OOM" in text or "maxmemory" in text:
        msg = f"{where}: the server is out of memory and refused the write; raise maxmemory or free keys"
        return OutOfMemoryError(msg)
    if any(word in text for word in ("NOAUTH", "NOPERM", "WRONGPASS", "permissions", "the script can't")):
        return _PermissionRefused(f"{where}: {text}")
    if "NEWERFORMAT" in text:
        msg = f"{where}: a newer version of this package wrote there; update langchain-redis-memory in this process"
        return _Newer(msg)
    if "EVICTED" in text:
        return _KeysEvicted(f"{where}: {EVICTED}")
    if "dimension mismatch" in text:
        text = text.partition(" script: ")[0]
        return ServerError(f"{where}: {text}: another embedding model made them; use it, or another prefix or tenant")
    if "UNREADABLE" in text:
        return _Unreadable(f"{where}: a key holds bytes that this package did not write")
    return ServerError(f"{where}: {text}")


class _Unreadable(CorruptDataError, ServerError):
    """A script found bytes that it cannot read; the server did answer, so this is a `ServerError` as well."""


class _KeysEvicted(EvictedError, ServerError):
    """A script found that keys are missing; a `ServerError` as well."""


class _Newer(FormatVersionError, ServerError):
    """A script found a record of a newer version; a `ServerError` as well."""


class _RefusedForNow(UnavailableError, ServerError):
    """The server is there, but cannot do this at present; a `ServerError` as well."""


class _PermissionRefused(AuthenticationError, ServerError):
    """The user lacks a permission; the server did answer, so this is a `ServerError` as well."""


def is_refused_login(error: Exception) -> bool:
    """Returns whether the server refused the credentials of a connection."""
    import redis.exceptions as their

    return isinstance(error, their.AuthenticationError) or any(word in str(error) for word in ("NOAUTH", "WRONGPASS"))


def is_timeout(error: Exception) -> bool:
    """Returns whether a server did not answer in time."""
    import redis.exceptions as their

    return isinstance(error, their.TimeoutError | asyncio.TimeoutError | TimeoutError)


def translate(error: Exception, where: str, *, answered: bool = True) -> RedisMemoryError:
    """Translates what redis-py raised for a whole trip into this package's error.

    Returns the error to raise; what is nobody's error of this kind is raised as it is.
    """
    import redis.exceptions as their

    if isinstance(error, RedisMemoryError):
        return error
    if isinstance(error, their.AuthenticationError | their.AuthorizationError) or "NOAUTH" in str(error):
        return AuthenticationError(f"{where} refused the credentials: {error}")
    hint = "" if answered or not where.startswith("rediss") else "; does that port speak TLS? If not, use redis://"
    if is_timeout(error):
        return UnavailableError(f"{where} did not answer in time{hint}")
    if isinstance(error, their.ConnectionError | their.RedisClusterException | OSError):
        plain = "SSL" in str(error) and "CERTIFICATE" not in str(error).upper()
        return UnavailableError(f"{where} cannot be reached: {error}{hint if plain else ''}")
    if refuses_for_now(error):  # a cluster's client raises for the whole trip
        return UnavailableError(f"{where} refuses for now: {error}")
    if isinstance(error, their.DataError):
        return InvalidInputError(f"nothing was sent to {where}: {error}")
    if isinstance(error, their.RedisError):
        return ServerError(f"{where}: {error}")
    if isinstance(error, TypeError | ValueError):
        return ConfigError(f"{where}: {error}")
    raise error
