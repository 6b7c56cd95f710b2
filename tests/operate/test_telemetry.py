"""Spans by operation, and metrics that are read when they are scraped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableLambda
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from langchain_redis_memory import (
    Client,
    ConversationMemory,
    OTelTracing,
    RedisCache,
    RedisChatMessageHistory,
    RedisStatsCollector,
    RedisStore,
    Trip,
    UnavailableError,
)
from langchain_redis_memory.operate.tracing import CONTENT, MEMORY_OPERATIONS
from langchain_redis_memory.ops import Op
from tests.conftest import Both
from tests.support.servers import closed_port

ROOT = Path(__file__).parents[2]
PROMPT = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")])


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(spans: InMemorySpanExporter) -> TracerProvider:
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(spans))
    return made


def names(spans: InMemorySpanExporter) -> list[str]:
    return [span.name for span in spans.get_finished_spans()]


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def asked(both: Both, chain: Any, question: str, session: str = "s") -> Any:
    return await both(chain.invoke)({"question": question}, {"configurable": {"session_id": session}})


# --- spans ----------------------------------------------------------------------------------------


@pytest.mark.pins
async def test_a_trip_is_named_by_its_operation_in_both_colours(
    client: Client, both: Both, provider: TracerProvider, spans: InMemorySpanExporter, trips: list[Trip]
) -> None:
    tracing = OTelTracing(client, tracer_provider=provider)
    store, history = RedisStore(client), RedisChatMessageHistory("s", client)
    await both(store.put)(("a",), "k", {"x": 1})
    await both(store.get)(("a",), "k")
    await both(history.add_turn)("Hello", "Hello!")
    await both(history.clear)()
    told = names(spans)
    assert list(dict.fromkeys(told))[:2] == ["RedisStore.put", "RedisStore.get"]
    assert list(dict.fromkeys(told))[2:] == ["RedisChatMessageHistory.add_turn", "RedisChatMessageHistory.clear"]
    assert [trip.operation for trip in trips] == told, "what the client told before it still tells"
    last = spans.get_finished_spans()[-1]
    assert attributes(last) == {
        "db.system.name": "redis",
        "db.operation.name": "RedisChatMessageHistory.clear",
        "db.operation.batch.size": trips[-1].commands,
        "gen_ai.operation.name": "delete_memory",
    }
    assert last.start_time is not None
    assert last.end_time is not None
    assert (last.end_time - last.start_time) / 1e9 == pytest.approx(trips[-1].seconds, abs=1e-5)
    tracing.close()
    await both(history.clear)()
    assert names(spans) == told


def test_every_named_operation_of_memory_exists() -> None:
    import langchain_redis_memory as package

    for name in MEMORY_OPERATIONS:
        owner, _, method = name.partition(".")
        assert callable(getattr(getattr(package, owner), method)), name


async def test_spans_lie_under_the_span_of_the_caller(
    client: Client, both: Both, provider: TracerProvider, spans: InMemorySpanExporter
) -> None:
    OTelTracing(client, tracer_provider=provider)
    with trace.get_tracer("app", tracer_provider=provider).start_as_current_span("request") as request:
        await both(client.run)(Op((("GET", "a"),), list))
    [trip, _] = spans.get_finished_spans()
    assert trip.name == "Client.run"
    assert trip.parent is not None
    assert trip.parent.span_id == request.get_span_context().span_id


@pytest.mark.parametrize("content", [True, False, None])
async def test_a_turn_has_its_span_and_its_words_only_if_asked(
    client: Client,
    both: Both,
    provider: TracerProvider,
    spans: InMemorySpanExporter,
    content: bool | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(CONTENT, "true")
    tracing = OTelTracing(client, tracer_provider=provider, content=content)
    memory = ConversationMemory(client, on_turn=tracing.on_turn)
    chain = memory.wrap(PROMPT | FakeListChatModel(responses=["By mail."]))
    for session in ("s", "t"):
        await asked(both, chain, "How do refunds work?", session)
    first, second = (attributes(span) for span in spans.get_finished_spans() if span.name == "conversation_turn")
    assert (first["lrm.cache.result"], second["lrm.cache.result"]) == ("miss", "hit")
    assert (first["gen_ai.conversation.id"], first["lrm.turn.type"]) == ("s", "NEW_TOPIC")
    assert second["lrm.cache.kind"] == "exact"
    assert "lrm.cache.kind" not in first
    assert (first.get("lrm.turn.answer") == "By mail.") is (content is not False)
    assert {name.partition(".")[0] for name in names(spans)} >= {"conversation_turn"}


async def test_what_fails_is_an_error(
    both: Both, provider: TracerProvider, spans: InMemorySpanExporter, client: Client
) -> None:
    def broken(_: Any) -> str:
        msg = "the model is away"
        raise RuntimeError(msg)

    tracing = OTelTracing(client, tracer_provider=provider)
    chain = ConversationMemory(client, on_turn=tracing.on_turn).wrap(RunnableLambda(broken))
    with pytest.raises(RuntimeError):
        await asked(both, chain, "How do refunds work?")
    turn = next(span for span in spans.get_finished_spans() if span.name == "conversation_turn")
    assert turn.status.status_code is trace.StatusCode.ERROR
    assert turn.status.description == "RuntimeError"
    async with Client.from_url(f"redis://127.0.0.1:{closed_port()}", timeout_s=0.2) as away:
        OTelTracing(away, tracer_provider=provider)
        with pytest.raises(UnavailableError):
            await both(away.run)(Op((("GET", "a"),), list))
    assert spans.get_finished_spans()[-1].status.status_code is trace.StatusCode.ERROR


# --- metrics --------------------------------------------------------------------------------------


def scraped(collector: RedisStatsCollector) -> Callable[..., float | None]:
    registry = CollectorRegistry()
    registry.register(collector)

    def read(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    return read


async def test_counts_of_all_processes_since_the_first_scrape(client: Client, url: str, both: Both) -> None:
    memory = ConversationMemory(client)
    chain = memory.wrap(PROMPT | FakeListChatModel(responses=["By mail."]))
    await asked(both, chain, "How do refunds work?")
    collector = RedisStatsCollector(client, {"answers": memory.answers})
    memory.on_turn = collector.on_turn
    read = scraped(collector)
    assert read("lrm_cache_lookups_total", cache="answers", result="miss", type="NEW_TOPIC") is None
    async with Client.from_url(url, prefix=client.keys().prefix) as other:  # as another worker counts
        elsewhere = ConversationMemory(other)
        again = elsewhere.wrap(PROMPT | FakeListChatModel(responses=["By mail."]))
        for session in ("t", "u"):
            await asked(both, again, "How do refunds work?", session)
        await both(elsewhere.answers.stats)()
    await asked(both, chain, "Cancel my order", "v")
    assert read("lrm_cache_lookups_total", cache="answers", result="hit", type="NEW_TOPIC") == 2
    assert read("lrm_turns_total", type="NEW_TOPIC", served="bypass") == 1
    assert read("lrm_up") == 1
    assert read("lrm_unstored") == 0
    assert (read("lrm_trip_seconds_count", operation=f"{type(chain).__name__}.invoke") or 0) >= 2


def test_a_counter_does_not_fall_when_old_hours_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import datetime, timezone

    from langchain_redis_memory.cache.stats import Row, Stats

    client = Client.from_url("memory://falls")
    cache = RedisCache(client, ttl_s=60)
    collector = RedisStatsCollector(client, {"llm": cache})
    read = scraped(collector)
    old, new = (datetime(2026, 1, day, tzinfo=timezone.utc) for day in (1, 31))
    series = [
        [Row(old, "m", "", "hits", 10)],
        [Row(old, "m", "", "hits", 12), Row(old, "m", "", "ms_saved", 500)],
        [Row(new, "m", "", "hits", 1)],
    ]
    values = []
    for rows in series:
        monkeypatch.setattr(RedisCache, "stats", lambda self, rows=rows: Stats(tuple(rows), {}))
        values.append(read("lrm_cache_lookups_total", cache="llm", result="hit", type=""))
    assert values == [None, 2, 3]
    assert read("lrm_seconds_saved_total", cache="llm") == 0.5


def test_a_server_that_is_away_is_a_metric_and_no_error() -> None:
    client = Client.from_url(f"redis://127.0.0.1:{closed_port()}", timeout_s=0.2)
    read = scraped(RedisStatsCollector(client, {"llm": RedisCache(client, ttl_s=60)}))
    assert read("lrm_up") == 0
    failed = read("lrm_trips_failed_total", operation="RedisStatsCollector.collect")
    assert failed is not None
    assert failed >= 1


def test_rules_and_dashboard_ask_for_metrics_that_there_are(real: Client) -> None:
    collector = RedisStatsCollector(real, {"llm": RedisCache(real, ttl_s=60)})
    told = {metric.name for metric in collector.collect()}
    told |= {f"{name}{end}" for name in told for end in ("_total", "_bucket", "_count", "_sum")}
    rules = yaml.safe_load((ROOT / "docs" / "telemetry" / "alerts.yml").read_text("utf-8"))
    dashboard = json.loads((ROOT / "docs" / "telemetry" / "dashboard.json").read_text("utf-8"))
    asked_for = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    asked_for += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(asked_for) > 12
    for expression in asked_for:
        found = set(re.findall(r"\blrm_\w+", expression))
        assert found, expression
        assert found <= told, found - told
