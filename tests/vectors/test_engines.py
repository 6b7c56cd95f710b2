"""The vector layer: every engine finds the nearest, keeps filters inside the search, and forgets what is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.ops import Op, ask
from langchain_redis_memory.redis.capabilities import Server
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.vectors.choose import check, engine
from langchain_redis_memory.vectors.engine import Bound, Collection, Engine, Point, VectorHits, as_vectors
from langchain_redis_memory.vectors.exact_scan import PAGE, ExactScan
from langchain_redis_memory.vectors.query_engine import QueryEngine, _slot
from langchain_redis_memory.vectors.vector_sets import VectorSets
from tests.conftest import Watch, url_of
from tests.support import servers
from tests.support.servers import Farm, wait_for

pytestmark = pytest.mark.pins

DIMS, COUNT = 48, 1000
ENGINES: dict[str, Any] = {
    "exact": lambda: ExactScan(DIMS),
    "sets": lambda: VectorSets(DIMS),
    "sets int8": lambda: VectorSets(DIMS, "int8"),
    "query": lambda: QueryEngine(DIMS),
    "query flat": lambda: QueryEngine(DIMS, algorithm="FLAT"),
}
PLACES = [pytest.param(("exact", name.values[0]), id=f"exact-{name.values[0]}") for name in servers.TABLE]
PLACES += [pytest.param((name, "search"), id=name.replace(" ", "-")) for name in ENGINES if name != "exact"]


@pytest.fixture(params=PLACES)
async def place(
    request: pytest.FixtureRequest, farm: Farm, prefix: str, watch: Watch, trips: list[Trip]
) -> AsyncIterator[tuple[Client, Engine]]:
    """Each engine, on each server that can have it."""
    name, where = request.param
    url = url_of(where, farm)
    watch(url, prefix)
    client = Client.from_url(url, prefix=prefix, on_trip=trips.append)
    made: Engine = ENGINES[name]()
    client.run(made.prepare(client.keys()))
    client.run(made.prepare(client.keys()))
    yield client, made
    if isinstance(made, QueryEngine):
        client.run(Op((("FT.DROPINDEX", made._index(client.keys())),), lambda _: None))
    await client.aclose()


def found(
    client: Client, made: Engine, col: Collection, vector: Any, k: int = 10, tags: Any = (), bounds: Any = ()
) -> VectorHits:
    def flow() -> Any:
        hits = None
        while hits is None:
            hits = yield from ask(made.search(col, vector, k, tags, bounds))
        return hits

    return client.drive(flow())  # type: ignore[no-any-return]


def owners(hits: VectorHits) -> list[str]:
    return [owner for owner, _ in hits.found]


def rows(count: int = COUNT, seed: int = 1) -> Any:
    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(40, DIMS))
    return (centres[chance.integers(0, 40, count)] + 0.5 * chance.normal(size=(count, DIMS))).astype(np.float32)


def nearest(data: Any, vector: Any, k: int, among: Any) -> list[str]:
    scores = data @ vector / np.linalg.norm(data, axis=1) / np.linalg.norm(vector)
    return [str(i) for i in sorted(among, key=lambda i: -scores[i])[:k]]


@pytest.mark.slow
def test_recall(place: tuple[Client, Engine]) -> None:
    client, made = place
    data, col = rows(), Collection(client.keys(), "test", "c")
    points = [Point(str(i), data[i : i + 1], (f"t{i % 7}", f"u{i % 11}")) for i in range(COUNT)]
    for start in range(0, COUNT, 250):
        client.run(made.add(col, points[start : start + 250]))
    assert client.run(made.count(col)) == COUNT
    narrowed: dict[tuple[str, ...], int] = {(): 1, ("t1",): 7, ("t1", "u3"): 77}
    for tags, step in narrowed.items():
        among = [i for i in range(COUNT) if all(tag in points[i].tags for tag in tags)]
        assert abs(len(among) - COUNT / step) < 2
        hit = 0
        for vector in rows(30, seed=2):
            hits = found(client, made, col, vector.tolist(), 10, tags)
            assert [score for _, score in hits.found] == sorted((score for _, score in hits.found), reverse=True)
            expected = nearest(data, vector, 10, among)
            hit += len(set(owners(hits)[:10]) & set(expected))
            if isinstance(made, ExactScan):
                assert owners(hits) == expected
        assert hit / 300 >= 0.98, tags


NUMBERS = [0.0, -0.0, 1.0, 2.5, -7.0, 1e20, -1e20, 1e-7, -1e-7, 0.1 + 0.2, 1e300, -1e300, float("inf"), -float("inf")]
TINY = 5e-324
"""Too many zeros for a filter of vector sets, which may then find what is beyond the bound."""


def test_bounds(place: tuple[Client, Engine]) -> None:
    client, made = place
    data, col = rows(len(NUMBERS) + 2), Collection(client.keys(), "test", "c")
    named = dict(zip(map(str, range(len(NUMBERS))), NUMBERS, strict=True))
    points = [Point(owner, data[i : i + 1], ("t",), 0, (("a", named[owner]),)) for i, owner in enumerate(named)]
    points += [Point("none", data[-1:], ("t",)), Point("other", data[-2:-1], ("u",), 0, (("a", 1.0), ("b", 3.0)))]
    client.run(made.add(col, points))

    def within(*bounds: Bound, tags: Any = ("t",)) -> set[str]:
        return set(owners(found(client, made, col, data[0].tolist(), 50, tags, bounds)))

    operators: tuple[Any, ...] = (">", ">=", "<", "<=")
    for limit in [*NUMBERS, 3.0]:
        for bound in [Bound("a", operator, limit) for operator in operators]:
            assert within(bound) == {owner for owner, number in named.items() if bound.holds(number)}, bound
    assert within(Bound("a", ">", TINY)) >= {owner for owner, number in named.items() if number > TINY}
    both = (Bound("a", ">", 0.0), Bound("a", "<=", 2.5))
    assert within(*both) == {owner for owner, number in named.items() if 0 < number <= 2.5}
    assert within(Bound("b", ">=", 3.0), tags=()) == {"other"}
    assert within(Bound("b", ">", 3.0), tags=()) == within(Bound("c", ">", 0.0), tags=()) == set()
    client.run(made.add(col, [Point("other", data[-2:-1], (), 0, (("b", 5.0),))]))
    assert within(Bound("b", ">", 3.0), tags=()) == {"other"}
    assert "other" not in within(Bound("a", ">", 0.0), tags=())


def test_two_numbers_of_one_field_of_the_index_are_both_found(place: tuple[Client, Engine]) -> None:
    client, made = place
    if not isinstance(made, QueryEngine):
        pytest.skip("only an index has fields")
    names = [name for name in map(str, range(1000)) if _slot(name) == _slot("0")][:2]
    data, col = rows(2), Collection(client.keys(), "test", "c")
    numbers = tuple((name, float(number)) for number, name in enumerate(names))
    client.run(made.add(col, [Point("both", data[:1], ("t",), 0, numbers), Point("one", data[1:], (), 0, numbers[:1])]))
    assert owners(found(client, made, col, data[0].tolist(), 5, (), [Bound(names[0], ">=", 0.0)])) == ["both", "one"]
    assert owners(found(client, made, col, data[0].tolist(), 5, (), [Bound(names[1], ">", 0.0)])) == ["both"]
    assert owners(found(client, made, col, data[0].tolist(), 5, ("t",))) == ["both"]


def test_several_vectors_of_one_owner(place: tuple[Client, Engine]) -> None:
    client, made = place
    col, data = Collection(client.keys(), "test", "c"), rows(6)
    client.run(made.add(col, [Point("a", data[:3], ("x",)), Point("b", data[3:5], ("y",)), Point("ü:\n0", data[5:6])]))
    for i, owner in enumerate(["a", "a", "a", "b", "b", "ü:\n0"]):
        hits = found(client, made, col, data[i].tolist(), 6)
        assert sorted(owners(hits)) == ["a", "b", "ü:\n0"]
        assert hits.found[0][0] == owner
        assert hits.found[0][1] == pytest.approx(1, abs=0.01)
    assert owners(found(client, made, col, data[4].tolist(), 6, ("x",))) == ["a"]
    client.run(made.add(col, [Point("a", data[5:6], ("y",))]))
    assert owners(found(client, made, col, data[0].tolist(), 6, ("x",))) == []
    assert found(client, made, col, data[0].tolist(), 6).found[0][1] < 0.99
    client.run(made.remove(col, ["a", "b", "nobody"]))
    assert owners(found(client, made, col, data[0].tolist(), 6)) == ["ü:\n0"]
    client.run(made.remove(col, ["ü:\n0"]))
    assert found(client, made, col, data[0].tolist()) == VectorHits([], more=False)
    assert client.run(made.count(col)) == 0
    keys = [*col.keys.all(), *(client.keys().point("test", "c", owner) for owner in ("a", "b", "ü:\n0"))]
    assert client.run(Op((("DEL", *keys),) if not client._topology.cluster else (), list)) == [0]


def test_collections_and_tenants_are_apart(place: tuple[Client, Engine]) -> None:
    client, made = place
    data, ours = rows(2), Collection(client.keys(), "test", "c")
    other = client.keys("t")
    client.run(made.prepare(other))
    others = [
        Collection(client.keys(), "test", "C"),
        Collection(client.keys(), "tes", "tc"),
        Collection(other, "test", "c"),
    ]
    client.run(made.add(ours, [Point("a", data[:1])]))
    for each in others:
        assert found(client, made, each, data[0].tolist()).found == []
        client.run(made.remove(each, ["a"]))
    assert owners(found(client, made, ours, data[0].tolist())) == ["a"]
    client.run(made.remove(ours, ["a"]))
    if isinstance(made, QueryEngine):
        client.run(Op((("FT.DROPINDEX", made._index(other)),), lambda _: None))


def test_lifetimes(place: tuple[Client, Engine]) -> None:
    client, made = place
    data, col = rows(3), Collection(client.keys(), "test", "c")
    points = [Point("soon", data[:1], (), 150), Point("later", data[1:2], (), 60_000), Point("ever", data[2:])]
    client.run(made.add(col, points))
    client.run(made.touch(col, [("ever", 100), ("nobody", 100)] if not isinstance(made, QueryEngine) else []))

    def gone() -> bool:
        client.run(made.add(col, [Point("new", data[:1], (), 60_000)]))
        return "soon" not in owners(found(client, made, col, data[0].tolist()))

    wait_for(gone)
    assert sorted(owners(found(client, made, col, data[0].tolist()))) == ["ever", "later", "new"]
    client.run(made.remove(col, ["ever"]))
    client.run(made.touch(col, [("later", 120), ("new", 120)]))
    keys = [*col.keys.all(), *(client.keys().point("test", "c", owner) for owner in ("later", "new"))]
    wait_for(lambda: client.run(Op(tuple(("EXISTS", key) for key in keys), sum)) == 0)
    assert found(client, made, col, data[0].tolist()).found == []


def test_a_vector_of_zeros_is_as_far_as_can_be_told(place: tuple[Client, Engine]) -> None:
    client, made = place
    data, col = rows(1), Collection(client.keys(), "test", "c")
    client.run(made.add(col, [Point("zero", np.zeros((1, DIMS), np.float32)), Point("a", data)]))
    hits = found(client, made, col, data[0].tolist())
    assert hits.found[0][0] == "a"


# --- the exact engine reads what is new -----------------------------------------------------------------------------


def size_of_replies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sizes: list[int] = []
    inner = ExactScan._changed

    def changed(self: ExactScan, known: Any, stamp: int, flat: Any) -> Any:
        sizes.append(len(flat) // 2)
        return inner(self, known, stamp, flat)

    monkeypatch.setattr(ExactScan, "_changed", changed)
    return sizes


def test_only_changes_are_read(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, made, data = size_of_replies(monkeypatch), ExactScan(DIMS), rows(60)
    col = Collection(client.keys(), "test", "c")
    client.run(made.add(col, [Point(str(i), data[i : i + 1]) for i in range(50)]))
    for _ in range(2):
        found(client, made, col, data[0].tolist())
    other = ExactScan(DIMS)
    client.run(other.add(col, [Point("50", data[50:51]), Point("0", data[51:52])]))
    client.run(other.remove(col, ["1", "2"]))
    assert owners(found(client, made, col, data[50].tolist()))[0] == "50"
    assert sizes == [50, 0, 4]
    assert not {"1", "2"} & set(owners(found(client, made, col, data[1].tolist(), 60)))
    fresh = ExactScan(DIMS)
    for vector in data:
        assert found(client, made, col, vector.tolist()) == found(client, fresh, col, vector.tolist())
    client.run(Op((("DEL", *col.keys.all()),), lambda _: None))
    assert found(client, made, col, data[0].tolist()).found == []
    client.run(other.add(col, [Point("7", data[:1])]))
    assert owners(found(client, made, col, data[0].tolist())) == ["7"]


def test_who_was_away_for_long_reads_all_again(real: Client) -> None:
    made, data, col = ExactScan(DIMS), rows(5), Collection(real.keys(), "test", "c")
    real.run(made.add(col, [Point(str(i), data[i : i + 1]) for i in range(4)]))
    found(real, made, col, data[0].tolist())
    real.run(ExactScan(DIMS).remove(col, ["1"]))
    past = Op((("ZADD", col.keys.point_expiries, 1, "1"),), lambda _: None)  # as if an hour had passed
    real.run(past)
    real.run(ExactScan(DIMS).add(col, [Point("4", data[4:5])]))
    assert sorted(owners(found(real, made, col, data[0].tolist()))) == ["0", "2", "3", "4"]


def test_a_large_collection_is_read_by_pages(real: Client, trips: list[Trip]) -> None:
    made, col, count = ExactScan(2), Collection(real.keys(), "test", "c"), PAGE + 10
    data = np.random.default_rng(3).normal(size=(count, 2)).astype(np.float32)
    real.run(made.add(col, [Point(str(i), data[i : i + 1]) for i in range(count)]))
    found(real, made, col, [1.0, 0.0])
    trips.clear()
    fresh = ExactScan(2)
    assert len(found(real, fresh, col, [1.0, 0.0], count).found) == count
    assert len(trips) == 2


def test_the_memory_of_the_client_is_bounded(real: Client) -> None:
    made, data = ExactScan(DIMS, most_bytes=3 * 10 * DIMS * 4), rows(10)
    cols = [Collection(real.keys(), "test", str(i)) for i in range(6)]
    for col in cols:
        real.run(made.add(col, [Point(str(i), data[i : i + 1]) for i in range(10)]))
    for _ in range(2):
        for col in cols:
            assert owners(found(real, made, col, data[3].tolist()))[0] == "3"
            assert made.kept_bytes <= made.most_bytes


def test_equally_near_ones_are_all_there(real: Client) -> None:
    made, col = ExactScan(2), Collection(real.keys(), "test", "c")
    real.run(made.add(col, [Point(str(i), np.array([[1.0, i % 2]], np.float32)) for i in range(10)]))
    hits = found(real, made, col, [1.0, 0.0], 3)
    assert owners(hits) == ["0", "2", "4", "6", "8"]
    assert hits.more


# --- which engine, and bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flavour", "sets", "query", "kind"),
    [
        ("redis", True, True, VectorSets),
        ("redis", True, False, VectorSets),
        ("redis", False, True, QueryEngine),
        ("valkey", False, False, ExactScan),
        ("", True, False, VectorSets),
        ("fakeredis", True, True, ExactScan),
    ],
)
def test_the_engine_for_a_server(flavour: str, sets: bool, query: bool, kind: type) -> None:
    server = Server(flavour, "", vector_sets=sets, query_engine=query)
    assert isinstance(engine(server, 3), kind)
    assert isinstance(engine(server, 3, "exact"), ExactScan)


@pytest.mark.parametrize("options", [(0,), (True,), ("3",), (40_000,), (3, "best"), (3, None, "int4")])
def test_options_that_cannot_work(options: Any) -> None:
    with pytest.raises(ConfigError):
        check(*options)


@pytest.mark.parametrize(
    "vectors", [[1.0], [[1.0, 2.0], [1.0]], [], [[]], "ab", [float("inf"), 1.0], [[[1.0, 2.0]]], None]
)
def test_vectors_that_are_none(vectors: Any) -> None:
    with pytest.raises(InvalidInputError):
        as_vectors(vectors, 2)


def test_nothing_to_do_sends_nothing(client: Client, trips: list[Trip]) -> None:
    col = Collection(client.keys(), "test", "c")
    for make in ENGINES.values():
        client.run(make().add(col, []))
        client.run(make().remove(col, []))
    assert trips == []


def test_a_small_vector_set_is_filtered_one_by_one() -> None:
    made, col = VectorSets(DIMS), Collection(KeySpace("small"), "test", "c")

    def asked(size: int, tags: tuple[str, ...] = ("t",)) -> bool:
        op = made.search(col, rows(1)[0], 10, tags)
        op.read(([], size)[: len(op.commands)])
        return "TRUTH" in op.commands[0]

    assert [asked(size) for size in (20_000, 20_001, 0, 5)] == [False, True, False, True]  # by the size of before
    assert not asked(5, ())
