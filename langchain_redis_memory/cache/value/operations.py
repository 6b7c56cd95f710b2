"""Values in Redis: 16 hashes with per-field TTL, each value with its version and the tokens of its tags.

What makes many values stale at once, a tag or a user, has a token beside the values of each shard: a value is served
only under the tokens that were current when its making began. So clearing a tag is one small write for each shard,
however many values it has, and what is still being made is stale as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from zlib import crc32

from langchain_redis_memory.ops import Arg, Command, Flow, Op, Reply, ask, merge
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.codec.values import pack, unpack
from langchain_redis_memory.redis.codec.version import VERSION
from langchain_redis_memory.redis.key_groups import Id, ValueKeys, check_id, escape, text_of
from langchain_redis_memory.redis.nodes import ask_node
from langchain_redis_memory.redis.replies import pairs
from langchain_redis_memory.redis.scripts import command, script

SHARDS = 16
DELETED_MS = 60_000
_TIME = ("TIME",)
Mode = Literal["any", "nx", "xx", "since", "version"]


class StoredValue(NamedTuple):
    """A value as it was read.

    Args:
        body: Its bytes, decrypted; empty where the reader knows that version.
        version: Its version.
        left_ms: What is left of its lifetime, with the time in which it is stale; None for no end.
        fresh_ms: What is left of its fresh time; None for no end.
        took_ms: How long it took to make.
    """

    body: bytes
    version: int
    left_ms: int | None
    fresh_ms: int | None
    took_ms: int

    @property
    def stale(self) -> bool:
        """Whether its fresh time is over."""
        return self.fresh_ms is not None and self.fresh_ms <= 0


class ValueLookup(NamedTuple):
    """The result of a look-up: the server's time in microseconds, the value, the tags' tokens, whether it is off."""

    now: int
    found: StoredValue | None
    tokens: tuple[bytes, ...]
    off: bool


Glance = Callable[[Sequence[Reply]], "ValueLookup | None"]
"""Decodes the replies of a look without a script; None where only the script can tell."""


class ValueWrite(NamedTuple):
    """What became of a write: the value's version, None where nothing was stored; whether there was a value before."""

    version: int | None
    there: bool


def tags_of(tags: Sequence[str], user: Id | None) -> tuple[str, ...]:
    """Spells tags and a user as names of tokens, which share no name."""
    named = [f"t:{escape(check_id(tag, 'a tag'))}" for tag in tags]
    return (*named, *([] if user is None else [f"u:{escape(text_of(user, 'user'))}"]))


class ValueOps:
    """The operations on the values of one namespace."""

    def __init__(self, client: Client, namespace: str, tenant: Id) -> None:
        space, check = client.keys(tenant), check_id(namespace, "namespace")
        self._shards: list[ValueKeys] = [space.values(f"{number}/{check}") for number in range(SHARDS)]
        self.glances: bool = not client._topology.cluster
        """Whether the clock that a trip reads is that of the server with the values."""
        self._glances = lru_cache(maxsize=1_024)(self._glance)

    def shard(self, key: str) -> ValueKeys:
        """Returns the keys of the shard that a value is in."""
        return self._shards[_number(key)]

    def look(self, key: str, tags: Sequence[str] = (), known: int = 0) -> Op[ValueLookup]:
        """Reads a value with the tokens of some tags; of the version that is `known` no bytes are sent."""
        values = self.shard(key).values

        def read(replies: Sequence[Reply]) -> ValueLookup:
            now, version, left, fresh, took, body, *tokens = replies[0]
            number = int(version)
            if number <= 0:
                return ValueLookup(int(now), None, tuple(tokens), number < 0)
            whole = values.decrypt(body, key) if body else b""
            return ValueLookup(
                int(now), StoredValue(whole, number, _left(left), _left(fresh), int(took)), tuple(tokens), False
            )

        return Op((script("cache/value_get")((values,), key, known, *tags),), read)

    def glance(self, key: str, tags: tuple[str, ...] = ()) -> tuple[tuple[Command, ...], Glance]:
        """Reads a value without a script, which is faster.

        Returns the commands of an op of one trip, and what decodes their replies; to None where the value has other
        tags, whose tokens decide as well. The clock is read first: what is written meanwhile is newer than the look.
        """
        commands, values = self._glances(key, tags) if key.__class__ is str else self._glance(key, tags)

        def read(replies: Sequence[Reply]) -> ValueLookup | None:
            (seconds, micros), (off, record, *tokens) = replies
            return _seen(int(seconds) * 1_000_000 + int(micros), off, record, tags, tokens, values, key)

        return commands, read

    def _glance(self, key: str, tags: tuple[str, ...]) -> tuple[tuple[Command, ...], Key]:
        values = self.shard(key).values
        return (_TIME, ("HMGET", values, "s", f"v{key}", *(f"t{tag}" for tag in tags))), values

    def glance_many(self, keys: Sequence[str]) -> Op[tuple[dict[str, bytes], list[str]]]:
        """Reads values without scripts, those of a shard by one command, each once; see `glance`.

        An op of one trip: the bytes of those that are there and fresh, and the names of those whose tags decide.
        """
        by_shard = list(self._by_shard(keys))

        def read(replies: Sequence[Reply]) -> tuple[dict[str, bytes], list[str]]:
            (seconds, micros), *found = replies
            moment = int(seconds) * 1_000 + int(micros) // 1_000
            fresh: dict[str, bytes] = {}
            tagged: list[str] = []
            for (shard, names), (off, *records) in zip(by_shard, found, strict=True):
                if off and int(off) > moment:
                    continue
                decrypt = shard.values.decrypt
                for name, record in zip(names, records, strict=True):
                    if record is None or (parsed := _parsed(record)) is None:
                        continue
                    (expires, until, _took, _version, signed), body = parsed
                    if signed:
                        tagged.append(name)
                    elif expires == b"0" or int(until) > moment < int(expires):
                        fresh[name] = decrypt(body, name)
            return fresh, tagged

        reads = [("HMGET", shard.values, "s", *[f"v{name}" for name in names]) for shard, names in by_shard]
        return Op((_TIME, *reads), read)

    def put(
        self,
        key: str,
        value: Any,
        ttl_ms: int,
        *,
        stale_ms: int = 0,
        took_ms: int = 0,
        mode: Mode = "any",
        version: int = 0,
        tags: Sequence[str] = (),
        tokens: Sequence[bytes] | None = None,
    ) -> Op[ValueWrite]:
        """Stores a value that is fresh for `ttl_ms`, 0 for no end, and may be served for `stale_ms` more.

        The mode is when it is stored, see the script; the version is for "since" and "version". `tokens` are those of
        its tags when its making began; None for the current ones. Raises `UnserialisableError`: it cannot be stored.
        """
        body = self.shard(key).values.encrypt(pack(value, f"the value of {key!r}"), key)
        return self._put(key, body, ttl_ms, stale_ms, took_ms, mode, version, tags, tokens)

    def delete(self, key: str) -> Op[ValueWrite]:
        """Deletes a value; what is being made of it meanwhile is not stored any more."""
        return self._put(key, b"", DELETED_MS)

    def _put(
        self,
        key: str,
        body: bytes,
        ttl_ms: int,
        stale_ms: int = 0,
        took_ms: int = 0,
        mode: Mode = "any",
        version: int = 0,
        tags: Sequence[str] = (),
        tokens: Sequence[bytes] | None = None,
    ) -> Op[ValueWrite]:
        shard = self.shard(key)
        pairs_: list[Arg] = []
        for tag, token in zip(tags, tokens or [b""] * len(tags), strict=True):
            pairs_ += [tag, token]
        call = script("cache/value_put")(
            (shard.values, shard.expiries), mode, version, ttl_ms, stale_ms, took_ms, key, body, *pairs_
        )
        return Op((call,), lambda replies: ValueWrite(int(replies[0][0]) or None, bool(replies[0][1])))

    def expire(self, key: str, ttl_ms: int) -> Op[bool]:
        """Gives a value another lifetime."""
        shard = self.shard(key)
        call = script("cache/value_expire")((shard.values, shard.expiries), key, ttl_ms)
        return Op((call,), lambda replies: bool(replies[0]))

    def left_s(self, key: str) -> Op[float | None]:
        """Reads what is left of a value's fresh time, in seconds."""

        def read(look: ValueLookup) -> float | None:
            if look.found is None:
                return None
            return float("inf") if look.found.fresh_ms is None else look.found.fresh_ms / 1000

        return self.look(key).map(read)

    def bump(self, *tags: str) -> Op[None]:
        """Makes all values of some tags stale, in every shard."""
        calls = tuple(script("cache/value_bump")((one.values, one.expiries), *tags) for one in self._shards)
        return Op(calls, lambda _replies: None)

    def switch(self, off_ms: int) -> Op[None]:
        """Switches the cache off for a time, or on again, in every shard."""
        calls = tuple(script("cache/value_switch")((one.values, one.expiries), off_ms) for one in self._shards)
        return Op(calls, lambda _replies: None)

    def off_for(self) -> Op[float]:
        """Reads for how many seconds the cache is still off; 0 where it is on."""
        key = self._shards[0].values

        def read(both: tuple[Reply, Reply]) -> float:
            until, (seconds, micros) = both
            return max(0.0, int(until or 0) / 1000 - int(seconds) - int(micros) / 1e6)

        return merge(Op((("HGET", key, "s"),), lambda replies: replies[0]), ask_node(key, "TIME")).map(read)

    def start(self) -> dict[int, int]:
        """Returns the cursors that read the index from its start; see `page`."""
        return dict.fromkeys(range(SHARDS), 0)

    def page(self, pattern: str, cursors: dict[int, int]) -> Op[list[str]]:
        """Reads a page of the names that match a pattern with `*`; moves the cursors on, those at their end go."""
        glob = "v" + re.sub(r"([\[\]\\?])", r"\\\1", pattern)
        reading = list(cursors)

        def read(replies: Sequence[Reply]) -> list[str]:
            found: list[str] = []
            for number, (further, members) in zip(reading, replies, strict=True):
                names = members if members and isinstance(members[0], (list, tuple)) else pairs(members)
                found += [bytes(name)[1:].decode() for name, _ in names]
                if int(further):
                    cursors[number] = int(further)
                else:
                    del cursors[number]
            return found

        commands = (("ZSCAN", self._shards[n].expiries, cursors[n], "MATCH", glob, "COUNT", 1000) for n in reading)
        return Op(tuple(commands), read)

    def tagged(self, tag: str, names: Sequence[str]) -> Op[dict[str, bytes]]:
        """Reads the bodies of those of some values that have a tag, stale ones included."""
        by_shard = list(self._by_shard(names))

        def read(replies: Sequence[Reply]) -> dict[str, bytes]:
            found = {}
            for (shard, some), records in zip(by_shard, replies, strict=True):
                for name, record in zip(some, records, strict=True):
                    head, _, body = (record or b"").partition(b"\n")
                    if body and f" {tag}=".encode() in b" " + head.partition(b" ")[2]:
                        found[name] = shard.values.decrypt(body, name)
            return found

        reads = (("HMGET", shard.values, *(f"v{name}" for name in some)) for shard, some in by_shard)
        return Op(tuple(reads), read)

    def erase(self, tag: str, names: Sequence[str]) -> Op[int]:
        """Deletes those of some values that have a tag."""
        calls = [
            script("cache/value_erase")((shard.values, shard.expiries), tag, *some)
            for shard, some in self._by_shard(names)
        ]
        return Op(tuple(calls), lambda replies: sum(map(int, replies)))

    def _by_shard(self, names: Sequence[str]) -> Iterator[tuple[ValueKeys, list[str]]]:
        """Shares out names among the shards, at most 1,000 at once."""
        by_shard: dict[int, list[str]] = {}
        for name in names:
            by_shard.setdefault(_number(name), []).append(name)
        for number, some in by_shard.items():
            for start in range(0, len(some), 1000):
                yield self._shards[number], some[start : start + 1000]

    def clear(self) -> Op[None]:
        """Deletes all values. What is being made meanwhile may still be stored."""
        keys = [key for one in self._shards for key in (one.values, one.expiries)]
        return merge(*(Op((command("UNLINK", (key,)),), lambda _replies: None) for key in keys)).map(lambda _done: None)


def _number(key: str) -> int:
    """Numbers the shard that a value is in."""
    return _numbered(key) if key.__class__ is str else crc32(check_id(key, "key").encode()) % SHARDS


@lru_cache(maxsize=4_096)
def _numbered(key: str) -> int:
    return crc32(check_id(key, "key").encode()) % SHARDS


def about_flow(ops: ValueOps, user: Id) -> Flow[dict[str, Any]]:
    """Reads all values about a user, by name. **Trips:** 2 for each 1,000 names of a shard."""
    (tag,), found, cursors = tags_of((), user), dict[str, bytes](), ops.start()
    while cursors:
        if names := (yield from ask(ops.page("*", cursors))):
            found |= yield from ask(ops.tagged(tag, names))
    return {name: unpack(body, name) for name, body in sorted(found.items())}


def _parsed(record: bytes) -> tuple[list[bytes], bytes] | None:
    """Splits a value's record into its head (expiry, freshness, time to make, version, tags) and its bytes."""
    head, _, body = record.partition(b"\n")
    parts = head[1:].split(b" ", 4)
    return (parts, body) if body and len(parts) == 5 and head[:1] == VERSION else None


def _left(text: bytes) -> int | None:
    return None if int(text) < 0 else int(text)


def _seen(
    now: int, off: Reply, record: Reply, tags: tuple[str, ...], tokens: Sequence[Reply], values: Key, key: str
) -> ValueLookup | None:
    """Decodes a value's record, as the script does; None where it has other tags than those that are asked for."""
    moment, current = now // 1000, tuple([token or b"0" for token in tokens]) if tags else ()
    if off and int(off) > moment:
        return ValueLookup(now, None, current, True)
    parsed = _parsed(record or b"")
    if parsed is None:
        return ValueLookup(now, None, current, False)
    (expires, fresh, took, version, signed), body = parsed
    if signed:
        names, _, signs = zip(*[one.partition(b"=") for one in signed.split(b" ")], strict=True)
        if names != tuple([tag.encode() for tag in tags]):
            return None
        if signs != current:
            return ValueLookup(now, None, current, False)
    left: int | None = None
    fresh_ms: int | None = None
    if expires != b"0":
        left, fresh_ms = int(expires) - moment, int(fresh) - moment
        if left <= 0:
            return ValueLookup(now, None, current, False)
    found = StoredValue(values.decrypt(body, key), int(version), left, fresh_ms, int(took))
    return ValueLookup(now, found, current, False)
