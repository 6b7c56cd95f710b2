"""Warming: computes what LangChain passes to a cache for a question, so that answers are cached before it is asked.

A cache is asked with a prompt and a string that describes the model. `asked_of` gives both for a question and a model,
as LangChain would; `rows` reads questions with answers from wherever they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel, BaseLanguageModel
from langchain_core.load import dumps
from langchain_core.messages import BaseMessage, convert_to_messages
from langchain_core.prompt_values import ChatPromptValue, PromptValue, StringPromptValue
from langchain_core.runnables.base import RunnableBindingBase

from langchain_redis_memory.errors import InvalidInputError


def asked_of(question: Any, model: Any) -> tuple[str, str]:
    """Computes what LangChain passes to a cache, so that a warmed answer is found by the call it is meant for.

    The question is a text, a message, messages as LangChain takes them, or a prompt value; the model is one with what
    is bound to it, or the string that describes it: then the question must be the prompt as the cache will see it.
    Returns the prompt and the model's string. Raises `InvalidInputError`: one of them is something else.
    """
    from langchain_core.language_models import BaseLLM  # only here: it takes longer to import than all of this room

    given: dict[str, Any] = {}
    while isinstance(model, RunnableBindingBase):
        given, model = {**model.kwargs, **given}, model.bound
    if isinstance(model, BaseChatModel):
        stop = given.pop("stop", None)
        described = {name: value for name, value in given.items() if name not in _FOR_TRACING}
        messages = [
            message.model_copy(update={"id": None}) if message.id is not None else message
            for message in _asked(question).to_messages()
        ]
        return dumps(messages), model._get_llm_string(stop=stop, **described)
    if isinstance(model, BaseLLM):
        described = getattr(model, "_dict_for_compat", model.dict)()
        params = {**described, "stop": given.pop("stop", None), **given}
        return _asked(question).to_string(), str(sorted(params.items()))
    if isinstance(model, str):
        if isinstance(question, str):
            return question, model
        raise InvalidInputError(f"a prompt must be a text unless a model is given, not {type(question).__name__}")
    msg = f"model must be a LangChain model or the string that describes it, not {type(model).__name__}"
    raise InvalidInputError(msg)


def uncached(model: Any) -> Any:
    """Returns the same model without LangChain's cache, which the answers of warming must not pass through.

    Raises `InvalidInputError`: it is no LangChain model.
    """
    if isinstance(model, RunnableBindingBase):
        return model.model_copy(update={"bound": uncached(model.bound)})
    if isinstance(model, BaseLanguageModel):
        return model.model_copy(update={"cache": False})
    raise InvalidInputError(f"model must be a LangChain model, which is asked, not {type(model).__name__}")


_FOR_TRACING = {"ls_structured_output_format", "structured_output_format"}
"""What LangChain takes out of the arguments before it asks the cache."""


def _asked(question: Any) -> PromptValue:
    if isinstance(question, PromptValue):
        return question
    if isinstance(question, str):
        return StringPromptValue(text=question)
    if isinstance(question, BaseMessage):
        return ChatPromptValue(messages=[question])
    if isinstance(question, list | tuple) and question:
        try:
            return ChatPromptValue(messages=convert_to_messages(question))
        except (ValueError, TypeError, NotImplementedError) as error:
            raise InvalidInputError(f"a question holds what is not a message: {error}") from None
    raise InvalidInputError(f"a question must be a text, a prompt or messages, not {type(question).__name__}")


def rows(source: Iterable[Any] | str | Path) -> Iterator[tuple[Any, Any]]:
    """Yields questions with answers, from pairs, mappings with "prompt" (or "question") and "answer", or a file.

    The file has such a mapping in each line (JSON Lines). Raises `InvalidInputError`: a row is something else; its
    number is in the message. Raises `OSError`: the file cannot be read.
    """
    if isinstance(source, str | Path):
        with Path(source).open(encoding="utf-8-sig") as lines:
            try:
                yield from rows(_parsed(lines))
            except UnicodeDecodeError as error:
                raise InvalidInputError(f"{source} is not in UTF-8: {error}") from None
        return
    for number, row in enumerate(source, 1):
        if isinstance(row, Mapping) and "answer" in row and ("prompt" in row or "question" in row):
            yield row.get("prompt", row.get("question")), row["answer"]
        elif isinstance(row, tuple | list) and len(row) == 2:
            yield row[0], row[1]
        else:
            msg = f"row {number} must be a pair (question, answer) or a mapping with 'prompt' and 'answer'"
            raise InvalidInputError(msg)


def _parsed(lines: Iterable[str]) -> Iterator[Any]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise InvalidInputError(f"line {number} is not JSON: {error}") from None
