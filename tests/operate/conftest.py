"""Each kind of server in turn, and the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from langchain_redis_memory import Client
from tests.conftest import Watch
from tests.support import servers
from tests.support.servers import Farm


@pytest.fixture(params=[*servers.TABLE, "cluster"])
def place_url(request: pytest.FixtureRequest, farm: Farm) -> str:
    """The URL of each kind of server in turn, and of the cluster."""
    if request.param == "cluster":
        return str(request.getfixturevalue("cluster_url"))
    return f"memory://{uuid4().hex}" if request.param == "memory" else farm.url(request.param)


@pytest.fixture
def there(place_url: str, prefix: str, watch: Watch) -> Iterator[Client]:
    """A client on each of them."""
    watch(place_url, prefix)
    with Client.from_url(place_url, prefix=prefix) as made:
        yield made
