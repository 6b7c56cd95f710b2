"""Ctrl-C during a long command: one line, exit code 130, the terminal as it was, and the work goes on from there."""

from __future__ import annotations

import json
import os
import pty
import signal
import termios
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from langchain_core.messages import HumanMessage, message_to_dict
from typer.testing import CliRunner

from langchain_redis_memory import Client, RedisChatMessageHistory
from langchain_redis_memory.cli.app import app
from langchain_redis_memory.ops import Op
from tests.support import servers
from tests.support.programs import Program

if TYPE_CHECKING:
    from typing_extensions import Self

pytestmark = pytest.mark.clocked  # it may be done before it is interrupted
SESSIONS = 5_000
WAIT_S = 300  # a busy machine takes long to import
_RUN = """
from langchain_redis_memory.__main__ import main
main()
"""
HIDES, SHOWS = "\x1b[?25l", "\x1b[?25h"


class Command:
    """A command on a terminal of its own."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        ours, self.end = pty.openpty()
        self.before = termios.tcgetattr(self.end)
        self.process = Program(_RUN, *arguments, files=(self.end,) * 3, TERM="xterm", **environment)
        self.said = ""
        self.reader = Thread(target=self.read, args=(ours,), daemon=True)
        self.reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()

    def read(self, ours: int) -> None:
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            try:
                while part := terminal.read(65_536):
                    self.said += part.decode()
            except OSError:  # the other end is closed
                return

    def interrupted(self) -> str:
        """Interrupts it as Ctrl-C does, and gives what it printed."""
        self.process.send_signal(signal.SIGINT)
        status, after = self.process.wait(WAIT_S), termios.tcgetattr(self.end)
        os.close(self.end)
        self.reader.join(WAIT_S)
        assert (status, after) == (130, self.before), self.said
        assert "Traceback" not in self.said, self.said
        assert self.said.count(HIDES) == self.said.count(SHOWS) > 0, "the cursor is shown again"
        return self.said


@pytest.fixture
def given(real_url: str, prefix: str) -> Iterator[Client]:
    """A server with many conversations of another package."""
    text = json.dumps(message_to_dict(HumanMessage("Hello")))
    keys = [f"{prefix}:theirs:{n}" for n in range(SESSIONS)]
    with Client.from_url(real_url, prefix=prefix) as client:
        client.run(Op(tuple(one for key in keys for one in (("LPUSH", key, text), ("EXPIRE", key, 600))), len))
        yield client


def test_a_migration_that_is_interrupted_goes_on(given: Client, prefix: str, tmp_path: Path) -> None:
    noted = tmp_path / "done"
    arguments = ["migrate", "langchain-community", "--redis", given.url, "--prefix", f"{prefix}:theirs:"]
    arguments += ["--resume", str(noted)]
    with Command(*arguments, REDIS_MEMORY_PREFIX=prefix) as command:
        servers.wait_for(lambda: noted.exists() and noted.read_text().count("\n") > 20, WAIT_S)
        assert "Stopped. What is done stays" in command.interrupted()
    moved = noted.read_text().count("\n") - 1
    assert 20 <= moved < SESSIONS
    rest = CliRunner(env={"REDIS_MEMORY_PREFIX": prefix}).invoke(app, [*arguments, "--limit", "20", "--json"])
    assert rest.exit_code == 0, rest.output
    report = json.loads(rest.stdout)
    assert (report["complete"], report["skipped"]) == (True, moved)
    assert report["kinds"]["conversations"]["moved"] + report["kinds"]["conversations"]["there"] == 20
    assert [one.content for one in RedisChatMessageHistory("0", given).messages] == ["Hello"]


def test_a_load_that_is_interrupted_ends_at_once_and_leaves_nothing(real_url: str) -> None:
    def loads() -> list[bytes]:
        with Client.from_url(real_url) as client:
            return [*client.run(Op((("KEYS", "lrm-loadtest-*"),), lambda replies: replies[0]))]

    with Command("loadtest", "--redis", real_url, "--seconds", "300", "--users", "2") as command:
        servers.wait_for(loads, WAIT_S)
        assert "Stopped" in command.interrupted()
    assert loads() == []


def test_a_backup_that_is_interrupted_leaves_no_file_that_looks_whole(
    given: Client, prefix: str, tmp_path: Path
) -> None:
    for number in range(200):
        given.run(Op(tuple(("HSET", f"{prefix}:{{/a/{number}-{n}}}:meta", "a", "b" * 200) for n in range(50)), len))
    file = tmp_path / "all.jsonl"
    part = tmp_path / "all.jsonl.part"
    with Command("backup", str(file), "--redis", given.url, "--prefix", prefix) as command:
        servers.wait_for(lambda: part.exists() and part.stat().st_size > 0, WAIT_S)
        assert "Stopped" in command.interrupted()
    assert not file.exists()
    assert part.exists()
