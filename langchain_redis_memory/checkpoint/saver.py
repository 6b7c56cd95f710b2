"""`RedisSaver`: LangGraph's checkpointer; each method runs a flow of `SaverFlows`, its twin does so asynchronously."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from typing_extensions import Unpack

from langchain_redis_memory.checkpoint.adoption import ThreadAdoption
from langchain_redis_memory.checkpoint.blobs import Blobs
from langchain_redis_memory.checkpoint.flows import SaverFlows
from langchain_redis_memory.checkpoint.prune import PruneReport
from langchain_redis_memory.checkpoint.thread_reader import ThreadReader
from langchain_redis_memory.checkpoint.versions import ForkSafeVersions
from langchain_redis_memory.checks import check_bounds, check_method
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.peers.adoption import AdoptFrom, AdoptLike
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.key_groups import Id
from langchain_redis_memory.redis.ttl import FromSettings, Lifetime, lifetime, milliseconds


class RedisSaver(ThreadReader, ForkSafeVersions, ClientOwner, BaseCheckpointSaver[Any]):
    """A LangGraph checkpointer on any Redis: no modules, no set-up.

    A channel's value is stored once for each version, and a list (of messages, above all) by its elements, each once
    for a thread; so a conversation grows linearly. All keys of a thread share one lifetime.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        ttl_s: Lifetime of a thread in seconds from its last write, which never shortens it; None for no expiry. By
            default the settings' `thread_ttl_s`. A config may give its own: `{"configurable": {"ttl_s": 3600, ...}}`.
        touch_on_read: Whether reading the state moves the lifetime as writing does.
        serde: LangGraph's serialiser. By default `JsonPlusSerializer` with a strict allow-list: types of LangChain,
            LangGraph and the standard library come back as they were, any other as plain data. Allow yours with
            `JsonPlusSerializer(allowed_msgpack_modules=[("my.module", "MyClass")])`. An `EncryptedSerializer` works.
        compress_from_bytes: Values of this size are deflated; None for never.
        prefix: Start of every key; None for the client's.
        tenant: Whose threads.
        owner: The field of a graph's config that names a thread's owner, such as "user_id": the first who writes to a
            thread owns it, which the server checks in the same script; for others `NotOwnerError`. None: no owners.
        adopt: The name of the saver that kept the threads so far, as `migrate` takes it, or an `AdoptFrom`: a thread
            that is not here is then taken over when it is first read.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        ConfigError: The URL or the prefix cannot work, or there are both `adopt` and `owner`.
        InvalidInputError: A number is not positive.
        InvalidIdError: The tenant is not acceptable.

    Example:
        ```python
        graph = builder.compile(checkpointer=RedisSaver("redis://localhost:6379/0", ttl_s=7 * 86_400))
        ```

    **Keys:** `checkpoints`, `order`, `blobs`, `writes` of a thread; `threads`, `thread_expiries` of the tenant;
        `user_data` of the user that a config names.
    **Trips:** none to construct; each method says its own, and with `adopt` 2 more where a thread is not here.
    """

    def __init__(
        self,
        client: ClientLike = None,
        *,
        ttl_s: Lifetime | FromSettings = "settings",
        touch_on_read: bool = False,
        serde: SerializerProtocol | None = None,
        compress_from_bytes: int | None = 256,
        prefix: str | None = None,
        tenant: Id = "",
        owner: str | None = None,
        adopt: AdoptLike = None,
        **server: Unpack[ServerOptions],
    ) -> None:
        if serde is not None and not hasattr(serde, "dumps"):  # LangGraph wraps old ones, and whatever it is given
            check_method(serde, "dumps_typed", "serde (a serializer of LangGraph)", ConfigError)
        super().__init__(serde=JsonPlusSerializer(allowed_msgpack_modules=None) if serde is None else serde)
        check_bounds(compress_from_bytes=compress_from_bytes)
        self._client = connect(client, owner=type(self), **server)
        tenants = self._client.keys(tenant)
        space = tenants if prefix is None else replace(tenants, prefix=prefix)
        ttl_ms = milliseconds(lifetime(ttl_s, self._client.settings.thread_ttl_s))
        self._adoption = ThreadAdoption(self._client, AdoptFrom.of(adopt))
        if owner and self._adoption.adopt is not None:
            msg = "a thread that is adopted has no owner yet: give adopt or owner, or migrate the threads first"
            raise ConfigError(msg)
        self._flows = SaverFlows(space, Blobs(self.serde, compress_from_bytes), ttl_ms, touch_on_read, owner or "")

    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> RedisSaver:
        """Returns a saver that may build more types when state is read.

        Args:
            extra_allowlist: Types as (module, name).

        Returns:
            A saver on the same client.
        """
        other = super().with_allowlist(extra_allowlist)
        if other is self:
            return self
        clone = copy.copy(self)
        clone._owns_client = False
        clone.serde = other.serde
        clone._flows = replace(self._flows, blobs=Blobs(clone.serde, self._flows.blobs.compress_from))
        return clone

    def setup(self) -> None:
        """Does nothing: there is nothing to set up."""

    async def asetup(self) -> None:
        """Does nothing: there is nothing to set up."""

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Stores a checkpoint, its metadata and the channel values that are new, all or nothing.

        Args:
            config: Names the thread, the namespace, and the parent (`checkpoint_id`).
            checkpoint: The checkpoint.
            metadata: Its metadata.
            new_versions: The channels whose values are new, with their versions.

        Returns:
            The config of the stored checkpoint.

        Raises:
            InvalidInputError: The config names no thread, or an id is not acceptable; nothing was sent.
            UnserialisableError: A value cannot be stored; nothing was sent.
            EvictedError: The server lost a part of the thread.
            OutOfMemoryError: The server refused the write; nothing was stored.

        **Keys:** `checkpoints`, `order`, `blobs`, `writes`; `threads`, `thread_expiries`.
        **Trips:** 1; one more where list elements are missing, or the thread, that this process believed to be stored.
        """
        return self._client.drive(self._flows.put_flow(config, checkpoint, metadata, new_versions))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Stores a checkpoint; see `put`."""
        return await self._client.adrive(self._flows.put_flow(config, checkpoint, metadata, new_versions))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Stores the writes of a task at a checkpoint. A known write stays; special ones (errors, interrupts) change.

        Args:
            config: Names the checkpoint.
            writes: Channel and value.
            task_id: The task.
            task_path: Where the task stands in the graph; decides the order of writes.

        Raises:
            InvalidInputError: The config names no checkpoint; nothing was sent.
            UnserialisableError: A value cannot be stored; nothing was sent.
            EvictedError: The server lost a part of the thread.

        **Keys:** `checkpoints`, `order`, `blobs`, `writes`; `threads`, `thread_expiries`.
        **Trips:** 1; one more where list elements are missing, or the thread, that this process believed to be stored.
        """
        self._client.drive(self._flows.put_writes_flow(config, writes, task_id, task_path))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Stores the writes of a task; see `put_writes`."""
        await self._client.adrive(self._flows.put_writes_flow(config, writes, task_id, task_path))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Reads a checkpoint with its values and writes.

        Args:
            config: Names the thread and perhaps a namespace and a checkpoint; without one, the newest is read.

        Returns:
            The checkpoint, None where there is none.

        Raises:
            InvalidInputError: The config names no thread.
            EvictedError: The server lost a part of the thread.
            CorruptDataError: Something else wrote under the thread's keys, or the serde cannot read it.

        **Keys:** `checkpoints`, `order`, `blobs`, `writes`; with `touch_on_read` `threads`, `thread_expiries`.
        **Trips:** 1.
        """
        return self._client.drive(self._adoption.get_tuple_flow(self._flows, config))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Reads a checkpoint; see `get_tuple`."""
        return await self._client.adrive(self._adoption.get_tuple_flow(self._flows, config))

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Reads what delta channels are rebuilt from: the writes of ancestors, back to the nearest stored value.

        Args:
            config: Names the checkpoint.
            channels: The channels.

        Returns:
            For each channel its writes, oldest first, and the stored value if there is one.

        Raises:
            EvictedError: The server lost a part of the thread.

        **Keys:** `checkpoints`, `order`, `blobs`, `writes`.
        **Trips:** 1, 0 for no channels.
        """
        return self._client.run(self._flows.delta_history(config, channels)) if channels else {}

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Reads what delta channels are rebuilt from; see `get_delta_channel_history`."""
        return await self._client.arun(self._flows.delta_history(config, channels)) if channels else {}

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Reads checkpoints, newest first, page by page; those of one page share the values that they have in common.

        Args:
            config: Names the thread, and perhaps a namespace and a checkpoint; None for all threads.
            filter: Metadata that has to be equal.
            before: Only checkpoints older than this one.
            limit: Most checkpoints.

        Raises:
            InvalidInputError: The config names no thread, or the limit is negative.
            EvictedError: The server lost a part of the thread.

        **Keys:** `checkpoints`, `order`, `blobs`, `writes`; `threads` for all threads.
        **Trips:** 1 for each 100 checkpoints of a thread; for all threads at least 1 each, and 1 for each 100 threads.
        """
        return self._client.stream(self._adoption.list_flow(self._flows, config, filter, before, limit))

    def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Reads checkpoints, newest first, page by page; see `list`."""
        return self._client.astream(self._adoption.list_flow(self._flows, config, filter, before, limit))

    def delete_thread(self, thread_id: str, *, user: Id = "") -> None:
        """Deletes a thread: checkpoints, values, writes, and its entries in the index.

        Args:
            thread_id: The thread.
            user: Who asks, where the saver's threads have owners; "" for the operator of the application.

        Raises:
            NotOwnerError: The thread is another user's.

        **Keys:** `checkpoints`, `order`, `blobs`, `writes`; `threads`, `thread_expiries`.
        **Trips:** 1, and 1 where a user asks.
        """
        then = self._adoption.delete_flow(self._flows, thread_id)
        self._client.drive(self._flows.owned_flow(user, [thread_id], then))

    async def adelete_thread(self, thread_id: str, *, user: Id = "") -> None:
        """Deletes a thread; see `delete_thread`."""
        then = self._adoption.delete_flow(self._flows, thread_id)
        await self._client.adrive(self._flows.owned_flow(user, [thread_id], then))

    def copy_thread(self, source_thread_id: str, target_thread_id: str, *, user: Id = "") -> None:
        """Copies a thread: checkpoints, values, writes. Does nothing where the source does not exist.

        Args:
            source_thread_id: The thread to copy.
            target_thread_id: The new thread.
            user: Who asks; see `delete_thread`.

        Raises:
            NotOwnerError: The source is another user's.
            ConflictError: The target exists; nothing was changed.
            InvalidInputError: They are the same thread.
            EvictedError: The server lost a part of the source.

        **Keys:** `checkpoints`, `order`, `blobs`, `writes` of both; `threads`, `thread_expiries`.
        **Trips:** 2, and 1 where a user asks.
        """
        then = self._adoption.copy_flow(self._flows, source_thread_id, target_thread_id)
        self._client.drive(self._flows.owned_flow(user, [source_thread_id], then))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str, *, user: Id = "") -> None:
        """Copies a thread; see `copy_thread`."""
        then = self._adoption.copy_flow(self._flows, source_thread_id, target_thread_id)
        await self._client.adrive(self._flows.owned_flow(user, [source_thread_id], then))

    def prune(  # type: ignore[override] # it tells more than LangGraph asks for
        self,
        thread_ids: Sequence[str],
        *,
        strategy: str = "keep_latest",
        keep_last: int = 1,
        older_than_s: Lifetime = None,
        dry_run: bool = False,
        user: Id = "",
    ) -> PruneReport:
        """Removes old checkpoints, with the values and list elements that no other checkpoint refers to.

        Ancestors from which a delta channel of a kept checkpoint is rebuilt are kept.

        Args:
            thread_ids: The threads; those that do not exist are skipped.
            strategy: "keep_latest" keeps the newest of each namespace, "delete" (or "delete_all") nothing.
            keep_last: How many of each namespace "keep_latest" keeps.
            older_than_s: Only checkpoints written longer ago than this, in seconds by the server's clock; None for any
                age.
            dry_run: Only report what would be removed.
            user: Who asks; see `delete_thread`.

        Returns:
            The removed checkpoints, and their bytes.

        Raises:
            InvalidInputError: The strategy is unknown or a number is not acceptable; nothing was removed.
            NotOwnerError: A thread is another user's; nothing was removed.
            ConflictError: A thread was written to again and again.

        **Keys:** `checkpoints`, `order`, `blobs`, `writes`; with "delete" `threads`, `thread_expiries`.
        **Trips:** 2, and 1 for each 1,000 checkpoints of the longest thread; for each 50 threads. 1 where a user asks.
        """
        then = self._flows.prune_flow(thread_ids, strategy, keep_last, older_than_s, dry_run=dry_run)
        return self._client.drive(self._flows.owned_flow(user, thread_ids, then))

    async def aprune(  # type: ignore[override] # it tells more than LangGraph asks for
        self,
        thread_ids: Sequence[str],
        *,
        strategy: str = "keep_latest",
        keep_last: int = 1,
        older_than_s: Lifetime = None,
        dry_run: bool = False,
        user: Id = "",
    ) -> PruneReport:
        """Removes old checkpoints; see `prune`."""
        then = self._flows.prune_flow(thread_ids, strategy, keep_last, older_than_s, dry_run=dry_run)
        return await self._client.adrive(self._flows.owned_flow(user, thread_ids, then))

    def delete_for_runs(self, run_ids: Sequence[str]) -> PruneReport:  # type: ignore[override]
        """Removes the checkpoints of runs, with the writes, values and list elements of them alone, as `prune` does.

        Args:
            run_ids: The runs, as the checkpoints' metadata name them.

        Returns:
            The removed checkpoints, and their bytes.

        Raises:
            ConflictError: A thread was written to again and again.

        **Keys:** `threads`; `checkpoints`, `order`, `blobs`, `writes`.
        **Trips:** 3, and 1 for each 1,000 checkpoints of the longest thread; for each 50 threads. 0 for no runs.
        """
        return self._client.drive(self._flows.delete_for_runs_flow(run_ids))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> PruneReport:  # type: ignore[override]
        """Removes the checkpoints that runs made; see `delete_for_runs`."""
        return await self._client.adrive(self._flows.delete_for_runs_flow(run_ids))
