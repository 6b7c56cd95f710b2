"""Streams: chunks pass through at once, the turn is stored after the last one, and never when it breaks off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableConfig, RunnableGenerator, RunnableLambda
from langchain_core.runnables.utils import AddableDict

from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both, url_of
from tests.support.chains import Broken, Desk, Marked, PureModel, look_up, stream_of
from tests.support.servers import TWO, Farm

CONFIG: RunnableConfig = {"configurable": {"session_id": "s"}}


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


async def test_chunks_join_to_the_stored_answer(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    chunks = await desk.stream("What is Redis?")
    assert len(chunks) > 1
    assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
    stored = (await both.messages(desk.memory.history("s")))[1]
    assert type(stored) is AIMessage, "a whole message, not a chunk"
    assert stored.text == "".join(chunk.text for chunk in chunks) == desk.last.value.text
    assert type(desk.last.value) is AIMessage
    assert stored.response_metadata["finish_reason"] == "stop"


async def test_a_hit_streams_the_answer(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    first = await desk.say("What is Redis?", "one")
    chunks = await desk.stream("What is Redis?", "two")
    assert desk.last.cache == "hit"
    assert [(type(chunk), chunk.text) for chunk in chunks] == [(AIMessageChunk, first.text)]
    assert chunks[0].id == desk.last.value.id
    stored = (await both.messages(desk.memory.history("two")))[1]
    assert type(stored) is AIMessage
    assert stored.id == chunks[0].id


async def test_what_was_streamed_is_served_whole(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    chunks = await desk.stream("What is Redis?", "one")
    answer = await desk.say("What is Redis?", "two")
    assert desk.last.cache == "hit"
    assert type(answer) is AIMessage
    assert answer.text == "".join(chunk.text for chunk in chunks)


async def test_chunks_come_before_the_store(client: Client, both: Both, trips: list[Trip]) -> None:
    desk = Desk(client, both, retriever=look_up)
    await desk.say("What is warmth?", "warm")
    trips.clear()
    seen: list[int] = []
    if both.asynchronous:
        async for _ in desk.chat.astream("What is Redis?", CONFIG):
            seen.append(len(trips))
    else:
        for _ in desk.chat.stream("What is Redis?", CONFIG):
            seen.append(len(trips))
    assert set(seen) == {1}
    assert len(trips) == 2


@pytest.mark.parametrize("after", [0, 1])
async def test_a_stream_that_fails_midway_stores_nothing(client: Client, both: Both, after: int) -> None:
    desk = Desk(client, both)
    desk.model.fail_after = after
    seen: list[Any] = []
    with pytest.raises(Broken, match="broke off"):
        if both.asynchronous:
            async for chunk in desk.chat.astream("What is Redis?", CONFIG):
                seen.append(chunk)
        else:
            for chunk in desk.chat.stream("What is Redis?", CONFIG):
                seen.append(chunk)
    assert len(seen) == after
    assert await desk.told() == []
    desk.model.fail_after = None
    await desk.say("What is Redis?")
    assert desk.last.cache == "miss"
    assert len(await desk.told()) == 2


async def test_a_consumer_that_stops_early_stores_nothing(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    if both.asynchronous:
        stream = desk.chat.astream("What is Redis?", CONFIG)
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
    else:
        chunks = desk.chat.stream("What is Redis?", CONFIG)
        next(chunks)
        chunks.close()  # type: ignore[attr-defined]
    assert await desk.told() == []
    assert type(desk.last.error) is GeneratorExit, "the turn that was left is reported"
    await desk.say("What is Redis?", "other")
    assert desk.last.cache == "miss"


async def test_a_consumer_that_never_starts_asks_nobody(client: Client, both: Both, trips: list[Trip]) -> None:
    desk = Desk(client, both)
    if both.asynchronous:
        await desk.chat.astream("What is Redis?", CONFIG).aclose()  # type: ignore[attr-defined]
    else:
        desk.chat.stream("What is Redis?", CONFIG).close()  # type: ignore[attr-defined]
    assert trips == []
    assert desk.model.calls == 0


class Waiting:
    """A stream that gives one chunk and then waits for ever."""

    def __init__(self) -> None:
        self.given = asyncio.Event()
        self.closed = False

    async def stream(self, _fields: Any) -> AsyncIterator[str]:
        try:
            yield "a "
            self.given.set()
            await asyncio.Event().wait()
        finally:
            self.closed = True


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_cancelled_turn_stores_nothing(client: Client, streaming: bool) -> None:
    waiting = Waiting()

    async def transform(inputs: AsyncIterator[Any]) -> AsyncIterator[str]:
        async for fields in inputs:
            async for chunk in waiting.stream(fields):
                yield chunk

    desk = Desk(client, Both(asynchronous=True), chain=RunnableGenerator(transform))
    turn = asyncio.create_task(desk.stream("What is Redis?") if streaming else desk.say("What is Redis?"))
    await waiting.given.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert waiting.closed
    assert await desk.told() == []
    assert desk.memory.unstored == 0


async def test_a_question_in_chunks(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    parts = ["What ", "is ", "Redis?"]
    if both.asynchronous:

        async def comes() -> AsyncIterator[str]:
            for part in parts:
                yield part

        chunks = [chunk async for chunk in desk.chat.atransform(comes(), CONFIG)]
    else:
        chunks = list(desk.chat.transform(iter(parts), CONFIG))
    assert "".join(chunk.text for chunk in chunks) == desk.model.made[0].text
    assert (await desk.told())[0] == ("human", "What is Redis?")


async def test_strings_stream_as_strings(client: Client, both: Both) -> None:
    desk = Desk(
        client,
        both,
        chain=RunnableLambda(lambda fields: [HumanMessage(fields["question"])]) | PureModel() | StrOutputParser(),
    )
    one = await desk.stream("What is Redis?", "one")
    assert len([chunk for chunk in one if chunk]) == 2
    assert all(isinstance(chunk, str) for chunk in one)
    two = await desk.stream("What is Redis?", "two")
    assert desk.last.cache == "hit"
    assert two == ["".join(one)]
    assert await desk.told("two") == [("human", "What is Redis?"), ("ai", two[0])]


async def test_dicts_stream_as_dicts(client: Client, both: Both) -> None:
    parts = [AddableDict(about="it"), AddableDict(answer="forty "), AddableDict(answer="two")]
    desk = Desk(client, both, chain=stream_of(*parts), output_key="answer")
    one = await desk.stream("What is Redis?", "one")
    assert [dict(chunk) for chunk in one] == [{"about": "it"}, {"answer": "forty "}, {"answer": "two"}]
    assert await desk.stream("What is Redis?", "two") == [{"about": "it", "answer": "forty two"}]
    assert desk.last.cache == "hit"
    assert await desk.told("one") == await desk.told("two") == [("human", "What is Redis?"), ("ai", "forty two")]


async def test_a_chain_that_cannot_stream_gives_one_chunk(client: Client, both: Both) -> None:
    desk = Desk(client, both, chain=RunnableLambda(lambda _: AIMessage("whole", id="x")))
    chunks = await desk.stream("What is Redis?")
    assert [chunk.text for chunk in chunks] == ["whole"]
    assert (await desk.told())[1] == ("ai", "whole")


async def test_tool_calls_survive_streaming(client: Client, both: Both) -> None:
    call: Any = {"name": "look", "args": '{"at": ', "id": "c", "index": 0, "type": "tool_call_chunk"}
    rest: Any = {"name": None, "args": '"x"}', "id": None, "index": 0, "type": "tool_call_chunk"}
    chain = stream_of(*(AIMessageChunk(content="", tool_call_chunks=[part]) for part in (call, rest)))
    desk = Desk(client, both, chain=chain, classifier=Marked())
    await desk.stream("N: a")
    stored = (await both.messages(desk.memory.history("s")))[1]
    assert type(stored) is AIMessage
    assert [(call["name"], call["args"]) for call in stored.tool_calls] == [("look", {"at": "x"})]
    await desk.stream("N: a")
    assert desk.last.cache == "miss", "a call of a tool is not an answer"


async def test_a_chain_that_streams_nothing(client: Client, both: Both) -> None:
    desk = Desk(client, both, chain=stream_of())
    with pytest.raises(InvalidInputError, match="streamed nothing"):
        await desk.stream("What is Redis?")
    assert await desk.told() == []
