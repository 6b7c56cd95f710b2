"""A cache of answers inside of create_agent: shared where nothing but the question decides the answer."""

import os

from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel

from langchain_redis_memory import AnswerCacheMiddleware, Client

client = Client.from_url(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example")
cache = AnswerCacheMiddleware(client, scope="support-v1", answer_ttl_s=600)
model = FakeListChatModel(responses=["By mail.", "I cannot do that.", "Par la poste."])
agent = create_agent(model, system_prompt="You answer for a shop.", middleware=[cache])


def ask(thread: str, *said: str) -> None:
    """One turn of a thread, and what the cache says of its answer."""
    messages = [{"role": "assistant" if at % 2 else "user", "content": text} for at, text in enumerate(said)]
    state = agent.invoke({"messages": messages}, {"configurable": {"thread_id": thread}})  # type: ignore[arg-type,unused-ignore]
    about = state["messages"][-1].response_metadata["cache"]
    print(f"{thread:5} {state['messages'][-1].text:20} hit: {about['hit']!s:6} {about['why']}")


ask("ana", "How are purchases returned?")
ask("ben", "How are purchases returned?")
ask("cleo", "Cancel my order.")
ask("dan", "From now on answer in French.", "D'accord.", "How are purchases returned?")
client.settle()
print(cache.answers.stats())
cache.answers.clear()
client.close()
