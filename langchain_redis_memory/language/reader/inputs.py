"""What the reader is given to read: the training makes its examples with the same functions."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_redis_memory.language.classify.tokens import said, text_of

LONGEST = 72
"""Tokens of one input; a longer one loses its end."""
HEADS = ("same", "dependent")
"""The model's first output, in order."""
_ASKED, _ANSWERED, _BEFORE = 120, 100, 80
"""Characters of the last question, of its answer and of the question before."""


def context_of(history: Sequence[BaseMessage]) -> str:
    """Returns the part of a conversation that a turn is read behind, the newest first.

    Args:
        history: The conversation, oldest first.

    Returns:
        The user's last turn, the head of its answer, and the user's turn before; empty where nothing was said.
    """
    near = said(history)
    asked = [_head(message, most) for message, most in _questions(near)]
    last = near[-1] if near else None
    answer = [_head(last, _ANSWERED)] if isinstance(last, AIMessage) else []
    return " | ".join([*asked[:1], *answer, *asked[1:]])


def _questions(near: Sequence[BaseMessage]) -> list[tuple[BaseMessage, int]]:
    asked = [message for message in reversed(near) if isinstance(message, HumanMessage)]
    return list(zip(asked, (_ASKED, _BEFORE), strict=False))


def _head(message: BaseMessage, most: int) -> str:
    return " ".join(text_of(message)[: 2 * most].split())[:most]
