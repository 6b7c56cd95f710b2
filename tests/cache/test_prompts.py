"""The words of the caches: generations as bytes, admission, prompts taken apart, templates."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.load import dumps
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
    message_chunk_to_message,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation, GenerationChunk
from langchain_core.prompts import PromptTemplate

from langchain_redis_memory.cache import generations, prompts
from langchain_redis_memory.cache.admission import AdmissionPolicy, worth_keeping
from langchain_redis_memory.cache.prompts import PromptMessage, Template
from langchain_redis_memory.errors import ConfigError, CorruptDataError, InvalidInputError, UnserialisableError
from tests.support.envelopes import envelope

# --- generations -----------------------------------------------------------------------------------

names = st.text(min_size=1, max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=20)
plain = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
fields = st.dictionaries(names, plain, max_size=3)
calls = st.builds(
    lambda name, args, i: {"name": name, "args": args, "id": i, "type": "tool_call"}, names, fields, st.none() | names
)
counts = st.integers(0, 10**6)
usage = st.builds(
    lambda a, b, c: {
        "input_tokens": a,
        "output_tokens": b,
        "total_tokens": a + b,
        "input_token_details": {"cache_read": c},
    },
    counts,
    counts,
    counts,
)
blocks = st.one_of(
    st.text(max_size=20),
    st.builds(lambda text: {"type": "text", "text": text}, st.text(max_size=300)),
    st.builds(lambda text: {"type": "image", "base64": text, "mime_type": "image/png"}, st.text("abc", max_size=20)),
    st.builds(lambda more: {"type": "reasoning", "extras": more}, fields),
)
contents = st.text(max_size=300) | st.lists(blocks, max_size=4)
ids = st.none() | names
messages = st.one_of(
    st.builds(
        AIMessage,
        content=contents,
        id=ids,
        name=ids,
        tool_calls=st.lists(calls, max_size=2),
        usage_metadata=st.none() | usage,
        response_metadata=fields,
    ),
    st.builds(AIMessageChunk, content=contents, id=ids, usage_metadata=st.none() | usage, response_metadata=fields),
    st.builds(HumanMessage, content=contents, id=ids),
)
infos = st.none() | fields
answers = st.lists(
    st.one_of(
        st.builds(Generation, text=st.text(max_size=300), generation_info=infos),
        st.builds(GenerationChunk, text=st.text(), generation_info=infos),
        st.builds(lambda m, info: ChatGeneration(message=m, generation_info=info), messages, infos),
        st.builds(
            lambda m, info: ChatGenerationChunk(message=m, generation_info=info),
            messages.filter(lambda m: isinstance(m, AIMessageChunk)),
            infos,
        ),
    ),
    min_size=1,
    max_size=3,
)


def whole(generation: Generation) -> Generation:
    """What should come back: chunks as what they make."""
    if not isinstance(generation, ChatGeneration):
        return Generation(text=generation.text, generation_info=generation.generation_info)
    message: BaseMessage = generation.message
    if isinstance(message, AIMessageChunk):
        message = message_chunk_to_message(message)
    return ChatGeneration(message=message.model_copy(update={"id": None}), generation_info=generation.generation_info)


@given(answers)
def test_generations_come_back_under_new_ids(answer: list[Generation]) -> None:
    data = generations.encode(answer)
    found, again = generations.decode(data, "k"), generations.decode(data, "k")
    assert [type(one) for one in found] == [type(whole(one)) for one in answer]
    for one, other, given_one in zip(found, again, answer, strict=True):
        if isinstance(one, ChatGeneration) and isinstance(given_one, ChatGeneration):
            assert isinstance(other, ChatGeneration)
            named = given_one.message.id is not None
            assert (one.message.id is not None) is named
            assert not named or len({one.message.id, other.message.id, given_one.message.id}) == 3
            assert type(one.message) is type(message_of(given_one))
            one.message.id = None
        assert one == whole(given_one)


def message_of(generation: ChatGeneration) -> BaseMessage:
    made = whole(generation)
    assert isinstance(made, ChatGeneration)
    return made.message


@given(answers, st.data())
def test_bytes_that_were_changed_are_told(answer: list[Generation], data: Any) -> None:
    stored = bytearray(generations.encode(answer))
    stored[data.draw(st.integers(0, len(stored) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptDataError):
        generations.decode(bytes(stored), "k")


@given(st.binary(max_size=60))
def test_foreign_bytes_are_told(data: bytes) -> None:
    with pytest.raises(CorruptDataError, match="'k'"):
        generations.decode(data, "k")
    with pytest.raises(CorruptDataError, match="'k'"):
        generations.decode(envelope(data), "k")


class Special(Generation):
    """A generation of somebody's own."""


def test_what_cannot_be_stored() -> None:
    with pytest.raises(InvalidInputError, match="Special"):
        generations.encode([Special(text="a")])
    with pytest.raises(UnserialisableError):
        generations.encode([Generation(text="a", generation_info={"x": object()})])


def test_an_answer_keeps_the_given_message_as_it_was() -> None:
    message = AIMessage("a", id="mine")
    generations.encode([ChatGeneration(message=message)])
    assert message.id == "mine"


def test_what_is_an_answer() -> None:
    one = Generation(text="a")
    assert generations.as_generations("a") == generations.as_generations([one]) == generations.as_generations(one)
    assert generations.as_generations(AIMessage("a")) == [ChatGeneration(message=AIMessage("a"))]
    for bad in (None, 7, b"a", ["a"], {"a": 1}):
        with pytest.raises(InvalidInputError, match="an answer must be"):
            generations.as_generations(bad)


def test_tokens_are_what_the_model_said_else_an_estimate() -> None:
    told = {"input_tokens": 7, "output_tokens": 9, "total_tokens": 16}
    answer = [ChatGeneration(message=AIMessage("a", usage_metadata=told))] * 2
    assert generations.tokens_of(answer, "q") == (14, 18)
    chat = dumps([SystemMessage("be " * 50), HumanMessage("q " * 50)])
    for prompt in (chat, "q " * 100):
        read, written = generations.tokens_of([Generation(text="a " * 100)], prompt)
        assert 40 <= read <= 100
        assert 40 <= written <= 100


# --- admission -------------------------------------------------------------------------------------

ERRORS = """Error: quota exceeded|error|Error 500|Error code: 429 - {'error': {}}|{"error": {"message": "quota"}}
ValueError: bad value|openai.RateLimitError: Error|Internal Server Error|502 Bad Gateway|HTTP 503 Service Unavailable
Rate limit exceeded, try again|An error occurred while processing|Traceback (most recent call last):|Request timed out.
Sorry, something went wrong.|I'm sorry, but something went wrong|**Error:** no|API error: x|  ERROR : x
I'm sorry, but I can't help with that right now.|I couldn't reach the database, try again.
The service is temporarily unavailable. Please try again later."""
LEGITIMATE = """Error handling in Python is done with try|Terror: a history|Human error: the leading cause
Errors are raised|An error is|Trial and error: how science works|500 services were launched
404 parks are open|Exceptions are objects|Sorry, I do not know|The error code 5 means
{"error": null, "result": 1}|Timeouts happen|4 errors were found
Syntax error|502 is the number|Too many cooks|Exception handling|In a 404 Not Found, the server says|42
Refunds cannot be made at the moment of purchase|A kiln that is too cold can't fire clay. Heat it and try again."""


def lines(text: str) -> list[str]:
    return [part for line in text.splitlines() for part in line.split("|")]


@pytest.mark.parametrize("text", lines(ERRORS))
def test_what_looks_like_an_error_is_refused(text: str) -> None:
    assert AdmissionPolicy().refusal([Generation(text=text)]) == "error"
    assert AdmissionPolicy(errors=None).refusal([ChatGeneration(message=AIMessage(text))]) is None
    assert not worth_keeping(text)


@pytest.mark.parametrize("text", lines(LEGITIMATE))
def test_what_is_about_errors_is_kept(text: str) -> None:
    assert AdmissionPolicy().refusal([Generation(text=text)]) is None
    assert worth_keeping(text)


@pytest.mark.parametrize(
    "ending",
    [
        ("finish_reason", "length"),
        ("finish_reason", "MAX_TOKENS"),
        ("finish_reason", "content_filter"),
        ("stop_reason", "max_tokens"),
        ("stopReason", "x"),
        ("status", "incomplete"),
        ("done_reason", "length"),
    ],
)
def test_what_was_cut_off_is_refused(ending: tuple[str, str]) -> None:
    for cut in (
        Generation(text="a", generation_info=dict([ending])),
        ChatGeneration(message=AIMessage("a", response_metadata=dict([ending]))),
    ):
        assert AdmissionPolicy().refusal([Generation(text="a"), cut]) == "truncated"
        assert AdmissionPolicy(truncated=True).refusal([cut]) is None


@pytest.mark.parametrize("reason", ["stop", "STOP", "end_turn", "tool_calls", "", None, "COMPLETE", "eos_token"])
def test_what_ended_by_itself_is_kept(reason: str | None) -> None:
    kept = ChatGeneration(message=AIMessage("a", response_metadata={"finish_reason": reason}))
    assert AdmissionPolicy().refusal([kept]) is None


CALL: ToolCall = {"name": "f", "args": {"text": "x" * 500}, "id": "1", "type": "tool_call"}
IMAGE: list[str | dict[Any, Any]] = [{"type": "image", "base64": "A" * 500}]


def test_what_is_empty_is_refused() -> None:
    policy = AdmissionPolicy()
    empty: tuple[Any, ...] = ("", " \n", [], [""], [{"type": "text", "text": " "}])
    assert policy.refusal([]) == "empty"
    assert [policy.refusal([ChatGeneration(message=AIMessage(content))]) for content in empty] == ["empty"] * 5
    for full in (AIMessage("", tool_calls=[CALL]), AIMessage(IMAGE), AIMessage("0")):
        assert policy.refusal([ChatGeneration(message=full)]) is None


def test_what_is_too_large_is_refused() -> None:
    policy = AdmissionPolicy(max_bytes=300)
    assert policy.refusal([Generation(text="ä" * 150)]) is None
    assert policy.refusal([Generation(text="ä" * 151)]) == "oversize"
    for large in (
        AIMessage("a", tool_calls=[CALL]),
        AIMessage(IMAGE),
        AIMessage("a", additional_kwargs={"x": "y" * 300}),
    ):
        assert policy.refusal([ChatGeneration(message=large)]) == "oversize"
        assert AdmissionPolicy(max_bytes=None).refusal([ChatGeneration(message=large)]) is None


def test_calls_of_tools_are_kept_if_wanted() -> None:
    call = [ChatGeneration(message=AIMessage("Error: none", tool_calls=[CALL]))]
    assert AdmissionPolicy().refusal(call) is None
    assert AdmissionPolicy(tool_calls=False).refusal(call) == "tool_call"


@pytest.mark.parametrize(
    "options", [{"max_bytes": 0}, {"max_bytes": True}, {"max_bytes": "5"}, {"errors": "("}, {"errors": 7}]
)
def test_a_policy_that_is_none(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        AdmissionPolicy(**options)


# --- prompts ---------------------------------------------------------------------------------------

parts = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["lc", "type", "id", "kwargs", "content", "text", "role"]) | names, inner)
    ),
    max_leaves=6,
)
odd_messages = st.fixed_dictionaries(
    {"lc": st.just(1) | parts, "type": st.just("constructor") | parts},
    optional={
        "id": st.lists(st.sampled_from(["HumanMessage", "AIMessage", "ChatMessage"]) | scalars) | parts,
        "kwargs": st.fixed_dictionaries({}, optional={"content": parts, "role": parts, "type": parts, "x": parts})
        | parts,
    },
)


@given(st.text() | st.lists(odd_messages, min_size=1).map(json.dumps) | st.text().map(lambda s: '[{"lc"' + s))
def test_any_text_can_be_read(prompt: str) -> None:
    found = prompts.parse_prompt(prompt)
    assert found.question is None or found.question.strip()
    assert all(isinstance(said.text, str) and isinstance(said.more, str) for said in found.history)
    assert prompts.model_of(prompt) is not None
    found.messages()


def test_a_deeply_nested_prompt_is_not_understood() -> None:
    prompt = '[{"lc": 1, "type": "constructor", "id": ["HumanMessage"], "kwargs": {"content": ' + "[" * 100_000
    assert prompts.parse_prompt(prompt).question is None


@given(st.lists(messages.filter(lambda m: not isinstance(m, AIMessageChunk)), max_size=3), st.text(min_size=1))
def test_a_conversation_ends_with_its_question(before: list[BaseMessage], question: str) -> None:
    found = prompts.parse_prompt(dumps([SystemMessage("s"), *before, HumanMessage(question)]))
    assert found.system == ("s",)
    assert found.question == (question if question.strip() else None)
    assert [said.role for said in found.history[: len(before)]] == [
        {"human": "human", "ai": "ai"}[one.type] for one in before
    ]


def read(*given_messages: BaseMessage) -> prompts.Prompt:
    return prompts.parse_prompt(dumps(list(given_messages)))


def test_who_said_what() -> None:
    call = {"name": "f", "args": {}, "id": "1", "type": "tool_call"}
    found = read(
        HumanMessage("a"),
        AIMessage("", tool_calls=[call]),
        ToolMessage("c", tool_call_id="1"),
        AIMessage("d", id="7", usage_metadata={"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}),
        HumanMessage([{"type": "text", "text": "e"}, "f"]),
    )
    assert found.question == "e\nf"
    assert [said.role for said in found.history] == ["human", "ai", "tool", "ai"]
    assert found.history[3] == PromptMessage("ai", "d"), "what the model does not see plays no part"
    assert '"tool_calls"' in found.history[1].more
    assert [type(one) for one in found.messages()] == [HumanMessage, AIMessage, AIMessage]


@pytest.mark.parametrize(
    "last",
    [
        AIMessage("a"),
        ToolMessage("a", tool_call_id="1"),
        HumanMessage(" "),
        HumanMessage("a", name="ana"),
        HumanMessage([{"type": "text", "text": "a"}, {"type": "image", "url": "u"}]),
        HumanMessage([{"type": "image", "id": "file-1"}]),
        HumanMessage([{"type": "text", "text": "a"}, {"type": "reasoning", "id": "r"}]),
        HumanMessage([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]),
        HumanMessage("a", additional_kwargs={"x": 1}),
    ],
)
def test_what_is_more_than_a_text_is_no_question(last: BaseMessage) -> None:
    assert read(HumanMessage("before"), last).question is None


def test_a_text_is_its_own_question() -> None:
    for text in ("what?", "[1, 2]", '{"lc": 1}', "[{", '[{"a": 1}]'):
        assert prompts.parse_prompt(text) == prompts.Prompt((), (), text)
    assert prompts.parse_prompt(" ").question is None


@pytest.mark.parametrize(
    ("described", "name"),
    [
        ("", ""),
        ("gpt-4o", "gpt-4o"),
        ("[('_type', 'x'), ('model_name', 'gpt-4'), ('n', 1)]", "gpt-4"),
        ('{"id": ["x"], "kwargs": {"model_name": "claude", "temperature": 0}}---[(\'stop\', None)]', "claude"),
        ("[('model', 'm/7b:latest')]", "m/7b:latest"),
    ],
)
def test_the_name_of_a_model(described: str, name: str) -> None:
    assert prompts.model_of(described) == name


def test_a_model_without_a_name_has_a_digest() -> None:
    names_of = {prompts.model_of("x" * n + " \ud800") for n in (10, 50, 500)}
    assert len(names_of) == 3
    assert all(name.startswith("model-") for name in names_of)
    assert prompts.model_of('{\'x\': 1, "model": "a\ud800"}' + " " * 50) == "a?"


# --- templates -------------------------------------------------------------------------------------

values = st.text("abc \n", min_size=1, max_size=10)


@given(values, values, values.filter(str.strip), st.sampled_from(["", "Answer. "]), st.sampled_from(["", "\n|ANSWER:"]))
def test_a_template_takes_apart_what_it_made(a: str, b: str, q: str, start: str, end: str) -> None:
    template = Template(start + "{a}|Context: {b}|{{q}}: {q}" + end, "q")
    made = PromptTemplate.from_template(template.text).format(a=a, b=b, q=q)
    assert template.split(made) == (q, {"a": a, "b": b})


@given(st.text("ab|", max_size=12))
def test_what_a_template_takes_apart_it_makes_again(prompt: str) -> None:
    template = Template("a{x}|{q}b")
    found = template.split(prompt)
    if found is not None:
        question, others = found
        assert template.text.format(q=question, **others) == prompt


def test_a_variable_that_stands_twice_is_the_same_twice() -> None:
    template = Template("{q} in {place}, really {q}?", "q")
    assert template.split("why in Rome, really why?") == ("why", {"place": "Rome"})
    assert template.split("why in Rome, really how?") is None


@pytest.mark.parametrize("prompt", ["", "Q:", "Q: .", "x Q: why.", "Q: why", "Q: why.x"])
def test_what_was_not_made_from_a_template(prompt: str) -> None:
    assert Template("Q: {question}.").split(prompt) is None


@pytest.mark.parametrize(
    ("text", "question", "what"),
    [
        ("no variable", None, "must have the variable 'question'"),
        ("{a}", "q", "must have the variable 'q'"),
        ("{a}{q}", None, "some text between"),
        ("{a", None, "not an f-string"),
        ("}", None, "not an f-string"),
        (None, None, "not an f-string"),
        ("{} and {q}", None, "needs a name"),
    ],
)
def test_templates_that_are_none(text: Any, question: str | None, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        Template(text, question)


def test_the_last_variable_is_the_question() -> None:
    assert Template("{context} {question}").question == "question"
    assert Template("{question} {context}", "question").split("why because") == ("why", {"context": "because"})
