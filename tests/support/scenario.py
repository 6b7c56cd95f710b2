"""One small scenario for each public class that stores: what is written holds a secret, and is read back.

Whoever adds a class adds it here: by this table it is encrypted, runs under an ACL user with nothing else, and is read
from damaged bytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, Generation

from langchain_redis_memory import (
    CachedEmbeddings,
    ConversationMemory,
    ExactAnswerCache,
    Limit,
    RagCache,
    RedisAgentState,
    RedisByteStore,
    RedisCache,
    RedisChatMessageHistory,
    RedisConversationState,
    RedisNodeCache,
    RedisRateLimiter,
    RedisRecordManager,
    RedisSaver,
    RedisSemanticCache,
    RedisSessionData,
    RedisSessions,
    RedisStore,
    RedisTokenStreams,
    RedisUsers,
    RedisValueCache,
    RedisWrappedKeys,
    RollingSummary,
    SemanticAnswerCache,
    UserProfile,
    WrappedKeyRing,
)
from langchain_redis_memory.cache.semantic.tenants import SearchOptions
from langchain_redis_memory.operate import audit
from langchain_redis_memory.operate.audit import AuditLine
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support import servers
from tests.support.agent_scenarios import AGENT_SCENARIOS
from tests.support.meanings import MODEL, Cut, WordEmbeddings, prompt
from tests.support.rag import Library, Model
from tests.support.saves import checkpoint, listed, loop, place
from tests.support.scenario_parts import SECRET, Read, Scenario
from tests.support.stores import DIMS, embed

__all__ = ["SCENARIOS", "SECRET", "Read", "Scenario", "everything"]


async def history(both: Both, client: Client, tenant: str) -> list[Read]:
    made = RedisChatMessageHistory("s", client, ttl_s=60, tenant=tenant, max_messages=9)
    call = {"name": "f", "args": {"x": SECRET}, "id": "c1"}
    said = [
        HumanMessage(f"{SECRET} {'word ' * 80}", id="m1"),
        AIMessage("", id="m2", tool_calls=[call]),
        ToolMessage(SECRET, tool_call_id="c1", id="m3"),
        AIMessage(SECRET, id="m4"),
        HumanMessage("more"),
    ]
    await both(made.add_messages)(said)
    await both(made.edit)("m4", AIMessage(f"{SECRET}!"))
    await both(made.add_messages)([HumanMessage("gone", id="m9"), RemoveMessage(id="m9")])
    sessions = RedisSessions(client, tenant=tenant)
    await both(made.extend_ttl)(90)
    return [
        lambda: both.messages(made),
        lambda: both(made.recent)(2),
        lambda: both(made.recent_tokens)(50),
        lambda: both(made.search_messages)(SECRET),
        both(sessions.list_sessions),
        both(made.ttl),
    ]


async def saver(both: Both, client: Client, tenant: str) -> list[Read]:
    made = RedisSaver(client, ttl_s=60, tenant=tenant)
    messages = [HumanMessage(f"{SECRET} {n} {'word ' * 20}", id=f"m{n}") for n in range(3)]
    config = place()
    for step, state in enumerate(({"a": SECRET, "l": messages[:2]}, {"a": f"{SECRET}2", "l": messages})):
        versions = dict.fromkeys(state, step + 1)
        config = await both(made.put)(config, checkpoint(state, versions), loop(step, note=SECRET), versions)
        await both(made.put_writes)(config, [("a", SECRET), ("l", messages)], f"task{step}")
        for task in ("other", "third"):  # of which the second has a link to the one before
            await both(made.put_writes)(config, [("a", f"{SECRET}!")], f"{task}{step}")
    await both(made.copy_thread)("t", "u")
    await both(made.prune)(["u"], keep_last=1)
    return [
        lambda: both(made.get_tuple)(place()),
        lambda: listed(both, made, place()),
        lambda: listed(both, made, None, filter={"note": SECRET}),
        lambda: both(made.get_delta_channel_history)(config=place(), channels=["a", "l"]),
        lambda: both(made.get_tuple)(place("u")),
        lambda: both(made.prune)(["t"], keep_last=9, dry_run=True),
    ]


async def store(both: Both, client: Client, tenant: str) -> list[Read]:
    made = RedisStore(client, tenant=tenant)
    await both(made.put)(("a", "b"), "k", {"x": SECRET, "n": 7}, ttl=1)
    await both(made.put)(("a", "c"), "k", {"x": "other", "n": 9, "more": SECRET}, ttl=1)
    await both(made.put)(("a", "c"), "gone", {"x": SECRET}, ttl=1)
    await both(made.delete)(("a", "c"), "gone")
    return [
        lambda: both(made.get)(("a", "b"), "k"),
        lambda: both(made.search)(("a",), filter={"x": SECRET}),
        lambda: both(made.search)(("a",), filter={"n": {"$gt": 8}}),
        lambda: both(made.search)((), limit=1),
        both(made.list_namespaces),
    ]


async def indexed_store(both: Both, client: Client, tenant: str) -> list[Read]:
    made = RedisStore(client, tenant=tenant, index={"dims": DIMS, "embed": embed, "fields": ["x"]})
    await both(made.put)(("v",), "k", {"x": SECRET}, ttl=1)
    return [lambda: both(made.search)(("v",), query=SECRET, filter={"x": SECRET})]


async def byte_store(both: Both, client: Client, tenant: str) -> list[Read]:
    made = RedisByteStore(client, ttl_s=60, tenant=tenant)
    await both(made.mset)([("a", SECRET.encode()), ("b", b"\xc1\x01" + SECRET.encode()), ("c", b"gone")])
    await both(made.mdelete)(["c"])

    async def keys() -> list[str]:
        return await both.each(made.yield_keys)()

    return [lambda: both(made.mget)(["a", "b", "c"]), keys]


async def record_manager(both: Both, client: Client, tenant: str) -> list[Read]:
    made = RedisRecordManager(client, namespace="r", tenant=tenant)
    await both(made.update)(["k1", "k2"], group_ids=["g", "h"])
    await both(made.delete_keys)(["k2"])
    return [lambda: both(made.exists)(["k1", "k2"]), lambda: both(made.list_keys)(group_ids=["g"])]


async def node_cache(both: Both, client: Client, tenant: str) -> list[Read]:
    made: RedisNodeCache[Any] = RedisNodeCache(client, ttl_s=60, tenant=tenant)
    await both(made.set)({(("n",), "k"): ({"x": SECRET}, 60)})
    return [lambda: both(made.get)([(("n",), "k")])]


async def exact_cache(both: Both, client: Client, tenant: str) -> list[Read]:
    made = RedisCache(client, tenant=tenant, single_flight_s=1)
    answer = [ChatGeneration(message=AIMessage(SECRET))]
    await both(made.update)(prompt(SECRET), MODEL, answer)
    return [
        lambda: both(made.lookup)(prompt(SECRET), MODEL),
        both(made.decisions),
        both(made.count),
        both(made.stats),
    ]


async def semantic_cache(both: Both, client: Client, tenant: str) -> list[Read]:
    made = RedisSemanticCache(client, WordEmbeddings(), tenant=tenant, search=SearchOptions(policy=Cut()))
    await both(made.update)(prompt(f"What is {SECRET} made of?"), MODEL, [Generation(text=SECRET)])
    return [
        lambda: both(made.lookup)(prompt(f"What is {SECRET} made of?"), MODEL),
        lambda: both(made.lookup)(prompt(f"What is the {SECRET} made of?"), MODEL),
        both(made.decisions),
        both(made.count),
        both(made.stats),
    ]


async def rag(both: Both, client: Client, tenant: str) -> list[Read]:
    cache = RagCache(client, tenant=tenant)
    retriever = cache.retriever(Library())
    embeddings = CachedEmbeddings(client, Model(), tenant=tenant)
    await both(retriever.invoke)(SECRET)
    await both(embeddings.embed_query)(SECRET)
    return [
        lambda: both(retriever.invoke)(SECRET),
        lambda: both(embeddings.embed_query)(SECRET),
        lambda: both(embeddings.embed_documents)([SECRET]),
    ]


async def states(both: Both, client: Client, tenant: str) -> list[Read]:
    state = RedisConversationState("s2", client, ttl_s=60, tenant=tenant)
    agent: RedisAgentState[Any] = RedisAgentState("bot", client, ttl_s=60, tenant=tenant)
    data = RedisSessionData("s2", client, ttl_s=60, tenant=tenant)
    profile = UserProfile("u", client, ttl_s=60, tenant=tenant)
    await both(state.set)(note=SECRET)
    await both(agent.update)(lambda known: {**(known or {}), "x": SECRET})
    await both(data.set)("cart", [SECRET], 300)
    await both(data.set)("gone", SECRET)
    await both(data.delete)("gone")
    await both(profile.set)("city", SECRET)
    return [
        both(state.load),
        both(agent.load),
        both(data.all),
        lambda: both(data.get)("cart"),
        lambda: both(profile.get)("city"),
        both(profile.as_prompt),
    ]


async def token_streams(both: Both, client: Client, tenant: str) -> list[Read]:
    made = RedisTokenStreams(client, tenant=tenant)
    if both.asynchronous:

        async def chunks() -> AsyncIterator[str]:
            yield SECRET

        [chunk async for chunk in made.apublish("s", "r", chunks())]
    else:
        list(made.publish("s", "r", [SECRET]))
    await both(made.stop)("s", "other")

    async def read() -> list[Any]:
        return await both.each(made.resume)("s", run_id="r", idle_s=0.01)

    return [read]


async def _conversation(both: Both, memory: ConversationMemory) -> list[Read]:
    model = FakeListChatModel(responses=[SECRET])
    chain = memory.wrap(model)

    async def ask(session: str, question: str) -> Any:
        return await both(chain.invoke)(question, {"configurable": {"session_id": session}})

    await ask("s3", f"What is {SECRET}?")
    await ask("s4", f"What is {SECRET}?")
    return [
        lambda: ask("s5", f"What is {SECRET}?"),
        lambda: ask("s3", "What did I ask before?"),
        both(memory.answers.decisions),
    ]


async def conversation(both: Both, client: Client, tenant: str) -> list[Read]:
    summary = RollingSummary(FakeListChatModel(responses=[f"summary of {SECRET}"]), every_turns=1)
    cache = ExactAnswerCache()
    return await _conversation(both, ConversationMemory(client, cache=cache, summary=summary, ttl_s=60, tenant=tenant))


async def semantic_conversation(both: Both, client: Client, tenant: str) -> list[Read]:
    cache = SemanticAnswerCache(client, WordEmbeddings(), search=SearchOptions(policy=Cut()))
    return await _conversation(both, ConversationMemory(client, cache=cache, ttl_s=60, tenant=tenant))


async def value_cache(both: Both, client: Client, tenant: str) -> list[Read]:
    made = RedisValueCache(client, "n", ttl_s=60, tenant=tenant)
    await both(made.set)("k", {"x": SECRET}, tags=["t"], user="ana")
    await both(made.set_many)({"a:1": SECRET, "a:2": SECRET, "gone": SECRET})
    await both(made.get_or_load)("loaded", lambda: SECRET)
    await both(made.delete)("gone")
    await both(made.invalidate_tag)("other")
    await both(made.clear_user)("ben")
    assert await both(made.invalidate)("a:2*") == 1
    assert await both(made.incr)("n", 2) == 2
    found = await both(made.versioned)("k")
    assert await both(made.set_if)("k", {"x": f"{SECRET}!"}, found.version)
    await both(made.expire)("k", 50)
    async with made.lock("job") as lock:
        await both(lock.renew)()
    await both(made.switch)(on=True)
    held = made.lock("held")
    await both(held.acquire)()
    return [
        both(held.renew),
        lambda: both(made.get)("k"),
        lambda: both(made.get_many)(["k", "a:1", "loaded"]),
        lambda: both(made.exists)("k"),
        lambda: both(made.ttl)("k"),
        both(made.stats),
    ]


async def rate_limiter(both: Both, client: Client, tenant: str) -> list[Read]:
    limits = [Limit(9, "1m"), Limit(9000, "1h", unit="tokens"), Limit(5, unit="concurrent")]
    made = RedisRateLimiter(client, limits, tenant=tenant)
    async with await both(made.reserve)("ana", 400) as lease:
        await both(lease.settle)({"total_tokens": 50})
    assert (await both(made.check)("ana", 10)).allowed
    assert await both(made.reset)("ben") is False
    one = RedisRateLimiter(client, [Limit(1, unit="concurrent")], tenant=tenant)
    held = await both(one.reserve)("ana")
    waits = one._flows.take(one._flows.request("ana", {}), 5)
    assert not (await both(client.run)(waits)).decision.allowed
    return [
        lambda: both(made.status)("ana"),
        lambda: both(made.peek)("ana"),
        lambda: both(one.peek)("ana"),
        both(held.settle),
    ]


async def users(both: Both, client: Client, tenant: str) -> list[Read]:
    for user in ("ana", "ben"):
        history = RedisChatMessageHistory(user, client, ttl_s=60, tenant=tenant, user=user)
        await both(history.add_messages)([HumanMessage(SECRET)])
        await both(UserProfile(user, client, tenant=tenant).set)("city", SECRET)
        saver = RedisSaver(client, ttl_s=60, tenant=tenant, owner="user_id")
        await both(saver.put)(place(user, user_id=user), checkpoint({"a": SECRET}, {"a": 1}), loop(0), {"a": 1})
    made = RedisUsers(client, tenant=tenant)
    assert (await both(made.erase)("ben")).complete

    async def exported() -> list[Any]:
        return await both.each(made.export)("ana")

    return [lambda: both(made.data)("ana"), exported]


async def wrapped_keys(both: Both, client: Client, tenant: str) -> list[Read]:
    """The keeper of wrapped keys, which is sync alone; its client needs no cipher, its owner is a tenant."""
    ring = WrappedKeyRing(RedisWrappedKeys(client), wrap=_turned, unwrap=_turned, cache_s=1e-9)
    ring.prepare(f"{tenant}x")
    ring.prepare("gone")
    ring.shred("gone")

    async def read() -> Any:
        return ring.current(f"{tenant}x")

    return [read]


def _turned(data: bytes) -> bytes:
    if len(data) != 32:
        msg = "no key"
        raise ValueError(msg)
    return data[::-1]


async def by_hand(both: Both, client: Client, tenant: str) -> list[Read]:
    """What people do: an entry is written into the audit log, a cache of answers is switched off."""
    memory = ConversationMemory(client, cache=ExactAnswerCache(), ttl_s=60, tenant=tenant)
    line = AuditLine("eve", "switch", "answers", "done", SECRET)
    await both(client.run)(audit.append(client.keys(tenant), line))
    await both(memory.answers.switch)(on=False, for_s=60)
    return [lambda: both(client.run)(audit.read(client.keys(tenant))), both(memory.answers.off_for)]


SCENARIOS: dict[str, Scenario] = {
    "history": Scenario(history, ("RedisChatMessageHistory", "RedisSessions")),
    "saver": Scenario(saver, ("RedisSaver",)),
    "store": Scenario(store, ("RedisStore",)),
    "indexed_store": Scenario(indexed_store, ("RedisStore",)),
    "byte_store": Scenario(byte_store, ("RedisByteStore",)),
    "record_manager": Scenario(record_manager, ("RedisRecordManager",)),
    "node_cache": Scenario(node_cache, ("RedisNodeCache",)),
    "exact_cache": Scenario(exact_cache, ("RedisCache",)),
    "semantic_cache": Scenario(semantic_cache, ("RedisSemanticCache",)),
    "rag": Scenario(rag, ("RagCache", "CachedEmbeddings", "CachedRetriever", "EpochAnswerCache")),
    "states": Scenario(states, ("RedisConversationState", "RedisAgentState", "RedisSessionData", "UserProfile")),
    "value_cache": Scenario(value_cache, ("RedisValueCache",)),
    "rate_limiter": Scenario(rate_limiter, ("RedisRateLimiter",)),
    "users": Scenario(users, ("RedisUsers", "RedisChatMessageHistory", "RedisSaver", "UserProfile")),
    "token_streams": Scenario(token_streams, ("RedisTokenStreams",)),
    "conversation": Scenario(conversation, ("ConversationMemory",)),
    "semantic_conversation": Scenario(semantic_conversation, ("ConversationMemory", "SemanticAnswerCache")),
    "wrapped_keys": Scenario(wrapped_keys, ("RedisWrappedKeys",)),
    "by_hand": Scenario(by_hand, ()),
    **AGENT_SCENARIOS,
}

COUNTED = {"record_manager", "rate_limiter", "rates_of_agents", "budgets_of_agents", "wrapped_keys"}
"""What holds no content."""


def everything(client: Client) -> dict[bytes, list[bytes]]:
    """All bytes that a client's prefix holds: for each key its name, fields, members and values."""
    cluster = client.health().topology == "cluster"
    redis = servers.of_cluster(client.url) if cluster else client._topology.open().client
    found: dict[bytes, list[bytes]] = {}
    try:
        for key in redis.scan_iter(f"{client.keys().prefix}:*", 1000):
            found[key] = [key, *_parts(redis, key)]
    finally:
        redis.close()
    return found


def _parts(redis: Any, key: bytes) -> list[bytes]:
    kind = redis.type(key)
    if kind == b"string":
        return [redis.get(key) or b""]
    if kind == b"none":  # it expired meanwhile
        return []
    if kind == b"hash":
        return [part for pair in redis.hgetall(key).items() for part in pair]
    if kind == b"list":
        return list(redis.lrange(key, 0, -1))
    if kind == b"zset":
        return list(redis.zrange(key, 0, -1))
    if kind == b"set":
        return list(redis.smembers(key))
    if kind == b"stream":
        return [part for _, fields in redis.xrange(key) for pair in fields.items() for part in pair]
    if kind == b"vectorset":
        return list(redis.execute_command("VRANDMEMBER", key, 1000))
    raise AssertionError(kind)
