"""The small commands and options."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from langchain_redis_memory import __version__
from langchain_redis_memory.cli.app import app
from tests.support import servers
from tests.support.servers import Farm


def said(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == status, done.output
    return done.output


def test_the_version_is_printed() -> None:
    assert said("--version") == f"langchain-redis-memory {__version__}\n"


@pytest.mark.parametrize("form", [(), ("--redis",)])
def test_info_takes_the_url_as_an_argument_or_as_an_option(form: tuple[str, ...]) -> None:
    assert said("info", *form, "memory://").startswith("memory://: fakeredis ")


def test_info_takes_one_url() -> None:
    assert "give the URL once" in said("info", "memory://a", "--redis", "memory://b", status=1)


def test_info_tells_what_would_be_evicted(farm: Farm) -> None:
    process = farm.start(servers.NEWEST, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    told = said("info", process.url)
    assert "vectors are searched by: " in told
    assert "maxmemory-policy: allkeys-lru\n" in told
    assert "evicts any key" in told
    process.stop()


def test_info_as_json_is_what_a_program_can_read() -> None:
    told = json.loads(said("info", "memory://", "--json"))
    assert (told["flavour"], told["reachable"], told["query_engine"]) == ("fakeredis", True, False)


@pytest.mark.parametrize("command", [["demo"], ["chat"], ["replay", "--sample", "--cache", "exact"], ["info"]])
def test_a_server_that_is_not_there_is_one_line_on_stderr_and_exit_code_2(command: list[str]) -> None:
    done = CliRunner().invoke(app, [*command, "--redis", "redis://127.0.0.1:1/0"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("UnavailableError: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [[], ["demo"], ["chat"], ["replay"], ["info"]])
def test_each_help_has_an_example(command: list[str]) -> None:
    assert "Example: langchain-redis-memory " in said(*command, "--help")
