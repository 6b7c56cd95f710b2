"""Every error this package raises, under one root.

Catch `RedisMemoryError` for all of them. Each leaf says what went wrong and what to do about it, and also
inherits the builtin that a Python reader expects (`ValueError`, `ConnectionError`, ...). No message ever carries
a password, a command's arguments or a stored value: command names and keys only.
"""

from __future__ import annotations

from typing import Any


class RedisMemoryError(Exception):
    """Root of every error raised by this package."""


class ConfigError(RedisMemoryError, ValueError):
    """A URL, a setting or a combination of options cannot work."""


class InvalidInputError(RedisMemoryError, ValueError):
    """An argument is not acceptable; nothing was sent to the server."""


class UnknownKeywordError(ConfigError, TypeError):
    """A call has a keyword that is not known here; the message says which one is meant."""


class InvalidIdError(InvalidInputError):
    """An id is empty, too long, or not encodable text."""


class NotAMessageError(InvalidInputError, TypeError):
    """An object that should be a LangChain message is not one."""


class UnserialisableError(InvalidInputError, TypeError):
    """A value cannot be stored without losing its type; nothing was sent to the server."""


class ClockError(RedisMemoryError, ValueError):
    """The server's clock is behind a time that the write must not precede; nothing was written."""


class MessageNotFoundError(RedisMemoryError, LookupError):
    """No stored message has the given id."""


class CorruptDataError(RedisMemoryError):
    """Bytes under one of our keys were not written by this package, or were damaged since."""


class UnavailableError(RedisMemoryError, ConnectionError):
    """The server cannot be reached, did not answer in time, or refuses for now (a replica, loading, busy, ...)."""


class AuthenticationError(RedisMemoryError):
    """The server refused the credentials, or the user lacks the permission."""


class ServerError(RedisMemoryError):
    """The server answered a command with an error."""


class OutOfMemoryError(ServerError):
    """The server is at its `maxmemory` and evicts nothing: the write was refused whole."""


class WrongKeyTypeError(ServerError):
    """Something else is stored under one of our keys (another prefix or another database avoids it)."""


class FormatVersionError(CorruptDataError):
    """A newer version of this package wrote what is stored; update the package in this process."""


class DecryptionError(CorruptDataError):
    """Encrypted bytes were changed or moved, or bytes that must be encrypted are not."""


class UnknownKeyError(DecryptionError):
    """Something was encrypted with a key that this process does not have, or that was shredded."""


class EvictedError(CorruptDataError):
    """The server lost some keys of a thread or a conversation, but not all: what is left can only be deleted."""


EVICTED = (
    "the server lost the messages of this conversation, but not all of its keys: what was there is gone; clear() it, "
    "and see that maxmemory-policy is noeviction"
)


class NotOwnerError(RedisMemoryError):
    """A thread belongs to another user; nothing of it was read or changed."""


class ConflictError(RedisMemoryError):
    """What was to be made exists already, or others kept changing it meanwhile."""


class DurabilityError(RedisMemoryError):
    """A write stands on the server that took it, but was not in time replicated, or on disk, as `durability` asks."""


class RateLimitedError(RedisMemoryError):
    """A limit is used up, and what was asked for does not fit in before the timeout; nothing was taken.

    Args:
        message: Which limit, and when to try again.
        retry_after_s: Seconds until it may work; 0 where that is not known.
        decision: The `LimitDecision`.
    """

    def __init__(self, message: str, retry_after_s: float = 0.0, decision: Any = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.decision = decision
