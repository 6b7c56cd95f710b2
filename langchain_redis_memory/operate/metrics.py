"""`RedisStatsCollector`: metrics for Prometheus, read from the server when they are scraped.

Caches count in Redis, for all processes together, so one scraped process gives the counts of all workers and no
directory of shared files is needed. The server forgets what it counted 30 days ago; a counter must not fall, so the
collector adds up what is new since it was made. Trips and turns are counted of this process.

No metric has a label of a user or a session: their number has no bound.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from types import NoneType
from typing import TYPE_CHECKING, Any, Protocol

from langchain_redis_memory.cache.stats import Row, Stats
from langchain_redis_memory.checks import check_type
from langchain_redis_memory.conversation.turn import TurnReport
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.extras import missing
from langchain_redis_memory.locks import new_lock
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.health import Health
from langchain_redis_memory.redis.client.trips import Trip

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

Labels = tuple[str, ...]
_LOOKUPS = {"hits": "hit", "misses": "miss"}
_TOKENS = frozenset({"tokens_read", "tokens_written"})
_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class StatsSource(Protocol):
    """What counts in Redis: every cache of this package, and `ConversationMemory.answers`."""

    def stats(self) -> Stats | dict[str, Stats]:
        """Returns what was counted, or that of each of its tiers."""
        ...


class RedisStatsCollector:
    """Exports to Prometheus what caches count, the health of their server, and the trips and turns of this process.

    Args:
        client: The client; what it told before it still tells.
        caches: Name in the label `cache` -> a cache, or `memory.answers`.

    Raises:
        ConfigError: prometheus-client is not installed (extra `prometheus`).

    Example:
        ```python
        collector = RedisStatsCollector(client, {"answers": memory.answers, "llm": cache})
        memory.on_turn = collector.on_turn
        prometheus_client.REGISTRY.register(collector)
        ```

    **Keys:** none of its own.
    **Trips:** none to construct; a scrape makes those of `Client.health` and of each cache's `stats`.
    """

    def __init__(self, client: Client, caches: Mapping[str, StatsSource] | None = None) -> None:
        if find_spec("prometheus_client") is None:
            msg = "metrics need prometheus-client"
            raise missing(msg, "prometheus")
        check_type(client, Client, "client", "a Client, the one that a memory is given too", ConfigError)
        check_type(caches, (Mapping, NoneType), "caches", "a dict from names to caches", ConfigError)
        self._client, self._caches = client, dict(caches or {})
        self._lock = new_lock()
        self._seen: dict[str, dict[tuple[Any, ...], int]] = {}
        self._counts: dict[str, defaultdict[Labels, float]] = {name: defaultdict(float) for name in _NAMES}
        self._trips: Counter[Labels] = Counter()
        self._trip_seconds: defaultdict[str, float] = defaultdict(float)
        self._turns: Counter[Labels] = Counter()
        self._before = client.on_trip
        client.on_trip = self._on_trip

    def on_turn(self, report: TurnReport) -> None:
        """Counts a turn; give it to `ConversationMemory(on_turn=...)`.

        Args:
            report: What happened in the turn.
        """
        served = "error" if report.error is not None else report.cache
        with self._lock:
            self._turns[report.verdict.type.value, served] += 1

    def describe(self) -> list[Metric]:
        """Returns nothing: the metrics depend on the server, and registering a collector must not ask it.

        Returns:
            An empty list.
        """
        return []

    def collect(self) -> Iterator[Metric]:
        """Reads the metrics; Prometheus' registry calls it at each scrape.

        Yields:
            The metrics. Where the server is away, those of this process, and `lrm_up` 0.

        **Keys:** the caches' counts.
        **Trips:** those of `Client.health`, and one or two for each cache.
        """
        from prometheus_client.metrics_core import CounterMetricFamily

        health = self._client.health()
        yield from _of_health(health)
        if health.reachable:
            for name, cache in self._caches.items():
                found = cache.stats()
                tiers = found if isinstance(found, dict) else {"": found}
                for tier, stats in tiers.items():
                    self._add(f"{name}.{tier}" if tier else name, stats)
        with self._lock:
            for name, (text, labels) in _NAMES.items():
                family = CounterMetricFamily(name, text, labels=labels)
                for values, n in sorted(self._counts[name].items()):
                    family.add_metric(values, n)
                yield family
            turns = CounterMetricFamily("lrm_turns", "Turns of this process.", labels=("type", "served"))
            for values, n in sorted(self._turns.items()):
                turns.add_metric(values, n)
            yield turns
            yield self._histogram()

    def _add(self, cache: str, stats: Stats) -> None:
        """Adds what is new of a cache; what it had counted before the first scrape is none of this collector's."""
        now = {row[:-1]: row for row in stats.rows}
        with self._lock:
            before = self._seen.get(cache, {key: row.n for key, row in now.items()})
            for key, row in now.items():
                if (new := row.n - before.get(key, 0)) > 0:
                    for name, labels, unit in _series(cache, row):
                        self._counts[name][labels] += new * unit
            self._seen[cache] = {key: row.n for key, row in now.items()}

    def _on_trip(self, trip: Trip) -> object:
        bound = next((bound for bound in _BOUNDS if trip.seconds <= bound), None)
        with self._lock:
            self._trips[trip.operation, "+Inf" if bound is None else str(bound)] += 1
            self._trip_seconds[trip.operation] += trip.seconds
            if trip.failed:
                self._counts["lrm_trips_failed"][trip.operation,] += 1
        return None if self._before is None else self._before(trip)  # which may be a coroutine

    def _histogram(self) -> Metric:
        from prometheus_client.metrics_core import HistogramMetricFamily

        family = HistogramMetricFamily("lrm_trip_seconds", "Round trips of this process.", labels=("operation",))
        for operation, seconds in sorted(self._trip_seconds.items()):
            buckets, total = [], 0
            for bound in (*map(str, _BOUNDS), "+Inf"):
                total += self._trips[operation, bound]
                buckets.append((bound, total))
            family.add_metric((operation,), buckets, seconds)
        return family


_NAMES: dict[str, tuple[str, tuple[str, ...]]] = {
    "lrm_cache_lookups": ("Look-ups of all processes.", ("cache", "result", "type")),
    "lrm_cache_bypasses": ("Look-ups that must not be served.", ("cache", "reason")),
    "lrm_cache_wrong_hits": ("Hits that were reported as wrong.", ("cache",)),
    "lrm_tokens_saved": ("Tokens that served answers would have cost.", ("cache", "model")),
    "lrm_seconds_saved": ("Seconds that served answers took to make.", ("cache",)),
    "lrm_trips_failed": ("Round trips of this process that failed.", ("operation",)),
}


def _series(cache: str, row: Row) -> Iterator[tuple[str, Labels, float]]:
    """Says which counters a count belongs to, and what one of it is worth there."""
    if row.metric in _LOOKUPS:
        yield "lrm_cache_lookups", (cache, _LOOKUPS[row.metric], row.kind), 1
    elif row.metric == "bypasses":
        yield "lrm_cache_bypasses", (cache, row.kind), 1
    elif row.metric == "wrong":
        yield "lrm_cache_wrong_hits", (cache,), 1
    elif row.metric in _TOKENS:
        yield "lrm_tokens_saved", (cache, row.model), 1
    elif row.metric == "ms_saved":
        yield "lrm_seconds_saved", (cache,), 0.001


def _of_health(health: Health) -> Iterator[Metric]:
    from prometheus_client.metrics_core import GaugeMetricFamily

    for name, text, value in (
        ("lrm_up", "Whether the server answers.", health.reachable),
        ("lrm_round_trip_seconds", "Duration of one round trip at this scrape.", health.round_trip_s),
        ("lrm_unstored", "Messages that wait in this process to be stored.", health.unstored),
        ("lrm_breaker_open", "Whether calls leave the server alone for a while.", health.breaker_open),
        ("lrm_connections", "Round trips of this process that are under way.", health.connections),
        ("lrm_server_memory_bytes", "Bytes that the server uses.", health.memory_used),
        ("lrm_server_memory_limit_bytes", "Its maxmemory; 0 for no limit.", health.memory_limit),
        ("lrm_warnings", "What should be changed about the server; see `Client.health`.", len(health.warnings)),
    ):
        if value is not None:
            yield GaugeMetricFamily(name, text, value=float(value))
