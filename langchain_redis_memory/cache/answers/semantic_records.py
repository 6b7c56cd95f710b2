"""The entries of a `SemanticAnswerCache`: the question that is searched for, and what people on call can do."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from langchain_core.messages import HumanMessage, SystemMessage

from langchain_redis_memory.cache.answers.answer_cache import (
    CANDIDATES,
    CacheQuestion,
    SearchableAnswerCache,
    seen_by_model,
)
from langchain_redis_memory.cache.answers.records import (
    CachedAnswer,
    CachedAnswers,
    LookupPreview,
    edited,
    stored_answer,
)
from langchain_redis_memory.cache.candidate import Candidate
from langchain_redis_memory.cache.decision_log import hit_of
from langchain_redis_memory.cache.marks import AnswerFilter, marks_of
from langchain_redis_memory.cache.semantic import bulk, entries
from langchain_redis_memory.cache.semantic.bypass import unfit
from langchain_redis_memory.cache.semantic.entries import StoredAnswer, StoredAnswerRead
from langchain_redis_memory.cache.semantic.prompt_reader import indents_of
from langchain_redis_memory.cache.semantic.search import SemanticQuery, observations_of
from langchain_redis_memory.cache.semantic.tenants import TenantSearches
from langchain_redis_memory.cache.stats import Tally
from langchain_redis_memory.frozen import replace
from langchain_redis_memory.language.need.need import Need, need_of, read_need
from langchain_redis_memory.ops import Flow, Op, ask
from langchain_redis_memory.redis.codec.values import pack
from langchain_redis_memory.redis.keys import KeySpace


def query_of(asked: CacheQuestion, *, needs: bool = False) -> SemanticQuery | None:
    """Builds the query for a question; None for one that cannot be searched by meaning.

    Where the policy does not compare conversations (`needs`), the one that the model is shown has to be the same.
    """
    if not isinstance(asked.question, str):
        return None
    text = " ".join(asked.question.split())
    if not text or unfit(text) is not None:
        return None
    memory, compared = list(asked.memory), ""
    if needs and asked.memory and (need := need_of([*asked.memory, HumanMessage(text)])) is not None:
        # The application's own messages (a summary) are the same to the letter; what was said is compared.
        text, memory = need.text, [message for message in memory if isinstance(message, SystemMessage)]
    elif needs and asked.later:
        compared = Need(text, alone=True).text
    context = [seen_by_model(message) for message in (*asked.context, *memory)]
    parts = pack([asked.agent, asked.scope, asked.audience, context, asked.given, indents_of(asked.question)])
    return SemanticQuery(text, blake2b(parts, digest_size=16).digest(), asked=compared)


class SemanticRecords:
    """The entries of a `SemanticAnswerCache`; see `AnswerRecords`."""

    def __init__(self, searches: TenantSearches, name: str, cache: SearchableAnswerCache) -> None:
        self._searches, self._cache = searches, cache
        self.name: str = f"semantic/{name}"

    def tally(self, space: KeySpace) -> Tally:
        """Returns the statistics of a tenant; see `AnswerRecords`."""
        return self._searches.of(space).tally

    def delete_flow(self, space: KeySpace, wanted: AnswerFilter) -> Flow[int]:
        """Deletes the answers that are meant; see `AnswerRecords`."""

        def meant(entry: StoredAnswer) -> bool:
            return wanted.fits(marks_of(read_need(entry.question).question, entry.session, "".join(entry.tags)))

        return bulk.delete_flow(self._searches.of(space), meant)

    def remove_flow(self, space: KeySpace, entries: Sequence[str]) -> Flow[int]:
        """Deletes answers by the ids of their entries; see `AnswerRecords`."""
        names = list(dict.fromkeys(hit_of(entry)[0] for entry in entries))
        return (yield from bulk.delete_named_flow(self._searches.of(space), names, lambda _entry: True)) if names else 0

    def report(self, space: KeySpace, entry: str, *, correct: bool) -> Op[bool]:
        """Notes whether an answer was right: a wrong one is served to nearer questions only; see `AnswerRecords`."""
        name, probability = hit_of(entry)
        return self._searches.of(space).report(name, probability, correct=correct)

    def page_flow(self, space: KeySpace, cursor: int) -> Flow[CachedAnswers]:
        """Reads through the entries; see `AnswerRecords`."""
        page = yield from ask(entries.page(self._searches.of(space).keys, cursor))
        return CachedAnswers([_shown(StoredAnswerRead(one, ())) for one in page.entries], page.cursor)

    def entry_flow(self, space: KeySpace, entry: str) -> Flow[CachedAnswer | None]:
        """Reads one entry, which counts as using it; see `AnswerRecords`."""
        (found,) = yield from ask(entries.get(self._searches.of(space).keys, [hit_of(entry)[0]]))
        return found and _shown(found)

    def edit_flow(self, space: KeySpace, entry: str, text: str) -> Flow[bool]:
        """Replaces the words of an answer; what was reported of the old ones is forgotten. See `AnswerRecords`."""
        keys = self._searches.of(space).keys
        (found,) = yield from ask(entries.get(keys, [hit_of(entry)[0]]))
        body = None if found is None else edited(found.entry.answer, keys.items, text)
        if found is None or body is None:
            return False
        row = (found.entry._replace(answer=body), found.left_ms or 0)
        yield from ask(entries.put(keys, [row], found.entry.embedding))
        return True

    def explain_flow(self, asked: CacheQuestion) -> Flow[LookupPreview]:
        """Explains a look-up without counting it; see `AnswerRecords`."""
        asked = replace(asked, notes={})
        answer = yield from ask(self._cache.lookup(asked))
        near = yield from self._cache.search(asked)
        candidates: list[Candidate] = asked.notes.get(CANDIDATES, [])
        if answer is not None:
            itself = "the very same question was served"
            candidates = [one if one.why else one._replace(why=itself) for one in candidates]
        return LookupPreview(answer or near, candidates)


def _shown(read: StoredAnswerRead) -> CachedAnswer:
    stored = read.entry
    reports = tuple(observations_of(read.reports).reports)
    left_s = None if read.left_ms is None else read.left_ms / 1000
    answer = stored_answer(stored.answer, "entries", read.left_ms)[1]
    return CachedAnswer(f"{stored.name.hex()}-10000", answer, stored.question, stored.session, reports, left_s)
