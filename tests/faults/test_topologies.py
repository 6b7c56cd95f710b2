"""Every public class on every topology: one table of places, one of classes (`tests/support/scenario.py`).

Each place runs a share of the classes, in turn by name; `--servers=all` runs all of them everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import redis

from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both, Watch, url_of
from tests.support import servers
from tests.support.certificates import TLSFront, signed
from tests.support.scenario import COUNTED, SCENARIOS, SECRET
from tests.support.servers import NEWEST, PATIENT_S, Farm

SHARES = 4


def test_the_table_has_every_place() -> None:
    assert {*servers.REAL, "memory", "cluster", "sentinel", "tls", "unix", "RESP2", "RESP3"} == set(PLACES)


PLACES = ("memory", *servers.REAL, "cluster", "sentinel", "tls", "unix", "RESP2", "RESP3")


@pytest.fixture
def at(request: pytest.FixtureRequest, farm: Farm, tmp_path: Path) -> Iterator[tuple[str, Any]]:
    """The URL of a place, and what a client is made of."""
    name = request.param
    if name in {"cluster", "sentinel"}:
        url = request.getfixturevalue(f"{name}_url")
        yield url, url
    elif name == "tls":
        farm.url(NEWEST)
        port = farm.started[NEWEST].port
        authority = signed("authority")
        authority.write(tmp_path, "ca")
        front = TLSFront(port, signed("localhost", authority).write(tmp_path, "server"))
        yield farm.url(NEWEST), f"rediss://localhost:{front.port}/0?ssl_ca_certs={tmp_path}/ca.crt"
        front.stop()
    elif name == "unix":
        process = farm.start(NEWEST, "--unixsocket", str(tmp_path / "redis.sock"))
        yield process.url, f"unix://{tmp_path}/redis.sock"  # it is swept after this
    elif name in {"RESP2", "RESP3"}:
        yield farm.url(NEWEST), int(name[-1])
    else:
        url = url_of(name, farm)
        yield url, url


@pytest.mark.pins
@pytest.mark.parametrize("at", [pytest.param(place, id=place) for place in PLACES], indirect=True)
async def test_every_class(
    request: pytest.FixtureRequest, at: tuple[str, Any], prefix: str, watch: Watch, both: Both
) -> None:
    url, server = at
    watch(url, prefix)
    place, whole = request.node.callspec.params["at"], request.config.getoption("--servers") == "all"
    if isinstance(server, int):
        one, other = redis.Redis.from_url(url, protocol=server), redis.asyncio.Redis.from_url(url, protocol=server)
        client = Client(one, other, prefix=prefix)
    else:
        client = Client.from_url(server, prefix=prefix, timeout_s=PATIENT_S)
    shares = 2 if place in {"cluster", "sentinel"} else SHARES  # there, each class in one of the colours
    async with client:
        for name, scenario in SCENARIOS.items():
            if whole or (crc32(f"{place} {name}".encode()) + both.asynchronous) % shares == 0:
                found = [repr(await read()) for read in await scenario.run(both, client, name)]
                assert name in COUNTED or any(SECRET in one for one in found), (name, found)
    if isinstance(server, int):
        one.close()
        await other.aclose()
