"""What an operator sees in `CLIENT LIST`."""

from __future__ import annotations

import redis

from langchain_redis_memory import Client
from tests.conftest import Both


async def test_the_server_lists_this_package_beside_redis_py(real: Client, real_url: str, both: Both) -> None:
    await both(real.ping)()
    with redis.Redis.from_url(real_url) as other:
        names = {line.get("lib-name", "") for line in other.client_list()}
    assert any(name.startswith("redis-py(langchain-redis-memory_v") for name in names)
