"""An exception from outside, such as a signal handler's, at any point of a sync trip: nobody reads another's reply."""

from __future__ import annotations

import gc
import random
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings

from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from tests.support.certificates import TLSFront, signed
from tests.support.proxy import Proxy
from tests.support.servers import NEWEST, PATIENT_S, Farm


class Interrupt(BaseException):
    """What a signal handler raises, as KeyboardInterrupt is raised."""


@pytest.fixture
def late(farm: Farm) -> Iterator[Proxy]:
    """A proxy whose replies come a little later than they are looked for."""
    farm.url(NEWEST)
    with Proxy(farm.started[NEWEST].port) as proxy:
        proxy.late_s = 0.001
        yield proxy


@pytest.fixture
def tls(late: Proxy, tmp_path: Path) -> Iterator[str]:
    """The URL of a TLS front before that proxy."""
    authority = signed("authority")
    authority.write(tmp_path, "ca")
    front = TLSFront(late.port, signed("localhost", authority).write(tmp_path, "server"))
    # By its address: names are looked up in threads of their own, of which so many interruptions leave too many busy.
    yield f"rediss://127.0.0.1:{front.port}/0?ssl_ca_certs={tmp_path}/ca.crt&ssl_check_hostname=false"
    front.stop()


def echo(text: str) -> Op[Any]:
    return Op((("ECHO", text), ("ECHO", f"{text}.")), list)


def keyed(text: str) -> Op[Any]:
    """The same by keys, one on each node of a cluster."""
    script = "return ARGV[1]"
    return Op((("EVAL", script, 1, text, text), ("EVAL", script, 1, f"{text}.", f"{text}.")), list)


def own(text: str) -> list[bytes]:
    return [text.encode(), f"{text}.".encode()]


@contextmanager
def tracing(trace: Callable[[FrameType, str, object], Any]) -> Iterator[None]:
    """Follows what runs; whoever followed it before (a measuring of coverage) goes on behind it."""
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def points(client: Client) -> list[tuple[str, int]]:
    """Each line of the client and of redis-py that a trip on a new connection runs, by file and number."""
    seen: dict[tuple[str, int], None] = {}

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        name = frame.f_code.co_filename
        if "/redis/" not in name:
            return None
        if event == "line":
            seen[name, frame.f_lineno] = None
        return trace

    with tracing(trace):
        client.run(echo("traced"))
    return list(seen)


def interrupted_at(client: Client, point: tuple[str, int], text: str) -> bool:
    """Runs a trip and raises in it when it comes to a line; whether it came there."""
    hit = False

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal hit
        name = frame.f_code.co_filename
        if hit or "/redis/" not in name:
            return None
        if event == "line" and (name, frame.f_lineno) == point:
            hit = True
            sys.settrace(None)
            raise Interrupt
        return trace

    with tracing(trace), suppress(Interrupt):
        assert client.run(echo(text)) == own(text)
    return hit


# A socket that a handshake was about to return is closed by the garbage collector, which warns.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("topology", ["late", "tls"])
def test_an_exception_at_each_line_of_a_trip(request: pytest.FixtureRequest, topology: str) -> None:
    """Over TLS at some of the lines; the weekly run takes all there as well."""
    place = request.getfixturevalue(topology)
    url = place.url if isinstance(place, Proxy) else place
    step = 20 if topology == "tls" and settings().max_examples <= 20 else 1
    with Client.from_url(url, max_connections=2, timeout_s=PATIENT_S) as client:
        lines = points(client)
        client.close()
        points(client)
        assert len(lines) > 100
        hits = 0
        for number, point in enumerate(lines[::step]):
            if number % 5 == 0:
                client._connections.of_threads().renew()  # now and then in a handshake as well
            hits += interrupted_at(client, point, f"a{number}")
            assert client.run(echo(f"b{number}")) == own(f"b{number}"), point
            assert client._connections.in_use() == 0, point
        assert hits > 100 / step
    gc.collect()  # what warns does so here, where that is expected


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("topology", ["late", "tls", "cluster_url", "sentinel_url"])
def test_signals_at_any_time_while_other_threads_go_on(request: pytest.FixtureRequest, topology: str) -> None:
    """The weekly run sends 3,000."""
    most = 3_000 if settings().max_examples > 20 else {"sentinel_url": 40, "tls": 20}.get(topology, 150)
    place = request.getfixturevalue(topology)
    url = place.url if isinstance(place, Proxy) else place
    with Client.from_url(url, max_connections=3, timeout_s=PATIENT_S) as client:
        wrong: list[Any] = []
        ended = threading.Event()

        def work(name: str) -> None:
            number = 0
            while not ended.is_set():
                number += 1
                try:
                    if (found := client.run(keyed(f"{name}{number}"))) != own(f"{name}{number}"):
                        wrong.append(found)
                except Exception:  # noqa: BLE001 - none is expected
                    wrong.append(traceback.format_exc())

        def interrupt(_number: int, _frame: FrameType | None) -> None:
            raise Interrupt

        threads = [threading.Thread(target=work, args=(name,)) for name in "pq"]
        client.run(keyed("first"))
        before = signal.signal(signal.SIGALRM, interrupt)
        for thread in threads:
            thread.start()
        hits = number = 0
        try:
            while hits < most:
                number += 1
                try:
                    signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, 0.004))
                    if (found := client.run(keyed(f"m{number}"))) != own(f"m{number}"):
                        wrong.append(found)
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except Interrupt:
                    hits += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            ended.set()
            for thread in threads:
                thread.join()
        assert wrong == []
        assert client._connections.in_use() == 0
        assert client.run(keyed("after")) == own("after")
    gc.collect()  # what warns does so here, where that is expected
