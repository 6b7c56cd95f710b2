"""`RedisOperations`: what people look at and do who run a deployment, on any server, from a program or the shell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any

from typing_extensions import Unpack

from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.checks import check_text, check_whole
from langchain_redis_memory.operate.backup import RestoreReport, backup_flow, restore_flow
from langchain_redis_memory.operate.doctor import Diagnosis, doctor_flow
from langchain_redis_memory.operate.inspect import Inspection, inspect_flow
from langchain_redis_memory.operate.memory_stats import MemoryStats, memory_stats_flow
from langchain_redis_memory.operate.orphans import OrphanReport, orphans_flow
from langchain_redis_memory.operate.prune import OnProgress, PruneCounts, prune_flow
from langchain_redis_memory.operate.reencrypt import ReEncryption, reencrypt_flow
from langchain_redis_memory.operate.session_search import SessionMatches, agents_flow, sessions_flow
from langchain_redis_memory.ops import Flow, Invoke
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.key_groups import Id, text_of
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.ttl import Lifetime

_MOST = 1_000_000


class RedisOperations(ClientOwner):
    """Looks after a deployment: what it holds, whether its server suits it, what can go, and its backups.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        tenant: Whose data, "" for the default tenant. None for that of all tenants: `memory_stats`, `doctor`,
            `orphans`, `re_encrypt`, `backup` and `restore` are then about every key under the client's prefix, the
            others about the default tenant's.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: The tenant is not acceptable.
        ConfigError: The URL cannot work.

    Example:
        ```python
        operations = RedisOperations(client)
        for check in operations.doctor().checks:
            print(check.name, check.status, check.found, check.advice)
        ```

    **Keys:** all under the prefix, or of the tenant; each method says which.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(self, client: ClientLike = None, *, tenant: Id | None = None, **server: Unpack[ServerOptions]) -> None:
        self._client = connect(client, owner=type(self), **server)
        self._space: KeySpace = self._client.keys("" if tenant is None else tenant)
        self._tenant = None if tenant is None else self._space.tenant
        self._pattern = f"{self._space.prefix}:{{*" if tenant is None else self._space.tenant_pattern()

    def memory_stats(self, *, sample: int = 200, most: int = _MOST) -> MemoryStats:
        """Counts the keys by kind and tenant, measures what they take, and finds those without a lifetime.

        Args:
            sample: How many keys of each kind are measured; the rest is extrapolated.
            most: How many keys are looked at.

        Returns:
            What was found.

        Raises:
            InvalidInputError: A number is not acceptable.
            UnavailableError: The server cannot be reached.

        **Keys:** all.
        **Trips:** 1, and 2 for each 1,000 keys of the server.
        """
        return self._client.drive(self._stats_flow(sample, most))

    async def amemory_stats(self, *, sample: int = 200, most: int = _MOST) -> MemoryStats:
        """Counts and measures the keys; see `memory_stats`."""
        return await self._client.adrive(self._stats_flow(sample, most))

    def doctor(self, *, sample: int = 200, most: int = _MOST) -> Diagnosis:
        """Checks whether the server suits what is stored there, and says what to change.

        Args:
            sample: How many keys of each kind are measured.
            most: How many keys are looked at.

        Returns:
            The checks. An unreachable server is one that failed.

        Raises:
            InvalidInputError: A number is not acceptable.

        **Keys:** all.
        **Trips:** those of `memory_stats`, and 7.
        """
        return self._client.drive(self._doctor_flow(sample, most))

    async def adoctor(self, *, sample: int = 200, most: int = _MOST) -> Diagnosis:
        """Checks whether the server suits what is stored there; see `doctor`."""
        return await self._client.adrive(self._doctor_flow(sample, most))

    def agents(self) -> list[str]:
        """Lists the agents that have conversations; "" is the default agent.

        Returns:
            Their names, in order.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `sessions` of each agent.
        **Trips:** 1, and 1 for each 1,000 keys of the server.
        """
        return self._client.drive(agents_flow(self._space))

    async def aagents(self) -> list[str]:
        """Lists the agents that have conversations; see `agents`."""
        return await self._client.adrive(agents_flow(self._space))

    def sessions(
        self,
        *,
        agent: str | None = None,
        user: Id | None = None,
        search: str = "",
        content: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> SessionMatches:
        """Lists a page of conversations, of all agents, of one, or of a user.

        Args:
            agent: Only this agent's; "" is the default agent.
            user: Only this user's, which are found by the user's index.
            search: What the agent, the session's id or, with `content`, what was said must hold, in any case.
            content: Whether messages are read: for their search, and for titles.
            limit: How many conversations are looked at, 1 to 1000.
            cursor: The page's before; None for the first page.

        Returns:
            The page: those of the conversations looked at that match.

        Raises:
            InvalidInputError: The limit or the cursor is not acceptable.
            UnavailableError: The server cannot be reached.

        **Keys:** `sessions`, `expiries` of an agent, or `user_data`; `messages`, `meta` of each conversation.
        **Trips:** 2 to 4; for all agents, on the last page of each, 1 more for each 1,000 keys of the server.
        """
        return self._client.drive(self._sessions_flow(agent, user, search, limit, cursor, content=content))

    async def asessions(
        self,
        *,
        agent: str | None = None,
        user: Id | None = None,
        search: str = "",
        content: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> SessionMatches:
        """Lists a page of conversations; see `sessions`."""
        return await self._client.adrive(self._sessions_flow(agent, user, search, limit, cursor, content=content))

    def inspect(self, name: str, *, agent: str = "") -> list[Inspection]:
        """Reports what a key, a session or a thread is made of; no content is read.

        Args:
            name: A whole key, a session id or a thread id.
            agent: The session's agent.

        Returns:
            What there is under that name; nothing, a session, a thread, or both.

        Raises:
            InvalidIdError: The name or the agent is not acceptable.
            UnavailableError: The server cannot be reached.

        **Keys:** the key; all of the session and of the thread.
        **Trips:** 3 to 6.
        """
        return self._client.drive(inspect_flow(self._space, name, agent, self._newest(name)))

    async def ainspect(self, name: str, *, agent: str = "") -> list[Inspection]:
        """Reports what a key, a session or a thread is made of; see `inspect`."""
        return await self._client.adrive(inspect_flow(self._space, name, agent, self._newest(name)))

    def prune(
        self,
        *,
        keep_last: int = 1,
        older_than_s: Lifetime = None,
        dry_run: bool = False,
        saver: RedisSaver | None = None,
        on_progress: OnProgress | None = None,
    ) -> PruneCounts:
        """Removes old checkpoints of all threads of the tenant.

        Args:
            keep_last: How many of each namespace of a thread are kept.
            older_than_s: Only checkpoints written longer ago than this; None for any age.
            dry_run: Only say what would be removed.
            saver: Reads the threads, where their values have a serialiser of their own.
            on_progress: Receives how many threads have been looked at.

        Returns:
            What was removed; threads that failed are named, and the others go on.

        Raises:
            InvalidInputError: A number is not acceptable.
            UnavailableError: The server cannot be reached.

        **Keys:** `threads`; `checkpoints`, `order`, `blobs`, `writes`.
        **Trips:** 1, and those of `RedisSaver.prune`, for each 50 threads.
        """
        return self._client.drive(self._prune_flow(keep_last, older_than_s, saver, on_progress, dry_run=dry_run))

    async def aprune(
        self,
        *,
        keep_last: int = 1,
        older_than_s: Lifetime = None,
        dry_run: bool = False,
        saver: RedisSaver | None = None,
        on_progress: OnProgress | None = None,
    ) -> PruneCounts:
        """Removes old checkpoints of all threads of the tenant; see `prune`."""
        return await self._client.adrive(self._prune_flow(keep_last, older_than_s, saver, on_progress, dry_run=dry_run))

    def orphans(self, *, remove: bool = False, most: int = _MOST) -> OrphanReport:
        """Finds keys that nothing leads to any more, and removes those that belonged to something that is gone.

        Args:
            remove: Whether they are removed. Names that this package does not spell never are.
            most: How many keys are looked at.

        Returns:
            What was found.

        Raises:
            InvalidInputError: The number is not acceptable.
            UnavailableError: The server cannot be reached.

        **Keys:** all.
        **Trips:** 1, and 2 (3 to remove) for each 1,000 keys of the server.
        """
        check_whole(most, "most")
        return self._client.drive(orphans_flow(self._space, self._pattern, most, remove=remove))

    async def aorphans(self, *, remove: bool = False, most: int = _MOST) -> OrphanReport:
        """Finds keys that nothing leads to any more; see `orphans`."""
        check_whole(most, "most")
        return await self._client.adrive(orphans_flow(self._space, self._pattern, most, remove=remove))

    def backup(self) -> Iterator[dict[str, Any]]:
        """Reads everything that lasts, for `json.dumps`, one line each; leases and the like are left out.

        Yields:
            A header, a line for each key, and a last line with their number.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** all.
        **Trips:** 1, and 1 for each 1,000 keys of the server and each 100 keys that are read.
        """
        with closing(self._client.stream(backup_flow(self._space, self._pattern))) as lines:
            yield from lines

    async def abackup(self) -> AsyncIterator[dict[str, Any]]:
        """Reads everything that lasts; see `backup`."""
        async with aclosing(self._client.astream(backup_flow(self._space, self._pattern))) as lines:
            async for line in lines:
                yield line

    def restore(
        self,
        lines: Iterable[Mapping[str, Any]],
        *,
        replace: bool = False,
        on_progress: OnProgress | None = None,
    ) -> RestoreReport:
        """Writes what `backup` read, here or on another server of any topology.

        Args:
            lines: What `backup` gave.
            replace: Whether keys that are there are written over; else they stay.
            on_progress: Receives how many lines have been done.

        Returns:
            What was restored. Times of expiry are as they were: what has expired since is left out.

        Raises:
            InvalidInputError: The lines are not a backup, or end too early (what came before is written).
            ConfigError: The backup is of another prefix.
            UnavailableError: The server cannot be reached.

        **Keys:** those of the backup.
        **Trips:** 1, and 2 for each 100 keys; 1 for each further 500 elements of a key.
        """
        return self._client.drive(self._restore_flow(lines, on_progress, replace=replace))

    async def arestore(
        self,
        lines: Iterable[Mapping[str, Any]],
        *,
        replace: bool = False,
        on_progress: OnProgress | None = None,
    ) -> RestoreReport:
        """Writes what `backup` read; see `restore`."""
        return await self._client.adrive(self._restore_flow(lines, on_progress, replace=replace))

    def re_encrypt(self, *, dry_run: bool = False, on_progress: OnProgress | None = None) -> ReEncryption:
        """Encrypts again what is under an older key of the client's cipher, so that this key can go.

        With `Cipher(..., strict=False)` what is in plain as well. Caches that find by content start cold under a key.

        Args:
            dry_run: Only say what would be written.
            on_progress: Receives how many keys have been looked at.

        Returns:
            What was done; a value that cannot be read is named, and the others go on.

        Raises:
            ConfigError: The client has no cipher.
            UnavailableError: The server cannot be reached.

        **Keys:** all whose values are encrypted.
        **Trips:** 2 for each 1,000 keys of the server; 1 for each 100 values of each 50 keys, 1 more to write some.
        """
        return self._client.drive(self._re_encrypt_flow(on_progress, dry_run=dry_run))

    async def are_encrypt(self, *, dry_run: bool = False, on_progress: OnProgress | None = None) -> ReEncryption:
        """Encrypts anew what is under an older key; see `re_encrypt`."""
        return await self._client.adrive(self._re_encrypt_flow(on_progress, dry_run=dry_run))

    # --- flows --------------------------------------------------------------------------------------------------------

    def _stats_flow(self, sample: int, most: int) -> Flow[MemoryStats]:
        check_whole(sample, "sample", 0)
        check_whole(most, "most")
        return memory_stats_flow(self._space, self._pattern, sample, most)

    def _doctor_flow(self, sample: int, most: int) -> Flow[Diagnosis]:
        check_whole(sample, "sample", 0)
        check_whole(most, "most")
        health = yield Invoke(self._client.health, self._client.ahealth)
        stats = MemoryStats({}, {}, 0, 0)
        if health.reachable:
            stats = yield from memory_stats_flow(self._space, self._pattern, sample, most)
        return (yield from doctor_flow(self._space, health, stats))

    def _sessions_flow(
        self, agent: str | None, user: Id | None, search: str, limit: int, cursor: str | None, *, content: bool
    ) -> Flow[SessionMatches]:
        check_whole(limit, "limit", 1, 1000)
        check_text(search, "search")
        of = None if user is None else text_of(user, "user")
        return sessions_flow(self._space, agent, of, search, content, limit, cursor)

    def _restore_flow(
        self, lines: Iterable[Mapping[str, Any]], on_progress: OnProgress | None, *, replace: bool
    ) -> Flow[RestoreReport]:
        server = yield Invoke(self._client.server, self._client.aserver)
        return (yield from restore_flow(self._space, lines, on_progress, server, replace=replace, tenant=self._tenant))

    def _re_encrypt_flow(self, on_progress: OnProgress | None, *, dry_run: bool) -> Flow[ReEncryption]:
        return reencrypt_flow(self._space, self._tenant, self._pattern, on_progress, dry_run=dry_run)

    def _newest(self, name: str) -> Invoke:
        saver = RedisSaver(self._client, tenant=self._space.tenant)
        config: Any = {"configurable": {"thread_id": name, "checkpoint_ns": ""}}
        return Invoke(lambda: saver.get_tuple(config), lambda: saver.aget_tuple(config))

    def _prune_flow(
        self,
        keep_last: int,
        older_than_s: Lifetime,
        saver: RedisSaver | None,
        on_progress: OnProgress | None,
        *,
        dry_run: bool,
    ) -> Flow[PruneCounts]:
        check_whole(keep_last, "keep_last")
        by = saver if saver is not None else RedisSaver(self._client, tenant=self._space.tenant)
        how: Any = {"keep_last": keep_last, "older_than_s": older_than_s, "dry_run": dry_run}

        def removing(threads: Sequence[str]) -> Invoke:
            return Invoke(lambda: by.prune(threads, **how), lambda: by.aprune(threads, **how))

        return prune_flow(self._space, removing, dry_run, on_progress)
