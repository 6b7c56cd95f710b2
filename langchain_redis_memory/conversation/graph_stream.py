"""What a LangGraph graph streams: the caller's modes pass through, and its state is read beside them.

A graph streams by modes, and only `values` tells the whole state, so that mode is always asked for and shown only to a
caller who named it. A cached answer comes in the same modes, as one update of a node called `cache`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk

from langchain_redis_memory.errors import InvalidInputError

NODE = "cache"
"""The node that a cached answer seems to come from."""


class GraphStream:
    """One stream of a graph, with what the caller passes on to `stream`, and the mode where that names none.

    Raises `InvalidInputError`: the caller asks for another format than LangGraph's first.
    """

    def __init__(self, kwargs: Mapping[str, Any], mode: Any) -> None:
        if kwargs.get("version", "v1") != "v1":
            raise InvalidInputError("a wrapped graph streams in LangGraph's version='v1': leave the version out")
        named = kwargs.get("stream_mode") or mode
        self._listed = not isinstance(named, str)
        self._modes = [named] if isinstance(named, str) else list(named)
        self._subgraphs = bool(kwargs.get("subgraphs"))
        self._said: dict[str, str] = {}
        self.state: Any = None
        """The state as last seen; None before the first."""
        self.kwargs: dict[str, Any] = {**kwargs, "stream_mode": list(dict.fromkeys([*self._modes, "values"]))}
        """What is passed on to the graph."""

    @property
    def said(self) -> str:
        """What the message that is being streamed says so far, where messages are streamed."""
        return list(self._said.values())[-1] if self._said else ""

    def through(self, chunks: Iterator[Any]) -> Iterator[Any]:
        """Passes on what the caller asked for."""
        for chunk in chunks:
            yield from self._seen(chunk)

    async def athrough(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Passes on what the caller asked for; see `through`."""
        async with aclosing(cast("AsyncGenerator[Any, None]", chunks)) as steps:
            async for chunk in steps:
                for shown in self._seen(chunk):
                    yield shown

    def served(self, state: Mapping[str, Any]) -> list[Any]:
        """Returns the chunks that a cached answer comes in."""
        answer = state["messages"][-1] if state.get("messages") else None
        chunks: dict[str, Any] = {"values": state, "updates": {NODE: state}}
        if isinstance(answer, AIMessage):
            whole = AIMessageChunk(**answer.model_dump(exclude={"type"}))
            chunks |= {"updates": {NODE: {"messages": [answer]}}, "messages": (whole, {"langgraph_node": NODE})}
        return [self._spelled((), mode, chunks[mode]) for mode in self._modes if mode in chunks]

    def _seen(self, chunk: Any) -> Iterator[Any]:
        namespace, mode, data = chunk if self._subgraphs else ((), *chunk)
        if mode == "values" and not namespace:
            self.state = data
        elif mode == "messages" and not namespace and isinstance(data[0], AIMessageChunk):
            self._said[str(data[0].id)] = self._said.get(str(data[0].id), "") + str(data[0].text)
        if mode in self._modes:
            yield self._spelled(namespace, mode, data)

    def _spelled(self, namespace: tuple[str, ...], mode: str, data: Any) -> Any:
        parts = [*([namespace] if self._subgraphs else ()), *([mode] if self._listed else ()), data]
        return tuple(parts) if len(parts) > 1 else data
