"""Files by their paths: each is written by compare-and-set, and found by an index of names, without its content.

All files of a namespace are one hash and one sorted set of names in byte order: what is beneath a folder is one range.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import NamedTuple, TypeVar

from langchain_redis_memory.errors import ConflictError, CorruptDataError, InvalidInputError
from langchain_redis_memory.ops import Flow, Op, Reply, ask
from langchain_redis_memory.redis.codec.version import check_version
from langchain_redis_memory.redis.key_groups import FileKeys
from langchain_redis_memory.redis.scripts import script

T = TypeVar("T")

_HEAD = re.compile(rb"([0-9a-f]{16}) (\d{1,15}) (\d{1,15}) (\d{1,15})")
_ATTEMPTS = 24
_PAGE, _PAGE_BYTES = 500, 4 * 1024 * 1024
"""How many files are read at once, and of what size together."""


class FileHead(NamedTuple):
    """The facts about a file, without its content.

    Args:
        path: Its path.
        version: Another one after each write.
        created: When it was made (UTC, the server's clock).
        modified: When it was last written.
        size: Bytes of its content.
    """

    path: str
    version: str
    created: datetime
    modified: datetime
    size: int


class StoredFile(NamedTuple):
    """A file: its head and its content."""

    head: FileHead
    content: bytes


@dataclass(frozen=True)
class Files:
    """Builds the ops and flows of one namespace's files, which live for `ttl_ms` from the last write, 0 for ever."""

    keys: FileKeys
    ttl_ms: int

    def read(self, path: str) -> Op[StoredFile | None]:
        """Reads a file. An op of one trip: the file, None where there is none."""
        return Op((("HGET", self.keys.files, _spelled(path)),), lambda replies: self._file(path, replies[0]))

    def write(self, path: str, content: bytes | None, seen: str = "*") -> Op[bool | StoredFile | None]:
        """Writes a file, or removes it for None, where its version is still the one `seen`: "" for none, "*" for any.

        An op of one trip: True where it stands; else the file that somebody else wrote, None where it was removed.
        """
        keys, name = self.keys, _spelled(path)
        size = "" if content is None else len(content)
        body = b"" if content is None else keys.files.encrypt(content, name)
        call = script("store/files_write")(
            (keys.files, keys.names), name, seen, os.urandom(8).hex(), size, body, self.ttl_ms
        )
        return Op((call,), lambda replies: True if replies[0] == 1 else self._file(path, replies[0] or None))

    def revise_flow(self, path: str, change: Callable[[bytes], bytes | T]) -> Flow[T | None]:
        """Changes a file by compare-and-set: what others write meanwhile is never lost.

        Gives None where it was changed, else what `change` gave in place of a content. A flow of two trips, and one
        more for each time that somebody else was faster. Raises `FileNotFoundError`: there is no such file. Raises
        `ConflictError`: others were faster each time.
        """
        file: StoredFile | bool | None = yield from ask(self.read(path))
        for _ in range(_ATTEMPTS):
            if not isinstance(file, StoredFile):
                raise FileNotFoundError(path)
            made = change(file.content)
            if not isinstance(made, bytes):
                return made
            file = yield from ask(self.write(path, made, file.head.version))
            if file is True:
                return None
        msg = f"the file {path!r} was changed by others {_ATTEMPTS} times while it was being changed here; try again"
        raise ConflictError(msg)

    def beneath(self, path: str) -> Op[list[FileHead]]:
        """Finds the file of a path and all that are beneath it, "/" for all.

        An op of one trip: the heads, in order of paths.
        """
        folder = _spelled(path.rstrip("/"))
        ranges = [(b"[" + folder + b"/", b"(" + folder + b"0")]  # "0" comes after "/"
        if folder:
            ranges.insert(0, (b"[" + folder + b"\0", b"(" + folder + b"\1"))
        commands = tuple(("ZRANGEBYLEX", self.keys.names, start, end) for start, end in ranges)
        return Op(commands, lambda replies: [self._head(*_halves(name)) for names in replies for name in names])

    def read_many_flow(self, heads: Sequence[FileHead], text: str = "") -> Flow[list[StoredFile]]:
        """Reads files, or only those that hold a text; the server looks for it where contents are not encrypted.

        A flow of one trip for each 500 files or 4 MB.
        """
        files, sought = self.keys.files, b"" if self.keys.files.encrypts else text.encode("utf-8", "replace")
        read: list[StoredFile] = []
        for page in _pages(heads):
            call = script("store/files_read")((files,), sought, *(_spelled(one.path) for one in page))
            pairs = yield from ask(Op((call,), lambda replies: replies[0]))
            for path, record in zip(pairs[::2], pairs[1::2], strict=True):
                file = self._file(path.decode(), record)
                if file is not None:
                    read.append(file)
        return read

    def _file(self, path: str, record: Reply) -> StoredFile | None:
        if record is None:
            return None
        head, newline, content = check_version(record, self.keys.files).partition(b"\n")
        if not newline:
            raise CorruptDataError(self._damaged())
        return StoredFile(self._head(path, head), self.keys.files.decrypt(content, _spelled(path)))

    def _head(self, path: str, head: bytes) -> FileHead:
        parts = _HEAD.fullmatch(head)
        if parts is None:
            raise CorruptDataError(self._damaged())
        created, modified, size = (int(part) for part in parts.groups()[1:])
        return FileHead(path, parts[1].decode(), _time(created), _time(modified), size)

    def _damaged(self) -> str:
        return f"{self.keys.files!r} holds bytes that were not written by this package, or are damaged"


def _halves(name: bytes) -> tuple[str, bytes]:
    path, _, head = name.partition(b"\0")
    return path.decode(), head


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


def _spelled(path: str) -> bytes:
    try:
        spelled = path.encode()
    except UnicodeEncodeError:
        spelled = b"\0"
    if b"\0" in spelled:
        raise InvalidInputError(f"the path {path!r} holds a zero byte or has no UTF-8 form")
    return spelled


def _pages(heads: Sequence[FileHead]) -> Iterator[list[FileHead]]:
    page: list[FileHead] = []
    size = 0
    for one in heads:
        if page and (len(page) >= _PAGE or size + one.size > _PAGE_BYTES):
            yield page
            page, size = [], 0
        page.append(one)
        size += one.size
    if page:
        yield page
