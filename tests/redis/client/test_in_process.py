"""The server in this process: scripts make no globals, and a fakeredis of other insides is asked by its own client."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fakeredis import FakeServer
from redis.exceptions import ResponseError

from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client import in_process
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.in_process import InProcessTransport, open_in_process
from langchain_redis_memory.redis.client.transport import PipelineTransport
from tests.conftest import Both

COUNT = "redis.call('INCR', KEYS[1]); return redis.call('GET', KEYS[1])"
GLOBAL = "forgotten = 1; return 1"


def evaluate(source: str) -> tuple[str, ...]:
    return ("EVAL", source, "1", "n")


def test_the_installed_fakeredis_is_one_whose_insides_are_known() -> None:
    assert type(open_in_process(FakeServer())) is InProcessTransport


def test_a_script_makes_no_global_and_the_next_one_runs() -> None:
    transport = open_in_process(FakeServer(version=(7,)))
    first, refused, last = transport.send([evaluate(COUNT), evaluate(GLOBAL), evaluate(COUNT)], by_digest=True)
    assert (first, last) == (b"1", b"2")
    assert isinstance(refused, ResponseError)
    assert "global variable 'forgotten'" in str(refused)
    assert transport.send([("EVAL", "return forgotten == nil", "0")], by_digest=True) == [1]
    transport.close()


def test_a_script_that_fails_says_why() -> None:
    transport = open_in_process(FakeServer(version=(7,)))
    told = [
        str(transport.send([("EVAL", source, "0")], by_digest=True)[0])
        for source in (
            "return redis.call('NOPE')",
            "return 1 +",
            "error('by itself')",
            "return redis.error_reply('E x')",
        )
    ]
    assert ["unknown command" in told[0], "unexpected symbol" in told[1], "by itself" in told[2]] == [True] * 3
    assert told[3] == "E x"
    transport.close()


def test_threads_share_a_server_each_on_a_connection() -> None:
    transport = open_in_process(FakeServer(version=(7,)))
    with ThreadPoolExecutor(8) as pool:
        counted = [
            int(each) for [each] in pool.map(lambda _: transport.send([evaluate(COUNT)], by_digest=True), range(200))
        ]
    assert sorted(counted) == list(range(1, 201))
    transport.close()


async def test_other_insides_are_asked_by_their_own_client(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "_socket_class", lambda: None)
    made: list[Any] = [open_in_process(FakeServer())]
    assert type(made[0]) is PipelineTransport
    async with Client.from_url("memory://other-insides") as client:
        asked = Op((("SET", "a", "1", "EX", 9), ("GET", "a")), list)
        assert (await both(client.run)(asked))[1] == b"1"


def test_no_other_command_comes_into_the_middle_of_a_trip() -> None:
    transport, ended, often = open_in_process(FakeServer(version=(7,))), threading.Event(), sys.getswitchinterval()

    def count() -> None:
        while not ended.is_set():
            transport.send([("INCR", "n")], by_digest=True)

    writer = threading.Thread(target=count)
    sys.setswitchinterval(1e-6)
    try:
        writer.start()
        seen = [transport.send([("GET", "n")] * 8, by_digest=True) for _ in range(200)]
    finally:
        sys.setswitchinterval(often)
        ended.set()
        writer.join()
    assert [replies for replies in seen if len(set(replies)) > 1] == []
    transport.close()
