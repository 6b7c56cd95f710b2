"""`SemanticAnswerCache`: answers of `ConversationMemory`, found by meaning where the very same question is not there.

What the model is shown besides the question (system messages, documents' name) must be the same to the letter; the
question is searched by meaning, together with what was said before it where it leans on that, and verified.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from langchain_core.embeddings import Embeddings
from typing_extensions import Unpack

from langchain_redis_memory.cache import epochs
from langchain_redis_memory.cache.answers.answer_cache import (
    CANDIDATES,
    Answer,
    CacheQuestion,
    decode_answer,
    encode_answer,
)
from langchain_redis_memory.cache.answers.semantic_records import SemanticRecords, query_of
from langchain_redis_memory.cache.best_effort import CacheUnavailable
from langchain_redis_memory.cache.decision_log import VERY_SAME
from langchain_redis_memory.cache.semantic.bypass import bypass_cache_flow
from langchain_redis_memory.cache.semantic.entries import StoredAnswer
from langchain_redis_memory.cache.semantic.search import NewAnswer, SearchResult, SemanticHit
from langchain_redis_memory.cache.semantic.tenants import SearchOptions, TenantSearches
from langchain_redis_memory.checks import check_number
from langchain_redis_memory.frozen import replace
from langchain_redis_memory.ops import Flow, Op, merge, pure
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.ttl import FromSettings, jittered, lifetime, milliseconds


class SemanticAnswerCache(ClientOwner):
    """Answers questions that mean the same, for `ConversationMemory(cache=...)`.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        embeddings: Embeds questions; it must be given, by name or after the client.
        max_error: The share of served answers that may be wrong, above 0 and below 0.5.
        ttl_s: Lifetime of an answer in seconds; None for no expiry. By default the settings' `answer_ttl_s`.
        name: Names the cache within the tenant.
        epoch: The key of a corpus's epoch: what is stored is served until it ends; see `RagCache.responses_epoch`.
        jitter: The largest share by which a lifetime is cut at random, so that not all expire at once.
        search: How near questions are found and verified, and how many answers are kept.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: The name is not acceptable.
        InvalidInputError: A number is out of range.
        ConfigError: The URL, the judge or the engine cannot work.

    **Keys:** `entries`, `entry_expiries`, `entry_uses`, `entry_reports`; the vectors of a partition; `epoch`.
    **Trips:** none more than the turn's own for the very same question; else 1 for a miss and 2 for a hit.
    """

    def __init__(
        self,
        client: ClientLike = None,
        embeddings: Embeddings | None = None,
        *,
        max_error: float = 0.05,
        ttl_s: float | FromSettings | None = "settings",
        name: str = "answers",
        epoch: str | None = None,
        jitter: float = 0.1,
        search: SearchOptions | None = None,
        **server: Unpack[ServerOptions],
    ) -> None:
        self._client = connect(client, owner=type(self), **server)
        self._ttl_ms = milliseconds(lifetime(ttl_s, self._client.settings.answer_ttl_s))
        self._jitter = check_number(jitter, "jitter")
        self._epoch, self._name = epoch, name
        self.epoch: str | None = epoch
        self._searches = TenantSearches(self._client, embeddings, name, max_error=max_error, options=search)

    def lookup(self, asked: CacheQuestion) -> Op[Answer | None]:
        """Looks up the answer to the very same question; see `AnswerCache`.

        Args:
            asked: The question.

        Returns:
            An op of one trip, of none for a question that is not text, or one too long to be searched by meaning.
        """
        query = query_of(asked, needs=self._searches.compares_needs)
        if query is None:
            return pure(None)
        search = self._searches.of(asked.space)

        def read(found: tuple[bytes, SemanticHit | None]) -> Answer | None:
            asked.notes[_TOKEN] = found[0]
            return self._answer(found[1], asked, "exact")

        token = pure(b"") if self._epoch is None else epochs.current(self._epoch, self._ttl_ms)
        return merge(token, search.exact(query)).map(read)

    def search(self, asked: CacheQuestion) -> Flow[Answer | None]:
        """Searches for the answer to a question that means the same, where `lookup` found none.

        Args:
            asked: The question.

        Returns:
            The answer, None where there is none that may be served.
        """
        query = query_of(asked, needs=self._searches.compares_needs)
        if query is None:
            return None
        search, result = self._searches.of(asked.space), SearchResult()
        with suppress(CacheUnavailable):
            result = yield from search.best_effort(bypass_cache_flow(search.similar_flow(query)))
        asked.notes[CANDIDATES] = result.candidates
        return self._answer(result.hit, asked, "meaning")

    def store(self, asked: CacheQuestion, answer: Answer) -> Flow[Op[Any]]:
        """Keeps an answer; see `AnswerCache`.

        Args:
            asked: The question.
            answer: Its answer.

        Returns:
            A flow that embeds the question and gives an op of one trip.
        """
        query = query_of(asked, needs=self._searches.compares_needs)
        if query is None:
            return pure(None)
        search, ttl_ms = self._searches.of(asked.space), jittered(self._ttl_ms, self._jitter)
        body = encode_answer(answer, ttl_ms)
        if self._epoch is not None:
            if not asked.notes.get(_TOKEN):  # without a look-up nobody knows of what epoch the answer is
                return pure(None)
            body = epochs.sign(asked.notes[_TOKEN], body)
        entry = StoredAnswer(
            query.text, query.partition, "", "", (asked.scope,), asked.session, "", 0, answer.tokens, body
        )
        new = NewAnswer(query, entry, ttl_ms)
        try:
            engine, put = yield from search.best_effort(bypass_cache_flow(search.prepare_store_flow([new])))
        except CacheUnavailable:
            return pure(None)
        evicted, search.evicted = search.evicted, []

        def read(done: tuple[list[StoredAnswer], Any]) -> None:
            search.evicted.extend(done[0])  # their vectors go with the next answer

        return merge(put, search.remove_vectors(engine, evicted)).map(read)

    @property
    def records(self) -> SemanticRecords:
        """Its entries, to look at and to remove."""
        return SemanticRecords(self._searches, self._name, self)

    def _answer(self, hit: SemanticHit | None, asked: CacheQuestion, kind: str) -> Answer | None:
        if hit is None:
            return None
        body: bytes | None = hit.entry.answer
        if body is not None and self._epoch is not None:
            body = epochs.signed(asked.notes.get(_TOKEN, b""), body)
        answer = None if body is None else decode_answer(body, "answer", hit.left_ms)
        why = VERY_SAME
        if kind == "meaning":  # not in whose words: they are another user's, and this is read by the asker
            why = f"a question that was asked before means the same, p={hit.probability:.2f}"
        return answer and replace(answer, entry=hit.id, kind=kind, why=why)


_TOKEN = "epoch"  # noqa: S105 - the name of a note
