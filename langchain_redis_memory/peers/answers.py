"""Cached answers of other packages: the semantic caches of redisvl, langchain-redis and langchain-community, GPTCache.

Where the prompt is stored it is moved. The exact caches of langchain-redis and langchain-community store digests of it
alone: an answer of theirs is found when its prompt is asked again, and adopted then (see `adoption`).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar

from langchain_core.outputs import Generation

from langchain_redis_memory.peers.key_source import Command, KeySource
from langchain_redis_memory.peers.langgraph_values import Values, strict_serde
from langchain_redis_memory.peers.records import Record, SavedAnswer
from langchain_redis_memory.peers.stored_keys import (
    DamagedError,
    NotJsonError,
    StoredKey,
    hash_get,
    json_get,
    parse_json,
    text_of,
    texts,
)

VECTORS = "vectors: the cache makes them anew"


def generations_of(stored: Any) -> tuple[Generation, ...]:
    """Builds generations from a list of LangChain's JSON of them, each parsed or a text.

    Raises `Damaged`: one of them is something else.
    """
    values = Values(strict_serde())
    parsed = [parse_json(one) if isinstance(one, str | bytes) else one for one in stored]
    built = tuple(values.revive(one) for one in parsed)
    if not built or not all(isinstance(one, Generation) for one in built):
        raise DamagedError("it holds something else than generations")
    return built


class NearAnswers(KeySource):
    """The answers of a cache that is searched by meaning."""

    @abstractmethod
    def key(self, prompt: str) -> bytes | None:
        """Spells the key of a prompt's answer; None where its name does not follow from the prompt."""


@dataclass(frozen=True)
class RedisVLCache(NearAnswers):
    """Reads `SemanticCache` of redisvl and `RedisSemanticCache` of langchain-redis, which is one, by name."""

    prefix: str = "llmcache"
    name: str = "redisvl-cache"
    command: ClassVar[Command] = staticmethod(hash_get)
    shapes: ClassVar[tuple[str, ...]] = (":{match}",)

    def key(self, prompt: str) -> bytes | None:
        """Spells the key of a prompt's answer."""
        return f"{self.prefix}:{sha256(prompt.encode('utf-8', 'surrogatepass')).hexdigest()}".encode()

    def record(self, found: StoredKey) -> Record:
        """Builds what a key holds."""
        fields = texts(found.value)
        metadata = parse_json(fields["metadata"]) if fields.get("metadata") else {}
        model = str(metadata.get("llm_string") or "") if isinstance(metadata, dict) else ""
        text = text_of(fields["response"])
        answer = (Generation(text=text),) if not model else generations_of(parse_json(text))
        return SavedAnswer(text_of(fields["prompt"]), answer, model, found.ttl_ms, (VECTORS,))


@dataclass(frozen=True)
class CommunitySemanticCache(NearAnswers):
    """Reads `RedisSemanticCache` of langchain-community."""

    prefix: str = "doc:cache:"
    name: str = "langchain-community-semantic"
    command: ClassVar[Command] = staticmethod(hash_get)
    shapes: ClassVar[tuple[str, ...]] = ("{match}:*",)

    def key(self, prompt: str) -> bytes | None:
        """Spells the key of a prompt's answer: its names are made at random."""
        return None

    def record(self, found: StoredKey) -> Record:
        """Builds what a key holds."""
        fields = texts(found.value)
        answer = generations_of(parse_json(fields["return_val"]))
        return SavedAnswer(text_of(fields["prompt"]), answer, text_of(fields["llm_string"]), found.ttl_ms, (VECTORS,))


@dataclass(frozen=True)
class GPTCache(KeySource):
    """Reads GPTCache's storage on Redis: RedisJSON of a question and its answers; see `global_key_prefix`."""

    prefix: str = "gptcache"
    name: str = "gptcache"
    command: ClassVar[Command] = staticmethod(json_get)
    shapes: ClassVar[tuple[str, ...]] = (":questions:{match}",)

    def unit(self, key: bytes) -> bytes | None:
        """Names what is read together with a key: each of them is a question with its answers."""
        return None if b":index:" in key else key

    def record(self, found: StoredKey) -> Record | list[Record]:
        """Builds what a key holds."""
        document = parse_json(found.value)
        if document.get("deleted"):
            return []
        text = document["answers"][0]["answer"]
        try:
            answer = generations_of(parse_json(text))
        except (NotJsonError, DamagedError, TypeError):
            answer = (Generation(text=str(text)),)
        return SavedAnswer(str(document["question"]), answer, "", found.ttl_ms, (VECTORS,))
