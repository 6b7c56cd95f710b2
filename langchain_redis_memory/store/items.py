"""The items of a store: how they are spelled, which of them a filter wants, and the ops on those of one root.

A root is the first label of a namespace; what is beneath it shares a hash tag. Its items are a hash of records and a
set of their names in byte order. A name is the labels below the root, each ended by a zero byte, then a zero byte and
the item's key (in the set with its birth before it), so everything beneath a namespace is one range of names that
nothing else can be in, and a namespace's items stand in the order in which they came. A record starts with a line
that scripts can read (when its namespace and it were born, when it was updated, its lifetime, how many vectors it
has, and a mark for each of its fields that a filter may ask for by equality), then the value.

A script passes over what lacks a mark that a filter needs; the filter itself is decided on the value (see `filters`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from langgraph.store.base import InvalidNamespaceError

from langchain_redis_memory.checks import check_type
from langchain_redis_memory.errors import CorruptDataError, InvalidIdError
from langchain_redis_memory.ops import Arg, Call, Op, Reply
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.codec.values import pack, unpack
from langchain_redis_memory.redis.codec.version import check_version
from langchain_redis_memory.redis.key_groups import check_id
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.scripts import script
from langchain_redis_memory.store.filters import marks

Namespace = tuple[str, ...]

PAGE = 5000
"""Most items that one call of a script looks at."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class NamespaceError(InvalidIdError, InvalidNamespaceError):
    """A namespace is not a tuple of labels that can be used."""


# --- names --------------------------------------------------------------------------------------------------------


def check_namespace(namespace: Any) -> Namespace:
    """Checks a namespace: a tuple or list of non-empty labels without a period or a zero byte.

    Raises `NamespaceError`: it is not one.
    """
    for label in check_type(namespace, (tuple, list), "a namespace", "a tuple of strings", NamespaceError):
        try:
            check_id(label, "a namespace label")
        except InvalidIdError as error:
            raise NamespaceError(str(error)) from None
        if "." in label or "\0" in label:
            raise NamespaceError(f"the namespace label {label!r} must not contain a period or a zero byte")
    return tuple(namespace)


def check_key(key: Any) -> str:
    """Checks an item's key: any text with a UTF-8 form.

    Raises `InvalidIdError`: it is not text, or holds a lone surrogate.
    """
    try:
        text: str = check_type(key, str, "an item's key", "a string", InvalidIdError)
        text.encode()
    except UnicodeEncodeError as error:
        msg = f"an item's key holds a lone surrogate at position {error.start}; it has no UTF-8 form"
        raise InvalidIdError(msg) from None
    return text


def root_of(namespace: Namespace) -> str:
    """Returns the root that a namespace is beneath; "" for the empty one."""
    return namespace[0] if namespace else ""


def below(namespace: Namespace) -> bytes:
    """Returns the labels below the root, as a name spells them."""
    return "".join(f"{label}\0" for label in namespace[1:]).encode()


def name_of(namespace: Namespace, key: str) -> bytes:
    """Names an item within its root."""
    return "\0".join((*namespace[1:], "", key)).encode()


def bounds(prefix: Namespace) -> tuple[bytes, bytes]:
    """Returns the range of names beneath a namespace, as ZRANGEBYLEX takes it."""
    start = below(prefix)
    return (b"[" + start, b"(" + start[:-1] + b"\1") if start else (b"-", b"+")


def labels(root: str, spelled: bytes) -> Namespace:
    """Parses a namespace from its labels below the root."""
    return (root, *spelled.decode().split("\0")[:-1]) if root else ()


# --- records ------------------------------------------------------------------------------------------------------


def tail(value: Mapping[str, Any], ttl_ms: int, vectors: int, *, marked: bool = True) -> bytes:
    """Encodes the part of a record that the client writes; the script puts the times in front."""
    found = b" ".join(marks(value)) if marked else b""
    return b"%d %d %s|%s" % (ttl_ms, vectors, found, pack(dict(value), "the item's value"))


class StoredItem:
    """One stored item.

    Args:
        root: The root that it is beneath.
        name: Its name within the root.
        record: What is stored of it: a line that scripts read, and the packed value, encrypted with a cipher.
        where: The key of the hash that it is in.

    Raises `CorruptDataError`: it was not written by this package. Raises `FormatVersionError`: by a newer version.
    """

    __slots__ = ("_body", "_name", "_updated", "_value", "_where", "key", "namespace", "order", "ttl_ms", "vectors")

    def __init__(self, root: str, name: bytes, record: bytes, where: Key) -> None:
        head, _, self._body = check_version(record, where).partition(b"|")
        spelled, _, key = (b"", b"", name[1:]) if name[:1] == b"\0" else name.partition(b"\0\0")
        self.namespace: Namespace = labels(root, spelled + b"\0" if spelled else b"")
        self.key: str = key.decode()
        try:
            space_born, born, self._updated, ttl_ms, vectors = map(int, head.split(b" ", 5)[:5])
        except ValueError as error:
            raise CorruptDataError(_damaged(where)) from error
        self.order: tuple[int, int] = space_born, born
        """Sorts items as they came: by their namespace's birth, then by their own, in microseconds."""
        self.ttl_ms: int = ttl_ms
        """Its lifetime in milliseconds, 0 for none."""
        self.vectors: int = vectors
        """How many vectors it has."""
        self._name, self._where = name, where
        self._value: dict[str, Any] | None = None

    @property
    def value(self) -> dict[str, Any]:
        """The value. Raises `CorruptDataError`: it was not written by this package."""
        if self._value is None:
            value = unpack(self._where.decrypt(self._body, self._name), self._where)
            if not isinstance(value, dict):
                raise CorruptDataError(_damaged(self._where))
            self._value = value
        return self._value

    @property
    def fields(self) -> dict[str, Any]:
        """The arguments of LangGraph's `Item`."""
        return {
            "namespace": self.namespace,
            "key": self.key,
            "value": self.value,
            "created_at": _EPOCH + timedelta(0, 0, self.order[1]),
            "updated_at": _EPOCH + timedelta(0, 0, self._updated),
        }


def _damaged(where: str) -> str:
    return f"an item under {where!r} was not written by this package or is damaged"


# --- ops ----------------------------------------------------------------------------------------------------------


class StoredItemPage(NamedTuple):
    """Some items, and the lower bound to go on from (None after the last)."""

    records: list[StoredItem]
    low: bytes | None


class ItemsRead(NamedTuple):
    """Items read, None for a missing one; `unnoted`: update the index of roots before renewing lifetimes."""

    records: list[StoredItem | None]
    unnoted: bool


def read(space: KeySpace, root: str, wanted: Sequence[tuple[bytes, bool]], *, noted: bool = False) -> Op[ItemsRead]:
    """Reads items of one root by their names, each with whether it gets its lifetime anew.

    `noted` says that the index of roots has just been updated.
    """
    keys = space.items(root)
    args: list[Arg] = [part for name, refresh in wanted for part in (name, "1" if refresh else "0")]

    def decode(replies: Sequence[Reply]) -> ItemsRead:
        unnoted, *found = replies[0]
        pairs = zip(wanted, found, strict=True)
        records = [None if one is None else StoredItem(root, name, one, keys.items) for (name, _), one in pairs]
        return ItemsRead(records, bool(unnoted))

    return Op((script("store/store_read")(keys.all(), "1" if noted else "0", *args),), decode)


def write(
    space: KeySpace, root: str, tails: Mapping[bytes, bytes], span_ms: int, most: int = 0
) -> Op[list[int] | None]:
    """Stores and removes items of one root, all or none: name -> what `tail` made, b"" to remove.

    Where more than `most` are stored it does nothing. An op of one trip: how many vectors each had before; None where
    nothing was done.
    """
    place = space.items(root).items
    args: list[Arg] = []
    for name, record in tails.items():
        head, bar, body = record.partition(b"|")
        args += [name, head + bar + place.encrypt(body, name) if record else record]

    def decode(replies: Sequence[Reply]) -> list[int] | None:
        return None if replies[0] is None else [int(count) for count in replies[0]]

    return Op((script("store/store_write")(space.items(root).all(), most, span_ms, *args),), decode)


def scan(
    space: KeySpace,
    root: str,
    prefix: Namespace,
    low: bytes | None = None,
    *,
    most: int = 0,
    marked: Sequence[bytes] = (),
    bare: bool = False,
) -> Op[StoredItemPage]:
    """Looks through a page of the items beneath a namespace, the root's own for all, from `low` on.

    `most` of each namespace are needed, the oldest, 0 for all; `marked` are the marks that an item must have and the
    ranges that it must be in (see `filters`); `bare` ones have no vectors.
    """
    keys, (first, high) = space.items(root), bounds(prefix)
    kind = "bare" if bare else "any"

    def decode(replies: Sequence[Reply]) -> StoredItemPage:
        go_on, *flat = replies[0]
        records = [StoredItem(root, flat[i], flat[i + 1], keys.items) for i in range(0, len(flat), 2)]
        return StoredItemPage(records, go_on or None)

    return Op((script("store/store_scan")(keys.all(), low or first, high, PAGE, most, kind, *marked),), decode)


class NamespacePage(NamedTuple):
    """Some namespaces, and the lower bound to go on from (None after the last)."""

    namespaces: list[Namespace]
    low: bytes | None


def spaces(
    space: KeySpace, root: str, prefix: Namespace, low: bytes | None = None, *, depth: int = -1
) -> Op[NamespacePage]:
    """Lists namespaces of one root that hold an item, in order, from `low` on, those beneath the prefix.

    They are cut to `depth` labels, the root not counted; -1 leaves them whole.
    """
    first, high = bounds(prefix)

    def decode(replies: Sequence[Reply]) -> NamespacePage:
        go_on, *found = replies[0]
        return NamespacePage([labels(root, spelled) for spelled in found], go_on or None)

    return Op((script("store/store_spaces")(space.items(root).all(), low or first, high, depth, PAGE),), decode)


def in_full(op: Op[Any]) -> Op[Any]:
    """Spells an op's scripts in full, so that they run in their place and not after what the server knows."""
    commands = tuple(
        ("EVAL", call.script.source, len(call.keys), *call.keys, *call.args) if isinstance(call, Call) else call
        for call in op.commands
    )
    return Op(commands, op.decode, op.tolerant)
