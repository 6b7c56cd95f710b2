"""Asks chat models for one JSON object, and reads what they write instead.

Models fence it, explain it and think aloud; they also repeat the examples of their instruction, or answer twice. One
object is taken from whatever is around it; where there are several that differ, none of them is the answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from langchain_redis_memory.ops import Invoke

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables import RunnableConfig

_CHARACTERS, _TRIES = 20_000, 200
"""What is read of an answer, and how many of its braces are tried."""


def structured(model: BaseChatModel, title: str, description: str, properties: Mapping[str, Any]) -> Any:
    """Returns a model that answers with an object of some properties, or the model itself where it cannot."""
    schema = {"title": title, "description": description, "type": "object"}
    try:
        return model.with_structured_output({**schema, "properties": dict(properties), "required": [*properties]})
    except Exception:  # noqa: BLE001 - models say in many ways that they cannot
        return model


def prompt_of(task: str, data: Mapping[str, Any]) -> list[BaseMessage]:
    """Builds a prompt: the task, then what others wrote as JSON, whose end nothing in it can be."""
    return [SystemMessage(task), HumanMessage(json.dumps(data, ensure_ascii=False).encode("utf-8", "replace").decode())]


def asking(model: Any, prompt: list[BaseMessage], timeout_s: float | None, *config: RunnableConfig) -> Invoke:
    """Returns the step that asks a model."""
    return Invoke(lambda: model.invoke(prompt, *config), lambda: model.ainvoke(prompt, *config), timeout_s=timeout_s)


def spoken(answer: Any) -> str:
    """Returns the text of a model's answer, without what it thought aloud; "" where it is none.

    Args:
        answer: A message, or a text.
    """
    text = str(answer.text) if isinstance(answer, BaseMessage) else answer if isinstance(answer, str) else ""
    text = text.rpartition("</think>")[2]
    return "" if "<think>" in text else text


def object_in(answer: Any, key: str, about: str) -> Mapping[str, Any]:
    """Finds the one JSON object with a key in a model's answer.

    Args:
        answer: A message or a text; structured output is taken as it is.
        key: What the object must have.
        about: The user's message: an object that names another message is a repeated example.

    Raises:
        ValueError: There is none, there are several that differ, or an example was repeated.
    """
    if isinstance(answer, Mapping):
        return answer
    found: dict[str, Any] | None = None
    for one in _objects(spoken(answer)[:_CHARACTERS]):
        if one is None:
            if found is not None:
                raise ValueError("another answer is begun behind it")
            continue
        if one.get("message", about) != about:
            raise ValueError("an example was repeated")
        if key in one and found not in (None, one):
            raise ValueError("several answers that differ")
        found = one if key in one else found
    if found is None:
        raise ValueError(f"no JSON object with {key!r}")
    return found


def _objects(text: str) -> Iterator[dict[str, Any] | None]:
    """The JSON objects in a text, those inside of others left out; None for a brace that begins none."""
    decoder, place = json.JSONDecoder(), text.find("{")
    for _ in range(_TRIES):
        if place < 0:
            return
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            end = place + 1
            yield None
        else:
            yield value
        place = text.find("{", end)
