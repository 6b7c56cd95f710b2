"""What a turn leans on is shown to the model and part of the key, whatever was said in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_redis_memory.cache.answers.semantic import SemanticAnswerCache
from langchain_redis_memory.conversation.select.window import WindowSelector
from langchain_redis_memory.language.audience import classify_audience
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both, url_of
from tests.support.chains import Desk
from tests.support.meanings import WordEmbeddings
from tests.support.servers import Farm

ASIDES = {
    "filler": ["Thanks!"],
    "side question": ["When do you open on Sundays?"],
    "statement": ["I have a window seat in mind, so that is settled."],
    "several": ["Ok.", "What is the capital of Peru?", "I see, good to know."],
}


def flight_to(city: str, asides: Sequence[str]) -> list[BaseMessage]:
    """A talk in which only the first turn says where to."""
    said: list[BaseMessage] = [HumanMessage(f"I want to fly to {city} in June."), AIMessage("Gladly.")]
    for aside in asides:
        said += [HumanMessage(aside), AIMessage("Certainly.")]
    return said


@pytest.fixture(params=["memory"])
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    """What a key is made of is decided before a server is asked."""
    return url_of(request.param, farm)


@pytest.mark.parametrize("aside", ASIDES)
@pytest.mark.parametrize("how", ["exact", "window", "by meaning"])
async def test_what_a_turn_leans_on_is_shown_and_decides_behind_a_side_question(
    client: Client, both: Both, aside: str, how: str
) -> None:
    options: dict[str, Any] = {"selector": WindowSelector()} if how == "window" else {}
    if how == "by meaning":
        options["cache"] = SemanticAnswerCache(client, WordEmbeddings())
    desk = Desk(client, both, **options)
    for who, city in (("ana", "Lisbon"), ("ben", "Porto"), ("eve", "Lisbon")):
        await both(desk.memory.history(who).add_messages)(flight_to(city, ASIDES[aside]))
        await desk.say("How much is the flight?", who)
    assert [report.cache for report in desk.reports] == ["miss", "miss", "hit"]
    assert [str(shown[0].text) for shown in desk.model.shown] == [
        "I want to fly to Lisbon in June.",
        "I want to fly to Porto in June.",
    ]


TOLD = ["I am allergic to nuts and live in Oslo.", "My name is Eva, I have two kids.", "My account was blocked twice."]
IMPERSONAL = ["How long does a refund from Amazon take?", "What does error E15 on a dishwasher mean?"]


@pytest.mark.parametrize("told", TOLD)
@pytest.mark.parametrize("question", IMPERSONAL)
async def test_a_personal_turn_before_does_not_make_an_impersonal_question_private(
    client: Client, both: Both, told: str, question: str
) -> None:
    desk = Desk(client, both, audience=classify_audience)
    await desk.say(told, "ana")
    calls = desk.model.calls
    for who in ("ana", "ben"):
        await desk.say(question, who)
    assert [report.cache for report in desk.reports[1:]] == ["miss", "hit"]
    assert desk.model.calls == calls + 1
    assert len(desk.model.shown[-1]) == 1, "nothing of what was told is shown, so nobody's answer is anybody's secret"
