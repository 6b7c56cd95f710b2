"""Many processes and threads: never more than the limit and its burst in any window, and first come, first served."""

from __future__ import annotations

import asyncio
import json

import pytest

from langchain_redis_memory import Client, Limit, RedisRateLimiter
from tests.support.programs import Talking
from tests.support.servers import NEWEST, Farm

TIMEOUT_S = 0.05
PERIOD_S, COUNT, BURST, THREADS, SECONDS = 0.1, 20, 7, 3, 0.5
WORK = f"""
import json, sys, threading, time
from langchain_redis_memory import Client, Limit, RateLimitedError, RedisRateLimiter

client = Client.from_url(sys.argv[1], prefix=sys.argv[2])
limiter = RedisRateLimiter(client, [Limit({COUNT}, {PERIOD_S}, burst={BURST})])
limiter.status()
print("ready", flush=True)
sys.stdin.readline()
end, seen = time.monotonic() + {SECONDS}, []
last = end + 60


def work(number):
    while (began := time.monotonic()) < end or (len(seen) <= {BURST} and began < last):
        if number:
            allowed = limiter.check().allowed
        else:
            try:
                allowed = limiter.reserve(timeout_s=0.02) is not None
            except RateLimitedError:
                allowed = False
        if allowed:
            seen.append((began, time.monotonic()))


threads = [threading.Thread(target=work, args=(number,)) for number in range({THREADS})]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(seen))
"""


@pytest.mark.parametrize("server", [NEWEST])
def test_no_window_holds_more_than_the_burst_and_what_fills_up(server: str, farm: Farm, prefix: str) -> None:
    """The clock is the machine's own, the same in all processes. A request went between its call and its return."""
    workers = [Talking(WORK, farm.url(server), prefix) for _ in range(2)]
    seen: list[tuple[float, float]] = []
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.say("go")
    for worker in workers:
        status, told = worker.end()
        assert status == 0
        seen += map(tuple, json.loads(told))
    assert len(seen) > BURST, "it lets something through"
    for first, _ in seen:
        ends = sorted(after for began, after in seen if began >= first)
        for count, last in enumerate(ends, 1):
            assert count <= BURST + (last - first) * COUNT / PERIOD_S + 1


@pytest.mark.clocked  # the first start may be over before the last one is asked for
async def test_who_comes_first_goes_first(real: Client) -> None:
    limiter, order = RedisRateLimiter(real, [Limit(1, TIMEOUT_S)]), list[float]()

    async def ask() -> None:
        lease = await limiter.areserve("ana")
        order.append(float(lease._taken.marks[0][1]))  # where it stands in the line

    await asyncio.gather(*(ask() for _ in range(6)))
    assert order == sorted(order)
    assert len(set(order)) == 6
