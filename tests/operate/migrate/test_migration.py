"""The driver: dry run, resume, limits, what is left alone, and what is refused, on every server."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, message_to_dict
from typer.testing import CliRunner

from langchain_redis_memory import Client, ConfigError, RedisChatMessageHistory, RedisMigration
from langchain_redis_memory.cli.app import app
from langchain_redis_memory.errors import InvalidInputError, UnavailableError
from langchain_redis_memory.peers.langgraph_redis import LangGraphRedis
from langchain_redis_memory.peers.sources import SOURCES
from tests.conftest import Both
from tests.support.dumped import send

SAID = [HumanMessage("Hi", id="1"), AIMessage("Hello", id="2")]


def say(client: Client, key: str, *messages: Any) -> None:
    """Stores messages as langchain-community does."""
    for message in messages:
        send(client, ("LPUSH", key, json.dumps(message_to_dict(message))))
    send(client, ("EXPIRE", key, 600))


def at(client: Client, prefix: str, **options: Any) -> RedisMigration:
    """A migration within one server, from keys that the test's own prefix keeps apart."""
    return RedisMigration(client, "langchain-community", prefix=f"{prefix}:theirs:", **options)


def history(client: Client, session: str = "s", **options: Any) -> RedisChatMessageHistory:
    return RedisChatMessageHistory(session, client, ttl_s=600, **options)


async def test_a_dry_run_finds_everything_and_writes_nothing(client: Client, both: Both, prefix: str) -> None:
    say(client, f"{prefix}:theirs:s", *SAID)
    report = await both(at(client, prefix).run)(dry_run=True)
    assert (report.dry_run, report.kinds["conversations"].found, report.kinds["conversations"].moved) == (True, 1, 0)
    assert str(report) == "langchain-community: would be moved\n  conversations: 1 found"
    assert history(client).messages == []


async def test_conversations_are_moved_with_their_lifetimes(client: Client, both: Both, prefix: str) -> None:
    for session in ("s", "t", "é:*"):
        say(client, f"{prefix}:theirs:{session}", *SAID)
    report = await both(at(client, prefix, tenant="acme", agent="a").run)()
    assert report.complete, report
    assert report.kinds["conversations"].moved == 3
    stored = history(client, "é:*", tenant="acme", agent="a")
    assert stored.messages == SAID
    assert 500 < (stored.ttl() or 0) <= 600
    assert history(client).messages == []


async def test_a_cluster_is_searched_on_each_master(cluster: Client, both: Both, prefix: str) -> None:
    sessions = [f"s{number}" for number in range(9)]
    for session in sessions:
        say(cluster, f"{prefix}:theirs:{session}", *SAID)
    report = await both(at(cluster, prefix).run)()
    assert report.kinds["conversations"].moved == 9
    assert all(history(cluster, session).messages == SAID for session in sessions)


async def test_what_has_no_lifetime_gets_the_given_one(target: Client) -> None:
    send(target, ("LPUSH", "theirs:s", json.dumps(message_to_dict(SAID[0]))))
    RedisMigration(target, "langchain-community", prefix="theirs:", ttl_s=60).run()
    assert 0 < (history(target).ttl() or 0) <= 60


async def test_a_conversation_that_went_on_at_the_source_gets_the_rest(target: Client) -> None:
    say(target, "t:theirs:s", *SAID)
    at(target, "t").run()
    say(target, "t:theirs:s", HumanMessage("And now?", id="3"))
    assert at(target, "t").run().kinds["conversations"].moved == 1
    assert [message.id for message in history(target).messages] == ["1", "2", "3"]


async def test_a_conversation_that_went_on_at_the_target_is_there(target: Client) -> None:
    say(target, "t:theirs:s", *SAID)
    at(target, "t").run()
    history(target).add_messages([HumanMessage("And now?", id="3")])
    assert at(target, "t").run().kinds["conversations"].there == 1
    assert len(history(target)) == 3


async def test_a_conversation_that_is_another_one_at_the_target_is_left_alone(target: Client) -> None:
    say(target, "t:theirs:s", *SAID)
    history(target).add_messages([HumanMessage("Something else", id="9")])
    report = at(target, "t").run()
    assert (report.kinds["conversations"].kept, report.kinds["conversations"].moved) == (1, 0)
    assert "1 left as they are at the target" in str(report)
    assert [message.id for message in history(target).messages] == ["9"]


async def test_a_prefix_is_no_glob(target: Client) -> None:
    for key in ("a*b:s", "a[1]:s", "axb:s", "a1:s"):
        say(target, key, *SAID)
    for prefix in ("a*b:", "a[1]:"):
        report = RedisMigration(target, "langchain-community", prefix=prefix, tenant=prefix).run()
        assert report.kinds["conversations"].found == 1


def test_the_savers_prefixes_may_differ() -> None:
    source = LangGraphRedis("app,app_writes")
    assert source.patterns == ("app:*:*", "app_writes:*:*")
    assert source.unit(b"app:t::1") == b"t::1" == source.unit(b"app_writes:t::1:task:0")
    assert source.unit(b"app:t:") is None  # of the shallow saver


async def test_of_two_messages_with_one_id_the_later_is_kept(target: Client) -> None:
    say(target, "t:theirs:s", SAID[0], SAID[1], HumanMessage("Hi again", id="1"))
    assert at(target, "t").run().complete
    assert [message.content for message in history(target).messages] == ["Hi again", "Hello"]
    assert at(target, "t").run().kinds["conversations"].there == 1


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was read",))


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("spell", [bytes, base64.b64encode], ids=["raw", "base64"])
async def test_a_pickle_is_refused_unread(target: Client, protocol: int, spell: Any) -> None:
    send(target, ("LPUSH", "t:theirs:bad", spell(pickle.dumps(Bomb(), protocol))))
    say(target, "t:theirs:good", *SAID)
    report = at(target, "t").run()
    assert not report.complete
    (failure,) = report.failed
    assert failure.name == "t:theirs:bad"
    assert "a pickle" in failure.why
    assert report.kinds["conversations"].moved == 1


@pytest.mark.parametrize("damage", [b"{", b"[]", b'{"type": 3}', b'{"type": "human", "data": {}}', b"\xff"])
async def test_what_is_damaged_is_reported_and_the_rest_moved(target: Client, damage: bytes) -> None:
    say(target, "t:theirs:good", *SAID)
    send(target, ("LPUSH", "t:theirs:bad", damage), ("SET", "t:theirs:other", "text"))
    report = at(target, "t").run()
    assert [failure.name for failure in report.failed] == ["t:theirs:bad", "t:theirs:other"]
    assert report.kinds["conversations"].moved == 1
    assert "NOT wholly moved" in str(report)


async def test_an_interrupted_migration_goes_on(target: Client, both: Both, tmp_path: Path) -> None:
    for session in "abcd":
        say(target, f"t:theirs:{session}", *SAID)
    say(target, "t:theirs:line\nbreak", *SAID)
    told: list[tuple[int, int]] = []
    file = tmp_path / "done"
    first = await both(at(target, "t").run)(limit=2, resume=file, progress=lambda *counts: told.append(counts))
    assert (first.kinds["conversations"].moved, told) == (2, [(1, 2), (2, 2)])
    with file.open("a") as torn:
        torn.write("t:theirs:c")  # interrupted while the line was written
    second = await both(at(target, "t").run)(resume=str(file))
    assert (second.skipped, second.kinds["conversations"].moved) == (2, 3)
    third = await both(at(target, "t").run)(resume=file)
    assert (third.skipped, third.kinds) == (5, {})


async def test_what_failed_is_tried_again(target: Client, tmp_path: Path) -> None:
    send(target, ("LPUSH", "t:theirs:s", "{"))
    assert not at(target, "t").run(resume=tmp_path / "done").complete
    send(target, ("DEL", "t:theirs:s"))
    say(target, "t:theirs:s", *SAID)
    assert at(target, "t").run(resume=tmp_path / "done").kinds["conversations"].moved == 1


async def test_the_file_of_another_migration_is_refused(target: Client, tmp_path: Path) -> None:
    (tmp_path / "done").write_text("something else\n")
    with pytest.raises(ConfigError, match="is not the file of a migration from langchain-community"):
        at(target, "t").run(resume=tmp_path / "done")


def test_arguments_that_cannot_work_are_refused(target: Client) -> None:
    with pytest.raises(ConfigError, match="no source is named 'mongo'; known are: langchain-community"):
        RedisMigration(target, "mongo")
    with pytest.raises(InvalidInputError, match="limit"):
        at(target, "t").run(limit=0)
    with pytest.raises(UnavailableError):
        RedisMigration(target, "langchain-community", origin="redis://127.0.0.1:1/0").run()


def test_documents_of_redisjson_need_a_server_with_json(real: Client) -> None:
    key = "chat:s:01M8MTN2QKJ150CCPXRB03BNMH"
    send(real, ("SET", key, "x", "EX", 60))
    try:
        with pytest.raises(ConfigError, match="read them on a server with JSON"):
            RedisMigration(real, "langchain-redis").run()
    finally:
        send(real, ("DEL", key))


# --- the command ----------------------------------------------------------------------------------


def said(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, ["migrate", *arguments])
    assert done.exit_code == status, done.output
    return done.stdout


def test_the_command_moves_and_tells(target: Client) -> None:
    say(target, "t:theirs:s", *SAID)
    options = ("langchain-community", "--redis", target.url, "--prefix", "t:theirs:")
    assert "1 found" in said(*options, "--dry-run")
    assert json.loads(said(*options, "--json"))["kinds"]["conversations"]["moved"] == 1
    assert history(target).messages == SAID


def test_the_command_fails_where_something_cannot_be_moved(target: Client) -> None:
    send(target, *(("SET", f"t:theirs:{number}", "x") for number in range(25)))
    told = said("langchain-community", "--redis", target.url, "--prefix", "t:theirs:", status=3)
    assert told.count("failed: ") == 20
    assert "... and 5 more that failed" in told


def test_the_command_lists_its_sources() -> None:
    told = said("--list")
    assert [line.partition(":")[0] for line in told.splitlines()] == list(SOURCES)
    assert said(status=1) == ""
