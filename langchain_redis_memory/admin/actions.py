"""What the page changes: each action needs its roles, is noted in the audit log, and says what it did."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fastapi import HTTPException

from langchain_redis_memory.admin.access import Role
from langchain_redis_memory.admin.lifetime import keep_flow
from langchain_redis_memory.admin.page import Page
from langchain_redis_memory.admin.visit import Visit
from langchain_redis_memory.cache import epochs
from langchain_redis_memory.history.sessions import RedisSessions
from langchain_redis_memory.operate import audit
from langchain_redis_memory.operate.audit import AuditLine
from langchain_redis_memory.operate.operations import RedisOperations
from langchain_redis_memory.operate.prune import PruneCounts
from langchain_redis_memory.operate.receipt import Receipt

_LONGEST_ANSWER = 40_000
_DAY_S = 86_400


@dataclass(frozen=True)
class ActionResult:
    """What an action did.

    Args:
        message: In a sentence, for who did it.
        back: Where to go on.
        note: For the audit log: counts, no content.
        receipt: Of an erasure.
    """

    message: str
    back: str
    note: str = ""
    receipt: Receipt | None = None


@dataclass(frozen=True)
class Action:
    """Something that the page changes.

    Args:
        name: What it is called in the audit log.
        roles: Who may.
        target: What it is done to, as the audit log says it.
        run: Does it.
    """

    name: str
    roles: tuple[Role, ...]
    target: Callable[[Visit], str]
    run: Callable[[Visit], Awaitable[ActionResult]]


async def perform(visit: Visit, action: Action) -> Page:
    """Does something, and notes it before and after. Raises `HTTPException` (403): a role is missing."""
    for role in action.roles:
        visit.needs(role)
    line = AuditLine(visit.access.name, action.name, action.target(visit), "begun")
    await visit.run(audit.append(visit.space, line))
    try:
        done = await action.run(visit)
    except Exception as error:
        await visit.run(audit.append(visit.space, replace(line, state="failed", note=type(error).__name__)))
        raise
    finally:
        visit.backend.forget()
    failed = done.receipt is not None and not done.receipt.complete
    await visit.run(audit.append(visit.space, replace(line, state="failed" if failed else "done", note=done.note)))
    return Page("done.html", "Receipt" if done.receipt else "Done", {"done": done})


# --- answers ----------------------------------------------------------------------------------------------------------


def _entry(visit: Visit) -> str:
    return f"{visit.asked('cache')} {visit.asked('id')}"


async def _report(visit: Visit) -> ActionResult:
    cache, hit, correct = visit.asked("cache"), visit.asked("id"), visit.query.get("correct") == "yes"
    there = await visit.desk(cache).areport(hit, correct=correct)
    what = "Reported as right" if correct else "Reported as wrong"
    then = (
        "it is not served again to the same words, or only to nearer ones" if not correct else "it is served as before"
    )
    message = f"{what}: {then}." if there else f"{what}; the entry itself was gone already."
    return ActionResult(message, visit.link("entry", cache=cache, id=hit), "right" if correct else "wrong")


async def _delete_entry(visit: Visit) -> ActionResult:
    cache = visit.asked("cache")
    deleted = await visit.desk(cache).adelete(hit_id=visit.asked("id"))
    return ActionResult(f"{deleted} cached answers were deleted.", visit.link("caches"), str(deleted))


async def _edit_entry(visit: Visit) -> ActionResult:
    cache, hit, text = visit.asked("cache"), visit.asked("id"), visit.asked("text")
    if len(text) > _LONGEST_ANSWER:
        raise HTTPException(400, f"an answer has at most {_LONGEST_ANSWER:,} characters here")
    edited = await visit.desk(cache).aedit(hit, text.replace("\r\n", "\n"))
    message = "The new words are served from now on." if edited else "The entry was gone already."
    return ActionResult(message, visit.link("entry", cache=cache, id=hit), "" if edited else "gone")


async def _bump(visit: Visit) -> ActionResult:
    corpus, use = visit.asked("corpus"), visit.query.get("use", "")
    survey = await visit.survey()
    if (corpus, use) not in survey.epochs:
        raise HTTPException(404, "there is no such epoch (any more)")
    await visit.run(epochs.bump(visit.space.epoch(use, corpus)))
    message = f"Nothing that was made from {corpus!r} ({use}) until now is served any more."
    return ActionResult(message, visit.link("caches"))


async def _switch(visit: Visit) -> ActionResult:
    name, on = visit.asked("name"), visit.query.get("on") == "yes"
    hours = max(1, visit.number("hours", 24))
    await visit.switchable(name).aswitch(on=on, for_s=hours * 3_600)
    message = f"The cache {name!r} is on." if on else f"The cache {name!r} is off for {hours} hours, everywhere."
    return ActionResult(message, visit.link("cache", name=name), "on" if on else f"off for {hours} h")


# --- conversations, users, threads ------------------------------------------------------------------------------------


def _session(visit: Visit) -> str:
    agent = visit.query.get("agent", "")
    return visit.asked("id") + (f" of agent {agent}" if agent else "")


async def _lifetime(visit: Visit) -> ActionResult:
    name, agent = visit.asked("id"), visit.query.get("agent", "")
    pinned, days = bool(visit.query.get("pin")), visit.number("days")
    ttl_s = None if pinned else days * _DAY_S
    there = await visit.drive(keep_flow(visit.space, agent, name, ttl_s))
    said = "It is kept until it is deleted or given a lifetime." if pinned else f"It is kept for {days} days from now."
    back = visit.link("session", id=name, agent=agent)
    return ActionResult(said if there else "The conversation is gone.", back, "pinned" if pinned else f"{days} days")


async def _erase_session(visit: Visit) -> ActionResult:
    visit.confirms(visit.asked("id"))
    there = await RedisSessions(visit.client, tenant=visit.tenant).aerase(
        visit.asked("id"), visit.query.get("agent", "")
    )
    message = (
        "The conversation was erased, and its lines in the log." if there else "The conversation was gone already."
    )
    return ActionResult(message, visit.link("sessions"), "" if there else "gone")


async def _erase_thread(visit: Visit) -> ActionResult:
    visit.confirms(visit.asked("id"))
    await visit.saver().adelete_thread(visit.asked("id"))
    return ActionResult("The thread was erased.", visit.link("threads"))


async def erase_dry_run(visit: Visit) -> Page:
    """Shows what erasing a user would erase."""
    visit.needs("erase")
    name = visit.asked("id")
    receipt = await (await visit.users()).aerase(name, dry_run=True)
    return Page("erase.html", f"Erase {name}", {"user": name, "receipt": receipt})


async def _erase_user(visit: Visit) -> ActionResult:
    visit.confirms(visit.asked("id"))
    receipt = await (await visit.users()).aerase(visit.asked("id"))
    said = "Everything that is kept of the user was erased." if receipt.complete else "Not everything could be erased."
    note = f"{receipt.keys} keys; " + ", ".join(f"{kind} {len(one.names)}" for kind, one in receipt.kinds.items())
    return ActionResult(said, visit.link("users"), note, receipt)


async def exported(visit: Visit) -> AsyncIterator[dict[str, Any]]:
    """Exports what is kept of a user, which is noted in the audit log.

    Raises `HTTPException` (403): who asks may not read content.
    """
    visit.needs("read_content")
    line = AuditLine(visit.access.name, "export user", visit.asked("id"), "done")
    await visit.run(audit.append(visit.space, line))
    return (await visit.users()).aexport(visit.asked("id"))


async def _pruned(visit: Visit, *, dry_run: bool) -> PruneCounts:
    keep, older_than_s = max(1, visit.number("keep", 1)), visit.number("days") * _DAY_S or None
    operations = RedisOperations(visit.client, tenant=visit.tenant)
    return await operations.aprune(keep_last=keep, older_than_s=older_than_s, dry_run=dry_run, saver=visit.saver())


async def prune_dry_run(visit: Visit) -> Page:
    """Shows how many checkpoints pruning would remove."""
    visit.needs("operate")
    shown = {"keep": max(1, visit.number("keep", 1)), "days": visit.number("days")}
    return Page("prune.html", "Prune threads", {**shown, "pruned": await _pruned(visit, dry_run=True)})


async def _prune(visit: Visit) -> ActionResult:
    pruned = await _pruned(visit, dry_run=False)
    left = f"; {len(pruned.failed)} threads failed" if pruned.failed else ""
    said = f"{pruned.checkpoints} checkpoints of {pruned.threads} threads were removed{left}."
    return ActionResult(said, visit.link("threads"), said)


ACTIONS: Mapping[str, Action] = {
    "report": Action("report answer", ("operate",), _entry, _report),
    "delete-entry": Action("delete answer", ("operate",), _entry, _delete_entry),
    "edit-entry": Action("edit answer", ("operate", "read_content"), _entry, _edit_entry),
    "bump": Action("end epoch", ("operate",), lambda visit: f"{visit.asked('corpus')} {visit.query.get('use')}", _bump),
    "switch": Action("switch cache", ("operate",), lambda visit: visit.asked("name"), _switch),
    "lifetime": Action("set lifetime", ("operate",), _session, _lifetime),
    "erase-session": Action("erase conversation", ("erase",), _session, _erase_session),
    "erase-thread": Action("erase thread", ("erase",), lambda visit: visit.asked("id"), _erase_thread),
    "erase": Action("erase user", ("erase",), lambda visit: visit.asked("id"), _erase_user),
    "prune": Action("prune threads", ("operate",), lambda visit: f"keep {visit.number('keep', 1)}", _prune),
}
"""Path -> what is done there."""
