"""Over the wire: the server applies a write, its reply is cut, others write, and the trip is sent again.

What they wrote stands. One row for each kind of write of each public class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.base import empty_checkpoint

from langchain_redis_memory import (
    ConversationMemory,
    ExactAnswerCache,
    Limit,
    RagCache,
    RedisCache,
    RedisConversationState,
    RedisNodeCache,
    RedisRateLimiter,
    RedisSemanticCache,
    RedisTokenStreams,
    RedisValueCache,
    SemanticAnswerCache,
)
from langchain_redis_memory.cache.semantic.tenants import SearchOptions
from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.history.sessions import RedisSessions
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.state.agent_state import RedisAgentState
from langchain_redis_memory.state.session_data import RedisSessionData
from langchain_redis_memory.store.redis_store import RedisStore
from tests.conftest import Both
from tests.faults.test_exactly_once import HISTORY, texts
from tests.support.meanings import ASKED, FAR, MODEL, TEXT, WordEmbeddings, answers, prompt, text
from tests.support.meanings import Cut as Near
from tests.support.proxy import Proxy
from tests.support.rag import Library
from tests.support.saves import place
from tests.support.servers import NEWEST, Farm
from tests.support.stores import DIMS, embed


class Cut(NamedTuple):
    """A write, what another client does before it is sent again, and what has to stand in the end.

    Args:
        make: Builds the object, the same for both clients.
        write: The write whose reply is lost.
        between: What the other client does.
        read: What stands.
        expected: What has to stand.
        before: What stands before.
    """

    make: Callable[[Client], Any]
    write: Callable[[Both, Any], Any]
    between: Callable[[Any], object]
    read: Callable[[Any], object]
    expected: object
    before: Callable[[Any], object] = lambda _theirs: None


THREAD: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "c"}}


def _history(client: Client) -> Any:
    return RedisChatMessageHistory("s", client, ttl_s=60)


def _values(client: Client) -> Any:
    return RedisValueCache(client, "n", ttl_s=60)


def _limiter(client: Client) -> Any:
    return RedisRateLimiter(client, [Limit(1000, "1d", unit="tokens")])


def _saver(client: Client) -> Any:
    return RedisSaver(client, ttl_s=60)


def _writes(theirs: Any) -> list[Any]:
    found = theirs.get_tuple(THREAD)
    return [] if found is None else [value for _, _, value in found.pending_writes]


def _checkpoint(saver: Any) -> object:
    return saver.put(place(), {**empty_checkpoint(), "id": "c"}, {}, {})


async def _reserved(both: Both, mine: Any) -> None:
    async with await both(mine.reserve)("ana", 100) as lease:
        await both(lease.settle)({"total_tokens": 300})


CUTS: dict[str, Cut] = {
    **{
        name: Cut(
            _history,
            write,
            between,
            lambda theirs: texts(theirs.messages),
            expected,
            lambda theirs: theirs.add_messages([HumanMessage("a", id="a"), AIMessage("b", id="b")]),
        )
        for name, (write, between, expected) in HISTORY.items()
    },
    "store put": Cut(
        lambda client: RedisStore(client, ttl={"default_ttl": 1}),
        lambda both, mine: both(mine.put)(("a",), "k", {"by": "me"}),
        lambda theirs: theirs.put(("a",), "k", {"by": "them"}),
        lambda theirs: theirs.get(("a",), "k").value,
        {"by": "them"},
    ),
    "store delete": Cut(
        lambda client: RedisStore(client, ttl={"default_ttl": 1}),
        lambda both, mine: both(mine.delete)(("a",), "k"),
        lambda theirs: theirs.put(("a",), "k", {"by": "them"}),
        lambda theirs: theirs.get(("a",), "k").value,
        {"by": "them"},
    ),
    "checkpoint put": Cut(
        _saver,
        lambda both, mine: both(mine.put)(place(), {**empty_checkpoint(), "id": "c"}, {}, {}),
        lambda theirs: theirs.delete_thread("t"),
        lambda theirs: theirs.get_tuple(THREAD),
        None,
    ),
    "checkpoint writes": Cut(
        _saver,
        lambda both, mine: both(mine.put_writes)(THREAD, [("__error__", "mine")], "task"),
        lambda theirs: theirs.put_writes(THREAD, [("__error__", "theirs")], "task"),
        _writes,
        ["theirs"],
        _checkpoint,
    ),
    "value set": Cut(
        _values,
        lambda both, mine: both(mine.set)("k", "mine"),
        lambda theirs: theirs.set("k", "theirs"),
        lambda theirs: theirs.get("k"),
        "theirs",
    ),
    "value incr": Cut(
        _values,
        lambda both, mine: both(mine.incr)("k", 1),
        lambda theirs: theirs.incr("k", 10),
        lambda theirs: theirs.get("k"),
        16,
        lambda theirs: theirs.set("k", 5),
    ),
    "value delete": Cut(
        _values,
        lambda both, mine: both(mine.delete)("k"),
        lambda theirs: theirs.set("k", "theirs"),
        lambda theirs: theirs.get("k"),
        "theirs",
        lambda theirs: theirs.set("k", "old"),
    ),
    "value switch": Cut(
        _values,
        lambda both, mine: both(mine.switch)(on=False),
        lambda theirs: (theirs.switch(on=True), theirs.set("k", "theirs")),
        lambda theirs: theirs.get("k"),
        "theirs",
    ),
    "limit settle": Cut(
        _limiter,
        _reserved,
        lambda theirs: None,
        lambda theirs: 690 < theirs.status("ana")[0].remaining <= 701,
        True,
    ),
    "agent state": Cut(
        lambda client: RedisAgentState[Any]("planner", client, ttl_s=60),
        lambda both, mine: both(mine.save)({"by": "me"}),
        lambda theirs: theirs.save({"by": "them"}),
        lambda theirs: theirs.load(),
        {"by": "them"},
    ),
    "conversation state": Cut(
        lambda client: RedisConversationState("s", client, ttl_s=60),
        lambda both, mine: both(mine.set)(note="mine"),
        lambda theirs: theirs.set(note="theirs"),
        lambda theirs: theirs.load().fields["note"],
        "theirs",
    ),
    "session data": Cut(
        lambda client: RedisSessionData("s", client, ttl_s=60),
        lambda both, mine: both(mine.set)("k", "mine"),
        lambda theirs: theirs.set("k", "theirs"),
        lambda theirs: theirs.get("k"),
        "theirs",
    ),
    "tokens": Cut(
        RedisTokenStreams,
        lambda both, mine: both(mine.stop)("s", "r"),
        lambda theirs: list(theirs.publish("s", "q", ["a"])),
        lambda theirs: [one.kind for one in theirs.resume("s", run_id="r", idle_s=0.01)],
        ["stopped"],
    ),
}
"""A rate that is taken is taken twice where its reply is lost: the safe side, as `RateLimiter` says."""


def _semantic(client: Client) -> Any:
    return RedisSemanticCache(client, WordEmbeddings(), ttl_s=60, search=SearchOptions(policy=Near()))


def _exact(client: Client) -> Any:
    return RedisCache(client, ttl_s=60)


def _nodes(client: Client) -> Any:
    return RedisNodeCache[Any](client, ttl_s=60)


def _memory(client: Client) -> Any:
    return ConversationMemory(client, cache=ExactAnswerCache(ttl_s=60), ttl_s=60)


def _near_memory(client: Client) -> Any:
    return ConversationMemory(
        client, cache=SemanticAnswerCache(client, WordEmbeddings(), search=SearchOptions(policy=Near())), ttl_s=60
    )


async def _turn(both: Both, memory: Any, session: str = "s") -> Any:
    chat = memory.wrap(FakeListChatModel(responses=["330 metres"]), scope="towers")
    return await both(chat.invoke)(ASKED, {"configurable": {"session_id": session}})


def _told(memory: Any, session: str = "t") -> Any:
    chat = memory.wrap(FakeListChatModel(responses=["330 metres"]), scope="towers")
    return chat.invoke(ASKED, {"configurable": {"session_id": session}})


def _kept(memory: Any) -> list[str]:
    return [one.answer.value.text for one in memory.answers.entries().answers]


def _indexed(client: Client) -> Any:
    return RedisStore(client, index={"dims": DIMS, "embed": embed, "fields": ["x"]}, ttl={"default_ttl": 1})


def _found(theirs: Any) -> list[Any]:
    return [(item.key, item.score) for item in theirs.search(("a",), query="apple", limit=1)]


def _asked_again(cache: Any) -> list[str]:
    library = Library()
    cache.retriever(library, name="l").invoke("a question")
    return library.asked


CACHES: dict[str, Cut] = {
    "exact cache update over a clear": Cut(
        _exact,
        lambda both, mine: both(mine.update)("p", MODEL, TEXT),
        lambda theirs: theirs.clear(),
        lambda theirs: theirs.lookup("p", MODEL),
        None,
    ),
    "exact cache clear over an update": Cut(
        _exact,
        lambda both, mine: both(mine.clear)(),
        lambda theirs: theirs.update("p", MODEL, TEXT),
        lambda theirs: text(theirs.lookup("p", MODEL)),
        TEXT[0].text,
    ),
    "exact cache update over an update": Cut(
        _exact,
        lambda both, mine: both(mine.update)("p", MODEL, answers("mine")),
        lambda theirs: theirs.update("p", MODEL, answers("theirs")),
        lambda theirs: text(theirs.lookup("p", MODEL)),
        "theirs",
    ),
    "semantic cache update over a clear": Cut(
        _semantic,
        lambda both, mine: both(mine.update)(prompt(ASKED), MODEL, TEXT),
        lambda theirs: theirs.clear(),
        lambda theirs: (theirs.lookup(prompt(ASKED), MODEL), theirs.count()),
        (None, 0),
        lambda theirs: theirs.update(prompt(FAR), MODEL, TEXT),
    ),
    "semantic cache clear over an update": Cut(
        _semantic,
        lambda both, mine: both(mine.clear)(),
        lambda theirs: theirs.update(prompt(ASKED), MODEL, TEXT),
        lambda theirs: text(theirs.lookup(prompt(ASKED), MODEL)),
        TEXT[0].text,
        lambda theirs: theirs.update(prompt(ASKED), MODEL, answers("old")),
    ),
    "node cache set over a clear": Cut(
        _nodes,
        lambda both, mine: both(mine.set)({(("n",), "k"): ("mine", 60)}),
        lambda theirs: theirs.clear(),
        lambda theirs: theirs.get([(("n",), "k")]),
        {},
    ),
    "node cache clear over a set": Cut(
        _nodes,
        lambda both, mine: both(mine.clear)([("n",)]),
        lambda theirs: theirs.set({(("n",), "k"): ("theirs", 60)}),
        lambda theirs: theirs.get([(("n",), "k")]),
        {(("n",), "k"): "theirs"},
    ),
    "an answer over the clearing of all": Cut(_memory, _turn, lambda theirs: theirs.answers.clear(), _kept, []),
    "the clearing of all over an answer": Cut(
        _memory,
        lambda both, mine: both(mine.answers.clear)(),
        _told,
        _kept,
        ["330 metres"],
        lambda theirs: _told(theirs, "u"),
    ),
    "an answer near another over the clearing of all": Cut(
        _near_memory, _turn, lambda theirs: theirs.answers.clear(), _kept, []
    ),
    "the switch of answers": Cut(
        _memory,
        lambda both, mine: both(mine.answers.switch)(on=False, for_s=60),
        lambda theirs: (theirs.answers.switch(on=True), _told(theirs)),
        _kept,
        ["330 metres"],
    ),
    "vectors of an item over another value": Cut(
        _indexed,
        lambda both, mine: both(mine.put)(("a",), "k", {"x": "mine"}),
        lambda theirs: theirs.put(("a",), "k", {"x": "apple"}),
        _found,
        [("k", pytest.approx(1.0, abs=0.01))],
    ),
    "a tag made stale over a value": Cut(
        _values,
        lambda both, mine: both(mine.invalidate_tag)("t"),
        lambda theirs: theirs.set("k", "theirs", tags=["t"]),
        lambda theirs: theirs.get("k"),
        "theirs",
    ),
    "a corpus made stale over what was found since": Cut(
        lambda client: RagCache(client, corpus="c"),
        lambda both, mine: both(mine.bump_epoch)(),
        lambda theirs: theirs.retriever(Library(), name="l").invoke("a question"),
        _asked_again,
        [],
    ),
    "limit reset": Cut(
        _limiter,
        lambda both, mine: both(mine.reset)("ana"),
        lambda theirs: theirs.check("ana", 300),
        lambda theirs: 690 < theirs.status("ana")[0].remaining <= 701,
        True,
        lambda theirs: theirs.check("ana", 100),
    ),
}


def _index_of_threads(saver: Any) -> list[str]:
    return sorted({one.config["configurable"]["thread_id"] for one in saver.list(None)})


INDEXES: dict[str, Cut] = {
    "a session over its clearing": Cut(
        _history,
        lambda both, mine: both(mine.add_messages)([HumanMessage("x")]),
        lambda theirs: theirs.clear(),
        lambda theirs: [one.session_id for one in RedisSessions(theirs._client).list_sessions().sessions],
        [],
    ),
    "a deleted thread over its next run": Cut(
        _saver,
        lambda both, mine: both(mine.delete_thread)("t"),
        lambda theirs: theirs.put(place(), {**empty_checkpoint(), "id": "d"}, {}, {}),
        _index_of_threads,
        ["t"],
        _checkpoint,
    ),
}

EVERY = {**CUTS, **CACHES, **INDEXES}


@pytest.mark.parametrize(("name", "asynchronous"), [(name, i % 2 == 1) for i, name in enumerate(EVERY)])
async def test_over_the_wire(farm: Farm, prefix: str, name: str, asynchronous: bool) -> None:
    case, url, both = EVERY[name], farm.url(NEWEST), Both(asynchronous=asynchronous)
    with Proxy(farm.started[NEWEST].port) as proxy:
        async with Client.from_url(proxy.url, prefix=prefix) as mine, Client.from_url(url, prefix=prefix) as theirs:
            other = case.make(theirs)
            case.before(other)
            proxy.lose = lambda: case.between(other)
            await case.write(both, case.make(mine))
            assert proxy.lose is None, "a write went through whose reply was to be lost"
            assert case.read(other) == case.expected
