"""`RedisRecordManager`: what `langchain_core.indexing.index` knows of the documents that it has indexed.

A manager is one hash tag: a sorted set of records by the time of their last update, each record's group, and a sorted
set of records by group, so that a clean-up reads the groups it asks for and nothing else. Every time is the clock of
the server that holds the records, to the microsecond, and it is compared there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from langchain_core.indexing import RecordManager
from typing_extensions import Unpack

from langchain_redis_memory.checks import check_bounds, check_number, check_several
from langchain_redis_memory.errors import ClockError, InvalidInputError
from langchain_redis_memory.ops import Op, Reply, pure
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.key_groups import Id, RecordKeys, check_id, escape
from langchain_redis_memory.redis.scripts import script


class RedisRecordManager(ClientOwner, RecordManager):
    """Keeps the records of LangChain's indexing in Redis: which documents are up to date.

    They do not expire: a record that expired before its document would be indexed twice.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        namespace: Which index, such as "pgvector/docs"; any text.
        tenant: Whose data it is; tenants never see each other's.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: The namespace or the tenant is not acceptable.
        ConfigError: The URL cannot work.

    Example:
        ```python
        records = RedisRecordManager("redis://localhost:6379/0", namespace="docs")
        index(documents, records, vector_store, cleanup="incremental", source_id_key="source", key_encoder="blake2b")
        ```

    **Keys:** `record_times`, `record_groups`, `group_records`.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self, client: ClientLike = None, *, namespace: str, tenant: Id = "", **server: Unpack[ServerOptions]
    ) -> None:
        super().__init__(namespace)
        self._client = connect(client, owner=type(self), **server)
        self._keys = self._client.keys(tenant).records(namespace)

    def create_schema(self) -> None:
        """Does nothing: there is no schema to create."""

    async def acreate_schema(self) -> None:
        """Does nothing: there is no schema to create."""

    def get_time(self) -> float:
        """Reads the time of the server that holds the records.

        Returns:
            Seconds since 1970, to the microsecond.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** none (`record_times` only says which server).
        **Trips:** 1.
        """
        return self._client.run(_time(self._keys))

    async def aget_time(self) -> float:
        """Reads the time of the server that holds the records; see `get_time`."""
        return await self._client.arun(_time(self._keys))

    def update(
        self,
        keys: Sequence[str],
        *,
        group_ids: Sequence[str | None] | None = None,
        time_at_least: float | None = None,
    ) -> None:
        """Notes that records are up to date, now: all of them or none.

        Args:
            keys: The records; new ones are added.
            group_ids: The group of each, None for none. Without it they are in no group from now on.
            time_at_least: A time that the server's clock must have reached, in seconds.

        Raises:
            ClockError: The server's clock stands before `time_at_least`; nothing was written.
            InvalidInputError: There are not as many groups as records, or a time is not a number; nothing was sent.
            InvalidIdError: A record or a group is not acceptable; nothing was sent.
            UnavailableError: The server cannot be reached.

        **Keys:** `record_times`, `record_groups`, `group_records`.
        **Trips:** 1 for any number of records, 0 for none.
        """
        self._client.run(_update(self._keys, keys, group_ids, time_at_least))

    async def aupdate(
        self,
        keys: Sequence[str],
        *,
        group_ids: Sequence[str | None] | None = None,
        time_at_least: float | None = None,
    ) -> None:
        """Notes that records are up to date, now; see `update`."""
        await self._client.arun(_update(self._keys, keys, group_ids, time_at_least))

    def exists(self, keys: Sequence[str]) -> list[bool]:
        """Asks whether records exist.

        Args:
            keys: The records.

        Returns:
            For each record whether it is there.

        Raises:
            InvalidIdError: A record is not acceptable; nothing was sent.
            UnavailableError: The server cannot be reached.

        **Keys:** `record_times`.
        **Trips:** 1 for any number of records, 0 for none.
        """
        return self._client.run(_exist(self._keys, keys))

    async def aexists(self, keys: Sequence[str]) -> list[bool]:
        """Asks whether records exist; see `exists`."""
        return await self._client.arun(_exist(self._keys, keys))

    def list_keys(
        self,
        *,
        before: float | None = None,
        after: float | None = None,
        group_ids: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> list[str]:
        """Reads the records that were last updated between two times.

        Args:
            before: Only records updated before this time, in seconds; None or 0 for no bound.
            after: Only records updated after this time, in seconds; None or 0 for no bound.
            group_ids: Only records of these groups; None or empty for any group and none.
            limit: Most records; None or 0 for all.

        Returns:
            The records: the oldest first, or group by group where groups are given.

        Raises:
            InvalidInputError: A time or the limit is not a number that makes sense; nothing was sent.
            InvalidIdError: A group is not acceptable; nothing was sent.
            UnavailableError: The server cannot be reached.

        **Keys:** `record_times`, `group_records`.
        **Trips:** 1.
        """
        return self._client.run(_list(self._keys, before, after, group_ids, limit))

    async def alist_keys(
        self,
        *,
        before: float | None = None,
        after: float | None = None,
        group_ids: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> list[str]:
        """Reads the records that were last updated between two times; see `list_keys`."""
        return await self._client.arun(_list(self._keys, before, after, group_ids, limit))

    def delete_keys(self, keys: Sequence[str]) -> None:
        """Deletes records.

        Args:
            keys: The records; unknown ones are skipped.

        Raises:
            InvalidIdError: A record is not acceptable; nothing was sent.
            UnavailableError: The server cannot be reached.

        **Keys:** `record_times`, `record_groups`, `group_records`.
        **Trips:** 1 for any number of records, 0 for none.
        """
        self._client.run(_delete(self._keys, keys))

    async def adelete_keys(self, keys: Sequence[str]) -> None:
        """Deletes records; see `delete_keys`."""
        await self._client.arun(_delete(self._keys, keys))


def _checked(records: Sequence[str]) -> list[str]:
    return [check_id(record, "key") for record in check_several(records, "keys")]


def _group(group: str) -> str:
    """A group as it is stored: escaped, so that it holds no `/` and cannot reach into another."""
    return escape(group if group == "" else check_id(group, "group_id"))


def _seconds(time: float | None, what: str) -> float:
    """A time, 0 where there is none."""
    if time is None:
        return 0.0
    return check_number(time, f"{what} (seconds since 1970)", -math.inf, math.inf)


def _time(keys: RecordKeys) -> Op[float]:
    return Op((script("redis/records_time")((keys.times,)),), lambda replies: float(replies[0]))


def _update(
    keys: RecordKeys, records: Sequence[str], groups: Sequence[str | None] | None, time_at_least: float | None
) -> Op[None]:
    records, least = _checked(records), _seconds(time_at_least, "time_at_least")
    given = list(groups or [None] * len(records))
    if len(given) != len(records):
        raise InvalidInputError(f"there are {len(records)} keys and {len(given)} group_ids; give one for each")
    parts: list[str] = []
    for record, group in zip(records, given, strict=True):
        parts += [record, "" if group is None else f"={_group(group)}"]
    if not parts:
        return pure(None)

    def read(replies: Sequence[Reply]) -> None:
        if replies[0] == 0:
            raise ClockError(f"time_at_least must be in the past; {least!r} is later than the server's clock")

    call = script("store/records_update")((keys.times, keys.groups, keys.members), repr(least), *parts)
    return Op((call,), read)


def _exist(keys: RecordKeys, records: Sequence[str]) -> Op[list[bool]]:
    records = _checked(records)
    if not records:
        return pure([])
    return Op((("ZMSCORE", keys.times, *records),), lambda replies: [score is not None for score in replies[0]])


def _list(
    keys: RecordKeys, before: float | None, after: float | None, groups: Sequence[str] | None, limit: int | None
) -> Op[list[str]]:
    oldest, newest = _seconds(after, "after"), _seconds(before, "before")
    if groups is not None:
        check_several(groups, "group_ids")
    check_bounds(0, limit=limit)
    call = script("store/records_list")(
        (keys.times, keys.members),
        f"({oldest!r}" if oldest else "-inf",
        f"({newest!r}" if newest else "+inf",
        limit or 0,
        *dict.fromkeys(map(_group, groups or ())),
    )
    return Op((call,), lambda replies: [record.decode() for record in replies[0]])


def _delete(keys: RecordKeys, records: Sequence[str]) -> Op[None]:
    records = _checked(records)
    if not records:
        return pure(None)
    call = script("store/records_delete")((keys.times, keys.groups, keys.members), *records)
    return Op((call,), lambda _replies: None)
