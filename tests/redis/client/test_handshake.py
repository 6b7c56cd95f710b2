"""What a connection says before its first command, and what an operator sees of it in `CLIENT LIST`."""

from __future__ import annotations

import re

import redis

from langchain_redis_memory import Client
from tests.conftest import Both
from tests.support.proxy import Proxy
from tests.support.servers import NEWEST, Farm


async def test_the_server_lists_this_package_beside_redis_py(real: Client, real_url: str, both: Both) -> None:
    await both(real.ping)()
    with redis.Redis.from_url(real_url) as other:
        names = {line.get("lib-name", "") for line in other.client_list()}
    assert any(name.startswith("redis-py(langchain-redis-memory_v") for name in names)


async def test_a_connection_says_who_it_is_and_nothing_else(farm: Farm, both: Both) -> None:
    farm.url(NEWEST)
    with Proxy(farm.started[NEWEST].port) as proxy:
        client = Client.from_url(proxy.url)
        await both(client.ping)()
        said = re.findall(rb"\*\d+\r\n\$\d+\r\n([A-Z]+)\r\n\$\d+\r\n(\S+)\r\n", bytes(proxy.sent))
        await client.aclose()
    # HELLO where this release of redis-py speaks RESP3.
    assert said[said[0][0] == b"HELLO" :][:2] == [(b"CLIENT", b"SETINFO")] * 2
    assert len(said) == (said[0][0] == b"HELLO") + 2 + 1, said
