"""The semantic searches of a cache's tenants: a bounded LRU, as a process may serve any number of tenants.

The least recently used search goes first. Its statistics that were not sent yet go with the next round trip of another
tenant's, to its own key.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from types import NoneType

from langchain_core.embeddings import Embeddings

from langchain_redis_memory.cache.best_effort import BestEffort
from langchain_redis_memory.cache.decision_log import DecisionLog
from langchain_redis_memory.cache.semantic.engines import Engines, embedding_id_of, policy_for
from langchain_redis_memory.cache.semantic.judge import Judge, JudgeLike
from langchain_redis_memory.cache.semantic.search import SemanticSearch
from langchain_redis_memory.cache.stats import Tally
from langchain_redis_memory.checks import check_bounds, check_method, check_number, check_type
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.equivalence import HitPolicy
from langchain_redis_memory.language.need.policy import NeedPolicy
from langchain_redis_memory.locks import new_lock
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.keys import KeySpace, check_id
from langchain_redis_memory.vectors.choose import check_engine, check_vectors
from langchain_redis_memory.vectors.embedder import Embedder
from langchain_redis_memory.vectors.engine import EngineName, Quantization

MOST_TENANTS = 1000


@dataclass(frozen=True)
class SearchOptions:
    """Configures how a semantic cache finds near questions, verifies them, and keeps their vectors.

    Args:
        policy: Decides which near question is the same; by default `NeedPolicy(max_error)`, which also compares what
            was said before. With one of your own a conversation has to be the same to the letter.
        judge: Asked where the policy is in doubt: a `Judge`, a LangChain model, or a function of two texts.
        max_entries: How many answers of a tenant are kept; those used least recently go first. None for no bound.
        embedding_id: Names the embedding model, where its attributes do not; vectors of different ones never meet.
        engine: "vector_sets", "query_engine" or "exact"; None takes the best that the server has.
        quantization: How vectors are kept: "int8" or "binary" (float16 in the Query Engine), or "none" for float32.

    Raises:
        ConfigError: The policy cannot judge.
        InvalidInputError: The bound is not a positive whole number.
    """

    policy: HitPolicy | None = None
    judge: JudgeLike | None = None
    max_entries: int | None = 100_000
    embedding_id: str | None = None
    engine: EngineName | None = None
    quantization: Quantization = "int8"

    def __post_init__(self) -> None:
        if self.policy is not None:
            check_method(self.policy, "judge", "policy", ConfigError)
        check_bounds(max_entries=self.max_entries)
        check_type(self.embedding_id, (str, NoneType), "embedding_id", "a string or None", ConfigError)
        check_engine(self.engine, self.quantization)


class TenantSearches:
    """The searches of one cache, by tenant; `log` is of look-ups by these searches themselves.

    Raises `InvalidIdError`: the name is not acceptable. Raises `InvalidInputError`: a number is out of range. Raises
    `ConfigError`: the embedding model, the policy, the judge or the engine cannot work.
    """

    def __init__(
        self,
        client: Client,
        embeddings: Embeddings | None,
        name: str,
        *,
        max_error: float,
        options: SearchOptions | None,
        log: DecisionLog | None = None,
    ) -> None:
        check_vectors(client.keys(), "a cache that is searched by meaning")
        wanted = "a LangChain embedding model, as in (client, embeddings)"
        model = check_type(embeddings, Embeddings, "embeddings", wanted, ConfigError)
        options = SearchOptions() if options is None else options
        check_type(options, SearchOptions, "search", "SearchOptions(...)", ConfigError)
        check_number(max_error, "max_error")
        self._client, self._log = client, log
        self._name = check_id(name, "name")
        self._embedder = Embedder(model, options.embedding_id or embedding_id_of(model))
        self._policy = options.policy or policy_for(model, max_error, options.embedding_id)
        self.compares_needs: bool = isinstance(self._policy, NeedPolicy)
        self._engines = Engines(client, options.engine, options.quantization)
        self._max_entries = options.max_entries or 0
        self._max_error = check_number(max_error, "max_error")
        judge = options.judge
        self._judge = judge if judge is None or isinstance(judge, Judge) else Judge(judge)
        self._lock = new_lock()
        self._searches: OrderedDict[KeySpace, SemanticSearch] = OrderedDict()

    def of(self, space: KeySpace) -> SemanticSearch:
        """Returns the search of a tenant, which is from then on the most recently used one."""
        with self._lock:
            search = self._searches.get(space)
            if search is None:
                search = self._searches[space] = self._made(space)
                while len(self._searches) > MOST_TENANTS:
                    _, gone = self._searches.popitem(last=False)
                    search.tally.adopt(gone.tally)
            self._searches.move_to_end(space)
            return search

    def _made(self, space: KeySpace) -> SemanticSearch:
        log = (space.decisions(f"semantic/{self._name}"), self._log)
        tally = Tally(space.tally("semantic", self._name), log)
        return SemanticSearch(
            space,
            self._name,
            self._embedder,
            self._policy,
            BestEffort(f"the cache {self._name!r}", tally, self._client.breaker),
            self._engines,
            max_entries=self._max_entries,
            max_error=self._max_error,
            judge=self._judge,
        )
