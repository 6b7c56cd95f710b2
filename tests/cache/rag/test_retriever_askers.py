"""Search results are not shared between users whom the retriever can tell apart."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore

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
