"""Damaged bytes: every read of them gives a value or one of the package's errors. See `tests/support/damage.py`."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import wraps
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings

from langchain_redis_memory import Cipher, Client, KeyRing, RedisMemoryError
from langchain_redis_memory.redis.codec import compression
from langchain_redis_memory.redis.keys import KINDS
from tests.conftest import Both
from tests.redis.client.test_connect import CLASSES
from tests.support.damage import damaged_points, read_damaged
from tests.support.readings import NOT_READING, readings
from tests.support.scenario import SCENARIOS, everything
from tests.support.servers import BINARIES, Farm

TIMES = settings().max_examples // 4


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    monkeypatch.setattr(compression, "most_bytes", lambda: 1_000_000)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("cipher", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_no_damage_makes_a_raw_exception(name: str, cipher: bool) -> None:
    # The fifth damage is read by all that reads, which costs most: where there are five, in one of both forms in turn.
    times = TIMES - (list(SCENARIOS).index(name) + cipher) % 2
    _, wrong = await read_damaged(name, times, 1, cipher=cipher)
    assert wrong == []


@pytest.mark.skipif(BINARIES["search"] is None, reason="no Query Engine")
async def test_no_damaged_point_of_the_query_engine_makes_a_raw_exception(farm: Farm, prefix: str, watch: Any) -> None:
    watch(farm.url("search"), prefix)
    kinds, wrong = await damaged_points(farm.url("search"), prefix, TIMES)
    assert wrong == []
    assert "point" in kinds


@pytest.mark.slow
async def test_every_kind_of_key_and_every_public_method_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    called: set[tuple[str, str]] = set()

    def counting(owner: type, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            called.add((owner.__name__, name))
            return method(*args, **kwargs)

        return call

    wanted: set[tuple[str, str]] = set()
    owners: set[type] = {getattr(made, "func", made) for made in CLASSES.values()}  # type: ignore[arg-type]
    for owner in owners:
        for name in set(dir(owner)) - NOT_READING:
            method = inspect.getattr_static(owner, name)
            home = next(base for base in owner.__mro__ if name in vars(base))
            ours = home.__module__.startswith("langchain_redis_memory")
            if ours and name[0] != "_" and inspect.isfunction(method) and not _is_async_twin(owner, name):
                wanted.add((owner.__name__, name))
                monkeypatch.setattr(owner, name, counting(owner, name, method))
    kinds: set[str] = set()
    both, cipher = Both(asynchronous=False), Cipher(KeyRing({"k": bytes(32)}), readable=["vectors"])
    for name, scenario in SCENARIOS.items():
        client = Client.from_url(f"memory://{uuid4().hex}", cipher=cipher)
        reads = await scenario.run(both, client, "")
        kinds |= {key.decode().split("}:")[1].split(":")[0] for key in everything(client)}
        later, everywhere, last = readings(name, both, client)
        # What reads everywhere is the same for each scenario: it is called after the first alone.
        for read in (*reads, *later, *(everywhere if name == next(iter(SCENARIOS)) else []), *last):
            with suppress(RedisMemoryError):
                await read()
    assert kinds == set(KINDS) - {"point"}, "a point is the Query Engine's alone: it has a test of its own"
    assert wanted - called == set(), "neither among the readings nor in NOT_READING"


def _is_async_twin(owner: type, name: str) -> bool:
    return name[0] == "a" and hasattr(owner, name[1:])
