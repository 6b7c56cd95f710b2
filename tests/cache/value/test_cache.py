"""The value cache: values by name, what makes them stale, loading, versions, locks, and a server that is away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from pydantic import SecretStr

from langchain_redis_memory import (
    Client,
    ConfigError,
    ConflictError,
    InvalidIdError,
    InvalidInputError,
    RedisValueCache,
    Trip,
    UnavailableError,
    UnserialisableError,
)
from langchain_redis_memory.cache.value.presets import PRESETS
from langchain_redis_memory.ops import merge
from tests.conftest import Both, url_of
from tests.support.servers import TWO, Farm, closed_port, wait_for

Make = Callable[..., RedisValueCache]


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


@pytest.fixture
def cache(client: Client) -> RedisValueCache:
    return RedisValueCache(client, "n", ttl_s=60)


class Source:
    """What is loaded: a number that rises with each load."""

    def __init__(self, meanwhile: Callable[[], Any] = lambda: None) -> None:
        self.loads, self.meanwhile = 0, meanwhile

    def __call__(self) -> int:
        self.loads += 1
        number = self.loads
        self.meanwhile()
        return number


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["x", 7, None, b"\x00", {"a": [1, (2,)]}, AIMessage("hi", id="1")], ids=repr)
async def test_a_value_comes_back_as_it_was(cache: RedisValueCache, both: Both, value: Any) -> None:
    assert await both(cache.get)("k", "none") == "none"
    assert await both(cache.set)("k", value) is True
    assert await both(cache.get)("k", "none") == value
    assert await both(cache.exists)("k")
    assert await both(cache.delete)("k", "other") == 1
    assert await both(cache.get)("k", "none") == "none"
    assert not await both(cache.exists)("k")


async def test_a_value_that_cannot_be_stored_is_refused(cache: RedisValueCache, both: Both) -> None:
    with pytest.raises(UnserialisableError, match="the value of 'k'"):
        await both(cache.set)("k", object())
    with pytest.raises(InvalidIdError):
        await both(cache.set)("", 1)


async def test_what_is_no_name_is_refused(cache: RedisValueCache, both: Both) -> None:
    wrong: Any
    for wrong in (["k"], 1, "", None):
        with pytest.raises(InvalidIdError, match="key must"):
            await both(cache.get)(wrong)


async def test_only_if_there_is_none_or_one(cache: RedisValueCache, both: Both) -> None:
    assert not await both(cache.set)("k", 1, xx=True)
    assert await both(cache.set)("k", 2, nx=True)
    assert not await both(cache.set)("k", 3, nx=True)
    assert await both(cache.set)("k", 4, xx=True)
    assert await both(cache.get)("k") == 4
    await both(cache.delete)("k")
    assert await both(cache.set)("k", 5, nx=True)
    with pytest.raises(InvalidInputError, match="choose one"):
        await both(cache.set)("k", 6, nx=True, xx=True)


@pytest.mark.pins
async def test_lifetimes(cache: RedisValueCache, both: Both) -> None:
    assert await both(cache.ttl)("k") is None
    assert not await both(cache.expire)("k", 500)
    await both(cache.set)("k", 1)
    assert await both(cache.ttl)("k") == pytest.approx(60, abs=30)
    assert await both(cache.expire)("k", 500)
    assert await both(cache.ttl)("k") == pytest.approx(500, abs=60)
    await both(cache.set)("k", 1, None)
    assert await both(cache.ttl)("k") == float("inf")
    await both(cache.set)("gone", 1, 0.001)
    wait_for(lambda: cache.get("gone") is None)
    assert await both(cache.get)("k") == 1


async def test_many_in_one_trip(cache: RedisValueCache, both: Both, trips: list[Trip]) -> None:
    await both(cache.set)("warm", cache.get_many(["up"]))
    trips.clear()
    assert await both(cache.set_many)({f"k{i}": i for i in range(50)}) == 50
    assert await both(cache.get_many)([*(f"k{i}" for i in range(50)), "none"]) == {f"k{i}": i for i in range(50)}
    assert len(trips) == 2
    assert await both(cache.get_many)([]) == {}


async def test_counting(cache: RedisValueCache, both: Both) -> None:
    assert await both(cache.incr)("n") == 1
    assert await both(cache.expire)("n", 500)
    assert await both(cache.incr)("n", 2.5) == 3.5
    assert await both(cache.ttl)("n") == pytest.approx(500, abs=60)
    await both(cache.set)("text", "x")
    with pytest.raises(InvalidInputError, match="holds no number, but str"):
        await both(cache.incr)("text")


def test_no_count_is_lost(cache: RedisValueCache) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: cache.incr("n"), range(24)))
    assert cache.get("n") == 24


async def test_namespaces_and_tenants_never_meet(client: Client, both: Both) -> None:
    caches = [RedisValueCache(client, n, tenant=t) for n, t in (("a", ""), ("a/b", ""), ("a", "b"), ("b", "a"))]
    for number, cache in enumerate(caches):
        await both(cache.set)("k", number)
    assert [await both(cache.get)("k") for cache in caches] == [0, 1, 2, 3]


# --- what makes stale -------------------------------------------------------------------------------------------------


async def test_a_tag_makes_all_its_values_stale_in_one_trip(
    cache: RedisValueCache, both: Both, trips: list[Trip]
) -> None:
    await both(cache.invalidate_tag)("other")
    for number in range(40):
        await both(cache.set)(f"k{number}", number, tags=["odd" if number % 2 else "even", "all = of; them"])
    trips.clear()
    await both(cache.invalidate_tag)("odd")
    assert len(trips) == 1
    assert sorted(await both(cache.get_many)([f"k{i}" for i in range(40)])) == sorted(f"k{i}" for i in range(0, 40, 2))
    await both(cache.set)("k1", 1, tags=["odd"])
    assert await both(cache.get)("k1") == 1
    await both(cache.invalidate_tag)("all = of; them")
    assert await both(cache.get)("k2") is None


async def test_a_user_is_no_tag(cache: RedisValueCache, both: Both) -> None:
    await both(cache.set)("a", 1, user="ana")
    await both(cache.set)("b", 2, user="ben", tags=["ana"])
    await both(cache.clear_user)("ana")
    assert await both(cache.get_many)(["a", "b"]) == {"b": 2}


async def test_names_are_found_by_a_pattern(cache: RedisValueCache, both: Both) -> None:
    names = ["user:1:profile", "user:2:profile", "user:2:cart", "user:[x]:profile", "users"]
    await both(cache.set_many)(dict.fromkeys(names, 1))
    assert await both(cache.invalidate)("user:[x]:*") == 1
    assert await both(cache.invalidate)("user:*:profile") == 2
    assert sorted(await both(cache.get_many)(names)) == ["user:2:cart", "users"]
    assert await both(cache.invalidate)("none*") == 0


@pytest.mark.parametrize("how", ["tag", "user", "delete", "set", "pattern"])
async def test_what_is_loaded_meanwhile_is_stale_as_well(cache: RedisValueCache, both: Both, how: str) -> None:
    cache.set("k", 0, tags=["t"], user="ana")
    ways: dict[str, Callable[[], Any]] = {
        "tag": lambda: cache.invalidate_tag("t"),
        "user": lambda: cache.clear_user("ana"),
        "delete": lambda: cache.delete("k"),
        "set": lambda: cache.set("k", 99),
        "pattern": lambda: cache.invalidate("k*"),
    }
    load = Source(ways[how])
    assert await both(cache.get_or_load)("k", load, tags=["t"], user="ana", refresh=True) == 1
    assert await both(cache.get)("k") == (99 if how == "set" else None)


# --- loading ----------------------------------------------------------------------------------------------------------


async def test_a_value_is_loaded_once(cache: RedisValueCache, both: Both, trips: list[Trip]) -> None:
    load = Source()
    assert await both(cache.get_or_load)("k", load) == 1
    trips.clear()
    assert await both(cache.get_or_load)("k", load) == 1
    assert len(trips) == 1
    assert await both(cache.get_or_load)("k", load, refresh=True) == 2
    assert await both(cache.get)("k") == 2


async def test_a_coroutine_function_loads_as_well(cache: RedisValueCache, both: Both) -> None:
    async def load() -> str:
        await asyncio.sleep(0)
        return "x"

    assert await both(cache.get_or_load)("k", load) == "x"
    assert await both(cache.get)("k") == "x"


def test_of_all_who_miss_one_loads(cache: RedisValueCache) -> None:
    ready = threading.Barrier(6)
    load = Source(lambda: wait_for(lambda: cache.exists("go")))

    def ask(number: int) -> int:
        ready.wait(60)
        if number == 5:
            wait_for(lambda: load.loads)
            cache.set("go", 1)
            return 1
        return cache.get_or_load("k", load)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(ask, range(6))) == [1] * 6
    assert load.loads == 1


async def test_nothing_is_kept_unless_its_lifetime_is_given(cache: RedisValueCache, both: Both) -> None:
    load = Source()

    def none() -> None:
        load()

    for _ in range(2):
        assert await both(cache.get_or_load)("k", none) is None
    assert load.loads == 2
    for _ in range(2):
        assert await both(cache.get_or_load)("k", none, negative_ttl_s=60) is None
    assert load.loads == 3


async def test_a_stale_value_is_served_where_loading_fails(cache: RedisValueCache, both: Both) -> None:
    def broken() -> int:
        raise LookupError

    await both(cache.get_or_load)("k", Source(), 0.001, stale_s=60, jitter=0)
    wait_for(lambda: cache.get("k") is None)
    assert await both(cache.get_or_load)("k", broken, stale_s=60) == 1
    with pytest.raises(LookupError):
        await both(cache.get_or_load)("other", broken, stale_s=60)
    assert await both(cache.get_or_load)("k", lambda: 7, stale_s=60) == 7
    assert await both(cache.get)("k") == 7


async def test_while_one_loads_anew_the_others_are_served_what_is_stale(cache: RedisValueCache, both: Both) -> None:
    await both(cache.get_or_load)("k", Source(), 0.001, stale_s=60, jitter=0)
    wait_for(lambda: cache.get("k") is None)
    other: list[int] = []

    def meanwhile() -> int:
        with ThreadPoolExecutor(1) as pool:
            other.append(pool.submit(cache.get_or_load, "k", Source(), stale_s=60).result())
        return 8

    assert await both(cache.get_or_load)("k", meanwhile, stale_s=60) == 8
    assert other == [1]


async def test_a_value_is_loaded_anew_the_sooner_the_longer_that_took(
    cache: RedisValueCache, both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.random", lambda: 0.99)
    client = cache._client
    for key, took_ms in (("quick", 1), ("slow", 30_000)):
        client.run(cache._flows.ops.put(key, 0, 60_000, took_ms=took_ms))
    assert await both(cache.get_or_load)("quick", Source()) == 0
    assert await both(cache.get_or_load)("slow", Source(), early=0) == 0
    assert await both(cache.get_or_load)("slow", Source()) == 1


# --- versions and locks -----------------------------------------------------------------------------------------------


async def test_a_value_is_changed_only_if_nobody_else_has(cache: RedisValueCache, both: Both) -> None:
    assert await both(cache.versioned)("k") == (None, 0)
    assert await both(cache.set_if)("k", 1, 0)
    assert not await both(cache.set_if)("k", 2, 0)
    value, version = await both(cache.versioned)("k")
    assert value == 1
    assert await both(cache.set_if)("k", 2, version)
    assert not await both(cache.set_if)("k", 3, version)
    await both(cache.delete)("k")
    assert not await both(cache.set_if)("k", 3, (await both(cache.versioned)("k")).version + 1)
    assert await both(cache.set_if)("k", 4, 0)


async def test_a_lock_has_one_holder_with_a_rising_number(cache: RedisValueCache, both: Both) -> None:
    first, second = cache.lock("job", 60), cache.lock("job", 60, wait_s=0.01)
    fence = await both(first.acquire)()
    with pytest.raises(ConflictError, match="is held by somebody else"):
        await both(second.acquire)()
    assert await both(first.renew)()
    assert not await both(second.renew)()
    assert not await both(second.release)()
    assert await both(first.release)()
    assert not await both(first.renew)()
    async with second:
        assert second.fence > fence
    with first:
        assert first.fence > fence
    assert first.fence == 0


def test_who_waits_for_a_lock_gets_it_when_it_expires(cache: RedisValueCache) -> None:
    late = cache.lock("job", 0.05)
    late.acquire()
    with cache.lock("job") as lock:
        assert lock.fence > late.fence
        assert not late.release()


# --- decorators -------------------------------------------------------------------------------------------------------


async def test_a_function_is_cached(cache: RedisValueCache, both: Both) -> None:
    calls: list[Any] = []
    tags = ["part:{part}", "curly}}brace"]
    decorate = cache.cached(key="user:{user_id}:{part}", tags=tags, user="user_id", ttl_s=60)

    def load(user_id: str, part: str = "all") -> int:
        calls.append((user_id, part))
        return len(calls)

    async def aload(user_id: str, part: str = "all") -> int:
        return load(user_id, part)

    function: Any = decorate(aload) if both.asynchronous else decorate(load)

    async def call(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        found = method(*args, **kwargs)
        return await found if both.asynchronous else found

    assert [await call(function, "ana"), await call(function, user_id="ana"), await call(function, "ben")] == [1, 1, 2]
    assert function.key("ana") == "user:ana:all"
    assert await call(function.refresh, "ana") == 3
    assert await call(function, "ana") == 3
    assert await call(function.invalidate, "ana") == 1
    assert await call(function, "ana") == 4
    await both(cache.clear_user)("ana")
    assert [await call(function, "ana"), await call(function, "ben")] == [5, 2]
    await both(cache.invalidate_tag)("part:all")
    assert await call(function, "ben") == 6
    await both(cache.invalidate_tag)("curly}brace")
    assert await call(function, "ben") == 7
    assert function.__name__ == ("aload" if both.asynchronous else "load")


def test_methods_and_arguments_of_any_kind(cache: RedisValueCache) -> None:
    calls: list[int] = []

    class Shop:
        @cache.cached()
        def price(self, item: dict[str, int]) -> int:
            calls.append(1)
            return item["n"] * 2

    shop = Shop()
    assert [shop.price({"n": 2}), shop.price({"n": 2}), shop.price({"n": 3})] == [4, 4, 6]
    assert len(calls) == 2
    assert shop.price.invalidate({"n": 2}) == 1


def test_functions_and_objects_of_one_name_are_told_apart(cache: RedisValueCache) -> None:
    def made_for(tenant: str) -> Any:
        @cache.cached()
        def load(item: str) -> str:
            return tenant + item

        return load

    class Shop:
        def __init__(self, name: str) -> None:
            self.name = name

        @cache.cached()
        def load(self, item: str) -> str:
            return self.name + item

        @classmethod
        @cache.cached()
        def kind(cls) -> str:
            return cls.__name__

    class Stall(Shop):
        pass

    lambdas = [cache.cached()(lambda item: "f" + item), cache.cached()(lambda item: "g" + item)]
    given = [*(made_for(one)("1") for one in "ab"), *(Shop(one).load("1") for one in "cd"), *(f("1") for f in lambdas)]
    assert given == ["a1", "b1", "c1", "d1", "f1", "g1"]
    assert [Shop.kind(), Stall.kind()] == ["Shop", "Stall"]
    assert made_for("a").key("1") == made_for("a").key("1")


def test_a_class_is_named_as_an_argument(cache: RedisValueCache) -> None:
    @cache.cached()
    def called(kind: type, count: int, other: type = str) -> str:
        return f"{count} {kind.__name__} {other.__name__}"

    assert [called(int, 1), called(float, 1), called(int, 2)] == ["1 int str", "1 float str", "2 int str"]
    assert called(int, other=float, count=1) == "1 int float"
    assert called.key(int, 1, str) == called.key(int, 1) != called.key(str, 1, int)


CURRENCY = "EUR"


def priced(item: str) -> str:
    return f"{item} {CURRENCY}"


def test_a_constant_of_its_module_is_a_part_of_a_function(cache: RedisValueCache) -> None:
    versions = [
        FunctionType(priced.__code__, {**globals(), "CURRENCY": currency}) for currency in ("EUR", "USD", "EUR")
    ]
    assert [cache.cached()(version)("tea") for version in versions] == ["tea EUR", "tea USD", "tea EUR"]
    assert cache.cached()(versions[0]).key("tea") == cache.cached()(versions[2]).key("tea")


class Connection:
    """What dependency injection hands to a repository: its tenant is in there, and what no description holds."""

    def __init__(self, tenant: str) -> None:
        self.tenant, self.lock = tenant, threading.Lock()


@dataclass
class Named:
    name: str


class Slotted:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Unreadable:
    __slots__ = ("connection",)

    def __init__(self, connection: Any) -> None:
        self.connection = connection


class Repository:
    def __init__(self, held: Any) -> None:
        self.held = held


HELD: dict[str, Callable[[str], Any]] = {
    "a connection": Connection,
    "slots": Slotted,
    "a dataclass": Named,
    "with None": lambda tenant: {"tenant": tenant, "none": None},
    "a long list": lambda tenant: [*range(1001), tenant],
    "an object in an object": lambda tenant: Repository(Connection(tenant)),
    "slots of objects": lambda tenant: Unreadable(Connection(tenant)),
    "a secret": SecretStr,
    "keys of two types": lambda tenant: {1 if tenant == "a" else "1": 0},
}


@pytest.mark.parametrize("kind", HELD)
def test_what_cannot_be_read_whole_is_told_apart(cache: RedisValueCache, kind: str) -> None:
    def method(self: Any) -> None: ...

    def closing_over(held: Any) -> Any:
        return cache.cached()(lambda: held)

    loaded, hold = cache.cached()(method), HELD[kind]
    first, second = hold("a"), hold("b")
    for one, other in [(Repository(first), Repository(second)), (first, second)]:
        if not isinstance(one, (dict, list)):
            assert loaded.__get__(one).key() == loaded.__get__(one).key() != loaded.__get__(other).key()
    assert closing_over(first).key() != closing_over(second).key()


def test_what_can_be_read_shares_between_objects_and_one_connection_between_its_users(cache: RedisValueCache) -> None:
    loaded, connection = cache.cached()(lambda self: 0), Connection("a")
    for make in (Slotted, Named, lambda name: Repository({"name": name, "none": None, "empty": []})):
        assert loaded.__get__(make("a")).key() == loaded.__get__(make("a")).key()
    repository = Repository(connection)
    assert (key := loaded.__get__(repository).key()) == loaded.__get__(Repository(connection)).key()
    repository.held = Connection("b")
    assert loaded.__get__(repository).key() != key


def test_a_name_is_asked_for_where_an_object_cannot_be_known_again(cache: RedisValueCache) -> None:
    one = Unreadable([Connection("a")])
    with pytest.raises(ConfigError, match="name them with key="):
        cache.cached()(lambda self: 0).__get__(one).key()
    assert cache.cached(key="{n}")(lambda self, n: n).__get__(one).key(1) == "1"


def test_a_function_of_a_module_has_one_name_in_every_process(cache: RedisValueCache) -> None:
    source = f"def load(item, *, pick=max, none=...):\n    return ... if item in {tuple(range(1200))} else pick(item)"
    keys = []
    for _ in range(2):
        made: dict[str, Any] = {"__name__": "shop"}
        exec(source, made)
        load: Any = cache.cached()(made["load"])
        keys.append(load.key(1, pick=0, none=0))
    assert keys[0] == keys[1]


def test_a_name_that_comes_after_the_decorator(cache: RedisValueCache) -> None:
    def made_for(tenant: str) -> Any:
        @cache.cached()
        def load() -> str:
            return later

        later = tenant
        return load

    assert [made_for("a")(), made_for("b")()] == ["a", "b"]


def test_arguments_do_not_run_together_in_a_name(cache: RedisValueCache) -> None:
    pair = cache.cached(key="{a}:{b}")(lambda a, b: [a, b])
    assert [pair("x:y", "z"), pair("x", "y:z"), pair("x%3ay", "z")] == [["x:y", "z"], ["x", "y:z"], ["x%3ay", "z"]]
    assert (pair.key("x-y", "z"), pair.key("x:y", "%")) == ("x-y:z", "x%3ay:%25")
    assert cache.cached(key="{{{a}}}")(lambda a: a).key("x:y") == "{x:y}"


def test_a_name_tells_users_and_arguments_apart(cache: RedisValueCache) -> None:
    with pytest.raises(ConfigError, match=r"does not name 'who', which names the user"):
        cache.cached(key="prefs:{part}", user="who")(lambda who, part: part)
    with pytest.raises(ConfigError, match="two arguments with nothing between"):
        cache.cached(key="{a}{b}")(lambda a, b: a)


async def test_a_bare_decorator_takes_the_defaults(cache: RedisValueCache, both: Both) -> None:
    calls = 0

    @cache.cached
    def load(name: str) -> str:
        nonlocal calls
        calls += 1
        return f"{name} {calls}"

    @cache.cached
    async def aload(name: str) -> str:
        return f"{name} {calls}"

    if both.asynchronous:
        assert [await aload("a"), await aload("a")] == ["a 0", "a 0"]
    else:
        assert [load("a"), load("a"), load("b"), load.refresh("a")] == ["a 1", "a 1", "b 2", "a 3"]
    with pytest.raises(ConfigError, match=r"options by keyword, as cached\(key='user:{id}'\), got 'user:{id}'"):
        cache.cached("user:{id}")  # type: ignore[call-overload]


def test_wrong_templates_and_options_are_refused(cache: RedisValueCache) -> None:
    for options in ({"key": "{who}"}, {"tags": ["{who}"]}, {"user": "who"}):
        with pytest.raises(ConfigError, match=r"names 'who', which .* does not take"):
            cache.cached(**options)(lambda name: name)
    with pytest.raises(TypeError, match=r"cached\(\) has no option ttl;"):
        cache.cached(ttl=5)


# --- on and off, statistics, presets ----------------------------------------------------------------------------------


async def test_it_is_passed_over_here_or_switched_off_everywhere(
    client: Client, cache: RedisValueCache, both: Both
) -> None:
    load, other = Source(), RedisValueCache(client, "n")
    await both(cache.set)("k", 0)
    with cache.disabled():
        assert await both(cache.get)("k") is None
        assert not await both(cache.set)("k", 5)
        assert await both(cache.get_or_load)("k", load) == 1
        assert await both(other.get)("k") == 0
    assert await both(cache.get)("k") == 0
    assert await both(cache.off_for)() == 0
    await both(other.switch)(on=False, for_s=60)
    assert 0 < await both(cache.off_for)() <= 60
    assert await both(cache.get)("k") is None
    assert await both(cache.get_or_load)("k", load) == 2
    await both(other.switch)(on=True)
    assert await both(cache.get_or_load)("k", load) == 0


async def test_statistics(cache: RedisValueCache, both: Both) -> None:
    await both(cache.get)("k")
    await both(cache.get_or_load)("k", Source())
    await both(cache.get)("k")
    stats = await both(cache.stats)()
    assert (stats.hits, stats.misses) == (1, 2)


def test_presets(client: Client) -> None:
    for name, (ttl_s, _) in PRESETS.items():
        cache = RedisValueCache.preset(name, client)
        cache.set("k", name)
        assert cache.ttl("k") == pytest.approx(ttl_s, abs=60)
    with pytest.raises(ConfigError, match="one of 'personalities'"):
        RedisValueCache.preset("none")  # type: ignore[arg-type]


# --- near -------------------------------------------------------------------------------------------------------------


async def test_a_near_value_costs_no_trip(client: Client, both: Both, trips: list[Trip]) -> None:
    cache = RedisValueCache(client, near_s=60)
    await both(cache.set)("k", {"a": [1]})
    trips.clear()
    found = await both(cache.get)("k")
    found["a"].append(2)
    assert await both(cache.get)("k") == {"a": [1]}, "a caller's change stays his own"
    assert await both(cache.get_or_load)("k", Source()) == {"a": [1]}
    assert await both(cache.get_many)(["k"]) == {"k": {"a": [1]}}
    assert trips == []
    for change in (lambda: cache.delete("k"), lambda: cache.invalidate_tag("t"), lambda: cache.clear_user("u")):
        await both(cache.set)("k", 1, tags=["t"], user="u")
        change()
        assert await both(cache.get)("k") is None


async def test_another_process_is_seen_after_a_bounded_time(client: Client, both: Both) -> None:
    cache, other = RedisValueCache(client, near_s=0.05), RedisValueCache(client)
    await both(cache.set)("k", 1)
    await both(other.set)("k", 2)
    wait_for(lambda: cache.get("k") == 2)


async def test_of_two_versions_the_newer_one_stays_near(client: Client) -> None:
    cache, other = RedisValueCache(client, near_s=60), RedisValueCache(client)
    cache.set("k", 1)
    old = client.run(other._flows.ops.look("k"))
    cache.set("k", 2)
    assert old.found is not None
    cache._flows.value("k", old.found, 1e12)
    assert cache.get("k") == 2
    cache.delete("k")
    cache._flows.value("k", old.found, 1e12)
    assert cache.get("k") is None


async def test_a_value_in_a_trip_of_ones_own_is_sent_once(client: Client, both: Both, trips: list[Trip]) -> None:
    cache = RedisValueCache(client)
    await both(cache.set_many)({"a": "x" * 500, "b": [1]})
    assert await both(client.run)(merge(cache.op("a"), cache.op("b"), cache.op("c", 0))) == ("x" * 500, [1], 0)
    trips.clear()
    assert await both(client.run)(merge(cache.op("a"), cache.op("b"))) == ("x" * 500, [1])
    assert len(trips) == 1
    await both(RedisValueCache(client).set)("a", "new")
    assert await both(client.run)(cache.op("a")) == "new"


# --- a server that is away --------------------------------------------------------------------------------------------


async def test_a_server_that_is_away_is_a_miss(both: Both) -> None:
    client = Client.from_url(f"redis://127.0.0.1:{closed_port()}", retries=0, connect_timeout_s=0.2)
    cache = RedisValueCache(client)
    assert await both(cache.get)("k", 0) == 0
    assert await both(cache.set)("k", 1) is False
    assert await both(cache.get_or_load)("k", Source()) == 1
    assert await both(cache.get_many)(["k"]) == {}
    for must in (cache.delete, cache.invalidate_tag, cache.clear_user, cache.versioned):
        with pytest.raises(UnavailableError):
            await both(must)("k")


async def test_a_process_that_knows_of_no_tags_minds_them(client: Client, both: Both) -> None:
    writer, reader = (RedisValueCache(client, "tagged", ttl_s=60) for _ in range(2))
    await both(writer.set)("plain", 0)
    await both(writer.set)("a", 1, tags=["x"])
    assert [await both(reader.get)(key) for key in ("plain", "a", "a", "plain")] == [0, 1, 1, 0]
    await both(writer.invalidate_tag)("x")
    assert await both(reader.get)("a") is None
    assert await both(RedisValueCache(client, "tagged", ttl_s=60).get)("a") is None
