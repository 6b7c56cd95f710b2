"""What an agent knows across its conversations."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import BaseModel

from langchain_redis_memory.errors import (
    ConfigError,
    InvalidIdError,
    InvalidInputError,
    UnserialisableError,
    WrongKeyTypeError,
)
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.codec.values import pack
from langchain_redis_memory.state.agent_state import RedisAgentState
from tests.conftest import Both
from tests.support.raw import reply


class Plan(BaseModel):
    goal: str
    steps: list[str] = []


async def test_it_is_kept_and_replaced(client: Client, both: Both) -> None:
    state = RedisAgentState[Any]("planner", client)
    assert await both(state.load)() is None
    await both(state.save)({"runs": 1, "notes": ["a", b"\0"]})
    assert await both(state.load)() == {"runs": 1, "notes": ["a", b"\0"]}
    await both(state.save)({})
    assert await both(state.load)() == {}
    assert await both(state.delete)() is True
    assert await both(state.delete)() is False
    assert await both(state.load)() is None


async def test_it_can_be_a_model(client: Client, both: Both) -> None:
    state = RedisAgentState("planner", client, model=Plan)
    await both(state.save)(Plan(goal="x"))
    made = await both(state.update)(lambda plan: plan.model_copy(update={"steps": [*plan.steps, "one"]}))
    assert made == await both(state.load)() == Plan(goal="x", steps=["one"])
    with pytest.raises(InvalidInputError, match="Plan") as caught:
        await both(state.save)({"goal": 3, "steps": "secret"})
    assert "secret" not in str(caught.value)
    assert (await both(state.load)()).steps == ["one"]


async def test_concurrent_updates_lose_nothing(client: Client, both: Both) -> None:
    state = RedisAgentState[Any]("planner", client)

    def add(known: Any) -> Any:
        return {"runs": (known or {}).get("runs", 0) + 1}

    if both.asynchronous:
        await asyncio.gather(*(state.aupdate(add) for _ in range(24)))
    else:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: state.update(add), range(24)))
    assert await both(state.load)() == {"runs": 24}


async def test_it_has_its_lifetime(client: Client, both: Both) -> None:
    key = client.keys().agent_state("planner")
    await both(RedisAgentState[Any]("planner", client, ttl_s=100).save)({})
    assert 75_000 < reply(client, "PTTL", key) <= 100_000
    await both(RedisAgentState[Any]("planner", client, ttl_s=10).save)({})
    assert 75_000 < reply(client, "PTTL", key) <= 100_000, "a write never shortens it"
    await both(RedisAgentState[Any]("planner", client, ttl_s=1000).save)({})
    assert 750_000 < reply(client, "PTTL", key) <= 1_000_000


@pytest.mark.pins
async def test_without_a_lifetime_it_stays(client: Client, both: Both) -> None:
    await both(RedisAgentState[Any]("planner", client, ttl_s=None).save)({})
    await both(RedisAgentState[Any]("planner", client, ttl_s=1).save)({})
    assert reply(client, "PTTL", client.keys().agent_state("planner")) == -1


@pytest.mark.parametrize("damage", [b"hello", b"7-0123456789abcdef:x", b"7-0123456789abcdef:" + pack([1])])
async def test_a_damaged_one_counts_as_absent(
    client: Client, both: Both, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    key = client.keys().agent_state("planner")
    state = RedisAgentState[Any]("planner", client)
    reply(client, "HSET", key, "state", damage)
    reply(client, "PEXPIRE", key, 60_000)
    assert await both(state.load)() is None
    await both(state.update)(lambda known: {"was": known})
    assert await both(state.load)() == {"was": None}


async def test_bad_input_is_refused_early(client: Client, both: Both) -> None:
    state = RedisAgentState[Any]("planner", client)
    for wrong in (None, 3, "x", [1]):
        with pytest.raises(InvalidInputError):
            await both(state.save)(wrong)
        with pytest.raises(InvalidInputError):
            await both(state.update)(lambda _known, wrong=wrong: wrong)
    with pytest.raises(UnserialisableError):
        await both(state.save)({"x": object()})
    for agent in (None, 3, "\ud800", "x" * 2000):
        with pytest.raises(InvalidIdError):
            RedisAgentState(agent, client)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="pydantic"):
        RedisAgentState("a", client, model=dict)  # type: ignore[type-var]
    assert await both(state.load)() is None


async def test_something_else_under_the_key_is_an_error(client: Client, both: Both) -> None:
    reply(client, "SET", client.keys().agent_state("planner"), "mine", "PX", 60_000)
    state = RedisAgentState[Any]("planner", client)
    with pytest.raises(WrongKeyTypeError):
        await both(state.load)()
    with pytest.raises(WrongKeyTypeError):
        await both(state.save)({})


async def test_two_tenants_and_agents_never_meet(client: Client, both: Both) -> None:
    made = [RedisAgentState[Any](agent, client, tenant=tenant) for agent in ("", "a") for tenant in ("", "a")]
    for number, state in enumerate(made):
        await both(state.save)({"n": number})
    assert [await both(state.load)() for state in made] == [{"n": number} for number in range(4)]
