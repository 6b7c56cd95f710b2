"""The stored format of a thread, byte for byte: a change of it fails here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.errors import CorruptDataError
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.golden import held, put
from tests.support.saves import TTL_S, listed, names, place

A, B = "a" * 70, "b" * 70
CHECKPOINT: Any = {
    "v": 4,
    "id": "1",
    "ts": "2026-01-02T03:04:05+00:00",
    "channel_values": {"n": 1, "l": [A, B]},
    "channel_versions": {"n": 1, "l": 2.5, "e": "x"},
    "versions_seen": {},
    "updated_channels": None,
}
METADATA: Any = {"source": "loop", "step": 1, "parents": {}, "run_id": "r"}
BODY = (
    b"m\x92\x85\xa1v\x04\xa2id\xa11\xa2ts\xb92026-01-02T03:04:05+00:00\xadversions_seen\x80\xb0updated_channels\xc0"
    b"\x84\xa6source\xa4loop\xa4step\x01\xa7parents\x80\xa6run_id\xa1r"
)
CHECKPOINTS = {b"": b"2", b"s\x001": b"\x01T25:0:5:+n\x00i17:+l\x00f2.55:-e\x00sx" + BODY}
DIGESTS = bytes.fromhex("660c4298bf12619fa1b65edbd1175c8cbf9a7cb0c49f50f3f06e120a54dae4b2")
BLOBS = {
    b"": b"",
    b"bs\x00n\x00i1": b"+m\x01",
    b"bs\x00l\x00f2.5": b"*1-2",
    b"el\x001": b"m\xd9F" + A.encode(),
    b"el\x002": b"m\xd9F" + B.encode(),
    b"dl": DIGESTS,
}
WRITES = {
    b"": b"",
    b"s\x001": b"4:task1:04:path1:n3:+m\x021:14:path1:l4:*1-2",
    b"s\x001\x00\x00": b"<4:task5:task3",
    b"s\x001\x00task2": b"1:00:1:n3:+m\x03",
    b"s\x001\x00task3": b"7:5:task21:00:1:n3:+m\x04",
}
NAMED = {**WRITES, b"s\x001\x00\x00": b"5:task25:task3", b"s\x001\x00task3": b"1:00:1:n3:+m\x04"}
"""As they were stored when the names of all tasks but the first stood together."""
PENDING = [("task2", "n", 3), ("task3", "n", 4), ("task", "n", 2), ("task", "l", [A, B])]
ORDER = [b"", b"i1\x00s", b"ns\x001"]


async def test_a_thread_is_stored_as_these_bytes(client: Client, both: Both) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S)
    config = await both(saver.put)(place(ns="s"), CHECKPOINT, METADATA, CHECKPOINT["channel_versions"])
    await both(saver.put_writes)(config, [("n", 2), ("l", [A, B])], "task", "path")
    await both(saver.put_writes)(config, [("n", 3)], "task2")
    await both(saver.put_writes)(config, [("n", 4)], "task3")
    keys = client.keys().thread("t")
    assert [held(client, key) for key in keys.all()] == [CHECKPOINTS, ORDER, BLOBS, WRITES]
    assert held(client, client.keys().threads()[0]) == [b"at", b"bt/r", b"cr/t"]


def stored(
    client: Client,
    version: bytes = b"\x01",
    mark: bytes = b"+",
    spelled: bytes = b"*1-2",
    writes: Mapping[bytes, bytes] = WRITES,
) -> RedisSaver:
    keys = client.keys().thread("t")
    record = CHECKPOINTS[b"s\x001"].replace(b"\x01T", version + b"1795562083225", 1)
    record = record.replace(b":+l", b":" + mark + b"l")
    put(client, keys.checkpoints, {**CHECKPOINTS, b"s\x001": record})
    put(client, keys.order, set(ORDER))
    put(client, keys.blobs, {**BLOBS, b"bs\x00l\x00f2.5": spelled})
    put(client, keys.writes, dict(writes))
    return RedisSaver(client, ttl_s=TTL_S)


@pytest.mark.parametrize(("mark", "spelled"), [(b"+", b"*1-2"), (b"*", b"*1,2")])
async def test_these_bytes_are_read(client: Client, both: Both, mark: bytes, spelled: bytes) -> None:
    saver = stored(client, mark=mark, spelled=spelled)
    found = await both(saver.get_tuple)(place(ns="s"))
    assert found.checkpoint == CHECKPOINT
    assert found.metadata == METADATA
    assert found.pending_writes == PENDING
    assert names(await listed(both, saver, place(ns="s"))) == ["1"]


async def test_writes_go_on_where_the_names_of_tasks_stood_together(client: Client, both: Both) -> None:
    saver = stored(client, writes=NAMED)
    here = place(ns="s", at="1")
    assert (await both(saver.get_tuple)(here)).pending_writes == PENDING
    for task in ("task4", "task3", "task", "task5"):
        await both(saver.put_writes)(here, [("n", 5)], task)
    added = [("task4", "n", 5), ("task5", "n", 5)]
    assert (await both(saver.get_tuple)(here)).pending_writes == [*PENDING[:2], *added, *PENDING[2:]]
    keys = client.keys().thread("t")
    linked = {b"s\x001\x00\x00": b"<4:task5:task5", b"s\x001\x00task4": b"14:5:task25:task31:00:1:n3:+m\x05"}
    assert held(client, keys.writes) == {**NAMED, **linked, b"s\x001\x00task5": b"7:5:task41:00:1:n3:+m\x05"}
    await both(saver.put)(here, {**CHECKPOINT, "id": "2"}, METADATA, {})
    assert (await both(saver.prune)(["t"])).checkpoints == [place(ns="s", at="1")]
    assert held(client, keys.writes) == {b"": b""}


async def test_a_task_that_a_process_of_before_added_stays_in_the_chain(client: Client, both: Both) -> None:
    old = {b"s\x001\x00\x00": WRITES[b"s\x001\x00\x00"] + b"5:task4", b"s\x001\x00task4": b"1:00:1:n3:+m\x05"}
    saver = stored(client, writes={**WRITES, **old})
    here = place(ns="s", at="1")
    await both(saver.put_writes)(here, [("n", 6)], "task5")
    added = [("task4", "n", 5), ("task5", "n", 6)]
    assert (await both(saver.get_tuple)(here)).pending_writes == [*PENDING[:2], *added, *PENDING[2:]]


async def test_a_chain_that_was_damaged_ends(client: Client, both: Both) -> None:
    here = place(ns="s", at="1")
    circle = {**WRITES, b"s\x001\x00task2": b"7:5:task31:00:1:n3:+m\x03"}
    assert (await both(stored(client, writes=circle).get_tuple)(here)).pending_writes == PENDING
    broken = {**WRITES, b"s\x001\x00task3": b"7:5:task91:00:1:n3:+m\x04"}
    with pytest.raises(CorruptDataError):
        await both(stored(client, writes=broken).get_tuple)(here)


async def test_what_is_missing_from_the_writes_of_a_task_is_damage(client: Client, both: Both) -> None:
    for field, left in (
        (b"s\x001", b"1:04:path1:n3:+m\x02"),  # without the task's name
        (b"s\x001", b"4:task1:04:path1:n"),
        (b"s\x001\x00task2", b"1:00:1:n"),
        (b"s\x001\x00task3", b"7:5:task21:0"),
    ):
        saver = stored(client, writes={**WRITES, field: left})
        with pytest.raises(CorruptDataError):
            await both(saver.get_tuple)(place(ns="s", at="1"))


async def test_a_record_of_another_version_is_refused(client: Client, both: Both) -> None:
    saver = stored(client, b"\x02")
    with pytest.raises(CorruptDataError):
        await both(saver.get_tuple)(place(ns="s"))
    with pytest.raises(CorruptDataError):
        await both(saver.prune)(["t"], keep_last=1)
