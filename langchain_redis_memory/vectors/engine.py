"""The vector layer: collections of points and k-nearest-neighbour search, on any server.

A `Collection` holds points. A point belongs to an owner (an item, a cached answer), has one vector or several (its best
one counts), tags and numbers that a search can ask for, and a lifetime. Three engines keep collections;
`choose.engine` picks one from what the server can do:

* `VectorSets`, the data type of Redis 8: an HNSW graph for each collection, filters inside the search;
* `QueryEngine`, where the module is loaded: one index for a tenant, filters inside the search;
* `ExactScan`, on any server: the client keeps what it has read, asks what has changed since, and scores it all.

What a search finds are candidates: the owner may have gone a moment ago, so whoever asked reads the owners before using
them and asks for more where some are gone. Expired points leave with the next writes, a collection that nobody writes
to with its last point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from operator import ge, gt, le, lt
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.extras import np, npt
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.capabilities import EngineName
from langchain_redis_memory.redis.key_groups import PointKeys
from langchain_redis_memory.redis.keys import KeySpace

Vectors: TypeAlias = "npt.NDArray[np.float32]"
Quantization = Literal["none", "int8", "binary"]

__all__ = ["Bound", "Collection", "Engine", "EngineName", "VectorHits", "Point", "Quantization", "as_vectors"]


@dataclass(frozen=True)
class Collection:
    """A named set of points that are searched together.

    Args:
        space: The tenant's key builder.
        use: What the vectors are for: one word of this package's.
        name: The collection within it.
    """

    space: KeySpace
    use: str
    name: str

    @property
    def keys(self) -> PointKeys:
        """Its keys."""
        return self.space.points(self.use, self.name)

    @property
    def token(self) -> str:
        """A short name of letters and digits that no other collection of the tenant has."""
        return blake2b(f"{len(self.use)}:{self.use}{self.name}".encode(), digest_size=16).hexdigest()


class Point(NamedTuple):
    """The vectors of one owner.

    Args:
        owner: Whose they are: any text.
        vectors: float32 of shape (how many, dims), at least one.
        tags: Words of letters and digits.
        ttl_ms: Lifetime in milliseconds, 0 for none.
        numbers: What bounds compare, each with a name of letters and digits.
    """

    owner: str
    vectors: Vectors
    tags: tuple[str, ...] = ()
    ttl_ms: int = 0
    numbers: tuple[tuple[str, float], ...] = ()


class Bound(NamedTuple):
    """A bound of one of a point's numbers; a point without the number is beyond every bound.

    Args:
        name: The number's name.
        operator: How the number compares with the limit.
        limit: What it compares with, no NaN.
    """

    name: str
    operator: Literal[">", ">=", "<", "<="]
    limit: float

    def holds(self, number: float | None) -> bool:
        """Returns whether a number is within the bound."""
        return number is not None and COMPARES[self.operator](number, self.limit)


COMPARES: dict[str, Callable[[float, float], bool]] = {">": gt, ">=": ge, "<": lt, "<=": le}


class VectorHits(NamedTuple):
    """The result of a search.

    Args:
        found: Owners with their cosine similarity, -1 to 1, the nearest first.
        more: Whether asking for more could give more.
    """

    found: list[tuple[str, float]]
    more: bool


class Engine(Protocol):
    """Keeps collections of points of one dimension. Every method but `prepare` builds an op of one trip."""

    @property
    def kind(self) -> str:
        """How it keeps points, as a word: no other kind can read them."""

    def prepare(self, space: KeySpace) -> Op[None]:
        """Prepares the server, once before the first use; most engines need nothing."""

    def add(self, collection: Collection, points: Sequence[Point]) -> Op[None]:
        """Stores points; one with the same owner is replaced whole."""

    def remove(self, collection: Collection, owners: Sequence[str]) -> Op[None]:
        """Removes points; unknown ones are skipped."""

    def touch(self, collection: Collection, lifetimes: Sequence[tuple[str, int]]) -> Op[None]:
        """Gives points that have a lifetime a new one from now, in milliseconds."""

    def search(
        self,
        collection: Collection,
        vector: Sequence[float] | Vectors,
        k: int,
        tags: Sequence[str] = (),
        bounds: Sequence[Bound] = (),
    ) -> Op[VectorHits | None]:
        """Finds the `k` nearest points that have all the tags and are within the bounds.

        None asks to be run again (there was much to read). Points beyond a bound may be among those that are found,
        where an engine cannot spell it.
        """

    def count(self, collection: Collection) -> Op[int]:
        """Counts the stored points; some of them may have expired."""


def as_vectors(vectors: Any, dims: int) -> Vectors:
    """Converts one or several embeddings to the float32 array (how many, dims) that engines take.

    Raises `InvalidInputError`: they have another shape, or hold what is not a finite number.
    """
    try:
        array = np.atleast_2d(np.asarray(vectors, dtype=np.float32))
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"an embedding must be a list of {dims} numbers: {error}") from None
    if array.ndim != 2 or array.shape[1] != dims or not array.shape[0]:
        given = array.shape[-1] if array.size else 0
        raise InvalidInputError(
            f"an embedding has {given} dimensions, but the index is configured for {dims}: give both of one model"
        )
    if not np.isfinite(array).all():
        raise InvalidInputError("an embedding holds a number that is not finite")
    return array
