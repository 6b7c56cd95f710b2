"""Structured outputs: what a chain returns comes back from the cache equal and of the same type, or is not cached."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser, StrOutputParser
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.runnables.utils import AddableDict
from pydantic import BaseModel, Field, PrivateAttr, create_model

from langchain_redis_memory.conversation.chain_shape import ChainShape
from langchain_redis_memory.conversation.output import OutputForm, Raw
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both, url_of
from tests.support.chains import Desk, Marked, PureModel, stream_of
from tests.support.servers import TWO, Farm


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


class Colour(Enum):
    RED = "red"


class Place(BaseModel):
    name: str


class Trip(BaseModel):
    to: Place = Field(alias="destination")
    on: date
    price: Decimal
    colour: Colour = Colour.RED
    stops: tuple[int, ...] = ()


@dataclass
class Point:
    x: int
    y: int


TRIP = Trip(destination=Place(name="Rome"), on=date(2026, 5, 1), price=Decimal("9.90"), stops=(1, 2))
OUTPUTS: dict[str, tuple[Any, str]] = {
    "model": (TRIP, '{"destination":{"name":"Rome"},"on":"2026-05-01","price":"9.90","colour":"red","stops":[1,2]}'),
    "dataclass": (Point(1, 2), '{"x":1,"y":2}'),
    "dict": ({"a": [1, {"b": None}], "c": True}, '{"a":[1,{"b":null}],"c":true}'),
    "list": (["a", "b"], '["a","b"]'),
    "models in a list": ([Place(name="a"), Place(name="b")], '[{"name":"a"},{"name":"b"}]'),
    "a model in a dict": ({"place": Place(name="a"), "sure": 0.5}, '{"place":{"name":"a"},"sure":0.5}'),
    "whole number": (42, "42"),
    "number": (0.5, "0.5"),
    "yes": (True, "true"),
    "nothing found": ([], "[]"),
}


def returns(output: Any) -> Any:
    return RunnableLambda(lambda _: output)


@pytest.mark.parametrize("name", OUTPUTS)
async def test_a_structured_output_comes_back_as_it_was(client: Client, both: Both, name: str) -> None:
    output, text = OUTPUTS[name]
    desk = Desk(client, both, chain=returns(output))
    for session in ("one", "two"):
        answer = await desk.say("What is Redis?", session)
        assert answer == output
        assert type(answer) is type(output)
        assert await desk.told(session) == [("human", "What is Redis?"), ("ai", text)]
    assert [report.cache for report in desk.reports] == ["miss", "hit"]
    assert [type(report.output) for report in desk.reports] == [type(output)] * 2


@pytest.mark.parametrize("name", OUTPUTS)
async def test_a_structured_answer_under_a_key(client: Client, both: Both, name: str) -> None:
    output, text = OUTPUTS[name]
    whole = {"answer": output, "sources": [Place(name="x")], "documents": [Document("d")]}
    desk = Desk(client, both, chain=returns(whole), output_key="answer")
    for session in ("one", "two"):
        assert await desk.say("What is Redis?", session) == whole
        assert await desk.told(session) == [("human", "What is Redis?"), ("ai", text)]
    assert desk.last.cache == "hit"


@pytest.mark.parametrize("name", OUTPUTS)
async def test_a_stream_gives_the_same_on_a_hit(client: Client, both: Both, name: str) -> None:
    output, _ = OUTPUTS[name]
    desk = Desk(client, both, chain=returns(output))
    for session in ("one", "two"):
        assert await desk.stream("What is Redis?", session) == [output]
    assert desk.last.cache == "hit"
    assert await desk.say("What is Redis?", "three") == output


async def test_metadata_of_a_message_is_kept(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    desk.model.script = [AIMessage([{"type": "text", "text": "a"}], name="bot", response_metadata={"model_name": "m"})]
    one, two = [await desk.say("What is Redis?", session) for session in ("one", "two")]
    assert two.content == one.content
    assert two.name == "bot"
    assert two.response_metadata["model_name"] == "m"
    assert two.id != one.id


# --- parsers ----------------------------------------------------------------------------------------


def parsed(parser: Any, text: str = '{"name": "Rome or so"}') -> Any:
    """A chain with a parser at its end, which streams word by word."""
    model = PureModel(script=[AIMessage(text)])
    return RunnableLambda(lambda fields: fields["question"]) | model | parser


PARSERS: dict[str, tuple[Callable[[], Any], Any]] = {
    "pydantic": (lambda: PydanticOutputParser(pydantic_object=Place), Place(name="Rome or so")),
    "json": (JsonOutputParser, {"name": "Rome or so"}),
}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", PARSERS)
async def test_what_a_parser_gives(client: Client, both: Both, name: str, streaming: bool) -> None:
    make, expected = PARSERS[name]
    desk = Desk(client, both, chain=parsed(make()))
    if streaming:
        assert (await desk.stream("What is Redis?", "one"))[-1] == expected
        assert await desk.stream("What is Redis?", "two") == [expected]
    else:
        assert await desk.say("What is Redis?", "one") == await desk.say("What is Redis?", "two") == expected
    assert desk.last.cache == "hit"
    assert (
        await desk.told("one")
        == await desk.told("two")
        == [("human", "What is Redis?"), ("ai", '{"name":"Rome or so"}')]
    )


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_dict_of_texts_that_a_parser_gives(client: Client, both: Both, streaming: bool) -> None:
    model = PureModel()
    text = RunnableLambda(lambda given: given["question"]) | model | StrOutputParser()
    desk = Desk(client, both, chain=RunnableParallel(answer=text, title=text))
    said = desk.stream if streaming else desk.say
    await said("What is Redis?", "a")
    hit = await desk.say("What is Redis?", "b")
    assert desk.last.cache == "hit"
    assert {type(value) for value in hit.values()} == {str}


async def test_a_parser_that_streams_patches_is_refused(client: Client, both: Both) -> None:
    desk = Desk(client, both, chain=parsed(JsonOutputParser(diff=True)))
    with pytest.raises(InvalidInputError, match="diff=True"):
        await desk.stream("What is Redis?")
    assert await desk.told() == []


async def test_with_structured_output_and_its_raw_message(client: Client, both: Both) -> None:
    chain: Any = RunnableLambda(lambda _: AIMessage("{}")) | {
        "raw": RunnablePassthrough(),
        "parsed": RunnableLambda(lambda _: Place(name="Rome")),
        "parsing_error": RunnableLambda(lambda _: None),
    }
    desk = Desk(client, both, chain=chain, output_key="parsed")
    one, two = [await desk.say("What is Redis?", session) for session in ("one", "two")]
    assert desk.last.cache == "hit"
    assert one == two == {"raw": one["raw"], "parsed": Place(name="Rome"), "parsing_error": None}


# --- another process --------------------------------------------------------------------------------


async def test_a_class_that_the_chain_names_is_known_in_another_process(client: Client, both: Both) -> None:
    for expected in ("miss", "hit"):
        desk = Desk(client, both, chain=parsed(PydanticOutputParser(pydantic_object=Place)))
        assert await desk.say("What is Redis?", expected) == Place(name="Rome or so")
        assert desk.last.cache == expected


async def test_a_class_that_the_chain_does_not_name_has_to_be_seen_first(client: Client, both: Both) -> None:
    one = Desk(client, both, chain=returns(Place(name="a")))
    await one.say("What is Redis?", "one")
    two = Desk(client, both, chain=returns(Place(name="a")))
    for session in ("two", "three"):
        assert await two.say("What is Redis?", session) == Place(name="a")
    assert [report.cache for report in two.reports] == ["miss", "hit"]
    assert two.reports[0].why == "the cached output cannot be built here"


async def test_a_class_of_another_schema_is_another_class(client: Client, both: Both) -> None:
    for fields, expected in (({"a": (int, 1)}, "miss"), ({"a": (int, 2)}, "miss"), ({"a": (int, 2)}, "hit")):
        made: Any = create_model("Made", **fields)  # type: ignore[call-overload]
        desk = Desk(client, both, chain=returns(made(a=7)))
        await desk.say("What is Python?", f"seen first {fields} {expected}")
        answer = await desk.say("What is Redis?", str(fields) + expected)
        assert type(answer) is made
        assert desk.last.cache == expected


# --- what would not come back -----------------------------------------------------------------------


class Secretive(BaseModel):
    said: str
    _kept: str = PrivateAttr("")


class Anything(BaseModel):
    held: Any = None


def secretive() -> Secretive:
    made = Secretive(said="a")
    made._kept = "b"
    return made


UNFIT: dict[str, Any] = {
    "a private attribute": secretive,
    "a tuple that is read as a list": lambda: Anything(held=(1, 2)),
    "a model in a field of any type": lambda: Anything(held=Place(name="a")),
    "a set": lambda: {"a": {1}, "b": [Colour.RED]},
    "not a number": lambda: Anything(held=float("nan")),
}


@pytest.mark.parametrize("name", UNFIT)
async def test_what_would_not_come_back_equal_is_not_cached_and_said_once(
    client: Client, both: Both, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(client, both, chain=RunnableLambda(lambda _: UNFIT[name]()))
    with caplog.at_level(logging.WARNING):
        for session in ("one", "two"):
            assert isinstance(await desk.say("What is Redis?", session), Secretive | Anything | dict)
    assert [report.cache for report in desk.reports] == ["miss", "miss"]
    assert len(await desk.told("two")) == 2
    assert caplog.text.count("it would not come back as it was") == 1


@pytest.mark.parametrize(
    ("chunks", "expected", "cached"),
    [
        ([AddableDict(a=1), AddableDict(b=[2])], {"a": 1, "b": [2]}, True),
        ([{"a": 1}, {"a": 1, "b": 2}], {"a": 1, "b": 2}, False),
        ([[1], [2]], [1, 2], False),
        ([7], 7, True),
    ],
)
async def test_chunks_that_may_not_add_up_are_not_cached(
    client: Client, both: Both, chunks: list[Any], expected: Any, cached: bool
) -> None:
    desk = Desk(client, both, chain=stream_of(*chunks))
    assert await desk.stream("What is Redis?", "one") == chunks
    assert desk.last.output == expected
    served = await desk.stream("What is Redis?", "two")
    assert served == ([expected] if cached else chunks)


async def test_messages_in_dicts_stream_as_chunks_on_a_hit_as_well(client: Client, both: Both) -> None:
    parts = [
        AddableDict(answer=AIMessageChunk(content="a "), by=AIMessageChunk(content="x")),
        AddableDict(answer=AIMessageChunk(content="b")),
    ]
    desk = Desk(client, both, chain=stream_of(*parts), output_key="answer")
    await desk.stream("What is Redis?", "one")
    (served,) = await desk.stream("What is Redis?", "two")
    assert type(served) is AddableDict
    assert type(served["answer"]) is AIMessageChunk
    assert served["answer"].text == "a b"
    whole = await desk.say("What is Redis?", "three")
    assert [type(whole[name]) for name in ("answer", "by")] == [AIMessage, AIMessage]


async def test_an_answer_under_one_key_is_not_served_under_another(client: Client, both: Both) -> None:
    def both_keys(fields: dict[str, Any]) -> dict[str, Any]:
        return {"long": "a long answer", "short": "no"}

    desk = Desk(client, both, classifier=Marked())
    for name, said in (("long", "a long answer"), ("short", "no")):
        desk.chat = desk.memory.wrap(RunnableLambda(both_keys), scope="keys", output_key=name)
        assert await desk.say("N: a", name) == {"long": "a long answer", "short": "no"}
        assert await desk.told(name) == [("human", "N: a"), ("ai", said)]


# --- the form itself --------------------------------------------------------------------------------

DAMAGED: list[Any] = [
    {},
    {"answer": None},
    {"key": None, "answer": ["plain"]},
    {"key": None, "answer": ["made", ["os.PathLike", "x", "{}"]]},
    {"key": None, "answer": ["made", "os.system"]},
    {"key": "other", "answer": ["plain", 1]},
    {"state": ["plain", {"messages": [7]}]},
    {"state": ["plain", 7]},
]


@pytest.mark.parametrize("kept", DAMAGED, ids=repr)
def test_damaged_data_builds_nothing(kept: Any) -> None:
    assert OutputForm(ChainShape("fields"), None).build("a", kept, ()) == (False, None)


def test_nothing_is_built_of_a_class_that_was_never_seen() -> None:
    shape = ChainShape("fields", types=(Place,))
    whole, kept = OutputForm(shape, None).keep(Raw(Place(name="a")))
    assert whole
    assert OutputForm(shape, None).build("a", kept, ()) == (True, Place(name="a"))
    assert OutputForm(ChainShape("fields"), None).build("a", kept, ()) == (False, None)
