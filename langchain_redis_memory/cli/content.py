"""`sessions`, `inspect`, `prune`, `orphans`: what is there of conversations and threads, and what can go."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from langchain_redis_memory.cli.audit import AuditNote, audited
from langchain_redis_memory.cli.base import (
    CHANGE,
    LOOK,
    NOT_WELL,
    AnyTenant,
    Json,
    Prefix,
    Redis,
    Tenant,
    app,
    counter,
    errors,
    opened,
    say,
    show_failed,
    show_json,
    show_table,
    size,
    waiting,
)

if TYPE_CHECKING:
    from langchain_redis_memory.operate.inspect import Inspection
    from langchain_redis_memory.operate.session_search import SessionMatch, SessionMatches

_MOST_PAGES = 1000
_SEARCHED = 500
"""So many conversations are looked at in a page of a search, of which few may fit."""


@app.command(rich_help_panel=LOOK)
def sessions(
    redis: Redis = None,
    tenant: Tenant = "",
    prefix: Prefix = None,
    agent: Annotated[str | None, typer.Option(help="Only this agent's; '' is the default agent.")] = None,
    user: Annotated[str | None, typer.Option(help="Only this user's.")] = None,
    search: Annotated[str, typer.Option(help="What the id, the agent or (with --content) a message must hold.")] = "",
    content: Annotated[bool, typer.Option("--content", help="Read messages: for their search and for titles.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many are listed.")] = 50,
    as_json: Json = False,
) -> None:
    """List conversations, agent by agent, most recently active first.

    Example: langchain-redis-memory sessions --tenant acme --user ana --search flu --content
    """
    from langchain_redis_memory.operate.operations import RedisOperations

    with opened(redis, prefix) as client:
        operations = RedisOperations(client, tenant=tenant)

        def page(cursor: str | None) -> SessionMatches:
            how: Any = {"agent": agent, "user": user, "search": search, "content": content}
            return operations.sessions(**how, limit=_SEARCHED if search else min(limit, 200), cursor=cursor)

        with waiting("looking for conversations"):
            matches, more = _pages(page, limit)
    if as_json:
        show_json({"sessions": [{**one.session._asdict(), "title": one.title} for one in matches], "more": more})
        return
    rows = [
        (
            one.session.session_id,
            one.session.agent,
            f"{one.session.last_active:%Y-%m-%d %H:%M:%S}",
            one.session.messages,
            one.session.turns,
            "never" if one.session.ttl_s is None else f"{one.session.ttl_s / 3600:,.1f} h",
            *([one.title] if content else []),
        )
        for one in matches
    ]
    columns = (
        "session",
        "agent",
        "last active (UTC)",
        "messages",
        "turns",
        "expires in",
        *(["title"] if content else []),
    )
    show_table(f"{len(matches):,} conversations", *columns, rows=rows)
    if more:
        say("there are more: see --limit", "yellow")


def _pages(page: Callable[[str | None], SessionMatches], limit: int) -> tuple[list[SessionMatch], bool]:
    """Reads pages until enough is found; the second value is whether there is more."""
    sessions: list[SessionMatch] = []
    cursor = None
    for _ in range(_MOST_PAGES):
        matches = page(cursor)
        sessions += matches.matches
        cursor = matches.cursor
        if cursor is None or len(sessions) >= limit:
            break
    return sessions[:limit], len(sessions) > limit or cursor is not None


@app.command(rich_help_panel=LOOK)
def inspect(
    name: Annotated[str, typer.Argument(metavar="KEY|SESSION|THREAD", help="A whole key, or the id of either.")],
    redis: Redis = None,
    tenant: Tenant = "",
    prefix: Prefix = None,
    agent: Annotated[str, typer.Option(help="The session's agent.")] = "",
    as_json: Json = False,
) -> None:
    """What a key, a conversation or a thread is made of: types, sizes, lifetimes; no content.

    Exits with 3 where there is nothing of that name.

    Example: langchain-redis-memory inspect user-42 --tenant acme
    """
    from langchain_redis_memory.operate.operations import RedisOperations

    with opened(redis, prefix) as client:
        inspections = RedisOperations(client, tenant=tenant).inspect(name, agent=agent)
    if as_json:
        show_json(inspections)
    for one in inspections if not as_json else []:
        _show(one)
    if not inspections:
        errors.print(f"there is no key, conversation or thread {name!r}", markup=False, highlight=False)
        raise typer.Exit(NOT_WELL)


def _show(inspection: Inspection) -> None:
    rows = [
        (
            key.key,
            key.kind or "unknown",
            key.type,
            "" if key.length is None else key.length,
            "" if key.bytes is None else size(key.bytes),
            "never" if key.ttl_s is None else f"{key.ttl_s:,.0f} s",
        )
        for key in inspection.keys
    ]
    show_table(
        f"{inspection.what} {inspection.name}", "key", "kind", "type", "length", "memory", "expires in", rows=rows
    )
    for name, value in inspection.facts.items():
        say(f"{name}: {value}")


@app.command(rich_help_panel=CHANGE)
def prune(
    redis: Redis = None,
    tenant: Tenant = "",
    prefix: Prefix = None,
    keep_last: Annotated[int, typer.Option(min=1, help="Checkpoints of each namespace of a thread that stay.")] = 1,
    older_than_s: Annotated[float | None, typer.Option(min=0, help="Only what was written longer ago.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: Json = False,
) -> None:
    """Remove old checkpoints of all LangGraph threads of a tenant.

    Exits with 3 where a thread could not be pruned; the others are.

    Example: langchain-redis-memory prune --tenant acme --keep-last 5 --older-than-s 86400 --dry-run
    """
    from langchain_redis_memory.operate.operations import RedisOperations

    with opened(redis, prefix) as client:
        client.server()  # what is wrong with it is said before anything is shown
        noted = nullcontext(AuditNote()) if dry_run else audited(client, tenant, "prune", "all threads")
        with counter("threads") as show_threads, noted as audit_note:
            done = RedisOperations(client, tenant=tenant).prune(
                keep_last=keep_last, older_than_s=older_than_s, dry_run=dry_run, on_progress=show_threads
            )
            audit_note.note = f"{done.checkpoints} checkpoints"
    if as_json:
        show_json(done)
    else:
        verb = "could be" if dry_run else "were"
        say(f"{done.checkpoints:,} checkpoints of {done.threads:,} threads {verb} removed: {size(done.bytes)}")
    show_failed(done.failed)
    if done.failed:
        raise typer.Exit(NOT_WELL)


@app.command(rich_help_panel=CHANGE)
def orphans(
    redis: Redis = None,
    tenant: AnyTenant = None,
    prefix: Prefix = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove those that belonged to something gone.")] = False,
    most: Annotated[int, typer.Option(min=1, help="How many keys are looked at.")] = 1_000_000,
    as_json: Json = False,
) -> None:
    """Find keys that nothing leads to any more, and names that this package does not spell.

    Exits with 3 where some are left.

    Example: langchain-redis-memory orphans --redis redis://localhost:6379/0 --remove
    """
    from langchain_redis_memory.operate.operations import RedisOperations

    with ExitStack() as stack:
        client = stack.enter_context(opened(redis, prefix))
        stack.enter_context(waiting("looking at keys"))
        audit_note = stack.enter_context(audited(client, tenant or "", "remove orphans", "")) if remove else AuditNote()
        report = RedisOperations(client, tenant=tenant).orphans(remove=remove, most=most)
        audit_note.note = f"{report.removed} keys"
    if as_json:
        show_json(report)
    else:
        for orphan in report.orphans:
            say(f"{orphan.key}: {orphan.why}")
        more = "" if report.complete else f"; not all keys were looked at: --most is {most:,}"
        say(f"{len(report.orphans):,} orphans, {report.removed:,} removed{more}")
    if len(report.orphans) > report.removed:
        raise typer.Exit(NOT_WELL)
