"""What a batch writes: each item's last put, checked and packed before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from langgraph.store.base import PutOp

from langchain_redis_memory.checks import check_type
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.extras import np
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.store import root_index
from langchain_redis_memory.store.embedding import IndexSettings
from langchain_redis_memory.store.items import Namespace, check_key, check_namespace, name_of, root_of, tail, write
from langchain_redis_memory.vectors.engine import Collection, Engine, Point, Vectors


class ItemWrite(NamedTuple):
    """One item to be stored, or removed.

    Args:
        namespace: Its namespace.
        key: Its key.
        tail: Its record without the times; b"" removes it.
        texts: What of it is embedded.
        tags: What a search of vectors can ask for.
        numbers: What it can compare.
        ttl_ms: Its lifetime in milliseconds, 0 for none.
    """

    namespace: Namespace
    key: str
    tail: bytes
    texts: list[str]
    tags: tuple[str, ...]
    numbers: tuple[tuple[str, float], ...]
    ttl_ms: int


def collection(space: KeySpace, namespace: Namespace) -> Collection:
    """Names the collection of a namespace's vectors."""
    return Collection(space, "store", "\0".join(namespace))


def changes(puts: Iterable[PutOp], indexing: IndexSettings | None, *, marked: bool = True) -> list[ItemWrite]:
    """Collects the changes that puts make, the last of each item, in the order of the items' first puts.

    `marked` says that the server may read what filters go by. Raises `InvalidInputError`: one is not acceptable.
    """
    last: dict[tuple[Namespace, str], ItemWrite] = {}
    for put in puts:
        place = (check_namespace(put.namespace), check_key(put.key))
        last[place] = _change(*place, put, indexing, marked=marked)
    return list(last.values())


def _change(namespace: Namespace, key: str, put: PutOp, indexing: IndexSettings | None, *, marked: bool) -> ItemWrite:
    if put.value is None:
        return ItemWrite(namespace, key, b"", [], (), (), 0)
    check_type(put.value, Mapping, "the value of an item", "a dict")
    ttl_ms = milliseconds(put.ttl)
    texts = indexing.texts(put.value, put.index) if indexing is not None else []
    record = tail(put.value, ttl_ms, len(texts), marked=marked)
    words = record.partition(b"|")[0].decode().split()[2:] if texts else []
    parts = [word.partition("=") for word in words]
    tags = tuple(name for name, is_number, _ in parts if not is_number)
    numbers = tuple((name, float(number)) for name, is_number, number in parts if is_number)
    return ItemWrite(namespace, key, record, texts, tags, numbers, ttl_ms)


_LONGEST_MINUTES = 525_600_000
"""A thousand years."""


def milliseconds(minutes: Any) -> int:
    """Converts a lifetime in LangGraph's minutes to milliseconds: 0 for None, which is no expiry.

    Raises `InvalidInputError`: it is not a positive number, or longer than a thousand years.
    """
    if minutes is None:
        return 0
    number = isinstance(minutes, int | float) and not isinstance(minutes, bool)
    if number and 1 / 60_000 <= minutes <= _LONGEST_MINUTES:
        return round(float(minutes) * 60_000)
    raise InvalidInputError(f"ttl must be a positive number of minutes or None for no expiry, got {minutes!r}")


def notes(space: KeySpace, wanted: Sequence[ItemWrite]) -> list[Op[Any]]:
    """Builds the ops that note the roots of what is stored."""
    lifetimes: dict[str, list[int]] = {}
    for change in wanted:
        if change.tail:
            lifetimes.setdefault(root_of(change.namespace), []).append(change.ttl_ms)
    return [root_index.note(space, root, 0 if 0 in spans else max(spans), "write") for root, spans in lifetimes.items()]


def points(
    space: KeySpace, engine: Engine, wanted: Sequence[ItemWrite], vectors: Mapping[str, Vectors]
) -> list[Op[Any]]:
    """Builds the ops that store the vectors of items and remove those of items that have none (any more)."""
    adds: dict[Namespace, list[Point]] = {}
    removes: dict[Namespace, list[str]] = {}
    for change in wanted:
        if change.texts:
            rows = np.stack([vectors[text] for text in change.texts])
            point = Point(change.key, rows, change.tags, change.ttl_ms, change.numbers)
            adds.setdefault(change.namespace, []).append(point)
        else:
            removes.setdefault(change.namespace, []).append(change.key)
    added = [engine.add(collection(space, namespace), found) for namespace, found in adds.items()]
    return added + [engine.remove(collection(space, namespace), found) for namespace, found in removes.items()]


def writes(space: KeySpace, wanted: Sequence[ItemWrite], most: int = 0) -> dict[str, tuple[list[ItemWrite], Op[Any]]]:
    """Builds the op that writes the items of each root, with its changes."""
    by_root: dict[str, list[ItemWrite]] = {}
    for change in wanted:
        by_root.setdefault(root_of(change.namespace), []).append(change)
    return {
        root: (
            found,
            write(
                space,
                root,
                {name_of(change.namespace, change.key): change.tail for change in found},
                max(change.ttl_ms for change in found),
                most,
            ),
        )
        for root, found in by_root.items()
    }
