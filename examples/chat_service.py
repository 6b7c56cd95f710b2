"""A chat service: answers that a page reload continues, memory across conversations, limits, budgets, a cache."""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Body, Depends, FastAPI, Header, HTTPException
from fastapi.sse import EventSourceResponse, ServerSentEvent
from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

import langchain_redis_memory as lrm

client = lrm.Client.from_url(os.environ.get("REDIS_URL", "memory://chat"), prefix="lrm-example")
memory = lrm.ConversationMemory(client, selector=lrm.MemorySelector(max_tokens=4_000, scope="user"), learn=True)
requests = lrm.RedisRateLimiter(client, [lrm.Limit(30, "1m")], scope="requests")  # of a user, in all processes
calls = lrm.RedisRateLimiter(client, [lrm.Limit(4, unit="concurrent")], key="user", reserve=0)
budget = lrm.TokenBudgetMiddleware(client, per_user=200_000, window_s=86_400)
cache = lrm.AnswerCacheMiddleware(client, scope="chat-v1")
middleware = [lrm.MemoryMiddleware(memory), budget, lrm.RateLimitMiddleware(calls), cache]
saver, store = lrm.RedisSaver(client, owner="user_id"), lrm.RedisStore(client, ttl={"default_ttl": 525_600})
tools = lrm.memory_tools(store, memory=memory)


def make_agent(model: Any) -> Any:
    """The agent of all users: each run's config says whose memory, budget and threads count."""
    return create_agent(model, tools=tools, middleware=middleware, checkpointer=saver)


app, running = FastAPI(), set[Any]()  # `uvicorn chat_service:app`


def user_of(x_user: Annotated[str, Header()]) -> str:
    """Who asks: your authentication goes here."""
    return x_user


User = Annotated[str, Depends(user_of)]
Text = Annotated[str, Body(embed=True, max_length=8_000)]


def thread_of(user: str, conversation: str) -> str:
    """A user's own name for a conversation: no guessed id leads to another user's."""
    return f"{user}/{conversation}"


@app.post("/conversations/{conversation}/messages", status_code=202)
async def say(
    conversation: str, text: Annotated[str, Body(embed=True, max_length=8_000)], user: User
) -> dict[str, str]:
    """Starts an answer, which goes on whether anybody reads it or not."""
    decision = await requests.acheck(user)
    if not decision.allowed:
        raise HTTPException(429, "too many requests", decision.headers())
    run = str(uuid4())
    task = asyncio.create_task(answer(user, thread_of(user, conversation), run, text))
    running.add(task)
    task.add_done_callback(running.discard)
    return {"run": run}


async def answer(user: str, thread: str, run: str, text: str) -> None:
    """Answers, and keeps the tokens for whoever reads them now or later; what fails is the stream's last event."""
    with contextlib.suppress(lrm.RedisMemoryError):
        async for _ in memory.streams.apublish(thread, run, tokens(user, thread, text)):
            pass


async def tokens(user: str, thread: str, text: str) -> AsyncIterator[str]:
    """The words of the model as they come."""
    said, config = {"messages": [("user", text)]}, {"configurable": {"thread_id": thread, "user_id": user}}
    async for chunk, about in app.state.agent.astream(said, config, stream_mode="messages", durability="exit"):
        if about["langgraph_node"] == "model" and chunk.text:
            yield str(chunk.text)


@app.get("/conversations/{conversation}/runs/{run}", response_class=EventSourceResponse)
async def read(
    conversation: str, run: str, user: User, last_event_id: Annotated[str, Header()] = ""
) -> AsyncIterator[ServerSentEvent]:
    """Streams an answer. A browser that was cut off sends `Last-Event-ID`, and misses nothing."""
    async for event in memory.streams.aresume(thread_of(user, conversation), last_event_id, run_id=run):
        yield ServerSentEvent(id=event.id, event=event.kind, data=event.data)


@app.delete("/conversations/{conversation}/runs/{run}")
async def stop(conversation: str, run: str, user: User) -> dict[str, bool]:
    """Stops an answer, in whatever process it is made."""
    return {"stopped": await memory.streams.astop(thread_of(user, conversation), run)}


@app.get("/conversations")
async def conversations(user: User, cursor: str | None = None) -> dict[str, Any]:
    """The sidebar."""
    page = await saver.athreads(user, cursor=cursor)
    titles = [{"id": found.thread_id.removeprefix(f"{user}/"), "title": found.title} for found in page.threads]
    return {"conversations": titles, "cursor": page.cursor}


@app.get("/conversations/{conversation}/messages")
async def messages(conversation: str, user: User) -> list[dict[str, str]]:
    """What was said."""
    said = await saver.amessages(thread_of(user, conversation), user)
    return [{"type": message.type, "text": str(message.text)} for message in said if message.text]


@app.delete("/me")
async def erase(user: User) -> dict[str, bool]:
    """Erases everything that is kept of the user."""
    receipt = await lrm.RedisUsers(client, store=store, answers=[cache.answers]).aerase(user)
    return {"complete": receipt.complete}


class StandIn(GenericFakeChatModel):
    """Stands in for your chat model. It knows what it is shown: the names of cats."""

    messages: Iterator[AIMessage] = iter(())

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        names = re.findall(r"cat is called (\w+)", "\n".join(str(message.text) for message in messages))
        text = f"Your cat is called {', '.join(dict.fromkeys(names))}." if names else "Hello!"
        usage: Any = {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25}
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text, usage_metadata=usage))])


app.state.agent = make_agent(StandIn())


async def main() -> None:
    from httpx import ASGITransport, AsyncClient

    async with AsyncClient(transport=ASGITransport(app), base_url="http://chat", headers={"X-User": "ana"}) as ana:
        for conversation, text in (("monday", "My cat is called Minka."), ("friday", "What is my cat called?")):
            run = (await ana.post(f"/conversations/{conversation}/messages", json={"text": text})).json()["run"]
            print(conversation, (await ana.get(f"/conversations/{conversation}/runs/{run}")).text.split())
        print((await ana.get("/conversations")).json(), (await ana.delete("/me")).json())
    await client.aclose()


if __name__ == "__main__":
    asyncio.run(main())
