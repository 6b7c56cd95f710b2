"""What `RedisSemanticCache` does with a prompt: its flows, which its doors run in both colours."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from langchain_core.caches import RETURN_VAL_TYPE
from langchain_core.outputs import ChatGeneration

from langchain_redis_memory.cache import generations
from langchain_redis_memory.cache.admission import AdmissionPolicy
from langchain_redis_memory.cache.best_effort import BestEffort
from langchain_redis_memory.cache.semantic import entries
from langchain_redis_memory.cache.semantic.entries import StoredAnswer
from langchain_redis_memory.cache.semantic.prompt_reader import PromptAnalysis, PromptReader, inside, within
from langchain_redis_memory.cache.semantic.search import Candidate, SearchResult, Seeker, SemanticHit, SemanticQuery
from langchain_redis_memory.cache.single_flight import SingleFlight, making
from langchain_redis_memory.cache.stats import Prices, Stats, Tally, told
from langchain_redis_memory.errors import CorruptDataError, InvalidInputError
from langchain_redis_memory.ops import Flow, Now, ask, merge
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.ttl import jittered

_log = logging.getLogger(__name__)

_REMEMBERED = 256


@dataclass(frozen=True)
class Explanation:
    """Why a lookup is served, or not.

    Args:
        question: What would be looked for; None where the prompt goes past the cache.
        kind: The type of question, "" where it was not decided.
        reasons: Why it is of this type.
        bypass: Why it goes past the cache, "" where it does not.
        candidates: What was found near, with each one's similarity, judgement, and why it was not served.
        hit: What would be served.
    """

    question: str | None
    kind: str
    reasons: tuple[str, ...]
    bypass: str
    candidates: tuple[Candidate, ...]
    hit: SemanticHit | None

    def __str__(self) -> str:
        if self.question is None:
            return f"goes past the cache: {self.bypass}"
        lines = [f"{self.question!r} ({self.kind}): {'hit ' + self.hit.id if self.hit else 'miss'}"]
        for one in self.candidates:
            sure = f", probability {one.judgement.probability:.3f}" if one.judgement else ""
            lines.append(f"  {one.similarity:.3f} {one.question!r}{sure}: {one.why or 'served'}")
        return "\n".join(lines)


class Answering:
    """The flows of looking up and keeping answers; who inherits them sets what they work with."""

    _client: Client
    _reader: PromptReader
    _seeker: Seeker
    _lenient: BestEffort
    _tally: Tally
    _flights: SingleFlight
    _admission: AdmissionPolicy
    _prices: Prices | None
    _session: str
    _tags: tuple[str, ...]
    _ttl_ms: int
    _jitter: float
    _understood: OrderedDict[bytes, PromptAnalysis]
    """What lookups understood of prompts whose answers are still to come: a model may have been asked for it."""

    def _lookup(self, prompt: str, llm_string: str) -> Flow[RETURN_VAL_TYPE | None]:
        began: float = yield Now()
        told = yield from self._understand(prompt, llm_string)
        sought = told.sought
        if sought is None:
            self._remember(prompt, llm_string, told)
            self._tally.add("bypasses", kind=told.why)
            return None
        found = yield from within(self._seeker.seek(sought))
        hit = found.hit
        if hit is None and self._flights:
            hit = yield from self._flights.join(self._lease(sought), self._seeker.same(sought), self._lenient.ask)
        served = None if hit is None else self._served(hit, sought)
        self._tally.add("misses" if served is None else "hits", model=sought.model, kind=sought.kind)
        if found.refused and served is None:
            self._tally.add("refusals", model=sought.model, kind=sought.kind)
        if served is None:
            self._remember(prompt, llm_string, told)
        elif hit is not None:
            self._tally.add("tokens_read", hit.entry.read, model=sought.model)
            self._tally.add("tokens_written", hit.entry.written, model=sought.model)
        ended: float = yield Now()
        self._tally.timed(ended - began, model=sought.model)
        return served

    def _understand(self, prompt: str, llm_string: str) -> Flow[PromptAnalysis]:
        if inside.get():  # a model that a lookup asks, such as the judge, is never answered from the cache
            return PromptAnalysis(None, "nested")
        try:
            return (yield from within(self._reader.understand(prompt, llm_string)))
        except Exception as error:  # noqa: BLE001 - a user's classifier or contextualiser
            _log.warning("a prompt is not understood and goes past the cache: %s: %s", type(error).__name__, error)
            return PromptAnalysis(None, "not_understood")

    def _remember(self, prompt: str, llm_string: str, told: PromptAnalysis) -> None:
        if not inside.get():
            self._understood[self._place(prompt, llm_string)] = told
            while len(self._understood) > _REMEMBERED:
                self._understood.popitem(last=False)

    def _understand_again(self, prompt: str, llm_string: str) -> Flow[PromptAnalysis]:
        """What the lookup understood, so that the answer is kept under the very question that was looked for."""
        told = None if inside.get() else self._understood.pop(self._place(prompt, llm_string), None)
        return (yield from self._understand(prompt, llm_string)) if told is None else told

    def _place(self, prompt: str, llm_string: str) -> bytes:
        parts = (self._reader.scope, llm_string, prompt)
        named = "\0".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "surrogatepass")
        return blake2b(named, digest_size=16).digest()

    def _served(self, hit: SemanticHit, sought: SemanticQuery) -> RETURN_VAL_TYPE | None:
        try:
            found = generations.decode(hit.entry.answer, self._seeker.keys.items)
        except CorruptDataError as error:
            _log.warning("a cached answer counts as absent: %s", error)
            return None
        if hit.entry.question == sought.text:
            return found
        told = {
            "hit_id": hit.id,
            "question": hit.entry.question,
            "similarity": round(hit.similarity, 4),
            "probability": round(hit.probability, 4),
        }
        for generation in found:
            if isinstance(generation, ChatGeneration):
                generation.message.response_metadata["semantic_cache"] = told
            else:
                generation.generation_info = {**(generation.generation_info or {}), "semantic_cache": told}
        return found

    def _update(self, prompt: str, llm_string: str, answer: RETURN_VAL_TYPE) -> Flow[None]:
        told = yield from self._understand_again(prompt, llm_string)
        sought = told.sought
        if sought is None:
            return
        leave = self._flights.leave(self._lease(sought))
        refusal = self._admission.refusal(answer)
        row = None
        if refusal is None:
            try:
                row = self._row(sought, prompt, answer)
            except InvalidInputError as error:
                _log.warning("an answer is not cached: %s", error)
                refusal = "unserialisable"
        if row is None:
            self._tally.add(f"refused_{refusal}", model=sought.model)
            if leave.commands:
                yield from self._lenient.ask(leave, write=True)
            return
        self._tally.add("updates", model=sought.model)
        if not (yield from within(self._seeker.keep([row]))):
            self._tally.add("dropped", model=sought.model)
        if leave.commands:  # after the answer is there: in one trip a script that the server does not know runs last
            yield from self._lenient.ask(leave)

    def _row(
        self, sought: SemanticQuery, prompt: str, answer: RETURN_VAL_TYPE
    ) -> tuple[SemanticQuery, StoredAnswer, int]:
        read, written = generations.tokens_of(answer, prompt)
        entry = StoredAnswer(
            sought.text,
            sought.partition,
            sought.model,
            sought.kind,
            self._tags,
            self._session,
            "",
            read,
            written,
            generations.encode(answer),
        )
        return sought, entry, jittered(self._ttl_ms, self._jitter)

    def _explain(self, prompt: str, llm_string: str) -> Flow[Explanation]:
        told = yield from self._understand(prompt, llm_string)
        verdict, sought = told.verdict, told.sought
        kind, reasons = (str(verdict.type), verdict.reasons) if verdict else (sought.kind if sought else "", ())
        if sought is None:
            return Explanation(None, kind, reasons, told.why, (), None)
        same = yield from self._lenient.ask(self._seeker.same(sought))
        found: SearchResult = yield from within(self._seeker.near(sought))
        hit, candidates = found.hit, found.candidates
        if same is not None:
            hit, others = same, [one for one in candidates if one.question != sought.text]
            itself = next((one for one in candidates if one.question == sought.text), None)
            itself = itself or Candidate(sought.text, 1.0, None, "")
            others = [one if one.why else one._replace(why="the very same question was served") for one in others]
            candidates = [itself._replace(why=""), *others]
        if hit is not None and self._served(hit, sought) is None:
            hit = None
        return Explanation(sought.text, kind, reasons, "", tuple(candidates), hit)

    def _report(self, hit_id: str, *, correct: bool) -> Flow[bool]:
        name, probability = hit_of(hit_id)
        self._tally.add("right" if correct else "wrong")
        now: float = yield Now()
        counts, sent = self._tally.take(now), False
        report = self._seeker.report(name, probability, correct=correct)
        try:
            there, sent = yield from ask(merge(report, self._tally.sends(counts)))
        finally:
            if not sent:
                self._tally.put_back(counts)
        return there

    def _get_or_compute(self, prompt: str, llm_string: str, compute: Callable[[], Any]) -> Flow[RETURN_VAL_TYPE]:
        found = yield from self._lookup(prompt, llm_string)
        if found is not None:
            return found

        def give_back() -> Flow[None]:
            told = yield from self._understand_again(prompt, llm_string)
            if told.sought is not None and (leave := self._flights.leave(self._lease(told.sought))).commands:
                yield from self._lenient.ask(leave)

        answer: RETURN_VAL_TYPE = yield making(compute, generations.as_generations, give_back, self._client)
        yield from self._update(prompt, llm_string, answer)
        return answer

    def _stats(self) -> Flow[Stats]:
        (found,) = yield from told([self._tally], self._prices)
        return found

    def _lease(self, sought: SemanticQuery) -> str:
        return self._seeker.keys.lease(entries.name_of(sought.partition, sought.text).hex())


def hit_of(hit_id: str) -> tuple[bytes, float]:
    """The entry's name and the probability in a hit's id."""
    try:
        name, _, probability = hit_id.partition("-")
        found = bytes.fromhex(name), int(probability) / 10_000
        if len(found[0]) == 16 and 0 <= found[1] <= 1:
            return found
    except (ValueError, AttributeError, TypeError):
        pass
    msg = f"{hit_id!r} is no id of a hit; take it from the answer's 'semantic_cache'"
    raise InvalidInputError(msg)
