"""Caches of a retrieval chain: vectors, search results and answers, made stale at once when the documents change."""

import os

from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_redis_memory import Client, ConversationMemory, RagCache, TurnReport
from langchain_redis_memory.vectors.minilm import MiniLMEmbeddings


def show(report: TurnReport) -> None:
    """One line a turn."""
    print(f"{when:18} {report.value:19} cache {report.cache}")


client = Client.from_url(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example")
rag = RagCache(
    client,
    MiniLMEmbeddings(),
    corpus="handbook",
    embeddings_ttl_s=600,
    search_ttl_s=600,
    responses_ttl_s=600,
)
store = InMemoryVectorStore(rag.embeddings)
store.add_documents(
    [
        Document("How long can I return a purchase? Within 30 days.", id="returns"),
        Document("Our shop is in Oslo.", id="where"),
    ]
)
search = rag.retriever(store.as_retriever(search_kwargs={"k": 1}), name="handbook-top1")

read_out = RunnableLambda(lambda fields: fields["context"].rpartition("? ")[2])  # your chain goes here
memory = ConversationMemory(client, cache=rag.responses, ttl_s=600, on_turn=show)
assistant = memory.wrap(read_out, search, scope="handbook-v1")


def ask(user: str) -> None:
    """The same question of several users."""
    question = "How long can a purchase be returned?"
    assistant.invoke(question, config={"configurable": {"session_id": user}})
    memory.history(user).clear()


when = "the first"
ask("ana")
when = "another"
ask("ben")

store.add_documents([Document("How long can I return a purchase? Within 14 days.", id="returns")])
rag.bump_epoch()
when = "after the change"
ask("cleo")
when = "another"
ask("dan")

for tier, told in rag.stats().items():
    print(f"{tier:10} {told.hits} hits, {told.misses} misses")
rag.clear()
