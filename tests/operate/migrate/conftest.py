"""Origins: servers that hold what other packages wrote, from a dump, or written now by the package itself."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from uuid import uuid4

import pytest

from langchain_redis_memory.redis.client.client import Client
from tests.support import dumped, peers
from tests.support.servers import Farm

PACKAGES = {
    "langchain-community": "langchain_community",
    "langchain-redis": "langchain_redis",
    "langgraph-redis": "langgraph.checkpoint.redis",
    "langgraph-redis-shallow": "langgraph.checkpoint.redis",
    "plainredis": "langgraph_checkpoint_plainredis",
    "aws-valkey": "langgraph_checkpoint_aws",
    "langgraph-redis-store": "langgraph.store.redis",
    "mem0": "mem0",
    "redisvl-history": "redisvl",
    "langchain-redis-semantic": "langchain_redis",
    "redisvl-cache": "redisvl",
    "exact-caches": "langchain_redis",
    "redisvl-embeddings": "redisvl",
    "langchain-embeddings": "langchain_classic",
}
"""The package that a writer of `tests/support/peers.py` needs."""

Origin = Callable[[str], Client]


@pytest.fixture(scope="session")
def stack(farm: Farm) -> str:
    """A server with JSON and search of its own: what other packages store and index is nobody else's business."""
    return farm.start("search").url


@pytest.fixture(params=["search-dump", "search-peer"])
def origin(request: pytest.FixtureRequest, stack: str) -> Iterator[Origin]:
    """Gives a server that holds what a package wrote."""
    opened = []

    def holding(name: str) -> Client:
        client = Client.from_url(stack)
        opened.append(client)
        dumped.send(client, ("FLUSHALL",))
        if request.param == "search-dump":
            dumped.load(client, name)
        else:
            if name not in PACKAGES:
                pytest.skip("only an old version writes this")
            pytest.importorskip(PACKAGES[name])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of deprecations of theirs
                peers.WRITERS[name](stack)
        return client

    yield holding
    for client in opened:
        client.close()


@pytest.fixture
async def target() -> AsyncIterator[Client]:
    """An empty server in this process."""
    client = Client.from_url(f"memory://{uuid4().hex}")
    yield client
    await client.aclose()
