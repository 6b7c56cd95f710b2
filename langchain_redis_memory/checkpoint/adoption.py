"""Adoption of threads: one that is not here is taken over from another saver's keys when it is first read.

Its newest checkpoint is stored first, so that an adoption which is interrupted lacks nothing but old checkpoints; a
migration brings those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple

from langchain_redis_memory.checkpoint.config import parse_config, thread_name
from langchain_redis_memory.checkpoint.flows import SaverFlows
from langchain_redis_memory.checkpoint.storing import store_flow
from langchain_redis_memory.checkpoint.thread_list import messages_of
from langchain_redis_memory.errors import CorruptDataError
from langchain_redis_memory.ops import Flow, Op, ask
from langchain_redis_memory.peers.adoption import Adopter, AdoptFrom
from langchain_redis_memory.peers.langgraph_values import strict_serde
from langchain_redis_memory.peers.records import Record, SavedCheckpoint, Unreadable
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.key_groups import Id


@dataclass(frozen=True)
class ThreadAdoption:
    """The flows of a saver that may adopt threads.

    Args:
        client: The saver's client.
        adopt: Where from; None for nowhere.

    Raises:
        ConfigError: There are no threads.
    """

    client: Client
    adopt: AdoptFrom | None

    def __post_init__(self) -> None:
        if self.adopt is not None:
            self.adopt.threads(strict_serde())

    def get_tuple_flow(self, flows: SaverFlows, config: RunnableConfig) -> Flow[CheckpointTuple | None]:
        """Reads a checkpoint; where there is none, the thread is adopted first."""
        return self._read_flow(flows, flows.get_tuple(config), parse_config(config).thread_id)

    def messages_flow(self, flows: SaverFlows, thread_id: str, user: Id) -> Flow[list[BaseMessage]]:
        """Reads the messages of a thread, adopted first where it is not here."""
        return messages_of((yield from self._read_flow(flows, flows.newest(thread_id, user), thread_name(thread_id))))

    def _read_flow(
        self, flows: SaverFlows, read: Op[CheckpointTuple | None], thread_id: str
    ) -> Flow[CheckpointTuple | None]:
        found = yield from ask(read)
        if found is None and (yield from self._adopted_flow(flows, thread_id)):
            found = yield from ask(read)
        return found

    def list_flow(
        self,
        flows: SaverFlows,
        config: RunnableConfig | None,
        wanted: Mapping[str, Any] | None,
        before: RunnableConfig | None,
        limit: int | None,
    ) -> Flow[None]:
        """Emits checkpoints, of a thread that is not here after its adoption; wrong arguments are refused at once."""
        listed = flows.list_flow(config, wanted, before, limit)
        if config is None or self.adopt is None:
            return listed
        return self._adopted_list_flow(flows, parse_config(config).thread_id, listed)

    def _adopted_list_flow(self, flows: SaverFlows, thread_id: str, listed: Flow[None]) -> Flow[None]:
        yield from self._adopted_flow(flows, thread_id)
        yield from listed

    def copy_flow(self, flows: SaverFlows, source: str, target: str) -> Flow[None]:
        """Copies a thread, adopted first where it is not here."""
        yield from self._adopted_flow(flows, thread_name(source))
        yield from flows.copy_flow(source, target)

    def delete_flow(self, flows: SaverFlows, thread_id: str) -> Flow[None]:
        """Deletes a thread, also where it would be adopted from."""
        if self.adopt is not None:
            yield self._adopter(flows, self.adopt).forget(thread_name(thread_id))
        yield from ask(flows.delete(thread_id))

    def _adopter(self, flows: SaverFlows, adopt: AdoptFrom) -> Adopter:
        return Adopter(adopt.client(self.client), adopt.threads(flows.blobs.serde))

    def _adopted_flow(self, flows: SaverFlows, thread_id: str) -> Flow[bool]:
        """Adopts a thread that is not here; whether there was one."""
        if self.adopt is None or (yield from ask(_is_here(flows, thread_id))):
            return False
        records: list[Record] = yield self._adopter(flows, self.adopt).read(thread_id)
        theirs = [record for record in records if isinstance(record, SavedCheckpoint) and record.thread_id == thread_id]
        for record in records:
            if isinstance(record, Unreadable):
                raise CorruptDataError(f"thread {thread_id!r} cannot be adopted: {record.key}: {record.why}")
        theirs.sort(key=lambda record: (record.ns == "", record.checkpoint["id"]), reverse=True)
        for record in theirs:
            yield from store_flow(flows, record, record.checkpoint["channel_versions"])
        return bool(theirs)


def _is_here(flows: SaverFlows, thread_id: str) -> Op[bool]:
    key = flows.space.thread(thread_id).order
    return Op((("EXISTS", key),), lambda replies: bool(replies[0]))
