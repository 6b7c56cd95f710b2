"""Histories of other packages: whole, in order, with their lifetimes, however often they are moved."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from langchain_core.messages import BaseMessage, ToolMessage

from langchain_redis_memory import RedisChatMessageHistory, RedisMigration
from langchain_redis_memory.peers.langchain_redis import NEVER_STORED
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.operate.migrate.conftest import Origin
from tests.support.peers import SAID, SESSION


def without_ids(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    return [message.model_copy(update={"id": None}) for message in messages]


async def test_a_history_of_langchain_community_is_moved_whole(target: Client, origin: Origin, both: Both) -> None:
    migration = RedisMigration(target, "langchain-community", origin=origin("langchain-community"))
    report = await both(migration.run)()
    assert report.complete, report
    assert (report.kinds["conversations"].moved, report.lost) == (2, {})
    history = RedisChatMessageHistory(SESSION, target)
    stored = await both.messages(history)
    assert stored[:-1] == SAID[:-1]
    assert without_ids(stored[-1:]) == SAID[-1:]
    assert 3000 < (history.ttl() or 0) <= 3600
    assert RedisChatMessageHistory("forever", target).ttl() is None


async def test_a_history_of_langchain_redis_is_moved_with_what_it_has(
    target: Client, origin: Origin, both: Both
) -> None:
    migration = RedisMigration(target, "langchain-redis", origin=origin("langchain-redis"))
    report = await both(migration.run)()
    assert report.complete, report
    assert (report.kinds["conversations"].moved, report.lost) == (2, {NEVER_STORED: 2})
    stored = await both.messages(RedisChatMessageHistory(SESSION, target))
    assert [(type(message), message.content) for message in stored] == [
        (type(message), message.content) for message in SAID
    ]
    assert all(message.id for message in stored)
    answer = stored[3]
    assert isinstance(answer, ToolMessage)
    assert answer.tool_call_id == "c1"


@pytest.mark.parametrize("name", ["langchain-community", "langchain-redis"])
async def test_what_was_moved_is_not_moved_again(target: Client, origin: Origin, name: str) -> None:
    migration = RedisMigration(target, name, origin=origin(name))
    first, again = migration.run(), migration.run()
    assert (first.kinds["conversations"].moved, again.kinds["conversations"].moved) == (2, 0)
    assert again.kinds["conversations"].there == 2
    assert len(RedisChatMessageHistory(SESSION, target)) == len(SAID)
