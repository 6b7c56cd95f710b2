"""Caches: how well they do, their entries, and what they would do at another risk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fastapi import HTTPException

from langchain_redis_memory.admin.charts import hourly, hours_of
from langchain_redis_memory.admin.page import Page
from langchain_redis_memory.admin.turns import TURNS, reports
from langchain_redis_memory.admin.visit import Visit
from langchain_redis_memory.cache import decision_log
from langchain_redis_memory.cache.advice import advice_of, top_misses_of
from langchain_redis_memory.cache.decision_log import Decision
from langchain_redis_memory.cache.stats import Stats, Tally
from langchain_redis_memory.ops import merge


async def caches(visit: Visit) -> Page:
    """Lists the caches that have counted something."""
    survey = await visit.survey()
    named = sorted(survey.caches)
    stats = await visit.run(merge(*(Tally(visit.space.tally(*one)).reads(visit.backend.prices) for one in named)))
    rows = [(f"{use}/{name}", one) for (use, name), one in zip(named, stats, strict=True)]
    return Page("caches.html", "Caches", {"rows": rows, "epochs": sorted(survey.epochs)})


async def cache(visit: Visit) -> Page:
    """Shows how well one cache does: by hour, by type of question, by model; and its entries."""
    label = visit.asked("name")
    use, _, name = label.partition("/")
    (stats,) = await visit.run(merge(Tally(visit.space.tally(use, name)).reads(visit.backend.prices)))
    decisions = await visit.decisions()
    logged = _logged_as(use, name)
    own = [one for one in decisions if one.cache == logged]
    if not own:  # a cache of LangChain's has a log of its own
        own = await visit.run(decision_log.read(visit.space.decisions(label), 1_000))
    entries = None
    if use in {"answers", "semantic"} and (use == "answers" or any(one.cache == logged for one in decisions)):
        entries = await visit.desk(logged).aentries(visit.number("cursor"))
    switched, hours = label == "answers/exact" or use in {"exact", "semantic", "values"}, hours_of(stats)
    hits = Counter(_name(one.entry) for one in own if one.outcome == "hit")
    asked = {_name(one.entry): one.question for one in own if one.entry and one.question}
    kinds = _split(stats, "kind")
    shown: dict[str, Any] = {
        "label": label,
        "logged": logged,
        "stats": stats,
        "chart": hourly(hours, f"Look-ups of {label} by hour"),
        "hours": hours,
        "kinds": [row for row in kinds if row[1].hits + row[1].misses],
        "bypassed": stats.bypass_reasons,
        "models": _split(stats, "model"),
        "latency": stats.latency_s,
        "entries": entries,
        "hits": hits,
        "asked": asked,
        "reports": {_name(hit): verdict for hit, verdict in reports(own).items()},
        "name_of": _name,
        "misses": top_misses_of(own, 10),
        "switched": switched,
        "off_for": await visit.switchable(label).aoff_for() if switched else 0,
    }
    return Page("cache.html", f"Cache {label}", shown)


def _logged_as(use: str, name: str) -> str:
    return name if use == "answers" else f"{use}/{name}"


def _split(stats: Stats, field: str) -> list[tuple[str, Stats]]:
    """Splits statistics by type or model, the busiest first, without what was counted of none."""
    rows = [(str(value), one) for value, one in stats.by(field).items() if value]
    return sorted(rows, key=lambda row: -(row[1].hits + row[1].misses + row[1].bypasses))


async def entry(visit: Visit) -> Page:
    """Shows one cached answer: what it says, who was served it, what was near, what was reported."""
    name, hit = visit.asked("cache"), visit.asked("id")
    answer = await visit.desk(name).aentry(hit)
    decisions = [one for one in await visit.decisions() if one.cache == name]
    own = [one for one in decisions if _name(one.entry) == _name(hit)]
    if answer is None and not own:
        raise HTTPException(404, "there is no such entry (any more)")
    question = (
        answer.question if answer and answer.question else next((one.question for one in own if one.question), "")
    )
    shown = {
        "cache": name,
        "hit": hit,
        "entry": answer,
        "question": question,
        "lines": own,
        "near": _near(question, decisions),
        "text": _text(answer.answer.value) if answer and answer.answer else None,
    }
    return Page("entry.html", "Cached answer", shown)


def _name(hit: str) -> str:
    """Returns what all ids of an entry begin with: by meaning they end with how sure the cache was."""
    return hit.partition("-")[0]


def _near(question: str, decisions: Sequence[Decision]) -> list[tuple[Decision, decision_log.LoggedCandidate]]:
    """Finds the questions that came near to an entry's, the nearest first."""
    if not question:
        return []
    pairs = [(one, near) for one in decisions for near in one.candidates if near.question == question]
    return sorted(pairs, key=lambda pair: -pair[1].similarity)[:20]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value.text)


async def what_if(visit: Visit) -> Page:
    """Shows what other risks would have given on the logged turns."""
    decisions = await visit.decisions()
    names = sorted({one.cache for one in decisions if one.cache})
    advice = [(name, advice_of([one for one in decisions if one.cache == name])) for name in names]
    turns = sum(one.outcome in TURNS for one in decisions)
    return Page("what_if.html", "What if", {"advice": advice, "turns": turns})
