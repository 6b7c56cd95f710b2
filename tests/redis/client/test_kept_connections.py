"""Idle connections that a transport keeps at hand: looked at before use; pushed messages, large values, threads."""

from __future__ import annotations

import asyncio
import threading
from typing import Any
from unittest.mock import AsyncMock
from uuid import uuid4

import pytest

from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support import servers
from tests.support.proxy import Proxy
from tests.support.servers import Farm, admin


def command(*words: Any) -> Op[Any]:
    """One command."""
    return Op((words,), lambda replies: replies[0])


def idle(client: Client) -> list[Any]:
    """The connections at hand."""
    kept: list[Any] = client._connections.of_threads()._idle
    return kept


def test_an_idle_connection_that_the_server_closed_is_not_used(real_url: str) -> None:
    with Client.from_url(real_url, retries=0) as client:
        number = client.run(command("CLIENT", "ID"))
        assert client.run(command("CLIENT", "ID")) == number
        with admin(real_url) as other:
            assert other.client_kill_filter(_id=number) == 1
        assert client.run(command("CLIENT", "ID")) != number
        assert len(idle(client)) == 1


def test_what_the_server_pushes_is_no_reply(real_url: str, prefix: str) -> None:
    key = f"{prefix}:k"
    with Client.from_url(real_url) as client, admin(real_url) as other:
        client.run(command("CLIENT", "TRACKING", "ON"))
        for said in (b"one", b"two"):
            other.set(key, said, px=60_000)
            assert client.run(command("GET", key)) == said
        other.set(key, b"three", px=60_000)
        assert client.run(Op((("GET", key), ("STRLEN", key)), list)) == [b"three", 5]


def test_values_that_do_not_go_out_at_once(real_url: str, prefix: str) -> None:
    large = bytes(range(256)) * 32_768
    with Client.from_url(real_url) as client:
        one = Op((("SET", f"{prefix}:k", large, "PX", 60_000), ("GET", f"{prefix}:k")) * 3, list)
        assert client.run(one) == [b"OK", large] * 3


def test_each_thread_gets_its_own_replies(real_url: str) -> None:
    with Client.from_url(real_url, max_connections=3) as client:
        wrong: list[Any] = []

        def ask(number: int) -> None:
            said = [f"{number}/{i}".encode() for i in range(50)]
            wrong.extend(one for one in said if client.run(command("ECHO", one)) != one)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert 0 < len(idle(client)) <= 3


def test_connections_that_are_renewed_are_closed(real_url: str) -> None:
    with Client.from_url(real_url) as client:
        number = client.run(command("CLIENT", "ID"))
        client._connections.of_threads().renew()
        assert not idle(client)
        assert client.run(command("CLIENT", "ID")) != number


def test_the_oldest_client_knows_of_nothing_that_is_pushed(real_url: str) -> None:
    with Client.from_url(real_url) as client:
        client.run(command("ECHO", "a"))
        for connection in idle(client):
            vars(connection._parser).pop("_hiredis_PushNotificationType", None)  # redis-py before 6 has none
        for _ in range(2):
            assert client.run(command("ECHO", "b")) == b"b"


async def test_a_close_that_is_cancelled_forgets_no_async_connection(
    real_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Client.from_url(real_url) as client:
        number = await client.arun(command("CLIENT", "ID"))
        transport = (await client._connections.of_loop()).transport
        with monkeypatch.context() as patched:
            patched.setattr(transport._pool, "disconnect", AsyncMock(side_effect=asyncio.CancelledError))
            with pytest.raises(asyncio.CancelledError):
                await transport.aclose()
        assert await client.arun(command("CLIENT", "ID")) == number


async def test_closing_leaves_who_waits_his_replies(farm: Farm, real_url: str, both: Both) -> None:
    name = f"n{uuid4().hex}"
    with Proxy(farm.started[servers.NEWEST].port) as proxy, admin(real_url) as other:
        client = Client.from_url(proxy.url, client_name=name, retries=0, timeout_s=servers.PATIENT_S)
        await both(client.run)(command("ECHO", "connected"))
        proxy.silent = True
        op = command("ECHO", "late")
        call = client.arun(op) if both.asynchronous else asyncio.to_thread(client.run, op)
        waiting = asyncio.create_task(call)
        while b"late" not in proxy.sent:  # noqa: ASYNC110 - the proxy is a thread
            await asyncio.sleep(0.001)
        await both(client.close)()
        proxy.silent = False
        assert await waiting == b"late"
        assert name not in {one["name"] for one in other.client_list()}


def test_a_connection_that_is_used_is_not_looked_at_each_time(real_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client.from_url(real_url) as client:
        client.run(command("ECHO", "a"))
        (connection,) = idle(client)
        pings: list[int] = []
        ping = connection._send_ping

        def noted() -> None:
            pings.append(1)
            ping()

        monkeypatch.setattr(connection, "_send_ping", noted)
        connection.next_health_check = 0  # it was idle for long
        for _ in range(3):
            client.run(command("ECHO", "a"))
        assert pings == [1]
