"""Durability: how far a write has to be before its caller goes on.

Redis acknowledges a write when the master has it in memory; a failover or a crash within the next second may lose it.
WAIT (replicas have it) or WAITAOF (it is on disk) goes out behind the write, on the same connection and in the same
round trip; on a cluster behind the writes of each node. The writes are those that a script runs once (`-- WITH once`):
what caches store is never waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from typing_extensions import Self

from langchain_redis_memory.checks import check_positive, check_whole, check_word
from langchain_redis_memory.errors import ConfigError, DurabilityError, ServerError
from langchain_redis_memory.frozen import Frozen
from langchain_redis_memory.ops import Command, Op, Reply, writes_once

if TYPE_CHECKING:
    from langchain_redis_memory.redis.client.topology import Topology

T = TypeVar("T")

DurabilityLevel: TypeAlias = Literal["written", "replicated", "fsynced"]


class Durability(Frozen):
    """Says how safe a write has to be before its caller goes on: in memory, replicated, or on disk.

    Args:
        level: "written": in the master's memory, which is what Redis itself promises; "replicated": `replicas` replicas
            have them as well; "fsynced": they are on the master's disk (which needs `appendonly yes`), and on the disks
            of `replicas` replicas; a server of Redis 7.2 or Valkey.
        replicas: How many replicas; None for 1 where it is "replicated" and 0 where it is "fsynced". Give as many as
            there are where a planned failover may lose nothing: while one is promoted, others follow the old master.
        timeout_s: How long a write waits for that, in seconds.

    Raises:
        ConfigError: There is no such level.
        InvalidInputError: A number cannot work.
    """

    level: DurabilityLevel = "replicated"
    replicas: int | None = None
    timeout_s: float = 1.0

    def __post_init__(self) -> None:
        check_word(self.level, "durability", ("written", "replicated", "fsynced"), ConfigError)
        check_positive(self.timeout_s, "timeout_s", "number of seconds")
        if self.replicas is not None:
            check_whole(self.replicas, "replicas", 0 if self.level == "fsynced" else 1)

    @classmethod
    def of(cls, given: DurabilityLike) -> Durability:
        """Returns the durability that an argument names."""
        return given if isinstance(given, Durability) else cls(given)

    @property
    def _copies(self) -> int:
        return int(self.level == "replicated") if self.replicas is None else self.replicas

    def over(self, op: Op[T]) -> Op[T]:
        """Returns an op that also waits, where it writes what has to last.

        Args:
            op: The op.

        Returns:
            The op, which raises `DurabilityError` where its write stands but is not as far as it has to be. What the
            caller can do without, as a cache can, is not waited for.
        """
        if self.level == "written" or op.best_effort or not any(map(writes_once, op.commands)):
            return op
        ms = max(1, round(self.timeout_s * 1000))
        fsynced = self.level == "fsynced"
        wait: Command = ("WAITAOF", 1, self._copies, ms) if fsynced else ("WAIT", self._copies, ms)

        def read(replies: Sequence[Reply]) -> T:
            result = op.read(replies[:-1])
            self._check(replies[-1])
            return result

        return Op((*op.commands, wait), read, tolerant=True, best_effort=op.best_effort)

    def _check(self, reply: Reply) -> None:
        stands = "the write stands on the server that took it, but"
        if isinstance(reply, ServerError):
            msg = f"{stands} that cannot say more: {reply}; 'fsynced' needs appendonly yes on Redis 7.2 or Valkey"
            raise DurabilityError(msg)
        fsynced, copies = (reply[0], reply[1]) if isinstance(reply, list | tuple) else (1, reply)
        if not fsynced:
            raise DurabilityError(f"{stands} it was not on its disk after {self.timeout_s:g} s")
        if copies < self._copies:
            msg = f"{stands} only {copies} of {self._copies} replicas had it after {self.timeout_s:g} s"
            raise DurabilityError(msg)


DurabilityLike: TypeAlias = "Durability | DurabilityLevel"


class DurableClient:
    """The part of a client that waits for writes."""

    _durability: Durability | None = None
    _topology: Topology
    _whole: Self | None = None

    def durable(self, durability: DurabilityLike) -> Self:
        """Returns a client on the same connections whose writes wait until they are as far as they have to be.

        Args:
            durability: A `Durability`, or its level.

        Returns:
            The client.

        Raises:
            ConfigError: There is no such level, or it cannot wait: a server in the process, or a client of redis-py
                for a cluster (give a `redis+cluster://` URL).

        **Keys:** none.
        **Trips:** none; a write waits in its own.
        """
        wanted = Durability.of(durability)
        if wanted.level != "written" and (self._topology.kind == "memory" or self._topology.routed):
            raise ConfigError(f"durability={wanted.level!r} needs a server with replicas, or a redis+cluster:// URL")
        made = copy(self)
        made._durability, made._whole = wanted, self.whole
        return made

    @property
    def whole(self) -> Self:
        """The client that this one was made from by `durable`; itself where it was not."""
        return self if self._whole is None else self._whole
