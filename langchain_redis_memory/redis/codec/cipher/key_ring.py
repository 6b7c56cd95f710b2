"""Where a cipher's keys come from: secrets of the deployment, the current one and older ones that are still read.

Each owner (a tenant, unless the cipher says otherwise) gets a key of its own from a secret by HKDF, so no two tenants'
values are encrypted with one key. Keys that a key management service wraps are in `redis/client/wrapped_keys.py`.
"""

from __future__ import annotations

import os
from base64 import b64encode, urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from langchain_redis_memory.errors import ConfigError, UnknownKeyError

SECRET_BYTES = 32
_MOST_KEYS = 4096


class DataKey(NamedTuple):
    """The key that an owner's values are encrypted with.

    Args:
        id: Names it within what is stored: 1 to 64 ASCII characters.
        secret: 32 bytes, from which the cipher derives what it needs.
    """

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"DataKey({self.id!r})"


class DataKeys(Protocol):
    """Gives each owner's keys."""

    def current(self, owner: str) -> DataKey:
        """Returns the key that an owner's values are encrypted with from now on."""
        ...

    def named(self, owner: str, key_id: str) -> DataKey:
        """Returns the key that a stored value names; raises `UnknownKeyError` where there is none (any more)."""
        ...


class KeyRing:
    """Holds the deployment's secrets, by id.

    Args:
        secrets: Id -> 32 random bytes, or these in base64 (see `new_secret`). The ids stand in what is stored.
        current: The id of the secret that new values are encrypted with; by default the last one given.

    To rotate, add a secret to the ring of every process, then make it the current one. Old values stay readable, and
    are re-encrypted whenever they are written. Cached answers are found under the current secret only, so caches
    start cold. Leave the old secret out when nothing is stored with it any more.

    Raises:
        ConfigError: There is no secret, an id or a secret cannot be used, or `current` names none.

    Example:
        ```python
        ring = KeyRing({"2026-11": os.environ["MEMORY_KEY"]})
        client = Client("redis://localhost:6379/0", cipher=Cipher(ring))
        ```
    """

    def __init__(self, secrets: Mapping[str, bytes | str], current: str | None = None) -> None:
        if not isinstance(secrets, Mapping) or not secrets:
            raise ConfigError("a KeyRing needs at least one secret: KeyRing({'2026-11': KeyRing.new_secret()})")
        self._secrets = {check_key_id(name): _secret(name, secret) for name, secret in secrets.items()}
        self._derived: dict[tuple[str, str], DataKey] = {}
        self._current: str = next(reversed(self._secrets)) if current is None else current
        if not isinstance(self._current, str) or self._current not in self._secrets:
            raise ConfigError(f"current={current!r} names none of the secrets: {', '.join(map(repr, self._secrets))}")

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(map(repr, self._secrets))}, current={self._current!r})"

    @staticmethod
    def new_secret() -> str:
        """Draws a secret: 32 random bytes, in base64."""
        return b64encode(os.urandom(SECRET_BYTES)).decode()

    def current(self, owner: str) -> DataKey:
        """Returns the key that an owner's values are encrypted with from now on.

        Args:
            owner: The owner.

        Returns:
            The key.
        """
        return self.named(owner, self._current)

    def named(self, owner: str, key_id: str) -> DataKey:
        """Returns the key that a stored value names.

        Args:
            owner: The owner.
            key_id: The id.

        Returns:
            The key.

        Raises:
            UnknownKeyError: No secret has that id.
        """
        known = self._derived.get((owner, key_id))
        if known is not None:
            return known
        secret = self._secrets.get(key_id)
        if secret is None:
            msg = f"there is no secret {key_id!r} in the key ring, with which something stored was encrypted; add it"
            raise UnknownKeyError(msg)
        if len(self._derived) >= _MOST_KEYS:
            self._derived.clear()
        known = self._derived[owner, key_id] = DataKey(key_id, derived(secret, f"owner\0{owner}"))
        return known


def derived(secret: bytes, purpose: str) -> bytes:
    """Derives a key from a secret for one purpose, by HKDF with SHA-256."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = b"langchain-redis-memory\0" + purpose.encode("utf-8", "surrogatepass")
    return HKDF(SHA256(), SECRET_BYTES, None, info).derive(secret)


def check_key_id(name: str) -> str:
    """Checks the id of a key, which stands in front of each value.

    Raises `ConfigError`: it is not 1 to 64 ASCII characters.
    """
    if not isinstance(name, str) or not name.isascii() or not 1 <= len(name) <= 64:
        raise ConfigError(f"the id of a key must be 1 to 64 ASCII characters, got {name!r}")
    return name


def _secret(name: str, secret: bytes | str) -> bytes:
    try:
        plain = urlsafe_b64decode(secret.replace("+", "-").replace("/", "_")) if isinstance(secret, str) else secret
    except (Base64Error, ValueError):
        plain = b""
    if not isinstance(plain, bytes) or len(plain) != SECRET_BYTES:
        msg = f"the secret {name!r} must be {SECRET_BYTES} random bytes, or these in base64 (KeyRing.new_secret())"
        raise ConfigError(msg)
    return plain
