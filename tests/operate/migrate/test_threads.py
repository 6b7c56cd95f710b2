"""Threads of other savers: every checkpoint with its values and writes, and a thread that waits goes on here."""

from __future__ import annotations

import base64
import json
import pickle
from itertools import pairwise
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.types import Command

from langchain_redis_memory import Client, RedisMigration, RedisSaver
from langchain_redis_memory.peers.langgraph_redis import NO_PATH
from langchain_redis_memory.peers.langgraph_values import AS_JSON, Values, strict_serde
from langchain_redis_memory.peers.stored_keys import PICKLE
from tests.conftest import Both
from tests.operate.migrate.conftest import Origin
from tests.support import dumped, peers
from tests.support.peers import ASKED, THREAD, at, graph

STEPS = [4, 3, 2, 1, 0, -1]
SOURCES = {
    "langgraph-redis": (17, THREAD, STEPS, {AS_JSON: 17}),
    "langgraph-redis-shallow": (4, THREAD, STEPS[:1], {AS_JSON: 4}),
    "langgraph-redis-0.0": (16, "old", [4, 2, 1, 0, -1], {AS_JSON: 16}),  # it overwrote a step when a thread went on
    "plainredis": (17, THREAD, STEPS, {NO_PATH: 14}),
    "aws-valkey": (17, THREAD, STEPS, {NO_PATH: 14}),
}
"""What there is: checkpoints of all threads and namespaces, the thread that ended and its steps, what is lost."""


@pytest.mark.parametrize("name", SOURCES)
async def test_threads_are_moved_whole_and_go_on(target: Client, origin: Origin, name: str, both: Both) -> None:
    count, thread, steps, lost = SOURCES[name]
    migration = RedisMigration(target, name, origin=origin(name))
    report = await both(migration.run)()
    assert report.complete, report
    assert (report.kinds["checkpoints"].moved, report.lost) == (count, lost)

    saver = RedisSaver(target, ttl_s=None)
    built = graph(saver)
    ended = built.get_state(at(thread))
    assert ended.next == ()
    assert ended.values["messages"][:2] == ASKED
    assert ended.values["messages"][-1] == AIMessage("You said yes.", id="a4")
    assert ended.values["facts"] == {"n": 1, "of": ["a", {"b": None}]}
    assert (ended.values["parts"], ended.values["raw"]) == (["x", "y", "x", "y"], b"\x00\xff")
    states = list(built.get_state_history(at(thread)))
    assert [state.metadata["step"] for state in states] == steps
    assert all(child.parent_config == parent.config for child, parent in pairwise(states))
    everywhere = saver.list({"configurable": {"thread_id": thread}})
    assert len({found.config["configurable"]["checkpoint_ns"] for found in everywhere}) == 2

    waiting = built.get_state(at("waiting"))
    assert (waiting.next, [asked.value for asked in waiting.interrupts]) == (("ask",), [{"question": "Sure?"}])
    done = built.invoke(Command(resume="later"), at("waiting"))
    assert done["messages"][-1].content == "You said later."


@pytest.mark.parametrize("origin", ["search-dump"], indirect=True)
@pytest.mark.parametrize("name", SOURCES)
async def test_threads_that_were_moved_are_not_moved_again(target: Client, origin: Origin, name: str) -> None:
    migration = RedisMigration(target, name, origin=origin(name))
    first, again = migration.run(), migration.run()
    assert again.kinds["checkpoints"].there == first.kinds["checkpoints"].moved == SOURCES[name][0]
    assert again.complete


async def test_lifetimes_of_threads_are_carried_over(target: Client, origin: Origin) -> None:
    RedisMigration(target, "plainredis", origin=origin("plainredis")).run()
    (reply,) = dumped.send(target, ("SCAN", 0, "MATCH", "*:checkpoints", "COUNT", 1000))
    lifetimes = dumped.send(target, *(("TTL", key) for key in reply[1]))
    assert len(lifetimes) == 2
    assert all(3000 < left <= 3600 for left in lifetimes)


async def test_savers_that_share_a_prefix_are_told_apart(target: Client, stack: str) -> None:
    """The two savers of one package, and its old version, name their keys alike."""
    with Client.from_url(stack) as both:
        dumped.send(both, ("FLUSHALL",))
        for name in ("langgraph-redis", "langgraph-redis-shallow"):
            dumped.load(both, name)
        for name in ("langgraph-redis", "langgraph-redis-shallow"):
            report = RedisMigration(target, name, origin=both, tenant=name).run()
            assert (report.complete, report.kinds["checkpoints"].moved) == (True, SOURCES[name][0])
        dumped.send(both, ("FLUSHALL",))
        dumped.load(both, "langgraph-redis-0.0")
        report = RedisMigration(target, "langgraph-redis", origin=both, tenant="old").run()
        assert {failure.why for failure in report.failed} == {
            "a version up to 0.0.8 wrote it: migrate it as the source langgraph-redis-0.0"
        }


async def test_a_migration_within_one_server(stack: str) -> None:
    with Client.from_url(stack) as client:
        dumped.send(client, ("FLUSHALL",))
        dumped.load(client, "langgraph-redis")
        report = RedisMigration(client, "langgraph-redis", match="wait*").run()
        assert report.kinds["checkpoints"].moved == 8
        assert RedisMigration(client, "langgraph-redis", match="wait*").run().kinds["checkpoints"].there == 8
        dumped.send(client, ("FLUSHALL",))


# --- values ---------------------------------------------------------------------------------------


def typed(value: Any) -> bytes:
    return json.dumps(value).encode()


def lc(name: str, *, args: Any = None, **kwargs: Any) -> dict[str, Any]:
    return {"lc": 2, "type": "constructor", "id": name.split("."), "args": args or [], "kwargs": kwargs}


def test_objects_are_built_from_the_table_alone() -> None:
    values = Values(strict_serde())
    evil = lc("os.system", args=["true"])
    mine = lc("myapp.state.Plan", steps=[lc("langchain_core.messages.human.HumanMessage", content="Hi")])
    assert values.typed("json", typed(evil)) == evil
    assert values.typed("json", typed(mine))["kwargs"]["steps"] == [HumanMessage("Hi")]
    assert values.lost == (
        "objects of myapp.state.Plan stay the dicts in which they were stored",
        "objects of os.system stay the dicts in which they were stored",
    )
    assert values.typed("json", typed(lc("builtins.set", args=[[1, 2]]))) == {1, 2}
    assert values.typed("json", typed(lc("uuid.UUID", args=["no such"])))["id"] == ["uuid", "UUID"]
    named_alike = {"lc": 2, "type": "constructor", "id": ["evil", "HumanMessage"], "kwargs": {"content": "Hi"}}
    assert values.typed("json", typed(named_alike)) == named_alike


def test_pickles_and_unknown_types_of_values_are_refused() -> None:
    values = Values(strict_serde())
    with pytest.raises(ValueError, match="a pickle"):
        values.typed("pickle", pickle.dumps(1))
    with pytest.raises(ValueError, match="of no known serialiser"):
        values.typed("arrow", b"")


async def test_a_pickled_checkpoint_fails_alone(target: Client) -> None:
    body = {"t": "pickle", "d": base64.b64encode(pickle.dumps({})).decode()}
    dumped.load(target, "plainredis")
    dumped.send(
        target,
        ("SET", "lg:cp:t::1", json.dumps(body)),
        ("HSET", "lg:threads", "lg:idx:t:", json.dumps({"thread": "t", "ns": ""})),
    )
    report = RedisMigration(target, "plainredis").run()
    assert [(failure.name, failure.why) for failure in report.failed] == [("lg:cp:t::1", PICKLE)]
    assert report.kinds["checkpoints"].moved == 17


async def test_a_channel_that_expired_under_a_living_thread_is_told(target: Client) -> None:
    dumped.load(target, "plainredis")
    (reply,) = dumped.send(target, ("SCAN", 0, "MATCH", "lg:blob:waiting::raw:*", "COUNT", 1000))
    dumped.send(target, ("DEL", *reply[1]))
    report = RedisMigration(target, "plainredis", match="waiting").run()
    assert report.complete
    assert report.lost["the value of a channel had expired before the thread (raw)"] == 1
    assert "raw" not in graph(RedisSaver(target)).get_state(peers.at("waiting")).values
