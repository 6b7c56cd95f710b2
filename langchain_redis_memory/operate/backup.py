"""Backup and restore as JSON lines: of any server into any other, single or cluster, older or newer.

The names of keys are the same on every topology, so a line is a key: its name, its type, when it expires and its value,
bytes in base64. No DUMP, whose form belongs to a server's version. Each key is read at one moment, the keys of one
conversation or thread at moments close by: a snapshot of all at once is the server's own (RDB).

A key is restored aside and moved to its place when it is whole. What was encrypted stays so, under the same secrets.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_redis_memory.errors import ConfigError, CorruptDataError, InvalidInputError, ServerError
from langchain_redis_memory.ops import Arg, Command, Emit, Flow, Op, Reply, ask, merge
from langchain_redis_memory.redis.capabilities import Server
from langchain_redis_memory.redis.key_parts import KeyParts, parse_key
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.nodes import KeyScan, ask_node
from langchain_redis_memory.redis.replies import pairs
from langchain_redis_memory.redis.scripts import command, script

FORMAT = "langchain-redis-memory backup"
VERSION = 1
PASSING = frozenset(("trip", "lease", "places", "queue"))
"""Kinds that are of use for a moment only, and are not backed up."""

_AT_ONCE = 100
_CHUNK = 500
_ASIDE_MS = 3_600_000
_QUANTIZATION = {"f32": "NOQUANT", "int8": "Q8", "bin": "BIN"}

Line = dict[str, Any]


@dataclass
class RestoreReport:
    """The report of a restore.

    Args:
        restored: How many keys.
        skipped: How many were there already and stayed as they were.
        expired: How many had expired since the backup.
        others: How many were left out because they are other tenants'.
        failed: Keys that the server refused, with why.
    """

    restored: int = 0
    skipped: int = 0
    expired: int = 0
    others: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether the server refused nothing."""
        return not self.failed


# --- backup -----------------------------------------------------------------------------------------------------------


def backup_flow(space: KeySpace, pattern: str) -> Flow[int]:
    """Emits a header, a line for each key, and a last line with their number. **Keys:** those of the pattern.

    **Trips:** 2, and 1 for each 1,000 keys of the server and each 100 keys that are read.
    """
    scan, done = KeyScan(space, pattern), set[str]()
    yield Emit(({"format": FORMAT, "version": VERSION, "prefix": space.prefix},))
    while not scan.ended:
        parts = [(name, parse_key(name, space.prefix)) for name in (yield from scan.page_flow())]
        names = list({name: None for name, one in parts if _lasts(one) and name not in done})
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            values = yield from ask(merge(*(_read(name) for name in some)))
            lines = [line for line in values if line is not None]
            done.update(line["key"] for line in lines)
            yield Emit(lines)
    yield Emit(({"end": len(done)},))
    return len(done)


def _lasts(parts: KeyParts | None) -> bool:
    return parts is not None and parts.kind not in PASSING and parts.more != "restoring"


def _read(name: str) -> Op[Line | None]:
    def read(replies: Sequence[Reply]) -> Line | None:
        if not replies[0]:
            return None
        kind, expiry, value = replies[0]
        line = {"key": name, "type": _text(kind), "expires_ms": int(expiry) or None}
        return {**line, "value": _vectors(value) if line["type"] == "vectorset" else _packed(value)}

    return Op((script("operate/backup_read")((name,)),), read)


def _packed(value: Reply) -> Any:
    """Spells bytes in base64, within lists."""
    return [_packed(one) for one in value] if isinstance(value, list) else b64encode(value).decode()


def _vectors(value: list[Reply]) -> list[Any]:
    """Spells a vector set: its settings, then each element with its attributes and numbers."""
    elements = [one for one in value if isinstance(one, list)]
    fields = {_text(name): _text(what) for name, what in pairs(value[: len(value) - len(elements)])}
    rows = [[_packed(name), _packed(about), [float(number) for number in row]] for name, about, row in elements]
    return [{"quant": fields["quant-type"], "links": int(fields.get("hnsw-m", 16))}, *rows]


# --- restore ----------------------------------------------------------------------------------------------------------


def restore_flow(
    space: KeySpace,
    lines: Iterable[Mapping[str, Any]],
    progress: Callable[[int], object] | None,
    server: Server,
    *,
    replace: bool,
    tenant: str | None = None,
) -> Flow[RestoreReport]:
    """Writes the keys of a backup, all or one tenant's, over what is there with `replace`.

    `progress` gets how many lines are done. Raises `InvalidInputError`: the lines are not a backup, or end too early.
    Raises `ConfigError`: it is of another prefix.

    **Keys:** those of the backup.
    **Trips:** 1, and 2 for each 100 keys; 1 for each further 500 elements of a key.
    """
    report, batch, done, end = RestoreReport(), list[Mapping[str, Any]](), 0, None
    rest = iter(lines)
    _check_header(next(rest, {}), space.prefix)
    time = yield from ask(ask_node(space.key("probe", "", ""), "TIME"))
    now_ms = int(time[0]) * 1000 + int(time[1]) // 1000
    for line in rest:
        if "end" in line:
            end = line["end"]
            break
        done += 1
        parts = _parts_of(line, space.prefix)
        if tenant not in {None, parts.tenant}:
            report.others += 1
        elif (line.get("expires_ms") or now_ms + 1) <= now_ms:
            report.expired += 1
        elif line.get("type") == "vectorset" and "vector_sets" not in server.engines:
            report.failed[line["key"]] = "the server has no vector sets"
        else:
            batch.append(line)
        if len(batch) == _AT_ONCE:
            yield from _write_flow(batch, report, replace=replace)
            batch.clear()
            if progress is not None:
                progress(done)
    yield from _write_flow(batch, report, replace=replace)
    if end != done:
        msg = f"the backup ends early: {done} keys were read and written, and its last line is missing or tells {end}"
        raise InvalidInputError(msg)
    return report


def _check_header(header: Mapping[str, Any], prefix: str) -> None:
    if header.get("format") != FORMAT or header.get("version") != VERSION:
        msg = f"these lines are not a backup of this package: the first one must be a header with format {FORMAT!r}"
        raise InvalidInputError(msg)
    if header.get("prefix") != prefix:
        raise ConfigError(
            f"the backup is of prefix {header.get('prefix')!r}: restore it with a client of that prefix, not {prefix!r}"
        )


def _parts_of(line: Mapping[str, Any], prefix: str) -> KeyParts:
    key = line.get("key")
    parts = parse_key(key, prefix) if isinstance(key, str) else None
    if parts is None or not isinstance(line.get("value"), list):
        raise InvalidInputError(f"a line of the backup is not a key of this package: {str(key)[:100]!r}")
    return parts


def _write_flow(batch: Sequence[Mapping[str, Any]], report: RestoreReport, *, replace: bool) -> Flow[None]:
    """Writes keys aside, then moves those to their places that are whole."""
    steps = {line["key"]: list(_steps(line)) for line in batch}
    while any(steps.values()):
        some = [(key, left.pop(0)) for key, left in steps.items() if left]
        for (key, _), why in zip(some, (yield from ask(merge(*(_tried(op) for _, op in some)))), strict=True):
            if why:
                report.failed[key] = why
                steps[key].clear()
    whole = [line for line in batch if line["key"] not in report.failed]
    places = [_place(line, replace=replace) for line in whole]
    for line, moved in zip(whole, (yield from ask(merge(*places))), strict=True):
        if isinstance(moved, str):
            report.failed[line["key"]] = moved
        elif moved:
            report.restored += 1
        else:
            report.skipped += 1


def _tried(commands: tuple[Command, ...]) -> Op[str]:
    """Runs commands: the result is why they failed, "" where they did not."""

    def read(replies: Sequence[Reply]) -> str:
        return next((str(reply) for reply in replies if isinstance(reply, ServerError)), "")

    return Op(commands, read, tolerant=True)


def _place(line: Mapping[str, Any], *, replace: bool) -> Op[bool | str]:
    def read(replies: Sequence[Reply]) -> bool | str:
        return str(replies[0]) if isinstance(replies[0], ServerError) else bool(replies[0])

    keys = (line["key"], _aside(line["key"]))
    call = script("operate/restore_place")(keys, line.get("expires_ms") or 0, int(replace))
    return Op((call,), read, tolerant=True)


def _aside(key: str) -> str:
    return f"{key}:restoring"


def _steps(line: Mapping[str, Any]) -> Iterator[tuple[Command, ...]]:
    """Spells the commands that write a key aside, a chunk of its elements at a time; each may be sent again."""
    aside = _aside(line["key"])
    for number, chunk in enumerate(_chunks(line)):
        # The first one begins anew wherever it is sent again; of the others each command must run once.
        begun: tuple[Command, ...] = () if number else (("UNLINK", aside),)
        calls = [command(verb, (aside,), *args) if number else (verb, aside, *args) for verb, *args in chunk]
        yield (*begun, *calls, ("PEXPIRE", aside, _ASIDE_MS))


def _chunks(line: Mapping[str, Any]) -> Iterator[list[tuple[Any, ...]]]:
    """Spells the commands without their key."""
    kind, value = line["type"], line["value"]
    if kind == "vectorset":
        about, *rows = value
        quant, links = _QUANTIZATION.get(about["quant"], "NOQUANT"), about["links"]
        for start in range(0, len(rows), _CHUNK):
            yield [_vadd(row, quant, links) for row in rows[start : start + _CHUNK]]
        return
    try:
        parts = _unpacked(value)
    except ValueError as error:
        raise CorruptDataError(f"the value of {line['key']!r} in the backup is damaged") from error
    if kind == "stream":
        for start in range(0, len(parts), _CHUNK):
            yield [("XADD", one, *fields) for one, fields in parts[start : start + _CHUNK]]
        return
    if kind == "zset":
        parts = [part for member, score in zip(parts[::2], parts[1::2], strict=True) for part in (score, member)]
    verb = {"string": "SET", "hash": "HSET", "list": "RPUSH", "set": "SADD", "zset": "ZADD"}[kind]
    for start in range(0, len(parts), 2 * _CHUNK):
        yield [(verb, *parts[start : start + 2 * _CHUNK])]


def _vadd(row: Sequence[Any], quant: str, links: int) -> tuple[Any, ...]:
    element, about, numbers = b64decode(row[0]), b64decode(row[1]), row[2]
    more: tuple[Arg, ...] = ("SETATTR", about) if about else ()
    return ("VADD", "VALUES", len(numbers), *map(repr, numbers), element, quant, *more, "M", links)


def _unpacked(value: Any) -> Any:
    return [_unpacked(one) for one in value] if isinstance(value, list) else b64decode(value, validate=True)


def _text(value: Reply) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
