"""`RedisCaches`: the statistics of all caches of a deployment, and whether their hit rates are what they should be.

A cache counts under its use and its name, as in "answers/exact" or "values/preferences": its namespace. What it counts
is shared by all processes, so this needs none of the caches themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

from typing_extensions import Unpack

from langchain_redis_memory.cache import decision_log
from langchain_redis_memory.cache.advice import MissedQuestion, top_misses_of
from langchain_redis_memory.cache.decision_log import DEFAULT_LOG, Decision
from langchain_redis_memory.cache.stats import Stats, Tally
from langchain_redis_memory.checks import check_number, check_text, check_whole
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.operate.caches_by_name import switchable
from langchain_redis_memory.ops import Flow, Invoke, Op, ask, merge
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.client.health import Health
from langchain_redis_memory.redis.key_groups import Id
from langchain_redis_memory.redis.key_parts import KeyParts, parse_key
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.nodes import KeyScan

Targets = Mapping[str, float]
"""Pattern of a namespace, as "values/*" -> the hit rate that it should have; the first that fits counts."""

_ENOUGH = 100


class CacheStats(NamedTuple):
    """What one cache has counted.

    Args:
        tenant: Whose it is; "" for the default tenant.
        namespace: Its use and its name.
        stats: What it counted within 30 days.
        off_s: For how many seconds it is still switched off; 0 where it is on.
    """

    tenant: str
    namespace: str
    stats: Stats
    off_s: float = 0.0


class BelowTarget(NamedTuple):
    """A cache whose hit rate is below its target.

    Args:
        tenant: Whose it is.
        namespace: Its use and its name.
        hit_rate: Its hit rate.
        target: What it should be.
        lookups: How many look-ups it had.
    """

    tenant: str
    namespace: str
    hit_rate: float
    target: float
    lookups: int


@dataclass(frozen=True)
class ServiceStatus:
    """The state of a deployment at a glance: of server and client, all caches that count, those below their targets."""

    health: Health
    caches: Sequence[CacheStats] = ()
    below: Sequence[BelowTarget] = ()

    @property
    def well(self) -> bool:
        """Whether the server answers, has nothing to warn of, and every cache meets its target."""
        return self.health.reachable and not self.health.warnings and not self.below


class RedisCaches(ClientOwner):
    """Looks after a deployment's caches without their objects: statistics, targets of hit rates, missed questions.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        tenant: Whose caches, "" for the default tenant; None for those of all tenants.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: The tenant is not acceptable.
        ConfigError: The URL cannot work.

    Example:
        ```python
        status = RedisCaches(client).status({"values/*": 0.7, "answers/*": 0.3})
        for cache in status.below:
            print(cache.namespace, cache.hit_rate, "is below", cache.target)
        ```

    **Keys:** `tally`, `decisions` of each cache.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(self, client: ClientLike = None, *, tenant: Id | None = None, **server: Unpack[ServerOptions]) -> None:
        self._client = connect(client, owner=type(self), **server)
        self._space: KeySpace = self._client.keys("" if tenant is None else tenant)
        self._start = f"{self._space.prefix}:{{" if tenant is None else self._space.tenant_prefix()

    def stats(self) -> list[CacheStats]:
        """Reads what each cache has counted; what its processes have not sent yet is not in it.

        Returns:
            The caches, by tenant and namespace.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `tally` of each cache; `switch`, `values`.
        **Trips:** 2, and 1 for each 1,000 keys of the server.
        """
        return self._client.drive(self._stats_flow())

    async def astats(self) -> list[CacheStats]:
        """Reads what each cache has counted; see `stats`."""
        return await self._client.adrive(self._stats_flow())

    def status(self, targets: Targets | None = None, *, enough: int = _ENOUGH) -> ServiceStatus:
        """Reports the health of the server and the hit rates that are below their targets.

        Args:
            targets: Pattern of a namespace -> the hit rate that it should have.
            enough: How many look-ups a cache must have had to be judged.

        Returns:
            What was found out; an unreachable server is no error.

        Raises:
            InvalidInputError: A target is not a share, or a number is not acceptable.

        **Keys:** `tally` of each cache.
        **Trips:** those of `Client.health` and of `stats`.
        """
        return self._client.drive(self._status_flow(targets, enough))

    async def astatus(self, targets: Targets | None = None, *, enough: int = _ENOUGH) -> ServiceStatus:
        """Reports the health of the server and the hit rates below their targets; see `status`."""
        return await self._client.adrive(self._status_flow(targets, enough))

    def decisions(self, namespace: str = "", n: int = 100) -> list[Decision]:
        """Reads the newest lines of a decision log.

        Args:
            namespace: The cache's, as "semantic/answers"; "" for the turns of all conversations.
            n: How many lines at most.

        Returns:
            The lines, newest first.

        Raises:
            InvalidInputError: The number is not acceptable.
            UnavailableError: The server cannot be reached.

        **Keys:** `decisions`.
        **Trips:** 1.
        """
        return self._client.run(self._log(namespace, n))

    async def adecisions(self, namespace: str = "", n: int = 100) -> list[Decision]:
        """Reads the newest lines of a decision log; see `decisions`."""
        return await self._client.arun(self._log(namespace, n))

    def top_misses(self, namespace: str = "", n: int = 10) -> list[MissedQuestion]:
        """Counts the questions that were missed most often, by a decision log.

        Args:
            namespace: The cache's; "" for the turns of all conversations.
            n: How many of them at most.

        Returns:
            The questions, the most frequent first.

        Raises:
            InvalidInputError: The number is not acceptable.
            UnavailableError: The server cannot be reached.

        **Keys:** `decisions`.
        **Trips:** 1.
        """
        check_whole(n, "n")
        lines = self._client.run(self._log(namespace, DEFAULT_LOG.most))
        return top_misses_of(lines, n)

    async def atop_misses(self, namespace: str = "", n: int = 10) -> list[MissedQuestion]:
        """Counts the questions that were missed most often; see `top_misses`."""
        check_whole(n, "n")
        lines = await self._client.arun(self._log(namespace, DEFAULT_LOG.most))
        return top_misses_of(lines, n)

    # --- flows --------------------------------------------------------------------------------------------------------

    def _log(self, namespace: str, n: int) -> Op[list[Decision]]:
        name = check_text(namespace, "namespace")
        return decision_log.read(self._space.decisions(name), check_whole(n, "n"))

    def _stats_flow(self) -> Flow[list[CacheStats]]:
        scan, named = KeyScan(self._space, f"{self._start}*}}:tally"), dict[str, KeyParts]()
        while not scan.ended:
            for name in (yield from scan.page_flow()):
                if (parts := parse_key(name, self._space.prefix)) is not None:
                    named[name] = parts
        counted = merge(*(Tally(name).reads() for name in named))
        stats, off = yield from ask(merge(counted, merge(*(self._off_for(parts) for parts in named.values()))))
        caches = [
            CacheStats(parts.tenant, f"{parts.agent}/{parts.name}", one, off_s)
            for parts, one, off_s in zip(named.values(), stats, off, strict=True)
        ]
        return sorted(caches, key=lambda one: one[:2])

    def _off_for(self, parts: KeyParts) -> Op[float]:
        try:
            return switchable(self._client, f"{parts.agent}/{parts.name}", parts.tenant)._off_for()
        except InvalidInputError:  # it has no switch
            return Op((), lambda _replies: 0.0)

    def _status_flow(self, targets: Targets | None, enough: int) -> Flow[ServiceStatus]:
        check_whole(enough, "enough")
        wanted = {
            pattern: check_number(target, f"the target of {pattern!r}") for pattern, target in (targets or {}).items()
        }
        health = yield Invoke(self._client.health, self._client.ahealth)
        if not health.reachable:
            return ServiceStatus(health)
        caches = yield from self._stats_flow()
        return ServiceStatus(health, tuple(caches), tuple(below_targets(caches, wanted, enough)))


def below_targets(caches: Sequence[CacheStats], targets: Targets, enough: int = _ENOUGH) -> list[BelowTarget]:
    """Finds the caches whose hit rate is below its target, of those that had `enough` look-ups to be judged.

    The first pattern of a namespace that fits gives the target.
    """
    below = []
    for tenant, namespace, stats, _off in caches:
        lookups = stats.hits + stats.misses
        target = next((rate for pattern, rate in targets.items() if fnmatchcase(namespace, pattern)), None)
        if target is not None and lookups >= enough and stats.hit_rate < target:
            below.append(BelowTarget(tenant, namespace, stats.hit_rate, target, lookups))
    return below


def parse_targets(text: str) -> dict[str, float]:
    """Parses targets as an environment variable or an option spells them: "values/*=0.7,answers/*=0.3".

    Returns pattern -> hit rate. Raises `InvalidInputError`: it is something else.
    """
    targets = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        pattern, _, rate = part.rpartition("=")
        try:
            targets[pattern] = check_number(float(rate), f"the target of {pattern!r}")
        except ValueError as error:
            msg = f"targets are spelled NAMESPACE=SHARE, as in 'values/*=0.7,answers/*=0.3'; got {part!r}"
            raise InvalidInputError(msg) from error
        if not pattern:
            raise InvalidInputError(f"a target names a namespace, as in 'values/*=0.7'; got {part!r}")
    return targets
