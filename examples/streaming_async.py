"""Async and streaming: tokens pass through as they come, and the turn is stored after the last one."""

import asyncio
import os

from langchain_core.language_models import FakeListChatModel

from langchain_redis_memory import Client, ConversationMemory


async def main() -> None:
    """One client, one event loop, several users at once."""
    async with Client.from_url(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example") as client:
        memory = ConversationMemory(client, ttl_s=600, answer_ttl_s=600)
        assistant = memory.wrap(FakeListChatModel(responses=["Redis keeps data in memory."]), scope="example-stream")

        async for chunk in assistant.astream("What is Redis?", config={"configurable": {"session_id": "ana"}}):
            print(chunk.text, end="", flush=True)
        print()

        users = [f"user-{number}" for number in range(5)]
        answers = await asyncio.gather(
            *(assistant.ainvoke("What is Redis?", config={"configurable": {"session_id": user}}) for user in users)
        )
        served = [answer.response_metadata["cache"]["hit"] for answer in answers]
        print(len(answers), "users answered, from the cache:", all(served))
        for user in ["ana", *users]:
            await memory.history(user).aclear()


asyncio.run(main())
