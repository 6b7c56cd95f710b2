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

    Returns:
        Class and method, the same for both colours; `UNNAMED` where no method of this package waits.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(_PACKAGE) and not module.startswith(_CLIENT) and _is_public(frame.f_code.co_name):
            owner = frame.f_locals.get("self")
            if owner is not None:
                return f"{type(owner).__name__}.{_method(frame, owner)}"
        frame = frame.f_back
    return UNNAMED


def _method(frame: FrameType, owner: object) -> str:
    """Names the method that the caller called: that of a base class may have called the one which was found."""
    above: FrameType | None = frame
    for _ in range(_NEAR):
        above = above.f_back if above is not None else None
        if above is not None and above.f_locals.get("self") is owner and _is_public(above.f_code.co_name):
            frame = above
    name, flags = frame.f_code.co_name, frame.f_code.co_flags
    return name[1:] if name[0] == "a" and flags & _COROUTINE else name


def _is_public(name: str) -> bool:
    return name[0] not in "_<" and not name.endswith("_flow")
