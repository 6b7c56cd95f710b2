"""Cached vectors of other packages: redisvl's `EmbeddingsCache`, and LangChain's `CacheBackedEmbeddings` on Redis.

redisvl keeps the text beside its vector, so its vectors are moved. LangChain keeps digests of the texts alone: a vector
of its is found when its text is embedded again, and adopted then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha1, sha256, sha512
from math import isfinite
from typing import Any, ClassVar
from uuid import UUID, uuid5

from langchain_redis_memory.ops import Flow
from langchain_redis_memory.peers.key_source import Command, KeySource
from langchain_redis_memory.peers.records import Record, SavedVector
from langchain_redis_memory.peers.stored_keys import (
    DamagedError,
    StoredKey,
    hash_get,
    parse_json,
    read_keys_flow,
    text_get,
    text_of,
    texts,
)

METADATA = "metadata of vectors: a cache of vectors keeps none"
_BYTES = "it is the vector of something else than a text"


def vector_of(stored: Any) -> tuple[float, ...]:
    """Builds a vector from JSON. Raises `Damaged`: it is something else."""
    parsed = parse_json(stored)
    if not isinstance(parsed, list) or not parsed or not all(map(_is_number, parsed)):
        raise DamagedError("it holds something else than a vector")
    return tuple(map(float, parsed))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value)


@dataclass(frozen=True)
class RedisVLEmbeddings(KeySource):
    """Reads `EmbeddingsCache` of redisvl."""

    prefix: str = "embedcache"
    name: str = "redisvl-embeddings"
    command: ClassVar[Command] = staticmethod(hash_get)
    shapes: ClassVar[tuple[str, ...]] = (":{match}",)

    def record(self, found: StoredKey) -> Record:
        """Builds what a key holds."""
        fields = texts(found.value)
        text, model = text_of(fields["content"]), text_of(fields["model_name"])
        if found.key.rpartition(b":")[2].decode() != sha256(f"{text}:{model}".encode()).hexdigest():
            raise DamagedError(_BYTES)
        lost = (METADATA,) if fields.get("metadata") else ()
        return SavedVector(text, vector_of(fields["embedding"]), model, found.ttl_ms, lost)


_NAMESPACE = UUID(int=1985)
"""LangChain's, of its keys by SHA-1."""


def _uuid(text: bytes) -> str:
    return str(uuid5(_NAMESPACE, sha1(text, usedforsecurity=False).hexdigest()))


_DIGESTS: tuple[Callable[[bytes], str], ...] = (
    _uuid,
    lambda text: blake2b(text).hexdigest(),
    lambda text: sha256(text).hexdigest(),
    lambda text: sha512(text).hexdigest(),
)
"""Each `key_encoder` that LangChain has by name."""


LANGCHAIN_EMBEDDINGS = "langchain-embeddings"
"""How it is named where vectors are adopted."""


@dataclass(frozen=True)
class LangChainEmbeddings:
    """Finds the vectors of documents that `CacheBackedEmbeddings` stored in a byte store on Redis.

    The prefix is the namespace of the byte store and a slash, then that of the embeddings.
    """

    prefix: str

    def keys(self, text: str) -> list[bytes]:
        """Spells the keys that the vector of a text may have, one for each way of LangChain's to digest it."""
        encoded = text.encode("utf-8", "surrogatepass")
        return [(self.prefix + digest(encoded)).encode() for digest in _DIGESTS]

    def find_flow(self, wanted: Sequence[str]) -> Flow[dict[str, tuple[tuple[float, ...], int]]]:
        """Reads the vectors of texts.

        Returns those that were found and can be read: text -> vector, and what is left of its lifetime in milliseconds,
        0 for no expiry.
        """
        owners = {key: text for text in wanted for key in self.keys(text)}
        vectors: dict[str, tuple[tuple[float, ...], int]] = {}
        for stored in (yield from read_keys_flow(list(owners), text_get)):
            try:
                if not stored.fault:
                    vectors[owners[stored.key]] = vector_of(stored.value), stored.ttl_ms
            except DamagedError:
                continue
        return vectors
