"""Spool: what waits in an outbox, on disk as well, so that a crash loses none of it.

A folder holds a file for each process, which only the process that has locked it writes to: frames of length, checksum
and body, each on disk (fsync) before the caller goes on. A process that starts takes over the files of those that have
ended. A damaged frame is passed over; a damaged end, such as one that was being written when the machine went down, is
cut off.
"""

from __future__ import annotations

import errno
import logging
import os
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from langchain_core.messages import BaseMessage

from langchain_redis_memory.checks import check_path
from langchain_redis_memory.errors import ConfigError, CorruptDataError, FormatVersionError
from langchain_redis_memory.frozen import replace
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.ops import Arg, Call, Op
from langchain_redis_memory.redis.codec.messages import decode_messages
from langchain_redis_memory.redis.codec.values import pack, unpack_raw
from langchain_redis_memory.redis.codec.version import VERSION, check_version
from langchain_redis_memory.redis.keys import KeySpace

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, where nothing is locked
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger(__name__)

_FRAME = struct.Struct(">II")
_FILES = "[0-9]*-*.outbox"
_FILE_BYTES = 16 * 1024 * 1024


class SpooledWrite(NamedTuple):
    """A write as it is spooled: all that is needed to make it in another process.

    Args:
        prefix: Start of its keys.
        tenant: Whose conversation it is.
        agent: The agent.
        session_id: The conversation.
        ttl_ms: Its lifetime.
        max_messages: Most messages kept.
        max_tokens: Most tokens kept.
        trip: The key of the trip that was tried.
        pairs: The messages, see `Transcript.pairs`; encrypted where there is a cipher.
        user: The user whose it is, "" for nobody's.
    """

    prefix: str
    tenant: str
    agent: str
    session_id: str
    ttl_ms: int
    max_messages: int
    max_tokens: int
    trip: str
    pairs: list[Arg]
    user: str = ""

    @classmethod
    def of(cls, transcript: Transcript, op: Op[Any]) -> SpooledWrite:
        """Describes the op that adds messages to a conversation."""
        adds = (call for call in op.commands if isinstance(call, Call) and call.script.name == Transcript.ADD)
        call, space = next(adds), transcript.space
        kept = (transcript.ttl_ms, transcript.max_messages, transcript.max_tokens)
        pairs = list(call.args[Transcript.PAIRS :])
        return cls(
            space.prefix,
            space.tenant,
            transcript.agent,
            transcript.session_id,
            *kept,
            call.keys[-1],
            pairs,
            transcript.user,
        )

    def made(self, space: KeySpace) -> tuple[Transcript, list[BaseMessage], Op[Any]]:
        """Makes the conversation, its messages and the op again."""
        kept = (self.ttl_ms, self.max_messages, self.max_tokens)
        own = replace(space, prefix=self.prefix, tenant=self.tenant)
        transcript = Transcript(own, self.session_id, self.agent, *kept, user=self.user)
        records = [record for record in self.pairs[1::2] if isinstance(record, bytes) and record]
        messages = decode_messages(records, transcript.keys.messages)
        return transcript, messages, transcript.write(self.pairs, trip=self.trip)


class _File:
    """One file, locked by this process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.live: set[int] = set()
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if fcntl is not None:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self.is_gone():  # whoever had locked it has just removed it
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        except OSError:
            self.close()
            raise

    def append(self, *what: Any) -> None:
        body = VERSION + pack(list(what), "a write")
        frame = memoryview(_FRAME.pack(len(body), crc32(body)) + body)
        whole = self.size()
        try:
            while frame:
                frame = frame[os.write(self._fd, frame) :]
            os.fsync(self._fd)
        except OSError:
            os.truncate(self._fd, whole)  # half a frame would end the file for whoever reads it
            raise

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def is_gone(self) -> bool:
        """Returns whether its name is no more: what is written to it then, nobody finds."""
        return not os.fstat(self._fd).st_nlink

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            self.close()

    def read(self) -> dict[int, SpooledWrite]:
        """Reads what is not done, passes over damaged frames, and cuts a damaged end off."""
        data, good, writes = self.path.read_bytes(), 0, dict[int, SpooledWrite]()
        for start, end, body in _frames(data):
            if good < start:
                _log.error("%d bytes in the middle of %s are damaged and ignored", start - good, self.path)
            good = end
            try:
                kind, number, *rest = unpack_raw(check_version(body, str(self.path)))
                if kind == "put":
                    writes[number] = SpooledWrite(*rest)
                else:
                    writes.pop(number, None)
            except CorruptDataError:
                raise
            except Exception as error:  # noqa: BLE001 - of many kinds, where the bytes are damaged
                _log.error("byte %d to %d of %s are damaged and ignored: %r", start, end, self.path, error)
        if good < len(data):
            _log.warning("%d bytes at the end of %s are damaged and ignored", len(data) - good, self.path)
            os.truncate(self._fd, good)
        self.live = set(writes)
        return writes

    def empty(self, *, remove: bool) -> None:
        os.truncate(self._fd, 0)
        if remove:
            self.path.unlink(missing_ok=True)
            self.close()


def _frames(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yields the sound frames: where each begins and ends, and its body."""
    at = 0
    while at + _FRAME.size <= len(data):
        size, check = _FRAME.unpack_from(data, at)
        start, at = at, at + _FRAME.size + size
        body = data[start + _FRAME.size : at]
        if len(body) == size and crc32(body) == check:
            yield start, at, body


class Spool:
    """The files of one outbox, in a folder that is made where it is missing; processes may share it.

    Raises `ConfigError`: it cannot be used.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        check_path(folder, "spool", ConfigError)
        self._folder = Path(folder)
        self._own: _File | None = None
        self._of: dict[int, tuple[_File, int]] = {}
        self._lock = threading.Lock()
        try:
            self._make_folder()
            if not os.access(self._folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            msg = f"the spool {str(folder)!r} cannot be used: {error}; name a folder that this process may write to"
            raise ConfigError(msg) from error

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _new(self) -> _File:
        while True:
            self._make_folder()
            with suppress(BlockingIOError, FileNotFoundError):  # another process has just taken it over as left
                last = max((path.name.partition("-")[0] for path in self._folder.glob(_FILES)), default="0")
                made = _File(self._folder / f"{int(last) + 1:09d}-{os.getpid()}-{os.urandom(4).hex()}.outbox")
                folder = os.open(self._folder, os.O_RDONLY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
                return made

    def left(self) -> Iterator[tuple[SpooledWrite, Callable[[int], None]]]:
        """Takes over what processes that have ended left, the oldest file first.

        Yields the writes in order, each with what to call with the number that it gets here.
        """
        own = None if self._own is None else self._own.path
        for path in sorted(self._folder.glob(_FILES)):
            if path == own:
                continue
            try:
                file = _File(path)
            except OSError:  # its process lives, or another one has just taken it over
                continue
            try:
                writes = file.read()
            except FormatVersionError as error:
                _log.error("what waits there is left to a process that can read it: %s", error)
                file.close()
                continue
            for place, write in sorted(writes.items()):
                yield write, partial(self._number, file, place)
            if not writes:
                file.empty(remove=True)
            elif file not in self._files():  # nothing of it could be read
                file.close()

    def _number(self, file: _File, place: int, number: int) -> None:
        self._of[number] = (file, place)

    def put(self, number: int, write: SpooledWrite) -> None:
        """Writes down what waits; it is on disk when this returns."""
        with self._lock:
            if self._own is not None and self._own.is_gone():
                _log.error("%s was removed: what it held is in this process only", self._own.path)
                self._own = None
            if self._own is None or self._own.size() > _FILE_BYTES:
                self._own = self._new()
            self._own.append("put", number, *write)
            self._own.live.add(number)
            self._of[number] = (self._own, number)

    def done(self, numbers: Iterable[int]) -> None:
        """Notes that writes are stored; what a full disk has no room to note is so when its file is emptied."""
        failed: OSError | None = None
        with self._lock:
            for number in numbers:
                if number not in self._of:
                    continue
                file, place = self._of.pop(number)
                file.live.discard(place)
                try:
                    if file.live:
                        file.append("done", place)
                    else:
                        file.empty(remove=file is not self._own)
                except OSError as error:
                    failed = error
        if failed is not None:
            raise failed

    def _files(self) -> set[_File]:
        return {file for file, _ in self._of.values()} | (set() if self._own is None else {self._own})

    def close(self) -> None:
        """Leaves the files as they are, to the next process; one that holds nothing is removed."""
        with self._lock:
            for file in self._files():
                if not file.live:
                    file.empty(remove=True)
        self.forget()

    def forget(self) -> None:
        """Closes the files; in the child of a process they stay open and locked for the parent."""
        for file in self._files():
            file.close()
        self._own, self._of, self._lock = None, {}, threading.Lock()
