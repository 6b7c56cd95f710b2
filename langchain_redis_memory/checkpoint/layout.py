"""Storage layout of a thread: record types and their encoding.

Names never hold NUL, so NUL parts them; byte strings follow each other as netstrings (`3:abc`), which a script can
read as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from langgraph.checkpoint.base import writes_sort_key

from langchain_redis_memory.checks import check_text
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.redis.codec.version import check_version

Version = str | int | float
Elements = Mapping[bytes, Mapping[int, bytes]]

"""The first byte of a checkpoint's record; `checkpoint_put.lua` writes it."""
_FRONT = 14  # the version, and 13 digits of milliseconds
_VERSION = "a channel version"


class Reference(NamedTuple):
    """A channel's version at a checkpoint; `mark` says whether it has a value (`+`, before also `*`) or none (`-`)."""

    mark: str
    channel: str
    version: Version


class CheckpointRecord(NamedTuple):
    """A stored checkpoint without its values.

    `body` is a blob of the checkpoint and its metadata; `written_ms` is when the server stored it, by its own clock.
    """

    ns: str
    id: str
    parent: str
    references: list[Reference]
    body: bytes
    written_ms: int = 0


class NewCheckpoint(NamedTuple):
    """A checkpoint to be stored; its references are as `spell_reference` gives them, the server knows their marks."""

    ns: str
    id: str
    parent: str
    references: list[str]
    body: bytes


class TaskWrite(NamedTuple):
    """A task's write; `value` is a blob, or the elements of a list: their digests on the way to the server, what is
    stored of them on the way back.
    """

    task_id: str
    idx: int
    path: str
    channel: str
    value: bytes | list[bytes]


class ThreadRead(NamedTuple):
    """The result of a read: checkpoints, their writes in the order of execution, and the values they share.

    `values` maps the field of a value to a blob, or to the stored elements of a list.
    """

    records: list[CheckpointRecord]
    writes: list[list[TaskWrite]]
    values: Mapping[str, bytes | list[bytes]]


class Step(NamedTuple):
    """An ancestor on the way to what delta channels are rebuilt from; `seeds` are the channels whose walk ends here."""

    writes: list[TaskWrite]
    seeds: list[tuple[str, str]]


class ListRanges(NamedTuple):
    """Ranges of element numbers: of values, and for each checkpoint of the lists in its writes, with their channels."""

    values: list[list[tuple[int, int]]]
    written: list[list[tuple[str, list[tuple[int, int]]]]]


class CheckpointPage(NamedTuple):
    """Checkpoints without values, newest first, the thread's count of changes, and the server's time."""

    revision: bytes
    now_ms: int
    records: list[CheckpointRecord]


class NewValue(NamedTuple):
    """A channel's new value: nothing, a blob, or the digests of a list's elements; and the reference to it.

    `like` is the reference to the list with which this one begins, as far as is known; empty for none.
    """

    channel: str
    reference: str
    body: bytes | list[bytes] | None
    like: str = ""


def spell_reference(channel: str, version: Version) -> str:
    """Spells a channel's version.

    Raises:
        InvalidInputError: The channel is not a text, or the version cannot be spelled.
    """
    return f"{utf8(channel, 'a channel')}\0{spell_version(version)}"


def spell_version(version: Version) -> str:
    """Spells a version as text that keeps its type.

    Raises `InvalidInputError`: it is neither a number nor a text, or holds NUL.
    """
    if version.__class__ is int:
        return f"i{version}"
    if isinstance(version, str):
        return "s" + no_nul(version, _VERSION)
    if isinstance(version, bool) or not isinstance(version, int | float):
        raise InvalidInputError(f"a channel version must be a str, int or float, got {type(version).__name__}")
    return f"i{version}" if isinstance(version, int) else f"f{version!r}"


def _version(text: str) -> Version:
    kinds: dict[str, Callable[[str], Version]] = {"i": int, "f": float, "s": str}
    return kinds[text[0]](text[1:])


def utf8(text: str, what: str) -> str:
    """Checks that a text has a UTF-8 form. Raises `InvalidInputError`: it is not a string, or has no UTF-8 form."""
    if text.__class__ is str and text.isascii():
        return text
    check_text(text, what)
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InvalidInputError(f"{what} must not hold lone surrogates")
    return text


def no_nul(text: str, what: str) -> str:
    """Checks that a text can be part of a field's name.

    Raises `InvalidInputError`: it is not a string, holds NUL, or has no UTF-8 form.
    """
    if text.__class__ is str and text.isascii() and "\0" not in text:
        return text
    if "\0" in utf8(text, what):
        raise InvalidInputError(f"{what} must not hold NUL")
    return text


def field_of(ns: str, reference: Reference) -> str:
    """Names the field of `blobs` that holds a value."""
    return f"b{ns}\0{reference.channel}\0{spell_version(reference.version)}"


def netstring(data: bytes) -> bytes:
    """Spells bytes with their length in front."""
    return b"%d:%s" % (len(data), data)


def write_place(checkpoint: str, task_id: str, idx: int, channel: str) -> str:
    """Names a write within a thread, for the cipher; `checkpoint` is namespace NUL id."""
    return f"{checkpoint}\0{task_id}\0{idx}\0{channel}"


def netstrings(data: bytes) -> list[bytes]:
    """Parses byte strings that follow each other, each with its length in front."""
    found, at = [], 0
    while at < len(data):
        colon = data.index(b":", at)
        stop = colon + 1 + int(data[at:colon])
        found.append(data[colon + 1 : stop])
        at = stop
    return found


def record_of(name: bytes, data: bytes) -> CheckpointRecord:
    """Parses a checkpoint from its field's name and value."""
    ns, _, checkpoint_id = name.decode().partition("\0")
    check_version(data, f"checkpoint {checkpoint_id}")
    colon = data.index(b":", _FRONT)
    stop = colon + 1 + int(data[_FRONT:colon])
    parent, *references = netstrings(data[colon + 1 : stop])
    return CheckpointRecord(
        ns,
        checkpoint_id,
        parent.decode(),
        [reference_of(part) for part in references],
        data[stop:],
        int(data[1:_FRONT]),
    )


def reference_of(part: bytes) -> Reference:
    """Parses a reference from a netstring of a record's front."""
    channel, _, version = part[1:].decode().rpartition("\0")
    return Reference(chr(part[0]), channel, _version(version))


def writes_of(tasks: list[bytes], elements: Elements) -> list[TaskWrite]:
    """Parses a checkpoint's writes, in the order in which they are applied, from tasks and their fields in turn."""
    found = []
    for task, stored in zip(tasks[::2], tasks[1::2], strict=True):
        parts = netstrings(stored)
        del parts[: len(parts) % 4]  # what is in front of them is for scripts
        for idx, path, channel, value in zip(parts[::4], parts[1::4], parts[2::4], parts[3::4], strict=True):
            body = _elements(channel, value, elements) if value[:1] == b"*" else value[1:]
            found.append(TaskWrite(task.decode(), int(idx), path.decode(), channel.decode(), body))
    return sorted(found, key=lambda write: writes_sort_key(write.path, write.task_id, write.idx))


def elements_of(channels: list[list[bytes]]) -> Elements:
    """Elements by channel and number."""
    return {channel: dict(zip(_numbers(ranges), elements, strict=True)) for channel, ranges, *elements in channels}


def values_of(values: list[list[bytes]], elements: Elements) -> dict[str, bytes | list[bytes]]:
    """Blobs, or the stored elements of lists, by field."""
    found: dict[str, bytes | list[bytes]] = {}
    for field, value in zip(*values, strict=True):
        if value[:1] == b"*":
            channel = field[1:].partition(b"\0")[2].rpartition(b"\0")[0]
            found[field.decode()] = _elements(channel, value, elements)
        else:
            found[field.decode()] = value[1:]
    return found


def _elements(channel: bytes, value: bytes, elements: Elements) -> list[bytes]:
    by_number = elements.get(channel, {})
    return list(map(by_number.__getitem__, _numbers(value[1:])))


def _numbers(spelled: bytes) -> Iterator[int]:
    return chain.from_iterable(range(first, last + 1) for first, last in spans(spelled))


def spans(spelled: bytes) -> list[tuple[int, int]]:
    """Parses the ranges of element numbers of a list, as `1-57,60` spells them."""
    pairs = (part.partition(b"-") for part in spelled.split(b",") if part)
    return [(int(first), int(last or first)) for first, _, last in pairs]
