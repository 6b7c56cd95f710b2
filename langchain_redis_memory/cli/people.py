"""`erase`, `export`, `acl`: a person's data, and a tenant's rights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from langchain_redis_memory.cli.audit import AuditNote, audited
from langchain_redis_memory.cli.base import (
    CHANGE,
    NOT_WELL,
    SET_UP,
    Json,
    Prefix,
    Redis,
    Tenant,
    app,
    console,
    loaded,
    opened,
    plain_errors,
    say,
    show_json,
    waiting,
)
from langchain_redis_memory.errors import ConfigError

if TYPE_CHECKING:
    from langchain_redis_memory.operate.users import RedisUsers

User = Annotated[str | None, typer.Option(help="The person.")]
Agent = Annotated[str | None, typer.Option(help="The agent; '' is the default one.")]
Everything = Annotated[bool, typer.Option("--everything", help="All of the tenant.")]
People = Annotated[
    str,
    typer.Option(metavar="MODULE:NAME", help="Your RedisUsers, which knows your caches, stores and limiters."),
]


@app.command(rich_help_panel=CHANGE)
def erase(
    redis: Redis = None,
    tenant: Tenant = "",
    prefix: Prefix = None,
    user: User = None,
    agent: Agent = None,
    everything: Everything = False,
    people: People = "",
    shared: Annotated[bool, typer.Option("--shared", help="Erase what is other users' as well, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what there is.")] = False,
    as_json: Json = False,
) -> None:
    """Erase everything that is kept of a person, of an agent or of a tenant, and print the receipt.

    By itself it knows conversations, threads, the profile, answers of the caches that the log and the statistics name
    and items under ("memories", USER). What else your application keeps, it knows from --people.

    Exits with 3 where something could not be erased; call it again then.

    Example: langchain-redis-memory erase --tenant acme --user ana --people app:users --dry-run
    """
    with plain_errors(), _people(redis, prefix, tenant, people) as users:
        _check_one(user, agent, everything)
        whose = f"user {user}" if user is not None else f"tenant {tenant}" if everything else f"agent {agent}"
        # The log of a tenant that is erased goes with it: that it was is in the default tenant's.
        log = "" if everything else tenant
        noted = nullcontext(AuditNote()) if dry_run else audited(users._client, log, "erase", whose)
        with waiting("looking for what is kept" if dry_run else "erasing"), noted as audit_note:
            if user is not None:
                receipt = users.erase(user, dry_run=dry_run, shared=shared)
            elif agent is not None:
                receipt = users.erase_agent(agent, dry_run=dry_run)
            else:
                receipt = users.erase_tenant(dry_run=dry_run)
            audit_note.note = f"{receipt.keys} keys" if receipt.complete else "not wholly"
    if as_json:
        show_json({**vars(receipt), "complete": receipt.complete, "keys": receipt.keys})
    else:
        say(str(receipt))
    if not receipt.complete:
        raise typer.Exit(NOT_WELL)


@app.command(rich_help_panel=CHANGE)
def export(
    redis: Redis = None,
    tenant: Tenant = "",
    prefix: Prefix = None,
    user: User = None,
    agent: Agent = None,
    everything: Everything = False,
    people: People = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list instead of a line of JSON for each.")] = False,
) -> None:
    """Print everything that is kept of a person, of an agent or of a tenant, a line of JSON for each thing.

    Example: langchain-redis-memory export --tenant acme --user ana > ana.jsonl
    """
    with plain_errors(), _people(redis, prefix, tenant, people) as users:
        _check_one(user, agent, everything)
        if user is not None:
            lines = users.export(user)
        else:
            lines = users.export_tenant() if agent is None else users.export_agent(agent)
        if as_json:
            show_json(list(lines))
            return
        with nullcontext() if console.is_terminal else waiting("exporting"):
            for line in lines:
                typer.echo(json.dumps(line, ensure_ascii=False))


def _check_one(user: str | None, agent: str | None, everything: bool) -> None:
    if (user is not None) + (agent is not None) + everything != 1:
        raise ConfigError("say whose data: --user, --agent, or --everything of the tenant")


@contextmanager
def _people(redis: str | None, prefix: str | None, tenant: str, spelled: str) -> Iterator[RedisUsers]:
    """Opens the application's own `RedisUsers`, or one that knows what can be known without the application."""
    from langchain_redis_memory.operate.caches_by_name import answer_caches_flow, desk_of
    from langchain_redis_memory.operate.users import RedisUsers
    from langchain_redis_memory.store.redis_store import RedisStore

    if spelled:
        people = loaded(spelled, "--people")
        if not isinstance(people, RedisUsers):
            raise ConfigError(f"--people must name a RedisUsers, not {type(people).__name__}")
        yield people
        return
    with opened(redis, prefix) as client:
        named = client.drive(answer_caches_flow(client.keys(tenant)))
        desks = [desk_of(client, name, tenant) for name in named]
        yield RedisUsers(client, tenant=tenant, answers=desks, store=RedisStore(client, tenant=tenant))


@app.command(rich_help_panel=SET_UP)
def acl(
    user: Annotated[str, typer.Argument(help="The name of the user of the server.")] = "app",
    tenant: Annotated[str | None, typer.Option(help="The tenant whose keys it may reach. By default all.")] = None,
    prefix: Annotated[str, typer.Option(help="Start of every key.")] = "lrm",
    classes: Annotated[str, typer.Option(metavar="CLASS,...", help="The classes that it uses. By default all.")] = "",
    engine: Annotated[str, typer.Option(help="vector_sets, query_engine or exact (before Redis 8).")] = "vector_sets",
    cluster: Annotated[bool, typer.Option("--cluster", help="The server is a cluster.")] = False,
    password: Annotated[
        str | None, typer.Option(envvar="REDIS_MEMORY_ACL_PASSWORD", help="The user's, of which a digest is printed.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the ACL line of a user that may do what this package does, on one tenant's keys, and nothing else.

    Example: langchain-redis-memory acl acme-app --tenant acme | redis-cli
    """
    from langchain_redis_memory.redis.acl import acl_line

    with plain_errors():
        names = [name.strip() for name in classes.split(",") if name.strip()]
        chosen: Any = engine
        line = acl_line(user, *names, tenant=tenant, prefix=prefix, password=password, engine=chosen, cluster=cluster)
    if as_json:
        show_json({"user": user, "line": line})
    else:
        typer.echo(line)
