"""Long-term memory of a LangGraph agent: what a user told once is found by meaning in any later conversation."""

import os
from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph.store.base import BaseStore

from langchain_redis_memory import Client, RedisStore
from langchain_redis_memory.vectors.minilm import MiniLMEmbeddings


class State(TypedDict):
    """One turn."""

    user: str
    text: str
    answer: str


def remember_or_recall(state: State, *, store: BaseStore) -> dict[str, str]:
    """Keeps what is told, and answers a question with what it knows that is nearest."""
    memories = ("memories", state["user"])
    if not state["text"].endswith("?"):
        store.put(memories, state["text"][:40], {"text": state["text"], "kind": "told"}, ttl=60 * 24 * 30)
        return {"answer": "noted"}
    found = store.search(memories, query=state["text"], filter={"kind": "told"}, limit=1)
    return {"answer": found[0].value["text"] if found else "I know nothing of you yet"}


client = Client.from_url(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example")
store = RedisStore(client, index={"dims": 384, "embed": MiniLMEmbeddings(), "fields": ["text"]}, tenant="acme")
graph = StateGraph(State).add_node(remember_or_recall).add_edge(START, "remember_or_recall").compile(store=store)


def say(user: str, text: str) -> None:
    """One turn, each a conversation of its own."""
    answer = graph.invoke({"user": user, "text": text, "answer": ""})["answer"]
    print(f"{user}: {text:36} -> {answer}")


say("ana", "My daughter is allergic to peanuts.")
say("ana", "I work as a nurse on night shifts.")
say("ana", "We are going to Lisbon in May.")
say("ana", "What must we not cook for my child?")
say("ana", "When do I have to sleep?")
say("ben", "When do I have to sleep?")

print("known of:", [namespace[1] for namespace in store.list_namespaces(prefix=("memories",))])
for item in store.search(("memories",), limit=100):
    store.delete(item.namespace, item.key)
