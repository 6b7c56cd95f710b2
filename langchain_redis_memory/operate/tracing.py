"""`OTelTracing`: spans of OpenTelemetry for round trips and turns.

A round trip's span is named by the operation that waited for it ("RedisSaver.put"), where instrumentations of redis-py
know the commands only ("EVALSHA EVALSHA"). It is recorded when the trip has ended, under the span that is current then.

Names follow the conventions for generative AI as they stand (in development): `gen_ai.operation.name` of operations on
memory, `gen_ai.conversation.id`. They have no name for an answer from a cache; those begin with `lrm.`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage

from langchain_redis_memory.checks import check_method, check_type
from langchain_redis_memory.conversation.turn import TurnReport
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.extras import missing
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.clock import wall
from langchain_redis_memory.redis.client.trips import Trip

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The variable by which instrumentations of generative AI are told to record what was said."""

MEMORY_OPERATIONS = {
    "RedisStore.put": "upsert_memory",
    "RedisStore.delete": "delete_memory",
    "RedisStore.get": "search_memory",
    "RedisStore.search": "search_memory",
    "RedisChatMessageHistory.add_messages": "create_memory",
    "RedisChatMessageHistory.add_turn": "create_memory",
    "RedisChatMessageHistory.clear": "delete_memory",
    "UserProfile.set": "update_memory",
}
"""Operation of this package -> its `gen_ai.operation.name`."""


class OTelTracing:
    """Records a span for each round trip of a client, and for each turn that is reported to it.

    Args:
        client: The client; what it told before it still tells.
        tracer_provider: Where spans go; None for the global provider.
        content: Whether a turn's span holds the question and the answer. None for what the variable
            `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` says, which is no if it is not set.

    Raises:
        ConfigError: opentelemetry-api is not installed (extra `otel`).

    Example:
        ```python
        tracing = OTelTracing(client)
        memory = ConversationMemory(client, on_turn=tracing.on_turn)
        ```
    """

    def __init__(
        self, client: Client, *, tracer_provider: TracerProvider | None = None, content: bool | None = None
    ) -> None:
        if find_spec("opentelemetry") is None:
            msg = "tracing needs opentelemetry-api"
            raise missing(msg, "otel")
        from opentelemetry import trace

        check_type(client, Client, "client", "a Client, the one that a memory is given too", ConfigError)
        if tracer_provider is not None:
            check_method(tracer_provider, "get_tracer", "tracer_provider", ConfigError)
        self._tracer = trace.get_tracer("langchain_redis_memory", tracer_provider=tracer_provider)
        self._content = os.environ.get(CONTENT, "").lower() == "true" if content is None else content
        self._client = client
        self._before: Callable[[Trip], object] | None = client.on_trip
        self._heard = self._on_trip  # one object, to find it again
        client.on_trip = self._heard

    def close(self) -> None:
        """Records no further round trips."""
        if self._client.on_trip is self._heard:
            self._client.on_trip = self._before
        self._heard = lambda trip: None

    def on_turn(self, report: TurnReport) -> None:
        """Records the span of a turn; give it to `ConversationMemory(on_turn=...)`.

        Args:
            report: What happened in the turn.
        """
        attributes: dict[str, Any] = {
            "gen_ai.conversation.id": report.session,
            "lrm.turn.type": report.verdict.type.value,
            "lrm.turn.probability": report.verdict.confidence,
            "lrm.cache.result": report.cache,
            "lrm.cache.reason": report.why,
            "lrm.trips": report.trips,
            "lrm.stored": report.stored,
            "lrm.memory.messages": len(report.memory),
            "lrm.memory.tokens": report.memory_tokens,
            "lrm.seconds.redis": report.redis_s,
            "lrm.seconds.retrieval": report.retrieval_s,
            "lrm.seconds.model": report.model_s,
            "lrm.retrieval.documents": len(report.documents),
        }
        if report.tenant:
            attributes["lrm.tenant"] = report.tenant
        if report.agent:
            attributes["gen_ai.agent.name"] = report.agent
        if report.cache == "hit":
            attributes |= {"lrm.cache.kind": report.kind, "lrm.cache.entry": report.entry}
            attributes["lrm.cache.saved_tokens"] = report.saved_tokens
            if report.age_s is not None:
                attributes["lrm.cache.age"] = report.age_s
        if self._content:
            said = report.value.content if isinstance(report.value, BaseMessage) else report.value
            attributes |= {"lrm.turn.question": report.question, "lrm.turn.answer": str(said)}
            if report.query is not None:
                attributes["gen_ai.retrieval.query.text"] = report.query
        self._record(report.operation, attributes, report.seconds, report.error)

    def _on_trip(self, trip: Trip) -> object:
        attributes: dict[str, Any] = {
            "db.system.name": "redis",
            "db.operation.name": trip.operation,
            "db.operation.batch.size": trip.commands,
        }
        if (kind := MEMORY_OPERATIONS.get(trip.operation)) is not None:
            attributes["gen_ai.operation.name"] = kind
        self._record(trip.operation, attributes, trip.seconds, failed=trip.failed, client=True)
        return None if self._before is None else self._before(trip)  # which may be a coroutine

    def _record(
        self,
        name: str,
        attributes: dict[str, Any],
        seconds: float,
        error: BaseException | None = None,
        *,
        failed: bool = False,
        client: bool = False,
    ) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode

        ended = int(wall() * 1e9)
        span = self._tracer.start_span(
            name,
            kind=SpanKind.CLIENT if client else SpanKind.INTERNAL,
            attributes=attributes,
            start_time=ended - int(seconds * 1e9),
        )
        if error is not None:
            span.record_exception(error)
        if failed or error is not None:
            span.set_status(Status(StatusCode.ERROR, "" if error is None else type(error).__name__))
        span.end(ended)
