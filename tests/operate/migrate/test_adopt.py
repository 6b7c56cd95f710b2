"""Adoption: what another package keeps is taken over when it is first touched, once, and what is deleted stays so."""

from __future__ import annotations

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
)
from langchain_redis_memory.redis.client.client import Trip
from tests.conftest import Both
from tests.operate.migrate.conftest import Origin
from tests.operate.migrate.test_migration import SAID, say
from tests.operate.migrate.test_threads import SOURCES
from tests.support import dumped
from tests.support.dumped import send
from tests.support.peers import CHAT_PROMPT, MODEL, SESSION, answer, at, graph
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
