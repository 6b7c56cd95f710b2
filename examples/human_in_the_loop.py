"""Stop before something that matters, and go on when a person has decided; the process may end in between."""

import asyncio
import os
from typing import TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from langchain_redis_memory import Client, RedisSaver


class State(TypedDict, total=False):
    amount: int
    decision: str
    paid: bool


def ask(state: State) -> State:
    return {"decision": interrupt(f"Pay {state['amount']} euros?")}


def pay(state: State) -> State:
    return {"paid": state["decision"] == "yes"}


builder = StateGraph(State).add_node(ask).add_node(pay)
builder.add_edge(START, "ask").add_edge("ask", "pay").add_edge("pay", END)
config: RunnableConfig = {"configurable": {"thread_id": "invoice-17", "ttl_s": 600}}


async def main() -> None:
    url = os.environ.get("REDIS_URL", "memory://example")
    async with Client.from_url(url, prefix="lrm-example") as client:
        graph = builder.compile(checkpointer=RedisSaver(client))
        stopped = await graph.ainvoke({"amount": 500}, config)
        print("asked:", stopped["__interrupt__"][0].value)

    async with Client.from_url(url, prefix="lrm-example") as client:
        saver = RedisSaver(client)
        graph = builder.compile(checkpointer=saver)
        print("waiting at:", (await graph.aget_state(config)).next)
        print("after 'yes':", await graph.ainvoke(Command(resume="yes"), config))
        await saver.adelete_thread("invoice-17")


asyncio.run(main())
