"""Vector search by the Query Engine module: a hash for each vector, one index per tenant, filters inside the search.

The index (named after its keys and its dimension) is made when it is first needed; it holds the collections of every
use, told apart by a tag. Tags are letters and digits, so no query needs escaping. The server itself lets expired
points go.

An index must know its fields beforehand, and numbers have any name, so the index has `_SLOTS` fields for numbers, and
the name decides which of them a number is in. Where two numbers of a point would be in one, a tag stands for both, and
a search finds the point whatever their values are.

A collection that is a fair part of the tenant's vectors is found fastest in batches of the graph, a small one by
comparing with all of it; the choice of the server itself (it compares, up to tens of thousands) is several times
slower for the former. So the sizes are asked for now and then, along with a search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from zlib import crc32

from langchain_redis_memory.errors import ServerError
from langchain_redis_memory.extras import np
from langchain_redis_memory.ops import Arg, Op, Reply
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.scripts import script
from langchain_redis_memory.vectors.engine import (
    Bound,
    Collection,
    Point,
    Quantization,
    VectorHits,
    Vectors,
    as_vectors,
)

_COUNTED_EVERY = 500
_REMEMBERED = 1000
_FAIR = 0.1
_SLOTS = 64


@dataclass
class QueryEngine:
    """Keeps points in hashes that one index of the tenant covers.

    Args:
        dims: Numbers of a vector.
        quantization: "none" keeps float32, everything else float16, which is half of it.
        algorithm: "HNSW" is a graph, "FLAT" compares with every vector of the tenant.
        effort: How many candidates the search of the graph keeps (EF_RUNTIME).
    """

    dims: int
    quantization: Quantization = "none"
    algorithm: Literal["HNSW", "FLAT"] = "HNSW"
    effort: int = 100
    _searches: dict[str, int] = field(default_factory=dict, repr=False)
    _fair: dict[str, bool] = field(default_factory=dict, repr=False)

    @property
    def kind(self) -> str:
        """How it keeps points: an index has one type of numbers."""
        return f"query-{self._field}"

    def _index(self, space: KeySpace) -> str:
        return f"{space.tenant_prefix()}:{self.algorithm}:{self.dims}{'' if self._field == 'vector' else ':half'}"

    @property
    def _field(self) -> str:
        return "vector" if self.quantization == "none" else "half"

    def _packed(self, vectors: Any) -> list[bytes]:
        rows = as_vectors(vectors, self.dims)
        if self._field == "half":  # whose numbers end at 65504, and have few digits near 0: only directions count
            most = np.abs(rows).max(axis=1, keepdims=True)
            rows = (rows / np.where(most > 0, most, 1)).astype("<f2")
        return [row.tobytes() for row in rows]

    def prepare(self, space: KeySpace) -> Op[None]:
        """Makes the tenant's index."""
        options: list[Arg] = [
            "TYPE",
            "FLOAT32" if self._field == "vector" else "FLOAT16",
            "DIM",
            self.dims,
            "DISTANCE_METRIC",
            "COSINE",
        ]
        if self.algorithm == "HNSW":
            options += ["M", 16, "EF_CONSTRUCTION", 200, "EF_RUNTIME", self.effort]
        command: tuple[Arg, ...] = ("FT.CREATE", self._index(space), "ON", "HASH", "PREFIX", 1, space.tenant_prefix())
        command += ("SCHEMA", "collection", "TAG", "tags", "TAG", "SEPARATOR", ",")
        command += tuple(part for slot in range(_SLOTS) for part in (f"n{slot}", "NUMERIC"))
        command += (self._field, "VECTOR", self.algorithm, len(options), *options)

        def read(replies: Sequence[Reply]) -> None:
            if isinstance(replies[0], ServerError) and "exists" not in str(replies[0]).lower():
                raise replies[0]

        return Op((command,), read, tolerant=True)

    def add(self, collection: Collection, points: Sequence[Point]) -> Op[None]:
        """Stores points; see `Engine`."""
        calls = []
        for point in points:
            key = collection.space.point(collection.use, collection.name, point.owner)
            tags, numbers = _slotted(point)
            values = (collection.token, point.owner, point.ttl_ms, ",".join(tags), numbers, self._field)
            calls.append(script("vectors/point_write")((key,), *values, *self._packed(point.vectors)))
        return Op(tuple(calls), lambda _replies: None)

    def remove(self, collection: Collection, owners: Sequence[str]) -> Op[None]:
        """Removes points; see `Engine`."""
        key = collection.space.point
        calls = [
            script("vectors/point_write")((key(collection.use, collection.name, owner),), "", "", 0, "", "", "")
            for owner in owners
        ]
        return Op(tuple(calls), lambda _replies: None)

    def touch(self, collection: Collection, lifetimes: Sequence[tuple[str, int]]) -> Op[None]:
        """Gives points a new lifetime; see `Engine`."""
        key = collection.space.point
        calls = [
            script("vectors/point_touch")((key(collection.use, collection.name, owner),), ttl_ms)
            for owner, ttl_ms in lifetimes
        ]
        return Op(tuple(calls), lambda _replies: None)

    def count(self, collection: Collection) -> Op[int]:
        """Counts the stored vectors; see `Engine`."""
        query = f"@collection:{{{collection.token}}}"
        command = ("FT.SEARCH", self._index(collection.space), query, "LIMIT", 0, 0, "DIALECT", 2)
        return Op((command,), lambda replies: _total(replies[0]))

    def search(
        self,
        collection: Collection,
        vector: Sequence[float] | Vectors,
        k: int,
        tags: Sequence[str] = (),
        bounds: Sequence[Bound] = (),
    ) -> Op[VectorHits | None]:
        """Finds the nearest points; see `Engine`."""
        (wanted,) = self._packed(vector)
        filters = [*(f"@tags:{{{tag}}}" for tag in tags), *(_within(bound) for bound in bounds)]
        query = " ".join([f"@collection:{{{collection.token}}}", *filters])
        index, token = self._index(collection.space), collection.token
        how = f" EF_RUNTIME {max(self.effort, k)}" if self.algorithm == "HNSW" else ""
        if how and not filters and self._fair.get(token):
            how += " HYBRID_POLICY BATCHES"
        nearest = f"({query})=>[KNN {k} @{self._field} $vector{how} AS far]"
        command: tuple[Arg, ...] = ("FT.SEARCH", index, nearest, "PARAMS", 2, "vector", wanted)
        command += ("SORTBY", "far", "RETURN", 2, "owner", "far", "LIMIT", 0, k, "DIALECT", 2)
        counts = [("FT.SEARCH", index, part, "LIMIT", 0, 0, "DIALECT", 2) for part in (query, "*")]
        counting = not filters and self._is_due(token)

        def read(replies: Sequence[Reply]) -> VectorHits | None:
            rows = _rows(replies[0])
            if counting:
                self._fair[token] = _total(replies[1]) >= _FAIR * _total(replies[2])
            best: dict[str, float] = {}
            for row in rows:
                if b"owner" in row and b"far" in row:  # a point that expires just now has no fields
                    best.setdefault(row[b"owner"].decode("utf-8", "replace"), 1 - float(row[b"far"]))
            return VectorHits(list(best.items()), len(rows) >= k)

        return Op((command, *counts) if counting else (command,), read)

    def _is_due(self, token: str) -> bool:
        """Whether to ask how large a collection is; others may come between, which does no harm."""
        if len(self._searches) > _REMEMBERED:
            self._searches.clear()
            self._fair.clear()
        searches = self._searches.get(token, 0)
        self._searches[token] = searches + 1
        return searches % _COUNTED_EVERY == 0


def _slot(name: str) -> int:
    return crc32(name.encode()) % _SLOTS


def _slotted(point: Point) -> tuple[list[str], str]:
    """A point's tags, and its numbers as fields and values between spaces."""
    slots: dict[int, list[float]] = {}
    for name, number in point.numbers:
        slots.setdefault(_slot(name), []).append(number)
    shared = [f"_{slot}" for slot, numbers in slots.items() if len(numbers) > 1]
    alone = [f"n{slot} {numbers[0]!r}" for slot, numbers in slots.items() if len(numbers) == 1]
    return [*point.tags, *shared], " ".join(alone)


def _within(bound: Bound) -> str:
    """The query of a bound."""
    slot, limit = _slot(bound.name), f"{'' if '=' in bound.operator else '('}{bound.limit!r}"
    low, high = (limit, "+inf") if ">" in bound.operator else ("-inf", limit)
    return f"(@n{slot}:[{low} {high}] | @tags:{{_{slot}}})"


def _total(reply: Reply) -> int:
    return int(reply[b"total_results"] if isinstance(reply, dict) else reply[0])


def _rows(reply: Reply) -> list[dict[bytes, bytes]]:
    """The fields of each result, in either protocol."""
    if isinstance(reply, dict):
        return [dict(found.get(b"extra_attributes") or {}) for found in reply[b"results"]]
    flat = [fields or [] for fields in reply[2::2]]
    return [dict(zip(fields[::2], fields[1::2], strict=True)) for fields in flat]
