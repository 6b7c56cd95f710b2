"""`ToolCacheMiddleware`: results of an agent's tools that only look things up, cached by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolMessage
from langgraph.errors import GraphBubbleUp
from langgraph.prebuilt.tool_node import ToolCallRequest
from typing_extensions import Unpack

from langchain_redis_memory.agents.tool_flows import ToolFlows, ToolLookup, ToolScope
from langchain_redis_memory.cache.single_flight import SingleFlight
from langchain_redis_memory.checks import check_several, check_type, check_word
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.key_groups import Id, check_id, text_of
from langchain_redis_memory.redis.ttl import milliseconds

_UNNAMED = "tools"


class ToolCacheMiddleware(ClientOwner, AgentMiddleware[Any, Any, Any]):
    """Serves results of an agent's tools from a cache: of tools that are named here, or that declare it themselves.

    A key holds the tool, its schema and code, its arguments, the asker, his rights and the run's settings. An error is
    never stored, nor a `Command`, nor the result of a tool that is given the agent's state, or that a person answered.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        tools: Tool -> for how many seconds its results are served.
        hinted_s: The same for tools that are not named and whose `metadata` says `cacheable`, or `readOnlyHint` and
            `idempotentHint` (as MCP's do), and nothing against it; None: they are not cached.
        scope: "user" shares results with the same user only, "tenant" with everybody who has the same rights; a tool
            that is given the run's config sees who asks, so its results are the user's own all the same.
        ignore_args: Arguments that do not decide a result, such as an id of a request.
        single_flight_s: Coalesces equal calls: one runs the tool, the others wait, at most so long; None: each runs it.
        stale_if_error_s: For how long a result that is over its lifetime is still served if the tool fails.
        tenant: The tenant, where the config names none.
        name: Names the cache within the tenant. A tool that holds what cannot be read, such as a client, shares results
            between processes only in a cache with a name of its own, such as "handbook-v1".
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        ConfigError: The URL or an option cannot work.
        InvalidIdError: The tenant or the name is not acceptable.
        InvalidInputError: A number is not positive.

    Example:
        ```python
        tools = ToolCacheMiddleware("redis://localhost:6379/0", tools={"search": 3600}, scope="tenant")
        agent = create_agent(model, tools=[search, send_email], middleware=[tools])
        ```

    **Keys:** `entries`, `entry_expiries` of a user, or of 64 shards; `tally`; `lease` of a result that is being made.
    **Trips:** none to construct. A call of a tool that is cached: 1 for a hit; 3 for a miss, and 1 for each look while
        another caller makes the result.
    """

    def __init__(
        self,
        client: ClientLike = None,
        *,
        tools: Mapping[str, float] | None = None,
        hinted_s: float | None = None,
        scope: ToolScope = "user",
        ignore_args: Sequence[str] = (),
        single_flight_s: float | None = 30.0,
        stale_if_error_s: float | None = None,
        tenant: str = "",
        name: str = _UNNAMED,
        **server: Unpack[ServerOptions],
    ) -> None:
        super().__init__()
        self._client = connect(client, owner=type(self), **server)
        self._client.keys(tenant)
        check_word(scope, "scope", get_args(ToolScope), ConfigError)
        if tools is not None:
            check_type(tools, Mapping, "tools", "a dict from names to seconds, as {'search': 3600}", ConfigError)
        if not tools and hinted_s is None:
            msg = "name the tools whose results may be served again: tools={'search': 3600}, or hinted_s=..."
            raise ConfigError(msg)
        self._flows: ToolFlows = ToolFlows(
            self._client,
            {tool: milliseconds(seconds, f"the lifetime of {tool!r}") for tool, seconds in (tools or {}).items()},
            milliseconds(hinted_s, "hinted_s"),
            scope,
            frozenset(check_several(ignore_args, "ignore_args")),
            SingleFlight(milliseconds(single_flight_s, "single_flight_s")),
            milliseconds(stale_if_error_s, "stale_if_error_s"),
            tenant,
            check_id(name, "name"),
            named=name != _UNNAMED,
        )

    def personal_keys(self, user: Id, sessions: Sequence[str] = ()) -> tuple[str, ...]:
        """Spells the keys of the results that are shared with one user only, for `RedisUsers`.

        Args:
            user: The user.
            sessions: The threads of the user, whose results are there where a run named no user.

        Returns:
            The keys, which need not exist.

        Raises:
            InvalidIdError: The user is not acceptable.
        """
        return self._flows.personal_keys(text_of(user, "user"), sessions)

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Any]) -> Any:
        """Serves a tool's result from the cache, or runs the tool and stores what it gives.

        Args:
            request: The call.
            handler: Runs the tool.

        Returns:
            A `ToolMessage`, or whatever the tool gives; a hit says so in its `response_metadata["cache"]`.

        Raises:
            Exception: What the tool raises, where no older result may stand for it.

        **Keys:** `entries`, `entry_expiries`; `tally`; `lease`.
        **Trips:** 1 for a hit; 3 for a miss, and 1 for each look while another caller makes the result.
        """
        called = self._client.drive(self._flows.lookup_flow(request))
        if called.message is not None:
            return _served(request, called.message, "fresh")
        result = None
        try:
            result = handler(request)
        except GraphBubbleUp:  # the tool asks a person, or hands over: that is no failure
            raise
        except Exception:
            if called.stale is None:
                raise
        finally:
            self._client.drive(self._flows.store_flow(called, result))
        return _or_stale(request, called, result)

    async def awrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Any]) -> Any:
        """Serves a tool's result from the cache, or runs the tool; see `wrap_tool_call`."""
        called = await self._client.adrive(self._flows.lookup_flow(request))
        if called.message is not None:
            return _served(request, called.message, "fresh")
        result = None
        try:
            result = await handler(request)
        except GraphBubbleUp:
            raise
        except Exception:
            if called.stale is None:
                raise
        finally:
            await self._client.adrive(self._flows.store_flow(called, result))
        return _or_stale(request, called, result)


def _or_stale(request: ToolCallRequest, called: ToolLookup, result: Any) -> Any:
    failed = result is None or (isinstance(result, ToolMessage) and result.status == "error")
    return _served(request, called.stale, "stale") if failed and called.stale is not None else result


def _served(request: ToolCallRequest, message: ToolMessage, kind: str) -> ToolMessage:
    """Makes a cached result the one of this call."""
    metadata = {**message.response_metadata, "cache": {"hit": True, "kind": kind}}
    own = {"id": None, "tool_call_id": request.tool_call["id"], "response_metadata": metadata}
    return message.model_copy(update=own)
