"""Items and memories of other packages, and what applications wrote by hand."""

from __future__ import annotations

import base64
import json
import pickle
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.store.memory import InMemoryStore

from langchain_redis_memory import (
    Client,
    ConfigError,
    RedisChatMessageHistory,
    RedisMigration,
    RedisSessionData,
    RedisStore,
    RedisUsers,
)
from langchain_redis_memory.peers.sources import SOURCES
from tests.conftest import Both
from tests.operate.migrate.conftest import Origin
from tests.support.dumped import send
from tests.support.peers import ITEMS, SESSION


async def test_items_of_a_store_are_moved(target: Client, origin: Origin, both: Both) -> None:
    migration = RedisMigration(target, "langgraph-redis-store", origin=origin("langgraph-redis-store"))
    report = await both(migration.run)()
    assert report.complete, report
    assert report.kinds["items"].moved == 3
    store = RedisStore(target)
    for namespace, key, value in ITEMS:
        found = store.get(namespace, key)
        assert found is not None
        assert found.value == value
    assert len(store.search(("memories", "u:1,a"))) == 2
    assert (await both(migration.run)()).kinds["items"].there == 3


async def test_an_item_that_was_changed_at_the_target_is_left_alone(target: Client, origin: Origin) -> None:
    namespace, key, _ = ITEMS[0]
    store = InMemoryStore()
    store.put(namespace, key, {"text": "Likes soba now"})
    source = origin("langgraph-redis-store")
    report = RedisMigration(target, "langgraph-redis-store", origin=source, store=store).run()
    assert (report.kinds["items"].kept, report.kinds["items"].moved) == (1, 2)
    found = store.get(namespace, key)
    assert found is not None
    assert found.value == {"text": "Likes soba now"}


async def test_memories_of_mem0_are_moved(target: Client, origin: Origin, both: Both) -> None:
    report = await both(RedisMigration(target, "mem0", origin=origin("mem0")).run)()
    assert report.complete, report
    assert report.kinds["items"].moved == 2
    (of_ana,) = RedisStore(target).search(("memories", "ana@example%2Eorg"))
    assert of_ana.value == {
        "text": "Likes ramen",
        "topic": "food",
        "user_id": "ana@example.org",
        "hash": "h1",
        "created_at": "2026-01-02T03:04:05+00:00",
    }
    found = RedisStore(target).get(("memories",), "22222222-2222-2222-2222-222222222222")
    assert found is not None
    assert (found.value["text"], found.value["agent_id"]) == ("Grüße ✓", "clerk")
    assert sorted(report.lost.values()) == [1, 2]


async def test_histories_of_redisvl_are_moved(target: Client, origin: Origin, both: Both) -> None:
    report = await both(
        RedisMigration(target, "redisvl-history", origin=origin("redisvl-history"), prefix="chats").run
    )()
    assert report.complete, report
    system, human, tool, answer = await both.messages(RedisChatMessageHistory(SESSION, target))
    assert isinstance(system, SystemMessage)
    assert isinstance(human, HumanMessage)
    assert human.additional_kwargs == {"metadata": {"locale": "de"}}
    assert isinstance(tool, ToolMessage)
    assert tool.tool_call_id == "c1"
    assert (type(answer), answer.content) == (AIMessage, "Grüße ✓")


SAID = [
    {"role": "user", "content": "Hi", "id": "m1", "created_at": "2026-01-02T03:04:05Z"},
    {"role": "assistant", "content": "Hello", "id": "m2"},
]


async def test_sessions_and_memories_of_agent_memory_server_are_moved(target: Client, stack: str, both: Both) -> None:
    """As its source writes them: it needs Python 3.12 and a model, so it is not run here."""
    working = {
        "session_id": "s:1",
        "messages": SAID,
        "memories": [
            {"id": "w1", "text": "Likes ramen", "memory_type": "semantic", "topics": ["food"], "pinned": False}
        ],
        "data": {"cart": ["A-17"]},
        "context": "They greeted each other.",
        "user_id": "ana",
        "namespace": "shop",
        "tokens": 7,
    }
    with Client.from_url(stack) as source:
        send(
            source,
            ("FLUSHALL",),
            ("JSON.SET", "working_memory:shop:ana:s:1", "$", json.dumps(working)),
            ("EXPIRE", "working_memory:shop:ana:s:1", 3600),
            ("SET", "working_memory:old", json.dumps({"session_id": "old", "messages": SAID[:1]})),
            ("SET", "working_memory:migration:complete", "true"),
            ("HSET", "memory_idx:l1", "id_", "l1", "text", "Lives in Oslo", "user_id", "ana", "topics", "home,city"),
            ("HSET", "memory_idx:l1", "created_at", "1767323045.5", "memory_type", "semantic", "vector", b"\xff\x00"),
        )
        migration = RedisMigration(target, "agent-memory-server", origin=source)
        report = await both(migration.run)()
        assert report.complete, report
        assert (report.kinds["conversations"].moved, report.kinds["items"].moved) == (2, 2)
        again = await both(migration.run)()
        assert (again.kinds["conversations"].there, again.kinds["items"].there) == (2, 2)
    history = RedisChatMessageHistory("s:1", target, agent="shop")
    assert history.messages == [HumanMessage("Hi", id="m1"), AIMessage("Hello", id="m2")]
    assert 3000 < (history.ttl() or 0) <= 3600
    data = RedisSessionData("s:1", target, agent="shop")
    assert data.all() == {"cart": ["A-17"], "summary": "They greeted each other."}
    assert [(one.kind, one.name) for one in RedisUsers(target).data("ana")] == [("session", "s:1")]
    memories = {item.key: item.value for item in RedisStore(target).search(("memories", "ana"))}
    assert memories["w1"]["text"] == "Likes ramen"
    assert memories["l1"]["topics"] == ["home", "city"]
    assert memories["l1"]["created_at"] == "2026-01-02T03:04:05.500000+00:00"
    assert RedisChatMessageHistory("old", target).messages == [HumanMessage("Hi", id="m1")]


# --- by hand --------------------------------------------------------------------------------------


async def test_lists_of_turns(target: Client) -> None:
    turns = [{"user": "Hi", "assistant": "Hello"}, {"user": "And now?"}]
    send(target, ("RPUSH", "simple_history:s:1", *map(json.dumps, turns)), ("EXPIRE", "simple_history:s:1", 600))
    assert RedisMigration(target, "turn-lists").run().complete
    history = RedisChatMessageHistory("s:1", target)
    assert [(message.type, message.content) for message in history.messages] == [
        ("human", "Hi"),
        ("ai", "Hello"),
        ("human", "And now?"),
    ]
    assert 0 < (history.ttl() or 0) <= 600
    assert RedisMigration(target, "turn-lists").run().kinds["conversations"].there == 1


async def test_lists_of_messages_with_a_summary_and_a_count(target: Client) -> None:
    call = {"name": "weather", "args": {}, "id": "c1", "type": "tool_call"}
    said = [
        {"type": "HumanMessage", "content": "Hi"},
        {"type": "AIMessage", "content": "", "tool_calls": [call], "additional_kwargs": {}},
        {"type": "ToolMessage", "content": "Rain.", "tool_call_id": "c1"},
        {"role": "assistant", "content": "It rains."},
        {"type": "ai", "data": {"content": "Bye", "type": "ai"}},
    ]
    pickled = base64.b64encode(pickle.dumps(AIMessage("Hi")))
    send(
        target,
        ("RPUSH", "conversation:messages:s", *map(json.dumps, said)),
        ("SET", "conversation:summary:s", "They spoke of rain."),
        ("SET", "conversation:turns:s", 2),
        ("RPUSH", "conversation:messages:pickled", pickled),
        ("SET", "conversation:turns:pickled", 1),
    )
    report = RedisMigration(target, "message-lists", ttl_s=60).run()
    assert [failure.name for failure in report.failed] == ["conversation:messages:pickled"]
    assert "a pickle" in report.failed[0].why
    stored = RedisChatMessageHistory("s", target).messages
    assert [message.content for message in stored] == ["Hi", "", "Rain.", "It rains.", "Bye"]
    assert isinstance(stored[1], AIMessage)
    assert stored[1].tool_calls == [call]
    assert RedisSessionData("s", target).all() == {"summary": "They spoke of rain.", "turns": 2}
    assert not RedisChatMessageHistory("pickled", target).messages


async def test_keys_of_agents(target: Client) -> None:
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    send(
        target,
        ("SET", "app:history:clerk:s:1", json.dumps(said), "EX", 600),
        ("SET", "app:state:clerk", json.dumps({"mood": "fine"}), "EX", 600),
        ("SET", "app:session:s:cart", json.dumps(["A-17"]), "EX", 600),
        ("SET", "app:history:clerk:odd", json.dumps({"role": "user"})),
    )
    report = RedisMigration(target, "agent-keys", prefix="app:").run()
    assert [(one.name, one.why) for one in report.failed] == [("app:history:clerk:odd", "it is not a list of messages")]
    stored = RedisChatMessageHistory("s:1", target, agent="clerk").messages
    assert [message.content for message in stored] == ["Hi", "Hello"]
    assert RedisSessionData("s", target).all() == {"cart": ["A-17"]}
    state = RedisStore(target).get(("agents", "clerk"), "state")
    assert state is not None
    assert state.value == {"mood": "fine"}


async def test_any_keys_of_json(target: Client) -> None:
    send(
        target,
        ("SET", "user:ana.b:settings", json.dumps({"theme": "dark"}), "EX", 600),
        ("SET", "user:ana.b:greeting", "Be kind."),
    )
    report = RedisMigration(target, "json-keys", prefix="user:", ttl_s=60).run()
    assert report.complete
    found: dict[str, Any] = {item.key: item.value for item in RedisStore(target).search(("user", "ana%2Eb"))}
    assert found == {"settings": {"theme": "dark"}, "greeting": {"value": "Be kind."}}


@pytest.mark.parametrize("name", [name for name, known in SOURCES.items() if not known.prefix])
def test_a_prefix_that_the_application_chose_must_be_given(target: Client, name: str) -> None:
    with pytest.raises(ConfigError, match="lets the application choose"):
        RedisMigration(target, name)


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_finds_nothing_on_an_empty_server(target: Client, name: str) -> None:
    report = RedisMigration(target, name, prefix=SOURCES[name].prefix or "p:").run()
    assert report.complete
    assert "nothing found" in str(report)
