"""Names of keys: ids that are checked, text that is escaped, and groups of keys that share one hash tag."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from inspect import get_annotations
from typing import ClassVar, TypeAlias
from urllib.parse import quote
from uuid import UUID

from langchain_redis_memory.errors import InvalidIdError
from langchain_redis_memory.redis.codec.cipher.key import Key

MAX_ID_BYTES = 1024
_LONGEST_ESCAPED = 96

Id: TypeAlias = "str | UUID"
"""How a user names a session, a thread, a user, an agent or a tenant; a `UUID` counts as its text."""


def check_id(value: str, what: str = "id") -> str:
    """Checks an id: text of 1 to 1024 bytes in UTF-8.

    Raises `InvalidIdError`: it is not a string, is empty, is too long, or holds lone surrogates.
    """
    if not isinstance(value, str):
        raise InvalidIdError(f"{what} must be a string, not {type(value).__name__}")
    if not value:
        raise InvalidIdError(f"{what} must not be empty")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise InvalidIdError(f"{what} holds a lone surrogate at position {error.start}; it has no UTF-8 form") from None
    if size > MAX_ID_BYTES:
        raise InvalidIdError(f"{what} is {size} bytes long in UTF-8; at most {MAX_ID_BYTES} are allowed")
    return value


def text_of(value: Id, what: str, *, empty: bool = False) -> str:
    """Checks the id of a session, a thread, a user, an agent or a tenant; a `UUID` counts as its text.

    The default's name "" is accepted where it may be `empty`. Raises `InvalidIdError`: it is not acceptable; see
    `check_id`.
    """
    if isinstance(value, UUID):
        return str(value)
    return value if empty and value == "" else check_id(value, what)


@lru_cache(maxsize=4096)
def escape(text: str) -> str:
    """Escapes any text that has a UTF-8 form for use inside a key; different texts stay different.

    Returns at most 96 characters of `A-Z a-z 0-9 - . _ ~ %`.
    """
    escaped = quote(text, safe="")
    if len(escaped) <= _LONGEST_ESCAPED:
        return escaped
    return "%h" + blake2b(text.encode(), digest_size=24).hexdigest()


def spell_namespace(labels: Sequence[str]) -> str:
    """Escapes a sequence of labels for use inside a key; different sequences stay different.

    Returns each label escaped and ended with `/`. Raises `InvalidIdError`: it is not a sequence of labels, or a label
    is not acceptable.
    """
    if isinstance(labels, str) or not isinstance(labels, Sequence):
        raise InvalidIdError(f"a namespace must be a tuple of strings, not {type(labels).__name__}")
    return "".join(f"{escape(label if label == '' else check_id(label, 'a label'))}/" for label in labels)


class KeyGroup:
    """Keys that share one hash tag, each named after its kind unless `kinds` says otherwise.

    Its attributes are those that the class and its bases annotate. (As dataclasses the groups took a twelfth of the
    time of a process's first call to define.)
    """

    kinds: ClassVar[tuple[str, ...]] = ()
    attributes: ClassVar[tuple[str, ...]] = ()
    """Their names, in the order in which scripts take the keys."""

    def __init_subclass__(cls) -> None:
        cls.attributes = (*cls.attributes, *(name for name in get_annotations(cls) if name != "kinds"))

    def __init__(self, *keys: Key) -> None:
        vars(self).update(zip(self.attributes, keys, strict=True))

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self.all()}"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(self.all())

    def all(self) -> tuple[Key, ...]:
        """Lists every key, in the order in which scripts take them."""
        return tuple(vars(self).values())


class SessionKeys(KeyGroup):
    """The keys of one conversation."""

    messages: Key
    ids: Key
    meta: Key
    state: Key
    data: Key
    data_expiries: Key


class StreamKeys(KeyGroup):
    """The keys of one conversation's stream of tokens."""

    tokens: Key
    stopped_runs: Key


class IndexKeys(KeyGroup):
    """The keys of one agent's index of sessions."""

    sessions: Key
    expiries: Key


class ThreadKeys(KeyGroup):
    """The keys of one LangGraph thread."""

    checkpoints: Key
    order: Key
    blobs: Key
    writes: Key


class ExpiringHashKeys(KeyGroup):
    """The keys of one hash with per-field TTL."""

    kinds: ClassVar[tuple[str, ...]] = ("nodes", "node_expiries")
    items: Key
    expiries: Key


class EntryKeys(ExpiringHashKeys):
    """The keys of one shard of a cache's entries."""

    kinds: ClassVar[tuple[str, ...]] = ("entries", "entry_expiries", "entry_uses", "entry_reports", "lease")
    uses: Key
    reports: Key
    leases: Key

    def all(self) -> tuple[Key, ...]:
        """Lists every key but the leases, in the order in which scripts take them."""
        return (self.items, self.expiries, self.uses, self.reports)

    def lease(self, name: str) -> str:
        """Spells the key of the lease of an entry that is being made."""
        return f"{self.leases}:{escape(name)}"


class ByteKeys(KeyGroup):
    """The keys of one store of bytes."""

    kinds: ClassVar[tuple[str, ...]] = ("byte_names", "byte_expiries", "bytes")
    names: Key
    expiries: Key
    values: Key

    def value(self, name: str) -> Key:
        """Spells the key of one value."""
        return Key(f"{self.values}:{escape(name)}", self.values.cipher)


class RecordKeys(KeyGroup):
    """The keys of one record manager."""

    kinds: ClassVar[tuple[str, ...]] = ("record_times", "record_groups", "group_records")
    times: Key
    groups: Key
    members: Key


class ItemKeys(KeyGroup):
    """The keys of the items under one root of a store."""

    items: Key
    item_names: Key
    item_expiries: Key


class FileKeys(KeyGroup):
    """The keys of one namespace's files."""

    kinds: ClassVar[tuple[str, ...]] = ("files", "file_names")
    files: Key
    names: Key


class RootKeys(KeyGroup):
    """The keys of a tenant's index of roots."""

    roots: Key
    root_spans: Key


class PointKeys(KeyGroup):
    """The keys of one collection of vectors."""

    points: Key
    point_owners: Key
    point_expiries: Key


class ValueKeys(KeyGroup):
    """The keys of one shard of a cache of values."""

    kinds: ClassVar[tuple[str, ...]] = ("values", "value_expiries", "lease")
    values: Key
    expiries: Key
    leases: Key

    def lease(self, name: str) -> str:
        """Spells the key of the lease of a value that is being made, or of a lock."""
        return f"{self.leases}:{escape(name)}"


class LimitKeys(KeyGroup):
    """The keys of limits that are counted together."""

    kinds: ClassVar[tuple[str, ...]] = ("rate", "places", "queue")
    rate: Key
    places: Key
    queue: Key

    def of(self, *names: str) -> LimitKeys:
        """Spells the keys of one limit."""
        name = "/".join(map(escape, names))
        return LimitKeys(*(Key(f"{key}:{name}") for key in self.all()))


def mark_of(text: str) -> bytes:
    """Computes the mark of a question, an id, a scope: eight bytes to find it again by, which give nothing away."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
