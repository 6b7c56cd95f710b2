"""A classifier of turns as a decision model: its answers, and an agent's model chosen by them."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage

from langchain_redis_memory import LLMClassifier, QuestionType
from langchain_redis_memory.errors import InvalidInputError
from tests.conftest import Both
from tests.support.agents import ScriptedModel
from tests.support.chains import Marked

pytest.importorskip("langchain_core.decisions")

from langchain_core.decisions import Choice, Noul, Score

from langchain_redis_memory import AsDecisionModel

TYPES = Choice(instructions="What does it depend on?", criteria={kind.value: None for kind in QuestionType})
THROAT: Any = [HumanMessage("What is throat cancer?"), AIMessage("A growth."), HumanMessage("Is it treatable?")]


async def test_a_turn_is_classified_after_the_messages_before_it(both: Both) -> None:
    model = AsDecisionModel()
    questions = {"type": TYPES, "depends": Noul(instructions="Does it depend on the conversation?")}
    dependent = await both(model.invoke)({"state": THROAT, "questions": questions})
    alone = await both(model.invoke)({"state": "What is throat cancer?", "questions": questions})
    assert alone.choices["type"].choice == "NEW_TOPIC"
    assert dependent.choices["type"].choice != "NEW_TOPIC"
    assert alone.nouls["depends"].noul < 0.5 < dependent.nouls["depends"].noul
    assert sum(alone.choices["type"].probabilities.values()) == pytest.approx(1)
    assert alone == await both(model.invoke)({"state": {"messages": THROAT[:1]}, "questions": questions})


async def test_a_classifier_that_asks_a_model_is_asked_in_both_colours(both: Both) -> None:
    judge = ScriptedModel(script=['{"type": "HISTORY_RECALL", "confidence": 0.9}'])
    answered = await both(AsDecisionModel(classifier=LLMClassifier(judge)).invoke)(
        {"state": THROAT, "questions": {"type": TYPES}}
    )
    assert judge.calls == 1
    assert answered.choices["type"].choice in {kind.value for kind in QuestionType}


async def test_an_agent_s_model_is_chosen_by_what_the_turn_depends_on(both: Both) -> None:
    from langchain.agents.middleware import ModelChoice, ModelRouterMiddleware

    small, large = ScriptedModel(script=["small"]), ScriptedModel(script=["large"])
    routes = {kind: "small" if kind is QuestionType.NEW_TOPIC else "large" for kind in QuestionType}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the router is in beta
        router = ModelRouterMiddleware(
            choices={"small": ModelChoice(small, "Simple."), "large": ModelChoice(large, "Hard.")},
            instructions="Which model?",
            classifier=AsDecisionModel(classifier=Marked(), routes=routes),
        )
    agent: Any = create_agent(small, middleware=[router])
    for mark, wanted in (("N", "small"), ("F", "large")):
        state = await both(agent.invoke)({"messages": [HumanMessage(f"{mark}: Hello?")]})
        assert state["messages"][-1].text == wanted


def test_what_it_cannot_answer() -> None:
    model = AsDecisionModel(classifier=Marked())
    score = Score(instructions="How much?", criteria=["little", "much"])
    other = Choice(instructions="Which?", criteria={"a": None})
    for state, question, why in (
        ("N: x", score, "a Noul or a Choice"),
        ("N: x", other, "routes="),
        ([], TYPES, "messages whose last is the turn"),
    ):
        with pytest.raises(InvalidInputError, match=why):
            model.invoke({"state": state, "questions": {"q": question}})
