"""A retrieval chain with a memory around it: two users, and a cached answer that is served only where it is right."""

import os

from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from langchain_redis_memory import Client, ConversationMemory, TurnReport


def show(report: TurnReport) -> None:
    """One line a turn: what was decided, and why."""
    print(f"{report.question:32} {report.verdict.type!s:23} cache {report.cache:6} {report.verdict.reasons[0]}")


def search(query: str) -> list[Document]:
    """Your retriever goes here."""
    return [Document(f"(what the library has about: {query})")]


client = Client.from_url(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example")
memory = ConversationMemory(client, ttl_s=600, answer_ttl_s=600, on_turn=show)
prompt = ChatPromptTemplate.from_messages(
    [("system", "Answer from: {context}"), ("placeholder", "{history}"), ("human", "{question}")]
)
model = FakeListChatModel(responses=[f"answer {number}" for number in range(1, 10)])  # your model goes here
assistant = memory.wrap(prompt | model | StrOutputParser(), retriever=search, scope="example-library-v1")


def ask(user: str, question: str) -> str:
    """One turn of one user."""
    return str(assistant.invoke(question, config={"configurable": {"session_id": user}}))


print(ask("ana", "What is throat cancer?"))
print(ask("ana", "Is it treatable?"))
print(ask("ben", "What is the capital of Norway?"))
print(ask("ben", "Is it treatable?"))  # the same words, another meaning: never ana's answer
print(ask("ben", "What is throat cancer?"))  # the same question: ana's answer, without asking the model
print(ask("ana", "What did I ask first?"))
for user in ("ana", "ben"):
    memory.history(user).clear()
