"""Everything that is kept of a user is found, exported and erased, and nothing of anybody else's."""

from __future__ import annotations

import json
from typing import Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph

from langchain_redis_memory import (
    AnswerCacheMiddleware,
    AnswerOptions,
    ConversationMemory,
    Lifetimes,
    Limit,
    RedisAgentState,
    RedisChatMessageHistory,
    RedisRateLimiter,
    RedisSaver,
    RedisSessions,
    RedisStore,
    RedisUsers,
    RedisValueCache,
    TokenBudgetMiddleware,
    ToolCacheMiddleware,
    UserProfile,
)
from langchain_redis_memory.errors import InvalidIdError, InvalidInputError
from langchain_redis_memory.operate.receipt import KindReceipt
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.support.agents import ScriptedModel, calling
from tests.support.chains import DescribedModel
from tests.support.raw import raw
from tests.support.saves import checkpoint, loop, place
from tests.support.scenario import everything as dumped

USERS = ("ana", "ben", "an")
TENANTS = ("", "acme")


@tool
def find(query: str) -> str:
    """Find something."""
    return f"found {query}"


class Steps(TypedDict):
    said: str


class World:
    """Three users in two tenants, each with everything that can be kept of a user."""

    def __init__(self, client: Client, both: Both, tenant: str) -> None:
        self.client, self.both, self.tenant = client, both, tenant
        self.memory = ConversationMemory(
            client,
            tenant=tenant,
            ttl_s=3600,
            answer_ttl_s=3600,
            answers=AnswerOptions(lifetimes=Lifetimes(user_s=3600)),
        )
        self.store = RedisStore(client, tenant=tenant, ttl={"default_ttl": 60})
        limits = [Limit(10, "1h"), Limit(10, "1h", shared=True)]
        self.limiter = RedisRateLimiter(client, limits, tenant=tenant)
        self.values = RedisValueCache(client, "prefs", tenant=tenant, ttl_s=3600)
        answers = AnswerCacheMiddleware(client, answer_ttl_s=3600, tenant=tenant, pure_tools=["find"])
        tools = ToolCacheMiddleware(client, tools={"find": 3600}, tenant=tenant)
        budget = TokenBudgetMiddleware(client, per_user=1_000, per_thread=1_000, window_s=86_400, tenant=tenant)
        self.model = ScriptedModel()
        self.agent: Any = create_agent(self.model, tools=[find], middleware=[answers, tools, budget])
        self.users = RedisUsers(
            client,
            tenant=tenant,
            answers=[self.memory.answers, answers.answers],
            store=self.store,
            counts=[self.limiter, budget, tools],
            values=[self.values],
        )
        builder = StateGraph(Steps)
        builder.add_node("say", lambda state: {"said": f"heard {state['said']}"})
        builder.add_edge(START, "say")
        builder.add_edge("say", END)
        self.graph = builder.compile(checkpointer=RedisSaver(client, tenant=tenant, ttl_s=3600))

    def secret(self, user: str) -> str:
        """A text that is in all that is kept of a user, and nowhere else."""
        return f"secret-{user}-of-{self.tenant or 'nobody'}."

    async def live(self, user: str) -> None:
        secret, both = self.secret(user), self.both
        chat = self.memory.wrap(DescribedModel(), scope="chat")
        config: RunnableConfig = {"configurable": {"session_id": f"chat-of-{user}"}, "metadata": {"user_id": user}}
        for question in (f"What is {secret}", f"Is it {secret}"):
            await both(chat.invoke)(question, config)
        history = RedisChatMessageHistory(
            f"notes-{user}", self.client, tenant=self.tenant, ttl_s=3600, user=user, agent="a"
        )
        await both(history.add_messages)([HumanMessage(secret)])
        await both(self.memory.session(f"chat-of-{user}").set)("cart", secret)
        list(self.memory.streams.publish(f"chat-of-{user}", "r", [secret]))
        graph_config: RunnableConfig = {"configurable": {"thread_id": f"thread-of-{user}", "user_id": user}}
        await both(self.graph.invoke)({"said": secret}, graph_config)
        self.model.script[:] = [calling("find", {"query": secret}), f"heard {secret}"]
        await both(self.agent.invoke)({"messages": [HumanMessage(f"Find {secret}")]}, graph_config)
        await both(self.limiter.check)(user, 1)
        await both(self.values.set)(f"prefs:{user}", secret, user=user)
        await both(self.memory.profile(user).set)("name", secret)
        await both(self.store.put)(("memories", user), "fact", {"text": secret})


@pytest.fixture
async def worlds(client: Client, both: Both) -> dict[str, World]:
    made = {tenant: World(client, both, tenant) for tenant in TENANTS}
    for world in made.values():
        for user in USERS:
            await world.live(user)
    return made


def everything(client: Client) -> list[bytes]:
    """All names and values of all keys, as the server would dump them."""
    found, cursor = [], 0
    while True:
        cursor, names = raw(client, ("SCAN", cursor, "MATCH", f"{client.keys().prefix}:*", "COUNT", 1000))[0]
        for name in names:
            found.append(name)
            kind = raw(client, ("TYPE", name))[0]
            kind = kind.decode() if isinstance(kind, bytes) else kind
            if kind == "none":  # it has just expired
                continue
            read: dict[str, tuple[Any, ...]] = {
                "string": ("GET", name),
                "hash": ("HGETALL", name),
                "list": ("LRANGE", name, 0, -1),
                "set": ("SMEMBERS", name),
                "zset": ("ZRANGE", name, 0, -1),
                "stream": ("XRANGE", name, "-", "+"),
            }
            found.append(repr(raw(client, read[kind])[0]).encode())
        if not int(cursor):
            return found


async def exported(world: World, user: str) -> list[dict[str, Any]]:
    lines = await world.both.each(world.users.export)(user)
    for line in lines:
        if line["kind"] == "limit":  # which gets less all the time
            assert 0 < line.pop("reset_after_s") <= 86_400
    return lines


@pytest.mark.slow
async def test_one_user_is_erased_and_everybody_else_stays(
    client: Client, both: Both, worlds: dict[str, World]
) -> None:
    world = worlds["acme"]
    others = {(t, u): await exported(worlds[t], u) for t in TENANTS for u in USERS if (t, u) != ("acme", "ana")}
    assert any(world.secret("ana").encode() in value for value in everything(client))
    answers = len((await both(world.memory.answers.entries)()).answers)
    receipt = await both(world.users.erase)("ana")
    assert receipt.complete, receipt
    assert {kind: len(erased.names) for kind, erased in receipt.kinds.items()} == {
        "answers": 0,
        "conversations": 2,
        "threads": 1,
        "items": 1,
        "files": 0,
        "limits and results of tools": 0,
        "values": 0,
        "profile": 1,
    }
    assert receipt.kinds["limits and results of tools"].keys == 5  # of limiter, two budgets, results
    assert {kind: erased.entries for kind, erased in receipt.kinds.items() if erased.entries} == {
        "answers": 1,
        "values": 1,
    }
    assert len((await both(world.memory.answers.entries)()).answers) == answers - 1
    assert str(receipt).startswith("user 'ana' of tenant 'acme': erased")
    left = everything(client)
    assert not [value for value in left if world.secret("ana").encode() in value]
    of_ana = [value for value in left if b"{acme/" in value and b"-ana" in value]
    assert all(b":trip:" in name for name in of_ana)  # that a write was made is remembered for a minute
    assert not [value for value in left if b"{acme//ana}" in value and b":trip:" not in value]
    space = client.keys("acme")
    rates = {user: raw(client, ("EXISTS", *world.limiter.personal_keys(user))) for user in USERS}
    assert rates == {"ana": [0], "ben": [1], "an": [1]}
    assert [value for value in left if value.startswith(f"{space.limits('').rate}:".encode())]  # what all share
    assert await both(world.values.get)("prefs:ben") == world.secret("ben")
    assert await exported(world, "ana") == []
    assert await both(world.users.data)("ana") == []
    for (tenant, user), lines in others.items():
        assert await exported(worlds[tenant], user) == lines
        assert worlds[tenant].secret(user) in json.dumps(lines)
    again = await both(world.users.erase)("ana")
    assert again.complete
    assert again.keys == 0
    assert [kind for kind, erased in again.kinds.items() if erased.names] == []


async def test_what_a_user_and_an_agent_never_had_is_not_named(client: Client, both: Both) -> None:
    users = RedisUsers(client)
    for receipt in (await both(users.erase)("nobody", dry_run=True), await both(users.erase)("nobody")):
        assert receipt.kinds["profile"] == KindReceipt()
    assert (await both(users.erase_agent)("none")).kinds["agent state"] == KindReceipt()
    await both(UserProfile("ana", client).set)("name", "Ana")
    assert (await both(users.erase)("ana", dry_run=True)).kinds["profile"].names == ("ana",)


@pytest.mark.slow
async def test_an_export_is_all_that_is_kept(worlds: dict[str, World]) -> None:
    world = worlds[""]
    lines = await exported(world, "ana")
    limits = [line for line in lines if line["kind"] == "limit"]
    assert sorted(line["kind"] for line in lines if line not in limits) == [
        "conversation",
        "conversation",
        "item",
        "profile",
        "thread",
        "tool result",
        "value",
    ]
    assert all(world.secret("ana") in json.dumps(line) for line in lines if line not in limits)
    assert len(limits) == 3  # of the limiter, of the user's tokens and of the thread's
    [value] = [line for line in lines if line["kind"] == "value"]
    assert value == {"kind": "value", "name": "prefs:ana", "value": world.secret("ana")}
    [result] = [line for line in lines if line["kind"] == "tool result"]
    assert result == {"kind": "tool result", "tool": "find", "content": f"found {world.secret('ana')}"}
    chat = next(line for line in lines if line.get("session_id") == "chat-of-ana")
    assert [message["type"] for message in chat["messages"]] == ["human", "ai", "human", "ai"]
    assert chat["data"] == {"cart": world.secret("ana")}


@pytest.mark.slow
async def test_a_dry_run_says_what_there_is_and_changes_nothing(
    client: Client, both: Both, worlds: dict[str, World]
) -> None:
    world = worlds[""]
    before = await exported(world, "ben")
    receipt = await both(world.users.erase)("ben", dry_run=True)
    assert receipt.dry_run
    assert receipt.kinds["conversations"].keys > 4
    assert receipt.kinds["conversations"].names == ("chat-of-ben", "notes-ben")
    assert (receipt.kinds["answers"].entries, receipt.kinds["values"].entries) == (None, 1)
    assert "answers: counted when they are erased" in str(receipt)
    assert "would be erased" in str(receipt)
    assert await exported(world, "ben") == before


@pytest.mark.slow
async def test_what_fails_is_told_and_the_rest_is_erased(client: Client, both: Both, worlds: dict[str, World]) -> None:
    world = worlds[""]
    thread = client.keys().thread("thread-of-ana")
    space = client.keys()
    broken = space.index("a").sessions
    raw(client, ("UNLINK", broken), ("SET", broken, "x"), ("PEXPIRE", broken, 60_000))
    receipt = await both(world.users.erase)("ana")
    assert not receipt.complete
    assert receipt.kinds["conversations"].failed
    assert "NOT wholly erased" in str(receipt)
    assert raw(client, ("EXISTS", thread.checkpoints)) == [0]
    raw(client, ("UNLINK", broken))
    assert (await both(world.users.erase)("ana")).complete
    assert await exported(world, "ana") == []


async def test_the_index_costs_no_round_trip_and_lives_as_long_as_what_it_names(
    client: Client, both: Both, trips: list[Trip]
) -> None:
    def history(user: str) -> RedisChatMessageHistory:
        return RedisChatMessageHistory("s", client, ttl_s=60, user=user)

    await both(history("ana").add_messages)([HumanMessage("warm")])
    trips.clear()
    await both(history("ana").add_messages)([HumanMessage("a")])
    assert len(trips) == 1
    key = client.keys().user_data("ana")
    assert 0 < raw(client, ("PTTL", key))[0] <= 60_000
    nameless = RedisChatMessageHistory("s", client, ttl_s=60)
    await both(nameless.extend_ttl)()
    trips.clear()
    assert await both(nameless.extend_ttl)(600)
    assert len(trips) == 2
    assert 60_000 < raw(client, ("PTTL", key))[0] <= 600_000
    assert await both(nameless.persist)()
    assert raw(client, ("PTTL", key)) == [-1]
    await both(RedisUsers(client).erase)("ana")
    assert raw(client, ("EXISTS", key)) == [0]
    with pytest.raises(InvalidIdError):
        await both(RedisUsers(client).erase)("")


async def test_on_a_cluster(cluster: Client, both: Both) -> None:
    world = World(cluster, both, "acme")
    for user in ("ana", "ben"):
        await world.live(user)
    assert (await both(world.users.erase)("ana")).complete
    assert await exported(world, "ana") == []
    assert len(await exported(world, "ben")) == 10
    left = [part for parts in dumped(cluster).values() for part in parts]
    assert not [part for part in left if world.secret("ana").encode() in part]
    assert [part for part in left if world.secret("ben").encode() in part]
    assert (await both(world.users.erase_tenant)()).complete
    assert dumped(cluster) == {}


# --- what several share, agents, tenants --------------------------------------------------------------------


async def test_what_two_users_share_stays_the_others(client: Client, both: Both) -> None:
    for user in ("ana", "ben"):
        history = RedisChatMessageHistory("both", client, ttl_s=60, user=user)
        await both(history.add_messages)([HumanMessage(f"I am {user}")])
        saver = RedisSaver(client, ttl_s=60)
        config = place("both", user_id=user)
        await both(saver.put)(config, checkpoint({"a": user}, {"a": 1}), loop(0), {"a": 1})
    users = RedisUsers(client)
    planned = await both(users.erase)("ana", dry_run=True)
    receipt = await both(users.erase)("ana")
    for told in (planned, receipt):
        assert told.kinds["conversations"].shared == told.kinds["threads"].shared == ("both",)
        assert told.kinds["conversations"].names == told.kinds["threads"].names == ()
        assert "stay: they are somebody else's too" in str(told)
    assert await both(users.data)("ana") == []
    assert len(await both.messages(history)) == 2
    assert len(await both(users.data)("ben")) == 2
    gone = await both(users.erase)("ben")  # the last one
    assert gone.kinds["conversations"].names == gone.kinds["threads"].names == ("both",)
    assert await both.messages(history) == []
    assert not [name for name in everything(client) if b":trip" not in name and name.startswith(b"t")]


async def test_shared_conversations_are_erased_where_that_is_wanted(client: Client, both: Both) -> None:
    for user in ("ana", "ben"):
        history = RedisChatMessageHistory("both", client, ttl_s=60, user=user)
        await both(history.add_messages)([HumanMessage(f"I am {user}")])
    receipt = await both(RedisUsers(client).erase)("ana", shared=True)
    assert receipt.kinds["conversations"].names == ("both",)
    assert await both.messages(history) == []


@pytest.mark.slow
async def test_an_agent_is_exported_and_erased(client: Client, both: Both, worlds: dict[str, World]) -> None:
    users = worlds["acme"].users
    await both(RedisAgentState("a", client, tenant="acme", ttl_s=60).save)({"mood": "fine"})
    lines = await both.each(users.export_agent)("a")
    assert sorted(line.get("session_id", "") for line in lines) == ["", "notes-an", "notes-ana", "notes-ben"]
    assert {"kind": "agent", "agent": "a", "state": {"mood": "fine"}} in lines
    receipt = await both(users.erase_agent)("a", dry_run=True)
    assert receipt.kinds["agent state"].keys == 1
    receipt = await both(users.erase_agent)("a")
    assert receipt.complete
    assert str(receipt).startswith("agent 'a' of tenant 'acme': erased")
    assert sorted(receipt.kinds["conversations"].names) == ["notes-an", "notes-ana", "notes-ben"]
    assert (await both(RedisSessions(client, tenant="acme").list_sessions)("a")).sessions == []
    assert [one.name for one in await both(users.data)("ana")] == ["chat-of-ana", "thread-of-ana"]
    assert len((await both(RedisSessions(client, tenant="acme").list_sessions)()).sessions) == 3
    assert len((await both(RedisSessions(client).list_sessions)("a")).sessions) == 3
    assert (await both(users.erase_agent)("a")).keys == 0


@pytest.mark.slow
async def test_a_tenant_is_exported_and_erased(client: Client, both: Both, worlds: dict[str, World]) -> None:
    users = worlds["acme"].users
    lines = await both.each(users.export_tenant)()
    expected = {"conversation": 6, "thread": 3, "profile": 3, "item": 3}
    assert {kind: sum(line["kind"] == kind for line in lines) for kind in expected} == expected
    assert "of-nobody" not in json.dumps(lines)
    planned = await both(users.erase_tenant)(dry_run=True)
    others = {user: await exported(worlds[""], user) for user in USERS}
    receipt = await both(users.erase_tenant)()
    assert receipt.complete
    assert receipt.keys == planned.keys > 30
    assert not [name for name in everything(client) if b"{acme/" in name]
    assert {user: await exported(worlds[""], user) for user in USERS} == others
    assert (await both(users.erase_tenant)()).keys == 0


def test_what_cannot_keep_anything_of_a_user_is_refused() -> None:
    memory = ConversationMemory("memory://")
    for wrong in (
        {"counts": [object()]},
        {"values": [object()]},
        {"answers": [memory]},
        {"answers": memory.answers},
        {"store": "store"},
    ):
        with pytest.raises(InvalidInputError):
            RedisUsers("memory://", **wrong)
