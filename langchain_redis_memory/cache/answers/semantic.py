"""`SemanticAnswerCache`: answers of `ConversationMemory`, found by meaning where the very same question is not there.

What the model is shown besides the question (system messages, documents' name, messages that a dependent question leans
on) must be the same to the letter; only the question itself is searched by meaning, and verified.
"""

from __future__ import annotations

from functools import partial
from hashlib import blake2b
from typing import Any

from langchain_core.embeddings import Embeddings

from langchain_redis_memory.cache import epochs
from langchain_redis_memory.cache.answers.exact import (
    Answer,
    CacheQuestion,
    decode_answer,
    encode_answer,
    seen_by_model,
)
from langchain_redis_memory.cache.best_effort import BestEffort
from langchain_redis_memory.cache.semantic.engines import Engines, able, bound, embedding_id_of, policy_for
from langchain_redis_memory.cache.semantic.entries import StoredAnswer
from langchain_redis_memory.cache.semantic.judge import Judge
from langchain_redis_memory.cache.semantic.prompt_reader import indents_of, unfit, within
from langchain_redis_memory.cache.semantic.search import Seeker, SemanticHit, SemanticQuery
from langchain_redis_memory.cache.stats import Stats, Tally, told
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.equivalence import HitPolicy
from langchain_redis_memory.ops import Flow, Now, Op, merge, pure
from langchain_redis_memory.redis.client.client import Client, as_client
from langchain_redis_memory.redis.codec.values import pack
from langchain_redis_memory.redis.keys import KeySpace, check_id
from langchain_redis_memory.redis.ttl import jittered, milliseconds, share
from langchain_redis_memory.vectors.embedder import Embedder
from langchain_redis_memory.vectors.engine import EngineName, Quantisation


class SemanticAnswerCache:
    """Answers questions that mean the same, for `ConversationMemory(cache=...)`.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), or None for `REDIS_URL`, else `redis://localhost:6379/0`.
        embeddings: Embeds questions.
        max_error: The share of served answers that may be wrong, 0 to 1.
        policy: Decides which near question is the same; by default `VerifiedPolicy(max_error)`.
        judge: Asked where the policy is in doubt; see `RedisSemanticCache`.
        ttl_s: Lifetime of an answer in seconds; None for no expiry.
        max_entries: How many answers of a tenant are kept; None for no bound.
        name: Names the cache within the tenant.
        jitter: The largest share by which a lifetime is cut at random.
        embedding_id: Names the embedding model, where its attributes do not.
        epoch: The key of a corpus's epoch: what is stored is served until it ends; see `RagCache.responses_epoch`.
        engine: "vector_sets", "query_engine" or "exact"; None takes the best that the server has.
        quantisation: How vectors are kept.

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
        policy: HitPolicy | None = None,
        judge: Any = None,
        ttl_s: float | None = 43_200,
        max_entries: int | None = 100_000,
        name: str = "answers",
        jitter: float = 0.1,
        embedding_id: str | None = None,
        epoch: str | None = None,
        engine: EngineName | None = None,
        quantisation: Quantisation = "int8",
    ) -> None:
        if not isinstance(embeddings, Embeddings):
            msg = f"embeddings must be a LangChain embedding model, not {type(embeddings).__name__}"
            raise ConfigError(msg)
        able(policy, "judge", "policy")
        self._client = as_client(client)
        self._name = check_id(name, "name")
        self._ttl_ms = milliseconds(ttl_s)
        self._jitter = share(jitter, "jitter")
        self._epoch = epoch
        self._engines = Engines(self._client, engine, quantisation)
        self._seekers: dict[KeySpace, Seeker] = {}
        self._owed: dict[KeySpace, list[StoredAnswer]] = {}
        self._seeking: dict[str, Any] = {
            "embedder": Embedder(embeddings, embedding_id or embedding_id_of(embeddings)),
            "policy": policy or policy_for(embeddings, max_error, embedding_id),
            "max_entries": bound(max_entries),
            "max_error": share(max_error, "max_error"),
            "judge": judge if judge is None or isinstance(judge, Judge) else Judge(judge),
        }

    def lookup(self, asked: CacheQuestion) -> Op[Answer | None]:
        """The answer to the very same question; see `AnswerCache`.

        Args:
            asked: The question.

        Returns:
            An op of one trip, of none for a question that is no text, or one too long to be searched by meaning.
        """
        sought = self._sought(asked)
        if sought is None:
            return pure(None)
        seeker = self._seeker(asked.space)

        def read(found: tuple[bytes, SemanticHit | None]) -> Answer | None:
            asked.notes[_TOKEN] = found[0]
            answer = self._answer(found[1], asked)
            if answer is not None:
                self._count_hit(seeker.lenient.tally, answer)
            return answer

        token = pure(b"") if self._epoch is None else epochs.current(self._epoch, self._ttl_ms)
        return merge(token, seeker.same(sought)).map(read)

    def search(self, asked: CacheQuestion) -> Flow[Answer | None]:
        """The answer to a question that means the same; for one that `lookup` did not find.

        Args:
            asked: The question.

        Returns:
            The answer, None where there is none that may be served.
        """
        sought = self._sought(asked)
        if sought is None:
            return None
        seeker = self._seeker(asked.space)
        found = yield from within(seeker.near(sought))
        tally, answer = seeker.lenient.tally, self._answer(found.hit, asked)
        if answer is not None:
            self._count_hit(tally, answer)
        else:
            tally.add("misses")
        if found.refused:
            tally.add("refusals")
        return answer

    def store(self, asked: CacheQuestion, answer: Answer) -> Flow[Op[Any]]:
        """Keeps an answer; see `AnswerCache`.

        Args:
            asked: The question.
            answer: Its answer.

        Returns:
            A flow that embeds the question and gives an op of one trip.
        """
        sought = self._sought(asked)
        if sought is None:
            return pure(None)
        seeker, body = self._seeker(asked.space), encode_answer(answer)
        if self._epoch is not None:
            if not asked.notes.get(_TOKEN):  # where the turn did not look, nobody knows of what epoch the answer is
                return pure(None)
            body = epochs.sign(asked.notes[_TOKEN], body)
        entry = StoredAnswer(sought.text, sought.partition, "", "", (), "", "", 0, answer.tokens, body)
        ready = yield from within(seeker.keeping([(sought, entry, jittered(self._ttl_ms, self._jitter))]))
        if ready is None:
            return pure(None)
        engine, put = ready
        tally, owed = seeker.lenient.tally, self._owed.setdefault(asked.space, [])
        gone, owed[:] = list(owed), []
        now: float = yield Now()
        counts = tally.take(now)

        def read(done: tuple[list[StoredAnswer], Any, bool]) -> None:
            owed.extend(done[0])  # their vectors go with the next answer
            if not done[2]:
                tally.put_back(counts)

        return merge(put, seeker.without(engine, gone), tally.sends(counts)).map(read)

    def stats(self, tenant: str = "") -> Stats:
        """What has been counted, with what this process has not sent yet.

        Args:
            tenant: Whose.

        Returns:
            The statistics by hour.

        Raises:
            InvalidIdError: The tenant is not acceptable.
            UnavailableError: The server cannot be reached.

        **Keys:** `tally`.
        **Trips:** 1, and 1 where something waited in this process.
        """
        return self._client.drive(self._stats(tenant))

    async def astats(self, tenant: str = "") -> Stats:
        """What has been counted; see `stats`."""
        return await self._client.adrive(self._stats(tenant))

    def _stats(self, tenant: str) -> Flow[Stats]:
        (found,) = yield from told([self._seeker(self._client.keys(tenant)).lenient.tally])
        return found

    @staticmethod
    def _count_hit(tally: Tally, answer: Answer) -> None:
        tally.add("hits")
        tally.add("tokens_written", answer.tokens)

    def _sought(self, asked: CacheQuestion) -> SemanticQuery | None:
        if not isinstance(asked.question, str):
            return None
        text = " ".join(asked.question.split())
        if not text or unfit(text) is not None:
            return None
        context = [seen_by_model(message) for message in asked.context]
        parts = pack([asked.agent, asked.scope, asked.audience, context, asked.given, indents_of(asked.question)])
        return SemanticQuery(text, blake2b(parts, digest_size=16).digest())

    def _seeker(self, space: KeySpace) -> Seeker:
        found = self._seekers.get(space)
        if found is None:
            tally = Tally(space.tally("semantic", self._name))
            lenient = BestEffort(f"the cache {self._name!r}", tally, self._client.breaker)
            found = self._seekers[space] = Seeker(
                space,
                self._name,
                lenient=lenient,
                ready=partial(self._engines.ready, space),
                **self._seeking,
            )
        return found

    def _answer(self, hit: SemanticHit | None, asked: CacheQuestion) -> Answer | None:
        body = None if hit is None else hit.entry.answer
        if body is not None and self._epoch is not None:
            body = epochs.signed(asked.notes.get(_TOKEN, b""), body)
        return None if body is None else decode_answer(body, "answer")


_TOKEN = "epoch"  # noqa: S105 - the name of a note
