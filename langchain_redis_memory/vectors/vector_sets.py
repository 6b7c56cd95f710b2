"""Vector search by vector sets (Redis 8): an HNSW graph for each collection, filters inside the search.

The tags are an array in the attributes of an element, its numbers further attributes, and a filter is made of words in
quotes and of comparisons. Tags and names are letters and digits, so none needs escaping.

In a small collection a search with a filter looks at every element (TRUTH): it computes no distance of what the filter
refuses, while the graph leads it through most of that. So its size is asked for along with each such search.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from langchain_redis_memory.ops import Arg, Op, Reply, pure
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.replies import pairs
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

_SPELLED: dict[Quantization, str] = {"none": "NOQUANT", "int8": "Q8", "binary": "BIN"}
_NUMBER = "n"
"""What the attribute of a number begins with."""
_LONGEST = 250
"""Most characters of a number in a filter."""
_SMALL = 20_000
"""Most elements of a collection that a search with a filter looks at one by one."""
_REMEMBERED = 1000
"""Most collections whose sizes are remembered."""


def _attributes(point: Point) -> str:
    """The JSON of a point's tags and numbers; one that is infinite is a number too large to hold."""
    numbers = "".join(f',"{_NUMBER}{name}":{repr(number).replace("inf", "1e999")}' for name, number in point.numbers)
    return f'{{"tags":{json.dumps(point.tags, separators=(",", ":"))}{numbers}}}'


def _limit(number: float) -> str | None:
    """A number as filters spell it, without a sign in its exponent; None for one that has too many zeros."""
    text = repr(number).replace("inf", "1e999").replace("e+", "e")
    if "e-" in text:
        text = f"{Decimal(text):f}"
    return text if len(text) <= _LONGEST else None


@dataclass(frozen=True)
class VectorSets:
    """Keeps each collection in a vector set.

    Args:
        dims: Numbers of a vector.
        quantization: "none" keeps float32, "int8" a quarter of it, "binary" a thirty-second.
        effort: How many candidates the search of the graph keeps (EF): more finds better and takes longer.
        links: How many neighbours a vector is linked to in the graph (M): more finds better and takes memory.
    """

    dims: int
    quantization: Quantization = "none"
    effort: int = 80
    links: int = 32
    _sizes: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    @property
    def kind(self) -> str:
        """How it keeps points: a vector set has one quantization."""
        return f"set-{self.quantization}"

    def prepare(self, space: KeySpace) -> Op[None]:
        """Does nothing: a vector set needs no index; see `Engine`."""
        return pure(None)

    def add(self, collection: Collection, points: Sequence[Point]) -> Op[None]:
        """Stores points; see `Engine`."""
        args: list[Arg] = []
        for point in points:
            rows = as_vectors(point.vectors, self.dims).astype("<f4")
            args += [point.owner, point.ttl_ms, _attributes(point), len(rows), *(row.tobytes() for row in rows)]
        return self._write(collection, args)

    def remove(self, collection: Collection, owners: Sequence[str]) -> Op[None]:
        """Removes points; see `Engine`."""
        return self._write(collection, [part for owner in owners for part in (owner, 0, "", 0)])

    def _write(self, collection: Collection, args: Sequence[Arg]) -> Op[None]:
        if not args:
            return pure(None)
        call = script("vectors/vset_write")(collection.keys.all(), _SPELLED[self.quantization], self.links, *args)
        return Op((call,), lambda _replies: None)

    def touch(self, collection: Collection, lifetimes: Sequence[tuple[str, int]]) -> Op[None]:
        """Gives points a new lifetime; see `Engine`."""
        args = [part for pair in lifetimes for part in pair]
        return Op((script("vectors/points_touch")(collection.keys.all(), "HLEN", *args),), lambda _replies: None)

    def count(self, collection: Collection) -> Op[int]:
        """Counts the stored points; see `Engine`."""
        return Op((("HLEN", collection.keys.point_owners),), lambda replies: int(replies[0]))

    def search(
        self,
        collection: Collection,
        vector: Sequence[float] | Vectors,
        k: int,
        tags: Sequence[str] = (),
        bounds: Sequence[Bound] = (),
    ) -> Op[VectorHits | None]:
        """Finds the nearest points; see `Engine`."""
        wanted = as_vectors(vector, self.dims)[0].astype("<f4").tobytes()
        points, sizes = collection.keys.points, self._sizes
        command: tuple[Arg, ...] = ("VSIM", points, "FP32", wanted, "WITHSCORES", "COUNT", k)
        conditions = [f'"{tag}" in .tags' for tag in tags]
        conditions += [
            f".{_NUMBER}{name} {operator} {spelled}" for name, operator, limit in bounds if (spelled := _limit(limit))
        ]
        if conditions:
            small = sizes.get(points, _SMALL + 1) <= _SMALL
            how = ("TRUTH",) if small else ("EF", max(self.effort, 2 * k), "FILTER-EF", 1_000_000)
            command = (*command, *how, "FILTER", " and ".join(conditions))
            commands: tuple[tuple[Arg, ...], ...] = (command, ("VCARD", points))
        else:
            commands = ((*command, "EF", max(self.effort, 2 * k)),)

        def read(replies: Sequence[Reply]) -> VectorHits | None:
            if len(replies) > 1:
                if len(sizes) > _REMEMBERED:
                    sizes.clear()
                sizes[points] = int(replies[1])
            found, best = pairs(replies[0]), dict[str, float]()
            for element, similarity in found:
                owner = element.partition(b":")[2].decode("utf-8", "replace")
                # Of binary vectors it is the share of equal signs, which tells the angle.
                binary, share = self.quantization == "binary", float(similarity)
                best.setdefault(owner, math.cos(math.pi * (1 - share)) if binary else 2 * share - 1)
            return VectorHits(list(best.items()), len(found) >= k)

        return Op(commands, read)
