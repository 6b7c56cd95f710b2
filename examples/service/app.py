"""A chat service with FastAPI: streamed answers, earlier messages, health. `compose.yaml` runs it beside a Redis."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Header, HTTPException
from fastapi.responses import StreamingResponse
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableConfig
from pydantic import BaseModel

from langchain_redis_memory import Client, ConversationMemory

client = Client.from_url(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example")
memory = ConversationMemory(client, ttl_s=7 * 86_400)
model = FakeListChatModel(responses=["This is where your model answers."])  # init_chat_model("openai:gpt-5"), say
chat = memory.wrap(model, scope="service-v1")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """At the end, what still waits for Redis is stored."""
    yield
    await client.aclose()


app = FastAPI(title="Chat service", lifespan=lifespan)


class Question(BaseModel):
    session: str
    text: str


@app.post("/chat")
async def ask(question: Question, user: str = Header()) -> StreamingResponse:
    """Streams an answer as plain text. Check here who `user` is: a header is no proof."""
    config: RunnableConfig = {"configurable": {"session_id": question.session}, "metadata": {"user_id": user}}

    async def parts() -> AsyncIterator[str]:
        async for chunk in chat.astream(question.text, config):
            yield chunk.text

    return StreamingResponse(parts(), media_type="text/plain")


@app.get("/chat/{session}")
async def messages(session: str, last: int = 20) -> list[dict[str, str]]:
    """The newest messages of a conversation."""
    return [{"type": message.type, "text": message.text} for message in await memory.history(session).arecent(last)]


@app.get("/health")
async def health() -> dict[str, Any]:
    """503 while Redis does not answer; turns go on meanwhile, and are stored when it is back."""
    found = await client.ahealth()
    if not found.reachable:
        raise HTTPException(503, found.error)
    return {"round_trip_s": found.round_trip_s, "unstored": found.unstored, "warnings": found.warnings}
