"""ValueLookup-ups and loads of the value cache: near, remote, stale, single flight, early refresh."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from inspect import iscoroutine
from typing import Any

from langchain_redis_memory.cache.best_effort import BestEffort, CacheUnavailable
from langchain_redis_memory.cache.single_flight import SingleFlight, making
from langchain_redis_memory.cache.stats import Tally
from langchain_redis_memory.cache.value.load_options import LoadOptions, is_due
from langchain_redis_memory.cache.value.near import NearCache
from langchain_redis_memory.cache.value.operations import Mode, StoredValue, ValueLookup, ValueOps, tags_of
from langchain_redis_memory.errors import ConflictError, CorruptDataError, RedisMemoryError
from langchain_redis_memory.ops import Flow, Now, Op, Reply, Sleep, ask, merge
from langchain_redis_memory.redis.cas_record import ATTEMPTS
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.clock import monotonic
from langchain_redis_memory.redis.client.coroutines import run_coroutine
from langchain_redis_memory.redis.codec.values import pack, unpack
from langchain_redis_memory.redis.key_groups import Id
from langchain_redis_memory.redis.ttl import jittered

_log = logging.getLogger(__name__)

disabled_here: ContextVar[frozenset[int]] = ContextVar("caches that this thread or task bypasses", default=frozenset())


AWAY = ValueLookup(0, None, (), True)
"""The look-up of a server that is away: nothing is found, nothing is stored."""


class ValueFlows:
    """The flows of one cache; this process serves `near_most` values of its own for `near_s` without asking."""

    def __init__(self, client: Client, ops: ValueOps, tally: Tally, near_s: float, near_most: int) -> None:
        self._client = client
        self.ops: ValueOps = ops
        self.tally: Tally = tally
        self.best_effort: BestEffort = BestEffort("the cache of values", tally, client.breaker)
        self.near_s: float = near_s
        self.near: NearCache | None = NearCache(near_most) if near_s else None
        self._of_turns = self.near or NearCache(near_most)
        self._glances = self._quick = self.ops.glances and self.near is None
        """Whether values are looked up by a glance; without tags not any more once a value with some was met."""

    # --- reading ------------------------------------------------------------------------------------------------------

    def near_hit(self, key: str) -> tuple[Any] | None:
        """Returns a value that this process may serve without asking, in a tuple; None where there is none."""
        kept = None if self.near is None else self.near.get(key)
        if kept is None or monotonic() >= kept.until or not kept.body or id(self) in disabled_here.get():
            return None
        self.tally.add("hits")
        return (kept.read(),)

    def look(self, key: str, tags: Sequence[str] = ()) -> Op[ValueLookup]:
        """Reads a value; of one that this process keeps only its version."""
        kept = None if self.near is None else self.near.get(key)
        if kept is None or not kept.body:
            return self.ops.look(key, tags)

        def whole(look: ValueLookup) -> ValueLookup:
            if look.found is None or look.found.version != kept.version:
                return look
            return look._replace(found=look.found._replace(body=kept.body))

        return self.ops.look(key, tags, kept.version).map(whole)

    def value(self, key: str, found: StoredValue, now: float) -> tuple[Any] | None:
        """Decodes what was found and keeps it near; None where it is damaged, which counts as a miss."""
        hit = self._decoded(found.body, key)
        if hit is not None and self.near is not None:
            self.near.put(key, found.version, now + self._near_for(found), found.body)
        return hit

    def _decoded(self, body: bytes, key: str) -> tuple[Any] | None:
        try:
            return (unpack(body, key),)
        except CorruptDataError as error:
            _log.warning("a cached value counts as absent: %s", error)
            return None

    def _near_for(self, found: StoredValue) -> float:
        return self.near_s if found.fresh_ms is None else min(self.near_s, found.fresh_ms / 1000)

    def op(self, key: str, default: Any) -> Op[Any]:
        """Reads a value within a trip that is made anyway; of a known one only the version is sent."""
        known = self._of_turns.get(key)
        version = known.version if known is not None and known.body else 0

        def read(look: ValueLookup) -> Any:
            if look.found is None or look.found.stale:
                return default
            if known is not None and look.found.version == version:
                return known.read()
            self._of_turns.put(key, look.found.version, monotonic() + self._near_for(look.found), look.found.body)
            return unpack(look.found.body, key)

        return self.ops.look(key, (), version).map(read).optional(default)

    def quick(
        self, key: str, tags: tuple[str, ...] = (), early: float = 0.0
    ) -> tuple[Op[tuple[Any] | ValueLookup | None], Callable[[RedisMemoryError], ValueLookup]] | None:
        """Looks a value up by one op and nothing else.

        Returns the op, and what to do if it raises; None where there is more to do, as flows do it. The op gives a
        fresh value in a tuple, else what the look-up gave; None where only a flow can tell.
        """
        began = monotonic()
        usual = (self._quick or (tags and self._glances)) and self._client.breaker.closed and not self.tally.due(began)
        if not usual or id(self) in disabled_here.get():
            return None

        def read(replies: Sequence[Reply]) -> tuple[Any] | ValueLookup | None:
            look = glanced(replies)
            if look is None:
                self._quick = self._quick and bool(tags)
                return None
            if look.found is None or is_due(look.found, early) or (hit := self._decoded(look.found.body, key)) is None:
                return look
            self.tally.looked_up("hits", monotonic() - began)
            return hit

        def failed(error: RedisMemoryError) -> ValueLookup:
            self.best_effort.noted(error, began, monotonic())
            return AWAY

        commands, glanced = self.ops.glance(key, tags)
        return Op(commands, read, best_effort=True), failed

    def missed(self, default: Any) -> Any:
        """Counts a miss of a quick look-up."""
        self.tally.add("misses")
        return default

    def get_flow(self, key: str, default: Any) -> Flow[Any]:
        """Reads a value; one that is away, damaged or refused is a miss."""
        began: float = yield Now()
        if id(self) in disabled_here.get():
            return default
        look, hit = None, None
        with suppress(CacheUnavailable):
            look = yield from self.best_effort(ask(self.look(key)))
        if look is not None and look.found is not None and not look.found.stale:
            hit = self.value(key, look.found, began)
        ended: float = yield Now()
        self.tally.timed(ended - began)
        self.tally.add("hits" if hit else "misses")
        return hit[0] if hit else default

    def get_many_flow(self, keys: Sequence[str]) -> Flow[dict[str, Any]]:
        """Reads values in one trip."""
        began: float = yield Now()
        names, found = dict.fromkeys(keys), dict[str, Any]()
        if self.near is not None:
            found = {key: hit[0] for key in names if (hit := self.near_hit(key))}
        rest = unsure = [key for key in names if key not in found]
        if id(self) in disabled_here.get() or not rest:
            return found
        with suppress(CacheUnavailable):
            if self._glances:
                bodies, unsure = yield from self.best_effort(ask(self.ops.glance_many(rest)))
                for key, body in bodies.items():
                    if hit := self._decoded(body, key):
                        found[key] = hit[0]
            if unsure:
                looks = yield from self.best_effort(ask(merge(*(self.look(key) for key in unsure))))
                for key, look in zip(unsure, looks, strict=True):
                    if look.found and not look.found.stale and (hit := self.value(key, look.found, began)):
                        found[key] = hit[0]
        missing = len(names) - len(found)
        self.tally.add("hits", len(rest) - missing)
        self.tally.add("misses", missing)
        return {key: found[key] for key in names if key in found}

    def update_flow(self, key: str, change: Callable[[Any], Any], default: Any, ttl_ms: int) -> Flow[Any]:
        """Changes a value by compare-and-set, until nobody else was faster; one that is there keeps its lifetime."""
        for attempt in range(ATTEMPTS):
            if attempt > 2:
                yield Sleep(random.uniform(0, min(0.05, 0.002 * 2**attempt)))
            look = yield from ask(self.ops.look(key))
            found = look.found
            new = change(default if found is None else unpack(found.body, key))
            left = ttl_ms if found is None else 0 if found.left_ms is None else max(1, found.left_ms)
            put = yield from ask(
                self.ops.put(key, new, left, mode="version", version=0 if found is None else found.version)
            )
            if put.version is not None:
                yield from self.keep_near_flow(key, new, put.version, left)
                return new
        msg = f"{key!r} was changed by others {ATTEMPTS} times while it was being changed here; try again"
        raise ConflictError(msg)

    # --- writing ------------------------------------------------------------------------------------------------------

    def put_flow(self, key: str, value: Any, ttl_ms: int, mode: Mode, tags: tuple[str, ...]) -> Flow[bool]:
        """Stores a value; where the server is away nothing is stored."""
        op = self.ops.put(key, value, ttl_ms, mode=mode, tags=tags)  # what cannot be stored is refused in any case
        if id(self) in disabled_here.get():
            return False
        try:
            put = yield from self.best_effort(ask(op), write=True)
        except CacheUnavailable:
            self.forget(key)
            return False
        yield from self.keep_near_flow(key, value, put.version, ttl_ms)
        return put.version is not None

    def put_many_flow(self, values: Mapping[str, Any], ttl_ms: int) -> Flow[int]:
        """Stores values in one trip."""
        ops = [self.ops.put(key, value, ttl_ms) for key, value in values.items()]
        if id(self) in disabled_here.get() or not ops:
            return 0
        self.forget(*values)
        try:
            return len((yield from self.best_effort(ask(merge(*ops)), write=True)))
        except CacheUnavailable:
            return 0
        finally:
            self.forget(*values)

    def set_if_flow(self, key: str, value: Any, version: int, ttl_ms: int) -> Flow[bool]:
        """Stores a value if it still has a version."""
        put = yield from ask(self.ops.put(key, value, ttl_ms, mode="version", version=version))
        yield from self.keep_near_flow(key, value, put.version, ttl_ms)
        return put.version is not None

    def keep_near_flow(self, key: str, value: Any, version: int | None, ttl_ms: int) -> Flow[None]:
        """Keeps what was stored in this process."""
        if self.near is not None and version:
            now: float = yield Now()
            until = now + min(self.near_s, ttl_ms / 1000 if ttl_ms else math.inf)
            self.near.put(key, version, until, pack(value))

    def forget(self, *keys: str) -> None:
        """Forgets what this process keeps; everything without names."""
        if self.near is not None:
            self.near.drop(*keys)

    def delete_flow(self, keys: Sequence[str]) -> Flow[int]:
        """Deletes values."""
        puts = yield from ask(merge(*(self.ops.delete(key) for key in keys)))
        for key, put in zip(keys, puts, strict=True):
            if self.near is not None and put.version:
                self.near.put(key, put.version, 0.0, b"")
        return sum(put.there for put in puts)

    def bump_flow(self, tags: Sequence[str], user: Id | None = None) -> Flow[None]:
        """Makes what carries a tag stale."""
        try:
            yield from ask(self.ops.bump(*tags_of(tags, user)))
        finally:
            self.forget()

    def invalidate_flow(self, pattern: str) -> Flow[int]:
        """Deletes values by their names, found in the cache's own index."""
        count, cursors = 0, self.ops.start()
        while cursors:
            names = yield from ask(self.ops.page(pattern, cursors))
            if names:
                count += yield from self.delete_flow(names)
        return count

    def erase_flow(self, user: Id) -> Flow[int]:
        """Makes what is about a user stale, what is being loaded included, then deletes it."""
        (tag,) = tags_of((), user)
        yield from self.bump_flow((), user)
        count, cursors = 0, self.ops.start()
        while cursors:
            names = yield from ask(self.ops.page("*", cursors))
            if names:
                count += yield from ask(self.ops.erase(tag, names))
        return count

    # --- loading ------------------------------------------------------------------------------------------------------

    def load_flow(
        self,
        key: str,
        load: Callable[[], Any],
        how: LoadOptions,
        *,
        force: bool = False,
        seen: ValueLookup | None = None,
    ) -> Flow[Any]:
        """Reads a value, or loads and stores it; of many who miss it at once one loads.

        In async calls `load` may be a coroutine function; `force` loads in any case, `seen` is what a look-up has just
        given.
        """
        loading = self._load_flow(key, load, how, force=force, seen=seen)
        return how.flight.cancellable_flow(loading, lambda: self.ops.shard(key).lease(key))

    def _load_flow(
        self, key: str, load: Callable[[], Any], how: LoadOptions, *, force: bool, seen: ValueLookup | None
    ) -> Flow[Any]:
        began: float = yield Now()
        if id(self) in disabled_here.get():
            return (yield making(load, _whole, self._nothing_flow, self._client))
        hit = None if force else self.near_hit(key)
        if hit is not None:
            return hit[0]
        look, old = seen or AWAY, None
        try:
            if seen is None:
                look = yield from self.best_effort(ask(self.look(key, how.tags)))
            if look.found is not None:
                old = self.value(key, look.found, began)
                if old and not force and not is_due(look.found, how.early):
                    self.tally.add("hits")
                    return old[0]
            if not look.off and not force:
                served = yield from self.best_effort(self._lead_flow(key, look, old, how, began))
                if served is not None:
                    self.tally.add("hits")
                    return served[0]
        except CacheUnavailable:
            if old and not force:
                return old[0]
        self.tally.add("misses")
        return (yield from self._make_flow(key, load, how, look, old))

    def _lead_flow(
        self, key: str, look: ValueLookup, old: tuple[Any] | None, how: LoadOptions, began: float
    ) -> Flow[tuple[Any] | None]:
        """Takes the lead in loading, or gives what another caller has made or what is stale."""
        lease = self.ops.shard(key).lease(key)
        reading = self.look(key, how.tags).map(lambda again: again.found)
        if old and look.found:
            seen = look.found.version
            newer = yield from how.flight.refresh_flow(lease, look.found, reading, lambda one: one.version == seen)
        elif how.flight:
            newer = yield from how.flight.join_flow(lease, reading)
        else:
            return None
        return None if newer is None else self.value(key, newer, began)

    def _make_flow(
        self, key: str, load: Callable[[], Any], how: LoadOptions, look: ValueLookup, old: tuple[Any] | None
    ) -> Flow[Any]:
        lease = self.ops.shard(key).lease(key)
        began: float = yield Now()
        try:
            value = yield making(load, _whole, lambda: self._leave_flow(how.flight, lease), self._client)
        except Exception as error:
            if not old or not how.stale_ms:
                raise
            _log.warning("a value could not be loaded, the stale one is served: %s", type(error).__name__)
            self.tally.add("stale_served")
            return old[0]
        ended: float = yield Now()
        ttl_ms = how.negative_ms if value is None else how.ttl_ms
        with suppress(CacheUnavailable):
            if not look.off and (value is not None or ttl_ms):
                op = self.ops.put(
                    key,
                    value,
                    jittered(ttl_ms, how.jitter),
                    stale_ms=0 if value is None else how.stale_ms,
                    took_ms=round((ended - began) * 1000),
                    mode="since",
                    version=look.now,
                    tags=how.tags,
                    tokens=look.tokens,
                )
                put = yield from self.best_effort(ask(op), write=True)
                yield from self.keep_near_flow(key, value, put.version, ttl_ms)
        yield from self._leave_flow(how.flight, lease)
        return value

    def _leave_flow(self, flight: SingleFlight, lease: str) -> Flow[None]:
        if flight.leads(lease):
            with suppress(CacheUnavailable):
                yield from self.best_effort(flight.leave_flow(lease))

    def _nothing_flow(self) -> Flow[None]:
        yield from ()


def _whole(made: Any) -> Any:
    """Runs what a coroutine function gave in a sync call."""
    return run_coroutine(made) if iscoroutine(made) else made
