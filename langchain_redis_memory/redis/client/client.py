"""The wire: the only place that touches a socket, a clock or an event loop.

`Client` runs ops (`run`/`arun`: one round trip) and flows (`drive`/`adrive`, and `stream`/`astream` where a step's
chunks pass through). One client serves threads, event loops and both colours, before and after a fork. It batches with
plain pipelines (no MULTI, no WATCH: atomicity comes from scripts), sends scripts by their digest and only what the
server did not know again in full, asks for undecoded replies (so it works on clients in any `decode_responses` mode
and protocol), and turns every failure into one of this package's errors, with key names but no values or secrets.

Long because each half of a twin is read beside the other.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from functools import lru_cache
from time import monotonic, sleep
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from langchain_redis_memory.errors import ConfigError, RedisMemoryError
from langchain_redis_memory.ops import (
    Background,
    Command,
    Emit,
    Flow,
    Invoke,
    Now,
    Op,
    Reply,
    Sleep,
    Step,
    StreamResult,
)
from langchain_redis_memory.redis.capabilities import Server, probe
from langchain_redis_memory.redis.client.background import BackgroundFlows
from langchain_redis_memory.redis.client.circuit_breaker import Breaker
from langchain_redis_memory.redis.client.errors import explain, translate, unknown_scripts
from langchain_redis_memory.redis.client.event_loops import LoopClients
from langchain_redis_memory.redis.client.timeout import awithin, within
from langchain_redis_memory.redis.client.topology import DEFAULT_URL, Options, Topology, topology
from langchain_redis_memory.redis.client.transport import AsyncPipelineTransport, PipelineTransport
from langchain_redis_memory.redis.keys import KeySpace

if TYPE_CHECKING:
    from typing_extensions import Self

    from langchain_redis_memory.redis.client.settings import RedisMemorySettings

T = TypeVar("T")

__all__ = ["Client", "Trip", "as_client"]


class Trip(NamedTuple):
    """One round trip, as told to `Client.on_trip`."""

    commands: int
    seconds: float
    failed: bool


class Client:
    """Runs operations on any Redis, sync and async.

    Args:
        redis: A sync client of redis-py that you already have (single, cluster or from a sentinel).
        aredis: An async one. Its connections belong to one event loop, as always with redis-py.
        prefix: Start of every key.
        on_trip: Called after each round trip with a `Trip`; for metrics. It must be fast and must not raise.

    Constructing does no I/O. `close` releases the connections; using the client afterwards opens new ones. Clients
    that you passed in are yours to close.

    Example:
        ```python
        client = Client.from_url("redis://localhost:6379/0")
        client = Client(redis=my_redis, aredis=my_async_redis)
        ```

    Raises:
        ConfigError: Neither client is given, or one has the other's colour.

    **Keys:** none by itself.
    **Trips:** none.
    """

    def __init__(
        self,
        redis: Any = None,
        aredis: Any = None,
        *,
        prefix: str = "lrm",
        on_trip: Callable[[Trip], None] | None = None,
    ) -> None:
        if redis is None and aredis is None:
            msg = "give Client a redis or an aredis, or use Client.from_url(...)"
            raise ConfigError(msg)
        for given, name, asynchronous in ((redis, "redis", False), (aredis, "aredis", True)):
            if given is not None and (
                not hasattr(given, "execute_command") or hasattr(given, "__aenter__") is not asynchronous
            ):
                msg = f"{name} must be {'an async' if asynchronous else 'a sync'} client of redis-py"
                raise ConfigError(msg)

        def refuse(name: str) -> Callable[[], Any]:
            def absent() -> Any:
                msg = f"this Client was made without {name}; pass Client(redis=..., aredis=...) to use both colours"
                raise ConfigError(msg)

            return absent

        shown = type(redis if redis is not None else aredis).__name__
        lent = Topology(
            f"<{shown}>",
            (lambda: PipelineTransport(redis, lent=True)) if redis is not None else refuse("redis"),
            (lambda: AsyncPipelineTransport(aredis, lent=True)) if aredis is not None else refuse("aredis"),
            cluster=any(hasattr(given, "keyslot") for given in (redis, aredis)),
        )
        self._set_up(lent, prefix, on_trip, None)

    def _set_up(self, where: Topology, prefix: str, on_trip: Callable[[Trip], None] | None, most: int | None) -> None:
        self._topology = where
        self._space = KeySpace(prefix)
        self.on_trip = on_trip
        self.breaker = Breaker()
        self._lock = threading.Lock()
        self._sync: Any = None
        self._closer: Any = None
        self._gate = threading.BoundedSemaphore(most or 1_000_000)
        self._loops = LoopClients(where.aopen, most or 1_000_000)
        self._besides = BackgroundFlows()
        self._server: Server | None = None

    @classmethod
    def from_url(
        cls,
        url: str | None = None,
        *,
        prefix: str = "lrm",
        on_trip: Callable[[Trip], None] | None = None,
        max_connections: int = 50,
        connect_timeout_s: float = 5.0,
        timeout_s: float = 5.0,
        retries: int = 3,
        health_check_s: int = 30,
        **extra: Any,
    ) -> Self:
        """A client for a URL.

        Args:
            url: `redis://`, `rediss://`, `unix://`, `valkey://`, `valkeys://`, `redis+cluster://h1,h2`,
                `redis+sentinel://h1,h2/service/db` or `memory://name`; None takes the environment's `REDIS_URL`,
                else `redis://localhost:6379/0`.
            prefix: Start of every key.
            on_trip: Called after each round trip.
            max_connections: Most connections at once; further trips wait for their turn.
            connect_timeout_s: Longest wait for a connection, in seconds.
            timeout_s: Longest wait for a reply, in seconds.
            retries: How often a trip is sent again after a connection error, with exponential back-off and jitter.
            health_check_s: A connection idle for longer is checked before use, in seconds.
            **extra: Options of redis-py's connections, such as `credential_provider` or `ssl_ca_certs`.

        Returns:
            The client; nothing has been connected.

        Raises:
            ConfigError: The URL or an option cannot work.

        **Keys:** none.
        **Trips:** none.
        """
        options = Options(max_connections, connect_timeout_s, timeout_s, retries, health_check_s, extra)
        client = cls.__new__(cls)
        where = topology(url or os.environ.get("REDIS_URL") or DEFAULT_URL, options)
        client._set_up(where, prefix, on_trip, max_connections)
        return client

    @classmethod
    def from_settings(cls, settings: RedisMemorySettings | None = None) -> Self:
        """A client as the environment describes it.

        Args:
            settings: The settings; None reads them from the environment.

        Returns:
            The client; nothing has been connected.

        Raises:
            ConfigError: A setting cannot work.

        **Keys:** none.
        **Trips:** none.
        """
        if settings is None:
            from langchain_redis_memory.redis.client.settings import read_settings

            settings = read_settings()
        return cls.from_url(
            settings.url(),
            prefix=settings.prefix,
            max_connections=settings.max_connections,
            connect_timeout_s=settings.connect_timeout_s,
            timeout_s=settings.timeout_s,
            retries=settings.retries,
            **settings.credentials(),
        )

    def __repr__(self) -> str:
        return f"Client({self._topology.shown!r}, prefix={self._space.prefix!r})"

    @property
    def url(self) -> str:
        """Where the data is, without credentials."""
        return self._topology.shown

    def keys(self, tenant: str = "") -> KeySpace:
        """The key builder of one tenant under this client's prefix.

        Args:
            tenant: Whose data it is.

        Returns:
            The key builder.

        Raises:
            InvalidIdError: The tenant is not acceptable.
        """
        return KeySpace(self._space.prefix, tenant)

    # --- ops ----------------------------------------------------------------------------------------------------------

    def run(self, op: Op[T]) -> T:
        """Runs an op.

        Args:
            op: What to run.

        Returns:
            Its result.

        Raises:
            UnavailableError: The server cannot be reached or did not answer in time.
            ServerError: It answered with an error.

        **Keys:** the op's.
        **Trips:** 1; one more the first time that a server sees one of the op's scripts; 0 for an op without commands.
        """
        if not op.commands:
            return op.read(())
        with self._gate:
            client = self._open()
            replies = self._trip(client, op.commands, by_digest=True)
            unknown = unknown_scripts(op.commands, replies)
            if unknown:
                again = self._trip(client, [op.commands[i] for i in unknown], by_digest=False)
                for i, reply in zip(unknown, again, strict=True):
                    replies[i] = reply
        return op.read(explain(op.commands, replies))

    async def arun(self, op: Op[T]) -> T:
        """Runs an op; see `run`."""
        if not op.commands:
            return op.read(())
        held = await self._loops.get()
        async with held.gate:
            replies = await self._atrip(held.client, op.commands, by_digest=True)
            unknown = unknown_scripts(op.commands, replies)
            if unknown:
                again = await self._atrip(held.client, [op.commands[i] for i in unknown], by_digest=False)
                for i, reply in zip(unknown, again, strict=True):
                    replies[i] = reply
        return op.read(explain(op.commands, replies))

    def _trip(self, client: Any, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
        started = monotonic()
        failed = True
        try:
            replies: list[Reply] = client.send(commands, by_digest=by_digest)
            failed = False
        except Exception as error:
            raise translate(error, self._topology.shown) from error
        finally:
            if self.on_trip is not None:
                self.on_trip(Trip(len(commands), monotonic() - started, failed))
        return replies

    async def _atrip(self, client: Any, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
        started = monotonic()
        failed = True
        try:
            replies: list[Reply] = await client.send(commands, by_digest=by_digest)
            failed = False
        except Exception as error:
            raise translate(error, self._topology.shown) from error
        finally:
            if self.on_trip is not None:
                self.on_trip(Trip(len(commands), monotonic() - started, failed))
        return replies

    def _open(self) -> Any:
        client = self._sync
        if client is None:
            with self._lock:
                if self._sync is None:
                    try:
                        self._sync = self._topology.open()
                    except RedisMemoryError:
                        raise
                    except Exception as error:
                        raise translate(error, self._topology.shown) from error
                    self._closer = weakref.finalize(self, self._sync.close)
                client = self._sync
        return client

    # --- flows --------------------------------------------------------------------------------------------------------

    def drive(self, flow: Flow[T]) -> T:
        """Runs a flow.

        Args:
            flow: What to run; used up by it.

        Returns:
            Its result.

        Raises:
            RedisMemoryError: An op failed and the flow did not handle it. What an invoked model raises is passed on.

        **Keys:** those of its ops.
        **Trips:** one for each op that it yields.
        """
        go_on: Callable[[Any], Step] = flow.send
        result: Any = None
        try:
            while True:
                step = go_on(result)
                try:
                    go_on, result = flow.send, self._step(step)
                except Exception as error:  # noqa: BLE001 - the flow decides
                    go_on, result = flow.throw, error
        except StopIteration as done:
            return cast("T", done.value)
        finally:
            flow.close()

    def stream(self, flow: Flow[T], *, chunks: bool = False) -> Generator[Any, None, T]:
        """Runs a flow and yields what it emits, and the chunks of its streaming steps, as they come.

        Args:
            flow: What to run; used up by it. Closing the iterator closes the flow, which then stores nothing more.
            chunks: Whether a step that can stream does so.

        Yields:
            The values and chunks. The flow's result is the value of the iterator's `StopIteration`.

        **Keys:** those of its ops.
        **Trips:** one for each op that it yields.
        """
        go_on = _sender(flow, None)
        try:
            while True:
                try:
                    step = go_on()
                except StopIteration as done:
                    return cast("T", done.value)
                try:
                    if isinstance(step, Emit):
                        yield from step.values
                        result: Any = None
                    elif isinstance(step, Invoke) and chunks and step.stream is not None:
                        seen: list[Any] = []
                        for chunk in step.stream():
                            seen.append(chunk)
                            yield chunk
                        result = StreamResult(seen)
                    else:
                        result = self._step(step)
                except GeneratorExit:
                    raise
                except Exception as error:  # noqa: BLE001 - the flow decides
                    go_on = _thrower(flow, error)
                else:
                    go_on = _sender(flow, result)
        finally:
            flow.close()

    def _step(self, step: Step) -> Any:
        if isinstance(step, Op):
            return self.run(step)
        if isinstance(step, Invoke):
            return within(step.timeout_s, step.call)
        if isinstance(step, Now):
            return monotonic()
        if isinstance(step, Sleep):
            sleep(step.seconds)
        elif isinstance(step, Background):
            flow = step.flow
            self._besides.start(flow, lambda: self.drive(flow))
        return None

    async def adrive(self, flow: Flow[T]) -> T:
        """Runs a flow; see `drive`."""
        go_on: Callable[[Any], Step] = flow.send
        result: Any = None
        try:
            while True:
                step = go_on(result)
                try:
                    go_on, result = flow.send, await self._astep(step)
                except Exception as error:  # noqa: BLE001 - the flow decides
                    go_on, result = flow.throw, error
        except StopIteration as done:
            return cast("T", done.value)
        finally:
            flow.close()

    async def astream(
        self, flow: Flow[T], *, chunks: bool = False, result: list[T] | None = None
    ) -> AsyncIterator[Any]:
        """Runs a flow and yields what it emits, and the chunks of its streaming steps; see `stream`.

        Args:
            flow: What to run.
            chunks: Whether a step that can stream does so.
            result: Receives the flow's result (an async generator cannot return one).

        Yields:
            The chunks.
        """
        go_on = _sender(flow, None)
        try:
            while True:
                try:
                    step = go_on()
                except StopIteration as done:
                    if result is not None:
                        result.append(done.value)
                    return
                try:
                    if isinstance(step, Emit):
                        for emitted in step.values:
                            yield emitted
                        value: Any = None
                    elif isinstance(step, Invoke) and chunks and step.astream is not None:
                        seen: list[Any] = []
                        async for chunk in step.astream():
                            seen.append(chunk)
                            yield chunk
                        value = StreamResult(seen)
                    else:
                        value = await self._astep(step)
                except GeneratorExit:
                    raise
                except Exception as error:  # noqa: BLE001 - the flow decides
                    go_on = _thrower(flow, error)
                else:
                    go_on = _sender(flow, value)
        finally:
            flow.close()

    async def _astep(self, step: Step) -> Any:
        if isinstance(step, Op):
            return await self.arun(step)
        if isinstance(step, Invoke):
            return await awithin(step.timeout_s, step.acall)
        if isinstance(step, Now):
            return monotonic()
        if isinstance(step, Sleep):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, Background):
            flow = step.flow
            self._besides.astart(flow, lambda: self.adrive(flow))
        return None

    # --- what the server is -------------------------------------------------------------------------------------------

    def server(self) -> Server:
        """What the server can do.

        Returns:
            Its flavour, version and abilities; asked once and remembered.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** none (it reads names that do not exist).
        **Trips:** 1 the first time, then 0.
        """
        if self._server is None:
            self._server = self.run(self._probe())
        return self._server

    def _probe(self) -> Op[Server]:
        return probe(self._space.key("probe", "", ""), by_key=self._topology.cluster)

    async def aserver(self) -> Server:
        """What the server can do; see `server`."""
        if self._server is None:
            self._server = await self.arun(self._probe())
        return self._server

    # --- beside -------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Waits until what was started beside turns (a summary in the background) is done. For shutting down.

        **Keys:** those of what was started.
        **Trips:** those of what was started.
        """
        self._besides.settle()

    async def asettle(self) -> None:
        """Waits until what was started beside turns in this event loop is done; see `settle`."""
        await self._besides.asettle()

    # --- closing ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Releases the connections. Safe to call twice; a later use opens new ones.

        **Keys:** none.
        **Trips:** none.
        """
        with self._lock:
            closer, self._closer, self._sync = self._closer, None, None
        if closer is not None:
            closer()
        self._loops.close()

    async def aclose(self) -> None:
        """Releases the connections, those of the running event loop before it returns; see `close`."""
        await self._loops.aclose()
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.settle()
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.asettle()
        await self.aclose()


@lru_cache(maxsize=32)
def _shared(url: str) -> Client:
    return Client.from_url(url)


def as_client(client: Client | str | None) -> Client:
    """The client that a constructor was given, or the process's shared one for a URL.

    Args:
        client: A client, a URL, or None for `REDIS_URL` (else `redis://localhost:6379/0`).

    Returns:
        The client. The same URL gives the same client, so a history built for each request costs no connection.

    Raises:
        ConfigError: It is something else, or the URL cannot work.
    """
    if isinstance(client, Client):
        return client
    if client is None:
        return _shared(os.environ.get("REDIS_URL") or DEFAULT_URL)
    if isinstance(client, str):
        return _shared(client)
    msg = f"expected a Client, a URL or None, got {type(client).__name__}; wrap a redis-py client: Client(redis=...)"
    raise ConfigError(msg)


def _sender(flow: Flow[Any], value: Any) -> Callable[[], Step]:
    return lambda: flow.send(value)


def _thrower(flow: Flow[Any], error: Exception) -> Callable[[], Step]:
    return lambda: flow.throw(error)
