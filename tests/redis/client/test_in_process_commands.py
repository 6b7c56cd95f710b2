"""What scripts call in this process: each command answers as a real server's does, whoever runs it here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from fakeredis import FakeServer
from hypothesis import example, given
from hypothesis import strategies as st
from redis import Redis
from redis.exceptions import ResponseError

from langchain_redis_memory.redis.client import in_process_commands
from langchain_redis_memory.redis.client.in_process import open_in_process
from langchain_redis_memory.redis.client.transport import PipelineTransport
from tests.support.servers import NEWEST, Farm, admin, wait_for

CALL = "return redis.call(unpack(ARGV))"
Words = tuple[str, ...]
KEYS, MEMBERS, NUMBERS = (
    ("in-process:a", "in-process:b"),
    ("", "a", "b", "b\xff", "5"),
    ("-7", "-1", "0", "1", "2", "40"),
)
SCORES = (*NUMBERS, "1.5", "-0", "1e3", "inf", "-inf", "00.50", "x")
BOUNDS = ("-", "+", "[", "(", "[a", "(a", "[b", "(b\xff", "a")
LATER, LATER_MS, FAR_MS = "90000", "90000000", "4000000000000"

key, member, number, score, bound = map(st.sampled_from, (KEYS, MEMBERS, NUMBERS, SCORES, BOUNDS))
limit = st.one_of(st.just(()), st.tuples(st.just("LIMIT"), number, number))


def said(name: str, *parts: Any) -> st.SearchStrategy[Words]:
    """A command whose parts are words, or tuples of them."""
    words = st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts))
    return words.map(
        lambda found: (name, *(w for part in found for w in (part if isinstance(part, tuple) else (part,))))
    )


def many(*parts: Any) -> st.SearchStrategy[Words]:
    return st.lists(st.tuples(*parts), min_size=1, max_size=3).map(
        lambda found: tuple(w for each in found for w in each)
    )


ASKED = st.one_of(
    *(said(name, key) for name in ("GET", "LLEN", "PTTL")),
    said("HGET", key, member),
    said("LRANGE", key, number, number),
    said("EXISTS", many(key)),
    said("HMGET", key, many(member)),
)
"""What is asked without a script, too."""
READS = st.one_of(
    ASKED,
    *(said(name, key) for name in ("HLEN", "ZCARD")),
    *(said(name, key, member) for name in ("HSTRLEN", "ZSCORE", "ZRANK")),
    said("ZRANGE", key, number, number),
    said("LINDEX", key, number),
    said("ZRANGE", key, number, number, "WITHSCORES"),
    said("ZRANGEBYSCORE", key, score, score, limit),
    said("ZRANGEBYLEX", key, bound, bound, limit),
)
WRITES = st.one_of(
    *(said(name, many(key)) for name in ("DEL", "UNLINK")),
    *(said(name, key, member, member) for name in ("HSET", "HSETNX")),
    *(said(name, key, many(member)) for name in ("HDEL", "ZREM", "RPUSH")),
    said("SET", key, member, st.sampled_from(((), ("PX", LATER_MS), ("PX", "0"), ("EX", LATER)))),
    said("EXPIRE", key, LATER),
    said("PEXPIRE", key, LATER_MS),
    said("PEXPIREAT", key, FAR_MS),
    said("PERSIST", key),
    said("HSET", key, many(member, number)),
    said("HINCRBY", key, member, number),
    said("LSET", key, number, member),
    said("LREM", key, number, member),
    said("ZADD", key, many(score, member)),
    said("ZADD", key, many(st.just("0"), member)),
    said("ZADD", key, "NX", score, member),
    said("ZREMRANGEBYRANK", key, number, number),
)


class Both(NamedTuple):
    """A real server, and the one in this process."""

    real: Redis
    here: PipelineTransport

    def answers(self, words: Words, *, scripted: bool = True) -> tuple[Any, Any]:
        sent: tuple[str | bytes, ...] = (words[0], *(word.encode("latin-1") for word in words[1:]))
        if scripted:
            sent = ("EVAL", CALL, "0", *sent)
        try:
            theirs = self.real.execute_command(*sent)
        except ResponseError:
            theirs = ResponseError
        ours = self.here.send([sent], by_digest=True)[0]
        if words[0] == "PTTL":
            # What is left is a little less, or not yet: to the next hundred seconds. Below 0 it is a reason.
            theirs, ours = (round(each, -5) if isinstance(each, int) and each > 0 else each for each in (theirs, ours))
        return theirs, type(ours) if isinstance(ours, Exception) else ours


@pytest.fixture(scope="module")
def servers(farm: Farm) -> Iterator[Both]:
    both = Both(admin(farm.url(NEWEST)), open_in_process(FakeServer(version=(7,))))
    yield both
    both.answers(("DEL", *KEYS))
    both.here.close()


@given(st.lists(WRITES | READS, min_size=1, max_size=30))
@example([("ZADD", KEYS[0], "0", "a", "0", "b", "0", ""), ("ZRANGEBYLEX", KEYS[0], "(", "[a", "LIMIT", "0", "1")])
@example([("ZADD", KEYS[0], "0", "a", "0", "b"), ("ZRANGEBYLEX", KEYS[0], "-", "+", "LIMIT", "1", "40")])
@example([("RPUSH", KEYS[0], "a", "b"), ("LREM", KEYS[0], "1", "a"), ("LREM", KEYS[0], "1", "b"), ("EXISTS", KEYS[0])])
def test_a_script_is_answered_as_by_a_real_server(servers: Both, commands: list[Words]) -> None:
    for words in (("DEL", *KEYS), *commands):
        theirs, ours = servers.answers(words)
        assert ours == theirs, words


@given(st.lists(WRITES, min_size=1, max_size=9), st.lists(ASKED, min_size=1, max_size=9))
def test_who_only_reads_is_answered_as_by_a_real_server(servers: Both, written: list[Words], read: list[Words]) -> None:
    for words in (("DEL", *KEYS), *written):
        servers.answers(words)
    for words in read:
        theirs, ours = servers.answers(words, scripted=False)
        assert ours == theirs, words


def test_what_is_usual_is_not_asked_of_fakeredis(monkeypatch: pytest.MonkeyPatch) -> None:
    here = open_in_process(FakeServer(version=(7,)))
    assert here.send([("EVAL", CALL, "0", "HSET", "h", "a", "1")], by_digest=True) == [1]
    monkeypatch.setattr("fakeredis._socket._base.BaseFakeSocket._run_command", None)
    assert here.send([("EVAL", CALL, "0", "HGET", "h", "a")], by_digest=True) == [b"1"]
    here.close()


def test_a_key_that_has_expired_is_gone() -> None:
    here = open_in_process(FakeServer(version=(7,)))
    here.send([("EVAL", CALL, "0", "SET", "k", "v", "PX", "1")], by_digest=True)
    wait_for(lambda: here.send([("EVAL", CALL, "0", "EXISTS", "k")], by_digest=True) == [0])
    assert here.send([("EVAL", CALL, "0", "HSET", "k", "a", "1")], by_digest=True) == [1]
    here.close()


def test_who_listens_to_a_key_hears_of_what_a_script_writes() -> None:
    server = FakeServer(version=(7,))
    here = open_in_process(server)
    with here.client.pubsub() as heard:
        heard.subscribe("__keyspace@0__:h")
        assert heard.get_message(timeout=60)["type"] == "subscribe"
        here.send([("EVAL", CALL, "0", "HSET", "h", "a", "1")], by_digest=True)
        assert heard.get_message(timeout=60)["data"] == b"hset"
    here.close()


def test_a_command_without_a_quick_form_is_unusual() -> None:
    with pytest.raises(in_process_commands.Unusual):
        in_process_commands.quick(None, b"OBJECT", [b"FREQ", b"k"])
