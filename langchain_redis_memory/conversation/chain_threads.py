"""Finds what keeps conversations of its own inside of a chain: a graph with a checkpointer, a chain with a history.

Its answers depend on what was said there, which no key of a cache holds. It is looked for in what the chain is composed
of, in its functions, in what these close over, are bound to, take by default or name in their module, and in what such
objects hold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

from langchain_core.runnables import Runnable

from langchain_redis_memory.extras import loaded
from langchain_redis_memory.redis.codec.data import names_in

_MOST = 2000
"""How many parts are looked at, the nearest first: an object may hold a whole application."""


_NOTHING_INSIDE = (type(None), str, bytes, int, float, type, ModuleType)


def keeps_conversations(chain: Runnable[Any, Any]) -> str | None:
    """Finds a part of a chain that keeps conversations of its own.

    Args:
        chain: The chain.

    Returns:
        What it is; None where there is none to be found.
    """
    waiting: deque[Any] = deque([chain])
    seen: dict[int, Any] = {}
    while waiting and len(seen) < _MOST:
        part = waiting.popleft()
        if id(part) in seen or isinstance(part, _NOTHING_INSIDE):
            continue
        seen[id(part)] = part  # kept: another object may get the id of one that is gone
        if isinstance(part, loaded("langgraph.pregel", "Pregel")) and not isinstance(part.checkpointer, bool | None):
            return f"the graph {part.name!r}"
        if isinstance(part, loaded("langgraph.pregel.remote", "RemoteGraph")):
            return f"the remote graph {part.name or part.assistant_id!r}"
        if isinstance(part, loaded("langchain_core.runnables.history", "RunnableWithMessageHistory")):
            return "a RunnableWithMessageHistory"
        waiting += _inside(part)
    return None


def _inside(part: Any) -> Iterator[Any]:
    """What there is in a part: of functions what they can call, of what LangChain composes its parts."""
    if isinstance(part, dict):
        yield from list(part.values())
    elif isinstance(part, list | tuple | set | frozenset):
        yield from list(part)
    elif isinstance(part, partial):
        yield from (part.func, part.args, part.keywords)
    elif isinstance(part, MethodType):
        yield from (part.__func__, part.__self__)
    elif isinstance(part, FunctionType):
        yield from (cell.cell_contents for cell in part.__closure__ or () if cell != CellType())
        yield from (part.__defaults__, part.__kwdefaults__)
        yield from (part.__globals__[name] for name in names_in(part.__code__) if _is_called(part, name))
    else:
        yield from list(_fields(part).values())


def _fields(part: Any) -> dict[str, Any]:
    """What an object holds; its own `__getattr__` is not asked, which may fail outside of a request."""
    try:
        found: dict[str, Any] = object.__getattribute__(part, "__dict__")
    except AttributeError:
        return {}
    return found


def _is_called(function: FunctionType, name: str) -> bool:
    """Whether a name is a global of a function: a chain, an object, or a function beside it."""
    found = function.__globals__.get(name)
    return found is not None and (not isinstance(found, FunctionType) or found.__module__ == function.__module__)
