"""The audit log: who changed what by hand, and when; it names things and counts, and holds no content.

A capped stream of the tenant, by the server's clock. A change is noted before it is made, so none is missing where the
process dies; what became of it is a second line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal, get_args

from langchain_redis_memory.errors import CorruptDataError
from langchain_redis_memory.ops import Op, Reply
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.codec.values import pack, unpack
from langchain_redis_memory.redis.codec.version import VERSION, check_version
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.scripts import command
from langchain_redis_memory.redis.ttl import milliseconds

MOST_LINES = 10_000
KEEP_S = 365 * 86_400
_LONGEST = 500

AuditState = Literal["begun", "done", "failed"]


@dataclass(frozen=True)
class AuditLine:
    """One line of the audit log.

    Args:
        who: Who did it.
        action: What was done, in a word or two: "erase user".
        target: To what: names, no content.
        state: "begun" before it is done, then "done" or "failed".
        note: Counts, or the kind of error; no content.
        at: When, by the server's clock.
        id: The line's id in the log.
    """

    who: str
    action: str
    target: str
    state: AuditState
    note: str = ""
    at: datetime | None = None
    id: str = ""

    def encoded(self) -> bytes:
        """Encodes the line for the stream, with long texts cut."""
        texts = (self.who, self.action, self.target, self.state, self.note)
        return VERSION + pack([text[:_LONGEST] for text in texts], "a line of the audit log")


def append(space: KeySpace, line: AuditLine) -> Op[None]:
    """Adds a line; where it cannot be added, the change is not made."""
    key = space.audit()
    add = command("XADD", (key,), "MAXLEN", MOST_LINES, "*", "d", key.encrypt(line.encoded()))
    return Op((add, ("PEXPIRE", key, milliseconds(KEEP_S))), lambda _replies: None)


def read(space: KeySpace, most: int = 200, before: str = "") -> Op[list[AuditLine]]:
    """Reads lines, the newest first; `before` is the id of the last line of the page before, "" for the first page."""
    key = space.audit()
    start = f"({before}" if before else "+"

    def lines(replies: Sequence[Reply]) -> list[AuditLine]:
        return [_line(key, name, fields) for name, fields in replies[0] or ()]

    return Op((("XREVRANGE", key, start, "-", "COUNT", most),), lines)


def _line(key: Key, name: bytes, fields: Any) -> AuditLine:
    values = list(fields.values()) if isinstance(fields, dict) else fields[1::2]
    match unpack(check_version(key.decrypt(values[0]), key), key):
        case [str(who), str(action), str(target), state, str(note)] if state in get_args(AuditState):
            line = name.decode()
            at = datetime.fromtimestamp(int(line.partition("-")[0]) / 1000, timezone.utc)
            return AuditLine(who, action, target, state, note, at, line)
    raise CorruptDataError(f"{key!r} holds bytes that were not written by this package, or are damaged")
