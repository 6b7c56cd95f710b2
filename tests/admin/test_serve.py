"""The page alone, on this machine: a link that works once, and nobody else."""

from __future__ import annotations

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from typer.testing import CliRunner

from langchain_redis_memory import Access
from langchain_redis_memory.admin.serve import SignIn, admin_app, serve
from langchain_redis_memory.cli.app import app
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.redis.client.client import Client

HOST = "127.0.0.1"


def browser(made: FastAPI, host: str = HOST) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url=f"http://{host}:8765")


async def test_the_link_signs_in_one_browser() -> None:
    with Client.from_url("memory://") as client:
        sign_in = SignIn(Access("me"))
        made = admin_app(client, sign_in, HOST)
        first, second = browser(made), browser(made)
        assert (await first.get("/")).status_code == 401
        assert (await first.get("/sign-in?token=wrong")).status_code == 403
        answer = await first.get(sign_in.path)
        assert (answer.status_code, answer.headers["location"]) == (303, "./")
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "SameSite=strict" in answer.headers["set-cookie"]
        assert (await first.get("/")).status_code == 200
        assert (await second.get(sign_in.path)).status_code == 403
        assert (await second.get("/")).status_code == 401
        assert (await first.get(sign_in.path)).status_code == 303


async def test_a_name_that_somebody_gives_to_this_machine_is_refused() -> None:
    with Client.from_url("memory://") as client:
        sign_in = SignIn(Access("me"))
        rebound = browser(admin_app(client, sign_in, HOST), "evil.test")
        assert (await rebound.get(sign_in.path)).status_code == 400
        assert (await browser(admin_app(client, sign_in, HOST), "localhost").get(sign_in.path)).status_code == 303


def test_it_listens_on_this_machine_only() -> None:
    with Client.from_url("memory://") as client:
        for host in ("0.0.0.0", "192.168.1.1", "example.test"):
            with pytest.raises(ConfigError, match="mount admin_router"):
                serve(client, announce=print, host=host)
    with pytest.raises(ConfigError, match="16 characters"):
        SignIn(Access("me"), "short")


def test_the_command_prints_the_link_and_serves_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[FastAPI] = []

    def run(made: FastAPI, **options: object) -> None:
        assert (options["host"], options["port"]) == ("127.0.0.1", 8765)
        served.append(made)

    monkeypatch.setattr(uvicorn, "run", run)
    monkeypatch.setattr("langchain_redis_memory.cli.local.local_model", lambda: False)
    done = CliRunner().invoke(app, ["admin", "--demo"])
    assert done.exit_code == 0, done.output
    assert "http://127.0.0.1:8765/sign-in?token=" in done.stdout
    assert len(served) == 1
    refused = CliRunner().invoke(app, ["admin", "--redis", "memory://", "--host", "0.0.0.0"])
    assert refused.exit_code == 1
    assert refused.stderr.startswith("ConfigError: ")
