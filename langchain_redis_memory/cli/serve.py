"""`loadtest` and `admin`: a bounded load on a server, and the admin page."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from langchain_redis_memory.cli.base import (
    NOT_WELL,
    SET_UP,
    AnyTenant,
    Json,
    Prefix,
    Redis,
    app,
    counter,
    errors,
    opened,
    plain_errors,
    say,
    show_json,
)

if TYPE_CHECKING:
    from langchain_redis_memory.admin.access import Role
    from langchain_redis_memory.redis.client.client import Client


@app.command(rich_help_panel=SET_UP)
def loadtest(
    redis: Redis = None,
    users: Annotated[int, typer.Option(min=1, max=200, help="How many talk at once.")] = 10,
    seconds: Annotated[float, typer.Option(min=0.1, max=300, help="For how long.")] = 10,
    size: Annotated[int, typer.Option(min=1, max=100_000, help="Letters of a message.")] = 200,
    as_json: Json = False,
) -> None:
    """How many turns a second a server serves: histories are read and written under a prefix of their own.

    It is bounded in users and time, its keys expire within two minutes, and they are removed when it is done. Not for
    a server that is busy already.

    Exits with 3 where turns failed.

    Example: langchain-redis-memory loadtest --redis redis://localhost:6379/0 --users 50 --seconds 30
    """
    from langchain_redis_memory.cli.load import load

    with opened(redis, f"lrm-loadtest-{uuid4().hex[:12]}") as client:
        client.server()
        with counter("turns") as show_turns:
            turns = count(1)
            try:
                report = load(client, users, seconds, size, lambda: show_turns(next(turns)))
            finally:
                _clear(client)
    if as_json:
        show_json({**vars(report), "turns_per_s": report.turns_per_s})
    else:
        say(f"{report.turns:,} turns of {users:,} users in {report.seconds:.1f} s: {report.turns_per_s:,.0f} a second")
        say(f"a turn took {report.p50_ms:.1f} ms (half), {report.p95_ms:.1f} ms (95 %), {report.p99_ms:.1f} ms (99 %)")
    if report.failed:
        errors.print(f"{report.failed:,} turns failed: {report.error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(NOT_WELL)


def _clear(client: Client) -> None:
    """Removes all keys under a client's prefix."""
    from langchain_redis_memory.operate.erase_keys import erase_keys_flow

    client.drive(erase_keys_flow(client.keys(), f"{client.keys().prefix}:{{*"))


@app.command(rich_help_panel=SET_UP)
def admin(
    redis: Redis = None,
    demo: Annotated[bool, typer.Option("--demo", help="Play the demo first, in this process unless --redis.")] = False,
    tenant: AnyTenant = None,
    prefix: Prefix = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Nothing can be changed on it.")] = False,
    host: Annotated[str, typer.Option(help="Where it listens: on this machine only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8765,
    token: Annotated[str, typer.Option(envvar="REDIS_MEMORY_ADMIN_TOKEN", help="By default a new one.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the link as JSON.")] = False,
) -> None:
    """Serve the admin page on this machine, and print the link to it, which works once.

    Example: langchain-redis-memory admin --demo
    """
    with plain_errors():
        from langchain_redis_memory.admin.access import Access
        from langchain_redis_memory.admin.serve import serve

        roles: list[Role] = ["view", "read_content"] if read_only else ["view", "read_content", "operate", "erase"]
        with opened("memory://" if demo and redis is None else redis, prefix) as client:
            client.server()
            if demo:
                _play(client)
            name = "this machine, read-only" if read_only else "this machine"
            access = Access(name, roles, None if tenant is None else {tenant})
            announce = _announce_json if as_json else _announce
            serve(client, announce=announce, host=host, port=port, token=token, access=access)


def _play(client: Client) -> None:
    from langchain_redis_memory.cli import local
    from langchain_redis_memory.cli.demo.play import play

    with counter("the demo's turns") as show_turns:
        for played, _ in enumerate(play(client, local.embeddings(), ttl_s=86_400), 1):
            show_turns(played)
    client.settle()


def _announce_json(link: str) -> None:
    show_json({"link": link})


def _announce(link: str) -> None:
    say(f"Open this link; it works once. Ctrl+C ends the page.\n{link}")
