"""What the caches do with pairs of conversations: the first is answered and stored, the second is looked up.

Each pair has an empty cache of its own. `ConversationMemory` is wrapped around a prompt and a model, and its
conversations are stored as they were had; `RedisSemanticCache` gets the messages as LangChain passes them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from uuid import uuid4

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder

from benchmarks.quality.needs import NeedPair, conversation
from benchmarks.quality.service.__main__ import threes
from langchain_redis_memory import (
    ConversationMemory,
    NeedPolicy,
    RedisSemanticCache,
    SearchOptions,
    SemanticAnswerCache,
)
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.vectors.minilm import MiniLMEmbeddings

ANSWER = "It is so."


def service_pairs() -> Iterator[NeedPair]:
    """The conversations of `service`, as pairs of the kinds "same need" and "look-alike"."""
    for three in threes():
        asked = conversation(three.asked)
        yield NeedPair("service", "same need", asked, conversation(three.same), same=True)
        yield NeedPair("service", "look-alike", asked, conversation(three.trap), same=False)


def by_prompt(pair: NeedPair, client: Client, embeddings: MiniLMEmbeddings, policy: NeedPolicy) -> bool:
    """Whether `RedisSemanticCache` serves the answer."""
    cache = RedisSemanticCache(client, embeddings, name=uuid4().hex, search=SearchOptions(policy=policy))
    cache.update(dumps(list(pair.asked)), "model", [ChatGeneration(message=AIMessage(ANSWER))])
    return cache.lookup(dumps(list(pair.other)), "model") is not None


def by_memory(pair: NeedPair, client: Client, embeddings: MiniLMEmbeddings, policy: NeedPolicy) -> bool:
    """Whether `ConversationMemory` serves the answer."""

    def answers() -> Iterator[AIMessage]:
        while True:
            yield AIMessage(ANSWER)

    tenant = uuid4().hex
    memory = ConversationMemory(
        client, cache=SemanticAnswerCache(client, embeddings, search=SearchOptions(policy=policy)), tenant=tenant
    )
    shape = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")])
    chain = memory.wrap(shape | GenericFakeChatModel(messages=answers()))

    def asked(said: Sequence[BaseMessage]) -> bool:
        session = uuid4().hex
        memory.history(session).add_messages(list(said[:-1]))
        answer = chain.invoke({"question": str(said[-1].text)}, {"configurable": {"session_id": session}})
        return bool(answer.response_metadata.get("cache", {}).get("hit"))

    asked(pair.asked)
    return asked(pair.other)


CACHES = {"RedisSemanticCache": by_prompt, "ConversationMemory": by_memory}


def served(pairs: Iterable[NeedPair], policy: NeedPolicy) -> dict[str, dict[str, float]]:
    """The share of pairs whose second conversation is served the first one's answer, by cache and kind."""
    embeddings, found = MiniLMEmbeddings(), list(pairs)
    shares: dict[str, dict[str, float]] = {}
    with Client.from_url("memory://") as client:
        for name, serve in CACHES.items():
            hits: dict[str, list[bool]] = defaultdict(list)
            for pair in found:
                hits[pair.kind].append(serve(pair, client, embeddings, policy))
            shares[name] = {kind: sum(some) / len(some) for kind, some in hits.items()}
    return shares
