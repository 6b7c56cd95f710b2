"""What sources share: keys by a prefix (`PrefixSource`), each a record (`KeySource`) or a message (`MessageSource`)."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from langchain_redis_memory.ops import Arg, Flow
from langchain_redis_memory.peers.records import Conversation, Record, Unreadable
from langchain_redis_memory.peers.stored_keys import (
    DamagedError,
    StoredKey,
    escape_glob,
    read_keys_flow,
    records_of,
    why_of,
)

Command: TypeAlias = "staticmethod[[bytes], tuple[Arg, ...]]"
"""Builds the command that reads a key."""


@dataclass(frozen=True)
class PrefixSource:
    """Reads keys that begin with a prefix; a source adds a `name`, and a `serde` for MessagePack.

    Args:
        prefix: What the keys begin with.
        match: Which of them, as a glob of what follows.
    """

    prefix: str
    match: str = "*"
    shapes: ClassVar[tuple[str, ...]] = ("{match}",)
    """What follows the prefix in the names of its keys, as SCAN takes it."""

    @property
    def patterns(self) -> Sequence[str]:
        """What SCAN is asked for."""
        return tuple(escape_glob(self.prefix) + shape.format(match=self.match) for shape in self.shapes)

    def unit(self, key: bytes) -> bytes | None:
        """Names what is read together with a key: each of them alone."""
        return key

    def beside(self, record: Record) -> Sequence[bytes]:
        """Names keys of a record that are not among those of its unit: none."""
        return ()


class KeySource(PrefixSource):
    """Reads a layout in which each record is a key.

    A source completes it by how a key is read and what it holds.
    """

    command: ClassVar[Command]

    def read_flow(self, keys: Sequence[bytes]) -> Flow[list[Record]]:
        """Reads what the keys hold."""
        return records_of((yield from read_keys_flow(keys, self.command)), self.record)

    @abstractmethod
    def record(self, found: StoredKey) -> Record | list[Record]:
        """Builds what a key holds."""


class MessageSource(PrefixSource):
    """Reads a layout in which each message is a key; those of a session are in the order of their times and keys."""

    command: ClassVar[Command]
    ending: ClassVar[re.Pattern[bytes]]
    """What follows the session in the name of a key."""
    lost: ClassVar[tuple[str, ...]] = ()
    """What such a history has never stored."""

    def unit(self, key: bytes) -> bytes | None:
        """Names what is read together with a key: the messages of a session."""
        return self.ending.sub(b"", key) if self.ending.search(key) else None

    def read_flow(self, keys: Sequence[bytes]) -> Flow[list[Record]]:
        """Reads conversations."""
        records: list[Record] = []
        sessions: dict[str, list[tuple[float, bytes, Any, int]]] = defaultdict(list)
        for stored in (yield from read_keys_flow(keys, self.command)):
            try:
                if stored.fault:
                    raise DamagedError(stored.fault)
                session, timestamp, message = self.message(stored)
                sessions[session].append((timestamp, stored.key, message, stored.ttl_ms))
            except (ValueError, TypeError, LookupError) as error:
                records.append(Unreadable(stored.name, why_of(error)))
        for session, said in sessions.items():
            said.sort(key=lambda one: one[:2])
            lifetimes = [ttl for _, _, _, ttl in said]
            ttl_ms = 0 if 0 in lifetimes else max(lifetimes)
            records.append(Conversation(session, tuple(message for _, _, message, _ in said), ttl_ms, lost=self.lost))
        return records

    @abstractmethod
    def message(self, found: StoredKey) -> tuple[str, float, Any]:
        """Builds a message, with its session and its time."""
