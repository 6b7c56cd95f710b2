"""The hot paths make no more trips, and send no more, than is stored; what became worse is seen."""

from __future__ import annotations

import json

import pytest
from langchain_core.language_models import FakeListChatModel

from benchmarks import instructions
from benchmarks.counts import HIT, KEPT_OUT, MISS, STORED, measure, python, worse
from benchmarks.speed import sizes
from benchmarks.speed.harness import server
from langchain_redis_memory import ConversationMemory


def test_no_hot_path_became_worse(real_url: str) -> None:
    found = measure(real_url)
    stored = json.loads(STORED.read_text("utf-8"))
    assert found.keys() == stored["counts"].keys()
    for counts in found.values():
        del counts["calls"]  # depends on the versions of other packages; `python -m benchmarks.counts` compares it
    assert worse(found, stored) == []


def test_turns_that_are_counted_hit_miss_and_stay_out_of_the_cache() -> None:
    said: list[str] = []
    chat = ConversationMemory("memory://counts", on_turn=lambda report: said.append(report.cache)).wrap(
        FakeListChatModel(responses=["By mail."]), scope="s"
    )
    for at, question in enumerate((HIT, HIT, MISS.format(1), MISS.format(2), KEPT_OUT.format(1))):
        chat.invoke(question, {"configurable": {"session_id": f"s{at}"}})
    assert said == ["miss", "hit", "miss", "miss", "bypass"]


def test_what_became_worse_is_seen() -> None:
    stored = {"python": python(), "counts": {"a path": {"trips": 1, "bytes": 100, "calls": 100}}}
    assert worse({"a path": {"trips": 1, "bytes": 110, "calls": 110}}, stored) == []
    assert worse({"a path": {"trips": 2, "bytes": 111, "calls": 111}, "new": {"trips": 9}}, stored) == [
        "a path: 2 trips, 1 are stored",
        "a path: 111 bytes, 100 are stored",
        "a path: 111 calls, 100 are stored",
    ]
    assert worse({"a path": {"calls": 1000}}, {**stored, "python": "2.7"}) == []


def test_what_executes_more_instructions_is_seen_on_the_same_build_only() -> None:
    thousands = {"a path": 100, "another": 100}
    before = {"build": "a", "packages": ["redis==8.0", "ormsgpack==1.0"], "thousands": thousands}
    now = {"build": "a", "packages": ["redis==8.1", "ormsgpack==1.0"], "thousands": {"a path": 105, "another": 106}}
    line = "another: 106 thousand instructions, 100 are stored with redis==8.0"
    assert instructions.worse(now, [before]) == [line]
    assert instructions.worse({**now, "build": "b"}, [before]) is None
    assert instructions.written(now, [{**before, "build": "b"}, before]) == [now, {**before, "build": "b"}]


def test_no_hot_path_executes_more_instructions(pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("--servers") != "all":
        pytest.skip("takes a minute: weekly, with --servers=all")
    if not instructions.available():
        pytest.skip("needs valgrind")
    with server(query_engine=False) as port:
        found = instructions.measure(f"redis://127.0.0.1:{port}/0")
    stored = json.loads(STORED.read_text("utf-8"))["instructions"]
    assert min(found["thousands"].values()) > 50
    assert not instructions.worse(found, stored)


@pytest.mark.parametrize("fill", [sizes.history, sizes.values, sizes.vectors])
def test_what_is_stored_takes_no_more_than_the_page_of_benchmarks_says(real_url: str, fill: sizes.Fill) -> None:
    told = json.loads((STORED.parent / "results" / "sizes.json").read_text("utf-8"))
    said = {name: int(size.replace(",", "")) for name, size in told["rows"]}
    (name, many), *_ = [(name, many) for name, of, many in sizes.ROWS if of is fill]
    port = int(real_url.rsplit(":", 1)[1].split("/", maxsplit=1)[0])
    assert sizes.bytes_each(port, fill, many) <= 1.05 * said[name] + 2
