"""`RedisStore`: items, filters, namespaces, batches and their round trips, tenants apart, bad input."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import pytest
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)

from langchain_redis_memory.errors import (
    ConfigError,
    CorruptDataError,
    InvalidIdError,
    InvalidInputError,
    UnserialisableError,
    WrongKeyTypeError,
)
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.store.items import PAGE, NamespaceError, name_of
from langchain_redis_memory.store.redis_store import RedisStore
from tests.conftest import Both
from tests.support.raw import raw

pytestmark = pytest.mark.pins


@pytest.fixture
def store(client: Client) -> RedisStore:
    return RedisStore(client)


def names(items: list[Any]) -> list[str]:
    return [item.key for item in items]


def warm(client: Client, store: RedisStore) -> None:
    """Lets the server know every script."""
    ops: list[Any] = [GetOp(("w",), "k"), SearchOp(("w",)), ListNamespacesOp(), PutOp(("w",), "k", {})]
    for op in (*ops, ListNamespacesOp((MatchCondition("prefix", ("w",)),)), PutOp(("w",), "k", None), ops[2]):
        store.batch([op])


# --- items ----------------------------------------------------------------------------------------------------------


async def test_an_item(store: RedisStore, both: Both) -> None:
    value = {"text": "ramen", "n": 1, "deep": {"list": [1, (2, 3)], 5: b"\0"}, "when": datetime(2026, 1, 1)}
    assert await both(store.get)(("a", "b"), "k") is None
    await both(store.put)(("a", "b"), "k", value)
    found = await both(store.get)(("a", "b"), "k")
    assert (found.namespace, found.key, found.value) == (("a", "b"), "k", value)
    assert type(found.value["deep"]["list"][1]) is tuple
    assert found.created_at == found.updated_at
    assert found.created_at.tzinfo is timezone.utc
    assert abs((datetime.now(timezone.utc) - found.created_at).total_seconds()) < 300
    await both(store.delete)(("a", "b"), "k")
    assert await both(store.get)(("a", "b"), "k") is None
    assert await both(store.search)(()) == []


async def test_an_update_keeps_when_it_was_created(store: RedisStore, both: Both) -> None:
    await both(store.put)(("a",), "k", {"v": 1})
    first = await both(store.get)(("a",), "k")
    await both(store.put)(("a",), "k", {"v": 2})
    second = await both(store.get)(("a",), "k")
    assert second.value == {"v": 2}
    assert second.created_at == first.created_at
    assert second.updated_at > first.updated_at
    await both(store.delete)(("a",), "k")
    await both(store.put)(("a",), "k", {"v": 3})
    assert (await both(store.get)(("a",), "k")).created_at > second.updated_at


async def test_a_dict_that_looks_like_an_object_stays_a_dict(store: RedisStore, both: Both) -> None:
    value = {"lc": 1, "type": "constructor", "id": ["langchain", "x"], "kwargs": {}}
    await both(store.put)(("a",), "k", value)
    assert (await both(store.get)(("a",), "k")).value == value


async def test_nothing_is_left_of_what_is_deleted(client: Client, store: RedisStore, both: Both) -> None:
    for key in "abc":
        await both(store.put)(("r", "s"), key, {"v": key})
    for key in "abc":
        await both(store.delete)(("r", "s"), key)
    assert raw(client, ("EXISTS", *client.keys().items("r").all())) == [0]
    assert await both(store.list_namespaces)() == []
    assert raw(client, ("EXISTS", *client.keys().roots().all())) == [0]


# --- namespaces are apart -------------------------------------------------------------------------------------------

LABELS = [
    "1",
    "10",
    "a",
    "A",
    "ab",
    "a,b",
    "a:b",
    "a/b",
    "{a}",
    "*",
    "?",
    "[a]",
    "a\nb",
    "é",
    "e\u0301",
    "😀",
    "x" * 1000,
]


async def test_no_label_reaches_into_another(store: RedisStore, both: Both) -> None:
    for label in LABELS:
        await both(store.put)(("users", label), "k", {"of": label})
        await both(store.put)((label,), "k", {"root": label})
    for label in LABELS:
        found = await both(store.search)(("users", label), limit=100)
        assert [item.value for item in found] == [{"of": label}]
        assert (await both(store.get)(("users", label), "k")).value == {"of": label}
        assert [item.value for item in await both(store.search)((label,), limit=100)] == [{"root": label}]
    listed = await both(store.list_namespaces)(prefix=("users",))
    assert listed == sorted(("users", label) for label in LABELS)


@pytest.mark.parametrize("key", ["", "\0", "\0\0", "a\0b", ":", "*", "k" * 5000, "😀", "{k}", "\n"])
async def test_any_text_is_a_key(store: RedisStore, both: Both, key: str) -> None:
    await both(store.put)(("a", "b"), key, {"v": 1})
    await both(store.put)(("a",), key, {"v": 2})
    assert [(item.namespace, item.key) for item in await both(store.search)(("a",))] == [
        (("a", "b"), key),
        (("a",), key),
    ]
    assert (await both(store.get)(("a",), key)).value == {"v": 2}


async def test_tenants_are_apart(client: Client, both: Both) -> None:
    one, two, default = RedisStore(client, tenant="t"), RedisStore(client, tenant="T"), RedisStore(client)
    await both(one.put)(("a",), "k", {"v": 1})
    for other in (two, default):
        assert await both(other.get)(("a",), "k") is None
        assert await both(other.search)(()) == []
        assert await both(other.list_namespaces)() == []


# --- filters --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def fruit(store: RedisStore, both: Both) -> RedisStore:
    rows = [("apple", 1, "red"), ("cherry", 2.5, "red"), ("lime", 3, "green"), ("plum", 10, None), ("fig", "7", "x")]
    await both(store.batch)(
        [PutOp(("f",), name, {"n": n, "colour": colour, "deep": {"n": n}}) for name, n, colour in rows]
    )
    return store


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"colour": "red"}, ["apple", "cherry"]),
        ({"colour": {"$eq": "red"}, "n": {"$gt": 1}}, ["cherry"]),
        ({"colour": {"$ne": "red"}}, ["lime", "plum", "fig"]),
        ({"n": {"$gt": 2.5}}, ["lime", "plum", "fig"]),
        ({"n": {"$gte": 2.5, "$lt": 10}}, ["cherry", "lime", "fig"]),
        ({"n": {"$lte": 1}}, ["apple"]),
        ({"n": 1.0}, ["apple"]),
        ({"n": True}, ["apple"]),
        ({"n": "7"}, ["fig"]),
        ({"n": 7}, []),
        ({"colour": None}, ["plum"]),
        ({"missing": None}, ["apple", "cherry", "lime", "plum", "fig"]),
        ({"missing": {"$gt": 0}}, []),
        ({"deep": {"n": 3}}, ["lime"]),
        ({"deep": {"n": {"$gte": 3}}}, ["lime", "plum", "fig"]),
        ({}, ["apple", "cherry", "lime", "plum", "fig"]),
    ],
)
async def test_filters(fruit: RedisStore, both: Both, wanted: dict[str, Any], found: list[str]) -> None:
    assert names(await both(fruit.search)(("f",), filter=wanted)) == found
    assert names(await both(fruit.search)((), filter=wanted)) == found


async def test_the_filter_comes_before_the_limit(store: RedisStore, both: Both) -> None:
    await both(store.batch)([PutOp(("f",), str(i), {"odd": i % 2 == 1, "i": i}) for i in range(40)])
    assert names(await both(store.search)(("f",), filter={"odd": True}, limit=3, offset=17)) == ["35", "37", "39"]
    assert names(await both(store.search)(("f",), filter={"i": {"$gte": 38}}, limit=1)) == ["38"]
    assert names(await both(store.search)(("f",), limit=3, offset=38)) == ["38", "39"]


async def test_a_filter_by_equality_is_not_transferred_in_vain(real: Client, both: Both) -> None:
    store = RedisStore(real)
    await both(store.batch)([PutOp(("f",), str(i), {"kind": i, "pad": "x" * 1000}) for i in range(500)])
    before = raw(real, ("INFO", "stats"))[0]
    await both(store.search)(("f",), filter={"kind": 77})
    after = raw(real, ("INFO", "stats"))[0]
    sent = [int(re.findall(rb"total_net_output_bytes:(\d+)", told)[0]) for told in (before, after)]
    assert sent[1] - sent[0] < 20_000


# --- lists of namespaces --------------------------------------------------------------------------------------------


async def test_list_namespaces(store: RedisStore, both: Both) -> None:
    spaces = [("a", "b", "c"), ("a", "b", "d", "e"), ("a", "b", "d", "i"), ("a", "b", "f"), ("a", "c", "f"), ("z",)]
    await both(store.batch)([PutOp(space, key, {}) for space in spaces for key in ("1", "2")])
    listed = both(store.list_namespaces)
    assert await listed() == spaces
    assert await listed(prefix=("a", "b"), max_depth=3) == [("a", "b", "c"), ("a", "b", "d"), ("a", "b", "f")]
    assert await listed(suffix=("f",)) == [("a", "b", "f"), ("a", "c", "f")]
    assert await listed(prefix=("a", "*", "f")) == [("a", "b", "f"), ("a", "c", "f")]
    assert await listed(prefix=("*", "c")) == [("a", "c", "f")]
    assert await listed(suffix=("d", "*")) == [("a", "b", "d", "e"), ("a", "b", "d", "i")]
    assert await listed(max_depth=1) == [("a",), ("z",)]
    assert await listed(max_depth=2, prefix=("a",), limit=1, offset=1) == [("a", "c")]
    assert await listed(limit=2, offset=1) == spaces[1:3]
    assert await listed(limit=0) == []


@pytest.mark.slow
async def test_many_namespaces_are_listed_whole(store: RedisStore, both: Both, trips: list[Trip]) -> None:
    spaces = [("r", f"{i:05}") for i in range(1200)]
    await both(store.batch)([PutOp(space, "k", {}) for space in spaces])
    warm(store._client, store)
    trips.clear()
    assert await both(store.list_namespaces)(prefix=("r",), limit=10_000) == spaces
    assert len(trips) == 1


async def test_a_root_that_is_empty_leaves_the_index(client: Client, store: RedisStore, both: Both) -> None:
    await both(store.put)(("a",), "k", {})
    await both(store.put)(("b",), "k", {})
    await both(store.delete)(("a",), "k")
    spans = client.keys().roots().root_spans
    assert raw(client, ("HLEN", spans)) == [2]
    assert await both(store.list_namespaces)() == [("b",)]
    assert raw(client, ("HKEYS", spans)) == [[b"b"]]


# --- batches and trips ----------------------------------------------------------------------------------------------


async def test_a_batch_reads_before_it_writes(store: RedisStore, both: Both) -> None:
    await both(store.put)(("a",), "k", {"v": 1})
    got, _, _, found, listed, again = await both(store.batch)(
        [
            GetOp(("a",), "k"),
            PutOp(("a",), "k", {"v": 2}),
            PutOp(("a",), "k", {"v": 3}),
            SearchOp(("a",)),
            ListNamespacesOp((MatchCondition("prefix", ("a",)),)),
            GetOp(("a",), "k"),
        ]
    )
    assert got.value == again.value == found[0].value == {"v": 1}
    assert listed == [("a",)]
    assert (await both(store.get)(("a",), "k")).value == {"v": 3}


async def test_a_batch_reads_before_it_writes_whatever_the_server_knows(real: Client, both: Both) -> None:
    store = RedisStore(real)
    await both(store.put)(("a",), "k", {"v": 1})
    raw(real, ("SCRIPT", "FLUSH"))
    await both(store.put)(("a",), "k", {"v": 1})  # the server knows how to write, not how to read
    got, found, _ = await both(store.batch)([GetOp(("a",), "k"), SearchOp(("a",)), PutOp(("a",), "k", {"v": 2})])
    assert got.value == found[0].value == {"v": 1}


async def test_one_trip(client: Client, store: RedisStore, both: Both, trips: list[Trip]) -> None:
    warm(client, store)
    beneath = ListNamespacesOp((MatchCondition("prefix", ("a",)),))
    batches: list[list[Any]] = [
        [PutOp(("a", str(i)), "k", {"i": i}) for i in range(100)],
        [GetOp(("a", str(i)), "k") for i in range(100)],
        [
            SearchOp(("a",), {"i": {"$gt": 5}}),
            SearchOp(("a", "1")),
            beneath,
        ],
        [GetOp(("a", "1"), "k"), SearchOp(("a",)), PutOp(("a", "1"), "k", None), PutOp(("a", "2"), "k", {})],
        [PutOp((root,), "k", {}) for root in "abcdef"],
        [GetOp((root,), "k") for root in "abcdef"],
    ]
    for ops in batches:
        trips.clear()
        await both(store.batch)(ops)
        assert len(trips) == 1, ops
    trips.clear()
    assert await both(store.batch)([]) == []
    assert trips == []


async def test_reading_everything_takes_one_more(
    client: Client, store: RedisStore, both: Both, trips: list[Trip]
) -> None:
    warm(client, store)
    await both(store.batch)([PutOp((root,), "k", {}) for root in "abcdef"])
    for op in (SearchOp(()), ListNamespacesOp()):
        trips.clear()
        assert len((await both(store.batch)([op]))[0]) == 6
        assert len(trips) == 2


async def test_a_root_of_many_items_is_read_by_pages(real: Client, both: Both, trips: list[Trip]) -> None:
    store, count = RedisStore(real), PAGE + 1000
    warm(real, store)
    for start in range(0, count, 1000):
        await both(store.batch)([PutOp(("a",), f"{count - i:05}", {"i": i}) for i in range(start, start + 1000)])
    trips.clear()
    assert [item.value["i"] for item in await both(store.search)(("a",), limit=3, offset=count - 3)] == [
        count - 3,
        count - 2,
        count - 1,
    ]
    assert len(trips) == 2
    ops = [SearchOp(("a",), {"i": {"$lt": 2}}), PutOp(("a",), "new", {"i": 0})]
    trips.clear()
    assert [item.value["i"] for item in (await both(store.batch)(ops))[0]] == [0, 1]
    assert len(trips) == 3
    assert (await both(store.get)(("a",), "new")).value == {"i": 0}
    await both(store.batch)([PutOp(("a",), f"{count - i:05}", None) for i in range(count)])


async def test_on_a_cluster(cluster: Client, both: Both) -> None:
    store = RedisStore(cluster)
    await both(store.batch)([PutOp((root, "x"), "k", {"root": root}) for root in "abcdef"])
    found = await both(store.batch)([*(GetOp((root, "x"), "k") for root in "abcdef"), SearchOp(()), ListNamespacesOp()])
    assert [item.value["root"] for item in found[:6]] == list("abcdef")
    assert sorted(item.value["root"] for item in found[6]) == list("abcdef")
    assert found[7] == [(root, "x") for root in "abcdef"]


async def test_it_is_langgraphs_store_and_needs_no_set_up(store: RedisStore, both: Both, trips: list[Trip]) -> None:
    assert isinstance(store, BaseStore)
    assert store.supports_ttl is True
    assert await both(store.setup)() is None
    assert trips == []
    assert "RedisStore" in repr(store)


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "op",
    [
        GetOp(("a.b",), "k"),
        GetOp(("",), "k"),
        GetOp((1,), "k"),  # type: ignore[arg-type]
        GetOp("ab", "k"),  # type: ignore[arg-type]
        GetOp(("a\0b",), "k"),
        GetOp(("\ud800",), "k"),
        GetOp(("x" * 1025,), "k"),
        PutOp(("a.b",), "k", {}),
        SearchOp(("a", "")),
        ListNamespacesOp((MatchCondition("prefix", ("a.b",)),)),
    ],
)
async def test_a_bad_namespace(store: RedisStore, both: Both, trips: list[Trip], op: Any) -> None:
    with pytest.raises(NamespaceError) as caught:
        await both(store.batch)([PutOp(("good",), "k", {}), op])
    assert isinstance(caught.value, InvalidNamespaceError)
    assert trips == []


@pytest.mark.parametrize(
    ("op", "error", "words"),
    [
        (GetOp(("a",), 5), InvalidIdError, "key must be a string"),  # type: ignore[arg-type]
        (PutOp(("a",), "\ud800", {}), InvalidIdError, "surrogate"),
        (PutOp(("a",), "k", [1]), InvalidInputError, "must be a dict"),  # type: ignore[arg-type]
        (PutOp(("a",), "k", {"v": object()}), UnserialisableError, "object"),
        (PutOp(("a",), "k", {}, ttl=0), InvalidInputError, "ttl"),
        (PutOp(("a",), "k", {}, ttl=-1), InvalidInputError, "ttl"),
        (PutOp(("a",), "k", {}, ttl=float("nan")), InvalidInputError, "ttl"),
        (PutOp(("a",), "k", {}, ttl=1e30), InvalidInputError, "ttl"),
        (PutOp(("a",), "k", {}, ttl="1"), InvalidInputError, "ttl"),  # type: ignore[arg-type]
        (SearchOp(("a",), limit=-1), InvalidInputError, "limit"),
        (SearchOp(("a",), limit=True), InvalidInputError, "limit"),
        (SearchOp(("a",), offset=-1), InvalidInputError, "offset"),
        (SearchOp(("a",), filter={"n": {"$near": 1}}), InvalidInputError, r"\$near"),
        (SearchOp(("a",), filter={"n": [{"$gt": "x"}]}), InvalidInputError, "number"),
        (SearchOp(("a",), filter={"n": {"$gt": None}}), InvalidInputError, "number"),
        (SearchOp(("a",), filter=["n"]), InvalidInputError, "dict"),  # type: ignore[arg-type]
        (SearchOp(("a",), query=5), InvalidInputError, "query"),  # type: ignore[arg-type]
        (ListNamespacesOp(limit=-1), InvalidInputError, "limit"),
        (ListNamespacesOp(max_depth=-1), InvalidInputError, "max_depth"),
        (ListNamespacesOp((MatchCondition("middle", ("a",)),)), InvalidInputError, "middle"),  # type: ignore[arg-type]
        ("get", InvalidInputError, "GetOp"),
    ],
)
async def test_bad_input_sends_nothing(
    store: RedisStore, both: Both, trips: list[Trip], op: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await both(store.batch)([PutOp(("good",), "k", {}), op])
    assert trips == []


def test_a_bad_configuration(client: Client, trips: list[Trip]) -> None:
    embed = lambda texts: [[1.0] for _ in texts]  # noqa: E731
    bad: list[dict[str, Any]] = [
        {"ttl": {"default_ttl": 0}},
        {"ttl": {"default_ttl": "1"}},
        {"ttl": 5},
        {"index": {"dims": 3}},
        {"index": {"embed": embed}},
        {"index": {"dims": 0, "embed": embed}},
        {"index": {"dims": "3", "embed": embed}},
        {"index": {"dims": 3, "embed": embed, "fields": "text"}},
        {"engine": "best"},
        {"quantization": "int4"},
    ]
    for options in bad:
        with pytest.raises(ConfigError):
            RedisStore(client, **options)
    assert trips == []


async def test_what_else_is_under_a_key_is_told(client: Client, store: RedisStore, both: Both) -> None:
    keys = client.keys().items("a")
    raw(client, ("SET", keys.items, "x", "EX", 100))
    with pytest.raises(WrongKeyTypeError, match="items"):
        await both(store.get)(("a",), "k")
    raw(client, ("DEL", keys.items), ("ZADD", keys.item_names, 0, name_of(("a",), "k")))
    for damaged in (b"\x011 2 3 0 0 |\xc1", b"\x011 2 3 0 0 |\x05", b"\x011 2 3 0 |\x80"):
        raw(client, ("HSET", keys.items, name_of(("a",), "k"), damaged))
        with pytest.raises(CorruptDataError, match="items"):
            await both(store.get)(("a",), "k")
