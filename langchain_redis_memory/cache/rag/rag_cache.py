"""`RagCache`: the cache tiers of a retrieval-augmented answer: vectors, search results, responses.

Vectors depend on the model alone and live longest. Search results and responses depend on a corpus as well: they live
shorter, and all of them become stale at once when the corpus's epoch ends. Each tier is usable alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.runnables import Runnable
from typing_extensions import Unpack

from langchain_redis_memory.cache import epochs
from langchain_redis_memory.cache.answers.epoch import EpochAnswerCache
from langchain_redis_memory.cache.rag.embeddings import CachedEmbeddings
from langchain_redis_memory.cache.rag.results import cleared
from langchain_redis_memory.cache.rag.retriever import DAY_S, CachedRetriever
from langchain_redis_memory.cache.sharded_entries import ShardedEntries
from langchain_redis_memory.cache.stats import Stats, read_stats_flow
from langchain_redis_memory.checks import check_word
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.ops import Flow, Op, merge, pure
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.ttl import WEEK_S, FromSettings, lifetime, milliseconds

__all__ = ["CachedEmbeddings", "CachedRetriever", "EpochAnswerCache", "RagCache"]

TIERS = ("embeddings", "search", "responses")


class RagCache(ClientOwner):
    """Caches what is computed from one corpus: vectors, search results and responses.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        embeddings: The embedding model (or a `CachedEmbeddings` with options of your own); None for no such tier.
        tenant: The tenant that they belong to; tenants never see each other's.
        corpus: What is searched. All `RagCache`s with the same corpus share results, responses and epoch.
        embeddings_ttl_s: Lifetime of a vector in seconds; None for no expiry.
        search_ttl_s: Lifetime of a search result in seconds; None for no expiry.
        responses_ttl_s: Lifetime of a response in seconds; None for no expiry. By default the settings' `answer_ttl_s`.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: The tenant or the corpus is not acceptable.
        InvalidInputError: A lifetime is not positive.
        ConfigError: The URL cannot work.

    Example:
        ```python
        rag = RagCache("redis://localhost:6379/0", OpenAIEmbeddings(), corpus="handbook")
        store = InMemoryVectorStore(rag.embeddings)
        memory = ConversationMemory("redis://localhost:6379/0", cache=rag.responses)
        chat = memory.wrap(chain, rag.retriever(store.as_retriever(), name="handbook-top4"), scope="handbook")
        store.add_documents(new)
        rag.bump_epoch()  # after the documents have changed
        ```

    **Keys:** those of the tiers.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self,
        client: ClientLike = None,
        embeddings: Embeddings | None = None,
        *,
        tenant: str = "",
        corpus: str = "default",
        embeddings_ttl_s: float | None = WEEK_S,
        search_ttl_s: float | None = DAY_S,
        responses_ttl_s: float | FromSettings | None = "settings",
        **server: Unpack[ServerOptions],
    ) -> None:
        self._client = connect(client, owner=type(self), **server)
        responses_ttl_s = lifetime(responses_ttl_s, self._client.settings.answer_ttl_s)
        self._space = self._client.keys(tenant)
        self._tenant, self._corpus = tenant, corpus
        milliseconds(search_ttl_s, "search_ttl_s")
        milliseconds(embeddings_ttl_s, "embeddings_ttl_s")
        milliseconds(responses_ttl_s, "responses_ttl_s")
        self._search_ttl_s = search_ttl_s
        self._search_epoch = self._space.epoch("search", corpus)
        self._search = ShardedEntries(self._client, tenant, "search", corpus)
        self._responses = EpochAnswerCache(self._client, corpus, ttl_s=responses_ttl_s, tenant=tenant)
        self._embeddings = embeddings
        if embeddings is not None and not isinstance(embeddings, CachedEmbeddings):
            self._embeddings = CachedEmbeddings(self._client, embeddings, ttl_s=embeddings_ttl_s, tenant=tenant)

    def __repr__(self) -> str:
        return f"RagCache({self._client!r}, corpus={self._corpus!r})"

    # --- the tiers ----------------------------------------------------------------------------------------------------

    @property
    def embeddings(self) -> CachedEmbeddings:
        """The embedding model with its vectors cached.

        Raises:
            ConfigError: No model was given.
        """
        if not isinstance(self._embeddings, CachedEmbeddings):
            raise ConfigError("this RagCache was made without an embedding model: RagCache(client, embeddings)")
        return self._embeddings

    def retriever(
        self, retriever: Runnable[str, Any] | Callable[..., Any], *, name: str | None = None, **options: Any
    ) -> CachedRetriever:
        """Wraps a retriever on this corpus, so that its results are cached and become stale with the corpus.

        Args:
            retriever: A retriever, or any runnable or function from a query to documents.
            name: Names the retriever with all its settings; see `CachedRetriever`.
            **options: Further options of `CachedRetriever`.

        Returns:
            The cached retriever.

        Raises:
            InvalidInputError: An option is out of range.
        """
        options = {"ttl_s": self._search_ttl_s, **options}
        return CachedRetriever(
            self._client,
            retriever,
            corpus=self._corpus,
            tenant=self._tenant,
            name=name,
            tier=self._search,  # whose counts `stats` reads, those that were not sent yet included
            **options,
        )

    @property
    def responses(self) -> EpochAnswerCache:
        """The cache of answers, for `ConversationMemory(cache=...)`."""
        return self._responses

    @property
    def responses_epoch(self) -> str:
        """The epoch of the answers, for a cache that finds them by meaning: `SemanticAnswerCache(..., epoch=...)`."""
        return self._responses.epoch

    # --- epochs and clearing ------------------------------------------------------------------------------------------

    def bump_epoch(self, corpus: str | None = None) -> bool:
        """Makes all search results and responses of a corpus stale at once, also those that are being made.

        Call it after the corpus has changed: what is searched before that is searched in the old one. What is stale is
        never served and goes when its lifetime is over; `clear` deletes search results at once.

        Args:
            corpus: The corpus; None for this one.

        Returns:
            Whether an epoch ended; False where nothing was looked up in this corpus since the last one ended (or its
            name is another one). The new epoch has no name yet: it begins with the next look-up.

        Raises:
            InvalidIdError: The corpus is not acceptable.
            UnavailableError: The server cannot be reached: what is old may still be served, so do it again.

        **Keys:** `epoch`.
        **Trips:** 1, however much is stored.
        """
        return self._client.run(self._bump(corpus))

    async def abump_epoch(self, corpus: str | None = None) -> bool:
        """Makes all search results and responses of a corpus stale at once; see `bump_epoch`."""
        return await self._client.arun(self._bump(corpus))

    def clear(self, tier: str | None = None) -> None:
        """Empties a tier, or all of them.

        Vectors and search results are deleted. Responses are keys of their own all over the server: their epoch ends,
        so none is served again, and each goes when its lifetime is over.

        Args:
            tier: "embeddings", "search" or "responses"; None for all. Vectors are those of this model.

        Raises:
            InvalidInputError: There is no such tier.
            ConfigError: There is no embedding model whose vectors could be deleted.
            UnavailableError: The server cannot be reached.

        **Keys:** `entries`, `entry_expiries` of all shards; `epoch`.
        **Trips:** 1.
        """
        self._client.run(self._clear(tier))

    async def aclear(self, tier: str | None = None) -> None:
        """Empties a tier, or all of them; see `clear`."""
        await self._client.arun(self._clear(tier))

    def stats(self) -> dict[str, Stats]:
        """Reads the statistics, by tier.

        Returns:
            "embeddings" (if there is a model), "search" and "responses", each with its statistics.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `tally` of each tier.
        **Trips:** 1, and 1 where counts of this process wait.
        """
        return self._client.drive(self._stats_flow())

    async def astats(self) -> dict[str, Stats]:
        """Reads the statistics, by tier; see `stats`."""
        return await self._client.adrive(self._stats_flow())

    # --- ops ----------------------------------------------------------------------------------------------------------

    def _bump(self, corpus: str | None) -> Op[bool]:
        corpus = self._corpus if corpus is None else corpus
        return epochs.bump(*(self._space.epoch(use, corpus) for use in ("search", "responses")))

    def _clear(self, tier: str | None) -> Op[Any]:
        if tier is not None:
            check_word(tier, "tier", TIERS)
        chosen = set(TIERS) if tier is None else {tier}
        if tier is None and self._embeddings is None:
            chosen.remove("embeddings")
        nothing: Op[Any] = pure(None)
        return merge(
            self.embeddings.tier.clear() if "embeddings" in chosen else nothing,
            cleared(self._search, self._search_epoch) if "search" in chosen else nothing,
            epochs.bump(self._responses.epoch) if "responses" in chosen else nothing,
        )

    def _stats_flow(self) -> Flow[dict[str, Stats]]:
        tallies = {"search": self._search.tally, "responses": self._responses.tally}
        if self._embeddings is not None:
            tallies = {"embeddings": self.embeddings.tier.tally, **tallies}
        stats = yield from read_stats_flow(list(tallies.values()))
        return dict(zip(tallies, stats, strict=True))
