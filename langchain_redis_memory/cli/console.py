"""What the commands share: where they print, how errors look, progress bars, and the option that names the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, TypeAlias

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from langchain_redis_memory.errors import RedisMemoryError, UnavailableError

console: Console = Console()
errors: Console = Console(stderr=True)
if not console.is_terminal:
    console = Console(width=120)

Url: TypeAlias = Annotated[str, typer.Option("--redis", metavar="URL", help="The server; memory:// needs none.")]


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turns this package's errors into a line on stderr and an exit code: 2 for no server, else 1."""
    try:
        yield
    except RedisMemoryError as error:
        errors.print(f"[bold red]{type(error).__name__}:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2 if isinstance(error, UnavailableError) else 1) from error


def progress_bar() -> Progress:
    """Makes a progress bar on stderr."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=errors
    )
