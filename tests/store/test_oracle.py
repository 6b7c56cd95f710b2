"""`RedisStore` against LangGraph's store in memory: random batches give the same results in the same order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, PutOp, SearchOp

from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.store.redis_store import RedisStore
from tests.conftest import Watch, url_of
from tests.support import servers
from tests.support.examples import share
from tests.support.servers import Farm
from tests.support.stores import DIMS, Colour, Oracle, embed, plain

pytestmark = pytest.mark.pins

LABELS = ["a", "ab", "b", "B", "a\x01", "ä", "*", "a:b", "😀"]
labels = st.sampled_from(LABELS)
namespaces = st.lists(labels, min_size=1, max_size=3).map(tuple)
keys = st.sampled_from(["", "k", "k2", "\0", "\0\0k", "K", "{k}"])
scalars = st.one_of(
    st.integers(-3, 3),
    st.sampled_from(
        [0.5, 1.0, -2.5, 0.3, 0.1 + 0.2, 1e300, float("inf"), -float("inf"), True, False, None, "", "x", "y", "1", "😀"]
    ),
)
fields = st.sampled_from(["n", "s", "t"])
values = st.dictionaries(
    fields,
    st.one_of(scalars, st.lists(scalars, max_size=2), st.dictionaries(fields, scalars, max_size=2)),
    max_size=3,
)
numbers = st.one_of(
    st.integers(-3, 3), st.sampled_from([0.5, -2.5, 0.1 + 0.2, 1e300, float("inf"), float("nan"), "1", True])
)
operators = st.one_of(
    st.dictionaries(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), numbers, min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(["$eq", "$ne"]), scalars, min_size=1, max_size=2),
)
conditions = st.one_of(
    scalars,
    operators,
    st.lists(scalars, max_size=2),
    st.dictionaries(fields, st.one_of(scalars, operators), max_size=2),
)
filters = st.one_of(st.none(), st.dictionaries(fields, conditions, max_size=2))
prefixes = st.lists(labels, max_size=2).map(tuple)
matches = st.builds(
    MatchCondition,
    st.sampled_from(["prefix", "suffix"]),
    st.lists(st.one_of(labels, st.just("*")), min_size=1, max_size=2).map(tuple),
)

nothing = st.none()
puts = st.builds(PutOp, namespaces, keys, st.one_of(values, values, values, st.none()), nothing, nothing)
gets = st.builds(GetOp, namespaces, keys, st.booleans())
searches = st.builds(SearchOp, prefixes, filters, st.integers(0, 6), st.integers(0, 3), nothing, st.booleans())
lists = st.builds(
    ListNamespacesOp,
    st.one_of(st.none(), st.lists(matches, max_size=2).map(tuple)),
    st.one_of(st.none(), st.integers(0, 3)),
    st.sampled_from([0, 1, 2, 100]),
    st.integers(0, 2),
)
batches = st.lists(
    st.tuples(labels, st.lists(st.one_of(puts, puts, gets, searches, lists), min_size=1, max_size=12)), max_size=6
)

asked = st.builds(
    SearchOp,
    prefixes,
    st.one_of(st.none(), st.none(), filters),
    st.integers(0, 6),
    st.integers(0, 3),
    st.sampled_from(["q", "r", ""]),
    st.booleans(),
)
indexed = st.builds(
    PutOp,
    namespaces,
    keys,
    st.one_of(values, values, st.none()),
    st.sampled_from([None, None, False, ["s"], ["s", "t[*]", "n"]]),
    nothing,
)
meanings = st.lists(
    st.tuples(labels, st.lists(st.one_of(indexed, indexed, asked, searches, gets), min_size=1, max_size=10)), max_size=5
)

LOOK_AROUND = [SearchOp((), limit=1000), ListNamespacesOp(), ListNamespacesOp(max_depth=1)]


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    made = Colour(asynchronous=request.param)
    yield made
    made.close()


def into_one_root(history: list[tuple[str, list[Any]]]) -> list[list[Any]]:
    """What one batch writes into several roots comes root by root; so each writes into one."""
    return [
        [op._replace(namespace=(root, *op.namespace[1:])) if isinstance(op, PutOp) else op for op in ops]
        for root, ops in history
    ]


def agree(store: RedisStore, oracle: Oracle, colour: Colour, history: list[list[Any]]) -> None:
    for ops in [*history, LOOK_AROUND]:
        assert plain(colour.batch(store, ops)) == plain(oracle.batch(ops)), ops


@pytest.mark.slow
@pytest.mark.parametrize("name", servers.TABLE)
def test_random_batches(name: str, farm: Farm, colour: Colour, prefix: str, watch: Watch) -> None:
    url = url_of(name, farm)
    watch(url, prefix)
    client = Client.from_url(url, prefix=prefix)

    @share(2)
    @given(batches)
    def run(history: list[tuple[str, list[Any]]]) -> None:
        agree(RedisStore(client, tenant=uuid4().hex), Oracle(), colour, into_one_root(history))

    run()


@pytest.mark.slow
@pytest.mark.parametrize("name", servers.TABLE)
def test_random_searches_by_meaning(name: str, farm: Farm, colour: Colour, prefix: str, watch: Watch) -> None:
    url = url_of(name, farm)
    watch(url, prefix)
    client = Client.from_url(url, prefix=prefix)
    index: Any = {"dims": DIMS, "embed": embed, "fields": ["s", "t"]}

    @share(2)
    @given(meanings)
    def run(history: list[tuple[str, list[Any]]]) -> None:
        agree(
            RedisStore(client, tenant=uuid4().hex, index=index, engine="exact"),
            Oracle(index=index),
            colour,
            into_one_root(history),
        )

    run()
