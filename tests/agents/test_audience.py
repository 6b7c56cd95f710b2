"""A second opinion on who may be served an answer holds at every door that takes one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import tool

from langchain_redis_memory import (
    AnswerCacheMiddleware,
    ConversationMemory,
    PromptOptions,
    QuestionOptions,
    RagCache,
    ReadingAudience,
    RedisSemanticCache,
    SemanticAnswerCache,
)
from langchain_redis_memory.cache.semantic.tenants import SearchOptions
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.agents import ScriptedModel
from tests.support.meanings import MODEL, Cut, WordEmbeddings, answers, prompt

DOUBTFUL = ("Who made the first brass valve?", "Who translated Homer?")
OWN = "Which valves did we order?"

Door = Callable[[str, str], Awaitable[Any]]


class Fixed:
    """A reader that finds everything everybody's, or nothing."""

    def __init__(self, share: float) -> None:
        self.share = share

    def audience(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        return [{"unsafe": self.share} for _ in texts]


class Chain:
    """A chain that can see who asks, and notes what it was asked."""

    def __init__(self, done: list[str]) -> None:
        self.done = done

    def answer(self, given: dict[str, Any], config: RunnableConfig) -> str:
        self.done.append(given["question"])
        return "an answer"


@tool
def look_up(query: str) -> str:
    """Look something up."""
    return query


def door(kind: str, client: Client, both: Both, options: QuestionOptions, done: list[str]) -> Door:
    """A way to ask as a user in a session of his own; `done` notes what was not served from a cache."""
    if kind == "prompts":
        prompts = PromptOptions(audience=options.audience)
        llm_cache = RedisSemanticCache(client, WordEmbeddings(), prompts=prompts, search=SearchOptions(policy=Cut()))

        async def ask_model(user: str, question: str) -> None:  # of whom the prompt tells, as it holds what he said
            asked = prompt(HumanMessage(f"I am {user} and I am allergic to nuts."), "Noted.", question)
            if await both(llm_cache.lookup)(asked, MODEL) is None:
                done.append(question)
                await both(llm_cache.update)(asked, MODEL, answers("an answer"))

        return ask_model
    if kind == "agent":
        model = ScriptedModel()
        graph: Any = create_agent(model, tools=[look_up], middleware=[AnswerCacheMiddleware(client, questions=options)])

        async def ask_agent(user: str, question: str) -> None:
            before = model.calls
            config = {"configurable": {"thread_id": f"of {user}", "user_id": user}}
            await both(graph.invoke)({"messages": [HumanMessage(question)]}, config)
            done.extend([question] * (model.calls - before))

        return ask_agent
    rag = RagCache(client, corpus="docs")
    caches: dict[str, Any] = {"by meaning": SemanticAnswerCache(client, WordEmbeddings()), "documents": rag.responses}
    memory = ConversationMemory(client, cache=caches.get(kind, True), questions=options)
    found: Any = RunnableLambda(lambda query: [Document("a page", id="1")])
    retriever = rag.retriever(found, name="pages") if kind == "documents" else None
    chat = memory.wrap(RunnableLambda(Chain(done).answer), retriever, scope="s")

    async def ask(user: str, question: str) -> None:
        await both(chat.invoke)(question, {"configurable": {"session_id": f"of {user}"}, "metadata": {"user_id": user}})

    return ask


@pytest.mark.parametrize("kind", ["exact", "by meaning", "documents", "agent", "prompts"])
async def test_what_was_read_decides_at_every_door(kind: str, client: Client, both: Both) -> None:
    for doubtful, reader, times in zip(DOUBTFUL, (Fixed(0.001), Fixed(0.99)), (1, 2), strict=True):
        done: list[str] = []
        ask = door(kind, client, both, QuestionOptions(audience=ReadingAudience(reader)), done)
        for question in (doubtful, OWN):
            for user in ("ana", "ben"):
                await ask(f"{user}, {times}", question)
        assert done == [doubtful] * times + [OWN] * 2
