"""Single flight: of all who miss at once one asks the model, whatever happens to it; stale while one refreshes."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from threading import Barrier, Event, Lock, Thread
from time import monotonic
from typing import Any

import pytest
import redis
from langchain_core.caches import BaseCache
from langchain_core.language_models import LLM
from langchain_core.messages import AIMessage
from langchain_core.outputs import Generation

from langchain_redis_memory import RedisCache, RedisValueCache
from langchain_redis_memory.cache import single_flight
from langchain_redis_memory.cache.entry_options import EntryOptions
from langchain_redis_memory.cache.exact_flows import name_of
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.settings import RedisMemorySettings
from langchain_redis_memory.redis.lease import acquire
from tests.conftest import Both, Watch
from tests.support import programs
from tests.support.chains import Switch
from tests.support.raw import reply
from tests.support.servers import TWO, Farm, wait_for
from tests.support.withheld import cancelled_at_each_trip

MODEL = "model-a"
N = 8


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    from tests.conftest import url_of

    return url_of(request.param, farm)


@pytest.fixture(autouse=True)
def nobody_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests asked for in this process and never made plays no part."""
    monkeypatch.setattr(single_flight, "_mine", ContextVar("of this test", default=None))
    monkeypatch.setattr(single_flight, "_owed", {})


def lease_of(cache: RedisCache, prompt: str) -> str:
    return cache._flows.entries.lease(name_of(prompt, MODEL))


def text_of(answer: Any) -> str:
    return str(answer[0].text)


class Work:
    """What only one should do: it counts its calls and may be held up."""

    def __init__(self) -> None:
        self.calls = 0
        self.fail = 0
        self._lock = Lock()
        self.started, self.go_on = Event(), Event()
        self.go_on.set()

    def __call__(self) -> str:
        with self._lock:
            self.calls += 1
            number = self.calls
        self.started.set()
        assert self.go_on.wait(60)
        if number <= self.fail:
            msg = f"call {number} fails"
            raise LookupError(msg)
        return f"answer {number}"


def at_once(works: list[Callable[[], Any]]) -> list[Any]:
    """What each gives, or the error that it raises; all start together, each in a thread."""
    ready = Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        ready.wait(60)
        try:
            return work()
        except LookupError as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@pytest.fixture
def cache(client: Client) -> RedisCache:
    return RedisCache(client, single_flight_s=60)


# --- one of all -------------------------------------------------------------------------------------


def test_of_all_threads_one_asks(cache: RedisCache) -> None:
    work = Work()
    found = at_once([lambda: cache.get_or_compute("q", MODEL, work)] * N)
    assert [text_of(one) for one in found] == ["answer 1"] * N
    assert work.calls == 1
    assert reply(cache._client, "EXISTS", lease_of(cache, "q")) == 0


async def test_of_all_tasks_one_asks(cache: RedisCache) -> None:
    calls, started, release = [], asyncio.Event(), asyncio.Event()

    async def work() -> str:
        calls.append(1)
        started.set()
        await release.wait()
        return "answer"

    tasks = [asyncio.create_task(cache.aget_or_compute("q", MODEL, work)) for _ in range(N)]
    await started.wait()
    release.set()
    assert [text_of(one) for one in await asyncio.gather(*tasks)] == ["answer"] * N
    assert len(calls) == 1


class Counting(LLM):
    """A model that counts its calls."""

    work: Any

    @property
    def _llm_type(self) -> str:
        return "counting"

    def _call(self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any) -> str:
        return str(self.work())


async def test_through_langchain(cache: RedisCache, both: Both) -> None:
    work = Work()
    model = Counting(work=work, cache=cache)
    if both.asynchronous:
        found = await asyncio.gather(*(model.ainvoke("q") for _ in range(N)))
    else:
        found = at_once([lambda: model.invoke("q")] * N)
    assert found == ["answer 1"] * N
    assert work.calls == 1


PROCESS = """
    import sys
    from langchain_redis_memory import Client, RedisCache
    url, prefix, key, *others = sys.argv[1:]
    import redis
    plain = redis.Redis.from_url(url)
    for server in (url, *others):
        cache = RedisCache(Client.from_url(server, prefix=prefix), single_flight_s=60)
        print("ready", flush=True)
        sys.stdin.readline()
        answer = cache.get_or_compute("q", "model-a", lambda: f"answer {plain.incr(key)}")
        print(answer[0].text, flush=True)
"""


def test_of_all_processes_one_asks(cluster_url: str, real_url: str, prefix: str, watch: Watch) -> None:
    watch(real_url, prefix)
    watch(cluster_url, prefix)
    counter = f"{prefix}-calls"
    arguments = (real_url, prefix, counter, cluster_url)
    both_of_them = [programs.Talking(textwrap.dedent(PROCESS), *arguments) for _ in range(2)]
    for number in (1, 2):  # on the one server, then on the cluster
        for one in both_of_them:
            assert one.stdout.readline() == "ready\n"
        for one in both_of_them:
            one.say("go")
        assert [one.stdout.readline() for one in both_of_them] == [f"answer {number}\n"] * 2
    for one in both_of_them:
        assert one.end() == (0, "")
    with redis.Redis.from_url(real_url) as plain:
        assert plain.getdel(counter) == b"2"


DIES = """
    import os, sys
    from langchain_redis_memory import Client, RedisCache
    url, prefix = sys.argv[1:]
    cache = RedisCache(Client.from_url(url, prefix=prefix), single_flight_s=1)
    cache.get_or_compute("q", "model-a", lambda: os._exit(7))
"""


def test_a_leader_that_dies_is_followed_by_one(real: Client, real_url: str, prefix: str) -> None:
    assert programs.run(textwrap.dedent(DIES), real_url, prefix).returncode == 7
    cache, work = RedisCache(real, single_flight_s=60), Work()
    found = at_once([lambda: cache.get_or_compute("q", MODEL, work)] * N)
    assert [text_of(one) for one in found] == ["answer 1"] * N
    assert work.calls == 1


# --- the leader fails -------------------------------------------------------------------------------


def test_a_leader_that_fails_wakes_the_next(cache: RedisCache) -> None:
    work = Work()
    work.fail = 2
    found = at_once([lambda: cache.get_or_compute("q", MODEL, work)] * N)
    assert sum(isinstance(one, LookupError) for one in found) == 2
    assert [text_of(one) for one in found if not isinstance(one, LookupError)] == ["answer 3"] * (N - 2)
    assert work.calls == 3


async def test_what_is_no_answer_wakes_the_next_too(cache: RedisCache, both: Both) -> None:
    with pytest.raises(InvalidInputError, match="an answer must be"):
        await both(cache.get_or_compute)("q", MODEL, lambda: 7)
    assert reply(cache._client, "EXISTS", lease_of(cache, "q")) == 0


async def test_a_refused_answer_wakes_the_next(cache: RedisCache, both: Both) -> None:
    assert text_of(await both(cache.get_or_compute)("q", MODEL, lambda: "")) == ""
    assert reply(cache._client, "EXISTS", lease_of(cache, "q")) == 0
    assert await both(cache.count)() == 0


async def test_a_leader_that_is_cancelled_wakes_the_next(cache: RedisCache) -> None:
    started, forever = asyncio.Event(), asyncio.Event()

    async def stuck() -> str:
        started.set()
        await forever.wait()
        return "never"

    leader = asyncio.create_task(cache.aget_or_compute("q", MODEL, stuck))
    await started.wait()
    waiter = asyncio.create_task(cache.aget_or_compute("q", MODEL, lambda: "made by the next"))
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    assert text_of(await waiter) == "made by the next"


@pytest.mark.parametrize("door", ["value", "look-up"])
async def test_who_is_cancelled_on_the_way_to_lead_gives_the_lead_back(
    client: Client, cache: RedisCache, door: str
) -> None:
    values = RedisValueCache(client, "v")
    calls: dict[str, Callable[[int], Any]] = {
        "value": lambda number: values.aget_or_load(f"k{number}", lambda: number, early=0),
        "look-up": lambda number: cache.alookup(f"q{number}", MODEL),
    }
    leases: list[Any] = []

    async def call(number: int) -> None:
        leases.append(reply(client, "KEYS", "*:lease:*"))
        await calls[door](number)

    trips = await cancelled_at_each_trip(client, call)
    assert trips >= 2
    assert leases == [[]] * (trips + 1)


def test_a_leader_that_is_interrupted_wakes_the_next(cache: RedisCache) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.get_or_compute("q", MODEL, interrupted)
    assert reply(cache._client, "EXISTS", lease_of(cache, "q")) == 0


# --- who waits, and for how long ----------------------------------------------------------------------


async def test_a_retry_does_not_wait_for_itself(cache: RedisCache, both: Both) -> None:
    assert await both(cache.lookup)("q", MODEL) is None
    assert await both(cache.lookup)("q", MODEL) is None, "the model failed, and is asked again"
    await both(cache.update)("q", MODEL, [Generation(text="a")])
    assert text_of(await both(cache.lookup)("q", MODEL)) == "a"


def test_a_waiter_gives_up_when_a_dead_leader_has_no_living_follower(client: Client) -> None:
    cache = RedisCache(client, single_flight_s=0.1)
    reply(client, "SET", lease_of(cache, "q"), "somebody who keeps renewing it", "PX", 60_000)
    assert cache.lookup("q", MODEL) is None
    assert reply(client, "GET", lease_of(cache, "q")) == b"somebody who keeps renewing it"


def in_fresh_context(call: Callable[[], Any]) -> Any:
    """What a call gives in a thread that has nothing of this one's."""
    result: list[Any] = []
    thread = Thread(target=lambda: result.append(call()))
    thread.start()
    thread.join(60)
    return result[0]


def test_leases_that_were_never_given_back_are_forgotten(client: Client) -> None:
    """A model that failed in a thread leaves it no leader for ever, nor do those who come from it."""
    cache = RedisCache(client, single_flight_s=0.05)
    assert cache.lookup("q", MODEL) is None
    wait_for(lambda: reply(client, "EXISTS", lease_of(cache, "q")) == 0)
    patient, work = RedisCache(client, single_flight_s=60), Work()
    found = at_once([lambda: copy_context().run(patient.get_or_compute, "q", MODEL, work)] * N)
    assert [text_of(one) for one in found] == ["answer 1"] * N
    assert work.calls == 1


def test_two_who_lead_do_not_wait_for_each_other(cache: RedisCache) -> None:
    both_lead = Barrier(2)

    def one(first: str, second: str) -> list[Any]:
        found = [cache.lookup(first, MODEL)]
        both_lead.wait(60)
        found.append(cache.lookup(second, MODEL))
        for prompt in (first, second):
            cache.update(prompt, MODEL, [Generation(text=f"{prompt} by {first}")])
        return found

    found = at_once([lambda: one("a", "b"), lambda: one("b", "a")])
    assert [leads[0] for leads in found] == [None, None]
    assert sum(leads[1] is not None for leads in found) == 1, "the other may wait"


async def test_the_server_goes_away_during_the_wait(client: Client, both: Both) -> None:
    cache, switch = RedisCache(client, single_flight_s=60), Switch(client)
    reply(client, "SET", lease_of(cache, "q"), "another", "PX", 60_000)
    switch.off(after=3)  # the look, and two more while it waits
    assert text_of(await both(cache.get_or_compute)("q", MODEL, lambda: "my own")) == "my own"
    switch.on()
    assert reply(client, "GET", lease_of(cache, "q")) == b"another"


@pytest.mark.parametrize("rests", [False, True], ids=["is asked", "rests"])
async def test_a_leader_whose_server_was_away_gives_its_lease_back_later(
    client: Client, both: Both, monkeypatch: pytest.MonkeyPatch, rests: bool
) -> None:
    monkeypatch.setattr(single_flight, "_LATE_S", 0.0)
    cache, values, switch = RedisCache(client, single_flight_s=600), RedisValueCache(client), Switch(client)

    def work() -> str:
        switch.off()
        if rests:
            client.breaker.failed(monotonic(), monotonic())
        return "answer"

    async def back() -> None:
        switch.on()
        client.breaker.worked()

    assert text_of(await both(cache.get_or_compute)("q", MODEL, work)) == "answer"
    await back()
    assert await both(values.get_or_load)("k", work, single_flight_s=600) == "answer"
    await back()
    held = (lease_of(cache, "q"), values._flows.ops.shard("k").lease("k"))
    assert reply(client, "EXISTS", held[0]) + reply(client, "EXISTS", held[1]) == 2
    assert text_of(await both(cache.get_or_compute)("another", MODEL, lambda: "2")) == "2"
    await both(client.settle)()
    assert reply(client, "EXISTS", held[0]) + reply(client, "EXISTS", held[1]) == 0


async def test_a_lease_whose_trip_may_be_under_way_is_left_to_it(
    client: Client, both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is stored in the same trip: before that, all who wait would ask the model."""
    later, key = [0.0], client.keys().lease("work", "s")
    monkeypatch.setattr(single_flight, "monotonic", lambda: monotonic() + later[0])
    await both(client.run)(acquire(key, "mine", 600_000))
    single_flight.give_back(key, "mine", monotonic() + 600)
    longest = RedisMemorySettings.model_fields["timeout_s"].default
    for seconds, held in ((longest, 1), (2 * longest, 0)):
        later[0] = seconds
        await both(client.drive)(single_flight.repay_flow())
        await both(client.settle)()
        assert reply(client, "EXISTS", key) == held


async def test_another_server_that_does_not_know_a_lease_has_not_given_it_back(
    client: Client, both: Both, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    monkeypatch.setattr(single_flight, "_LATE_S", 0.0)
    cache, switch = RedisCache(client, single_flight_s=600), Switch(client)

    def work() -> str:
        switch.off()
        return "answer"

    await both(cache.get_or_compute)("q", MODEL, work)
    switch.on()
    client.breaker.worked()
    async with Client.from_url(f"memory://{prefix}-other", prefix=prefix) as other:
        await both(RedisCache(other, single_flight_s=600).get_or_compute)("q", MODEL, lambda: "other")
        await both(other.settle)()
    assert reply(client, "EXISTS", lease_of(cache, "q")) == 1
    await both(cache.get_or_compute)("another", MODEL, lambda: "2")
    await both(client.settle)()
    assert reply(client, "EXISTS", lease_of(cache, "q")) == 0
    assert single_flight._owed == {}


async def test_a_lease_that_has_expired_is_owed_to_nobody(
    client: Client, both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, switch = RedisCache(client, single_flight_s=600), Switch(client)

    def work() -> str:
        switch.off()
        return "answer"

    await both(cache.get_or_compute)("q", MODEL, work)
    switch.on()
    client.breaker.worked()
    monkeypatch.setattr(single_flight, "monotonic", lambda: monotonic() + 601)
    await both(cache.get_or_compute)("another", MODEL, lambda: "2")
    await both(client.settle)()
    assert single_flight._owed == {}
    assert reply(client, "EXISTS", lease_of(cache, "q")) == 1, "nobody was asked in vain"


async def test_what_a_load_raises_is_raised_though_the_server_went_away(client: Client, both: Both) -> None:
    values = RedisValueCache(client)

    def load() -> str:
        client.breaker.failed(monotonic(), monotonic())
        raise LookupError

    with pytest.raises(LookupError):
        await both(values.get_or_load)("k", load)


async def test_a_foreign_lease_keeps_nobody(client: Client, both: Both) -> None:
    cache = RedisCache(client, single_flight_s=60)
    reply(client, "RPUSH", lease_of(cache, "q"), "foreign")
    reply(client, "PEXPIRE", lease_of(cache, "q"), 60_000)
    assert await both(cache.lookup)("q", MODEL) is None
    await both(cache.update)("q", MODEL, [Generation(text="a")])
    assert text_of(await both(cache.lookup)("q", MODEL)) == "a"


async def test_a_late_leader_gives_back_nothing_of_anothers(client: Client, both: Both) -> None:
    cache = RedisCache(client, single_flight_s=60)
    assert await both(cache.lookup)("q", MODEL) is None
    reply(client, "SET", lease_of(cache, "q"), "the next", "PX", 60_000)
    await both(cache.update)("q", MODEL, [Generation(text="late")])
    assert reply(client, "GET", lease_of(cache, "q")) == b"the next"
    assert text_of(await both(cache.lookup)("q", MODEL)) == "late"


# --- stale while one refreshes ------------------------------------------------------------------------


@pytest.fixture
def stale(client: Client) -> RedisCache:
    """A cache whose answer to q is over its lifetime and may still be served."""
    cache = RedisCache(client, ttl_s=0.001, stale_s=600, entries=EntryOptions(jitter=0))
    cache.update("q", MODEL, [Generation(text="old")])

    def over() -> bool:
        (kept,) = client.run(cache._flows.entries.get([name_of("q", MODEL)]))
        assert kept is not None
        assert kept.left_ms is not None
        return kept.left_ms <= 600_000

    wait_for(over)
    return cache


async def test_of_all_who_find_it_stale_one_refreshes(stale: RedisCache, both: Both) -> None:
    assert await both(stale.lookup)("q", MODEL) is None, "this one makes it anew"
    for _ in range(3):
        assert text_of(in_fresh_context(lambda: stale.lookup("q", MODEL))) == "old"
    fresh: BaseCache = RedisCache(stale._client, ttl_s=600, stale_s=600)
    await both(fresh.update)("q", MODEL, [Generation(text="new")])
    assert text_of(in_fresh_context(lambda: fresh.lookup("q", MODEL))) == "new"


def test_of_all_threads_that_find_it_stale_one_refreshes(stale: RedisCache) -> None:
    fresh, work = RedisCache(stale._client, ttl_s=600, stale_s=600), Work()
    found = at_once([lambda: fresh.get_or_compute("q", MODEL, work)] * N)
    assert {text_of(one) for one in found} <= {"old", "answer 1"}
    assert work.calls == 1


async def test_what_is_fresh_costs_no_second_trip(client: Client, both: Both, trips: list[Any]) -> None:
    cache = RedisCache(client, ttl_s=600, stale_s=600, entries=EntryOptions(jitter=0))
    await both(cache.update)("q", MODEL, [Generation(text="a")])
    trips.clear()
    assert text_of(await both(cache.lookup)("q", MODEL)) == "a"
    assert len(trips) <= 2  # the first use of a script may take another


async def test_a_refresh_that_fails_leaves_the_old_answer(stale: RedisCache, both: Both) -> None:
    def broken() -> str:
        msg = "the model is down"
        raise LookupError(msg)

    with pytest.raises(LookupError):
        await both(stale.get_or_compute)("q", MODEL, broken)
    assert reply(stale._client, "EXISTS", lease_of(stale, "q")) == 0
    assert text_of(await both(stale.get_or_compute)("q", MODEL, lambda: AIMessage("anew"))) == "anew"


async def test_a_server_that_goes_away_serves_the_stale_one(stale: RedisCache, both: Both) -> None:
    Switch(stale._client).off(after=1)
    assert text_of(await both(stale.lookup)("q", MODEL)) == "old"
