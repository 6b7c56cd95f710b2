"""A page is reloaded while an answer streams: it goes on after the last token that it had, in any process."""

import asyncio
import os

from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableConfig

from langchain_redis_memory import Client, ConversationMemory


async def main() -> None:
    client = Client.from_url(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example")
    memory = ConversationMemory(client, ttl_s=600, answer_ttl_s=600)
    chat = memory.wrap(FakeListChatModel(responses=["The answer, letter by letter."]))  # your model goes here
    config: RunnableConfig = {"configurable": {"session_id": "user-42"}}

    async def answer(run_id: str) -> None:
        """Runs in a task of its own, so that it outlives whoever reads it."""
        chunks = chat.astream("What is the answer?", config)
        async for _ in memory.streams.apublish("user-42", run_id, chunks):
            pass

    run = asyncio.create_task(answer("run-1"))
    read, last_id = "", ""
    async for event in memory.streams.aresume("user-42"):
        read, last_id = read + (event.data or ""), event.id
        break  # the page is closed here; its browser will send `Last-Event-ID: {last_id}`
    print(f"before the reload: {read!r}")
    async for event in memory.streams.aresume("user-42", last_id):
        read += event.data or ""
    print(f"after it, {event.kind}: {read!r}")
    await run
    await memory.sessions().aerase("user-42")
    await client.aclose()


asyncio.run(main())
