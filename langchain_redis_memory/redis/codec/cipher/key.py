"""The name of a key, which carries how values under it are encrypted.

A value is encrypted with the names of its key and its field as associated data, so that it is no value under another
one. As every name is spelled by `KeySpace`, which the client gives its cipher, no class can forget it: what builds a
command has the key in its hand.
"""

from __future__ import annotations

from typing import Protocol

from langchain_redis_memory.errors import UnknownKeyError

ENCRYPTED = b"\xc1\x01"
"""How encrypted bytes begin: 0xC1 begins no MessagePack, no record and no envelope; then the format's version."""


class ValueCipher(Protocol):
    """Encrypts the values of one owner."""

    @property
    def encrypts(self) -> bool:
        """Whether anything is encrypted at all."""

    def encrypt(self, data: bytes, key: str, field: bytes, *, repeatable: bool = False) -> bytes:
        """Encrypts a value; with `repeatable`, equal values under one name become equal bytes."""

    def decrypt(self, data: bytes, key: str, field: bytes) -> bytes:
        """Decrypts a value; raises `DecryptionError` where it is not a value of this key and field."""

    def renew(self, data: bytes, key: str, field: bytes, *, repeatable: bool = False) -> bytes:
        """Encrypts a stored value under the current key; one that is already stays as it is."""

    def blind(self, digest: bytes) -> bytes:
        """Replaces a digest of content by a keyed one of the same length."""


class Plain:
    """Leaves values as they are."""

    encrypts = False

    def encrypt(self, data: bytes, _key: str, _field: bytes, *, repeatable: bool = False) -> bytes:
        """Returns the value itself."""
        return data

    def decrypt(self, data: bytes, key: str, _field: bytes) -> bytes:
        """Returns the value itself, unless it was encrypted."""
        if data[:2] == ENCRYPTED:
            raise UnknownKeyError(without_cipher(key))
        return data

    def renew(self, data: bytes, key: str, _field: bytes, *, repeatable: bool = False) -> bytes:
        """Returns the value itself, unless it was encrypted."""
        return self.decrypt(data, key, _field)

    def blind(self, digest: bytes) -> bytes:
        """Returns the digest itself."""
        return digest


PLAIN = Plain()


def without_cipher(where: str) -> str:
    """Words the error of a client without a cipher that reads encrypted bytes."""
    return f"what is stored under {where!r} is encrypted: give this client the cipher, Client(url, cipher=...)"


class Key(str):
    """The name of a key, with the cipher of its values."""

    __slots__ = ("cipher",)
    cipher: ValueCipher

    def __new__(cls, name: str, cipher: ValueCipher = PLAIN) -> Key:
        """Makes a name that carries its cipher."""
        made = str.__new__(cls, name)
        made.cipher = cipher
        return made

    @property
    def encrypts(self) -> bool:
        """Whether values under this key are encrypted."""
        return self.cipher.encrypts

    def encrypt(self, data: bytes, field: str | bytes = b"", *, repeatable: bool = False) -> bytes:
        """Encrypts a value for this key; `field` names it within the key.

        Where it is `repeatable`, equal values become equal bytes, so that a repeated write is known as one.
        """
        if self.cipher is PLAIN:
            return data
        return self.cipher.encrypt(data, self, _bytes(field), repeatable=repeatable)

    def decrypt(self, data: bytes, field: str | bytes = b"") -> bytes:
        """Decrypts a value that was read from this key.

        Raises `UnknownKeyError`: it was encrypted with a key that is not, or no longer, there. Raises
        `DecryptionError`: it was changed, comes from another key or field, or is not encrypted where it must be.
        """
        if self.cipher is PLAIN and data[:2] != ENCRYPTED:
            return data
        return self.cipher.decrypt(data, self, _bytes(field))

    def renew(self, data: bytes, field: str | bytes = b"", *, repeatable: bool = False) -> bytes:
        """Encrypts a value that was read from this key under the owner's current key, unless it is already.

        Raises `DecryptionError`: see `decrypt`.
        """
        return self.cipher.renew(data, self, _bytes(field), repeatable=repeatable)

    def blind(self, digest: bytes) -> bytes:
        """Replaces a digest of content by a keyed one of the same length, so that nobody can guess what it is of."""
        if self.cipher is PLAIN:
            return digest
        return self.cipher.blind(digest)


def _bytes(field: str | bytes) -> bytes:
    return field if isinstance(field, bytes) else field.encode("utf-8", "surrogatepass")
