"""Calls with a timeout: bounded in time and in threads."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from types import FrameType
from typing import Any

import pytest

from langchain_redis_memory.redis.client import timeout
from langchain_redis_memory.redis.client.timeout import Executor, within

WHO: ContextVar[str] = ContextVar("who", default="nobody")


def wait_until(condition: object) -> None:
    assert callable(condition)
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        threading.Event().wait(0.002)


def test_calls_that_hang_leave_a_bounded_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = Executor(limit=8, idle_s=0.01)
    monkeypatch.setattr(timeout, "_executor", executor)
    before, release, started = threading.active_count(), threading.Event(), 0

    def hang() -> None:
        nonlocal started
        started += 1
        release.wait(30)

    for _ in range(8):
        with pytest.raises(TimeoutError, match=r"no result within 0.02 s$"):
            within(0.02, hang)
    for _ in range(192):
        with pytest.raises(TimeoutError, match=r"no result within 3600 s: 8 calls .* are under way already"):
            within(3600, hang)
    assert started == 8
    assert threading.active_count() - before == 8
    release.set()
    wait_until(lambda: threading.active_count() == before)
    assert within(30, lambda: "again") == "again"


def test_threads_are_used_again() -> None:
    executor = Executor()
    seen = {executor.run(30, threading.get_ident) for _ in range(50)}
    assert len(seen) <= 2, "a thread that has just answered may not be free yet"


def test_many_callers_at_once_each_get_their_own_result() -> None:
    executor = Executor(limit=16, idle_s=0.001)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: executor.run(30, lambda: n * n), range(500)))
    assert found == [n * n for n in range(500)]


def test_a_call_sees_its_callers_context_and_its_error_is_passed_on() -> None:
    WHO.set("ana")
    assert within(30, WHO.get) == "ana"
    with pytest.raises(KeyError, match="gone"):
        within(30, lambda: dict[str, str]()["gone"])
    with pytest.raises(SystemExit):
        within(30, lambda: (_ for _ in ()).throw(SystemExit(3)))


def test_an_interrupted_call_leaves_no_place_taken() -> None:
    """A signal handler's exception at any line: with one place, the next call shows that it is free."""

    class Interrupt(BaseException):
        pass

    lines = {line for code in (Executor.run.__code__, Executor._start.__code__) for *_, line in code.co_lines() if line}
    hits = 0
    for wanted in sorted(lines):
        executor = Executor(1, idle_s=0.01)

        def trace(frame: FrameType, event: str, _argument: object, wanted: int = wanted) -> Any:
            nonlocal hits
            if frame.f_code.co_filename != timeout.__file__:
                return None
            if event == "line" and frame.f_lineno == wanted:
                hits += 1
                sys.settrace(None)
                raise Interrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            executor.run(5, int)
        except Interrupt:
            pass
        finally:
            sys.settrace(before)
        wait_until(partial(_is_free, executor))
        assert executor.run(5, lambda: 7) == 7, wanted
    assert hits > 10


def _is_free(executor: Executor) -> bool:
    return not executor._busy
