"""Values that are read without a script: the same is found, in the same trips, as the script finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from langchain_redis_memory import Client, InvalidInputError, RedisValueCache, Trip
from langchain_redis_memory.cache.value.operations import tags_of
from tests.conftest import Both, url_of
from tests.support.raw import raw
from tests.support.servers import TWO, Farm


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


@pytest.fixture
def cache(client: Client) -> RedisValueCache:
    return RedisValueCache(client, "n", ttl_s=60)


async def test_a_look_without_a_script_gives_what_the_script_gives(
    cache: RedisValueCache, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ops, tags = cache._flows.ops, tags_of(["x"], "ana")
    cache.set("plain", 1)
    cache.set("tagged", 2, tags=["x"], user="ana")
    client.run(ops.put("stale", 3, 1, stale_ms=60_000, took_ms=7))
    cache.set("gone", 4)
    cache.delete("gone")
    values = ops.shard("odd").values
    raw(client, ("HSET", values, "vodd", b"\x01what is this\nx"))

    def both_looks(name: str, asked: tuple[str, ...]) -> list[Any]:
        commands, read = ops.glance(name, asked)
        glance = read(raw(client, *commands))
        look = client.run(ops.look(name, asked))
        assert glance is not None
        spans = [(one.found and (one.found.left_ms, one.found.fresh_ms)) for one in (glance, look)]
        for first, second in zip(*(span or (0, 0) for span in spans), strict=True):
            assert abs(max(0, first or 0) - (second or 0)) < 5_000
        return [
            (one.found and (one.found.body, one.found.version, one.found.took_ms), one.tokens, one.off)
            for one in (glance, look)
        ]

    for name, asked in (
        ("plain", ()),
        ("plain", tags),
        ("tagged", tags),
        ("stale", ()),
        ("gone", ()),
        ("odd", ()),
        ("no", tags),
    ):
        first, second = both_looks(name, asked)
        assert first == second, name
    commands, read = ops.glance("tagged")
    assert read(raw(client, *commands)) is None, "whether its tags are current only the script can tell"
    cache.invalidate_tag("x")
    first, second = both_looks("tagged", tags)
    assert first == second
    assert first[0] is None
    cache.switch(on=False, for_s=60)
    first, second = both_looks("plain", ())
    assert (first, first[2]) == (second, True)


async def test_a_loaded_value_is_read_in_one_trip_with_its_tags_and_user(
    client: Client, both: Both, trips: list[Trip]
) -> None:
    cache, loads = RedisValueCache(client, "loaded", ttl_s=60), [0]

    def load() -> int:
        loads[0] += 1
        return loads[0]

    about: dict[str, Any] = {"tags": ["x", "y"], "user": "ana"}
    for _ in range(2):
        trips.clear()
        assert await both(cache.get_or_load)("k", load, **about) == 1
    assert len(trips) == 1
    assert await both(cache.get_or_load)("k", load, tags=["x"]) == 1, "with other tags the script is asked"
    await both(cache.invalidate_tag)("y")
    trips.clear()
    assert await both(cache.get_or_load)("k", load, **about) == 2
    assert len(trips) <= 4


async def test_many_values_are_found_whatever_tags_they_have(client: Client, both: Both, trips: list[Trip]) -> None:
    cache = RedisValueCache(client, "many", ttl_s=60)
    names = [f"k{number}" for number in range(20)]
    await both(cache.set_many)(dict.fromkeys(names, 0))
    trips.clear()
    assert await both(cache.get_many)(names) == dict.fromkeys(names, 0)
    assert len(trips) == 1
    await both(cache.set)("k1", 1, tags=["x"])
    await both(cache.set)("k2", 2, tags=["y"])
    await both(cache.invalidate_tag)("y")
    found = await both(cache.get_many)([*names, "none"])
    assert (len(found), found["k1"], "k2" in found) == (19, 1, False)


@pytest.mark.parametrize(
    "options", [{"early": True}, {"jitter": [1]}, {"stale_s": -1}, {"single_flight_s": "x"}], ids=str
)
async def test_an_option_that_is_none_is_refused(cache: RedisValueCache, both: Both, options: Any) -> None:
    await both(cache.get_or_load)("k", lambda: 1, early=1.0)
    with pytest.raises(InvalidInputError, match=next(iter(options))):
        await both(cache.get_or_load)("k", lambda: 1, **options)


def test_arguments_are_bound_as_the_function_would(cache: RedisValueCache) -> None:
    @cache.cached()
    def plain(a: int, b: int = 2, *, c: int = 3) -> tuple[int, int, int]:
        return a, b, c

    @cache.cached()
    def loose(a: int, *rest: int, **named: int) -> Any:
        return [a, rest, named]

    call: Callable[..., Any] = plain
    assert [call(1), call(1, 2), call(a=1, b=2, c=3), call(1, c=4)] == [(1, 2, 3)] * 3 + [(1, 2, 4)]
    assert plain.key(1) == plain.key(1, 2) == plain.key(a=1, b=2, c=3) != plain.key(1, c=4)
    assert loose(1, 2, x=3) == [1, (2,), {"x": 3}]
    for args, named in (((), {}), ((1, 2, 3), {}), ((1,), {"a": 1}), ((1,), {"d": 1})):
        with pytest.raises(TypeError):
            call(*args, **named)


def test_a_method_s_object_may_be_in_the_name(cache: RedisValueCache) -> None:
    class Shop:
        def __init__(self, name: str) -> None:
            self.name = name

        @cache.cached(key="price:{self.name}:{item}", tags=["shop:{self.name}"])
        def price(self, item: str) -> str:
            return f"{item} at {self.name}"

    one, two = Shop("one"), Shop("two")
    assert [one.price("tea"), two.price("tea"), one.price(item="tea")] == ["tea at one", "tea at two", "tea at one"]
    assert one.price.key("tea") == "price:one:tea"
