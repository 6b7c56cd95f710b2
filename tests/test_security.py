"""Each row of the threat model names its tests, and each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage

from langchain_redis_memory import Client, RedisChatMessageHistory, RedisSessions

TESTS = Path(__file__).parent
DOCUMENT = TESTS.parent / "docs" / "security.md"
NAMED_TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")
NAMED = NAMED_TEST.findall(DOCUMENT.read_text("utf-8"))
ROW = re.compile(r"^\| (?!what they try|---)(.+) \| (.+) \| (.+) \|$", re.MULTILINE)


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED)))
def test_a_test_that_the_threat_model_names_exists(file: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (TESTS / file).read_text("utf-8"), re.MULTILINE)


def test_every_row_has_a_test() -> None:
    model = DOCUMENT.read_text("utf-8").partition("## Threat model")[2]
    rows = ROW.findall(model)
    assert len(rows) > 20
    for what, answer, test in rows:
        assert NAMED_TEST.search(test), (what, answer)


def test_an_id_is_a_name_and_a_tenant_is_a_wall(client: Client) -> None:
    """Whoever names a conversation reads it; where each user is a tenant, the names of others lead nowhere."""
    RedisChatMessageHistory("ana", client, ttl_s=60).add_messages([HumanMessage("secret")])
    RedisChatMessageHistory("talk", client, ttl_s=60, tenant="ana").add_messages([HumanMessage("secret")])
    assert [one.content for one in RedisChatMessageHistory("ana", client).messages] == ["secret"]
    for name in ("talk", "ana", "ana/talk", "{ana/talk}"):
        assert RedisChatMessageHistory(name, client, tenant="eve").messages == []
    assert [one.session_id for one in RedisSessions(client, tenant="eve").list_sessions().sessions] == []
