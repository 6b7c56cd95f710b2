"""Options as tests write them, flat, put into the groups that classes take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from langchain_redis_memory import AnswerOptions, HistoryOptions, QuestionOptions

OF_TURNS: Mapping[str, type] = {"questions": QuestionOptions, "answers": AnswerOptions, "history": HistoryOptions}
"""The groups of `ConversationMemory`; `AnswerCacheMiddleware` has the first two."""


def grouped(options: Mapping[Any, Any], groups: Mapping[str, type] = OF_TURNS) -> dict[str, Any]:
    """Puts options into groups; what is in none stays as it is."""
    rest: dict[str, Any] = dict(options)
    for name, group in groups.items():
        chosen = {field.name: rest.pop(field.name) for field in fields(group) if field.name in rest}
        if chosen:
            rest[name] = group(**chosen)
    return rest
