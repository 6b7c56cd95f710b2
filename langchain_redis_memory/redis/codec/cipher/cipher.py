"""`Cipher`: AES-256-GCM for everything that is stored, given to a `Client` once.

    0xC1 0x01 | length of the key's id | the key's id | nonce (12 bytes) | ciphertext and tag (16 bytes)

The associated data are the head, the name of the key and of the field: bytes that were moved to another thread, tenant
or field are no value there. What addresses content (cached prompts, elements of lists) is named by keyed digests.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextlib import suppress
from hashlib import blake2b
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from langchain_redis_memory.checks import check_function, check_method
from langchain_redis_memory.errors import ConfigError, DecryptionError
from langchain_redis_memory.extras import missing
from langchain_redis_memory.redis.codec.cipher.key import ENCRYPTED
from langchain_redis_memory.redis.codec.cipher.key_ring import DataKey, DataKeys, derived

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Owner = Callable[[str, str], str]
"""From a tenant and the id of a session, thread, user or root ("" for what belongs to none) to the owner of the key."""

READABLE = ("vectors", "filters")
_NONCE_BYTES = 12
_MOST_OWNERS = 4096


class _Keys(NamedTuple):
    """What a data key is used for."""

    head: bytes
    aead: AESGCM
    nonces: bytes
    digests: bytes


class Cipher:
    """Encrypts what is stored, for `Client(url, cipher=Cipher(KeyRing(...)))`; needs the extra `crypto`.

    Histories, checkpoints, store items, cached answers, states, profiles, session data, bytes and the decision log are
    encrypted; names (tenants, ids, namespaces, keys of items), times, counts and roles of messages are not. See
    docs/security.md.

    Args:
        keys: The keys: a `KeyRing`, or a `WrappedKeyRing` for keys that a key management service wraps.
        strict: Whether what is not encrypted is refused. False reads it, for a deployment that begins to encrypt what
            it has: each value is encrypted when it is next written.
        owner: Whose key a value is encrypted with, from the tenant and the id of the session, thread, user or root of
            a namespace; by default the tenant's. Anything in common, such as a cache, has the id "".
        readable: What may be stored readable: "vectors", without which nothing is searched by meaning, though vectors
            tell much of the text that they were made from; "filters", digests and numbers of an item's fields, by
            which the server filters (without them every item is read and decided on here).

    Raises:
        ConfigError: `cryptography` is not installed, or an argument cannot work.

    Example:
        ```python
        cipher = Cipher(KeyRing({"2026-11": os.environ["MEMORY_KEY"]}))
        history = RedisChatMessageHistory("user-42", Client("redis://localhost:6379/0", cipher=cipher))
        ```
    """

    def __init__(
        self, keys: DataKeys, *, strict: bool = True, owner: Owner | None = None, readable: Collection[str] = ()
    ) -> None:
        if find_spec("cryptography") is None:
            msg = "encryption needs cryptography"
            raise missing(msg, "crypto")
        check_method(keys, "named", "keys (a KeyRing)", ConfigError)
        if isinstance(readable, str) or not isinstance(readable, Collection) or not {*readable} <= set(READABLE):
            raise ConfigError(f"readable must be a collection of {', '.join(map(repr, READABLE))}, got {readable!r}")
        if owner is not None:
            check_function(owner, "owner", ConfigError)
        self.strict = strict
        self.readable: frozenset[str] = frozenset(readable)
        self.by_tenant: bool = owner is None
        """Whether a value's key is its tenant's, whatever it belongs to within it."""
        self._source = keys
        self._owner = owner
        self._owners: dict[str, OwnerCipher] = {}

    def __repr__(self) -> str:
        return f"Cipher({self._source!r}, strict={self.strict})"

    def of(self, tenant: str, name: str) -> OwnerCipher:
        """Returns the cipher of what belongs to a tenant, or to somebody within it.

        Args:
            tenant: The tenant.
            name: The id of a session, thread, user or root; "" for what belongs to none.

        Returns:
            The owner's cipher; no key has been fetched yet.
        """
        owner = tenant if self._owner is None else self._owner(tenant, name)
        owned = self._owners.get(owner)
        if owned is None:
            if len(self._owners) >= _MOST_OWNERS:
                self._owners.clear()
            owned = self._owners[owner] = OwnerCipher(self._source, owner, strict=self.strict)
        return owned


class OwnerCipher:
    """Encrypts the values of one owner; a strict one refuses what is not encrypted.

    The `source` of keys is asked each time, as one may have been rotated or shredded.
    """

    __slots__ = ("_made", "_owner", "_source", "_strict")
    encrypts = True

    def __init__(self, source: DataKeys, owner: str, *, strict: bool) -> None:
        self._source, self._owner, self._strict = source, owner, strict
        self._made: tuple[DataKey, _Keys] | None = None

    def _keys(self, key: DataKey) -> _Keys:
        made = self._made
        if made is None or made[0] is not key:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            head = ENCRYPTED + bytes([len(key.id)]) + key.id.encode()
            secrets = [derived(key.secret, purpose) for purpose in ("values", "nonces", "digests")]
            self._made = made = key, _Keys(head, AESGCM(secrets[0]), *secrets[1:])
        return made[1]

    def encrypt(self, data: bytes, key: str, field: bytes, *, repeatable: bool = False) -> bytes:
        """Encrypts a value; see `Key.encrypt`."""
        head, aead, nonces, _ = self._keys(self._source.current(self._owner))
        place = _place(head, key, field)
        # A nonce that is a keyed digest of place and value is used for no other value but by chance (2 to the -96th).
        nonce = (
            blake2b(place + data, key=nonces, digest_size=_NONCE_BYTES).digest()
            if repeatable
            else os.urandom(_NONCE_BYTES)
        )
        return head + nonce + aead.encrypt(nonce, data, place)

    def decrypt(self, data: bytes, key: str, field: bytes) -> bytes:
        """Decrypts a value; see `Key.decrypt`."""
        if data[:2] != ENCRYPTED:
            if self._strict:
                msg = (
                    f"what is stored under {key!r} is not encrypted, and this client's cipher is strict; see re-encrypt"
                )
                raise DecryptionError(msg)
            return data
        from cryptography.exceptions import InvalidTag

        end = 3 + (data[2] if len(data) > 2 else 0)
        head, nonce, body = data[:end], data[end : end + _NONCE_BYTES], data[end + _NONCE_BYTES :]
        if body and head[3:].isascii():
            keys = self._keys(self._source.named(self._owner, head[3:].decode()))
            with suppress(InvalidTag):
                return keys.aead.decrypt(nonce, body, _place(head, key, field))
        msg = f"what is stored under {key!r} was changed, or was encrypted for another key, field or owner"
        raise DecryptionError(msg)

    def renew(self, data: bytes, key: str, field: bytes, *, repeatable: bool = False) -> bytes:
        """Encrypts a stored value under the current key; see `Key.renew`."""
        if data.startswith(self._keys(self._source.current(self._owner)).head):
            return data
        return self.encrypt(self.decrypt(data, key, field), key, field, repeatable=repeatable)

    def blind(self, digest: bytes) -> bytes:
        """Replaces a digest of content by a keyed one of the same length; see `Key.blind`."""
        if not digest:  # what has none, such as a line of the decision log that belongs to no session
            return digest
        return blake2b(
            digest, key=self._keys(self._source.current(self._owner)).digests, digest_size=len(digest)
        ).digest()


def _place(head: bytes, key: str, field: bytes) -> bytes:
    """Spells the associated data, so that no two places are spelled alike."""
    name = key.encode()
    return b"%s%d:%s%s" % (head, len(name), name, field)
