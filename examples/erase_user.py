"""A user asks what is kept of them, and then for it to be erased: an export, a dry run and a receipt."""

import json
import os

from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableConfig

from langchain_redis_memory import Client, ConversationMemory, RedisUsers

client = Client.from_url(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example")
memory = ConversationMemory(client, ttl_s=600, answer_ttl_s=600)
chat = memory.wrap(FakeListChatModel(responses=["Noted.", "Oslo."]))  # your model goes here

for user, said in (("ana", "I am allergic to peanuts."), ("ben", "What is the capital of Norway?")):
    config: RunnableConfig = {"configurable": {"session_id": f"chat-of-{user}"}, "metadata": {"user_id": user}}
    chat.invoke(said, config)
memory.profile("ana").set("language", "Norwegian", ttl_s=600)

users = RedisUsers(client, answers=[memory.answers])
for line in users.export("ana"):
    print(json.dumps(line)[:100])
print(users.erase("ana", dry_run=True))
receipt = users.erase("ana")
print("complete:", receipt.complete, "- left of ana:", list(users.export("ana")), "- of ben:", len(users.data("ben")))

users.erase("ben")
memory.answers.clear()
client.close()
