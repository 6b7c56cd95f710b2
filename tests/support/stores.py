"""What the tests of the store share: the oracle, an embedding, and a store in both colours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from langgraph.store.base import Item, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore, _compare_values

from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.store.redis_store import RedisStore

DIMS = 8


def embed(texts: Iterable[str]) -> list[list[float]]:
    """A vector for each text: always the same one, of few numbers, so that equal scores happen."""
    return [[float(byte % 3 - 1) for byte in blake2b(text.encode(), digest_size=DIMS).digest()] for text in texts]


class _Spaces(dict):  # type: ignore[type-arg]
    """Reading what is not there leaves nothing behind."""

    def __missing__(self, _namespace: Any) -> dict[Any, Any]:
        return {}


class Oracle(InMemoryStore):
    """LangGraph's store in memory without its faults.

    Those are: reading or emptying a namespace leaves it in the list, an update loses `created_at`, a filter raises
    where a value is no number, what is indexed no more is still found, and a text that occurs twice cannot be embedded.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._data = _Spaces()

    def _filter_items(self, op: SearchOp) -> Any:
        found = []
        for item, vectors in super()._filter_items(op._replace(filter=None, limit=10**9, offset=0)):
            if all(_fits(item.value.get(name), wanted) for name, wanted in (op.filter or {}).items()):
                found.append((item, vectors))
        return found

    def batch(self, ops: Iterable[Any]) -> list[Any]:
        results, puts, searches = self._prepare_ops(ops)
        if searches:
            self._batch_search(searches, self._embed_search_queries(searches), results)
        for place, op in puts.items():
            self._vectors[place[0]].pop(place[1], None)
            for text, paths in self._extract_texts({place: op}).items():
                for path in paths:
                    self._insertinmem_store({text: [path]}, embed([text]))
        self._apply_put_ops(puts)
        return results

    def _apply_put_ops(self, put_ops: dict[Any, PutOp]) -> None:
        for (namespace, key), op in put_ops.items():
            known = self._data[namespace].get(key)
            if op.value is not None:
                self._data.setdefault(namespace, {})
                super()._apply_put_ops({(namespace, key): op})
                if known:
                    self._data[namespace][key].created_at = known.created_at
            elif known:
                super()._apply_put_ops({(namespace, key): op})
                if not self._data[namespace]:
                    del self._data[namespace]


def _fits(value: Any, wanted: Any) -> bool:
    try:
        return bool(_compare_values(value, wanted))
    except (TypeError, ValueError):
        return False


def plain(result: Any) -> Any:
    """A result without what depends on the clock."""
    if isinstance(result, list):
        return [plain(item) for item in result]
    if isinstance(result, Item):
        score = getattr(result, "score", None)
        return (result.namespace, result.key, result.value, None if score is None else round(score, 4) + 0.0)
    return result


class Colour:
    """Runs batches in one colour from a test that is not async itself."""

    def __init__(self, *, asynchronous: bool) -> None:
        self._loop = asyncio.new_event_loop() if asynchronous else None
        self._clients: set[Client] = set()

    def batch(self, store: RedisStore, ops: list[Any]) -> list[Any]:
        self._clients.add(store._client)
        if self._loop is None:
            return store.batch(ops)
        return self._loop.run_until_complete(store.abatch(ops))

    def close(self) -> None:
        for client in self._clients:
            if self._loop is None:
                client.close()
            else:
                self._loop.run_until_complete(client.aclose())
        if self._loop is not None:
            self._loop.close()
