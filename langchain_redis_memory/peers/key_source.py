"""`KeySource`: what sources share whose records are a key each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, TypeAlias

from langchain_redis_memory.ops import Arg, Flow
from langchain_redis_memory.peers.reading import Found, escape_glob, read_keys_flow, records_of
from langchain_redis_memory.peers.records import Record

Command: TypeAlias = "staticmethod[[bytes], tuple[Arg, ...]]"
"""Builds the command that reads a key."""


class KeySource:
    """Reads a layout in which each record is a key, named by the prefix and what follows.

    A source completes it by how a key is read and what it holds.
    """

    prefix: str
    match: str
    command: ClassVar[Command]

    @property
    def patterns(self) -> Sequence[str]:
        """What SCAN is asked for."""
        return (escape_glob(self.prefix) + self.match,)

    def unit(self, key: bytes) -> bytes | None:
        """Names what is read together with a key: each of them alone."""
        return key

    def read_flow(self, keys: Sequence[bytes]) -> Flow[list[Record]]:
        """Reads what the keys hold."""
        return records_of((yield from read_keys_flow(keys, self.command)), self.record)

    def beside(self, record: Record) -> Sequence[bytes]:
        """Names keys of a record that are not among those of its unit: none."""
        return ()

    @abstractmethod
    def record(self, found: Found) -> Record | list[Record]:
        """Builds what a key holds."""
