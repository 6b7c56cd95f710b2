"""The sources by their names, as the command line and `RedisMigration` take them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from langchain_redis_memory.checks import check_text
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.peers.langchain_community import CommunityHistory
from langchain_redis_memory.peers.langchain_redis import LangChainRedisHistory
from langchain_redis_memory.peers.records import Source


@dataclass(frozen=True)
class KnownSource:
    """A source that can be named.

    Args:
        what: What it holds, for people.
        make: Makes it from the prefix of its keys and a glob of ids.
        prefix: The prefix that it has by default; "" where the application chooses one.
    """

    what: str
    make: Callable[[str, str], Source]
    prefix: str


SOURCES: dict[str, KnownSource] = {
    "langchain-community": KnownSource(
        "RedisChatMessageHistory of langchain-community, also on Upstash", CommunityHistory, "message_store:"
    ),
    "langchain-redis": KnownSource(
        "RedisChatMessageHistory of langchain-redis (needs JSON)", LangChainRedisHistory, "chat:"
    ),
}


def source_of(name: str, prefix: str | None = None, match: str = "*") -> Source:
    """Makes a source by its name.

    Args:
        name: One of `SOURCES`.
        prefix: What its keys begin with; None for its package's default.
        match: Which conversations, threads or items, as a glob.

    Returns:
        The source.

    Raises:
        ConfigError: Nobody has that name, or it needs a prefix.
    """
    known = SOURCES.get(name)
    if known is None:
        msg = f"no source is named {name!r}; known are: {', '.join(SOURCES)}"
        raise ConfigError(msg)
    chosen = known.prefix if prefix is None else check_text(prefix, "prefix")
    if not chosen:
        msg = f"{name} lets the application choose the prefix of its keys: give it as prefix"
        raise ConfigError(msg)
    return known.make(chosen, match)
