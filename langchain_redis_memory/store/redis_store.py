"""`RedisStore`: LangGraph's long-term memory on any Redis, sync and async on one class.

Every call is one batch, and a batch is one flow (see `batch`) in two colours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langgraph.store.base import BaseStore, IndexConfig, Op, Result, TTLConfig
from typing_extensions import Unpack

from langchain_redis_memory.checks import check_type
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.ops import Flow, Invoke, ask
from langchain_redis_memory.peers.adoption import AdoptFrom, AdoptLike
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.key_groups import Id
from langchain_redis_memory.store.adoption import ItemAdoption
from langchain_redis_memory.store.batch import Batch
from langchain_redis_memory.store.embedding import IndexSettings
from langchain_redis_memory.store.writes import milliseconds
from langchain_redis_memory.vectors.choose import check, check_vectors, engine
from langchain_redis_memory.vectors.engine import Engine, EngineName, Quantization

__all__ = ["RedisStore"]


class RedisStore(ClientOwner, BaseStore):
    """Stores items in hierarchical namespaces for LangGraph, with filters, lifetimes and semantic search.

    Works on plain Redis, Valkey, a cluster, behind a sentinel and on `memory://`; no module and no set-up is needed.
    Results and their order are those of LangGraph's `InMemoryStore`, with these differences: `created_at` stays when an
    item is updated; a namespace without items is not listed; what cannot be compared as a number is neither above nor
    below anything, instead of an exception; what is not indexed any more is not found by what it was. Nobody's label
    can reach into another namespace: `("users", "1")` never sees `("users", "10")`.

    Of one batch that writes into several roots the items come root by root.

    A batch reads first and then writes, whatever the order of its operations; of several writes of one item the last
    counts. What has expired is never returned.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        index: LangGraph's `IndexConfig`: `dims`, `embed` and `fields`; None for no semantic search.
        ttl: LangGraph's `TTLConfig`: `default_ttl` in minutes and `refresh_on_read`. Expired items are always omitted
            and leave by themselves, so `omit_expired` and `sweep_interval_minutes` change nothing.
        tenant: Whose data it is; tenants never see each other's.
        engine: How vectors are searched: "vector_sets", "query_engine" or "exact"; None takes the first of these that
            the server has. All stores on the same data need the same one.
        quantization: How vectors are kept: "none" is exact; "int8" and "binary" are smaller and less so.
        adopt: "langgraph-redis-store", or an `AdoptFrom` of it: the items of langgraph-checkpoint-redis' store are
            moved here before this store is first used, and removed there. All of them become this tenant's.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        ConfigError: An option cannot work.
        InvalidIdError: The tenant is not acceptable.

    Example:
        ```python
        store = RedisStore("redis://localhost:6379/0", index={"dims": 384, "embed": embeddings, "fields": ["text"]})
        store.put(("memories", "user-42"), "food", {"text": "Likes ramen"}, ttl=60 * 24 * 30)
        store.search(("memories", "user-42"), query="what to cook?", limit=3)
        graph = builder.compile(store=store)
        ```

    **Keys:** `items`, `item_names`, `item_expiries` of a root (the first label); `roots`, `root_spans` of the tenant;
        with an index `points`, `point_owners`, `point_expiries` of a namespace, or `point` with the Query Engine.
    **Trips:** none to construct; see `batch`. With `adopt` the first batch moves what is left at the source: 3, 1 for
        about each 1,000 keys of its server, and 5 for each 100 items, more with an index.
    """

    supports_ttl = True

    def __init__(
        self,
        client: ClientLike = None,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        tenant: Id = "",
        engine: EngineName | None = None,
        quantization: Quantization = "none",
        adopt: AdoptLike = None,
        **server: Unpack[ServerOptions],
    ) -> None:
        self._client = connect(client, owner=type(self), **server)
        self._space = self._client.keys(tenant)
        self.index_config = index
        self.ttl_config: TTLConfig | None = _checked(ttl)
        self._indexing = None if index is None else IndexSettings.of(index)
        if index is not None:
            check_vectors(self._space, "a store with an index")
        check(self._indexing.dims if self._indexing else 1, engine, quantization)
        self._wanted: tuple[EngineName | None, Quantization] = (engine, quantization)
        self._engine: Engine | None = None
        theirs = AdoptFrom.of(adopt)
        lives = (ttl or {}).get("default_ttl")
        self._adoption = None if theirs is None else ItemAdoption(self._client, self._space, theirs, lives)

    @property
    def embeddings(self) -> Any:
        """What embeds texts and queries; None without an index."""
        return self._indexing.embeddings if self._indexing else None

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Runs operations: all reads, then all writes.

        Args:
            ops: Any of LangGraph's `GetOp`, `SearchOp`, `ListNamespacesOp` and `PutOp`.

        Returns:
            A result for each, in the same order; None for a write.

        Raises:
            NamespaceError: A namespace is not acceptable (also an `InvalidNamespaceError`); nothing was sent.
            InvalidInputError: Another argument is not acceptable, such as an unknown operator of a filter, a negative
                limit, or an embedding of other dimensions; nothing was written.
            UnserialisableError: A value cannot be stored; nothing was sent.
            CorruptDataError: A stored item was not written by this package.
            OutOfMemoryError: The server refused the write.
            UnavailableError: The server cannot be reached.

        **Keys:** `items`, `item_names`, `item_expiries` of each root; `roots`, `root_spans`; with an index those of
            vectors.
        **Trips:** 1 for reads and writes together. More where there is more to do: 1 for each further 5,000 items that
            are looked at; 1 to read the roots where a search or a list names none; 1 where a search gives items a new
            lifetime, and at times 2 to tell the index of roots of it; 1 where vectors get one. A search by meaning
            takes 2 (3 with namespaces beneath; exact search 1 more for each 4,000 vectors not read; a filter by more
            than equality as many as it takes to find enough), and its batch writes in a trip of its own. The first use
            of an index asks once what the server can do.
        """
        return self._client.drive(self._batch_flow(ops))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Runs operations; see `batch`."""
        return await self._client.adrive(self._batch_flow(ops))

    def _batch_flow(self, ops: Iterable[Op]) -> Flow[list[Result]]:
        batch = self._checked_batch(ops)
        if self._adoption is not None:
            yield from self._adoption.once_flow(lambda ops: self._checked_batch(ops).run_flow())
        return (yield from batch.run_flow())

    def _checked_batch(self, ops: Iterable[Op]) -> Batch:
        return Batch(self._space, self._indexing, self._ready_flow, ops)

    def _ready_flow(self) -> Flow[Engine]:
        """The engine, chosen at the first use."""
        if self._engine is None:
            server = yield Invoke(self._client.server, self._client.aserver)
            chosen = engine(server, self._indexing.dims if self._indexing else 1, *self._wanted)
            if self._indexing is not None:
                yield from ask(chosen.prepare(self._space))
            self._engine = chosen
        return self._engine

    def setup(self) -> None:
        """Does nothing: there is nothing to set up."""

    async def asetup(self) -> None:
        """Does nothing; see `setup`."""


def _checked(ttl: TTLConfig | None) -> TTLConfig | None:
    if ttl is None:
        return None
    try:
        wanted = "a TTLConfig, as {'default_ttl': 60} (minutes)"
        milliseconds(check_type(ttl, dict, "ttl", wanted, ConfigError).get("default_ttl"))
    except InvalidInputError as error:
        raise ConfigError(f"default_ttl: {error}") from None
    return ttl
