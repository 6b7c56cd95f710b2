"""Ids may be UUIDs and lifetimes timedeltas, wherever a user gives one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from langchain_redis_memory import (
    Client,
    RedisAgentState,
    RedisChatMessageHistory,
    RedisConversationState,
    RedisSaver,
    RedisSessionData,
    UserProfile,
)
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.ttl import milliseconds

ONE = UUID("12345678-1234-5678-1234-567812345678")
DAY = timedelta(days=1)


def test_a_uuid_names_what_its_text_names() -> None:
    space, same = KeySpace(), KeySpace()
    assert space.session(ONE, ONE) == same.session(str(ONE), str(ONE))
    assert space.index(ONE) == same.index(str(ONE))
    assert space.thread(ONE) == same.thread(str(ONE))
    assert space.profile(ONE) == same.profile(str(ONE))
    assert space.agent_state(ONE) == same.agent_state(str(ONE))
    assert space.lease("x", ONE, ONE) == same.lease("x", str(ONE), str(ONE))
    client = Client("memory://")
    assert client.keys(ONE) == client.keys(str(ONE))


def test_a_history_named_by_a_uuid_is_the_one_of_its_text() -> None:
    with Client("memory://uuids") as client:
        history = RedisChatMessageHistory(ONE, client, tenant=ONE, agent=ONE, ttl_s=timedelta(hours=1))
        history.add_user_message("Hi")
        same = RedisChatMessageHistory(str(ONE), client, tenant=str(ONE), agent=str(ONE))
        assert [message.content for message in same.messages] == ["Hi"]
        assert history.session_id == str(ONE)
        left = same.ttl()
        assert left is not None
        assert 3000 < left <= 3600


@pytest.mark.parametrize("make", [RedisConversationState, RedisSessionData, RedisAgentState, UserProfile])
def test_classes_take_both(make: Any) -> None:
    make(ONE, "memory://", tenant=ONE, ttl_s=DAY)
    with pytest.raises(InvalidInputError, match="timedelta"):
        make(ONE, "memory://", ttl_s=timedelta(0))


def test_a_saver_takes_both() -> None:
    RedisSaver("memory://", tenant=ONE, ttl_s=DAY)


def test_a_timedelta_is_its_seconds() -> None:
    assert milliseconds(DAY) == milliseconds(86_400) == 86_400_000
    assert milliseconds(timedelta(milliseconds=1)) == 1
    for bad in (timedelta(0), timedelta(seconds=-1), timedelta(microseconds=1)):
        with pytest.raises(InvalidInputError, match="a positive timedelta"):
            milliseconds(bad)
