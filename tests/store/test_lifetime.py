"""Lifetimes of a store's items: each its own, moved by reading, nothing left behind when they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langgraph.store.base import GetOp, ListNamespacesOp, PutOp, SearchOp

from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.store.items import name_of
from langchain_redis_memory.store.redis_store import RedisStore
from tests.conftest import Both, immortal
from tests.support.raw import raw
from tests.support.servers import wait_for
from tests.support.stores import DIMS, embed

INDEX: Any = {"dims": DIMS, "embed": embed, "fields": ["text"]}
SOON = 0.15 / 60
TIMEOUT_S = 1.0
"""How long what is kept alive would live, in seconds."""
"""A lifetime in minutes that a test can wait for."""


@pytest.fixture
def store(client: Client) -> RedisStore:
    return RedisStore(client)


def expiry_of(client: Client, namespace: tuple[str, ...], key: str) -> float:
    return float(
        raw(client, ("ZSCORE", client.keys().items(namespace[0]).item_expiries, name_of(namespace, key)))[0] or 0
    )


def after(client: Client, expiry: float) -> Callable[[], bool]:
    def passed() -> bool:
        seconds, micros = raw(client, ("TIME",))[0]
        return int(seconds) * 1000 + int(micros) / 1000 > expiry

    return passed


@pytest.mark.pins
async def test_each_item_has_its_own_lifetime(client: Client, store: RedisStore, both: Both) -> None:
    await both(store.put)(("a", "x"), "short", {"v": 1}, ttl=SOON)
    await both(store.put)(("a", "y"), "long", {"v": 2}, ttl=10)
    await both(store.put)(("a", "z"), "ever", {"v": 3})
    wait_for(after(client, expiry_of(client, ("a", "x"), "short")))
    assert await both(store.get)(("a", "x"), "short") is None
    assert [item.key for item in await both(store.search)(("a",))] == ["long", "ever"]
    assert await both(store.search)(("a",), filter={"v": 1}) == []
    assert await both(store.list_namespaces)(prefix=("a",)) == [("a", "y"), ("a", "z")]
    await both(store.put)(("a", "x"), "short", {"v": 4}, ttl=10)
    assert [item.value["v"] for item in await both(store.search)(("a",))] == [2, 3, 4]


async def test_everything_goes_with_the_last_item(client: Client, store: RedisStore, both: Both) -> None:
    await both(store.put)(("a",), "k", {"v": 1}, ttl=SOON)
    await both(store.put)(("a",), "k2", {"v": 1}, ttl=SOON)
    keys = (*client.keys().items("a").all(), *client.keys().roots().all())
    wait_for(lambda: raw(client, ("EXISTS", *keys)) == [0])


async def test_expired_items_leave_with_the_next_writes(client: Client, store: RedisStore, both: Both) -> None:
    await both(store.batch)([PutOp(("a",), str(i), {}, ttl=SOON) for i in range(10)])
    expiry = max(expiry_of(client, ("a",), str(i)) for i in range(10))
    await both(store.put)(("a",), "k", {}, ttl=10)
    wait_for(after(client, expiry))
    await both(store.put)(("a",), "k2", {}, ttl=10)
    keys = client.keys().items("a")
    assert raw(client, ("ZCARD", keys.item_names), ("ZCARD", keys.item_expiries), ("HLEN", keys.items)) == [2, 2, 3]


async def test_the_default_lifetime_and_reading(client: Client, both: Both) -> None:
    store = RedisStore(client, ttl={"default_ttl": 5})
    await both(store.put)(("a",), "k", {"v": 1})
    first = expiry_of(client, ("a",), "k")
    assert after(client, first - 300_000 - 1)()
    assert not after(client, first - 200_000)()
    wait_for(after(client, first - 300_000 + 3))
    for read in (
        lambda: both(store.get)(("a",), "k"),
        lambda: both(store.search)(("a",)),
        lambda: both(store.search)((), filter={"v": 1}),
    ):
        before = expiry_of(client, ("a",), "k")
        wait_for(after(client, before - 300_000 + 3))
        await read()
        assert expiry_of(client, ("a",), "k") > before
    before = expiry_of(client, ("a",), "k")
    wait_for(after(client, before - 300_000 + 3))
    await both(store.get)(("a",), "k", refresh_ttl=False)
    await both(store.search)(("a",), refresh_ttl=False)
    await both(store.search)(("a",), filter={"v": 2})
    assert expiry_of(client, ("a",), "k") == before


async def test_no_refresh_on_read_by_configuration(client: Client, both: Both) -> None:
    store = RedisStore(client, ttl={"default_ttl": 5, "refresh_on_read": False, "omit_expired": True})
    await both(store.put)(("a",), "k", {"v": 1})
    before = expiry_of(client, ("a",), "k")
    wait_for(after(client, before - 300_000 + 3))
    await both(store.get)(("a",), "k")
    assert expiry_of(client, ("a",), "k") == before
    await both(store.get)(("a",), "k", refresh_ttl=True)
    assert expiry_of(client, ("a",), "k") > before


@pytest.mark.clocked
async def test_reading_keeps_an_item_and_its_root_alive(client: Client, store: RedisStore, both: Both) -> None:
    await both(store.put)(("a",), "k", {"v": 1}, ttl=TIMEOUT_S / 60)
    first = expiry_of(client, ("a",), "k")
    while not after(client, first + 100)():
        assert await both(store.get)(("a",), "k") is not None
    assert await both(store.list_namespaces)() == [("a",)]
    assert [item.key for item in await both(store.search)(())] == ["k"]


@pytest.mark.pins
async def test_an_update_can_take_the_lifetime_away(client: Client, store: RedisStore, both: Both) -> None:
    await both(store.put)(("a",), "k", {}, ttl=5)
    await both(store.put)(("a",), "k", {}, ttl=None)
    assert expiry_of(client, ("a",), "k") == 0
    keys = client.keys()
    assert raw(client, ("PTTL", keys.items("a").items), ("PTTL", keys.roots().roots)) == [-1, -1]


async def test_a_key_is_no_longer_immortal_when_its_last_lasting_item_goes(
    client: Client, store: RedisStore, both: Both, prefix: str, url: str
) -> None:
    await both(store.batch)([PutOp(("a",), "ever", {}), PutOp(("a",), "k", {}, ttl=5)])
    await both(store.delete)(("a",), "ever")
    await both(store.delete)(("a",), "k")
    await both(store.list_namespaces)()
    if not url.startswith("memory:"):
        assert immortal(url, prefix) == []
    assert raw(client, ("EXISTS", *client.keys().roots().all())) == [0]


async def test_a_search_that_renews_takes_one_more_trip(
    client: Client, store: RedisStore, both: Both, trips: list[Trip]
) -> None:
    await both(store.put)(("a",), "k", {}, ttl=5)
    for refresh, expected in ((True, 2), (False, 1)):
        await both(store.batch)([SearchOp(("a",), refresh_ttl=refresh)])
        trips.clear()
        await both(store.batch)([SearchOp(("a",), refresh_ttl=refresh)])
        assert len(trips) == expected
    trips.clear()
    await both(store.batch)([GetOp(("a",), "k")])
    assert len(trips) == 1


async def test_vectors_live_and_go_with_their_items(client: Client, both: Both) -> None:
    store = RedisStore(client, index=INDEX)
    await both(store.put)(("a",), "short", {"text": "x"}, ttl=SOON)
    await both(store.put)(("a",), "long", {"text": "y"}, ttl=10)
    wait_for(after(client, expiry_of(client, ("a",), "short")))
    assert [item.key for item in await both(store.search)(("a",), query="x")] == ["long"]
    await both(store.put)(("a",), "long", {"text": "z"}, ttl=SOON)
    await both(store.put)(("a",), "other", {"text": "z"}, ttl=SOON)
    points = client.keys().points("store", "a").all()
    wait_for(lambda: raw(client, ("EXISTS", *points)) == [0])


@pytest.mark.clocked
async def test_reading_keeps_vectors_alive(client: Client, both: Both) -> None:
    store = RedisStore(client, index=INDEX)
    await both(store.put)(("a",), "k", {"text": "x"}, ttl=TIMEOUT_S / 60)
    first = expiry_of(client, ("a",), "k")
    turn = 0
    while not after(client, first + 100)():
        turn += 1
        found = await both(store.search)(("a",), query="x") if turn % 2 else [await both(store.get)(("a",), "k")]
        assert [item.key for item in found] == ["k"]
    found = await both(store.search)(("a",), query="x")
    assert found[0].score == pytest.approx(1, abs=0.01)


async def test_expired_in_the_middle_of_a_list(client: Client, store: RedisStore, both: Both) -> None:
    ops = [PutOp(("a", f"{i:02}"), "k", {}, ttl=SOON if i % 3 else 10) for i in range(30)]
    await both(store.batch)(ops)
    wait_for(after(client, expiry_of(client, ("a", "29"), "k")))
    left = [("a", f"{i:02}") for i in range(0, 30, 3)]
    assert (await both(store.batch)([ListNamespacesOp()]))[0] == left
    assert await both(store.list_namespaces)(prefix=("a",)) == left
