"""`AdoptFrom`: takes over what another package keeps of a conversation, a thread or an answer, when it is touched here.

So an application can change packages without a pause: what nobody asks for stays where it is, and a migration moves
it at any time. The source is read; it is changed only where a conversation or a thread is deleted here, which must not
come back from there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, cast

from langchain_redis_memory.checks import check_type
from langchain_redis_memory.errors import ConfigError, RedisMemoryError, UnavailableError
from langchain_redis_memory.ops import Arg, Flow, Invoke, Now, Op, ask
from langchain_redis_memory.peers.records import Conversation, Record, SavedCheckpoint, Source
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.connect import ClientLike, connect

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from langchain_redis_memory.peers.answers import NearAnswers
    from langchain_redis_memory.peers.embeddings import LangChainEmbeddings
    from langchain_redis_memory.peers.exact_answers import ExactAnswers
    from langchain_redis_memory.peers.langgraph_store import LangGraphRedisStore

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Adoptable(Source, Protocol):
    """A source that can be asked for one conversation or one thread by its name."""

    @property
    def match(self) -> str:
        """Which names it reads, as a glob."""

    def holds_flow(self, name: str) -> Flow[bool]:
        """Returns whether it may hold something of that name, in a trip or two: most names are new ones."""

    def beside(self, record: Record) -> Sequence[bytes]:
        """Names keys of a record that are not among those of its unit."""


class AdoptFrom:
    """Names what a class adopts another package's data from: the package, the prefix of its keys, the server.

    Args:
        source: The name of a source, as the class which adopts lists them.
        prefix: What its keys begin with; None for its package's default.
        origin: The server that they are on; None for that of the class which adopts.

    Raises:
        ConfigError: Nothing can be adopted from there.

    Example:
        ```python
        history = RedisChatMessageHistory("user-42", client, adopt="langchain-community")
        saver = RedisSaver(client, adopt=AdoptFrom("plainredis", prefix="app", origin="redis://old:6379/0"))
        ```
    """

    def __init__(self, source: str, *, prefix: str | None = None, origin: ClientLike = None) -> None:
        self._name, self._prefix, self._origin = source, prefix, origin
        from langchain_redis_memory.peers.adoptable import ALL

        self._check(sorted(ALL), "data are")

    @classmethod
    def of(cls, given: AdoptLike) -> AdoptFrom | None:
        """Returns what a class was given as `adopt`."""
        if given is None or isinstance(given, AdoptFrom):
            return given
        return cls(check_type(given, str, "adopt", "the name of a source or an AdoptFrom", ConfigError))

    def conversations(self) -> Adoptable:
        """Makes the source of a history.

        Raises:
            ConfigError: It has no conversations.
        """
        from langchain_redis_memory.peers.adoptable import CONVERSATIONS
        from langchain_redis_memory.peers.langgraph_values import strict_serde

        return self._source(CONVERSATIONS, "conversations are", strict_serde())

    def threads(self, serde: SerializerProtocol) -> Adoptable:
        """Makes the source of a saver.

        Args:
            serde: Reads LangGraph's MessagePack.

        Raises:
            ConfigError: It has no threads.
        """
        from langchain_redis_memory.peers.adoptable import THREADS

        return self._source(THREADS, "threads are", serde)

    def answers(self) -> ExactAnswers:
        """Makes the source of an exact cache.

        Raises:
            ConfigError: No exact cache has that name.
        """
        from langchain_redis_memory.peers.exact_answers import EXACT_ANSWERS

        self._check(EXACT_ANSWERS, "answers to the very same prompt are")
        return EXACT_ANSWERS[self._name](self._prefix)

    def near_answers(self) -> NearAnswers:
        """Makes the source of a cache that is searched by meaning.

        Raises:
            ConfigError: No such cache has that name.
        """
        from langchain_redis_memory.peers.adoptable import NEAR_ANSWERS

        self._check(NEAR_ANSWERS, "answers that are found by meaning are")
        return NEAR_ANSWERS[self._name](self._prefix)

    def vectors(self) -> LangChainEmbeddings:
        """Makes the source of cached vectors.

        Raises:
            ConfigError: It is something else, or lacks a prefix.
        """
        from langchain_redis_memory.peers.adoptable import VECTORS
        from langchain_redis_memory.peers.embeddings import LANGCHAIN_EMBEDDINGS, LangChainEmbeddings

        self._check(VECTORS, "vectors are")
        if not self._prefix:
            raise ConfigError(
                f"{LANGCHAIN_EMBEDDINGS} needs the prefix of its keys, as the namespaces of the byte store and of the "
                'embeddings make it: AdoptFrom("langchain-embeddings", prefix="cache/my-model")'
            )
        return LangChainEmbeddings(self._prefix)

    def items(self) -> LangGraphRedisStore:
        """Makes the source of a store's items.

        Raises:
            ConfigError: No store has that name.
        """
        from langchain_redis_memory.peers.adoptable import ITEMS
        from langchain_redis_memory.peers.langgraph_values import strict_serde
        from langchain_redis_memory.peers.sources import source_of

        self._check(ITEMS, "items are")
        made = source_of(self._name, self._prefix, "*", strict_serde())
        return cast("LangGraphRedisStore", made)

    def _source(self, names: Sequence[str], what: str, serde: SerializerProtocol) -> Adoptable:
        from langchain_redis_memory.peers.sources import source_of

        self._check(names, what)
        return cast("Adoptable", source_of(self._name, self._prefix, "*", serde))

    def _check(self, names: Iterable[str], what: str) -> None:
        if self._name not in names:
            fit = ", ".join(map(repr, names))
            msg = f"{what} adopted from {fit}, not from {self._name!r}; `migrate` moves those of other sources"
            raise ConfigError(msg)

    def client(self, own: Client) -> Client:
        """Returns the client of the server that the data are on."""
        return own if self._origin is None else connect(self._origin)


AdoptLike: TypeAlias = "AdoptFrom | str | None"
"""How a class takes where to adopt from: the name of a source, an `AdoptFrom`, or None for nowhere."""


def run_at(origin: Client, flow: Callable[..., Flow[Any]], *args: Any) -> Invoke:
    """Builds the step that runs a flow on another client, in the caller's colour."""
    return Invoke(lambda: origin.drive(flow(*args)), lambda: origin.adrive(flow(*args)))


class AtOrigin:
    """Runs flows on the server that data are adopted from."""

    def __init__(self, client: Client) -> None:
        self._origin = client

    def at_origin(self, flow: Callable[..., Flow[Any]], *args: Any) -> Invoke:
        """Builds the step that runs a flow there; see `run_at`."""
        return run_at(self._origin, flow, *args)

    def found_flow(self, what: str, flow: Callable[..., Flow[T | None]], *args: Any) -> Flow[T | None]:
        """Runs a flow there that the caller can do without.

        Returns what it returns; None where the server does not give it, or has just failed.
        """
        began: float = yield Now()
        breaker = self._origin.breaker
        if not breaker.allows(began):
            return None
        try:
            result: T | None = yield self.at_origin(flow, *args)
        except ConfigError:
            raise
        except RedisMemoryError as error:
            ended: float = yield Now()
            if not isinstance(error, UnavailableError) or breaker.failed(began, ended):
                _log.warning("%s cannot be adopted and count as absent: %s", what, error)
            return None
        breaker.worked()
        return result

    def forget_flow(self, what: str, keys: Iterable[Arg]) -> Flow[None]:
        """Removes keys of what was taken over; where that fails it may be adopted again."""
        op = Op(tuple(("UNLINK", key) for key in keys), lambda _replies: None)
        try:
            yield self.at_origin(ask, op)
        except RedisMemoryError as error:
            _log.warning("%s that were adopted are still at their source: %s", what, error)


class Adopter(AtOrigin):
    """Reads what a source holds of one name."""

    def __init__(self, client: Client, source: Adoptable) -> None:
        super().__init__(client)
        self._source = source

    def read(self, name: str) -> Invoke:
        """Builds the step that reads what the source holds of a name.

        Returns a step that gives the records, those of other names as well where a pattern found them.
        """
        return self.at_origin(self._read_flow, name)

    def forget(self, name: str) -> Invoke:
        """Builds the step that deletes what the source holds of a name, so that it is not adopted again."""
        return self.at_origin(self._forget_flow, name)

    def _read_flow(self, name: str) -> Flow[list[Record]]:
        records: list[Record] = []
        for unit in (yield from self._keys_flow(name)):
            records += yield from self._source.read_flow(unit)
        return records

    def _keys_flow(self, name: str) -> Flow[list[list[bytes]]]:
        """Finds the keys of a name, those of each unit together, oldest first."""
        from langchain_redis_memory.peers.keys import units_flow
        from langchain_redis_memory.peers.stored_keys import escape_glob

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
