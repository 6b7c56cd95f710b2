"""Arguments that cannot work: a clear error of the one root before anything is sent."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

import pytest

from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.errors import ConfigError, InvalidIdError, InvalidInputError
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.support.saves import TTL_S, checkpoint, listed, loop, place

BAD_CONFIGS: dict[str, Any] = {
    "no configurable": {"tags": []},
    "empty configurable": {"configurable": {}},
    "configurable of a wrong type": {"configurable": [1]},
    "no thread": {"configurable": {"checkpoint_ns": ""}},
    "thread is None": place(None),
    "thread is empty": place(""),
    "thread is a list": place(["t"]),
    "thread is bytes": place(b"t"),
    "thread is a float": place(1.5),
    "thread is a truth": place(True),
    "thread is too long": place("x" * 1025),
    "thread has a lone surrogate": place("\ud800"),
    "namespace is a number": place(ns=5),  # type: ignore[arg-type]
    "namespace has NUL": place(ns="a\0b"),
    "namespace has a lone surrogate": place(ns="\udfff"),
    "checkpoint is a number": place(at=5),  # type: ignore[arg-type]
    "checkpoint has NUL": place(at="a\0b"),
    "checkpoint has a lone surrogate": place(at="\ud800"),
}


@pytest.fixture
def saver(real: Client) -> RedisSaver:
    return RedisSaver(real, ttl_s=TTL_S)


@pytest.fixture
def memory() -> RedisSaver:
    return RedisSaver("memory://bad-input", ttl_s=TTL_S)


@pytest.mark.parametrize("config", BAD_CONFIGS.values(), ids=BAD_CONFIGS.keys())
async def test_a_config_that_points_nowhere(saver: RedisSaver, both: Both, trips: list[Trip], config: Any) -> None:
    for call in (
        lambda: both(saver.put)(config, checkpoint({"a": 1}), loop(), {"a": 1}),
        lambda: both(saver.put_writes)(config, [("a", 1)], "task"),
        lambda: both(saver.get_tuple)(config),
        lambda: listed(both, saver, config),
        lambda: both(saver.get_delta_channel_history)(config=config, channels=["a"]),
    ):
        with pytest.raises(InvalidInputError):
            await call()
    assert trips == []


@pytest.mark.parametrize("thread", ["", b"t", 1.5, None, ["t"], True, "x" * 1025, "\ud800"])
async def test_a_thread_that_cannot_be(saver: RedisSaver, both: Both, trips: list[Trip], thread: Any) -> None:
    for call in (
        lambda: both(saver.delete_thread)(thread),
        lambda: both(saver.persist)(thread),
        lambda: both(saver.copy_thread)(thread, "u"),
        lambda: both(saver.copy_thread)("u", thread),
        lambda: both(saver.prune)(["t", thread]),
        lambda: both(saver.prune)([thread], strategy="delete"),
    ):
        with pytest.raises(InvalidInputError):
            await call()
    assert trips == []


BAD_CALLS: dict[str, Any] = {
    "task has NUL": ("put_writes", (place(at="1"), [("a", 1)], "a\0b"), {}),
    "task is a number": ("put_writes", (place(at="1"), [("a", 1)], 5), {}),
    "task path is a number": ("put_writes", (place(at="1"), [("a", 1)], "t", 5), {}),
    "task path has a lone surrogate": ("put_writes", (place(at="1"), [("a", 1)], "t", "\ud800"), {}),
    "channel is a number": ("put_writes", (place(at="1"), [(5, 1)], "t"), {}),
    "channel has a lone surrogate": ("put_writes", (place(at="1"), [("\ud800", 1)], "t"), {}),
    "no checkpoint to write at": ("put_writes", (place(), [("a", 1)], "t"), {}),
    "checkpoint has no id": ("put", (place(), checkpoint({}) | {"id": ""}, loop(), {}), {}),
    "id has NUL": ("put", (place(), checkpoint({}, name="a\0b"), loop(), {}), {}),
    "id is a number": ("put", (place(), checkpoint({}) | {"id": 5}, loop(), {}), {}),
    "version is None": ("put", (place(), checkpoint({"a": 1}, {"a": None}), loop(), {"a": None}), {}),
    "version is a truth": ("put", (place(), checkpoint({"a": 1}, {"a": True}), loop(), {"a": True}), {}),
    "version has NUL": ("put", (place(), checkpoint({"a": 1}, {"a": "\0"}), loop(), {"a": "\0"}), {}),
    "channel of a version is a number": (
        "put",
        (place(), checkpoint(cast("Any", {5: 1}), cast("Any", {5: 1})), loop(), {5: 1}),
        {},
    ),
    "channel of a version has a lone surrogate": (
        "put",
        (place(), checkpoint({"\ud800": 1}, {"\ud800": 1}), loop(), {"\ud800": 1}),
        {},
    ),
    "ttl is nothing": ("put", (place(ttl_s=0), checkpoint({}), loop(), {}), {}),
    "ttl is negative": ("put", (place(ttl_s=-1), checkpoint({}), loop(), {}), {}),
    "ttl is text": ("put_writes", (place(at="1", ttl_s="1"), [("a", 1)], "t"), {}),
    "ttl is not finite": ("put", (place(ttl_s=float("nan")), checkpoint({}), loop(), {}), {}),
    "limit is negative": ("list", (place(),), {"limit": -1}),
    "limit is text": ("list", (place(),), {"limit": "1"}),
    "limit is a truth": ("list", (place(),), {"limit": True}),
    "limit is a float": ("list", (place(),), {"limit": 1.5}),
    "before has NUL": ("list", (place(),), {"before": place(at="\0")}),
    "before is text": ("list", (place(),), {"before": "1"}),
    "filter is text": ("list", (place(),), {"filter": "a"}),
    "strategy is unknown": ("prune", (["t"],), {"strategy": "keep_all"}),
    "strategy is None": ("prune", (["t"],), {"strategy": None}),
    "strategy is a list": ("prune", (["t"],), {"strategy": []}),
    "nothing to keep": ("prune", (["t"],), {"keep_last": 0}),
    "keep a truth": ("prune", (["t"],), {"keep_last": True}),
    "keep a float": ("prune", (["t"],), {"keep_last": 1.5}),
    "age is negative": ("prune", (["t"],), {"older_than_s": -1}),
    "age is text": ("prune", (["t"],), {"older_than_s": "1"}),
    "one thread instead of a list": ("prune", ("thread",), {}),
    "threads are None": ("prune", (None,), {}),
    "one run instead of a list": ("delete_for_runs", ("run",), {}),
    "copy onto itself": ("copy_thread", ("t", "t"), {}),
}


@pytest.mark.parametrize(("name", "arguments", "options"), BAD_CALLS.values(), ids=BAD_CALLS.keys())
async def test_a_bad_argument_is_said_before_anything_is_sent(
    saver: RedisSaver, both: Both, trips: list[Trip], name: str, arguments: Any, options: Any
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        if name == "list":
            await listed(both, saver, *arguments, **options)
        else:
            await both(getattr(saver, name))(*arguments, **options)
    assert str(caught.value)
    assert trips == []


async def test_a_bad_list_is_said_at_once(memory: RedisSaver) -> None:
    with pytest.raises(InvalidInputError, match="limit"):
        memory.list(place(), limit=-1)
    with pytest.raises(InvalidInputError, match="thread"):
        memory.alist(place(None))


async def test_threads_may_be_numbers_and_uuids(saver: RedisSaver, both: Both) -> None:
    for thread in (5, UUID(int=7)):
        await both(saver.put)(place(thread), checkpoint({"a": str(thread)}), loop(), {"a": 1})
        for spelled in (thread, str(thread)):
            found = await both(saver.get_tuple)(place(spelled))
            assert found.checkpoint["channel_values"] == {"a": str(thread)}
        assert len((await both(saver.prune)([thread], strategy="delete")).checkpoints) == 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"ttl_s": 0}, InvalidInputError),
        ({"ttl_s": -5}, InvalidInputError),
        ({"ttl_s": "5"}, InvalidInputError),
        ({"ttl_s": float("inf")}, InvalidInputError),
        ({"compress_from_bytes": 0}, InvalidInputError),
        ({"compress_from_bytes": 1.5}, InvalidInputError),
        ({"compress_from_bytes": True}, InvalidInputError),
        ({"prefix": "a*"}, ConfigError),
        ({"prefix": ""}, ConfigError),
        ({"tenant": "x" * 1025}, InvalidIdError),
        ({"tenant": 5}, InvalidIdError),
    ],
)
def test_a_saver_that_cannot_be(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        RedisSaver("memory://x", **options)


def test_a_url_that_cannot_be() -> None:
    with pytest.raises(ConfigError):
        RedisSaver("nowhere://x")


async def test_tenants_are_apart(real: Client, both: Both) -> None:
    tenants = {name: RedisSaver(real, ttl_s=TTL_S, tenant=name) for name in ("", "t", "t/a", "*")}
    for name, saver in tenants.items():
        await both(saver.put)(place("t", run_id="r"), checkpoint({"a": name}), loop(), {"a": 1})
    for name, saver in tenants.items():
        assert [one.checkpoint["channel_values"] for one in await listed(both, saver, None)] == [{"a": name}]
    assert len((await both(tenants["*"].delete_for_runs)(["r"])).checkpoints) == 1
    await both(tenants["t"].delete_thread)("t")
    left = [len(await listed(both, saver, None)) for saver in tenants.values()]
    assert left == [1, 0, 1, 0]


async def test_set_up_is_nothing(saver: RedisSaver, both: Both, trips: list[Trip]) -> None:
    assert await both(saver.setup)() is None
    assert trips == []
