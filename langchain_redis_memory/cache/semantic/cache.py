"""`RedisSemanticCache`: LangChain's cache of model answers, for questions that mean the same.

It reads the conversation out of the prompt (see `prompt_reader`), so a turn that depends on its conversation is never
answered from another one. A near question is verified before its answer is served (see `search`): the user sets the
share of wrong hits that is tolerated, not a cosine. What was asked of another model, under another system prompt or
template, or of another tenant, is kept apart inside the search.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.embeddings import Embeddings
from typing_extensions import Self, Unpack

from langchain_redis_memory.cache.admission import AdmissionPolicy
from langchain_redis_memory.cache.entry_options import EntryOptions, entry_options
from langchain_redis_memory.cache.explanation import Explanation
from langchain_redis_memory.cache.llm_cache import LLMCache
from langchain_redis_memory.cache.prompts import Template
from langchain_redis_memory.cache.semantic.adoption import SemanticAdoption
from langchain_redis_memory.cache.semantic.lookup import SemanticFlows
from langchain_redis_memory.cache.semantic.prompt_reader import PromptReader
from langchain_redis_memory.cache.semantic.search import SemanticHit
from langchain_redis_memory.cache.semantic.tenants import SearchOptions, TenantSearches
from langchain_redis_memory.cache.sharing import AudienceClassifier
from langchain_redis_memory.cache.warming import asked_of
from langchain_redis_memory.checks import check_method, check_text, check_type
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.audience.linguistic import classify_audience
from langchain_redis_memory.language.classify import Classifier, LinguisticClassifier
from langchain_redis_memory.language.contextualise.contextualiser import Contextualiser
from langchain_redis_memory.peers.adoption import AdoptFrom, AdoptLike
from langchain_redis_memory.redis.client.connect import ClientLike, ServerOptions, connect
from langchain_redis_memory.redis.ttl import WEEK_S


@dataclass(frozen=True)
class PromptOptions:
    """Configures how a semantic cache reads prompts, and which of them bypass it.

    Args:
        template: The f-string that prompts are made from ("Answer from {context}: {question}"), or a `Template`. The
            question is searched by meaning, the other variables must be the same.
        classifier: Decides what a turn depends on; the default classifier for None.
        contextualiser: Says what a dependent question means; without one, or where it is not sure, the question is
            looked up together with what was said before it.
        share_private: Also serve and store what may depend on personal statements of the user, without comparing
            them. What is answered alike for all ("How long does a refund take?") is cached in any case.
        share_tools: Also serve and store what follows calls of tools, and calls of tools.
        audience: Says from a question's words for whom its answer is; see `QuestionOptions`.

    Raises:
        ConfigError: One of them cannot do what it is for.
    """

    template: Template | str | None = None
    classifier: Classifier | None = None
    contextualiser: Contextualiser | None = None
    share_private: bool = False
    share_tools: bool = False
    audience: AudienceClassifier = classify_audience

    def __post_init__(self) -> None:
        if self.classifier is not None:
            check_method(self.classifier, "classify", "classifier", ConfigError)
        if self.contextualiser is not None:
            check_method(self.contextualiser, "contextualise", "contextualiser", ConfigError)
        check_method(self.audience, "__call__", "audience", ConfigError)
        if self.template is not None:
            check_type(self.template, (str, Template), "template", "an f-string or a Template", ConfigError)

    def reader(self, scope: str, *, needs: bool) -> PromptReader:
        """Builds the reader that analyses prompts by these options; `needs`: whether conversations are compared."""
        return PromptReader(
            self.classifier or LinguisticClassifier(),
            self.contextualiser,
            Template(self.template) if isinstance(self.template, str) else self.template,
            check_text(scope, "scope"),
            share_private=self.share_private,
            share_tools=self.share_tools,
            needs=needs,
            audience=self.audience,
        )


class RedisSemanticCache(LLMCache):
    """Caches model answers for LangChain on any Redis, and serves them to questions that mean the same.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        embeddings: Embeds questions; it must be given, by name or after the client.
        max_error: The share of served answers that may be wrong, above 0 and below 0.5.
        ttl_s: Lifetime of an answer in seconds; None for no expiry.
        tenant: The tenant that it belongs to; tenants never see each other's answers.
        name: Names the cache within the tenant.
        scope: Answers are shared only within it: a user, a team, a set of documents. See `bind`.
        single_flight_s: Coalesces concurrent misses of the very same question: one caller asks the model, the others
            wait, at most so long; None: each caller asks.
        prompts: How prompts are read, and which of them bypass the cache.
        search: How near questions are found and verified, and how many answers are kept.
        entries: Which answers are kept, and what is counted and logged of them.
        adopt: "langchain-redis" or "langchain-community", or an `AdoptFrom`: the answers of that package's semantic
            cache are moved here, a few with each miss of this tenant and scope, where they are removed.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: The tenant or the name is not acceptable.
        InvalidInputError: A number is out of range.
        ConfigError: The URL, the judge or the engine cannot work, or `adopt` is not a semantic cache.

    Example:
        ```python
        cache = RedisSemanticCache("redis://localhost:6379/0", OpenAIEmbeddings(), max_error=0.01)
        set_llm_cache(cache)
        print(cache.explain("How tall is the Eiffel Tower?", model))
        ```

    **Keys:** `entries`, `entry_expiries`, `entry_uses`, `entry_reports`; `points`, `point_owners`, `point_expiries`
        of a partition, or `point` with the Query Engine; `tally`; `lease` of an answer that is being made.
    **Trips:** none to construct; each method says its own. The first use asks once what the server can do. A server
        that has just failed is not asked for a while. With `adopt` a miss takes 3 more at the source, 1 or none when
        nothing is left there; where answers are moved 1 more there, 2 here, and those of a second look-up.
    """

    def __init__(
        self,
        client: ClientLike = None,
        embeddings: Embeddings | None = None,
        *,
        max_error: float = 0.05,
        ttl_s: float | None = WEEK_S,
        tenant: str = "",
        name: str = "llm",
        scope: str = "",
        single_flight_s: float | None = None,
        prompts: PromptOptions | None = None,
        search: SearchOptions | None = None,
        entries: EntryOptions | None = None,
        adopt: AdoptLike = None,
        **server: Unpack[ServerOptions],
    ) -> None:
        entries = entry_options(entries)
        prompts = prompts if prompts is not None else PromptOptions()
        check_type(prompts, PromptOptions, "prompts", "PromptOptions(...)", ConfigError)
        self._client = connect(client, owner=type(self), **server)
        self._name = name
        if entries.admission is None:
            entries = replace(entries, admission=AdmissionPolicy(tool_calls=prompts.share_tools))
        searches = TenantSearches(self._client, embeddings, name, max_error=max_error, options=search, log=entries.log)
        self._flows: SemanticFlows = SemanticFlows(
            self._client,
            searches,
            self._client.keys(tenant),
            prompts.reader(scope, needs=searches.compares_needs),
            SemanticAdoption(self._client, adopted) if (adopted := AdoptFrom.of(adopt)) is not None else None,
            ttl_s=ttl_s,
            single_flight_s=single_flight_s,
            options=entries,
        )

    def __repr__(self) -> str:
        return f"RedisSemanticCache({self._client!r}, name={self._name!r})"

    def bind(
        self,
        *,
        tenant: str | None = None,
        scope: str | None = None,
        session: str | None = None,
        tags: Sequence[str] | None = None,
    ) -> Self:
        """Binds the cache to another tenant, scope or session, or to other tags; it costs nothing.

        Args:
            tenant: The tenant that the answers belong to.
            scope: Answers are shared only within it.
            session: The conversation that stored answers come from, for `delete`.
            tags: Words for stored answers, for `delete`.

        Returns:
            A cache on the same client; what is left out stays as it is.

        Raises:
            InvalidIdError: The tenant or the session is not acceptable.
            InvalidInputError: The tags are not words.
        """
        bound = copy(self)
        bound._owns_client = False
        space = None if tenant is None else self._client.keys(tenant)
        bound._flows = self._flows.bind(space, None if scope is None else check_text(scope, "scope"), session, tags)
        return bound

    # --- looking at answers -------------------------------------------------------------------------------------------

    def explain(self, prompt: Any, model: Any) -> Explanation[SemanticHit]:
        """Explains what a look-up would do, and why; nothing is counted.

        Args:
            prompt: What the model would be asked: a text, messages, or a prompt value.
            model: The model that would be asked, with what is bound to it; see `warming.asked_of`.

        Returns:
            The question as the cache understands it, what is near, the verdict on each, and what the log says.

        Raises:
            InvalidInputError: One of them is something else.

        **Keys:** those of `lookup`.
        **Trips:** those of `lookup`, 1 more for the very same question, and 1 for the log.
        """
        return self._client.drive(self._flows.explain_flow(*asked_of(prompt, model)))

    async def aexplain(self, prompt: Any, model: Any) -> Explanation[SemanticHit]:
        """Explains what a look-up would do, and why; see `explain`."""
        return await self._client.adrive(self._flows.explain_flow(*asked_of(prompt, model)))

    def delete(
        self,
        *,
        hit_id: str | None = None,
        prompt: Any = None,
        question: str | None = None,
        model: Any = None,
        tag: str | None = None,
        session: str | None = None,
        embedding: str | None = None,
    ) -> int:
        """Deletes answers with their vectors: those that fit all that is given, every one of the tenant for nothing.

        Args:
            hit_id: The id of a hit.
            prompt: The prompt that was answered, by `model`.
            question: The question as it was searched for; case and white space do not matter. All answers to it.
            model: With a prompt the model that was asked, as for `explain`; else a model's name, as in the statistics.
            tag: A tag.
            session: The conversation that they came from; its lines in the log go as well.
            embedding: An embedding model's name.

        Returns:
            How many there were.

        Raises:
            InvalidInputError: The id is none, or the prompt or the model is something else.
            UnavailableError: The server cannot be reached: what was to be deleted may still be served.

        **Keys:** `entries`, `entry_expiries`, `entry_uses`, `entry_reports`; the vectors of their partitions.
        **Trips:** 2 for one id or prompt; else 2 for each 500 entries, those looked through included, and 2 for the
            log where everything or a conversation goes.
        """
        return self._client.drive(
            self._flows.delete_flow(
                hit_id=hit_id,
                prompt=prompt,
                question=question,
                model=model,
                tag=tag,
                session=session,
                embedding=embedding,
            )
        )

    async def adelete(
        self,
        *,
        hit_id: str | None = None,
        prompt: Any = None,
        question: str | None = None,
        model: Any = None,
        tag: str | None = None,
        session: str | None = None,
        embedding: str | None = None,
    ) -> int:
        """Deletes answers with their vectors; see `delete`."""
        return await self._client.adrive(
            self._flows.delete_flow(
                hit_id=hit_id,
                prompt=prompt,
                question=question,
                model=model,
                tag=tag,
                session=session,
                embedding=embedding,
            )
        )
