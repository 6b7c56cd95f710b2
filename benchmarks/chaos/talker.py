"""A process that says numbers in a conversation, for rows in which the process ends: see `processes.py`.

python -m benchmarks.chaos.talker URL FIRST [SPOOL]: prints each number whose turn was answered, from FIRST on, and how
long that took, until its input ends; then it ends as programs do.
"""

from __future__ import annotations

import sys
import threading
import time

from langchain_core.runnables import RunnableConfig, RunnableLambda

from benchmarks.chaos.going_on import repeat
from benchmarks.chaos.load import PAUSE_S
from langchain_redis_memory import Client, ConversationMemory, HistoryOptions, Outbox


def _as(session: str) -> RunnableConfig:
    return {"configurable": {"session_id": session}}


def main() -> None:
    url, first, *spool = sys.argv[1:]
    ConversationMemory("memory://").wrap(RunnableLambda(repeat), scope="warm").invoke("What is warmth?", _as("warm"))
    outbox = Outbox(spool=spool[0] if spool else None, replay_s=0.2, close_s=10)
    memory = ConversationMemory(Client.from_url(url, timeout_s=1), history=HistoryOptions(outbox=outbox), ttl_s=3600)
    chat, ended, number = memory.wrap(RunnableLambda(repeat), scope="chaos"), threading.Event(), int(first)

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    while not ended.is_set():
        began = time.monotonic()
        chat.invoke(f"What is the number {number}?", _as("one"))
        print(number, time.monotonic() - began, flush=True)
        number += 1
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
