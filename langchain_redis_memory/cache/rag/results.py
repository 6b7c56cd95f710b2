"""Cached results of retrievers: documents and their stored form."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from langchain_core.documents import Document

from langchain_redis_memory.cache import epochs
from langchain_redis_memory.cache.sharded_entries import ShardedEntries
from langchain_redis_memory.checks import check_type
from langchain_redis_memory.errors import CorruptDataError, InvalidInputError
from langchain_redis_memory.ops import Op, merge
from langchain_redis_memory.redis.codec.envelope import seal, unseal
from langchain_redis_memory.redis.codec.values import pack, unpack

_log = logging.getLogger(__name__)

_DEFLATE_FROM_BYTES = 256


class CachedResult(NamedTuple):
    """A result of the current epoch, with what is left of its lifetime."""

    documents: list[Document]
    left_ms: int | None


def documents_of(result: Any) -> list[Document]:
    """Checks that a retriever gave documents, and returns them."""
    documents: list[Any] = list(check_type(result, (list, tuple), "what a retriever gives", "a list of documents"))
    for document in documents:
        check_type(document, Document, "what a retriever gives", "a list of documents")
    return documents


def encode_result(documents: list[Document]) -> bytes:
    """Encodes the documents of an entry."""
    return seal(pack(documents, "the documents"), deflate_from=_DEFLATE_FROM_BYTES)


def decode_result(body: bytes, where: str) -> list[Document] | None:
    """Decodes the documents of an entry, None where it is damaged."""
    try:
        return documents_of(unpack(unseal(body, where), where))
    except (CorruptDataError, InvalidInputError, ValueError) as error:
        _log.warning("a cached result counts as absent: %s", error)
        return None


def cleared(tier: ShardedEntries, epoch: str) -> Op[None]:
    """Deletes a tier's entries and ends the epoch in which others are being made."""
    return merge(epochs.bump(epoch), tier.clear()).map(lambda _done: None)
