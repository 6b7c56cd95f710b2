"""Stores cached vectors of other packages, those of the same model alone.

Names of models differ between packages and say nothing of options, so the model is asked instead: the first vector of
each name at the source is compared with what the model gives for its text, as a document and as a query.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap
from math import sqrt
from operator import mul
from typing import TYPE_CHECKING

from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.operate.migrate.outcome import Outcome
from langchain_redis_memory.ops import Flow, Invoke
from langchain_redis_memory.peers.records import SavedVector

if TYPE_CHECKING:
    from langchain_redis_memory.cache.rag.embeddings import CachedEmbeddings, Kind

_SAME = 0.999
"""Cosine from which two vectors count as one model's of one text: a service's differ a little from call to call."""


class VectorWriter:
    """Stores cached vectors; None refuses all.

    `ttl_ms` is the lifetime of one that has none, 0 for that of the target.
    """

    def __init__(self, target: CachedEmbeddings | None, ttl_ms: int) -> None:
        self._target, self._ttl_ms = target, ttl_ms
        self._kinds: dict[tuple[str, int], list[Kind]] = {}

    def write_flow(self, record: SavedVector) -> Flow[Outcome]:
        """Stores a vector for what its model gives it for: documents, queries, or both where they do not differ."""
        if self._target is None:
            raise ConfigError("give RedisMigration the CachedEmbeddings that keeps the vectors, as embeddings")
        named = (record.model, len(record.vector))
        if named not in self._kinds:
            self._kinds[named] = yield from self._kinds_flow(self._target, record)
        kinds = self._kinds[named]
        if not kinds:
            return "refused"
        stored = []
        for kind in kinds:
            ttl_ms = record.ttl_ms or self._ttl_ms
            stored.append((yield from self._target._take_flow(kind, record.text, record.vector, ttl_ms)))
        return "moved" if any(stored) else "there"

    def _kinds_flow(self, target: CachedEmbeddings, record: SavedVector) -> Flow[list[Kind]]:
        """Asks the model itself, not what is stored here."""
        model, text = target.embeddings, record.text
        as_documents = yield Invoke(lambda: model.embed_documents([text]), lambda: model.aembed_documents([text]))
        as_query = yield Invoke(lambda: model.embed_query(text), lambda: model.aembed_query(text))
        given: dict[Kind, Sequence[float]] = {"document": as_documents[0], "query": as_query}
        return [kind for kind, vector in given.items() if _cosine(vector, record.vector) >= _SAME]


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    if len(one) != len(other):
        return 0.0
    lengths = sqrt(sum(x * x for x in one) * sum(x * x for x in other))
    return sum(starmap(mul, zip(one, other, strict=True))) / lengths if lengths else 0.0
