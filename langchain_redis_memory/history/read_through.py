"""Read-through: loads a conversation that is missing in Redis from your database, once for all processes.

Of all processes that miss it one loads, under a lease; the others wait for a bounded time and read. Loaded messages are
stored only while the conversation is still missing, and a message without an id gets one from its position, so loading
twice stores once. An error of the loader is passed on: without the messages the conversation would start anew.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from langchain_core.messages import BaseMessage
from langchain_core.runnables.config import run_in_executor

from langchain_redis_memory.checks import check_type
from langchain_redis_memory.errors import ConfigError, NotAMessageError
from langchain_redis_memory.history.transcript import Transcript, WriteResult
from langchain_redis_memory.ops import Flow, Invoke, Op, Sleep, ask, leave_behind, merge
from langchain_redis_memory.redis import lease

T = TypeVar("T")

LEASE_MS = 30_000
WAIT_S = 5.0
"""How long a loader may take before another process tries, and how long others wait for it."""
_PAUSES = (0.005, 0.01, 0.02, 0.04)


Load: TypeAlias = "Callable[..., Sequence[BaseMessage] | Awaitable[Sequence[BaseMessage] | None] | None]"
"""A function of the session id that gives the messages, sync or async; it may take `tenant` and `agent` as well."""

Write: TypeAlias = "Callable[..., object]"
"""A function of the session id and the messages, sync or async; it may take `tenant` and `agent` as well."""


class Loader(Protocol):
    """An object that loads conversations; see `Load`."""

    @property
    def load(self) -> Load:
        """Loads one."""


class AsyncLoader(Protocol):
    """An object that loads conversations without blocking; see `Load`."""

    @property
    def aload(self) -> Load:
        """Loads one."""


class Writer(Protocol):
    """An object that stores messages elsewhere; see `Write`."""

    @property
    def write(self) -> Write:
        """Stores the messages of one conversation."""


class AsyncWriter(Protocol):
    """An object that stores messages elsewhere without blocking; see `Write`."""

    @property
    def awrite(self) -> Write:
        """Stores the messages of one conversation."""


LoaderLike: TypeAlias = "Load | Loader | AsyncLoader"
WriterLike: TypeAlias = "Write | Writer | AsyncWriter"


class UserCallback:
    """A user's callback that takes a session id: a function, or an object with a method of that name or its async twin.

    Raises `ConfigError`: it is neither.
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
        """Returns whether it takes a keyword argument, such as `tenant`."""
        return self._any or what in self._named

    def step(self, transcript: Transcript, *args: Any) -> Invoke:
        """Builds the step that calls it with the session's id, tenant and agent if they are taken, and the rest.

        A function that is only sync runs in a thread where the driver is async.
        """
        scope = {"tenant": transcript.space.tenant, "agent": transcript.agent}
        named = {name: value for name, value in scope.items() if self.takes(name)}

        def call() -> Any:
            if self._call is None:
                raise ConfigError(f"only a{self._name}() was given: use the async methods, or give {self._name}() too")
            return self._call(transcript.session_id, *args, **named)

        async def acall() -> Any:
            if self._acall is not None:
                return await self._acall(transcript.session_id, *args, **named)
            return await run_in_executor(None, call)

        return Invoke(call, acall)


def as_callback(given: LoaderLike | WriterLike | UserCallback | None, name: str) -> UserCallback | None:
    """Wraps a user's loader or writer, a function or an object with a method of the name; None for None.

    Raises `ConfigError`: it cannot be called.
    """
    return given if given is None or isinstance(given, UserCallback) else UserCallback(given, name)


def check_scope(tenant: str, agent: str, *given: UserCallback | None) -> None:
    """Checks that the callbacks take the tenant and the agent of a conversation, which are part of its identity.

    Raises `ConfigError`: one of them takes no such argument.
    """
    for what, name in (("tenant", tenant), ("agent", agent)):
        if name and any(one is not None and not one.takes(what) for one in given):
            msg = f"the conversation is of the {what} {name!r}: let the loader and the writer take {what}= as well"
            raise ConfigError(msg)


def load_flow(transcript: Transcript, loader: UserCallback) -> Flow[None]:
    """Loads a missing conversation, unless another process is loading it.

    A flow; what the loader raises passes through it, and nothing is stored then.
    """
    key = transcript.space.lease("load", transcript.session_id, transcript.agent)
    token = lease.new_token()
    try:
        yield from _load_flow(transcript, loader, key, token)
    except GeneratorExit:
        leave_behind(ask(lease.release(key, token)))
        raise


def _load_flow(transcript: Transcript, loader: UserCallback, key: str, token: str) -> Flow[None]:
    waited, attempt = 0.0, 0
    while waited < WAIT_S:
        held, there = yield from ask(merge(lease.acquire(key, token, LEASE_MS), transcript.exists()))
        if held or there:
            break
        pause = _PAUSES[attempt] if attempt < len(_PAUSES) else 0.1
        yield Sleep(pause)
        waited, attempt = waited + pause, attempt + 1
    else:
        there = yield from ask(transcript.exists())  # the loading process is slow or dead: load here as well
    try:
        if not there:
            messages = _with_ids((yield loader.step(transcript)) or ())
            if messages:
                yield from ask(transcript.add(messages, "fill"))
    except Exception:
        yield from ask(lease.release(key, token))
        raise
    yield from ask(lease.release(key, token))


def _with_ids(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Gives each message without an id one from its position."""
    named, wanted = [], "LangChain messages (convert_to_messages() makes them)"
    for position, message in enumerate(messages):
        check_type(message, BaseMessage, "what the loader gives", wanted, NotAMessageError)
        named.append(message if message.id else message.model_copy(update={"id": f"loaded-{position}"}))
    return named


def read_flow(read: Op[T], transcript: Transcript, loader: UserCallback | None) -> Flow[T]:
    """Reads a conversation, loaded first where it is missing: a flow of one trip where it is there."""
    if loader is None:
        return (yield from ask(read))
    # Asked first: a conversation that somebody stores between the two commands is then read, not taken for empty.
    there, found = yield from ask(merge(transcript.exists(), read))
    if there:
        return found
    yield from load_flow(transcript, loader)
    return (yield from ask(read))


def change_flow(write: Callable[[], Op[T]], transcript: Transcript, loader: UserCallback | None) -> Flow[T]:
    """Changes a conversation, loaded first where it is missing.

    A flow of one trip without a loader, of two with one where the conversation is there.
    """
    if loader is not None and not (yield from ask(transcript.exists())):
        yield from load_flow(transcript, loader)
    return (yield from ask(write()))


def add_flow(
    write: Callable[[str], Op[WriteResult]], transcript: Transcript, loader: UserCallback | None
) -> Flow[WriteResult]:
    """Adds messages to a conversation by `Transcript.write`, loaded first where it is missing.

    A flow of one trip where the conversation is there, or without a loader.
    """
    if loader is None:
        return (yield from ask(write("add")))
    added = yield from ask(write("more"))
    if any(added[1:]):
        return added
    yield from load_flow(transcript, loader)
    return (yield from ask(write("add")))
