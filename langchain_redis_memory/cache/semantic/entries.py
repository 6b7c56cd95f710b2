"""The entries of a cache that is searched by meaning: questions with their answers, beside their vectors.

All entries of a cache share a hash tag, so their number is bounded and they are read through in one place. The vectors
are in collections (see `vectors`), one for each partition: what was asked of another model, under another system prompt
or in another context is never even found. An entry's name is a digest of its partition and its question, so the very
same question needs no vector. A vector may outlive its entry for a moment; a search reads the entry first.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from langchain_redis_memory.errors import CorruptDataError
from langchain_redis_memory.ops import Arg, Op, Reply
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.codec.values import pack, unpack
from langchain_redis_memory.redis.keys import EntryKeys
from langchain_redis_memory.redis.replies import pairs
from langchain_redis_memory.redis.scripts import script
from langchain_redis_memory.vectors.engine import VectorHits

MOST_REPORTS = 64
"""How many of its newest reports an entry keeps."""


class StoredAnswer(NamedTuple):
    """A question with its answer, as it is stored.

    Args:
        question: What was asked, as its vector was made from it.
        partition: Among which others it may be searched.
        model: The model's short name.
        kind: The type of question.
        tags: Words of the user's, for deleting.
        session: The conversation that it came from, "" where nobody said.
        embedding: The embedding model, and its dimensions.
        read: Tokens that the model read.
        written: Tokens that it wrote.
        answer: The answer's bytes.
    """

    question: str
    partition: bytes
    model: str
    kind: str
    tags: tuple[str, ...]
    session: str
    embedding: str
    read: int
    written: int
    answer: bytes

    @property
    def name(self) -> bytes:
        """Its name within the cache."""
        return name_of(self.partition, self.question)

    def body(self) -> bytes:
        """Encodes the entry; see `entry_of`."""
        return pack([*self._replace(tags=list(self.tags))])  # type: ignore[arg-type]


def name_of(partition: bytes, question: str) -> bytes:
    """Computes the name of a question's entry: a digest of 16 bytes."""
    return blake2b(partition + question.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def entry_of(body: bytes, where: str) -> StoredAnswer:
    """Decodes an entry that was read from `where`; raises `CorruptDataError` for something else."""
    parts = unpack(body, where)
    if not isinstance(parts, list) or [type(part) for part in parts] != _TYPES:
        raise CorruptDataError(f"an entry under {where!r} was not written by this package or is damaged")
    parts[4] = tuple(parts[4])
    return StoredAnswer(*parts)


_TYPES = [str, bytes, str, str, list, str, str, int, int, bytes]


class StoredAnswerRead(NamedTuple):
    """An entry as it was read.

    Args:
        entry: The entry.
        reports: What was reported of it, a word for each.
        left_ms: What is left of its lifetime in milliseconds; None for no end, or where it was read with others.
    """

    entry: StoredAnswer
    reports: tuple[str, ...]
    left_ms: int | None = None


def get(keys: EntryKeys, names: Sequence[bytes], used: Sequence[bytes] = ()) -> Op[list[StoredAnswerRead | None]]:
    """Reads entries, which counts as using them.

    An op of one trip: each entry, None where there is none, it has expired or is damaged. `used` names others that were
    used.
    """

    def read(replies: Sequence[Reply]) -> list[StoredAnswerRead | None]:
        return [_named(keys, name, pair) for name, pair in zip(names, replies[0], strict=True)]

    fields = _fields(keys, [*names, *used])
    return Op((script("cache/entry_get")(keys.all(), len(names), *fields),), read)


class Nearest(NamedTuple):
    """The vectors that a search found, and the entry of the nearest one, where it was read with them.

    Args:
        hits: What the search found; None for nothing.
        field: The field of the nearest one's entry, b"" where none was read.
        record: The entry as it was then, which does not count as using it; None where it was gone.
    """

    hits: VectorHits | None
    field: bytes = b""
    record: Sequence[bytes | None] | None = None

    def is_of(self, keys: EntryKeys, name: bytes) -> bool:
        """Returns whether it was the entry of that name that was read."""
        return self.field == keys.items.blind(name)

    def read(self, keys: EntryKeys, name: bytes) -> StoredAnswerRead | None:
        """Decodes the entry of that name; None where it is gone or damaged."""
        return _named(keys, name, self.record)


def nearest(keys: EntryKeys, search: Op[VectorHits | None], points: str) -> Op[Nearest]:
    """Searches vectors, and reads the entry of the nearest one in the same trip; not on a cluster.

    Args:
        keys: The cache's keys.
        search: The search: its first command is run by a script. The owners of its points are those of `owner_of`.
        points: The key of the vectors.
    """
    command, *others = search.commands

    def read(replies: Sequence[Reply]) -> Nearest:
        found, record, field = replies[0]
        return Nearest(search.read([found, *replies[1:]]), field, record)

    return Op((script("cache/entry_near")((*keys.all(), points), *command), *others), read)


def _named(keys: EntryKeys, name: bytes, pair: Sequence[bytes | None] | None) -> StoredAnswerRead | None:
    """Reads an entry, if it has that name."""
    (field,) = _fields(keys, [name])
    found = _read(field, pair, keys.items) if pair else None
    return found if found and found.entry.name == name else None


def _fields(keys: EntryKeys, names: Sequence[bytes]) -> list[bytes]:
    """Returns the fields of entries: their names, which are digests of questions, keyed where there is a cipher."""
    return [keys.items.blind(name) for name in names]


def _read(name: bytes, pair: Sequence[bytes | None], where: Key) -> StoredAnswerRead | None:
    record, reports, now = pair[0] or b"", pair[1], pair[2]
    expiry, _, body = record.partition(b":")
    left_ms = int(expiry) - int(now) if now is not None and expiry.isdigit() else None
    try:
        entry = entry_of(where.decrypt(body, name), where)
        return StoredAnswerRead(entry, tuple((reports or b"").decode("ascii").split()), left_ms)
    except (CorruptDataError, UnicodeDecodeError):
        return None


def put(
    keys: EntryKeys, entries: Sequence[tuple[StoredAnswer, int]], embedding: str, most: int = 0
) -> Op[list[StoredAnswer]]:
    """Stores entries, each with its lifetime in milliseconds, 0 for none; reports of a namesake are forgotten.

    An op of one trip: entries that had to go because there were too many, about a hundredth of `most` at once.
    """
    args: list[Arg] = []
    for entry, ttl_ms in entries:
        (name,) = _fields(keys, [entry.name])
        args += [name, ttl_ms, keys.items.encrypt(entry.body(), name)]

    def read(replies: Sequence[Reply]) -> list[StoredAnswer]:
        names, records = replies[0][::2], replies[0][1::2]
        found = (_read(name, (record, None, None), keys.items) for name, record in zip(names, records, strict=True))
        return [gone.entry for gone in found if gone is not None]

    return Op((script("cache/entry_put")(keys.all(), most, min(most // 100, 500), embedding, *args),), read)


def embedded_by(keys: EntryKeys) -> Op[str]:
    """Reads the name of the embedding model of the newest entry. An op of one trip: its name, "" for an empty cache."""
    return Op((("HGET", keys.reports, ""),), lambda replies: (replies[0] or b"").decode("utf-8", "replace"))


def report(keys: EntryKeys, name: bytes, observation: str) -> Op[bool]:
    """Adds an observation to an entry. An op of one trip: whether there is such an entry."""
    call = script("cache/entry_report")(keys.all(), *_fields(keys, [name]), observation, MOST_REPORTS)
    return Op((call,), lambda replies: bool(replies[0]))


def remove(keys: EntryKeys, names: Sequence[bytes], damaged: Sequence[bytes] = ()) -> Op[int]:
    """Removes entries, not their vectors; `damaged` ones by their fields, as `page` gives them; one at least of both.

    An op of one trip: how many there were.
    """
    fields = [*_fields(keys, names), *damaged]
    return Op((script("cache/entry_remove")(keys.all(), *fields),), lambda replies: int(replies[0]))


def count(keys: EntryKeys) -> Op[int]:
    """Counts the entries, with those that have expired and were not removed yet."""
    return Op((("HLEN", keys.items),), lambda replies: int(replies[0]))


class AnswerPage(NamedTuple):
    """Some entries, the fields of damaged ones among them, and the cursor to go on from: 0 after the last."""

    entries: list[StoredAnswer]
    damaged: list[bytes]
    cursor: int


def page(keys: EntryKeys, cursor: int = 0, about: int = 500) -> Op[AnswerPage]:
    """Reads through about so many entries from a cursor on; what was there all the time is given at least once."""

    def read(replies: Sequence[Reply]) -> AnswerPage:
        further, found = replies[0]
        read = {name: _read(name, (record, None, None), keys.items) for name, record in pairs(found)}
        whole = [one.entry for one in read.values() if one is not None]
        return AnswerPage(whole, [name for name, one in read.items() if one is None], int(further))

    return Op((("HSCAN", keys.items, cursor, "COUNT", about),), read)
