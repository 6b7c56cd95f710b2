"""The master behind sentinels, looked up again four times a second, so that a planned failover is followed at once.

In a planned failover the sentinels demote the old master some ten seconds after they have promoted another one; what it
acknowledges until then is lost. So a trip whose last look was a while ago first asks a sentinel for the master's
address, and leaves the connections to another one. It asks for the address, as clients are meant to, which is the
promoted server's before the failover has ended. Sentinels that are away are no reason to leave a master.

What may be stale is read from a replica that the sentinels know to follow the master, and from the master where none
answers in half of the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any, NamedTuple

from langchain_redis_memory.ops import Command, Reply
from langchain_redis_memory.redis.client.bounded_sockets import bounded
from langchain_redis_memory.redis.client.circuit_breaker import StallGuard
from langchain_redis_memory.redis.client.deadline import CALL, timeout_at
from langchain_redis_memory.redis.client.errors import is_unknown_script
from langchain_redis_memory.redis.client.handshake import handshake
from langchain_redis_memory.redis.client.options import Options
from langchain_redis_memory.redis.client.shared_transport import AsyncSharedTransport
from langchain_redis_memory.redis.client.transport import DirectTransport

_LOOK_S = 0.25
"""Age at which the master's address is looked up again, in seconds."""
_LOOK_LATER_S = 10.0
"""The same after no sentinel answered."""
_SHARE = 4
"""A look takes at most one part in so many of a trip's time."""
_REST_S = 1.0
"""For at least so long replicas that failed are not asked again."""


class Service(NamedTuple):
    """A service that sentinels watch.

    Args:
        name: Its name.
        hosts: The sentinels.
        fields: Arguments of the connections to the master.
        sentinel_fields: Arguments of those to the sentinels.
        tls: Whether both take TLS.
    """

    name: str
    hosts: Sequence[tuple[str, int]]
    fields: Mapping[str, Any]
    sentinel_fields: Mapping[str, Any]
    tls: bool

    def sentinel_kwargs(self, options: Options, *, asynchronous: bool) -> dict[str, Any]:
        """Builds the arguments of the connections to sentinels: one that is silent leaves time for the others."""
        most_s = options.timeout_s / (len(self.hosts) + 1)
        common = options.connection(asynchronous=asynchronous)
        kept = {name: value for name, value in (*self.fields.items(), *common.items()) if name.startswith("ssl_")}
        bounds = {"socket_timeout": most_s, "socket_connect_timeout": most_s, "retry": common["retry"]}
        return {**handshake(asynchronous=asynchronous), **kept, **bounds, **self.sentinel_fields}


class SentinelTransport(DirectTransport):
    """Sends to the master."""

    def __init__(self, service: Service, options: Options) -> None:
        import redis
        from redis import sentinel

        library: Any = sentinel

        watched = [
            redis.Redis.from_pool(
                redis.ConnectionPool(
                    host=host,
                    port=port,
                    connection_class=bounded(redis.SSLConnection if service.tls else redis.Connection),
                    **service.sentinel_kwargs(options, asynchronous=False),
                )
            )
            for host, port in service.hosts
        ]

        class Sentinels(library.Sentinel):  # type: ignore[misc]
            def discover_master(self, service_name: str) -> tuple[str, int]:
                for one in list(self.sentinels):
                    try:
                        address = one.execute_command(_ASK, service_name)
                    except (redis.ConnectionError, redis.TimeoutError):
                        continue
                    if address:
                        self.sentinels.remove(one)
                        self.sentinels.insert(0, one)
                        return _address(address, options)
                raise library.MasterNotFoundError(_nobody(service_name))

            def filter_slaves(self, slaves: Any) -> list[tuple[str, int]]:
                return _following(slaves, options)

        self._sentinels = Sentinels([], sentinel_kwargs={})
        self._sentinels.sentinels = watched
        kind = library.SentinelManagedSSLConnection if service.tls else library.SentinelManagedConnection
        arguments = {**service.fields, **options.connection(asynchronous=False), "connection_class": bounded(kind)}
        pool = library.SentinelConnectionPool(service.name, self._sentinels, **arguments)
        super().__init__(redis.Redis.from_pool(pool), keeps=False)
        self._look_s, self._look_at = options.timeout_s / _SHARE, 0.0
        copies = library.SentinelConnectionPool(service.name, self._sentinels, is_master=False, **arguments)
        self._replicas = DirectTransport(redis.Redis.from_pool(copies), keeps=False)
        self._replicas_s, self._guard = options.timeout_s / 2, StallGuard()

    def send(self, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
        """Sends commands to the master of now and gives their replies."""
        now = monotonic()
        if now >= self._look_at:
            self._look(now)
        return super().send(commands, by_digest=by_digest)

    def read(self, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
        """Sends commands that only read to a replica, and to the master what none answers."""
        now, until = monotonic(), CALL.until
        if self._guard.closed or self._guard.tries(now, self._replicas_s):
            CALL.until = min(until, now + self._replicas_s)
            try:
                replies = self._replicas.send(commands, by_digest=by_digest)
            except Exception:  # noqa: BLE001 - the master is asked
                self._guard.failed(now, max(monotonic(), now + _REST_S))
            else:
                self._guard.worked(now)
                if _are_answers(commands, replies):
                    return replies
            finally:
                CALL.until = until
        return self.send(commands, by_digest=by_digest)

    def renew(self) -> None:
        """Closes the connections that nobody uses."""
        super().renew()
        self._replicas.renew()

    retire = renew

    def _look(self, now: float) -> None:
        import redis

        self._look_at = now + _LOOK_S  # others go on meanwhile
        until = CALL.until
        CALL.until = min(until, now + self._look_s)
        try:
            self._pool.get_master_address()
        except (redis.ConnectionError, redis.TimeoutError, TimeoutError):
            self._look_at = now + _LOOK_LATER_S
        finally:
            CALL.until = until

    def close(self) -> None:
        """Closes the connections to the master and to the sentinels."""
        super().close()
        self._replicas.close()
        for one in self._sentinels.sentinels:
            one.close()


class AsyncSentinelTransport(AsyncSharedTransport):
    """Sends to the master; see `SentinelTransport`."""

    def __init__(self, service: Service, options: Options) -> None:
        import redis.asyncio as aredis
        from redis.asyncio import sentinel

        library: Any = sentinel

        kind: Any = aredis.SSLConnection if service.tls else aredis.Connection
        watched = [
            aredis.Redis.from_pool(
                aredis.ConnectionPool(
                    host=host,
                    port=port,
                    connection_class=kind,
                    **service.sentinel_kwargs(options, asynchronous=True),
                )
            )
            for host, port in service.hosts
        ]

        class Sentinels(library.Sentinel):  # type: ignore[misc]
            async def discover_master(self, service_name: str) -> tuple[str, int]:
                for one in list(self.sentinels):
                    try:
                        address = await one.execute_command(_ASK, service_name)
                    except (aredis.ConnectionError, aredis.TimeoutError):
                        continue
                    if address:
                        self.sentinels.remove(one)
                        self.sentinels.insert(0, one)
                        return _address(address, options)
                raise library.MasterNotFoundError(_nobody(service_name))

            def filter_slaves(self, slaves: Any) -> list[tuple[str, int]]:
                return _following(slaves, options)

        self._sentinels = Sentinels([], sentinel_kwargs={})
        self._sentinels.sentinels = watched
        managed = library.SentinelManagedSSLConnection if service.tls else library.SentinelManagedConnection
        arguments = {**service.fields, **options.connection(asynchronous=True), "connection_class": managed}
        pool = library.SentinelConnectionPool(service.name, self._sentinels, **arguments)
        super().__init__(aredis.Redis.from_pool(pool), keeps=False)
        self._look_s, self._look_at = options.timeout_s / _SHARE, 0.0
        copies = library.SentinelConnectionPool(service.name, self._sentinels, is_master=False, **arguments)
        self._replicas = AsyncSharedTransport(aredis.Redis.from_pool(copies), keeps=False)
        self._replicas_s, self._guard = options.timeout_s / 2, StallGuard()

    async def send(self, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
        """Sends commands to the master of now and gives their replies."""
        now = monotonic()
        if now >= self._look_at:
            await self._look(now)
        return await super().send(commands, by_digest=by_digest)

    async def read(self, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
        """Sends commands that only read to a replica; see `SentinelTransport.read`."""
        now = monotonic()
        if self._guard.closed or self._guard.tries(now, self._replicas_s):
            try:
                async with timeout_at(asyncio.get_running_loop().time() + self._replicas_s):
                    replies = await self._replicas.send(commands, by_digest=by_digest)
            except Exception:  # noqa: BLE001 - the master is asked
                self._guard.failed(now, max(monotonic(), now + _REST_S))
            else:
                self._guard.worked(now)
                if _are_answers(commands, replies):
                    return replies
        return await self.send(commands, by_digest=by_digest)

    async def renew(self) -> None:
        """Closes the connections that nobody uses."""
        await super().renew()
        await self._replicas.renew()

    retire = renew

    async def _look(self, now: float) -> None:
        import redis

        self._look_at = now + _LOOK_S  # others go on meanwhile
        try:
            async with timeout_at(asyncio.get_running_loop().time() + self._look_s):
                await self._pool.get_master_address()
        except (redis.ConnectionError, redis.TimeoutError, asyncio.TimeoutError):
            self._look_at = now + _LOOK_LATER_S

    async def aclose(self) -> None:
        """Closes the connections to the master and to the sentinels."""
        await super().aclose()
        await self._replicas.aclose()
        for one in self._sentinels.sentinels:
            await one.aclose()


_ASK = "SENTINEL GET-MASTER-ADDR-BY-NAME"


def _address(reply: Any, options: Options) -> tuple[str, int]:
    host, port = reply
    address = host.decode() if isinstance(host, bytes) else host, int(port)
    return address if options.address_remap is None else options.address_remap(address)


def _following(replicas: Sequence[Mapping[str, Any]], options: Options) -> list[tuple[str, int]]:
    """Returns the addresses of the replicas that follow their master, as far as a sentinel knows."""
    away = ("is_odown", "is_sdown", "is_disconnected")
    return [
        _address((one["ip"], one["port"]), options)
        for one in replicas
        if one.get("master-link-status") == "ok" and not any(one.get(flag) for flag in away)
    ]


def _are_answers(commands: Sequence[Command], replies: Sequence[Reply]) -> bool:
    """Returns whether no command was refused, except for a script that is sent in full next."""
    pairs = zip(commands, replies, strict=True)
    return all(not isinstance(reply, Exception) or is_unknown_script(command, reply) for command, reply in pairs)


def _nobody(service: str) -> str:
    return f"no sentinel knows a master of {service!r}"
