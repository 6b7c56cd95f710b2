"""What else reads what the scenarios of `tests/support/scenario.py` store, for damaged bytes: `later` and `last`.

`later` are further reads of a scenario's classes, `last` what changes or removes what is stored, which reads it as
well. `NOT_READING` names the public methods that read nothing; a test fails where a method is in none of these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import Generation

from langchain_redis_memory import (
    CachedEmbeddings,
    Client,
    ConversationMemory,
    ConversationState,
    ExactAnswerCache,
    RagCache,
    RedisAgentState,
    RedisByteStore,
    RedisCache,
    RedisCaches,
    RedisChatMessageHistory,
    RedisConversationState,
    RedisNodeCache,
    RedisOperations,
    RedisRecordManager,
    RedisSaver,
    RedisSemanticCache,
    RedisSessionData,
    RedisSessions,
    RedisStore,
    RedisTokenStreams,
    RedisUsers,
    RedisValueCache,
    UserProfile,
)
from langchain_redis_memory.cache.semantic.tenants import SearchOptions
from tests.conftest import Both
from tests.support.agents import ScriptedModel
from tests.support.meanings import MODEL, Cut, WordEmbeddings, prompt
from tests.support.rag import Library, Model
from tests.support.saves import place
from tests.support.scenario_parts import SECRET, Read

NOT_READING = frozenset(
    "close bind setup get_next_version with_allowlist create_schema op personal_keys model_post_init for_key settler "
    "wrap session sessions history profile agent_state turn retriever cached disabled lock open learn_flow "
    "aget_messages warm warm_from_misses import_entries restore run erase_agent add_message acquire batch "
    "upload_files".split()
)
"""Public methods that read nothing that is stored, or by others of these: `op` and `turn` build, `warm` writes."""

Calls = list[Read]
More = Callable[[Both, Client], tuple[Calls, Calls]]


def _all(both: Both, method: Any, *args: Any, **options: Any) -> Read:
    """Calls a method; of an iterator takes all."""

    async def call() -> Any:
        found = await both(method)(*args, **options)
        return list(found) if hasattr(found, "__next__") else found

    return call


def _each(both: Both, owner: Any, name: str, *args: Any) -> Read:
    """Calls a method with the entry of each line of a decision log."""

    async def call() -> None:
        for line in await both(owner.decisions)():
            if line.entry:
                await both(getattr(owner, name))(line.entry, *args)

    return call


def history(both: Both, client: Client) -> tuple[Calls, Calls]:
    made, sessions = RedisChatMessageHistory("s", client, ttl_s=60), RedisSessions(client)
    later = [
        _all(both, made.before, "m4", 2),
        _all(both, made.turns, 2),
        _all(both, made.count),
        _all(both, sessions.get, "s"),
    ]
    last = [
        _all(both, made.edit, "m4", AIMessage("new")),
        _all(both, made.add_turn, "a", "b"),
        _all(both, made.add_messages, [HumanMessage("x", id="m1")]),
        _all(both, made.delete, ["m2"]),
        _all(both, made.extend_ttl, 60),
        _all(both, made.persist),
        _all(both, sessions.erase, "s"),
        _all(both, made.clear),
        _all(both, sessions.clear_agent),
    ]
    return later, last


def saver(both: Both, client: Client) -> tuple[Calls, Calls]:
    made = RedisSaver(client, ttl_s=60)
    later = [_all(both, made.messages, "t"), _all(both, made.threads, "ana")]
    last = [
        _all(both, made.persist, "t"),
        _all(both, made.copy_thread, "t", "v"),
        _all(both, made.prune, ["t"], keep_last=1),
        _all(both, made.delete_for_runs, ["r"]),
        _all(both, made.delete_thread, "t"),
        _all(both, made.get_tuple, place("v")),
    ]
    return later, last


def caches(made: Any, both: Both, model: Any) -> tuple[Calls, Calls]:
    """The further methods of the caches of a model's answers."""
    later = [
        _all(both, made.explain, prompt(f"What is {SECRET} made of?"), model),
        _all(both, made.top_misses),
        _all(both, made.advise),
        _all(both, made.off_for),
        _exported(both, made, "export_entries"),
        _all(both, made.get_or_compute, prompt(SECRET), MODEL, lambda: [Generation(text="computed")]),
    ]
    last = [
        _each(both, made, "report"),
        _all(both, made.update, prompt(SECRET), MODEL, [Generation(text="x")]),
        _all(both, made.delete, question=SECRET),
        _all(both, made.switch, on=False),
        _all(both, made.clear),
    ]
    return later, last


def exact_cache(both: Both, client: Client) -> tuple[Calls, Calls]:
    return caches(RedisCache(client, single_flight_s=1), both, MODEL)


def semantic_cache(both: Both, client: Client) -> tuple[Calls, Calls]:
    return caches(RedisSemanticCache(client, WordEmbeddings(), search=SearchOptions(policy=Cut())), both, MODEL)


def rag(both: Both, client: Client) -> tuple[Calls, Calls]:
    cache, embeddings = RagCache(client), CachedEmbeddings(client, Model())
    retriever = cache.retriever(Library())
    memory = ConversationMemory(client, cache=cache.responses, ttl_s=60)
    asked = memory.wrap(ScriptedModel(), scope="s"), {"configurable": {"session_id": "s"}}
    later = [_all(both, one.stats) for one in (cache, embeddings, retriever)]
    later += [_all(both, embeddings.count), _all(both, asked[0].invoke, f"What is {SECRET}?", asked[1])]
    last = [
        _all(both, cache.bump_epoch),
        _all(both, retriever.delete, SECRET),
        _all(both, retriever.clear),
        _all(both, embeddings.clear),
        _all(both, cache.clear),
    ]
    return later, last


def states(both: Both, client: Client) -> tuple[Calls, Calls]:
    state = RedisConversationState("s2", client, ttl_s=60)
    agent: RedisAgentState[Any] = RedisAgentState("bot", client, ttl_s=60)
    data, profile = RedisSessionData("s2", client, ttl_s=60), UserProfile("u", client, ttl_s=60)
    later = [_all(both, profile.facts), _all(both, profile.export)]
    last = [
        _all(both, state.update, lambda known: known),
        _all(both, state.set, note="x"),
        _all(both, state.save, ConversationState()),
        _all(both, agent.update, lambda known: {**(known or {}), "y": 1}),
        _all(both, agent.save, {"x": 1}),
        _all(both, data.set, "cart", 1),
        _all(both, data.delete, "cart"),
        _all(both, data.clear),
        _all(both, profile.learn, f"I live in {SECRET}."),
        _all(both, profile.set, "city", "x"),
        _all(both, profile.forget, "city"),
        _all(both, profile.erase),
        _all(both, state.delete),
        _all(both, agent.delete),
    ]
    return later, last


def value_cache(both: Both, client: Client) -> tuple[Calls, Calls]:
    made = RedisValueCache(client, "n", ttl_s=60)
    later = [
        _all(both, made.versioned, "k"),
        _all(both, made.about_user, "ana"),
        _all(both, made.off_for),
        _all(both, made.get_or_load, "k", lambda: "loaded"),
    ]
    last = [
        _all(both, made.incr, "n"),
        _all(both, made.set_if, "k", 1, 1),
        _all(both, made.set, "k", 2, tags=["t"], user="ana"),
        _all(both, made.set_many, {"a:1": 1}),
        _all(both, made.expire, "k", 5),
        _all(both, made.invalidate, "a*"),
        _all(both, made.invalidate_tag, "t"),
        _all(both, made.clear_user, "ana"),
        _all(both, made.erase_user, "ana"),
        _all(both, made.switch, on=False),
        _all(both, made.delete, "k"),
    ]
    return later, last


def conversation(both: Both, client: Client) -> tuple[Calls, Calls]:
    memory = ConversationMemory(client, cache=ExactAnswerCache(), ttl_s=60)
    desk, chain = memory.answers, memory.wrap(ScriptedModel())
    later = [
        _all(both, desk.stats),
        _all(both, desk.entries),
        _each(both, desk, "entry"),
        _all(both, desk.explain, f"What is {SECRET}?", None, chain),
        _all(both, desk.top_misses),
        _all(both, desk.advise),
        _all(both, desk.off_for),
        _all(both, memory.recall, "ana", SECRET),
        _all(both, memory.flush),
    ]
    last = [
        _each(both, desk, "edit", "x"),
        _each(both, desk, "report"),
        _all(both, desk.delete, question=f"What is {SECRET}?"),
        _all(both, desk.clear),
    ]
    return later, last


def users(both: Both, client: Client) -> tuple[Calls, Calls]:
    """What operators do reads all that there is, of every scenario."""
    made, operations, stats = RedisUsers(client), RedisOperations(client), RedisCaches(client)
    later = [
        _all(both, made.data, "ana"),
        _exported(both, made, "export", "ana"),
        _exported(both, made, "export_agent", ""),
        _exported(both, made, "export_tenant"),
        _exported(both, operations, "backup"),
        _all(both, made.erase, "ana", dry_run=True),
        _all(both, operations.agents),
        _all(both, operations.sessions, search=SECRET, content=True),
        _all(both, operations.inspect, "s"),
        _all(both, operations.memory_stats),
        _all(both, operations.orphans),
        _all(both, operations.doctor),
        _all(both, operations.prune, dry_run=True),
        _all(both, stats.stats),
        _all(both, stats.status),
        _all(both, stats.decisions),
        _all(both, stats.top_misses),
    ]
    last = [
        _all(both, operations.prune),
        _all(both, made.erase, "ana"),
        _all(both, operations.orphans, remove=True),
        _all(both, made.erase_tenant),
    ]
    if client.keys().cipher is not None:
        later.append(_all(both, operations.re_encrypt, dry_run=True))
        last.insert(0, _all(both, operations.re_encrypt))
    return later, last


def _exported(both: Both, owner: Any, name: str, *args: Any) -> Read:
    async def call() -> Any:
        return await both.each(getattr(owner, name))(*args)

    return call


def others(both: Both, client: Client) -> tuple[Calls, Calls]:
    items, nodes = RedisStore(client), RedisNodeCache[Any](client, ttl_s=60)
    stored, records = RedisByteStore(client, ttl_s=60), RedisRecordManager(client, namespace="r")
    last = [
        _all(both, items.put, ("a", "b"), "k", {"x": 1}, ttl=1),
        _all(both, items.delete, ("a", "b"), "k"),
        _all(both, nodes.clear),
        _all(both, stored.mdelete, ["a"]),
        _all(both, records.update, ["k1"], group_ids=["g"]),
        _all(both, records.delete_keys, ["k1"]),
        _all(both, RedisTokenStreams(client).stop, "s", "r"),
    ]
    return [_all(both, records.get_time)], last


MORE: dict[str, More] = {
    "history": history,
    "saver": saver,
    "exact_cache": exact_cache,
    "semantic_cache": semantic_cache,
    "rag": rag,
    "states": states,
    "value_cache": value_cache,
    "conversation": conversation,
}


def readings(name: str, both: Both, client: Client) -> tuple[Calls, Calls, Calls]:
    """Further reads of a scenario, what operators read, and what changes and removes."""
    later, last = MORE.get(name, others)(both, client)
    everywhere, at_last = users(both, client)
    return later, everywhere, [*last, *at_last]
