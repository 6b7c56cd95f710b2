"""Status of the server, the tenants, one tenant, its limits."""

from __future__ import annotations

import re
from typing import Any

from fastapi import HTTPException

from langchain_redis_memory.admin.page import Page
from langchain_redis_memory.admin.turns import TURNS, same_words
from langchain_redis_memory.admin.visit import Visit
from langchain_redis_memory.cache.stats import Tally
from langchain_redis_memory.operate import audit
from langchain_redis_memory.operate.operations import RedisOperations
from langchain_redis_memory.ops import Op, merge
from langchain_redis_memory.redis.keys import KINDS

_AUDIT_LINES = 200
_PERIOD = re.compile(r"-(\d+(?:\.\d+)?)s(?:-shared)?$")


async def status(visit: Visit) -> Page:
    """Shows the health of the server, and which tenants there are."""
    health = await visit.client.ahealth()
    survey = None
    if health.reachable:
        everything = visit.client.keys().prefix + ":{*"
        survey = await visit.backend.survey(visit.client.keys(), everything)
    tenants = [] if survey is None else [(name, one) for name, one in survey.tenants.items() if visit.access.sees(name)]
    shown = {"health": health, "tenants": tenants, "survey": survey if visit.access.tenants is None else None}
    return Page("status.html", "Status", shown)


async def doctor(visit: Visit) -> Page:
    """Checks the server against what is stored there, and says what to change in its configuration."""
    if visit.access.tenants is not None:
        raise HTTPException(404, "this is about all tenants")
    diagnosis = await RedisOperations(visit.client).adoctor()
    return Page("doctor.html", "Check-up", {"diagnosis": diagnosis})


async def tenant(visit: Visit) -> Page:
    """Shows what is kept of one tenant: agents, users, caches, and how well the caches do."""
    survey = await visit.survey()
    counts = await visit.run(
        merge(
            *(
                Op((("ZCARD", visit.space.index(agent).sessions),), lambda replies: int(replies[0])).optional(0)
                for agent in sorted(survey.agents)
            )
        )
    )
    tallies = [Tally(visit.space.tally(*one)) for one in sorted(survey.caches)]
    stats = await visit.run(merge(*(tally.reads() for tally in tallies)))
    decisions = await visit.decisions()
    saved = sum(one.differs for one in same_words(decisions).values())
    shown: dict[str, Any] = {
        "agents": list(zip(sorted(survey.agents), counts, strict=True)),
        "users": sorted(survey.users),
        "caches": [(f"{use}/{name}", one) for (use, name), one in zip(sorted(survey.caches), stats, strict=True)],
        "kinds": [(kind, count, KINDS[kind]) for kind, count in survey.kinds.most_common()],
        "turns": sum(one.outcome in TURNS for one in decisions),
        "saved": saved,
        "wrong": sum(one.outcome == "wrong" for one in decisions),
        "threads": survey.kinds["checkpoints"],
        "complete": survey.complete,
    }
    return Page("tenant.html", f"Tenant {visit.tenant or '(default)'}", shown)


async def limits(visit: Visit) -> Page:
    """Shows whose limits are in use, and how far."""
    survey = await visit.survey()
    named = sorted(survey.limited)
    found = await visit.run(
        merge(
            *(
                Op((("PTTL", f"{visit.space.limits(name).rate}:{limit}"),), lambda replies: int(replies[0]))
                for name, limit in named
            )
        )
    )
    rows = []
    for (name, limit), left_ms in zip(named, found, strict=True):
        period = _PERIOD.search(limit)
        left_s = max(0, left_ms) / 1000
        rows.append((name, limit, left_s, min(1.0, left_s / float(period[1])) if period else None))
    return Page("limits.html", "Limits", {"rows": rows})


async def audit_log(visit: Visit) -> Page:
    """Shows what was changed by hand, and by whom."""
    lines = await visit.run(audit.read(visit.space, _AUDIT_LINES, visit.query.get("before", "")))
    return Page("audit.html", "Audit", {"lines": lines, "more": lines[-1].id if len(lines) == _AUDIT_LINES else None})
