"""`SemanticAnswerCache`: answers of `ConversationMemory`, found by meaning where the very same question is not there.

What the model is shown besides the question (system messages, documents' name, messages that a dependent question leans
on) must be the same to the letter; only the question itself is searched by meaning, and verified.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import blake2b
from typing import Any

from langchain_core.embeddings import Embeddings

from langchain_redis_memory.cache import epochs
from langchain_redis_memory.cache.answers.answer_cache import (
    Answer,
    CacheQuestion,
    decode_answer,
    encode_answer,
    seen_by_model,
)
from langchain_redis_memory.cache.best_effort import CacheUnavailable
from langchain_redis_memory.cache.semantic.entries import StoredAnswer
from langchain_redis_memory.cache.semantic.judge import JudgeLike
from langchain_redis_memory.cache.semantic.prompt_reader import bypassing_cache, indents_of, unfit
from langchain_redis_memory.cache.semantic.search import NewAnswer, SearchResult, SemanticHit, SemanticQuery
from langchain_redis_memory.cache.semantic.tenants import TenantSearches, VectorOptions
from langchain_redis_memory.cache.stats import Stats, Tally, read_stats_flow
from langchain_redis_memory.language.equivalence import HitPolicy
from langchain_redis_memory.ops import Flow, Now, Op, merge, pure
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.connect import connect
from langchain_redis_memory.redis.codec.values import pack
from langchain_redis_memory.redis.ttl import jittered, milliseconds, share


class SemanticAnswerCache:
    """Answers questions that mean the same, for `ConversationMemory(cache=...)`.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), or None for `REDIS_URL`, else `redis://localhost:6379/0`.
        embeddings: Embeds questions.
        max_error: The share of served answers that may be wrong, 0 to 1.
        ttl_s: Lifetime of an answer in seconds; None for no expiry.
        name: Names the cache within the tenant.
        epoch: The key of a corpus's epoch: what is stored is served until it ends; see `RagCache.responses_epoch`.
        policy: Decides which near question is the same; by default `VerifiedPolicy(max_error)`.
        judge: Asked where the policy is in doubt; see `RedisSemanticCache`.
        max_entries: How many answers of a tenant are kept; None for no bound.
        jitter: The largest share by which a lifetime is cut at random, so that not all expire at once.
        vectors: How vectors are made and kept.

    Raises:
        InvalidIdError: The name is not acceptable.
        InvalidInputError: A number is out of range.
        ConfigError: The URL, the judge or the engine cannot work.

    **Keys:** `entries`, `entry_expiries`, `entry_uses`, `entry_reports`; the vectors of a partition; `tally`; `epoch`.
    **Trips:** none more than the turn's own for the very same question; else 1 for a miss and 2 for a hit.
    """

    def __init__(
        self,
        client: Client | str | None,
        embeddings: Embeddings,
        *,
        max_error: float = 0.02,
        ttl_s: float | None = 43_200,
        name: str = "answers",
        epoch: str | None = None,
        policy: HitPolicy | None = None,
        judge: JudgeLike | None = None,
        max_entries: int | None = 100_000,
        jitter: float = 0.1,
        vectors: VectorOptions | None = None,
    ) -> None:
        self._client = connect(client)
        self._ttl_ms = milliseconds(ttl_s)
        self._jitter = share(jitter, "jitter")
        self._epoch = self.epoch = epoch
        self._searches = TenantSearches(
            self._client,
            embeddings,
            name,
            max_error=max_error,
            policy=policy,
            judge=judge,
            max_entries=max_entries,
            vectors=vectors or VectorOptions(),
        )

    def lookup(self, asked: CacheQuestion) -> Op[Answer | None]:
        """The answer to the very same question; see `AnswerCache`.

        Args:
            asked: The question.

        Returns:
            An op of one trip, of none for a question that is no text, or one too long to be searched by meaning.
        """
        query = _query(asked)
        if query is None:
            return pure(None)
        search = self._searches.of(asked.space)

        def read(found: tuple[bytes, SemanticHit | None]) -> Answer | None:
            asked.notes[_TOKEN] = found[0]
            answer = self._answer(found[1], asked)
            if answer is not None:
                _count_hit(search.tally, answer)
            return answer

        token = pure(b"") if self._epoch is None else epochs.current(self._epoch, self._ttl_ms)
        return merge(token, search.exact(query)).map(read)

    def search(self, asked: CacheQuestion) -> Flow[Answer | None]:
        """The answer to a question that means the same; for one that `lookup` did not find.

        Args:
            asked: The question.

        Returns:
            The answer, None where there is none that may be served.
        """
        query = _query(asked)
        if query is None:
            return None
        search, result = self._searches.of(asked.space), SearchResult()
        with suppress(CacheUnavailable):
            result = yield from search.best_effort(bypassing_cache(search.similar_flow(query)))
        answer = self._answer(result.hit, asked)
        if answer is not None:
            _count_hit(search.tally, answer)
        else:
            search.tally.add("misses")
        if result.refused:
            search.tally.add("refusals")
        return answer

    def store(self, asked: CacheQuestion, answer: Answer) -> Flow[Op[Any]]:
        """Keeps an answer; see `AnswerCache`.

        Args:
            asked: The question.
            answer: Its answer.

        Returns:
            A flow that embeds the question and gives an op of one trip.
        """
        query = _query(asked)
        if query is None:
            return pure(None)
        search, body = self._searches.of(asked.space), encode_answer(answer)
        if self._epoch is not None:
            if not asked.notes.get(_TOKEN):  # without a look-up nobody knows of what epoch the answer is
                return pure(None)
            body = epochs.sign(asked.notes[_TOKEN], body)
        entry = StoredAnswer(query.text, query.partition, "", "", (), "", "", 0, answer.tokens, body)
        new = NewAnswer(query, entry, jittered(asked.lifetime_ms(self._ttl_ms), self._jitter))
        try:
            engine, put = yield from search.best_effort(bypassing_cache(search.prepare_store_flow([new])))
        except CacheUnavailable:
            return pure(None)
        evicted, search.evicted = search.evicted, []
        now: float = yield Now()
        counts = search.tally.take(now)

        def read(done: tuple[list[StoredAnswer], Any, bool]) -> None:
            search.evicted.extend(done[0])  # their vectors go with the next answer
            if not done[2]:
                search.tally.put_back(counts)

        return merge(put, search.remove_vectors(engine, evicted), search.tally.sends(counts)).map(read)

    def stats(self, tenant: str = "") -> Stats:
        """Reads the statistics, with the counts that this process has not sent yet.

        Args:
            tenant: The tenant.

        Returns:
            The statistics by hour.

        Raises:
            InvalidIdError: The tenant is not acceptable.
            UnavailableError: The server cannot be reached.

        **Keys:** `tally`.
        **Trips:** 1, and 1 where something waited in this process.
        """
        return self._client.drive(self._stats_flow(tenant))

    async def astats(self, tenant: str = "") -> Stats:
        """Reads the statistics; see `stats`."""
        return await self._client.adrive(self._stats_flow(tenant))

    def _stats_flow(self, tenant: str) -> Flow[Stats]:
        (found,) = yield from read_stats_flow([self._searches.of(self._client.keys(tenant)).tally])
        return found

    def _answer(self, hit: SemanticHit | None, asked: CacheQuestion) -> Answer | None:
        body = None if hit is None else hit.entry.answer
        if body is not None and self._epoch is not None:
            body = epochs.signed(asked.notes.get(_TOKEN, b""), body)
        return None if body is None else decode_answer(body, "answer")


def _query(asked: CacheQuestion) -> SemanticQuery | None:
    """The question to search for; None for one that cannot be searched by meaning."""
    if not isinstance(asked.question, str):
        return None
    text = " ".join(asked.question.split())
    if not text or unfit(text) is not None:
        return None
    context = [seen_by_model(message) for message in asked.context]
    parts = pack([asked.agent, asked.scope, asked.audience, context, asked.given, indents_of(asked.question)])
    return SemanticQuery(text, blake2b(parts, digest_size=16).digest())


def _count_hit(tally: Tally, answer: Answer) -> None:
    tally.add("hits")
    tally.add("tokens_written", answer.tokens)


_TOKEN = "epoch"  # noqa: S105 - the name of a note
