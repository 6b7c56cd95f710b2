"""The guard against keys that never expire sees them."""

from __future__ import annotations

import os
import subprocess
import sys
from inspect import signature
from pathlib import Path

import pytest

from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both, immortal
from tests.support.table import table

ROOT = Path(__file__).parent.parent
PLUGINS = ("-p", "pytest_asyncio.plugin", "-p", "tests.conftest")
"""Only these: to load all that are installed takes longer than the test."""


@pytest.mark.pins
async def test_a_key_without_a_lifetime_is_found(client: Client, url: str, prefix: str, both: Both) -> None:
    keys = client.keys()
    await both(client.run)(
        Op((("SET", keys.key("answer", "", "a"), 1), ("SET", keys.key("answer", "", "b"), 1, "EX", 60)), len)
    )
    assert immortal(url, prefix) == [keys.key("answer", "", "a")]


LEAK = """
import pytest
from langchain_redis_memory.ops import Op

def leak(client):
    client.run(Op((("SET", client.keys().key("answer", "", "a"), 1),), len))

async def test_leaks(client):
    leak(client)

@pytest.mark.pins
async def test_pins(client):
    leak(client)

async def test_expires(client):
    client.run(Op((("SET", client.keys().key("answer", "", "a"), 1, "PX", 60000),), len))
"""


def test_the_guard_fails_a_test_that_leaks(tmp_path: Path) -> None:
    (tmp_path / "test_leak.py").write_text(LEAK)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *PLUGINS, "--servers=all", "-k", "memory", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    assert "1 error" in done.stdout
    assert "ERROR test_leak.py::test_leaks[memory]" in done.stdout
    assert "keys without a lifetime" in done.stdout


def test_a_table_names_the_rows_that_fail_and_tries_the_others() -> None:
    tried: list[int] = []

    @table(("number", "half"), [(2, 1), (3, 1), (4, 2), (5, 0)])
    def halves(number: int, half: int, more: int) -> None:
        tried.append(number)
        assert number == 2 * half + more

    with pytest.raises(AssertionError, match=r"(?s)2 of 4 rows:\nrow 1, \(3, 1\): AssertionError.*row 3, \(5, 0\)"):
        halves(more=0)
    assert tried == [2, 3, 4, 5]
    assert list(signature(halves).parameters) == ["more"]
