"""The flows of `RedisCache`: an answer is named by a digest of its prompt and of what describes the model."""

from __future__ import annotations

import json
import logging
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.caches import RETURN_VAL_TYPE

from langchain_redis_memory.cache import decision_log, generations
from langchain_redis_memory.cache.best_effort import BestEffort, CacheUnavailable, QuickWrite
from langchain_redis_memory.cache.decision_log import VERY_SAME, Decision
from langchain_redis_memory.cache.entry_options import EntryOptions
from langchain_redis_memory.cache.llm_flows import LLMCacheFlows, QuickLookup
from langchain_redis_memory.cache.marks import NO_MARKS, AnswerFilter, Marks, marks_of
from langchain_redis_memory.cache.prompts import digest_of, model_of, parse_prompt
from langchain_redis_memory.cache.sharded_entries import ShardedEntries
from langchain_redis_memory.cache.switchable import SWITCHED_OFF
from langchain_redis_memory.checks import check_text
from langchain_redis_memory.errors import CorruptDataError, InvalidInputError, RedisMemoryError
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.lazy_pattern import lazy_pattern
from langchain_redis_memory.ops import Emit, Flow, Now, Op, ask, merge, pure
from langchain_redis_memory.redis import expiring_hash
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.clock import monotonic
from langchain_redis_memory.redis.expiring_hash import Item, NewItem
from langchain_redis_memory.redis.ttl import milliseconds

if TYPE_CHECKING:
    from langchain_redis_memory.cache.adoption import AnswerAdoption
    from langchain_redis_memory.cache.explanation import Explanation
    from langchain_redis_memory.cache.sharing import AudienceClassifier

_log = logging.getLogger(__name__)

_Found = Sequence[Item | None]
"""What a look-up reads: the entry and the switch."""
_MODEL_BYTES = 12
_NAME_BYTES = 28


class ExactQuery(NamedTuple):
    """The name of an answer's entry, and the model's short name."""

    name: bytes
    model: str


class ExactFlows(LLMCacheFlows[ExactQuery, NewItem]):
    """The flows of `RedisCache`.

    For `stale_s` after its lifetime an answer may be served while it is refreshed. `adoption` takes over answers that
    are not here; without an `audience` the words alone say whether an answer may be repeated.
    """

    def __init__(
        self,
        client: Client,
        entries: ShardedEntries,
        stale_s: float | None,
        adoption: AnswerAdoption | None,
        audience: AudienceClassifier | None,
        *,
        ttl_s: float | None,
        single_flight_s: float | None,
        options: EntryOptions,
    ) -> None:
        super().__init__(client, ttl_s, single_flight_s, options)
        self.entries: ShardedEntries = entries
        self.best_effort: BestEffort = entries.best_effort
        self._adoption, self._audience = adoption, audience
        self._off = False  # as the newest look-up saw it: what is then given is not stored
        self._stale_ms = milliseconds(stale_s, "stale_s") if self._ttl_ms else 0

    def query_flow(self, prompt: str, llm_string: str, *, after_lookup: bool = False) -> Flow[ExactQuery | None]:
        """Computes the query by which the answer to a prompt is found and stored."""
        yield from ()
        return None if after_lookup and self._off else self.query(prompt, llm_string)

    def query(self, prompt: str, llm_string: str) -> ExactQuery:
        """Computes the query for a prompt; nobody without the cipher's key can guess a prompt from its digest."""
        name = name_of(prompt, llm_string)
        return ExactQuery(name[:_MODEL_BYTES] + self.entries.name(name[_MODEL_BYTES:]), model_of(llm_string))

    def lease(self, query: ExactQuery) -> str:
        """Returns the key of the lease of an answer that is being made."""
        return self.entries.lease(query.name)

    def quick(self, prompt: str, llm_string: str) -> QuickLookup | None:
        """Looks an answer up by one op and nothing else, which most look-ups need no more than."""
        began = monotonic()
        if not self.client.breaker.closed or self.tally.due(began):
            return None
        query = self.query(prompt, llm_string)

        def served(found: _Found) -> tuple[RETURN_VAL_TYPE | None] | None:
            item, off = found
            further = self._is_stale(item) if item else self._flights or self._adoption is not None
            if further and not off:
                return None
            self._off = off is not None
            return (self._looked_up(query, prompt, llm_string, item, began),)

        def failed(error: RedisMemoryError) -> None:
            self.best_effort.noted(error, began, monotonic())
            self._looked_up(query, prompt, llm_string, None, began)

        look = self.entries.look(query.name)
        return QuickLookup(Op(look.commands, look.decode, best_effort=True), served, failed)

    def quick_update(self, prompt: str, llm_string: str, answer: RETURN_VAL_TYPE) -> QuickWrite | None:
        """Stores an answer by one op and nothing else, which most updates need no more than."""
        if self._off or self._flights or self._stale_ms or not self.client.breaker.closed:
            return None
        began, query = monotonic(), self.query(prompt, llm_string)
        entry = self.admitted(query, prompt, answer)
        put = pure(None) if entry is None else self.entries.put([entry])
        return self.best_effort.write(put, query.model, began)

    def lookup_flow(self, prompt: str, llm_string: str, seen: _Found | None = None) -> Flow[RETURN_VAL_TYPE | None]:
        """Looks up an answer, and counts."""
        began: float = yield Now()
        query = self.query(prompt, llm_string)
        adoption = self._adoption
        try:
            item = yield from self.best_effort(self._find_flow(query, seen))
        except CacheUnavailable:
            item, adoption = None, None
        if item is None and adoption is not None and not self._off:
            item = yield from self._adopt_flow(adoption, query, prompt, llm_string)
        return self._looked_up(query, prompt, llm_string, item, began)

    def _looked_up(
        self, query: ExactQuery, prompt: str, llm_string: str, item: Item | None, began: float
    ) -> RETURN_VAL_TYPE | None:
        """Decodes what was found, and counts; a damaged answer is a miss."""
        tally = self.tally
        if self._off:
            tally.add("bypasses", kind=SWITCHED_OFF)
            tally.lines.add(partial(_decision, "bypass", prompt, llm_string, ""), soon=True)
            return None
        found = None if item is None else self._decode(item.body, query.name)
        if item is None or found is None:
            tally.lines.add(partial(_decision, "miss", prompt, llm_string, ""), soon=True)
            tally.looked_up("misses", monotonic() - began, query.model)
        else:
            tally.lines.add(partial(_decision, "hit", prompt, llm_string, query.name.hex()), soon=False)
            tally.looked_up("hits", monotonic() - began, query.model, _tokens(item.body))
        return found

    def _find_flow(self, query: ExactQuery, seen: _Found | None) -> Flow[Item | None]:
        """Finds the entry that may be served, also one that another caller makes meanwhile; none while it is off."""
        item, off = seen or (yield from ask(self.entries.look(query.name)))
        self._off = off is not None
        if self._off:
            return None
        read = self.entries.get_one(query.name)
        if item is None:
            if not self._flights:
                return None
            return (yield from self._leading_flow(query, self._flights.join_flow(self.lease(query), read)))
        if self._is_stale(item):
            refreshing = self._flights.refresh_flow(self.lease(query), item, read, self._is_stale)
            return (yield from self._leading_flow(query, refreshing))
        return item

    def _adopt_flow(
        self, adoption: AnswerAdoption, query: ExactQuery, prompt: str, llm_string: str
    ) -> Flow[Item | None]:
        """Takes over an answer from another package's cache, if it may be cached."""
        found = yield from adoption.take_flow(prompt, llm_string)
        if found is None:
            return None
        answer, ttl_ms = list(found[0]), found[1]
        if self.refusal(prompt, answer) is not None:
            return None
        entry = self.entry(query, prompt, answer)
        try:
            yield from self.best_effort(self.store_flow([entry._replace(ttl_ms=ttl_ms or entry.ttl_ms)]), write=True)
        except CacheUnavailable:
            return None
        yield from adoption.taken_flow(prompt, llm_string)
        yield from self._leave_flow(query)
        return Item(entry.body, ttl_ms or None)

    def explain_flow(self, prompt: Any, model: Any) -> Flow[Explanation[RETURN_VAL_TYPE]]:
        """Explains what a look-up would do."""
        from langchain_redis_memory.cache.candidate import Candidate
        from langchain_redis_memory.cache.explanation import Explanation

        asked, llm_string = _asked_of(prompt, model)
        name, others, cursor = self.query(asked, llm_string).name, list[Candidate](), 0
        item, off = yield from ask(self.entries.look(name))
        if off is not None:
            log = yield from self.log_lines_flow(AnswerFilter(question=_question_of(asked)))
            return Explanation(None, "", (), SWITCHED_OFF, (), None, log=log)
        found = None if item is None else self._decode(item.body, name)
        while True:  # a prompt's answers are all in one shard, whichever model gave them
            page = yield from ask(expiring_hash.page(self.entries.shard(name), cursor))
            theirs = [other for other, _ in page.items if other[_MODEL_BYTES:] == name[_MODEL_BYTES:] and other != name]
            others += [Candidate(asked, 1.0, None, "made by another model, or with other settings") for _ in theirs]
            cursor = page.cursor
            if not cursor:
                break
        log = yield from self.log_lines_flow(AnswerFilter(question=_question_of(asked)))
        hit_id, parts = "" if found is None else name.hex(), {"model": llm_string}
        return Explanation(asked, "", (), "", tuple(others), found, hit_id, parts, log)

    def report(self, hit_id: str, *, correct: bool) -> Op[bool]:
        """Deletes an answer that was wrong, as no other prompt could get it."""
        name = _name(hit_id)
        there = self.entries.get([name]).map(lambda found: found[0] is not None)
        return there if correct else self.entries.delete(name)

    def stored(self, query: ExactQuery) -> Op[Item | None]:
        """Reads the answer to the very same prompt; None where there is none."""
        return self.entries.get_one(query.name)

    def delete_flow(self, prompt: Any, model: Any, question: str | None, hit_id: str | None) -> Flow[int]:
        """Deletes answers by their prompt, question or id; how many there were."""
        if prompt is None and question is None and hit_id is None:
            msg = "say which answers: prompt=... with model=..., question=... or hit_id=...; clear() deletes all"
            raise InvalidInputError(msg)
        names = [] if hit_id is None else [_name(hit_id)]
        if prompt is not None:
            names.append(self.query(*_asked_of(prompt, model)).name)
        deleted = sum((yield from ask(merge(*map(self.entries.delete, names)))))
        if question is not None:
            mark = AnswerFilter(question=question)
            deleted += yield from self._remove_flow(lambda _name, body: mark.fits(_marks(body)))
        return deleted

    def _remove_flow(self, meant: Callable[[bytes, bytes], bool]) -> Flow[int]:
        """Reads through all entries and removes those that are meant; how many."""
        removed, cursors = 0, self.entries.start()
        while cursors:
            pages = yield from self.entries.pages_flow(cursors)
            found = [(keys, [name for name, body in page.items if meant(name, body)]) for keys, page in pages]
            removals = [expiring_hash.remove(keys, names) for keys, names in found if names]
            removed += sum((yield from ask(merge(*removals))))
        return removed

    def _is_stale(self, item: Item) -> bool:
        return bool(self._stale_ms) and item.left_ms is not None and item.left_ms <= self._stale_ms

    def _decode(self, body: bytes, name: bytes) -> RETURN_VAL_TYPE | None:
        try:
            return generations.decode(body.partition(b";")[2], self.entries.shard(name).items)
        except CorruptDataError as error:
            _log.warning("a cached answer counts as absent: %s", error)
            return None

    def lifetime(self) -> int:
        """Draws a new entry's lifetime in milliseconds, 0 for none, with the time in which it is served stale."""
        return super().lifetime() + self._stale_ms

    def refusal(self, prompt: str, answer: RETURN_VAL_TYPE) -> str | None:
        """Checks whether an answer may be cached, by the admission policy and by what the prompt asks for.

        It is called where an answer is stored, so that a hit costs nothing more.
        """
        question = None if self._admission.unrepeatable else parse_prompt(prompt).question
        if (refused := super().refusal(prompt, answer)) or not question:
            return refused
        from langchain_redis_memory.cache.sharing import unrepeatable  # a process that only looks up needs no words

        try:
            return unrepeatable(question) if self._audience is None else unrepeatable(question, self._audience)
        except Exception as error:  # noqa: BLE001 - a user's classifier
            _log.warning("an answer is not cached, its question is not understood: %s", type(error).__name__)
            return "not_understood"

    def entry(self, query: ExactQuery, prompt: str, answer: RETURN_VAL_TYPE) -> NewItem:
        """Builds the entry of an answer: what it cost, the mark of the user's words, and its generations."""
        read, written = generations.tokens_of(answer, prompt)
        mark = marks_of(_question_of(prompt), "", "").question.hex().encode()
        body = b"%d %d %s;" % (read, written, mark) + generations.encode(answer)
        return NewItem(query.name, self.lifetime(), body)

    def store_flow(self, entries: list[NewItem]) -> Flow[None]:
        """Stores entries."""
        yield from ask(self.entries.put(entries))

    def store_batch_flow(self, entries: list[NewItem]) -> Flow[int]:
        """Stores entries; how many."""
        yield from self.store_flow(entries)
        return len(entries)

    def switch(self, for_s: float, *, on: bool) -> Op[None]:
        """Switches the cache off for a time, or on again."""
        return self.entries.switch(for_s, on=on)

    def off_for(self) -> Op[float]:
        """Reads for how many seconds it is still off."""
        return self.entries.off_for()

    def count(self) -> Op[int]:
        """Counts the entries."""
        return self.entries.count()

    def clear_flow(self, options: Mapping[str, Any]) -> Flow[None]:
        """Deletes every answer, or those of one model."""
        if set(options) - {"model", "llm_string"}:  # LangChain's name for a model that is described
            raise InvalidInputError(f"clear takes model only, got {', '.join(sorted(options))}")
        if (model := options.get("model", options.get("llm_string"))) is None:
            clears = merge(self.entries.clear(), self.tally.lines.sends(), decision_log.clear(self.log_key))
            off_s, _ = yield from ask(merge(self.off_for(), clears))
            if off_s:
                yield from ask(self.switch(off_s, on=False))
            return
        mark = digest_of(_asked_of("", model)[1])
        yield from self._remove_flow(lambda name, _body: name.startswith(mark))

    def export_flow(self) -> Flow[None]:
        """Emits every entry as a line of JSON."""
        cursors = self.entries.start()
        while cursors:
            pages = yield from self.entries.pages_flow(cursors)
            yield Emit([_line(name, body) for _, page in pages for name, body in page.items])

    def imported(self, row: Any) -> NewItem:
        """Reads an entry from a line of an export."""
        name, body = bytes.fromhex(row["id"]), b64decode(row["entry"], validate=True)
        generations.decode(body.partition(b";")[2], "entry")
        if len(name) != _NAME_BYTES:
            raise ValueError("its id has another length")
        return NewItem(name, self.lifetime(), body)


def name_of(prompt: str, llm_string: str) -> bytes:
    """Computes what an entry is named after: a digest of 12 bytes of the model, and one of 16 of the prompt."""
    check_text(prompt, "prompt")
    check_text(llm_string, "llm_string")
    return digest_of(llm_string) + _prompt_digest(prompt)


@lru_cache(maxsize=16)
def _prompt_digest(prompt: str) -> bytes:
    return blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _line(name: bytes, body: bytes) -> str:
    return json.dumps({"id": name.hex(), "entry": b64encode(body).decode()}) + "\n"


def _tokens(body: bytes) -> tuple[int, int]:
    """Reads the tokens that an answer cost, read and written; 0 where the entry does not say."""
    found = _TOKENS.match(body)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _marks(body: bytes) -> Marks:
    """Reads the mark of the user's words, by which an answer is found to be removed."""
    found = _TOKENS.match(body)
    return NO_MARKS._replace(question=bytes.fromhex(found[3].decode()) if found else b"")


_TOKENS = lazy_pattern(rb"(\d{1,12}) (\d{1,12}) ([0-9a-f]{16});")


def _question_of(prompt: str) -> str:
    """Finds the user's last words; for what is not a conversation all of the prompt."""
    return parse_prompt(prompt).question or prompt


def _asked_of(prompt: Any, model: Any) -> tuple[str, str]:
    """Computes what LangChain passes to a cache; what explains and removes needs it, no look-up does."""
    from langchain_redis_memory.cache.warming import asked_of

    return asked_of(prompt, model)


def _name(hit_id: str) -> bytes:
    if isinstance(hit_id, str) and re.fullmatch(rf"[0-9a-f]{{{2 * _NAME_BYTES}}}", hit_id):
        return bytes.fromhex(hit_id)
    raise InvalidInputError(f"{hit_id!r} is not the id of an answer; take it from `explain` or from the log")


def _decision(outcome: str, prompt: str, llm_string: str, entry: str) -> Decision:
    """Builds the line of a look-up."""
    parsed = parse_prompt(prompt)
    question = parsed.question or prompt
    hit = outcome == "hit"
    return Decision(
        outcome,
        question,
        str(QuestionType.NEW_TOPIC) if parsed.question is not None and not parsed.history else "",
        "exact" if hit else "",
        {"hit": VERY_SAME, "bypass": SWITCHED_OFF}.get(outcome, ""),
        entry,
        marks=marks_of(question, "", llm_string),
        prompt=prompt if outcome == "miss" else "",
    )
