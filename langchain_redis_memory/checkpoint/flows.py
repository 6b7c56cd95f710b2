"""The flows behind `RedisSaver`: from LangGraph's checkpoints to the ops of a thread and back.

Checkpoints that are read together share the values that they have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    PendingWrite,
    get_checkpoint_metadata,
)

from langchain_redis_memory.checkpoint import thread_index
from langchain_redis_memory.checkpoint.blobs import Blobs
from langchain_redis_memory.checkpoint.config import CheckpointRef, bound_of, config_of, parse_config, thread_name
from langchain_redis_memory.checkpoint.copying import moved
from langchain_redis_memory.checkpoint.elements import SentElements, ValueSplitter
from langchain_redis_memory.checkpoint.known_threads import Threads
from langchain_redis_memory.checkpoint.layout import (
    NewCheckpoint,
    NewValue,
    TaskWrite,
    ThreadRead,
    field_of,
    no_nul,
    spell_reference,
    utf8,
)
from langchain_redis_memory.checkpoint.prune import PruneReport, delete_for_runs_flow, delete_thread, prune_flow
from langchain_redis_memory.checkpoint.thread import MADE, Thread
from langchain_redis_memory.checkpoint.thread_index import NotedThreads
from langchain_redis_memory.checkpoint.thread_list import ThreadPage, threads_flow
from langchain_redis_memory.checks import check_bounds, check_type
from langchain_redis_memory.errors import ConflictError, InvalidInputError
from langchain_redis_memory.ops import Emit, Flow, Op, ask, merge
from langchain_redis_memory.redis import user_index
from langchain_redis_memory.redis.client.clock import monotonic
from langchain_redis_memory.redis.key_groups import Id
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.ttl import Lifetime, milliseconds
from langchain_redis_memory.redis.user_index import UserData
from langchain_redis_memory.run_config import accessor_of, owners_of

T = TypeVar("T")

PAGE = 100
_TRIES = 5


@dataclass(frozen=True)
class SaverFlows:
    """Builds the flows of one saver.

    Args:
        space: The tenant's key builder.
        blobs: How values become bytes.
        ttl_ms: Lifetime of a thread, 0 for none.
        touch_on_read: Whether reading moves the lifetime as writing does.
        owner: The field of a config that says whose a thread is; "" for nobody's.
        sent: What threads were sent.
    """

    space: KeySpace
    blobs: Blobs
    ttl_ms: int
    touch_on_read: bool
    owner: str = ""
    sent: SentElements = field(default_factory=SentElements)
    noted: NotedThreads = field(init=False)
    known: Threads = field(init=False)
    clock: Callable[[], float] = monotonic

    def __post_init__(self) -> None:
        object.__setattr__(self, "noted", NotedThreads(self.space))
        object.__setattr__(self, "known", Threads(self.space))

    def _ttl(self, config: RunnableConfig) -> int:
        configurable = config["configurable"]
        return milliseconds(configurable["ttl_s"]) if "ttl_s" in configurable else self.ttl_ms

    def _ref(self, config: RunnableConfig) -> CheckpointRef:
        """Parses a config, with who asks where that decides."""
        ref = parse_config(config)
        if not self.owner:
            return ref
        asker = accessor_of(config) if self.owner == "user_id" else config["configurable"].get(self.owner)
        if asker is None or asker == "":
            raise InvalidInputError(f"this saver's threads have owners: the config needs configurable.{self.owner}")
        return ref._replace(asker=str(asker))

    # --- writing --------------------------------------------------------------------------------------------------

    def put_flow(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: Mapping[str, Any],
    ) -> Flow[RunnableConfig]:
        """Stores a checkpoint."""
        ref = self._ref(config)
        ns, ttl_ms = ref.ns or "", self._ttl(config)
        header = {name: part for name, part in checkpoint.items() if name not in _APART}
        kept = get_checkpoint_metadata(config, metadata)
        references = [spell_reference(*pair) for pair in checkpoint["channel_versions"].items()]
        name = no_nul(checkpoint["id"], "the checkpoint's id")
        record = NewCheckpoint(ns, name, ref.checkpoint_id, references, self.blobs.pack([header, kept]))
        if not name:
            raise InvalidInputError("the checkpoint has no id: give it one, as empty_checkpoint() does")
        thread = self.known.of(ref.thread_id, ref.asker)
        values = ValueSplitter(self.blobs, thread.keys.blobs, self.sent, ns)
        known, stored = checkpoint["channel_values"], []
        for channel, version in new_versions.items():
            reference, has_value = spell_reference(channel, version), channel in known
            new = values.new_value(channel, reference, known[channel]) if has_value else None
            stored.append(new or NewValue(channel, reference, None))
        data = UserData("thread", "", ref.thread_id)
        notes = [user_index.note(self.space, user, data, ttl_ms) for user in owners_of(config)]
        run = str(kept.get("run_id") or "")
        yield from self._send_flow(
            thread, values, lambda elements: thread.put(record, stored, elements, ttl_ms), ttl_ms, run, notes
        )
        return config_of(config["configurable"]["thread_id"], ns, name)

    def put_writes_flow(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str
    ) -> Flow[None]:
        """Notes a task's writes."""
        ref = self._ref(config)
        if not ref.checkpoint_id:
            raise InvalidInputError("writes belong to a checkpoint: the config needs a checkpoint_id")
        no_nul(task_id, "task_id")
        utf8(task_path, "task_path")
        thread = self.known.of(ref.thread_id, ref.asker)
        values = ValueSplitter(self.blobs, thread.keys.blobs, self.sent)
        stored = []
        for idx, (channel, value) in enumerate(writes):
            number = WRITES_IDX_MAP.get(utf8(channel, "a channel"), idx)
            stored.append(TaskWrite(task_id, number, task_path, channel, values.take_write(channel, value)))
        ttl_ms = self._ttl(config)

        def write(elements: Mapping[tuple[str, bytes], bytes]) -> Op[list[bytes]]:
            return thread.write(ref.ns or "", ref.checkpoint_id, task_id, stored, elements, ttl_ms)

        yield from self._send_flow(thread, values, write, ttl_ms)

    def _send_flow(
        self,
        thread: Thread,
        values: ValueSplitter,
        build: Callable[[Mapping[tuple[str, bytes], bytes]], Op[list[bytes]]],
        ttl_ms: int,
        run: str = "",
        notes: Sequence[Op[None]] = (),
    ) -> Flow[None]:
        """Runs a write behind its notes, with the list elements that the server may lack; again with those it does."""
        now = self.clock()
        touch = self.noted.touch(thread.thread_id, ttl_ms, run, now)
        sending = values.sending()
        for _ in range(_TRIES):
            op = build(values.encoded(sending))
            before: list[Op[Any]] = [*notes] if touch is None else [touch, *notes]
            reply = yield merge(*before, op).map(lambda each: each[-1]) if before else op
            made = reply == MADE
            if touch is None and reply:  # the thread may have been deleted since it was noted
                touch = self.noted.touch(thread.thread_id, ttl_ms, run, now, anew=True)
                if made and touch is not None:
                    yield touch
            if made or not reply:
                values.note()
                return
            sending = values.missing(reply, sending)
        msg = f"thread {thread.thread_id!r} was changed by others again and again; nothing was stored: "
        raise ConflictError(msg + "let one run at a time write to it")

    # --- reading --------------------------------------------------------------------------------------------------

    def get_tuple(self, config: RunnableConfig) -> Op[CheckpointTuple | None]:
        """Reads one checkpoint."""
        ref = self._ref(config)
        thread = self.known.of(ref.thread_id, ref.asker)

        def read(found: ThreadRead) -> CheckpointTuple | None:
            for checkpoint in self._tuples(ref.thread_id, found):
                return checkpoint._replace(config=config) if ref.checkpoint_id else checkpoint
            return None

        op = thread.read(ref.ns or "", ref.checkpoint_id).map(read)
        return self._touching(thread, op, self._ttl(config)) if self.touch_on_read else op

    def _touching(self, thread: Thread, op: Op[T], ttl_ms: int) -> Op[T]:
        if not self.touch_on_read or not ttl_ms:
            return op
        # A server that is full or read-only refuses the touch; that is no reason not to read.
        touches = merge(
            thread_index.touch(self.space, thread.thread_id, ttl_ms, "read"),
            thread.lifetime(ttl_ms, "touch"),
        ).optional(None)
        return merge(touches, op).map(lambda both: both[1])

    def _tuples(
        self, thread_id: str, found: ThreadRead, wanted: Mapping[str, Any] | None = None
    ) -> Iterator[CheckpointTuple]:
        values: dict[str, Any] = {}
        for record, writes in zip(found.records, found.writes, strict=True):
            header, metadata = self.blobs.unpack(record.body)
            if wanted and any(metadata.get(name) != value for name, value in wanted.items()):
                continue
            channel_values = {
                reference.channel: self._value(field_of(record.ns, reference), found.values, values)
                for reference in record.references
                if reference.mark != "-"
            }
            checkpoint = {
                **header,
                "channel_values": channel_values,
                "channel_versions": {reference.channel: reference.version for reference in record.references},
            }
            yield CheckpointTuple(
                config_of(thread_id, record.ns, record.id),
                cast("Checkpoint", checkpoint),
                metadata,
                config_of(thread_id, record.ns, record.parent) if record.parent else None,
                [(write.task_id, write.channel, self._read(write.value)) for write in writes],
            )

    def _read(self, body: bytes | list[bytes]) -> Any:
        return self.blobs.join(body) if isinstance(body, list) else self.blobs.unpack(body)

    def _value(self, name: str, stored: Mapping[str, bytes | list[bytes]], read: dict[str, Any]) -> Any:
        if name not in read:
            read[name] = self._read(stored[name])
        value = read[name]
        return value.copy() if type(value) in {list, dict, set} else value

    def list_flow(
        self,
        config: RunnableConfig | None,
        wanted: Mapping[str, Any] | None,
        before: RunnableConfig | None,
        limit: int | None,
    ) -> Flow[None]:
        """Emits checkpoints, newest first, a page at a time; of all threads without a config."""
        check_bounds(0, limit=limit)
        check_type(wanted, (Mapping, NoneType), "filter", "a dict or None")
        if config is None and self.owner:
            raise InvalidInputError("a saver with an owner lists one thread: the config needs a thread_id and the user")
        return self._list_flow(self._ref(config) if config else None, wanted, bound_of(before), limit)

    def _list_flow(
        self, ref: CheckpointRef | None, wanted: Mapping[str, Any] | None, bound: str, left: int | None
    ) -> Flow[None]:
        after = None
        while ref is None:
            names = yield from ask(thread_index.page(self.space, after, PAGE))
            for name in names:
                left = yield from self._list_thread_flow(CheckpointRef(name, None, ""), wanted, bound, left)
            if len(names) < PAGE or left == 0:
                return
            after = names[-1]
        yield from self._list_thread_flow(ref, wanted, bound, left)

    def _list_thread_flow(
        self, ref: CheckpointRef, wanted: Mapping[str, Any] | None, bound: str, left: int | None
    ) -> Flow[int | None]:
        thread = self.known.of(ref.thread_id, ref.asker)
        exact = bool(ref.checkpoint_id) and ref.ns is not None
        if ref.checkpoint_id and bound and ref.checkpoint_id >= bound:
            return left
        while left is None or left > 0:
            # A filter may pass over many, so a page is whole then.
            count = PAGE if left is None or wanted or ref.checkpoint_id else min(left, PAGE)
            op = thread.read(ref.ns, ref.checkpoint_id if exact else "", bound, count)
            found = yield from ask(self._touching(thread, op, self.ttl_ms))
            page = [
                checkpoint
                for checkpoint in self._tuples(ref.thread_id, found, wanted)
                if not ref.checkpoint_id or checkpoint.checkpoint["id"] == ref.checkpoint_id
            ][:left]
            yield Emit(page)
            left = None if left is None else left - len(page)
            if exact or len(found.records) < count:
                break
            last = found.records[-1]
            bound = last.id if ref.ns is not None else f"{last.id}\0{last.ns}"
        return left

    def delta_history(self, config: RunnableConfig, channels: Sequence[str]) -> Op[Mapping[str, DeltaChannelHistory]]:
        """Reads what delta channels are rebuilt from."""
        ref = self._ref(config)
        op = self.known.of(ref.thread_id, ref.asker).history(ref.ns or "", ref.checkpoint_id, channels)

        def read(both: Any) -> Mapping[str, DeltaChannelHistory]:
            steps, stored = both
            collected: dict[str, list[list[PendingWrite]]] = {channel: [] for channel in channels}
            seeds: dict[str, Any] = {}
            values: dict[str, Any] = {}
            for step in steps:
                fresh: dict[str, list[PendingWrite]] = {}
                for write in step.writes:
                    if write.channel in collected and write.channel not in seeds:
                        entry = (write.task_id, write.channel, self._read(write.value))
                        fresh.setdefault(write.channel, []).append(entry)
                for channel, writes in fresh.items():
                    collected[channel].append(writes)
                for channel, name in step.seeds:
                    seeds[channel] = self._value(name, stored, values)
            found: dict[str, DeltaChannelHistory] = {}
            for channel, nearest_first in collected.items():
                writes = [write for step_writes in reversed(nearest_first) for write in step_writes]
                found[channel] = {"writes": writes}
                if channel in seeds:
                    found[channel]["seed"] = seeds[channel]
            return found

        return self._touching(self.known.of(ref.thread_id, ref.asker), op.map(read), self._ttl(config))

    # --- a user's threads -----------------------------------------------------------------------------------------

    def newest(self, thread_id: str, user: Id = "") -> Op[CheckpointTuple | None]:
        """Reads the newest checkpoint of a thread, for its owner where it has one."""
        if self.owner and str(user) == "":
            raise InvalidInputError("this saver's threads have owners: say who asks, as user=...")
        who = {self.owner: str(user)} if self.owner else {}
        return self.get_tuple({"configurable": {"thread_id": thread_id, "checkpoint_ns": "", **who}})

    def threads_flow(self, user: Id, limit: int, cursor: str | None) -> Flow[ThreadPage]:
        """Lists a user's threads."""
        return threads_flow(self.space, lambda name: self.newest(name, user), user, limit, cursor)

    # --- whole threads --------------------------------------------------------------------------------------------

    def delete(self, thread_id: str) -> Op[None]:
        """Deletes a thread."""
        self.noted.forget(thread_name(thread_id))
        return delete_thread(self.space, thread_name(thread_id))

    def prune_flow(
        self, thread_ids: Sequence[str], strategy: str, keep_last: int, older_than_s: Lifetime, *, dry_run: bool
    ) -> Flow[PruneReport]:
        """Removes old checkpoints."""
        return prune_flow(self.space, self.blobs, thread_ids, strategy, keep_last, older_than_s, dry_run=dry_run)

    def delete_for_runs_flow(self, run_ids: Sequence[str]) -> Flow[PruneReport]:
        """Removes the checkpoints of runs."""
        return delete_for_runs_flow(self.space, self.blobs, run_ids)

    def owned_flow(self, user: Id, thread_ids: Sequence[str], then: Flow[T]) -> Flow[T]:
        """Goes on with whole threads, unless one is another user's; where nobody is named, for whoever runs them."""
        if user:
            threads = [Thread(self.space, thread_name(name), str(user)) for name in thread_ids]
            yield from ask(merge(*(thread.owned() for thread in threads)))
        return (yield from then)

    def persist_flow(self, thread_id: str) -> Flow[bool]:
        """Pins a thread."""
        name = thread_name(thread_id)
        pinned = merge(thread_index.touch(self.space, name, 0, "pin"), Thread(self.space, name).lifetime(0, "pin"))
        op = pinned.map(lambda both: both[1])
        return (yield from user_index.lasting_flow(self.space, UserData("thread", "", name), op, 0))

    def copy_flow(self, source: str, target: str) -> Flow[None]:
        """Copies a thread."""
        source, target = thread_name(source), thread_name(target)
        if source == target:
            raise InvalidInputError("a thread cannot be copied onto itself")
        original, copied = Thread(self.space, source), Thread(self.space, target)
        keys = copied.keys  # a bad id is refused before anything is read
        content, runs = yield from ask(merge(original.content(), thread_index.runs_of(self.space, source)))
        if content is None:
            return
        content = moved(content, original.keys, keys)
        touch = thread_index.touch(self.space, target, self.ttl_ms, "write", runs)
        _, made = yield from ask(merge(touch, copied.fill(content, self.ttl_ms)))
        if not made:
            raise ConflictError(f"thread {target!r} exists; delete it first, or copy to another id")


_APART = {"channel_values", "channel_versions"}
