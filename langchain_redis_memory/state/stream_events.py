"""Events of a stream of tokens: their stored form, how they are appended, and how a reader follows them.

An event is one entry of a Redis Stream, whose id is what a reader gives back to go on. A reader polls: a blocked read
would hold a connection for each person who watches an answer being written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from langchain_core.messages import BaseMessage

from langchain_redis_memory.errors import CorruptDataError
from langchain_redis_memory.ops import Emit, Flow, Now, Op, Reply, Sleep, ask
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.codec.values import pack, unpack
from langchain_redis_memory.redis.codec.version import VERSION, check_version
from langchain_redis_memory.redis.key_groups import StreamKeys
from langchain_redis_memory.redis.replies import pairs
from langchain_redis_memory.redis.scripts import script

EventKind = Literal["token", "end", "error", "stopped"]

_PAGE = 500
_ID = re.compile(r"\d{1,20}(-\d{1,20})?")
_SHORTEST_S, _LONGEST_S = 0.02, 0.25


@dataclass(frozen=True)
class StreamEvent:
    """One event of a stream of tokens.

    Args:
        id: Its place in the stream: what `resume` takes as `last_id`, and Server-Sent Events as `id`.
        run_id: The run that wrote it.
        kind: "token" for a piece of the answer; "end", "error" or "stopped" for a run's last event.
        data: The piece: text, or the plain data that was written. Of an error, the name of its type.
    """

    id: str
    run_id: str
    kind: EventKind
    data: Any = None

    @property
    def last(self) -> bool:
        """Whether the run writes nothing after it."""
        return self.kind != "token"


def event(run_id: str, kind: EventKind, data: Any = None) -> bytes:
    """Encodes an event; `append` puts the format's version in front.

    Raises `UnserialisableError`: the data is not plain.
    """
    return pack([run_id, kind, data], "a token")


def token_of(chunk: Any) -> Any:
    """Returns what is streamed of a chunk: the text of a message, or the chunk itself."""
    return str(chunk.text) if isinstance(chunk, BaseMessage) else chunk


def append(keys: StreamKeys, run_id: str, most: int, ttl_ms: int, events: Sequence[bytes]) -> Op[bool]:
    """Appends events. An op of one trip: whether they were appended; False where the run was stopped."""
    call = script("state/stream_append")(keys.all(), run_id, most, ttl_ms, *(_stored(keys, one) for one in events))
    return Op((call,), lambda replies: bool(replies[0]))


def stop(keys: StreamKeys, run_id: str, most: int, ttl_ms: int) -> Op[bool]:
    """Stops a run. An op of one trip: False where it was stopped before."""
    call = script("state/stream_stop")(keys.all(), run_id, most, ttl_ms, _stored(keys, event(run_id, "stopped")))
    return Op((call,), lambda replies: bool(replies[0]))


def _stored(keys: StreamKeys, encoded: bytes) -> bytes:
    return VERSION + keys.tokens.encrypt(encoded)


def _read(key: Key, after: str) -> Op[list[StreamEvent]]:
    def decode(replies: Sequence[Reply]) -> list[StreamEvent]:
        return [_event(key, entry_id, fields) for entry_id, fields in replies[0]]

    return Op((("XRANGE", key, f"({after}" if after else "-", "+", "COUNT", _PAGE),), decode)


def _event(key: Key, entry_id: bytes, fields: Reply) -> StreamEvent:
    if record := dict(pairs(fields)).get(b"e"):
        match unpack(key.decrypt(check_version(record, key)), key):
            case [str(run_id), kind, data] if kind in get_args(EventKind):
                return StreamEvent(entry_id.decode(), run_id, kind, data)
    raise CorruptDataError(f"{key!r} holds an event that was not written by this package, or is damaged")


def _newest(key: Key) -> Op[str]:
    command = ("XREVRANGE", key, "+", "-", "COUNT", 1)
    return Op((command,), lambda replies: replies[0][0][0].decode() if replies[0] else "0")


def follow_flow(keys: StreamKeys, last_id: str, run_id: str | None, idle_s: float) -> Flow[None]:
    """Emits the events after `last_id` as they come, until the last run that is seen has ended or is idle.

    What is not the id of an event means only what comes now.
    """
    if last_id and not _ID.fullmatch(last_id):
        last_id = yield from ask(_newest(keys.tokens))
    running: set[str] = set()
    waited, heard = _SHORTEST_S, (yield Now())
    while True:
        events = yield from ask(_read(keys.tokens, last_id))
        for event in events:
            last_id = event.id
            if run_id in {None, event.run_id}:
                (running.discard if event.last else running.add)(event.run_id)
                yield Emit((event,))
                if event.last and not running and len(events) < _PAGE and event is events[-1]:
                    return
        now = yield Now()
        if events:
            waited, heard = _SHORTEST_S, now
        elif now - heard >= idle_s:
            return
        if len(events) < _PAGE:
            yield Sleep(waited)
            waited = min(waited * 2, _LONGEST_S)
