"""The commands of people who run a deployment: what they print, as JSON too, and their exit codes."""

from __future__ import annotations

import gzip
import json
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.outputs import Generation
from typer.testing import CliRunner

from langchain_redis_memory import (
    Client,
    ConversationMemory,
    RedisCache,
    RedisChatMessageHistory,
    RedisSaver,
    RedisSemanticCache,
    RedisSessions,
    RedisUsers,
    RedisValueCache,
)
from langchain_redis_memory.cli.app import app
from langchain_redis_memory.operate import audit
from tests.conftest import Both, Watch
from tests.support import servers
from tests.support.chains import DescribedModel, LetterEmbeddings
from tests.support.raw import raw
from tests.support.saves import checkpoint, loop, place
from tests.support.scenario import SCENARIOS
from tests.support.servers import NEWEST, Farm

Said = Callable[..., str]


@pytest.fixture
def url() -> str:
    """A server in this process: the same for every command of a test."""
    return f"memory://{uuid4().hex}"


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client.from_url(url) as made:
        yield made


@pytest.fixture
def said(url: str) -> Said:
    """Runs a command on the server and gives what it prints."""

    def run(*arguments: str, status: int = 0, redis: str = url) -> str:
        done = CliRunner().invoke(app, [*arguments, "--redis", redis])
        assert done.exit_code == status, done.output
        return done.output

    return run


def told(said: Said, *arguments: str, **options: Any) -> Any:
    """What a command prints as JSON."""
    return json.loads(said(*arguments, "--json", **options))


def talk(client: Client, *sessions: str, **options: Any) -> None:
    for session in sessions:
        history = RedisChatMessageHistory(session, client, ttl_s=60, **options)
        history.add_messages([HumanMessage(f"The secret of {session}?")])


def test_stats_and_doctor(said: Said, client: Client) -> None:
    talk(client, "s", tenant="acme")
    found = told(said, "stats")
    assert {kind: of["keys"] for kind, of in found["kinds"].items() if kind != "trip"} == dict.fromkeys(
        ("messages", "ids", "meta", "sessions", "expiries"), 1
    )
    assert (found["sessions"], found["tenants"]) == (1, {"acme": found["keys"]})
    assert told(said, "stats", "--tenant", "")["keys"] == 0
    assert "1 conversations, 0 threads" in said("stats")
    checks = told(said, "doctor")
    assert checks["status"] == "warn"
    assert {check["name"]: check["status"] for check in checks["checks"]}["eviction"] == "ok"
    assert "for tests only" in said("doctor", "--strict", status=3)


def test_doctor_fails_where_conversations_would_be_evicted(farm: Farm, said: Said) -> None:
    process = farm.start(NEWEST, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with Client.from_url(process.url) as client:
        talk(client, "s")
    assert "  maxmemory-policy noeviction\n" in said("doctor", redis=process.url, status=3)
    process.stop()


def test_status_is_3_below_a_target(said: Said, client: Client) -> None:
    values = RedisValueCache(client, "prefs", ttl_s=60)
    for name in ("a", "b", "a", "c"):
        values.get_or_load(name, lambda: 1)
    values.stats()
    found = told(said, "status", "--target", "values/*=0.2", "--enough", "2")
    assert found["well"]
    assert [(cache["namespace"], cache["hits"], cache["misses"]) for cache in found["caches"]] == [
        ("values/prefs", 1, 3)
    ]
    below = said("status", "--target", "values/*=0.7", "--enough", "2", status=3)
    assert "values/prefs: hit rate 25% of 4 is below 70%" in below
    assert told(said, "status", "--target", "values/*=0.7")["below"] == []
    said("status", "--target", "nonsense", status=1)


def test_sessions_are_listed_and_searched(said: Said, client: Client) -> None:
    talk(client, "one", "two", tenant="acme", user="ana")
    talk(client, "three", tenant="acme", agent="nurse")
    found = told(said, "sessions", "--tenant", "acme")
    assert {row["session_id"] for row in found["sessions"]} == {"one", "two", "three"}
    assert not found["more"]
    assert told(said, "sessions", "--tenant", "acme", "--limit", "1")["more"]
    assert len(told(said, "sessions", "--tenant", "acme", "--user", "ana")["sessions"]) == 2
    [row] = told(said, "sessions", "--tenant", "acme", "--search", "secret of two", "--content")["sessions"]
    assert row["title"] == "The secret of two?"
    assert "secret" not in said("sessions", "--tenant", "acme")
    assert told(said, "sessions")["sessions"] == []


def test_a_search_looks_at_more_than_it_lists(said: Said, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langchain_redis_memory.cli.content._MOST_PAGES", 2)
    talk(client, *"abcdef")
    [row] = told(said, "sessions", "--search", "a", "--limit", "1")["sessions"]
    assert row["session_id"] == "a"


def test_names_are_inspected(said: Said, client: Client) -> None:
    talk(client, "s", tenant="acme")
    [found] = told(said, "inspect", "s", "--tenant", "acme")
    assert (found["what"], found["facts"]["messages"]) == ("session", 1)
    key = client.keys("acme").session("s").messages
    assert told(said, "inspect", key)[0]["keys"][0]["kind"] == "messages"
    assert "turns: 1" in said("inspect", "s", "--tenant", "acme")
    assert "nobody" in said("inspect", "nobody", status=3)


def test_checkpoints_are_pruned_and_orphans_removed(said: Said, client: Client) -> None:
    saver = RedisSaver(client, ttl_s=60)
    config = saver.put(place("t"), checkpoint({"a": 1}, {"a": 1}), loop(0), {"a": 1})
    saver.put(config, checkpoint({"a": 2}, {"a": 2}), loop(1), {"a": 2})
    assert "1 checkpoints of 1 threads could be removed" in said("prune", "--dry-run")
    assert told(said, "prune")["checkpoints"] == 1
    assert told(said, "prune")["checkpoints"] == 0
    assert said("orphans") == "0 orphans, 0 removed\n"
    raw(client, ("UNLINK", client.keys().thread("t").checkpoints))
    assert "checkpoints is gone" in said("orphans", status=3)
    assert told(said, "orphans", "--remove")["removed"] == 3
    assert said("orphans") == "0 orphans, 0 removed\n"


@pytest.mark.parametrize("name", ["b.jsonl", "b.jsonl.gz"])
def test_a_backup_is_a_file_that_is_restored_elsewhere(said: Said, client: Client, tmp_path: Path, name: str) -> None:
    talk(client, "s", tenant="acme")
    file, other = tmp_path / name, f"memory://{uuid4().hex}"
    assert told(said, "backup", str(file))["keys"] == 5
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == [name]
    assert "is there already" in said("backup", str(file), status=1)
    assert told(said, "restore", str(file), redis=other)["restored"] == 5
    assert "0 keys restored, 5 were there" in said("restore", str(file), redis=other)
    with Client.from_url(other) as restored:
        assert RedisSessions(restored, tenant="acme").get("s") is not None
    assert "prefix" in said("restore", str(file), "--prefix", "x", status=1)
    talk(client, "s", "t", tenant="b")
    both, third = str(tmp_path / f"both-{name}"), f"memory://{uuid4().hex}"
    said("backup", both)
    report = told(said, "restore", both, "--tenant", "acme", redis=third)
    assert (report["restored"], report["others"]) == (5, 8)
    with Client.from_url(third) as restored:
        assert RedisSessions(restored, tenant="acme").get("s") is not None
        assert RedisSessions(restored, tenant="b").get("s") is None


def test_files_that_are_no_backups(said: Said, client: Client, tmp_path: Path) -> None:
    for name, content in (("a", b"x"), ("b", b"[]\n"), ("c.gz", b"x"), ("d.gz", gzip.compress(b"{}\n")), ("e", b"")):
        (tmp_path / name).write_bytes(content)
        said("restore", str(tmp_path / name), status=1)
    assert "cannot be read" in said("restore", str(tmp_path / "none"), status=1)
    assert "cannot be written" in said("backup", str(tmp_path / "none" / "x"), status=1)


def test_a_person_is_exported_and_erased(said: Said, client: Client) -> None:
    talk(client, "s", tenant="acme", user="ana")
    talk(client, "t", tenant="acme", user="ben")
    line = json.loads(said("export", "--tenant", "acme", "--user", "ana"))
    assert line["messages"][0]["data"]["content"] == "The secret of s?"
    assert told(said, "export", "--tenant", "acme", "--user", "ana") == [line]
    assert "would be erased" in said("erase", "--tenant", "acme", "--user", "ana", "--dry-run")
    assert told(said, "erase", "--tenant", "acme", "--user", "ana")["complete"]
    assert said("export", "--tenant", "acme", "--user", "ana") == ""
    assert RedisSessions(client, tenant="acme").get("t") is not None
    talk(client, "u", tenant="acme", agent="nurse")
    assert json.loads(said("export", "--tenant", "acme", "--agent", "nurse"))["session_id"] == "u"
    assert told(said, "erase", "--tenant", "acme", "--agent", "nurse")["keys"] == 3
    assert len(told(said, "export", "--tenant", "acme", "--everything")) == 1
    assert told(said, "erase", "--tenant", "acme", "--everything")["complete"]
    assert told(said, "stats", "--tenant", "acme")["keys"] == 0
    for wrong in ((), ("--user", "a", "--agent", "b"), ("--user", "a", "--everything")):
        said("erase", *wrong, status=1)


def test_what_is_changed_is_in_the_audit_log(said: Said, client: Client, tmp_path: Path) -> None:
    def noted(tenant: str) -> list[tuple[str, str, str, str]]:
        lines = client.run(audit.read(client.keys(tenant)))
        assert all(line.who.endswith(" on the command line") for line in lines)
        return [(line.action, line.target, line.state, line.note) for line in reversed(lines)]

    talk(client, "s", tenant="acme", user="ana")
    said("erase", "--tenant", "acme", "--user", "ana", "--dry-run")
    said("prune", "--tenant", "acme", "--dry-run")
    said("orphans")
    assert noted("acme") == noted("") == []
    said("erase", "--tenant", "acme", "--user", "ana")
    said("prune", "--tenant", "acme")
    said("settings", "--tenant", "acme", "--off", "values/x", "--for-s", "9", status=3)
    assert noted("acme") == [
        ("erase", "user ana", "begun", ""),
        ("erase", "user ana", "done", "4 keys"),
        ("prune", "all threads", "begun", ""),
        ("prune", "all threads", "done", "0 checkpoints"),
        ("switch cache off", "values/x", "begun", ""),
        ("switch cache off", "values/x", "done", "for 9 s"),
    ]
    (tmp_path / "x").write_text("{}\n")
    said("restore", str(tmp_path / "x"), status=1)
    said("erase", "--tenant", "acme", "--everything")
    assert noted("acme") == []
    assert [line[:3] for line in noted("")] == [
        ("restore", "x", "begun"),
        ("restore", "x", "failed"),
        ("erase", "tenant acme", "begun"),
        ("erase", "tenant acme", "done"),
    ]


SERVERS = [pytest.param(name, id=name) for name in servers.REAL if name in {"redis62", NEWEST}]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("name", ["history", "saver", "indexed_store", "semantic_conversation"])
async def test_the_printed_rights_are_enough_for_a_tenant(
    farm: Farm, prefix: str, watch: Watch, server: str, name: str
) -> None:
    url, both = farm.url(server), Both(asynchronous=False)
    watch(url, prefix)
    engine = "vector_sets" if server == NEWEST else "exact"
    options = ["--tenant", "acme", "--prefix", prefix, "--engine", engine, "--password", "secret"]
    line = CliRunner().invoke(app, ["acl", prefix, *options]).output
    with Client.from_url(url) as admin:
        raw(admin, tuple(line.split()))
        try:
            login = url.replace("redis://", f"redis://{prefix}:secret@")
            with Client.from_url(login, prefix=prefix) as client:
                for read in await SCENARIOS[name].run(both, client, "acme"):
                    await read()
        finally:
            raw(admin, ("ACL", "DELUSER", prefix))


@pytest.mark.parametrize("command", ["status", "doctor", "sessions"])
def test_a_user_without_rights_is_told_what_prints_them(farm: Farm, prefix: str, command: str) -> None:
    url = farm.url(NEWEST)
    with Client.from_url(url) as admin:
        raw(admin, ("ACL", "SETUSER", prefix, "on", ">secret", "+hello", "+ping"))
        try:
            login = url.replace("redis://", f"redis://{prefix}:secret@")
            done = CliRunner().invoke(app, [command, "--redis", login])
        finally:
            raw(admin, ("ACL", "DELUSER", prefix))
    assert done.exit_code == (3 if command == "doctor" else 1), done.output
    assert "has no permissions to run" in done.output
    assert "langchain-redis-memory acl" in done.output
    assert "_" not in done.stderr.partition(":")[0]  # no name of ours that nobody can import


def test_acl_refuses_what_cannot_be() -> None:
    done = CliRunner().invoke(app, ["acl", "--classes", "Nothing"])
    assert (done.exit_code, done.stdout) == (1, "")
    found = json.loads(CliRunner().invoke(app, ["acl", "--classes", "RedisSaver, RedisStore", "--json"]).output)
    assert "+zrange" in found["line"]
    assert "secret" not in found["line"]


APPLICATION = """
from langchain_redis_memory import ConversationMemory, RedisCache, RedisUsers
from tests.support.chains import DescribedModel, LetterEmbeddings

memory = ConversationMemory({url!r}, answer_ttl_s=60, ttl_s=60)
model = DescribedModel()
chain = memory.wrap(model, scope="chat")
users = RedisUsers({url!r}, answers=[memory.answers])
cache = RedisCache(ttl_s=60)
number = 1


def made():
    return memory
"""


AGENT = """
from langchain.agents import create_agent
from langchain_redis_memory import AnswerCacheMiddleware
from tests.support.agents import ScriptedModel
cache = AnswerCacheMiddleware("{url}")
agent = create_agent(ScriptedModel(), middleware=[cache])
"""


@pytest.fixture
def module(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An application in the working directory."""
    name = f"application_{uuid4().hex}"
    (tmp_path / f"{name}.py").write_text(APPLICATION.format(url=url))
    monkeypatch.chdir(tmp_path)
    yield name
    sys.modules.pop(name, None)


def test_caches_are_explained_warmed_and_asked_for_what_they_missed(
    said: Said, client: Client, module: str, tmp_path: Path
) -> None:
    def run(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(app, [*arguments, "--cache", f"{module}:made", "--chain", f"{module}:chain"])
        assert done.exit_code == status, done.output
        return done.output

    memory = ConversationMemory(client, ttl_s=60, answer_ttl_s=60)
    chat = memory.wrap(DescribedModel(), scope="chat")
    chat.invoke("What is flu?", {"configurable": {"session_id": "s"}})
    memory.answers.delete(question="What is flu?")
    assert told(said, "top-misses")[0]["question"] == "What is flu?"
    assert "What is flu?" in said("top-misses")
    assert json.loads(run("explain", "What is flu?", "--json"))["hit"] is None
    assert json.loads(run("warm", "--misses", "5", "--json"))["stored"] == 1
    assert "hit" in run("explain", "What is flu?")
    (tmp_path / "faq.jsonl").write_text('{"question": "What is a cold?", "answer": "A cold."}\n')
    assert run("warm", "faq.jsonl") == "1 answers stored\n"
    assert json.loads(run("explain", "What is a cold?", "--json"))["hit"] is not None
    for wrong in (["warm"], ["warm", "none.jsonl"], ["warm", "faq.jsonl", "--misses", "1"]):
        run(*wrong, status=1)
    assert json.loads(run("explain", "What is flu?", "--tenant", "other", "--json"))["hit"] is None
    (tmp_path / "broken.py").write_text("1 / 0")
    for spelled in ("broken:x", "nonsense", f"{module}:nothing", "no_such_module:x", f"{module}:number"):
        done = CliRunner().invoke(app, ["explain", "x", "--cache", spelled, "--chain", f"{module}:chain"])
        assert (done.exit_code, done.stdout) == (1, "")


def test_an_agents_answers_are_warmed_and_explained(url: str, module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text(AGENT.format(url=url))
    options = ["--cache", f"{module}:cache", "--chain", f"{module}:agent"]
    (tmp_path / "faq.jsonl").write_text('{"question": "What is a cold?", "answer": "A cold."}\n')
    assert "1 answers stored" in CliRunner().invoke(app, ["warm", "faq.jsonl", *options]).output
    told = CliRunner().invoke(app, ["explain", "What is a cold?", "--session", "s", *options, "--json"])
    assert json.loads(told.output)["hit"] is not None


def test_an_application_without_a_server_of_its_own_is_given_one(
    url: str, module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    (tmp_path / "faq.jsonl").write_text('{"prompt": "What is a cold?", "answer": "A cold."}\n')
    options = ["--cache", f"{module}:cache", "--chain", f"{module}:model"]
    warmed = CliRunner().invoke(app, ["warm", "faq.jsonl", *options, "--redis", url, "--json"])
    assert json.loads(warmed.output) == {"stored": 1}
    done = CliRunner().invoke(app, ["explain", "What is a cold?", *options, "--redis", url, "--tenant", "b"])
    assert done.exit_code == 1
    assert "leave --tenant out" in done.stderr


def test_a_person_is_erased_by_the_applications_own_users(said: Said, client: Client, module: str) -> None:
    talk(client, "s", user="ana")
    done = CliRunner().invoke(app, ["erase", "--user", "ana", "--people", f"{module}:users", "--json"])
    assert json.loads(done.output)["kinds"]["conversations"]["names"] == ["s"]
    assert RedisUsers(client).data("ana") == []
    done = CliRunner().invoke(app, ["erase", "--user", "ana", "--people", f"{module}:memory"])
    assert done.exit_code == 1


def test_a_cache_of_values_is_switched_off_and_on(said: Said, client: Client) -> None:
    values = RedisValueCache(client, "prefs", ttl_s=60)
    values.set("a", 1)
    values.get("a")
    values.stats()
    assert told(said, "settings", "--off", "values/prefs", "--for-s", "60") == {
        "namespace": "values/prefs",
        "on": False,
        "known": True,
        "for_s": 60,
    }
    assert values.get("a") is None
    said("settings", "--on", "values/prefs")
    assert values.get("a") == 1
    assert told(said, "settings")["prefix"] == "lrm"
    assert "no cache values/pref has counted anything" in said("settings", "--on", "values/pref", status=3)
    for wrong in (["--off", "answers/x"], ["--off", "semantic/"], ["--on", "values/a", "--off", "values/b"]):
        said("settings", *wrong, status=1)
    assert {line.target for line in client.run(audit.read(client.keys()))} == {"values/prefs", "values/pref"}


@pytest.mark.parametrize("by_meaning", [False, True], ids=["exact", "semantic"])
def test_a_cache_of_langchains_is_switched_off_and_on(said: Said, client: Client, *, by_meaning: bool) -> None:
    cache = RedisSemanticCache(client, LetterEmbeddings(), ttl_s=60) if by_meaning else RedisCache(client, ttl_s=60)
    name = "semantic/llm" if by_meaning else "exact/llm"
    cache.update("What is flu?", "model", [Generation(text="an infection")])
    cache.stats()
    said("settings", "--off", name)
    assert cache.lookup("What is flu?", "model") is None
    assert f"settings --on {name}" in said("status")
    said("settings", "--on", name)
    assert cache.lookup("What is flu?", "model") == [Generation(text="an infection")]


@pytest.mark.parametrize("by_meaning", [False, True], ids=["exact", "semantic"])
def test_a_cache_of_answers_is_switched_off_and_on(said: Said, client: Client, *, by_meaning: bool) -> None:
    embeddings = LetterEmbeddings() if by_meaning else None
    memory = ConversationMemory(client, tenant="acme", ttl_s=60, answer_ttl_s=60, embeddings=embeddings)
    chat = memory.wrap(DescribedModel(), scope="chat")

    def ask(session: str) -> str:
        chat.invoke("What is flu?", {"configurable": {"session_id": session}})
        return memory.answers.decisions(1)[0].outcome

    assert [ask("a"), ask("b")] == ["miss", "hit"]
    memory.answers.stats()
    [cache] = told(said, "status", "--tenant", "acme")["caches"]
    assert (cache["namespace"], cache["off_s"]) == ("semantic/answers" if by_meaning else "answers/exact", 0)
    said("settings", "--tenant", "acme", "--off", cache["namespace"], "--for-s", "60")
    assert ask("c") == "bypass"
    [cache] = told(said, "status", "--tenant", "acme")["caches"]
    assert 0 < cache["off_s"] <= 60
    assert f"settings --on {cache['namespace']}" in said("status", "--tenant", "acme")
    said("settings", "--tenant", "acme", "--on", cache["namespace"])
    assert ask("d") == "hit"
    noted = [(one.action, one.target, one.state) for one in client.run(audit.read(client.keys("acme")))]
    assert noted[::-1] == [
        (f"switch cache {to}", cache["namespace"], state) for to in ("off", "on") for state in ("begun", "done")
    ]


def test_a_load_is_bounded_and_leaves_nothing(said: Said, client: Client) -> None:
    found = told(said, "loadtest", "--users", "2", "--seconds", "0.2", "--size", "20")
    assert (found["users"], found["failed"]) == (2, 0)
    assert found["turns"] > 0
    assert 0 < found["p50_ms"] <= found["p95_ms"] <= found["p99_ms"]
    assert raw(client, ("DBSIZE",)) == [0]
    said("loadtest", "--users", "1000", status=2)


@pytest.mark.slow
def test_the_demo_and_a_chat_print_json(said: Said) -> None:
    lines = [json.loads(line) for line in said("demo", "--json").splitlines()]
    assert {line["user"] for line in lines} == {"ana", "ben"}
    assert {line["cache"] for line in lines} >= {"hit", "miss", "bypass"}
