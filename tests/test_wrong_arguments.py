"""Plausible mistakes in the arguments of everything public: each is refused at once, with what to do about it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models import FakeListChatModel

import langchain_redis_memory as lrm
from langchain_redis_memory import Client, RedisMemoryError
from tests.support.table import table

URL = "memory://wrong-arguments"
CLIENT = Client(URL)
WORDS = DeterministicFakeEmbedding(size=3)
MODEL = FakeListChatModel(responses=["x"])


class Reader:
    """What a `LocalReader` does."""

    def audience(self, turn: str) -> None:
        """Reads a turn."""

    def dependence(self, turn: str) -> None:
        """Reads a turn."""


async def coroutine(*_args: Any, **_named: Any) -> None:
    """Where a plain function is wanted."""


def staff() -> None:
    """Signs nobody in."""


def bare(content: bytes) -> bytes:
    """Wraps nothing."""
    return content


RIGHT: dict[str, dict[str, Any]] = {
    "Access": {"name": "a"},
    "AdmissionPolicy": {},
    "AdoptFrom": {"source": "langchain-redis"},
    "AnswerCacheMiddleware": {"client": CLIENT},
    "AnswerOptions": {},
    "CachedEmbeddings": {"client": CLIENT, "embeddings": WORDS},
    "CachedRetriever": {"client": CLIENT, "retriever": lambda _query: [], "name": "r"},
    "CascadeClassifier": {"first": lrm.LinguisticClassifier()},
    "Cipher": {"keys": lrm.KeyRing({"a": b"0" * 32})},
    "Client": {"redis": URL},
    "Client.from_settings": {},
    "Client.from_url": {"url": URL},
    "ConversationMemory": {"client": CLIENT},
    "DecisionLog": {},
    "Durability": {},
    "EmbeddingClassifier": {"embeddings": WORDS},
    "EntryOptions": {},
    "EpochAnswerCache": {"client": CLIENT},
    "ExactAnswerCache": {},
    "FileCredentials": {"password_file": "/nowhere"},
    "HistoryOptions": {},
    "Judge": {"asks": MODEL},
    "KeyRing": {"secrets": {"a": b"0" * 32}},
    "LLMAudience": {"model": MODEL},
    "LLMClassifier": {"model": MODEL},
    "LLMContextualiser": {"model": MODEL},
    "LLMExtractor": {"model": MODEL},
    "Lifetimes": {},
    "Limit": {"count": 1, "period": "1s"},
    "LinguisticClassifier": {},
    "LocalContextualiser": {},
    "LocalReader": {},
    "MemoryMiddleware": {"memory": lrm.ConversationMemory(CLIENT)},
    "MemorySelector": {},
    "MiniLMEmbeddings": {},
    "NeedPolicy": {"max_error": 0.05, "model": "all-MiniLM-L6-v2"},
    "OTelTracing": {"client": CLIENT},
    "Outbox": {},
    "PromptOptions": {},
    "QuestionOptions": {},
    "RagCache": {"client": CLIENT},
    "RateLimitMiddleware": {"limiter": lrm.RedisRateLimiter(CLIENT, [lrm.Limit(1, "1s")])},
    "ReadingAudience": {"reader": Reader()},
    "ReadingClassifier": {"first": lrm.LinguisticClassifier(), "reader": Reader()},
    "RedisAgentState": {"agent": "a", "client": CLIENT},
    "RedisBackend": {"client": CLIENT},
    "RedisByteStore": {"client": CLIENT},
    "RedisCache": {"client": CLIENT},
    "RedisCaches": {"client": CLIENT},
    "RedisChatMessageHistory": {"session_id": "s", "client": CLIENT},
    "RedisConversationState": {"session_id": "s", "client": CLIENT},
    "RedisMemorySettings": {},
    "RedisMigration": {"client": CLIENT, "source": "langchain-redis"},
    "RedisNodeCache": {"client": CLIENT},
    "RedisOperations": {"client": CLIENT},
    "RedisRateLimiter": {"client": CLIENT, "limits": [lrm.Limit(1, "1s")]},
    "RedisRecordManager": {"client": CLIENT, "namespace": "n"},
    "RedisSaver": {"client": CLIENT},
    "RedisSemanticCache": {"client": CLIENT, "embeddings": WORDS},
    "RedisSessionData": {"session_id": "s", "client": CLIENT},
    "RedisSessions": {"client": CLIENT},
    "RedisStatsCollector": {"client": CLIENT},
    "RedisStore": {"client": CLIENT},
    "RedisTokenStreams": {"client": CLIENT},
    "RedisUsers": {"client": CLIENT},
    "RedisValueCache": {"client": CLIENT},
    "RedisWrappedKeys": {"client": CLIENT},
    "RollingSummary": {"model": MODEL},
    "RulesExtractor": {},
    "SearchOptions": {},
    "SemanticAnswerCache": {"client": CLIENT, "embeddings": WORDS},
    "SessionAccess": {"user": "u"},
    "Template": {"text": "{question}"},
    "ThresholdPolicy": {"threshold": 0.5},
    "TokenBudgetMiddleware": {"client": CLIENT, "per_turn": 1},
    "TokenCredentials": {"get": lambda: ("user", "token")},
    "ToolCacheMiddleware": {"client": CLIENT, "tools": {"t": 60}},
    "UserProfile": {"user": "u", "client": CLIENT},
    "VerifiedPolicy": {"model": "all-MiniLM-L6-v2"},
    "WindowSelector": {},
    "WrappedKeyRing": {"wrapped": lrm.RedisWrappedKeys(CLIENT), "wrap": bare, "unwrap": bare},
    "acl_line": {"user": "u"},
    "admin_router": {"client": CLIENT, "auth": staff},
    "advance": {"state": lrm.ConversationState(), "turn": "a", "answer": "b"},
    "cached_model": {"model": MODEL, "cache": lrm.RedisCache(CLIENT)},
    "classify_audience": {"turn": "a"},
    "memory_tools": {"store": lrm.RedisStore(CLIENT)},
    "pre_model_node": {},
    "selector_runnable": {},
    "sessions_router": {"client": CLIENT, "auth": staff},
}
"""What is made by calling it -> arguments that work."""
GIVEN = set(
    "AgentAnswers Answer AnswerCache AnswerDesk AudienceClassifier AudienceVerdict Advice CacheQuestion CachedFunction "
    "Classifier Contextualiser ConversationState Decision Diagnosis Entity Explanation Extractor Fact Grounding Health "
    "HitPolicy LimitDecision LimitLease LimitState Loss ManagedAnswerCache MemoryAnswers MemoryStats MigrationReport "
    "Observation PairScorer PastTurn Policy PruneReport Receipt RememberingRunnable Rewrite Rule SameNeed Search "
    "SearchableAnswerCache Selector Session SessionPage Share Stats StreamEvent ThreadInfo ThreadPage Trip Turn "
    "TurnReport TurnState ValueLock Verdict VersionedValue".split()
)
"""What others give, protocols, and plain records, which are checked where they are used."""
ELSEWHERE = {"AsDecisionModel", "IAMCredentials", "cache_tools", "same_need"}
"""A model of LangChain's, whose fields pydantic checks; what needs botocore; what has tests of its own arguments."""
WRONG: dict[str, Any] = {
    "None": None,
    "a number": 7,
    "a negative number": -1,
    "zero": 0,
    "no number": float("nan"),
    "a text": "text",
    "an empty text": "",
    "bytes": b"x",
    "an object": object(),
    "a list": [1],
    "a coroutine function": coroutine,
    "another URL": "postgresql://h/db",
}


def called(name: str) -> Callable[..., Any]:
    found: Any = lrm
    for part in name.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]


def test_everything_that_is_called_is_in_the_table() -> None:
    public = {name: getattr(lrm, name) for name in lrm.__all__}
    made = {name for name, found in public.items() if callable(found) and not is_error(found)}
    made -= {name for name in made if isinstance(public[name], type) and issubclass(public[name], Enum)}
    assert made - GIVEN - ELSEWHERE <= RIGHT.keys()
    assert {name.partition(".")[0] for name in RIGHT} <= public.keys()


def is_error(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, BaseException)


def mistakes(name: str) -> Iterator[tuple[str, str]]:
    for parameter in inspect.signature(called(name)).parameters.values():
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            yield from ((parameter.name, wrong) for wrong in WRONG)


@table("name", RIGHT)
def test_what_is_wrong_is_never_met_inside(name: str) -> None:
    made, right, inside = called(name), RIGHT[name], dict[tuple[str, str], str]()
    made(**right)
    for parameter, wrong in mistakes(name):
        try:
            made(**{**right, parameter: WRONG[wrong]})
        except RedisMemoryError as error:
            assert len(str(error)) >= 15, "it says what to do"  # noqa: PT017 - there may be none
        except Exception as error:  # noqa: BLE001 - whatever it is, it is named
            inside[parameter, wrong] = f"{type(error).__name__}: {error}"
    assert inside == {}


MODELS = "LLMAudience LLMClassifier LLMContextualiser LLMExtractor RollingSummary"
SERVED = [name for name, right in RIGHT.items() if "client" in right]
REFUSED: list[tuple[str, str, list[str]]] = [
    *((name, "model", ["None", "a text", "an object"]) for name in MODELS.split()),
    *((name, "client", ["a number", "a text", "an empty text", "bytes", "another URL"]) for name in SERVED),
    ("Access", "roles", ["None", "a text", "a list"]),
    ("Access", "tenants", ["a text", "a number"]),
    ("AnswerCacheMiddleware", "embeddings", ["a text", "an object"]),
    ("CachedEmbeddings", "embeddings", ["None", "a text", "a coroutine function"]),
    ("CachedEmbeddings", "ttl_s", ["a text", "a negative number", "zero"]),
    ("CascadeClassifier", "first", ["None", "a text"]),
    ("CascadeClassifier", "unsure", ["None", "a number", "a text"]),
    ("Cipher", "keys", ["None", "a text", "bytes"]),
    ("Cipher", "owner", ["a text", "a coroutine function"]),
    ("Client", "redis", ["None", "a number", "an empty text", "another URL", "an object"]),
    ("Client", "cipher", ["a text", "bytes"]),
    ("Client", "on_trip", ["a text", "a list"]),
    ("Client.from_settings", "settings", ["a text", "an object"]),
    ("Client.from_url", "url", ["a number", "another URL"]),
    ("Client.from_url", "cipher", ["a text", "bytes"]),
    ("Client.from_url", "timeout_s", ["a text", "a negative number", "zero", "no number"]),
    ("Client.from_url", "max_connections", ["a text", "a negative number", "zero"]),
    ("Client.from_url", "retries", ["a text", "a negative number"]),
    ("ConversationMemory", "embeddings", ["a text", "an object"]),
    ("ConversationMemory", "classifier", ["a text", "an object"]),
    ("ConversationMemory", "on_turn", ["a text", "a number"]),
    ("EmbeddingClassifier", "embeddings", ["None", "a text"]),
    ("EntryOptions", "log", ["a text"]),
    ("EntryOptions", "prices", ["a text", "a list"]),
    ("FileCredentials", "password_file", ["None", "an empty text"]),
    ("LLMClassifier", "fallback", ["a text"]),
    ("LLMContextualiser", "fallback", ["a text"]),
    ("LinguisticClassifier", "language", ["None", "a list"]),
    ("MemorySelector", "embeddings", ["a text"]),
    ("MemorySelector", "token_counter", ["None", "a text", "a coroutine function"]),
    ("Outbox", "on_loss", ["a text", "a coroutine function"]),
    ("Outbox", "spool", ["a number", "an empty text"]),
    ("RateLimitMiddleware", "key", ["a text", "a coroutine function"]),
    ("RedisBackend", "namespace", ["None", "a text"]),
    ("RedisCache", "entries", ["a text", "an empty text", "zero", "a list"]),
    ("RedisChatMessageHistory", "session_id", ["None", "a number", "an empty text"]),
    ("RedisChatMessageHistory", "token_counter", ["None", "a text", "a coroutine function"]),
    ("RedisMemorySettings", "port", ["a text", "a negative number", "zero"]),
    ("RedisMigration", "source", ["None", "an object", "an empty text"]),
    ("RedisMigration", "cache", ["a text", "an object"]),
    ("RedisNodeCache", "serde", ["a text"]),
    ("RedisRateLimiter", "limits", ["None", "a text", "a list"]),
    ("RedisSaver", "serde", ["a text"]),
    ("RedisSemanticCache", "embeddings", ["None", "a text", "a coroutine function"]),
    ("RedisSemanticCache", "max_error", ["None", "a text", "a negative number", "no number"]),
    ("RedisSemanticCache", "prompts", ["a text", "zero"]),
    ("RedisSemanticCache", "search", ["a text", "zero"]),
    ("RedisStatsCollector", "caches", ["a text", "a list"]),
    ("RedisStatsCollector", "client", ["None", "a text"]),
    ("RedisUsers", "namespaces", ["a text", "a list"]),
    ("RedisWrappedKeys", "client", ["None", "a text"]),
    ("RollingSummary", "instruction", ["None", "a number"]),
    ("SearchOptions", "engine", ["a text", "a number"]),
    ("SearchOptions", "quantization", ["None", "a text"]),
    ("ThresholdPolicy", "threshold", ["a text", "zero", "no number"]),
    ("TokenBudgetMiddleware", "window_s", ["None", "a text", "zero"]),
    ("TokenBudgetMiddleware", "prices", ["a text", "a list"]),
    ("TokenCredentials", "get", ["None", "a coroutine function"]),
    ("TokenCredentials", "lifetime_s", ["a text", "zero"]),
    ("WindowSelector", "token_counter", ["None", "a coroutine function"]),
    ("WrappedKeyRing", "wrap", ["a text", "a coroutine function"]),
    ("acl_line", "password", ["a number", "bytes"]),
    ("admin_router", "answers", ["None", "a text", "a list"]),
    ("admin_router", "secret", ["a number", "bytes"]),
    ("advance", "state", ["None", "a text"]),
    ("advance", "turn", ["None", "bytes"]),
    ("classify_audience", "turn", ["None", "bytes"]),
    ("memory_tools", "namespace", ["None", "a text"]),
    ("pre_model_node", "selector", ["a text"]),
    ("selector_runnable", "policy", ["None", "a text"]),
]


@table(("name", "parameter", "wrongs"), REFUSED)
def test_what_cannot_work_is_refused_where_it_is_written(name: str, parameter: str, wrongs: list[str]) -> None:
    accepted = []
    for wrong in wrongs:
        try:
            called(name)(**{**RIGHT[name], parameter: WRONG[wrong]})
        except RedisMemoryError:
            continue
        accepted.append(wrong)
    assert accepted == []


def test_an_option_of_from_url_is_pointed_out() -> None:
    with pytest.raises(lrm.UnknownKeywordError, match=re.escape("use Client.from_url(url, timeout_s=...)")) as refused:
        Client(URL, timeout_s=3)  # type: ignore[arg-type]
    assert isinstance(refused.value, TypeError)
