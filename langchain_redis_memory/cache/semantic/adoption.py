"""Adoption of answers that are found by meaning: those of another package's semantic cache are moved here bit by bit.

A near question cannot be asked for by the name of a key, so each miss moves some answers, embedded anew, until nothing
is left at the source; where the very same prompt has a key of its own there, that one is moved first. What is moved is
removed there, so that an answer which is deleted or reported here does not come back.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import Any

from langchain_redis_memory.cache.best_effort import CacheUnavailable
from langchain_redis_memory.cache.llm_flows import LLMCacheFlows
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.locks import new_lock
from langchain_redis_memory.ops import Flow, ask, merge
from langchain_redis_memory.peers.adoption import AdoptFrom, AtOrigin
from langchain_redis_memory.peers.records import SavedAnswer
from langchain_redis_memory.peers.stored_keys import read_keys_flow, records_of
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.nodes import KeyScan

AT_ONCE = 16
"""How many answers one miss moves, besides that to its own prompt: each of them is embedded."""
_WHAT = "answers"
_Found = list[tuple[bytes, SavedAnswer]]


class SemanticAdoption(AtOrigin):
    """Moves the answers of another semantic cache; raises `ConfigError` where it is none."""

    def __init__(self, client: Client, adopt: AdoptFrom) -> None:
        super().__init__(adopt.client(client))
        self._answers = adopt.near_answers()
        (pattern,) = self._answers.patterns
        self._scan = KeyScan(self._origin.keys(), pattern)
        self._left: deque[bytes] = deque()
        self._one_at_a_time = new_lock()

    def move_flow(self, flows: LLMCacheFlows[Any, Any], prompt: str) -> Flow[bool]:
        """Moves the answer to a prompt and some others, unless another miss of this process is at it."""
        if not self._one_at_a_time.acquire(blocking=False):
            return False
        try:
            answers = yield from self.found_flow(_WHAT, self._next_flow, prompt)
            moved = yield from self._store_flow(flows, answers or [])
            if moved:
                yield from self.forget_flow(_WHAT, moved)
            return bool(moved)
        finally:
            self._one_at_a_time.release()

    def _next_flow(self, prompt: str) -> Flow[_Found]:
        """Reads the answers that are to be moved next."""
        if not self._left and not self._scan.ended:
            self._left.extend(name.encode() for name in (yield from self._scan.page_flow()))
        same = self._answers.key(prompt)
        keys = [] if same is None else [same]
        keys += [self._left.popleft() for _ in range(min(AT_ONCE, len(self._left)))]
        return [
            (one.key, record)
            for one in (yield from read_keys_flow(list(dict.fromkeys(keys)), self._answers.command))
            for record in records_of([one], self._answers.record)
            if isinstance(record, SavedAnswer) and record.llm_string  # else nobody knows whose answer it is
        ]

    def _store_flow(self, flows: LLMCacheFlows[Any, Any], answers: _Found) -> Flow[list[bytes]]:
        """Stores the answers that may be cached and are not here; the keys of all that are here then."""
        keys, queries, entries = [], [], []
        for key, one in answers:
            query = yield from flows.query_flow(one.prompt, one.llm_string)
            answer = list(one.generations)
            if query is None or flows.refusal(one.prompt, answer) is not None:
                continue
            with suppress(InvalidInputError):
                entry = flows.entry(query, one.prompt, answer)
                entries.append(entry._replace(ttl_ms=one.ttl_ms or entry.ttl_ms))
                keys.append(key)
                queries.append(query)
        if not keys:
            return []
        try:
            there = yield from flows.best_effort(ask(merge(*map(flows.stored, queries))))
        except CacheUnavailable:
            return []
        new = [entry for entry, hit in zip(entries, there, strict=True) if hit is None]
        return keys if not new or (yield from flows.store_batch_flow(new)) else []
