"""The small commands and options."""

from __future__ import annotations

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
