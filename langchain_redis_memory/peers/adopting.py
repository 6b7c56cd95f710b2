"""`AdoptFrom`: takes over what another package keeps of a conversation or a thread, when it is first touched here.

So an application can change packages without a pause: what nobody asks for stays where it is, and a migration moves
it at any time. The source is read; it is changed only where a conversation or a thread is deleted here, which must not
come back from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeAlias, runtime_checkable

from langgraph.checkpoint.serde.base import SerializerProtocol

from langchain_redis_memory.checks import check_type
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.ops import Flow, Invoke, Op, ask
from langchain_redis_memory.peers.embeddings import LANGCHAIN_EMBEDDINGS, LangChainEmbeddings
from langchain_redis_memory.peers.exact_answers import EXACT_ANSWERS, ExactAnswers
from langchain_redis_memory.peers.keys import units_flow
from langchain_redis_memory.peers.langgraph_store import LangGraphRedisStore
from langchain_redis_memory.peers.langgraph_values import strict_serde
from langchain_redis_memory.peers.reading import escape_glob
from langchain_redis_memory.peers.records import Conversation, Record, SavedCheckpoint, Source
from langchain_redis_memory.peers.sources import source_of
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.connect import ClientLike, connect


@runtime_checkable
class Adoptable(Source, Protocol):
    """A source that can be asked for one conversation or one thread by its name."""

    @property
    def match(self) -> str:
        """Which names it reads, as a glob."""

    def holds_flow(self, name: str) -> Flow[bool]:
        """Tells whether it may hold something of that name, in a trip or two: most names are new ones."""

    def beside(self, record: Record) -> Sequence[bytes]:
        """Names keys of a record that are not among those of its unit."""


ITEMS = "langgraph-redis-store"
"""The store that items are adopted from."""


class AdoptFrom:
    """Where data are adopted from.

    Args:
        source: The name of a source, as `RedisMigration` takes it.
        prefix: What its keys begin with; None for its package's default.
        origin: The server that they are on; None for that of the class which adopts.

    Raises:
        ConfigError: The source is unknown, or needs a prefix.

    Example:
        ```python
        history = RedisChatMessageHistory("user-42", client, adopt="langchain-community")
        saver = RedisSaver(client, adopt=AdoptFrom("plainredis", prefix="app", origin="redis://old:6379/0"))
        ```
    """

    def __init__(self, source: str, *, prefix: str | None = None, origin: ClientLike = None) -> None:
        self._name, self._prefix, self._origin = source, prefix, origin
        checks = {LANGCHAIN_EMBEDDINGS: self.vectors, ITEMS: self.items}
        checks.get(source, lambda: self.source(strict_serde()))()

    @classmethod
    def of(cls, given: AdoptLike) -> AdoptFrom | None:
        """Returns what a class was given as `adopt`."""
        if given is None or isinstance(given, AdoptFrom):
            return given
        return cls(check_type(given, str, "adopt", "the name of a source or an AdoptFrom", ConfigError))

    def source(self, serde: SerializerProtocol) -> Adoptable:
        """Makes the source.

        Args:
            serde: Reads LangGraph's MessagePack.

        Returns:
            The source.

        Raises:
            ConfigError: It cannot be asked for one name.
        """
        made = source_of(self._name, self._prefix, "*", serde)
        if not isinstance(made, Adoptable):
            msg = f"{self._name} cannot be asked for one conversation or thread: move its data by `migrate`"
            raise ConfigError(msg)
        return made

    def answers(self) -> ExactAnswers:
        """Makes the source of an exact cache.

        Returns:
            The source.

        Raises:
            ConfigError: No exact cache has that name.
        """
        make = EXACT_ANSWERS.get(self._name)
        if make is None:
            msg = f"answers are adopted from {' or '.join(map(repr, EXACT_ANSWERS))}, not from {self._name!r}"
            raise ConfigError(msg)
        return make(self._prefix)

    def vectors(self) -> LangChainEmbeddings:
        """Makes the source of cached vectors.

        Returns:
            The source.

        Raises:
            ConfigError: It is something else, or lacks a prefix.
        """
        if self._name != LANGCHAIN_EMBEDDINGS:
            msg = f"vectors are adopted from {LANGCHAIN_EMBEDDINGS!r}, not from {self._name!r}"
            raise ConfigError(msg)
        if not self._prefix:
            msg = (
                f"{LANGCHAIN_EMBEDDINGS} needs the prefix of its keys, as the namespaces of the byte store and of the "
                'embeddings make it: AdoptFrom("langchain-embeddings", prefix="cache/my-model")'
            )
            raise ConfigError(msg)
        return LangChainEmbeddings(self._prefix)

    def items(self) -> LangGraphRedisStore:
        """Makes the source of a store's items.

        Returns:
            The source.

        Raises:
            ConfigError: No store has that name.
        """
        made = source_of(self._name, self._prefix, "*", strict_serde()) if self._name == ITEMS else None
        if not isinstance(made, LangGraphRedisStore):
            msg = f"items are adopted from {ITEMS!r}, not from {self._name!r}"
            raise ConfigError(msg)
        return made

    def client(self, own: Client) -> Client:
        """Returns the client of the server that the data are on."""
        return own if self._origin is None else connect(self._origin)


AdoptLike: TypeAlias = "AdoptFrom | str | None"
"""How a class takes where to adopt from: the name of a source, an `AdoptFrom`, or None for nowhere."""


class Adopter:
    """Reads what a source holds of one name.

    Args:
        client: The client of the server that it is on.
        source: The source.
    """

    def __init__(self, client: Client, source: Adoptable) -> None:
        self._origin, self._source = client, source

    def read(self, name: str) -> Invoke:
        """Builds the step that reads what the source holds of a name.

        Returns:
            A step that gives the records, those of other names as well where a pattern found them.
        """
        return self._at_origin(self._read_flow, name)

    def forget(self, name: str) -> Invoke:
        """Builds the step that deletes what the source holds of a name, so that it is not adopted again."""
        return self._at_origin(self._forget_flow, name)

    def _at_origin(self, flow: Any, name: str) -> Invoke:
        origin = self._origin
        return Invoke(lambda: origin.drive(flow(name)), lambda: origin.adrive(flow(name)))

    def _read_flow(self, name: str) -> Flow[list[Record]]:
        records: list[Record] = []
        for unit in (yield from self._keys_flow(name)):
            records += yield from self._source.read_flow(unit)
        return records

    def _keys_flow(self, name: str) -> Flow[list[list[bytes]]]:
        """Finds the keys of a name, those of each unit together, oldest first."""
        if not (yield from self._source.holds_flow(name)):
            return []
        one: Source = replace(self._source, match=escape_glob(name))  # type: ignore[type-var]
        if not any(mark in pattern for pattern in one.patterns for mark in "*?[\\"):
            keys = [pattern.encode() for pattern in one.patterns]
            return [[key] for key in keys]
        units = yield from units_flow(self._origin.keys(), one)
        return [units[unit] for unit in sorted(units)]

    def _forget_flow(self, name: str) -> Flow[None]:
        for unit in (yield from self._keys_flow(name)):
            read = yield from self._source.read_flow(unit)
            theirs = [record for record in read if _name_of(record) == name]
            keys = [*(unit if theirs else ()), *(key for record in theirs for key in self._source.beside(record))]
            if keys:
                yield from ask(Op(tuple(("UNLINK", key) for key in keys), lambda _replies: None))


def _name_of(record: Record) -> str | None:
    if isinstance(record, Conversation):
        return record.session_id
    return record.thread_id if isinstance(record, SavedCheckpoint) else None
