"""Recorded conversations through the real path: which decisions, which hits, which of them wrong, and at what risk.

`recorded` reads them, `stream` says which user asks what and when, `run` plays that through `ConversationMemory` and
`baseline` through the usual cache, `judge` counts and says what was wrong, `report` holds it, `table`, `html` show it.
"""

from langchain_redis_memory.cli.local import local_model
from langchain_redis_memory.cli.replay.answerers import Answerer, answerer, recorded
from langchain_redis_memory.cli.replay.judge import CacheOutcome, ServedAnswer, same_question
from langchain_redis_memory.cli.replay.recorded import SAMPLE, DamagedLine, RecordedTurn, read_conversations
from langchain_redis_memory.cli.replay.report import ASSUMED_S, RISKS, ReplayReport, Settings
from langchain_redis_memory.cli.replay.run import measure, play
from langchain_redis_memory.cli.replay.stream import Kind, Role, StreamTurn, askings

__all__ = [
    "ASSUMED_S",
    "RISKS",
    "SAMPLE",
    "Answerer",
    "StreamTurn",
    "DamagedLine",
    "Kind",
    "CacheOutcome",
    "RecordedTurn",
    "ReplayReport",
    "Role",
    "ServedAnswer",
    "Settings",
    "answerer",
    "askings",
    "local_model",
    "measure",
    "play",
    "read_conversations",
    "recorded",
    "same_question",
]
