"""Deleting, warming, exporting and importing the entries of a `RedisSemanticCache`: flows over all of them."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from langchain_redis_memory.cache import generations, warming
from langchain_redis_memory.cache.semantic import entries
from langchain_redis_memory.cache.semantic.engines import Engines
from langchain_redis_memory.cache.semantic.entries import StoredAnswer
from langchain_redis_memory.cache.semantic.lookup import Answering, hit_of
from langchain_redis_memory.cache.semantic.prompt_reader import within
from langchain_redis_memory.cache.semantic.search import SemanticQuery
from langchain_redis_memory.errors import CorruptDataError, InvalidInputError
from langchain_redis_memory.ops import Emit, Flow, ask, merge
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.ttl import jittered
from langchain_redis_memory.vectors.engine import Engine

_BATCH = 200

Wanted = Callable[[StoredAnswer], bool]


def wanted_by(model: str | None, tag: str | None, session: str | None, embedding: str | None) -> Wanted:
    """Whether an entry fits all that is given."""

    def fits(entry: StoredAnswer) -> bool:
        return (
            (model is None or entry.model == model)
            and (tag is None or tag in entry.tags)
            and (session is None or entry.session == session)
            and (embedding is None or embedding in {entry.embedding, entry.embedding.rpartition(":")[0]})
        )

    return fits


class Moving(Answering):
    """The flows over many entries; who inherits them sets what they work with."""

    _space: KeySpace
    _engines: Engines

    def _clear(self, only: dict[str, Any]) -> Flow[None]:
        unknown = set(only) - {"hit_id", "prompt", "llm_string", "model", "tag", "session", "embedding"}
        if unknown:
            msg = f"clear knows no {', '.join(sorted(unknown))}; see delete"
            raise InvalidInputError(msg)
        wanted = wanted_by(*(only.get(name) for name in ("model", "tag", "session", "embedding")))
        yield from self._delete(only.get("hit_id"), only.get("prompt"), only.get("llm_string", ""), wanted)

    def _delete(self, hit_id: str | None, prompt: str | None, llm_string: str, wanted: Wanted) -> Flow[int]:
        names = None
        if hit_id is not None:
            names = [hit_of(hit_id)[0]]
        elif prompt is not None:
            told = yield from within(self._reader.understand(prompt, llm_string))
            names = [entries.name_of(told.sought.partition, told.sought.text)] if told.sought else []
        if names is not None:
            found = (yield from ask(entries.get(self._seeker.keys, names))) if names else []
            return (yield from self._remove([read.entry for read in found if read and wanted(read.entry)]))
        deleted = cursor = 0
        while True:
            page = yield from ask(entries.page(self._seeker.keys, cursor))
            # Of damaged ones nobody can tell what they are: they go with whatever is deleted.
            deleted += yield from self._remove([entry for entry in page.entries if wanted(entry)], page.damaged)
            cursor = page.cursor
            if not cursor:
                return deleted

    def _remove(self, gone: list[StoredAnswer], damaged: Sequence[bytes] = ()) -> Flow[int]:
        names = [*(entry.name for entry in gone), *damaged]
        if not names:
            return 0
        by_dims: dict[str, list[StoredAnswer]] = {}
        for entry in gone:
            by_dims.setdefault(entry.embedding.rpartition(":")[2], []).append(entry)
        removals = []
        for dims, some in by_dims.items():
            engine: Engine = yield from self._engines.ready(self._space, int(dims))
            removals.append(self._seeker.without(engine, some))
        count, _ = yield from ask(merge(entries.remove(self._seeker.keys, names), merge(*removals)))
        return count

    def _warm(
        self, answers: Iterable[Any] | str | Path, model: Any, progress: Callable[[int], None] | None
    ) -> Flow[int]:
        stored, pairs = 0, warming.rows(answers)
        while batch := list(islice(pairs, _BATCH)):
            found = []
            for question, answer in batch:
                prompt, llm_string = warming.asked_of(question, model)
                made = generations.for_model(answer, model)
                told = yield from self._understand(prompt, llm_string)
                if told.sought is not None and self._admission.refusal(made) is None:
                    found.append(self._row(told.sought, prompt, made))
            stored += yield from self._keep_all(found)
            if progress is not None:
                progress(len(batch))
        return stored

    def _keep_all(self, found: list[tuple[SemanticQuery, StoredAnswer, int]]) -> Flow[int]:
        newest = {entry.name: (sought, entry, ttl_ms) for sought, entry, ttl_ms in found}
        if newest and not (yield from within(self._seeker.keep(list(newest.values())))):
            return 0
        return len(newest)

    def _export(self) -> Flow[None]:
        cursor = 0
        while True:
            page = yield from ask(entries.page(self._seeker.keys, cursor))
            yield Emit([json.dumps({"entry": b64encode(entry.body()).decode()}) + "\n" for entry in page.entries])
            cursor = page.cursor
            if not cursor:
                return

    def _import(self, lines: Iterable[str], progress: Callable[[int], None] | None) -> Flow[int]:
        stored, numbered = 0, enumerate(lines, 1)
        while batch := list(islice(numbered, _BATCH)):
            found = [self._imported(number, line) for number, line in batch if line.strip()]
            stored += yield from self._keep_all(found)
            if progress is not None:
                progress(len(batch))
        return stored

    def _imported(self, number: int, line: str) -> tuple[SemanticQuery, StoredAnswer, int]:
        try:
            entry = entries.entry_of(b":" + b64decode(json.loads(line)["entry"], validate=True), "line")
            generations.decode(entry.answer, "line")
        except (ValueError, KeyError, TypeError, CorruptDataError) as error:
            msg = f"line {number} is no exported entry: {error}"
            raise InvalidInputError(msg) from None
        sought = SemanticQuery(entry.question, entry.partition, entry.model, entry.kind)
        return sought, entry, jittered(self._ttl_ms, self._jitter)
