"""Conversations: the list with search, a transcript with its decisions, turns whose words had been said before."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from fastapi import HTTPException
from langchain_core.messages import BaseMessage

from langchain_redis_memory.admin.page import Page
from langchain_redis_memory.admin.turns import same_words, turns_of
from langchain_redis_memory.admin.visit import Visit
from langchain_redis_memory.cache.decision_log import Decision
from langchain_redis_memory.cache.marks import marks_of
from langchain_redis_memory.history import session_index
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.operate.operations import RedisOperations
from langchain_redis_memory.operate.session_search import SessionMatch
from langchain_redis_memory.ops import merge
from langchain_redis_memory.redis.key_groups import mark_of
from langchain_redis_memory.state.session_data import RedisSessionData

_PER_PAGE = 25
_MOST_SHOWN = 100


async def sessions(visit: Visit) -> Page:
    """Lists conversations, of all agents or one, of one user, or those that hold some words."""
    agent, user, search = (visit.query.get(name, "") for name in ("agent", "user", "search"))
    content = visit.may("read_content")
    wanted, cursor = agent if "agent" in visit.query else None, visit.query.get("cursor") or None
    operations, matches = RedisOperations(visit.client, tenant=visit.tenant), list[SessionMatch]()
    # A search looks at more than it shows: at some thousand conversations, fewer where their messages are read.
    looks, at_once = (1, _PER_PAGE) if not search else (8, 250) if content else (20, 500)
    for _ in range(looks):
        page = await operations.asessions(
            agent=wanted, user=user or None, search=search, content=content, limit=at_once, cursor=cursor
        )
        matches += page.matches
        cursor = page.cursor
        if cursor is None or len(matches) >= _PER_PAGE:
            break
    survey = await visit.survey()
    shown = {
        "matches": matches,
        "cursor": cursor,
        "agents": sorted(survey.agents),
        "agent": wanted,
        "user": user,
        "search": search,
        "content": content,
    }
    return Page("sessions.html", "Conversations", shown)


async def session(visit: Visit) -> Page:
    """Shows a conversation, each turn with what was decided and why."""
    name, agent = visit.asked("id"), visit.query.get("agent", "")
    found, messages = await visit.run(
        merge(session_index.info(visit.space, agent, name), Transcript(visit.space, name, agent).read())
    )
    if found is None:
        raise HTTPException(404, "there is no such conversation (any more)")
    decisions = await visit.decisions()
    data: dict[str, Any] = {}
    if visit.may("read_content"):
        data = await RedisSessionData(name, visit.client, tenant=visit.tenant, agent=agent).aall()
    turns = turns_of(messages, name, agent, decisions)
    shown = {"session": found, "turns": turns, "data": data, "agent": agent}
    return Page("session.html", f"Conversation {name}", shown)


@dataclass(frozen=True)
class OtherAnswer:
    """A turn that a cache keyed on the words would have answered otherwise, with both answers where they are found."""

    turn: Decision
    first: Decision
    said: str | None
    first_said: str | None


async def other_answers(visit: Visit) -> Page:
    """Lists the turns that a cache keyed on the last utterance would have answered with somebody else's answer."""
    decisions = await visit.decisions()
    before = same_words(decisions)
    turns = [one for one in decisions if one.id in before and before[one.id].differs][:_MOST_SHOWN]
    pairs = [(one, before[one.id].first) for one in turns]
    said = await _answers(visit, [one for pair in pairs for one in pair]) if visit.may("read_content") else {}
    shown = {
        "rows": [OtherAnswer(one, first, said.get(one.id), said.get(first.id)) for one, first in pairs],
        "same": sum(not one.differs for one in before.values()),
        "turns": len(decisions),
    }
    return Page("other_answers.html", "Same words, another answer", shown)


async def _answers(visit: Visit, decisions: list[Decision]) -> dict[str, str]:
    """Finds what was answered in turns of the log, in the transcripts as far as they are kept."""
    places = dict.fromkeys((one.trace.session, one.trace.agent) for one in decisions if one.trace.session)
    nothing: list[BaseMessage] = []
    reads = merge(*(Transcript(visit.space, name, agent).read().optional(nothing) for name, agent in places))
    found_messages = await visit.run(reads)
    transcripts = dict(zip(places, found_messages, strict=True))
    found = {}
    for one in decisions:
        messages = transcripts.get((one.trace.session, one.trace.agent), [])
        for question, answer in pairwise(messages):
            same = marks_of(question.content, "", "").question == one.marks.question
            if question.type == "human" and same and mark_of(str(answer.text)) == one.trace.answer:
                found[one.id] = str(answer.text)
    return found
