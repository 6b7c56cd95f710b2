"""A chat agent that remembers across restarts: the second process continues the conversation of the first."""

import os
from typing import Annotated, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph, add_messages

from langchain_redis_memory import Client, RedisSaver


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def agent(state: State) -> State:
    """Stands in for a chat model: it finds the user's name in what was said."""
    names = [m.text.rpartition(" ")[2].strip(".!") for m in state["messages"] if "name is" in m.text]
    return {"messages": [AIMessage(f"Hello, {names[-1]}!" if names else "Hello! What is your name?")]}


def process(words: str) -> str:
    """A whole process: it opens its own client and builds its own graph, then it ends."""
    with Client.from_url(os.environ.get("REDIS_URL", "memory://example"), prefix="lrm-example") as client:
        builder = StateGraph(State).add_node(agent).add_edge(START, "agent")
        graph = builder.compile(checkpointer=RedisSaver(client, ttl_s=600))
        config: RunnableConfig = {"configurable": {"thread_id": "agent-memory"}}
        state = graph.invoke({"messages": [HumanMessage(words)]}, config)
        return f"{len(state['messages'])} messages; {state['messages'][-1].text}"


print(process("Hi, my name is Ana."))
print(process("Do you remember me?"))

with Client.from_url(os.environ.get("REDIS_URL", "memory://example"), prefix="lrm-example") as client:
    saver = RedisSaver(client)
    pruned = saver.prune(["agent-memory"], keep_last=2, dry_run=True)
    print(f"pruning to 2 checkpoints would remove {len(pruned.checkpoints)} and {pruned.bytes} bytes")
    saver.delete_thread("agent-memory")
    print("threads left:", len(list(saver.list(None))))
