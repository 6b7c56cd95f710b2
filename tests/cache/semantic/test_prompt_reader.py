"""Whatever is asked, a lookup and an update never raise, and what is given back is what was stored for just that."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration

from langchain_redis_memory.cache.prompts import PromptMessage, parse_prompt
from langchain_redis_memory.cache.semantic.cache import PromptOptions, RedisSemanticCache
from langchain_redis_memory.cache.semantic.tenants import SearchOptions
from langchain_redis_memory.cache.sharing import unrepeatable
from langchain_redis_memory.redis.client.client import Client
from tests.support.examples import share
from tests.support.meanings import ASKED, MODEL, Cut, WordEmbeddings, answers, prompt, text

MESSAGES = json.loads(prompt(SystemMessage("Be brief."), ASKED, "330 m", "Is it higher than the church?"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ANY = st.text(st.characters(), max_size=40) | st.text(st.characters(categories=["Cs", "Cc", "Zs", "Ll"]), max_size=8)


@pytest.fixture(scope="module")
def cache() -> Any:
    with Client.from_url("memory://prompts") as client:
        yield RedisSemanticCache(client, WordEmbeddings(16), search=SearchOptions(policy=Cut()))


def survives(cache: RedisSemanticCache, asked: str, model: str) -> None:
    """Both halves work, and what is served was stored for this very prompt, as no other is equal in this test."""
    cache.clear()
    cache.lookup(asked, model)
    cache.update(asked, model, answers("an answer"))
    found = cache.lookup(asked, model)
    told = cache.explain(asked, model)
    assert (told.hit is None) == (found is None)
    assert found is None or text(found) == "an answer"
    assert (told.question is None) == bool(told.bypass)


@share(2)
@given(ANY, ANY)
def test_any_text(cache: RedisSemanticCache, asked: str, model: str) -> None:
    survives(cache, asked, model)


@share(2)
@given(JSON)
def test_any_json(cache: RedisSemanticCache, value: Any) -> None:
    survives(cache, json.dumps(value), MODEL)
    survives(cache, json.dumps([{"lc": 1, "type": "constructor", "id": ["HumanMessage"], "kwargs": value}]), MODEL)


PATHS = [
    (i, name)
    for i in range(4)
    for name in ("lc", "type", "id", "kwargs", "kwargs.content", "kwargs.type", "kwargs.tool")
]


@share(2)
@given(st.sampled_from(PATHS), JSON, st.booleans())
def test_damaged_messages(cache: RedisSemanticCache, path: tuple[int, str], value: Any, drop: bool) -> None:
    damaged = json.loads(json.dumps(MESSAGES))
    at: Any = damaged[path[0]]
    *outer, last = path[1].split(".")
    for name in outer:
        at = at[name]
    if drop:
        at.pop(last, None)
    else:
        at[last] = value
    survives(cache, json.dumps(damaged), MODEL)


@share(2)
@given(st.integers(0, len(json.dumps(MESSAGES))), st.text(max_size=3))
def test_cut_and_torn_messages(cache: RedisSemanticCache, place: int, put: str) -> None:
    whole = json.dumps(MESSAGES)
    survives(cache, whole[:place], MODEL)
    survives(cache, whole[:place] + put + whole[place + 1 :], MODEL)


BIG = "word " * 20_000
LARGE = {
    "a long text": BIG,
    "one long word": "x" * 100_000,
    "a long message": prompt(BIG),
    "a long history": prompt(*(["What is measles?", BIG] * 3), ASKED),
    "a long system": prompt(SystemMessage(BIG), HumanMessage(ASKED)),
    "many messages": prompt(*(["What is measles?", "An infection."] * 300), "How tall is it?"),
    "many lines": "\n" * 100_000,
    "deep": "[" * 100_000,
    "deep messages": '[{"lc": 1, "type": "constructor", "id": ["HumanMessage"], "kwargs": ' + '{"a":' * 50_000,
    "one half of a pair": "What is \ud83d here?",
    "a half in a message": prompt(HumanMessage("What is \ud83d here?")),
    "a half in a system message": prompt(SystemMessage("\udc00"), HumanMessage(ASKED)),
    "a half in the history": prompt("What is \ud83d?", "It is \udc00.", "Is it treatable?"),
    "no number": prompt(HumanMessage(ASKED)).replace('"lc": 1', '"lc": NaN'),
    "a role that is none": prompt(HumanMessage(ASKED)).replace("HumanMessage", "RobotMessage"),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_and_strange_prompts(cache: RedisSemanticCache, name: str) -> None:
    survives(cache, LARGE[name], MODEL)
    survives(cache, ASKED, LARGE[name])


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("template", ["{question}", "From {text}: {question}.", "{question} ({a}: {b})"])
def test_templates_take_any_prompt(name: str, template: str) -> None:
    with Client.from_url("memory://templates") as client:
        survives(
            RedisSemanticCache(
                client, WordEmbeddings(16), prompts=PromptOptions(template=template), search=SearchOptions(policy=Cut())
            ),
            LARGE[name],
            MODEL,
        )


@pytest.mark.parametrize("answer", ["\ud800", "x" * 200_000, "\0", "🦊"])
def test_any_answer(cache: RedisSemanticCache, answer: str) -> None:
    for whole in (answers(answer), [ChatGeneration(message=AIMessage(answer))]):
        cache.update(ASKED, MODEL, whole)
        assert text(cache.lookup(ASKED, MODEL)) == answer


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_prompt_is_taken_apart() -> None:
    told = parse_prompt(prompt(SystemMessage("Be brief."), ASKED, "330 m", "Is it?"))
    assert (told.system, told.question) == (("Be brief.",), "Is it?")
    assert told.history == (PromptMessage("human", ASKED), PromptMessage("ai", "330 m"))
    assert [message.type for message in told.messages()] == ["human", "ai"]


@share(2)
@given(st.lists(st.tuples(st.sampled_from("has"), st.text(max_size=5)), max_size=4))
def test_what_is_read_is_what_was_said(said: list[tuple[str, str]]) -> None:
    kinds: Any = {"h": HumanMessage, "a": AIMessage, "s": SystemMessage}
    roles = {"h": "human", "a": "ai"}
    told = parse_prompt(prompt(*(kinds[kind](words) for kind, words in said)))
    spoken = [(roles[kind], words) for kind, words in said if kind != "s"]
    asked = bool(spoken) and spoken[-1][0] == "human" and bool(spoken[-1][1].strip())
    assert told.question == (spoken[-1][1] if asked else None) or not said
    if said:
        assert [(one.role, one.text) for one in told.history] == (spoken[:-1] if asked else spoken)
        assert list(told.system) == [words for kind, words in said if kind == "s"]


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("What is the date today?", "volatile"),
        ("What's the weather today?", "volatile"),
        ("Cancel order 123", "effect"),
        ("Send an email to Bob.", "effect"),
        ("Tell me another joke", "vary"),
        ("How tall is the Eiffel Tower?", None),
        ("Write a haiku about the sea.", None),
        ("Wie ist das Wetter?", None),
        ("?!", None),
    ],
)
def test_what_nobody_may_be_told_again(text: str, sign: str | None) -> None:
    assert unrepeatable(text) == sign


@pytest.mark.parametrize("then", ["What about Berlin?", "How about Berlin?"])
def test_what_a_question_continues_may_change_by_itself(cache: RedisSemanticCache, then: str) -> None:
    for first, served in (("What's the weather in Paris?", None), ("How large is Paris?", "an answer")):
        asked = prompt(first, "Sunny.", then)
        cache.update(asked, MODEL, answers("an answer"))
        assert text(cache.lookup(asked, MODEL)) == served


@pytest.mark.parametrize(
    "told",
    [
        "From now on answer in French.",
        "Talk like a pirate.",
        "Answer in one word, always.",
        "Pretend that it is 1950.",
        "Use metric units only.",
        "Assume that Norway moved its capital to Bergen.",
        "You are a pirate.",
        "Be brief.",
    ],
)
def test_what_a_user_told_of_all_answers_is_kept_to_the_conversation(cache: RedisSemanticCache, told: str) -> None:
    alone, instructed = prompt(ASKED), prompt(told, "OK.", ASKED)
    for stored, other in ((alone, instructed), (instructed, alone)):
        cache.clear()
        cache.update(stored, MODEL, answers("an answer"))
        assert cache.lookup(other, MODEL) is None


@pytest.mark.parametrize("told", ["What is photosynthesis?", "How do plants use light?", "Why is the sky always blue?"])
def test_a_question_before_is_no_instruction(cache: RedisSemanticCache, told: str) -> None:
    cache.update(prompt(ASKED), MODEL, answers("an answer"))
    assert text(cache.lookup(prompt(told, "A process.", ASKED), MODEL)) == "an answer"


def test_what_a_model_sees_of_a_system_message_is_no_text_of_another(cache: RedisSemanticCache) -> None:
    cache.update(prompt(SystemMessage("a", name="b"), HumanMessage(ASKED)), MODEL, answers("an answer"))
    assert cache.lookup(prompt(SystemMessage('a{"name": "b"}'), HumanMessage(ASKED)), MODEL) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How long is the string 'a  b'?", "How long is the string 'a b'?"),
        ("What does `a\tb` print?", "What does `a b` print?"),
        ("What does this print?\nx = 1 # set\nx = 2\nprint(x)", "What does this print?\nx = 1 # set x = 2\nprint(x)"),
    ],
)
def test_white_space_in_literals_and_code_decides(cache: RedisSemanticCache, one: str, other: str) -> None:
    cache.update(prompt(HumanMessage(one)), MODEL, answers("an answer"))
    assert cache.lookup(prompt(HumanMessage(other)), MODEL) is None
