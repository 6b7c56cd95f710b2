"""Retrieval with access rights: other documents, another answer; the same documents, a hit."""

import os

from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig, RunnableLambda

from langchain_redis_memory import Client, ConversationMemory, TurnReport

HANDBOOK = [
    (Document("Project Aurora starts in May.", id="plan"), {"staff", "board"}),
    (Document("Project Aurora costs 2 million euros.", id="budget"), {"board"}),
]
RIGHTS = {"ana": "board", "ben": "staff", "cleo": "staff"}


def show(report: TurnReport) -> None:
    """One line a turn."""
    found = ", ".join(document.id or "" for document in report.documents)
    print(f"{user:4} ({RIGHTS[user]}): {report.value!s:24} cache {report.cache:5} documents {found}")


def search(query: str, config: RunnableConfig) -> list[Document]:
    """Your retriever goes here: it finds what this user may read."""
    right = RIGHTS[config["metadata"]["user_id"]]
    return [document for document, readers in HANDBOOK if right in readers]


client = Client.from_url(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example")
memory = ConversationMemory(client, ttl_s=600, answer_ttl_s=600, on_turn=show)
prompt = ChatPromptTemplate.from_messages([("system", "Answer from: {context}"), ("human", "{question}")])
model = FakeListChatModel(responses=["In May, for 2 million.", "In May.", "(another call)"])  # your model goes here

# "check" is the default: on a candidate hit the retriever runs for this user, and the answer is served only if it finds
# the very documents that the answer was made from.
assistant = memory.wrap(prompt | model | StrOutputParser(), RunnableLambda(search), scope="handbook", grounding="check")

for user in RIGHTS:
    config: RunnableConfig = {"configurable": {"session_id": user}, "metadata": {"user_id": user}}
    assistant.invoke("What is known about project Aurora?", config=config)
for user in RIGHTS:
    memory.history(user).clear()
