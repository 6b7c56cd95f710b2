# %% [markdown]
# # A day of decisions
#
# Every turn leaves a line: what became of it, and why. Here some users ask a shop's assistant, and the log is read
# as an operator would read it.

# %%
from collections import Counter

from langchain_core.language_models import FakeListChatModel

from langchain_redis_memory import ConversationMemory

memory = ConversationMemory("memory://")
model = FakeListChatModel(responses=["By mail.", "In two days.", "Yes.", "In any shop."])  # your model goes here
chat = memory.wrap(model, scope="shop-v1")
ASKED = [
    ("ana", "How are purchases returned?"),
    ("ana", "How long does it take?"),
    ("ben", "How are purchases returned?"),
    ("ben", "What did I ask first?"),
    ("cleo", "How are purchases returned?"),
    ("cleo", "Cancel my order."),
    ("dan", "Do you deliver to Norway?"),
]
for user, question in ASKED:
    chat.invoke(question, {"configurable": {"session_id": user}, "metadata": {"user_id": user}})

# %% [markdown]
# What became of them, and why?

# %%
desk = memory.answers
for line in desk.decisions(20):
    print(f"{line.outcome:7} {line.type:23} {line.question:28} {line.why}")
print(Counter(line.outcome for line in desk.decisions(20)))

# %% [markdown]
# The whole in one line, and what it saved:

# %%
print(desk.stats())

# %% [markdown]
# An answer was wrong. Remove it; who asks next asks the model.

# %%
print("removed:", desk.delete(question="How are purchases returned?"))
answer = chat.invoke("How are purchases returned?", {"configurable": {"session_id": "eva"}})
print(answer.text, answer.response_metadata["cache"]["hit"])
