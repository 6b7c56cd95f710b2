"""Flows over many answers of a semantic search: deleting and exporting them."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Sequence

from langchain_redis_memory.cache.marks import AnswerFilter, marks_of
from langchain_redis_memory.cache.semantic import entries
from langchain_redis_memory.cache.semantic.entries import StoredAnswer
from langchain_redis_memory.cache.semantic.search import SemanticSearch
from langchain_redis_memory.language.need.need import read_need
from langchain_redis_memory.ops import Emit, Flow, ask, merge

Filter = Callable[[StoredAnswer], bool]


def filter_by(
    question: str | None, model: str | None, tag: str | None, session: str | None, embedding: str | None
) -> Filter:
    """Builds a filter that accepts an entry where it fits all that is given."""
    words = AnswerFilter(question=question)

    def fits(entry: StoredAnswer) -> bool:
        return (
            words.fits(marks_of(read_need(entry.question).question, "", ""))
            and (model is None or entry.model == model)
            and (tag is None or tag in entry.tags)
            and (session is None or entry.session == session)
            and (embedding is None or embedding in {entry.embedding, entry.embedding.rpartition(":")[0]})
        )

    return fits


def delete_named_flow(search: SemanticSearch, names: Sequence[bytes], wanted: Filter) -> Flow[int]:
    """Deletes some answers with their vectors, those that the filter wants; how many there were."""
    stored = yield from ask(entries.get(search.keys, names))
    return (yield from _remove_flow(search, [read.entry for read in stored if read and wanted(read.entry)]))


def delete_flow(search: SemanticSearch, wanted: Filter) -> Flow[int]:
    """Deletes the answers that the filter wants, with their vectors; how many there were."""
    deleted = cursor = 0
    while True:
        page = yield from ask(entries.page(search.keys, cursor))
        # No filter can tell what damaged ones are: they go with whatever is deleted.
        deleted += yield from _remove_flow(search, [one for one in page.entries if wanted(one)], page.damaged)
        cursor = page.cursor
        if not cursor:
            return deleted


def _remove_flow(search: SemanticSearch, gone: list[StoredAnswer], damaged: Sequence[bytes] = ()) -> Flow[int]:
    if not gone and not damaged:
        return 0
    by_dims: dict[str, list[StoredAnswer]] = {}
    for entry in gone:
        by_dims.setdefault(entry.embedding.rpartition(":")[2], []).append(entry)
    removals = []
    for dims, some in by_dims.items():
        engine = yield from search.engine_flow(int(dims))
        removals.append(search.remove_vectors(engine, some))
    count, _ = yield from ask(merge(entries.remove(search.keys, [one.name for one in gone], damaged), merge(*removals)))
    return count


def export_flow(search: SemanticSearch) -> Flow[None]:
    """Emits every answer as a line of JSON."""
    cursor = 0
    while True:
        page = yield from ask(entries.page(search.keys, cursor))
        yield Emit([json.dumps({"entry": b64encode(entry.body()).decode()}) + "\n" for entry in page.entries])
        cursor = page.cursor
        if not cursor:
            return
