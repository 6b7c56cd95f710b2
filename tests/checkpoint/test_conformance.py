"""LangGraph's own conformance suite for checkpointers, on every server, through the async methods and the sync ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability

from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.saves import TTL_S


class Blocking(BaseCheckpointSaver[Any]):
    """The sync methods under the async names."""

    def __init__(self, saver: RedisSaver) -> None:
        super().__init__(serde=saver.serde)
        self.saver = saver

    def get_next_version(self, current: Any, channel: None) -> Any:
        return self.saver.get_next_version(current, channel)

    async def aget_tuple(self, config: Any) -> CheckpointTuple | None:
        return self.saver.get_tuple(config)

    async def alist(self, config: Any, **options: Any) -> AsyncIterator[CheckpointTuple]:
        found: Iterator[CheckpointTuple] = self.saver.list(config, **options)
        for one in found:
            yield one

    async def aput(self, *arguments: Any) -> Any:
        return self.saver.put(*arguments)

    async def aput_writes(self, *arguments: Any, **options: Any) -> None:
        self.saver.put_writes(*arguments, **options)

    async def adelete_thread(self, thread_id: str) -> None:
        self.saver.delete_thread(thread_id)

    async def adelete_for_runs(self, run_ids: Any) -> None:
        self.saver.delete_for_runs(run_ids)

    async def acopy_thread(self, source: str, target: str) -> None:
        self.saver.copy_thread(source, target)

    async def aprune(self, thread_ids: Any, **options: Any) -> None:
        self.saver.prune(thread_ids, **options)


async def conforms(client: Client, both: Both, **options: Any) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S, **options)

    @checkpointer_test(name="RedisSaver")
    async def registered() -> AsyncIterator[BaseCheckpointSaver[Any]]:
        yield saver if both.asynchronous else Blocking(saver)

    report = await validate(registered)
    failures = [failure for result in report.results.values() for failure in result.failures or []]
    assert not failures, "\n".join(failures)
    passed = {name: result.tests_passed for name, result in report.results.items()}
    assert set(passed) == {capability.value for capability in Capability}
    assert all(passed.values()), f"a capability was not found: {passed}"
    assert report.passed_all()


@pytest.mark.slow
async def test_every_capability(client: Client, both: Both) -> None:
    await conforms(client, both)


async def test_every_capability_on_a_cluster(cluster: Client, both: Both) -> None:
    await conforms(cluster, both)


async def test_every_capability_behind_a_sentinel(sentinel: Client, both: Both) -> None:
    await conforms(sentinel, both)


async def test_every_capability_with_every_option(real: Client, both: Both) -> None:
    await conforms(real, both, touch_on_read=True, compress_from_bytes=1)
