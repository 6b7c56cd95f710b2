"""Exact search on any server: the client scores every vector.

A record is the tags and "name=number" for each number, then a bar and the vectors as float32, or a tilde and int8 with
a scale for each; a collection has vectors of one dimension. Every change of it has a stamp, so a search asks what has
changed since the last one and gets just that: the first search reads the collection, the following ones next to
nothing. What has been read is kept within a bound on its size; the collections asked for least recently go first.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from langchain_redis_memory.extras import np
from langchain_redis_memory.ops import Arg, Op, Reply, pure
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

PAGE = 4000
"""Most changes that one trip reads."""


class LocalCopy(NamedTuple):
    """An immutable local copy of a collection.

    Args:
        stamp: The newest change in it.
        owners: The owner of each row.
        rows: All vectors, scaled to length 1.
        tags: Owner -> its tags.
        numbers: Owner -> its numbers by name, where it has any.
    """

    stamp: int
    owners: tuple[str, ...]
    rows: Vectors
    tags: dict[str, frozenset[str]]
    numbers: dict[str, dict[str, float]]

    def fits(self, owner: str, tags: frozenset[str], bounds: Sequence[Bound]) -> bool:
        """Returns whether a point has the tags and is within the bounds."""
        if not tags <= self.tags[owner]:
            return False
        numbers = self.numbers.get(owner, {}) if bounds else {}
        return all(bound.holds(numbers.get(bound.name)) for bound in bounds)


@dataclass
class ExactScan:
    """Scores every vector of a collection.

    Args:
        dims: Numbers of a vector.
        quantization: "none" keeps float32, everything else int8, which is a quarter of it.
        most_bytes: Most bytes of vectors kept in this process.
    """

    dims: int
    quantization: Quantization = "none"
    most_bytes: int = 256 * 2**20
    _copies: OrderedDict[str, LocalCopy] = field(default_factory=OrderedDict, repr=False)

    @property
    def kind(self) -> str:
        """How it keeps points; each record says its quantization itself."""
        return "exact"

    def prepare(self, space: KeySpace) -> Op[None]:
        """Does nothing: a scan needs no index; see `Engine`."""
        return pure(None)

    def add(self, collection: Collection, points: Sequence[Point]) -> Op[None]:
        """Stores points; see `Engine`."""
        args: list[Arg] = []
        for point in points:
            rows = as_vectors(point.vectors, self.dims)
            packed = b"|" + rows.astype("<f4").tobytes() if self.quantization == "none" else _quantized(rows)
            words = [*point.tags, *(f"{name}={number!r}" for name, number in point.numbers)]
            args += [point.owner, point.ttl_ms, " ".join(words).encode() + packed]
        return self._write(collection, args, str(self.dims))

    def remove(self, collection: Collection, owners: Sequence[str]) -> Op[None]:
        """Removes points; see `Engine`."""
        return self._write(collection, [part for owner in owners for part in (owner, 0, b"")])

    def _write(self, collection: Collection, args: Sequence[Arg], dims: str = "") -> Op[None]:
        if not args:
            return pure(None)
        return Op((script("vectors/points_write")(collection.keys.all(), dims, *args),), lambda _replies: None)

    def touch(self, collection: Collection, lifetimes: Sequence[tuple[str, int]]) -> Op[None]:
        """Gives points a new lifetime; see `Engine`."""
        args = [part for pair in lifetimes for part in pair]
        return Op((script("vectors/points_touch")(collection.keys.all(), "ZCARD", *args),), lambda _replies: None)

    def count(self, collection: Collection) -> Op[int]:
        """Counts the stored points; see `Engine`."""
        points = collection.keys.points
        commands = (("HLEN", points), ("HMGET", points, "stamp", "floor", "dims"))
        return Op(commands, lambda replies: int(replies[0]) - sum(told is not None for told in replies[1]))

    def search(
        self,
        collection: Collection,
        vector: Sequence[float] | Vectors,
        k: int,
        tags: Sequence[str] = (),
        bounds: Sequence[Bound] = (),
    ) -> Op[VectorHits | None]:
        """Finds the nearest points, and all that are as near as the last of them; see `Engine`."""
        wanted, words = as_vectors(vector, self.dims)[0], frozenset(tags)
        keys = collection.keys
        key = keys.points
        known = self._copies.get(key)

        def read(replies: Sequence[Reply]) -> VectorHits | None:
            reached, newest, anew, *flat = replies[0]
            copy = self._changed(None if int(anew) else known, int(reached), flat)
            self._keep(key, copy)
            if int(reached) < int(newest):
                return None
            return self._nearest(copy, wanted, k, lambda owner: copy.fits(owner, words, bounds))

        since = known.stamp if known else 0
        return Op((script("vectors/points_since")((keys.points, keys.point_owners), since, PAGE, self.dims),), read)

    def _changed(self, known: LocalCopy | None, stamp: int, flat: Sequence[bytes | None]) -> LocalCopy:
        """The copy after some changes."""
        if known is None:
            known = LocalCopy(0, (), np.zeros((0, self.dims), np.float32), {}, {})
        if not flat:
            return known._replace(stamp=stamp)
        tags, numbers, owners, parts = dict(known.tags), dict(known.numbers), [], []
        changed = set()
        for i in range(0, len(flat), 2):
            owner, record = (flat[i] or b"").decode("utf-8", "replace"), flat[i + 1]
            changed.add(owner)
            tags.pop(owner, None)
            numbers.pop(owner, None)
            if record is not None:
                spelled, rows = _read(record, self.dims)
                words = spelled.decode("utf-8", "replace").split()
                tags[owner] = frozenset(word for word in words if "=" not in word)
                if len(tags[owner]) < len(words):
                    pairs = (word.split("=") for word in words if "=" in word)
                    numbers[owner] = {name: float(number) for name, number in pairs}
                parts.append(rows)
                owners += [owner] * len(rows)
        kept = [position for position, owner in enumerate(known.owners) if owner not in changed]
        old = known.rows if len(kept) == len(known.owners) else known.rows[kept]
        fresh = np.concatenate(parts).astype(np.float32) if parts else np.zeros((0, self.dims), np.float32)
        return LocalCopy(
            stamp,
            (*(known.owners[position] for position in kept), *owners),
            np.concatenate((old, _unit(fresh))),
            tags,
            numbers,
        )

    def _keep(self, key: str, copy: LocalCopy) -> None:
        # Steps that other threads may come between: what is lost then is read again.
        self._copies[key] = copy
        self._copies.move_to_end(key)
        while len(self._copies) > 1 and self.kept_bytes > self.most_bytes:
            self._copies.popitem(last=False)

    @property
    def kept_bytes(self) -> int:
        """Bytes of vectors kept in this process."""
        return sum(copy.rows.nbytes for copy in list(self._copies.values()))

    def _nearest(self, copy: LocalCopy, vector: Vectors, k: int, fits: Callable[[str], bool]) -> VectorHits:
        # Not `rows @ vector`: a BLAS of several threads waits for cores that others use.
        scores = np.einsum("ij,j->i", copy.rows, _unit(vector[None])[0])
        looked = 4 * k + 16
        while True:
            hits = self._best(copy, scores, looked, k, fits)
            if hits is not None:
                return hits
            looked *= 8

    def _best(
        self, copy: LocalCopy, scores: Vectors, looked: int, k: int, fits: Callable[[str], bool]
    ) -> VectorHits | None:
        """The nearest points among the best rows; None where these are too few to tell."""
        whole = looked >= len(scores)
        least = -2.0 if whole else np.partition(scores, len(scores) - looked)[len(scores) - looked]
        rows = np.flatnonzero(scores >= least)
        best: list[tuple[str, float]] = []
        seen: set[str] = set()
        last = 2.0
        for row in rows[np.argsort(-scores[rows], kind="stable")].tolist():
            owner, score = copy.owners[row], float(scores[row])
            if owner in seen or not fits(owner):
                continue
            if len(best) >= k and score < last:
                return VectorHits(best, more=True)
            seen.add(owner)
            best.append((owner, score))
            last = score
        return VectorHits(best, more=False) if whole else None


def _unit(rows: Vectors) -> Vectors:
    """Vectors scaled to length 1; one of zeros stays as it is."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _quantized(rows: Vectors) -> bytes:
    """Vectors as int8, each behind its scale."""
    scales = np.abs(rows).max(axis=1) / 127
    steps = np.rint(rows / np.where(scales > 0, scales, 1)[:, None]).astype(np.int8)
    packed = np.zeros(len(rows), _packed(rows.shape[1]))
    packed["scale"], packed["steps"] = scales, steps
    return b"~" + packed.tobytes()


def _packed(dims: int) -> np.dtype[np.void]:
    return np.dtype([("scale", "<f4"), ("steps", "i1", (dims,))])


def _read(record: bytes, dims: int) -> tuple[bytes, Vectors]:
    """The tags and the vectors in a record; no vectors in a damaged one."""
    match = re.match(rb"([^|~]*)([|~])", record)
    body = record[match.end() :] if match else b""
    kind = np.dtype(("<f4", (dims,))) if match and match[2] == b"|" else _packed(dims)
    if match is None or len(body) % kind.itemsize:
        return b"", np.zeros((0, dims), np.float32)
    read = np.frombuffer(body, kind)
    rows = read if match[2] == b"|" else read["steps"] * read["scale"][:, None]
    return match[1], rows[np.isfinite(rows).all(axis=1)].astype(np.float32)
