"""The cache of answers by itself: its keys, its bytes, and what is worth keeping."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_redis_memory.cache.admission import worth_keeping
from langchain_redis_memory.cache.answers.answer_cache import Answer, CacheQuestion
from langchain_redis_memory.cache.answers.exact import ExactAnswerCache
from langchain_redis_memory.errors import ServerError, UnserialisableError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.codec.values import pack
from langchain_redis_memory.redis.keys import KeySpace
from tests.conftest import Both
from tests.support.chains import Desk

SPACE = KeySpace("p")
ASKED = CacheQuestion(SPACE, "", "scope", "What is Redis?")
CALL: Any = {"name": "look", "args": {"at": "x"}, "id": "1", "type": "tool_call"}
BAD_CALL: Any = {"name": "look", "args": "{", "id": "1", "error": "x", "type": "invalid_tool_call"}

APART: dict[str, CacheQuestion] = {
    "itself": ASKED,
    "prefix": replace(ASKED, space=KeySpace("q")),
    "tenant": replace(ASKED, space=KeySpace("p", "t")),
    "agent": replace(ASKED, agent="a"),
    "scope": replace(ASKED, scope="other"),
    "question": replace(ASKED, question="What is that?"),
    "parts": replace(ASKED, question=[{"type": "text", "text": "What is Redis?"}]),
    "given": replace(ASKED, given=[{}, {}]),
    "given more": replace(ASKED, given=[{"a": 1}, {}]),
    "given true": replace(ASKED, given=[{"a": True}, {}]),
    "system": replace(ASKED, context=[SystemMessage("a")]),
    "human": replace(ASKED, context=[HumanMessage("a")]),
    "human by name": replace(ASKED, context=[HumanMessage("a", name="ana")]),
    "human with more": replace(ASKED, context=[HumanMessage("a", additional_kwargs={"a": 1})]),
    "two": replace(ASKED, context=[HumanMessage("a"), HumanMessage("b")]),
    "two the other way": replace(ASKED, context=[HumanMessage("b"), HumanMessage("a")]),
    "joined": replace(ASKED, context=[HumanMessage("ab")]),
    "role": replace(ASKED, context=[ChatMessage(content="a", role="x")]),
    "other role": replace(ASKED, context=[ChatMessage(content="a", role="y")]),
    "call": replace(ASKED, context=[AIMessage("", tool_calls=[CALL])]),
    "other call": replace(ASKED, context=[AIMessage("", tool_calls=[{**CALL, "args": {"at": "y"}}])]),
    "bad call": replace(ASKED, context=[AIMessage("", invalid_tool_calls=[BAD_CALL])]),
    "tool": replace(ASKED, context=[ToolMessage("a", tool_call_id="1")]),
    "tool that failed": replace(ASKED, context=[ToolMessage("a", tool_call_id="1", status="error")]),
}

ALIKE: dict[str, CacheQuestion] = {
    "space at the ends": replace(ASKED, question="  What is Redis?\n"),
    "no context": replace(ASKED, context=[]),
}


def test_each_question_has_its_own_key() -> None:
    keys = {name: asked.key() for name, asked in APART.items()}
    assert len(set(keys.values())) == len(APART)


@pytest.mark.parametrize("name", ALIKE)
def test_what_decides_nothing_is_not_in_the_key(name: str) -> None:
    assert ALIKE[name].key() == ASKED.key()


def test_ids_and_measurements_decide_nothing() -> None:
    one = AIMessage("a", id="1", tool_calls=[CALL], response_metadata={"time": 1})
    two = AIMessage("a", id="2", tool_calls=[{**CALL, "id": "2"}], response_metadata={"time": 2})
    assert replace(ASKED, context=[one]).key() == replace(ASKED, context=[two]).key()


def test_no_user_text_in_a_key() -> None:
    asked = replace(ASKED, question="secret*{}", scope="secret:", context=[HumanMessage("secret")])
    assert "secret" not in asked.key()
    assert asked.key().startswith("p:{")


def test_what_cannot_be_described_has_no_key() -> None:
    with pytest.raises(UnserialisableError):
        replace(ASKED, given=object()).key()


ANSWERS: list[str | BaseMessage] = [
    "text",
    "日本語 \ud800",
    AIMessage("a", id="x", usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}),
    AIMessage([{"type": "text", "text": "a" * 2000}], response_metadata={"finish_reason": "stop"}),
]


@pytest.mark.parametrize("value", ANSWERS, ids=["text", "signs", "message", "long"])
async def test_answers_come_back_as_they_were(client: Client, both: Both, value: Any) -> None:
    cache, run = ExactAnswerCache(60), both(client.run)
    asked = replace(ASKED, space=client.keys())
    assert await run(cache.lookup(asked)) is None
    await run(cache.store(asked, Answer(value, 7)))
    found = await run(cache.lookup(asked))
    assert found == Answer(value, 7)
    assert type(found.value) is type(value)
    assert await run(cache.lookup(replace(asked, question="another"))) is None


async def test_a_hit_says_what_it_is(client: Client, both: Both) -> None:
    cache, run = ExactAnswerCache(600), both(client.run)
    asked = replace(ASKED, space=client.keys())
    await run(cache.store(asked, Answer("a", 7, seconds=1.25)))
    found = await run(cache.lookup(asked))
    assert (found.entry, found.kind, found.why) == (asked.entry, "exact", "the very same question")
    assert found.seconds == 1.25
    client.run(Op((("PEXPIRE", asked.key(), 500_000),), len))  # a hundred seconds later
    aged = await run(cache.lookup(asked))
    assert 100 <= aged.age_s < 200


@pytest.mark.pins
async def test_an_answer_for_ever_has_no_age(client: Client, both: Both) -> None:
    cache, run = ExactAnswerCache(None), both(client.run)
    asked = replace(ASKED, space=client.keys())
    await run(cache.store(asked, Answer("a")))
    assert (await run(cache.lookup(asked))).age_s is None


async def test_an_answer_has_a_lifetime(client: Client, both: Both) -> None:
    run = both(client.run)
    asked = replace(ASKED, space=client.keys())
    await run(ExactAnswerCache(60).store(asked, Answer("a")))
    assert 0 < await run(Op((("PTTL", asked.key()),), lambda replies: replies[0])) <= 60_000


@pytest.mark.pins
async def test_an_answer_without_a_lifetime(client: Client, both: Both) -> None:
    desk = Desk(client, both, answer_ttl_s=None)
    await desk.say("What is Redis?")
    key = CacheQuestion(client.keys(), "", desk.chat.scope, "What is Redis?").key()
    assert await both(client.run)(Op((("PTTL", key),), lambda replies: replies[0])) == -1


async def test_the_memory_sets_the_lifetime(client: Client, both: Both) -> None:
    desk = Desk(client, both, answer_ttl_s=90)
    await desk.say("What is Redis?")
    key = CacheQuestion(client.keys(), "", desk.chat.scope, "What is Redis?").key()
    assert 30_000 < await both(client.run)(Op((("PTTL", key),), lambda replies: replies[0])) <= 90_000


# --- damaged bytes ---------------------------------------------------------------------------------

FOREIGN: dict[str, bytes] = {
    "empty": b"",
    "text": b"hello",
    "three letters": pack("abc"),
    "three keys": pack({"text": 1, "value": 2, "tokens": 3}),
    "two": pack(["text", "a"]),
    "four": pack(["text", "a", 1, 2]),
    "unknown kind": pack(["other", "a", 1, None, []]),
    "number for text": pack(["text", 5, 1, None, []]),
    "bytes for text": pack(["text", b"a", 1, None, []]),
    "message for text": pack(["text", AIMessage("a"), 1, None, []]),
    "text for message": pack(["message", "a", 1, None, []]),
    "nothing for message": pack(["message", b"", 1, None, []]),
    "not deflated": pack(["message", b"\x01a3~abc", 1, None, []]),
    "no map": pack(["message", b"\x01a3|\xc0", 1, None, []]),
    "text for tokens": pack(["text", "a", "1", None, []]),
    "nothing for tokens": pack(["text", "a", None, None, []]),
    "no answer": pack(["message", b"\x01h3|\x81\xa1c\xa1x", 1, None, []]),
    "pickle": b"\x80\x04\x95\x0f\x00\x00\x00",
    "zeros": b"\0" * 50,
    "an extension": b"\xc7\x03\x00abc",
    "three, as once": pack(["text", "a", 1]),
    "output of text": pack(["text", "a", 1, "b", []]),
    "documents of text": pack(["text", "a", 1, None, ["b"]]),
    "no documents": pack(["text", "a", 1, None, None]),
}


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN.keys())
async def test_damaged_bytes_count_as_no_answer(real: Client, both: Both, foreign: bytes) -> None:
    desk = Desk(real, both)
    key = CacheQuestion(real.keys(), "", "desk", "What is Redis?").key()
    real.run(Op((("SET", key, foreign, "EX", 60),), len))
    answer = await desk.say("What is Redis?", "one")
    assert desk.last.cache == "miss"
    assert answer.text == desk.model.made[0].text
    await desk.say("What is Redis?", "two")
    assert desk.last.cache == "hit", "the damaged bytes were replaced"


async def test_a_foreign_type_counts_as_no_answer(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    key = CacheQuestion(client.keys(), "", desk.chat.scope, "What is Redis?").key()
    client.run(Op((("RPUSH", key, "a"), ("EXPIRE", key, 60)), len))
    await desk.say("What is Redis?")
    assert desk.last.cache == "miss"
    assert desk.last.stored
    assert len(await desk.told()) == 2


STORED: Any = ExactAnswerCache(1).store(ASKED, Answer(AIMessage("the answer " * 40), 3)).commands[0]
RECORD: Any = STORED[2][1]


def read(data: Any) -> Answer | None:
    return ExactAnswerCache(1).lookup(ASKED).read([data, 400])


@given(st.binary(max_size=40))
def test_any_bytes_can_be_read(data: bytes) -> None:
    found = read(data)
    assert found is None or isinstance(found.value, str | BaseMessage)


def test_a_cut_or_changed_record_never_raises() -> None:
    chance = random.Random(1)
    assert read(RECORD) == Answer(AIMessage("the answer " * 40), 3)
    for cut in range(len(RECORD)):
        assert read(RECORD[:cut]) is None
    for _ in range(500):
        changed = bytearray(RECORD)
        changed[chance.randrange(len(changed))] = chance.randrange(256)
        found = read(bytes(changed))
        assert found is None or isinstance(found.value, AIMessage)


def test_an_error_of_the_server_is_not_hidden_by_the_cache_itself() -> None:
    with pytest.raises(ServerError):
        ExactAnswerCache(1).lookup(ASKED).read([ServerError("GET"), -2])


# --- what is worth keeping -------------------------------------------------------------------------


def ended(**metadata: Any) -> AIMessage:
    return AIMessage("a", response_metadata=metadata)


KEPT: list[Any] = [
    "a",
    AIMessage("a"),
    ended(finish_reason="stop"),
    ended(finish_reason="STOP"),
    ended(stop_reason="end_turn"),
    ended(done_reason="stop"),
    ended(status="completed"),
    AIMessage([{"type": "text", "text": "a"}]),
    AIMessage([{"type": "reasoning", "reasoning": "b"}, {"type": "text", "text": "a"}]),
]
NOT_KEPT: list[Any] = [
    "",
    " \n\t",
    AIMessage(""),
    AIMessage([]),
    AIMessage([{"type": "reasoning", "reasoning": "b"}]),
    AIMessage([{"type": "image", "url": "http://a/1.png"}]),
    AIMessage("a", tool_calls=[CALL]),
    AIMessage("a", invalid_tool_calls=[BAD_CALL]),
    AIMessage("a", additional_kwargs={"function_call": {"name": "look", "arguments": "{}"}}),
    ended(finish_reason="length"),
    ended(finish_reason="content_filter"),
    ended(finish_reason="MAX_TOKENS"),
    ended(finish_reason="SAFETY"),
    ended(finish_reason="RECITATION"),
    ended(finish_reason="PROHIBITED_CONTENT"),
    ended(finish_reason="error"),
    ended(stop_reason="max_tokens"),
    ended(stop_reason="refusal"),
    ended(stop_reason="pause_turn"),
    ended(done_reason="length"),
    ended(stopReason="guardrail_intervened"),
    ended(stopReason="max_tokens"),
    ended(status="incomplete"),
    ended(finish_reason=["length"]),
    HumanMessage("a"),
    None,
    7,
]


@pytest.mark.parametrize("value", KEPT, ids=repr)
def test_whole_answers_are_kept(value: Any) -> None:
    assert worth_keeping(value)


@pytest.mark.parametrize("value", NOT_KEPT, ids=repr)
def test_other_answers_are_not(value: Any) -> None:
    assert not worth_keeping(value)
