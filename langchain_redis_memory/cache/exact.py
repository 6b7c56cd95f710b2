"""`RedisCache`: LangChain's cache of model answers, for the very same prompt to the very same model.

An entry is named by a digest of the prompt and of the string that describes the model, so two prompts or models never
share one. An `AdmissionPolicy` decides what may be cached. The cache is best effort: where the server is away or
refuses, a look-up is a miss, and an update is dropped and counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.caches import RETURN_VAL_TYPE
from typing_extensions import Unpack

from langchain_redis_memory.cache.entry_options import EntryOptions, entry_options
from langchain_redis_memory.cache.exact_flows import ExactFlows
from langchain_redis_memory.cache.llm_cache import LLMCache
from langchain_redis_memory.cache.sharded_entries import ShardedEntries
from langchain_redis_memory.checks import check_method
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.redis.client.connect import ClientLike, ServerOptions, connect
from langchain_redis_memory.redis.keys import check_id
from langchain_redis_memory.redis.ttl import WEEK_S

if TYPE_CHECKING:
    from langchain_redis_memory.cache.adoption import AnswerAdoption
    from langchain_redis_memory.cache.explanation import Explanation
    from langchain_redis_memory.cache.sharing import AudienceClassifier
    from langchain_redis_memory.peers.adoption import AdoptLike


class RedisCache(LLMCache):
    """Caches model answers for LangChain on any Redis by the exact prompt, for all processes, sync and async.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        ttl_s: Lifetime of an answer in seconds; None for no expiry.
        tenant: The tenant that it belongs to; tenants never see each other's answers.
        name: Names the cache within the tenant.
        stale_s: How long after its lifetime an answer is still served while one caller refreshes it.
        single_flight_s: Coalesces concurrent misses of the same answer: one caller asks the model, the others wait;
            None: each caller asks. Give it about the model's longest time: if there is no answer by then, one of the
            waiting callers asks. No caller waits for more than twice as long. A model that fails lets the others wait
            until then, unless it is called through `get_or_compute`.
        audience: Says from a question's words whether its answer may be repeated; `classify_audience` for None. See
            `QuestionOptions`.
        entries: Which answers are kept, and what is counted and logged of them.
        adopt: "langchain-redis" or "langchain-community", or an `AdoptFrom`: an answer that is not here is then taken
            over from that package's exact cache, where it is removed.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: The tenant or the name is not acceptable.
        InvalidInputError: A number is out of range.
        ConfigError: The URL cannot work, `adopt` is not an exact cache, or `audience` is not a classifier.

    Example:
        ```python
        set_llm_cache(RedisCache("redis://localhost:6379/0", ttl_s=3600))
        ```

    **Keys:** `entries`, `entry_expiries` of 64 shards; `tally`; `lease` of an answer that is being made.
    **Trips:** none to construct; each method says its own; with `adopt` a miss takes 1 more. A server that has
        just failed is not asked for a while.
    """

    def __init__(
        self,
        client: ClientLike = None,
        *,
        ttl_s: float | None = WEEK_S,
        tenant: str = "",
        name: str = "llm",
        stale_s: float | None = None,
        single_flight_s: float | None = None,
        audience: AudienceClassifier | None = None,
        entries: EntryOptions | None = None,
        adopt: AdoptLike = None,
        **server: Unpack[ServerOptions],
    ) -> None:
        self._client = connect(client, owner=type(self), **server)
        self._name = check_id(name, "name")
        if audience is not None:
            check_method(audience, "__call__", "audience", ConfigError)
        options = entry_options(entries)
        self._flows: ExactFlows = ExactFlows(
            self._client,
            ShardedEntries(self._client, tenant, "exact", name, options.log),
            stale_s,
            None if adopt is None else self._adoption(adopt),
            audience,
            ttl_s=ttl_s,
            single_flight_s=single_flight_s,
            options=options,
        )

    def _adoption(self, adopt: AdoptLike) -> AnswerAdoption | None:
        from langchain_redis_memory.cache.adoption import AnswerAdoption
        from langchain_redis_memory.peers.adoption import AdoptFrom

        return None if (adopted := AdoptFrom.of(adopt)) is None else AnswerAdoption(self._client, adopted)

    def __repr__(self) -> str:
        return f"RedisCache({self._client!r}, name={self._name!r})"

    def explain(self, prompt: Any, model: Any) -> Explanation[RETURN_VAL_TYPE]:
        """Explains what a look-up would do, and why; nothing is counted.

        Args:
            prompt: What the model would be asked: a text, messages, or a prompt value.
            model: The model that would be asked, with what is bound to it; see `warming.asked_of`.

        Returns:
            The answer that would be served, as candidates those of other models to the same prompt, and what the log
            says of the question.

        Raises:
            InvalidInputError: One of them is something else.
            UnavailableError: The server cannot be reached.

        **Keys:** `entries` of one shard.
        **Trips:** 1 for each 500 entries of the shard, 1 for the answer, and 1 for the log.
        """
        return self._client.drive(self._flows.explain_flow(prompt, model))

    async def aexplain(self, prompt: Any, model: Any) -> Explanation[RETURN_VAL_TYPE]:
        """Explains what a look-up would do, and why; see `explain`."""
        return await self._client.adrive(self._flows.explain_flow(prompt, model))

    def delete(
        self, *, prompt: Any = None, model: Any = None, question: str | None = None, hit_id: str | None = None
    ) -> int:
        """Deletes answers, so that the model is asked again.

        Args:
            prompt: What the model was asked: a text, messages, or a prompt value. The answer of `model` to it.
            model: With a prompt the model that was asked, with what is bound to it; see `warming.asked_of`.
            question: The user's last words; case and white space do not matter. All answers to them, whichever model
                gave them and whatever was said before.
            hit_id: The id of an answer, from `explain` or from the log.

        Returns:
            How many there were.

        Raises:
            InvalidInputError: Nothing is given, or one of them is something else.
            UnavailableError: The server cannot be reached: what was to be deleted may still be served.

        **Keys:** `entries`, `entry_expiries` of one shard; of all for a question.
        **Trips:** 1; for a question 1 for about each 32,000 entries, and 1 each to remove those found.
        """
        return self._client.drive(self._flows.delete_flow(prompt, model, question, hit_id))

    async def adelete(
        self, *, prompt: Any = None, model: Any = None, question: str | None = None, hit_id: str | None = None
    ) -> int:
        """Deletes answers; see `delete`."""
        return await self._client.adrive(self._flows.delete_flow(prompt, model, question, hit_id))
