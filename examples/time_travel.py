"""Go back to an earlier state of a thread, change it, and follow another branch; the first branch stays."""

import operator
import os
from typing import Annotated, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph

from langchain_redis_memory import Client, RedisSaver


class State(TypedDict):
    path: Annotated[list[str], operator.add]


builder = StateGraph(State)
for before, here in [(START, "pack"), ("pack", "travel"), ("travel", "arrive")]:
    builder.add_node(here, lambda _state, here=here: {"path": [here]})
    builder.add_edge(before, here)
builder.add_edge("arrive", END)

with Client.from_url(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example") as client:
    saver = RedisSaver(client, ttl_s=600)
    graph = builder.compile(checkpointer=saver)
    config: RunnableConfig = {"configurable": {"thread_id": "journey"}}
    graph.invoke({"path": ["home"]}, config)

    before_travel = next(state for state in graph.get_state_history(config) if state.next == ("travel",))
    print("back at:", before_travel.values["path"])
    fork = graph.update_state(before_travel.config, {"path": ["forgot the tickets"]}, as_node="pack")
    print("new branch:", graph.invoke(None, fork)["path"])

    ended = [state.values["path"] for state in graph.get_state_history(config) if not state.next]
    print("both ends are kept:", len(ended) == 2)
    saver.delete_thread("journey")
