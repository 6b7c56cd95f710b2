"""`CachedEmbeddings`: an embedding model whose vectors are computed once.

All texts of a call are looked up in one trip; only those that are missing are embedded, each once and in one call, and
stored in one trip. Models embed documents and queries differently, so the two never share a vector. A vector is stored
in an envelope, its numbers packed; what does not fit (damaged, of another length) counts as missing. Every vector is
rounded to what can be stored, so it does not depend on whether it came from the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any, Literal

from langchain_core.embeddings import Embeddings
from typing_extensions import Unpack

from langchain_redis_memory.cache.best_effort import CacheUnavailable
from langchain_redis_memory.cache.rag.adoption import VectorAdoption
from langchain_redis_memory.cache.sharded_entries import ShardedEntries
from langchain_redis_memory.cache.stats import Stats, read_stats_flow
from langchain_redis_memory.checks import check_number, check_text, check_type, check_word
from langchain_redis_memory.errors import ConfigError, CorruptDataError, InvalidInputError
from langchain_redis_memory.extras import np, npt
from langchain_redis_memory.ops import Flow, Invoke, Now, ask
from langchain_redis_memory.peers.adoption import AdoptFrom, AdoptLike
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.codec.data import is_plain
from langchain_redis_memory.redis.codec.envelope import seal, unseal
from langchain_redis_memory.redis.codec.values import digest
from langchain_redis_memory.redis.expiring_hash import Item, NewItem
from langchain_redis_memory.redis.keys import check_id
from langchain_redis_memory.redis.ttl import WEEK_S, jittered, milliseconds

Vector = list[float]
Kind = Literal["document", "query"]

_TYPES: dict[str, str] = {"float32": "<f4", "float16": "<f2"}


class CachedEmbeddings(ClientOwner, Embeddings):
    """Caches the vectors of any embedding model in Redis, for all processes.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        embeddings: The model; it must be given, by name or after the client.
        ttl_s: Lifetime of a vector in seconds; None for no expiry.
        tenant: The tenant that it belongs to; tenants never see each other's.
        model: Names the model: caches with the same name share vectors. By default the class's name and, where
            the model says them, its `model` (or `model_name`, `model_id`), `dimensions` and how it encodes
            (`encode_kwargs`, `task_type`, `normalize`, an instruction, ...).
        dtype: How numbers are stored: "float16" takes half the memory of "float32" and keeps three digits.
        jitter: The largest share by which a lifetime is cut at random, so that not all expire at once.
        adopt: An `AdoptFrom("langchain-embeddings", prefix=...)`: vectors of documents that LangChain's
            `CacheBackedEmbeddings` of the same model keeps on Redis are taken over when their texts are embedded.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: The tenant or the model's name is not acceptable.
        InvalidInputError: An option is out of range.
        ConfigError: The URL cannot work, there is no embedding model, or vectors cannot be adopted from there.

    Example:
        ```python
        embeddings = CachedEmbeddings("redis://localhost:6379/0", OpenAIEmbeddings(model="text-embedding-3-small"))
        ```

    **Keys:** `entries`, `entry_expiries` of 64 shards; `tally`.
    **Trips:** none to construct; each method says its own, and with `adopt` 1 more where documents are missing, and 1
        where some are found. A server that has just failed is not asked for a while.
    """

    def __init__(
        self,
        client: ClientLike = None,
        embeddings: Embeddings | None = None,
        *,
        ttl_s: float | None = WEEK_S,
        tenant: str = "",
        model: str | None = None,
        dtype: Literal["float32", "float16"] = "float32",
        jitter: float = 0.1,
        adopt: AdoptLike = None,
        **server: Unpack[ServerOptions],
    ) -> None:
        check_word(dtype, "dtype", _TYPES)
        self._client = connect(client, owner=type(self), **server)
        wanted = "a LangChain embedding model, as in (client, embeddings)"
        self._embeddings = check_type(embeddings, Embeddings, "embeddings", wanted, ConfigError)
        self._model = check_id(_described(self._embeddings) if model is None else model, "model")
        self._ttl_ms = milliseconds(ttl_s)
        self._jitter = check_number(jitter, "jitter")
        self._type = np.dtype(_TYPES[dtype])
        self._length: int | None = None
        theirs = AdoptFrom.of(adopt)
        self._adoption = None if theirs is None else VectorAdoption(self._client, theirs)
        self.tier: ShardedEntries = ShardedEntries(self._client, tenant, "embeddings", f"{dtype}/{self._model}")

    def __repr__(self) -> str:
        return f"CachedEmbeddings({self._client!r}, model={self._model!r})"

    @property
    def model(self) -> str:
        """The model's name in the cache."""
        return self._model

    @property
    def embeddings(self) -> Embeddings:
        """The model itself."""
        return self._embeddings

    def embed_documents(self, texts: list[str]) -> list[Vector]:
        """Embeds documents; the model is called only for texts whose vectors are not stored yet.

        Args:
            texts: Any number of texts, also the same ones again.

        Returns:
            A vector for each, in their order. Those that cannot be stored (with NaN, or too large for the type) come
            back as the model gave them.

        Raises:
            InvalidInputError: A text is not a string, or the model gave another number of vectors.
            Exception: Whatever the model raises.

        **Keys:** `entries`, `entry_expiries` of the texts' shards; at times `tally`.
        **Trips:** 1 where all are there, else 2; 0 for no texts.
        """
        return self._client.drive(self._embed_flow("document", texts))

    async def aembed_documents(self, texts: list[str]) -> list[Vector]:
        """Embeds documents; see `embed_documents`."""
        return await self._client.adrive(self._embed_flow("document", texts))

    def embed_query(self, text: str) -> Vector:
        """Embeds a query; see `embed_documents`.

        Args:
            text: The query.

        Returns:
            Its vector.

        Raises:
            Exception: Whatever the model raises.

        **Keys:** `entries`, `entry_expiries` of one shard; at times `tally`.
        **Trips:** 1 where it is there, else 2.
        """
        return self._client.drive(self._embed_flow("query", [text]))[0]

    async def aembed_query(self, text: str) -> Vector:
        """Embeds a query; see `embed_query`."""
        return (await self._client.adrive(self._embed_flow("query", [text])))[0]

    def clear(self) -> int:
        """Deletes all vectors of this model.

        Returns:
            How many there were.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `entries`, `entry_expiries` of all shards.
        **Trips:** 1.
        """
        return self._client.run(self.tier.clear())

    async def aclear(self) -> int:
        """Deletes all vectors of this model; see `clear`."""
        return await self._client.arun(self.tier.clear())

    def count(self) -> int:
        """Counts the stored vectors, with those that have expired and were not removed yet.

        Returns:
            The number.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `entries` of all shards.
        **Trips:** 1.
        """
        return self._client.run(self.tier.count())

    async def acount(self) -> int:
        """Counts the stored vectors; see `count`."""
        return await self._client.arun(self.tier.count())

    def stats(self) -> Stats:
        """Reads the statistics: a hit or a miss for each different text of a call.

        Returns:
            The statistics.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `tally`.
        **Trips:** 1, and 1 where counts of this process wait.
        """
        return self._client.drive(read_stats_flow([self.tier.tally]))[0]

    async def astats(self) -> Stats:
        """Reads the statistics; see `stats`."""
        return (await self._client.adrive(read_stats_flow([self.tier.tally])))[0]

    # --- flows --------------------------------------------------------------------------------------------------------

    def _embed_flow(self, kind: Kind, texts: Sequence[str]) -> Flow[list[Vector]]:
        began: float = yield Now()
        names = {text: self.tier.name(_name(kind, text)) for text in texts}
        if not names:
            return []
        available, items = True, list[Item | None]()
        try:
            items = yield from self.tier.best_effort(ask(self.tier.get(list(names.values()))))
        except CacheUnavailable:
            available = False
        known = self._read({text: item.body for text, item in zip(names, items, strict=available) if item is not None})
        ended: float = yield Now()
        self.tier.tally.timed(ended - began)
        adopted: dict[str, int] = {}
        if available and kind == "document":
            adopted = yield from self._adopt_flow([text for text in names if text not in known], known)

        made = yield from self._make_flow(kind, [text for text in names if text not in known])
        if made:
            self._length = len(next(iter(made.values())))
            strangers = [text for text, vector in known.items() if len(vector) != self._length]
            made |= yield from self._make_flow(kind, strangers)
        self.tier.tally.add("hits", len(names) - len(made))
        self.tier.tally.add("misses", len(made))

        vectors, puts = dict[str, Any](known), []
        for text, vector in made.items():
            rounded = self._rounded(vector)
            vectors[text] = vector if rounded is None else rounded.tolist()
            if rounded is not None:
                puts.append(NewItem(names[text], jittered(self._ttl_ms, self._jitter), seal(rounded.tobytes())))
        for text, ttl_ms in adopted.items():
            if text not in made:
                left_ms = ttl_ms or jittered(self._ttl_ms, self._jitter)
                puts.append(NewItem(names[text], left_ms, seal(np.asarray(known[text], self._type).tobytes())))
        if puts and available:
            with suppress(CacheUnavailable):
                yield from self.tier.best_effort(ask(self.tier.put(puts)), write=True)
                if self._adoption is not None and adopted:
                    yield from self._adoption.taken_flow(adopted)
        return [list(vectors[text]) for text in texts]  # a copy for each: a caller may change one

    def _adopt_flow(self, texts: list[str], known: dict[str, Vector]) -> Flow[dict[str, int]]:
        """Adds vectors of another cache to those that were found, if they are as long; their lifetimes by text."""
        if self._adoption is None or not texts:
            return {}
        theirs = yield from self._adoption.take_flow(texts)
        lengths = {len(vector) for vector in (*known.values(), *(vector for vector, _ in theirs.values()))}
        length = self._length or (lengths.pop() if len(lengths) == 1 else 0)
        adopted: dict[str, int] = {}
        for text, (vector, ttl_ms) in theirs.items():
            rounded = self._rounded(vector)
            if rounded is not None and len(vector) == length:
                known[text], adopted[text] = rounded.tolist(), ttl_ms
        return adopted

    def _take_flow(self, kind: Kind, text: str, vector: Sequence[float], ttl_ms: int) -> Flow[bool]:
        """Stores a vector that was computed elsewhere, unless there is one; whether it was stored."""
        name = self.tier.name(_name(kind, text))
        (item,) = yield from ask(self.tier.get([name]))
        rounded = self._rounded(vector)
        if item is not None or rounded is None:
            return False
        left_ms = ttl_ms or jittered(self._ttl_ms, self._jitter)
        yield from ask(self.tier.put([NewItem(name, left_ms, seal(rounded.tobytes()))]))
        (item,) = yield from ask(self.tier.get([name]))
        if item is None or self._opened(item.body) != rounded.tolist():
            raise CorruptDataError("a vector was stored, but what is read back is something else")
        return True

    def _make_flow(self, kind: Kind, texts: list[str]) -> Flow[dict[str, Vector]]:
        """Asks the model for vectors, if there are texts."""
        if not texts:
            return {}
        model, text = self._embeddings, texts[0]
        if kind == "query":
            return {text: (yield Invoke(lambda: model.embed_query(text), lambda: model.aembed_query(text)))}
        made = yield Invoke(lambda: model.embed_documents(texts), lambda: model.aembed_documents(texts))
        if len(made) != len(texts):
            msg = f"the embedding model {self._model!r} gave {len(made)} vectors for {len(texts)} texts"
            raise InvalidInputError(msg)
        return dict(zip(texts, made, strict=True))

    def _read(self, bodies: dict[str, bytes]) -> dict[str, Vector]:
        """Decodes the vectors that are whole and of one length: the model's, where it is known."""
        found = {text: vector for text, body in bodies.items() if (vector := self._opened(body)) is not None}
        lengths = {len(vector) for vector in found.values()}
        if self._length is None and len(lengths) > 1:
            return {}
        length = self._length or next(iter(lengths), 0)
        return {text: vector for text, vector in found.items() if len(vector) == length}

    def _opened(self, body: bytes) -> Vector | None:
        try:
            data = unseal(body, "a vector")
        except CorruptDataError:
            return None
        if not data or len(data) % self._type.itemsize:
            return None
        return list(np.frombuffer(data, self._type).tolist())

    def _rounded(self, vector: Sequence[float]) -> npt.NDArray[Any] | None:
        """Rounds a vector to what can be stored, None where it cannot be."""
        try:
            with np.errstate(over="ignore"):
                rounded = np.asarray(vector, np.float64).astype(self._type)
        except (TypeError, ValueError):
            return None
        return rounded if rounded.ndim == 1 and rounded.size and np.isfinite(rounded).all() else None


def _described(embeddings: Embeddings) -> str:
    """Builds a name for a model: its class's name, then its own, as two makers may use the same one."""
    kind = type(embeddings)
    names = (getattr(embeddings, name, None) for name in ("model", "model_name", "model_id"))
    name = next((name for name in names if isinstance(name, str) and name), None)
    if name is None:
        return f"{kind.__module__}.{kind.__qualname__}"
    dimensions = getattr(embeddings, "dimensions", None)
    sized = [str(dimensions)] if isinstance(dimensions, int) else []
    encodes = {name: value for name in _ENCODES if (value := getattr(embeddings, name, None)) and is_plain(value)}
    return "/".join([kind.__qualname__, name, *sized, *([digest(encodes)[:8]] if encodes else [])])


_ENCODES = (
    "encode_kwargs", "query_encode_kwargs", "embed_instruction", "query_instruction", "task_type", "normalize",
    "output_dimensionality", "truncate",
)  # fmt: skip
"""Settings of LangChain's embedding models by which one model gives other vectors."""


def _name(kind: Kind, text: str) -> bytes:
    encoded = check_text(text, "a text to embed").encode("utf-8", "surrogatepass")
    return blake2b(encoded, digest_size=16, person=kind.encode()).digest()
