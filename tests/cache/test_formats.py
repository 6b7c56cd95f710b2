"""Golden bytes of every format that a cache stores: a change that cannot read what is stored must be made knowingly."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation

from langchain_redis_memory import CachedEmbeddings, RedisCache, RedisNodeCache
from langchain_redis_memory.cache import epochs, generations
from langchain_redis_memory.cache.answers.answer_cache import Answer, decode_answer, encode_answer
from langchain_redis_memory.cache.decision_log import Decision, LoggedCandidate, TurnTrace, decoded
from langchain_redis_memory.cache.exact_flows import ExactQuery, name_of
from langchain_redis_memory.cache.marks import marks_from, marks_of
from langchain_redis_memory.cache.rag.results import decode_result, encode_result
from langchain_redis_memory.cache.semantic.entries import StoredAnswer, entry_of
from langchain_redis_memory.cache.semantic.entries import name_of as semantic_name_of
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.key_groups import mark_of
from tests.support.rag import Model


@pytest.fixture
def client() -> Client:
    return Client.from_url("memory://formats")


ANSWERS: dict[str, tuple[list[Generation], bytes]] = {
    "text": ([Generation(text="330 metres")], b"\x01\xc1\xa1\xfeG\xc5i\xb7\xbd|\x91\x93\xa4text\xaa330 metres\xc0"),
    "chat": (
        [ChatGeneration(message=AIMessage("330 metres"))],
        b"\x01m\x0fl\xb1\xe3\xea=\xc3|\x91\x94\xa4chat\xc4\x12\x01a0|\x81\xa1c\xaa330 metres\xc0\xc2",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_generations(name: str) -> None:
    answer, golden = ANSWERS[name]
    assert generations.encode(answer) == golden
    assert generations.decode(golden, "k") == answer


def test_exact_entry(client: Client) -> None:
    cache = RedisCache(client, ttl_s=None)
    entry = cache._flows.entry(ExactQuery(name_of("q", "m"), "m"), "q", ANSWERS["text"][0])
    assert entry.name == (b"\x1de\xbe\xde\xfcON.\xa4\x9f\xb2\x80\xdf\xd9\x0c\xce\xe3\xeb9(\xa2B8\xec\xf6\xcd\xc8\xfb")
    assert entry.body == b"1 3 2b3570fb29bd1435;" + ANSWERS["text"][1]


def test_semantic_entry() -> None:
    entry = StoredAnswer("q", bytes(16), "m", "new_topic", ("a",), "s", "e:2", 1, 3, b"answer")
    golden = (
        b"\x9a\xa1q\xc4\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xa1m\xa9"
        b"new_topic\x91\xa1a\xa1s\xa3e:2\x01\x03\xc4\x06an"
        b"swer"
    )
    assert entry.body() == golden
    assert entry_of(golden, "k") == entry
    assert semantic_name_of(bytes(16), "q") == b"\x90\xbaLR\xac\x8b]^\xf7j(BU\x87f\x85"


def test_answers_of_conversations() -> None:
    for answer, ttl_ms, golden in (
        (Answer("330 metres", 3, seconds=1.5), 9, b"\x98\x02\xa4text\xaa330 metres\xc0\x90\x03\xcd\x05\xdc\x09"),
        (
            Answer(AIMessage("a"), 0, {"b": 1}),
            0,
            b"\x98\x02\xa7message\xc4\x09\x01a6|\x81\xa1c\xa1a\x81\xa1b\x01\x90\x00\x00\x00",
        ),
    ):
        assert encode_answer(answer, ttl_ms) == golden
        assert decode_answer(golden, "k") == answer
        assert decode_answer(b"\x98\x03" + golden[2:], "k") is None
    assert epochs.sign(b"token", b"body") == b"token;body"


def test_results_of_a_retriever() -> None:
    documents = [Document("text", metadata={"page": 1})]
    golden = b'\x01\xf7\xd1tW\xad\x10"h|\x91\xc7\x19\x00\x92\xa8Document\x94\xc0\xa4text\x81\xa4page\x01\xc0'
    assert encode_result(documents) == golden
    assert decode_result(golden, "k") == documents


def test_vectors(client: Client) -> None:
    golden = b"\x01\xe1\x16\x87?\x1a\xbf\x9ds|\x00\x00\x80?\x00\x00\x00\xc0"
    assert CachedEmbeddings(client, Model(2))._opened(golden) == [1.0, -2.0]


def test_items_of_nodes(client: Client) -> None:
    cache = RedisNodeCache[dict[str, int]](client)
    golden = b"\x01\x968N\x97\x93\xed\xaa\x04|msgpack:\x81\xa1a\x01"
    assert cache._encode({"a": 1}, "an item") == golden
    assert cache._decode(golden) == {"a": 1}


def test_lines_of_a_log_and_marks_of_an_answer() -> None:
    marks = marks_of("What?", "s", "faq:0")
    assert marks.joined().hex() == "251add662c54c4ffe64984c3aacf6ede179ed4616fcb45640fb662e7c41e08e2"
    assert marks_from(marks.joined()) == marks
    near = LoggedCandidate("What is it?", 0.5, 0.25, vetoed=True)
    trace = TurnTrace("s", "a", ("'it'",), 0.75, "for user (personal p=0.90)", 2, 3, 4, 5, 6, mark_of("330 m"))
    line = Decision(
        "hit", "What?", "NEW_TOPIC", "meaning", "why", "e-1", 7, 0.5, (near,), marks, "exact", "[{}]", trace
    )
    golden = (
        b"\x9e\x03\xa3hit\xa5What?\xa9NEW_TOPIC\xa7meaning\xa3why\xa3e-1\xa5exact\xa4[{}]\x07\xcb?\xe0\x00\x00\x00\x00\x00\x00"
        b"\x91\x94\xabWhat is it?\xcb?\xe0\x00\x00\x00\x00\x00\x00\xcb?\xd0\x00\x00\x00\x00\x00\x00\xc3"
        b"\xc4 " + marks.joined() + b"\x9b\xa1s\xa1a\x91\xa4'it'\xcb?\xe8\x00\x00\x00\x00\x00\x00\xba"
        b"for user (personal p=0.90)\x02\x03\x04\x05\x06\xc4\x08\xd4\x14$\x1b\x95\x0f\xe8S"
    )
    assert line.encoded(content=True) == golden
    read = decoded(golden, "1500-0")
    assert read == line._replace(at=datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=timezone.utc), id="1500-0")
    assert decoded(golden.replace(b"\x03", b"\x02", 1), "1500-0") is None
    words_left_out = decoded(line.encoded(content=False), "1500-0")
    assert words_left_out is not None
    assert words_left_out.trace == trace._replace(session="", agent="", reasons=(), audience="for user")
