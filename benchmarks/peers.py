"""The hot paths of `benchmarks.counts` as peers do them, to compare instructions: those that are installed, sync."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import redis
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import Generation
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver

from benchmarks.speed.report import installed

Work = Callable[[int], object]


def peers(url: str) -> dict[str, dict[str, Work]]:
    """Path -> peer -> the same work; those that need no module of the server.

    Args:
        url: A server.

    Returns:
        Nothing for a peer that is not installed.
    """
    found: dict[str, dict[str, Work]] = {"an exact cache hit": {}, "a turn added to a history": {}}
    found["a checkpoint put"] = {"InMemorySaver": put(InMemorySaver())}
    if installed("langchain-community"):
        from langchain_community.cache import RedisCache
        from langchain_community.chat_message_histories import RedisChatMessageHistory

        cache = RedisCache(redis.Redis.from_url(url), ttl=600)
        cache.update("warm", "model", [Generation(text="By mail.")])
        history = RedisChatMessageHistory("h", url, ttl=600)
        found["an exact cache hit"]["langchain-community"] = lambda _: cache.lookup("warm", "model")
        found["a turn added to a history"]["langchain-community"] = lambda n: history.add_messages(turn(n))
    if installed("langgraph-checkpoint-plainredis"):
        from langgraph_checkpoint_plainredis import RedisSaver

        found["a checkpoint put"]["langgraph-checkpoint-plainredis"] = put(RedisSaver(url=url, prefix="plainredis"))
    return found


def turn(n: int) -> list[HumanMessage | AIMessage]:
    """A turn of two messages."""
    return [
        HumanMessage(f"question {n:04}", id=str(UUID(int=2 * n))),
        AIMessage(f"answer {n:04}", id=str(UUID(int=2 * n + 1))),
    ]


def put(saver: BaseCheckpointSaver[Any]) -> Work:
    """The next checkpoint of a thread put."""
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}

    def work(n: int) -> None:
        checkpoint = empty_checkpoint()
        checkpoint["id"] = f"1f0{n:05x}-0000-6000-8000-000000000000"
        checkpoint["channel_values"], checkpoint["channel_versions"] = {"n": n}, {"n": f"{n:032}.0"}
        saver.put(config, checkpoint, {"step": n}, {"n": f"{n:032}.0"})

    return work
