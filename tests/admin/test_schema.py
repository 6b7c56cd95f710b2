"""The JSON API against its own OpenAPI: whatever is asked, it answers what it says it answers."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from langchain_core.messages import AIMessage, HumanMessage

from langchain_redis_memory import RedisChatMessageHistory, SessionAccess, sessions_router
from langchain_redis_memory.redis.client.client import Client

_LEFT_OUT = {
    "unsupported_method": "an id may hold slashes, so a method that one path lacks may mean another",
    "allow_header_conformance": "Starlette writes it, a route at a time",
    "positive_data_acceptance": "a cursor is any text to the schema, and 400 is what a wrong one gets",
}
"""Checks that do not fit, and why."""


@pytest.mark.slow
def test_the_api_is_what_it_says() -> None:
    schemathesis = pytest.importorskip("schemathesis")  # half a second of each process that would import it above
    client, app = Client.from_url(f"memory://{uuid4().hex}"), FastAPI()
    app.include_router(sessions_router(client, auth=lambda: SessionAccess(None)), prefix="/api")
    operations = [found.ok() for found in schemathesis.openapi.from_asgi("/openapi.json", app).get_all_operations()]
    left_out = [schemathesis.checks.CHECKS.get_one(name) for name in _LEFT_OUT]
    assert len(operations) >= 5
    for operation in operations:

        @settings(
            max_examples=15,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def is_as_it_says(case: Any) -> None:
            RedisChatMessageHistory("a", client, ttl_s=600).add_messages([HumanMessage("hi"), AIMessage("hello")])
            case.call_and_validate(excluded_checks=left_out)

        is_as_it_says()
