"""The command line: all commands of `langchain-redis-memory`, each module of them one idea."""

from __future__ import annotations

from typing import Annotated

import typer

from langchain_redis_memory.cli import (
    backups,
    caches,
    content,
    migrate,
    people,
    reencrypt,
    replay_command,
    serve,
    settings,
    sizing,
    status,
    talk,
)
from langchain_redis_memory.cli.base import app, console
from langchain_redis_memory.version import __version__

__all__ = [
    "app",
    "backups",
    "caches",
    "content",
    "migrate",
    "people",
    "reencrypt",
    "replay_command",
    "serve",
    "settings",
    "sizing",
    "status",
    "talk",
]


def _print_version(wanted: bool) -> None:
    if wanted:
        console.print(f"langchain-redis-memory {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Memory and caching for LangChain on the Redis you already have.

    Exit codes: 0 done; 1 it cannot do what was asked; 2 wrong usage, or no server; 3 done, and something is not as it
    should be; 130 stopped by Ctrl-C.

    Example: langchain-redis-memory demo
    """
