"""The JSON API against its own OpenAPI: whatever is asked, it answers what it says it answers."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, settings
from langchain_core.messages import AIMessage, HumanMessage

from langchain_redis_memory import RedisChatMessageHistory, SessionAccess, sessions_router
from langchain_redis_memory.redis.client.client import Client

schemathesis = pytest.importorskip("schemathesis")

_CLIENT = Client.from_url(f"memory://{uuid4().hex}")
_APP = FastAPI()
_APP.include_router(sessions_router(_CLIENT, auth=lambda: SessionAccess(None)), prefix="/api")
_SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", _APP)
_LEFT_OUT = {
    "unsupported_method": "an id may hold slashes, so a method that one path lacks may mean another",
    "allow_header_conformance": "Starlette writes it, a route at a time",
    "positive_data_acceptance": "a cursor is any text to the schema, and 400 is what a wrong one gets",
}
"""Checks that do not fit, and why."""
_CHECKS = [schemathesis.checks.CHECKS.get_one(name) for name in _LEFT_OUT]


@_SCHEMA.parametrize()  # type: ignore[untyped-decorator]
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_api_is_what_it_says(case: Any) -> None:
    RedisChatMessageHistory("a", _CLIENT, ttl_s=600).add_messages([HumanMessage("hi"), AIMessage("hello")])
    case.call_and_validate(excluded_checks=_CHECKS)
