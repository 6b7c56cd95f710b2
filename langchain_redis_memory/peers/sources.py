"""The sources by their names, as the command line and `RedisMigration` take them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from langgraph.checkpoint.serde.base import SerializerProtocol

from langchain_redis_memory.checks import check_text
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.peers.answers import CommunitySemanticCache, GPTCache, RedisVLCache
from langchain_redis_memory.peers.embeddings import RedisVLEmbeddings
from langchain_redis_memory.peers.handwritten import AgentKeys, JsonKeys, MessageLists, TurnLists
from langchain_redis_memory.peers.langchain_community import CommunityHistory
from langchain_redis_memory.peers.langchain_redis import LangChainRedisHistory
from langchain_redis_memory.peers.langgraph_redis import LangGraphRedis, LangGraphRedisOld, LangGraphRedisShallow
from langchain_redis_memory.peers.langgraph_store import LangGraphRedisStore
from langchain_redis_memory.peers.memories import AgentMemoryServer, Mem0
from langchain_redis_memory.peers.plainredis import PlainRedis
from langchain_redis_memory.peers.records import Source
from langchain_redis_memory.peers.redisvl import RedisVLHistory
from langchain_redis_memory.peers.valkey import Valkey


@dataclass(frozen=True)
class KnownSource:
    """A source that can be named.

    Args:
        what: What it holds, for people.
        make: Makes it from the prefix of its keys, a glob of ids, and what reads LangGraph's MessagePack.
        prefix: The prefix that it has by default; "" where the application chooses one.
    """

    what: str
    make: Callable[[str, str, SerializerProtocol], Source]
    prefix: str


def _plain(make: Callable[[str, str], Source]) -> Callable[[str, str, SerializerProtocol], Source]:
    """Adapts a source that has nothing to do with LangGraph."""
    return lambda prefix, match, _serde: make(prefix, match)


SOURCES: dict[str, KnownSource] = {
    "langchain-community": KnownSource(
        "RedisChatMessageHistory of langchain-community, also on Upstash", _plain(CommunityHistory), "message_store:"
    ),
    "langchain-redis": KnownSource(
        "RedisChatMessageHistory of langchain-redis (needs JSON)", _plain(LangChainRedisHistory), "chat:"
    ),
    "langgraph-redis": KnownSource(
        "threads of langgraph-checkpoint-redis since 0.1 (needs JSON)", LangGraphRedis, "checkpoint"
    ),
    "langgraph-redis-shallow": KnownSource(
        "threads of the shallow saver of langgraph-checkpoint-redis (needs JSON)", LangGraphRedisShallow, "checkpoint"
    ),
    "langgraph-redis-0.0": KnownSource(
        "threads of langgraph-checkpoint-redis up to 0.0.8 (needs JSON)", LangGraphRedisOld, "checkpoint"
    ),
    "plainredis": KnownSource("threads of langgraph-checkpoint-plainredis", PlainRedis, "lg"),
    "aws-valkey": KnownSource("threads of ValkeySaver of langgraph-checkpoint-aws", Valkey, "checkpoint:"),
    "langgraph-redis-store": KnownSource(
        "items of RedisStore of langgraph-checkpoint-redis (needs JSON)", _plain(LangGraphRedisStore), "store"
    ),
    "mem0": KnownSource("memories of mem0, on Redis or Valkey", _plain(Mem0), "mem0:"),
    "agent-memory-server": KnownSource(
        "sessions and long-term memories of agent-memory-server (needs JSON)", _plain(AgentMemoryServer), "memory_idx"
    ),
    "redisvl-history": KnownSource("MessageHistory of redisvl; --prefix is its name", _plain(RedisVLHistory), ""),
    "redisvl-cache": KnownSource(
        "SemanticCache of redisvl and RedisSemanticCache of langchain-redis", _plain(RedisVLCache), "llmcache"
    ),
    "redisvl-embeddings": KnownSource(
        "EmbeddingsCache of redisvl (from Python, which gives embeddings)", _plain(RedisVLEmbeddings), "embedcache"
    ),
    "langchain-community-semantic": KnownSource(
        "RedisSemanticCache of langchain-community", _plain(CommunitySemanticCache), "doc:cache:"
    ),
    "gptcache": KnownSource("GPTCache on Redis (needs JSON)", _plain(GPTCache), "gptcache"),
    "turn-lists": KnownSource(
        'by hand: a list of {"user", "assistant"} for each session', _plain(TurnLists), "simple_history:"
    ),
    "message-lists": KnownSource(
        "by hand: a list of messages, a summary and a count for each session", _plain(MessageLists), "conversation:"
    ),
    "agent-keys": KnownSource(
        "by hand: PREFIXhistory:AGENT:SESSION, PREFIXstate:AGENT, PREFIXsession:SESSION:NAME", _plain(AgentKeys), ""
    ),
    "json-keys": KnownSource("by hand: any strings of JSON, as items of a store", _plain(JsonKeys), ""),
}


def source_of(name: str, prefix: str | None, match: str, serde: SerializerProtocol) -> Source:
    """Makes one of `SOURCES` by its name; `match` is a glob of names, `serde` reads LangGraph's MessagePack.

    Raises `ConfigError`: nobody has that name, or it needs a prefix.
    """
    known = SOURCES.get(name)
    if known is None:
        raise ConfigError(f"no source is named {name!r}; known are: {', '.join(SOURCES)}")
    chosen = known.prefix if prefix is None else check_text(prefix, "prefix")
    if not chosen:
        raise ConfigError(f"{name} lets the application choose the prefix of its keys: give it as prefix")
    return known.make(chosen, match, serde)
