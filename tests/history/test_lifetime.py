"""Lifetimes: all keys of a conversation move together, and no write shortens them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, RemoveMessage

from langchain_redis_memory.errors import EvictedError, InvalidInputError
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.ttl import WEEK_S
from tests.conftest import Both
from tests.support.servers import wait_for

History = Callable[..., RedisChatMessageHistory]
EMPTY = RemoveMessage(id="__remove_all__")


def message(text: str = "x") -> HumanMessage:
    return HumanMessage(text)


def lifetimes(client: Client, session_id: str = "s", agent: str = "") -> list[int]:
    """PTTL of the conversation's three keys and the index's two; -1 without, -2 where the key is absent."""
    keys, index = client.keys().session(session_id, agent), client.keys().index(agent)
    names = (keys.messages, keys.ids, keys.meta, index.sessions, index.expiries)
    return list(client.run(Op(tuple(("PTTL", name) for name in names), list)))


def near(found: list[int], seconds: float) -> bool:
    """All of them that many seconds, less what the test has taken so far (a quarter at most)."""
    return all(seconds * 750 < left <= seconds * 1000 for left in found)


async def test_every_key_gets_the_lifetime(client: Client, history: History, both: Both) -> None:
    await both(history(ttl_s=10_000).add_messages)([message()])
    assert near(lifetimes(client), 10_000)
    assert 7_500 < await both(history().ttl)() <= 10_000


async def test_the_default_is_a_week(client: Client, history: History, both: Both) -> None:
    await both(history().add_turn)("a", "b")
    assert near(lifetimes(client), WEEK_S)


async def test_a_conversation_expires_whole(client: Client, history: History, both: Both) -> None:
    kept = history(ttl_s=0.03)
    await both(kept.add_messages)([message()])
    wait_for(lambda: lifetimes(client) == [-2] * 5)
    assert await both.messages(kept) == []
    assert await both(kept.ttl)() == 0.0


async def test_a_write_renews_the_lifetime(client: Client, history: History, both: Both) -> None:
    for write in (
        lambda kept: both(kept.add_messages)([message()]),
        lambda kept: both(kept.add_turn)("a", "b"),
        lambda kept: both(kept.edit)("m", message()),
        lambda kept: both(kept.delete)(["m"]),
    ):
        kept = history(ttl_s=1_000)
        await both(kept.add_messages)([message(), HumanMessage("x", id="m")])
        await write(history(ttl_s=10_000))
        assert near(lifetimes(client), 10_000)
        await both(kept.clear)()


async def test_a_write_never_shortens_the_lifetime(client: Client, history: History, both: Both) -> None:
    await both(history(ttl_s=10_000).add_messages)([message()])
    await both(history(ttl_s=100).add_messages)([message()])
    assert near(lifetimes(client), 10_000)


async def test_emptying_and_filling_again_keeps_the_lifetimes_together(
    client: Client, history: History, both: Both
) -> None:
    await both(history(ttl_s=10_000).add_messages)([message()])
    await both(history(ttl_s=100).add_messages)([EMPTY, message()])
    assert near(lifetimes(client), 10_000)


@pytest.mark.pins
async def test_a_write_without_a_lifetime_pins(client: Client, history: History, both: Both) -> None:
    await both(history(ttl_s=10_000).add_messages)([message()])
    await both(history(ttl_s=None).add_messages)([EMPTY, message()])
    assert lifetimes(client) == [-1] * 5
    await both(history(ttl_s=100).add_messages)([message()])
    assert lifetimes(client) == [-1] * 5
    assert await both(history().ttl)() is None
    await both(history().clear)()
    assert lifetimes(client) == [-2] * 5


@pytest.mark.pins
async def test_persist_pins_until_a_lifetime_is_set(client: Client, history: History, both: Both) -> None:
    kept = history(ttl_s=10_000)
    assert await both(kept.persist)() is False
    await both(kept.add_messages)([message()])
    assert await both(kept.persist)() is True
    assert lifetimes(client) == [-1] * 5
    await both(kept.add_messages)([message()])
    assert lifetimes(client) == [-1] * 5
    assert await both(kept.extend_ttl)() is True
    assert near(lifetimes(client), 10_000)


async def test_persist_of_nothing_leaves_nothing_behind(client: Client, history: History, both: Both) -> None:
    assert await both(history().persist)() is False
    assert await both(history().extend_ttl)(6_000) is False
    assert lifetimes(client) == [-2] * 5


async def test_extend_ttl_sets_it_either_way(client: Client, history: History, both: Both) -> None:
    kept = history(ttl_s=10_000)
    await both(kept.add_messages)([message()])
    assert await both(kept.extend_ttl)(100_000) is True
    assert near(lifetimes(client), 100_000)
    assert await both(kept.extend_ttl)(1_000) is True
    assert near(lifetimes(client), 1_000)
    assert await both(kept.extend_ttl)() is True
    assert near(lifetimes(client), 10_000)


@pytest.mark.pins
async def test_extend_ttl_needs_a_number_from_somewhere(history: History, both: Both) -> None:
    kept = history(ttl_s=None)
    await both(kept.add_messages)([message()])
    with pytest.raises(InvalidInputError, match="persist"):
        await both(kept.extend_ttl)()
    assert await both(kept.extend_ttl)(6_000) is True
    assert 4_500 < await both(kept.ttl)() <= 6_000


READS: dict[str, Callable[[Both, RedisChatMessageHistory], Any]] = {
    "messages": lambda both, kept: both.messages(kept),
    "recent": lambda both, kept: both(kept.recent)(2),
    "recent_tokens": lambda both, kept: both(kept.recent_tokens)(200),
    "turns": lambda both, kept: both(kept.turns)(2),
    "before": lambda both, kept: both(kept.before)("m", 2),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
async def test_reading_moves_the_lifetime_where_asked(
    client: Client, history: History, both: Both, read: Callable[..., Any]
) -> None:
    await both(history(ttl_s=1_000).add_messages)([message(), HumanMessage("x", id="m")])
    await read(both, history(ttl_s=10_000))
    assert near(lifetimes(client), 1_000)
    await read(both, history(ttl_s=100, touch_on_read=True))
    assert near(lifetimes(client), 1_000)
    assert await read(both, history(ttl_s=10_000, touch_on_read=True))
    assert near(lifetimes(client), 10_000)


@pytest.mark.pins
async def test_reading_leaves_a_pinned_one_pinned(client: Client, history: History, both: Both) -> None:
    kept = history(ttl_s=10_000, touch_on_read=True)
    await both(kept.add_messages)([message()])
    await both(kept.persist)()
    assert len(await both.messages(kept)) == 1
    assert lifetimes(client) == [-1] * 5


async def test_reading_nothing_leaves_nothing_behind(client: Client, history: History, both: Both) -> None:
    assert await both.messages(history(touch_on_read=True)) == []
    assert lifetimes(client) == [-2] * 5


async def test_asking_does_not_move_the_lifetime(client: Client, history: History, both: Both) -> None:
    await both(history(ttl_s=1_000).add_messages)([message()])
    kept = history(ttl_s=10_000, touch_on_read=True)
    assert await both.len(kept) == await both(kept.count)() == 1
    assert await both(kept.ttl)() <= 1_000
    assert near(lifetimes(client), 1_000)


async def test_the_index_lives_as_long_as_its_longest_session(client: Client, history: History, both: Both) -> None:
    await both(history("long", ttl_s=100_000).add_messages)([message()])
    await both(history("short", ttl_s=1_000).add_messages)([message()])
    assert near(lifetimes(client, "short")[:3], 1_000)
    assert near(lifetimes(client, "short")[3:], 100_000)
    await both(history("long").clear)()
    await both(history("short", ttl_s=2_000).add_messages)([message()])
    assert near(lifetimes(client, "short"), 2_000)


@pytest.mark.pins
async def test_the_index_is_pinned_while_one_session_is(client: Client, history: History, both: Both) -> None:
    await both(history("pinned", ttl_s=None).add_messages)([message()])
    await both(history("short", ttl_s=1_000).add_messages)([message()])
    assert lifetimes(client, "short")[3:] == [-1, -1]
    await both(history("pinned").extend_ttl)(10_000)
    assert near(lifetimes(client, "short")[3:], 10_000)


@pytest.mark.parametrize("lost", ["ids", "meta", "sessions", "expiries"])
async def test_the_next_write_heals_what_was_evicted(client: Client, history: History, both: Both, lost: str) -> None:
    kept = history(ttl_s=10_000, max_tokens=1000, token_counter=lambda _: 300)
    await both(kept.add_messages)([HumanMessage("a", id="a"), HumanMessage("b", id="b")])
    keys, index = client.keys().session("s"), client.keys().index()
    name = getattr(keys, lost, None) or getattr(index, lost)
    await both(client.run)(Op((("DEL", name),), len))
    await both(kept.add_messages)([HumanMessage("c", id="c")])
    found = [message.content for message in await both.messages(kept)]
    assert found == ["a", "b", "c"]
    assert near(lifetimes(client), 10_000)
    assert await both(kept.delete)(["c"]) == 1
    await both(kept.add_messages)([HumanMessage("d", id="d"), HumanMessage("e", id="e")])
    found = [message.content for message in await both.messages(kept)]
    assert found == ["b", "d", "e"], "tokens are counted right again"
    session = await both(client.run)(kept._flows.transcript.info())
    assert (session.messages, session.tokens) == (len(found), 300 * len(found))


@pytest.mark.parametrize("also", [(), ("ids",)], ids=["messages", "and ids"])
async def test_an_evicted_history_says_so(client: Client, history: History, both: Both, also: tuple[str, ...]) -> None:
    kept = history()
    await both(kept.add_messages)([HumanMessage("a", id="a"), HumanMessage("b")])
    keys = client.keys().session("s")
    await both(client.run)(Op((("DEL", keys.messages, *(getattr(keys, one) for one in also)),), len))
    reads = (kept.aget_messages, kept.arecent, kept.arecent_tokens, kept.aturns) if not also else ()
    for read in reads:
        with pytest.raises(EvictedError, match=r"clear\(\) it"):
            await read(*(() if read == kept.aget_messages else (3,)))
    with pytest.raises(EvictedError, match=r"clear\(\) it"):
        await both(kept.add_messages)([HumanMessage("c")])
    await both(kept.clear)()
    await both(kept.add_messages)([HumanMessage("c")])
    assert [message.content for message in await both.messages(kept)] == ["c"]


async def test_a_message_whose_mark_was_evicted_is_still_stored(client: Client, history: History, both: Both) -> None:
    kept = history()
    await both(kept.add_messages)([HumanMessage(str(i), id=str(i)) for i in range(3)])
    await both(client.run)(Op((("DEL", client.keys().session("s").ids),), len))
    await both(kept.add_messages)([HumanMessage("3", id="3")])
    assert await both(kept.before)("3", 2) == [HumanMessage("1", id="1"), HumanMessage("2", id="2")]
    await both(kept.edit)("3", HumanMessage("new"))
    assert [m.content for m in await both.messages(kept)] == ["0", "1", "2", "new"]
