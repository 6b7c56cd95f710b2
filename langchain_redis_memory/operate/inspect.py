"""What one key, conversation or thread is made of: types, sizes, lifetimes, and what is known of it; no content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_redis_memory.checkpoint.thread_list import messages_of
from langchain_redis_memory.history import session_index
from langchain_redis_memory.ops import Flow, Invoke, Op, Reply, ask, merge
from langchain_redis_memory.redis.key_parts import parse_key
from langchain_redis_memory.redis.keys import KINDS, KeySpace

_LENGTH = {
    "string": "STRLEN",
    "list": "LLEN",
    "hash": "HLEN",
    "set": "SCARD",
    "zset": "ZCARD",
    "stream": "XLEN",
    "vectorset": "VCARD",
}


@dataclass(frozen=True)
class KeyInfo:
    """One key.

    Args:
        key: Its name.
        type: What the server calls its type.
        length: How many elements it has, or bytes of a string; None where the server does not say.
        bytes: Memory that it takes; None where the server does not say.
        ttl_s: Seconds that it still lives; None for no lifetime.
        kind: Its kind; "" where it is not this package's.
        lifetime: How long keys of its kind live.
    """

    key: str
    type: str
    length: int | None
    bytes: int | None
    ttl_s: float | None
    kind: str = ""
    lifetime: str = ""


@dataclass(frozen=True)
class Inspection:
    """What was found under a name.

    Args:
        what: "key", "session" or "thread".
        name: The name.
        keys: Its keys that exist.
        facts: What is known of it: of a session its counts and times, of a thread its newest checkpoint.
    """

    what: Literal["key", "session", "thread"]
    name: str
    keys: Sequence[KeyInfo]
    facts: Mapping[str, Any] = field(default_factory=dict)


def inspect_flow(space: KeySpace, name: str, agent: str, newest: Invoke) -> Flow[list[Inspection]]:
    """Finds out what a name stands for: a key; a session of an agent, a thread, or both; nothing.

    `newest` reads the newest checkpoint of the thread of that name.

    **Keys:** the key; all of the session and the thread.
    **Trips:** 3 to 6.
    """
    if parse_key(name, space.prefix) is not None:
        keys = yield from keys_flow(space, [name])
        return [Inspection("key", name, keys)] if keys else []
    inspections = []
    if keys := (yield from keys_flow(space, session_index.keys_of(space, agent, name))):
        session = yield from ask(session_index.info(space, agent, name).optional(None))
        inspections.append(Inspection("session", name, keys, session._asdict() if session else {}))
    if keys := (yield from keys_flow(space, (*space.thread(name).all(), space.thread_users(name)))):
        order = space.thread(name).order
        count = yield from ask(Op((("ZLEXCOUNT", order, "[i", "(j"),), lambda replies: int(replies[0])))
        state = yield newest
        facts: dict[str, Any] = {"checkpoints": count}
        if state is not None:
            values = state.checkpoint["channel_values"]
            facts |= {"updated_at": state.checkpoint["ts"], "channels": sorted(values)}
            facts |= {"messages": len(messages_of(state)), "step": state.metadata.get("step")}
        inspections.append(Inspection("thread", name, keys, facts))
    return inspections


def keys_flow(space: KeySpace, names: Sequence[str]) -> Flow[list[KeyInfo]]:
    """Reads what is known of keys. **Keys:** the keys. **Trips:** 2."""
    types = yield from ask(Op(tuple(("TYPE", name) for name in names), lambda replies: list(map(_text, replies))))
    there = [(name, kind) for name, kind in zip(names, types, strict=True) if kind != "none"]
    return list((yield from ask(merge(*(_key(space, name, kind) for name, kind in there)))))


def _key(space: KeySpace, name: str, kind: str) -> Op[KeyInfo]:
    def read(replies: Sequence[Reply]) -> KeyInfo:
        ttl, size, length = (reply if isinstance(reply, int) else None for reply in replies)
        parts = parse_key(name, space.prefix)
        ttl_s = None if ttl is None or ttl < 0 else ttl / 1000
        of_kind = ("", "") if parts is None else (parts.kind, KINDS[parts.kind])
        return KeyInfo(str(name), kind, length, size, ttl_s, *of_kind)

    count = _LENGTH.get(kind, "EXISTS")
    return Op((("PTTL", name), ("MEMORY", "USAGE", name), (count, name)), read, tolerant=True)


def _text(reply: Reply) -> str:
    return reply.decode() if isinstance(reply, bytes) else str(reply)
