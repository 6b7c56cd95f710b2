"""Streams of tokens: whoever was cut off reads on, in any process; a run can be stopped; nothing outlives its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk

from langchain_redis_memory.errors import (
    CorruptDataError,
    FormatVersionError,
    InvalidIdError,
    UnserialisableError,
    WrongKeyTypeError,
)
from langchain_redis_memory.history.sessions import RedisSessions
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.redis.replies import pairs
from langchain_redis_memory.state.stream_events import StreamEvent
from langchain_redis_memory.state.token_streams import RedisTokenStreams
from tests.conftest import Both
from tests.support.raw import raw

EVERY_TOKEN = 1e-9
"""Seconds between two flushes, so that each token is an event of its own."""


@pytest.fixture
def streams(client: Client) -> RedisTokenStreams:
    return RedisTokenStreams(client, flush_s=EVERY_TOKEN)


async def published(both: Both, streams: RedisTokenStreams, run: str, chunks: Iterable[Any], session: str = "s") -> Any:
    """All that passes through."""
    if not both.asynchronous:
        return list(streams.publish(session, run, chunks))

    async def source() -> AsyncIterator[Any]:
        for chunk in chunks:
            yield chunk

    return [chunk async for chunk in streams.apublish(session, run, source())]


async def resumed(both: Both, streams: RedisTokenStreams, last_id: str = "", **how: Any) -> list[StreamEvent]:
    how = {"idle_s": 1e-6, **how}
    if not both.asynchronous:
        return list(streams.resume("s", last_id, **how))
    return [found async for found in streams.aresume("s", last_id, **how)]


def said(events: Iterable[StreamEvent]) -> list[tuple[str, Any]]:
    return [(found.kind, found.data) for found in events]


async def test_a_reader_goes_on_where_it_was_cut_off(both: Both, streams: RedisTokenStreams) -> None:
    chunks = [AIMessageChunk(content="Nor"), AIMessageChunk(content="way"), "!", {"sources": ["a", 1]}]
    assert await published(both, streams, "r1", chunks) == chunks
    events = await resumed(both, streams)
    assert said(events) == [
        ("token", "Nor"),
        ("token", "way"),
        ("token", "!"),
        ("token", {"sources": ["a", 1]}),
        ("end", None),
    ]
    assert [found.run_id for found in events] == ["r1"] * 5
    for cut in range(5):
        assert await resumed(both, streams, events[cut].id) == events[cut + 1 :]
    assert await resumed(both, streams, "not an id") == []


async def test_a_reader_follows_what_is_written_meanwhile(client: Client) -> None:
    streams = RedisTokenStreams(client, flush_s=EVERY_TOKEN)
    began, goes_on = asyncio.Event(), asyncio.Event()

    async def answer() -> AsyncIterator[str]:
        yield "a"
        began.set()
        await goes_on.wait()
        yield "b"

    async def drain() -> None:
        async for _ in streams.apublish("s", "r", answer()):
            pass

    run = asyncio.create_task(drain())
    await began.wait()
    found = []
    async for event in streams.aresume("s", idle_s=60):
        found.append(event)
        goes_on.set()
    assert said(found) == [("token", "a"), ("token", "b"), ("end", None)]
    await run


async def test_a_run_is_stopped_from_anywhere(both: Both, streams: RedisTokenStreams, client: Client) -> None:
    def answer() -> Iterator[str]:
        yield "a"
        assert RedisTokenStreams(client).stop("s", "r")
        yield "never kept"
        raise AssertionError

    assert await published(both, streams, "r", answer()) == ["a"]
    assert said(await resumed(both, streams)) == [("token", "a"), ("stopped", None)]
    assert not await both(streams.stop)("s", "r")
    assert await published(both, streams, "r2", ["b"]) == ["b"]
    assert said(await resumed(both, streams, run_id="r2")) == [("token", "b"), ("end", None)]


async def test_a_failing_answer_says_so_to_its_readers(both: Both, streams: RedisTokenStreams) -> None:
    def answer() -> Iterator[str]:
        yield "a"
        msg = "a secret"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="a secret"):
        await published(both, streams, "r", answer())
    assert said(await resumed(both, streams)) == [("token", "a"), ("error", "ValueError")]


async def test_a_stop_that_is_refused_stops_nothing(both: Both, streams: RedisTokenStreams, client: Client) -> None:
    keys = client.keys().stream("s")
    raw(client, ("SET", keys.tokens, "another's", "PX", 60_000))
    for _ in range(2):
        with pytest.raises(WrongKeyTypeError):
            await both(streams.stop)("s", "r")
    assert raw(client, ("EXISTS", keys.stopped_runs)) == [0]


async def test_a_reader_that_goes_away_stops_what_it_reads_itself(streams: RedisTokenStreams) -> None:
    chunks = streams.publish("s", "r", ["a", "b", "c"])
    assert next(chunks) == "a"
    chunks.close()  # type: ignore[attr-defined]
    assert said(streams.resume("s", idle_s=1e-6)) == [("token", "a"), ("stopped", None)]


async def test_tokens_share_round_trips(both: Both, client: Client, trips: list[Trip]) -> None:
    streams = RedisTokenStreams(client, flush_s=3600)
    await published(both, streams, "warm", [])
    await both(streams.stop)("s", "warm")
    trips.clear()
    await published(both, streams, "r", ["a", "b", "c", 1, "d", "e"])
    assert len(trips) == 2
    trips.clear()
    assert said(await resumed(both, streams, run_id="r")) == [
        ("token", "a"),
        ("token", "bc"),
        ("token", 1),
        ("token", "de"),
        ("end", None),
    ]
    assert len(trips) == 1
    trips.clear()
    await both(streams.stop)("s", "x")
    assert len(trips) == 1


async def test_a_loop_of_ones_own(both: Both, streams: RedisTokenStreams) -> None:
    writer = streams.open("s", "r")
    assert await both(writer.write)("a")
    with pytest.raises(UnserialisableError):
        await both(writer.write)(object())
    assert await both(writer.write)("b")
    await both(writer.end)("too long")
    assert said(await resumed(both, streams)) == [("token", "a"), ("token", "b"), ("error", "too long")]
    assert await both(streams.stop)("s", "r")
    assert not await both(writer.write)("c")


@pytest.mark.slow
async def test_a_stream_is_bounded_and_expires(client: Client) -> None:
    streams = RedisTokenStreams(client, ttl_s=60, max_events=100, flush_s=EVERY_TOKEN)
    list(streams.publish("s", "r", ["x"] * 1000))
    keys = client.keys().stream("s")
    streams.stop("s", "other")
    length, *left = raw(client, ("XLEN", keys.tokens), ("PTTL", keys.tokens), ("PTTL", keys.stopped_runs))
    assert 100 <= length <= 300
    assert all(0 < one <= 60_000 for one in left)


@pytest.mark.slow
async def test_a_long_stream_is_read_by_pages(both: Both, client: Client) -> None:
    streams = RedisTokenStreams(client, flush_s=EVERY_TOKEN)
    await published(both, streams, "r", list(range(1200)))
    events = await resumed(both, streams)
    assert [found.data for found in events[:-1]] == list(range(1200))
    assert events[-1].kind == "end"


async def test_it_is_deleted_with_its_conversation(client: Client, streams: RedisTokenStreams) -> None:
    list(streams.publish("s", "r", ["a"]))
    list(streams.publish("other", "r", ["b"]))
    RedisSessions(client).erase("s")
    assert said(streams.resume("s", idle_s=1e-6)) == []
    assert said(streams.resume("other", idle_s=1e-6)) == [("token", "b"), ("end", None)]


async def test_tenants_and_agents_have_streams_of_their_own(client: Client, streams: RedisTokenStreams) -> None:
    list(streams.publish("s", "r", ["a"]))
    for other in (RedisTokenStreams(client, tenant="acme"), RedisTokenStreams(client, agent="b")):
        assert said(other.resume("s", idle_s=1e-6)) == []


async def test_foreign_and_newer_bytes_are_told(client: Client, streams: RedisTokenStreams) -> None:
    place = client.keys().stream("s").tokens
    raw(client, ("XADD", place, "*", "other", "x"), ("PEXPIRE", place, 60_000))
    with pytest.raises(CorruptDataError):
        list(streams.resume("s", idle_s=1e-6))
    raw(client, ("UNLINK", place))
    raw(client, ("XADD", place, "*", "e", b"\x02"), ("PEXPIRE", place, 60_000))
    with pytest.raises(FormatVersionError):
        list(streams.resume("s", idle_s=1e-6))


async def test_what_is_stored(client: Client, streams: RedisTokenStreams) -> None:
    list(streams.publish("s", "r", ["a"]))
    found = raw(client, ("XRANGE", client.keys().stream("s").tokens, "-", "+"))[0]
    assert [dict(pairs(fields)) for _, fields in found] == [
        {b"e": b"\x01\x93\xa1r\xa5token\xa1a"},
        {b"e": b"\x01\x93\xa1r\xa3end\xc0"},
    ]


async def test_an_answer_streams_without_a_server(both: Both, caplog: pytest.LogCaptureFixture) -> None:
    client = Client.from_url("redis://127.0.0.1:1", retries=0, connect_timeout_s=1)
    streams = RedisTokenStreams(client, flush_s=EVERY_TOKEN)
    assert await published(both, streams, "r", ["a", "b"]) == ["a", "b"]
    assert "wait for its end" in caplog.text
    assert "is not kept" in caplog.text
    await client.aclose()


async def test_an_id_is_checked(streams: RedisTokenStreams) -> None:
    with pytest.raises(InvalidIdError):
        streams.open("", "r")
    with pytest.raises(InvalidIdError):
        streams.open("s", "")
    with pytest.raises(InvalidIdError):
        streams.resume("s", run_id="").__next__()
