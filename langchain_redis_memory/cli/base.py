"""What all commands share: the application, its consoles, options, errors, and how results are printed.

Everything heavy loads when its command runs. Errors of this package are one line on stderr, without a traceback. The
exit code says what kind: 1 where the command cannot do what it was asked, 2 where the server cannot be reached or the
usage is wrong, 3 where it was done and something is not as it should be, 130 where Ctrl-C stopped it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from langchain_redis_memory.checks import check_type
from langchain_redis_memory.errors import AuthenticationError, RedisMemoryError, ServerError, UnavailableError

if TYPE_CHECKING:
    from langchain_redis_memory.redis.client.client import Client

app: typer.Typer = typer.Typer(
    name="langchain-redis-memory",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
console: Console = Console()
errors: Console = Console(stderr=True)
if not console.is_terminal:
    console = Console(width=120)

LOOK, CHANGE, SET_UP, TRY = "Look", "Change", "Set up", "Try"
"""Where a command stands in the help."""

STOPPED = 130
"""The exit code of what Ctrl-C stopped."""

NOT_WELL = 3
"""The exit code of what was done and found something that is not as it should be."""

Url = Annotated[str, typer.Option("--redis", metavar="URL", help="The server; memory:// needs none.")]
Redis = Annotated[
    str | None, typer.Option("--redis", metavar="URL", help="The server. By default the environment's, as REDIS_URL.")
]
OwnRedis = Annotated[
    str | None,
    typer.Option("--redis", metavar="URL", help="REDIS_URL for your module; it counts where that names no server."),
]
OwnTenant = Annotated[str | None, typer.Option(help="Whose data, in place of the tenant that yours is made for.")]
Prefix = Annotated[str | None, typer.Option(help="Start of every key. By default REDIS_MEMORY_PREFIX, else lrm.")]
Tenant = Annotated[str, typer.Option(help="Whose data; the default tenant has no name.")]
AnyTenant = Annotated[str | None, typer.Option(help="Only this tenant's; '' is the default tenant.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turns this package's errors, and Ctrl-C, into a line on stderr and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        errors.print("Stopped. What is done stays: give the command again for the rest.", highlight=False)
        raise typer.Exit(STOPPED) from None
    except RedisMemoryError as error:
        named = next(one.__name__ for one in type(error).__mro__ if one.__name__[0] != "_")
        errors.print(f"[bold red]{named}:[/] {escape(str(error))}", soft_wrap=True)
        if isinstance(error, AuthenticationError) and isinstance(error, ServerError):  # it let us in
            errors.print(
                "What a user of the server may need is printed by: langchain-redis-memory acl", highlight=False
            )
        raise typer.Exit(2 if isinstance(error, UnavailableError) else 1) from error


@contextmanager
def opened(redis: str | None, prefix: str | None = None, *, cipher: str | None = None) -> Iterator[Client]:
    """Opens a client for a command, and closes it; see `plain_errors`. A cipher is named as MODULE:NAME."""
    from langchain_redis_memory.redis.client.client import Client
    from langchain_redis_memory.redis.codec.cipher.cipher import Cipher

    with plain_errors():
        seals = None if cipher is None else check_type(loaded(cipher, "the cipher"), Cipher, "the cipher", "a Cipher")
        with Client.from_url(redis, prefix=prefix, cipher=seals) as client:
            yield client


def progress_bar() -> Progress:
    """Makes progress bars on stderr, for what has a known number of steps."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=errors
    )


@contextmanager
def counter(what: str) -> Iterator[Callable[[int], None]]:
    """Shows on stderr how many are done of an unknown number, until it ends; gives the function that sets it."""
    columns = (SpinnerColumn(), TextColumn("{task.description}: {task.completed:,.0f}"), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Shows that something is going on whose steps nobody counts, where somebody looks on."""
    with errors.status(text) if errors.is_terminal else nullcontext():
        yield


def show_json(value: Any) -> None:
    """Prints a result as JSON."""
    from langchain_redis_memory.operate.as_json import plain

    typer.echo(json.dumps(plain(value), indent=1, ensure_ascii=False))


def show_table(title: str, *columns: str, rows: Iterator[tuple[Any, ...]] | list[tuple[Any, ...]]) -> None:
    """Prints rows as a table; numbers stand at the right."""
    made = list(rows)
    say(title, "bold")
    if not made:
        return
    table = Table()
    for i, name in enumerate(columns):
        number = all(isinstance(row[i], int | float) for row in made)
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in made:
        table.add_row(*(f"{one:,}" if isinstance(one, int | float) else escape(str(one)) for one in row))
    console.print(table)


def say(text: str, style: str | None = None) -> None:
    """Prints a line of text as it is, without markup."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def show_failed(reasons: Mapping[str, str]) -> None:
    """Prints what failed and why on stderr."""
    for name, why in reasons.items():
        errors.print(f"failed: {name}: {why}", markup=False, highlight=False, soft_wrap=True)


def size(count: float) -> str:
    """Spells a number of bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1024
    raise AssertionError  # the last unit returns


def loaded(spelled: str, what: str, redis: str | None = None) -> Any:
    """Imports an object that is named as MODULE:NAME, from the working directory too; calls it if it makes one.

    Its module finds the server `redis` in the environment. Raises `ConfigError`: it cannot be imported; `what` says
    what it must be.
    """
    import sys
    from importlib import import_module
    from inspect import isfunction

    from langchain_redis_memory.errors import ConfigError

    module, colon, name = spelled.partition(":")
    if not (module and colon and name):
        raise ConfigError(f"{what} is named as MODULE:NAME, as in my.app:memory; got {spelled!r}")
    sys.path.insert(0, "")
    if redis is not None:
        os.environ["REDIS_URL"] = redis
    try:
        value = getattr(import_module(module), name)
        return value() if isfunction(value) else value
    except Exception as error:  # an application's own code runs
        raise ConfigError(f"{what} {spelled!r} cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove("")
