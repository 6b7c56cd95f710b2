"""Caches that take any text keep nothing that asks for an effect, for something else or for what changes by itself."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_redis_memory import (
    AdmissionPolicy,
    AudienceVerdict,
    CachedRetriever,
    PromptOptions,
    RedisCache,
    RedisSemanticCache,
    classify_audience,
)
from langchain_redis_memory.cache.entry_options import EntryOptions
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.chains import LetterEmbeddings

ANSWER = [Generation(text="an answer")]
UNREPEATABLE = {
    "What is the weather in Oslo today?": "volatile",
    "Cancel order 123": "effect",
    "Tell me another joke.": "vary",
}


@pytest.mark.parametrize(("prompt", "why"), UNREPEATABLE.items())
async def test_an_exact_cache_does_not_keep_it(client: Client, both: Both, prompt: str, why: str) -> None:
    cache = RedisCache(client)
    chat = dumps([HumanMessage("Hello."), AIMessage("Hello!"), HumanMessage(prompt)])
    await both(cache.update)(prompt, "model", ANSWER)
    await both(cache.update)(chat, "model", [ChatGeneration(message=AIMessage("an answer"))])
    assert await both(cache.lookup)(prompt, "model") is None
    assert await both(cache.lookup)(chat, "model") is None
    assert (await both(cache.stats)()).total(f"refused_{why}") == 2


@pytest.mark.parametrize("prompt", ["latest iphone?", "Wie ist das Wetter in Berlin?"])
async def test_what_only_a_conversation_doubts_is_kept(client: Client, both: Both, prompt: str) -> None:
    """docs/limitations.md says so: a cache of any text in any language goes by clear signs."""
    cache = RedisCache(client)
    await both(cache.update)(prompt, "model", ANSWER)
    assert await both(cache.lookup)(prompt, "model") == ANSWER
    assert classify_audience(prompt, opaque=False).volatile


async def test_it_can_be_told_to(client: Client, both: Both) -> None:
    cache = RedisCache(client, entries=EntryOptions(admission=AdmissionPolicy(unrepeatable=True)))
    await both(cache.update)("Cancel order 123", "model", ANSWER)
    assert await both(cache.lookup)("Cancel order 123", "model") == ANSWER


class Lift:
    """A classifier to which only the lift changes by itself."""

    def __call__(self, turn: str, /, *, opaque: bool) -> AudienceVerdict:
        if "broken" in turn:
            raise ValueError(turn)
        words = classify_audience("What is a lift?", opaque=opaque)
        return words._replace(p_volatile=0.9, evidence=("volatile: 'lift'",)) if "lift" in turn else words


CACHES: list[Any] = [
    lambda client: RedisCache(client, audience=Lift()),
    lambda client: RedisSemanticCache(client, LetterEmbeddings(), prompts=PromptOptions(audience=Lift())),
]


@pytest.mark.parametrize("make", CACHES)
async def test_another_classifier_says_what_is_not_kept(client: Client, both: Both, make: Any) -> None:
    cache = make(client)
    for prompt, kept in (("Where is the lift?", False), ("Cancel order 123", True), ("Is the pump broken?", False)):
        chat = dumps([HumanMessage(prompt)])
        await both(cache.lookup)(chat, "model")
        await both(cache.update)(chat, "model", [ChatGeneration(message=AIMessage("an answer"))])
        assert (await both(cache.lookup)(chat, "model") is not None) == kept, prompt


@pytest.mark.parametrize("make", [lambda: RedisCache("memory://", audience=1), lambda: PromptOptions(audience=1)])  # type: ignore[arg-type]
def test_what_is_no_classifier_is_refused(make: Any) -> None:
    with pytest.raises(ConfigError, match="audience"):
        make()


@pytest.mark.parametrize("make", [RedisCache, lambda client: RedisSemanticCache(client, LetterEmbeddings())])
async def test_what_a_provider_did_by_itself_is_not_kept(client: Client, both: Both, make: Any) -> None:
    cache, text = make(client), {"type": "text", "text": "an answer"}
    ran = AIMessage([{"type": "mcp_call", "name": "pay", "arguments": "{}", "id": "1"}, text])
    prompt = dumps([HumanMessage("What is the capital of Norway?")])
    for message, kept in ((ran, None), (AIMessage([text]), [ChatGeneration(message=AIMessage([text]))])):
        await both(cache.lookup)(prompt, "model")
        await both(cache.update)(prompt, "model", [ChatGeneration(message=message)])
        assert await both(cache.lookup)(prompt, "model") == kept
    assert (await both(cache.stats)()).total("refused_tool_call") == 1


async def test_what_follows_a_tool_is_kept(client: Client, both: Both) -> None:
    cache, call = RedisCache(client), {"name": "weather", "args": {}, "id": "1"}
    chat = dumps(
        [
            HumanMessage("What is the weather in Oslo today?"),
            AIMessage("", tool_calls=[call]),
            ToolMessage("sun", tool_call_id="1"),
        ]
    )
    await both(cache.update)(chat, "model", ANSWER)
    assert await both(cache.lookup)(chat, "model") == ANSWER


@pytest.mark.parametrize(
    ("query", "searches"), [("What is the weather in Oslo today?", 2), ("What is the capital of Norway?", 1)]
)
async def test_a_search_of_the_world_is_not_kept(client: Client, both: Both, query: str, searches: int) -> None:
    asked: list[str] = []

    def search(said: str) -> list[Document]:
        asked.append(said)
        return [Document("found")]

    retriever = CachedRetriever(client, search, name="web")
    for _ in range(2):
        await both(retriever.invoke)(query)
    assert len(asked) == searches


async def test_a_search_of_a_corpus_is_kept(client: Client, both: Both) -> None:
    embeddings = LetterEmbeddings()
    store: Any = InMemoryVectorStore.from_texts(["sun"], embeddings)
    retriever = CachedRetriever(client, store.as_retriever(), name="store")
    for _ in range(2):
        await both(retriever.invoke)("What is the weather in Oslo today?")
    assert len(embeddings.asked) == 1
