"""The sources by their names, as the command line and `RedisMigration` take them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

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
        kind: Its class: a dataclass of a prefix, a glob of names and, where it is LangGraph's, a `serde`.
    """

    what: str
    kind: type[Any]

    @property
    def prefix(self) -> str:
        """The prefix that its keys have by default; "" where the application chooses one."""
        return getattr(self.kind, "prefix", "")

    def source(self, prefix: str, match: str, serde: SerializerProtocol) -> Source:
        """Makes it; `serde` reads LangGraph's MessagePack."""
        takes_serde = any(field.name == "serde" for field in fields(self.kind))
        made: Source = self.kind(prefix, match, serde) if takes_serde else self.kind(prefix, match)
        return made


SOURCES: dict[str, KnownSource] = {
    "langchain-community": KnownSource(
        "RedisChatMessageHistory of langchain-community, also on Upstash", CommunityHistory
    ),
    "langchain-redis": KnownSource("RedisChatMessageHistory of langchain-redis (needs JSON)", LangChainRedisHistory),
    "langgraph-redis": KnownSource("threads of langgraph-checkpoint-redis since 0.1 (needs JSON)", LangGraphRedis),
    "langgraph-redis-shallow": KnownSource(
        "threads of the shallow saver of langgraph-checkpoint-redis (needs JSON)", LangGraphRedisShallow
    ),
    "langgraph-redis-0.0": KnownSource(
        "threads of langgraph-checkpoint-redis up to 0.0.8 (needs JSON)", LangGraphRedisOld
    ),
    "plainredis": KnownSource("threads of langgraph-checkpoint-plainredis", PlainRedis),
    "aws-valkey": KnownSource("threads of ValkeySaver of langgraph-checkpoint-aws", Valkey),
    "langgraph-redis-store": KnownSource(
        "items of RedisStore of langgraph-checkpoint-redis (needs JSON)", LangGraphRedisStore
    ),
    "mem0": KnownSource("memories of mem0, on Redis or Valkey", Mem0),
    "agent-memory-server": KnownSource(
        "sessions and long-term memories of agent-memory-server (needs JSON)", AgentMemoryServer
    ),
    "redisvl-history": KnownSource("MessageHistory of redisvl; --prefix is its name", RedisVLHistory),
    "redisvl-cache": KnownSource("SemanticCache of redisvl and RedisSemanticCache of langchain-redis", RedisVLCache),
    "redisvl-embeddings": KnownSource(
        "EmbeddingsCache of redisvl (from Python, which gives embeddings)", RedisVLEmbeddings
    ),
    "langchain-community-semantic": KnownSource("RedisSemanticCache of langchain-community", CommunitySemanticCache),
    "gptcache": KnownSource("GPTCache on Redis (needs JSON)", GPTCache),
    "turn-lists": KnownSource('by hand: a list of {"user", "assistant"} for each session', TurnLists),
    "message-lists": KnownSource("by hand: a list of messages, a summary and a count for each session", MessageLists),
    "agent-keys": KnownSource(
        "by hand: PREFIXhistory:AGENT:SESSION, PREFIXstate:AGENT, PREFIXsession:SESSION:NAME", AgentKeys
    ),
    "json-keys": KnownSource("by hand: any strings of JSON, as items of a store", JsonKeys),
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
    return known.source(chosen, match, serde)
