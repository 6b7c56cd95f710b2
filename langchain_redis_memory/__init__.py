"""Memory and caching for LangChain and LangGraph on the Redis you already have.

Everything public is here and loads when it is first used, so importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from langchain_redis_memory.version import __version__

if TYPE_CHECKING:
    from langchain_redis_memory.admin.access import Access as Access
    from langchain_redis_memory.admin.http.router import SessionAccess as SessionAccess
    from langchain_redis_memory.admin.http.router import sessions_router as sessions_router
    from langchain_redis_memory.admin.router import admin_router as admin_router
    from langchain_redis_memory.agents.answer_cache import AnswerCacheMiddleware as AnswerCacheMiddleware
    from langchain_redis_memory.agents.answer_desk import AgentAnswers as AgentAnswers
    from langchain_redis_memory.agents.cache_tools import cache_tools as cache_tools
    from langchain_redis_memory.agents.decision_model import AsDecisionModel as AsDecisionModel
    from langchain_redis_memory.agents.file_backend import RedisBackend as RedisBackend
    from langchain_redis_memory.agents.limits import RateLimitMiddleware as RateLimitMiddleware
    from langchain_redis_memory.agents.limits import TokenBudgetMiddleware as TokenBudgetMiddleware
    from langchain_redis_memory.agents.memory import MemoryMiddleware as MemoryMiddleware
    from langchain_redis_memory.agents.memory_tools import memory_tools as memory_tools
    from langchain_redis_memory.agents.tool_cache import ToolCacheMiddleware as ToolCacheMiddleware
    from langchain_redis_memory.cache.admission import AdmissionPolicy as AdmissionPolicy
    from langchain_redis_memory.cache.advice import Advice as Advice
    from langchain_redis_memory.cache.answers.answer_cache import Answer as Answer
    from langchain_redis_memory.cache.answers.answer_cache import AnswerCache as AnswerCache
    from langchain_redis_memory.cache.answers.answer_cache import CacheQuestion as CacheQuestion
    from langchain_redis_memory.cache.answers.answer_cache import SearchableAnswerCache as SearchableAnswerCache
    from langchain_redis_memory.cache.answers.desk import AnswerDesk as AnswerDesk
    from langchain_redis_memory.cache.answers.epoch import EpochAnswerCache as EpochAnswerCache
    from langchain_redis_memory.cache.answers.exact import ExactAnswerCache as ExactAnswerCache
    from langchain_redis_memory.cache.answers.records import ManagedAnswerCache as ManagedAnswerCache
    from langchain_redis_memory.cache.answers.semantic import SemanticAnswerCache as SemanticAnswerCache
    from langchain_redis_memory.cache.cached_model import cached_model as cached_model
    from langchain_redis_memory.cache.decision_log import Decision as Decision
    from langchain_redis_memory.cache.decision_log import DecisionLog as DecisionLog
    from langchain_redis_memory.cache.entry_options import EntryOptions as EntryOptions
    from langchain_redis_memory.cache.exact import RedisCache as RedisCache
    from langchain_redis_memory.cache.explanation import Explanation as Explanation
    from langchain_redis_memory.cache.node import RedisNodeCache as RedisNodeCache
    from langchain_redis_memory.cache.prompts import Template as Template
    from langchain_redis_memory.cache.rag.rag_cache import CachedEmbeddings as CachedEmbeddings
    from langchain_redis_memory.cache.rag.rag_cache import CachedRetriever as CachedRetriever
    from langchain_redis_memory.cache.rag.rag_cache import RagCache as RagCache
    from langchain_redis_memory.cache.semantic.cache import PromptOptions as PromptOptions
    from langchain_redis_memory.cache.semantic.cache import RedisSemanticCache as RedisSemanticCache
    from langchain_redis_memory.cache.semantic.judge import Judge as Judge
    from langchain_redis_memory.cache.semantic.tenants import SearchOptions as SearchOptions
    from langchain_redis_memory.cache.sharing import AudienceClassifier as AudienceClassifier
    from langchain_redis_memory.cache.sharing import Grounding as Grounding
    from langchain_redis_memory.cache.sharing import Lifetimes as Lifetimes
    from langchain_redis_memory.cache.sharing import Share as Share
    from langchain_redis_memory.cache.stats import Stats as Stats
    from langchain_redis_memory.cache.value.cache import RedisValueCache as RedisValueCache
    from langchain_redis_memory.cache.value.cached_function import CachedFunction as CachedFunction
    from langchain_redis_memory.cache.value.lock import ValueLock as ValueLock
    from langchain_redis_memory.cache.value.plain import VersionedValue as VersionedValue
    from langchain_redis_memory.checkpoint.prune import PruneReport as PruneReport
    from langchain_redis_memory.checkpoint.saver import RedisSaver as RedisSaver
    from langchain_redis_memory.checkpoint.thread_list import ThreadInfo as ThreadInfo
    from langchain_redis_memory.checkpoint.thread_list import ThreadPage as ThreadPage
    from langchain_redis_memory.conversation.answers import MemoryAnswers as MemoryAnswers
    from langchain_redis_memory.conversation.memory import ConversationMemory as ConversationMemory
    from langchain_redis_memory.conversation.options import AnswerOptions as AnswerOptions
    from langchain_redis_memory.conversation.options import HistoryOptions as HistoryOptions
    from langchain_redis_memory.conversation.options import QuestionOptions as QuestionOptions
    from langchain_redis_memory.conversation.policy import DEFAULT_POLICY as DEFAULT_POLICY
    from langchain_redis_memory.conversation.policy import Policy as Policy
    from langchain_redis_memory.conversation.policy import Rule as Rule
    from langchain_redis_memory.conversation.runnable import RememberingRunnable as RememberingRunnable
    from langchain_redis_memory.conversation.select.memory import MemorySelector as MemorySelector
    from langchain_redis_memory.conversation.select.runnable import pre_model_node as pre_model_node
    from langchain_redis_memory.conversation.select.runnable import selector_runnable as selector_runnable
    from langchain_redis_memory.conversation.select.window import Selector as Selector
    from langchain_redis_memory.conversation.select.window import WindowSelector as WindowSelector
    from langchain_redis_memory.conversation.turn import TurnReport as TurnReport
    from langchain_redis_memory.errors import AuthenticationError as AuthenticationError
    from langchain_redis_memory.errors import ClockError as ClockError
    from langchain_redis_memory.errors import ConfigError as ConfigError
    from langchain_redis_memory.errors import ConflictError as ConflictError
    from langchain_redis_memory.errors import CorruptDataError as CorruptDataError
    from langchain_redis_memory.errors import DecryptionError as DecryptionError
    from langchain_redis_memory.errors import DurabilityError as DurabilityError
    from langchain_redis_memory.errors import EvictedError as EvictedError
    from langchain_redis_memory.errors import FormatVersionError as FormatVersionError
    from langchain_redis_memory.errors import InvalidIdError as InvalidIdError
    from langchain_redis_memory.errors import InvalidInputError as InvalidInputError
    from langchain_redis_memory.errors import MessageNotFoundError as MessageNotFoundError
    from langchain_redis_memory.errors import NotAMessageError as NotAMessageError
    from langchain_redis_memory.errors import NotOwnerError as NotOwnerError
    from langchain_redis_memory.errors import OutOfMemoryError as OutOfMemoryError
    from langchain_redis_memory.errors import RateLimitedError as RateLimitedError
    from langchain_redis_memory.errors import RedisMemoryError as RedisMemoryError
    from langchain_redis_memory.errors import ServerError as ServerError
    from langchain_redis_memory.errors import UnavailableError as UnavailableError
    from langchain_redis_memory.errors import UnknownKeyError as UnknownKeyError
    from langchain_redis_memory.errors import UnknownKeywordError as UnknownKeywordError
    from langchain_redis_memory.errors import UnserialisableError as UnserialisableError
    from langchain_redis_memory.errors import WrongKeyTypeError as WrongKeyTypeError
    from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory as RedisChatMessageHistory
    from langchain_redis_memory.history.loss import Loss as Loss
    from langchain_redis_memory.history.outbox import Outbox as Outbox
    from langchain_redis_memory.history.session_index import Session as Session
    from langchain_redis_memory.history.sessions import RedisSessions as RedisSessions
    from langchain_redis_memory.history.sessions import SessionPage as SessionPage
    from langchain_redis_memory.history.transcript import REMOVE_ALL_MESSAGES as REMOVE_ALL_MESSAGES
    from langchain_redis_memory.history.turns import Turn as Turn
    from langchain_redis_memory.language.audience import Audience as Audience
    from langchain_redis_memory.language.audience import AudienceVerdict as AudienceVerdict
    from langchain_redis_memory.language.audience import LLMAudience as LLMAudience
    from langchain_redis_memory.language.audience import classify_audience as classify_audience
    from langchain_redis_memory.language.classify import CascadeClassifier as CascadeClassifier
    from langchain_redis_memory.language.classify import Classifier as Classifier
    from langchain_redis_memory.language.classify import EmbeddingClassifier as EmbeddingClassifier
    from langchain_redis_memory.language.classify import LinguisticClassifier as LinguisticClassifier
    from langchain_redis_memory.language.classify import LLMClassifier as LLMClassifier
    from langchain_redis_memory.language.classify import Verdict as Verdict
    from langchain_redis_memory.language.classify.question_type import QuestionType as QuestionType
    from langchain_redis_memory.language.contextualise.contextualiser import Contextualiser as Contextualiser
    from langchain_redis_memory.language.contextualise.contextualiser import Rewrite as Rewrite
    from langchain_redis_memory.language.contextualise.llm import LLMContextualiser as LLMContextualiser
    from langchain_redis_memory.language.contextualise.local import LocalContextualiser as LocalContextualiser
    from langchain_redis_memory.language.equivalence import HitPolicy as HitPolicy
    from langchain_redis_memory.language.equivalence import PairScorer as PairScorer
    from langchain_redis_memory.language.equivalence import ThresholdPolicy as ThresholdPolicy
    from langchain_redis_memory.language.equivalence import VerifiedPolicy as VerifiedPolicy
    from langchain_redis_memory.language.need.policy import NeedPolicy as NeedPolicy
    from langchain_redis_memory.language.need.policy import SameNeed as SameNeed
    from langchain_redis_memory.language.need.policy import same_need as same_need
    from langchain_redis_memory.language.reader import LocalReader as LocalReader
    from langchain_redis_memory.language.reader import ReadingAudience as ReadingAudience
    from langchain_redis_memory.language.reader import ReadingClassifier as ReadingClassifier
    from langchain_redis_memory.language.turn_state import PastTurn as PastTurn
    from langchain_redis_memory.language.turn_state import TurnState as TurnState
    from langchain_redis_memory.limits.lease import LimitLease as LimitLease
    from langchain_redis_memory.limits.limit import Limit as Limit
    from langchain_redis_memory.limits.limit import LimitDecision as LimitDecision
    from langchain_redis_memory.limits.limit import LimitState as LimitState
    from langchain_redis_memory.limits.rate_limiter import RedisRateLimiter as RedisRateLimiter
    from langchain_redis_memory.operate.caches import RedisCaches as RedisCaches
    from langchain_redis_memory.operate.doctor import Diagnosis as Diagnosis
    from langchain_redis_memory.operate.memory_stats import MemoryStats as MemoryStats
    from langchain_redis_memory.operate.metrics import RedisStatsCollector as RedisStatsCollector
    from langchain_redis_memory.operate.migrate.migration import RedisMigration as RedisMigration
    from langchain_redis_memory.operate.migrate.report import MigrationReport as MigrationReport
    from langchain_redis_memory.operate.operations import RedisOperations as RedisOperations
    from langchain_redis_memory.operate.receipt import Receipt as Receipt
    from langchain_redis_memory.operate.tracing import OTelTracing as OTelTracing
    from langchain_redis_memory.operate.users import RedisUsers as RedisUsers
    from langchain_redis_memory.peers.adoption import AdoptFrom as AdoptFrom
    from langchain_redis_memory.redis.acl import acl_line as acl_line
    from langchain_redis_memory.redis.client.client import Client as Client
    from langchain_redis_memory.redis.client.client import Trip as Trip
    from langchain_redis_memory.redis.client.credentials import FileCredentials as FileCredentials
    from langchain_redis_memory.redis.client.credentials import IAMCredentials as IAMCredentials
    from langchain_redis_memory.redis.client.credentials import TokenCredentials as TokenCredentials
    from langchain_redis_memory.redis.client.durability import Durability as Durability
    from langchain_redis_memory.redis.client.health import Health as Health
    from langchain_redis_memory.redis.client.settings import RedisMemorySettings as RedisMemorySettings
    from langchain_redis_memory.redis.client.wrapped_keys import RedisWrappedKeys as RedisWrappedKeys
    from langchain_redis_memory.redis.client.wrapped_keys import WrappedKeyRing as WrappedKeyRing
    from langchain_redis_memory.redis.codec.cipher.cipher import Cipher as Cipher
    from langchain_redis_memory.redis.codec.cipher.key_ring import KeyRing as KeyRing
    from langchain_redis_memory.state.agent_state import RedisAgentState as RedisAgentState
    from langchain_redis_memory.state.conversation_state import RedisConversationState as RedisConversationState
    from langchain_redis_memory.state.model import ConversationState as ConversationState
    from langchain_redis_memory.state.model import Entity as Entity
    from langchain_redis_memory.state.model import Search as Search
    from langchain_redis_memory.state.model import advance as advance
    from langchain_redis_memory.state.profile_extractors import Extractor as Extractor
    from langchain_redis_memory.state.profile_extractors import LLMExtractor as LLMExtractor
    from langchain_redis_memory.state.profile_extractors import Observation as Observation
    from langchain_redis_memory.state.profile_extractors import RulesExtractor as RulesExtractor
    from langchain_redis_memory.state.profile_model import Fact as Fact
    from langchain_redis_memory.state.session_data import RedisSessionData as RedisSessionData
    from langchain_redis_memory.state.stream_events import StreamEvent as StreamEvent
    from langchain_redis_memory.state.summary import RollingSummary as RollingSummary
    from langchain_redis_memory.state.token_streams import RedisTokenStreams as RedisTokenStreams
    from langchain_redis_memory.state.user_profile import UserProfile as UserProfile
    from langchain_redis_memory.store.byte_store import RedisByteStore as RedisByteStore
    from langchain_redis_memory.store.record_manager import RedisRecordManager as RedisRecordManager
    from langchain_redis_memory.store.redis_store import RedisStore as RedisStore
    from langchain_redis_memory.vectors.minilm import MiniLMEmbeddings as MiniLMEmbeddings


_HOMES = {
    "Access": "admin.access",
    "acl_line": "redis.acl",
    "admin_router": "admin.router",
    "AdmissionPolicy": "cache.admission",
    "AdoptFrom": "peers.adoption",
    "advance": "state.model",
    "Advice": "cache.advice",
    "Answer": "cache.answers.answer_cache",
    "AnswerCache": "cache.answers.answer_cache",
    "AgentAnswers": "agents.answer_desk",
    "AnswerCacheMiddleware": "agents.answer_cache",
    "AnswerDesk": "cache.answers.desk",
    "AnswerOptions": "conversation.options",
    "AsDecisionModel": "agents.decision_model",
    "Audience": "language.audience",
    "AudienceClassifier": "cache.sharing",
    "AudienceVerdict": "language.audience",
    "AuthenticationError": "errors",
    "cache_tools": "agents.cache_tools",
    "cached_model": "cache.cached_model",
    "CachedEmbeddings": "cache.rag.rag_cache",
    "CachedFunction": "cache.value.cached_function",
    "CachedRetriever": "cache.rag.rag_cache",
    "CacheQuestion": "cache.answers.answer_cache",
    "CascadeClassifier": "language.classify",
    "Cipher": "redis.codec.cipher.cipher",
    "Classifier": "language.classify",
    "classify_audience": "language.audience",
    "Client": "redis.client.client",
    "ClockError": "errors",
    "ConfigError": "errors",
    "ConflictError": "errors",
    "Contextualiser": "language.contextualise.contextualiser",
    "ConversationMemory": "conversation.memory",
    "ConversationState": "state.model",
    "CorruptDataError": "errors",
    "Decision": "cache.decision_log",
    "DecisionLog": "cache.decision_log",
    "DecryptionError": "errors",
    "DEFAULT_POLICY": "conversation.policy",
    "Diagnosis": "operate.doctor",
    "Durability": "redis.client.durability",
    "DurabilityError": "errors",
    "EmbeddingClassifier": "language.classify",
    "Entity": "state.model",
    "EpochAnswerCache": "cache.answers.epoch",
    "EvictedError": "errors",
    "EntryOptions": "cache.entry_options",
    "ExactAnswerCache": "cache.answers.exact",
    "Explanation": "cache.explanation",
    "Extractor": "state.profile_extractors",
    "Fact": "state.profile_model",
    "FormatVersionError": "errors",
    "FileCredentials": "redis.client.credentials",
    "Grounding": "cache.sharing",
    "Health": "redis.client.health",
    "HistoryOptions": "conversation.options",
    "HitPolicy": "language.equivalence",
    "IAMCredentials": "redis.client.credentials",
    "InvalidIdError": "errors",
    "InvalidInputError": "errors",
    "Judge": "cache.semantic.judge",
    "KeyRing": "redis.codec.cipher.key_ring",
    "Lifetimes": "cache.sharing",
    "Limit": "limits.limit",
    "LimitDecision": "limits.limit",
    "LimitLease": "limits.lease",
    "LimitState": "limits.limit",
    "LinguisticClassifier": "language.classify",
    "LLMAudience": "language.audience",
    "LLMClassifier": "language.classify",
    "LLMContextualiser": "language.contextualise.llm",
    "LLMExtractor": "state.profile_extractors",
    "LocalContextualiser": "language.contextualise.local",
    "LocalReader": "language.reader",
    "Loss": "history.loss",
    "ManagedAnswerCache": "cache.answers.records",
    "MemoryAnswers": "conversation.answers",
    "memory_tools": "agents.memory_tools",
    "MemoryMiddleware": "agents.memory",
    "MemorySelector": "conversation.select.memory",
    "MemoryStats": "operate.memory_stats",
    "MessageNotFoundError": "errors",
    "MigrationReport": "operate.migrate.report",
    "MiniLMEmbeddings": "vectors.minilm",
    "NotAMessageError": "errors",
    "NotOwnerError": "errors",
    "Observation": "state.profile_extractors",
    "Outbox": "history.outbox",
    "OutOfMemoryError": "errors",
    "PairScorer": "language.equivalence",
    "PastTurn": "language.turn_state",
    "Policy": "conversation.policy",
    "pre_model_node": "conversation.select.runnable",
    "PromptOptions": "cache.semantic.cache",
    "PruneReport": "checkpoint.prune",
    "QuestionOptions": "conversation.options",
    "QuestionType": "language.classify.question_type",
    "RagCache": "cache.rag.rag_cache",
    "ReadingAudience": "language.reader",
    "ReadingClassifier": "language.reader",
    "RateLimitedError": "errors",
    "Receipt": "operate.receipt",
    "RateLimitMiddleware": "agents.limits",
    "RedisAgentState": "state.agent_state",
    "RedisBackend": "agents.file_backend",
    "RedisByteStore": "store.byte_store",
    "RedisCache": "cache.exact",
    "RedisCaches": "operate.caches",
    "RedisChatMessageHistory": "history.chat_message_history",
    "RedisConversationState": "state.conversation_state",
    "RedisMemoryError": "errors",
    "RedisMemorySettings": "redis.client.settings",
    "RedisMigration": "operate.migrate.migration",
    "RedisNodeCache": "cache.node",
    "RedisOperations": "operate.operations",
    "RedisRateLimiter": "limits.rate_limiter",
    "RedisRecordManager": "store.record_manager",
    "RedisSaver": "checkpoint.saver",
    "RedisSemanticCache": "cache.semantic.cache",
    "RedisSessionData": "state.session_data",
    "RedisSessions": "history.sessions",
    "RedisStore": "store.redis_store",
    "RedisTokenStreams": "state.token_streams",
    "OTelTracing": "operate.tracing",
    "RedisStatsCollector": "operate.metrics",
    "RedisUsers": "operate.users",
    "RedisWrappedKeys": "redis.client.wrapped_keys",
    "RedisValueCache": "cache.value.cache",
    "RememberingRunnable": "conversation.runnable",
    "REMOVE_ALL_MESSAGES": "history.transcript",
    "Rewrite": "language.contextualise.contextualiser",
    "RollingSummary": "state.summary",
    "Rule": "conversation.policy",
    "RulesExtractor": "state.profile_extractors",
    "Search": "state.model",
    "SearchOptions": "cache.semantic.tenants",
    "SearchableAnswerCache": "cache.answers.answer_cache",
    "Selector": "conversation.select.window",
    "selector_runnable": "conversation.select.runnable",
    "SemanticAnswerCache": "cache.answers.semantic",
    "ServerError": "errors",
    "Session": "history.session_index",
    "SessionAccess": "admin.http.router",
    "SessionPage": "history.sessions",
    "sessions_router": "admin.http.router",
    "Share": "cache.sharing",
    "Stats": "cache.stats",
    "StreamEvent": "state.stream_events",
    "Template": "cache.prompts",
    "ThreadInfo": "checkpoint.thread_list",
    "ThreadPage": "checkpoint.thread_list",
    "ThresholdPolicy": "language.equivalence",
    "TokenCredentials": "redis.client.credentials",
    "Trip": "redis.client.client",
    "Turn": "history.turns",
    "TurnReport": "conversation.turn",
    "TurnState": "language.turn_state",
    "UnavailableError": "errors",
    "UnknownKeyError": "errors",
    "UnknownKeywordError": "errors",
    "UnserialisableError": "errors",
    "TokenBudgetMiddleware": "agents.limits",
    "ToolCacheMiddleware": "agents.tool_cache",
    "UserProfile": "state.user_profile",
    "ValueLock": "cache.value.lock",
    "Verdict": "language.classify",
    "VerifiedPolicy": "language.equivalence",
    "NeedPolicy": "language.need.policy",
    "SameNeed": "language.need.policy",
    "same_need": "language.need.policy",
    "VersionedValue": "cache.value.plain",
    "WindowSelector": "conversation.select.window",
    "WrappedKeyRing": "redis.client.wrapped_keys",
    "WrongKeyTypeError": "errors",
}


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:  # a finder may refuse to look
        return False


_NEEDS = {"agents": "langchain", "agents.file_backend": "deepagents", "admin": "fastapi jinja2"}
_WITHOUT = tuple(home for home, packages in _NEEDS.items() if not all(map(_is_installed, packages.split())))

# `import *` works without the extras, too
__all__ = [*sorted(name for name, home in _HOMES.items() if not home.startswith(_WITHOUT)), "__version__"]  # noqa: PLE0604


_PEERS = {"AsyncRedisSaver": "RedisSaver", "ShallowRedisSaver": "RedisSaver", "AsyncRedisStore": "RedisStore"}
"""Names that other packages have for what is one class here."""


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        hint = f"; {_PEERS[name]} serves sync and async calls" if name in _PEERS else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
