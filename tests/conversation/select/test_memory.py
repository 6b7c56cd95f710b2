"""`MemorySelector`: windows, what a turn depends on, tool calls, budgets, summaries, recall; in a chain and a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_redis_memory.conversation.policy import DEFAULT_POLICY, Rule
from langchain_redis_memory.conversation.select.memory import MemorySelector
from langchain_redis_memory.conversation.select.runnable import pre_model_node, selector_runnable
from langchain_redis_memory.conversation.select.window import Selector, WindowSelector
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.ops import Flow, pure, settled
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.conversation.select.test_recall import Topics
from tests.support.chains import LetterEmbeddings, Marked

NEW, RECALL = QuestionType.NEW_TOPIC, QuestionType.HISTORY_RECALL
MORE, SEARCH = QuestionType.CONTEXTUAL_FOLLOW_UP, QuestionType.CONTEXTUAL_WITH_SEARCH
CALL: Any = {"name": "look", "args": {}, "id": "1"}


def each_letter(messages: Sequence[BaseMessage]) -> int:
    return sum(len(str(message.text)) for message in messages)


def talk(turns: int) -> list[BaseMessage]:
    return [kind(f"{name}{i}") for i in range(turns) for kind, name in ((HumanMessage, "h"), (AIMessage, "a"))]


def select(
    selector: Selector,
    kind: QuestionType,
    history: Sequence[BaseMessage],
    window: int = 1,
    turn: str = "x",
    depends_on: tuple[int, ...] = (),
    state: TurnState = NO_STATE,
) -> list[str]:
    verdict = Verdict(kind, 1.0, depends_on=depends_on)
    chosen = selector.select(turn, verdict, history, Rule(True, False, False, window, whole=True), state)
    client = Client.from_url("memory://select")
    return [str(message.text) for message in client.drive(settled(chosen))]


def texts(messages: Sequence[BaseMessage]) -> list[str]:
    return [str(message.text) for message in messages]


# --- windows ---------------------------------------------------------------------------------------


def test_what_is_loaded() -> None:
    selector = MemorySelector(base=4)
    assert {kind: selector.reach(rule) for kind, rule in DEFAULT_POLICY.items()} == {
        NEW: 4,
        MORE: 8,
        SEARCH: 4,
        RECALL: None,
    }
    assert selector.reach(Rule(False, False, False, 3)) == 12
    assert selector.reach(Rule(False, False, False, 0, whole=True)) == 0


@pytest.mark.parametrize(("kind", "window", "count"), [(NEW, 1, 4), (MORE, 2, 8), (SEARCH, 1, 4), (RECALL, 3, 12)])
def test_windows(kind: QuestionType, window: int, count: int) -> None:
    history = [SystemMessage("s"), HumanMessage("What is Redis?"), AIMessage("a"), *talk(20)]
    history += [HumanMessage("What is throat cancer?"), AIMessage("b")]
    assert select(MemorySelector(base=4), kind, history, window, turn="zzz") == ["s", *texts(history[-count:])]


@pytest.mark.parametrize("kind", list(QuestionType))
def test_of_nothing_comes_nothing(kind: QuestionType) -> None:
    assert select(MemorySelector(), kind, []) == []
    assert select(MemorySelector(), kind, [SystemMessage("s")]) == ["s"]
    assert select(MemorySelector(), kind, talk(3), 0) == []


@pytest.mark.parametrize("option", ["base", "max_tokens"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "3", True])
def test_wrong_numbers(option: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=option):
        MemorySelector(**{option: value})


# --- what must be there ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(QuestionType))
@pytest.mark.parametrize("budget", [None, 1])
def test_what_the_turn_depends_on_stays(kind: QuestionType, budget: int | None) -> None:
    selector = MemorySelector(base=2, max_tokens=budget, token_counter=each_letter)
    chosen = select(selector, kind, [SystemMessage("s"), *talk(10)], turn="zzz", depends_on=(4, 9))
    assert chosen[:5] == ["s", "h1", "a1", "h4", "a4"], "whole turns, in order, whatever they cost"
    assert ("a9" in chosen) is (budget is None)


def test_places_that_are_not_there_are_passed_over() -> None:
    damaged: Any = (-1, 99, "4", None, 2)
    assert select(MemorySelector(base=2), MORE, talk(10), depends_on=damaged) == ["h1", "a1", "h9", "a9"]


def test_tool_calls_and_their_answers_stay_together() -> None:
    history = [
        HumanMessage("h"),
        AIMessage("c", tool_calls=[CALL, {**CALL, "id": "2"}]),
        ToolMessage("t1", tool_call_id="1"),
        ToolMessage("t2", tool_call_id="2"),
        AIMessage("a"),
    ]
    found = {base: select(MemorySelector(base=base), MORE, history) for base in range(1, 6)}
    assert found == {1: ["a"], 2: ["a"], 3: ["a"], 4: ["c", "t1", "t2", "a"], 5: ["h", "c", "t1", "t2", "a"]}
    assert select(MemorySelector(max_tokens=5, token_counter=each_letter), MORE, history) == ["a"]
    assert select(MemorySelector(max_tokens=6, token_counter=each_letter), MORE, history) == ["c", "t1", "t2", "a"]
    assert select(MemorySelector(), MORE, [*history[:3], *history[4:]]) == ["h", "a"], "a call without its answer"
    assert select(MemorySelector(), MORE, history[:3]) == ["h"]


# --- summaries -------------------------------------------------------------------------------------


def test_a_summary_stands_for_what_is_left_out() -> None:
    selector, state = MemorySelector(base=2), TurnState(summary="They talked.")
    chosen = select(selector, MORE, [SystemMessage("s"), *talk(5)], state=state)
    assert chosen[0] == "s"
    assert chosen[1].endswith("They talked.")
    assert chosen[2:] == ["h4", "a4"]
    assert select(selector, MORE, talk(1), state=state) == ["h0", "a0"], "nothing is left out"
    assert select(selector, RECALL, talk(5), turn="zzz", state=state)[0].endswith("They talked.")


def test_a_summary_keeps_to_the_budget() -> None:
    history, state = talk(5), TurnState(summary="S")
    cost = len(select(MemorySelector(base=2), MORE, history, state=state)[0])
    small = MemorySelector(base=4, max_tokens=cost + 5, token_counter=each_letter)
    assert select(small, MORE, history, state=state)[1:] == ["h4", "a4"]
    tiny = MemorySelector(base=4, max_tokens=cost - 1, token_counter=each_letter)
    assert select(tiny, MORE, history, state=state) == ["h3", "a3", "h4", "a4"], "it does not fit at all"


@pytest.mark.parametrize("selector", [MemorySelector(base=8), WindowSelector(base=8)])
def test_what_a_side_question_came_in_between_is_still_shown(selector: Selector) -> None:
    """The question after it may lean on what was said before it; nobody can tell from the side question's words."""
    history = talk(3)
    history[2:2] = [HumanMessage("I have booked the night train to Oslo."), AIMessage("It leaves at nine.")]
    history[6:6] = [HumanMessage("What is throat cancer?"), AIMessage("A disease.")]
    assert select(selector, SEARCH, history[:8], turn="Can I take a bicycle?") == texts(history[:8])


@pytest.mark.parametrize("kind", [MORE, SEARCH])
def test_a_summary_stands_for_what_the_window_leaves_out(kind: QuestionType) -> None:
    shown = select(MemorySelector(base=4), kind, talk(4), state=TurnState(summary="S"))
    assert len(shown) == 5
    assert shown[0].endswith("S")


@pytest.mark.parametrize("state", [NO_STATE, TurnState(summary=" "), TurnState(topic="throat cancer", turns=9)])
def test_a_state_without_a_summary(state: TurnState) -> None:
    assert select(MemorySelector(base=2), MORE, talk(3), state=state) == ["h2", "a2"]


def test_a_summary_of_messages_that_are_not_loaded() -> None:
    state = TurnState(summary="They talked.", truncated=True)
    assert select(MemorySelector(base=6), MORE, talk(3), state=state)[0].endswith("They talked.")


# --- recall ----------------------------------------------------------------------------------------


def long_talk() -> list[BaseMessage]:
    history = talk(150)
    history[40:42] = [HumanMessage("Which novel is good?"), AIMessage("Read The Name of the Rose.")]
    history[120:122] = [HumanMessage("How do I cook risotto?"), AIMessage("Add stock slowly.")]
    return history


def test_recall_searches_all_of_it() -> None:
    history = long_talk()
    chosen = select(MemorySelector(base=2), RECALL, history, 3, turn="Which novels did I ask about?")
    assert chosen == [*texts(history[40:42]), *texts(history[-4:])]
    chosen = select(MemorySelector(base=2), RECALL, history, 3, turn="What did you tell me about stock?")
    assert chosen == [*texts(history[120:122]), *texts(history[-4:])]
    chosen = select(MemorySelector(base=2), RECALL, history, 3, turn="What was my second question?")
    assert chosen[:2] != texts(history[-6:-4])
    assert "h1" in chosen
    assert chosen[-2:] == ["h149", "a149"]


def test_recall_keeps_to_its_budget() -> None:
    history = long_talk()
    selector = MemorySelector(base=10, max_tokens=60, token_counter=each_letter)
    chosen = select(selector, RECALL, history, 3, turn="Which novel did you recommend?")
    assert sum(map(len, chosen)) <= 60
    assert texts(history[40:42]) == chosen[:2]
    assert chosen[-2:] == ["h149", "a149"]


def test_of_a_hit_that_does_not_fit_the_answering_part_is_shown() -> None:
    history = [HumanMessage("a zebra?"), AIMessage("x" * 100), *talk(3)]
    selector = MemorySelector(base=10, max_tokens=30, token_counter=each_letter)
    assert select(selector, RECALL, history, turn="When did I mention zebras?")[0] == "a zebra?"


def test_recall_by_meaning() -> None:
    history = long_talk()
    selector = MemorySelector(base=2, embeddings=Topics())
    assert texts(history[120:122]) == select(selector, RECALL, history, 3, turn="Which meal was it?")[:2]


def test_recall_by_words_where_the_embedding_model_fails(caplog: pytest.LogCaptureFixture) -> None:
    history = long_talk()
    selector = MemorySelector(base=2, embeddings=Topics(fail=True))
    assert texts(history[40:42]) == select(selector, RECALL, history, 3, turn="Which novel was it?")[:2]
    assert "by words alone" in caplog.text


def test_embeddings_are_not_asked_for_anything_but_recall() -> None:
    embeddings = Topics()
    for kind in (NEW, MORE, SEARCH):
        select(MemorySelector(embeddings=embeddings), kind, long_talk())
    assert embeddings.asked == []


# --- whatever the history --------------------------------------------------------------------------

ONE = st.one_of(
    st.builds(
        HumanMessage,
        st.sampled_from(["What is throat cancer?", "Is it treatable?", "x", "\u202eabc\x00", "```py\n```"]),
    ),
    st.builds(AIMessage, st.sampled_from(["a", "cancer", ""])),
    st.sampled_from(["1", "2"]).map(lambda name: AIMessage("c", tool_calls=[{**CALL, "id": name}])),
    st.sampled_from(["1", "2", "3"]).map(lambda name: ToolMessage("t", tool_call_id=name)),
    st.builds(SystemMessage, st.just("s")),
)


@given(
    st.lists(ONE, max_size=14),
    st.sampled_from(list(QuestionType)),
    st.integers(1, 5),
    st.integers(1, 3),
    st.one_of(st.none(), st.integers(1, 60)),
    st.lists(st.integers(-2, 16), max_size=2),
    st.sampled_from(["What did I ask first?", "which cancer did you mention?", "x", ""]),
    st.sampled_from([NO_STATE, TurnState(summary="S")]),
)
def test_whatever_the_history(
    history: list[BaseMessage],
    kind: QuestionType,
    base: int,
    window: int,
    budget: int | None,
    depends_on: list[int],
    turn: str,
    state: TurnState,
) -> None:
    selector = MemorySelector(base, budget, each_letter)
    verdict = Verdict(kind, 1.0, depends_on=tuple(depends_on))
    chosen = selector.select(turn, verdict, history, Rule(True, False, False, window, whole=True), state)
    assert isinstance(chosen, list)
    told = [message for message in chosen if not any(message is one for one in history)]
    assert len(told) <= bool(state.summary), "nothing but the summary is added"
    kept = [message for message in chosen if message not in told]
    places = [next(at for at, one in enumerate(history) if one is message) for message in kept]
    assert places == sorted(set(places)), "messages of the history, in order, once"
    lead = next((at for at, one in enumerate(history) if not isinstance(one, SystemMessage)), len(history))
    assert places[:lead] == list(range(lead)), "the system messages in front"
    open_ids: set[Any] = set()
    for message in kept:
        if isinstance(message, ToolMessage):
            assert message.tool_call_id in open_ids, "an answer after its call"
            open_ids.discard(message.tool_call_id)
        else:
            assert not open_ids, "a call with all of its answers"
            open_ids = {call["id"] for call in getattr(message, "tool_calls", [])}
    assert not open_ids
    if not depends_on:
        assert len(places) - lead <= base * window
        if budget is not None and len(chosen) > lead:
            assert each_letter(chosen) <= budget


# --- as a runnable and as a node -------------------------------------------------------------------


class Later(MemorySelector):
    """Chooses in a flow."""

    def select(self, *args: Any, **kwargs: Any) -> Flow[list[BaseMessage]]:
        def flow() -> Flow[list[BaseMessage]]:
            yield pure(None)
            chosen = super(Later, self).select(*args, **kwargs)
            assert isinstance(chosen, list)
            return chosen

        return flow()


@pytest.mark.parametrize("kind", [MemorySelector, Later])
async def test_as_a_runnable(both: Both, kind: type[MemorySelector]) -> None:
    runnable = selector_runnable(kind(base=2), Marked())
    history = talk(5)
    for form in (
        [*history, HumanMessage("F: x")],
        {"messages": [*history, HumanMessage("F: x")]},
        {"history": history, "question": "F: x"},
        {"history": history, "question": HumanMessage("F: x"), "user": 3},
        {"history": [("human", "h3"), ("ai", "a3"), ("human", "h4"), ("ai", "a4")], "question": "F: x"},
    ):
        assert texts(await both(runnable.invoke)(form)) == ["h3", "a3", "h4", "a4", "F: x"]
    summed = await both(runnable.invoke)({"history": history, "question": "N: x", "summary": "They talked."})
    assert summed[0].text.endswith("They talked.")
    assert texts(await both(runnable.invoke)({"question": "x"})) == ["x"]
    assert await both(runnable.invoke)([]) == []
    assert texts(await both(runnable.invoke)([AIMessage("a")])) == ["a"]


@pytest.mark.parametrize("given", ["text", 3, None, {"x": 1}])
async def test_as_a_runnable_of_something_else(both: Both, given: Any) -> None:
    with pytest.raises(InvalidInputError, match="'question'"):
        await both(selector_runnable().invoke)(given)


def test_a_policy_that_cannot_work() -> None:
    with pytest.raises(ConfigError):
        selector_runnable(policy={RECALL: Rule(False, True, True, 3)})


async def test_as_a_runnable_before_a_model(both: Both) -> None:
    model = GenericFakeChatModel(messages=iter([AIMessage("done")]))
    chain = selector_runnable(MemorySelector(base=2, embeddings=LetterEmbeddings())) | model
    assert (await both(chain.invoke)([*talk(30), HumanMessage("What did I ask first?")])).text == "done"


async def test_as_a_node(both: Both) -> None:
    node = pre_model_node(MemorySelector(base=2), Marked())
    tail = [HumanMessage("N: x"), AIMessage("c", tool_calls=[CALL]), ToolMessage("t", tool_call_id="1")]
    state = {"messages": [SystemMessage("s"), *talk(9), *tail], "summary": "They talked."}
    told = texts((await both(node.invoke)(state))["llm_input_messages"])
    assert told[0] == "s"
    assert told[1].endswith("They talked.")
    assert told[2:] == ["h8", "a8", "N: x", "c", "t"], "the turn itself stays whole"

    class Fields:
        def __init__(self) -> None:
            self.talk = talk(1)

    named = pre_model_node(messages_key="talk")
    assert texts((await both(named.invoke)(Fields()))["llm_input_messages"]) == ["h0", "a0"]
    with pytest.raises(InvalidInputError, match="messages_key"):
        await both(named.invoke)({"messages": []})


@pytest.mark.filterwarnings("ignore:create_react_agent has been moved")
async def test_in_an_agent_of_langgraph(both: Both) -> None:
    from langgraph.prebuilt import create_react_agent

    from tests.support.chains import PureModel

    class Agent(PureModel):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self

    def look(what: str) -> str:
        """Looks something up."""
        return f"found {what}"

    model = Agent(script=[AIMessage("", tool_calls=[{**CALL, "args": {"what": "it"}}]), AIMessage("done")])
    agent = create_react_agent(model, [look], pre_model_hook=pre_model_node(MemorySelector(base=2), Marked()))
    done = await both(agent.invoke)({"messages": [*talk(20), HumanMessage("N: go")]})
    assert len(done["messages"]) == 44, "the graph's own messages stay"
    assert [texts(seen) for seen in model.shown] == [
        ["h19", "a19", "N: go"],
        ["h19", "a19", "N: go", "", "found it"],
    ]
