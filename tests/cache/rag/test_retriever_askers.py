"""Search results are not shared between users whom the retriever can tell apart."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig
from langchain_core.vectorstores import InMemoryVectorStore, VectorStoreRetriever
from pydantic import BaseModel

from langchain_redis_memory import CachedRetriever
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both, url_of
from tests.support.servers import TWO, Farm


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


class ByRights(BaseRetriever):
    """Finds what the user of the run's metadata may read, and counts its searches."""

    searches: int = 0

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        self.searches += 1
        return [Document(f"secret of {run_manager.metadata.get('user_id')}, {run_manager.metadata.get('role')}")]


@pytest.mark.parametrize("other", [{"user_id": "ben"}, {"user_id": "ana", "role": "guest"}, {}])
async def test_rights_in_the_metadata_keep_results_apart(client: Client, both: Both, other: dict[str, str]) -> None:
    inner = ByRights()
    retriever = CachedRetriever(client, inner, name="by-rights")
    ana: dict[str, str] = {"user_id": "ana", "role": "boss"}
    found = [await both(retriever.invoke)("terms", {"metadata": who}) for who in (ana, other, ana)]
    assert found[0] == found[2] != found[1]
    assert inner.searches == 2


async def test_a_function_is_told_who_asks(client: Client, both: Both) -> None:
    def of_asker(query: str, config: RunnableConfig) -> list[Document]:
        who, named = config.get("metadata") or {}, config.get("configurable") or {}
        return [Document(f"{who.get('user_id')}, {named.get('k')}, {sorted(config.get('tags') or [])}")]

    retriever = CachedRetriever(client, of_asker, name="of-asker")
    for user in ("ana", "ben", "ana"):
        config: RunnableConfig = {"metadata": {"user_id": user}, "configurable": {"k": 4}, "tags": ["t"]}
        (found,) = await both(retriever.invoke)("terms", config)
        assert found.page_content == f"{user}, 4, ['t']"
    assert (await both(retriever.stats)()).hits == 1


async def test_a_vector_store_knows_nobody(client: Client, both: Both) -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=4))
    store.add_documents([Document("a")])
    retriever = CachedRetriever(client, store.as_retriever(), name="vectors")
    for who in ("ana", "ben"):
        await both(retriever.invoke)("a", {"metadata": {"user_id": who}})
    stats = await both(retriever.stats)()
    assert (stats.hits, stats.misses) == (1, 1)


async def test_tags_keep_results_apart(client: Client, both: Both) -> None:
    inner = ByRights()
    retriever = CachedRetriever(client, inner, name="by-rights")
    for tag in ("boss", "guest", "boss"):
        await both(retriever.invoke)("terms", {"tags": [tag]})
    assert inner.searches == 2


async def test_the_result_of_one_asker_is_deleted(client: Client, both: Both) -> None:
    inner = ByRights()
    retriever = CachedRetriever(client, inner, name="by-rights")
    askers: list[Any] = [{"metadata": {"user_id": user}, "configurable": {"k": 4}} for user in ("ana", "ben")]
    for asker in askers:
        await both(retriever.invoke)("terms", asker)
    assert not await both(retriever.delete)("terms", {"metadata": {"user_id": "ana"}})
    assert await both(retriever.delete)(" terms", askers[0])
    assert not await both(retriever.delete)("terms", askers[0])
    assert inner.searches == 2
    for asker in askers:
        await both(retriever.invoke)("terms", asker)
    assert inner.searches == 3


class Range(BaseModel):
    """A filter as vector stores' clients have them."""

    least: int
    also: list[Range] = []


class Filtered(InMemoryVectorStore):
    """Finds all, whatever the filter is."""

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return super().similarity_search(query, k)

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return super().similarity_search(query, k)


@pytest.mark.parametrize("kind", ["object", "function", "connection"])
async def test_a_filter_that_is_an_object_keeps_results_apart(client: Client, both: Both, kind: str) -> None:
    class Own(VectorStoreRetriever):
        pass

    def filter_from(least: int) -> Any:
        lock = threading.Lock() if kind == "connection" else None
        if kind == "object":
            return Range(least=0, also=[Range(least=least)])
        return lambda document: document.metadata["n"] >= least and (lock is None or not lock.locked())

    store = Filtered(DeterministicFakeEmbedding(size=4))
    store.add_documents([Document("a", metadata={"n": 1})])
    for made in (VectorStoreRetriever, Own):
        inner = made(vectorstore=store)
        retriever = CachedRetriever(client, inner, corpus=made.__name__, name="filtered")
        inner.search_kwargs["filter"] = first = filter_from(1)
        counts = [await asked(retriever, both)]
        counts.append(await asked(retriever, both))
        inner.search_kwargs["filter"] = filter_from(2)
        counts.append(await asked(retriever, both))
        inner.search_kwargs["filter"] = first
        counts.append(await asked(retriever, both))
        assert counts == [(0, 1), (1, 1), (1, 2), (2, 2)]


async def asked(retriever: CachedRetriever, both: Both) -> tuple[int, int]:
    """The hits and misses once it was asked."""
    await both(retriever.invoke)("a")
    stats = await both(retriever.stats)()
    return stats.hits, stats.misses
