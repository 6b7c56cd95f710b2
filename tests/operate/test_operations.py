"""What people see and do who run a deployment: on every server, and on a cluster whose keys are on three nodes."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.messages import HumanMessage

from langchain_redis_memory import (
    Client,
    ConfigError,
    InvalidInputError,
    RedisChatMessageHistory,
    RedisOperations,
    RedisSaver,
    RedisSessions,
    acl_line,
)
from langchain_redis_memory.operate.backup import PASSING
from langchain_redis_memory.operate.doctor import Diagnosis
from langchain_redis_memory.operate.session_search import SessionMatch
from langchain_redis_memory.redis.client.client import Trip
from langchain_redis_memory.redis.key_parts import parse_key
from langchain_redis_memory.redis.keys import KINDS, KeySpace
from tests.conftest import Both, Watch
from tests.redis.test_keys import NAMED, every_key
from tests.support.raw import raw
from tests.support.saves import checkpoint, loop, place
from tests.support.scenario import SCENARIOS, everything
from tests.support.servers import NEWEST, Farm

FEW = ["history", "saver", "store", "byte_store", "record_manager", "states", "conversation", "exact_cache"]


async def fill(both: Both, client: Client, *tenants: str, names: list[str] = FEW) -> None:
    for tenant in tenants:
        for name in names:
            await SCENARIOS[name].run(both, client, tenant)


async def said(both: Both, client: Client, session: str, *texts: str, **options: Any) -> None:
    history = RedisChatMessageHistory(session, client, ttl_s=60, **options)
    await both(history.add_messages)([HumanMessage(text) for text in texts])


def test_the_name_of_a_key_is_read_back() -> None:
    for tenant in ("", "acme", "a/b{c}"):
        space = KeySpace("p:q", tenant)
        for name in NAMED[::7]:
            for (_, agent, _, _), key in every_key(space, "", name).items():
                parts = parse_key(key, "p:q")
                assert parts is not None
                assert parts.tenant == tenant
                assert parts.agent == agent or parts.agent
                assert parts.kind in KINDS
                assert parse_key(key, "p") is None
    for wrong in ("", "p:q", "p:q:{a/b}:messages", "p:q:{a/b/c}:nothing", "p:q:{a/b/c/d}:messages"):
        assert parse_key(wrong, "p:q") is None


@pytest.mark.slow
@pytest.mark.pins
async def test_every_key_is_counted_by_kind_and_tenant(there: Client, both: Both) -> None:
    await fill(both, there, "", "acme")
    raw(there, ("SET", f"{there.keys().prefix}:{{stray}}", "x", "PX", 60_000))
    keys = [key.decode() for key in everything(there)]
    stats = await both(RedisOperations(there).memory_stats)(sample=3)
    assert stats.complete
    assert stats.keys == len(keys)
    assert stats.kinds["unknown"].keys == 1
    of_acme = [key for key in keys if "{acme/" in key]
    assert stats.tenants == {"": len(keys) - len(of_acme) - 1, "acme": len(of_acme)}
    assert stats.sessions == sum(key.endswith("}:messages") for key in keys)
    assert stats.threads == 4
    assert stats.kinds["record_times"].immortal == 2
    assert stats.immortal == ()
    if not there.url.startswith("memory:"):
        assert 0 < stats.kinds["messages"].measured <= 3
        assert stats.bytes > 50 * stats.keys
        assert stats.largest[0][1] >= stats.largest[-1][1] > 0
    alone = await both(RedisOperations(there, tenant="acme").memory_stats)()
    assert (alone.keys, set(alone.tenants)) == (len(of_acme), {"acme"})
    some = await both(RedisOperations(there).memory_stats)(most=5)
    assert some.keys == 5
    assert not some.complete


@pytest.mark.pins
async def test_a_key_without_a_lifetime_is_named(there: Client, both: Both) -> None:
    history = RedisChatMessageHistory("kept", there, ttl_s=60)
    await both(history.add_messages)([HumanMessage("hello")])
    await both(history.persist)()
    stats = await both(RedisOperations(there).memory_stats)()
    assert there.keys().session("kept").messages in stats.immortal
    diagnosis = await both(RedisOperations(there).doctor)()
    assert status(diagnosis, "keys without a lifetime") == "warn"


# --- doctor -------------------------------------------------------------------------------------------------


def status(diagnosis: Diagnosis, name: str) -> str:
    return next(check.status for check in diagnosis.checks if check.name == name)


async def test_each_server_is_checked(there: Client, both: Both) -> None:
    await said(both, there, "s", "hello")
    diagnosis = await both(RedisOperations(there).doctor)()
    found = {check.name: check.status for check in diagnosis.checks}
    assert len(found) == len(diagnosis.checks) == 10
    assert found["round trip"] in {"ok", "warn"}  # the machine may be busy
    assert found["clock"] == "ok"
    assert found["eviction"] == "ok"
    assert found["rights"] in {"ok", "unknown"}
    assert found["engine"] == found["big keys"] == found["keys without a lifetime"] == "ok"
    assert diagnosis.status == "warn"
    if not there.url.startswith("memory:"):
        assert found["version"] == "ok"
        assert found["memory"] == found["persistence"] == "warn"  # the tests' servers have neither
        assert "appendonly yes" in diagnosis.conf
        assert any(line.startswith("maxmemory ") for line in diagnosis.conf)


async def test_a_server_that_evicts_conversations_fails_and_one_that_evicts_caches_does_not(
    farm: Farm, prefix: str, both: Both
) -> None:
    process = farm.start(NEWEST, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru", "--appendonly", "yes")
    with Client.from_url(process.url, prefix=prefix) as client:
        await SCENARIOS["exact_cache"].run(both, client, "")
        operations = RedisOperations(client)
        assert status(await both(operations.doctor)(), "eviction") == "ok"
        await said(both, client, "s", "hello")
        diagnosis = await both(operations.doctor)()
        assert (diagnosis.status, status(diagnosis, "eviction")) == ("fail", "fail")
        assert diagnosis.conf[0] == "maxmemory-policy noeviction"
        assert (status(diagnosis, "memory"), status(diagnosis, "persistence")) == ("ok", "ok")
        user = f"{prefix}-u"
        raw(client, tuple(acl_line(user, RedisSaver, prefix=prefix, password="x").split()))
        raw(client, ("ACL", "SETUSER", user, "+acl|whoami", "+acl|dryrun", "+info", "+scan", "+command"))
        with Client.from_url(process.url.replace("redis://", f"redis://{user}:x@"), prefix=prefix) as limited:
            check = next(one for one in (await both(RedisOperations(limited).doctor)()).checks if one.name == "rights")
        assert check.status == "warn"
        assert "may not send" in check.found
        assert "hscan" in check.found
    process.stop()


async def test_each_node_of_a_cluster_is_asked_for_the_rights(
    cluster: Client, cluster_url: str, prefix: str, both: Both
) -> None:
    def rights(diagnosis: Diagnosis) -> tuple[str, str]:
        return next((check.status, check.found) for check in diagnosis.checks if check.name == "rights")

    assert rights(await both(RedisOperations(cluster).doctor)()) == (
        "ok",
        "'default' may send all commands of this package",
    )
    ports = sorted({int(row[2][1]) for row in raw(cluster, ("CLUSTER", "SLOTS"))[0]})
    nodes = [Client.from_url(f"redis://127.0.0.1:{port}") for port in ports]
    user = f"{prefix}-u"
    try:
        for number, node in enumerate(nodes):
            rights_of = ["+@all"] if number else ["+@all", "-zadd"]
            raw(node, ("ACL", "SETUSER", user, "on", ">x", "~*", *rights_of))
        with Client.from_url(cluster_url.replace("://", f"://{user}:x@"), prefix=prefix) as limited:
            assert rights(await both(RedisOperations(limited).doctor)()) == (
                "warn",
                f"{user!r} may not send zadd on 1 of 3 nodes",
            )
    finally:
        for node in nodes:
            raw(node, ("ACL", "DELUSER", user))
            node.close()


async def test_a_server_that_is_not_there_is_a_diagnosis_too(both: Both) -> None:
    client = Client.from_url("redis://127.0.0.1:1/0", retries=0)
    diagnosis = await both(RedisOperations(client).doctor)()
    assert diagnosis.status == "fail"
    assert [check.name for check in diagnosis.checks] == ["server"]


# --- sessions -----------------------------------------------------------------------------------------------


async def test_sessions_are_found_page_by_page(there: Client, both: Both) -> None:
    for session, agent, user in (("one", "", "ana"), ("two", "", "ben"), ("three", "nurse", "ana"), ("x/1", "a/b", "")):
        await said(both, there, session, f"The {session} question?", agent=agent, user=user, tenant="acme")
    await said(both, there, "other", "The one question?")
    operations = RedisOperations(there, tenant="acme")

    async def found(**how: Any) -> list[SessionMatch]:
        matches, cursor = [], None
        while True:
            page = await both(operations.sessions)(cursor=cursor, limit=1, **how)
            matches += page.matches
            if (cursor := page.cursor) is None:
                return matches

    async def ids(**how: Any) -> set[str]:
        matches = await found(**how)
        assert len({match.session.session_id for match in matches}) == len(matches)
        return {match.session.session_id for match in matches}

    assert await both(operations.agents)() == ["", "a/b", "nurse"]
    assert await ids() == {"one", "two", "three", "x/1"}
    assert await ids(agent="") == {"one", "two"}
    assert await ids(user="ana") == {"one", "three"}
    assert await ids(user="ana", agent="nurse") == {"three"}
    assert await ids(search="T") == {"two", "three"}
    assert await ids(search="QUESTION") == set()
    assert await ids(search="TWO QUESTION", content=True) == {"two"}
    assert [match.title for match in await found(agent="nurse")] == [""]
    assert [match.title for match in await found(agent="nurse", content=True)] == ["The three question?"]
    for wrong in ({"cursor": "x"}, {"cursor": "x", "user": "ana"}, {"limit": 0}, {"search": None}):
        with pytest.raises(InvalidInputError):
            await both(operations.sessions)(**wrong)


async def test_the_servers_keys_are_searched_only_where_an_agents_conversations_end(
    client: Client, both: Both, trips: list[Trip]
) -> None:
    for session in ("one", "two", "three"):
        await said(both, client, session, "hello")
    await said(both, client, "four", "hello", agent="a")
    operations = RedisOperations(client)
    page = await both(operations.sessions)(limit=2)
    trips.clear()
    page = await both(operations.sessions)(limit=1, cursor=page.cursor)
    assert len(trips) == 2
    assert page.cursor is not None
    found = await both(operations.sessions)(limit=2, cursor=page.cursor)
    assert [match.session.session_id for match in found.matches] == ["four"]
    assert found.cursor is None


async def test_a_name_is_inspected(there: Client, both: Both) -> None:
    await said(both, there, "s", "secret words", agent="a", tenant="acme")
    saver = RedisSaver(there, ttl_s=60, tenant="acme")
    config = await both(saver.put)(place("s"), checkpoint({"a": "secret"}, {"a": 1}), loop(0), {"a": 1})
    await both(saver.put)(config, checkpoint({"a": "b"}, {"a": 2}), loop(1), {"a": 2})
    operations = RedisOperations(there, tenant="acme")
    session, thread = await both(operations.inspect)("s", agent="a")
    assert (session.what, session.name, session.facts["messages"], session.facts["turns"]) == ("session", "s", 1, 1)
    assert {key.kind for key in session.keys} == {"messages", "ids", "meta"}
    assert (thread.what, thread.facts["checkpoints"], thread.facts["step"]) == ("thread", 2, 1)
    assert thread.facts["channels"] == ["a"]
    assert "secret" not in repr((session, thread))
    [key] = (await both(operations.inspect)(there.keys("acme").session("s", "a").messages))[0].keys
    assert (key.type, key.length, key.kind, key.lifetime) == ("list", 1, "messages", KINDS["messages"])
    assert 0 < (key.ttl_s or 0) <= 60
    assert await both(operations.inspect)("nobody") == []
    assert await both(RedisOperations(there).inspect)("s", agent="a") == []


# --- what can go --------------------------------------------------------------------------------------------


async def test_old_checkpoints_of_all_threads_go(there: Client, both: Both) -> None:
    saver = RedisSaver(there, ttl_s=60)
    for thread in ("t1", "t2"):
        config: Any = place(thread)
        for step in range(3):
            config = await both(saver.put)(
                config, checkpoint({"a": step}, {"a": step + 1}), loop(step), {"a": step + 1}
            )
    operations, progress = RedisOperations(there), list[int]()
    planned = await both(operations.prune)(dry_run=True)
    assert (planned.threads, planned.checkpoints, planned.dry_run) == (2, 4, True)
    done = await both(operations.prune)(on_progress=progress.append)
    assert (done.checkpoints, done.bytes, done.failed, progress) == (4, planned.bytes, {}, [2])
    assert (await both(operations.prune)()).checkpoints == 0
    kept = await both(saver.get_tuple)(place("t1"))
    assert kept.checkpoint["channel_values"] == {"a": 2}
    assert (await both(operations.prune)(older_than_s=60)).threads == 2


async def test_a_thread_that_cannot_be_pruned_stops_no_other(there: Client, both: Both) -> None:
    saver = RedisSaver(there, ttl_s=60)
    for thread in ("t1", "t2"):
        config: Any = place(thread)
        for step in range(2):
            config = await both(saver.put)(
                config, checkpoint({"a": step}, {"a": step + 1}), loop(step), {"a": step + 1}
            )
    broken = there.keys().thread("t1").checkpoints
    raw(there, ("UNLINK", broken), ("SET", broken, "x", "PX", 60_000))
    done = await both(RedisOperations(there).prune)()
    assert (done.threads, done.checkpoints, list(done.failed)) == (2, 1, ["t1"])


@pytest.mark.slow
@pytest.mark.pins
async def test_nothing_that_is_in_use_is_an_orphan(there: Client, both: Both) -> None:
    await fill(both, there, "acme", names=list(SCENARIOS))
    before = set(everything(there))
    report = await both(RedisOperations(there).orphans)(remove=True)
    assert (report.orphans, report.removed, report.complete) == ((), 0, True)
    gone = before - set(everything(there))
    assert [key for key in gone if b":rate:" not in key] == []  # a limit that is paid off expires


async def test_parts_whose_main_key_is_gone_are_found_and_removed(there: Client, both: Both) -> None:
    await said(both, there, "s", "hello")
    await said(both, there, "kept", "hello")
    keys = there.keys().session("s")
    stray = f"{there.keys().prefix}:{{stray}}"
    raw(there, ("UNLINK", keys.messages), ("SET", stray, "x", "PX", 60_000))
    operations = RedisOperations(there)
    report = await both(operations.orphans)()
    assert {orphan.key: orphan.why for orphan in report.orphans} == {
        keys.ids: "messages is gone",
        keys.meta: "messages is gone",
        stray: "not a key of this package",
    }
    assert (await both(operations.orphans)(remove=True)).removed == 2
    assert [orphan.key for orphan in (await both(operations.orphans)()).orphans] == [stray]
    assert await both(RedisSessions(there).get)("kept") is not None


# --- backup -------------------------------------------------------------------------------------------------


async def backed_up(both: Both, operations: RedisOperations) -> list[dict[str, Any]]:
    lines = await both.each(operations.backup)()
    return [json.loads(json.dumps(line)) for line in lines]


def lasting(client: Client) -> dict[bytes, list[bytes]]:
    """All that a client's prefix holds and that a backup is to have, vectors by their names alone."""
    return {
        key: [part for part in sorted(parts) if b"}:points" not in key or part == key]
        for key, parts in everything(client).items()
        if key.decode().partition("}:")[2].partition(":")[0] not in PASSING
    }


@pytest.mark.pins
async def test_a_backup_is_restored_on_another_topology(
    there: Client, both: Both, cluster_url: str, watch: Watch
) -> None:
    await fill(both, there, "acme", names=list(SCENARIOS))
    for key in everything(there):
        if b":rate:" in key:  # a limit that is paid off would expire meanwhile
            raw(there, ("PEXPIRE", key, 600_000))
    prefix, held = there.keys().prefix, lasting(there)
    lines = await backed_up(both, RedisOperations(there))
    assert {line["key"].encode() for line in lines[1:-1]} == set(held)
    targets = [f"memory://{uuid4().hex}"] + ([] if "cluster" in there.url else [cluster_url])
    for url in targets:
        watch(url, prefix)
        with Client.from_url(url, prefix=prefix) as other:
            operations, progress = RedisOperations(other), list[int]()
            report = await both(operations.restore)(lines, on_progress=progress.append)
            vectors = {line["key"] for line in lines[1:-1] if line["type"] == "vectorset"}
            assert set(report.failed) <= (vectors if url.startswith("memory:") else set())
            assert report.restored == len(held) - len(report.failed)
            failed = {key.encode() for key in report.failed}
            assert lasting(other) == {key: parts for key, parts in held.items() if key not in failed}
            again = await both(operations.restore)(lines)
            assert (again.restored, again.skipped) == (0, report.restored)
    # In place, instead of what is there; and the scenario's own reads go on.
    history = RedisChatMessageHistory("s", there, ttl_s=60, tenant="acme")
    before = await both.messages(history)
    await both(history.clear)()
    assert (await both(RedisOperations(there).restore)(lines, replace=True)).restored == len(held)
    assert await both.messages(history) == before
    assert lasting(there) == held


async def test_lifetimes_are_restored_and_what_has_expired_is_left_out(there: Client, both: Both) -> None:
    await said(both, there, "s", *("word" for _ in range(1200)))
    lines = await backed_up(both, RedisOperations(there))
    key = there.keys().session("s").messages
    left = raw(there, ("PTTL", key))[0]
    raw(there, ("UNLINK", key))
    lines[1:-1] = [line for line in lines[1:-1] if line["key"] == key]
    past = {**lines[1], "key": there.keys().session("t").messages, "expires_ms": 1}
    report = await both(RedisOperations(there).restore)([lines[0], lines[1], past, {"end": 2}])
    assert (report.restored, report.expired) == (1, 1)
    assert left - 30_000 < raw(there, ("PTTL", key))[0] <= left
    assert raw(there, ("LLEN", key)) == [1200]


async def test_what_is_no_backup_is_refused(there: Client, both: Both) -> None:
    await said(both, there, "s", "hello")
    lines = await backed_up(both, RedisOperations(there))
    restore = both(RedisOperations(there).restore)
    for wrong in (
        [],
        lines[1:],
        [{**lines[0], "version": 2}],
        lines[:-1],
        lines[:-2] + lines[-1:],
        [lines[0], {"a": 1}],
    ):
        with pytest.raises(InvalidInputError):
            await restore(wrong)
    with pytest.raises(ConfigError, match="prefix"):
        await restore([{**lines[0], "prefix": "other"}, *lines[1:]])
    outside = {**lines[1], "key": "other:{//s}:messages"}
    with pytest.raises(InvalidInputError, match="not a key of this package"):
        await restore([lines[0], outside, {"end": 1}])
