"""The small commands and options."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from langchain_redis_memory import __version__
from langchain_redis_memory.cli.app import app
from tests.support import servers
from tests.support.cli_page import PAGE, with_commands
from tests.support.servers import Farm


def said(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == status, done.output
    return done.output


def test_the_version_is_printed() -> None:
    assert said("--version") == f"langchain-redis-memory {__version__}\n"


def test_status_tells_what_would_be_evicted(farm: Farm) -> None:
    process = farm.start(servers.NEWEST, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    told = said("status", "--redis", process.url)
    assert "vectors are searched by: " in told
    assert "maxmemory-policy: allkeys-lru\n" in told
    assert "evicts any key" in told
    process.stop()


NEEDS = {"migrate": ["langchain-community"], "inspect": ["x"], "erase": ["--user", "x"], "export": ["--user", "x"]}
LOCAL = {"acl", "explain", "warm", "admin", "restore", "settings", "size"}
"""Commands that ask no server, or something else first."""


def commands() -> list[str]:
    return sorted(get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", [name for name in commands() if name not in {*LOCAL, "replay"}])
def test_a_server_that_is_not_there_is_one_line_on_stderr_and_exit_code_2(command: str, tmp_path: Path) -> None:
    given = [str(tmp_path / "x")] if command == "backup" else NEEDS.get(command, [])
    done = CliRunner().invoke(app, [command, *given, "--redis", "redis://127.0.0.1:1/0"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("UnavailableError: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [[], *([name] for name in commands())])
def test_each_help_has_an_example(command: list[str]) -> None:
    assert "Example: langchain-redis-memory " in said(*command, "--help")


def test_each_command_can_print_json() -> None:
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        options = {option for parameter in command.params for option in parameter.opts}
        assert name == "admin" or "--json" in options, name


def test_the_page_of_the_commands_is_theirs() -> None:
    """`python -m tests.support.cli_page` writes it."""
    text = PAGE.read_text("utf-8")
    assert text == with_commands(text)
