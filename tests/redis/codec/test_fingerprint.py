"""Which settings of a config are part of a cache key."""

from __future__ import annotations

from langchain_redis_memory.redis.codec.fingerprint import deciding_settings


def test_settings_that_may_decide_an_answer_are_kept() -> None:
    given = {
        "session_id": "s",
        "thread_id": "t",
        "checkpoint_ns": "",
        "__pregel_read": 1,
        "agent": "a",
        "tenant": "x",
        "user_id": "u",
        "model": "m",
    }
    assert set(deciding_settings(given)) == {"agent", "tenant", "user_id", "model"}
    assert set(deciding_settings(given, "agent", "tenant")) == {"user_id", "model"}
    assert deciding_settings({}) == {}
