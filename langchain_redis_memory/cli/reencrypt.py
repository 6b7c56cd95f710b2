"""`re-encrypt`: what is stored under an older key, or in plain, encrypted under the current one."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

import typer

from langchain_redis_memory.cli.audit import AuditNote, audited
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
    say,
    show_failed,
    show_json,
)


@app.command(rich_help_panel=CHANGE)
def re_encrypt(
    cipher: Annotated[str, typer.Option(metavar="MODULE:NAME", help="Your application's Cipher, as in my.app:cipher.")],
    redis: Redis = None,
    tenant: AnyTenant = None,
    prefix: Prefix = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be written.")] = False,
    as_json: Json = False,
) -> None:
    """Encrypt under the current key what is under an older one; with a cipher of strict=False, what is plain too.

    The older key can go then. It may run beside the application, and be stopped and begun again. Exits with 3 where a
    value could not be read, or was changed by others again and again.

    Example: langchain-redis-memory re-encrypt --cipher my.app:cipher --dry-run
    """
    from langchain_redis_memory.operate.operations import RedisOperations

    with ExitStack() as stack:
        client = stack.enter_context(opened(redis, prefix, cipher=cipher))
        client.server()
        show_keys = stack.enter_context(counter("keys"))
        audit_note = AuditNote() if dry_run else stack.enter_context(audited(client, tenant or "", "re-encrypt", ""))
        report = RedisOperations(client, tenant=tenant).re_encrypt(dry_run=dry_run, on_progress=show_keys)
        audit_note.note = f"{report.rewritten} values"
    if as_json:
        show_json(report)
    else:
        done = "would be encrypted" if dry_run else "encrypted"
        more = f", {report.changed:,} were changed meanwhile: run it again" if report.changed else ""
        say(f"{report.rewritten:,} values of {report.keys:,} keys {done} under the current key{more}")
    show_failed(report.failed)
    if not report.complete:
        raise typer.Exit(NOT_WELL)
