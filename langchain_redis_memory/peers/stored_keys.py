"""Reads of foreign keys: values with their lifetimes, JSON without surprises, and pickles refused."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_redis_memory.errors import (
    AuthenticationError,
    ConfigError,
    CorruptDataError,
    RedisMemoryError,
    ServerError,
    UnavailableError,
)
from langchain_redis_memory.ops import Arg, Flow, Op, Reply, ask
from langchain_redis_memory.peers.records import Record, Unreadable
from langchain_redis_memory.redis.codec.elements import check_json
from langchain_redis_memory.redis.replies import pairs

PAGE = 200
"""How many values are read in one trip."""

PICKLE = (
    "it is a pickle, which can run any code while it is read, so it is not read: let the application that wrote it "
    "store JSON instead"
)
_NO_JSON = (
    "these data are RedisJSON documents, and {command} is unknown to the server: read them on a server with JSON "
    "(Redis 8, Redis Stack), or from a copy of them on one"
)


class DamagedError(ValueError):
    """A foreign value is not what its layout says; the message is for the report."""


class NotJsonError(DamagedError):
    """A foreign value is not JSON."""


@dataclass(frozen=True)
class StoredKey:
    """What was read of one key.

    Args:
        key: The key.
        value: The reply, None where the key is gone.
        ttl_ms: What is left of its lifetime in milliseconds, 0 for no expiry.
        fault: Why the server did not read it, "" where it did.
    """

    key: bytes
    value: Any
    ttl_ms: int
    fault: str = ""

    @property
    def name(self) -> str:
        """The key as text."""
        return self.key.decode("utf-8", "backslashreplace")


def read_keys_flow(keys: Sequence[bytes], command: Callable[[bytes], tuple[Arg, ...]]) -> Flow[list[StoredKey]]:
    """Reads keys with their lifetimes. Returns what was read, in order, without keys that are gone.

    Raises `ConfigError`: the server does not know the command.
    """
    stored: list[StoredKey] = []
    for start in range(0, len(keys), PAGE):
        page = keys[start : start + PAGE]
        commands = [one for key in page for one in (command(key), ("PTTL", key))]
        replies = yield from ask(Op(tuple(commands), list, tolerant=True))
        stored += [_found(key, replies[2 * i], replies[2 * i + 1], commands[2 * i][0]) for i, key in enumerate(page)]
    return [one for one in stored if one.fault or one.value not in (None, [], {})]


def _found(key: bytes, reply: Reply, ttl: Reply, command: Arg) -> StoredKey:
    if not isinstance(reply, ServerError):
        return StoredKey(key, reply, ttl if isinstance(ttl, int) and ttl > 0 else 0)
    if "unknown command" in str(reply).lower():
        raise ConfigError(_NO_JSON.format(command=command))
    if isinstance(reply, UnavailableError | AuthenticationError):
        raise reply
    return StoredKey(key, None, 0, "the key holds another kind of value than this source writes")


def escape_glob(text: str) -> str:
    """Spells a text as a glob that matches nothing else."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", text)


def exists_flow(*keys: str) -> Flow[bool]:
    """Returns whether one of some keys exists."""
    commands = tuple(("EXISTS", key) for key in keys)
    return (yield from ask(Op(commands, lambda replies: any(map(int, replies)))))


def json_get(key: bytes) -> tuple[Arg, ...]:
    """Returns the command that reads a RedisJSON document."""
    return ("JSON.GET", key)


def text_get(key: bytes) -> tuple[Arg, ...]:
    """Returns the command that reads a string."""
    return ("GET", key)


def list_get(key: bytes) -> tuple[Arg, ...]:
    """Returns the command that reads a list."""
    return ("LRANGE", key, 0, -1)


def hash_get(key: bytes) -> tuple[Arg, ...]:
    """Returns the command that reads a hash."""
    return ("HGETALL", key)


def records_of(found: Sequence[StoredKey], build: Callable[[StoredKey], Record | Sequence[Record]]) -> list[Record]:
    """Builds the records of what was read; what is damaged becomes an `Unreadable`."""
    records: list[Record] = []
    for one in found:
        try:
            if one.fault:
                raise DamagedError(one.fault)
            built = build(one)
            records += built if isinstance(built, Sequence) else [built]
        except RedisMemoryError:
            raise
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            records.append(Unreadable(one.name, why_of(error)))
    return records


def why_of(error: Exception) -> str:
    """Says why something could not be read, without its values."""
    return str(error) if isinstance(error, DamagedError) else f"not as this source writes it ({type(error).__name__})"


def parse_json(raw: bytes | str) -> Any:
    """Parses JSON, and says so where it is a pickle instead. Raises `NotJsonError`: it is not JSON.

    Raises `Damaged`: it is a pickle, or has more elements than a value may have.
    """
    data = raw.encode() if isinstance(raw, str) else raw
    if is_pickle(data):
        raise DamagedError(PICKLE)
    try:
        check_json(data)
        return json.loads(data)
    except CorruptDataError as error:
        raise DamagedError(str(error)) from None
    except ValueError:
        raise NotJsonError("it is not JSON") from None


def is_pickle(data: bytes) -> bool:
    """Returns whether bytes are a pickle, maybe in base64."""
    if re.fullmatch(rb"[A-Za-z0-9+/\s]+={0,2}\s*", data[:4000]) and len(data) > 8:
        try:
            data = b64decode(data[:16])
        except ValueError:
            return False
    # A protocol's opcode, then (from 4 on) a frame, or what opens a class, a tuple, a dict, a list or a memo.
    return data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") and data[2:3] in _OPENS


_OPENS = (b"\x95", b"c", b"}", b"]", b"(", b"K", b"X", b"\x8c")


def texts(reply: Any) -> dict[str, bytes]:
    """Returns the fields of a hash by their names as text."""
    return {_text(name): value for name, value in pairs(reply)}


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def text_of(value: Any) -> str:
    """Returns a field's text, "" where there is none. Raises `Damaged`: it is not UTF-8."""
    if value is None:
        return ""
    try:
        return value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        raise DamagedError("a text in it is not UTF-8") from None
