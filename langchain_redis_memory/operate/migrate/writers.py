"""One writer for each kind of record: stores it under its own ids, reads it again and compares.

What is there already is not written, so a migration can be repeated; and what has gone on at the target, or is
something else there, is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.base import CheckpointTuple

from langchain_redis_memory.checkpoint.config import config_of
from langchain_redis_memory.checkpoint.flows import SaverFlows
from langchain_redis_memory.checkpoint.storing import store_flow
from langchain_redis_memory.errors import CorruptDataError, RedisMemoryError
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.operate.migrate.outcome import Outcome
from langchain_redis_memory.ops import Flow, Invoke, ask
from langchain_redis_memory.peers.records import Conversation, Record, SavedCheckpoint, SavedItem
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.state.session_data import RedisSessionData

if TYPE_CHECKING:
    from langgraph.store.base import BaseStore

R_contra = TypeVar("R_contra", bound=Record, contravariant=True)


class Writer(Protocol, Generic[R_contra]):
    """Stores the records of one kind."""

    def write_flow(self, record: R_contra) -> Flow[Outcome]:
        """Stores a record, reads it again and compares."""


class ConversationWriter:
    """Stores conversations as histories; `agent` and `ttl_ms`, 0 for no expiry, are of those that name none."""

    def __init__(self, client: Client, space: KeySpace, agent: str, ttl_ms: int) -> None:
        self._client, self._space, self._agent, self._ttl_ms = client, space, agent, ttl_ms

    def write_flow(self, record: Conversation) -> Flow[Outcome]:
        """Appends what is missing at the end; a conversation that says something else is left alone."""
        agent = record.agent or self._agent
        ttl_ms = record.ttl_ms or self._ttl_ms
        transcript = Transcript(self._space, record.session_id, agent, ttl_ms, user=record.user)
        wanted = _once(record.messages)
        stored = yield from ask(transcript.read())
        outcome: Outcome = "there"
        if stored[: len(wanted)] != wanted:
            if stored != wanted[: len(stored)]:
                return "kept"
            for part in transcript.slices(transcript.pairs(wanted[len(stored) :])):
                yield from ask(transcript.write(part))
            stored = yield from ask(transcript.read())
            if stored[: len(wanted)] != wanted:
                raise _differs(f"conversation {record.session_id!r}")
            outcome = "moved"
        if record.data and (yield from self._data_flow(record, agent)):
            outcome = "moved"
        return outcome

    def _data_flow(self, record: Conversation, agent: str) -> Flow[bool]:
        """Stores the named values that are missing; whether there were any."""
        ttl_s = (record.ttl_ms or self._ttl_ms) / 1000 or None
        kept = RedisSessionData(record.session_id, self._client, tenant=self._space.tenant, agent=agent, ttl_s=ttl_s)
        known: Mapping[str, Any] = yield Invoke(kept.all, kept.aall)
        missing = {name: value for name, value in record.data.items() if name not in known}
        for name, value in missing.items():
            yield _setting(kept, name, value)
        stored: Mapping[str, Any] = yield Invoke(kept.all, kept.aall)
        if any(stored.get(name) != value for name, value in missing.items()):
            raise _differs(f"the data of conversation {record.session_id!r}")
        return bool(missing)


def _setting(kept: RedisSessionData, name: str, value: Any) -> Invoke:
    return Invoke(lambda: kept.set(name, value), lambda: kept.aset(name, value))


def _once(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Returns the messages as a history keeps them: of several with one id the last, in the place of the first."""
    return list({message.id: message for message in messages}.values())


class CheckpointWriter:
    """Stores checkpoints as threads of a saver; `ttl_ms`, 0 for no expiry, is for threads that have none."""

    def __init__(self, flows: SaverFlows, ttl_ms: int) -> None:
        self._flows, self._ttl_ms = flows, ttl_ms
        self._sent: tuple[str, str, set[tuple[str, str]]] = ("", "", set())

    def write_flow(self, record: SavedCheckpoint) -> Flow[Outcome]:
        """Stores a checkpoint with those of its values that were not stored with one before it."""
        flows = replace(self._flows, ttl_ms=record.ttl_ms or self._ttl_ms)
        config = config_of(record.thread_id, record.ns, record.checkpoint["id"])
        stored = yield from ask(flows.get_tuple(config))
        if stored is not None and self._is_equal(stored, record):
            return "there"
        versions: dict[str, Any] = dict(record.checkpoint["channel_versions"])
        sent = self._sent_of(record)
        fresh = {name: version for name, version in versions.items() if (name, str(version)) not in sent}
        yield from store_flow(flows, record, fresh)
        stored = yield from ask(flows.get_tuple(config))
        if stored is None or not self._is_equal(stored, record):
            raise _differs(f"checkpoint {record.checkpoint['id']!r} of thread {record.thread_id!r}")
        sent.update((name, str(version)) for name, version in versions.items())
        return "moved"

    def _sent_of(self, record: SavedCheckpoint) -> set[tuple[str, str]]:
        """Returns which values were stored of this thread: its checkpoints come one after the other."""
        if self._sent[:2] != (record.thread_id, record.ns):
            self._sent = (record.thread_id, record.ns, set())
        return self._sent[2]

    def _is_equal(self, there: CheckpointTuple, record: SavedCheckpoint) -> bool:
        stored, wanted = dict(there.checkpoint), dict(record.checkpoint)
        writes = [(task, channel, value) for task, channel, value in there.pending_writes or ()]
        expected = [(write.task_id, write.channel, write.value) for write in record.writes]
        missing = [one for one in expected if not any(self._same(list(one), list(other)) for other in writes)]
        parent = (there.parent_config or {}).get("configurable", {}).get("checkpoint_id", "")
        kept = {name: there.metadata.get(name) for name in record.metadata}
        return (
            not missing
            and parent == record.parent_id
            and self._same(kept, dict(record.metadata))
            and self._same({name: stored.get(name) for name in wanted}, wanted)
        )

    def _same(self, one: Any, other: Any) -> bool:
        """Whether two values are equal, or at least stored alike: not every class can be compared."""
        return bool(one == other) or self._flows.blobs.pack(one) == self._flows.blobs.pack(other)


_MINUTE_MS = 60_000


class ItemWriter:
    """Stores items in a LangGraph store; `ttl_ms`, 0 for no expiry, is for items that have none."""

    def __init__(self, store: BaseStore, ttl_ms: int) -> None:
        self._store, self._ttl_ms = store, ttl_ms

    def write_flow(self, record: SavedItem) -> Flow[Outcome]:
        """Stores an item; one that is there with another value is left alone."""
        stored = yield self._getting(record)
        if stored is not None:
            return "there" if stored.value == record.value else "kept"
        yield self._putting(record)
        stored = yield self._getting(record)
        if stored is None or stored.value != record.value:
            raise _differs(f"item {record.key!r}")
        return "moved"

    def _getting(self, record: SavedItem) -> Invoke:
        place, store = (record.namespace, record.key), self._store
        return Invoke(lambda: store.get(*place), lambda: store.aget(*place))

    def _putting(self, record: SavedItem) -> Invoke:
        ttl = (record.ttl_ms or self._ttl_ms) / _MINUTE_MS or None
        put, store = (record.namespace, record.key, dict(record.value)), self._store
        return Invoke(lambda: store.put(*put, ttl=ttl), lambda: store.aput(*put, ttl=ttl))


def _differs(what: str) -> RedisMemoryError:
    return CorruptDataError(f"{what} was stored, but what is read back is something else")
