"""The flows of `ToolCacheMiddleware`: the result of a tool is looked up, made by one caller at a time, and stored."""

from __future__ import annotations

import inspect
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args, get_type_hints

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.config import get_config
from langgraph.prebuilt.tool_node import ToolCallRequest

from langchain_redis_memory.agents.request import SEPARATED, Descriptions, asker_of
from langchain_redis_memory.cache.best_effort import CacheUnavailable
from langchain_redis_memory.cache.sharded_entries import ShardedEntries
from langchain_redis_memory.cache.single_flight import SingleFlight
from langchain_redis_memory.errors import UnserialisableError
from langchain_redis_memory.ops import Flow, ask
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.codec.data import LABELS
from langchain_redis_memory.redis.codec.fingerprint import deciding_settings, describable, describe, made_of, unread_in
from langchain_redis_memory.redis.codec.held import held
from langchain_redis_memory.redis.codec.messages import decode_message, encode_message
from langchain_redis_memory.redis.codec.values import digest
from langchain_redis_memory.redis.expiring_hash import Item, NewItem
from langchain_redis_memory.run_config import rights_of

_log = logging.getLogger(__name__)

ToolScope = Literal["user", "tenant"]
"""With whom a tool's results are shared: the same user, or everybody of the tenant with the same rights."""


class ToolLookup(NamedTuple):
    """The result of looking up what a tool gave.

    Args:
        entries: Where results of the tenant are.
        name: The result's name; None for a call that is not cached.
        ttl_ms: How long its result is fresh, in milliseconds.
        message: A result that may be served.
        stale: One that may be served if the tool fails.
        tool: The tool.
        code: What it was made with when it was looked up.
    """

    entries: ShardedEntries | None = None
    name: bytes | None = None
    ttl_ms: int = 0
    message: ToolMessage | None = None
    stale: ToolMessage | None = None
    tool: BaseTool | None = None
    code: str = ""


@dataclass
class ToolFlows:
    """The flows of a cache around the tools of agents.

    Args:
        client: The server's client.
        lifetimes: Tool -> how long its results are fresh, in milliseconds.
        hinted_ms: The same for tools whose metadata says that they only read; 0: they are not cached.
        scope: With whom results are shared.
        ignored: Arguments that do not decide a result.
        flights: Coalesces equal calls.
        stale_ms: For how long a result that is over its lifetime is served if the tool fails.
        tenant: The tenant, where a config names none.
        cache: The cache's name.
        named: Whether the application named it, so that tools which cannot be read whole are shared by their code.
    """

    client: Client
    lifetimes: Mapping[str, int]
    hinted_ms: int
    scope: ToolScope
    ignored: Set[str]
    flights: SingleFlight
    stale_ms: int
    tenant: str
    cache: str
    named: bool = False
    warned: set[str] = field(default_factory=set)
    _entries: OrderedDict[tuple[str, str | None], ShardedEntries] = field(default_factory=OrderedDict)

    def lookup_flow(self, request: ToolCallRequest) -> Flow[ToolLookup]:
        """Looks for the result of a call, and waits for another caller that is just making it. Returns what there is.

        Nothing that the server fails with is raised.
        """
        called = self._called(request)
        if called.entries is None or called.name is None:
            return called
        tally = called.entries.tally
        item: Item | None = None
        with suppress(CacheUnavailable):
            item = yield from called.entries.best_effort(self._find_flow(called.entries, called.name))
        message = None if item is None else _message(item.body)
        fresh = item is not None and not self._is_stale(item)
        tally.add("hits" if message is not None and fresh else "misses", kind=request.tool_call["name"])
        return called._replace(message=message) if fresh else called._replace(stale=message)

    def _find_flow(self, entries: ShardedEntries, name: bytes) -> Flow[Item | None]:
        read = entries.get_one(name)
        item = yield from ask(read)
        if item is not None and not self._is_stale(item):
            return item
        if not self.flights:
            return item
        look = read.map(lambda stored: None if stored is None or self._is_stale(stored) else stored)
        joining = self.flights.join_flow(entries.lease(name), look)
        stored = yield from self.flights.cancellable_flow(joining, lambda: entries.lease(name))
        return item if stored is None else stored

    def _is_stale(self, item: Item) -> bool:
        return bool(self.stale_ms) and item.left_ms is not None and item.left_ms <= self.stale_ms

    def _called(self, request: ToolCallRequest) -> ToolLookup:
        """Names the result of a call, if it is one that may be cached."""
        call, tool = request.tool_call, request.tool
        ttl_ms = self.lifetimes.get(call["name"]) or (self.hinted_ms if tool is not None and _only_reads(tool) else 0)
        if tool is None or not ttl_ms:
            return ToolLookup()
        if _reads_state(tool):
            self._warn(call["name"], "it is given the agent's state, store or runtime, which no key can hold")
            return ToolLookup()
        config = get_config()
        configurable = config.get("configurable") or {}
        args = {name: value for name, value in call["args"].items() if name not in self.ignored}
        given = [args, deciding_settings(configurable, *SEPARATED), rights_of(config)]
        if not describable(given):
            self._warn(call["name"], "its arguments or the run's settings are not plain data")
            return ToolLookup()
        asker = asker_of(config) if self.scope == "user" or _reads_config(tool) else None
        name = "" if asker is None else asker.name
        code = self._code(tool)
        decides = {"tool": call["name"], "schema": _schema(tool), "code": code, "given": given, "asker": name}
        owner = None if asker is None else _owner(asker.user, asker.session)
        entries = self.entries_of(configurable.get("tenant") or self.tenant, owner)
        return ToolLookup(entries, entries.name(bytes.fromhex(digest(decides))), ttl_ms, tool=tool, code=code)

    def _code(self, tool: BaseTool) -> str:
        """Describes what a tool was made with, and what it holds of that by now."""
        unread = [] if self.named else _unreadable(tool)
        decides = {"code": _first(tool), "held": held(tool), "methods": _methods(tool), "unread": unread}
        return digest(decides)

    def _is_as_it_was(self, called: ToolLookup) -> bool:
        if called.tool is None or called.code == self._code(called.tool):
            return True
        self._warn(called.tool.name, "what it closes over, or its object holds, changed while it ran")
        return False

    def _warn(self, tool: str, why: str) -> None:
        if tool not in self.warned:
            self.warned.add(tool)
            _log.warning("results of the tool %r are not cached: %s", tool, why)

    def personal_keys(self, user: str, sessions: Sequence[str]) -> tuple[str, ...]:
        """Spells the keys of the results that are a user's alone."""
        if self.scope != "user":
            return ()
        owners = [_owner(user, ""), *(_owner("", session) for session in sessions)]
        return tuple(key for owner in owners for key in self.entries_of(self.tenant, owner).all_keys())

    def entries_of(self, tenant: str, owner: str | None) -> ShardedEntries:
        """Returns the results of an asker, or those of all of a tenant."""
        entries = self._entries.get((tenant, owner))
        if entries is None:
            entries = ShardedEntries(self.client, tenant, "tools", self.cache, owner=owner)
            self._entries[tenant, owner] = entries
            while len(self._entries) > _MOST_ENTRIES:
                self._entries.popitem(last=False)
        return entries

    def store_flow(self, called: ToolLookup, result: Any) -> Flow[None]:
        """Stores a tool's result where it is one, None where the tool raised, and lets those who wait go on.

        What a tool gave that was changed meanwhile is nobody's: neither what it held before may have made it, nor
        what it holds now.
        """
        if called.entries is None or called.name is None:
            return
        answered = _is_answered(get_config())  # what a person said to one call is nobody's answer to another
        kept = isinstance(result, ToolMessage) and result.status != "error" and not answered
        if kept and self._is_as_it_was(called):
            try:
                body = encode_message(result.model_copy(update={"id": None}))
            except UnserialisableError as error:
                self._warn(str(result.name), str(error))
            else:
                item = NewItem(called.name, called.ttl_ms + self.stale_ms, body)
                with suppress(CacheUnavailable):
                    yield from called.entries.best_effort(ask(called.entries.put([item])), write=True)
        if self.flights.leads(lease := called.entries.lease(called.name)):
            with suppress(CacheUnavailable):
                yield from called.entries.best_effort(self.flights.leave_flow(lease), write=True)


_MOST_ENTRIES = 256


def _owner(user: str, session: str) -> str:
    """Names whose results they are: the user, or the conversation of one who is not named."""
    return f"u{user}" if user else f"s{session}"


_schema = Descriptions(convert_to_openai_tool)


def _message(body: bytes) -> ToolMessage | None:
    """Decodes a result; what is damaged counts as absent."""
    try:
        message = decode_message(body)
    except ValueError:
        return None
    return message if isinstance(message, ToolMessage) else None


def _only_reads(tool: BaseTool) -> bool:
    """Returns whether a tool's metadata says that it only reads: `cacheable`, or the hints of MCP."""
    hints = {**(tool.metadata or {})}
    hints |= hints.get("annotations") or {}
    if hints.get("destructive") or hints.get("destructiveHint") or hints.get("volatile"):
        return False
    return bool(hints.get("cacheable") or (hints.get("readOnlyHint") and hints.get("idempotentHint")))


def _state_args(tool: BaseTool) -> bool:
    """Returns whether a tool takes arguments that the model does not give: what is injected by LangGraph."""
    schema: Any = tool.tool_call_schema
    whole: Any = tool.get_input_schema()
    shown = schema.get("properties", {}) if isinstance(schema, dict) else schema.model_fields
    return bool(set(whole.model_fields) - set(shown))


_reads_state = Descriptions(_state_args)


def _config_args(tool: BaseTool) -> bool:
    """Returns whether a tool takes the run's config, which names the user."""
    functions = (getattr(tool, "func", None), getattr(tool, "coroutine", None), tool._run, tool._arun)
    own = [
        one for one in functions if one is not None and not inspect.unwrap(one).__module__.startswith("langchain_core.")
    ]
    return any(RunnableConfig in (kind, *get_args(kind)) for one in own for kind in _hints(one).values())


def _hints(function: Any) -> dict[str, Any]:
    try:
        return get_type_hints(inspect.unwrap(function))
    except (NameError, TypeError, AttributeError):
        return {"config": RunnableConfig} if "config" in inspect.signature(function).parameters else {}


_reads_config = Descriptions(_config_args)
_first = Descriptions(lambda tool: describe(tool).digest)


def _unread(tool: BaseTool) -> list[str]:
    """Names what cannot be read in a tool: the same code over another index is another tool."""
    own = {name: getattr(tool, name) for name in type(tool).model_fields if name not in {*LABELS, "args_schema"}}
    return unread_in([own, tool.__pydantic_private__], tool)


def _own_code(tool: BaseTool) -> list[str]:
    """Describes the code of a tool of somebody's own class."""
    runs = (type(tool)._run, type(tool)._arun)
    return [made_of(run, tool) for run in runs if not run.__module__.startswith("langchain_core.")]


_unreadable = Descriptions(_unread)
_methods = Descriptions(_own_code)


def _is_answered(config: Mapping[str, Any]) -> bool:
    """Whether somebody answered an interrupt of this task; LangGraph notes it where it keeps its own settings."""
    pad = (config.get("configurable") or {}).get("__pregel_scratchpad")
    return bool(getattr(pad, "resume", None))
