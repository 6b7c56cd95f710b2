"""`RedisNodeCache`: exact namespaces, lifetimes of items, only what may be served, and a graph that uses it."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy
from typing_extensions import TypedDict

from langchain_redis_memory.cache.node import RedisNodeCache
from langchain_redis_memory.errors import (
    AuthenticationError,
    ConfigError,
    InvalidIdError,
    InvalidInputError,
    UnavailableError,
    WrongKeyTypeError,
)
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.redis.codec.envelope import seal
from langchain_redis_memory.redis.expiring_hash import NewItem
from tests.conftest import Both
from tests.support.examples import share
from tests.support.raw import raw
from tests.support.servers import NEWEST, Farm, wait_for

LABELS = ["a", "a/b", "a:b", "a,b", "*", "?", "[a]", "{a}", "a\nb", "a\0b", "🦊", "", "A", "%2F", "x" * 1024]
K = (("ns",), "k")


@pytest.fixture
def cache(client: Client) -> RedisNodeCache[Any]:
    return RedisNodeCache(client, ttl_s=100)


# --- what comes back --------------------------------------------------------------------------------

VALUES: dict[str, Any] = {
    "none": None,
    "bytes": b"\x00:\xff",
    "bytearray": bytearray(b"x"),
    "text": "a:b\0🦊",
    "writes": [["messages", [HumanMessage("hi", id="1"), AIMessage("hello", id="2")]], ["n", 1]],
    "moment": datetime(2026, 1, 2, tzinfo=timezone.utc),
    "set": {1, 2},
    "uuid": UUID(int=7),
    "int keys": {1: "a", 2: "b"},
    "looks like a constructor": {"lc": 2, "type": "constructor", "id": ["os", "system"], "args": ["true"]},
    "looks like a message": {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "HumanMessage"],
        "kwargs": {},
    },
    "long": "v" * 300_000,
}


async def test_values_come_back_as_they_were(cache: RedisNodeCache[Any], both: Both) -> None:
    pairs = {(("values",), name): (value, None) for name, value in VALUES.items()}
    await both(cache.set)(pairs)
    found = await both(cache.get)([*pairs, (("values",), "absent")])
    assert found == {full: value for full, (value, _) in pairs.items()}
    assert {name: type(found[("values",), name]) for name in VALUES} == {n: type(v) for n, v in VALUES.items()}


async def test_the_last_value_counts(cache: RedisNodeCache[Any], both: Both) -> None:
    await both(cache.set)({K: (1, None)})
    await both(cache.set)({K: (2, 50)})
    assert await both(cache.get)([K, K]) == {K: 2}


async def test_namespaces_are_exact(cache: RedisNodeCache[Any], both: Both) -> None:
    spaces = [(), ("",), ("", ""), ("x",), ("x", "y"), ("x", ""), ("a", "b"), ("b", "a"), *((one,) for one in LABELS)]
    every = {(space, key): (f"{space}|{key}", None) for space in spaces for key in ("k", "b:c", "*")}
    every |= {((("a", "b")), "c"): ("one", None), (("a",), "b:c"): ("two", None)}
    await both(cache.set)(every)
    expected = {full: value for full, (value, _) in every.items()}
    assert await both(cache.get)(list(every)) == expected
    for cleared in [("x",), ("*",), (), ("a",), ("",)]:
        await both(cache.clear)([cleared])
        expected = {full: value for full, value in expected.items() if full[0] != cleared}
        assert await both(cache.get)(list(every)) == expected
    await both(cache.clear)([])
    assert await both(cache.get)(list(every)) == expected
    await both(cache.clear)([("x", "y"), ("nothing",), ("x", "")])
    assert {full[0] for full in await both(cache.get)(list(every))} == {full[0] for full in expected} - {
        ("x", "y"),
        ("x", ""),
    }


@pytest.mark.slow
async def test_clear_clears_every_namespace_of_the_tenant(client: Client, both: Both) -> None:
    tenants = {name: RedisNodeCache[Any](client, tenant=name, ttl_s=100) for name in ("", "t", "t/a")}
    keys = [((f"n{i}", label), "k") for i in range(3) for label in LABELS]
    for cache in tenants.values():
        await both(cache.set)(dict.fromkeys(keys, (1, None)))
    await both(tenants["t"].clear)()
    assert {name: len(await both(cache.get)(keys)) for name, cache in tenants.items()} == {
        "": len(keys),
        "t": 0,
        "t/a": len(keys),
    }
    await both(tenants["t"].clear)()
    space = client.keys("t")
    assert raw(client, ("EXISTS", space.namespaces())) == [0]


async def test_strange_keys(cache: RedisNodeCache[Any], both: Both) -> None:
    pairs = {(("ns",), key): (key, None) for key in LABELS if key}
    await both(cache.set)(pairs)
    assert await both(cache.get)(list(pairs)) == {full: value for full, (value, _) in pairs.items()}


spaces = st.lists(st.sampled_from(["a", "b", "", "/", "*"]), max_size=2).map(tuple)
step = st.one_of(
    st.tuples(
        st.just("set"),
        st.dictionaries(st.tuples(spaces, st.sampled_from("kl")), st.tuples(st.integers(0, 9), st.none() | st.just(9))),
    ),
    st.tuples(st.just("clear"), st.none() | st.lists(spaces, max_size=2)),
)


@share(2)
@given(st.lists(step, max_size=8))
def test_as_the_cache_in_memory(steps: list[tuple[str, Any]]) -> None:
    ours: RedisNodeCache[Any] = RedisNodeCache(f"memory://{uuid4().hex}")
    theirs: InMemoryCache[Any] = InMemoryCache()
    labels = ["a", "b", "", "/", "*"]
    every = [
        (space, key)
        for space in [(), *((a,) for a in labels), *((a, b) for a in labels for b in labels)]
        for key in "kl"
    ]
    for what, argument in steps:
        for one in (ours, theirs):
            (one.set if what == "set" else one.clear)(argument)
        assert ours.get(every) == theirs.get(every)


# --- lifetimes --------------------------------------------------------------------------------------


async def test_each_item_has_its_own_lifetime(client: Client, cache: RedisNodeCache[Any], both: Both) -> None:
    short, long = (("ns",), "short"), (("ns",), "long")
    await both(cache.set)({short: ("s", 0.05), long: ("l", 60)})
    wait_for(lambda: short not in cache.get([short]))
    assert await both(cache.get)([short, long]) == {long: "l"}
    keys = client.keys().nodes(("ns",))
    assert raw(client, ("HEXISTS", keys.items, "long"), ("ZCARD", keys.expiries))[0] == 1
    await both(cache.set)({long: ("m", None)})
    assert raw(client, ("HKEYS", keys.items), ("ZRANGE", keys.expiries, 0, -1)) == [[b"long"], [b"long"]]
    assert all(60_000 < left <= 100_000 for left in raw(client, ("PTTL", keys.items), ("PTTL", keys.expiries)))


async def test_a_namespace_lives_as_long_as_its_last_item(
    client: Client, cache: RedisNodeCache[Any], both: Both
) -> None:
    keys = client.keys().nodes(("ns",))
    await both(cache.set)({(("ns",), "a"): (1, 1000), (("ns",), "b"): (2, 10)})
    await both(cache.set)({(("ns",), "c"): (3, 20)})
    index = client.keys().namespaces()
    every = (("PTTL", keys.items), ("PTTL", keys.expiries), ("PTTL", index))
    assert all(900_000 < left <= 1_000_000 for left in raw(client, *every))
    await both(cache.set)({(("ns",), "a"): (1, 50)})
    assert all(left <= 50_000 for left in raw(client, *every)[:2])


@pytest.mark.pins
async def test_without_a_lifetime_it_stays(client: Client, both: Both) -> None:
    cache: RedisNodeCache[Any] = RedisNodeCache(client)
    keys, index = client.keys().nodes(("ns",)), client.keys().namespaces()
    await both(cache.set)({K: (1, None), (("ns",), "b"): (2, 100)})
    assert raw(client, ("PTTL", keys.items), ("PTTL", keys.expiries), ("PTTL", index)) == [-1, -1, -1]
    assert await both(cache.get)([K]) == {K: 1}
    await both(cache.set)({K: (1, 200)})  # now every item has one
    assert all(0 < left <= 200_000 for left in raw(client, ("PTTL", keys.items), ("PTTL", keys.expiries)))
    await both(cache.clear)()
    assert raw(client, ("EXISTS", keys.items, keys.expiries, index)) == [0]


async def test_namespaces_whose_time_is_over_leave_the_index(
    client: Client, cache: RedisNodeCache[Any], both: Both
) -> None:
    index = client.keys().namespaces()
    await both(cache.set)({K: (1, None)})
    raw(client, *(("ZADD", index, i + 1, f"gone{i}/") for i in range(30)))
    await both(cache.set)({K: (1, None)})
    assert raw(client, ("ZRANGE", index, 0, -1)) == [[b"ns/"]]


# --- only what may be served ------------------------------------------------------------------------


@dataclass
class Place:
    name: str


class Loaded:
    """What a pickle would bring to life."""

    revived = False

    def __reduce__(self) -> Any:
        return (Loaded.revive, ())

    @staticmethod
    def revive() -> str:
        Loaded.revived = True
        return "revived"


async def test_a_type_that_is_not_allowed_is_not_cached(
    cache: RedisNodeCache[Any], both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    other = (("ns",), "other")
    await both(cache.set)({K: ([["place", Place("x")]], None), other: (1, None)})
    assert await both(cache.get)([K, other]) == {other: 1}
    assert "item 'k' of ('ns',) is not cached: types that are not allowed: tests.cache.test_node.Place" in caplog.text
    await both(cache.set)({K: (1, None)})
    await both(cache.set)({K: (object(), None)})
    assert await both(cache.get)([K, other]) == {other: 1}, "what it should have replaced is not served any more"


async def test_what_is_not_cached_leaves_nothing(client: Client, both: Both) -> None:
    cache: RedisNodeCache[Any] = RedisNodeCache(client)  # whose items would live for ever
    await both(cache.set)({K: (Place("x"), None)})
    keys = client.keys().nodes(("ns",))
    assert raw(client, ("EXISTS", keys.items, keys.expiries), ("EXISTS", client.keys().namespaces())) == [0, 0]


async def test_a_type_may_be_allowed(client: Client, both: Both, caplog: pytest.LogCaptureFixture) -> None:
    serde = JsonPlusSerializer(allowed_msgpack_modules=[Place])
    cache: RedisNodeCache[Any] = RedisNodeCache(client, ttl_s=100, serde=serde)
    await both(cache.set)({K: (Place("x"), None)})
    assert await both(cache.get)([K]) == {K: Place("x")}
    assert await both(RedisNodeCache[Any](client).get)([K]) == {}
    assert "counts as absent: types that are not allowed: tests.cache.test_node.Place" in caplog.text


def whole(body: bytes) -> bytes:
    """A record as the cache writes it, of any body."""
    return b"+inf:" + seal(body)


PICKLED = pickle.dumps(Loaded())
CONSTRUCTOR = b'{"lc": 2, "type": "constructor", "id": ["tests.cache.test_node", "Loaded", "revive"], "args": []}'
MESSAGE = b'{"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "HumanMessage"], "kwargs": {}}'
FOREIGN = {
    "empty": b"",
    "text": b"hello",
    "a colon": b":",
    "json": b'{"a": 1}',
    "pickle": PICKLED,
    "no check": b"+inf:msgpack:\x01",
    "a wrong check": b"+inf:" + bytes(8) + b"msgpack:\x01",
    "no kind": whole(b""),
    "an unknown kind": whole(b"yaml:a"),
    "a kind that is not a text": whole(b"\xff:a"),
    "a pickle": whole(b"pickle:" + PICKLED),
    "a constructor": whole(b"json:" + CONSTRUCTOR),
    "a message in json": whole(b"json:" + MESSAGE),
    "cut msgpack": whole(b"msgpack:\x92\x01"),
    "nothing of msgpack": whole(b"msgpack:"),
}


@pytest.mark.parametrize("name", FOREIGN)
async def test_a_foreign_entry_is_absent(
    client: Client, cache: RedisNodeCache[Any], both: Both, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    other = (("ns",), "other")
    await both(cache.set)({other: (1, None)})
    raw(client, ("HSET", client.keys().nodes(("ns",)).items, "k", FOREIGN[name]))
    assert await both(cache.get)([K, other]) == {other: 1}
    assert "item 'k' of ('ns',) in the cache of nodes counts as absent" in caplog.text
    assert Loaded.revived is False
    await both(cache.set)({K: (2, None)})
    assert await both(cache.get)([K]) == {K: 2}


async def test_a_damaged_entry_is_absent(client: Client, cache: RedisNodeCache[Any], both: Both) -> None:
    key = client.keys().nodes(("ns",)).items
    await both(cache.set)({K: (b"some bytes", None)})
    record = raw(client, ("HGET", key, "k"))[0]
    for place in range(record.index(b":"), len(record)):
        damaged = bytearray(record)
        damaged[place] ^= 1
        raw(client, ("HSET", key, "k", bytes(damaged)))
        assert cache.get([K]) == {}
    for length in range(len(record)):
        raw(client, ("HSET", key, "k", record[:length]))
        assert cache.get([K]) == {}
    raw(client, ("HSET", key, "k", record))
    assert await both(cache.get)([K]) == {K: b"some bytes"}


class Xor:
    """A cipher for tests."""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "xor", bytes(byte ^ 0x5A for byte in plaintext)

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        return self.encrypt(ciphertext)[1]


async def test_an_encrypted_cache(client: Client, both: Both) -> None:
    strict = JsonPlusSerializer(allowed_msgpack_modules=None)
    cache: RedisNodeCache[Any] = RedisNodeCache(client, ttl_s=100, serde=EncryptedSerializer(Xor(), strict))
    await both(cache.set)({K: ("a secret", None), (("ns",), "place"): (Place("x"), None)})
    assert await both(cache.get)([K, (("ns",), "place")]) == {K: "a secret"}
    assert b"a secret" not in raw(client, ("HGET", client.keys().nodes(("ns",)).items, "k"))[0]
    assert await both(RedisNodeCache[Any](client).get)([K]) == {}


# --- what goes wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["items", "expiries"])
async def test_something_else_under_its_keys(
    client: Client, cache: RedisNodeCache[Any], both: Both, caplog: pytest.LogCaptureFixture, which: str
) -> None:
    other = (("other",), "k")
    raw(client, ("SET", getattr(client.keys().nodes(("ns",)), which), "mine", "PX", 100_000))
    await both(cache.set)({K: (1, None), other: (2, None)})
    assert "the cache of node ('ns',) is not written" in caplog.text
    assert await both(cache.get)([K, other]) == {other: 2}
    assert ("the cache of node ('ns',) is not read" in caplog.text) is (which == "items")
    raw(client, ("UNLINK", client.keys().namespaces()), ("SET", client.keys().namespaces(), "mine", "PX", 100_000))
    with pytest.raises(WrongKeyTypeError):
        await both(cache.clear)()


async def test_a_server_that_is_away_fails_no_run_but_a_clearing(both: Both, caplog: pytest.LogCaptureFixture) -> None:
    cache: RedisNodeCache[Any] = RedisNodeCache(Client.from_url("redis://127.0.0.1:1", retries=0))
    assert await both(cache.get)([K]) == {}
    await both(cache.set)({K: (1, None)})
    assert "the cache of nodes is away: the nodes run" in caplog.text
    assert "nothing is cached" in caplog.text
    for namespaces in (None, [("ns",)]):
        with pytest.raises(UnavailableError):
            await both(cache.clear)(namespaces)


async def test_wrong_credentials_are_an_error(farm: Farm, both: Both) -> None:
    process = farm.start(NEWEST, password="secret")
    async with Client.from_url(f"redis://:wrong@127.0.0.1:{process.port}/0") as client:
        cache: RedisNodeCache[Any] = RedisNodeCache(client)
        for call in (lambda: both(cache.get)([K]), lambda: both(cache.set)({K: (1, None)})):
            with pytest.raises(AuthenticationError):
                await call()
    process.stop()


@pytest.mark.parametrize("bad", ["ns", None, 7, (7,), (None,), ("\ud800",), ("x" * 1025,)])
async def test_bad_namespaces_are_refused_before_anything_is_sent(
    cache: RedisNodeCache[Any], both: Both, bad: Any, trips: list[Trip]
) -> None:
    with pytest.raises(InvalidIdError, match=r"namespace|label"):
        await both(cache.get)([K, (bad, "k")])
    with pytest.raises(InvalidIdError, match=r"namespace|label"):
        await both(cache.set)({K: (1, None), (bad, "k"): (1, None)})
    with pytest.raises(InvalidInputError, match=r"namespace|label"):
        await both(cache.clear)([("ns",), bad])
    with pytest.raises(InvalidInputError, match="namespaces"):
        await both(cache.clear)("ns")
    assert trips == []


async def test_bad_keys_and_lifetimes_are_refused_before_anything_is_sent(
    cache: RedisNodeCache[Any], both: Both, trips: list[Trip]
) -> None:
    for bad in ("", None, 7, b"k", "x" * 1025):
        with pytest.raises(InvalidIdError, match="key"):
            await both(cache.get)([K, (("ns",), bad)])
        with pytest.raises(InvalidIdError, match="key"):
            await both(cache.set)({K: (1, None), (("ns",), bad): (1, None)})
    for odd in (0, -1, "5", float("nan"), True):
        with pytest.raises(InvalidInputError, match="ttl"):
            await both(cache.set)({K: (1, None), (("ns",), "l"): (1, odd)})
    assert trips == []


def test_what_cannot_be_constructed() -> None:
    with pytest.raises(InvalidInputError, match="ttl_s"):
        RedisNodeCache("memory://x", ttl_s=0)
    with pytest.raises(InvalidIdError, match="tenant"):
        RedisNodeCache("memory://x", tenant="x" * 1025)
    with pytest.raises(ConfigError):
        RedisNodeCache("nowhere://x")


# --- trips, colours, topologies ---------------------------------------------------------------------


@pytest.mark.slow
async def test_round_trips_are_as_the_docstrings_say(cache: RedisNodeCache[Any], both: Both, trips: list[Trip]) -> None:
    async def spent(method: Callable[..., Any], *arguments: Any) -> int:
        await both(method)(*arguments)  # the script may be new to the server
        trips.clear()
        await both(method)(*arguments)
        return len(trips)

    pairs = {((f"n{i}",), f"k{j}"): (j, 10 + j) for i in range(50) for j in range(20)}
    assert await spent(cache.set, pairs) == 1
    assert await spent(cache.get, list(pairs)) == 1
    assert await spent(cache.clear, [(f"n{i}",) for i in range(25)]) == 1
    trips.clear()
    await both(cache.clear)()
    assert len(trips) == 2
    assert await spent(cache.clear) == 1
    for method, nothing in ((cache.set, {}), (cache.get, []), (cache.clear, [])):
        assert await spent(method, nothing) == 0


async def test_a_namespace_that_is_written_during_a_clearing_of_everything_stays_listed(
    client: Client, cache: RedisNodeCache[Any], both: Both
) -> None:
    before, store, after = cache._write(("ns",), [NewItem("k", 50_000, b"x")]).commands
    raw(client, before)
    await both(cache.clear)()
    raw(client, store, after)
    await both(cache.clear)()
    assert raw(client, ("EXISTS", client.keys().nodes(("ns",)).items)) == [0]


@pytest.mark.slow
async def test_items_of_parallel_writers_are_all_kept(client: Client, cache: RedisNodeCache[Any]) -> None:
    keys = [(("ns",), f"k{i}") for i in range(200)]
    await asyncio.gather(*(cache.aset({key: (i, None)}) for i, key in enumerate(keys)))
    assert await cache.aget(keys) == {key: i for i, key in enumerate(keys)}


async def test_async_needs_no_sync_client(real_url: str, prefix: str) -> None:
    async with redis.asyncio.Redis.from_url(real_url) as theirs:
        cache: RedisNodeCache[Any] = RedisNodeCache(Client(aredis=theirs, prefix=prefix), ttl_s=100)
        await cache.aset({K: (1, None)})
        assert await cache.aget([K]) == {K: 1}
        await cache.aclear()
        assert await cache.aget([K]) == {}


async def test_on_a_cluster(cluster: Client, both: Both) -> None:
    cache: RedisNodeCache[Any] = RedisNodeCache(cluster, ttl_s=100)
    pairs = {((f"n{i}", "x"), f"k{j}"): ([i, j], None) for i in range(20) for j in range(3)}
    await both(cache.set)(pairs)
    assert await both(cache.get)(list(pairs)) == {full: value for full, (value, _) in pairs.items()}
    await both(cache.clear)([("n0", "x"), ("n1", "x")])
    assert len(await both(cache.get)(list(pairs))) == 54
    await both(cache.clear)()
    assert await both(cache.get)(list(pairs)) == {}


# --- in a graph -------------------------------------------------------------------------------------


class State(TypedDict, total=False):
    question: str
    answer: Any


@contextmanager
def graph(cache: Any, answer: Callable[[str], Any], policy: CachePolicy[Any]) -> Iterator[tuple[Any, list[str]]]:
    """A graph of one cached node, and the questions that the node was run for."""
    ran: list[str] = []

    def node(state: State) -> State:
        ran.append(state["question"])
        return {"answer": answer(state["question"])}

    builder = StateGraph(State)
    builder.add_node("node", node, cache_policy=policy)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    yield builder.compile(cache=cache), ran


async def ask(both: Both, compiled: Any, question: str) -> Any:
    asked = compiled.ainvoke if both.asynchronous else compiled.invoke
    result = asked({"question": question})
    return (await result if both.asynchronous else result)["answer"]


async def test_a_cached_node_runs_once(cache: RedisNodeCache[Any], both: Both, trips: list[Trip]) -> None:
    with graph(cache, lambda text: [HumanMessage(text, id="1")], CachePolicy(ttl=60)) as (compiled, ran):
        for question in ("a", "a", "b", "a"):
            assert await ask(both, compiled, question) == [HumanMessage(question, id="1")]
        assert ran == ["a", "b"]
        trips.clear()
        await ask(both, compiled, "a")
        assert len(trips) == 1
        cleared = compiled.aclear_cache if both.asynchronous else compiled.clear_cache
        done = cleared()
        assert (await done if both.asynchronous else done) is None
        await ask(both, compiled, "a")
        assert ran == ["a", "b", "a"]


async def test_processes_share_what_a_node_gave(client: Client, both: Both) -> None:
    policy: CachePolicy[Any] = CachePolicy(ttl=60)
    with graph(RedisNodeCache(client), str.upper, policy) as (one, _):
        assert await ask(both, one, "a") == "A"
    with graph(RedisNodeCache(client), str.upper, policy) as (two, ran):
        assert await ask(both, two, "a") == "A"
        assert ran == []
    with graph(RedisNodeCache(client, tenant="t"), str.upper, policy) as (other, ran):
        assert await ask(both, other, "a") == "A"
        assert ran == ["a"]


async def test_a_node_whose_answer_is_not_allowed_runs_each_time(cache: RedisNodeCache[Any], both: Both) -> None:
    with graph(cache, Place, CachePolicy(ttl=60)) as (compiled, ran):
        for _ in range(2):
            assert await ask(both, compiled, "a") == Place("a")
        assert ran == ["a", "a"]


async def test_a_graph_runs_without_its_cache(both: Both) -> None:
    cache: RedisNodeCache[Any] = RedisNodeCache(Client.from_url("redis://127.0.0.1:1", retries=0))
    with graph(cache, str.upper, CachePolicy(ttl=60)) as (compiled, ran):
        assert [await ask(both, compiled, "a") for _ in range(2)] == ["A", "A"]
        assert ran == ["a", "a"]
