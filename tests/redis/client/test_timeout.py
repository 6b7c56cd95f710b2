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
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        threading.Event().wait(0.002)


class Counted(Executor):
    """An executor that knows its own threads: other tests leave some, which end whenever they like."""

    def __init__(self, limit: int, idle_s: float) -> None:
        super().__init__(limit, idle_s)
        self.ever: set[threading.Thread] = set()
        self.ended: set[threading.Thread] = set()

    def _work(self) -> None:
        me = threading.current_thread()
        self.ever.add(me)
        super()._work()
        self.ended.add(me)


def test_calls_that_hang_leave_a_bounded_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = Counted(8, 0.01)
    monkeypatch.setattr(timeout, "_executor", executor)
    release, started = threading.Event(), []

    def hang() -> None:
        started.append(threading.current_thread())
        release.wait(60)

    try:
        for _ in range(8):
            with pytest.raises(TimeoutError, match=r"no result within 0.02 s$"):
                within(0.02, hang)
        for _ in range(192):
            with pytest.raises(TimeoutError, match=r"no result within 3600 s: 8 calls .* are under way already"):
                within(3600, hang)
        wait_until(lambda: len(started) == 8)
        assert len(executor.ever) == 8
        assert not executor.ended
    finally:
        release.set()
    wait_until(lambda: executor.ended == executor.ever)
    assert len(executor.ever) == len(started) == 8
    assert within(60, lambda: "again") == "again"


def test_threads_are_used_again() -> None:
    executor = Executor()
    seen = {executor.run(60, threading.get_ident) for _ in range(50)}
    assert len(seen) <= 2, "a thread that has just answered may not be free yet"


def test_many_callers_at_once_each_get_their_own_result() -> None:
    executor = Executor(limit=16, idle_s=0.001)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: executor.run(60, lambda: n * n), range(500)))
    assert found == [n * n for n in range(500)]


def test_a_call_sees_its_callers_context_and_its_error_is_passed_on() -> None:
    WHO.set("ana")
    assert within(60, WHO.get) == "ana"
    with pytest.raises(KeyError, match="gone"):
        within(60, lambda: dict[str, str]()["gone"])
    with pytest.raises(SystemExit):
        within(60, lambda: (_ for _ in ()).throw(SystemExit(3)))


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
            executor.run(60, int)
        except Interrupt:
            pass
        finally:
            sys.settrace(before)
        wait_until(partial(_is_free, executor))
        assert executor.run(60, lambda: 7) == 7, wanted
    assert hits > 10


def _is_free(executor: Executor) -> bool:
    return not executor._busy
