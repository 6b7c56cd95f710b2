"""Graphs and agents as the wrapped chain: they are given messages, and a hit gives back a state like their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode
from pydantic import BaseModel
from typing_extensions import TypedDict

from langchain_redis_memory.conversation.memory import ConversationMemory
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both, url_of
from tests.support.chains import Desk, Marked, PureModel, look_up
from tests.support.servers import TWO, Farm

CONFIG: RunnableConfig = {"configurable": {"session_id": "s"}}


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


class WeatherState(MessagesState):
    mood: str
    verdict: dict[str, Any]


@tool
def look(at: str) -> str:
    """Looks."""
    return f"saw {at}"


def chat_graph(model: PureModel, **options: Any) -> Any:
    """A graph of one node that asks a model."""

    def chat(state: WeatherState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])], "verdict": {"sure": True}}

    async def achat(state: WeatherState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])], "verdict": {"sure": True}}

    builder = StateGraph(WeatherState)
    builder.add_node("chat", RunnableLambda(chat, achat))
    builder.add_edge(START, "chat")
    return builder.compile(**options)


def agent_graph(model: PureModel) -> Any:
    """An agent: a model that may call a tool."""

    def chat(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    async def achat(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    def after(state: MessagesState) -> str:
        return "tools" if getattr(state["messages"][-1], "tool_calls", None) else END

    builder = StateGraph(MessagesState)
    builder.add_node("chat", RunnableLambda(chat, achat))
    builder.add_node("tools", ToolNode([look]))
    builder.add_edge(START, "chat")
    builder.add_conditional_edges("chat", after)
    builder.add_edge("tools", "chat")
    return builder.compile()


def calls(name: str = "look") -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": {"at": "x"}, "id": "1"}])


def texts(state: dict[str, Any]) -> list[tuple[str, str]]:
    return [(message.type, str(message.text)) for message in state["messages"]]


class GraphDesk(Desk):
    """A desk around a graph that asks `self.model`."""

    def __init__(
        self, client: Client, both: Both, make: Callable[[PureModel], Any] = chat_graph, **options: Any
    ) -> None:
        model = PureModel()
        super().__init__(client, both, chain=make(model), classifier=Marked(), **options)
        self.model = model

    async def chunks(self, said: Any, session: str, **options: Any) -> list[Any]:
        config: RunnableConfig = {"configurable": {"session_id": session}}
        return await self.both.each(self.chat.stream)(said, config, **options)


async def test_a_graph_is_given_the_memory_and_its_last_message_is_the_answer(client: Client, both: Both) -> None:
    desk = GraphDesk(client, both)
    one = await desk.say("N: a")
    two = await desk.say({"messages": [SystemMessage("be kind"), HumanMessage("F: b")]})
    answers = [message.text for message in desk.model.made]
    assert texts(one) == [("human", "N: a"), ("ai", answers[0])]
    shown = [("system", "be kind"), ("human", "N: a"), ("ai", answers[0]), ("human", "F: b")]
    assert texts(two) == [*shown, ("ai", answers[1])]
    assert [(m.type, str(m.text)) for m in desk.model.shown[1]] == shown
    assert await desk.told() == [("human", "N: a"), ("ai", answers[0]), ("human", "F: b"), ("ai", answers[1])]


@pytest.mark.parametrize(
    "said",
    [
        "N: a",
        {"messages": [HumanMessage("N: a")]},
        {"messages": [{"role": "user", "content": "N: a"}]},
        {"messages": [("user", "N: a")]},
        {"messages": "N: a"},
        {"input": "N: a"},
        {"question": "N: a"},
    ],
)
async def test_a_hit_is_a_state_like_that_of_a_miss(client: Client, both: Both, said: Any) -> None:
    desk = GraphDesk(client, both)
    one, two = [await desk.say(said, name) for name in ("one", "two")]
    assert [report.cache for report in desk.reports] == ["miss", "hit"]
    assert desk.model.calls == 1
    assert texts(one) == texts(two)
    assert two.keys() == one.keys()
    assert one["verdict"] == two["verdict"] == {"sure": True}
    assert all(message.id for message in two["messages"])
    assert two["messages"][-1].id not in {message.id for message in one["messages"]}
    assert two["messages"][-1].response_metadata["cache"]["hit"] is True
    assert await desk.told("one") == await desk.told("two")


async def test_other_keys_of_the_state_are_given_and_are_part_of_the_key(client: Client, both: Both) -> None:
    desk = GraphDesk(client, both)
    for mood in ("good", "bad", "good"):
        state = await desk.say({"messages": [HumanMessage("N: a")], "mood": mood}, mood)
        assert state["mood"] == mood
    assert [report.cache for report in desk.reports] == ["miss", "miss", "hit"]


async def test_documents_are_a_system_message_of_the_state(client: Client, both: Both) -> None:
    desk = GraphDesk(client, both, retriever=look_up)
    for name in ("one", "two"):
        state = await desk.say("N: a", name)
        assert [message.type for message in state["messages"]] == ["system", "human", "ai"]
        assert "document of <N: a>" in state["messages"][0].text
    assert desk.last.cache == "hit"


@pytest.mark.parametrize(("pure", "expected"), [((), "miss"), (("look",), "hit")])
async def test_a_run_in_which_a_tool_ran_is_shared_only_if_the_tool_is_pure(
    client: Client, both: Both, pure: tuple[str, ...], expected: str
) -> None:
    model = PureModel(script=[calls(), AIMessage("done"), calls(), AIMessage("done")])
    desk = Desk(client, both, classifier=Marked())
    desk.chat = desk.memory.wrap(agent_graph(model), scope="agent", pure_tools=pure)
    states = [await desk.say("N: a", name) for name in ("one", "two")]
    assert [report.cache for report in desk.reports] == ["miss", expected]
    assert texts(states[0]) == texts(states[1])
    assert [message.type for message in states[1]["messages"]] == ["human", "ai", "tool", "ai"]
    assert await desk.told("two") == [("human", "N: a"), ("ai", "done")], "the conversation keeps what was said"
    ids = [message.id for state in states for message in state["messages"]]
    assert len(set(ids)) == len(ids)


async def test_an_answer_that_a_tool_gives_is_kept_as_the_answer(client: Client, both: Both) -> None:
    def answered(state: dict[str, Any]) -> dict[str, Any]:
        return {"messages": [*state["messages"], calls(), ToolMessage("42", tool_call_id="1")]}

    desk = Desk(client, both, classifier=Marked())
    desk.chat = desk.memory.wrap(RunnableLambda(answered), scope="state", input_key="messages")
    for name in ("one", "two"):
        state = await desk.say({"messages": [HumanMessage("N: a")]}, name)
        assert state["messages"][-1].text == "42"
        assert await desk.told(name) == [("human", "N: a"), ("ai", "42")]
    assert desk.last.cache == "miss", "its state does not end with an answer of a model"


MODES: list[Any] = [None, "values", "updates", "messages", ["messages", "values"], ["updates"]]


@pytest.mark.parametrize("subgraphs", [False, True])
@pytest.mark.parametrize("mode", MODES, ids=str)
async def test_streams_come_in_the_modes_that_were_asked_for(
    client: Client, both: Both, mode: Any, subgraphs: bool
) -> None:
    desk = GraphDesk(client, both)
    options = {**({} if mode is None else {"stream_mode": mode}), **({"subgraphs": True} if subgraphs else {})}
    missed = await desk.chunks("N: a", "one", **options)
    served = await desk.chunks("N: a", "two", **options)
    assert [report.cache for report in desk.reports] == ["miss", "hit"]
    answer = desk.model.made[0].text
    assert await desk.told("one") == await desk.told("two") == [("human", "N: a"), ("ai", answer)]
    for chunks in (missed, served):
        assert said_in(chunks, mode or "updates", subgraphs) == answer
    assert {type(chunk) for chunk in missed} == {type(chunk) for chunk in served}


def said_in(chunks: list[Any], mode: Any, subgraphs: bool) -> str:
    """The answer that a stream tells, read as LangGraph documents each mode."""
    found: dict[str, str] = {}
    for chunk in chunks:
        parts = list(chunk) if subgraphs or isinstance(mode, list) else [chunk]
        if subgraphs:
            assert parts.pop(0) == ()
        named = parts.pop(0) if isinstance(mode, list) else mode
        assert named in (mode if isinstance(mode, list) else [mode])
        (data,) = parts
        if named == "messages":
            assert isinstance(data[0], AIMessageChunk)
            assert data[1]["langgraph_node"]
            found["messages"] = found.get("messages", "") + str(data[0].text)
        else:
            state = next(iter(data.values())) if named == "updates" else data
            found[named] = str(state["messages"][-1].text)
    assert sorted(found) == sorted(mode if isinstance(mode, list) else [mode])
    assert len(set(found.values())) == 1
    return found.popitem()[1]


async def test_another_stream_format_is_refused(client: Client, both: Both) -> None:
    desk = GraphDesk(client, both)
    with pytest.raises(InvalidInputError, match="v1"):
        await desk.chunks("N: a", "s", version="v2")


async def test_a_graph_with_a_checkpointer_is_refused() -> None:
    memory = ConversationMemory("memory://graphs")
    graph = chat_graph(PureModel(), checkpointer=InMemorySaver())
    for chain in (graph, graph.with_config(tags=["a"]), graph | RunnableLambda(lambda state: state)):
        with pytest.raises(ConfigError, match="checkpointer"):
            memory.wrap(chain)


async def test_a_graph_without_messages_of_a_model_is_refused(client: Client, both: Both) -> None:
    def silent(state: MessagesState) -> dict[str, Any]:
        return {}

    builder = StateGraph(MessagesState)
    builder.add_node("silent", silent)
    builder.add_edge(START, "silent")
    desk = Desk(client, both, chain=builder.compile())
    with pytest.raises(InvalidInputError, match="AIMessage after the question"):
        await desk.say("What is Redis?")
    assert await desk.told() == []


async def test_a_graph_on_other_fields_streams_its_answer(client: Client, both: Both) -> None:
    class Fields(TypedDict, total=False):
        question: str
        history: Annotated[list[Any], add_messages]
        answer: str

    def answered(state: Fields) -> dict[str, Any]:
        return {"answer": state["question"].upper()}

    builder = StateGraph(Fields)
    builder.add_node("answered", answered)
    builder.add_edge(START, "answered")
    model = PureModel()
    desk = Desk(client, both, chain=builder.compile(), output_key="answer", classifier=Marked())
    desk.model = model
    streamed = await desk.stream("N: a", "one")
    assert streamed == [{"answered": {"answer": "N: A"}}]
    assert (await desk.say("N: a", "two"))["answer"] == "N: A"
    assert desk.last.cache == "hit"
    assert await desk.told("one") == await desk.told("two") == [("human", "N: a"), ("ai", "N: A")]


class Verdict(BaseModel):
    right: bool


async def test_a_structured_response_of_an_agent_comes_back(client: Client, both: Both) -> None:
    class Judged(MessagesState):
        structured_response: Verdict

    def judge(state: Judged) -> dict[str, Any]:
        return {"messages": [AIMessage("yes")], "structured_response": Verdict(right=True)}

    builder = StateGraph(Judged)
    builder.add_node("judge", judge)
    builder.add_edge(START, "judge")
    desk = Desk(client, both, chain=builder.compile(), classifier=Marked())
    for name in ("one", "two"):
        assert (await desk.say("N: a", name))["structured_response"] == Verdict(right=True)
    assert desk.last.cache == "hit"


async def test_a_prompt_with_a_place_for_messages_gets_them(client: Client, both: Both) -> None:
    model = PureModel()
    prompt = ChatPromptTemplate([("system", "be kind"), MessagesPlaceholder("messages")])
    desk = Desk(client, both, chain=prompt | model, classifier=Marked())
    desk.model = model
    for said in ("N: a", "F: b"):
        await desk.say(said)
    assert [m.text for m in model.shown[1]] == ["be kind", "N: a", model.made[0].text, "F: b"]


async def test_in_another_graph(client: Client, both: Both) -> None:
    desk = GraphDesk(client, both)

    def node(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
        said = {"messages": [state["messages"][-1]]}
        return {"messages": [desk.chat.invoke(said, config)["messages"][-1]]}

    async def anode(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
        said = {"messages": [state["messages"][-1]]}
        return {"messages": [(await desk.chat.ainvoke(said, config))["messages"][-1]]}

    builder = StateGraph(MessagesState)
    builder.add_node("chat", RunnableLambda(node, anode))
    builder.add_edge(START, "chat")
    outer = builder.compile(checkpointer=InMemorySaver())
    for name in ("one", "two"):
        config: RunnableConfig = {"configurable": {"thread_id": name}}
        state = await both(outer.invoke)({"messages": [HumanMessage("N: a")]}, config)
        assert texts(state) == [("human", "N: a"), ("ai", desk.model.made[0].text)]
    assert desk.last.cache == "hit"


async def test_an_agent_of_langchain(client: Client, both: Both) -> None:
    agents = pytest.importorskip("langchain.agents")

    class Bound(PureModel):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self

    model = Bound(script=[calls(), AIMessage("done")])
    agent = agents.create_agent(model, [look], system_prompt="be kind")
    desk = Desk(client, both, classifier=Marked())
    desk.chat = desk.memory.wrap(agent, scope="agent", pure_tools=["look"])
    states = [await desk.say("N: a", name) for name in ("one", "two")]
    assert desk.last.cache == "hit"
    assert [message.type for message in states[1]["messages"]] == ["human", "ai", "tool", "ai"]
    chunks = await desk.stream("N: a", "three")
    assert chunks[0]["cache"]["messages"][0].text == "done"
