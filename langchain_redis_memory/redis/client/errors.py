"""Translates redis-py's errors into this package's: with key names, without values or secrets."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_redis_memory.errors import (
    AuthenticationError,
    ConfigError,
    CorruptDataError,
    FormatVersionError,
    InvalidInputError,
    OutOfMemoryError,
    RedisMemoryError,
    ServerError,
    UnavailableError,
    WrongKeyTypeError,
)
from langchain_redis_memory.ops import Call, Command, Reply


def unknown_scripts(commands: Sequence[Command], replies: Sequence[Reply]) -> list[int]:
    """Finds the calls that the server refused because it does not know their scripts."""
    from redis.exceptions import NoScriptError

    return [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError) and isinstance(commands[i], Call)]


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
    place = f"{what} on {keys}" if keys else what
    if "WRONGTYPE" in text:
        msg = f"{place}: a key holds another kind of value; use another prefix or database, or delete that key"
        return WrongKeyTypeError(msg)
    if "OOM" in text or "maxmemory" in text:
        msg = f"{place}: the server is out of memory and refused the write; raise maxmemory or free keys"
        return OutOfMemoryError(msg)
    if any(word in text for word in ("NOAUTH", "NOPERM", "WRONGPASS", "permissions")):
        return _PermissionRefused(f"{place}: {text}")
    if "NEWERFORMAT" in text:
        msg = f"{place}: a newer version of this package wrote there; update langchain-redis-memory in this process"
        return _Newer(msg)
    if "UNREADABLE" in text:
        return _Unreadable(f"{place}: a key holds bytes that this package did not write")
    return ServerError(f"{place}: {text}")


class _Unreadable(CorruptDataError, ServerError):
    """A script found bytes that it cannot read; the server did answer, so this is a `ServerError` as well."""


class _Newer(FormatVersionError, ServerError):
    """A script found a record of a newer version; a `ServerError` as well."""


class _PermissionRefused(AuthenticationError, ServerError):
    """The user lacks a permission; the server did answer, so this is a `ServerError` as well."""


def translate(error: Exception, where: str) -> RedisMemoryError:
    """Translates what redis-py raised for a whole trip into this package's error."""
    import redis.exceptions as their

    if isinstance(error, RedisMemoryError):
        return error
    if isinstance(error, their.AuthenticationError | their.AuthorizationError) or "NOAUTH" in str(error):
        return AuthenticationError(f"{where} refused the credentials: {error}")
    if isinstance(error, their.TimeoutError | TimeoutError):
        return UnavailableError(f"{where} did not answer in time")
    if isinstance(error, their.ConnectionError | their.RedisClusterException | OSError):
        return UnavailableError(f"{where} cannot be reached: {error}")
    if isinstance(error, their.DataError):
        return InvalidInputError(f"nothing was sent to {where}: {error}")
    if isinstance(error, their.RedisError):
        return ServerError(f"{where}: {error}")
    if isinstance(error, TypeError | ValueError):
        return ConfigError(f"{where}: {error}")
    raise error
