"""Reading through to a permanent database: a conversation that Redis does not have (any more) is loaded from there.

Of all processes that miss it at the same time one loads (a lease); the others wait for it, for a bounded time, and then
read. What is loaded is stored only while the conversation is still absent, and a message without an id gets one from
its place, so loading twice stores once. A loader that finds nothing leaves nothing behind; what it raises is passed on,
because to go on without the messages would start the conversation anew.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from langchain_core.messages import BaseMessage
from langchain_core.runnables.config import run_in_executor

from langchain_redis_memory.errors import ConfigError, NotAMessageError
from langchain_redis_memory.history.transcript import Transcript, WriteResult
from langchain_redis_memory.ops import Flow, Invoke, Op, Sleep, ask, merge
from langchain_redis_memory.redis import lease

T = TypeVar("T")

LEASE_MS = 30_000
WAIT_S = 5.0
"""How long a loader may take before another process tries, and how long others wait for it."""
_PAUSES = (0.005, 0.01, 0.02, 0.04)


class UserCallback:
    """Something of the user's that is called with a session id: a function or a method, sync, async or both.

    Args:
        given: A function, or an object with methods of these names.
        name: The method's name; its async twin is `a` + name.

    Raises:
        ConfigError: It is neither.
    """

    def __init__(self, given: Any, name: str) -> None:
        self._call = getattr(given, name, None)
        self._acall = getattr(given, f"a{name}", None)
        if self._call is None and self._acall is None and callable(given):
            self._call = given
        if inspect.iscoroutinefunction(self._call):
            self._call, self._acall = None, self._call
        if not callable(self._call) and not callable(self._acall):
            msg = f"expected a function or an object with {name}() or a{name}(), got {type(given).__name__}"
            raise ConfigError(msg)
        self._name = name
        try:
            parameters = list(inspect.signature(self._call or self._acall).parameters.values())  # type: ignore[arg-type]
        except (ValueError, TypeError):  # a function of C says nothing of what it takes
            parameters = []
        self._named = {parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD}
        self._any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)

    def takes(self, what: str) -> bool:
        """Whether it takes a keyword argument of a name, such as `tenant`."""
        return self._any or what in self._named

    def step(self, transcript: Transcript, *args: Any) -> Invoke:
        """The step that calls it.

        Args:
            transcript: The conversation; its id is the first argument, its tenant and agent are given where taken.
            *args: Further arguments.

        Returns:
            The step. A function that is only sync runs in a thread where the driver is async.
        """
        places = {"tenant": transcript.space.tenant, "agent": transcript.agent}
        named = {name: value for name, value in places.items() if self.takes(name)}

        def call() -> Any:
            if self._call is None:
                msg = f"only a{self._name}() was given: use the async methods, or give {self._name}() too"
                raise ConfigError(msg)
            return self._call(transcript.session_id, *args, **named)

        async def acall() -> Any:
            if self._acall is not None:
                return await self._acall(transcript.session_id, *args, **named)
            return await run_in_executor(None, call)

        return Invoke(call, acall)


def outside(given: Any, name: str) -> UserCallback | None:
    """What the user gave, ready to be called; None for nothing.

    Args:
        given: A function, an object, or None.
        name: The method's name.

    Returns:
        It.

    Raises:
        ConfigError: It cannot be called.
    """
    return given if given is None or isinstance(given, UserCallback) else UserCallback(given, name)


def tells_apart(tenant: str, agent: str, *given: UserCallback | None) -> None:
    """Refuses a conversation that a loader or a writer could not tell from another one with the same id.

    Args:
        tenant: The tenant that is named for it, "" where none is.
        agent: The agent.
        *given: The loader, the writer.

    Raises:
        ConfigError: One of them takes no such argument.
    """
    for what, name in (("tenant", tenant), ("agent", agent)):
        if name and any(one is not None and not one.takes(what) for one in given):
            msg = f"the conversation is of the {what} {name!r}: let the loader and the writer take {what}= as well"
            raise ConfigError(msg)


def fill(transcript: Transcript, loader: UserCallback) -> Flow[None]:
    """Loads a conversation that is absent, unless another process does so just now.

    Args:
        transcript: The conversation.
        loader: Gives its messages.

    Returns:
        A flow; what the loader raises passes through it, and nothing is stored then.
    """
    key = transcript.space.lease("load", transcript.session_id, transcript.agent)
    token = lease.new_token()
    waited, attempt = 0.0, 0
    while waited < WAIT_S:
        held, there = yield from ask(merge(lease.acquire(key, token, LEASE_MS), transcript.exists()))
        if held or there:
            break
        pause = _PAUSES[attempt] if attempt < len(_PAUSES) else 0.1
        yield Sleep(pause)
        waited, attempt = waited + pause, attempt + 1
    else:
        there = yield from ask(transcript.exists())  # whoever loads is slow or dead: if need be, load here as well
    try:
        if not there:
            messages = _named((yield loader.step(transcript)) or ())
            if messages:
                yield from ask(transcript.add(messages, "fill"))
    except Exception:
        yield from ask(lease.release(key, token))
        raise
    yield from ask(lease.release(key, token))


def _named(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The messages, each with an id."""
    named = []
    for place, message in enumerate(messages):
        if not isinstance(message, BaseMessage):
            msg = f"the loader must give LangChain messages, got {type(message).__name__}"
            raise NotAMessageError(msg)
        named.append(message if message.id else message.model_copy(update={"id": f"loaded-{place}"}))
    return named


def through(read: Op[T], transcript: Transcript, loader: UserCallback | None) -> Flow[T]:
    """Reads a conversation; where it is absent it is loaded first.

    Args:
        read: What is read.
        transcript: The conversation.
        loader: Gives its messages; None for nothing.

    Returns:
        A flow of one trip where the conversation is there.
    """
    if loader is None:
        return (yield from ask(read))
    found, there = yield from ask(merge(read, transcript.exists()))
    if there:
        return found
    yield from fill(transcript, loader)
    return (yield from ask(read))


def onto(write: Callable[[], Op[T]], transcript: Transcript, loader: UserCallback | None) -> Flow[T]:
    """Changes a conversation; where it is absent it is loaded first.

    Args:
        write: Makes the change.
        transcript: The conversation.
        loader: Gives its messages; None for nothing.

    Returns:
        A flow of one trip without a loader, of two with one where the conversation is there.
    """
    if loader is not None and not (yield from ask(transcript.exists())):
        yield from fill(transcript, loader)
    return (yield from ask(write()))


def adding(messages: Sequence[BaseMessage], transcript: Transcript, loader: UserCallback | None) -> Flow[WriteResult]:
    """Adds messages to a conversation; where it is absent it is loaded first.

    Args:
        messages: In order.
        transcript: The conversation.
        loader: Gives its messages; None for nothing.

    Returns:
        A flow of one trip where the conversation is there, or without a loader.
    """
    if loader is None:
        return (yield from ask(transcript.add(messages)))
    added = yield from ask(transcript.add(messages, "more"))
    if any(added[1:]):
        return added
    yield from fill(transcript, loader)
    return (yield from ask(transcript.add(messages)))
