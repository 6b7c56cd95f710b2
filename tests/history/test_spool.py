"""The spool: a crash loses nothing, the next process stores it once, a damaged end is no harm."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import struct
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from langchain_core.messages import BaseMessage, HumanMessage, RemoveMessage

from langchain_redis_memory.errors import ConfigError, UnavailableError
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.history.outbox import Outbox
from langchain_redis_memory.history.spool import Spool, SpooledWrite
from langchain_redis_memory.operate.users import RedisUsers
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.codec.cipher.cipher import Cipher
from langchain_redis_memory.redis.codec.cipher.key_ring import KeyRing
from tests.conftest import Both
from tests.support import programs
from tests.support.chains import Switch
from tests.support.servers import wait_for


def texts(messages: list[BaseMessage]) -> list[Any]:
    return [message.content for message in messages]


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.outbox"))


async def left_behind(client: Client, both: Both, folder: Path, *said: str, session: str = "s") -> None:
    """Lets a process that could not store messages end without a word."""
    box, switch = Outbox(spool=folder, replay_s=None), Switch(client)
    kept = RedisChatMessageHistory(session, client, tenant="acme", agent="a", fallback=box)
    switch.off()
    for text in said:
        await both(kept.add_messages)([HumanMessage(text)])
    switch.on()
    box.reset()  # closes its files, as the end of a process does


def stored(client: Client, session: str = "s") -> RedisChatMessageHistory:
    return RedisChatMessageHistory(session, client, tenant="acme", agent="a")


async def test_the_next_process_stores_what_is_left_once(client: Client, both: Both, tmp_path: Path) -> None:
    await left_behind(client, both, tmp_path, "a", "b")
    await left_behind(client, both, tmp_path, "c")
    await left_behind(client, both, tmp_path, "x", session="other")
    box = Outbox(spool=tmp_path, replay_s=0.01).attach(client)
    wait_for(lambda: len(box) == 0)
    assert texts(await both.messages(stored(client))) == ["a", "b", "c"]
    assert texts(await both.messages(stored(client, "other"))) == ["x"]
    wait_for(lambda: files(tmp_path) == [])
    again = Outbox(spool=tmp_path, replay_s=None).attach(client)
    assert len(again) == 0


async def test_what_was_stored_before_the_crash_is_not_stored_again(client: Client, both: Both, tmp_path: Path) -> None:
    whole, awhole = client.run, client.arun

    def lossy(op: Any) -> Any:
        whole(op)
        raise UnavailableError

    async def alossy(op: Any) -> Any:
        await awhole(op)
        raise UnavailableError

    client.run, client.arun = lossy, alossy  # type: ignore[method-assign]
    box = Outbox(spool=tmp_path, replay_s=None)
    kept = RedisChatMessageHistory("s", client, tenant="acme", agent="a", fallback=box)
    await both(kept.add_messages)([HumanMessage("once"), HumanMessage("deleted", id="d")])
    box.reset()
    client.run, client.arun = whole, awhole  # type: ignore[method-assign]
    await both(stored(client).delete)(["d"])
    later = Outbox(spool=tmp_path, replay_s=0.01).attach(client)
    wait_for(lambda: len(later) == 0)
    assert texts(await both.messages(stored(client))) == ["once"]


async def test_a_damaged_end_is_cut_off(
    client: Client, both: Both, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await left_behind(client, both, tmp_path, "a", "b")
    path = max(files(tmp_path), key=lambda one: one.stat().st_size)
    whole = path.read_bytes()
    for cut in (1, 40):
        path.write_bytes(whole[:-cut])
        box = Outbox(spool=tmp_path, replay_s=None).attach(client)
        assert len(box) == 1
        assert "damaged" in caplog.text
        box.reset()
    path.write_bytes(whole[: len(whole) // 2 + 9] + b"?" + whole[len(whole) // 2 + 10 :])
    box = Outbox(spool=tmp_path, replay_s=None).attach(client)
    assert len(box) == 1
    kept = RedisChatMessageHistory("s", client, tenant="acme", agent="a", fallback=box)
    await both(kept.add_messages)([HumanMessage("new")])
    assert texts(await both.messages(stored(client))) == ["a", "new"]


async def test_a_process_that_lives_keeps_its_file(client: Client, both: Both, tmp_path: Path) -> None:
    switch = Switch(client)
    box = Outbox(spool=tmp_path, replay_s=None)
    kept = RedisChatMessageHistory("s", client, fallback=box)
    switch.off()
    await both(kept.add_messages)([HumanMessage("a")])
    other = Outbox(spool=tmp_path, replay_s=None).attach(Client("memory://elsewhere"))
    assert (len(box), len(other)) == (1, 0)
    switch.on()
    assert texts(await both.messages(kept)) == ["a"]
    assert {path.stat().st_size for path in files(tmp_path)} == {0}


async def test_what_was_deleted_or_lost_is_not_stored_later(client: Client, both: Both, tmp_path: Path) -> None:
    switch = Switch(client)
    box = Outbox(spool=tmp_path, replay_s=None, most=1)
    kept = RedisChatMessageHistory("s", client, tenant="acme", agent="a", fallback=box)
    switch.off()
    await both(kept.add_messages)([HumanMessage("lost")])
    await both(kept.add_messages)([HumanMessage("deleted"), RemoveMessage(id="nobody")][:1])
    switch.on()
    await both(kept.clear)()
    box.reset()
    later = Outbox(spool=tmp_path, replay_s=None).attach(client)
    assert len(later) == 0


_PROGRAM = """
import os, sys
from langchain_core.messages import HumanMessage
from langchain_redis_memory import Client, Outbox, RedisChatMessageHistory
client = Client.from_url(sys.argv[1], prefix=sys.argv[2], retries=0, timeout_s=0.2)
history = RedisChatMessageHistory("s", client, tenant="acme", agent="a", fallback=Outbox(spool=sys.argv[3]))
for text in ("a", "b", "c"):
    history.add_messages([HumanMessage(text)])
os.kill(os.getpid(), 9)
"""


def test_a_process_that_is_killed_loses_nothing(real: Client, real_url: str, prefix: str, tmp_path: Path) -> None:
    assert programs.run(_PROGRAM, "redis://127.0.0.1:1/0", prefix, str(tmp_path)).returncode == -9
    assert files(tmp_path)[0].stat().st_mode & 0o077 == 0, "for this user only"
    box = Outbox(spool=tmp_path).attach(real)
    wait_for(lambda: len(box) == 0)
    assert texts(stored(real).messages) == ["a", "b", "c"]


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="spool"):
        Outbox(spool=tmp_path / "file")


async def test_a_full_disk_keeps_it_in_the_process(
    client: Client, both: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    switch, box = Switch(client), Outbox(spool=tmp_path, replay_s=None)
    kept = RedisChatMessageHistory("s", client, fallback=box)
    switch.off()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("langchain_redis_memory.history.spool.os.fsync", full)
    await both(kept.add_messages)([HumanMessage("a")])
    assert "in this process only" in caplog.text
    monkeypatch.undo()
    switch.on()
    assert texts(await both.messages(kept)) == ["a"]


async def test_half_a_frame_on_a_full_disk_loses_nothing_behind_it(
    client: Client, both: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    switch, box = Switch(client), Outbox(spool=tmp_path, replay_s=None)
    kept = RedisChatMessageHistory("s", client, tenant="acme", agent="a", fallback=box)
    switch.off()
    await both(kept.add_messages)([HumanMessage("a")])
    write, written = os.write, list[int]()

    def full(descriptor: int, data: Any) -> int:
        if written:
            raise OSError(28, "No space left on device")
        written.append(write(descriptor, data[:20]))
        return written[0]

    monkeypatch.setattr("langchain_redis_memory.history.spool.os.write", full)
    await both(kept.add_messages)([HumanMessage("in the process only")])
    monkeypatch.undo()
    await both(kept.add_messages)([HumanMessage("b")])
    switch.on()
    box.reset()  # the process ends
    caplog.clear()
    again = Outbox(spool=tmp_path, replay_s=0.01).attach(client)
    wait_for(lambda: len(again) == 0)
    assert texts(await both.messages(stored(client))) == ["a", "b"]
    assert "damaged" not in caplog.text


async def test_a_damaged_frame_costs_those_behind_it_nothing(
    client: Client, both: Both, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await left_behind(client, both, tmp_path, "a", "b", "c")
    path = max(files(tmp_path), key=lambda one: one.stat().st_size)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    box = Outbox(spool=tmp_path, replay_s=0.01).attach(client)
    wait_for(lambda: len(box) == 0)
    assert texts(await both.messages(stored(client))) == ["a", "c"]
    assert "in the middle of" in caplog.text


async def test_a_folder_that_is_removed_is_made_again(client: Client, both: Both, tmp_path: Path) -> None:
    folder, switch = tmp_path / "spool", Switch(client)
    box = Outbox(spool=folder, replay_s=None)
    kept = RedisChatMessageHistory("s", client, tenant="acme", agent="a", fallback=box)
    switch.off()
    for text in ("a", "b"):  # no file yet, and then a file that is none any more
        shutil.rmtree(folder)
        await both(kept.add_messages)([HumanMessage(text)])
        assert [path.stat().st_size > 0 for path in files(folder)] == [True]
    switch.on()
    box.reset()  # the process ends
    again = Outbox(spool=folder, replay_s=0.01).attach(client)
    wait_for(lambda: len(again) == 0)
    assert texts(await both.messages(stored(client))) == ["b"]


async def test_what_is_stored_while_the_disk_is_full_is_not_stored_again(
    client: Client, both: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch, box = Switch(client), Outbox(spool=tmp_path, replay_s=None)
    switch.off()
    for session in ("one", "two", "three"):
        kept = RedisChatMessageHistory(session, client, tenant="acme", agent="a", fallback=box)
        await both(kept.add_messages)([HumanMessage(session)])
    switch.on()

    def full(_descriptor: int, _data: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("langchain_redis_memory.history.spool.os.write", full)
    assert await both(client.drive)(box.flush_flow()) == 0
    monkeypatch.undo()
    box.reset()  # the process ends
    assert len(Outbox(spool=tmp_path, replay_s=None).attach(client)) == 0


async def test_what_cannot_be_read_stays_there_and_keeps_nobody_from_starting(
    client: Client, both: Both, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await left_behind(client, both, tmp_path, "newer", session="newer")
    (newer,) = files(tmp_path)
    body = b"\x02" + newer.read_bytes()[9:]
    newer.write_bytes(struct.pack(">II", len(body), crc32(body)) + body)
    ciphered = Client(client.url, cipher=Cipher(KeyRing({"lost": b"x" * 32})))
    await left_behind(ciphered, both, tmp_path, "secret", session="secret")
    await left_behind(client, both, tmp_path, "a")
    for _ in range(2):
        box = Outbox(spool=tmp_path, replay_s=None).attach(client)
        assert await both(client.drive)(box.flush_flow()) == 0
        assert texts(await both.messages(stored(client))) == ["a"]
        assert all(text in caplog.text for text in ("session 'secret' stays in the spool", "newer version"))
        assert len(files(tmp_path)) == 2
        box.reset()
        caplog.clear()
    newer.unlink()
    with_key = Outbox(spool=tmp_path, replay_s=0.01).attach(ciphered)
    wait_for(lambda: len(with_key) == 0)
    assert texts(await both.messages(stored(ciphered, "secret"))) == ["secret"]


def test_a_file_that_is_removed_before_it_is_locked_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, removed = fcntl.flock, list[Path]()

    def late(descriptor: int, how: int) -> None:
        if not removed:  # another process takes the empty file for one that is left, and removes it
            removed.extend(files(tmp_path))
            removed[0].unlink()
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    spool = Spool(tmp_path)
    spool.put(1, SpooledWrite("lrm", "", "", "s", 0, 0, 0, "lrm:{//s}:trip:0123456789abcdef", []))
    assert removed
    assert [path.stat().st_size > 0 for path in files(tmp_path)] == [True]


async def test_what_is_left_is_noted_as_its_users(client: Client, both: Both, tmp_path: Path) -> None:
    box, switch = Outbox(spool=tmp_path, replay_s=None), Switch(client)
    kept = RedisChatMessageHistory("s", client, tenant="acme", fallback=box, user="ana")
    switch.off()
    await both(kept.add_messages)([HumanMessage("a")])
    switch.on()
    box.reset()
    again = Outbox(spool=tmp_path, replay_s=0.01).attach(client)
    wait_for(lambda: len(again) == 0)
    assert [one.name for one in await both(RedisUsers(client, tenant="acme").data)("ana")] == ["s"]


def test_a_spooled_write_is_stored_as_these_bytes(tmp_path: Path) -> None:
    write = SpooledWrite(
        "lrm", "acme", "a", "s", 1000, 0, 0, "lrm:{acme/a/s}:trip:0123456789abcdef", [b"id", b"\x01h1|\x80"], "ana"
    )
    spool = Spool(tmp_path)
    spool.put(7, write)
    (path,) = files(tmp_path)
    body = (
        b"\x01\x9c\xa3put\x07\xa3lrm\xa4acme\xa1a\xa1s\xcd\x03\xe8\x00\x00"
        b"\xd9\x24lrm:{acme/a/s}:trip:0123456789abcdef\x92\xc4\x02id\xc4\x05\x01h1|\x80\xa3ana"
    )
    assert path.read_bytes() == struct.pack(">II", len(body), crc32(body)) + body
    spool.forget()
    ((read, _),) = Spool(tmp_path).left()
    assert read == write
