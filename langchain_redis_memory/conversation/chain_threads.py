"""Finds what keeps conversations of its own inside of a chain: a graph with a checkpointer, a chain with a history.

Its answers depend on what was said there, which no key of a cache holds. It is looked for in what the chain is composed
of, in its functions, what they close over, and the chains and functions of their module that they name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

from langchain_core.runnables import Runnable

from langchain_redis_memory.extras import loaded

_MOST = 2000


def keeps_conversations(chain: Runnable[Any, Any]) -> str | None:
    """Finds a part of a chain that keeps conversations of its own.

    Args:
        chain: The chain.

    Returns:
        What it is; None where there is none to be found.
    """
    waiting: list[Any] = [chain]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, loaded("langgraph.pregel", "Pregel")) and not isinstance(part.checkpointer, bool | None):
            return f"the graph {part.name!r}"
        if isinstance(part, loaded("langchain_core.runnables.history", "RunnableWithMessageHistory")):
            return "a RunnableWithMessageHistory"
        waiting += _inside(part)
    return None


def _inside(part: Any) -> Iterator[Any]:
    """What there is in a part: of functions what they can call, of what LangChain composes its parts."""
    if isinstance(part, Mapping):
        yield from part.values()
    elif isinstance(part, list | tuple | set | frozenset):
        yield from part
    elif isinstance(part, partial):
        yield from (part.func, part.args, part.keywords)
    elif isinstance(part, MethodType):
        yield part.__func__
        yield from getattr(part.__self__, "__dict__", {}).values()
    elif isinstance(part, FunctionType):
        yield from (cell.cell_contents for cell in part.__closure__ or () if cell != CellType())
        yield from (part.__globals__[name] for name in _names(part.__code__) if _is_called(part, name))
    elif isinstance(part, Runnable):
        yield from vars(part).values()
        yield from (getattr(node, "bound", None) for node in getattr(part, "nodes", {}).values())


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


def _is_called(function: FunctionType, name: str) -> bool:
    """Whether a global of a function is a chain, or a function beside it."""
    found = function.__globals__.get(name)
    own = isinstance(found, FunctionType) and found.__module__ == function.__module__
    return own or isinstance(found, Runnable)
