"""The audit log: its format, its bound, its lifetime."""

from __future__ import annotations

from dataclasses import replace

import pytest

from langchain_redis_memory.errors import CorruptDataError, FormatVersionError
from langchain_redis_memory.operate import audit
from langchain_redis_memory.operate.audit import AuditLine
from langchain_redis_memory.redis.client.client import Client
from tests.support.raw import raw

LINE = AuditLine("eve", "erase user", "ana", "done", "8 keys")


def test_a_line_has_these_bytes() -> None:
    assert LINE.encoded() == b"\x01\x95\xa3eve\xaaerase user\xa3ana\xa4done\xa68 keys"
    assert len(replace(LINE, target="x" * 5000).encoded()) < 600


async def test_lines_are_read_newest_first_by_pages_and_expire(client: Client) -> None:
    space = client.keys("acme")
    for number in range(5):
        await client.arun(audit.append(space, replace(LINE, target=str(number))))
    page = await client.arun(audit.read(space, 3))
    assert [line.target for line in page] == ["4", "3", "2"]
    assert replace(page[0], at=None, id="") == replace(LINE, target="4")
    assert page[0].at is not None
    rest = await client.arun(audit.read(space, 3, page[-1].id))
    assert [line.target for line in rest] == ["1", "0"]
    assert 0 < raw(client, ("TTL", space.audit()))[0] <= audit.KEEP_S


async def test_what_is_no_line_is_said(client: Client) -> None:
    space = client.keys()
    for body, error in ((b"\x02\x90", FormatVersionError), (b"\x01\x90", CorruptDataError)):
        raw(client, ("XADD", space.audit(), "*", "d", body), ("EXPIRE", space.audit(), 60))
        with pytest.raises(error):
            await client.arun(audit.read(space))
