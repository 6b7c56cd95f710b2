"""Rotation to its end: everything is encrypted under the new key, and the old one goes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.messages import HumanMessage
from typer.testing import CliRunner

from langchain_redis_memory import (
    Cipher,
    Client,
    ConfigError,
    DecryptionError,
    KeyRing,
    RedisByteStore,
    RedisChatMessageHistory,
    RedisOperations,
    RedisSessionData,
)
from langchain_redis_memory.cli.app import app
from langchain_redis_memory.operate import audit
from langchain_redis_memory.operate.audit import AuditLine
from langchain_redis_memory.redis import cas_record
from langchain_redis_memory.redis.cas_record import Version
from langchain_redis_memory.redis.codec.cipher.key_ring import DataKey
from tests.conftest import Both
from tests.redis.codec.test_cipher import ALL, NEW, OLD, Make, pair, ring
from tests.support.agent_scenarios import AGENT_SCENARIOS
from tests.support.raw import raw
from tests.support.scenario import SCENARIOS, everything

__all__ = ["pair"]

COLD = {
    "exact_cache",
    "semantic_cache",
    "rag",
    "conversation",
    "semantic_conversation",
    "rate_limiter",
}
COLD |= AGENT_SCENARIOS.keys()  # what their reads give changes with each of them
"""What looks for an answer by its content, and so finds none under a new key; and what holds nothing encrypted."""


class Turning:
    """Keys that are rotated while a client lives."""

    def __init__(self) -> None:
        self.ring: KeyRing = ring(OLD)

    def current(self, owner: str) -> DataKey:
        return self.ring.current(owner)

    def named(self, owner: str, key_id: str) -> DataKey:
        return self.ring.named(owner, key_id)


def old(client: Client) -> set[str]:
    """The kinds of the keys that hold something under the old key."""
    found = everything(client).items()
    return {key.decode().split("}:")[1].split(":")[0] for key, parts in found if b"\xc1\x01\x03old" in b"".join(parts)}


def shown(read: Any) -> str:
    """What was read, without what moves by itself: lifetimes, the fill of a bucket, counts."""
    return re.sub(r"\d+\.\d+|<Stats.*>", "", repr(read))


@pytest.mark.slow
@pytest.mark.pins
async def test_the_old_key_goes_and_everything_is_readable(pair: tuple[Make, Both]) -> None:
    make, both = pair
    keys = Turning()
    client = make(Cipher(keys, readable=ALL))
    client.run(audit.append(client.keys(), AuditLine("eve", "did", "this", "done", "")))
    reads = {name: await SCENARIOS[name].run(both, client, name) for name in SCENARIOS}
    found = {name: [shown(await read()) for read in reads[name]] for name in reads if name not in COLD}
    kinds = old(client)
    assert len(kinds) > 12
    # A limit that is paid off expires meanwhile.
    lives = {key: raw(client, ("PTTL", key))[0] > 0 for key in everything(client) if b":rate:" not in key}
    keys.ring = ring(OLD, NEW)
    operations = RedisOperations(client)
    plan = await both(operations.re_encrypt)(dry_run=True)
    assert plan.complete
    assert old(client) == kinds, "a dry run writes nothing"
    seen: list[int] = []
    done = await both(operations.re_encrypt)(on_progress=seen.append)
    assert (done.failed, done.changed, done.rewritten) == ({}, 0, plan.rewritten)
    assert seen[-1] == done.keys == plan.keys
    assert old(client) <= {"answer", "entries"}, "of caches that start cold"
    assert {key: raw(client, ("PTTL", key))[0] > 0 for key in everything(client) if key in lives} == {
        key: lives[key] for key in everything(client) if key in lives
    }
    assert (await both(operations.re_encrypt)()).rewritten == 0
    keys.ring = ring(NEW)
    assert client.run(audit.read(client.keys()))[0].who == "eve"
    for name, calls in reads.items():
        again = [shown(await read()) for read in calls]
        assert name in COLD or again == found[name], name


async def test_what_is_plain_is_encrypted_where_the_cipher_allows_it(pair: tuple[Make, Both]) -> None:
    make, both = pair
    keys = Turning()
    plain = make()
    for name in ("history", "saver", "states", "store", "node_cache", "value_cache"):
        await SCENARIOS[name].run(both, plain, name)
    await both(RedisByteStore(plain, ttl_s=60).mset)([("empty", b"")])
    refused = await both(RedisOperations(make(Cipher(keys))).re_encrypt)()
    assert not refused.complete
    assert refused.rewritten == 0, "who can write to the server could have planted it"
    done = await both(RedisOperations(make(Cipher(keys, strict=False))).re_encrypt)()
    assert done.complete
    strict = make(Cipher(keys))
    assert len(await both.messages(RedisChatMessageHistory("s", strict, tenant="history"))) == 5
    assert await both(RedisByteStore(strict).mget)(["empty"]) == [b""]
    assert (await both(RedisOperations(strict).re_encrypt)()).rewritten == 0
    with pytest.raises(ConfigError, match="without a cipher"):
        await both(RedisOperations(plain).re_encrypt)()


async def test_others_write_meanwhile_and_lose_nothing(pair: tuple[Make, Both]) -> None:
    make, both = pair
    keys = Turning()
    client = make(Cipher(keys))
    history = RedisChatMessageHistory("s", client, ttl_s=60)
    await both(history.add_messages)([HumanMessage(str(n), id=str(n)) for n in range(250)])
    data = RedisSessionData("s", client, ttl_s=60)
    await both(data.set)("a", 1)
    keys.ring = ring(OLD, NEW)
    writer, trips = make(Cipher(keys)), list[int]()

    def others(_trip: Any) -> None:
        trips.append(1)
        if len(trips) < 9:  # what was read is trimmed from the front, changed and added to
            raw(writer, ("LPOP", client.keys().session("s").messages), ("ZPOPMIN", client.keys().session("s").ids))
            RedisSessionData("s", writer, ttl_s=60).set("a", len(trips) + 1)

    watched = make(Cipher(keys), on_trip=others)
    done = await both(RedisOperations(watched).re_encrypt)()
    assert done.complete
    assert len(trips) > 9
    keys.ring = ring(NEW)
    assert [message.id for message in await both.messages(history)] == [str(n) for n in range(8, 250)]
    assert await both(data.get)("a") == 9


async def test_a_record_with_notes_changes_its_mark(pair: tuple[Make, Both]) -> None:
    make, both = pair
    keys = Turning()
    client = make(Cipher(keys))
    place = client.keys().session("s").state
    version = client.run(cas_record.swap(place, place, "state", Version(), b"one", 60_000))
    client.run(cas_record.swap(place, place, "state", Version(), b"lost", 60_000, b"a note"))
    seen = client.run(cas_record.read(place, "state"))
    keys.ring = ring(OLD, NEW)
    done = await both(RedisOperations(client).re_encrypt)()
    assert done.rewritten == 2
    keys.ring = ring(NEW)
    assert client.run(cas_record.read(place, "state"))[1:] == (b"one", (b"a note",))
    late = client.run(cas_record.swap(place, place, "state", seen.version, b"two", 60_000))
    assert not isinstance(late, Version), "whoever read before reads again"
    assert isinstance(version, Version)


async def test_what_cannot_be_read_is_named_and_the_rest_goes_on(pair: tuple[Make, Both]) -> None:
    make, both = pair
    keys = Turning()
    long = "x" * 200
    client = make(Cipher(keys, owner=lambda tenant, user: user or tenant))
    data = {name: RedisSessionData(name, client, ttl_s=60) for name in ("a", "b", long)}
    for one in data.values():
        await both(one.set)("k", 1)
        await both(one.set)("l", 2)
    raw(client, ("HSET", client.keys().session("a").data, "k", b"\x010:\xc1\x01\x03old" + b"?" * 40))
    keys.ring = ring(OLD, NEW)
    done = await both(RedisOperations(client).re_encrypt)()
    assert not done.complete
    assert set(done.failed) == {client.keys().session("a").data, client.keys().session(long).data}
    assert "too long" in done.failed[client.keys().session(long).data]
    assert done.rewritten == 3
    keys.ring = ring(NEW)
    assert await both(data["b"].all)() == {"k": 1, "l": 2}
    assert await both(data["a"].get)("l") == 2
    for name in ("a", long):
        with pytest.raises(DecryptionError):
            await both(data[name].get)("k")


async def test_every_tenant_or_one(pair: tuple[Make, Both]) -> None:
    make, both = pair
    keys = Turning()
    client = make(Cipher(keys))
    data = {name: RedisSessionData("s", client, ttl_s=60, tenant=name) for name in ("", "acme", "y" * 200)}
    for one in data.values():
        await both(one.set)("k", 1)
    keys.ring = ring(OLD, NEW)
    for tenant, count in (("acme", 1), ("acme", 0), ("y" * 200, 1), (None, 1)):
        assert (await both(RedisOperations(client, tenant=tenant).re_encrypt)()).rewritten == count
    keys.ring = ring(NEW)
    for one in data.values():
        assert await both(one.all)() == {"k": 1}


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, module = f"memory://{uuid4().hex}", f"ciphers_{uuid4().hex}"
    (tmp_path / f"{module}.py").write_text(
        "from langchain_redis_memory import Cipher, KeyRing\n"
        f"cipher = Cipher(KeyRing({{'old': {OLD!r}, 'new': {NEW!r}}}))\nother = 1\n"
    )
    monkeypatch.chdir(tmp_path)
    with Client.from_url(url, cipher=Cipher(ring(OLD))) as client:
        RedisSessionData("s", client, ttl_s=60).set("k", 1)

        def run(*arguments: str, status: int = 0) -> str:
            given = ["re-encrypt", "--redis", url, "--cipher", f"{module}:cipher", *arguments]
            done = CliRunner().invoke(app, given)
            assert done.exit_code == status, done.output
            return done.output

        assert "1 values of 1 keys would be encrypted" in run("--dry-run")
        assert json.loads(run("--json"))["rewritten"] == 1
        raw(client, ("HSET", client.keys().session("s").data, "k", b"\x010:planted"))
        assert "failed: " in run(status=3)
        run("--cipher", f"{module}:other", status=1)
        assert "0 values of 0 keys" in run("--dry-run", "--tenant", "acme")
        done = Client.from_url(url, cipher=Cipher(ring(NEW)))
        assert "re-encrypt" in {line.action for line in done.run(audit.read(done.keys()))}
    sys.modules.pop(module, None)
