"""Channel values <-> bytes: by LangGraph's serde, long lists by their elements.

A value is a *blob*: a letter for its type, then the serde's bytes, deflated if that is asked for and makes them
shorter. A list of things that are worth it (messages, documents) is taken apart: MessagePack writes a list as a head
and its elements one after the other, so an element's bytes are what they would be inside the list, and joining them
costs nothing. An element is named by its digest, so the list that grows by one is stored by storing one.

Taking a list apart is on the path of every step of a graph. Serialising a message costs some 7 us, so the digests of
LangChain's own messages are remembered under the (exactly typed) MessagePack of their fields, which takes 1 us; a list
that begins as one that was stored is compared with it as a whole, which takes .3 us a message. What is read again is
inflated and checked once. All this is only a short cut: without it the same bytes are computed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import ormsgpack
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from langchain_redis_memory.checkpoint.fast_messages import FAST_KINDS, MessageReader, array_of, hook_of
from langchain_redis_memory.errors import (
    CorruptDataError,
    DecryptionError,
    InvalidInputError,
    UnknownKeyError,
    UnserialisableError,
)
from langchain_redis_memory.redis.codec.cipher.key import ENCRYPTED, without_cipher
from langchain_redis_memory.redis.codec.compression import deflate, inflate
from langchain_redis_memory.redis.codec.elements import SMALL_BYTES, check_elements, check_json
from langchain_redis_memory.redis.codec.nesting import check_nesting

DIGEST_BYTES = 16
LARGEST_BYTES = 500_000_000  # a Redis string holds 512 MiB
_LETTERS = {"msgpack": b"m", "null": b"n", "bytes": b"b", "bytearray": b"a"}
_TYPES = {letter: name for name, letter in _LETTERS.items()}
_CHECKS = {"msgpack": check_elements, "json": check_json}
_OTHER = b"x"
_SMALL = (bool, int, float, type(None))
_WORTH_BYTES = 64
_MOST_DIGESTS = 8_192
"""Most that are remembered; then all are forgotten."""
_NUMBERS: dict[type, int] = {kind: number for number, (_, kind) in enumerate(sorted(FAST_KINDS.items()))}
_EXACT = (
    ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
)


class Element(NamedTuple):
    """One element of a list; its bytes inside of a list are there where it was serialised for its digest."""

    digest: bytes
    value: Any
    data: bytes | None = None


class DividedList(NamedTuple):
    """A list as it was stored last: what its elements are exactly, their digests, and how large they are together.

    `reference` names it among the values of its namespace.
    """

    exact: bytes
    digests: list[bytes]
    size: int
    reference: str = ""


NO_LIST = DividedList(b"", [], 0)


class Division(NamedTuple):
    """A list that is taken apart: how many elements are those of the list before it, the others, and all of them."""

    known: int
    elements: list[Element]
    exact: bytes | None
    size: int


class Blobs:
    """Encodes and decodes channel values.

    Args:
        serde: LangGraph's serialiser. Lists are taken apart where it is a `JsonPlusSerializer`; with any other, such as
            an encrypting one, whose bytes differ each time, every value is one blob.
        compress_from_bytes: Blobs and elements of this size are deflated; None for never.
    """

    def __init__(self, serde: SerializerProtocol, compress_from_bytes: int | None = None) -> None:
        self.serde: SerializerProtocol = serde
        self.compress_from = compress_from_bytes
        self._divides = isinstance(serde, JsonPlusSerializer)
        self._hook = hook_of(serde) if isinstance(serde, JsonPlusSerializer) else None
        self._reader = MessageReader(self._hook) if self._hook is not None else None
        self._digests: dict[tuple[type, bytes], bytes] = {}

    def pack(self, value: Any) -> bytes:
        """Encodes a value. Raises `UnserialisableError`: the serde refuses it.

        Raises `InvalidInputError`: it is larger than Redis can keep, or has more elements than could be read.
        """
        try:
            kind, data = self.serde.dumps_typed(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise _refused(value, error) from error
        if len(data) > LARGEST_BYTES:
            msg = f"a value of type {type(value).__name__} takes {len(data)} bytes; Redis keeps at most {LARGEST_BYTES}"
            raise InvalidInputError(msg + ": store it elsewhere, and its name here")
        if kind == "msgpack" and len(data) > SMALL_BYTES:
            _check_readable(data, value)
        letter = _LETTERS.get(kind)
        head = letter if letter is not None else _OTHER + kind.encode() + b"\0"
        data = bytes(data)
        if self.compress_from is not None and len(data) >= self.compress_from:
            small = deflate(data)
            if small is not None:
                return head[:1].upper() + head[1:] + small
        return head + data

    def unpack(self, blob: bytes) -> Any:
        """Decodes a value. Raises `CorruptDataError`: it is not a blob, or the serde cannot read it."""
        try:
            kind, data = _typed(blob)
            if len(data) > SMALL_BYTES and kind in _CHECKS:
                _CHECKS[kind](data)
            return self._load(kind, data)
        except DecryptionError:
            raise
        except Exception as error:
            if blob[:2] == ENCRYPTED:
                raise UnknownKeyError(without_cipher("a thread")) from None
            msg = f"a stored value cannot be read ({type(error).__name__}: {error}); is it the same serde?"
            raise CorruptDataError(msg) from error

    def _load(self, kind: str, data: bytes) -> Any:
        if kind == "msgpack" and self._hook is not None:
            return ormsgpack.unpackb(data, ext_hook=self._hook, option=ormsgpack.OPT_NON_STR_KEYS)
        check_encrypted(self.serde, kind)
        if kind == "msgpack":
            check_nesting(data)
        return self.serde.loads_typed((kind, data))

    def divide(self, value: Any, before: DividedList | None = None) -> Division | None:
        """Splits a list that is worth it into its elements; None where it is to be one blob.

        `before` is the list that was stored there last, `NO_LIST` for none; None where it is not to be looked at.
        Raises `UnserialisableError`: the serde refuses an element.
        """
        if not self._divides or type(value) is not list or not value or isinstance(value[0], _SMALL):
            return None
        exact, known, total = None, 0, 0
        if before is not None and (exact := _exact(value)) is not None and exact.startswith(before.exact):
            known, total = len(before.digests), before.size
        elements = []
        for item in value[known:] if known else value:
            element, size = self._element(item)
            if element is None:
                return None
            total += size
            elements.append(element)
        return Division(known, elements, exact, total) if total >= _WORTH_BYTES * len(value) else None

    def _element(self, item: Any) -> tuple[Element | None, int]:
        """An element, and about how many bytes it has; None where the serde did not choose MessagePack."""
        known = _exactly(item)
        digest = self._digests.get(known) if known is not None else None
        if digest is not None and known is not None:
            return Element(digest, item), len(known[1])
        data = self._inside(item)
        if data is None:
            return None, 0
        digest = blake2b(data, digest_size=DIGEST_BYTES).digest()
        if known is not None:
            if len(self._digests) >= _MOST_DIGESTS:
                self._digests.clear()
            self._digests[known] = digest
        return Element(digest, item, data), len(data)

    def _inside(self, item: Any) -> bytes | None:
        """An element's bytes as they are inside of a list; None where the serde did not choose MessagePack."""
        try:
            kind, data = self.serde.dumps_typed([item])
        except (TypeError, ValueError, RecursionError) as error:
            raise _refused(item, error) from error
        if kind != "msgpack" or data[:1] != b"\x91":
            return None
        if len(data) > SMALL_BYTES:
            _check_readable(data, item)
        return bytes(data[1:])

    def encode(self, element: Element) -> bytes:
        """Encodes an element of a list that `divide` took apart: a letter, and its bytes as inside of a list."""
        data = self._inside(element.value) if element.data is None else element.data
        assert data is not None  # noqa: S101 - `divide` has seen it
        small = deflate(data) if self.compress_from is not None and len(data) >= self.compress_from else None
        stored = b"m" + data if small is None else b"M" + small
        if self._reader is not None:  # who writes a message most likely reads it soon
            self._reader.note(stored, element.value, data)
        return stored

    def join(self, elements: Sequence[bytes]) -> list[Any]:
        """Decodes a list from its elements. Raises `CorruptDataError`: one of them cannot be read."""
        try:
            if self._reader is not None:
                return self._reader.read(elements, _bytes_of)
            parts = list(map(_bytes_of, elements))
            for part in parts:
                check_elements(part)
            value: list[Any] = self._load("msgpack", array_of(parts))
            return value
        except Exception as error:
            raise CorruptDataError(
                f"a stored element cannot be read ({type(error).__name__}: {error}); is it the same serde?"
            ) from error


def _refused(value: Any, error: Exception) -> UnserialisableError:
    """What is told of a value that the serde does not take."""
    what = f"a value of type {type(value).__name__} cannot be stored: {error}; give the saver a serde that can"
    return UnserialisableError(f"{what}. Store plain data instead, or give a serde= that knows it")


def _check_readable(data: bytes, value: Any) -> None:
    """Refuses to store what could not be read."""
    try:
        check_elements(data)
    except CorruptDataError as error:
        raise InvalidInputError(f"a value of type {type(value).__name__} cannot be stored: {error}") from None


def check_encrypted(serde: SerializerProtocol, kind: str) -> None:
    """Refuses what LangGraph's encrypting serialiser would read without decrypting it, whoever wrote it.

    The `kind` is what a stored value claims to be; behind a `+` is the cipher that it was encrypted with. Raises
    `DecryptionError`: the serialiser encrypts, and the value is not encrypted.
    """
    if "+" not in kind and isinstance(serde, EncryptedSerializer):
        raise DecryptionError("a stored value is not encrypted, but the serialiser encrypts whatever it writes")


def _exactly(item: Any) -> tuple[type, bytes] | None:
    """What a message is, so that two are the same only if their fields are, types included; None for anything else."""
    if not isinstance(item, BaseMessage | Document):
        return None
    try:
        return type(item), ormsgpack.packb([item.__dict__, item.__pydantic_extra__], option=_EXACT)
    except TypeError:
        return None


def _exact(values: list[Any]) -> bytes | None:
    """What the messages of a list are, one after the other, as `_exactly` tells of one; None for anything else."""
    try:
        fields = [[_NUMBERS[item.__class__], item.__dict__, item.__pydantic_extra__] for item in values]
        packed = ormsgpack.packb(fields, option=_EXACT)
    except (KeyError, TypeError):
        return None
    return packed[1 if len(values) < 16 else 3 if len(values) <= 0xFFFF else 5 :]


def _bytes_of(element: bytes) -> bytes:
    return element[1:] if element[:1] == b"m" else inflate(element[1:])


def _typed(blob: bytes) -> tuple[str, bytes]:
    letter, data = blob[:1], blob[1:]
    small = letter.lower()
    if small == _OTHER:
        name, _, data = data.partition(b"\0")
        kind = name.decode()
    else:
        kind = _TYPES[small]
    return kind, data if small == letter else inflate(data)
