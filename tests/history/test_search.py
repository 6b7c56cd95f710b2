"""Searching a conversation by words."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.redis.client.client import Trip
from tests.conftest import Both

TALK = [
    SystemMessage("You are a cook.", id="0"),
    HumanMessage("Which pancake recipes do you know?", id="1"),
    AIMessage("A recipe with buttermilk, and one with oats.", id="2"),
    HumanMessage([{"type": "text", "text": "And bread?"}, {"type": "image_url", "image_url": {"url": "u"}}], id="3"),
    AIMessage("Sourdough.", id="4"),
]


async def test_messages_are_found_by_their_words_best_first(both: Both, history: Any, trips: list[Trip]) -> None:
    talk = history(ttl_s=60)
    await both(talk.add_messages)(TALK)
    trips.clear()
    found = await both(talk.search_messages)("recipes with buttermilk")
    assert [message.id for message in found] == ["2", "1"]
    assert found[0] == TALK[2]
    assert len(trips) == 1
    assert [one.id for one in await both(talk.search_messages)("breads")] == ["3"]
    assert [one.id for one in await both(talk.search_messages)("recipes with buttermilk", limit=1)] == ["2"]
    assert await both(talk.search_messages)("violin") == []
    assert await both(talk.search_messages)("") == []
    assert await both(history("other").search_messages)("recipes") == []


async def test_a_conversation_is_loaded_before_it_is_searched(both: Both, history: Any) -> None:
    talk = history(ttl_s=60, loader=lambda _session: TALK)
    assert [one.id for one in await both(talk.search_messages)("sourdough")] == ["4"]


@pytest.mark.parametrize(("query", "limit"), [("x", 0), ("x", True), ("x", "1"), (None, 1), (b"x", 1)])
async def test_a_search_needs_words_and_a_positive_limit(both: Both, history: Any, query: Any, limit: Any) -> None:
    with pytest.raises(InvalidInputError):
        await both(history().search_messages)(query, limit)
