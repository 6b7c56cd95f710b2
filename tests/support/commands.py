"""Which commands a module can send, read from its source: its operations' own, and all that its scripts call."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import langchain_redis_memory
from langchain_redis_memory.redis.scripts import script

ROOT = Path(langchain_redis_memory.__file__).parent
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in ROOT.rglob("*.py")}
_NO_COMMANDS = {
    "COUNT",
    "HNSW",
    "KINDS",
    "KNN",
    "LIMIT",
    "MATCH",
    "MAXLEN",
    "NFKC",
    "NOAUTH",
    "PX",
    "SCHEMA",
    "SORTBY",
    "TRUTH",
    "WITHSCORES",
}


@cache
def commands_of(module: str) -> frozenset[str]:
    """The commands of one module, in lower case."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Tuple | ast.List) and node.elts:
            found |= _words(node.elts[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"script", "self._op"} and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and "/" in str(name.value):
                found |= called_by(str(name.value))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "command" and node.args:
            found |= _words(node.args[0]) | called_by("redis/command")  # it is told a command's name
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "script('vectors/points_touch')":
            found |= {word for argument in node.args for word in _words(argument)}  # it is told a command's name
    return frozenset(found)


def _words(first: ast.expr) -> set[str]:
    if isinstance(first, ast.IfExp):
        return _words(first.body) | _words(first.orelse)
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return set()
    word = first.value
    return {word.lower()} if re.fullmatch(r"[A-Z]{3,}(\.[A-Z]+)?", word) and word not in _NO_COMMANDS else set()


@cache
def called_by(name: str) -> frozenset[str]:
    """The commands of a script, those of its fragments included."""
    firsts = [re.findall("'([A-Z]+)'", first) for first in re.findall(r"redis\.p?call\(([^,]*)", script(name).source)]
    told = {"vectors/points_touch", "redis/command", "cache/entry_near"}  # the last by the search that it is given
    assert all(firsts) or name in told, f"{name}.lua calls a command whose name is not written there"
    return frozenset({word.lower() for words in firsts for word in words} | {"eval", "evalsha"})


_VECTORS = ("vectors.vector_sets", "vectors.exact_scan", "redis.capabilities")
_CACHES = (
    "cache.stats",
    "cache.decision_log",
    "cache.single_flight",
    "cache.best_effort",
    "cache.epochs",
    "redis.lease",
)
_SHARDS = ("cache.sharded_entries", "redis.expiring_hash")
_SEMANTIC = ("cache.semantic", *_CACHES, *_VECTORS)
_ANSWERS = ("cache.answers", *_CACHES, "redis.expiring_hash")
_THREADS = ("checkpoint.thread", "checkpoint.thread_index")
_CONVERSATION = ("conversation", "history", "state", "redis.cas_record", "redis.user_index", *_THREADS, *_ANSWERS)
_STORE = (
    *(f"store.{module}" for module in ("items", "root_index", "batch", "scan", "writes", "vector_search")),
    *_VECTORS,
)
_VALUES = ("cache.value", *_CACHES, *_SHARDS)
OF_CLASS: dict[str, tuple[str, ...]] = {
    "AnswerCacheMiddleware": ("agents.answer_flows", "conversation.turn_cache", *_ANSWERS),
    "cache_tools": ("agents.cache_tools", "redis.user_index", *_VALUES, *_ANSWERS),
    "CachedEmbeddings": ("cache.rag.embeddings", *_CACHES, *_SHARDS),
    "CachedRetriever": ("cache.rag", *_SHARDS, *_ANSWERS),
    "ConversationMemory": _CONVERSATION,
    "EpochAnswerCache": _ANSWERS,
    "memory_tools": ("agents.memory_tools", *_STORE, *_CONVERSATION),
    "MemoryMiddleware": ("agents.memory", *_CONVERSATION),
    "RagCache": ("cache.rag", *_SHARDS, *_ANSWERS),
    "RateLimitMiddleware": ("agents.limits", "limits"),
    "RedisAgentState": ("state.agent_state", "redis.cas_record"),
    "RedisBackend": ("agents.file_backend", "store.files"),
    "RedisByteStore": ("store.byte_store",),
    "RedisCache": ("cache.exact", "cache.llm_flows", *_CACHES, *_SHARDS),
    "RedisChatMessageHistory": ("history", "redis.lease", "redis.user_index"),
    "RedisConversationState": ("state.conversation_state", "redis.cas_record"),
    "RedisNodeCache": ("cache.node", "redis.expiring_hash"),
    "RedisRecordManager": ("store.record_manager",),
    "RedisSaver": ("checkpoint", "redis.user_index"),
    "RedisSemanticCache": ("cache.llm_flows", *_SEMANTIC),
    "RedisSessionData": ("state.session_data",),
    "RedisSessions": ("history", "redis.user_index"),
    "RedisStore": _STORE,
    "RedisRateLimiter": ("limits",),
    "RedisUsers": ("operate.users", "history", "checkpoint", "state.user_profile", "redis.user_index", "store.files"),
    "RedisValueCache": _VALUES,
    "RedisTokenStreams": ("state.token_streams", "state.stream_events"),
    "RedisWrappedKeys": ("redis.client.wrapped_keys",),
    "SemanticAnswerCache": ("cache.answers", *_SEMANTIC),
    "TokenBudgetMiddleware": ("agents.limits", "limits"),
    "ToolCacheMiddleware": ("agents.tool_flows", *_CACHES, *_SHARDS),
    "UserProfile": ("state.user_profile", "redis.cas_record"),
}
"""Public classes, with the modules whose operations they run."""


def commands_in(prefixes: Iterable[str]) -> set[str]:
    """The commands of all modules under some prefixes."""
    wanted = [one for one in MODULES if any(one == prefix or one.startswith(f"{prefix}.") for prefix in prefixes)]
    assert wanted, prefixes
    return {command for module in wanted for command in commands_of(module)}


def table() -> dict[str, str]:
    """The commands of each class, as `redis/acl.py` lists them; those of the Query Engine are its own."""
    return {
        name: " ".join(sorted(word for word in commands_in(modules) if not word.startswith("ft.")))
        for name, modules in OF_CLASS.items()
    }


def write() -> None:
    """Writes the table into `redis/acl.py`."""
    path = ROOT / "redis" / "acl.py"
    before, _, rest = path.read_text("utf-8").partition("COMMANDS: Mapping[str, str] = {\n")
    after = rest[rest.index("}\n") :]
    rows = []
    for name, commands in table().items():
        lines = textwrap.wrap(commands, 105 if len(name) + len(commands) > 110 else 120)
        spelled = [f'        "{line} "' for line in lines[:-1]] + [f'        "{lines[-1]}"']
        rows += (
            [f'    "{name}": "{commands}",']
            if len(name) + len(commands) <= 110
            else [f'    "{name}": (', *spelled, "    ),"]
        )
    path.write_text(before + "COMMANDS: Mapping[str, str] = {\n" + "\n".join(rows) + "\n" + after, "utf-8")


if __name__ == "__main__":
    write()
