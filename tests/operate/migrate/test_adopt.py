"""Adoption: what another package keeps is taken over when it is first touched, once, and what is deleted stays so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.types import Command

from langchain_redis_memory import (
    AdoptFrom,
    Client,
    ConfigError,
    CorruptDataError,
    RedisCache,
    RedisChatMessageHistory,
    RedisSaver,
    RedisStore,
    UnavailableError,
)
from langchain_redis_memory.redis.client.client import Trip
from tests.conftest import Both
from tests.operate.migrate.conftest import Origin
from tests.operate.migrate.test_migration import SAID, say
from tests.operate.migrate.test_threads import SOURCES
from tests.support import dumped
from tests.support.dumped import send
from tests.support.peers import CHAT_PROMPT, ITEMS, MODEL, SESSION, answer, at, graph
from tests.support.peers import SAID as TALK


def history(client: Client, session: str = SESSION, **options: Any) -> RedisChatMessageHistory:
    return RedisChatMessageHistory(session, client, ttl_s=600, **options)


# --- conversations --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["langchain-community", "langchain-redis"])
async def test_a_conversation_is_adopted_at_its_first_touch(
    target: Client, origin: Origin, both: Both, name: str
) -> None:
    adopt = AdoptFrom(name, origin=origin(name))
    first = history(target, adopt=adopt)
    assert [message.content for message in await both.messages(first)] == [message.content for message in TALK]
    await both(first.add_messages)([HumanMessage("And now?", id="n")])
    again = history(target, adopt=adopt)
    assert len(await both.messages(again)) == len(TALK) + 1
    assert history(target).messages == again.messages


async def test_a_conversation_that_begins_with_a_message_is_adopted_before_it(client: Client, prefix: str) -> None:
    say(client, f"{prefix}:theirs:s", *SAID)
    adopt = AdoptFrom("langchain-community", prefix=f"{prefix}:theirs:")
    history(client, "s", adopt=adopt).add_messages([HumanMessage("And now?", id="3")])
    assert [message.id for message in history(client, "s").messages] == ["1", "2", "3"]


async def test_an_adopted_conversation_costs_what_any_other_does(
    client: Client, trips: list[Trip], prefix: str
) -> None:
    say(client, f"{prefix}:theirs:s", *SAID)
    adopt = AdoptFrom("langchain-community", prefix=f"{prefix}:theirs:")
    assert history(client, "s", adopt=adopt).messages == SAID
    trips.clear()
    assert history(client, "s", adopt=adopt).messages == SAID
    assert len(trips) == 1


async def test_a_cleared_conversation_does_not_come_back(target: Client, origin: Origin, both: Both) -> None:
    source = origin("langchain-redis")
    adopt = AdoptFrom("langchain-redis", origin=source)
    await both(history(target, adopt=adopt).clear)()
    assert await both.messages(history(target, adopt=adopt)) == []
    assert await both.messages(history(target, "forever", adopt=adopt)) != []


async def test_a_conversation_that_cannot_be_read_is_no_empty_one(target: Client) -> None:
    send(target, ("LPUSH", "message_store:s", "{"))
    with pytest.raises(CorruptDataError, match="'s' cannot be adopted: message_store:s: it is no JSON"):
        _ = history(target, "s", adopt="langchain-community").messages


def test_what_cannot_be_adopted_is_refused(target: Client) -> None:
    with pytest.raises(ConfigError, match="no source is named"):
        history(target, adopt="mongo")
    with pytest.raises(ConfigError, match="move its data by `migrate`"):
        history(target, adopt="mem0")
    with pytest.raises(ConfigError, match="give loader or adopt"):
        history(target, adopt="langchain-community", loader=lambda _session: [])
    with pytest.raises(ConfigError, match="the name of a source or an AdoptFrom"):
        history(target, adopt=3)
    with pytest.raises(ConfigError, match="give adopt or owner"):
        RedisSaver(target, adopt="plainredis", owner="user_id")
    with pytest.raises(ConfigError, match="answers are adopted from"):
        RedisCache(target, adopt="plainredis")


# --- threads --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOURCES)
async def test_a_thread_that_waits_is_adopted_and_goes_on(
    target: Client, origin: Origin, both: Both, name: str
) -> None:
    adopt = AdoptFrom(name, origin=origin(name))
    built = graph(RedisSaver(target, ttl_s=600, adopt=adopt))
    done = await both(built.invoke)(Command(resume="later"), at("waiting"))
    assert done["messages"][-1] == AIMessage("You said later.", id="a4")
    thread, steps = SOURCES[name][1:3]
    states = list(built.get_state_history(at(thread)))
    assert [state.metadata["step"] for state in states] == steps
    without = graph(RedisSaver(target, ttl_s=600))
    assert without.get_state(at(thread)).values == states[0].values


@pytest.mark.parametrize("name", SOURCES)
async def test_a_deleted_thread_does_not_come_back(target: Client, origin: Origin, both: Both, name: str) -> None:
    source = origin(name)
    saver = RedisSaver(target, ttl_s=600, adopt=AdoptFrom(name, origin=source))
    thread = SOURCES[name][1]
    await both(saver.delete_thread)(thread)
    assert await both(saver.get_tuple)(at(thread)) is None
    assert await both(saver.get_tuple)(at("waiting")) is not None
    (reply,) = send(source, ("SCAN", 0, "MATCH", f"*{thread}*", "COUNT", 100_000))
    # Version 0.0.8 overwrote a checkpoint, and nothing names the values of that one any more.
    assert [key for key in reply[1] if not key.startswith(b"checkpoint_blob:old:__empty__:")] == []


async def test_a_new_thread_is_no_reason_to_search(target: Client) -> None:
    dumped.load(target, "plainredis")
    trips: list[Trip] = []
    client = Client.from_url(target.url, on_trip=trips.append)
    saver = RedisSaver(client, adopt="plainredis")
    for thread in ("new", "newer"):  # the first time the server learns the script
        trips.clear()
        assert saver.get_tuple(at(thread)) is None
    assert len(trips) == 3  # is it there, is it here at all, is it at the source
    client.close()


async def test_a_copied_thread_is_adopted_first(target: Client, both: Both) -> None:
    dumped.load(target, "plainredis")
    saver = RedisSaver(target, ttl_s=600, adopt="plainredis")
    await both(saver.copy_thread)("waiting", "copy")
    assert graph(saver).get_state(at("copy")).next == ("ask",)


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["langchain-redis", "langchain-community"])
async def test_answers_of_exact_caches_are_adopted_on_a_miss(
    target: Client, origin: Origin, both: Both, name: str
) -> None:
    source = origin("exact-caches")
    cache = RedisCache(target, adopt=AdoptFrom(name, origin=source))
    assert await both(cache.lookup)(CHAT_PROMPT, "another model") is None
    assert await both(cache.lookup)(CHAT_PROMPT, MODEL) == answer()
    assert await both(RedisCache(target).lookup)(CHAT_PROMPT, MODEL) == answer()
    assert len(send(source, ("SCAN", 0, "COUNT", 1000))[0][1]) == 1  # the other package's
    await both(cache.clear)()
    assert await both(cache.lookup)(CHAT_PROMPT, MODEL) is None
    stats = await both(cache.stats)()
    assert (stats.hits, stats.misses) == (1, 2)


async def test_a_cache_whose_source_is_away_misses(target: Client) -> None:
    cache = RedisCache(target, adopt=AdoptFrom("langchain-community", origin="redis://127.0.0.1:1/0"))
    assert cache.lookup(CHAT_PROMPT, MODEL) is None


async def test_an_answer_that_may_not_be_cached_is_not_adopted(target: Client) -> None:
    key = RedisCache(target, adopt="langchain-community")._flows._adoption._answers.key("p", "m")  # type: ignore[union-attr]
    send(target, ("HSET", key, "0", "older versions stored raw text"))
    assert RedisCache(target, adopt="langchain-community").lookup("p", "m") is None


# --- items of a store -----------------------------------------------------------------------------

STORE = "langgraph-redis-store"


@pytest.fixture
def theirs(stack: str) -> Iterator[Client]:
    """A server with JSON that holds nothing yet."""
    with Client.from_url(stack) as source:
        send(source, ("FLUSHALL",))
        yield source


async def test_items_are_moved_before_the_store_is_first_used(target: Client, origin: Origin, both: Both) -> None:
    source = origin(STORE)
    store = RedisStore(target, adopt=AdoptFrom(STORE, origin=source))
    found = await both(store.search)(("memories",))
    assert {(one.namespace, one.key): one.value for one in found} == {(n, k): value for n, k, value in ITEMS}
    assert send(source, ("DBSIZE",)) == [0]
    store.delete(*ITEMS[0][:2])
    later = RedisStore(target, adopt=AdoptFrom(STORE, origin=source))
    assert await both(later.get)(*ITEMS[0][:2]) is None
    assert len(RedisStore(target).search(("memories",))) == len(ITEMS) - 1


def document(updated: float, text: str, prefix: str = "m", key: str = "k") -> str:
    value = {"prefix": prefix, "key": key, "value": {"text": text}, "updated_at": int(updated * 1e6)}
    return json.dumps(value)


async def test_of_two_items_with_one_name_the_newer_counts(target: Client, theirs: Client, both: Both) -> None:
    RedisStore(target).put(("m",), "k", {"text": "ours"})
    adopt = AdoptFrom(STORE, origin=theirs)
    json_set(theirs, "store:1", document(1, "old"))
    assert (await both(RedisStore(target, adopt=adopt).get)(("m",), "k")).value == {"text": "ours"}
    json_set(theirs, "store:2", document(9e9, "new"))
    assert (await both(RedisStore(target, adopt=adopt).get)(("m",), "k")).value == {"text": "new"}
    assert send(theirs, ("EXISTS", "store:1", "store:2")) == [0]


async def test_what_cannot_be_moved_stays_where_it_is(target: Client, theirs: Client, both: Both, caplog: Any) -> None:
    json_set(theirs, "store:1", document(1, "good"))
    json_set(theirs, "store:2", document(1, "bad", prefix="m..x"))
    json_set(theirs, "store:3", "[]")
    store = RedisStore(target, adopt=AdoptFrom(STORE, origin=theirs))
    assert (await both(store.get)(("m",), "k")).value == {"text": "good"}
    assert [one.getMessage()[:56] for one in caplog.records] == [
        "an item cannot be adopted and stays where it is: store:3",
        "an item cannot be adopted and stays where it is: store:2",
    ]
    assert send(theirs, ("EXISTS", "store:1", "store:2", "store:3")) == [2]


async def test_an_adopted_store_costs_what_any_other_does(target: Client, theirs: Client) -> None:
    json_set(theirs, "store:1", document(1, "good"))
    trips: list[Trip] = []
    client = Client.from_url(target.url, on_trip=trips.append)
    store = RedisStore(client, adopt=AdoptFrom(STORE, origin=theirs))
    assert store.get(("m",), "k") is not None
    trips.clear()
    store.get(("m",), "k")
    assert len(trips) == 1
    client.close()


async def test_one_process_moves_items_at_a_time(target: Client, both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langchain_redis_memory.store.adopting.WAIT_S", 0.0)
    store = RedisStore(target, adopt=STORE)
    lease = target.keys().lease("adopt", "store")
    send(target, ("SET", lease, "another", "PX", 60_000))
    with pytest.raises(UnavailableError, match="another process is still moving"):
        await both(store.get)(("m",), "k")
    send(target, ("DEL", lease))
    assert await both(store.get)(("m",), "k") is None
    assert send(target, ("EXISTS", lease)) == [0]


def test_where_items_cannot_be_adopted_from(target: Client) -> None:
    with pytest.raises(ConfigError, match="items are adopted from 'langgraph-redis-store', not from 'plainredis'"):
        RedisStore(target, adopt="plainredis")
    with pytest.raises(ConfigError, match="cannot be asked for one conversation"):
        history(target, adopt=STORE)


def json_set(client: Client, key: str, document: str) -> None:
    send(client, ("JSON.SET", key, "$", document))
