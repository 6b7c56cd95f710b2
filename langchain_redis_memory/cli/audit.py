"""What a command changes is noted in the tenant's audit log: before it is done, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_redis_memory.redis.client.client import Client


class AuditNote:
    """The line of the audit log about a change, completed when it is done."""

    note = ""


@contextmanager
def audited(client: Client, tenant: str, action: str, target: str) -> Iterator[AuditNote]:
    """Notes a change in the audit log; it is not made where it cannot be noted.

    `action` is a word or two, `target` names and no content. Yields what is said of it when it is done.
    """
    from langchain_redis_memory.operate import audit
    from langchain_redis_memory.operate.audit import AuditLine, AuditState

    who, audit_note = f"{_user()} on the command line", AuditNote()

    def note(state: AuditState, text: str = "") -> None:
        client.run(audit.append(client.keys(tenant), AuditLine(who, action, target, state, text)))

    note("begun")
    try:
        yield audit_note
    except BaseException as error:
        note("failed", type(error).__name__)
        raise
    note("done", audit_note.note)


def _user() -> str:
    """Names who runs the command; a process without an entry among the system's users has none."""
    try:
        return getuser()
    except (KeyError, OSError):
        return "somebody"
