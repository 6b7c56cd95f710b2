"""Adoption of vectors: those that are not here are taken over from LangChain's cache when their texts are embedded.

They are removed there, so that what is cleared here does not come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from langchain_redis_memory.ops import Flow
from langchain_redis_memory.peers.adoption import AdoptFrom, AtOrigin
from langchain_redis_memory.redis.client.client import Client

_WHAT = "vectors"


class VectorAdoption(AtOrigin):
    """Takes over vectors of documents; raises `ConfigError` where they would not come from such a cache."""

    def __init__(self, client: Client, adopt: AdoptFrom) -> None:
        super().__init__(adopt.client(client))
        self._vectors = adopt.vectors()

    def take_flow(self, texts: Sequence[str]) -> Flow[dict[str, tuple[tuple[float, ...], int]]]:
        """Finds the vectors of texts, with their lifetimes; none where the server does not give them."""
        return (yield from self.found_flow(_WHAT, self._vectors.find_flow, texts)) or {}

    def taken_flow(self, texts: Iterable[str]) -> Flow[None]:
        """Removes vectors that were taken over."""
        yield from self.forget_flow(_WHAT, [key for text in texts for key in self._vectors.keys(text)])
