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


NEEDS = {
    "migrate": ["langchain-community"],
    "inspect": ["x"],
    "erase": ["--user", "x"],
    "export": ["--user", "x"],
    "restore": ["x"],
    "settings": ["--off", "values/x"],
}
LOCAL = {"acl", "explain", "re-encrypt", "warm", "replay", "size"}
"""Commands that ask no server, or something else first."""


def commands() -> list[str]:
    return sorted(get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", [name for name in commands() if name not in LOCAL])
def test_a_server_that_is_not_there_is_one_line_on_stderr_and_exit_code_2(command: str, tmp_path: Path) -> None:
    given = [str(tmp_path / "x")] if command == "backup" else NEEDS.get(command, [])
    done = CliRunner().invoke(app, [command, *given, "--redis", "redis://127.0.0.1:1/0"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("UnavailableError: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("command", [[], *([name] for name in commands())])
def test_each_help_has_an_example(command: list[str]) -> None:
    assert "Example: langchain-redis-memory " in said(*command, "--help")


WITHOUT = {
    "--redis": {"acl", "size"},  # they ask no server
    "--tenant": {"chat", "demo", "loadtest", "replay", "size"},  # their data are their own
}


@pytest.mark.parametrize("option", ["--json", "--redis", "--tenant"])
def test_each_command_takes_the_same_options(option: str) -> None:
    without = {
        name
        for name, command in get_command(app).commands.items()  # type: ignore[attr-defined]
        if option not in {spelled for parameter in command.params for spelled in parameter.opts}
    }
    assert without == WITHOUT.get(option, set())


@pytest.mark.slow
@pytest.mark.parametrize("command", commands())
def test_wrong_usage_is_exit_code_2_and_says_what_is_known(command: str) -> None:
    done = CliRunner().invoke(app, [command, "--no-such-option"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--help" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_page_of_the_commands_is_theirs() -> None:
    """`python -m tests.support.cli_page` writes it."""
    text = PAGE.read_text("utf-8")
    assert text == with_commands(text)
