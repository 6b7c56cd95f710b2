"""Semantic search: exact match, k-NN candidates, verification, read.

A question is first looked up by its very words, which needs no vector. Then the engine gives the few nearest questions
of the same partition, and a `HitPolicy` verifies each pair for what vectors are blind to. Only the winner is read. What
users reported of an entry raises or lowers its own bar (see `equivalence.learning`). A second judge may be asked where
the policy is in doubt, within a bound of time and number.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from typing import Any, NamedTuple

from langchain_redis_memory.cache.best_effort import BestEffort, CacheUnavailable
from langchain_redis_memory.cache.candidate import Candidate
from langchain_redis_memory.cache.semantic import entries
from langchain_redis_memory.cache.semantic.engines import Engines
from langchain_redis_memory.cache.semantic.entries import Nearest, StoredAnswer, StoredAnswerRead, name_of
from langchain_redis_memory.cache.semantic.judge import Judge
from langchain_redis_memory.cache.semantic.owners import FORMAT, owner_of, questions_of
from langchain_redis_memory.cache.stats import Tally
from langchain_redis_memory.errors import CorruptDataError
from langchain_redis_memory.language.equivalence import HitPolicy, Judgement, Observations
from langchain_redis_memory.language.need.need import gist_of
from langchain_redis_memory.ops import Call, Flow, Op, ask, merge, pure
from langchain_redis_memory.redis.keys import EntryKeys, KeySpace
from langchain_redis_memory.vectors.embedder import Embedder
from langchain_redis_memory.vectors.engine import Collection, Engine, Point, Vectors

_log = logging.getLogger(__name__)


class SemanticQuery(NamedTuple):
    """A question as it may be answered from the cache.

    Args:
        text: The question.
        partition: Digest of everything else that decides the answer.
        model: The model's short name.
        kind: The type of question.
        asked: What candidates are compared with; "" for the text.
    """

    text: str
    partition: bytes
    model: str = ""
    kind: str = ""
    asked: str = ""


class SemanticHit(NamedTuple):
    """An answer that may be served.

    Args:
        entry: The entry.
        similarity: Cosine of the two questions.
        probability: That they are equivalent.
        left_ms: What is left of the entry's lifetime in milliseconds; None for no end.
    """

    entry: StoredAnswer
    similarity: float
    probability: float
    left_ms: int | None = None

    @property
    def id(self) -> str:
        """Names the entry and how sure the cache was; for `report`."""
        return f"{self.entry.name.hex()}-{ceil(self.probability * 10_000)}"


@dataclass
class SearchResult:
    """The result of a search: the hit, and everything that was looked at."""

    hit: SemanticHit | None = None
    candidates: list[Candidate] = field(default_factory=list)
    off: bool = False
    """Whether the cache is switched off."""

    @property
    def refused(self) -> bool:
        """Whether something was near enough to be judged, and was not served."""
        return self.hit is None and any(candidate.judgement is not None for candidate in self.candidates)


class NewAnswer(NamedTuple):
    """An answer to store.

    Args:
        query: Its question.
        entry: The answer; its `embedding` is filled in.
        ttl_ms: Its lifetime in milliseconds, 0 for none.
    """

    query: SemanticQuery
    entry: StoredAnswer
    ttl_ms: int


@dataclass
class SemanticSearch:
    """Finds and stores the answers of one cache of one tenant; its flows are run by `best_effort`.

    Args:
        space: The tenant's key builder.
        name: The cache.
        embedder: Embeds questions.
        policy: Decides which near question is the same.
        best_effort: Runs its flows.
        engines: Chooses the engine for vectors of so many dimensions.
        max_entries: How many answers may be stored; 0 for no bound.
        nearest: How many candidates are verified.
        max_error: The share of wrong hits that an entry's reports must stay within.
        judge: Asked where the policy is in doubt.
    """

    space: KeySpace
    name: str
    embedder: Embedder
    policy: HitPolicy
    best_effort: BestEffort
    engines: Engines
    max_entries: int = 0
    nearest: int = 8
    max_error: float = 0.02
    judge: Judge | None = None
    evicted: list[StoredAnswer] = field(default_factory=list, repr=False)
    """Answers that had to go and whose vectors are still there, where the store could not remove them at once."""
    _prepared: set[int] = field(default_factory=set, repr=False)
    _compared: bool = field(default=False, repr=False)
    _together: bool = field(default=True, repr=False)
    """Whether the server may run a search in a script."""
    _uses: list[bytes] = field(default_factory=list, repr=False)
    """Names of entries that were served, which the next trip to them tells."""

    @property
    def tally(self) -> Tally:
        """The statistics."""
        return self.best_effort.tally

    @property
    def keys(self) -> EntryKeys:
        """The keys of its entries."""
        return self.space.entries("semantic", self.name)

    def collection(self, partition: bytes, embedding: str, engine: Engine) -> Collection:
        """Returns the collection of a partition's vectors, one for each model and engine: others are never compared.

        Its name begins with the format of its owners' names (see `owners`): those of another one are never found.
        """
        index = f"{FORMAT}/{self.space.blind(partition).hex()}/{engine.kind}/{len(embedding)}/{embedding}/{self.name}"
        return Collection(self.space, "semantic", index)

    # --- finding ------------------------------------------------------------------------------------------------------

    def exact(self, query: SemanticQuery) -> Op[SemanticHit | None]:
        """Reads the answer to the very same question."""

        def read(found: Sequence[StoredAnswerRead | None]) -> SemanticHit | None:
            there = found[0]
            served = there is not None and observations_of(there.reports).may_serve(1.0, True, self.max_error)
            return SemanticHit(there.entry, 1.0, 1.0, there.left_ms) if there and served else None

        return entries.get(self.keys, [name_of(query.partition, query.text)], self._taken_uses()).map(read)

    def _taken_uses(self) -> list[bytes]:
        """Takes the names of the entries whose use is not told yet; what is lost only makes them look older."""
        taken, self._uses = self._uses, []
        return taken[-_MOST_USES:]

    def similar_flow(self, query: SemanticQuery) -> Flow[SearchResult]:
        """Finds the answer to a question by its meaning only: k-NN candidates, verification, read."""
        vectors = yield from self._embed_flow([gist_of(query.text)])
        embedding, engine = self.embedder.name_of(vectors), (yield from self.engine_flow(vectors.shape[1]))
        if not self._compared:
            yield from self._compare_flow(embedding)
        collection = self.collection(query.partition, embedding, engine)
        nearest = yield from self._nearest_flow(engine, collection, vectors[0])
        near = questions_of(self.keys, nearest.hits.found[: self.nearest] if nearest.hits else [])
        asked = query.asked or query.text
        result = SearchResult(None, [self._candidate(asked, question, cosine) for question, cosine in near])
        for at in self._in_question(result.candidates):
            candidate = yield from self._read_flow(result, result.candidates[at], query, engine, collection, nearest)
            result.candidates[at] = candidate
            if result.hit is not None:
                break
            if self.judge is not None:
                nearest = Nearest(None)  # a judge takes its time: what was read before may be another answer by now
        return result

    def _nearest_flow(self, engine: Engine, collection: Collection, vector: Vectors) -> Flow[Nearest]:
        """Searches, and reads the entry of the nearest vector in the same trip where the server can."""
        try:
            for _ in range(_MOST_PAGES):
                search = engine.search(collection, vector, self.nearest)
                together = self._together and self.engines.one_server and not isinstance(search.commands[0], Call)
                if together:
                    found = yield from ask(entries.nearest(self.keys, search, collection.keys.points).optional(None))
                    if found is not None:
                        return found
                hits = yield from ask(search)
                self._together = self._together and not together  # it searches, but not in a script
                if hits is not None:
                    return Nearest(hits)
        except CacheUnavailable:
            self._prepared.clear()  # the index may be gone, with all of the server's data
            raise
        return Nearest(None)

    def _candidate(self, asked: str, stored: str, similarity: float) -> Candidate:
        """Verifies a near question; one below the policy's floor is too far to be judged."""
        if not similarity >= self.policy.floor:
            return Candidate(stored, similarity, None, "too far")
        try:
            judgement = self.policy.judge(asked, stored, similarity)
        except Exception as error:  # noqa: BLE001 - a user's policy
            _log.warning("the policy fails, the cache is bypassed: %s: %s", type(error).__name__, error)
            judgement = _NEVER
        return Candidate(stored, similarity, judgement, _reason(judgement))

    def _in_question(self, candidates: Sequence[Candidate]) -> list[int]:
        """Lists positions of candidates that may be served: the sure ones, then those in doubt, as many as allowed."""
        judged = [(one.judgement, at) for at, one in enumerate(candidates) if one.judgement is not None]
        judged.sort(key=lambda pair: -pair[0].probability)
        sure = [at for judgement, at in judged if judgement.hit]
        doubtful = [at for judgement, at in judged if judgement.doubtful and not judgement.hit]
        return [*sure, *doubtful[: self.judge.most if self.judge else 1]]

    def _read_flow(
        self,
        result: SearchResult,
        candidate: Candidate,
        query: SemanticQuery,
        engine: Engine,
        collection: Collection,
        nearest: Nearest,
    ) -> Flow[Candidate]:
        """Reads a candidate's entry and decides by its reports and the judge; a hit is noted in the result."""
        assert candidate.judgement is not None  # noqa: S101 - only judged ones come here
        sure, probability = candidate.judgement.hit, candidate.judgement.probability
        name = name_of(query.partition, candidate.question)
        stored = nearest.read(self.keys, name) if nearest.is_of(self.keys, name) else None
        was_read = stored is not None
        if stored is None:  # not read, or gone then: by now it may be stored again
            stored = (yield from ask(entries.get(self.keys, [name])))[0]
        if stored is None:
            yield from ask(engine.remove(collection, [owner_of(self.keys, name, candidate.question)]).optional(None))
            return candidate._replace(why="its answer is gone")
        observed, why = observations_of(stored.reports), candidate.why
        serve = observed.may_serve(probability, sure, self.max_error)
        in_doubt = not serve and not sure and observed.decide(probability, self.max_error) != "refuse"
        if in_doubt and self.judge is not None:
            serve = yield from self._judge_flow(self.judge, query, candidate.question, name, probability)
            why = "the judge refused it"
        elif not serve and (sure or observed.reports):
            why = "reported as wrong at such a distance"
        if not serve:
            return candidate._replace(why=why)
        if was_read:
            self._uses.append(name)
        result.hit = SemanticHit(stored.entry, candidate.similarity, probability, stored.left_ms)
        return candidate._replace(why="")

    def _judge_flow(
        self, judge: Judge, query: SemanticQuery, question: str, name: bytes, probability: float
    ) -> Flow[bool]:
        """Asks the second judge; the entry remembers its verdict, so that it is asked less and less."""
        self.tally.add("judged", model=query.model)
        same = yield from judge.same_flow(query.text, question)
        if same is not None:
            with suppress(CacheUnavailable):
                yield from ask(self.report(name, probability, correct=same))
        return bool(same)

    # --- storing ------------------------------------------------------------------------------------------------------

    def prepare_store_flow(self, answers: Sequence[NewAnswer]) -> Flow[tuple[Engine, Op[list[StoredAnswer]]]]:
        """Embeds questions, so that their answers can be stored.

        Returns the engine, and an op of one trip that stores entries and vectors and gives the entries that had to go.
        """
        vectors = yield from self._embed_flow([gist_of(answer.query.text) for answer in answers])
        engine = yield from self.engine_flow(vectors.shape[1])
        embedding = self.embedder.name_of(vectors)
        points: dict[bytes, list[Point]] = {}
        rows = []
        for (query, entry, ttl_ms), vector in zip(answers, vectors, strict=True):
            rows.append((entry._replace(embedding=embedding), ttl_ms))
            owner = owner_of(self.keys, name_of(query.partition, query.text), query.text)
            point = Point(owner, vector[None], (), ttl_ms)
            points.setdefault(query.partition, []).append(point)
        adds = [engine.add(self.collection(partition, embedding, engine), some) for partition, some in points.items()]
        uses = self._taken_uses()
        told: Op[Any] = entries.get(self.keys, (), uses) if uses else pure(None)
        put = entries.put(self.keys, rows, embedding, self.max_entries)
        return engine, merge(told, put, merge(*adds)).map(lambda done: done[1])

    def store_flow(self, answers: Sequence[NewAnswer]) -> Flow[None]:
        """Stores answers with their vectors."""
        engine, put = yield from self.prepare_store_flow(answers)
        evicted = yield from ask(put)
        if evicted:
            with suppress(CacheUnavailable):  # a vector without its answer is removed by the search that finds it
                yield from ask(self.remove_vectors(engine, evicted))

    def remove_vectors(self, engine: Engine, gone: Sequence[StoredAnswer]) -> Op[Any]:
        """Removes the vectors of answers."""
        questions: dict[Collection, list[str]] = {}
        for entry in gone:
            collection = self.collection(entry.partition, entry.embedding, engine)
            questions.setdefault(collection, []).append(owner_of(self.keys, entry.name, entry.question))
        return merge(*(engine.remove(collection, some) for collection, some in questions.items()))

    def report(self, name: bytes, probability: float, *, correct: bool) -> Op[bool]:
        """Notes whether a hit was right. An op of one trip: whether the entry is still there."""
        # Ten-thousandths, upwards: a wrong hit raises the bar above itself.
        (word,) = Observations(((ceil(probability * 10_000) / 10_000, correct),)).encode()
        return entries.report(self.keys, name, str(word))

    # --- vectors ------------------------------------------------------------------------------------------------------

    def engine_flow(self, dims: int) -> Flow[Engine]:
        """Prepares the engine for vectors of so many dimensions, once for each number.

        Raises `ConfigError`: the server cannot do what is asked for. Raises `UnavailableError`: the server cannot be
        reached.
        """
        engine = yield from self.engines.choose_flow(dims)
        if dims not in self._prepared:
            yield from ask(engine.prepare(self.space))
            self._prepared.add(dims)
        return engine

    def _embed_flow(self, texts: list[str]) -> Flow[Vectors]:
        vectors = yield from self.embedder.many_flow(texts)
        if vectors is None:
            self.tally.add("embedding_errors")
            raise CacheUnavailable("the embedding model fails")
        return vectors

    def _compare_flow(self, embedding: str) -> Flow[None]:
        """Warns once if the cache was filled with vectors of another model."""
        self._compared = True
        theirs = yield from ask(entries.embedded_by(self.keys).optional(""))
        if theirs and theirs != embedding:
            _log.warning(
                "the cache %r was last written with the embedding model %r; what it found is not compared with %r "
                "and expires by itself, or is deleted by delete(embedding=%r)",
                *(self.name, theirs, embedding, theirs),
            )


_MOST_PAGES = 100
_MOST_USES = 64
_NEVER = Judgement(hit=False, probability=0.0)


def observations_of(reports: Sequence[str]) -> Observations:
    """Decodes the reports of an entry; none where they are damaged."""
    try:
        return Observations.decode([int(word) for word in reports])
    except (ValueError, CorruptDataError):
        return Observations()


def _reason(judgement: Judgement) -> str:
    if judgement.hit:
        return "a nearer one was served"
    return "; ".join(judgement.vetoes) or f"probability {judgement.probability:.3f} is too low"
