"""What chat models write besides what they were asked for: no part raises; what is not understood opens no cache."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from langchain_redis_memory.cache.semantic.judge import Judge
from langchain_redis_memory.language.audience import LLMAudience, classify_audience
from langchain_redis_memory.language.classify import LinguisticClassifier, LLMClassifier
from langchain_redis_memory.language.contextualise.llm import LLMContextualiser
from langchain_redis_memory.ops import Flow, settled
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.state.profile_extractors import LLMExtractor, observed
from langchain_redis_memory.state.summary import RollingSummary
from tests.conftest import Both
from tests.support.says import Says
from tests.support.turns import history

TURN = "What is photosynthesis?"
"""A turn whose signs leave room."""
BACK = "Is it treatable?"
FEE = "Is there a fee for withdrawing cash abroad?"
SAID = ("I love jazz",)


class Part(NamedTuple):
    """One part that asks a model, with an answer that would open something, and another one."""

    asks: Callable[[BaseChatModel], Flow[Any]]
    good: str
    other: str
    opens: Callable[[Any], bool]
    safe: Callable[[Any], bool]


def spelled(**said: Any) -> str:
    return json.dumps({**said, "personal": 0.0, "volatile": 0.0, "effect": 0.0, "vary": 0.0})


def learned(value: str) -> str:
    return json.dumps([{"trait": "topics", "value": value, "confidence": 0.9, "evidence": SAID[0]}])


PARTS = {
    "classifier": Part(
        lambda model: settled(LLMClassifier(model).classify(TURN, history("cancer"))),
        spelled(type="NEW_TOPIC", dependence=0.01, standalone=TURN),
        spelled(type="HISTORY_RECALL", dependence=0.9, standalone=TURN),
        lambda found: found.type == "NEW_TOPIC" and found.dependence < 0.05,
        lambda found: found == LinguisticClassifier().classify(TURN, history("cancer")),
    ),
    "contextualiser": Part(
        lambda model: settled(LLMContextualiser(model).contextualise(BACK, history("cancer"))),
        "Is throat cancer treatable?",
        "Is lung cancer curable?",
        lambda found: found.trusted and found.question == "Is throat cancer treatable?",
        lambda found: not found.trusted and found.question == BACK,
    ),
    "audience": Part(
        lambda model: LLMAudience(model).classify(FEE),
        spelled(),
        spelled().replace("0.0", "0.9", 1),
        lambda found: found.shareable(),
        lambda found: found == classify_audience(FEE),
    ),
    "judge": Part(
        lambda model: Judge(model).same_flow("How tall is it?", "How high is it?"),
        "yes",
        "no",
        lambda found: found is True,
        lambda found: not found,
    ),
    "extractor": Part(
        lambda model: observed(LLMExtractor(model), SAID),
        learned("jazz"),
        learned("blues"),
        bool,
        lambda found: found == [],
    ),
}
JSON = ("classifier", "audience", "extractor")
REFUSED: dict[str, Callable[[str, str], str]] = {
    "empty": lambda _good, _other: " \n",
    "prose": lambda _good, _other: "As a language model I would be glad to help you with that.",
    "language": lambda _good, _other: "Gerne! Es kommt darauf an, und zwar auf vieles: das ist nicht dasselbe.",
    "cut": lambda good, _other: good[: len(good) * 2 // 3],
    "contradicts itself": lambda good, other: f"{good}\n{other}",
    "takes it back": lambda good, other: f"{good}, or rather not.\nI mean: {other}",
    "deep": lambda good, _other: "[" * 100_000 + good + "]",
    "deep objects": lambda _good, _other: '{"type":' * 100_000,
    "huge": lambda good, _other: "word " * 200_000 + good.replace("[", "("),
    "no text": lambda _good, _other: "\x00\ud800\u202e" * 50,
    "not a number": lambda good, _other: good.replace("0.0", "NaN").replace("0.9", "NaN")[4:],
}
REPAIRED: dict[str, Callable[[str], str]] = {
    "fenced": "```json\n{}\n```".replace("{}", "%s").__mod__,
    "introduced": "Sure, here it is:\n%s\n\nI hope that this helps!".__mod__,
    "thought aloud": "<think>Is it {so}? No.</think>\n%s".__mod__,
}


async def ask(both: Both, part: Part, write: Callable[[list[BaseMessage]], str]) -> Any:
    client = Client.from_url("memory://messy")
    try:
        return await both(client.drive)(part.asks(Says(answer=write)))
    finally:
        client.close()


@pytest.mark.parametrize("name", PARTS)
async def test_a_clean_answer_is_taken(both: Both, name: str) -> None:
    part = PARTS[name]
    assert part.opens(await ask(both, part, lambda _: part.good))


@pytest.mark.parametrize("mess", REFUSED)
@pytest.mark.parametrize("name", PARTS)
async def test_what_is_not_understood_opens_nothing(both: Both, name: str, mess: str) -> None:
    part = PARTS[name]
    found = await ask(both, part, lambda _: REFUSED[mess](part.good, part.other))
    assert part.safe(found), found


@pytest.mark.parametrize("mess", REPAIRED)
@pytest.mark.parametrize("name", PARTS)
async def test_json_is_taken_out_of_what_is_around_it(both: Both, name: str, mess: str) -> None:
    part = PARTS[name]
    found = await ask(both, part, lambda _: REPAIRED[mess](part.good))
    assert part.opens(found) or (name not in JSON and mess != "thought aloud" and part.safe(found)), found


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("name", PARTS)
async def test_a_repeated_instruction_is_no_answer(both: Both, name: str, share: float) -> None:
    """Its examples are answers as they should be, of something else; an answer breaks off at any place."""
    part = PARTS[name]

    def repeat(shown: list[BaseMessage]) -> str:
        text = str(shown[0].text)
        return text[: round(len(text) * share)]

    assert part.safe(await ask(both, part, repeat))


@pytest.mark.parametrize("name", PARTS)
async def test_a_repeated_example_is_no_answer(both: Both, name: str) -> None:
    part = PARTS[name]

    def repeat(shown: list[BaseMessage]) -> str:
        return str(shown[0].text).partition("Example")[2].split("\n{")[0][:400]

    assert part.safe(await ask(both, part, repeat))


@pytest.mark.parametrize("name", ["classifier", "audience"])
async def test_an_answer_behind_which_another_is_begun_is_none(both: Both, name: str) -> None:
    part = PARTS[name]
    assert part.safe(await ask(both, part, lambda _: f"{part.good}\nThe answer is:\n{part.other[:12]}"))


@pytest.mark.parametrize("name", ["classifier", "audience"])
@pytest.mark.parametrize("answer", ["null", "[]", "3", '"yes"', "{}"])
async def test_structured_output_that_has_none(both: Both, name: str, answer: str) -> None:
    client = Client.from_url("memory://messy")
    assert PARTS[name].safe(await both(client.drive)(PARTS[name].asks(Says(answer=answer, structured=True))))
    client.close()


@pytest.mark.parametrize("written", ["", "\ud800\x00", "word " * 20_000, '[{"a": ' * 50_000])
async def test_a_summary_is_a_text_of_bounded_length(written: str) -> None:
    summarise = RollingSummary(Says(answer=lambda _: written)).as_summarizer()
    shown = list(history("cancer"))
    found: list[Awaitable[str] | str] = [summarise.invoke(shown), await summarise.ainvoke(shown)]
    assert found == [written.strip()[:8000]] * 2
