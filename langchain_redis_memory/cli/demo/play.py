"""Plays the demo: two users talk to the clinic's assistant, in turns, through a memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from typing import NamedTuple
from uuid import uuid4

from langchain_core.embeddings import Embeddings
from langchain_core.runnables import RunnableLambda

from langchain_redis_memory.cli.demo.clinic import Clinic, find
from langchain_redis_memory.conversation.memory import ConversationMemory
from langchain_redis_memory.conversation.turn import TurnReport
from langchain_redis_memory.redis.client.client import Client


class PlayedTurn(NamedTuple):
    """One turn of the demo."""

    user: str
    expects: str
    report: TurnReport


def play(client: Client, embeddings: Embeddings | None, ttl_s: float = 600) -> Iterator[PlayedTurn]:
    """Plays the demo in conversations of its own, turn by turn; without embeddings only the same words hit."""
    reports: list[TurnReport] = []
    run = uuid4()
    memory = ConversationMemory(client, embeddings=embeddings, ttl_s=ttl_s, on_turn=reports.append)
    chat = memory.wrap(RunnableLambda(Clinic().answer), RunnableLambda(find), scope=f"demo:{run}")
    for line in (resources.files(__package__ or "") / "conversations.jsonl").read_text("utf-8").splitlines():
        turn = json.loads(line)
        user = turn["user"]
        configurable, metadata = {"session_id": f"demo-{run}-{user}"}, {"user_id": user}
        chat.invoke(turn["says"], config={"configurable": configurable, "metadata": metadata})
        yield PlayedTurn(user, turn["expects"], reports[-1])
