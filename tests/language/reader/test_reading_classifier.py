"""A second opinion for a classifier: asked where it is unsure, and only there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.reader import ReadingClassifier
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.ops import Flow, settled
from langchain_redis_memory.redis.client.client import Client

HISTORY = [
    HumanMessage("Which trains run to Zurich?"),
    AIMessage("The EC 316."),
    HumanMessage("When?"),
    AIMessage("At 9."),
]
TURN = "Can I bring my bicycle?"


class First:
    """A classifier that gives one verdict, at once or in a flow."""

    def __init__(self, dependence: float | None, kind: QuestionType, *, flow: bool = False) -> None:
        self.verdict, self.flow = Verdict(kind, 0.7, ("the signs",), dependence=dependence), flow

    def classify(
        self, turn: str, history: Sequence[BaseMessage], state: TurnState = NO_STATE
    ) -> Verdict | Flow[Verdict]:
        return self._flow() if self.flow else self.verdict

    def _flow(self) -> Flow[Verdict]:
        yield from settled(self.verdict)
        return self.verdict


class Fixed:
    """A reader that gives one probability and remembers what it was asked."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.asked: list[str] = []

    def dependence(self, turns: Sequence[tuple[str, Sequence[BaseMessage]]]) -> list[float]:
        self.asked += [turn for turn, _ in turns]
        return [self.share for _ in turns]


class Broken(Fixed):
    """A reader that fails."""

    def dependence(self, turns: Sequence[tuple[str, Sequence[BaseMessage]]]) -> list[float]:
        raise OSError("no model")


Read = Callable[..., Awaitable[Verdict]]


@pytest.fixture(params=["sync", "async"])
def read(request: pytest.FixtureRequest) -> Iterator[Read]:
    client = Client.from_url("memory://reading")

    async def read(first: First, reader: Fixed, history: Sequence[BaseMessage] = HISTORY) -> Verdict:
        flow = settled(ReadingClassifier(first, reader).classify(TURN, history))
        return client.drive(flow) if request.param == "sync" else await client.adrive(flow)

    yield read
    client.close()


@pytest.mark.parametrize("flow", [False, True])
async def test_an_unsure_turn_that_reads_as_dependent_is_dependent(read: Read, flow: bool) -> None:
    found = await read(First(0.2, QuestionType.NEW_TOPIC, flow=flow), Fixed(0.99))
    assert found.type is QuestionType.CONTEXTUAL_WITH_SEARCH
    assert found.dependence is not None
    assert found.dependence > 0.5
    assert found.depends_on == (1, 2, 3)
    assert "0.99" in found.reasons[0]


async def test_an_unsure_turn_that_reads_as_standing_alone_is_a_new_topic(read: Read) -> None:
    found = await read(First(0.1, QuestionType.CONTEXTUAL_FOLLOW_UP), Fixed(0.005))
    assert found.type is QuestionType.NEW_TOPIC
    assert found.dependence is not None
    assert found.dependence < 0.03


async def test_an_agreeing_reader_keeps_the_verdict_and_adds_its_reason(read: Read) -> None:
    found = await read(First(0.4, QuestionType.CONTEXTUAL_FOLLOW_UP), Fixed(0.9))
    assert found.type is QuestionType.CONTEXTUAL_FOLLOW_UP
    assert found.reasons[0] == "the signs"
    assert len(found.reasons) == 2


@pytest.mark.parametrize(
    ("first", "history"),
    [
        (First(0.999, QuestionType.CONTEXTUAL_FOLLOW_UP), HISTORY),
        (First(0.001, QuestionType.NEW_TOPIC), HISTORY),
        (First(0.5, QuestionType.HISTORY_RECALL), HISTORY),
        (First(None, QuestionType.CONTEXTUAL_FOLLOW_UP), HISTORY),
        (First(0.5, QuestionType.NEW_TOPIC), []),
    ],
    ids=["surely dependent", "surely alone", "recall", "no probability", "nothing before"],
)
async def test_what_is_sure_or_cannot_be_read_is_not_read(read: Read, first: First, history: list[BaseMessage]) -> None:
    reader = Fixed(0.5)
    assert await read(first, reader, history) is first.verdict
    assert not reader.asked


async def test_a_reader_that_fails_costs_only_the_second_opinion(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    first = First(0.5, QuestionType.NEW_TOPIC)
    assert await read(first, Broken(0.5)) is first.verdict
    assert "OSError" in caplog.text


def test_bounds_and_parts_are_checked() -> None:
    first, reader = First(0.5, QuestionType.NEW_TOPIC), Fixed(0.5)
    with pytest.raises(InvalidInputError, match="unsure"):
        ReadingClassifier(first, reader, unsure=(0.6, 0.4))
    with pytest.raises(ConfigError, match="dependence"):
        ReadingClassifier(first, object())  # type: ignore[arg-type]
