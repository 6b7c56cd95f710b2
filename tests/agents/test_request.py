"""The memo of what was computed of models and tools, where several threads ask at once."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace

import pytest

from langchain_redis_memory.agents.request import Descriptions
from tests.support.servers import PATIENT_S


class Slow:
    """A memo of what a thing noted, of which the first reading ends only when it is let go on."""

    def __init__(self) -> None:
        self.thing = SimpleNamespace(mode="plain", runs=[])
        self.reading, self.going_on = Event(), Event()
        self.of = Descriptions(self._read)

    def _read(self, thing: SimpleNamespace) -> str:
        if not self.reading.is_set():
            self.reading.set()
            assert self.going_on.wait(PATIENT_S)
        return f"{thing.mode}, {len(thing.runs)} runs"


def test_who_reads_a_tool_late_takes_what_was_read_before_it_ran() -> None:
    memo = Slow()
    with ThreadPoolExecutor(1) as others:
        late = others.submit(memo.of, memo.thing)
        assert memo.reading.wait(PATIENT_S)
        assert memo.of(memo.thing) == "plain, 0 runs"
        memo.thing.runs.append("by the one who was first")
        memo.going_on.set()
        assert late.result(PATIENT_S) == "plain, 0 runs"
    assert memo.of(memo.thing) == "plain, 0 runs"


def test_what_was_read_before_a_setting_was_changed_is_not_taken() -> None:
    memo = Slow()
    with ThreadPoolExecutor(1) as others:
        late = others.submit(memo.of, memo.thing)
        assert memo.reading.wait(PATIENT_S)
        memo.thing.mode = "polite"
        assert memo.of(memo.thing) == "polite, 0 runs"
        memo.going_on.set()
        late.result(PATIENT_S)
    assert memo.of(memo.thing) == "polite, 0 runs"


FORKED = """
import os, signal
from types import SimpleNamespace
from langchain_redis_memory.agents.request import Descriptions
memo = Descriptions(lambda thing: "read")
with memo._lock:
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        os._exit(0 if memo(SimpleNamespace()) == "read" else 1)
    print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_child_process_does_not_wait_for_a_thread_of_its_parent() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.split() == ["0"]
