"""A cached answer is wrong: find it, see why it was served, remove it, and make the cache better from its log."""

import os

from langchain_core.language_models import FakeListChatModel

from langchain_redis_memory import Client, ConversationMemory, RedisCache

client = Client.from_url(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example")
memory = ConversationMemory(client, ttl_s=600, answer_ttl_s=600)
chat = memory.wrap(FakeListChatModel(responses=["By mail.", "In any shop."]), scope="faq-v1")
desk = memory.answers


def say(question: str, session: str) -> str:
    """One turn of a user's."""
    return str(chat.invoke(question, config={"configurable": {"session_id": session}}).text)


# A user complains about an answer that was made for somebody else.
print(say("How are purchases returned?", "ana"), say("How are purchases returned?", "ben"))
for line in desk.decisions(2):
    print("logged:", line)
print(desk.explain("How are purchases returned?", {"configurable": {"session_id": "dan"}}, chat))

# Whoever asks next asks the model; what is known of the answer is enough to find it.
print("removed:", desk.delete(question="how are purchases returned?"))
print(say("How are purchases returned?", "cleo"), "-", desk.stats())

# Of a model's cache the same: what was missed most is asked before anybody has to wait for it.
cache = RedisCache(client, ttl_s=600)
model = FakeListChatModel(responses=["Yes.", "No."], cache=cache)
for _ in range(2):
    model.invoke("Do you deliver?")
    cache.delete(question="Do you deliver?")
print("missed:", cache.top_misses(1)[0].question, "- warmed:", cache.warm_from_misses(model))
model.invoke("Do you deliver?")
print(cache.advise())
cache.clear()
desk.clear()
