"""The client: the only module that touches a socket, a clock or an event loop.

`Client` runs ops (`run`/`arun`: one round trip) and flows (`drive`/`adrive`, and `stream`/`astream` where a step's
chunks pass through). One client serves threads, event loops and both colours, before and after a fork. It batches with
plain pipelines (no MULTI, no WATCH: atomicity comes from scripts), sends scripts by their digest and only what the
server did not know again in full, asks for undecoded replies (so it works on clients in any `decode_responses` mode
and protocol), and turns every failure into one of this package's errors, with key names but no values or secrets.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any, TypeVar, Union

from typing_extensions import Never, Self

from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.frozen import replace
from langchain_redis_memory.ops import Flow, Op
from langchain_redis_memory.redis.client import drivers
from langchain_redis_memory.redis.client.background import BackgroundFlows
from langchain_redis_memory.redis.client.circuit_breaker import Breaker
from langchain_redis_memory.redis.client.connections import Connections
from langchain_redis_memory.redis.client.durability import DurableClient
from langchain_redis_memory.redis.client.options import Options, check_parts, refuse_options
from langchain_redis_memory.redis.client.outboxes import Outboxes
from langchain_redis_memory.redis.client.settings import RedisMemorySettings, read_settings
from langchain_redis_memory.redis.client.steps import astepper, stepper
from langchain_redis_memory.redis.client.topology import RedisClient, Topology, is_async, lent, topology
from langchain_redis_memory.redis.client.trips import OnTrip, Trip, Trips
from langchain_redis_memory.redis.key_groups import Id, text_of
from langchain_redis_memory.redis.keys import KeySpace

if TYPE_CHECKING:
    from langchain_redis_memory.redis.capabilities import Server
    from langchain_redis_memory.redis.client.health import Health
    from langchain_redis_memory.redis.codec.cipher.cipher import Cipher

T = TypeVar("T")

__all__ = ["Client", "ClientLike", "Trip"]

ClientLike = Union["Client", str, RedisClient, None]
"""What names a server where one is needed: see `connect`."""


class Client(DurableClient):
    """Runs operations on any Redis, sync and async.

    Args:
        redis: A URL (then this is `from_url` with its defaults), or a client of redis-py that you already have
            (single, cluster or from a sentinel). An async one counts as `aredis`.
        aredis: An async client of redis-py. Its connections belong to one event loop, as always with redis-py.
        prefix: Start of every key; None for the settings' (see `RedisMemorySettings`), which say "lrm" by default.
        on_trip: Called after each round trip with a `Trip`; for metrics. It must be fast. A coroutine function
            is awaited; sync calls run it in a loop of its own. What it raises is logged.
        cipher: Encrypts what every class stores through this client (see `Cipher`); None for nothing.

    Constructing does no I/O. `close` releases the connections; using the client afterwards opens new ones. Clients
    that you passed in are yours to close.

    Example:
        ```python
        client = Client.from_url("redis://localhost:6379/0", timeout_s=1, max_connections=20)
        client = Client(redis=my_redis, aredis=my_async_redis)
        ```

    Raises:
        ConfigError: Neither client is given, two are given for one colour, or an argument or a setting cannot work.

    **Keys:** none by itself.
    **Trips:** none.
    """

    breaker: Breaker
    outboxes: Outboxes
    settings: RedisMemorySettings
    """What was not given as an argument: from the environment, as it was when the client was made."""

    def __init__(
        self,
        redis: str | RedisClient | None = None,
        aredis: RedisClient | None = None,
        *,
        prefix: str | None = None,
        on_trip: OnTrip | None = None,
        cipher: Cipher | None = None,
        **unknown: Never,
    ) -> None:
        refuse_options(unknown)
        if isinstance(redis, str):
            if aredis is not None:
                raise ConfigError("a URL serves both colours: give Client a URL or clients of redis-py, not both")
            settings = read_settings(redis, prefix=prefix)
            self._set_up(topology(redis, Options.of(settings)), settings, settings.max_connections, on_trip, cipher)
            return
        if aredis is None and is_async(redis):
            redis, aredis = None, redis
        self._set_up(lent(redis, aredis), read_settings("", prefix=prefix), 0, on_trip, cipher)

    def _set_up(
        self, where: Topology, settings: RedisMemorySettings, most: int, on_trip: OnTrip | None, cipher: Cipher | None
    ) -> None:
        check_parts(on_trip, cipher)
        self._topology, self.settings = where, settings
        self._space = KeySpace(settings.prefix, cipher=cipher)
        self.on_trip: OnTrip | None = on_trip
        self.breaker: Breaker = Breaker()
        self._connections = Connections(where, most or None)
        self._trips = Trips(self._connections, self._nowhere)
        self._background = BackgroundFlows()
        self._server: Server | None = None
        self.outboxes = Outboxes()

    @classmethod
    def from_url(
        cls,
        url: str | None = None,
        *,
        prefix: str | None = None,
        on_trip: OnTrip | None = None,
        max_connections: int | None = None,
        connect_timeout_s: float | None = None,
        timeout_s: float | None = None,
        retries: int | None = None,
        health_check_s: int = 30,
        cipher: Cipher | None = None,
        **extra: Any,
    ) -> Self:
        """Makes a client for a URL. What is left out is as the environment's settings say (`RedisMemorySettings`).

        Args:
            url: `redis://`, `rediss://`, `unix://`, `valkey://`, `valkeys://`, `redis+cluster://h1,h2`,
                `redis+sentinel://h1,h2/service/db` or `memory://name`; None takes the server of the settings
                (`REDIS_URL`, `REDIS_HOST`, ...).
            prefix: Start of every key; by default "lrm".
            on_trip: Called after each round trip.
            max_connections: Most connections at once; further trips wait for their turn. By default 50.
            connect_timeout_s: Longest wait for a connection, in seconds. By default 5.
            timeout_s: Longest wait for the round trips of a call (where it makes many, for each four of them), in
                seconds: for its turn, connections, replies and whatever is tried again. By default 5.
            retries: How often a trip is made again within that after a connection error, or where the server refuses it
                for now, with back-off and jitter. By default 3 times.
            health_check_s: A connection idle for longer is checked before use, in seconds.
            cipher: Encrypts what is stored.
            **extra: `credentials` (see `credentials.py`), `address_remap`, `read_from` ("prefer_replica": what may be
                stale is read from a replica, where one answers), or options of redis-py, as `ssl_ca_certs`.

        Returns:
            The client; nothing has been connected.

        Raises:
            ConfigError: The URL, an option or a setting cannot work.
        """
        settings = read_settings(
            url or None,
            prefix=prefix,
            max_connections=max_connections,
            connect_timeout_s=connect_timeout_s,
            timeout_s=timeout_s,
            retries=retries,
        )
        client = cls.__new__(cls)
        options = Options.of(settings, health_check_s, extra)
        client._set_up(topology(url or settings.url(), options), settings, settings.max_connections, on_trip, cipher)
        return client

    @classmethod
    def from_settings(
        cls, settings: RedisMemorySettings | None = None, *, on_trip: OnTrip | None = None, cipher: Cipher | None = None
    ) -> Self:
        """Makes a client from settings.

        Args:
            settings: The settings; None reads them from the environment.
            on_trip: Called after each round trip.
            cipher: Encrypts what is stored.

        Returns:
            The client; nothing has been connected.

        Raises:
            ConfigError: A setting cannot work.
        """
        settings = read_settings() if settings is None else settings
        options, client = Options.of(settings), cls.__new__(cls)
        client._set_up(topology(settings.url(), options), settings, settings.max_connections, on_trip, cipher)
        return client

    def __repr__(self) -> str:
        return f"Client({self._topology.shown!r}, prefix={self._space.prefix!r})"

    @property
    def url(self) -> str:
        """Where the data is, without credentials."""
        return self._topology.shown

    def keys(self, tenant: Id = "") -> KeySpace:
        """Returns the key builder of one tenant under this client's prefix.

        Args:
            tenant: Whose data it is.

        Returns:
            The key builder.

        Raises:
            InvalidIdError: The tenant is not acceptable.
        """
        name = text_of(tenant, "tenant", empty=True)
        return self._space if name == self._space.tenant else replace(self._space, tenant=name)

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
        op = op if self._durability is None else self._durability.over(op)
        return op.read(self._trips.send(op, self.on_trip))

    async def arun(self, op: Op[T]) -> T:
        """Runs an op; see `run`."""
        if not op.commands:
            return op.read(())
        op = op if self._durability is None else self._durability.over(op)
        return op.read(await self._trips.asend(op, self.on_trip))

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
        return drivers.drive(stepper(self.run, self.drive, self._background), flow)

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
        return drivers.stream(stepper(self.run, self.drive, self._background), flow, chunks=chunks)

    async def adrive(self, flow: Flow[T]) -> T:
        """Runs a flow; see `drive`."""
        return await drivers.adrive(astepper(self.arun, self.adrive, self._background), flow)

    def astream(
        self, flow: Flow[T], *, chunks: bool = False, result: list[T] | None = None
    ) -> AsyncGenerator[Any, None]:
        """Runs a flow and yields what it emits; see `stream`. `result` receives its result."""
        step = astepper(self.arun, self.adrive, self._background)
        return drivers.astream(step, flow, chunks=chunks, result=result)

    def server(self) -> Server:
        """Finds out what the server can do, so that callers choose their commands by it.

        Returns:
            Its flavour, version and capabilities; probed once.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** none (it reads names that do not exist).
        **Trips:** 1 the first time, then 0.
        """
        if self._server is None:
            self._server = self.run(self._probe())
        return self._server

    def _probe(self) -> Op[Server]:
        from langchain_redis_memory.redis.capabilities import probe

        return probe(self._nowhere, by_key=self._topology.cluster)

    async def aserver(self) -> Server:
        """Finds out what the server can do; see `server`."""
        if self._server is None:
            self._server = await self.arun(self._probe())
        return self._server

    def ping(self) -> float:
        """Makes a round trip to the server.

        Returns:
            How long it took, in seconds; the first one opens a connection.

        Raises:
            UnavailableError: The server cannot be reached.
            AuthenticationError: It refused the credentials.

        **Keys:** none (it reads a name that does not exist).
        **Trips:** 1.
        """
        return self.drive(self._ping_flow())

    async def aping(self) -> float:
        """Makes a round trip to the server; see `ping`."""
        return await self.adrive(self._ping_flow())

    def _ping_flow(self) -> Flow[float]:
        from langchain_redis_memory.redis.client.health import ping_flow

        return ping_flow(self._nowhere)

    def health(self) -> Health:
        """Reports the health of the server and of this client; for a readiness check or an admin page.

        Returns:
            What was found out now; nothing of it is remembered. An unreachable server is no error.

        **Keys:** none (it reads names that do not exist).
        **Trips:** 2.
        """
        return self.drive(self._health_flow())

    async def ahealth(self) -> Health:
        """Reports the health of the server and of this client; see `health`."""
        return await self.adrive(self._health_flow())

    def _health_flow(self) -> Flow[Health]:
        from langchain_redis_memory.redis.client.health import health_flow

        return health_flow(self._nowhere, (self.breaker, self._trips.stall), self._connections, self.outboxes)

    @property
    def _nowhere(self) -> str:
        """Spells a key that is never written."""
        return self._space.key("probe", "", "")

    def settle(self) -> None:
        """Waits for the background flows that sync calls started, such as a summary. For shutting down.

        **Keys:** those of the flows.
        **Trips:** those of the flows.
        """
        self._background.settle()

    async def asettle(self) -> None:
        """Waits for the background flows of the running event loop; see `settle`."""
        await self._background.asettle()

    def close(self) -> None:
        """Stores what waits in an `Outbox`, within its bound, and releases the connections; a later use opens new ones.

        **Keys:** those of the messages that wait.
        **Trips:** none where nothing waits.
        """
        self.outboxes.finish()
        self._connections.close()

    async def aclose(self) -> None:
        """Releases the connections, those of the running event loop before it returns; see `close`."""
        await self.outboxes.finish_in_loop(self.adrive)
        await self._connections.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.settle()
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.asettle()
        await self.aclose()
