"""`migrate`: moves what another package keeps in Redis to this one."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from langchain_redis_memory.cli.base import CHANGE, NOT_WELL, Redis, app, console, plain_errors, progress_bar

if TYPE_CHECKING:
    from langchain_redis_memory.operate.migrate.report import MigrationReport

_SHOWN = 20


@app.command(rich_help_panel=CHANGE)
def migrate(
    source: Annotated[str | None, typer.Argument(help="Which package wrote the data; see --list.")] = None,
    redis: Redis = None,
    origin: Annotated[
        str | None, typer.Option("--from", metavar="URL", help="The server with the data; by default the same.")
    ] = None,
    prefix: Annotated[str | None, typer.Option(help="What its keys begin with; by default the package's own.")] = None,
    match: Annotated[str, typer.Option(help="Which conversations, threads or items: a glob.")] = "*",
    tenant: Annotated[str, typer.Option(help="Whose data it becomes.")] = "",
    agent: Annotated[str, typer.Option(help="Which agent's conversations.")] = "",
    ttl: Annotated[
        float | None, typer.Option(min=1, help="Seconds to live for what has no lifetime; else it gets none.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read everything, write nothing.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Move at most so many units.")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Note there what is done, and go on from it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    list_sources: Annotated[bool, typer.Option("--list", help="Print the sources.")] = False,
) -> None:
    """Move what another package keeps in Redis here; the source is only read.

    It can be repeated: what is there already is not written again. Each record
    is read again after it was written. Exits with 3 where something could not be
    moved.

    Example: langchain-redis-memory migrate langchain-community --dry-run
    """
    from langchain_redis_memory.errors import ConfigError
    from langchain_redis_memory.operate.migrate.migration import RedisMigration
    from langchain_redis_memory.peers.sources import SOURCES
    from langchain_redis_memory.redis.client.client import Client

    with plain_errors():
        if list_sources:
            for name, known in SOURCES.items():
                console.print(f"[bold]{name}[/]: {escape(known.what)}", highlight=False)
            return
        if source is None:
            raise ConfigError("say which package wrote the data; --list prints those that are known")
        with Client.from_url(redis) as client, Client.from_url(origin or redis) as theirs:
            migration = RedisMigration(
                client, source, origin=theirs, prefix=prefix, match=match, tenant=tenant, agent=agent, ttl_s=ttl
            )
            for one in (theirs, client):
                one.server()  # what is wrong with it is said before any bar is shown
            with progress_bar() as bar:
                task = bar.add_task(f"reading {source}" if dry_run else f"moving {source}", total=None)

                def show(done: int, total: int) -> None:
                    bar.update(task, completed=done, total=total)

                report = migration.run(dry_run=dry_run, limit=limit, resume=resume, progress=show)
        if as_json:
            typer.echo(json.dumps({**asdict(report), "complete": report.complete}, indent=1))
        else:
            _print(report)
    if not report.complete:
        raise typer.Exit(NOT_WELL)


def _print(report: MigrationReport) -> None:
    """The report; of many failures the first, as all are in --json."""
    lines = str(report).splitlines()
    failures = [line for line in lines if line.startswith("  failed: ")]
    for line in [line for line in lines if line not in failures] + failures[:_SHOWN]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if len(failures) > _SHOWN:
        console.print(f"  ... and {len(failures) - _SHOWN} more that failed; --json has all", highlight=False)
