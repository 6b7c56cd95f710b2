"""`CachedRetriever`: a retriever whose results are kept, until the corpus's epoch ends or their lifetime is over.

A result's name covers all that decides it: the query (white space at its ends aside), which retriever is asked, and
whatever it is asked with. What cannot be part of a name is not cached, nor what would come back changed. A result
carries the epoch in which its search began (see `epochs`), so no search that a bump overtook is ever served.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy
from types import NoneType
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig, ensure_config
from langchain_core.runnables.base import coerce_to_runnable
from langchain_core.vectorstores import VectorStoreRetriever
from pydantic import PrivateAttr
from typing_extensions import Unpack

from langchain_redis_memory.cache import epochs
from langchain_redis_memory.cache.best_effort import CacheUnavailable
from langchain_redis_memory.cache.rag.results import CachedResult, cleared, decode_result, documents_of, encode_result
from langchain_redis_memory.cache.rag.seen import RetrieverScope, seen_by
from langchain_redis_memory.cache.sharded_entries import ShardedEntries
from langchain_redis_memory.cache.sharing import unrepeatable
from langchain_redis_memory.cache.single_flight import SingleFlight
from langchain_redis_memory.cache.stats import Stats, read_stats_flow
from langchain_redis_memory.checks import check_number, check_type
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.ops import Flow, Invoke, Now, Op, ask, merge, pure
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.codec.fingerprint import deciding_settings, describable
from langchain_redis_memory.redis.codec.values import digest
from langchain_redis_memory.redis.expiring_hash import Item, NewItem
from langchain_redis_memory.redis.ttl import jittered, milliseconds

_log = logging.getLogger(__name__)

DAY_S = 86_400


class CachedRetriever(ClientOwner, BaseRetriever):
    """Caches the results of any retriever in Redis, for all processes.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        retriever: A retriever, or any runnable or function from a query to documents; it must be given.
        corpus: What is searched; `RagCache.bump_epoch` makes all results of a corpus stale at once.
        ttl_s: Lifetime of a result in seconds; None for no expiry.
        tenant: The tenant that it belongs to; tenants never see each other's.
        name: Names the retriever with all its settings: retrievers with the same name share results. By default what
            LangChain says of it; where it says nothing (a vector store's retriever, a function), results are shared
            only within this object, and a log line says so.
        empty_ttl_s: Lifetime of a result without documents, in seconds; None: it is not kept.
        stale_s: How long after its lifetime a result is still served while one caller searches again.
        single_flight_s: Coalesces concurrent misses of the same result: one caller searches, the others wait; None:
            each caller searches. Give it about the longest time of a search: one that takes longer is taken for dead.
        jitter: The largest share by which a lifetime is cut at random, so that not all expire at once.
        tier: The corpus's entries, where they are shared with a `RagCache`.
        tags: Of its runs, as for any retriever.
        metadata: Of its runs, as for any retriever.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: The tenant or the corpus is not acceptable.
        InvalidInputError: A number is out of range.
        ConfigError: The URL cannot work, or there is no retriever.

    Example:
        ```python
        retriever = CachedRetriever(url, vector_store.as_retriever(), corpus="docs", name="docs-top4")
        retriever.invoke("How do I reset my password?")
        ```

    **Keys:** `entries`, `entry_expiries` of 64 shards; `epoch` of the corpus; `tally`; `lease` of a running search.
    **Trips:** none to construct; each method says its own. A server that has just failed is not asked for a while.
    """

    retriever: Any
    client: Any = None
    corpus: str = "default"
    ttl_s: float | None = DAY_S
    tenant: str = ""
    empty_ttl_s: float | None = 60.0
    stale_s: float | None = None
    single_flight_s: float | None = None
    jitter: float = 0.1

    _client: Client = PrivateAttr()
    _tier: ShardedEntries = PrivateAttr()
    _epoch: str = PrivateAttr()
    _scope: RetrieverScope = PrivateAttr()
    _ttl_ms: int = PrivateAttr()
    _stale_ms: int = PrivateAttr()
    _empty_ms: int = PrivateAttr()
    _flights: SingleFlight = PrivateAttr()

    def __init__(
        self,
        client: ClientLike = None,
        retriever: Runnable[str, Any] | Callable[..., Any] | None = None,
        *,
        corpus: str = "default",
        ttl_s: float | None = DAY_S,
        tenant: str = "",
        name: str | None = None,
        empty_ttl_s: float | None = 60.0,
        stale_s: float | None = None,
        single_flight_s: float | None = None,
        jitter: float = 0.1,
        tier: ShardedEntries | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **server: Unpack[ServerOptions],
    ) -> None:
        wire = connect(client, owner=type(self), **server)
        epoch = wire.keys(tenant).epoch("search", corpus)
        if not isinstance(retriever, Runnable) and not callable(retriever):
            msg = (
                "a retriever must be given, as in CachedRetriever(client, retriever); vector stores have as_retriever()"
            )
            raise ConfigError(msg)
        check_type(name, (str, NoneType), "name", "a string or None", ConfigError)
        if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
            raise ConfigError(f"tags must be a list of strings or None, got {tags!r}")
        check_type(metadata, (dict, NoneType), "metadata", "a dict or None", ConfigError)
        ttl_ms, empty_ms = milliseconds(ttl_s), milliseconds(empty_ttl_s, "empty_ttl_s")
        stale_ms = milliseconds(stale_s, "stale_s") if ttl_ms else 0
        flights = SingleFlight(milliseconds(single_flight_s, "single_flight_s"))
        fields: dict[str, Any] = {"corpus": corpus, "tenant": tenant, "name": name, "tags": tags, "metadata": metadata}
        fields |= {"ttl_s": ttl_s, "empty_ttl_s": empty_ttl_s, "stale_s": stale_s, "single_flight_s": single_flight_s}
        fields |= {
            "retriever": coerce_to_runnable(cast("Any", retriever)),
            "client": wire,
            "jitter": check_number(jitter, "jitter"),
        }
        super().__init__(**fields)
        self._client, self._epoch, self._flights = wire, epoch, flights
        self._ttl_ms, self._stale_ms, self._empty_ms = ttl_ms, stale_ms, empty_ms
        self._tier = tier or ShardedEntries(wire, tenant, "search", corpus)
        self._scope = RetrieverScope(self.retriever, name)

    # --- LangChain's interface ----------------------------------------------------------------------------------------

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[Document]:
        """Retrieves the documents for a query, from the cache where it has them.

        Args:
            input: The query.
            config: As for any runnable. What is configurable in it (a user's rights, a number of results) may decide
                the result, so it is shared only where that is equal; what names a conversation is not part of that.
            **kwargs: Passed on to the retriever, and part of what a result is shared by.

        Returns:
            The documents as the retriever gives them.

        Raises:
            InvalidInputError: The retriever gave something else than documents.
            Exception: Whatever the retriever raises; nothing is stored then.

        **Keys:** `entries`, `entry_expiries` of one shard; `epoch`; at times `tally`; `lease`.
        **Trips:** 1 for a hit, else 2. With `single_flight_s` two more where there is nothing, and one for each look
            while another searches; with `stale_s` one or two more for a result that is over its lifetime.
        """
        return super().invoke(input, config, _settings=_settings(config), **kwargs)

    async def ainvoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[Document]:
        """Retrieves the documents for a query; see `invoke`."""
        return await super().ainvoke(input, config, _settings=_settings(config), **kwargs)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        _settings: Mapping[str, Any] | None = None,
        _deleted: list[bool] | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        if _deleted is not None:
            _deleted.append(self._client.run(self._delete(query, run_manager.get_child(), _settings, kwargs)))
            return []
        return self._client.drive(self._search_flow(query, run_manager.get_child(), _settings, kwargs))

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        _settings: Mapping[str, Any] | None = None,
        _deleted: list[bool] | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        if _deleted is not None:
            _deleted.append(await self._client.arun(self._delete(query, run_manager.get_child(), _settings, kwargs)))
            return []
        return await self._client.adrive(self._search_flow(query, run_manager.get_child(), _settings, kwargs))

    # --- more ---------------------------------------------------------------------------------------------------------

    def delete(self, query: str, config: RunnableConfig | None = None, **kwargs: Any) -> bool:
        """Deletes the result of a query, so that it is searched again; a trace shows a search without documents.

        Args:
            query: The query.
            config: As for `invoke`: settings, and the asker with his rights, are part of what a result is shared by.
            **kwargs: As for `invoke`.

        Returns:
            Whether there was one.

        Raises:
            UnavailableError: The server cannot be reached: what was to be deleted may still be served.

        **Keys:** `entries`, `entry_expiries` of one shard.
        **Trips:** 1.
        """
        super().invoke(query, config, _settings=_settings(config), _deleted=(deleted := list[bool]()), **kwargs)
        return deleted[0]

    async def adelete(self, query: str, config: RunnableConfig | None = None, **kwargs: Any) -> bool:
        """Deletes the result of a query; see `delete`."""
        await super().ainvoke(query, config, _settings=_settings(config), _deleted=(deleted := list[bool]()), **kwargs)
        return deleted[0]

    def clear(self) -> None:
        """Deletes all results of the corpus, whichever retriever they are from; searches that go on are not kept.

        Raises:
            UnavailableError: The server cannot be reached: what was to be deleted may still be served.

        **Keys:** `entries`, `entry_expiries` of all shards; `epoch`.
        **Trips:** 1.
        """
        self._client.run(cleared(self._tier, self._epoch))

    async def aclear(self) -> None:
        """Deletes all results of the corpus; see `clear`."""
        await self._client.arun(cleared(self._tier, self._epoch))

    def stats(self) -> Stats:
        """Reads the statistics of the corpus.

        Returns:
            The statistics.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `tally`.
        **Trips:** 1, and 1 where counts of this process wait.
        """
        return self._client.drive(read_stats_flow([self._tier.tally]))[0]

    async def astats(self) -> Stats:
        """Reads the statistics of the corpus; see `stats`."""
        return (await self._client.adrive(read_stats_flow([self._tier.tally])))[0]

    # --- flows --------------------------------------------------------------------------------------------------------

    def _name(
        self, query: str, callbacks: Any, settings: Mapping[str, Any] | None, kwargs: dict[str, Any]
    ) -> bytes | None:
        """Names a result by all that decides it; None for what cannot be part of a name."""
        check_type(query, str, "a query", "text (a chain that is given a dict: itemgetter('question') | retriever)")
        deciding = [deciding_settings(settings or {}), kwargs, seen_by(self.retriever, settings or {}, callbacks)]
        if not describable(deciding):
            return None
        asked = digest({"query": query.strip(), "retriever": self._scope.now(), "given": deciding})
        return self._tier.name(bytes.fromhex(asked))

    def _delete(
        self, query: str, callbacks: Any, settings: Mapping[str, Any] | None, kwargs: dict[str, Any]
    ) -> Op[bool]:
        name = self._name(query, callbacks, settings, kwargs)
        return pure(False) if name is None else self._tier.delete(name)

    def _search_flow(
        self, query: str, callbacks: Any, settings: Mapping[str, Any] | None, kwargs: dict[str, Any]
    ) -> Flow[list[Document]]:
        # What the name tells results apart by is what the retriever is told: a function reads it from its config alone.
        told = {"configurable": settings, "metadata": callbacks.metadata, "tags": callbacks.tags}
        retriever, config = self.retriever, RunnableConfig(callbacks=callbacks)
        config.update(cast("RunnableConfig", {name: copy(value) for name, value in told.items() if value}))
        name = self._name(query, callbacks, settings, kwargs)
        if name is None:
            self._tier.tally.add("bypasses")
            result = yield Invoke(
                lambda: retriever.invoke(query, config, **kwargs), lambda: retriever.ainvoke(query, config, **kwargs)
            )
            return documents_of(result)

        lease = self._tier.lease(name)

        # A flow is closed when its caller is interrupted or cancelled, and asks nothing more: so in here.
        def searched() -> list[Document]:
            try:
                return documents_of(retriever.invoke(query, config, **kwargs))
            except BaseException:
                self._client.drive(self._leave_flow(lease))
                raise

        async def asearched() -> list[Document]:
            try:
                return documents_of(await retriever.ainvoke(query, config, **kwargs))
            except BaseException:
                await self._client.adrive(self._leave_flow(lease))
                raise

        tokens: list[bytes] = []
        cached = yield from self._look_flow(name, lease, tokens)
        if cached is not None:
            return cached.documents
        documents: list[Document] = yield Invoke(searched, asearched)
        if tokens and (type(retriever) is VectorStoreRetriever or unrepeatable(query) != "volatile"):
            yield from self._store_flow(name, tokens[-1], documents)
        yield from self._leave_flow(lease)
        return documents

    def _look_flow(self, name: bytes, lease: str, tokens: list[bytes]) -> Flow[CachedResult | None]:
        """Looks up what may be served; where there is nothing, the last token is of the epoch of the search."""
        began: float = yield Now()
        tally = self._tier.tally
        try:
            finding = self._tier.best_effort(self._find_flow(lease, self._reads(name, tokens)))
            cached = yield from self._flights.cancellable_flow(finding, lambda: lease)
        except CacheUnavailable:
            cached = None
        tally.add("misses" if cached is None else "hits")
        ended: float = yield Now()
        tally.timed(ended - began)
        return cached

    def _find_flow(self, lease: str, read: Op[CachedResult | None]) -> Flow[CachedResult | None]:
        """Finds the result that may be served, also one that another caller makes meanwhile."""
        cached = yield from ask(read)
        if cached is None:
            return (yield from self._flights.join_flow(lease, read)) if self._flights else None
        if self._is_stale(cached):
            return (yield from self._flights.refresh_flow(lease, cached, read, self._is_stale))
        return cached

    def _is_stale(self, cached: CachedResult) -> bool:
        aged = bool(self._stale_ms) and cached.left_ms is not None and cached.left_ms <= self._stale_ms
        return aged and bool(cached.documents)  # a result without documents has its own short lifetime

    def _leave_flow(self, lease: str) -> Flow[None]:
        """Gives the lease back; after the result is stored, as in one trip an unknown script would run last."""
        if self._flights.leads(lease):
            with suppress(CacheUnavailable):
                yield from self._tier.best_effort(self._flights.leave_flow(lease))

    def _store_flow(self, name: bytes, token: bytes, documents: list[Document]) -> Flow[None]:
        ttl_ms = jittered(self._ttl_ms, self.jitter) + self._stale_ms if documents else self._empty_ms
        if not (documents or ttl_ms):
            return
        if not describable(documents):
            _log.warning("a result is not cached: its documents hold values that would not come back as they are")
            self._tier.tally.add("refused_unserialisable")
            return
        self._tier.tally.add("updates")
        put = NewItem(name, ttl_ms, epochs.sign(token, encode_result(documents)))
        try:
            yield from self._tier.best_effort(ask(self._tier.put([put])), write=True)
        except CacheUnavailable:
            self._tier.tally.add("dropped")

    # --- ops ----------------------------------------------------------------------------------------------------------

    def _reads(self, name: bytes, tokens: list[bytes]) -> Op[CachedResult | None]:
        """Looks for a result; each time that the op is run it notes the current token."""
        longest = self._ttl_ms and max(self._ttl_ms + self._stale_ms, self._empty_ms)

        def read(replies: tuple[bytes, list[Item | None]]) -> CachedResult | None:
            token, (kept,) = replies
            tokens.append(token)
            body = None if kept is None else epochs.signed(token, kept.body)
            documents = None if body is None else decode_result(body, self._epoch)
            return None if documents is None or kept is None else CachedResult(documents, kept.left_ms)

        return merge(epochs.current(self._epoch, longest), self._tier.get([name])).map(read)


def _settings(config: RunnableConfig | None) -> Mapping[str, Any]:
    return ensure_config(config).get("configurable") or {}
