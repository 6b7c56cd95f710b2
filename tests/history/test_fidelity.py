"""What comes back is what LangChain's own in-memory history would give, for every type and field of message."""

from __future__ import annotations

import asyncio
import threading
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    SystemMessage,
    ToolMessage,
)
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableLambda

from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.history.sessions import RedisSessions
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both, Watch, url_of
from tests.support import servers
from tests.support.servers import Farm

TEXT = st.text(max_size=20)
LEAF = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXT)
PLAIN = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=5
)
NAMED = st.dictionaries(TEXT, PLAIN, max_size=3)
BLOCK = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT),
    st.builds(lambda url: {"type": "image_url", "image_url": {"url": url}}, TEXT),
    st.builds(lambda extra: {"type": "reasoning", "reasoning": "r", "extras": extra}, NAMED),
)
CONTENT = st.one_of(TEXT, st.text(min_size=300, max_size=400), st.lists(st.one_of(TEXT, BLOCK), max_size=3))
SMALL = st.integers(0, 10**6)
USAGE = st.builds(
    lambda a, b, c: {
        "input_tokens": a,
        "output_tokens": b,
        "total_tokens": a + b,
        "input_token_details": {"cache_read": c},
    },
    SMALL,
    SMALL,
    SMALL,
)
CALL = st.builds(lambda name, args, mark: {"name": name, "args": args, "id": mark}, TEXT, NAMED, TEXT)
BAD_CALL = st.builds(
    lambda name, args, mark: {"name": name, "args": args, "id": mark, "error": "bad"}, TEXT, TEXT, TEXT
)
PIECE = st.builds(lambda args, index: {"name": "f", "args": args, "id": "c", "index": index}, TEXT, st.integers(0, 3))
COMMON: dict[str, Any] = {
    "content": CONTENT,
    "additional_kwargs": NAMED,
    "response_metadata": NAMED,
    "name": st.none() | TEXT,
}
MESSAGES = st.one_of(
    st.builds(HumanMessage, **COMMON),
    st.builds(HumanMessageChunk, **COMMON),
    st.builds(SystemMessage, **COMMON),
    st.builds(
        AIMessage,
        **COMMON,
        tool_calls=st.lists(CALL, max_size=2),
        invalid_tool_calls=st.lists(BAD_CALL, max_size=2),
        usage_metadata=st.none() | USAGE,
    ),
    st.builds(AIMessageChunk, **COMMON, tool_call_chunks=st.lists(PIECE, max_size=2), usage_metadata=st.none() | USAGE),
    st.builds(
        ToolMessage,
        **COMMON,
        tool_call_id=TEXT,
        artifact=st.one_of(PLAIN, st.binary(max_size=9), st.tuples(SMALL, TEXT)),
        status=st.sampled_from(["success", "error"]),
    ),
    st.builds(FunctionMessage, content=TEXT, name=TEXT, additional_kwargs=NAMED),
    st.builds(ChatMessage, content=CONTENT, role=TEXT, additional_kwargs=NAMED),
)


def exactly(messages: list[BaseMessage]) -> list[tuple[Any, ...]]:
    """Type and every field; equality of messages alone leaves some out."""
    return [(type(message), message.model_dump(), repr(message)) for message in messages]


@pytest.mark.filterwarnings("ignore:The class `InMemoryChatMessageHistory`:DeprecationWarning")
@pytest.mark.parametrize("name", servers.TWO)
@given(batches=st.lists(st.lists(MESSAGES, max_size=4), max_size=3), marks=st.lists(TEXT, max_size=3))
def test_the_same_as_in_memory(
    farm: Farm, watch: Watch, prefix: str, name: str, batches: list[list[BaseMessage]], marks: list[str]
) -> None:
    unique = iter(dict.fromkeys(mark for mark in marks if mark))
    url = url_of(name, farm)
    watch(url, prefix)
    with Client.from_url(url, prefix=prefix) as client:
        kept, model = RedisChatMessageHistory(uuid4().hex, client), InMemoryChatMessageHistory()
        for batch in batches:
            for message in batch:
                message.id = next(unique, None)
            kept.add_messages(batch)
            model.add_messages(batch)
        assert exactly(kept.messages) == exactly(model.messages)
        assert [m.pretty_repr() for m in kept.messages] == [m.pretty_repr() for m in model.messages]
        kept.clear()
        model.clear()
        assert kept.messages == model.messages


async def test_fields_of_every_kind_come_back(client: Client, both: Both) -> None:
    messages: list[BaseMessage] = [
        HumanMessage("hi", id="1", name="Ada", example=True, extra_field={"deep": [1]}),
        AIMessage(
            [{"type": "text", "text": "t", "annotations": [{"a": 1}]}, "plain"],
            tool_calls=[{"name": "f", "args": {"x": 1.5, "y": None}, "id": "c1"}],
            invalid_tool_calls=[{"name": "g", "args": "{", "id": "c2", "error": "no"}],
            usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
            response_metadata={"model_name": "m", "logprobs": None, "finish_reason": "stop"},
        ),
        ToolMessage("r", tool_call_id="c1", artifact={"bytes": b"\0\xff", "tuple": (1, 2), "set": {3}}, status="error"),
        AIMessageChunk(
            content="c",
            tool_call_chunks=[{"name": "f", "args": '{"a"', "id": None, "index": 0, "type": "tool_call_chunk"}],
            chunk_position="last",
        ),
        SystemMessage("🦊\0\u2028" * 200, id="🦊"),
    ]
    kept = RedisChatMessageHistory("s", client)
    await both(kept.add_messages)(messages)
    found = await both.messages(kept)
    assert exactly(found) == exactly(messages)
    assert type(found[2].artifact["tuple"]) is tuple
    found[0].content = "changed"
    found[0].additional_kwargs["x"] = 1
    assert exactly(await both.messages(kept)) == exactly(messages), "what is read is the reader's own"


async def test_a_megabyte_comes_back(client: Client, both: Both) -> None:
    kept = RedisChatMessageHistory("s", client)
    text = "".join(map(str, range(180_000)))
    await both(kept.add_messages)([HumanMessage(text)])
    assert (await both.messages(kept))[0].content == text


# --- many at once -----------------------------------------------------------------------------------


async def test_parallel_writers_lose_nothing_and_keep_their_order(client: Client) -> None:
    async def write(writer: int) -> None:
        kept = RedisChatMessageHistory("s", client)
        await kept.aadd_messages([HumanMessage(f"{writer}.{i}", id=f"{writer}.{i}") for i in range(4)])

    await asyncio.gather(*(write(writer) for writer in range(50)))
    texts = [str(message.content) for message in await RedisChatMessageHistory("s", client).aget_messages()]
    assert len(texts) == 200
    for writer in range(50):
        place = texts.index(f"{writer}.0")
        assert texts[place : place + 4] == [f"{writer}.{i}" for i in range(4)], "one call is one piece"
    session = await RedisSessions(client).aget("s")
    assert session is not None
    assert session.turns == 200


def test_threads_lose_nothing(farm: Farm, watch: Watch, prefix: str) -> None:
    url = farm.url(servers.NEWEST)
    watch(url, prefix)
    with Client.from_url(url, prefix=prefix, max_connections=4) as client:

        def write(writer: int) -> None:
            for i in range(5):
                RedisChatMessageHistory("s", client).add_messages([HumanMessage(f"{writer}.{i}")])

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        texts = [message.content for message in RedisChatMessageHistory("s", client).messages]
    assert sorted(texts) == sorted(f"{writer}.{i}" for writer in range(16) for i in range(5))
    for writer in range(16):
        assert [text for text in texts if str(text).startswith(f"{writer}.")] == [f"{writer}.{i}" for i in range(5)]


# --- LangChain --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
async def test_runnable_with_message_history(client: Client, both: Both) -> None:
    from langchain_core.runnables.history import RunnableWithMessageHistory

    def reply(prompt: Any) -> AIMessage:
        return AIMessage(f"seen {len(prompt.to_messages())}")

    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")])
    chain = RunnableWithMessageHistory(
        prompt | RunnableLambda(reply),
        lambda session_id: RedisChatMessageHistory(session_id, client),
        input_messages_key="question",
        history_messages_key="history",
    )
    config: Any = {"configurable": {"session_id": "s"}}
    answers = []
    for question in ("one", "two"):
        answers.append((await both(chain.invoke)({"question": question}, config)).content)
    assert answers == ["seen 1", "seen 3"]
    kept = RedisChatMessageHistory("s", client)
    assert [m.content for m in await both.messages(kept)] == ["one", "seen 1", "two", "seen 3"]
