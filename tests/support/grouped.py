"""A memory's options as tests write them, without their groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from langchain_redis_memory import AnswerOptions, HistoryOptions, QuestionOptions

GROUPS = {"questions": QuestionOptions, "answers": AnswerOptions, "history": HistoryOptions}


def grouped(options: Mapping[Any, Any]) -> dict[str, Any]:
    """Puts options into the groups that `ConversationMemory` and `AnswerCacheMiddleware` take."""
    rest: dict[str, Any] = dict(options)
    for name, group in GROUPS.items():
        given = {field.name: rest.pop(field.name) for field in fields(group) if field.name in rest}
        if given:
            rest[name] = group(**given)
    return rest
