"""Embeddings, policies and prompts for the tests of caches that are searched by meaning: small, and always the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import Generation

from langchain_redis_memory.cache.entry_options import EntryOptions
from langchain_redis_memory.cache.semantic.cache import PromptOptions, RedisSemanticCache
from langchain_redis_memory.cache.semantic.tenants import SearchOptions
from langchain_redis_memory.language.equivalence import Judgement
from langchain_redis_memory.redis.client.client import Client
from tests.support.grouped import grouped as into_groups
from tests.support.raw import raw

DIMS = 128
MODEL, OTHER = "model-a", "model-b"
ASKED = "How tall is the Eiffel Tower?"
NEAR = "How high is the Eiffel Tower?"
DOUBTFUL = "How tall is the old Eiffel Tower in Paris?"
CLOSE = "How tall is the Eiffel Tower exactly?"
FAR = "What is photosynthesis?"
TEXT = [Generation(text="330 metres")]
_SAME = {"high": "tall", "town": "city", "ill": "sick"}


@lru_cache(maxsize=4096)
def _word(word: str, dims: int) -> Any:
    seed = int.from_bytes(
        blake2b(_SAME.get(word, word).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"
    )
    return np.random.default_rng(seed).normal(size=dims)


class WordEmbeddings(Embeddings):
    """The sum of its words' vectors, in which some words mean the same; it notes what it was asked."""

    def __init__(self, dims: int = DIMS, model: str = "words") -> None:
        self.dims, self.model = dims, model
        self.asked: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.asked += texts
        zero = np.zeros(self.dims)
        return [sum((_word(w, self.dims) for w in re.findall(r"\w+", text.lower())), zero).tolist() for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class Cut:
    """Questions are the same from a cosine on, unless their numbers differ."""

    def __init__(self, least: float = 0.9, floor: float = 0.5) -> None:
        self.least, self.floor = least, floor
        self.judged: list[tuple[str, str]] = []

    def judge(self, asked: str, stored: str, similarity: float) -> Judgement:
        self.judged.append((asked, stored))
        sure = min(1.0, max(0.0, similarity))
        if re.findall(r"\d+", asked) != re.findall(r"\d+", stored):
            return Judgement(False, sure / 2, ("numbers differ",))
        return Judgement(sure >= self.least, sure, (), {}, 0.7 <= sure < self.least)


def prompt(*messages: BaseMessage | str) -> str:
    """What LangChain gives to a cache: texts are said by user and model in turns, the user last."""
    texts = sum(isinstance(message, str) for message in messages)
    said: list[BaseMessage] = []
    for message in messages:
        if isinstance(message, str):
            said.append(HumanMessage(message) if texts % 2 else AIMessage(message))
            texts -= 1
        else:
            said.append(message)
    return dumps(said)


def text(answer: Any) -> str | None:
    """The text of what a lookup gave."""
    return None if answer is None else str(answer[0].text)


def keys_of(client: Client, *without: str) -> list[str]:
    """Every key under the client's prefix, of a server that is not a cluster; not those of trips and of some kinds."""
    found: list[str] = []
    cursor = b"0"
    while True:
        cursor, page = raw(client, ("SCAN", cursor, "MATCH", f"{client.keys().prefix}:*", "COUNT", 1000))[0]
        found += [key.decode() for key in page]
        if int(cursor) == 0:
            return sorted(key for key in found if not any(f":{kind}" in key for kind in ("trip", *without)))


def answers(*texts: str) -> Sequence[Generation]:
    return [Generation(text=one) for one in texts]


def grouped(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a semantic cache, each in its group."""
    return into_groups(options, {"prompts": PromptOptions, "search": SearchOptions, "entries": EntryOptions})


def semantic_cache(client: Client, embeddings: Embeddings | None = None, **options: Any) -> RedisSemanticCache:
    """A cache with the embeddings and the policy of this module, unless others are given."""
    return RedisSemanticCache(client, embeddings or WordEmbeddings(), **grouped({"policy": Cut(), **options}))
