"""`backup` and `restore`: everything that lasts, as JSON lines, from any server to any other."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from langchain_redis_memory.cli.audit import audited
from langchain_redis_memory.cli.base import (
    CHANGE,
    NOT_WELL,
    AnyTenant,
    Json,
    Prefix,
    Redis,
    app,
    counter,
    opened,
    plain_errors,
    say,
    show_failed,
    show_json,
)
from langchain_redis_memory.errors import ConfigError, InvalidInputError


@app.command(rich_help_panel=CHANGE)
def backup(
    file: Annotated[Path, typer.Argument(help="Where to; a name that ends with .gz is compressed.")],
    redis: Redis = None,
    tenant: AnyTenant = None,
    prefix: Prefix = None,
    as_json: Json = False,
) -> None:
    """Write everything that lasts to a file, a line of JSON for each key.

    The file is readable by you alone: it holds what was said, unless a cipher encrypted it. An existing file is not
    written over; one that is not whole is left as FILE.part.

    Example: langchain-redis-memory backup memory.jsonl.gz --redis redis://localhost:6379/0
    """
    from langchain_redis_memory.operate.operations import RedisOperations

    keys = 0
    with plain_errors():
        if file.exists():
            raise ConfigError(f"{file} is there already: name another file")
        part = file.with_name(f"{file.name}.part")
        with opened(redis, prefix) as client:
            client.server()  # what is wrong with it is said before anything is shown
            with counter("keys") as show_keys, _written(part, packed=file.suffix == ".gz") as out:
                for line in RedisOperations(client, tenant=tenant).backup():
                    out.write(json.dumps(line, separators=(",", ":")) + "\n")
                    keys += "key" in line
                    show_keys(keys)
        part.replace(file)
    if as_json:
        show_json({"file": str(file), "keys": keys, "bytes": file.stat().st_size})
    else:
        say(f"{keys:,} keys in {file}")


@app.command(rich_help_panel=CHANGE)
def restore(
    file: Annotated[Path, typer.Argument(help="What `backup` wrote.")],
    redis: Redis = None,
    tenant: AnyTenant = None,
    prefix: Prefix = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over keys that are there.")] = False,
    as_json: Json = False,
) -> None:
    """Write a backup to a server, of whatever topology; keys that are there stay unless --replace is given.

    Exits with 3 where the server refused some.

    Example: langchain-redis-memory restore memory.jsonl.gz --redis redis+cluster://a:7000,b:7000
    """
    from langchain_redis_memory.operate.operations import RedisOperations

    with opened(redis, prefix) as client:
        client.server()
        with counter("keys") as show_keys, audited(client, tenant or "", "restore", file.name) as audit_note:
            operations = RedisOperations(client, tenant=tenant)
            report = operations.restore(_lines(file), replace=replace, on_progress=show_keys)
            audit_note.note = f"{report.restored} keys"
    if as_json:
        show_json(report)
    else:
        others = f", {report.others:,} are other tenants'" if report.others else ""
        say(f"{report.restored:,} keys restored, {report.skipped:,} were there, {report.expired:,} had expired{others}")
    show_failed(report.failed)
    if not report.complete:
        raise typer.Exit(NOT_WELL)


@contextmanager
def _written(path: Path, *, packed: bool) -> Iterator[TextIO]:
    """Opens a file that only its owner may read."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
    with ExitStack() as stack:
        out: Any = stack.enter_context(os.fdopen(descriptor, "wb"))
        if packed:
            out = stack.enter_context(gzip.GzipFile("", "wb", fileobj=out))
        yield stack.enter_context(TextIOWrapper(out, "utf-8"))


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise InvalidInputError(f"line {number} of {file} is not JSON") from error
                if not isinstance(row, dict):
                    raise InvalidInputError(f"line {number} of {file} is not a JSON object")
                yield row
    except (OSError, EOFError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
