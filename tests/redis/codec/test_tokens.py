"""The count of tokens is LangChain's, for messages of every kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
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
from langchain_core.messages.utils import count_tokens_approximately

from langchain_redis_memory.redis.codec.tokens import count_tokens

CALL = {"name": "look", "args": {"at": "x" * 9}, "id": "1", "type": "tool_call"}
CASES: list[BaseMessage] = [
    HumanMessage("hello", name="ann"),
    HumanMessage([{"type": "text", "text": "hello"}, {"type": "image_url", "image_url": "x"}, "more"]),
    HumanMessage([]),
    AIMessage("", tool_calls=[CALL]),
    AIMessage("spoken", invalid_tool_calls=[{"name": "f", "args": "{", "id": "2", "error": "no"}]),
    AIMessage("spoken", name="bot", usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 900}),
    SystemMessage("be kind", additional_kwargs={"__openai_role__": "developer"}),
    ToolMessage("found", tool_call_id="call_1"),
    FunctionMessage(content="found", name="f"),
    ChatMessage(content="said", role="narrator"),
    type("Own", (HumanMessage,), {})("hello"),
]


@pytest.mark.parametrize("message", CASES, ids=lambda message: type(message).__name__)
def test_counts_every_kind_of_message_as_langchain_does(message: BaseMessage) -> None:
    assert count_tokens([message]) == count_tokens_approximately([message])


@given(st.lists(st.tuples(st.sampled_from([HumanMessage, HumanMessageChunk, AIMessage, AIMessageChunk]), st.text())))
def test_counts_plain_messages_as_langchain_does(said: list[tuple[type[BaseMessage], str]]) -> None:
    messages = [kind(content=text) for kind, text in said]
    assert count_tokens(messages) == count_tokens_approximately(messages)
