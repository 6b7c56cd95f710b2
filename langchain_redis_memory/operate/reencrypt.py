"""Encrypts anew what is stored under an older key or, where the cipher allows it, in plain; then the older key can go.

A part of a key at a time is read, and a value is replaced only while it is still what was read, so nothing is locked
and nothing that others write is lost. What is under the current key already is skipped: a run that was interrupted
is begun again. Caches that find by content name their entries by digests under the current key: what they hold under
another one is never found, and is left to expire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import NamedTuple

from langchain_redis_memory.cache.decision_log import decoded
from langchain_redis_memory.checkpoint.copying import record_anew, value_anew, writes_anew
from langchain_redis_memory.errors import ConfigError, RedisMemoryError, ServerError
from langchain_redis_memory.operate.prune import OnProgress
from langchain_redis_memory.ops import Arg, Call, Flow, Op, Reply, ask, merge
from langchain_redis_memory.redis import cas_record
from langchain_redis_memory.redis.codec.cipher.cipher import Cipher
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.codec.messages import renew_message
from langchain_redis_memory.redis.key_parts import parse_key
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.nodes import KeyScan
from langchain_redis_memory.redis.replies import pairs
from langchain_redis_memory.redis.scripts import script

_AT_ONCE, _PART, _ROUNDS = 50, 100, 5


@dataclass
class ReEncryption:
    """The report of encrypting anew, or with `dry_run` of what would be.

    Args:
        keys: How many keys were looked at.
        rewritten: Values that were encrypted anew.
        changed: Values that others changed again and again meanwhile, and that stayed as they were.
        dry_run: Whether nothing was written.
        failed: Keys with a value that cannot be read, or that the server refused, with why.
    """

    keys: int = 0
    rewritten: int = 0
    changed: int = 0
    dry_run: bool = False
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether no value was left out."""
        return not self.changed and not self.failed


class _Change(NamedTuple):
    """Values of a key that are replaced together: where they stand, what was read, what is to stand there."""

    values: Sequence[tuple[Arg, bytes, bytes]]


_Found = Sequence[tuple[bytes, bytes]]
_Renew = Callable[[Key, _Found], Iterable[_Change]]


class _Kind(NamedTuple):
    """How a kind of key is stored.

    Args:
        type: What it is to the server.
        renew: Encrypts what was read of it.
        owned: Whether its name is an owner's: a session, a thread, a user, a root.
    """

    type: str
    renew: _Renew
    owned: bool = False


# --- how each kind is encrypted ---------------------------------------------------------------------------------------


def _each(renew: Callable[[Key, bytes, bytes], bytes]) -> _Renew:
    """Encrypts values one by one, from the key, the field and what is stored."""
    return lambda key, found: (_Change([(at, old, renew(key, at, old))]) for at, old in found)


def _behind(mark: bytes, key: Key, at: bytes, old: bytes) -> bytes:
    """Encrypts what stands behind a mark."""
    head, mark, body = old.partition(mark)
    return head + mark + key.renew(body, at) if mark else old


def _message(key: Key, _at: bytes, old: bytes) -> bytes:
    return renew_message(old, key) if old else old  # an empty one stands where one was just removed


def _value(key: Key, at: bytes, old: bytes) -> bytes:
    is_value = at[:1] == b"v" and old.partition(b"\n")[2]  # without a body it was deleted
    return _behind(b"\n", key, at[1:], old) if is_value else old


def _item(key: Key, at: bytes, old: bytes) -> bytes:
    return _behind(b"|", key, at, old) if at else old


def _records(key: Key, found: _Found) -> Iterator[_Change]:
    fields = dict(found)
    for name in sorted({at.removesuffix(b"+") for at in fields}):
        old = [fields.get(name, b""), fields.get(name + b"+", b"")]
        new = cas_record.renew(key, name, *old)
        yield _Change([(at, a, b) for at, a, b in zip((name, name + b"+"), old, new, strict=True) if a])


def _line(key: Key, fields: Mapping[bytes, bytes]) -> Mapping[bytes, bytes]:
    """Encrypts a line of a decision log, and marks it under the current key for the session that it is removed with."""
    line = key.renew(fields[b"d"])
    decision = decoded(key.decrypt(line), "0") if line != fields[b"d"] else None
    return {b"d": line} if decision is None else {b"d": line, b"s": key.blind(decision.marks.session)}


_KINDS: Mapping[str, _Kind] = {
    "messages": _Kind("list", _each(_message), owned=True),
    "state": _Kind("hash", _records, owned=True),
    "data": _Kind("hash", _each(partial(_behind, b":")), owned=True),
    "profile": _Kind("hash", _records, owned=True),
    "agent_state": _Kind("hash", _records),
    "checkpoints": _Kind("hash", _each(lambda key, at, old: record_anew(at, old, key.renew)), owned=True),
    "blobs": _Kind("hash", _each(lambda key, at, old: value_anew(at, old, key.renew)), owned=True),
    "writes": _Kind("hash", _each(lambda key, at, old: writes_anew(at, old, key.renew)), owned=True),
    "items": _Kind("hash", _each(_item), owned=True),
    "files": _Kind("hash", _each(partial(_behind, b"\n"))),
    "nodes": _Kind("hash", _each(partial(_behind, b":"))),
    "values": _Kind("hash", _each(_value)),
    "bytes": _Kind("string", _each(lambda key, _at, old: key.renew(old))),
}
_STREAMS: Mapping[str, tuple[Callable[[Key, Mapping[bytes, bytes]], Mapping[bytes, bytes]], bool]] = {
    "tokens": (lambda key, fields: {b"e": _behind(b"\x01", key, b"", fields[b"e"])}, True),
    "decisions": (_line, False),
    "audit": (lambda key, fields: {b"d": key.renew(fields[b"d"])}, False),
}


# --- flows ------------------------------------------------------------------------------------------------------------


def reencrypt_flow(
    space: KeySpace, tenant: str | None, pattern: str, progress: OnProgress | None, *, dry_run: bool
) -> Flow[ReEncryption]:
    """Encrypts anew what is not under the current key, of one tenant or all, or says what it would write.

    `progress` receives how many keys have been looked at. Raises `ConfigError`: there is no cipher.

    **Keys:** all whose values are encrypted, but those of caches that find by content.
    **Trips:** 2 for each 1,000 keys of the server; 1 for each 100 values, and 1 more where some of them are
        written.
    """
    if space.cipher is None:
        raise ConfigError("nothing can be encrypted without a cipher: Client(url, cipher=Cipher(...))")
    done, scan = ReEncryption(dry_run=dry_run), KeyScan(space, pattern)
    while not scan.ended:
        found = []
        for name in dict.fromkeys((yield from scan.page_flow())):
            try:
                found += _key(name, space.prefix, tenant, space.cipher)
            except RedisMemoryError as error:
                done.failed[name] = str(error)
        for start in range(0, len(found), _AT_ONCE):
            some = found[start : start + _AT_ONCE]
            yield from _keys_flow([(key, kind) for key, kind in some if kind in _KINDS], done)
            for key, kind in some:
                if kind in _STREAMS:
                    yield from _stream_flow(key, kind, done)
            done.keys += len(some)
            if progress is not None:
                progress(done.keys)
    return done


def _key(name: str, prefix: str, tenant: str | None, cipher: Cipher) -> list[tuple[Key, str]]:
    """Finds the cipher of a key by its name: none where nothing in it is encrypted anew."""
    parts = parse_key(name, prefix)
    if parts is None or parts.kind not in _KINDS.keys() | _STREAMS.keys():
        return []
    owned = _KINDS[parts.kind].owned if parts.kind in _KINDS else _STREAMS[parts.kind][1]
    escaped = name[name.index("{") + 1 : name.index("}")].split("/")
    if (tenant is None and escaped[0].startswith("%h")) or (
        owned and escaped[2].startswith("%h") and not cipher.by_tenant
    ):
        raise ConfigError("the name is too long to be read back from its key, so its owner is not known: write it anew")
    owner = cipher.of(parts.tenant if tenant is None else tenant, parts.name if owned else "")
    return [(Key(name, owner), parts.kind)]


def _keys_flow(keys: Sequence[tuple[Key, str]], done: ReEncryption) -> Flow[None]:
    """Goes through keys, part by part; again through those in which something was changed meanwhile."""
    left: list[tuple[Key, str, int]] = [(key, kind, 0) for key, kind in keys]
    again: set[tuple[Key, str]] = set()
    for attempt in range(_ROUNDS):
        missed = 0
        while left:
            replies = yield from ask(merge(*(_tried(_read(*one)) for one in left)))
            further, changes = list[tuple[Key, str, int]](), list[tuple[Key, str, _Change]]()
            for (key, kind, at), reply in zip(left, replies, strict=True):
                if isinstance(reply, ServerError):
                    done.failed[key] = str(reply)
                    continue
                found, rest = _part(kind, at, reply)
                changes += ((key, kind, one) for one in _changes(key, kind, found, done))
                if rest:
                    further.append((key, kind, rest))
            left = further
            if changes and not done.dry_run:
                stood = yield from ask(merge(*(_tried(_swap(*one)) for one in changes)))
                for (key, kind, change), stands in zip(changes, stood, strict=True):
                    if isinstance(stands, ServerError):
                        done.failed[key] = str(stands)
                    elif stands:
                        done.rewritten += len(change.values)
                    else:
                        missed += len(change.values)
                        again.add((key, kind))
            else:
                done.rewritten += sum(len(change.values) for *_, change in changes)
        left = [(key, kind, 0) for key, kind in again]
        again.clear()
        if attempt == _ROUNDS - 1:
            done.changed += missed


def _changes(key: Key, kind: str, found: _Found, done: ReEncryption) -> Iterator[_Change]:
    """Encrypts what was read; what cannot be read is noted, and all else goes on."""
    parts = [found] if _is_whole(kind) else [[one] for one in found]
    for part in parts:
        try:
            for change in _KINDS[kind].renew(key, part):
                values = [(at, old, new) for at, old, new in change.values if old != new]
                if values:
                    yield _Change(values)
        except (RedisMemoryError, ValueError, IndexError) as error:
            done.failed[key] = str(error)


def _tried(op: Op[Reply]) -> Op[Reply]:
    """Gives an error of the server as the result."""
    return Op(op.commands, lambda replies: replies[0], tolerant=True)


def _read(key: Key, kind: str, at: int) -> Op[Reply]:
    commands: Mapping[str, tuple[Arg, ...]] = {
        "hash": ("HGETALL", key) if _is_whole(kind) else ("HSCAN", key, at, "COUNT", _PART),
        "list": ("LRANGE", key, at, at + _PART - 1),
        "string": ("GET", key),
    }
    return Op((commands[_KINDS[kind].type],), lambda replies: replies[0])


def _is_whole(kind: str) -> bool:
    """Returns whether a key is small, and its values belong together."""
    return _KINDS[kind].renew is _records


def _part(kind: str, at: int, reply: Reply) -> tuple[_Found, int]:
    """Returns fields or places with their values, and where the rest begins; 0 for no rest."""
    if _KINDS[kind].type == "list":
        places = [(str(at + i).encode(), value) for i, value in enumerate(reply)]
        return places, at + _PART if len(places) == _PART else 0
    if _KINDS[kind].type == "string":
        return [] if reply is None else [(b"", reply)], 0
    cursor, found = (0, reply) if _is_whole(kind) else reply
    return list(pairs(found)), int(cursor)


def _swap(key: Key, kind: str, change: _Change) -> Op[Reply]:
    call = script("operate/value_swap")((key,), _KINDS[kind].type, *chain.from_iterable(change.values))
    return Op((call,), lambda replies: replies[0])


def _stream_flow(key: Key, kind: str, done: ReEncryption) -> Flow[None]:
    """Writes a stream anew, whose entries cannot be changed; what is added meanwhile stays as it is."""
    entries = yield from ask(_tried(Op((("XRANGE", key, "-", "+"),), lambda replies: replies[0])))
    if isinstance(entries, ServerError):
        done.failed[key] = str(entries)
        return
    args, count = list[Arg](), 0
    for name, stored in entries:
        fields = dict(pairs(stored))
        try:
            new = _STREAMS[kind][0](key, fields)
        except (RedisMemoryError, KeyError) as error:
            done.failed[key] = str(error)
            continue
        if any(fields[at] != value for at, value in new.items()):
            count += 1
            args += [part for at, value in new.items() for part in (name, at, value)]
    if args and not done.dry_run:
        call: Call = script("operate/stream_swap")((key, f"{key}:aside"), *args)
        reply = yield from ask(_tried(Op((call,), lambda replies: replies[0])))
        if isinstance(reply, ServerError):
            done.failed[key] = str(reply)
            return
    done.rewritten += count
