"""An operation is a value: commands of one round trip and a pure decoder of their replies.

`Op[T]` does no I/O; only `Client` runs one (`run` / `arun`). `merge` joins several into one trip. `Flow[T]` is a
generator that yields steps (`Op`, `Invoke`, `Emit`, `Now`, `Sleep`, ...) and returns a T, for what needs
more than one trip; `Client.drive` / `adrive` run it. So every piece of logic is written once and serves both colours.

An `Op` that is only nice to have (a cache lookup) is made `optional(default)`: if the server refuses its commands it
yields the default, and the rest of the trip is not disturbed.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, Union, cast, overload

from langchain_redis_memory.errors import CorruptDataError, RedisMemoryError, ServerError
from langchain_redis_memory.frozen import Frozen

T = TypeVar("T")
U = TypeVar("U")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")

Arg = Union[str, bytes, int, float]
Reply = Any
"""What the server said to one command: bytes, int, float, None, a list of these, or a `ServerError`."""


_OF_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What decoders raise on bytes that were not stored by this package."""


class Script(Frozen):
    """A Lua script.

    Args:
        name: Its file's name without `.lua`.
        source: What is sent: the file with its names bound.
        keys: Names of its keys.
        args: Names of its arguments.
        rest: Whether more arguments may follow.
        sha: Digest of the source.
        more: Whether more keys may follow.
        trip: Where the script must not run twice: spells the key of one trip, with the hash tag of another key.
    """

    name: str
    source: str
    keys: tuple[str, ...]
    args: tuple[str, ...]
    rest: bool
    sha: str
    more: bool = False
    trip: Callable[[str], str] | None = None

    def __call__(self, keys: tuple[str, ...], *args: Arg) -> Call:
        """Builds a call: a key for each named one, then the rest, all with one hash tag; the arguments likewise."""
        fits = len(args) >= len(self.args) if self.rest else len(args) == len(self.args)
        keyed = len(keys) >= len(self.keys) if self.more else len(keys) == len(self.keys)
        if not keyed or not fits:
            raise TypeError(f"{self.name}.lua takes keys {self.keys} and arguments {self.args}")
        return Call(self, keys if self.trip is None else (*keys, self.trip(keys[0])), args)


class Call(NamedTuple):
    """One call of a Lua script."""

    script: Script
    keys: tuple[str, ...]
    args: tuple[Arg, ...]


Command = Union[tuple[Arg, ...], Call]

WAITS = frozenset(("WAIT", "WAITAOF"))
"""Commands that wait for what was written before them on their connection."""


def writes_once(command: Command) -> bool:
    """Returns whether a command writes what has to last: it is a script that must not run twice."""
    return isinstance(command, Call) and command.script.trip is not None


class Op(Generic[T]):
    """The commands of one round trip and the decoder of their replies: a value, which nobody changes.

    It is not frozen, as setting each field by a call would take longer than all else that a trip does with it.

    Args:
        commands: What is sent, in order. Several commands go in one pipeline and are not a transaction;
            what must be atomic is a script.
        decode: From the replies, in the same order, to the result. Pure. It never sees an error reply unless
            `tolerant`.
        tolerant: The decoder wants to see error replies itself instead of having the first one raised.
        best_effort: The caller can do without the result, so the op never takes the last connections.
        stale_ok: It only reads, and the caller can do with what was true a moment ago, so a replica may answer. What an
            op is merged with or mapped to has to say so anew.
    """

    __slots__ = ("best_effort", "commands", "decode", "stale_ok", "tolerant")

    def __init__(
        self,
        commands: tuple[Command, ...],
        decode: Callable[[Sequence[Reply]], T],
        tolerant: bool = False,
        best_effort: bool = False,
        stale_ok: bool = False,
    ) -> None:
        self.commands: tuple[Command, ...] = commands
        self.decode: Callable[[Sequence[Reply]], T] = decode
        self.tolerant: bool = tolerant
        self.best_effort: bool = best_effort
        self.stale_ok: bool = stale_ok

    def read(self, replies: Sequence[Reply]) -> T:
        """Decodes the replies, one for each command in order, into the result; the first error reply is raised.

        Raises `ServerError`: a reply is an error and the op is not `tolerant`. Raises `CorruptDataError`: the decoder
        fails: a pure function of what is stored fails on nothing but damage.
        """
        if not self.tolerant:
            for reply in replies:
                if isinstance(reply, ServerError):
                    raise reply
        try:
            return self.decode(replies)
        except RedisMemoryError:
            raise
        except _OF_DAMAGE as error:
            raise CorruptDataError(
                f"{self._where()} holds bytes that this package did not write, or damaged ones ({type(error).__name__})"
            ) from error

    def _where(self) -> str:
        """Names the first key, for an error."""
        for command in self.commands:
            if isinstance(command, Call):
                return repr(command.keys[0])
            if len(command) > 1:
                return repr(command[1])
        return "a key"

    def map(self, change: Callable[[T], U]) -> Op[U]:
        """Returns an op of the same commands with a further step after the decoder."""
        return Op(self.commands, lambda replies: change(self.read(replies)), tolerant=True)

    def may_be_stale(self) -> Op[T]:
        """Returns the same op, which a replica may answer where the client reads from them."""
        return Op(self.commands, self.decode, self.tolerant, self.best_effort, stale_ok=True)

    def optional(self, default: U) -> Op[T | U]:
        """Returns the same op, which gives a default where the server answers any command with an error.

        It then fails alone inside a merged trip.
        """

        def read(replies: Sequence[Reply]) -> T | U:
            try:
                return self.read(replies)
            except ServerError:
                return default

        return Op(self.commands, read, tolerant=True)


@overload
def merge(one: Op[A], two: Op[B], /) -> Op[tuple[A, B]]: ...
@overload
def merge(one: Op[A], two: Op[B], three: Op[C], /) -> Op[tuple[A, B, C]]: ...
@overload
def merge(one: Op[A], two: Op[B], three: Op[C], four: Op[D], /) -> Op[tuple[A, B, C, D]]: ...
@overload
def merge(*ops: Op[T]) -> Op[tuple[T, ...]]: ...
def merge(*ops: Op[Any]) -> Op[Any]:
    """Merges any number of ops into one: a single round trip, results as a tuple. One without commands costs nothing.

    If one of them fails the error is raised, but all commands have been sent. A script that the server does not know
    yet runs after the rest, so ops whose order matters are run one after the other.
    """
    commands: list[Command] = []
    cuts = [0]
    for op in ops:
        commands += op.commands
        cuts.append(len(commands))

    def read(replies: Sequence[Reply]) -> tuple[Any, ...]:
        return tuple([op.read(replies[a:b]) for op, a, b in zip(ops, cuts, cuts[1:], strict=False)])

    return Op(tuple(commands), read, tolerant=True)


def pure(value: T) -> Op[T]:
    """Returns an op that sends nothing and gives `value`.

    An op without commands: it costs no round trip, alone or merged.
    """
    return Op((), lambda _replies: value)


class Invoke(NamedTuple):
    """A step that calls out of Redis: a model, a retriever, an embedding.

    `call` and `acall` are the two colours of the same call. If `stream` and `astream` are given and the flow is driven
    by a streaming driver, the chunks pass through to the caller and the flow receives them as a list. A call that takes
    longer than `timeout_s` seconds raises `TimeoutError` in the flow (a streamed one is not bounded).
    """

    call: Callable[[], Any]
    acall: Callable[[], Awaitable[Any]]
    stream: Callable[[], Any] | None = None
    astream: Callable[[], Any] | None = None
    timeout_s: float | None = None


class StreamResult(NamedTuple):
    """What a streaming driver sends into a flow in place of an `Invoke`'s result: all chunks, in order.

    `first_s` is the time from the start of the step to its first chunk; None where there is none.
    """

    chunks: list[Any]
    first_s: float | None = None


class Emit(NamedTuple):
    """A step that passes values on to the caller that streams the flow, as they come."""

    values: Sequence[Any]


class Sleep(NamedTuple):
    """A step that waits."""

    seconds: float


class Now(NamedTuple):
    """A step that gives the process's monotonic time in seconds (for durations, never for stored times)."""


class OneDeadline(NamedTuple):
    """A step after which all round trips of the call share its deadline, however many they are."""


class Background(NamedTuple):
    """A step that starts a flow of its own beside this one and does not wait for it.

    A sync driver runs it in a thread, an async one in a task; the client owns both (`Client.settle` waits for them).
    What it raises is logged.
    """

    flow: Generator[Any, Any, Any]


class _Left(threading.local):
    """What the flows of this thread left to be done as they were closed."""

    def __init__(self) -> None:
        self.flows: list[Generator[Any, Any, Any]] = []


LEFT = _Left()


def leave_behind(flow: Generator[Any, Any, Any]) -> None:
    """Says in a flow that is closed (`GeneratorExit`), as its caller was cancelled, what is still to be done.

    Such a flow asks nothing more itself; its driver runs this one, a sync one in a thread.
    """
    LEFT.flows.append(flow)


Step = Union[Op[Any], Invoke, Emit, Sleep, Now, OneDeadline, Background]
Flow = Generator[Step, Any, T]


def ask(op: Op[T]) -> Generator[Step, Any, T]:
    """Runs one op inside a flow (by `yield from`) and keeps the type of its result."""
    return cast("T", (yield op))


def settled(answer: T | Flow[T]) -> Generator[Step, Any, T]:
    """Returns what a classifier, a selector or a contextualiser gave: an answer, or a flow of its own."""
    return (yield from answer) if isinstance(answer, Generator) else answer
