"""Checks of a server against what is stored there, each with what to do about it.

It reads INFO, not CONFIG, which managed servers forbid. What a server does not tell is unknown, not wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from langchain_redis_memory.errors import ServerError
from langchain_redis_memory.operate.memory_stats import MemoryStats
from langchain_redis_memory.ops import Command, Flow, Op, Reply, ask, merge
from langchain_redis_memory.redis.acl import COMMANDS
from langchain_redis_memory.redis.client.clock import wall
from langchain_redis_memory.redis.client.health import Health
from langchain_redis_memory.redis.key_parts import STATE
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.nodes import ask_node, masters_flow, node_info

CheckStatus = Literal["ok", "warn", "fail", "unknown"]

_OLDEST = (6, 2)
_CROWDED = 0.8
_SKEW_S = 2.0
_SLOW_S = 0.01
_BIG = 8 << 20
_RIGHTS = "give the user what its classes need: langchain-redis-memory acl prints the line"
Info = Mapping[str, str]


class Check(NamedTuple):
    """One thing that was looked at.

    Args:
        name: What: "eviction", "persistence", "version", "engine", "memory", "clock", "rights", "keys without a
            lifetime", "big keys", "round trip".
        status: "fail" loses data or will fail calls, "warn" should be changed, "unknown" could not be found out.
        found: What was found.
        advice: What to do; "" where it is well.
        conf: The lines of redis.conf that do it.
    """

    name: str
    status: CheckStatus
    found: str
    advice: str = ""
    conf: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """Reports all checks of a server.

    Args:
        url: Where the data is, without credentials.
        checks: The checks.
    """

    url: str
    checks: Sequence[Check]

    @property
    def status(self) -> CheckStatus:
        """The worst status of a check; what is unknown is no fault."""
        statuses = {check.status for check in self.checks}
        return "fail" if "fail" in statuses else "warn" if "warn" in statuses else "ok"

    @property
    def conf(self) -> tuple[str, ...]:
        """The lines of redis.conf to change."""
        return tuple(dict.fromkeys(line for check in self.checks for line in check.conf))


def doctor_flow(space: KeySpace, health: Health, stats: MemoryStats) -> Flow[Diagnosis]:
    """Checks a server. **Keys:** none. **Trips:** 5."""
    if not health.reachable:
        refused = "no permissions" in health.error
        advice = _RIGHTS if refused else "see that it runs, and the URL"
        return Diagnosis(health.url, (Check("rights" if refused else "server", "fail", health.error, advice),))
    masters = yield from masters_flow(space)
    infos = yield from ask(
        merge(*(node_info(beside, "server", "memory", "persistence", "stats") for beside in masters))
    )
    before = wall()
    times = yield from ask(merge(*(ask_node(beside, "TIME").optional(None) for beside in masters)))
    after = wall()
    checks = [_round_trip(health), _version(health), _engine(health)]
    checks += [_worst(check, infos, health, stats) for check in (_eviction, _memory, _persistence)]
    checks += [
        _clock(times, before, after),
        (yield from _rights_flow(masters)),
        _immortal(stats),
        _big(stats),
    ]
    return Diagnosis(health.url, tuple(checks))


# --- one check each ---------------------------------------------------------------------------------------------------


def _worst(
    check: Callable[[Info, Health, MemoryStats], Check], infos: Sequence[Info], health: Health, stats: MemoryStats
) -> Check:
    """Checks each node, and returns the worst."""
    order = ("fail", "warn", "unknown", "ok")
    checks = [check(one, health, stats) for one in infos]
    worst = min(checks, key=lambda one: order.index(one.status))
    bad = sum(one.status == worst.status for one in checks)
    return worst._replace(found=f"{worst.found} ({bad} of {len(checks)} nodes)") if len(checks) > 1 else worst


def _round_trip(health: Health) -> Check:
    seconds = health.round_trip_s or 0.0
    found = f"{1000 * seconds:.2f} ms"
    if seconds <= _SLOW_S:
        return Check("round trip", "ok", found)
    return Check("round trip", "warn", found, "every turn makes 2 to 4: run the server in the application's region")


def _version(health: Health) -> Check:
    found = f"{health.flavour or 'a server'} {health.version}".strip()
    if health.flavour == "fakeredis":
        return Check("version", "warn", found, "it lives in this process and ends with it: for tests only")
    numbers = tuple(int(part) for part in health.version.split(".")[:2] if part.isdigit())
    if not numbers:
        return Check("version", "unknown", found, "the server does not tell its version: see that it is 6.2 or newer")
    if numbers < _OLDEST:
        return Check("version", "fail", found, "this package is tested with Redis 6.2 and newer, and with Valkey")
    return Check("version", "ok", found)


def _engine(health: Health) -> Check:
    found = f"vectors are searched by: {health.engine}"
    if health.engine == "exact" and health.flavour != "fakeredis":
        advice = "an exact scan is fine up to some 50,000 vectors a collection; Redis 8 has vector sets for more"
        return Check("engine", "ok", found, advice)
    return Check("engine", "ok", found)


def _eviction(fields: Info, health: Health, stats: MemoryStats) -> Check:
    policy, limit = fields.get("maxmemory_policy", health.eviction), fields.get("maxmemory", "")
    if not policy:
        if health.flavour == "fakeredis":
            return Check("eviction", "ok", "none: it lives in this process")
        return Check("eviction", "unknown", "not told", "see that maxmemory-policy is noeviction")
    lost = [kind for kind in stats.kinds if kind in STATE]
    evicted = int(fields.get("evicted_keys", "0") or 0)
    found = f"{policy}, {evicted:,} keys evicted since its start"
    if policy == "noeviction":
        return Check("eviction", "ok", found)
    conf = ("maxmemory-policy noeviction",)
    if evicted and lost:
        return Check("eviction", "fail", found, f"parts of {_listed(lost)} may be gone; noeviction keeps them", conf)
    if limit == "0":
        return Check("eviction", "warn", f"{found}; without a maxmemory nothing is evicted", "set it with one", conf)
    if not lost:
        advice = "only caches are stored here, which may be evicted; before conversations are, set noeviction"
        return Check("eviction", "ok", found, advice)
    return Check("eviction", "fail", found, f"when memory is full it drops parts of {_listed(lost)}", conf)


def _memory(fields: Info, health: Health, _stats: MemoryStats) -> Check:
    used, limit = _number(fields.get("used_memory")), _number(fields.get("maxmemory"))
    if used is None:
        status: CheckStatus = "ok" if health.flavour == "fakeredis" else "unknown"
        return Check("memory", status, "not told")
    if not limit:
        advice = "without a maxmemory the system ends the server when memory is short; writes should be refused instead"
        total = _number(fields.get("total_system_memory"))
        conf = (f"maxmemory {int(total * 0.75) >> 20}mb",) if total else ()
        return Check("memory", "warn", f"{used >> 20:,} MiB used, no maxmemory", advice, conf)
    found = f"{used >> 20:,} of {limit >> 20:,} MiB used"
    if used / limit >= _CROWDED:
        advice = "writes are refused (or keys evicted) when it is full: more memory, shorter lifetimes, or prune"
        return Check("memory", "warn", found, advice, (f"maxmemory {(limit >> 20) * 2}mb",))
    return Check("memory", "ok", found)


def _persistence(fields: Info, health: Health, stats: MemoryStats) -> Check:
    if "aof_enabled" not in fields:
        if health.flavour == "fakeredis":
            return Check("persistence", "warn", "none: it lives in this process")
        return Check("persistence", "unknown", "not told")
    for name in ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status"):
        if fields.get(name, "ok") != "ok":
            return Check("persistence", "fail", f"{name} is {fields[name]}", "see the server's log and its disk")
    kept = any(kind in STATE for kind in stats.kinds)
    if fields["aof_enabled"] == "1":
        return Check("persistence", "ok", "append-only file")
    unsaved = int(fields.get("rdb_changes_since_last_save", "0") or 0)
    found = f"no append-only file; {unsaved:,} changes since the last snapshot"
    if not kept:
        return Check("persistence", "ok", found)
    conf = ("appendonly yes", "appendfsync everysec")
    return Check("persistence", "warn", found, "a crash loses what came after the last snapshot", conf)


def _clock(times: Sequence[Reply], before: float, after: float) -> Check:
    """Compares the servers' clocks with this process's, within which the question was asked and answered."""
    seconds = [int(time[0]) + int(time[1]) / 1e6 for time in times if isinstance(time, list) and len(time) == 2]
    if not seconds:
        return Check("clock", "unknown", "not told")
    skew = max(max(before - time, time - after, 0.0) for time in seconds)
    apart = max(seconds) - min(seconds)
    found = f"{skew:.3f} s from this process"
    if len(seconds) > 1:
        found += f", nodes at most {apart:.3f} s apart"
    if max(skew, apart - (after - before)) <= _SKEW_S:
        return Check("clock", "ok", found)
    return Check("clock", "warn", found, "lifetimes go by the server's clock, rate limits too: run NTP on all machines")


def _rights_flow(masters: Sequence[str]) -> Flow[Check]:
    """Asks each node by ACL DRYRUN (Redis 7) whether this user, who is another one on each, may send what we send."""
    words = sorted({word for spelled in COMMANDS.values() for word in spelled.split()})
    whoami = merge(*(_at(beside, (("ACL", "WHOAMI"),)) for beside in masters))
    infos = merge(*(ask_node(masters[0], "COMMAND", "INFO", word).optional(None) for word in words))
    whos, described = yield from ask(merge(whoami, infos))
    users = [who.decode("utf-8", "replace") if isinstance(who, bytes) else who for (who,) in whos]
    if not all(isinstance(user, str) for user in users):
        return Check("rights", "unknown", "the server does not say who is logged in")
    arity = [abs(int(one[0][1])) if one and one[0] else 0 for one in described]  # 0: a command that it does not know
    known = [(word, n) for word, n in zip(words, arity, strict=True) if n]
    asked = [
        _at(beside, tuple(("ACL", "DRYRUN", user, word, *(beside,) * (n - 1)) for word, n in known))
        for beside, user in zip(masters, users, strict=True)
    ]
    replies = yield from ask(merge(*asked))
    names = _listed([repr(user) for user in dict.fromkeys(users)])
    if any(all(isinstance(one, ServerError) for one in node) for node in replies):
        return Check("rights", "unknown", f"logged in as {names}; servers before Redis 7 do not tell what it may do")
    refused = [[word for (word, _), one in zip(known, node, strict=True) if _refuses(one)] for node in replies]
    if not any(refused):
        return Check("rights", "ok", f"{names} may send all commands of this package")
    where = f" on {sum(map(bool, refused))} of {len(masters)} nodes" if len(masters) > 1 else ""
    missing = _listed(sorted({word for node in refused for word in node}))
    return Check("rights", "warn", f"{names} may not send {missing}{where}", _RIGHTS)


def _at(beside: str, commands: tuple[Command, ...]) -> Op[list[Reply]]:
    """Sends commands without a key to the node of a key, behind a command with it: a script may not send ACL."""
    return Op((("EXISTS", beside), *commands), lambda replies: list(replies[1:]), tolerant=True)


def _refuses(reply: Reply) -> bool:
    return b"no permissions" in (reply if isinstance(reply, bytes) else str(reply).encode())


def _immortal(stats: MemoryStats) -> Check:
    name = "keys without a lifetime"
    if not stats.immortal:
        return Check(name, "ok", "none but those that are permanent")
    count = sum(kind.immortal for kind in stats.kinds.values())
    advice = "right for what was pinned or made with ttl_s=None; else give it a lifetime"
    return Check(name, "warn", f"{count:,}, such as {_listed(stats.immortal)}", advice)


def _big(stats: MemoryStats) -> Check:
    big = [f"{name} ({size >> 20:,} MiB)" for name, size in stats.largest if size >= _BIG]
    if not big:
        return Check("big keys", "ok", f"none of those measured has {_BIG >> 20} MiB")
    advice = "they block the server while they are read whole: max_messages for conversations, prune for threads"
    return Check("big keys", "warn", _listed(big), advice)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None
