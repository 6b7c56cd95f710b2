"""Vectors and their nearest neighbours, on whatever server there is: the one vector layer of this package.

A `Collection` holds points. A point belongs to an owner (an item, a cached answer), has one vector or several (its best
one counts), tags that a search can ask for, and a lifetime. Three engines keep collections; `engine` picks one from
what the server can do:

* `VectorSets`, the data type of Redis 8: an HNSW graph for each collection, filters inside the search;
* `QueryEngine`, where the module is loaded: one index for a tenant, filters inside the search;
* `ExactScan`, on any server: the client keeps what it has read, asks what has changed since, and scores it all.

What a search finds are candidates: the owner may have gone a moment ago, so whoever asked reads the owners before using
them and asks for more where some are gone. Expired points leave with the next writes, a collection that nobody writes
to with its last point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
import numpy.typing as npt

from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.key_groups import PointKeys
from langchain_redis_memory.redis.keys import KeySpace

if TYPE_CHECKING:
    from langchain_redis_memory.redis.capabilities import Server

Vectors = npt.NDArray[np.float32]
EngineName = Literal["vector_sets", "query_engine", "exact"]
Quantisation = Literal["none", "int8", "binary"]

__all__ = ["Collection", "Engine", "EngineName", "VectorHits", "Point", "Quantisation", "as_vectors", "check", "engine"]


@dataclass(frozen=True)
class Collection:
    """Where points are kept: those of one collection are searched together.

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
    """

    owner: str
    vectors: Vectors
    tags: tuple[str, ...] = ()
    ttl_ms: int = 0


class VectorHits(NamedTuple):
    """What a search found.

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
        """What must have run once before the first use; most engines need nothing."""

    def add(self, collection: Collection, points: Sequence[Point]) -> Op[None]:
        """Stores points; one with the same owner is replaced whole."""

    def remove(self, collection: Collection, owners: Sequence[str]) -> Op[None]:
        """Removes points; unknown ones are passed over."""

    def touch(self, collection: Collection, lifetimes: Sequence[tuple[str, int]]) -> Op[None]:
        """Gives points that have a lifetime a new one from now, in milliseconds."""

    def search(
        self, collection: Collection, vector: Sequence[float] | Vectors, k: int, tags: Sequence[str] = ()
    ) -> Op[VectorHits | None]:
        """Finds the `k` nearest points that have all the tags; None asks to be run again (there was much to read)."""

    def count(self, collection: Collection) -> Op[int]:
        """How many points are stored; some of them may have expired."""


def as_vectors(vectors: Any, dims: int) -> Vectors:
    """Embeddings as the engines take them.

    Args:
        vectors: One sequence of numbers or several.
        dims: How many numbers each must have.

    Returns:
        float32 of shape (how many, dims).

    Raises:
        InvalidInputError: They have another shape, or hold what is no finite number.
    """
    try:
        found = np.atleast_2d(np.asarray(vectors, dtype=np.float32))
    except (TypeError, ValueError) as error:
        msg = f"an embedding must be a list of {dims} numbers: {error}"
        raise InvalidInputError(msg) from None
    if found.ndim != 2 or found.shape[1] != dims or not found.shape[0]:
        given = found.shape[-1] if found.size else 0
        msg = f"an embedding has {given} dimensions, but the index is configured for {dims}"
        raise InvalidInputError(msg)
    if not np.isfinite(found).all():
        msg = "an embedding holds a number that is not finite"
        raise InvalidInputError(msg)
    return found


def check(dims: Any, name: Any = None, quantisation: Any = "none") -> None:
    """Whether an engine can be made with such options.

    Args:
        dims: Numbers of a vector.
        name: The engine's name, None to pick one.
        quantisation: How it keeps its vectors.

    Raises:
        ConfigError: One of them cannot work.
    """
    if isinstance(dims, bool) or not isinstance(dims, int) or not 1 <= dims <= 32_768:
        msg = f"dims must be a whole number from 1 to 32768, got {dims!r}"
        raise ConfigError(msg)
    if name is not None and name not in get_args(EngineName):
        msg = f"engine must be one of {', '.join(get_args(EngineName))} or None, got {name!r}"
        raise ConfigError(msg)
    if quantisation not in get_args(Quantisation):
        msg = f"quantisation must be one of {', '.join(get_args(Quantisation))}, got {quantisation!r}"
        raise ConfigError(msg)


def engine(server: Server, dims: int, name: EngineName | None = None, quantisation: Quantisation = "none") -> Engine:
    """The engine for a server.

    Args:
        server: What it can do.
        dims: Numbers of a vector.
        name: Take this one; None picks the best that the server has.
        quantisation: How it keeps its vectors.

    Returns:
        The engine. It does no I/O.

    Raises:
        ConfigError: The server cannot do what is asked for, or an option cannot work.
    """
    from langchain_redis_memory.vectors.exact_scan import ExactScan
    from langchain_redis_memory.vectors.query_engine import QueryEngine
    from langchain_redis_memory.vectors.vector_sets import VectorSets

    check(dims, name, quantisation)
    in_process = server.flavour == "fakeredis"  # it knows VSIM, but neither the filters nor the scores of a server
    can: dict[EngineName, bool] = {
        "vector_sets": server.vector_sets and not in_process,
        "query_engine": server.query_engine and not in_process,
        "exact": True,
    }
    chosen = name if name is not None else next(ability for ability, there in can.items() if there)
    if not can[chosen]:
        msg = f"this server has no {chosen.replace('_', ' ')}; leave the engine out, or take 'exact'"
        raise ConfigError(msg)
    if chosen == "vector_sets":
        return VectorSets(dims, quantisation)
    return QueryEngine(dims, quantisation) if chosen == "query_engine" else ExactScan(dims, quantisation)
