"""What can be adopted, by kind; loaded where something is adopted, as it needs every source."""

from __future__ import annotations

from collections.abc import Callable

from langchain_redis_memory.peers.answers import CommunitySemanticCache, NearAnswers, RedisVLCache
from langchain_redis_memory.peers.embeddings import LANGCHAIN_EMBEDDINGS
from langchain_redis_memory.peers.exact_answers import EXACT_ANSWERS

CONVERSATIONS = ("langchain-community", "langchain-redis", "turn-lists", "message-lists")
THREADS = ("langgraph-redis", "langgraph-redis-shallow", "langgraph-redis-0.0", "plainredis", "aws-valkey")
NEAR_ANSWERS: dict[str, Callable[[str | None], NearAnswers]] = {
    "langchain-redis": lambda prefix: RedisVLCache(prefix or "llmcache"),
    "langchain-community": lambda prefix: CommunitySemanticCache(prefix or "doc:cache:"),
}
"""Package -> its cache that is searched by meaning, from the prefix of its keys."""
ITEMS = ("langgraph-redis-store",)
VECTORS = (LANGCHAIN_EMBEDDINGS,)
ALL = frozenset((*CONVERSATIONS, *THREADS, *EXACT_ANSWERS, *NEAR_ANSWERS, *ITEMS, *VECTORS))
