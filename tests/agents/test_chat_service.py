"""The chat service of the examples, driven by many users at once, in this process and on a server."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import lifetimes
from tests.support import servers
from tests.support.servers import Farm

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "chat_service.py"
USERS = 20


def service(url: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example as a module of its own, on a server."""
    monkeypatch.setenv("REDIS_URL", url)
    spec = spec_from_file_location(f"chat_service_{uuid4().hex}", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


class Browser:
    """A user's browser: it says something and reads the answer as it comes."""

    def __init__(self, module: ModuleType, user: str) -> None:
        transport = httpx.ASGITransport(module.app)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://chat", headers={"X-User": user})

    async def say(self, conversation: str, text: str) -> str:
        answered = await self.http.post(f"/conversations/{conversation}/messages", json={"text": text})
        assert answered.status_code == 202, answered.text
        return str(answered.json()["run"])

    async def events(self, conversation: str, run: str, last_id: str = "") -> list[dict[str, str]]:
        headers = {"Last-Event-ID": last_id} if last_id else {}
        read = await self.http.get(f"/conversations/{conversation}/runs/{run}", headers=headers)
        frames = read.text.strip().split("\n\n")
        found = [dict(line.split(": ", 1) for line in frame.splitlines() if ": " in line[1:]) for frame in frames]
        return [event for event in found if event]  # a slow machine's streams have comments in between: ": ping"

    async def ask(self, conversation: str, text: str) -> str:
        events = await self.events(conversation, await self.say(conversation, text))
        assert events[-1]["event"] == "end", events
        return said(events)


def said(events: list[dict[str, str]]) -> str:
    return "".join(json.loads(event["data"]) for event in events if event["event"] == "token")


@pytest.mark.slow
@pytest.mark.parametrize("server", servers.TWO)
async def test_many_users_at_once_each_have_their_own_memory(
    server: str, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"memory://{uuid4().hex}" if server == "memory" else farm.url(server)
    module = service(url, monkeypatch)

    async def life(number: int) -> None:
        browser = Browser(module, f"user{number}")
        answer = await browser.ask("monday", f"My cat is called Cat{number}.")
        assert answer == f"Your cat is called Cat{number}."
        if number % 10 == 0:  # is it known in another conversation?
            assert await browser.ask("friday", "What is my cat called?") == answer
            titles = (await browser.http.get("/conversations")).json()["conversations"]
            assert {one["id"] for one in titles} == {"monday", "friday"}

    await asyncio.gather(*(life(number) for number in range(USERS)))

    # a page is reloaded in the middle of an answer
    browser, other = Browser(module, "user10"), Browser(module, "user0")
    run = await browser.say("friday", "And what is my cat called?")
    whole = await browser.events("friday", run)
    assert len(whole) > 2
    assert whole[1:] == await browser.events("friday", run, whole[0]["id"])
    assert "Cat10" not in str((await other.http.get("/conversations/friday/messages")).json())

    # what is kept of a user goes, the others' stays
    assert (await browser.http.delete("/me")).json() == {"complete": True}
    assert (await browser.http.get("/conversations")).json()["conversations"] == []
    assert len((await other.http.get("/conversations")).json()["conversations"]) == 2
    await module.client.asettle()
    await module.client.aclose()
    if server != "memory":
        lifetimes(url, "lrm-example", sweeps=True)


async def test_who_asks_too_often_is_told_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    module = service(f"memory://{uuid4().hex}", monkeypatch)
    browser: Any = Browser(module, "ana")
    for _ in range(30):
        await module.requests.acheck("ana")
    refused = await browser.http.post("/conversations/a/messages", json={"text": "Hello"})
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert (await browser.http.post("/conversations/a/messages", json={"text": "x" * 9_000})).status_code == 422
    await module.client.aclose()


def test_the_documents_show_lines_of_the_service() -> None:
    service_lines = EXAMPLE.read_text("utf-8").splitlines()
    for page in (ROOT / "docs" / "how-to" / "chat-service.md", ROOT / "README.md"):
        text = page.read_text("utf-8")
        block = re.search(r"^#+ A whole chat service\n.*?```python\n(.*?)```", text, re.MULTILINE | re.DOTALL)
        assert block is not None
        lines, following = block[1].splitlines(), iter(service_lines)
        assert (len(lines), len(service_lines)) == (20, 150)
        assert all(line in following for line in lines), "the same lines in the same order"
