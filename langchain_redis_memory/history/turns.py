"""Turns: the exchanges of a conversation as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_redis_memory.checks import check_type


class Turn(NamedTuple):
    """One exchange in plain text; `assistant` is "" while there is no answer."""

    user: str
    assistant: str


def turn_messages(user: str, assistant: str) -> list[BaseMessage]:
    """Builds the two messages of a turn, with new ids. Raises `InvalidInputError`: one of them is not a string."""
    for text in (user, assistant):
        check_type(text, str, "each text of add_turn", "a string; use add_messages for anything else")
    return [HumanMessage(user, id=str(uuid4())), AIMessage(assistant, id=str(uuid4()))]


def exchanges(messages: Sequence[BaseMessage]) -> list[Turn]:
    """Groups messages into turns. Returns for each user message its text and the text of the last answer to it."""
    turns: list[Turn] = []
    for message in messages:
        if isinstance(message, HumanMessage):
            turns.append(Turn(str(message.text), ""))
        elif isinstance(message, AIMessage) and turns:
            turns[-1] = Turn(turns[-1].user, str(message.text) or turns[-1].assistant)
    return turns


def turn_starts(history: Sequence[BaseMessage]) -> list[int]:
    """Finds where the turns of a conversation begin."""
    return [place for place, message in enumerate(history) if isinstance(message, HumanMessage)]
