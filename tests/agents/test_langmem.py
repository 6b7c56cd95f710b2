"""LangMem's tools on `RedisStore`: they read and write what `memory_tools` does, and keep users apart."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_redis_memory import RedisStore, memory_tools
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.conversation.select.test_recall import Topics

langmem = pytest.importorskip("langmem")


async def test_langmem_saves_and_finds_what_our_tools_do(client: Client, both: Both) -> None:
    index: Any = {"dims": 4, "embed": Topics(), "fields": ["content"]}
    store = RedisStore(client, index=index, ttl={"default_ttl": 1})
    place = ("memories", "{user_id}")
    save = langmem.create_manage_memory_tool(place, store=store)
    find = langmem.create_search_memory_tool(place, store=store)
    config = {"configurable": {"user_id": "ana"}}
    await both(save.invoke)({"content": "Ana has a dog."}, config)
    assert "Ana has a dog." in await both(find.invoke)({"query": "Which pet?"}, config)
    ours = {tool.name: tool for tool in memory_tools(store)}
    assert "Ana has a dog." in await both(ours["search_memories"].invoke)({"query": "Which pet?"}, config)
    await both(ours["save_memory"].invoke)({"content": "Ana cooks risotto."}, config)
    assert "risotto" in await both(find.invoke)({"query": "Which meal?"}, config)
    other = {"configurable": {"user_id": "ben"}}
    assert "Ana" not in await both(find.invoke)({"query": "Which pet?"}, other)
