"""Every public class that stores, on a cluster and behind a sentinel: what it writes is read back."""

from __future__ import annotations

import pytest

from langchain_redis_memory.redis.client.client import Client
from tests.conftest import PATIENT_S, Both, Watch
from tests.support.scenario import COUNTED, SCENARIOS, SECRET


@pytest.mark.pins
@pytest.mark.parametrize("topology", ["cluster", "sentinel"])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_what_a_class_writes_is_read_back(
    request: pytest.FixtureRequest, prefix: str, watch: Watch, name: str, topology: str
) -> None:
    url = str(request.getfixturevalue(f"{topology}_url"))
    watch(url, prefix)
    both = Both(asynchronous=(len(name) + len(topology)) % 2 == 0)  # each topology meets both colours
    async with Client.from_url(url, prefix=prefix, timeout_s=PATIENT_S) as client:
        found = [repr(await read()) for read in await SCENARIOS[name].run(both, client, "acme")]
        assert name in COUNTED or any(SECRET in one for one in found), found
        client.settle()
