"""`memory_tools`: an agent saves, finds, changes and forgets what it knows of its user, and recalls what was said."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.store.base import BaseStore, GetOp, Op, PutOp, SearchOp
from pydantic import BaseModel, Field

from langchain_redis_memory.agents.tool_parts import ToolFlow, tool_of, user_of
from langchain_redis_memory.checks import check_several, check_type
from langchain_redis_memory.conversation.memory import ConversationMemory
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.bm25 import search
from langchain_redis_memory.ops import Invoke
from langchain_redis_memory.run_config import namespace_of

_MOST = 1_000
"""Memories that are looked through where the store has no index for meanings."""


class SaveMemory(BaseModel):
    """Arguments of `save_memory`."""

    content: str = Field(min_length=1, max_length=4_000, description="One fact, as a sentence that stands alone.")


class SearchMemories(BaseModel):
    """Arguments of `search_memories` and `recall_conversation`."""

    query: str = Field(min_length=1, max_length=1_000, description="What to look for.")
    limit: int = Field(5, ge=1, le=20, description="At most how many to return.")


class UpdateMemory(SaveMemory):
    """Arguments of `update_memory`."""

    memory_id: str = Field(min_length=1, max_length=256, description="The id that search_memories gave.")


class ForgetMemory(BaseModel):
    """Arguments of `forget_memory`."""

    memory_id: str = Field(min_length=1, max_length=256, description="The id that search_memories gave.")


def memory_tools(
    store: BaseStore,
    *,
    namespace: Sequence[str] = ("memories", "{user_id}"),
    memory: ConversationMemory | None = None,
) -> list[BaseTool]:
    """Makes tools by which an agent keeps memories of its user.

    Whose memories they are is told by the run (LangGraph's authenticated user, or `configurable.user_id`), never by
    the model's arguments, so no prompt reaches another user's. Equal memories are saved once. LangMem's tools read
    and write the same items.

    Args:
        store: A LangGraph store: `RedisStore`, or any other. With an index memories are found by meaning, else by
            words.
        namespace: Where in the store they are; `{user_id}` stands for the user.
        memory: Adds `recall_conversation`, which searches all conversations of the user.

    Returns:
        `save_memory`, `search_memories`, `update_memory`, `forget_memory`, and with a memory `recall_conversation`.
        Where the server is away they tell the model so.

    Raises:
        ConfigError: The store or the memory is none.

    Example:
        ```python
        agent = create_agent(model, tools=[*memory_tools(RedisStore(url), memory=memory)])
        asked = {"messages": [("user", "What do I like?")]}
        agent.invoke(asked, {"configurable": {"user_id": "ana", "thread_id": "t1"}})
        ```

    **Keys:** those of the store; with `recall_conversation` `user_data` and those of the user's conversations.
    **Trips:** 1 each with `RedisStore`; 2 to update, to recall, and to search by meaning.
    """
    check_type(store, BaseStore, "store", "a LangGraph store, such as RedisStore(url)", ConfigError)
    parts = _MemoryTools(store, tuple(check_several(namespace, "namespace")))
    tools = [
        tool_of("save_memory", _SAVE, SaveMemory, parts.save_flow),
        tool_of("search_memories", _SEARCH, SearchMemories, parts.search_flow, only_reads=True),
        tool_of("update_memory", _UPDATE, UpdateMemory, parts.update_flow),
        tool_of("forget_memory", _FORGET, ForgetMemory, parts.forget_flow),
    ]
    if memory is None:
        return tools
    check_type(memory, ConversationMemory, "memory", "a ConversationMemory", ConfigError)
    return [*tools, tool_of("recall_conversation", _RECALL, SearchMemories, _recall(memory), only_reads=True)]


_SAVE = "Save a lasting fact about the user (a preference, a name, a plan), to be remembered in later conversations."
_SEARCH = "Search what is saved about the user. Look here before you ask for something that may be known already."
_UPDATE = "Replace a saved memory by a corrected one."
_FORGET = "Forget a saved memory, as it is wrong or the user wants it to be forgotten."
_RECALL = "Search all earlier conversations with the user for what was said, with the time of each."


class _MemoryTools:
    """The flows of the tools on a store."""

    def __init__(self, store: BaseStore, namespace: tuple[str, ...]) -> None:
        self._store, self._template = store, namespace

    def _ask(self, *ops: Op) -> Invoke:
        return Invoke(lambda: self._store.batch(ops), lambda: self._store.abatch(ops))

    def _put(self, namespace: tuple[str, ...], memory_id: str, value: dict[str, Any]) -> Invoke:
        store = self._store  # by its door, which gives an item the store's lifetime
        return Invoke(lambda: store.put(namespace, memory_id, value), lambda: store.aput(namespace, memory_id, value))

    def _namespace(self, config: RunnableConfig) -> tuple[str, ...]:
        named = any("{user_id}" in label for label in self._template)
        return namespace_of(self._template, user_of(config) if named else "")

    def save_flow(self, config: RunnableConfig, content: str) -> ToolFlow:
        memory_id = blake2b(" ".join(content.split()).encode("utf-8", "replace"), digest_size=8).hexdigest()
        yield self._put(self._namespace(config), memory_id, {"content": content})
        return f"Saved as memory {memory_id}."

    def search_flow(self, config: RunnableConfig, query: str, limit: int) -> ToolFlow:
        namespace = self._namespace(config)
        if getattr(self._store, "index_config", None):
            (memories,) = yield self._ask(SearchOp(namespace, limit=limit, query=query))
        else:
            (items,) = yield self._ask(SearchOp(namespace, limit=_MOST))
            memories = [items[hit.place] for hit in search(query, [_content(item.value) for item in items])[:limit]]
        lines = [f"[{item.key}] {_content(item.value)} (saved {item.updated_at:%Y-%m-%d})" for item in memories]
        return "\n".join(lines) or "Nothing is known about that."

    def update_flow(self, config: RunnableConfig, memory_id: str, content: str) -> ToolFlow:
        namespace = self._namespace(config)
        (known,) = yield self._ask(GetOp(namespace, memory_id))
        if known is None:
            return _unknown(memory_id)
        yield self._put(namespace, memory_id, {**known.value, "content": content})
        return f"Updated memory {memory_id}."

    def forget_flow(self, config: RunnableConfig, memory_id: str) -> ToolFlow:
        namespace = self._namespace(config)
        known, _ = yield self._ask(GetOp(namespace, memory_id), PutOp(namespace, memory_id, None))
        return _unknown(memory_id) if known is None else f"Forgot memory {memory_id}."


def _content(value: dict[str, Any]) -> str:
    return str(value.get("content", value))


def _unknown(memory_id: str) -> str:
    return f"There is no memory {memory_id!r}; search_memories gives their ids."


def _recall(memory: ConversationMemory) -> Any:
    def recall_flow(config: RunnableConfig, query: str, limit: int) -> ToolFlow:
        user, tenant = user_of(config), str((config.get("configurable") or {}).get("tenant") or "")
        turns = yield Invoke(
            lambda: memory.recall(user, query, limit=limit, tenant=tenant),
            lambda: memory.arecall(user, query, limit=limit, tenant=tenant),
        )
        return "\n\n".join(turn.cited() for turn in turns) or "Nothing was said about that."

    return recall_flow
