"""The admin page and the JSON API of sessions in an application; a header tells who asks, in place of your sign-in.

`uvicorn examples.admin_page:app` serves it.
"""

import asyncio
import os

import httpx
from fastapi import FastAPI, HTTPException, Request
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableConfig

from langchain_redis_memory import Access, Client, ConversationMemory, SessionAccess, admin_router, sessions_router

client = Client.from_url(os.environ.get("REDIS_URL", "memory://"), prefix="lrm-example")
app = FastAPI()


def staff(request: Request) -> Access:
    """Lets Eve look and act on all tenants; nobody else sees the page."""
    if request.headers.get("x-user") != "eve":
        raise HTTPException(403)
    return Access("eve", {"view", "read_content", "operate", "erase"})


def owner(request: Request) -> SessionAccess:
    """Lets everybody see their own conversations."""
    return SessionAccess(request.headers["x-user"])


app.include_router(admin_router(client, auth=staff), prefix="/admin")
app.include_router(sessions_router(client, auth=owner), prefix="/api")


async def main() -> None:
    """Talks as two users, then looks at it as each of them and as Eve."""
    memory = ConversationMemory(client, ttl_s=600, answer_ttl_s=600)
    chat = memory.wrap(FakeListChatModel(responses=["On 3 March.", "On 9 April."]))
    for user in ("ana", "ben"):
        config: RunnableConfig = {"configurable": {"session_id": f"chat-of-{user}"}, "metadata": {"user_id": user}}
        await chat.ainvoke("When is my next appointment?", config)

    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    for user in ("ana", "ben"):
        listed = (await http.get("/api/sessions", headers={"x-user": user})).json()["sessions"]
        print(user, "has", [(one["session_id"], one["title"]) for one in listed])
    print("ana on the admin page:", (await http.get("/admin/", headers={"x-user": "ana"})).status_code)
    page = (await http.get("/admin/other-answers", headers={"x-user": "eve"})).text
    print("eve reads that ben would have been told ana's date:", "On 3 March." in page and "On 9 April." in page)

    for user in ("ana", "ben"):
        await http.delete(f"/api/sessions/chat-of-{user}", headers={"x-user": user})
    await memory.answers.aclear()
    await client.aclose()


if __name__ == "__main__":
    asyncio.run(main())
