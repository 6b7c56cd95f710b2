"""Cached answers of other packages: under the prompt and model they were made for, and only if they may be shared."""

from __future__ import annotations

import json

import pytest
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, Generation

from langchain_redis_memory import Client, ConfigError, RedisCache, RedisMigration, RedisSemanticCache
from tests.conftest import Both
from tests.operate.migrate.conftest import Origin
from tests.support.dumped import send
from tests.support.peers import CHAT_PROMPT, MODEL, QUESTIONS, answer, embedded


async def test_answers_of_a_semantic_cache_are_served_by_an_exact_one(
    target: Client, origin: Origin, both: Both
) -> None:
    migration = RedisMigration(target, "redisvl-cache", origin=origin("langchain-redis-semantic"))
    report = await both(migration.run)()
    assert report.complete, report
    assert report.kinds["answers"].moved == 1
    cache = RedisCache(target)
    assert await both(cache.lookup)(CHAT_PROMPT, MODEL) == answer()
    assert await both(cache.lookup)(CHAT_PROMPT, "another model") is None
    (reply,) = send(target, ("SCAN", 0, "MATCH", "*entries", "COUNT", 1000))
    assert all(3000 < left <= 3600 for left in send(target, *(("TTL", key) for key in reply[1])))
    assert (await both(migration.run)()).kinds["answers"].there == 1


async def test_answers_of_a_semantic_cache_are_served_by_a_semantic_one(target: Client, origin: Origin) -> None:
    cache = RedisSemanticCache(target, embedded())
    source = origin("langchain-redis-semantic")
    migration = RedisMigration(target, "redisvl-cache", origin=source, cache=cache)
    assert migration.run().kinds["answers"].moved == 1
    assert cache.lookup(CHAT_PROMPT, MODEL) == answer()
    assert migration.run().kinds["answers"].there == 1


async def test_of_bare_questions_only_those_are_moved_that_stand_alone(target: Client, origin: Origin) -> None:
    source = origin("redisvl-cache")
    report = RedisMigration(target, "redisvl-cache", origin=source, prefix="questions", model=MODEL).run()
    assert report.complete
    assert (report.kinds["answers"].moved, report.kinds["answers"].refused) == (1, 2)
    assert "2 left behind: they may not be shared" in str(report)
    cache = RedisCache(target)
    assert [cache.lookup(question, MODEL) for question in QUESTIONS] == [[Generation(text="Paris.")], None, None]


async def test_a_source_that_does_not_name_the_model_needs_it(target: Client, origin: Origin) -> None:
    source = origin("redisvl-cache")
    assert RedisMigration(target, "redisvl-cache", origin=source, prefix="questions").run(dry_run=True).complete
    with pytest.raises(ConfigError, match="give RedisMigration the model"):
        RedisMigration(target, "redisvl-cache", origin=source, prefix="questions").run()


async def test_answers_of_gptcache_and_of_langchain_community(target: Client, stack: str) -> None:
    """As their sources write them; neither writes with today's redis-py."""
    question = {
        "pk": "1",
        "question": "What is the capital of France?",
        "create_on": "2026-01-02T03:04:05",
        "last_access": "2026-01-02T03:04:05",
        "deleted": 0,
        "answers": [{"pk": "2", "answer": "Paris.", "answer_type": 0}],
        "deps": [],
        "embedding": "\x00\x80?",
    }
    with Client.from_url(stack) as source:
        send(
            source,
            ("FLUSHALL",),
            ("JSON.SET", "gptcache:questions:1", "$", json.dumps(question)),
            ("JSON.SET", "gptcache:questions:2", "$", json.dumps({**question, "deleted": -1})),
            ("SET", "gptcache:questions:index:hash", "x"),
            ("HSET", "doc:cache:0f:1", "prompt", CHAT_PROMPT, "llm_string", MODEL, "content_vector", b"\xff"),
            ("HSET", "doc:cache:0f:1", "return_val", dumps(answer())),
        )
        report = RedisMigration(target, "gptcache", origin=source, model="m").run()
        assert (report.complete, report.kinds["answers"].moved) == (True, 1)
        report = RedisMigration(target, "langchain-community-semantic", origin=source).run()
        assert (report.complete, report.kinds["answers"].moved) == (True, 1)
        send(source, ("FLUSHALL",))
    assert RedisCache(target).lookup("What is the capital of France?", "m") == [Generation(text="Paris.")]
    assert RedisCache(target).lookup(CHAT_PROMPT, MODEL) == answer()


async def test_what_the_cache_would_not_keep_is_left_behind(target: Client) -> None:
    empty = dumps([ChatGeneration(message=AIMessage(""))])
    prompt = dumps([HumanMessage("What is it?")])
    send(target, ("HSET", "doc:cache:0f:1", "prompt", prompt, "llm_string", MODEL, "return_val", empty))
    send(target, ("HSET", "doc:cache:0f:2", "prompt", prompt, "llm_string", MODEL, "return_val", dumps([{"a": 1}])))
    report = RedisMigration(target, "langchain-community-semantic").run()
    assert report.kinds["answers"].refused == 1
    assert [failure.why for failure in report.failed] == ["it holds something else than generations"]
