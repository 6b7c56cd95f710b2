"""An admin page over what some users left behind, and a browser without a screen to visit it with."""

from __future__ import annotations

import re
from collections.abc import Collection
from html import unescape
from typing import Any
from urllib.parse import urlencode

import httpx
from fastapi import FastAPI
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda

from langchain_redis_memory import Access, ConversationMemory, admin_router
from langchain_redis_memory.admin.access import Role
from langchain_redis_memory.redis.client.client import Client

ALL: frozenset[Role] = frozenset({"view", "operate", "erase", "read_content"})
ORIGIN = "http://admin.test"
_TOPICS = {"ana": "throat cancer", "ben": "asthma"}


def app_of(client: Client, access: Access | None = None, **options: Any) -> FastAPI:
    """An application with nothing but the page, for one person."""
    app = FastAPI()
    who = access or Access("eve", ALL)
    app.include_router(admin_router(client, auth=lambda: who, **options), prefix="/admin")
    return app


class Site:
    """Visits the page as a browser does: it keeps cookies and sends the forms that it was shown."""

    def __init__(self, app: FastAPI) -> None:
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN, follow_redirects=True)
        self.text = ""
        self.status = 0
        self.headers = httpx.Headers()

    async def get(self, path: str, **query: str) -> str:
        """Loads a page."""
        return self._read(await self.http.get(f"/admin/{path}", params=query))

    def _read(self, answer: httpx.Response) -> str:
        self.text, self.status, self.headers = answer.text, answer.status_code, answer.headers
        return self.text

    def forms(self, action: str) -> list[dict[str, str]]:
        """The hidden fields of the forms of an action on the page."""
        found = re.findall(rf'<form method="post" action="{action}">(.*?)</form>', self.text, re.DOTALL)
        field = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')
        return [{name: unescape(value) for name, value in field.findall(form)} for form in found]

    async def send(self, action: str, which: int = 0, origin: str = ORIGIN, **typed: str) -> str:
        """Sends a form of the page that was loaded last."""
        return await self.post(action, {**self.forms(action)[which], **typed}, {"origin": origin})

    async def post(self, action: str, fields: dict[str, str], headers: dict[str, str]) -> str:
        """Sends fields."""
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return self._read(await self.http.post(f"/admin/{action}", content=urlencode(fields), headers=kind | headers))


def answer(given: dict[str, Any]) -> str:
    """Says what the conversation is about, and what was asked."""
    said = [one.text for one in given["history"] if isinstance(one, HumanMessage)]
    topic = next((word for word in _TOPICS.values() if word in " ".join([*said, str(given["question"])])), "nothing")
    return f"{topic} it is"


async def talk(client: Client, tenant: str = "", users: Collection[str] = ("ana", "ben")) -> ConversationMemory:
    """Two users ask about different things in the same words; the last question is a hit."""
    memory = ConversationMemory(client, tenant=tenant)
    chat = memory.wrap(RunnableLambda(answer), scope="clinic")
    for user in users:
        for words in (f"What is {_TOPICS[user]}?", "Is it treatable?", "What is throat cancer?"):
            config: Any = {"configurable": {"session_id": f"{user}-1"}, "metadata": {"user_id": user}}
            await chat.ainvoke({"question": words}, config=config)
    await client.asettle()
    return memory
