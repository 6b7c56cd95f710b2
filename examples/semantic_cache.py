"""A semantic cache behind any LangChain model: what means the same is served, what only looks alike is not."""

import os

from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage

from langchain_redis_memory import Client, RedisSemanticCache
from langchain_redis_memory.vectors.minilm import MiniLMEmbeddings

client = Client.from_url(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example")
cache = RedisSemanticCache(client, MiniLMEmbeddings(), max_error=0.05, ttl_s=600)
set_llm_cache(cache)
model = FakeListChatModel(responses=[f"answer {number}" for number in range(1, 9)])

print(model.invoke("How tall is the Eiffel Tower?").text, "- asked for the first time")
print(model.invoke("how tall is the Eiffel tower").text, "- the same question")
print(model.invoke("How old is the Eiffel Tower?").text, "- near, but another question")


def after(topic: str) -> list[HumanMessage | AIMessage]:
    """A conversation whose last turn means nothing by itself."""
    return [HumanMessage(f"What is {topic}?"), AIMessage(f"{topic} is a disease."), HumanMessage("Is it treatable?")]


print(model.invoke(after("throat cancer")).text, "- in one conversation")
print(model.invoke(after("throat cancer")).text, "- after the very same exchange")
print(model.invoke(after("measles")).text, "- the same words in another conversation")

# Why? Every candidate, how near it is, and what spoke against it.
explanation = cache.explain("How old is the Eiffel tower?", model)
print(explanation)
print(cache.stats())
cache.clear()
set_llm_cache(None)
