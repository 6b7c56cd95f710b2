"""Deep agents on Redis: `RedisBackend` against deepagents' own backend, edits at once, and a whole agent."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.store.memory import InMemoryStore

from langchain_redis_memory import Cipher, Client, KeyRing, RedisSaver, RedisStore, RedisUsers, RollingSummary
from langchain_redis_memory.errors import CorruptDataError, FormatVersionError, InvalidInputError
from langchain_redis_memory.redis.client.client import Trip
from tests.conftest import Both
from tests.support.agents import ScriptedModel, calling
from tests.support.saves import hashed

pytest.importorskip("deepagents")

from deepagents import create_deep_agent
from deepagents.backends import StoreBackend
from deepagents.middleware.summarization import SummarizationMiddleware
from langchain.agents import create_agent

from langchain_redis_memory import RedisBackend
from tests.support.raw import raw

SHARED = ("files", "shared")
FILES = {
    "/notes.md": "# Notes\nbuy milk\n",
    "/src/app/main.py": "import os\nprint('milk')\n",
    "/src/app/test.py": "x = 1\r\ny = 2",
    "/src/util.py": "",
    "/srcs/odd name [1].txt": "milk milk\nno\nmilk",
    "/bilder/käse.txt": "Käse\n",
}


def backend_of(client: Client, **options: Any) -> RedisBackend:
    return RedisBackend(client, namespace=SHARED, ttl_s=60, **options)


def oracle() -> StoreBackend:
    return StoreBackend(store=InMemoryStore(), namespace=lambda _runtime: ("files",))


def plain(result: Any) -> Any:
    """A result without times, and without the fields of folders that deepagents leaves open."""
    if isinstance(result, list):
        return [plain(one) for one in result]
    if isinstance(result, dict):
        kept = {name: plain(value) for name, value in result.items() if not name.endswith("_at")}
        return {"path": result["path"], "is_dir": True} if result.get("is_dir") else kept
    return {name: plain(value) for name, value in vars(result).items()} if hasattr(result, "__dict__") else result


CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("ls", ("/",), {}),
    ("ls", ("/src",), {}),
    ("ls", ("/src/",), {}),
    ("ls", ("/none",), {}),
    ("read", ("/notes.md",), {}),
    ("read", ("/src/app/test.py", 1, 1), {}),
    ("read", ("/src/util.py",), {}),
    ("read", ("/notes.md", 9), {}),
    ("read", ("/none",), {}),
    ("grep", ("milk",), {}),
    ("grep", ("milk", "/src"), {}),
    ("grep", ("milk", "/notes.md"), {}),
    ("grep", ("milk",), {"glob": "*.py"}),
    ("grep", ("milk",), {"max_count": 2}),
    ("grep", ("nowhere",), {}),
    ("glob", ("*.py",), {}),
    ("glob", ("app/**/*.py", "/src"), {}),
    ("glob", ("/*.md",), {}),
    ("edit", ("/none", "a", "b"), {}),
    ("edit", ("/notes.md", "absent", "b"), {}),
    ("edit", ("/srcs/odd name [1].txt", "milk", "oat"), {}),
    ("edit", ("/srcs/odd name [1].txt", "milk", "oat", True), {}),
    ("edit", ("/notes.md", "buy milk", "buy tea"), {}),
    ("download_files", (["/notes.md", "/none"],), {}),
    ("delete", ("/none",), {}),
    ("delete", ("/src/app",), {}),
    ("ls", ("/src",), {}),
    ("delete", ("/notes.md",), {}),
    ("glob", ("*",), {}),
]


async def test_it_does_what_deepagents_own_backend_does(client: Client, both: Both) -> None:
    backend, other = backend_of(client), oracle()
    for path, content in FILES.items():
        assert await both(backend.write)(path, content) == other.write(path, content)
    for name, args, options in CALLS:
        ours, theirs = await both(getattr(backend, name))(*args, **options), getattr(other, name)(*args, **options)
        mine, wanted = plain(ours), plain(theirs)
        if name in ("grep", "glob") and not options.get("max_count"):  # their order is that of coming; ours of paths
            for result in (mine, wanted):
                result["matches"].sort(key=repr)
        if not options.get("max_count"):
            assert mine == wanted, (name, args)
        else:
            assert (len(mine["matches"]), mine["truncated"]) == (len(wanted["matches"]), wanted["truncated"])


async def test_of_edits_at_once_none_is_lost(client: Client, both: Both) -> None:
    backend = backend_of(client)
    await both(backend.write)("/list.txt", "".join(f"<{at}>" for at in range(12)))

    def edit(at: int) -> Any:
        return backend.edit("/list.txt", f"<{at}>", f"[{at}]")

    if both.asynchronous:
        await asyncio.gather(*(backend.aedit("/list.txt", f"<{at}>", f"[{at}]") for at in range(12)))
    else:
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(edit, range(12)))
    read = await both(backend.read)("/list.txt")
    assert read.file_data["content"] == "".join(f"[{at}]" for at in range(12))


async def test_folders_and_patterns_are_found_without_reading_files(
    client: Client, both: Both, trips: list[Trip]
) -> None:
    backend = backend_of(client)
    await both(backend.upload_files)([(path, content.encode()) for path, content in FILES.items()])
    await both(backend.grep)("milk")
    trips.clear()
    await both(backend.ls)("/")
    await both(backend.glob)("*.py")
    assert [trip.commands for trip in trips] == [1, 1]
    trips.clear()
    assert len((await both(backend.grep)("milk")).matches) == 4
    assert len(trips) == 2


async def test_bytes_that_are_no_text_come_back_as_they_are(client: Client, both: Both) -> None:
    backend, picture = backend_of(client), b"\x89PNG\0\xff\n"
    done = await both(backend.upload_files)([("/a.png", picture), ("/bad\0name", b"x"), ("/text.txt", b"abc")])
    assert [one.error for one in done] == [None, "invalid_path", None]
    assert [one.content for one in await both(backend.download_files)(["/a.png", "/text.txt"])] == [picture, b"abc"]
    assert (await both(backend.read)("/a.png")).file_data["encoding"] == "base64"
    assert "binary" in (await both(backend.edit)("/a.png", "a", "b")).error


async def test_outside_of_a_run_the_files_are_named(client: Client, both: Both) -> None:
    with pytest.raises(InvalidInputError, match=r"outside of a run .* namespace=\('files', 'ana'\)"):
        await both(RedisBackend(client).ls)("/")
    await both(RedisBackend(client, namespace=("files", "ana"), ttl_s=60).write)("/AGENTS.md", "Be brief.")
    token = var_child_runnable_config.set({"configurable": {"user_id": "ana"}})
    try:
        assert [one["path"] for one in (await both(RedisBackend(client).ls)("/")).entries or []] == ["/AGENTS.md"]
    finally:
        var_child_runnable_config.reset(token)


async def test_users_and_tenants_never_see_each_other_s_files(client: Client, both: Both) -> None:
    backend, other = RedisBackend(client, ttl_s=60), RedisBackend(client, ttl_s=60, tenant="acme")
    token = var_child_runnable_config.set({"configurable": {"user_id": "ana.x"}})
    try:
        await both(backend.write)("/a.txt", "secret")
        assert (await both(other.ls)("/")).entries == []
        var_child_runnable_config.set({"configurable": {"user_id": "ben"}})
        assert (await both(backend.ls)("/")).entries == []
        var_child_runnable_config.set({"configurable": {}})
        with pytest.raises(InvalidInputError, match="user_id"):
            await both(backend.ls)("/")
    finally:
        var_child_runnable_config.reset(token)
    users = RedisUsers(client, files=[("files", "{user_id}")])
    assert [line for line in users.export("ana.x") if line["kind"] == "file"] == [
        {"kind": "file", "path": "/a.txt", "content": "secret"}
    ]
    assert (await both(users.erase)("ana.x")).complete
    assert list(users.export("ana.x")) == []


async def test_a_deep_agent_finds_in_another_thread_what_it_wrote(client: Client, both: Both) -> None:
    model = ScriptedModel(
        script=[
            calling("write_file", {"file_path": "/plan.md", "content": "1. buy milk"}),
            "Written.",
            calling("grep", {"pattern": "milk"}),
            "Found.",
        ]
    )
    agent: Any = create_deep_agent(model, backend=RedisBackend(client, ttl_s=60))
    for thread, said in (("a", "Plan!"), ("b", "What was the plan?")):
        config = {"configurable": {"thread_id": thread, "user_id": "ana"}}
        state = await both(agent.invoke)({"messages": [("user", said)]}, config)
    assert "/plan.md" in state["messages"][-2].text


@pytest.mark.slow
async def test_deepagents_summaries_are_written_as_ours(client: Client, both: Both) -> None:
    writer, model = ScriptedModel(script=["They spoke of milk."]), ScriptedModel()
    summarise = SummarizationMiddleware(
        model,
        backend=backend_of(client),
        trigger=("messages", 6),
        keep=("messages", 2),
        summarizer=RollingSummary(writer).as_summarizer(),
    )
    agent: Any = create_agent(model, middleware=[summarise], checkpointer=RedisSaver(client, ttl_s=60))
    for number in range(4):
        config = {"configurable": {"thread_id": "t"}}
        await both(agent.invoke)({"messages": [("user", f"question {number}")]}, config)
    assert "question 0" in str(writer.shown[0][-1].text)
    assert "They spoke of milk." in str(model.shown[-1][0].text)
    assert "question 0" not in str(model.shown[-1])
    found = (await both(backend_of(client).grep)("question 0")).matches
    assert found, "what was summarised is still to be found in a file"


async def test_deepagents_own_backend_runs_on_our_store(client: Client, both: Both) -> None:
    store = RedisStore(client, ttl={"default_ttl": 1})
    backend = StoreBackend(store=store, namespace=lambda _runtime: ("files", "ana"))
    await both(backend.write)("/a.md", "one\ntwo")
    await both(backend.edit)("/a.md", "two", "three")
    assert (await both(backend.read)("/a.md")).file_data["content"] == "one\nthree"
    assert [entry["path"] for entry in (await both(backend.ls)("/")).entries] == ["/a.md"]


async def test_contents_are_encrypted_and_still_found(client: Client, both: Both, url: str) -> None:
    secret = Client.from_url(url, prefix=client.keys().prefix, cipher=Cipher(KeyRing({"k": b"k" * 32}, "k")))
    backend = backend_of(secret)
    await both(backend.write)("/a.md", "buy milk")
    assert len((await both(backend.grep)("milk")).matches) == 1
    assert b"milk" not in b"".join(hashed(client, client.keys().files(SHARED).files).values())
    await both(secret.close)()


async def test_files_are_stored_as_these_bytes(client: Client, both: Both) -> None:
    backend, keys = backend_of(client), client.keys().files(SHARED)
    raw(
        client,
        ("HSET", keys.files, "/a", b"\x010123456789abcdef 1795562138143 1795562138144 3\nabc"),
        ("ZADD", keys.names, 0, b"/a\x000123456789abcdef 1795562138143 1795562138144 3"),
        ("PEXPIRE", keys.files, 60_000),
        ("PEXPIRE", keys.names, 60_000),
    )
    (entry,) = (await both(backend.ls)("/")).entries
    assert entry == {"path": "/a", "is_dir": False, "size": 3, "modified_at": "2026-11-24T23:15:38.144000+00:00"}
    assert (await both(backend.read)("/a")).file_data["content"] == "abc"
    await both(backend.edit)("/a", "b", "x")
    (record,) = hashed(client, keys.files).values()
    assert record[:1] == b"\x01"
    assert record.split(b" ", 1)[1].startswith(b"1795562138143 ")
    assert record.endswith(b" 3\naxc")
    assert raw(client, ("ZCARD", keys.names)) == [1]


async def test_a_newer_or_damaged_file_is_no_other_one(client: Client, both: Both) -> None:
    backend, keys = backend_of(client), client.keys().files(SHARED)
    await both(backend.write)("/a", "abc")
    raw(client, ("HSET", keys.files, "/a", b"\x02abc"))
    for call in (lambda: both(backend.read)("/a"), lambda: both(backend.write)("/a", "x")):
        with pytest.raises(FormatVersionError):
            await call()
    raw(client, ("HSET", keys.files, "/a", b"abc"))
    with pytest.raises(CorruptDataError):
        await both(backend.read)("/a")
