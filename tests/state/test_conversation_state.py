"""The state of a conversation: it is never lost, never outlives its conversation, and damage counts as absence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from pydantic import BaseModel, Field

from langchain_redis_memory.errors import (
    ConfigError,
    ConflictError,
    FormatVersionError,
    InvalidIdError,
    InvalidInputError,
    UnserialisableError,
    WrongKeyTypeError,
)
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.history.sessions import RedisSessions
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis import cas_record
from langchain_redis_memory.redis.cas_record import Version
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.codec.cipher.key import ENCRYPTED, Key
from langchain_redis_memory.redis.codec.values import pack
from langchain_redis_memory.redis.codec.version import is_newer
from langchain_redis_memory.state import state_record
from langchain_redis_memory.state.conversation_state import RedisConversationState
from langchain_redis_memory.state.model import MOST_ENTITIES, ConversationState, Entity, Search, delta_of, plain
from tests.conftest import Both
from tests.support.raw import reply
from tests.support.servers import wait_for


class Order(BaseModel):
    number: str | None = None
    items: list[str] = Field(default_factory=list)
    total: float = 0.0


def keys(client: Client, session: str = "s", tenant: str = "") -> Any:
    return client.keys(tenant).session(session)


@pytest.fixture
def state(client: Client) -> RedisConversationState:
    return RedisConversationState("s", client)


FULL = ConversationState(
    turns=3,
    entities=(Entity("Marie Curie", 1.5, 2, 3), Entity("Łódź 😀", 0.5, 1, 1)),
    topic="Marie Curie",
    topics=("throat cancer",),
    depth=2,
    search=Search("who was Marie Curie", ("d1", "d2"), 7),
    counts={"NEW_TOPIC": 2},
    language="en",
    fields={"tier": "gold", "bytes": b"\0", "nested": {"list": [1, 2.5, None]}},
)


# --- reading and writing ------------------------------------------------------------------------------------------


async def test_there_is_an_empty_one_at_first(both: Both, state: RedisConversationState) -> None:
    found = await both(state.load)()
    assert found == ConversationState()
    assert found.version == Version("", 0)


async def test_it_comes_back_as_it_was(both: Both, state: RedisConversationState) -> None:
    await both(state.save)(FULL)
    found = await both(state.load)()
    assert found == FULL
    assert found.version.writes == 1
    await both(state.save)(replace(found, topic="x"))
    assert (await both(state.load)()).version.writes == 2


async def test_a_save_over_another_ones_change_is_refused(both: Both, state: RedisConversationState) -> None:
    mine, theirs = await both(state.load)(), await both(state.load)()
    await both(state.save)(replace(theirs, topic="theirs"))
    with pytest.raises(ConflictError, match="changed since"):
        await both(state.save)(replace(mine, topic="mine"))
    assert (await both(state.load)()).topic == "theirs"


async def test_one_that_was_deleted_and_made_anew_is_another(both: Both, state: RedisConversationState) -> None:
    await both(state.save)(FULL)
    old = await both(state.load)()
    assert await both(state.delete)() is True
    assert await both(state.delete)() is False
    await both(state.save)(ConversationState(topic="new"))
    with pytest.raises(ConflictError):
        await both(state.save)(replace(old, topic="old"))
    assert (await both(state.load)()).topic == "new"


async def test_a_write_that_is_sent_again_after_a_lost_reply_stands_once(client: Client, both: Both) -> None:
    op = state_record.write(keys(client), FULL, 60_000)
    assert [await both(client.run)(op) for _ in range(2)] == [True, True]
    assert client.run(state_record.read(keys(client))).version.writes == 1


async def test_fields_are_of_the_users_model(client: Client, both: Both) -> None:
    state = RedisConversationState("s", client, fields=Order)
    assert (await both(state.load)()).fields == Order()
    made = await both(state.set)(number="A-17", items=["x"])
    assert made.fields == Order(number="A-17", items=["x"])
    assert await both(state.load)() == made
    assert (await both(state.set)(total=2)).fields == Order(number="A-17", items=["x"], total=2.0)
    with pytest.raises(InvalidInputError, match="no fields"):
        await both(state.set)(nothing=1)
    with pytest.raises(InvalidInputError, match="Order") as caught:
        await both(state.set)(total="secret")
    assert "secret" not in str(caught.value)
    assert (await both(state.load)()).version.writes == 2


async def test_fields_of_another_model_count_as_absent(
    client: Client, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    await both(RedisConversationState("s", client).set)(total="much", topic=1)
    found = await both(RedisConversationState("s", client, fields=Order).load)()
    assert found.fields == Order()
    assert "do not fit Order" in caplog.text


async def test_an_update_gives_the_new_state(both: Both, state: RedisConversationState) -> None:
    made = await both(state.update)(lambda known: replace(known, depth=known.depth + 1))
    assert made.depth == 1
    assert made.version.writes == 1
    await both(state.save)(replace(made, depth=5))
    assert (await both(state.load)()).depth == 5


@pytest.mark.parametrize("wrong", [None, {"topic": "x"}, 3, "x"])
async def test_an_update_to_something_else_is_refused(both: Both, state: RedisConversationState, wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match="ConversationState"):
        await both(state.update)(lambda _known: wrong)
    assert await both(state.load)() == ConversationState()


@pytest.mark.parametrize(
    "change", [{"fields": {"x": object()}}, {"topic": 3}, {"depth": -1}, {"entities": ("x",)}, {"counts": {"a": "b"}}]
)
async def test_what_cannot_be_stored_is_refused(
    both: Both, state: RedisConversationState, change: dict[str, Any]
) -> None:
    with pytest.raises(UnserialisableError):
        await both(state.save)(replace(FULL, **change))
    assert await both(state.load)() == ConversationState()


async def test_what_the_change_raises_passes_through(both: Both, state: RedisConversationState) -> None:
    def fail(_known: ConversationState) -> ConversationState:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await both(state.update)(fail)


def test_bad_input_is_refused_early() -> None:
    class Needs(BaseModel):
        name: str

    for session in ("", None, 3, "\ud800"):
        with pytest.raises(InvalidIdError):
            RedisConversationState(session, "memory://x")  # type: ignore[arg-type]
    with pytest.raises(InvalidIdError):
        RedisConversationState("s", "memory://x", agent="x" * 2000)
    with pytest.raises(InvalidInputError):
        RedisConversationState("s", "memory://x", ttl_s=0)
    with pytest.raises(ConfigError, match="default"):
        RedisConversationState("s", "memory://x", fields=Needs)
    for model in (dict, Order(), "Order"):
        with pytest.raises(ConfigError, match="pydantic"):
            RedisConversationState("s", "memory://x", fields=model)  # type: ignore[arg-type]


# --- nobody's update is lost --------------------------------------------------------------------------------------


async def test_concurrent_updates_lose_nothing(client: Client, both: Both) -> None:
    state = RedisConversationState("s", client)

    def add(known: ConversationState) -> ConversationState:
        return replace(known, depth=known.depth + 1, fields={**known.fields, str(known.depth): True})

    if both.asynchronous:
        await asyncio.gather(*(state.aupdate(add) for _ in range(24)))
    else:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: state.update(add), range(24)))
    found = await both(state.load)()
    assert found.depth == 24
    assert len(found.fields) == 24
    assert found.version.writes == 24


async def test_moves_that_come_too_late_are_noted_and_counted(client: Client, both: Both) -> None:
    place = keys(client)
    stale = await both(client.run)(state_record.read(place))
    for number in range(5):
        await both(client.run)(
            state_record.add_deltas(place, stale, [delta_of(f"Who was Person{number} X?", "")], 60_000)
        )
    found = await both(client.run)(state_record.read(place))
    assert found.turns == 5
    assert {entity.name for entity in found.entities} == {f"Person{number} X" for number in range(5)}
    assert found.version.seen > 0
    await both(client.run)(state_record.add_deltas(place, found, [delta_of("And now?", "")], 60_000))
    found = await both(client.run)(state_record.read(place))
    assert (found.turns, found.version.seen, found.version.writes) == (6, 0, 2)


async def test_a_move_without_a_state_that_was_read_is_noted(client: Client, both: Both) -> None:
    place = keys(client)
    for _ in range(3):
        await both(client.run)(
            state_record.add_deltas(place, None, [delta_of("Hi Ann", ""), delta_of("Hi Bob", "")], 60_000)
        )
    assert (await both(client.run)(state_record.read(place))).turns == 6
    assert 0 < reply(client, "PTTL", place.state) <= 60_000


async def test_concurrent_turns_lose_nothing(client: Client, both: Both) -> None:
    place = keys(client)

    def turn(number: int) -> None:
        known = client.run(state_record.read(place))
        client.run(state_record.add_deltas(place, known, [delta_of(f"about Thing{number}", "")], 60_000))

    async def aturn(number: int) -> None:
        known = await client.arun(state_record.read(place))
        await client.arun(state_record.add_deltas(place, known, [delta_of(f"about Thing{number}", "")], 60_000))

    if both.asynchronous:
        await asyncio.gather(*map(aturn, range(30)))
    else:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(turn, range(30)))
    assert client.run(state_record.read(place)).turns == 30


async def test_an_update_takes_notes_into_account(client: Client, both: Both, state: RedisConversationState) -> None:
    await both(client.run)(state_record.add_deltas(keys(client), None, [delta_of("Who was Marie Curie?", "")], 60_000))
    made = await both(state.update)(lambda known: replace(known, depth=known.depth + 10))
    assert (made.turns, made.depth, made.topic) == (1, 11, "Marie Curie")
    assert await both(state.load)() == made


async def test_an_update_that_always_loses_gives_up(client: Client, both: Both, state: RedisConversationState) -> None:
    def hinder(known: ConversationState) -> ConversationState:
        client.run(Op((("HSET", keys(client).state, "state", f"\x01{known.version.writes + 1}-{'0' * 16}:x"),), list))
        client.run(Op((("PEXPIRE", keys(client).state, 60_000),), list))
        return known

    with pytest.raises(ConflictError, match="try again"):
        await both(state.update)(hinder)


# --- damage -------------------------------------------------------------------------------------------------------

HEAD = b"\x017-0123456789abcdef:"
DAMAGE = {
    "empty": b"",
    "text": b"hello",
    "zeros": b"\0" * 50,
    "pickle": b"\x80\x04\x95\x0f",
    "head only": HEAD,
    "half a head": b"\x017-0123",
    "text after a head": HEAD + b"hello",
    "a number": HEAD + pack(3),
    "another schema": HEAD + pack(["x", {}]),
    "an empty state": HEAD + pack([1, {}]),
    "a list": HEAD + pack([1, [1, 2]]),
    "wrong types": HEAD + pack([1, {**plain(FULL), "depth": "two"}]),
    "not a number": HEAD + pack([1, {**plain(FULL), "turns": -1}]),
    "truncated": HEAD + pack([1, plain(FULL)])[:-20],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("field", ["state", "state+"])
async def test_a_damaged_state_counts_as_absent_and_can_be_replaced(
    client: Client,
    both: Both,
    state: RedisConversationState,
    damage: bytes,
    field: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    place = keys(client).state
    reply(client, "HSET", place, field, damage)
    reply(client, "PEXPIRE", place, 60_000)
    assert await both(state.load)() == ConversationState()
    if field == "state" and damage.startswith(HEAD):
        assert "damaged" in caplog.text
        assert "hello" not in caplog.text
    made = await both(state.update)(lambda known: replace(known, topic="new"))
    assert (await both(state.load)()) == made
    assert made.topic == "new"
    assert made.version.seen == 0


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_bytes_but_a_newer_version_make_reading_fail(record: bytes, notes: bytes) -> None:
    assume(ENCRYPTED not in record + b"," + notes)  # what a client without the cipher must not take for damage
    logging.disable(logging.WARNING)
    try:
        for body in (record, HEAD + record):
            for note in (notes, b"%d:%s" % (len(notes), notes)):
                if is_newer(body):
                    with pytest.raises(FormatVersionError):
                        cas_record.parse(body, note, Key("k"), "state")
                    continue
                assert isinstance(
                    state_record.decode(cas_record.parse(body, note, Key("k"), "state"), "k"), ConversationState
                )
    finally:
        logging.disable(logging.NOTSET)


async def test_something_else_under_the_key_is_an_error_and_stays(
    client: Client, both: Both, state: RedisConversationState
) -> None:
    place = keys(client).state
    reply(client, "SET", place, "mine", "PX", 60_000)
    for call in (
        both(state.load),
        lambda: both(state.save)(FULL),
        lambda: both(state.update)(lambda known: known),
        both(state.delete),
    ):
        with pytest.raises(WrongKeyTypeError):
            await call()
    assert reply(client, "GET", place) == b"mine"


async def test_the_state_of_a_newer_package_is_left_alone(
    client: Client, both: Both, state: RedisConversationState, caplog: pytest.LogCaptureFixture
) -> None:
    place = keys(client)
    newer = HEAD + pack([2, {"all": "new"}])
    reply(client, "HSET", place.state, "state", newer)
    reply(client, "PEXPIRE", place.state, 60_000)
    found = await both(state.load)()
    assert found == ConversationState()
    assert "newer version" in caplog.text
    for write in (lambda: both(state.save)(found), lambda: both(state.update)(lambda known: replace(known, depth=1))):
        with pytest.raises(ConflictError, match="upgrade"):
            await write()
    await both(client.run)(state_record.add_deltas(place, found, [delta_of("Who was Marie Curie?", "")], 60_000))
    assert reply(client, "HGET", place.state, "state") == newer
    assert len(cas_record.parse(newer, reply(client, "HGET", place.state, "state+"), Key("k"), "state").notes) == 1


# --- bounds -------------------------------------------------------------------------------------------------------


async def test_ten_thousand_entities_are_bounded(client: Client, both: Both, state: RedisConversationState) -> None:
    many = tuple(Entity(f"thing {number}", float(number), 1, 1) for number in range(10_000))
    await both(state.save)(replace(FULL, entities=many))
    moved = await both(state.load)()
    assert [entity.name for entity in moved.entities] == [f"thing {9_999 - n}" for n in range(MOST_ENTITIES)]
    await both(client.run)(
        state_record.add_deltas(
            keys(client), moved, [delta_of(" ".join(f"Name{n}," for n in range(10_000)), "")], 60_000
        )
    )
    assert len((await both(state.load)()).entities) == MOST_ENTITIES
    assert reply(client, "HSTRLEN", keys(client).state, "state") < 20_000


async def test_notes_are_bounded(client: Client, both: Both) -> None:
    place = keys(client)
    reply(client, "HSET", place.state, "state+", "x" * (cas_record.MOST_NOTES_BYTES - 10))
    reply(client, "PEXPIRE", place.state, 60_000)
    await both(client.run)(state_record.add_deltas(place, None, [delta_of("Who was Marie Curie?", "")], 60_000))
    assert reply(client, "HSTRLEN", place.state, "state+") == cas_record.MOST_NOTES_BYTES - 10


# --- the same lifetime as the conversation ------------------------------------------------------------------------

History = Callable[..., RedisChatMessageHistory]


def left(client: Client, tenant: str = "") -> list[int]:
    place = keys(client, tenant=tenant)
    return [reply(client, "PTTL", place.meta), reply(client, "PTTL", place.state)]


async def test_alone_it_has_its_own_lifetime(client: Client, both: Both) -> None:
    await both(RedisConversationState("s", client, ttl_s=100).save)(FULL)
    assert 75_000 < left(client)[1] <= 100_000
    await both(RedisConversationState("s", client, ttl_s=10).update)(lambda known: known)
    assert 75_000 < left(client)[1] <= 100_000, "a write never shortens it"
    await both(RedisConversationState("s", client, ttl_s=1000).update)(lambda known: known)
    assert 750_000 < left(client)[1] <= 1_000_000


async def test_it_lives_as_long_as_its_conversation(client: Client, both: Both, history: History) -> None:
    await both(history(ttl_s=100).add_messages)([HumanMessage("a")])
    await both(RedisConversationState("s", client, ttl_s=10_000).save)(FULL)
    assert all(75_000 < one <= 100_000 for one in left(client))
    await both(history(ttl_s=1000).add_messages)([HumanMessage("b")])
    assert all(750_000 < one <= 1_000_000 for one in left(client))
    await both(history().extend_ttl)(60)
    assert all(0 < one <= 60_000 for one in left(client))
    await both(history(ttl_s=500, touch_on_read=True).recent)(1)
    assert all(375_000 < one <= 500_000 for one in left(client))


@pytest.mark.pins
async def test_it_is_pinned_with_its_conversation(client: Client, both: Both, history: History) -> None:
    await both(history().add_messages)([HumanMessage("a")])
    await both(RedisConversationState("s", client).save)(FULL)
    await both(history().persist)()
    assert left(client) == [-1, -1]
    await both(RedisConversationState("s", client, ttl_s=1).update)(lambda known: replace(known, depth=9))
    assert left(client) == [-1, -1]
    await both(history().extend_ttl)(100)
    assert all(75_000 < one <= 100_000 for one in left(client))


@pytest.mark.pins
async def test_without_a_lifetime_it_stays(client: Client, both: Both) -> None:
    await both(RedisConversationState("s", client, ttl_s=None).save)(FULL)
    assert left(client) == [-2, -1]


async def test_it_expires_with_its_conversation(client: Client, both: Both, history: History) -> None:
    await both(history(ttl_s=100).add_messages)([HumanMessage("a")])
    await both(RedisConversationState("s", client).save)(FULL)
    await both(history().extend_ttl)(0.01)
    wait_for(lambda: left(client) == [-2, -2])
    assert await both(RedisConversationState("s", client).load)() == ConversationState()


@pytest.mark.parametrize("how", ["clear", "erase", "clear_agent"])
async def test_a_deleted_conversation_leaves_no_state(client: Client, both: Both, history: History, how: str) -> None:
    await both(history().add_messages)([HumanMessage("a")])
    await both(RedisConversationState("s", client).save)(FULL)
    sessions = RedisSessions(client)
    await {
        "clear": both(history().clear),
        "erase": lambda: both(sessions.erase)("s"),
        "clear_agent": both(sessions.clear_agent),
    }[how]()
    assert reply(client, "EXISTS", *keys(client).all()) == 0


async def test_two_tenants_agents_and_sessions_never_meet(client: Client, both: Both) -> None:
    places: list[dict[str, Any]] = [{}, {"tenant": "acme"}, {"agent": "acme"}, {"tenant": "acme", "agent": "acme"}]
    made = [RedisConversationState(s, client, **place) for s in ("s", "t") for place in places]
    for number, state in enumerate(made):
        await both(state.save)(ConversationState(topic=str(number)))
    assert [(await both(state.load)()).topic for state in made] == [str(number) for number in range(8)]
    await both(made[0].delete)()
    assert [(await both(state.load)()).topic for state in made[1:]] == [str(number) for number in range(1, 8)]


async def test_on_a_cluster_it_is_the_same(cluster: Client, both: Both) -> None:
    state = RedisConversationState("s", cluster, tenant="acme")
    made = await both(state.update)(lambda known: replace(known, topic="x"))
    assert await both(state.load)() == made
    await both(RedisChatMessageHistory("s", cluster, tenant="acme").add_messages)([HumanMessage("a")])
    await both(RedisChatMessageHistory("s", cluster, tenant="acme").clear)()
    assert await both(state.load)() == ConversationState()
