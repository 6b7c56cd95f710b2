"""The operation that a round trip belongs to: the public method whose caller waits for it, as in "RedisSaver.put".

It is read from the stack, so that no method need say its name, and only where somebody wants to know: an `on_trip`.
"""

from __future__ import annotations

import sys
from types import FrameType

_PACKAGE = "langchain_redis_memory."
_CLIENT = f"{_PACKAGE}redis.client."
_COROUTINE = 0x80 | 0x200  # inspect.CO_COROUTINE, CO_ASYNC_GENERATOR
_NEAR = 4
UNNAMED = "Client.run"
"""What runs an op of its own making, or goes on in the background."""


def operation_name() -> str:
    """Names the operation that is under way.

    Returns class and method, the same for both colours; `UNNAMED` where no method of this package waits.
    """
    frame: FrameType | None = sys._getframe(1)
    task: FrameType | None = None
    while frame is not None:
        module, name = str(frame.f_globals.get("__name__", "")), frame.f_code.co_name
        if module.startswith(_PACKAGE) and not module.startswith(_CLIENT) and "self" in frame.f_locals:
            if _is_public(name):
                return _spelled(_outermost(frame))
            task = frame if name[0] == "_" and not name.endswith("_flow") else task
        frame = frame.f_back
    return UNNAMED if task is None else _spelled(task)  # LangChain runs async methods of ours in tasks of their own


def _outermost(frame: FrameType) -> FrameType:
    """Finds the method that the caller called: one of a base class may have called the one which was found."""
    owner, above = frame.f_locals["self"], frame.f_back
    for _ in range(_NEAR):
        if above is None:
            break
        if above.f_locals.get("self") is owner and _is_public(above.f_code.co_name):
            frame = above
        above = above.f_back
    return frame


def _spelled(frame: FrameType) -> str:
    name, asynchronous = frame.f_code.co_name.lstrip("_"), frame.f_code.co_flags & _COROUTINE
    return f"{type(frame.f_locals['self']).__name__}.{name[1:] if name[0] == 'a' and asynchronous else name}"


def _is_public(name: str) -> bool:
    return name[0] not in "_<" and not name.endswith("_flow")
