# %% [markdown]
# # Who may be served this answer?
#
# A cache must know which answers hold for everybody, which for the asker alone, and which for nobody twice. This
# notebook asks the classifier of audiences about questions of each sort, then watches a chain that can see who
# asks.
#
# Open it in VS Code or Jupyter (jupytext reads it as a notebook), or run it: `python
# examples/notebooks/who_may_be_served.py`.

# %%
from langchain_core.runnables import RunnableConfig, RunnableLambda

from langchain_redis_memory import ConversationMemory, classify_audience

QUESTIONS = [
    "What is photosynthesis?",
    "How are purchases returned?",
    "What is my balance?",
    "Cancel order 123.",
    "What is the weather today?",
    "Tell me another joke.",
]
for question in QUESTIONS:
    verdict = classify_audience(question, opaque=True)
    print(f"{question:30} {verdict.audience!s:10} effect: {verdict.effect!s:6} volatile: {verdict.volatile}")

# %% [markdown]
# Now a bank's assistant that looks up who asks. A cache that is keyed on the words would tell Ben what Ana has.

# %%
BALANCES = {"ana": "12,000", "ben": "7"}


def assistant(fields: dict[str, str], config: RunnableConfig) -> str:
    """Sees the question, and who asks."""
    user = config["metadata"]["user_id"]
    return f"You have {BALANCES[user]} euros." if "balance" in fields["question"] else "A payment that repeats."


memory = ConversationMemory("memory://")
chat = memory.wrap(RunnableLambda(assistant), scope="bank-v1")


def ask(user: str, question: str) -> None:
    """One turn, and what became of it."""
    answer = chat.invoke(question, {"configurable": {"session_id": user}, "metadata": {"user_id": user}})
    print(f"{user}: {question:32} {answer:24} {memory.answers.decisions(1)[0].outcome}")


for user in ("ana", "ben"):
    ask(user, "What is my balance?")
    ask(user, "What is a standing order?")

# %% [markdown]
# "What is a standing order?" was made for Ana and served to Ben; the balance is made anew for each. `share="user"`
# would keep everything apart, and `answers=AnswerOptions(lifetimes=Lifetimes(user_s=60))`
# would keep a balance for a minute, for its owner. The rules: docs/law-of-sharing.md.
