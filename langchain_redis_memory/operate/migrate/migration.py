"""`RedisMigration`: moves what another package keeps in Redis to this one.

Keys are found by SCAN, read unit by unit (a conversation, a checkpoint, an item), written under their own ids, read
again and compared. Nothing is changed or deleted at the source.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from langgraph.store.base import BaseStore

from langchain_redis_memory.cache.exact import RedisCache
from langchain_redis_memory.cache.llm_cache import LLMCache
from langchain_redis_memory.cache.rag.embeddings import CachedEmbeddings
from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.checks import check_method, check_text, check_type, check_whole
from langchain_redis_memory.errors import ConfigError, RedisMemoryError, UnavailableError
from langchain_redis_memory.operate.migrate.answer_writer import AnswerWriter
from langchain_redis_memory.operate.migrate.progress import FinishedUnits
from langchain_redis_memory.operate.migrate.report import Failure, MigrationReport, Tally
from langchain_redis_memory.operate.migrate.vector_writer import VectorWriter
from langchain_redis_memory.operate.migrate.writers import CheckpointWriter, ConversationWriter, ItemWriter, Writer
from langchain_redis_memory.ops import Flow
from langchain_redis_memory.peers.adoption import run_at
from langchain_redis_memory.peers.keys import units_flow
from langchain_redis_memory.peers.records import (
    Conversation,
    Record,
    SavedAnswer,
    SavedCheckpoint,
    SavedItem,
    SavedVector,
    Source,
    Unreadable,
)
from langchain_redis_memory.peers.sources import source_of
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.key_groups import Id, text_of
from langchain_redis_memory.redis.ttl import Lifetime, milliseconds
from langchain_redis_memory.store.redis_store import RedisStore

if TYPE_CHECKING:
    from typing_extensions import Unpack

OnProgress = Callable[[int, int], object]
"""Called with how many units are done, and of how many."""


class RedisMigration(ClientOwner):
    """Moves what another package keeps in Redis to the classes of this one.

    It can be repeated and goes on where it was interrupted: messages keep their ids (those without one get one from
    their place), checkpoints and items theirs. What is there already is not written; a conversation or an item that is
    something else at the target is left alone. Lifetimes are carried over. The source is only read.

    Args:
        client: The target: a `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the
            environment's settings.
        source: The name of a source (see `migrate --help` and docs/migration.md), or a `Source`.
        origin: The server that the source is on, as `client` is given; None for the target's.
        prefix: What the source's keys begin with; None for its package's default.
        match: Which conversations, threads or items, as a glob of Redis.
        tenant: Whose data it becomes.
        agent: Which agent's conversations; those of a source that knows agents keep theirs.
        ttl_s: Lifetime of what has none at the source, in seconds; None for no expiry there either.
        saver: Stores the checkpoints, and says by its serde what may be built when theirs are read (see
            `RedisSaver.with_allowlist`); None for a `RedisSaver` of the tenant.
        cache: Stores the answers: a `RedisCache` or `RedisSemanticCache`; None for a `RedisCache` of the tenant.
        model: The model that is asked, with what is bound to it, or the string that describes it: for answers of
            sources that do not say which model gave them (redisvl's own cache, GPTCache).
        store: Stores the items, with an index where they are to be searched by meaning; None for a `RedisStore`
            without one.
        embeddings: Stores the vectors of another cache of vectors, which needs it: its model is asked for one of them,
            so that those of another model are left behind.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        ConfigError: The source is unknown, or a URL cannot work.
        InvalidIdError: The tenant or the agent is not acceptable.

    Example:
        ```python
        migration = RedisMigration(client, "langchain-community", origin="redis://old:6379/0")
        print(migration.run(dry_run=True))
        report = migration.run()
        assert report.complete, report
        ```

    **Keys:** those of what is stored.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self,
        client: ClientLike = None,
        source: str | Source = "",
        *,
        origin: ClientLike = None,
        prefix: str | None = None,
        match: str = "*",
        tenant: Id = "",
        agent: Id = "",
        ttl_s: Lifetime = None,
        saver: RedisSaver | None = None,
        store: BaseStore | None = None,
        cache: LLMCache | None = None,
        model: Any = None,
        embeddings: CachedEmbeddings | None = None,
        **server: Unpack[ServerOptions],
    ) -> None:
        self._client = connect(client, owner=type(self), **server)
        self._origin: Client = self._client if origin is None else connect(origin)
        space, ttl_ms = self._client.keys(tenant), milliseconds(ttl_s)
        _check(source, match, saver, store, cache, embeddings)
        saver = saver or RedisSaver(self._client, tenant=tenant, ttl_s=None)
        named_source = source_of(source, prefix, match, saver.serde) if isinstance(source, str) else source
        self._source: Source = named_source
        named = text_of(agent, "agent", empty=True)
        self._writers: dict[type, Writer[Any]] = {
            Conversation: ConversationWriter(self._client, space, named, ttl_ms),
            SavedCheckpoint: CheckpointWriter(saver._flows, ttl_ms),
            SavedItem: ItemWriter(store or RedisStore(self._client, tenant=tenant), ttl_ms),
            SavedAnswer: AnswerWriter(
                cache or RedisCache(self._client, tenant=text_of(tenant, "tenant", empty=True)), model, ttl_ms
            ),
            SavedVector: VectorWriter(embeddings, ttl_ms),
        }

    def run(
        self,
        *,
        dry_run: bool = False,
        limit: int | None = None,
        resume: str | Path | None = None,
        progress: OnProgress | None = None,
    ) -> MigrationReport:
        """Moves the data; or, with `dry_run`, reads all of them and says what would be moved, and what not.

        Args:
            dry_run: Whether nothing is written.
            limit: Most units that are moved; None for all.
            resume: A file in which is noted what is done; what it names already is skipped. None: a migration that
                is repeated reads and compares everything.
            progress: Called after each unit with how many are done, and of how many.

        Returns:
            What was moved, what was there, what was lost, and what could not be moved.

        Raises:
            ConfigError: The source's data are RedisJSON documents and its server has no JSON, `resume` is another
                migration's, or a `model` or `embeddings` is needed.
            InvalidInputError: `limit` is not positive.
            UnavailableError: A server cannot be reached; a later run goes on.

        **Keys:** those of what is stored.
        **Trips:** at the source 1 for about each 1,000 of its server's keys, and 1 or 2 for each unit; at the target 1
            for what is there, 3 for what is moved, and 1 more for the writes of each task.
        """
        return self._client.drive(self._flow(dry_run, limit, resume, progress))

    async def arun(
        self,
        *,
        dry_run: bool = False,
        limit: int | None = None,
        resume: str | Path | None = None,
        progress: OnProgress | None = None,
    ) -> MigrationReport:
        """Moves the data, or says what would be moved; see `run`."""
        return await self._client.adrive(self._flow(dry_run, limit, resume, progress))

    def _flow(
        self, dry_run: bool, limit: int | None, resume: str | Path | None, progress: OnProgress | None
    ) -> Flow[MigrationReport]:
        if limit is not None:
            check_whole(limit, "limit")
        tally = Tally(self._source.name, dry_run)
        done = FinishedUnits(Path(resume) if resume is not None and not dry_run else None, self._source.name)
        units: dict[bytes, list[bytes]] = yield run_at(self._origin, units_flow, self._origin.keys(), self._source)
        wanted = [unit for unit in sorted(units) if unit not in done]
        tally.skipped = len(units) - len(wanted)
        for number, unit in enumerate(wanted[:limit], 1):
            records: list[Record] = yield run_at(self._origin, self._source.read_flow, units[unit])
            failures = len(tally.failed)
            for record in records:
                tally.found(record)
                if not dry_run and not isinstance(record, Unreadable):
                    yield from self._write_flow(record, tally)
            if len(tally.failed) == failures:
                done.add(unit)
            if progress is not None:
                progress(number, len(wanted[:limit]))
        return tally.report()

    def _write_flow(self, record: Record, tally: Tally) -> Flow[None]:
        writer = self._writers.get(type(record))
        try:
            if writer is None:
                raise ConfigError("nothing stores them")
            tally.wrote(record, (yield from writer.write_flow(record)))
        except (UnavailableError, ConfigError):
            raise
        except RedisMemoryError as error:
            tally.failed.append(Failure(name_of(record), f"{type(error).__name__}: {error}"))


def name_of(record: Record) -> str:
    """Names a record, for the report."""
    if isinstance(record, Conversation):
        return f"conversation {record.session_id!r}"
    if isinstance(record, SavedCheckpoint):
        return f"checkpoint {record.checkpoint['id']!r} of thread {record.thread_id!r}"
    if isinstance(record, SavedItem):
        return f"item {'/'.join((*record.namespace, record.key))!r}"
    if isinstance(record, SavedVector):
        return f"the vector of {record.text[:60]!r}"
    return record.key if isinstance(record, Unreadable) else "an answer"


def _check(source: Any, match: Any, saver: Any, store: Any, cache: Any, embeddings: Any) -> None:
    """Refuses parts that would fail where the first unit is read or stored."""
    if not isinstance(source, str):
        check_method(source, "read_flow", "source (its name, or a Source)", ConfigError)
    check_text(match, "match")
    check_type(saver, (RedisSaver, NoneType), "saver", "a RedisSaver or None", ConfigError)
    check_type(store, (BaseStore, NoneType), "store", "a LangGraph store or None", ConfigError)
    check_type(cache, (LLMCache, NoneType), "cache", "a RedisCache, a RedisSemanticCache or None", ConfigError)
    check_type(embeddings, (CachedEmbeddings, NoneType), "embeddings", "a CachedEmbeddings or None", ConfigError)
