"""Turns of a conversation, each with its line of the log, and with what a cache keyed on its words would have said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage, HumanMessage

from langchain_redis_memory.cache.decision_log import Decision
from langchain_redis_memory.cache.marks import marks_of

TURNS = frozenset({"hit", "miss", "bypass"})
"""Outcomes of lines that stand for a turn; others are reports."""


@dataclass(frozen=True)
class SameWords:
    """What a cache whose key is the last utterance alone would have served: the first answer to the same words.

    `differs` says that this turn was answered otherwise.
    """

    first: Decision
    differs: bool


@dataclass(frozen=True)
class TurnView:
    """One turn as it is shown.

    Args:
        number: Its place among those that are stored, from 1.
        question: What the user said; None where it was trimmed away.
        answers: What was said then.
        decision: Its line in the log; None where there is none (any more).
        same_words: What a cache keyed on the words would have served; None where they were new, or the log ends.
        reported: "wrong" or "right" where its hit was reported.
    """

    number: int
    question: BaseMessage | None
    answers: Sequence[BaseMessage]
    decision: Decision | None = None
    same_words: SameWords | None = None
    reported: str = ""


def same_words(decisions: Sequence[Decision]) -> dict[str, SameWords]:
    """Finds the turns whose words had been said before, from a log that begins with the newest.

    Returns the id of a turn's line -> what a cache keyed on the words would have served.
    """
    first: dict[bytes, Decision] = {}
    repeats = {}
    for one in reversed(decisions):
        if one.outcome in TURNS and one.trace.answer:
            earlier = first.setdefault(one.marks.question, one)
            if earlier is not one:
                repeats[one.id] = SameWords(earlier, earlier.trace.answer != one.trace.answer)
    return repeats


def reports(decisions: Sequence[Decision]) -> Mapping[str, str]:
    """Finds the last report of each entry, "wrong" or "right", from a log that begins with the newest."""
    return {one.entry: one.outcome for one in reversed(decisions) if one.outcome not in TURNS}


def turns_of(
    messages: Sequence[BaseMessage], session_id: str, agent: str, decisions: Sequence[Decision]
) -> list[TurnView]:
    """Joins the messages of a conversation with their lines of the tenant's log; gives the turns, the oldest first."""
    mark, before, reported_as = marks_of("", session_id, "").session, same_words(decisions), reports(decisions)
    lines = [
        one
        for one in decisions
        if one.outcome in TURNS and one.marks.session == mark and one.trace.agent in {agent, ""}
    ]
    groups: list[list[BaseMessage]] = []
    for message in messages:
        if isinstance(message, HumanMessage) or not groups:
            groups.append([])
        groups[-1].append(message)
    turns, at = [], 0
    for number in range(len(groups), 0, -1):
        said = groups[number - 1]
        question = said[0] if isinstance(said[0], HumanMessage) else None
        decision = None
        if question is not None:
            asked = marks_of(question.content, "", "").question
            place = next((n for n in range(at, len(lines)) if lines[n].marks.question == asked), None)
            if place is not None:
                decision, at = lines[place], place + 1
        turns.append(
            TurnView(
                number,
                question,
                said[1:] if question is not None else said,
                decision,
                before.get(decision.id) if decision else None,
                reported_as.get(decision.entry, "") if decision and decision.entry else "",
            )
        )
    return turns[::-1]
