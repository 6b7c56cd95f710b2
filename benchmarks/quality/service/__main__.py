"""Measures how often a conversation's last question is served another conversation's answer, rightly and wrongly.

    python -m benchmarks.quality.service [--show]

`conversations.txt` holds threes: `A` is answered and cached, `B` has the same need in other words, `C` looks alike but
needs another answer. Turns are divided by ` | `; the last one is the question. Each three is asked of an empty cache.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder

from langchain_redis_memory import ConversationMemory, RedisSemanticCache
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.vectors.minilm import MiniLMEmbeddings

REPLY = "Thank you, I will gladly help you with that."


class Three(NamedTuple):
    """A conversation, one with the same need, and one that only looks like it."""

    asked: list[str]
    same: list[str]
    trap: list[str]


def threes() -> list[Three]:
    """The conversations."""
    text = (Path(__file__).parent / "conversations.txt").read_text("utf-8")
    return [Three(*(line[2:].split(" | ") for line in block.splitlines())) for block in text.strip().split("\n\n")]


def prompt(turns: list[str]) -> str:
    """A conversation as LangChain passes it to a cache."""
    said: list[BaseMessage] = [HumanMessage(turns[0])]
    for turn in turns[1:]:
        said += [AIMessage(REPLY), HumanMessage(turn)]
    return dumps(said)


def by_prompt(three: Three, client: Client, embeddings: MiniLMEmbeddings) -> tuple[bool, bool]:
    """Whether `RedisSemanticCache` serves the same need, and the look-alike."""
    cache = RedisSemanticCache(client, embeddings, name=uuid4().hex)
    cache.update(prompt(three.asked), "model", [ChatGeneration(message=AIMessage("It is so."))])
    if SHOW and (why := cache.explain(prompt(three.asked), "model").bypass):
        print(f"{why}: {three.asked}")
    return tuple(cache.lookup(prompt(turns), "model") is not None for turns in three[1:])  # type: ignore[return-value]


def by_memory(three: Three, client: Client, embeddings: MiniLMEmbeddings) -> tuple[bool, bool]:
    """The same for `ConversationMemory` around a prompt and a model."""

    def answers() -> Iterator[AIMessage]:
        while True:
            yield AIMessage(REPLY)

    memory = ConversationMemory(client, embeddings=embeddings, tenant=uuid4().hex)
    shape = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")])
    chain = memory.wrap(shape | GenericFakeChatModel(messages=answers()))

    def served(turns: list[str]) -> bool:
        session, answer = uuid4().hex, None
        for turn in turns:
            answer = chain.invoke({"question": turn}, {"configurable": {"session_id": session}})
        return isinstance(answer, AIMessage) and bool(answer.response_metadata.get("cache", {}).get("hit"))

    served(three.asked)
    return served(three.same), served(three.trap)


def main() -> None:
    """Prints the table."""
    every = threes()
    embeddings = MiniLMEmbeddings()
    with Client.from_url("memory://") as client:
        for name, serve in (("RedisSemanticCache", by_prompt), ("ConversationMemory", by_memory)):
            found = [serve(three, client, embeddings) for three in every]
            same, trap = (sum(one[place] for one in found) / len(found) for place in (0, 1))
            print(f"{name:20} same need served {same:.3f}, look-alike served {trap:.3f}, of {len(found)}")
            for three, (_, wrong) in zip(every, found, strict=True):
                if SHOW and wrong:
                    print(f"  wrong: {three.asked} -> {three.trap}")


SHOW = "--show" in sys.argv

if __name__ == "__main__":
    main()
