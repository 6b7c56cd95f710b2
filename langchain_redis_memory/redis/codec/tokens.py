"""Counts tokens as LangChain's `count_tokens_approximately` does.

That one looks at each message in a dozen ways. Most messages are plain questions and answers, which are counted here:
the same number for a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Iterable

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, HumanMessageChunk
from langchain_core.messages.utils import count_tokens_approximately

_ROLES: dict[type[BaseMessage], int] = {HumanMessage: 4, HumanMessageChunk: 4, AIMessage: 9, AIMessageChunk: 9}
"""How many characters the names of the roles have that a model is told: "user", "assistant"."""


def count_tokens(messages: Iterable[BaseMessage]) -> int:
    """Counts tokens by their characters, four for each, and three for each message."""
    tokens = 0
    for message in messages:
        fields, role = message.__dict__, _ROLES.get(type(message))
        content = fields.get("content")
        if role is None or type(content) is not str or fields.get("name") or fields.get("tool_calls"):
            tokens += count_tokens_approximately([message])
        else:
            tokens += -(-(len(content) + role) // 4) + 3
    return tokens
