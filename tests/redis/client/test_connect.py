"""Every public class is given its server in the same ways, and closes only what it opened itself."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from inspect import signature
from typing import Any

import pytest
import redis
import redis.asyncio as aredis
from langchain_core.embeddings import DeterministicFakeEmbedding

import langchain_redis_memory
from langchain_redis_memory import (
    AdoptFrom,
    AgentAnswers,
    AnswerCacheMiddleware,
    AnswerDesk,
    CachedEmbeddings,
    CachedRetriever,
    Client,
    ConversationMemory,
    Diagnosis,
    EpochAnswerCache,
    Health,
    Limit,
    LimitLease,
    MemoryAnswers,
    OTelTracing,
    RagCache,
    RedisAgentState,
    RedisBackend,
    RedisByteStore,
    RedisCache,
    RedisCaches,
    RedisChatMessageHistory,
    RedisConversationState,
    RedisMemorySettings,
    RedisMigration,
    RedisNodeCache,
    RedisOperations,
    RedisRateLimiter,
    RedisRecordManager,
    RedisSaver,
    RedisSemanticCache,
    RedisSessionData,
    RedisSessions,
    RedisStatsCollector,
    RedisStore,
    RedisTokenStreams,
    RedisUsers,
    RedisValueCache,
    RedisWrappedKeys,
    SemanticAnswerCache,
    TokenBudgetMiddleware,
    ToolCacheMiddleware,
    UserProfile,
    ValueLock,
)
from langchain_redis_memory.errors import ConfigError, UnavailableError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.connect import ClientOwner, connect
from tests.conftest import Both
from tests.support import servers
from tests.support.servers import Farm
from tests.support.table import table

PING = Op((("PING",),), len)

MODEL = DeterministicFakeEmbedding(size=3)

CLASSES: dict[str, Callable[..., ClientOwner]] = {
    "memory": ConversationMemory,
    "exact_cache": RedisCache,
    "semantic_cache": partial(RedisSemanticCache, embeddings=MODEL),
    "semantic_answers": partial(SemanticAnswerCache, embeddings=MODEL),
    "epoch_answers": EpochAnswerCache,
    "node_cache": RedisNodeCache,
    "embeddings": partial(CachedEmbeddings, embeddings=MODEL),
    "retriever": partial(CachedRetriever, retriever=lambda _query: [], name="r"),
    "rag": RagCache,
    "history": partial(RedisChatMessageHistory, "s"),
    "sessions": RedisSessions,
    "saver": RedisSaver,
    "store": RedisStore,
    "byte_store": RedisByteStore,
    "record_manager": partial(RedisRecordManager, namespace="n"),
    "conversation_state": partial(RedisConversationState, "s"),
    "agent_state": partial(RedisAgentState, "a"),
    "session_data": partial(RedisSessionData, "s"),
    "token_streams": RedisTokenStreams,
    "users": RedisUsers,
    "caches": RedisCaches,
    "operations": RedisOperations,
    "migration": partial(RedisMigration, source="langchain-community"),
    "profile": partial(UserProfile, "u"),
    "answers_of_agents": AnswerCacheMiddleware,
    "tools_of_agents": partial(ToolCacheMiddleware, tools={"t": 60}),
    "files_of_agents": RedisBackend,
    "budget_of_agents": partial(TokenBudgetMiddleware, per_turn=1),
    "limiter": partial(RedisRateLimiter, limits=[Limit(1, "1s")], reserve=1),
    "values": partial(RedisValueCache, namespace="n"),
}
WAYS: dict[str, Callable[[], tuple[tuple[Any, ...], dict[str, Any], str]]] = {
    "client": lambda: ((Client("redis://h"),), {}, "redis://h:6379/0"),
    "url": lambda: (("redis://h",), {}, "redis://h:6379/0"),
    "redis": lambda: ((redis.Redis(),), {}, "<Redis>"),
    "async redis": lambda: ((aredis.Redis(),), {}, "<Redis>"),
    "client=": lambda: ((), {"client": "redis://h"}, "redis://h:6379/0"),
    "redis_url=": lambda: ((), {"redis_url": "redis://h"}, "redis://h:6379/0"),
    "url=": lambda: ((), {"url": "redis://h"}, "redis://h:6379/0"),
    "redis_client=": lambda: ((), {"redis_client": redis.Redis()}, "<Redis>"),
    "redis_client=Client": lambda: ((), {"redis_client": Client("memory://x")}, "memory://x"),
    "None": lambda: ((None,), {}, "redis://settings:7/0"),
    "nothing": lambda: ((), {"redis_url": None}, "redis://settings:7/0"),
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "REDIS_ENABLED", "REDIS_DB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REDIS_HOST", "settings")
    monkeypatch.setenv("REDIS_PORT", "7")


GIVEN = {
    AdoptFrom,
    AgentAnswers,
    AnswerDesk,
    LimitLease,
    MemoryAnswers,
    OTelTracing,
    RedisStatsCollector,
    RedisWrappedKeys,
    ValueLock,
}
"""Are given the client of what makes them, or listen to one that others use, or keep keys beside what they encrypt."""


def takes_a_server(found: object) -> bool:
    """Whether a public object is a class whose constructor is given a server."""
    if (
        not isinstance(found, type)
        or issubclass(found, BaseException)
        or found in {Client, Diagnosis, Health, RedisMemorySettings, *GIVEN}
    ):
        return False
    return any(
        name in {"client", "redis", "url", "redis_url", "conn_string"} or "Client" in str(parameter.annotation)
        for name, parameter in signature(found).parameters.items()
    )


def test_every_public_class_that_takes_a_server_is_in_the_table() -> None:
    public = [getattr(langchain_redis_memory, name) for name in langchain_redis_memory.__all__]
    taking = {found for found in public if takes_a_server(found)}
    assert taking == {getattr(made, "func", made) for made in CLASSES.values()}
    for found in taking:
        assert issubclass(found, ClientOwner)

    class Newcomer:
        def __init__(self, name: str, server: Client | str | None = None) -> None: ...

    assert takes_a_server(Newcomer)
    assert not takes_a_server(langchain_redis_memory.ExactAnswerCache)


def test_the_server_comes_before_the_rest() -> None:
    """Only what names a conversation, an agent or a user stands before it, as in LangChain's own classes."""
    for made in CLASSES.values():
        names = list(signature(getattr(made, "func", made)).parameters)
        assert names[0] == "client" or (names[0] in {"session_id", "agent", "user"} and names[1] == "client")


@pytest.fixture(params=CLASSES)
def made(request: pytest.FixtureRequest) -> Callable[..., ClientOwner]:
    return CLASSES[request.param]


@table("way", WAYS)
def test_each_class_takes_each_way(made: Callable[..., ClientOwner], way: str) -> None:
    args, keywords, url = WAYS[way]()
    built = made(*args, **keywords)
    assert built._client.url == url
    if args and isinstance(args[0], Client):
        assert built._client is args[0]
    assert "\n" not in repr(built)
    assert repr(built).startswith(f"{type(built).__name__}(")
    assert f"Client({url!r}, prefix='lrm')" in repr(built)


def test_two_servers_are_refused(made: Callable[..., ClientOwner]) -> None:
    with pytest.raises(ConfigError, match="client and redis_url are given"):
        made("redis://h", redis_url="redis://h")
    with pytest.raises(ConfigError, match="url and redis_client are given"):
        made(url="redis://h", redis_client=redis.Redis())


def test_a_server_in_the_place_of_a_name_is_told() -> None:
    with pytest.raises(
        ConfigError, match=r"text that is not a URL; as in RedisChatMessageHistory\(session_id, client\)"
    ):
        RedisChatMessageHistory("redis://h", "ana")


@table("bad", [7, b"redis://h", {"host": "h"}, object()])
def test_what_is_no_server_is_refused(made: Callable[..., ClientOwner], bad: Any) -> None:
    with pytest.raises(ConfigError, match="expected a Client, a URL, a client of redis-py"):
        made(bad)
    with pytest.raises(ConfigError, match="url must be a URL"):
        made(url=bad)


HINTS = [
    ("saver", "ttl", r"use ttl_s \(seconds\)"),
    ("saver", "ttl_ms", "not milliseconds"),
    ("history", "key_prefix", r"use client=Client\(url, prefix=...\)"),
    ("history", "max_message", "use max_messages"),
    ("store", "redis_", "use client"),
    ("store", "host", "redis_url='redis://"),
    ("sessions", "tenan", "use tenant"),
    ("sessions", "connection_string", "use redis_url"),
    ("profile", "timeout_s", r"Client.from_url\(url, .*timeout_s"),
    ("byte_store", "zzz", "the keywords are client, namespace, ttl_s, tenant, redis_url, url, redis_client"),
    ("store", "ttl_seconds", "has no keyword 'ttl_seconds'"),
    ("exact_cache", "ttl", r"use ttl_s \(seconds\)"),
    ("rag", "ttl", "use embeddings_ttl_s or search_ttl_s or responses_ttl_s"),
    ("semantic_cache", "distance_threshold", r"use max_error .*, or search=SearchOptions\(policy=ThresholdPolicy"),
    ("semantic_cache", "similarity_threshold", "use max_error"),
    ("semantic_cache", "embedding", "use embeddings"),
    ("semantic_answers", "score_threshold", r"search=SearchOptions\(policy=ThresholdPolicy\(...\)\)"),
    ("store", "ttl_s", r"use ttl=\{'default_ttl': ...\} \(minutes\)"),
    ("store", "embeddings", r"use index=\{'dims': ..., 'embed': ...\}"),
    ("limiter", "requests_per_second", r"use limits=\[Limit\(60, '1m'\)\]"),
    ("memory", "k", r"use selector=MemorySelector\(base=...\)"),
    ("embeddings", "redis_", "use client"),
    ("retriever", "key_prefix", r"use client=Client\(url, prefix=...\)"),
    ("retriever", "tag", "use tags"),
    ("node_cache", "host", "redis_url='redis://"),
    ("saver", "cipher", r"use client=Client\(url, cipher=...\)"),
    ("rag", "corpse", "use corpus"),
    ("memory", "lifetimes", r"use answers=AnswerOptions\(lifetimes=...\)"),
    ("memory", "loader", r"use history=HistoryOptions\(loader=...\)"),
    ("memory", "policy", r"use questions=QuestionOptions\(policy=...\)"),
    ("semantic_cache", "template", r"use prompts=PromptOptions\(template=...\)"),
    ("semantic_cache", "judge", r"use search=SearchOptions\(judge=...\)"),
    ("exact_cache", "jitter", r"use entries=EntryOptions\(jitter=...\)"),
]


@table(("name", "keyword", "hint"), HINTS)
def test_a_wrong_keyword_says_which_is_meant(name: str, keyword: str, hint: str) -> None:
    with pytest.raises(TypeError, match=hint):
        CLASSES[name](**{keyword: 1})


def test_a_hint_names_only_what_the_class_takes() -> None:
    with pytest.raises(TypeError, match=r"RedisSessions\(\) has no keyword 'ttl'; the keywords are client, tenant"):
        RedisSessions(ttl=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"connect\(\) has no keyword 'ulr'; use url"):
        connect(ulr="redis://h")  # type: ignore[call-arg]

    with pytest.raises(TypeError, match=r"'score_threshold'; the keywords are client, ttl_s"):
        RedisCache(score_threshold=0.1)  # type: ignore[call-arg]


@pytest.mark.parametrize("made", [RedisSemanticCache, SemanticAnswerCache, CachedEmbeddings])
def test_an_embedding_model_is_needed(made: Any) -> None:
    for given in ((), ("memory://x",), ("memory://x", "text-embedding-3-small")):
        with pytest.raises(ConfigError, match=r"as in .*\(client, embeddings\), not (NoneType|str)"):
            made(*given)
    with pytest.raises(
        ConfigError, match=r"expected a Client.*got DeterministicFakeEmbedding; as in \w+\(client, embeddings"
    ):
        made(MODEL, "memory://x")
    with pytest.raises(ConfigError, match=r"got DeterministicFakeEmbedding; as in \w+\(client, embeddings"):
        made(MODEL, redis_url="memory://x")
    with pytest.raises(ConfigError, match=r"as in CachedRetriever\(client, retriever\)"):
        CachedRetriever("memory://x")


# --- which client it is -------------------------------------------------------------------------------------------


def test_the_environment_is_that_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_MEMORY_PREFIX", "mine")
    first = connect()
    assert repr(first) == "Client('redis://settings:7/0', prefix='mine')" == repr(Client.from_settings())
    assert connect() is first
    assert Client.from_url().url == first.url
    monkeypatch.setenv("REDIS_ENABLED", "false")
    assert connect().url == "memory://" == Client.from_url().url
    monkeypatch.setenv("REDIS_ENABLED", "true")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere")
    assert connect().url == "redis://elsewhere:6379/0"
    monkeypatch.setenv("REDIS_PORT", "none")
    with pytest.raises(ConfigError, match="REDIS_PORT"):
        connect()


def test_a_url_shares_one_client_and_so_does_a_client_of_redis() -> None:
    assert connect("redis://h") is connect(url="redis://h")
    theirs = redis.Redis()
    assert (first := connect(theirs)) is connect(redis_client=theirs)
    assert connect(redis.Redis()) is not first


@pytest.mark.slow
def test_a_wrapped_client_is_forgotten_with_its_last_user() -> None:
    from langchain_redis_memory.redis.client import connect as module

    gc.collect()
    theirs = redis.Redis()
    known = len(module._wrapped)
    kept = connect(theirs)
    assert len(module._wrapped) == known + 1
    del kept
    gc.collect()
    assert len(module._wrapped) == known


def test_a_client_of_a_url_and_of_either_colour() -> None:
    assert repr(Client("redis://h", prefix="p")) == "Client('redis://h:6379/0', prefix='p')"
    with pytest.raises(ConfigError, match="not both"):
        Client("redis://h", aredis.Redis())
    with pytest.raises(ConfigError, match=r"made without redis; .* give it a URL, or both"):
        Client(aredis.Redis()).run(PING)
    with pytest.raises(ConfigError, match="known schemes"):
        Client("localhost")
    with pytest.raises(ConfigError, match="sync client"):
        Client(redis=aredis.Redis(), aredis=aredis.Redis())


# --- closing ------------------------------------------------------------------------------------------------------


@pytest.fixture
def connections(farm: Farm) -> Iterator[Callable[[], int]]:
    observer = redis.Redis.from_url(farm.url(servers.NEWEST))

    def count() -> int:
        return sum(1 for one in observer.client_list() if one["name"] == "connect-test")

    yield count
    observer.close()


@pytest.mark.parametrize("made", [RedisSaver, RedisStore, partial(RedisChatMessageHistory, session_id="s")])
async def test_what_it_opened_itself_is_closed(
    made: Any, farm: Farm, both: Both, connections: Callable[[], int]
) -> None:
    cls = getattr(made, "func", made)
    url = f"{farm.url(servers.NEWEST)}?client_name=connect-test"
    opened = cls.from_conn_string(url, **getattr(made, "keywords", {}))
    await both(opened._client.run)(PING)
    assert connections() == 1, "it is usable without a with block"
    await both(opened.close)()
    await both(opened.close)()
    if both.asynchronous:
        async with cls.from_conn_string(url, **getattr(made, "keywords", {})) as inside:
            await inside._client.arun(PING)
            assert connections() == 1
    else:
        with cls.from_conn_string(url, **getattr(made, "keywords", {})) as inside:
            inside._client.run(PING)
            assert connections() == 1
    servers.wait_for(lambda: connections() == 0)  # the server notices it a moment later


async def test_what_is_shared_or_was_passed_in_stays_open(
    farm: Farm, both: Both, connections: Callable[[], int]
) -> None:
    url = f"{farm.url(servers.NEWEST)}?client_name=connect-test"
    mine = Client(url)
    for server in (url, mine):
        first, second = RedisSaver(server), RedisSaver(server)
        await both(first._client.run)(PING)
        before = connections()
        assert before
        if both.asynchronous:
            async with first:
                pass
        else:
            with first:
                pass
        assert connections() == before, "others use it"
        await both(second._client.run)(PING)
        assert connections() == before
        await both(first._client.close)()
    servers.wait_for(lambda: connections() == 0)  # the server notices it a moment later


def test_a_copy_with_another_allow_list_closes_nothing() -> None:
    with RedisSaver.from_conn_string("memory://copied") as saver:
        copied = saver.with_allowlist([("decimal", "Decimal"), ("my.own", "Thing")])
        assert copied is not saver
        assert not copied._owns_client
    assert saver._owns_client


def test_the_options_of_the_class_go_through_the_connection_string() -> None:
    with RedisStore.from_conn_string("memory://s", tenant="t") as store:
        store.setup()
        store.put(("a",), "k", {"v": 1})
        found = store.get(("a",), "k")
        assert found is not None
        assert found.value == {"v": 1}
    with pytest.raises(TypeError, match="use ttl_s"):
        RedisSaver.from_conn_string("memory://s", ttl=3)


def test_a_connection_string_has_the_names_of_other_packages_and_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_URL", "memory://of-environment")
    made = (RedisSaver.from_conn_string(**named) for named in ({"redis_url": "memory://s"}, {"url": "memory://s"}, {}))
    assert [saver._client.url for saver in made] == ["memory://s", "memory://s", "memory://of-environment"]
    with pytest.raises(ConfigError, match="one server is needed"):
        RedisSaver.from_conn_string("memory://s", redis_url="memory://t")


async def test_each_class_opens_a_client_of_its_own(made: Callable[..., ClientOwner], both: Both) -> None:
    cls: Any = getattr(made, "func", made)
    keywords = dict(getattr(made, "keywords", {}))
    keywords |= dict(zip(signature(cls).parameters, getattr(made, "args", ()), strict=False))
    own = cls.from_conn_string("memory://own", **keywords)
    assert own._client.url == "memory://own"
    assert own._client is not connect("memory://own")
    transport = own._client._connections
    if both.asynchronous:
        async with own as inside:
            await inside._client.aping()
            assert list(transport._loops)
        assert not list(transport._loops)
    else:
        with own as inside:
            inside._client.ping()
            assert transport._transport is not None
        assert transport._transport is None


async def test_a_bound_cache_closes_nothing() -> None:
    with RedisSemanticCache.from_conn_string("memory://own", embeddings=MODEL) as cache:
        assert cache.bind(tenant="t").count() == 0
        cache.bind(tenant="t").close()
        assert cache._client._connections._transport is not None


async def test_a_traceback_tells_an_error_once(both: Both) -> None:
    with pytest.raises(UnavailableError) as caught:
        await both(Client.from_url("redis://127.0.0.1:1", retries=0).ping)()
    assert "During handling" not in "".join(traceback.format_exception(caught.value))
