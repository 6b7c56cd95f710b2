"""Greenlets under gevent's patches: everybody gets their own replies, also while others are killed in a trip."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.servers import NEWEST, Farm

PROGRAM = """
from gevent import monkey

monkey.patch_all()
import sys
import time

import gevent
from langchain_core.messages import HumanMessage

from langchain_redis_memory import Client, RedisChatMessageHistory, UnavailableError
from langchain_redis_memory.ops import Op
from tests.support.proxy import Proxy

url, prefix = sys.argv[1:]
client = Client.from_url(url, prefix=prefix, max_connections=8, timeout_s=60)


def get(n):
    return Op((("GET", f"{prefix}:{n}"),), lambda replies: replies[0])


def talk(n):
    history = RedisChatMessageHistory(f"s{n}", client, ttl_s=60)
    for i in range(5):
        history.add_messages([HumanMessage(f"{n}-{i}")])
    return [message.content for message in history.messages] == [f"{n}-{i}" for i in range(5)]


def ask(n):
    while True:
        if client.run(get(n)) != str(n).encode():
            wrong.append(n)


jobs = [gevent.spawn(talk, n) for n in range(20)]
gevent.joinall(jobs, raise_error=True)
assert all(job.value for job in jobs)
wrong = []
client.run(Op(tuple(("SET", f"{prefix}:{n}", n, "EX", 60) for n in range(20)), list))
for round_ in range(20):
    jobs = [gevent.spawn(ask, n) for n in range(20)]
    gevent.sleep(0.001 * round_)
    gevent.killall(jobs)
assert not wrong
assert client._connections.in_use() == 0
assert talk("after")
for timeout_s in (0.3, 0.9, 2.7):  # ten waits one after the other take ten times as long, whatever the machine does
    with Proxy() as hole, Client.from_url(hole.url, timeout_s=timeout_s) as silent:

        def wait(_n):
            try:
                silent.run(get(0))
            except UnavailableError:
                return True

        began = time.monotonic()
        jobs = [gevent.spawn(wait, n) for n in range(10)]
        gevent.joinall(jobs)
        took = time.monotonic() - began
        assert all(job.value for job in jobs)
        if took < 6 * timeout_s:
            break
else:
    raise AssertionError(took)
client.close()
print("all is well")
"""


def test_greenlets_are_threads(farm: Farm, prefix: str) -> None:
    pytest.importorskip("gevent")
    run = [sys.executable, "-c", PROGRAM, farm.url(NEWEST), prefix]
    done = subprocess.run(run, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "all is well\n", done.stderr[-2000:]
