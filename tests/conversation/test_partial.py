"""Streams that break off with `keep_partial`: what was said is kept in the history, and never in the cache."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.runnables import RunnableConfig, RunnableGenerator
from langchain_core.runnables.utils import AddableDict
from langgraph.graph import START, MessagesState, StateGraph

from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both, url_of
from tests.support.chains import Broken, Desk, Marked, PureModel, Switch, stream_of
from tests.support.servers import TWO, Farm, wait_for

CONFIG: RunnableConfig = {"configurable": {"session_id": "s"}}


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


def keeping(desk: Desk, chain: Any = None, **options: Any) -> Desk:
    """The desk with a chain whose partial answers are kept."""
    desk.chat = desk.memory.wrap(desk.model if chain is None else chain, scope="kept", keep_partial=True, **options)
    return desk


async def take(desk: Desk, most: int, said: str = "N: a", **options: Any) -> list[Any]:
    """The first chunks of a stream that is then left."""
    seen: list[Any] = []
    if desk.both.asynchronous:
        stream = desk.chat.astream(said, CONFIG, **options)
        while len(seen) < most:
            seen.append(await anext(stream))
        await stream.aclose()  # type: ignore[attr-defined]
        await desk.client.asettle()
    else:
        chunks = desk.chat.stream(said, CONFIG, **options)
        while len(seen) < most:
            seen.append(next(chunks))
        chunks.close()  # type: ignore[attr-defined]
    return seen


async def kept(desk: Desk) -> list[BaseMessage]:
    messages: list[BaseMessage] = await desk.both.messages(desk.memory.history("s"))
    return messages


async def test_a_consumer_that_leaves_keeps_what_was_said(client: Client, both: Both) -> None:
    desk = keeping(Desk(client, both, classifier=Marked()))
    desk.model.script = [AIMessage("one two three")]
    assert len(await take(desk, 2)) == 2
    question, answer = await kept(desk)
    assert question.text == "N: a"
    assert type(answer) is AIMessage
    assert answer.text == "one two "
    assert answer.response_metadata == {"partial": True}
    await desk.say("N: a", "other")
    assert desk.last.cache == "miss", "it is never cached"
    await desk.say("F: b")
    assert [m.text for m in desk.model.shown[-1]] == ["N: a", "one two ", "F: b"]


async def test_a_consumer_that_leaves_before_anything_was_said_keeps_nothing(client: Client, both: Both) -> None:
    desk = keeping(Desk(client, both, classifier=Marked()), stream_of("", "", "words"))
    await take(desk, 2)
    assert await desk.told() == []


async def test_a_model_that_fails_midway_keeps_what_was_said(client: Client, both: Both) -> None:
    desk = keeping(Desk(client, both, classifier=Marked()))
    desk.model.fail_after = 1
    with pytest.raises(Broken, match="broke off"):
        await desk.stream("N: a")
    assert [type(report.error) for report in desk.reports] == [Broken]
    messages = await kept(desk)
    assert [message.type for message in messages] == ["human", "ai"]
    assert messages[1].text == "answer "
    assert messages[1].response_metadata == {"partial": True}


async def test_an_invoke_that_fails_keeps_nothing(client: Client, both: Both) -> None:
    desk = keeping(Desk(client, both, classifier=Marked()))
    desk.model.fail = True
    with pytest.raises(Broken):
        await desk.say("N: a")
    assert await desk.told() == []


@pytest.mark.parametrize("keep", [False, True])
async def test_a_cancelled_task_keeps_what_was_said_if_that_is_wanted(client: Client, keep: bool) -> None:
    given = asyncio.Event()

    async def transform(inputs: AsyncIterator[Any]) -> AsyncIterator[str]:
        async for _ in inputs:
            yield "a "
            given.set()
            await asyncio.Event().wait()

    desk = Desk(client, Both(asynchronous=True), classifier=Marked())
    desk.chat = desk.memory.wrap(RunnableGenerator(transform), scope="kept", keep_partial=keep)
    turn = asyncio.create_task(desk.stream("N: a"))
    await given.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await client.asettle()
    assert await desk.told() == ([("human", "N: a"), ("ai", "a ")] if keep else [])


CHUNKS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "texts": (["one ", "two ", "three"], {}),
    "messages": ([AIMessageChunk(content="one "), AIMessageChunk(content="two "), AIMessageChunk(content="three")], {}),
    "dicts": (
        [AddableDict(about="x", answer="one "), AddableDict(answer="two "), AddableDict(answer="three")],
        {"output_key": "answer"},
    ),
}


@pytest.mark.parametrize("name", CHUNKS)
async def test_chunks_of_every_kind(client: Client, both: Both, name: str) -> None:
    chunks, options = CHUNKS[name]
    desk = keeping(Desk(client, both, classifier=Marked()), stream_of(*chunks), **options)
    await take(desk, 2)
    assert await desk.told() == [("human", "N: a"), ("ai", "one two ")]


async def test_a_graph_that_streams_messages(client: Client, both: Both) -> None:
    model = PureModel(script=[AIMessage("one two three")])

    async def achat(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    def chat(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("chat", achat if both.asynchronous else chat)
    builder.add_edge(START, "chat")
    desk = keeping(Desk(client, both, classifier=Marked()), builder.compile())
    await take(desk, 2, stream_mode="messages")
    question, answer = await desk.told()
    assert question == ("human", "N: a")
    assert answer[0] == "ai"
    assert answer[1]
    assert "one two three".startswith(answer[1])


async def test_while_the_server_is_away_it_waits_with_the_rest(client: Client, both: Both) -> None:
    desk, switch = keeping(Desk(client, both, classifier=Marked())), Switch(client)
    desk.model.script = [AIMessage("one two three")]
    switch.off()
    await take(desk, 2)
    assert desk.memory.unstored == 2
    switch.on()
    await both(desk.memory.flush)()
    assert await desk.told() == [("human", "N: a"), ("ai", "one two ")]


async def test_it_is_mirrored_as_other_turns_are(client: Client, both: Both) -> None:
    written: list[list[str]] = []
    desk = Desk(
        client, both, classifier=Marked(), writer=lambda _session, messages: written.append([m.text for m in messages])
    )
    keeping(desk)
    desk.model.script = [AIMessage("one two three")]
    await take(desk, 2)
    wait_for(lambda: written == [["N: a", "one two "]])


def test_an_iterator_that_is_dropped_keeps_what_was_said() -> None:
    client = Client.from_url("memory://dropped")
    desk = keeping(Desk(client, classifier=Marked()), stream_of("one ", "two "))

    def first(chunks: Iterator[Any]) -> Any:
        return next(chunks)

    assert first(desk.chat.stream("N: a", CONFIG)) == "one "
    assert [message.text for message in desk.memory.history("s").messages] == ["N: a", "one "]
    desk.memory.history("s").clear()
