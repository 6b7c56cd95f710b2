"""Recall across conversations: what a user said and was told in other conversations, each turn with its place and time.

They are found through the user's index, histories and LangGraph threads alike, the newest ones, and searched by words
(BM25) and, with an embedding model, by meaning. One that is gone, damaged or not readable hides no other.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.messages import BaseMessage, HumanMessage

from langchain_redis_memory.conversation.select.recall import LONGEST, SCAFFOLD
from langchain_redis_memory.errors import RedisMemoryError
from langchain_redis_memory.history import session_index
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.history.turns import exchanges
from langchain_redis_memory.language.bm25 import search
from langchain_redis_memory.language.turn_state import PastTurn
from langchain_redis_memory.ops import Flow, Op, ask, merge
from langchain_redis_memory.redis import user_index
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.user_index import UserData

if TYPE_CHECKING:
    from langchain_redis_memory.conversation.select.semantic_recall import SemanticRecall

_log = logging.getLogger(__name__)
T = TypeVar("T")

MOST_CONVERSATIONS = 30
_MOST_MESSAGES = 200
"""Of each conversation: its newest."""
_FUSION = 60
"""The constant of reciprocal rank fusion (Cormack et al., 2009)."""


def noted(space: KeySpace, user: str) -> Op[list[UserData]]:
    """Reads the names of a user's newest conversations; an op of no trip where there is no user."""
    if not user:
        return Op((), lambda _replies: [])
    return user_index.newest(space, user, 0, MOST_CONVERSATIONS + 1)


def read_flow(space: KeySpace, conversations: Sequence[UserData], own: str = "") -> Flow[tuple[PastTurn, ...]]:
    """Reads the turns of conversations, but for the `own` one that goes on: a flow of one trip, of none for none."""
    names = [data for data in conversations if data.name != own][:MOST_CONVERSATIONS]
    read = yield from ask(merge(*(_turns(space, data) for data in names)))
    return tuple(turn for turns in read for turn in turns)


def _turns(space: KeySpace, data: UserData) -> Op[list[PastTurn]]:
    if data.kind == "thread":
        from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

        from langchain_redis_memory.checkpoint.blobs import Blobs
        from langchain_redis_memory.checkpoint.flows import SaverFlows
        from langchain_redis_memory.checkpoint.thread_list import messages_of

        threads = SaverFlows(space, Blobs(JsonPlusSerializer(allowed_msgpack_modules=None), 0), 0, False)

        def of_thread(found: Any) -> list[PastTurn]:
            return _cut(data.name, datetime.fromisoformat(found.checkpoint["ts"]), messages_of(found)) if found else []

        return _readable(threads.newest(data.name).map(of_thread), data)
    about = session_index.info(space, data.agent, data.name)
    said = Transcript(space, data.name, data.agent).tail(messages=_MOST_MESSAGES)

    def of_session(both: Any) -> list[PastTurn]:
        info, messages = both
        return _cut(data.name, info.last_active, messages) if info else []

    return _readable(merge(about, said).map(of_session), data)


def _cut(conversation: str, at: datetime, messages: Sequence[BaseMessage]) -> list[PastTurn]:
    turns = exchanges(messages[-_MOST_MESSAGES:])
    return [PastTurn(conversation, at, turn.user, turn.assistant) for turn in turns]


def _readable(op: Op[list[T]], data: UserData) -> Op[list[T]]:
    """Reads nothing where it cannot be read."""

    def read(replies: Sequence[Any]) -> list[T]:
        try:
            return op.read(replies)
        except RedisMemoryError as error:
            _log.warning("the %s %r is not recalled from: %s", data.kind, data.name, error)
            return []

    return Op(op.commands, read, tolerant=True)


def ranked_flow(
    text: str, turns: Sequence[PastTurn], meaning: SemanticRecall | None, most: int
) -> Flow[list[PastTurn]]:
    """Ranks turns by what a question asks for, without `meaning` by words alone; the same question is left out."""
    asked = text.casefold().split()
    turns = [turn for turn in turns if turn.question.casefold().split() != asked]
    texts = [f"{turn.question}\n{turn.answer}" for turn in turns]
    rankings = [[hit.place for hit in search(text[:LONGEST], texts, SCAFFOLD)]]
    if meaning is not None and texts:
        try:
            rankings.append((yield from meaning.nearest_flow(text, [HumanMessage(one) for one in texts], rankings[0])))
        except Exception as error:  # noqa: BLE001 - whatever a model raises, the words are still there
            _log.warning("recalled by words alone: the embedding model failed with %s", type(error).__name__)
    return [turns[place] for place in fused(*rankings)[:most]]


def fused(*rankings: Sequence[int]) -> list[int]:
    """Fuses rankings into one, by reciprocal ranks; among equals the newest comes first."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, place in enumerate(ranking, 1):
            scores[place] = scores.get(place, 0.0) + 1 / (_FUSION + rank)
    return sorted(scores, key=lambda place: (-scores[place], -place))
