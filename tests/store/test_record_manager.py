"""`RedisRecordManager`: as the one in memory, on the server's clock; LangChain's indexing from end to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.indexing import InMemoryRecordManager, aindex, index
from langchain_core.indexing.api import IndexingResult
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_redis_memory.errors import (
    ClockError,
    ConfigError,
    InvalidIdError,
    InvalidInputError,
    RedisMemoryError,
    UnavailableError,
    WrongKeyTypeError,
)
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.store.record_manager import RedisRecordManager
from tests.conftest import Both
from tests.support.raw import raw

pytestmark = pytest.mark.pins

STRANGE = ["a", "a*", "a/b", "a:b", "a,b", "{a}", "a\nb", "a\0b", "🦊", "é", " ", "=", "=a", "%2F", "/", "x" * 1024]


@pytest.fixture
def records(client: Client) -> RedisRecordManager:
    return RedisRecordManager(client, namespace="docs")


# --- the clock --------------------------------------------------------------------------------------


async def test_the_time_is_the_servers(client: Client, records: RedisRecordManager, both: Both) -> None:
    seconds, micros = raw(client, ("TIME",))[0]
    times = [await both(records.get_time)() for _ in range(5)]
    assert all(isinstance(time, float) for time in times)
    assert int(seconds) + int(micros) / 1e6 <= times[0]
    assert all(one <= two for one, two in pairwise(times))
    assert times[-1] < int(seconds) + 300


async def test_an_update_has_exactly_a_time_that_get_time_gives(
    client: Client, records: RedisRecordManager, both: Both
) -> None:
    start = await both(records.get_time)()
    await both(records.update)(["k"])
    end = await both(records.get_time)()
    time = float(raw(client, ("ZSCORE", client.keys().records("docs").times, "k"))[0])
    assert start <= time <= end
    assert round(time * 1e6) / 1e6 == time
    for after, before, seen in [
        (start - 1, end + 1, ["k"]),
        (time, end, []),
        (start - 1, time, []),
        (None, None, ["k"]),
    ]:
        assert await both(records.list_keys)(after=after, before=before) == seen


async def test_a_time_that_the_server_has_not_reached_is_refused(
    client: Client, records: RedisRecordManager, both: Both
) -> None:
    await both(records.update)(["k"], group_ids=["g"], time_at_least=await both(records.get_time)())
    with pytest.raises(ClockError, match="time_at_least must be in the past") as caught:
        await both(records.update)(
            ["k", "new"], group_ids=["h", "h"], time_at_least=await both(records.get_time)() + 60
        )
    assert isinstance(caught.value, RedisMemoryError)
    assert isinstance(caught.value, ValueError)
    assert await both(records.list_keys)() == ["k"]
    assert await both(records.list_keys)(group_ids=["g"]) == ["k"]


# --- as the one in memory ---------------------------------------------------------------------------

names = st.sampled_from(["a", "b", "a/b", "=a", "é", "*"])
groups = st.sampled_from(["g", "g/a", "", "*", "=", "g" * 120])
step = st.one_of(
    st.tuples(st.just("update"), st.lists(st.tuples(names, st.none() | groups), max_size=4)),
    st.tuples(st.just("ungroup"), st.lists(names, max_size=3)),
    st.tuples(st.just("delete"), st.lists(names, max_size=3)),
)


@given(st.lists(step, max_size=10), st.lists(groups, max_size=3), st.integers(0, 4), st.data())
def test_as_the_manager_in_memory(
    steps: list[tuple[str, Any]], some: list[str], limit: int, data: st.DataObject
) -> None:
    ours = RedisRecordManager(f"memory://{uuid4().hex}", namespace="docs")
    theirs = InMemoryRecordManager("docs")
    clock: list[tuple[float, float]] = [(ours.get_time(), theirs.get_time())]
    for what, given_ in steps:
        for one in (ours, theirs):
            if what == "update":
                one.update([key for key, _ in given_], group_ids=[group for _, group in given_])
            else:
                (one.update if what == "ungroup" else one.delete_keys)(given_)
        clock.append((ours.get_time(), theirs.get_time()))
    every = ["a", "b", "a/b", "=a", "é", "*", "none"]
    assert ours.exists(every) == theirs.exists(every)
    moments = st.none() | st.sampled_from(clock)
    after, before = data.draw(moments), data.draw(moments)

    def listed(manager: Any, which: int, **options: Any) -> list[str]:
        found: list[str] = manager.list_keys(
            after=after and after[which], before=before and before[which], group_ids=some or None, **options
        )
        return found

    assert sorted(listed(ours, 0)) == sorted(listed(theirs, 1))
    bounded = listed(ours, 0, limit=limit)
    assert len(bounded) == len(listed(theirs, 1, limit=limit))
    assert set(bounded) <= set(listed(ours, 0))


async def test_strange_records_and_groups(records: RedisRecordManager, both: Both) -> None:
    await both(records.update)(STRANGE, group_ids=STRANGE)
    assert await both(records.exists)([*STRANGE, "none", "*"]) == [True] * len(STRANGE) + [False, False]
    for name in STRANGE:
        assert await both(records.list_keys)(group_ids=[name]) == [name]
    assert await both(records.list_keys)(group_ids=["a", "a/b", "a", "none"]) == ["a", "a/b"]
    await both(records.delete_keys)(["a*", "none"])
    assert sorted(await both(records.list_keys)()) == sorted({*STRANGE} - {"a*"})
    assert await both(records.list_keys)(group_ids=["a*"]) == []


async def test_a_record_moves_between_groups(client: Client, records: RedisRecordManager, both: Both) -> None:
    keys = client.keys().records("docs")
    for group in ("g", "h", None, "", "g"):
        await both(records.update)(["k"], group_ids=[group])
        for other in ("g", "h", ""):
            assert await both(records.list_keys)(group_ids=[other]) == (["k"] if other == group else [])
    await both(records.update)(["k"])
    assert await both(records.list_keys)(group_ids=["g"]) == []
    assert await both(records.list_keys)() == ["k"]
    await both(records.delete_keys)(["k"])
    assert raw(client, ("EXISTS", keys.times, keys.groups, keys.members)) == [0]


async def test_the_oldest_come_first(records: RedisRecordManager, both: Both) -> None:
    for key in ("b", "a", "c", "b"):
        await both(records.update)([key])
    assert await both(records.list_keys)() == ["a", "c", "b"]
    assert await both(records.list_keys)(limit=2) == ["a", "c"]
    assert await both(records.list_keys)(limit=0) == ["a", "c", "b"]


async def test_managers_and_tenants_are_apart(client: Client, both: Both) -> None:
    places = [(tenant, space) for tenant in ("", "t") for space in ("a", "a/b", "*", "a:b", "{}")]
    for tenant, space in places:
        await both(RedisRecordManager(client, namespace=space, tenant=tenant).update)([f"{tenant}|{space}"])
    await both(RedisRecordManager(client, namespace="*").delete_keys)(["|*", "|a"])
    for tenant, space in places:
        seen = await both(RedisRecordManager(client, namespace=space, tenant=tenant).list_keys)()
        assert seen == ([] if (tenant, space) == ("", "*") else [f"{tenant}|{space}"])


# --- trips, and what is refused ---------------------------------------------------------------------


async def test_round_trips_are_as_the_docstrings_say(
    records: RedisRecordManager, both: Both, trips: list[Trip]
) -> None:
    async def spent(method: Callable[..., Any], *arguments: Any, **options: Any) -> int:
        await both(method)(*arguments, **options)  # the script may be new to the server
        trips.clear()
        await both(method)(*arguments, **options)
        return len(trips)

    many = [f"k{i}" for i in range(600)]
    assert await spent(records.create_schema) == 0
    assert await spent(records.get_time) == 1
    assert await spent(records.update, many, group_ids=["g"] * 600, time_at_least=1.0) == 1
    assert await spent(records.exists, many) == 1
    assert await spent(records.list_keys) == 1
    assert await spent(records.list_keys, group_ids=["g", "h"], after=1, limit=10) == 1
    assert await spent(records.delete_keys, many) == 1
    for method in (records.update, records.exists, records.delete_keys):
        assert await spent(method, []) == 0


@pytest.mark.parametrize("bad", ["", "x" * 1025, None, 7, b"a", "\ud800"])
async def test_bad_names_are_refused_before_anything_is_sent(
    records: RedisRecordManager, both: Both, bad: Any, trips: list[Trip]
) -> None:
    for method in (records.update, records.exists, records.delete_keys):
        with pytest.raises(InvalidIdError, match="key"):
            await both(method)(["a", bad])
    if bad not in ("", None):
        with pytest.raises(InvalidIdError, match="group_id"):
            await both(records.update)(["a", "b"], group_ids=["g", bad])
        with pytest.raises(InvalidIdError, match="group_id"):
            await both(records.list_keys)(group_ids=[bad])
    assert trips == []


async def test_bad_numbers_are_refused_before_anything_is_sent(
    records: RedisRecordManager, both: Both, trips: list[Trip]
) -> None:
    for bad in ("1", True, float("nan"), float("inf")):
        with pytest.raises(InvalidInputError, match="time_at_least"):
            await both(records.update)(["a"], time_at_least=bad)
        with pytest.raises(InvalidInputError, match="before"):
            await both(records.list_keys)(before=bad)
        with pytest.raises(InvalidInputError, match="after"):
            await both(records.list_keys)(after=bad)
    for bad in (-1, 1.0, True, "5"):
        with pytest.raises(InvalidInputError, match="limit"):
            await both(records.list_keys)(limit=bad)
    for groups_ in (["g"], ["g", "g", "g"]):
        with pytest.raises(InvalidInputError, match="2 keys and"):
            await both(records.update)(["a", "b"], group_ids=groups_)
    with pytest.raises(InvalidInputError, match="sequence"):
        await both(records.update)("abc")
    with pytest.raises(InvalidInputError, match="sequence"):
        await both(records.list_keys)(group_ids="abc")
    assert trips == []


def test_what_cannot_be_constructed() -> None:
    for bad in ("", "x" * 1025, None, 5):
        with pytest.raises(InvalidIdError, match="namespace"):
            RedisRecordManager("memory://x", namespace=bad)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        RedisRecordManager("nowhere://x", namespace="n")
    assert RedisRecordManager("memory://x", namespace="n").namespace == "n"


async def test_a_server_that_is_away_is_said(both: Both) -> None:
    records = RedisRecordManager(Client.from_url("redis://127.0.0.1:1", retries=0), namespace="n")
    for call in (both(records.get_time), both(records.list_keys), lambda: both(records.exists)(["a"])):
        with pytest.raises(UnavailableError):
            await call()


@pytest.mark.parametrize("which", ["times", "groups", "members"])
async def test_something_else_under_its_keys(
    client: Client, records: RedisRecordManager, both: Both, which: str
) -> None:
    keys = client.keys().records("docs")
    raw(client, ("SET", getattr(keys, which), "mine"))
    with pytest.raises(WrongKeyTypeError, match="record_times"):
        await both(records.update)(["a"], group_ids=["g"])
    assert raw(client, ("EXISTS", *vars(keys).values())) == [1]


# --- indexing from end to end -----------------------------------------------------------------------


def pages(*texts: str) -> list[Document]:
    """Documents of their sources: `"a1"` is the first of source `a`."""
    return [Document(text, metadata={"source": text[0]}) for text in texts]


Run = tuple[str | None, Sequence[str], dict[str, Any]]
RUNS: list[Run] = [
    (None, ["a1", "a2", "b1"], {}),
    ("incremental", ["a1", "a3"], {}),
    ("incremental", ["a1", "a3"], {}),
    ("scoped_full", ["b2", "b3", "c1"], {}),
    (None, ["d1", "d1", "d2"], {}),
    ("incremental", ["a1", "d2"], {"force_update": True}),
    ("full", ["a1", "c1", "e1"], {}),
    ("full", [], {}),
    ("full", ["a1"], {}),
]


async def run(both: Both, manager: Any, vectors: InMemoryVectorStore, one: Run, batch_size: int) -> IndexingResult:
    cleanup, texts, more = one
    options: dict[str, Any] = {
        "cleanup": cleanup,
        "source_id_key": "source",
        "key_encoder": "blake2b",
        "batch_size": batch_size,
    } | more
    if both.asynchronous:
        return await aindex(pages(*texts), manager, vectors, **options)
    return index(pages(*texts), manager, vectors, **options)


def stored(vectors: InMemoryVectorStore) -> list[str]:
    return sorted(entry["text"] for entry in vectors.store.values())


@pytest.mark.parametrize("batch_size", [1, 2, 100])
async def test_every_mode_of_clean_up(records: RedisRecordManager, both: Both, batch_size: int) -> None:
    theirs = InMemoryRecordManager("docs")
    vectors, expected = (InMemoryVectorStore(DeterministicFakeEmbedding(size=4)) for _ in range(2))
    for one in RUNS:
        done = await run(both, records, vectors, one, batch_size)
        assert done == await run(both, theirs, expected, one, batch_size), one
        assert stored(vectors) == stored(expected)
        assert sorted(await both(records.list_keys)()) == sorted(theirs.list_keys())
    assert stored(vectors) == ["a1"]


async def test_on_a_cluster(cluster: Client, both: Both) -> None:
    for space in ("a", "b", "c", "d"):
        records = RedisRecordManager(cluster, namespace=space)
        vectors = InMemoryVectorStore(DeterministicFakeEmbedding(size=4))
        for one in RUNS:
            await run(both, records, vectors, one, 2)
        assert stored(vectors) == ["a1"]
        assert await both(records.exists)(await both(records.list_keys)(group_ids=["a"])) == [True]
