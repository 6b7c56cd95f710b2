"""`RedisValueCache`: values by name, with lifetimes, tags, users, versions, locks and a near cache."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast, overload

from typing_extensions import Self, Unpack

from langchain_redis_memory.cache.stats import Stats, Tally, read_stats_flow
from langchain_redis_memory.cache.value.cached_function import CachedFunction, P, R, decorator
from langchain_redis_memory.cache.value.flows import ValueFlows, disabled_here
from langchain_redis_memory.cache.value.load_options import LoadOptions, checked_options
from langchain_redis_memory.cache.value.lock import ValueLock
from langchain_redis_memory.cache.value.operations import ValueOps, about_flow, tags_of
from langchain_redis_memory.cache.value.plain import OwnTtl, PlainValues
from langchain_redis_memory.cache.value.presets import PRESETS, PresetName
from langchain_redis_memory.checks import check_number, check_whole, check_word
from langchain_redis_memory.errors import ConfigError, RedisMemoryError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.connect import ClientLike, ServerOptions, connect
from langchain_redis_memory.redis.key_groups import Id
from langchain_redis_memory.redis.ttl import Lifetime, milliseconds

T = TypeVar("T")


class RedisValueCache(PlainValues):
    """Caches any values in Redis, for all processes: preferences, search results, what a function computes.

    Reading and storing is best effort: a server that is away is a miss, and nothing is stored. What must be done, such
    as `delete`, `invalidate_tag`, `set_if` or a lock, raises. Values are plain data, messages, documents, arrays; they
    are stored without pickle, and nothing but these types is ever built from what is stored.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        namespace: The cache's name: values of different namespaces never meet.
        ttl_s: Lifetime in seconds of values for which none is given; None for no expiry.
        near_s: How many seconds this process may serve a value without asking, 0 for not at all. Another process's
            write is seen that much later at most; this process's own at once.
        near_most: How many values this process keeps.
        tenant: Whose values they are; tenants never see each other's.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        ConfigError: The URL cannot work.
        InvalidIdError: The namespace or the tenant is not acceptable.
        InvalidInputError: An option is out of range.

    Example:
        ```python
        cache = RedisValueCache("redis://localhost:6379/0", "preferences", ttl_s=300)


        @cache.cached(key="user:{user_id}", user="user_id")
        def preferences(user_id: str) -> dict: ...
        ```

    **Keys:** `values`, `value_expiries` of 16 shards; `lease`; `tally`.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self,
        client: ClientLike = None,
        namespace: str = "values",
        *,
        ttl_s: Lifetime = 3_600,
        near_s: float = 0.0,
        near_most: int = 1_000,
        tenant: Id = "",
        **server: Unpack[ServerOptions],
    ) -> None:
        self._client = connect(client, owner=type(self), **server)
        self._ttl_ms = milliseconds(ttl_s)
        check_number(near_s, "near_s", 0, 86_400)
        check_whole(near_most, "near_most")
        ops = ValueOps(self._client, namespace, tenant)
        tally = Tally(self._client.keys(tenant).tally("values", namespace))
        self._flows = ValueFlows(self._client, ops, tally, near_s, near_most)
        self.namespace = namespace

    def __repr__(self) -> str:
        return f"RedisValueCache({self._client!r}, {self.namespace!r})"

    @classmethod
    def preset(cls, name: PresetName, client: ClientLike = None, **options: Any) -> Self:
        """Makes a cache for what is often cached, with the lifetime that suits it.

        Args:
            name: One of `PRESETS`.
            client: The server.
            **options: Options that differ.

        Returns:
            The cache, whose namespace is the name.

        Raises:
            ConfigError: There is no such preset.
        """
        check_word(name, "name", PRESETS, ConfigError)
        ttl_s, near_s = PRESETS[name]
        return cls(client, name, **{"ttl_s": ttl_s, "near_s": near_s, **options})

    # --- loading ------------------------------------------------------------------------------------------------------

    def get_or_load(
        self,
        key: str,
        load: Callable[[], T | Awaitable[T]],
        ttl_s: OwnTtl = "own",
        *,
        stale_s: float = 0.0,
        early: float = 1.0,
        negative_ttl_s: float | None = None,
        single_flight_s: float = 30.0,
        jitter: float = 0.1,
        tags: Sequence[str] = (),
        user: Id | None = None,
        refresh: bool = False,
    ) -> T:
        """Reads a value, or loads and stores it; of many who miss it at once, in whatever process, one loads.

        Args:
            key: Its name.
            load: Loads it, a function or a coroutine function. What is invalidated, set or deleted while it runs is not
                written over.
            ttl_s: Its lifetime in seconds; the cache's own where none is given.
            stale_s: How much longer it may be served while one caller reloads it, or where loading fails.
            early: How early one caller reloads it before it expires: the sooner the longer loading took (XFetch); 0
                for not before.
            negative_ttl_s: Lifetime of a None; it is not kept where none is given.
            single_flight_s: How long the others wait for who loads; 0 lets all load.
            jitter: The largest share by which a lifetime is cut at random, so that not all expire at once.
            tags: Tags, by which it can be made stale.
            user: The user it is about, for `clear_user`.
            refresh: Load it in any case.

        Returns:
            The value.

        Raises:
            Exception: Whatever `load` raises, where no stale value may be served.
            UnserialisableError: It holds something that cannot be stored.

        **Keys:** `values`, `value_expiries`, `lease`.
        **Trips:** 1 where it is there, 0 for one that this process may serve; else 4, and 1 for each look of who waits;
            1 more where it was stored with other tags.
        """
        how = self._loading(ttl_s, stale_s, early, negative_ttl_s, single_flight_s, jitter, tags, user)
        seen: Any = None
        if not refresh and (quick := self._flows.quick(key, how.tags, how.early)):
            op, failed = quick
            try:
                seen = self._client.run(op)
            except RedisMemoryError as error:
                seen = failed(error)
            if seen.__class__ is tuple:
                return cast("T", seen[0])
        return cast("T", self._client.drive(self._flows.load_flow(key, load, how, force=refresh, seen=seen)))

    async def aget_or_load(
        self,
        key: str,
        load: Callable[[], T | Awaitable[T]],
        ttl_s: OwnTtl = "own",
        *,
        stale_s: float = 0.0,
        early: float = 1.0,
        negative_ttl_s: float | None = None,
        single_flight_s: float = 30.0,
        jitter: float = 0.1,
        tags: Sequence[str] = (),
        user: Id | None = None,
        refresh: bool = False,
    ) -> T:
        """Reads a value, or loads and stores it; see `get_or_load`."""
        how = self._loading(ttl_s, stale_s, early, negative_ttl_s, single_flight_s, jitter, tags, user)
        seen: Any = None
        if not refresh and (quick := self._flows.quick(key, how.tags, how.early)):
            op, failed = quick
            try:
                seen = await self._client.arun(op)
            except RedisMemoryError as error:
                seen = failed(error)
            if seen.__class__ is tuple:
                return cast("T", seen[0])
        return cast("T", await self._client.adrive(self._flows.load_flow(key, load, how, force=refresh, seen=seen)))

    @overload
    def cached(self, function: Callable[P, R], /) -> CachedFunction[P, R]: ...

    @overload
    def cached(
        self, *, key: str | None = None, tags: Sequence[str] = (), user: str | None = None, **options: Any
    ) -> Callable[[Callable[P, R]], CachedFunction[P, R]]: ...

    def cached(  # type: ignore[misc] # its options might hold one that is called like the function
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        key: str | None = None,
        tags: Sequence[str] = (),
        user: str | None = None,
        **options: Any,
    ) -> Any:
        """Decorates a function, `def` or `async def`, whose results are kept: `@cache.cached`, or with options.

        Args:
            function: The function, where the decorator is bare.
            key: The name of a result, with arguments in braces: "user:{user_id}", or of a method "{self.name}:{n}". Of
                several arguments what stands between them is quoted in each. By default the function's name and a
                digest of all arguments, of its code and of the plain data that it was made with; of a method also of
                its object's class and plain data.
            tags: Its tags, with arguments in braces.
            user: The argument that names the user, for `clear_user`; the key must name it, too.
            **options: Options of `get_or_load`, such as `ttl_s` and `stale_s`.

        Returns:
            A decorator, or the function, which has `.refresh(...)`, which calls it in any case, and `.invalidate(...)`.

        Raises:
            ConfigError: A template names an argument that the function does not have; the key leaves the user out, or
                has two arguments with nothing between them.
            UnknownKeywordError: An option is unknown.
        """
        return decorator(self, function, key, tags, user, options)

    # --- what makes stale ---------------------------------------------------------------------------------------------

    def invalidate_tag(self, *tags: str) -> None:
        """Makes all values with a tag stale, those being loaded included, however many they are.

        Args:
            *tags: The tags.

        Raises:
            UnavailableError: The server cannot be reached: they may still be served.

        **Keys:** `values`, `value_expiries` of all shards.
        **Trips:** 1.
        """
        self._client.drive(self._flows.bump_flow(tags))

    async def ainvalidate_tag(self, *tags: str) -> None:
        """Makes all values with a tag stale; see `invalidate_tag`."""
        await self._client.adrive(self._flows.bump_flow(tags))

    def clear_user(self, user: Id) -> None:
        """Makes all values about a user stale, those being loaded included.

        Args:
            user: The user.

        Raises:
            UnavailableError: The server cannot be reached: they may still be served.

        **Keys:** `values`, `value_expiries` of all shards.
        **Trips:** 1.
        """
        self._client.drive(self._flows.bump_flow((), user))

    async def aclear_user(self, user: Id) -> None:
        """Makes all values about a user stale; see `clear_user`."""
        await self._client.adrive(self._flows.bump_flow((), user))

    def erase_user(self, user: Id) -> int:
        """Deletes all values about a user, by reading through the cache's own index.

        That stays noted for a day, by the user's id: what is being loaded meanwhile is not served.

        Args:
            user: The user.

        Returns:
            How many there were.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `values`, `value_expiries` of all shards.
        **Trips:** 1, and 2 for each 1,000 names of a shard.
        """
        return self._client.drive(self._flows.erase_flow(user))

    async def aerase_user(self, user: Id) -> int:
        """Deletes all values about a user; see `erase_user`."""
        return await self._client.adrive(self._flows.erase_flow(user))

    def about_user(self, user: Id) -> dict[str, Any]:
        """Reads all values about a user, by reading through the cache's own index.

        Args:
            user: The user.

        Returns:
            Name -> value, stale ones included.

        Raises:
            CorruptDataError: One of them is damaged.

        **Keys:** `values`, `value_expiries` of all shards.
        **Trips:** 2 for each 1,000 names of a shard.
        """
        return self._client.drive(about_flow(self._flows.ops, user))

    async def aabout_user(self, user: Id) -> dict[str, Any]:
        """Reads all values about a user; see `about_user`."""
        return await self._client.adrive(about_flow(self._flows.ops, user))

    def invalidate(self, pattern: str) -> int:
        """Deletes values by their names, which are found in the cache's own index; the server's keys are not scanned.

        Args:
            pattern: A name in which `*` stands for any text: "user:*:profile".

        Returns:
            How many there were.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `values`, `value_expiries` of all shards.
        **Trips:** 2 for each 1,000 names of a shard.
        """
        return self._client.drive(self._flows.invalidate_flow(pattern))

    async def ainvalidate(self, pattern: str) -> int:
        """Deletes values by their names; see `invalidate`."""
        return await self._client.adrive(self._flows.invalidate_flow(pattern))

    # --- locks -------------------------------------------------------------------------------------------------------

    def lock(self, name: str, ttl_s: float = 30.0, *, wait_s: float = 10.0) -> ValueLock:
        """Makes a lock for all processes.

        Args:
            name: Its name.
            ttl_s: When it expires, if it is not renewed.
            wait_s: How long to wait for it.

        Returns:
            The lock, a context manager in both colours.
        """
        key = self._flows.ops.shard(name).lease(f"lock/{name}")
        return ValueLock(self._client, key, milliseconds(ttl_s), check_number(wait_s, "wait_s", 0, 86_400))

    # --- in a trip of your own ----------------------------------------------------------------------------------------

    def op(self, key: str, default: Any = None) -> Op[Any]:
        """Returns the operation that reads a value, to be merged into a trip that is made anyway (`ops.merge`).

        Args:
            key: Its name.
            default: What to give where there is none.

        Returns:
            An op of one trip, of none in a merged one. Of a value that this process has seen before only the version is
            sent.
        """
        return self._flows.op(key, default)

    # --- on and off, statistics ---------------------------------------------------------------------------------------

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """Bypasses the cache in this thread or task inside the `with` block: nothing is read from it or stored.

        Yields:
            Nothing.
        """
        before = disabled_here.set(disabled_here.get() | {id(self._flows)})
        try:
            yield
        finally:
            disabled_here.reset(before)

    def stats(self) -> Stats:
        """Reads the statistics.

        Returns:
            Hits, misses and how long look-ups took, by hour.

        **Keys:** `tally`.
        **Trips:** 1, and 1 where counts of this process wait.
        """
        return self._client.drive(read_stats_flow([self._flows.tally]))[0]

    async def astats(self) -> Stats:
        """Reads the statistics; see `stats`."""
        return (await self._client.adrive(read_stats_flow([self._flows.tally])))[0]

    # --- in between ---------------------------------------------------------------------------------------------------

    def _loading(self, ttl_s: OwnTtl, *given: Any) -> LoadOptions:
        *numbers, tags, user = given
        how = checked_options(self._ttl(ttl_s), *numbers)
        return how._replace(tags=tags_of(tags, user)) if tags or user is not None else how
