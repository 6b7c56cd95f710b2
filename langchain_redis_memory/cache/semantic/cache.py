"""`RedisSemanticCache`: LangChain's cache of model answers, for questions that mean the same.

It reads the conversation out of the prompt (see `asking`), so a turn that leans on its conversation is never answered
for another one. A near question is verified before its answer is served (see `seeking`, `equivalence`): the user sets
the share of wrong hits that is tolerated, not a cosine. What was asked of another model, under another system prompt or
template, or of another tenant, is kept apart inside the search.

Long because each half of a twin is read beside the other.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.caches import RETURN_VAL_TYPE, BaseCache
from langchain_core.embeddings import Embeddings

from langchain_redis_memory.cache.admission import AdmissionPolicy
from langchain_redis_memory.cache.best_effort import BestEffort
from langchain_redis_memory.cache.prompts import Template
from langchain_redis_memory.cache.semantic import entries
from langchain_redis_memory.cache.semantic.bulk import Moving, wanted_by
from langchain_redis_memory.cache.semantic.engines import Engines, able, bound, embedding_id_of, policy_for
from langchain_redis_memory.cache.semantic.judge import Judge
from langchain_redis_memory.cache.semantic.lookup import Explanation
from langchain_redis_memory.cache.semantic.prompt_reader import PromptAnalysis, PromptReader
from langchain_redis_memory.cache.semantic.search import Seeker
from langchain_redis_memory.cache.single_flight import SingleFlight
from langchain_redis_memory.cache.stats import Prices, Stats, Tally
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.language.classify import Classifier, LinguisticClassifier
from langchain_redis_memory.language.equivalence import HitPolicy
from langchain_redis_memory.redis.client.client import Client, as_client
from langchain_redis_memory.redis.keys import KeySpace, check_id
from langchain_redis_memory.redis.ttl import WEEK_S, milliseconds, share
from langchain_redis_memory.vectors.embedder import Embedder
from langchain_redis_memory.vectors.engine import EngineName, Quantisation

if TYPE_CHECKING:
    from typing_extensions import Self


_TENANTS = 1000


class RedisSemanticCache(Moving, BaseCache):
    """LangChain's cache of model answers on any Redis, for questions that mean the same.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), or None for `REDIS_URL`, else `redis://localhost:6379/0`.
        embeddings: Embeds questions.
        max_error: The share of served answers that may be wrong, 0 to 1.
        policy: Decides which near question is the same; by default `VerifiedPolicy(max_error)`.
        judge: Asked where the policy is in doubt: a `Judge`, a LangChain model, or a function of two texts.
        ttl_s: Lifetime of an answer in seconds; None for no expiry.
        max_entries: How many answers are kept; those used least recently go first. None for no bound.
        tenant: Whose cache it is; tenants never see each other's.
        name: Names the cache within the tenant.
        scope: Answers are shared only within it: a user, a team, a set of documents.
        session: The conversation that stored answers come from, for deleting them by it; see `bind`.
        tags: Words for stored answers, for deleting them by these.
        template: The f-string that prompts are made from ("Answer from {context}: {question}"), or a `Template`. The
            question is searched by meaning, the other variables must be the same.
        classifier: Decides what a turn depends on; `LinguisticClassifier` by default.
        contextualiser: Says what a dependent question means; without one it is only looked for after the very same
            exchange.
        share_private: Also serve and store in conversations in which the user told of himself.
        share_tools: Also serve and store what follows calls of tools, and calls of tools.
        jitter: The largest share by which a lifetime is cut at random.
        single_flight_s: Of all who miss the very same question at once one asks the model and the others wait, at most
            so long; None: everybody asks.
        admission: Which answers may be cached.
        prices: Model -> what a million tokens cost (read, written), for `Stats.money_saved`.
        embedding_id: Names the embedding model, where its attributes do not; vectors of different ones never meet.
        engine: "vector_sets", "query_engine" or "exact"; None takes the best that the server has.
        quantisation: How vectors are kept: "int8" or "binary" (float16 in the Query Engine), or "none" for float32.

    Raises:
        InvalidIdError: The tenant, the name or the session is not acceptable.
        InvalidInputError: A number is out of range.
        ConfigError: The URL, the template, the judge or the engine cannot work.

    Example:
        ```python
        cache = RedisSemanticCache("redis://localhost:6379/0", OpenAIEmbeddings(), max_error=0.01)
        set_llm_cache(cache)
        print(cache.explain("How tall is the Eiffel Tower?"))
        ```

    **Keys:** `entries`, `entry_expiries`, `entry_uses`, `entry_reports`; `points`, `point_owners`, `point_expiries`
        of a partition, or `point` with the Query Engine; `tally`; `lease` of an answer that is being made.
    **Trips:** none to construct; each method says its own. The first use asks once what the server can do. A server
        that has just failed is not asked for a while.
    """

    def __init__(
        self,
        client: Client | str | None,
        embeddings: Embeddings,
        *,
        max_error: float = 0.02,
        policy: HitPolicy | None = None,
        judge: Any = None,
        ttl_s: float | None = WEEK_S,
        max_entries: int | None = 100_000,
        tenant: str = "",
        name: str = "llm",
        scope: str = "",
        session: str = "",
        tags: Sequence[str] = (),
        template: Template | str | None = None,
        classifier: Classifier | None = None,
        contextualiser: Any = None,
        share_private: bool = False,
        share_tools: bool = False,
        jitter: float = 0.1,
        single_flight_s: float | None = None,
        admission: AdmissionPolicy | None = None,
        prices: Prices | None = None,
        embedding_id: str | None = None,
        engine: EngineName | None = None,
        quantisation: Quantisation = "int8",
    ) -> None:
        if not isinstance(embeddings, Embeddings):
            msg = f"embeddings must be a LangChain embedding model, not {type(embeddings).__name__}"
            raise ConfigError(msg)
        able(policy, "judge", "policy")
        able(classifier, "classify", "classifier")
        able(contextualiser, "contextualise", "contextualiser")
        able(admission, "refusal", "admission")
        if template is not None and not isinstance(template, str | Template):
            msg = f"template must be an f-string or a Template, not {type(template).__name__}"
            raise ConfigError(msg)
        self._client = as_client(client)
        self._name = check_id(name, "name")
        self._ttl_ms = milliseconds(ttl_s)
        self._jitter = share(jitter, "jitter")
        self._flights = SingleFlight(milliseconds(single_flight_s, "single_flight_s"))
        self._admission = admission or AdmissionPolicy(tool_calls=share_tools)
        self._prices = prices
        self._session, self._tags = _labels(session, tags)
        self._reader = PromptReader(
            classifier or LinguisticClassifier(),
            contextualiser,
            Template(template) if isinstance(template, str) else template,
            _scope(scope),
            share_private=share_private,
            share_tools=share_tools,
        )
        self._engines = Engines(self._client, engine, quantisation)
        self._seeking: dict[str, Any] = {
            "embedder": Embedder(embeddings, embedding_id or embedding_id_of(embeddings)),
            "policy": policy or policy_for(embeddings, max_error, embedding_id),
            "max_entries": bound(max_entries),
            "max_error": share(max_error, "max_error"),
            "judge": judge if judge is None or isinstance(judge, Judge) else Judge(judge),
        }
        self._seekers: OrderedDict[KeySpace, Seeker] = OrderedDict()
        self._understood: OrderedDict[bytes, PromptAnalysis] = OrderedDict()
        self._set_up(tenant)

    def _set_up(self, tenant: str) -> None:
        self._space = space = self._client.keys(tenant)
        seeker = self._seekers.get(space)
        if seeker is None:
            tally = Tally(space.tally("semantic", self._name))
            seeker = Seeker(
                space,
                self._name,
                lenient=BestEffort(f"the cache {self._name!r}", tally, self._client.breaker),
                ready=partial(self._engines.ready, space),
                **self._seeking,
            )
            self._seekers[space] = seeker
            while len(self._seekers) > _TENANTS:
                self._seekers.popitem(last=False)
        self._seeker, self._lenient, self._tally = seeker, seeker.lenient, seeker.lenient.tally

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
        """The same cache for another tenant, scope or session, or with other tags; it costs nothing.

        Args:
            tenant: Whose cache it is.
            scope: Within which answers are shared.
            session: The conversation that stored answers come from.
            tags: Words for stored answers.

        Returns:
            The cache; what is left out stays as it is.

        Raises:
            InvalidIdError: The tenant or the session is not acceptable.
            InvalidInputError: The tags are not words.

        **Keys:** none.
        **Trips:** none.
        """
        bound = copy(self)
        given = self._session if session is None else session
        bound._session, bound._tags = _labels(given, self._tags if tags is None else tags)
        if scope is not None:
            bound._reader = self._reader.within(_scope(scope))
        if tenant is not None:
            bound._set_up(tenant)
        return bound

    # --- LangChain's interface ----------------------------------------------------------------------------------------

    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """The answer to a prompt, or to one that means the same.

        Args:
            prompt: What the model is asked: a text, or messages as LangChain serialises them.
            llm_string: Describes the model and its parameters.

        Returns:
            The generations as they were given. An answer to another question carries "semantic_cache" in its
            `response_metadata` (for a text in its `generation_info`): the hit's id for `report`, that question, the
            similarity and the probability that both are equivalent. None where nothing may be served.

        **Keys:** `entries`, `entry_expiries`, `entry_uses`, `entry_reports`; the partition's vectors; at times `tally`.
        **Trips:** none for a prompt that goes past the cache; 1 for the very same question; else 2 for a miss and 3 for
            a hit, one more where the policy is in doubt of a near question (2 with a judge), and one for each candidate
            whose answer is gone. Exact search takes one more for each 4,000 vectors
            not read. With `single_flight_s` one more on a miss, and one for each look while another makes the answer.
        """
        return self._client.drive(self._lookup(prompt, llm_string))

    async def alookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """The answer to a prompt, or to one that means the same; see `lookup`."""
        return await self._client.adrive(self._lookup(prompt, llm_string))

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Caches an answer, if it may be cached; nothing is raised if not.

        Args:
            prompt: What the model was asked.
            llm_string: Describes the model and its parameters.
            return_val: What it answered.

        **Keys:** `entries`, `entry_expiries`, `entry_uses`, `entry_reports`; the partition's vectors; `tally`; `lease`.
        **Trips:** 1, and one more where others have to go because there are too many, and for who leads others
            (`single_flight_s`); none for a prompt that goes past the cache.
        """
        self._client.drive(self._update(prompt, llm_string, return_val))

    async def aupdate(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Caches an answer, if it may be cached; see `update`."""
        await self._client.adrive(self._update(prompt, llm_string, return_val))

    def clear(self, **kwargs: Any) -> None:
        """Deletes every answer of the tenant, or some; see `delete`.

        Args:
            **kwargs: The arguments of `delete`.

        Raises:
            InvalidInputError: An option is unknown.
            UnavailableError: The server cannot be reached: what was to be deleted may still be served.
            ServerError: The server refused.

        **Keys:** `entries`, `entry_expiries`, `entry_uses`, `entry_reports`; the vectors of all partitions.
        **Trips:** 2 for each 500 entries.
        """
        self._client.drive(self._clear(kwargs))

    async def aclear(self, **kwargs: Any) -> None:
        """Deletes every answer of the tenant, or some; see `clear`."""
        await self._client.adrive(self._clear(kwargs))

    # --- judging hits -------------------------------------------------------------------------------------------------

    def explain(self, prompt: str, llm_string: str = "") -> Explanation:
        """What a lookup would do, and why; nothing is counted.

        Args:
            prompt: What the model would be asked.
            llm_string: Describes the model and its parameters.

        Returns:
            The question as the cache understands it, what is near, and the verdict on each.

        **Keys:** those of `lookup`.
        **Trips:** those of `lookup`, and 1 more for the very same question.
        """
        return self._client.drive(self._explain(prompt, llm_string))

    async def aexplain(self, prompt: str, llm_string: str = "") -> Explanation:
        """What a lookup would do, and why; see `explain`."""
        return await self._client.adrive(self._explain(prompt, llm_string))

    def report(self, hit_id: str, *, correct: bool) -> bool:
        """Tells whether a hit was right; an entry with a wrong hit is from then on served to nearer questions only.

        Args:
            hit_id: The hit's id, from the answer's "semantic_cache" or from `explain`.
            correct: Whether the answer was right.

        Returns:
            Whether the entry is still there.

        Raises:
            InvalidInputError: It is no id of a hit.
            UnavailableError: The server cannot be reached.

        **Keys:** `entry_reports`, `entries`; `tally`.
        **Trips:** 1.
        """
        return self._client.drive(self._report(hit_id, correct=correct))

    async def areport(self, hit_id: str, *, correct: bool) -> bool:
        """Tells whether a hit was right; see `report`."""
        return await self._client.adrive(self._report(hit_id, correct=correct))

    # --- more ---------------------------------------------------------------------------------------------------------

    def get_or_compute(self, prompt: str, llm_string: str, compute: Callable[[], Any]) -> RETURN_VAL_TYPE:
        """The cached answer, else what `compute` gives, cached; with `single_flight_s` only one of all computes.

        Args:
            prompt: What the model is asked.
            llm_string: Describes the model and its parameters.
            compute: Gives a text, a message or generations; for `aget_or_compute` it may be a coroutine function.

        Returns:
            The generations.

        Raises:
            Exception: Whatever `compute` raises; the next of those who wait then computes.
            InvalidInputError: It gives something else.

        **Keys:** those of `lookup` and `update`.
        **Trips:** those of `lookup` and `update`.
        """
        return self._client.drive(self._get_or_compute(prompt, llm_string, compute))

    async def aget_or_compute(self, prompt: str, llm_string: str, compute: Callable[[], Any]) -> RETURN_VAL_TYPE:
        """The cached answer, else what `compute` gives, cached; see `get_or_compute`."""
        return await self._client.adrive(self._get_or_compute(prompt, llm_string, compute))

    def delete(
        self,
        *,
        hit_id: str | None = None,
        prompt: str | None = None,
        llm_string: str = "",
        model: str | None = None,
        tag: str | None = None,
        session: str | None = None,
        embedding: str | None = None,
    ) -> int:
        """Deletes answers with their vectors: those that fit all that is given, every one of the tenant for nothing.

        Args:
            hit_id: The id of a hit.
            prompt: The prompt that was answered, with `llm_string`.
            llm_string: The model of `prompt`.
            model: A model's name, as in the statistics.
            tag: A tag.
            session: The conversation that they came from.
            embedding: An embedding model's name.

        Returns:
            How many there were.

        Raises:
            InvalidInputError: The id is none.
            UnavailableError: The server cannot be reached: what was to be deleted may still be served.

        **Keys:** `entries`, `entry_expiries`, `entry_uses`, `entry_reports`; the vectors of their partitions.
        **Trips:** 2 for one id or prompt; else 2 for each 500 entries, those looked through included.
        """
        return self._client.drive(self._delete(hit_id, prompt, llm_string, wanted_by(model, tag, session, embedding)))

    async def adelete(
        self,
        *,
        hit_id: str | None = None,
        prompt: str | None = None,
        llm_string: str = "",
        model: str | None = None,
        tag: str | None = None,
        session: str | None = None,
        embedding: str | None = None,
    ) -> int:
        """Deletes answers with their vectors; see `delete`."""
        wanted = wanted_by(model, tag, session, embedding)
        return await self._client.adrive(self._delete(hit_id, prompt, llm_string, wanted))

    def count(self) -> int:
        """How many answers are stored, with those that have expired and were not removed yet.

        Returns:
            The number.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `entries`.
        **Trips:** 1.
        """
        return self._client.run(entries.count(self._seeker.keys))

    async def acount(self) -> int:
        """How many answers are stored; see `count`."""
        return await self._client.arun(entries.count(self._seeker.keys))

    def warm(
        self, answers: Iterable[Any] | str | Path, model: Any, *, progress: Callable[[int], None] | None = None
    ) -> int:
        """Caches answers before anybody asks.

        Args:
            answers: Pairs (question, answer), mappings with "prompt" and "answer", or the path of a file with such a
                mapping in each line (JSON Lines).
            model: The model that will be asked, or the string that describes it; see `warming.asked_of`.
            progress: Called with the number of rows done since the last call.

        Returns:
            How many were cached; those that the admission policy refuses, and prompts that go past the cache, are not.

        Raises:
            InvalidInputError: A row is something else; batches of 200 before it are stored.
            UnserialisableError: An answer cannot be stored.

        **Keys:** those of `update`.
        **Trips:** those of `update` for each 200 rows.
        """
        return self._client.drive(self._warm(answers, model, progress))

    async def awarm(
        self, answers: Iterable[Any] | str | Path, model: Any, *, progress: Callable[[int], None] | None = None
    ) -> int:
        """Caches answers before anybody asks; see `warm`."""
        return await self._client.adrive(self._warm(answers, model, progress))

    def export_entries(self) -> Iterator[str]:
        """Every entry as a line of JSON, for `import_entries`; vectors are made anew there.

        Yields:
            Lines that end with a newline.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `entries`.
        **Trips:** 1 for about each 500 entries.
        """
        return self._client.stream(self._export())

    def aexport_entries(self) -> AsyncIterator[str]:
        """Every entry as a line of JSON; see `export_entries`."""
        return self._client.astream(self._export())

    def import_entries(self, lines: Iterable[str], *, progress: Callable[[int], None] | None = None) -> int:
        """Stores what `export_entries` gave, each entry with a whole lifetime from now.

        Args:
            lines: Its lines.
            progress: Called with the number of entries done since the last call.

        Returns:
            How many were stored.

        Raises:
            InvalidInputError: A line is something else; batches of 200 before it are stored.

        **Keys:** those of `update`.
        **Trips:** those of `update` for each 200 lines.
        """
        return self._client.drive(self._import(lines, progress))

    async def aimport_entries(self, lines: Iterable[str], *, progress: Callable[[int], None] | None = None) -> int:
        """Stores what `export_entries` gave; see `import_entries`."""
        return await self._client.adrive(self._import(lines, progress))

    def stats(self) -> Stats:
        """What has been counted, with what this process has not sent yet.

        Returns:
            The statistics, by hour, model, type of question and metric. Bypasses are by the reason as their type.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `tally`.
        **Trips:** 1, and 1 where something waited in this process.
        """
        return self._client.drive(self._stats())

    async def astats(self) -> Stats:
        """What has been counted; see `stats`."""
        return await self._client.adrive(self._stats())


def _labels(session: str, tags: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    if session != "":
        check_id(session, "session")
    if not isinstance(tags, list | tuple) or not all(isinstance(tag, str) and tag for tag in tags):
        msg = f"tags must be a sequence of texts, got {tags!r}"
        raise InvalidInputError(msg)
    return session, tuple(tags)


def _scope(scope: str) -> str:
    if not isinstance(scope, str):
        msg = f"scope must be a text, got {scope!r}"
        raise InvalidInputError(msg)
    return scope
