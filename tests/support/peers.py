"""Writes conversations, threads, items and answers by other packages themselves, where they are installed.

`python tests/support/peers.py NAME URL` does so by hand, also in an environment that has an older version of one;
`tests/support/dumped.py` records what is then on the server. Nothing of this package is imported here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

SESSION = "user:1,a"
"""An id that holds what separates the parts of a key, and what separates tags."""

CALL: Any = {"name": "weather", "args": {"city": "Oslo"}, "id": "c1", "type": "tool_call"}
SAID: list[BaseMessage] = [
    SystemMessage("Be brief.", id="m0"),
    HumanMessage("What is the weather in Oslo?", id="m1", name="ana"),
    AIMessage("", id="m2", tool_calls=[CALL]),
    ToolMessage("Rain.", id="m3", tool_call_id="c1"),
    AIMessage([{"type": "text", "text": "It rains."}], id="m4"),
    HumanMessage("Grüße ✓"),
]
"""What is said in a conversation; the last message has no id."""


def langchain_community(url: str) -> None:
    from langchain_community.chat_message_histories import RedisChatMessageHistory

    RedisChatMessageHistory(SESSION, url, ttl=3600).add_messages(SAID)
    RedisChatMessageHistory("forever", url).add_messages([HumanMessage("Hi")])


def langchain_redis(url: str) -> None:
    from langchain_redis import RedisChatMessageHistory

    # Version 0.2.6 breaks on RESP3, which redis-py 8.1 speaks by default.
    for session, said, ttl in ((SESSION, SAID, 3600), ("forever", [HumanMessage("Hi")], None)):
        history = RedisChatMessageHistory(session, redis_url=f"{url}?protocol=2", ttl=ttl)
        for message in said:
            history.add_message(message)


WRITERS: dict[str, Callable[[str], None]] = {
    "langchain-community": langchain_community,
    "langchain-redis": langchain_redis,
}

if __name__ == "__main__":
    WRITERS[sys.argv[1]](sys.argv[2])
