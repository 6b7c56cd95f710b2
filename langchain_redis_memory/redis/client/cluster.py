"""A cluster: each command goes to the node that has its key's slot, on connections like those to a single server.

redis-py's own clients ask for the slots anew after each failure, the async one before any other call and perhaps the
node that has just failed; so one node that is silent would stall the calls to all others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from langchain_redis_memory.ops import Command, Reply
from langchain_redis_memory.redis.client.deadline import CALL, timeout_at
from langchain_redis_memory.redis.client.slots import Node, Nodes, Outcomes, Parts, Trip
from langchain_redis_memory.redis.client.transport import AsyncDirectTransport, DirectTransport

_SLOTS: tuple[Command, ...] = (("CLUSTER", "SLOTS"),)


class ClusterTransport:
    """Sends each command to its node."""

    def __init__(self, nodes: Nodes, opened: Callable[[Node], DirectTransport]) -> None:
        self._nodes, self._opened = nodes, opened
        self._transports: dict[Node, DirectTransport] = {}

    def send(self, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
        """Sends commands and gives their replies; of a node that did not answer the exception."""
        return self._run(self._nodes.trip_flow(commands), by_digest)

    def read(self, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
        """Sends commands that only read to replicas, and to masters what no replica answers."""
        return self._run(self._nodes.trip_flow(commands, stale=True), by_digest)

    def _run(self, flow: Trip, by_digest: bool) -> list[Reply]:
        outcomes: Any = None
        try:
            while True:
                parts = flow.send(outcomes)
                outcomes = self._exchange(parts, by_digest) if parts else self._nodes.heard(self._hear())
        except StopIteration as done:
            replies: list[Reply] = done.value
            return replies

    def _exchange(self, parts: Parts, by_digest: bool) -> Outcomes:
        outcomes: dict[Node, list[Reply] | Exception] = {}
        begun: dict[Node, Any] = {}
        until = CALL.until
        try:
            for address, commands in parts.items():
                CALL.until = min(until, monotonic() + self._nodes.part_s)
                try:
                    begun[address] = self._to(address).begin(commands, by_digest=by_digest)
                except Exception as error:  # noqa: BLE001 - the others go on
                    outcomes[address] = error
            for address in list(begun):
                CALL.until = min(until, monotonic() + self._nodes.part_s)
                try:
                    outcomes[address] = self._to(address).finish(begun.pop(address), len(parts[address]))
                except Exception as error:  # noqa: BLE001 - the others go on
                    outcomes[address] = error
        finally:
            CALL.until = until
            for address, connection in begun.items():
                self._to(address).drop(connection)
        return outcomes

    def _hear(self) -> Exception | None:
        """Asks where the slots are; returns why nobody said so."""
        addresses, seconds = self._nodes.whom_to_ask()
        until, last = CALL.until, None
        for address in addresses:
            CALL.until = min(until, monotonic() + seconds)
            try:
                [reply] = self._to(address).send(_SLOTS, by_digest=True)
                if not isinstance(reply, Exception):
                    self._nodes.learn(reply, address)
                    return None
                last = reply
            except Exception as error:  # noqa: BLE001 - the next one is asked
                last = error
            finally:
                CALL.until = until
            self._nodes.failed.add(address)
        return last

    def _to(self, address: Node) -> DirectTransport:
        transport = self._transports.get(address)
        return self._transports.setdefault(address, self._opened(address)) if transport is None else transport

    def renew(self) -> None:
        """Closes the idle connections to nodes that failed and asks where the slots are."""
        for address, transport in list(self._transports.items()):
            if address in self._nodes.failed:
                transport.renew()
        if not self._nodes.heard_lately():
            self._hear()

    def retire(self) -> None:
        """Closes the idle connections to all nodes."""
        for transport in list(self._transports.values()):
            transport.renew()

    def close(self) -> None:
        """Closes the connections."""
        for transport in list(self._transports.values()):
            transport.close()


class AsyncClusterTransport:
    """Sends each command to its node; see `ClusterTransport`."""

    def __init__(self, nodes: Nodes, opened: Callable[[Node], AsyncDirectTransport]) -> None:
        self._nodes, self._opened = nodes, opened
        self._transports: dict[Node, AsyncDirectTransport] = {}

    async def send(self, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
        """Sends commands and gives their replies; see `ClusterTransport.send`."""
        return await self._run(self._nodes.trip_flow(commands), by_digest)

    async def read(self, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
        """Sends commands that only read to replicas; see `ClusterTransport.read`."""
        return await self._run(self._nodes.trip_flow(commands, stale=True), by_digest)

    async def _run(self, flow: Trip, by_digest: bool) -> list[Reply]:
        outcomes: Any = None
        try:
            while True:
                parts = flow.send(outcomes)
                outcomes = await self._exchange(parts, by_digest) if parts else self._nodes.heard(await self._hear())
        except StopIteration as done:
            replies: list[Reply] = done.value
            return replies

    async def _exchange(self, parts: Parts, by_digest: bool) -> Outcomes:
        sent = [self._part(address, commands, by_digest) for address, commands in parts.items()]
        outcomes = [await sent[0]] if len(sent) == 1 else await asyncio.gather(*sent)
        return dict(zip(parts, outcomes, strict=True))

    async def _part(self, address: Node, commands: Sequence[Command], by_digest: bool) -> list[Reply] | Exception:
        try:
            async with timeout_at(asyncio.get_running_loop().time() + self._nodes.part_s):
                return await self._to(address).send(commands, by_digest=by_digest)
        except asyncio.TimeoutError:  # not the builtin one on Python 3.10
            return TimeoutError()
        except Exception as error:  # noqa: BLE001 - the others go on
            return error

    async def _hear(self) -> Exception | None:
        addresses, seconds = self._nodes.whom_to_ask()
        last: Exception | None = None
        for address in addresses:
            try:
                async with timeout_at(asyncio.get_running_loop().time() + seconds):
                    [reply] = await self._to(address).send(_SLOTS, by_digest=True)
                if not isinstance(reply, Exception):
                    self._nodes.learn(reply, address)
                    return None
                last = reply
            except Exception as error:  # noqa: BLE001 - the next one is asked
                last = error
            self._nodes.failed.add(address)
        return last

    def _to(self, address: Node) -> AsyncDirectTransport:
        transport = self._transports.get(address)
        return self._transports.setdefault(address, self._opened(address)) if transport is None else transport

    async def renew(self) -> None:
        """Closes idle connections and asks where the slots are; see `ClusterTransport.renew`."""
        for address, transport in list(self._transports.items()):
            if address in self._nodes.failed:
                await transport.renew()
        if not self._nodes.heard_lately():
            await self._hear()

    async def retire(self) -> None:
        """Closes the idle connections to all nodes."""
        for transport in list(self._transports.values()):
            await transport.renew()

    async def aclose(self) -> None:
        """Closes the connections."""
        for transport in list(self._transports.values()):
            await transport.aclose()


def ask_for_copies(connection: Any) -> None:
    """Introduces a connection to a replica, which then answers reads of its master's slots itself."""
    connection.on_connect()
    connection.send_command("READONLY")
    connection.read_response()


async def ask_for_copies_async(connection: Any) -> None:
    """Introduces an async connection to a replica; see `ask_for_copies`."""
    await connection.on_connect()
    await connection.send_command("READONLY")
    await connection.read_response()
