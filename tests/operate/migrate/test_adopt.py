"""Adoption: what another package keeps is taken over when it is first touched, once, and what is deleted stays so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.types import Command

from langchain_redis_memory import (
    AdoptFrom,
    CachedEmbeddings,
    Client,
    ConfigError,
    CorruptDataError,
    RedisCache,
    RedisChatMessageHistory,
    RedisSaver,
    RedisSemanticCache,
    RedisStore,
    UnavailableError,
)
from langchain_redis_memory.cache.entry_options import EntryOptions
from langchain_redis_memory.peers.adoptable import CONVERSATIONS, NEAR_ANSWERS, THREADS, VECTORS
from langchain_redis_memory.peers.adoptable import ITEMS as STORES
from langchain_redis_memory.peers.exact_answers import EXACT_ANSWERS
from langchain_redis_memory.redis.client.client import Trip
from tests.conftest import Both
from tests.operate.migrate.conftest import Origin
from tests.operate.migrate.test_migration import SAID, say
from tests.operate.migrate.test_threads import SOURCES
from tests.support import dumped
from tests.support.dumped import send
from tests.support.peers import CHAT_PROMPT, ITEMS, MODEL, SESSION, answer, at, embedded, graph
from tests.support.peers import SAID as TALK


def history(client: Client, session: str = SESSION, **options: Any) -> RedisChatMessageHistory:
    return RedisChatMessageHistory(session, client, ttl_s=600, **options)


def semantic(client: Client, **options: Any) -> RedisSemanticCache:
    return RedisSemanticCache(client, embedded(), entries=EntryOptions(log=None), **options)


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
    with pytest.raises(CorruptDataError, match="'s' cannot be adopted: message_store:s: it is not JSON"):
        _ = history(target, "s", adopt="langchain-community").messages


ADOPTING: dict[str, tuple[Any, Any]] = {
    "conversations are": (history, CONVERSATIONS),
    "threads are": (RedisSaver, THREADS),
    "answers to the very same prompt are": (RedisCache, EXACT_ANSWERS),
    "answers that are found by meaning are": (semantic, NEAR_ANSWERS),
    "vectors are": (lambda client, adopt: CachedEmbeddings(client, embedded(), adopt=adopt), VECTORS),
    "items are": (RedisStore, STORES),
}


@pytest.mark.parametrize("what", ADOPTING)
def test_where_a_class_cannot_adopt_from_is_said_when_it_is_made(target: Client, what: str) -> None:
    make, fit = ADOPTING[what]
    others = {name for _, names in ADOPTING.values() for name in names} - set(fit)
    for name in others:
        with pytest.raises(ConfigError, match=f"{what} adopted from '{next(iter(fit))}'.* not from '{name}'"):
            make(target, adopt=name)
    for name in fit:
        make(target, adopt=AdoptFrom(name, prefix="cache/m"))


def test_what_cannot_be_adopted_is_refused(target: Client) -> None:
    for unknown in ("mongo", "mem0"):
        with pytest.raises(ConfigError, match=r"data are adopted from 'aws-valkey', .*`migrate` moves"):
            history(target, adopt=unknown)
    with pytest.raises(ConfigError, match="give loader or adopt"):
        history(target, adopt="langchain-community", loader=lambda _session: [])
    with pytest.raises(ConfigError, match="the name of a source or an AdoptFrom"):
        history(target, adopt=3)
    with pytest.raises(ConfigError, match="give adopt or owner"):
        RedisSaver(target, adopt="plainredis", owner="user_id")


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


async def test_the_messages_of_a_thread_are_adopted_first(target: Client, both: Both) -> None:
    dumped.load(target, "plainredis")
    saver = RedisSaver(target, ttl_s=600, adopt="plainredis")
    found = await both(saver.messages)("waiting")
    assert found == graph(saver).get_state(at("waiting")).values["messages"] != []
    assert await both(saver.messages)("unknown") == []


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


SEMANTIC = "langchain-redis-semantic"


async def test_answers_of_a_semantic_cache_are_moved_by_misses(target: Client, origin: Origin, both: Both) -> None:
    source = origin(SEMANTIC)
    cache = semantic(target, adopt=AdoptFrom("langchain-redis", origin=source))
    assert await both(cache.lookup)(dumps([HumanMessage("How long does a refund take?")]), MODEL) is None
    assert await both(semantic(target).lookup)(CHAT_PROMPT, MODEL) == answer(), "moved with the miss of another"
    assert await both(cache.lookup)(CHAT_PROMPT, "another model") is None
    assert send(source, ("KEYS", "llmcache:*"))[0] == []
    await both(cache.clear)()
    assert await both(cache.lookup)(CHAT_PROMPT, MODEL) is None


async def test_the_very_same_prompt_is_asked_for_by_its_key(
    target: Client, origin: Origin, both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langchain_redis_memory.cache.semantic.adoption.AT_ONCE", 0)
    cache = semantic(target, adopt=AdoptFrom("langchain-redis", origin=origin(SEMANTIC)), single_flight_s=60)
    bound = cache.bind(tags=["mine"], session="s")
    assert await both(bound.lookup)(CHAT_PROMPT, MODEL) == answer()
    assert await both(cache.delete)(tag="mine") == 0, "it came from nobody's conversation here"
    assert await both(semantic(target).lookup)(CHAT_PROMPT, MODEL) == answer()


async def test_answers_are_moved_a_few_at_once(target: Client, both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langchain_redis_memory.cache.semantic.adoption.AT_ONCE", 2)
    questions = [f"How long does order number {number} take?" for number in range(5)]
    for number, question in enumerate(questions):
        fields = ("prompt", dumps([HumanMessage(question)]), "llm_string", MODEL, "return_val", dumps(answer()))
        send(target, ("HSET", f"doc:cache:0f:{number}", *fields), ("EXPIRE", f"doc:cache:0f:{number}", 100))
    send(target, ("HSET", "doc:cache:0f:raw", "prompt", "Who?", "return_val", "?"), ("SET", "doc:cache:0f:no", "x"))
    cache, left = semantic(target, adopt="langchain-community"), []
    for _ in range(5):
        await both(cache.lookup)(dumps([HumanMessage("Who built the bridge?")]), MODEL)
        left.append(len(send(target, ("KEYS", "doc:cache:*"))[0]))
    assert left == sorted(left, reverse=True)
    assert left[0] >= 5
    assert left[-1] == 2, "what cannot be read stays where it is"
    for question in questions:
        assert await both(cache.lookup)(dumps([HumanMessage(question)]), MODEL) == answer()
    (reply,) = send(target, ("SCAN", 0, "MATCH", "*entries", "COUNT", 1000))
    assert all(0 < ttl <= 100 for ttl in send(target, *(("TTL", key) for key in reply[1])))


async def test_another_tenant_adopts_nothing(target: Client, origin: Origin, both: Both) -> None:
    cache = semantic(target, adopt=AdoptFrom("langchain-redis", origin=origin(SEMANTIC)))
    for other in (cache.bind(tenant="acme"), cache.bind(scope="team")):
        assert await both(other.lookup)(CHAT_PROMPT, MODEL) is None
    assert await both(cache.bind(session="s").lookup)(CHAT_PROMPT, MODEL) == answer()


async def test_a_source_that_is_away_is_not_asked_for_a_while(target: Client, both: Both, caplog: Any) -> None:
    with Client.from_url("redis://127.0.0.1:1/0") as away:
        adopt = AdoptFrom("langchain-community", origin=away)
        for cache in (RedisCache(target, adopt=adopt), semantic(target, adopt=adopt)):
            for _ in range(3):
                assert await both(cache.lookup)(CHAT_PROMPT, MODEL) is None
    assert [one.getMessage()[:26] for one in caplog.records if one.name.startswith("langchain_redis_memory")] == [
        "answers cannot be adopted "
    ]


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
    assert [one.getMessage()[:56] for one in caplog.records if one.name.startswith("langchain_redis_memory")] == [
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
    monkeypatch.setattr("langchain_redis_memory.store.adoption.WAIT_S", 0.0)
    store = RedisStore(target, adopt=STORE)
    lease = target.keys().lease("adopt", "store")
    send(target, ("SET", lease, "another", "PX", 60_000))
    with pytest.raises(UnavailableError, match="another process is still moving"):
        await both(store.get)(("m",), "k")
    send(target, ("DEL", lease))
    assert await both(store.get)(("m",), "k") is None
    assert send(target, ("EXISTS", lease)) == [0]


def json_set(client: Client, key: str, document: str) -> None:
    send(client, ("JSON.SET", key, "$", document))
