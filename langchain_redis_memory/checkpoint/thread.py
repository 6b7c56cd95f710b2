"""The checkpoints of one LangGraph thread, as ops.

A thread is four keys with one hash tag and one lifetime, however many namespaces it has:

* `checkpoints`, a hash: `owner` -> the user whose thread it is, where a saver asks for one; namespace NUL id -> record.
  A record is a version byte, the server's time in milliseconds (13 digits), `<size>:` front, rest. The front is
  netstrings that a script can read: the parent's id, then a reference for each channel version (a mark that says
  whether it has a value, `+`, before also `*`, or none, `-`; then channel NUL version). The rest is a blob: checkpoint
  and metadata.
* `order`, a sorted set by bytes: `i` id NUL namespace, and `n` namespace NUL id where the namespace is not empty.
* `blobs`, a hash: `b` namespace NUL channel NUL version -> `+` blob, or `*` ranges of element numbers; for each channel
  name `e` channel NUL number -> element, `d` channel -> the digests of its elements, 16 bytes each.
* `writes`, a hash: namespace NUL id -> the first task, then its writes: netstrings, four a write (index, task path,
  channel, value: `+` blob or `*` ranges of element numbers); namespace NUL id NUL task -> another task's writes, behind
  the name of the task before it; namespace NUL id NUL NUL -> `<`, the first task, the newest (see `lua/_writes.lua`).

Each holds an entry with an empty name (in `checkpoints` it counts the changes), so no key vanishes by becoming empty: a
missing one was evicted, and that is said instead of reading an empty channel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from langchain_redis_memory.checkpoint.copying import ThreadContent
from langchain_redis_memory.checkpoint.layout import (
    CheckpointPage,
    CheckpointRecord,
    Elements,
    ListRanges,
    NewCheckpoint,
    NewValue,
    Step,
    TaskWrite,
    ThreadRead,
    elements_of,
    field_of,
    record_of,
    reference_of,
    spans,
    values_of,
    write_place,
    writes_of,
)
from langchain_redis_memory.errors import CorruptDataError, EvictedError, NotOwnerError
from langchain_redis_memory.ops import Arg, Op, Reply
from langchain_redis_memory.redis.key_groups import ThreadKeys
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.replies import pairs
from langchain_redis_memory.redis.scripts import command, script

MADE = [b"new"]
"""The reply to a write that made its thread."""


@dataclass(frozen=True)
class Thread:
    """Builds the ops of one thread.

    Args:
        space: The tenant's key builder.
        thread_id: The thread's id.
        asker: Who asks; "" for nobody in particular, who may see every thread.
    """

    space: KeySpace
    thread_id: str
    asker: str = ""

    @cached_property
    def keys(self) -> ThreadKeys:
        """The thread's keys."""
        return self.space.thread(self.thread_id)

    @cached_property
    def _all_keys(self) -> tuple[str, ...]:
        return self.keys.all()

    def _op(self, name: str, *args: Arg) -> Op[Any]:
        def read(replies: Sequence[Reply]) -> Any:
            reply = replies[0]
            if isinstance(reply, list) and reply and reply[0] == b"gone":
                lost = ", ".join(repr(key.decode()) for key in reply[1:])
                raise EvictedError(
                    f"thread {self.thread_id!r} is not whole: {lost} or a part of it is gone, evicted or deleted by "
                    "somebody. Use a maxmemory-policy that does not evict (noeviction), and delete_thread to start anew"
                )
            if reply == [b"owned"]:
                raise NotOwnerError(self._others())
            return reply

        return Op((script(name)(self._all_keys, *args),), read)

    def _checked(self, op: Op[Any], read: Any) -> Op[Any]:
        def decode(reply: Any) -> Any:
            try:
                return read(reply)
            except (ValueError, KeyError, IndexError, TypeError) as error:
                msg = f"thread {self.thread_id!r} holds bytes that this package did not write ({type(error).__name__})"
                raise CorruptDataError(msg) from error

        return op.map(decode)

    def put(
        self,
        record: NewCheckpoint,
        values: Sequence[NewValue],
        elements: Mapping[tuple[str, bytes], bytes],
        ttl_ms: int,
    ) -> Op[list[bytes]]:
        """Stores a checkpoint with its new values, and elements by channel and digest; the server marks its references.

        An op of one trip: digests of elements that the server does not have; if any, nothing was stored. `MADE` where
        the thread was not there before.
        """
        keys, (ns, name, parent, references, body) = self.keys, record
        body = keys.checkpoints.encrypt(body, f"{ns}\0{name}")
        args: list[Arg] = [str(ttl_ms), ns, name, parent, body, str(len(references)), str(len(values)), *references]
        for channel, reference, value, like in values:
            kind, data = "-", b""
            if isinstance(value, list):
                kind, data = "*" + like, b"".join(value)
            elif value is not None:
                kind, data = "+", keys.blobs.encrypt(value, f"b{ns}\0{reference}")
            args += [reference, channel, kind, data]
        return self._op("checkpoint/checkpoint_put", *args, *self._sent(elements), self.asker)

    def write(
        self,
        ns: str,
        checkpoint_id: str,
        task_id: str,
        writes: Sequence[TaskWrite],
        elements: Mapping[tuple[str, bytes], bytes],
        ttl_ms: int,
    ) -> Op[list[bytes]]:
        """Notes a task's writes at a checkpoint, with elements by channel and digest; gives what `put` gives."""
        args: list[Arg] = [str(ttl_ms), ns, checkpoint_id, task_id, str(len(writes))]
        for _, idx, path, channel, value in writes:
            if isinstance(value, list):
                body = b"*" + b"".join(value)
            else:
                body = b"+" + self.keys.writes.encrypt(
                    value, write_place(f"{ns}\0{checkpoint_id}", task_id, idx, channel)
                )
            args += [str(idx), path, channel, body]
        return self._op("checkpoint/checkpoint_write", *args, *self._sent(elements), self.asker)

    def _sent(self, elements: Mapping[tuple[str, bytes], bytes]) -> list[Arg]:
        args: list[Arg] = []
        for (channel, digest), element in elements.items():
            args += [channel, digest, self.keys.blobs.encrypt(element, f"e{channel}")]
        return args

    # --- decrypting what was read; without a cipher nothing is looked at here -----------------------------------------

    def _record(self, name: bytes, data: bytes) -> CheckpointRecord:
        record = record_of(name, data)
        return record._replace(body=self.keys.checkpoints.decrypt(record.body, _name(record)))

    def _elements(self, channels: list[list[bytes]]) -> Elements:
        key = self.keys.blobs
        if key.encrypts:
            channels = [
                [channel, ranges, *(key.decrypt(element, b"e" + channel) for element in elements)]
                for channel, ranges, *elements in channels
            ]
        return elements_of(channels)

    def _values(self, values: list[list[bytes]], elements: Elements) -> dict[str, bytes | list[bytes]]:
        found, key = values_of(values, elements), self.keys.blobs
        if key.encrypts:
            for name, value in found.items():
                if isinstance(value, bytes):
                    found[name] = key.decrypt(value, name)
        return found

    def _writes(self, name: str, tasks: list[bytes], elements: Elements) -> list[TaskWrite]:
        found, key = writes_of(tasks, elements), self.keys.writes
        if key.encrypts:
            for at, write in enumerate(found):
                if isinstance(write.value, bytes):
                    field = write_place(name, write.task_id, write.idx, write.channel)
                    found[at] = write._replace(value=key.decrypt(write.value, field))
        return found

    def read(self, ns: str | None, checkpoint_id: str = "", before: str = "", count: int = 1) -> Op[ThreadRead]:
        """Reads checkpoints with their values and writes, of a namespace or, for None, of all: one, or the newest.

        `before` is the id that they are older than (with NUL and its namespace where `ns` is None).
        """
        everywhere = "1" if ns is None else "0"

        def read(reply: Any) -> ThreadRead:
            records, writes, values, channels = reply
            elements = self._elements(channels)
            found = [self._record(name, data) for name, data in zip(records[::2], records[1::2], strict=True)]
            return ThreadRead(
                found,
                [self._writes(_name(one), data, elements) for one, data in zip(found, writes, strict=True)],
                self._values(values, elements),
            )

        return self._checked(
            self._op("checkpoint/checkpoint_read", ns or "", checkpoint_id, everywhere, before, str(count), self.asker),
            read,
        )

    def history(
        self, ns: str, checkpoint_id: str, channels: Sequence[str]
    ) -> Op[tuple[list[Step], Mapping[str, bytes | list[bytes]]]]:
        """Reads what delta channels of a checkpoint, or of the newest, are rebuilt from.

        An op of one trip: the ancestors, nearest first, and values by field.
        """

        def read(reply: Any) -> tuple[list[Step], Mapping[str, bytes | list[bytes]]]:
            steps, values, channels = reply
            elements = self._elements(channels)
            found = []
            for name, writes, *references in steps:
                space = name.decode().partition("\0")[0]
                seeds = [(ref.channel, field_of(space, ref)) for ref in map(reference_of, references)]
                found.append(Step(self._writes(name.decode(), writes, elements), seeds))
            return found, self._values(values, elements)

        return self._checked(self._op("checkpoint/checkpoint_history", ns, checkpoint_id, *channels, self.asker), read)

    def page(self, before: str, count: int) -> Op[CheckpointPage]:
        """Reads checkpoints without values, newest first, of all namespaces, those before (id, NUL, namespace)."""

        def read(reply: Any) -> CheckpointPage:
            revision, now, *rest = reply
            records = [self._record(*pair) for pair in zip(rest[::2], rest[1::2], strict=True) if pair[1]]
            return CheckpointPage(revision, int(now), records)

        return self._checked(self._op("checkpoint/checkpoint_page", before, count), read)

    def lists(self, fields: Sequence[str], records: Sequence[CheckpointRecord]) -> Op[ListRanges]:
        """Reads which elements lists consist of."""
        op = self._op("checkpoint/checkpoint_ranges", len(fields), *fields, *map(_name, records))

        def read(reply: Any) -> ListRanges:
            written = [
                [(channel.decode(), spans(text)) for channel, text in zip(flat[::2], flat[1::2], strict=True)]
                for flat in reply[len(fields) :]
            ]
            return ListRanges([spans(text) for text in reply[: len(fields)]], written)

        return self._checked(op, read)

    def drop(
        self, revision: bytes, records: Sequence[CheckpointRecord], fields: Sequence[str], *, dry: bool = False
    ) -> Op[int | None]:
        """Deletes checkpoints, and the values and elements that nothing else refers to, unless the thread has changed.

        An op of one trip: the bytes, with `dry` of what would go; None where its count of changes is no longer
        `revision`.
        """
        op = self._op("checkpoint/checkpoint_drop", revision, int(dry), len(records), *map(_name, records), *fields)
        return op.map(lambda reply: None if reply < 0 else int(reply))

    def delete(self) -> Op[None]:
        """Deletes the thread."""
        return Op((command("UNLINK", self.keys.all()),), lambda _replies: None)

    def lifetime(self, ttl_ms: int, how: str) -> Op[bool]:
        """Moves the lifetime of the whole thread; `how` is "touch" or "pin", see `redis/lua/_live.lua`.

        An op of one trip: whether the thread exists, and is not another user's.
        """
        return self._op("checkpoint/thread_lifetime", ttl_ms, how, self.asker).map(bool)

    def owned(self) -> Op[None]:
        """Raises `NotOwnerError` where the thread has an owner and it is not the asker."""

        def read(replies: Sequence[Reply]) -> None:
            if replies[0] not in {None, self.asker.encode()}:
                raise NotOwnerError(self._others())

        return Op((("HGET", self.keys.checkpoints, "owner"),), read)

    def _others(self) -> str:
        return f"thread {self.thread_id!r} belongs to another user"

    def content(self) -> Op[ThreadContent | None]:
        """Reads all that the thread holds; None where it does not exist."""

        def read(reply: Any) -> ThreadContent | None:
            if not reply:
                return None
            checkpoints, order, blobs, writes = reply
            return ThreadContent(dict(pairs(checkpoints)), tuple(order), dict(pairs(blobs)), dict(pairs(writes)))

        return self._checked(self._op("checkpoint/thread_dump"), read)

    def fill(self, content: ThreadContent, ttl_ms: int) -> Op[bool]:
        """Makes the thread of what another holds.

        An op of one trip: False where it exists, and then nothing was changed.
        """
        hashes = (content.checkpoints, content.blobs, content.writes)
        args: list[Arg] = [ttl_ms, len(content.order), *map(len, hashes), *content.order]
        args += [part for entries in hashes for entry in entries.items() for part in entry]
        return self._op("checkpoint/thread_restore", *args).map(bool)


def _name(record: CheckpointRecord) -> str:
    return f"{record.ns}\0{record.id}"
