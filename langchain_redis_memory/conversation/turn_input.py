"""Reads the input of a turn: the question, the system messages in front of it, and what else the chain is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue

from langchain_redis_memory.conversation.chain_shape import QUESTION_KEYS
from langchain_redis_memory.errors import InvalidInputError


class TurnQuestion(NamedTuple):
    """The question of a turn, and what came with it.

    Args:
        lead: System messages in front of the question.
        question: The question.
        given: The other keys of a dict.
        key: Where the question was in it; None for no dict.
    """

    lead: list[BaseMessage]
    question: HumanMessage
    given: dict[str, Any]
    key: str | None


def read_input(given: Any, named: str | None) -> TurnQuestion:
    """Finds the question in a text, a message, messages of which a human one is last (a prompt's, too), or a dict.

    In a dict it is under the key `named`, else under `question`, LangChain's `input` or a graph's `messages`. Raises
    `InvalidInputError`: there is no question.
    """
    if isinstance(given, PromptValue):
        given = given.to_messages()
    if not isinstance(given, dict):
        return TurnQuestion(*_question(given), {}, None)
    key = next((key for key in ((named,) if named else QUESTION_KEYS) if key in given), None)
    if key is None:
        places = repr(named) if named else ", ".join(map(repr, QUESTION_KEYS))
        names = sorted(map(str, given))
        msg = f"the input has the keys {names}, but the question is expected in {places}; wrap(..., input_key=...)"
        raise InvalidInputError(msg)
    said = _messages(given[key]) if key == "messages" else given[key]
    return TurnQuestion(*_question(said), {name: value for name, value in given.items() if name != key}, key)


def _messages(said: Any) -> Any:
    """Messages, which may be spelled as LangChain takes them: pairs, or dicts with a role."""
    try:
        return convert_to_messages(said if isinstance(said, list | tuple) else [said])
    except (ValueError, NotImplementedError, TypeError, KeyError) as error:
        raise InvalidInputError(f"the input's messages cannot be read: {type(error).__name__}") from error


def _question(said: Any) -> tuple[list[BaseMessage], HumanMessage]:
    if isinstance(said, str):
        return [], HumanMessage(said)
    if isinstance(said, HumanMessage):
        return [], said
    if isinstance(said, list) and any(isinstance(part, tuple | dict) for part in said):
        said = _messages(said)
    if isinstance(said, Sequence) and said and isinstance(said[-1], HumanMessage):
        lead = list(said[:-1])
        if all(isinstance(message, SystemMessage) for message in lead):
            return lead, said[-1]
        msg = "pass only the new question (and system messages before it): the memory adds the conversation itself"
        raise InvalidInputError(msg)
    msg = f"a question is text, a HumanMessage, or a list that ends with one; got {type(said).__name__}"
    raise InvalidInputError(msg)
