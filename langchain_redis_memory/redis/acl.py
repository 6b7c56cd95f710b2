"""Access rights (ACL): which commands each class sends, and the line that gives a user just these, for one tenant.

The table is read from the code by `tests/support/commands.py`; a test fails where it is not what the code sends. A
script may call nothing that its user may not call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, get_args

from langchain_redis_memory.checks import check_text, check_word
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.redis.capabilities import EngineName
from langchain_redis_memory.redis.key_groups import Id
from langchain_redis_memory.redis.keys import KeySpace

COMMANDS: Mapping[str, str] = {
    "AnswerCacheMiddleware": (
        "del eval evalsha exists expire get hdel hget hgetall hincrby hkeys hlen hmget hscan hset persist pexpire "
        "pexpireat pttl set time unlink xadd xdel xrevrange zadd zcard zrange zrangebyscore zrem"
    ),
    "cache_tools": (
        "del eval evalsha exists expire get hdel hexists hget hgetall hincrby hkeys hlen hmget hscan hset persist "
        "pexpire pexpireat pttl sadd set smembers srem time unlink xadd xdel xrevrange zadd zcard zrange "
        "zrangebyscore zrem zrevrange zscan zscore"
    ),
    "CachedEmbeddings": (
        "del eval evalsha expire get hdel hexists hget hgetall hincrby hkeys hlen hmget hscan hset persist pexpire "
        "pexpireat pttl set time unlink xadd xdel xrevrange zadd zcard zrange zrangebyscore zrem"
    ),
    "CachedRetriever": (
        "del eval evalsha exists expire get hdel hexists hget hgetall hincrby hkeys hlen hmget hscan hset persist "
        "pexpire pexpireat pttl set time unlink xadd xdel xrevrange zadd zcard zrange zrangebyscore zrem"
    ),
    "ConversationMemory": (
        "del eval evalsha exists expire get hdel hexists hget hgetall hincrby hkeys hlen hmget hscan hset hsetnx "
        "hstrlen lindex llen lrange lrem lset persist pexpire pexpireat pttl rpush sadd set sismember smembers "
        "srem time unlink xadd xdel xrange xrevrange zadd zcard zrange zrangebylex zrangebyscore zrank zrem "
        "zremrangebyrank zrevrange zrevrangebylex zrevrangebyscore zscore"
    ),
    "EpochAnswerCache": (
        "del eval evalsha exists expire get hdel hget hgetall hincrby hkeys hlen hmget hscan hset persist pexpire "
        "pexpireat pttl set time unlink xadd xdel xrevrange zadd zcard zrange zrangebyscore zrem"
    ),
    "memory_tools": (
        "del eval evalsha exists expire get hdel hello hexists hget hgetall hincrby hkeys hlen hmget hscan hset "
        "hsetnx hstrlen lindex llen lrange lrem lset persist pexpire pexpireat pttl rpush sadd set sismember "
        "smembers srem time unlink vadd vcard vrem vsim xadd xdel xrange xrevrange zadd zcard zrange zrangebylex "
        "zrangebyscore zrank zrem zremrangebyrank zrevrange zrevrangebylex zrevrangebyscore zscore"
    ),
    "MemoryMiddleware": (
        "del eval evalsha exists expire get hdel hexists hget hgetall hincrby hkeys hlen hmget hscan hset hsetnx "
        "hstrlen lindex llen lrange lrem lset persist pexpire pexpireat pttl rpush sadd set sismember smembers "
        "srem time unlink xadd xdel xrange xrevrange zadd zcard zrange zrangebylex zrangebyscore zrank zrem "
        "zremrangebyrank zrevrange zrevrangebylex zrevrangebyscore zscore"
    ),
    "RagCache": (
        "del eval evalsha exists expire get hdel hexists hget hgetall hincrby hkeys hlen hmget hscan hset persist "
        "pexpire pexpireat pttl set time unlink xadd xdel xrevrange zadd zcard zrange zrangebyscore zrem"
    ),
    "RateLimitMiddleware": (
        "del eval evalsha get persist pexpire pexpireat set time zadd zcard zrange zrangebyscore zrank zrem zscore"
    ),
    "RedisAgentState": "eval evalsha get hdel hget hmget hset persist pexpire pttl set",
    "RedisBackend": "eval evalsha get hdel hget hset persist pexpire set time zadd zrangebylex zrem",
    "RedisByteStore": (
        "eval evalsha exists get mget persist pexpire pexpireat pttl set time unlink zadd zcard zrange zrangebylex "
        "zrangebyscore zrem"
    ),
    "RedisCache": (
        "del eval evalsha expire get hdel hexists hget hgetall hincrby hkeys hlen hmget hscan hset persist pexpire "
        "pexpireat pttl set time unlink xadd xdel xrevrange zadd zcard zrange zrangebyscore zrem"
    ),
    "RedisChatMessageHistory": (
        "del eval evalsha exists get hget hincrby hmget hset hsetnx lindex llen lrange lrem lset persist pexpire "
        "pexpireat pttl rpush sadd set smembers srem time unlink xdel xrange zadd zcard zrange zrangebyscore zrank "
        "zrem zremrangebyrank zrevrange zrevrangebyscore zscore"
    ),
    "RedisConversationState": "eval evalsha get hdel hget hmget hset persist pexpire pttl set",
    "RedisNodeCache": (
        "eval evalsha get hdel hget hlen hmget hscan hset persist pexpire pexpireat set time unlink zadd zcard "
        "zrange zrangebyscore zrem zremrangebyscore"
    ),
    "RedisRecordManager": (
        "eval evalsha get hdel hget hlen hset pexpire set time zadd zcard zmscore zrangebylex zrangebyscore zrem zscore"
    ),
    "RedisSaver": (
        "del eval evalsha exists get hdel hexists hget hgetall hincrby hkeys hlen hmget hset hsetnx hstrlen memory "
        "persist pexpire pexpireat pttl sadd set smembers srem time unlink zadd zcard zrange zrangebylex "
        "zrangebyscore zrem zrevrange zrevrangebylex zscore"
    ),
    "RedisSemanticCache": (
        "del eval evalsha exists expire get hdel hello hexists hget hgetall hincrby hkeys hlen hmget hscan hset "
        "persist pexpire pexpireat pttl set time vadd vcard vrem vsim xadd xdel xrevrange zadd zcard zrange "
        "zrangebyscore zrem zrevrange zscore"
    ),
    "RedisSessionData": (
        "eval evalsha get hdel hget hkeys hset persist pexpire pttl set time unlink zadd zcard zrangebyscore zrem"
    ),
    "RedisSessions": (
        "del eval evalsha exists get hget hincrby hmget hset hsetnx lindex llen lrange lrem lset persist pexpire "
        "pexpireat pttl rpush sadd set smembers srem time unlink xdel xrange zadd zcard zrange zrangebyscore zrank "
        "zrem zremrangebyrank zrevrange zrevrangebyscore zscore"
    ),
    "RedisStore": (
        "del eval evalsha exists get hdel hello hexists hget hgetall hlen hmget hset persist pexpire pexpireat set "
        "time vadd vcard vrem vsim zadd zcard zrange zrangebylex zrangebyscore zrem zrevrange zscore"
    ),
    "RedisRateLimiter": (
        "del eval evalsha get persist pexpire pexpireat set time zadd zcard zrange zrangebyscore zrank zrem zscore"
    ),
    "RedisUsers": (
        "del eval evalsha exists get hdel hexists hget hgetall hincrby hkeys hlen hmget hset hsetnx hstrlen lindex "
        "llen lrange lrem lset memory persist pexpire pexpireat pttl rpush sadd set smembers srem time unlink xdel "
        "xrange zadd zcard zrange zrangebylex zrangebyscore zrank zrem zremrangebyrank zrevrange zrevrangebylex "
        "zrevrangebyscore zscore"
    ),
    "RedisValueCache": (
        "del eval evalsha expire get hdel hexists hget hgetall hincrby hkeys hlen hmget hscan hset persist pexpire "
        "pexpireat pttl set time unlink xadd xdel xrevrange zadd zcard zrange zrangebyscore zrem zscan"
    ),
    "RedisTokenStreams": "eval evalsha get pexpire sadd set sismember xadd xrange xrevrange",
    "RedisWrappedKeys": "del eval evalsha get pexpire set",
    "SemanticAnswerCache": (
        "del eval evalsha exists expire get hdel hello hexists hget hgetall hincrby hkeys hlen hmget hscan hset "
        "persist pexpire pexpireat pttl set time vadd vcard vrem vsim xadd xdel xrevrange zadd zcard zrange "
        "zrangebyscore zrem zrevrange zscore"
    ),
    "TokenBudgetMiddleware": (
        "del eval evalsha get persist pexpire pexpireat set time zadd zcard zrange zrangebyscore zrank zrem zscore"
    ),
    "ToolCacheMiddleware": (
        "del eval evalsha expire get hdel hexists hget hgetall hincrby hkeys hlen hmget hscan hset persist pexpire "
        "pexpireat pttl set time unlink xadd xdel xrevrange zadd zcard zrange zrangebyscore zrem"
    ),
    "UserProfile": "eval evalsha get hdel hget hmget hset persist pexpire pttl set time unlink",
}
"""Class -> the commands that it sends, by itself or in its scripts."""

_ALWAYS = "exists hello ping wait"
_QUERY_ENGINE = "ft.create ft.search type"
_CLUSTER = "cluster|slots cluster|shards cluster|nodes command readonly readwrite"
_USER = re.compile(r"[^\s\0]+")


def acl_line(
    user: str,
    *classes: Callable[..., Any] | str,
    tenant: Id | None = None,
    prefix: str = "lrm",
    password: str | None = None,
    engine: EngineName = "vector_sets",
    cluster: bool = False,
) -> str:
    """Builds the `ACL SETUSER` command for a user that may do what some classes do, and nothing else.

    Args:
        user: The user's name.
        *classes: The classes that it uses, and functions such as `memory_tools`, or their names; none means all.
        tenant: The tenant whose keys it may reach, "" for the default one; None for every key under the prefix.
        prefix: The prefix of the client's keys.
        password: The user's password, which the line holds as its SHA-256; None for no password, with which nobody can
            log in until one is set.
        engine: Where vectors are kept. Servers before Redis 8 know no vector sets and refuse a line that names their
            commands: "exact". The "query_engine" finds what any tenant stored, so a tenant's user cannot be given it.
        cluster: Whether the server is a cluster.

    Returns:
        The command, for `redis-cli` or an ACL file (without its first two words). Where a `Durability` is "fsynced",
        add `+waitaof`, which servers before Redis 7.2 refuse.

    Raises:
        InvalidInputError: A class is unknown, or the user's name holds white space.
        ConfigError: The Query Engine was asked for a tenant's user, or the prefix cannot be used.
        InvalidIdError: The tenant is not acceptable.

    Example:
        ```python
        print(acl_line("acme-app", RedisChatMessageHistory, RedisSaver, tenant="acme", password=secret))
        ```
    """
    if not isinstance(user, str) or not _USER.fullmatch(user):
        raise InvalidInputError(f"the name of a user must be a text without white space, got {user!r}")
    check_word(engine, "engine", get_args(EngineName))
    if password is not None:
        check_text(password, "password")
    if engine == "query_engine" and tenant is not None:
        msg = "the Query Engine finds what any tenant stored: use vector sets or the exact engine with tenants' users"
        raise ConfigError(msg)
    words = set(_ALWAYS.split())
    for name in [one if isinstance(one, str) else getattr(one, "__name__", "") for one in classes] or COMMANDS:
        if name not in COMMANDS:
            raise InvalidInputError(f"no rights are known of {name!r}; there are {', '.join(COMMANDS)}")
        words |= set(COMMANDS[name].split())
    if engine != "vector_sets":
        words = {word for word in words if word[0] != "v"}
    words |= {*(_QUERY_ENGINE if engine == "query_engine" else "").split(), *(_CLUSTER if cluster else "").split()}
    space = KeySpace(prefix, "" if tenant is None else str(tenant))
    pattern = f"{prefix}:*" if tenant is None else space.tenant_pattern()
    login = "" if password is None else f" #{sha256(password.encode()).hexdigest()}"
    rights = " ".join(f"+{word}" for word in sorted(words))
    return f"ACL SETUSER {user} reset on{login} resetchannels ~{pattern} {rights}"
