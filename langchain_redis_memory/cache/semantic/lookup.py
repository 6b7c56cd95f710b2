"""Semantic look-up of a model's answers: analysis of the prompt, search, and storing under the very same question.

`SemanticFlows` completes the flows of `LLMCacheFlows` for `RedisSemanticCache`.
"""

from __future__ import annotations

import logging
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import copy
from functools import partial
from hashlib import blake2b
from typing import Any

from langchain_core.caches import RETURN_VAL_TYPE
from langchain_core.outputs import ChatGeneration

from langchain_redis_memory.cache import generations
from langchain_redis_memory.cache.best_effort import BestEffort, CacheUnavailable
from langchain_redis_memory.cache.candidate import Candidate, logged
from langchain_redis_memory.cache.decision_log import VERY_SAME, Decision, hit_of
from langchain_redis_memory.cache.entry_options import EntryOptions
from langchain_redis_memory.cache.explanation import Explanation
from langchain_redis_memory.cache.llm_flows import LLMCacheFlows
from langchain_redis_memory.cache.marks import AnswerFilter, marks_of
from langchain_redis_memory.cache.prompts import parse_prompt
from langchain_redis_memory.cache.semantic import bulk, entries
from langchain_redis_memory.cache.semantic.adoption import SemanticAdoption
from langchain_redis_memory.cache.semantic.bypass import bypass_cache_flow, inside_lookup
from langchain_redis_memory.cache.semantic.entries import StoredAnswer
from langchain_redis_memory.cache.semantic.prompt_reader import PromptAnalysis, PromptReader
from langchain_redis_memory.cache.semantic.search import (
    NewAnswer,
    SearchResult,
    SemanticHit,
    SemanticQuery,
    SemanticSearch,
)
from langchain_redis_memory.cache.semantic.tenants import TenantSearches
from langchain_redis_memory.cache.switchable import SWITCHED_OFF, off_for, switched
from langchain_redis_memory.cache.warming import asked_of
from langchain_redis_memory.errors import CorruptDataError, InvalidInputError
from langchain_redis_memory.language.need.need import read_need
from langchain_redis_memory.ops import Flow, Now, Op, ask, merge
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.keys import KeySpace, check_id

_log = logging.getLogger(__name__)

_REMEMBERED = 256


class SemanticFlows(LLMCacheFlows[SemanticQuery, NewAnswer]):
    """The flows of `RedisSemanticCache`; `adoption` moves answers of another package here."""

    batch = 200

    def __init__(
        self,
        client: Client,
        searches: TenantSearches,
        space: KeySpace,
        reader: PromptReader,
        adoption: SemanticAdoption | None,
        *,
        ttl_s: float | None,
        single_flight_s: float | None,
        options: EntryOptions,
    ) -> None:
        super().__init__(client, ttl_s, single_flight_s, options)
        self._searches, self._reader, self._adoption = searches, reader, adoption
        self.search: SemanticSearch = searches.of(space)
        self.best_effort: BestEffort = self.search.best_effort
        self._session, self._tags = "", tuple[str, ...]()
        # What look-ups made of prompts whose answers are still to come: a model may have been asked for it.
        self._analyses: OrderedDict[bytes, PromptAnalysis] = OrderedDict()

    def bind(
        self, space: KeySpace | None, scope: str | None, session: str | None, tags: Sequence[str] | None
    ) -> SemanticFlows:
        """Binds the flows to another tenant, scope or session, or to other tags; None leaves one as it is."""
        bound = copy(self)
        if session is not None:
            bound._session = session and check_id(session, "session")
        if tags is not None:
            if not isinstance(tags, list | tuple) or not all(isinstance(tag, str) and tag for tag in tags):
                raise InvalidInputError(f"tags must be a sequence of texts, got {tags!r}")
            bound._tags = tuple(tags)
        if scope is not None:
            bound._reader = self._reader.with_scope(scope)
        if scope is not None or space is not None:  # what another package keeps is nobody else's
            bound._adoption = None
        if space is not None:
            bound.search = self._searches.of(space)
            bound.best_effort = bound.search.best_effort
        return bound

    # --- looking up ---------------------------------------------------------------------------------------------------

    def lookup_flow(self, prompt: str, llm_string: str, seen: None = None) -> Flow[RETURN_VAL_TYPE | None]:
        """Looks up an answer, and counts."""
        began: float = yield Now()
        analysis = yield from self._analyse_flow(prompt, llm_string)
        tally, result, answer = self.search.tally, SearchResult(), None
        if analysis.query is not None:
            with suppress(CacheUnavailable):
                result = yield from self.best_effort(self._find_flow(analysis.query))
                if result.hit is None and not result.off and self._adoption is not None:
                    result = yield from self._adopted_flow(self._adoption, analysis.query, prompt, result)
        if result.off:
            analysis = analysis._replace(query=None, bypass=SWITCHED_OFF)
        if (query := analysis.query) is None:
            self._remember(prompt, llm_string, analysis)
            tally.add("bypasses", kind=analysis.bypass)
            tally.lines.add(partial(self._decision, prompt, llm_string, analysis, SearchResult()), soon=True)
            return None
        if result.hit is not None:
            answer = self._decode(result.hit, query)
        if result.hit is not None and answer is not None:
            tally.add("hits", model=query.model, kind=query.kind)
            tally.add("tokens_read", result.hit.entry.read, model=query.model)
            tally.add("tokens_written", result.hit.entry.written, model=query.model)
        else:
            result.hit = None
            tally.add("misses", model=query.model, kind=query.kind)
            self._remember(prompt, llm_string, analysis)
            if result.refused:
                tally.add("refusals", model=query.model, kind=query.kind)
        tally.lines.add(partial(self._decision, prompt, llm_string, analysis, result), soon=answer is None)
        ended: float = yield Now()
        tally.timed(ended - began, model=query.model)
        return answer

    def _decision(self, prompt: str, llm_string: str, analysis: PromptAnalysis, result: SearchResult) -> Decision:
        """Builds the line of a look-up; of what was near only what was judged."""
        query, verdict, hit = analysis.query, analysis.verdict, result.hit
        question = read_need(query.text).question if query else parse_prompt(prompt).question or prompt
        outcome = "bypass" if query is None else "miss" if hit is None else "hit"
        kind = "" if hit is None else "exact" if query and hit.entry.question == query.text else "meaning"
        return Decision(
            outcome,
            question,
            str(verdict.type) if verdict else query.kind if query else "",
            kind,
            {"": analysis.bypass, "exact": VERY_SAME, "meaning": "means the same"}[kind],
            hit.id if hit else "",
            dependence=verdict.dependence if verdict else None,
            candidates=logged(result.candidates),
            marks=marks_of(question, self._session, llm_string),
            prompt=prompt if outcome == "miss" else "",
        )

    def _first(self, query: SemanticQuery) -> Op[tuple[SemanticHit | None, float]]:
        """Reads the answer to the very same question, and for how many seconds the cache is off, in one trip."""
        return merge(self.search.exact(query), self.off_for().optional(0.0))

    def _search_flow(self, query: SemanticQuery) -> Flow[SearchResult]:
        """Searches by words, then by meaning."""
        hit, off_s = yield from ask(self._first(query))
        if off_s:
            return SearchResult(off=True)
        if hit is not None:
            return SearchResult(hit, [Candidate(query.text, 1.0, None, "")])
        return (yield from bypass_cache_flow(self.search.similar_flow(query)))

    def _find_flow(self, query: SemanticQuery) -> Flow[SearchResult]:
        """Searches; for a miss joins a single flight, whose answer is one to the very same question."""
        result = yield from self._search_flow(query)
        if result.hit is None and self._flights and not result.off:
            joining = self._flights.join_flow(self.lease(query), self.search.exact(query))
            result.hit = yield from self._leading_flow(query, joining)
        return result

    def _adopted_flow(
        self, adoption: SemanticAdoption, query: SemanticQuery, prompt: str, result: SearchResult
    ) -> Flow[SearchResult]:
        """Moves answers of another package here after a miss, and searches again where some were."""
        neutral = copy(self)
        neutral._session, neutral._tags = "", ()
        if (yield from adoption.move_flow(neutral, prompt)):
            result = yield from self.best_effort(self._search_flow(query))
        if result.hit is not None:
            yield from self._leave_flow(query)
        return result

    def _decode(self, hit: SemanticHit, query: SemanticQuery) -> RETURN_VAL_TYPE | None:
        """Decodes the answer of a hit, marked where it is one to another question."""
        try:
            answer = generations.decode(hit.entry.answer, self.search.keys.items)
        except CorruptDataError as error:
            _log.warning("a cached answer counts as absent: %s", error)
            return None
        if hit.entry.question == query.text:
            return answer
        mark = {
            "hit_id": hit.id,
            "question": hit.entry.question,
            "similarity": round(hit.similarity, 4),
            "probability": round(hit.probability, 4),
        }
        for generation in answer:
            if isinstance(generation, ChatGeneration):
                generation.message.response_metadata["semantic_cache"] = mark
            else:
                generation.generation_info = {**(generation.generation_info or {}), "semantic_cache": mark}
        return answer

    def explain_flow(self, prompt: str, llm_string: str) -> Flow[Explanation[SemanticHit]]:
        """Explains what a look-up would do."""
        analysis = yield from self._analyse_flow(prompt, llm_string)
        verdict, query = analysis.verdict, analysis.query
        kind, reasons = (str(verdict.type), verdict.reasons) if verdict else (query.kind if query else "", ())
        exact, off_s, result = None, 0.0, SearchResult()
        if query is not None:
            with suppress(CacheUnavailable):
                exact, off_s = yield from self.best_effort(ask(self._first(query)))
        if query is None or off_s:
            log = yield from self._log_lines_flow(parse_prompt(prompt).question or prompt)
            bypass = SWITCHED_OFF if off_s else analysis.bypass
            return Explanation(None, kind, reasons, bypass, (), None, log=log)
        with suppress(CacheUnavailable):
            result = yield from self.best_effort(bypass_cache_flow(self.search.similar_flow(query)))
        hit, candidates = result.hit, result.candidates
        if exact is not None:
            itself = next((one for one in candidates if one.question == query.text), None)
            itself = (itself or Candidate(query.text, 1.0, None, ""))._replace(why="")
            others = [one for one in candidates if one.question != query.text]
            others = [one if one.why else one._replace(why="the very same question was served") for one in others]
            hit, candidates = exact, [itself, *others]
        if hit is not None and self._decode(hit, query) is None:
            hit = None
        hit_id = hit.id if hit else ""
        log = yield from self._log_lines_flow(query.text)
        return Explanation(query.text, kind, reasons, "", tuple(candidates), hit, hit_id, log=log)

    def _log_lines_flow(self, question: str) -> Flow[list[str]]:
        """Reads what the log says of a question, nothing where the server is away."""
        log_lines: list[str] = []
        with suppress(CacheUnavailable):
            log_lines = yield from self.best_effort(self.log_lines_flow(AnswerFilter(question=question)))
        return log_lines

    # --- analysing prompts --------------------------------------------------------------------------------------------

    def query_flow(self, prompt: str, llm_string: str, *, after_lookup: bool = False) -> Flow[SemanticQuery | None]:
        """Analyses a prompt; after a look-up takes that one's analysis, so that the answer is stored under it."""
        analysis = None
        if after_lookup and not inside_lookup.get():
            analysis = self._analyses.pop(self._name(prompt, llm_string), None)
        if analysis is None:
            analysis = yield from self._analyse_flow(prompt, llm_string)
        return analysis.query

    def _analyse_flow(self, prompt: str, llm_string: str) -> Flow[PromptAnalysis]:
        if inside_lookup.get():  # a model that a look-up asks, such as the judge, is never answered from the cache
            return PromptAnalysis(None, "nested")
        try:
            return (yield from bypass_cache_flow(self._reader.analyse_flow(prompt, llm_string)))
        except Exception as error:  # noqa: BLE001 - a user's classifier or contextualiser
            _log.warning("a prompt is not understood and bypasses the cache: %s: %s", type(error).__name__, error)
            return PromptAnalysis(None, "not_understood")

    def _remember(self, prompt: str, llm_string: str, analysis: PromptAnalysis) -> None:
        if not inside_lookup.get():
            self._analyses[self._name(prompt, llm_string)] = analysis
            while len(self._analyses) > _REMEMBERED:
                self._analyses.popitem(last=False)

    def _name(self, prompt: str, llm_string: str) -> bytes:
        parts = (self._reader.scope, llm_string, prompt)
        named = "\0".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "surrogatepass")
        return blake2b(named, digest_size=16).digest()

    # --- storing ------------------------------------------------------------------------------------------------------

    def lease(self, query: SemanticQuery) -> str:
        """Returns the key of the lease of an answer that is being made."""
        keys = self.search.keys
        return keys.lease(keys.items.blind(entries.name_of(query.partition, query.text)).hex())

    def entry(self, query: SemanticQuery, prompt: str, answer: RETURN_VAL_TYPE) -> NewAnswer:
        """Builds the entry of an answer."""
        read, written = generations.tokens_of(answer, prompt)
        entry = StoredAnswer(
            query.text,
            query.partition,
            query.model,
            query.kind,
            self._tags,
            self._session,
            "",
            read,
            written,
            generations.encode(answer),
        )
        return NewAnswer(query, entry, self.lifetime())

    def store_flow(self, entries: list[NewAnswer]) -> Flow[None]:
        """Stores answers with their vectors."""
        yield from bypass_cache_flow(self.search.store_flow(entries))

    def store_batch_flow(self, entries: list[NewAnswer]) -> Flow[int]:
        """Stores answers, the newest to each question; how many, none where the cache is unavailable."""
        newest = list({new.entry.name: new for new in entries}.values())
        if newest:
            try:
                yield from self.best_effort(self.store_flow(newest), write=True)
            except CacheUnavailable:
                return 0
        return len(newest)

    def imported(self, row: Any) -> NewAnswer:
        """Reads an answer from a line of an export."""
        entry = entries.entry_of(b64decode(row["entry"], validate=True), "line")
        generations.decode(entry.answer, "line")
        query = SemanticQuery(entry.question, entry.partition, entry.model, entry.kind)
        return NewAnswer(query, entry, self.lifetime())

    # --- all answers --------------------------------------------------------------------------------------------------

    def switch(self, for_s: float, *, on: bool) -> Op[None]:
        """Switches the cache off for a time, or on again."""
        return switched(self.search.space, f"semantic/{self.search.name}", for_s, on=on)

    def off_for(self) -> Op[float]:
        """Reads for how many seconds it is still off."""
        return off_for(self.search.space, f"semantic/{self.search.name}")

    def count(self) -> Op[int]:
        """Counts the entries."""
        return entries.count(self.search.keys)

    def export_flow(self) -> Flow[None]:
        """Emits every entry as a line of JSON."""
        return bulk.export_flow(self.search)

    def clear_flow(self, options: Mapping[str, Any]) -> Flow[None]:
        """Deletes the answers that the options name; see `delete_flow`."""
        unknown = set(options) - {"hit_id", "prompt", "question", "model", "tag", "session", "embedding"}
        if unknown:
            raise InvalidInputError(f"clear knows no {', '.join(sorted(unknown))}; see delete")
        yield from self.delete_flow(**options)

    def delete_flow(
        self,
        *,
        hit_id: str | None = None,
        prompt: Any = None,
        question: str | None = None,
        model: Any = None,
        tag: str | None = None,
        session: str | None = None,
        embedding: str | None = None,
    ) -> Flow[int]:
        """Deletes the answers that fit all that is given; how many there were."""
        wanted = bulk.filter_by(question, None if prompt is not None else model, tag, session, embedding)
        if hit_id is not None:
            return (yield from bulk.delete_named_flow(self.search, [hit_of(hit_id)[0]], wanted))
        if prompt is not None:
            analysis = yield from bypass_cache_flow(self._reader.analyse_flow(*asked_of(prompt, model)))
            query = analysis.query
            if query is None:
                return 0
            name = entries.name_of(query.partition, query.text)
            return (yield from bulk.delete_named_flow(self.search, [name], wanted))
        deleted = yield from bulk.delete_flow(self.search, wanted)
        if session is not None or not any((question, model, tag, embedding)):
            yield from self.forget_flow(AnswerFilter(question, session))
        return deleted

    def report(self, hit_id: str, *, correct: bool) -> Op[bool]:
        """Notes whether a hit was right; whether its entry is still there."""
        name, probability = hit_of(hit_id)
        return self.search.report(name, probability, correct=correct)

    def stored(self, query: SemanticQuery) -> Op[SemanticHit | None]:
        """Reads the answer to the very same question; None where there is none."""
        return self.search.exact(query)
