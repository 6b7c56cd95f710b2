"""Who answers while conversations are replayed: what was recorded, or any function or runnable of yours.

Where nothing was recorded a stand-in answers, in words that name the question as it was asked. It does not know what
the question means, so it gives the conversation no hint that a classifier or a cache key could profit from.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable

from langchain_redis_memory.cli.replay.stream import StreamTurn
from langchain_redis_memory.errors import ConfigError

Answerer = Callable[[StreamTurn, Sequence[BaseMessage]], AIMessage]
"""From a turn and the messages that the memory shows to the answer."""


def recorded(asking: StreamTurn, _memory: Sequence[BaseMessage]) -> AIMessage:
    """Returns the recorded answer, or one that names the question."""
    return AIMessage(asking.turn.answer or f"(an answer to: {asking.text})")


def answerer(spec: str) -> Answerer:
    """Imports an answerer of the user's own: `module:name` of a function from question to answer, or of a runnable.

    A chat model also gets the messages that the memory shows it; anything else only the question's text. The module is
    looked for in the current directory, too. Raises `ConfigError`: there is no such thing, or it cannot be called.
    """
    module, _, name = spec.partition(":")
    if not module or not name:
        raise ConfigError(f"--answerer is module:function, got {spec!r}")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        thing: Any = import_module(module)
        for part in name.split("."):
            thing = getattr(thing, part)
    except Exception as error:
        raise ConfigError(f"--answerer {spec!r} cannot be loaded: {type(error).__name__}: {error}") from error
    if iscoroutinefunction(thing) or not (callable(thing) or isinstance(thing, Runnable)):
        raise ConfigError(f"--answerer {spec!r} is not a function (nor a runnable) that answers without an event loop")
    return _called(thing)


def _called(thing: Any) -> Answerer:
    def answer(asking: StreamTurn, memory: Sequence[BaseMessage]) -> AIMessage:
        if isinstance(thing, BaseChatModel):
            given: Any = thing.invoke([*memory, HumanMessage(asking.text)])
        elif isinstance(thing, Runnable):
            given = thing.invoke(asking.text)
        else:
            given = thing(asking.text)
        return given if isinstance(given, AIMessage) else AIMessage(str(getattr(given, "content", given)))

    return answer
