"""Stores a checkpoint that another saver made, with its values, its writes and its parent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from langgraph.checkpoint.base import Checkpoint

from langchain_redis_memory.checkpoint.config import config_of
from langchain_redis_memory.checkpoint.flows import SaverFlows
from langchain_redis_memory.ops import Flow
from langchain_redis_memory.peers.records import SavedCheckpoint


def store_flow(flows: SaverFlows, record: SavedCheckpoint, new_versions: Mapping[str, Any]) -> Flow[None]:
    """Stores a checkpoint under its own id, with the values of channels that have new versions; twice changes nothing.

    A flow of a trip for the checkpoint and one for the writes of each task.
    """
    before = config_of(record.thread_id, record.ns, record.parent_id)
    metadata = cast("Any", dict(record.metadata))
    config = yield from flows.put_flow(before, cast("Checkpoint", dict(record.checkpoint)), metadata, new_versions)
    for task, path in dict.fromkeys((write.task_id, write.task_path) for write in record.writes):
        theirs = [write for write in record.writes if (write.task_id, write.task_path) == (task, path)]
        theirs.sort(key=lambda write: (write.idx < 0, write.idx))  # a special one's number is its channel's
        yield from flows.put_writes_flow(config, [(write.channel, write.value) for write in theirs], task, path)
