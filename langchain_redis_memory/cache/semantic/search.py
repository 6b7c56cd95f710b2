"""Finding an answer by meaning, and earning it: near in the vector space, then verified, then read.

A question is first looked up by its very words, which needs no vector. Then the engine gives the few nearest questions
of the same partition, and a `HitPolicy` looks at each pair for what vectors are blind to. Only the winner is read. What
users reported of an entry raises or lowers its own bar (see `equivalence.learning`). A second judge may be asked where
the policy is in doubt, within a bound of time and number.

Everything here is flows over ops; whatever fails is a miss.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, NamedTuple

from langchain_redis_memory.cache.best_effort import BestEffort
from langchain_redis_memory.cache.semantic import entries
from langchain_redis_memory.cache.semantic.entries import StoredAnswer, StoredAnswerRead, name_of
from langchain_redis_memory.cache.semantic.judge import Judge
from langchain_redis_memory.errors import CorruptDataError, RedisMemoryError, UnavailableError
from langchain_redis_memory.language.equivalence import HitPolicy, Judgement, Observations
from langchain_redis_memory.ops import Flow, Now, Op, merge
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
    """

    text: str
    partition: bytes
    model: str = ""
    kind: str = ""


class Candidate(NamedTuple):
    """A question that was found near.

    Args:
        question: The stored question.
        similarity: Cosine, -1 to 1.
        judgement: What the policy says; None where it was not asked, because it is the very same or too far.
        why: Why it was not served; "" where it was.
    """

    question: str
    similarity: float
    judgement: Judgement | None
    why: str


class SemanticHit(NamedTuple):
    """An answer that may be served.

    Args:
        entry: The entry.
        similarity: Cosine of the two questions.
        probability: That they are equivalent.
    """

    entry: StoredAnswer
    similarity: float
    probability: float

    @property
    def id(self) -> str:
        """Names the entry and how sure the cache was; for `report`."""
        return f"{self.entry.name.hex()}-{ceil(self.probability * 10_000)}"


@dataclass
class SearchResult:
    """What a search gave: the hit, and everything that was looked at."""

    hit: SemanticHit | None = None
    candidates: list[Candidate] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether something was near enough to be judged, and was not served."""
        return self.hit is None and any(candidate.judgement is not None for candidate in self.candidates)


@dataclass
class Seeker:
    """Finds and keeps the entries of one cache.

    Args:
        space: The tenant's key builder.
        name: The cache.
        embedder: Embeds questions.
        policy: Decides which near question is the same.
        lenient: Runs ops.
        ready: The engine for vectors of so many dimensions; True prepares it anew.
        max_entries: How many entries may be stored; 0 for no bound.
        nearest: How many near questions are looked at.
        max_error: The share of wrong hits that an entry's reports must stay within.
        judge: Asked where the policy is in doubt.
    """

    space: KeySpace
    name: str
    embedder: Embedder
    policy: HitPolicy
    lenient: BestEffort
    ready: Callable[[int, bool], Flow[Engine]]
    max_entries: int = 0
    nearest: int = 8
    max_error: float = 0.02
    judge: Judge | None = None
    _compared: bool = field(default=False, repr=False)
    _refused: bool = field(default=False, repr=False)

    @property
    def keys(self) -> EntryKeys:
        """The keys of its entries."""
        return self.space.entries("semantic", self.name)

    def collection(self, partition: bytes, embedding: str, engine: Engine) -> Collection:
        """Where a partition's vectors are: those of other models are never compared, nor those kept in another way."""
        place = f"{partition.hex()}/{engine.kind}/{len(embedding)}/{embedding}/{self.name}"
        return Collection(self.space, "semantic", place)

    # --- finding ------------------------------------------------------------------------------------------------------

    def same(self, sought: SemanticQuery) -> Op[SemanticHit | None]:
        """The entry of the very same question.

        Args:
            sought: The question.

        Returns:
            An op of one trip.
        """

        def read(found: Sequence[StoredAnswerRead | None]) -> SemanticHit | None:
            there = found[0]
            served = there is not None and _observed(there.reports).may_serve(1.0, True, self.max_error)
            return SemanticHit(there.entry, 1.0, 1.0) if there and served else None

        return entries.get(self.keys, [name_of(sought.partition, sought.text)]).map(read)

    def seek(self, sought: SemanticQuery) -> Flow[SearchResult]:
        """The answer to a question, by its words, then by its meaning.

        Args:
            sought: The question.

        Returns:
            What was found and looked at.
        """
        told = yield from self.lenient.ask(self.same(sought).map(lambda hit: (hit,)))
        if told is None:
            return SearchResult()
        if told[0] is not None:
            return SearchResult(told[0], [Candidate(sought.text, 1.0, None, "")])
        return (yield from self.near(sought))

    def near(self, sought: SemanticQuery) -> Flow[SearchResult]:
        """The answer to a question by its meaning only; see `seek`."""
        if (yield from self.lenient.rests()):
            return SearchResult()
        vector = yield from self.embedder.one(sought.text)
        if vector is None:
            self.lenient.tally.add("embedding_errors")
            return SearchResult()
        engine = yield from self._engine(len(vector))
        if engine is None:
            return SearchResult()
        if not self._compared:
            yield from self._compare(self.embedder.name_of(vector))
        place = self.collection(sought.partition, self.embedder.name_of(vector), engine)
        hits = yield from self._search(engine, place, vector)
        found = SearchResult()
        for question, similarity in hits:
            judgement = self._judged(sought.text, question, similarity)
            why = "too far" if judgement is None else _reason(judgement)
            found.candidates.append(Candidate(question, similarity, judgement, why))
        judged = [(one.judgement, at) for at, one in enumerate(found.candidates) if one.judgement is not None]
        judged.sort(key=lambda pair: -pair[0].probability)
        sure = [at for judgement, at in judged if judgement.hit]
        doubtful = [at for judgement, at in judged if judgement.doubtful and not judgement.hit]
        for at in (*sure, *doubtful[: self.judge.most if self.judge else 1]):
            if (yield from self._take(found, at, sought, engine, place)):
                break
        return found

    def _judged(self, asked: str, stored: str, similarity: float) -> Judgement | None:
        """What the policy says of a pair; None where it is too far to be asked about."""
        if not similarity >= self.policy.floor:
            return None
        try:
            return self.policy.judge(asked, stored, similarity)
        except Exception as error:  # noqa: BLE001 - a user's policy
            _log.warning("the policy fails, the cache is passed over: %s: %s", type(error).__name__, error)
            return _NEVER

    def _search(self, engine: Engine, place: Collection, vector: Vectors) -> Flow[list[tuple[str, float]]]:
        wanted = engine.search(place, vector, self.nearest)
        for _ in range(_MOST_PAGES):
            told = yield from self.lenient.ask(wanted.map(lambda hits: (hits,)))
            if told is None:
                self._refused = True  # the index may be gone, with all of the server's data
                return []
            if told[0] is not None:
                return told[0].found[: self.nearest]
            wanted = engine.search(place, vector, self.nearest)
        return []

    def _take(
        self, found: SearchResult, at: int, sought: SemanticQuery, engine: Engine, place: Collection
    ) -> Flow[bool]:
        """Reads a candidate's entry and decides, with what was reported of it and the judge; whether it is the hit."""
        candidate = found.candidates[at]
        assert candidate.judgement is not None  # noqa: S101 - only judged ones come here
        sure, probability = candidate.judgement.hit, candidate.judgement.probability
        name = name_of(sought.partition, candidate.question)
        got = yield from self.lenient.ask(entries.get(self.keys, [name]))
        why = candidate.why
        if got is None:
            why = "the server went away"
        elif got[0] is None:
            why = "its answer is gone"
            yield from self.lenient.ask(engine.remove(place, [candidate.question]))
        else:
            seen = _observed(got[0].reports)
            may = seen.may_serve(probability, sure, self.max_error)
            if not may and not sure and self.judge is not None and seen.decide(probability, self.max_error) != "refuse":
                may = yield from self._ask(self.judge, sought, candidate.question, name, probability)
                why = "the judge refused it"
            elif not may and (sure or seen.reports):
                why = "reported as wrong at such a distance"
            found.hit = SemanticHit(got[0].entry, candidate.similarity, probability) if may else None
        found.candidates[at] = candidate._replace(why="" if found.hit else why)
        return found.hit is not None

    def _ask(self, judge: Judge, sought: SemanticQuery, question: str, name: bytes, probability: float) -> Flow[bool]:
        """What the second judge says; the entry remembers it, so that the judge is asked less and less."""
        self.lenient.tally.add("judged", model=sought.model)
        same = yield from judge.same(sought.text, question)
        if same is not None:
            yield from self.lenient.ask(self.report(name, probability, correct=same))
        return bool(same)

    # --- keeping ------------------------------------------------------------------------------------------------------

    def keeping(
        self, found: Sequence[tuple[SemanticQuery, StoredAnswer, int]]
    ) -> Flow[tuple[Engine, Op[list[StoredAnswer]]] | None]:
        """Embeds questions, so that their entries can be stored.

        Args:
            found: Questions, their entries and their lifetimes in milliseconds; the entry's `embedding` is filled in.

        Returns:
            The engine, and an op of one trip that stores entries and vectors and gives the entries that had to go; None
            where the questions cannot be embedded or the server is away.
        """
        if (yield from self.lenient.rests()):
            return None
        vectors = yield from self.embedder.many([sought.text for sought, _, _ in found])
        if vectors is None:
            self.lenient.tally.add("embedding_errors")
            return None
        engine = yield from self._engine(vectors.shape[1])
        if engine is None:
            return None
        embedding = self.embedder.name_of(vectors)
        points: dict[bytes, list[Point]] = {}
        rows = []
        for (sought, entry, ttl_ms), vector in zip(found, vectors, strict=True):
            rows.append((entry._replace(embedding=embedding), ttl_ms))
            points.setdefault(sought.partition, []).append(Point(sought.text, vector[None], (), ttl_ms))
        adds = [engine.add(self.collection(partition, embedding, engine), some) for partition, some in points.items()]
        return engine, merge(entries.put(self.keys, rows, embedding, self.max_entries), *adds).map(lambda told: told[0])

    def keep(self, found: Sequence[tuple[SemanticQuery, StoredAnswer, int]]) -> Flow[bool]:
        """Stores entries with their vectors; see `keeping`.

        Args:
            found: Questions, their entries and their lifetimes in milliseconds.

        Returns:
            Whether they are stored.
        """
        ready = yield from self.keeping(found)
        if ready is None:
            return False
        engine, put = ready
        gone = yield from self.lenient.ask(put, write=True)
        if gone is None:
            return False
        if gone:
            yield from self.lenient.ask(self.without(engine, gone))
        return True

    def without(self, engine: Engine, gone: Sequence[StoredAnswer]) -> Op[Any]:
        """Removes the vectors of entries.

        Args:
            engine: Where they are.
            gone: The entries.

        Returns:
            An op of one trip.
        """
        places: dict[Collection, list[str]] = {}
        for entry in gone:
            places.setdefault(self.collection(entry.partition, entry.embedding, engine), []).append(entry.question)
        return merge(*(engine.remove(place, questions) for place, questions in places.items()))

    def report(self, name: bytes, probability: float, *, correct: bool) -> Op[bool]:
        """Notes whether a hit was right.

        Args:
            name: The entry's name.
            probability: How sure the cache was.
            correct: Whether it was right.

        Returns:
            An op of one trip: whether the entry is still there.
        """
        # Ten-thousandths, upwards: a wrong hit raises the bar above itself.
        (word,) = Observations(((ceil(probability * 10_000) / 10_000, correct),)).encode()
        return entries.report(self.keys, name, str(word))

    # --- vectors ------------------------------------------------------------------------------------------------------

    def _compare(self, embedding: str) -> Flow[None]:
        """Says once if the cache was filled with vectors of another model."""
        self._compared = True
        theirs = yield from self.lenient.ask(entries.embedded_by(self.keys))
        if theirs and theirs != embedding:
            _log.warning(
                "the cache %r was last written with the embedding model %r; what it found is not compared with %r "
                "and expires by itself, or is deleted by delete(embedding=%r)",
                *(self.name, theirs, embedding, theirs),
            )

    def _engine(self, dims: int) -> Flow[Engine | None]:
        began: float = yield Now()
        try:
            engine = yield from self.ready(dims, self._refused)
            self._refused = False
            return engine
        except UnavailableError as error:
            yield from self.lenient.lost(error, began)
            return None
        except RedisMemoryError as error:
            _log.warning("the cache is passed over: %s", error)
            self.lenient.tally.add("errors")
            return None


_MOST_PAGES = 100
_NEVER = Judgement(hit=False, probability=0.0)


def _observed(reports: Sequence[str]) -> Observations:
    """What was reported of an entry; nothing where that is damaged."""
    try:
        return Observations.decode([int(word) for word in reports])
    except (ValueError, CorruptDataError):
        return Observations()


def _reason(judgement: Judgement) -> str:
    if judgement.hit:
        return "a nearer one was served"
    return "; ".join(judgement.vetoes) or f"probability {judgement.probability:.3f} is too low"
