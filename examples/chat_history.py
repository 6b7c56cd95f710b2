"""A chat history that keeps everything a message carries, and trims without breaking tool calls."""

import os

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_redis_memory import RedisChatMessageHistory

history = RedisChatMessageHistory(
    "example-user-42", os.environ.get("REDIS_URL", "memory://"), ttl_s=600, max_messages=4
)
history.clear()

# One round trip, all or nothing, whatever the number of messages.
call = {"name": "weather", "args": {"city": "Oslo"}, "id": "call-1"}
history.add_messages(
    [
        SystemMessage("You are brief."),
        HumanMessage("What is the weather in Oslo?", id="question-1"),
        AIMessage("", tool_calls=[call]),
        ToolMessage("-3 °C, snow", tool_call_id="call-1"),
        AIMessage("Three below, and snowing.", id="answer-1"),
    ]
)
# Five messages do not fit four: the oldest question went, the system message stayed.
print([message.type for message in history.messages])

# A retried write changes nothing, because the message's id is already stored.
history.add_messages([AIMessage("Three below, and snowing.", id="answer-1")])
print(len(history), "messages")

history.edit("answer-1", AIMessage("-3 °C and snowing."))
print(history.recent(1)[0].text)

# Plain text is enough for a simple system.
history.add_turn("And tomorrow?", "Sunny.")
print(history.turns(1))
print(f"{history.ttl():.0f} s to live; pinned: {history.persist()}, {history.ttl()}")
history.clear()
