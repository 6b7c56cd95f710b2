"""`RedisSaver`: LangGraph's checkpointer, sync and async on one class.

Every method is an op or a flow of `saving` and `pruning` in two colours.

Long because one public class has every method with its twin and a full docstring.
"""

from __future__ import annotations

import copy
import random
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

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

from langchain_redis_memory.checkpoint.blobs import Blobs
from langchain_redis_memory.checkpoint.config import bound_of, place_of, thread_name
from langchain_redis_memory.checkpoint.flows import SaverFlows
from langchain_redis_memory.checkpoint.prune import PruneReport, Rule, remove, threads_of_runs
from langchain_redis_memory.checkpoint.retention import CheckpointOutline, surplus
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.ops import Flow, ask, merge
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.key_groups import Id
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.ttl import Lifetime, milliseconds

if TYPE_CHECKING:
    from typing_extensions import Unpack


class RedisSaver(ClientOwner, BaseCheckpointSaver[Any]):
    """Keeps the checkpoints of LangGraph threads on any Redis: no modules, no set-up.

    A channel's value is stored once for each version, and a list (of messages, above all) by its elements, each once
    for a thread; so a conversation grows linearly. All keys of a thread share one lifetime.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        ttl_s: Lifetime of a thread in seconds from its last write; None for no expiry. A config may give its own:
            `{"configurable": {"thread_id": ..., "ttl_s": 3600}}`. A write never shortens a lifetime.
        touch_on_read: Whether reading the state moves the lifetime as writing does.
        serde: LangGraph's serialiser. By default `JsonPlusSerializer` with a strict allow-list: types of LangChain,
            LangGraph and the standard library come back as they were, any other as plain data. Allow yours with
            `JsonPlusSerializer(allowed_msgpack_modules=[("my.module", "MyClass")])`. An `EncryptedSerializer` works.
        compress_from_bytes: Values of this size are deflated; None for never.
        prefix: Start of every key; None for the client's.
        tenant: Whose threads.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        ConfigError: The URL or the prefix cannot work.
        InvalidInputError: A number is not positive.
        InvalidIdError: The tenant is not acceptable.

    Example:
        ```python
        graph = builder.compile(checkpointer=RedisSaver("redis://localhost:6379/0", ttl_s=7 * 86_400))
        ```

    **Keys:** `checkpoints`, `order`, `blobs`, `writes` of a thread; `threads`, `thread_expiries` of the tenant.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self,
        client: ClientLike = None,
        *,
        ttl_s: Lifetime = None,
        touch_on_read: bool = False,
        serde: SerializerProtocol | None = None,
        compress_from_bytes: int | None = 256,
        prefix: str | None = None,
        tenant: Id = "",
        **server: Unpack[ServerOptions],
    ) -> None:
        super().__init__(serde=serde or JsonPlusSerializer(allowed_msgpack_modules=None))
        if compress_from_bytes is not None and (type(compress_from_bytes) is not int or compress_from_bytes < 1):
            msg = f"compress_from_bytes must be a positive number or None, got {compress_from_bytes!r}"
            raise InvalidInputError(msg)
        self._client = connect(client, owner=type(self), **server)
        space = self._client.keys(tenant)
        self._space = space if prefix is None else KeySpace(prefix, space.tenant)
        self._compress_from = compress_from_bytes
        self._blobs = Blobs(self.serde, compress_from_bytes)
        self._saving = SaverFlows(self._space, self._blobs, milliseconds(ttl_s), touch_on_read)

    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> RedisSaver:
        """The same saver, with more types that may be built when state is read.

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
        clone._blobs = Blobs(clone.serde, self._compress_from)
        clone._saving = replace(self._saving, blobs=clone._blobs)
        return clone

    def setup(self) -> None:
        """Nothing: there is nothing to set up. It is here for graphs that used another saver."""

    async def asetup(self) -> None:
        """Nothing; see `setup`."""

    # --- one checkpoint -----------------------------------------------------------------------------------------------

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
        **Trips:** 1; one more where list elements are missing that this process believed to be stored.
        """
        return self._client.drive(self._saving.put(config, checkpoint, metadata, new_versions))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Stores a checkpoint; see `put`."""
        return await self._client.adrive(self._saving.put(config, checkpoint, metadata, new_versions))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Notes what a task wrote at a checkpoint. A known write stays; special ones (errors, interrupts) change.

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
        **Trips:** 1; one more where list elements are missing that this process believed to be stored.
        """
        self._client.drive(self._saving.put_writes(config, writes, task_id, task_path))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Notes what a task wrote; see `put_writes`."""
        await self._client.adrive(self._saving.put_writes(config, writes, task_id, task_path))

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
        return self._client.run(self._saving.get_tuple(config))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Reads a checkpoint; see `get_tuple`."""
        return await self._client.arun(self._saving.get_tuple(config))

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What delta channels are rebuilt from: the writes of the ancestors, back to the nearest stored value.

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
        return self._client.run(self._saving.delta_history(config, channels)) if channels else {}

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What delta channels are rebuilt from; see `get_delta_channel_history`."""
        return await self._client.arun(self._saving.delta_history(config, channels)) if channels else {}

    # --- many checkpoints ---------------------------------------------------------------------------------------------

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

        Yields:
            The checkpoints.

        Raises:
            InvalidInputError: The config names no thread, or the limit is negative.
            EvictedError: The server lost a part of the thread.

        **Keys:** `checkpoints`, `order`, `blobs`, `writes`; `threads` for all threads.
        **Trips:** 1 for each 100 checkpoints of a thread; for all threads at least 1 each, and 1 for each 100 threads.
        """
        return self._client.stream(self._listing(config, filter, before, limit))

    def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Reads checkpoints, newest first, page by page; see `list`."""
        return self._client.astream(self._listing(config, filter, before, limit))

    def _listing(
        self,
        config: RunnableConfig | None,
        wanted: dict[str, Any] | None,
        before: RunnableConfig | None,
        limit: int | None,
    ) -> Flow[None]:
        if limit is not None and (type(limit) is not int or limit < 0):
            msg = f"limit must be a number from 0 on, or None, got {limit!r}"
            raise InvalidInputError(msg)
        if wanted is not None and not isinstance(wanted, Mapping):
            msg = f"filter must be a dict or None, got {type(wanted).__name__}"
            raise InvalidInputError(msg)
        bound_of(before)
        return self._saving.list(place_of(config) if config else None, wanted, before, limit)

    # --- whole threads ------------------------------------------------------------------------------------------------

    def delete_thread(self, thread_id: str) -> None:
        """Deletes a thread: checkpoints, values, writes, and its entries in the index.

        Args:
            thread_id: The thread.

        Raises:
            InvalidIdError: The id is not acceptable.

        **Keys:** `checkpoints`, `order`, `blobs`, `writes`; `threads`, `thread_expiries`.
        **Trips:** 1.
        """
        self._client.run(self._saving.delete(thread_name(thread_id)))

    async def adelete_thread(self, thread_id: str) -> None:
        """Deletes a thread; see `delete_thread`."""
        await self._client.arun(self._saving.delete(thread_name(thread_id)))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copies a thread whole: checkpoints, values, writes. Nothing happens where the source does not exist.

        Args:
            source_thread_id: The thread to copy.
            target_thread_id: The new thread.

        Raises:
            ConflictError: The target exists; nothing was changed.
            InvalidInputError: They are the same thread.
            EvictedError: The server lost a part of the source.

        **Keys:** `checkpoints`, `order`, `blobs`, `writes` of both; `threads`, `thread_expiries`.
        **Trips:** 2.
        """
        self._client.drive(self._saving.copy(thread_name(source_thread_id), thread_name(target_thread_id)))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copies a thread whole; see `copy_thread`."""
        await self._client.adrive(self._saving.copy(thread_name(source_thread_id), thread_name(target_thread_id)))

    def prune(  # type: ignore[override] # it tells more than LangGraph asks for
        self,
        thread_ids: Sequence[str],
        *,
        strategy: str = "keep_latest",
        keep_last: int = 1,
        older_than_s: Lifetime = None,
        dry_run: bool = False,
    ) -> PruneReport:
        """Removes old checkpoints, with the values and list elements that no other checkpoint refers to.

        What a delta channel of a checkpoint that stays is rebuilt from stays as well.

        Args:
            thread_ids: The threads; those that do not exist are passed over.
            strategy: "keep_latest" keeps the newest of each namespace, "delete" nothing.
            keep_last: How many of each namespace "keep_latest" keeps.
            older_than_s: Only checkpoints written longer ago than this, in seconds by this machine's clock; None for
                any age.
            dry_run: Only tell what would go.

        Returns:
            What went, and its bytes.

        Raises:
            InvalidInputError: The strategy is unknown or a number is not acceptable; nothing was removed.
            ConflictError: A thread was written to again and again.

        **Keys:** `checkpoints`, `order`, `blobs`, `writes`; with "delete" `threads`, `thread_expiries`.
        **Trips:** 2, and 1 for each 1,000 checkpoints of the longest thread; for each 50 threads.
        """
        flow = self._pruning(thread_ids, strategy, keep_last, older_than_s, dry_run=dry_run)
        return self._client.drive(flow)

    async def aprune(  # type: ignore[override] # it tells more than LangGraph asks for
        self,
        thread_ids: Sequence[str],
        *,
        strategy: str = "keep_latest",
        keep_last: int = 1,
        older_than_s: Lifetime = None,
        dry_run: bool = False,
    ) -> PruneReport:
        """Removes old checkpoints; see `prune`."""
        flow = self._pruning(thread_ids, strategy, keep_last, older_than_s, dry_run=dry_run)
        return await self._client.adrive(flow)

    def _pruning(
        self, thread_ids: Sequence[str], strategy: str, keep_last: int, older_than_s: Lifetime, *, dry_run: bool
    ) -> Flow[PruneReport]:
        if strategy not in ("keep_latest", "delete"):
            msg = f"strategy must be 'keep_latest' or 'delete', got {strategy!r}"
            raise InvalidInputError(msg)
        if type(keep_last) is not int or keep_last < 1:
            msg = f"keep_last must be at least 1, got {keep_last!r} (strategy='delete' removes everything)"
            raise InvalidInputError(msg)
        age = timedelta(milliseconds=milliseconds(older_than_s, "older_than_s"))
        older_than = datetime.now(timezone.utc) - age if older_than_s is not None else None
        kept = 0 if strategy == "delete" else keep_last

        def rule(outlines: Sequence[CheckpointOutline]) -> Callable[[CheckpointOutline], bool]:
            return surplus(outlines, kept, older_than)

        names = _names(thread_ids)
        return self._removing(names, rule, forget=strategy == "delete" and older_than is None, dry_run=dry_run)

    def _removing(
        self, names: Sequence[str], rule: Rule, *, forget: bool = False, dry_run: bool = False
    ) -> Flow[PruneReport]:
        pruned = yield from remove(self._space, self._blobs, names, rule, dry=dry_run)
        if forget and names and not dry_run:
            yield from ask(merge(*(self._saving.delete(name) for name in names)))
        return pruned

    def delete_for_runs(self, run_ids: Sequence[str]) -> PruneReport:  # type: ignore[override]
        """Removes the checkpoints that runs made, with their writes and what nothing else refers to.

        What a delta channel of a checkpoint that stays is rebuilt from stays as well.

        Args:
            run_ids: The runs, as the checkpoints' metadata name them.

        Returns:
            What went, and its bytes.

        Raises:
            ConflictError: A thread was written to again and again.

        **Keys:** `threads`; `checkpoints`, `order`, `blobs`, `writes`.
        **Trips:** 3, and 1 for each 1,000 checkpoints of the longest thread; for each 50 threads. 0 for no runs.
        """
        return self._client.drive(self._forgetting(run_ids))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> PruneReport:  # type: ignore[override]
        """Removes the checkpoints that runs made; see `delete_for_runs`."""
        return await self._client.adrive(self._forgetting(run_ids))

    def _forgetting(self, run_ids: Sequence[str]) -> Flow[PruneReport]:
        runs = {str(run_id) for run_id in _names(run_ids, "run_ids")}

        def of_runs(_outlines: Sequence[CheckpointOutline]) -> Callable[[CheckpointOutline], bool]:
            return lambda outline: outline.run_id is not None and str(outline.run_id) in runs

        names = yield from threads_of_runs(self._space, sorted(runs))
        return (yield from self._removing(names, of_runs))

    def persist(self, thread_id: str) -> bool:
        """Pins a thread: it lives until it is deleted.

        Args:
            thread_id: The thread.

        Returns:
            Whether it exists.

        **Keys:** `checkpoints`, `order`, `blobs`, `writes`; `threads`, `thread_expiries`.
        **Trips:** 1.
        """
        return self._client.run(self._saving.persist(thread_name(thread_id)))

    async def apersist(self, thread_id: str) -> bool:
        """Pins a thread; see `persist`."""
        return await self._client.arun(self._saving.persist(thread_name(thread_id)))

    # --- versions -----------------------------------------------------------------------------------------------------

    def get_next_version(self, current: Any, channel: None) -> Any:
        """The version after another: a count, with chance below it, so that the branches of a fork differ.

        Args:
            current: The version so far; None for the first.
            channel: Not used.

        Returns:
            A greater version of the same type.
        """
        if isinstance(current, str):
            return f"{int(current.split('.')[0]) + 1:032}.{random.random():016}"
        count = 0 if current is None else int(current)
        if count >= 1 << 32:
            count >>= 32
        return (count + 1) << 32 | random.getrandbits(32)


def _names(names: Sequence[str], what: str = "thread_ids") -> Sequence[str]:
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        msg = f"{what} must be a list of ids, got {type(names).__name__}"
        raise InvalidInputError(msg)
    return [thread_name(name) for name in names]
