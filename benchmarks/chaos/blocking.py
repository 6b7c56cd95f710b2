"""How long one write keeps the server from everybody else: 1,000 messages with ids, added to a history of 100,000."""

from __future__ import annotations

from statistics import median

from langchain_core.messages import BaseMessage, HumanMessage

from langchain_redis_memory import Client, RedisChatMessageHistory
from langchain_redis_memory.history.transcript import SLICE_MESSAGES
from langchain_redis_memory.redis.nodes import node_info
from tests.support.servers import NEWEST, Farm

LONG, ADDED, TIMES = 100_000, 1_000, 9


def blocking(farm: Farm) -> str:
    """Measures the server's own CPU time, which what else runs on the machine does not lengthen by waiting.

    Args:
        farm: Starts the server.

    Returns:
        The milliseconds of one of the scripts in which a write is cut.
    """
    with Client.from_url(farm.start(NEWEST).url, timeout_s=60) as client:
        history = RedisChatMessageHistory("s", client, ttl_s=600)
        for start in range(0, LONG, 5_000):
            history.add_messages(_named("", start, 5_000))
        seen = []
        for time in range(TIMES):
            before = _cpu_s(client)
            history.add_messages(_named(f"new{time}-", 0, ADDED))
            seen.append((_cpu_s(client) - before) * 1000 / (ADDED / SLICE_MESSAGES))
    return f"{ADDED:,} messages on {LONG:,}: {median(seen):.1f} ms of the server a script (at most {max(seen):.1f})"


def _named(prefix: str, start: int, count: int) -> list[BaseMessage]:
    return [HumanMessage(f"message {n}", id=f"{prefix}{n}") for n in range(start, start + count)]


def _cpu_s(client: Client) -> float:
    told = client.run(node_info(client.keys().key("probe", "", ""), "cpu"))
    return float(told["used_cpu_user_main_thread"]) + float(told["used_cpu_sys_main_thread"])
