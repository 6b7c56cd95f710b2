"""The calculator: its bytes are those of a real server, and what drives the result comes first."""

from __future__ import annotations

import json
from pydoc_data.topics import topics
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from typer.testing import CliRunner

from langchain_redis_memory import Client, ConversationMemory, InvalidInputError, RedisOperations
from langchain_redis_memory.cli.app import app
from langchain_redis_memory.operate.sizing import Load, size

PROSE = " ".join(" ".join(topics.values()).split())
USERS, TURNS = 12, 10


def said(at: int, length: int) -> str:
    start = at * 97 % (len(PROSE) - length)
    return f"{at} {PROSE[start : start + length]}"


@pytest.mark.parametrize("answer", [400, 1600])
def test_the_bytes_are_those_of_a_real_server(real: Client, answer: int) -> None:
    memory = ConversationMemory(real)
    model = FakeListChatModel(responses=[said(at, answer) for at in range(USERS * TURNS)])
    chat = memory.wrap(model, scope="s")
    for at in range(USERS * TURNS):
        config: Any = {"configurable": {"session_id": f"s{at // TURNS}"}}
        chat.invoke(f"What is said in {said(at, 60)}?", config)
    kinds = RedisOperations(real).memory_stats(sample=10_000).kinds
    passing = {"trip", "decisions"}  # replies that live for a minute, and a log with a bound
    measured = sum(of.bytes for kind, of in kinds.items() if kind not in passing)
    load = Load(
        users=USERS, turns_per_day=TURNS, retention_s=86_400, characters=60 + answer, answers_ttl_s=86_400,
        turns_per_conversation=TURNS, cacheable=kinds["answer"].keys / USERS / TURNS, hit_rate=0, profiles=False,
    )  # fmt: skip
    assert size(load).bytes == pytest.approx(measured, rel=0.2)


def test_a_million_users() -> None:
    found = size(Load(users=1e6, turns_per_day=20, retention_s=30 * 86_400, threads=True, semantic=True))
    assert [part.name for part in found.parts][:2] == ["turns of LangGraph threads", "turns of conversations"]
    assert found.turns_per_s == pytest.approx(20e6 / 86_400 * 4)
    assert found.trips_per_s == 2 * found.turns_per_s
    assert found.nodes_for_memory > found.nodes_for_work >= 2
    assert found.nodes == 2 * found.nodes_for_memory
    small = size(Load(users=10, turns_per_day=1, retention_s=86_400))
    assert (small.nodes, small.connections) == (2, 4)


@pytest.mark.parametrize("wrong", [{"users": 0}, {"hit_rate": 2}, {"retention_s": -1}, {"replicas": -1}])
def test_a_load_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        Load(**{"users": 1, "turns_per_day": 1, "retention_s": 1, **wrong})


def test_the_command_tells_the_same() -> None:
    arguments = ["size", "--users", "1e6", "--turns-per-day", "20", "--retention", "30d"]
    told = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).output)
    assert told["bytes"] == size(Load(users=1e6, turns_per_day=20, retention_s=30 * 86_400)).bytes
    shown = CliRunner().invoke(app, arguments).output
    assert f"Memory: {told['bytes'] / 2**30:,.1f} GiB" in shown
    assert f"Nodes: {told['nodes']} " in shown
    refused = CliRunner().invoke(app, ["size", "--retention", "a while"])
    assert refused.exit_code == 2
    assert "is not a time such as 12h or 30d" in refused.output
