"""Which chains share answers: equal ones do, others do not, and what cannot be described keeps to itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FunctionType
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, dynamic_prompt
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import ConfigurableField, Runnable, RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph

from langchain_redis_memory.conversation.chain_shape import is_model
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.codec.fingerprint import describable, describe, fingerprint
from tests.conftest import Both, url_of
from tests.support import programs
from tests.support.chains import DescribedModel, Desk, PureModel, look_up
from tests.support.servers import TWO, Farm


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


def prompt(system: str = "be kind") -> ChatPromptTemplate:
    return ChatPromptTemplate([("system", system), MessagesPlaceholder("history"), ("human", "{question}")])


def chain(system: str = "be kind", **options: Any) -> Runnable[Any, Any]:
    return prompt(system) | DescribedModel(**options) | StrOutputParser()


def function(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": "finds", "parameters": {}, **more}}


class ForgetfulModel(PureModel):
    """A model of the user's that leaves a setting out of what identifies it."""

    persona: str = ""

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {}


class OwnModel(PureModel):
    """A model of the user's that says what identifies it, as LangChain's caches expect."""

    style: str
    examples: tuple[str, ...] = ()

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"style": self.style}


@tool
def look(at: str) -> str:
    """Looks."""
    return at


DESCRIBED: dict[str, Callable[[], Runnable[Any, Any]]] = {
    "model": DescribedModel,
    "cold model": lambda: DescribedModel(temperature=0.0),
    "model of one's own with a setting": lambda: ForgetfulModel(persona="a"),
    "model of one's own with another setting": lambda: ForgetfulModel(persona="b"),
    "bound model": lambda: DescribedModel().bind(stop=["a"]),
    "otherwise bound model": lambda: DescribedModel().bind(stop=["b"]),
    "tool choice": lambda: DescribedModel().bind(tool_choice={"type": "function", "function": {"name": "a"}}),
    "other tool choice": lambda: DescribedModel().bind(tool_choice={"type": "function", "function": {"name": "b"}}),
    "tool": lambda: DescribedModel().bind(tools=[function("a")]),
    "other tool": lambda: DescribedModel().bind(tools=[function("b")]),
    "tool with a graph": lambda: DescribedModel().bind(tools=[function("a", graph="x")]),
    "chain": chain,
    "other prompt": lambda: chain("be rude"),
    "cold chain": lambda: chain(temperature=0.0),
    "no parser": lambda: prompt() | DescribedModel(),
    "named person": lambda: prompt().partial(name="ana") | DescribedModel(),
    "other named person": lambda: prompt().partial(name="ben") | DescribedModel(),
    "retrying": lambda: DescribedModel().with_retry(),
    "fallback": lambda: DescribedModel().with_fallbacks([DescribedModel(temperature=0.1)]),
    "other fallback": lambda: DescribedModel().with_fallbacks([DescribedModel(temperature=0.2)]),
    "configured": lambda: DescribedModel().with_config(configurable={"right": "boss"}),
    "otherwise configured": lambda: DescribedModel().with_config(configurable={"right": "guest"}),
    "own model": lambda: OwnModel(style="kind"),
    "other own model": lambda: OwnModel(style="rude"),
    "own model with a tuple": lambda: OwnModel(style="kind", examples=("kind",)),
    "own model with another tuple": lambda: OwnModel(style="kind", examples=("rude",)),
    "fake model": lambda: FakeListChatModel(responses=["a"]),
    "other fake model": lambda: FakeListChatModel(responses=["b"]),
    "parallel": lambda: RunnableParallel(a=chain(), b=RunnablePassthrough()),
}

PRIVATE: dict[str, Callable[[], Any]] = {
    "function": lambda: RunnableLambda(lambda fields: "a"),
    "function in a chain": lambda: prompt() | RunnableLambda(lambda fields: "a"),
    "function in a branch": lambda: RunnableParallel(a=RunnableLambda(lambda fields: "a")) | chain(),
    "assigned function": lambda: RunnablePassthrough.assign(a=lambda fields: "a") | chain(),
    "undescribed model": lambda: prompt() | PureModel(),
    "function in a prompt": lambda: prompt("it is {day}").partial(day=lambda: "today") | DescribedModel(),
    "function under a name": lambda: prompt().partial(name=lambda: "today") | DescribedModel(),
    "retrying function": lambda: RunnableLambda(lambda fields: "a").with_retry(),
    "undescribed fallback": lambda: DescribedModel().with_fallbacks([PureModel()]),
}


def test_each_description_is_its_own() -> None:
    found = {name: fingerprint(make()) for name, make in DESCRIBED.items()}
    assert None not in found.values(), found
    assert len(set(found.values())) == len(DESCRIBED)


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_description_is_the_same_each_time(name: str) -> None:
    make = DESCRIBED[name]
    assert fingerprint(make()) == fingerprint(make())


def test_a_description_is_the_same_in_every_process() -> None:
    code = "import tests.conversation.test_scope as t; print(*(t.fingerprint(make()) for make in t.DESCRIBED.values()))"
    done = programs.run(f"{code}; print(hash('a'))")
    *told, hashed = done.stdout.split()
    assert int(hashed) != hash("a")
    assert told == [fingerprint(make()) for make in DESCRIBED.values()]


@pytest.mark.parametrize("name", PRIVATE)
def test_what_cannot_be_described_has_no_fingerprint(name: str) -> None:
    assert fingerprint(PRIVATE[name]()) is None


@pytest.mark.parametrize("make", [chain, lambda: prompt() | DescribedModel(), DescribedModel])
async def test_equal_chains_share(client: Client, both: Both, make: Callable[[], Any]) -> None:
    one, two = (Desk(client, both, chain=make(), scope=None) for _ in range(2))
    first = await one.say("q?", "one")
    second = await two.say("q?", "two")
    assert two.last.cache == "hit"
    assert getattr(first, "text", first) == getattr(second, "text", second)


@pytest.mark.parametrize("other", [lambda: chain("be rude"), lambda: chain(temperature=0.0)])
async def test_other_chains_do_not_share(client: Client, both: Both, other: Callable[[], Any]) -> None:
    one, two = Desk(client, both, chain=chain(), scope=None), Desk(client, both, chain=other(), scope=None)
    await one.say("q?", "one")
    await two.say("q?", "two")
    assert two.last.cache == "miss"


async def test_private_chains_share_with_themselves_only(
    client: Client, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    function: Runnable[Any, str] = RunnableLambda(lambda fields: "a")
    one, two = (Desk(client, both, chain=function, scope=None) for _ in range(2))
    hints = [record for record in caplog.records if "scope=" in record.message]
    assert [record.levelno for record in hints] == [logging.WARNING] * 2
    assert "RunnableLambda(" in hints[0].message, "it names what cannot be described"
    for desk, session in ((one, "a"), (one, "b"), (two, "c")):
        await desk.say("q?", session)
    assert [report.cache for report in (*one.reports, *two.reports)] == ["miss", "hit", "miss"]


async def test_a_retriever_makes_a_chain_private(client: Client, both: Both) -> None:
    one, two = (Desk(client, both, chain=chain(), retriever=look_up, scope=None) for _ in range(2))
    await one.say("q?", "a")
    await two.say("q?", "b")
    assert two.last.cache == "miss"
    assert one.chat.scope != two.chat.scope


async def test_a_name_shares_what_could_not_be_described(client: Client, both: Both) -> None:
    one, two = (Desk(client, both, chain=RunnableLambda(lambda _: "a"), retriever=look_up, scope="n") for _ in "ab")
    await one.say("q?", "a")
    await two.say("q?", "b")
    assert two.last.cache == "hit"


async def test_a_name_adds_to_what_can_be_described(client: Client, both: Both) -> None:
    kind, rude = (prompt(text) | RunnableLambda(lambda _: "a") for text in ("be kind", "be rude"))
    one, two, three = (Desk(client, both, chain=made, scope="n") for made in (kind, rude, kind))
    await one.say("q?", "a")
    await two.say("q?", "b")
    await three.say("q?", "c")
    assert [desk.last.cache for desk in (one, two, three)] == ["miss", "miss", "hit"]


def test_opaque_parts_are_named_and_the_rest_is_described() -> None:
    def shorten(said: BaseMessage) -> str:
        return said.text[:9]

    found = [describe(prompt(text) | PureModel() | RunnableLambda(shorten)) for text in ("be kind", "be rude")]
    for one in found:
        assert one.opaque[0].endswith("chains.PureModel")
        assert one.opaque[1].endswith("shorten)")
    assert found[0].digest != found[1].digest


def speak(given: Any, tone: str = "kind") -> str:
    return tone


def calling(inner: Callable[[], str]) -> Callable[[Any], str]:
    return lambda given: inner()


@dataclass(frozen=True)
class Voice:
    """A callable with settings of its own."""

    tone: str

    def __call__(self, given: Any) -> str:
        return self.tone

    def method(self, given: Any) -> str:
        return self.tone


class Speaker:
    """A callable whose class declares no fields."""

    def __init__(self, tone: str) -> None:
        self.tone = tone
        self.of_this_process = object()

    def __call__(self, given: Any) -> str:
        return self.tone


class Choir:
    """A callable whose class declares no fields and that holds a list."""

    def __init__(self, *tones: str) -> None:
        self.tones = list(tones)

    def __call__(self, given: Any) -> str:
        return self.tones[0]


class Bot:
    """An object that holds its model."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def answer(self, given: Any) -> str:
        return str(self.model.invoke(given["question"]).text)


TONE = "kind"


def in_the_tone_of_the_module(given: Any) -> str:
    return TONE


def by_a_function_beside(given: Any) -> str:
    return in_the_tone_of_the_module(given)


def with_the_constant(function: Any, tone: str) -> Any:
    """A function of a module as the module is in another version."""
    module = {**globals(), "TONE": tone}
    beside = FunctionType(in_the_tone_of_the_module.__code__, module)
    return FunctionType(function.__code__, module | {"in_the_tone_of_the_module": beside})


MADE: dict[str, Any] = {
    "a constant of its module": lambda tone: with_the_constant(in_the_tone_of_the_module, tone),
    "a constant of a function beside it": lambda tone: with_the_constant(by_a_function_beside, tone),
    "a model in an object": lambda tone: Bot(FakeListChatModel(responses=[tone])).answer,
    "a closure": lambda tone: lambda given: tone,
    "a function in a closure": lambda tone: calling(lambda: tone),
    "a default": lambda tone: lambda given, tone=tone: tone,
    "arguments bound before": lambda tone: partial(speak, tone=tone),
    "a method": lambda tone: Voice(tone).method,
    "an object": Voice,
    "an object without declared fields": lambda tone: Speaker(tone).__call__,
    "a list in such an object": lambda tone: Choir(tone).__call__,
    "other code": {"kind": lambda given: "kind", "rude": lambda given: "rude"}.get,
}


@pytest.mark.parametrize("name", MADE)
async def test_functions_of_one_name_that_were_made_with_other_data_are_told_apart(
    client: Client, both: Both, name: str
) -> None:
    for session, tone in enumerate(("kind", "rude", "kind")):
        desk = Desk(client, both, chain=RunnableLambda(MADE[name](tone)), scope="n")
        assert await desk.say("q?", f"s{session}") == tone
        assert desk.last.cache == ("hit" if session == 2 else "miss")


str_of = StrOutputParser()
IN_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "a closure": lambda model: lambda given: str(model.invoke(given["question"]).text),
    "a chain in a closure": lambda model: partial(lambda inner, given: inner.invoke(given), prompt() | model | str_of),
    "an object": lambda model: Bot(model).answer,
}


@pytest.mark.parametrize("name", IN_FUNCTIONS)
async def test_a_model_inside_of_a_function_counts_as_it_is_set_now(client: Client, both: Both, name: str) -> None:
    model = OwnModel(style="kind")
    desk = Desk(client, both, chain=RunnableLambda(IN_FUNCTIONS[name](model)), scope="n")
    for number, style in enumerate(("kind", "kind", "rude", "kind")):
        model.style = style
        await desk.say("q?", f"s{number}")
        assert desk.last.cache == ("hit" if number in {1, 3} else "miss")


async def test_what_a_prompt_inside_of_a_function_computes_is_asked_each_time(client: Client, both: Both) -> None:
    day = ["monday"]
    inner = prompt("it is {day}").partial(day=lambda: day[0]) | DescribedModel() | StrOutputParser()
    desk = Desk(
        client, both, chain=RunnableLambda(lambda given: "" if given is None else inner.invoke(given)), scope="n"
    )
    for number, today in enumerate(("monday", "monday", "tuesday")):
        day[0] = today
        await desk.say("q?", f"s{number}")
        assert desk.last.cache == ("hit" if number == 1 else "miss")


async def test_a_prompt_that_is_not_used_may_fail(client: Client, both: Both) -> None:
    nothing: dict[str, str] = {}
    unused = prompt("it is {day}").partial(day=lambda: nothing["day"])
    desk = Desk(client, both, chain=RunnableLambda(lambda given: "a" if given else unused.invoke(given)), scope="n")
    assert [await desk.say("q?", f"s{number}") for number in range(2)] == ["a", "a"]
    assert desk.last.cache != "hit", "what it would give is not known"


def test_the_order_of_a_schema_is_a_part_of_it() -> None:
    orders = ({"reason": {"type": "string"}, "answer": {}}, {"answer": {}, "reason": {"type": "string"}})
    bound = [DescribedModel().bind(response_format={"properties": properties}) for properties in orders]
    assert fingerprint(bound[0]) != fingerprint(bound[1])


def graph_of(node: Any) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("a", node)
    graph.add_edge(START, "a")
    return graph.compile()


def in_a_closure(tone: str) -> Any:
    return graph_of(lambda state: {"messages": [AIMessage(tone)]})


def in_a_subgraph(tone: str) -> Any:
    return graph_of(in_a_closure(tone))


def of_an_agent(tone: str) -> Any:
    return create_agent(DescribedModel(), [], system_prompt=f"be {tone}")


def of_an_agents_middleware(tone: str) -> Any:
    @dynamic_prompt
    def prompt(request: Any) -> str:
        return f"be {tone}"

    return create_agent(DescribedModel(), [], middleware=[prompt])


class Replaces(AgentMiddleware):
    """Asks a model of its own."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        return handler(request.override(model=self.model))

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        return await handler(request.override(model=self.model))


def of_a_model_in_an_agents_middleware(tone: str) -> Any:
    return create_agent(DescribedModel(), [], middleware=[Replaces(FakeListChatModel(responses=[tone]))])


@pytest.mark.parametrize(
    "make",
    [in_a_closure, in_a_subgraph, of_an_agent, of_an_agents_middleware, of_a_model_in_an_agents_middleware],
)
async def test_a_graph_is_all_its_nodes(client: Client, both: Both, make: Callable[[str], Any]) -> None:
    assert describe(make("kind")).digest == describe(make("kind")).digest
    said = []
    for session, tone in enumerate(("kind", "rude", "kind")):
        desk = Desk(client, both, chain=make(tone), scope="n")
        said.append((await desk.say("q?", f"s{session}"))["messages"][-1].text)
    assert said[0] != said[1]
    assert desk.last.cache == "hit"


def test_what_cannot_be_read_to_its_end_is_still_described() -> None:
    endless: list[Any] = [object()] * 2000
    knotted: list[Any] = []
    knotted.append(knotted)
    found = [describe(RunnableLambda(lambda given: (endless, knotted))).digest for _ in "ab"]
    assert found[0] == found[1]


@pytest.mark.parametrize("setting", ["user_id", "langgraph_auth_user_id", "thread_id"])
async def test_what_the_chain_itself_is_configured_by_is_no_mere_name(client: Client, both: Both, setting: str) -> None:
    model = DescribedModel().configurable_fields(temperature=ConfigurableField(id=setting))
    desk = Desk(client, both, chain=prompt() | model)
    for session, temperature in enumerate((0.1, 0.2, 0.1)):
        await desk.say("q?", f"s{session}", **{setting: temperature})  # type: ignore[arg-type]
    assert [report.cache for report in desk.reports] == ["miss", "miss", "hit"]


async def test_what_is_configured_at_run_time_keeps_answers_apart(client: Client, both: Both) -> None:
    model = DescribedModel().configurable_fields(temperature=ConfigurableField(id="temperature"))
    desk = Desk(client, both, chain=prompt() | model | RunnableLambda(lambda m: m), scope="n")
    for session, temperature in enumerate((0.1, 0.2, 0.1)):
        await desk.say("q?", f"s{session}", temperature=temperature)  # type: ignore[arg-type]
    assert [report.cache for report in desk.reports] == ["miss", "miss", "hit"]


async def test_alternatives_keep_answers_apart(client: Client, both: Both) -> None:
    kind, rude = PureModel(script=[AIMessage("kind")]), PureModel(script=[AIMessage("rude")])
    both_ways = kind.configurable_alternatives(ConfigurableField(id="tone"), default_key="kind", rude=rude)
    desk = Desk(client, both, chain=both_ways, scope="n")
    assert (await desk.say("q?", "a")).text == "kind"
    assert (await desk.say("q?", "b", tone="rude")).text == "rude"
    assert (await desk.say("q?", "c")).text == "kind"
    assert desk.last.cache == "hit"


class Filtered(BaseRetriever):
    """Finds only what the config's user may see."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Any]:
        raise NotImplementedError

    def invoke(self, input: str, config: Any = None, **kwargs: Any) -> list[Any]:
        return look_up(f"{input} for {config['configurable']['right']}")

    async def ainvoke(self, input: str, config: Any = None, **kwargs: Any) -> list[Any]:
        return self.invoke(input, config)


async def test_what_a_retriever_reads_in_the_config_keeps_answers_apart(client: Client, both: Both) -> None:
    desk = Desk(client, both, retriever=Filtered())
    one = await desk.say("q?", "a", right="boss")
    two = await desk.say("q?", "b", right="guest")
    assert one.text != two.text
    assert desk.last.cache == "miss"


# --- what counts as a model ------------------------------------------------------------------------

MODELS: dict[str, Callable[[], Runnable[Any, Any]]] = {
    "plain": PureModel,
    "bound": lambda: PureModel().bind(stop=["a"]),
    "bound twice": lambda: PureModel().bind(stop=["a"]).bind(x=1),
    "configured": lambda: PureModel().with_config(tags=["a"]),
    "retrying": lambda: PureModel().with_retry(stop_after_attempt=2),
    "with fallbacks": lambda: PureModel().with_fallbacks([PureModel()]),
    "fields": lambda: DescribedModel().configurable_fields(temperature=ConfigurableField(id="temperature")),
    "alternatives": lambda: PureModel().configurable_alternatives(ConfigurableField(id="m"), other=PureModel()),
    "before a parser": lambda: PureModel() | StrOutputParser(),
    "all at once": lambda: PureModel().bind(x=1).with_retry().with_fallbacks([PureModel()]) | StrOutputParser(),
}


@pytest.mark.parametrize("name", MODELS)
async def test_a_model_in_any_dress_gets_messages(client: Client, both: Both, name: str) -> None:
    made = MODELS[name]()
    assert is_model(made)
    desk = Desk(client, both, chain=made)
    answer = await desk.say("q?")
    assert str(getattr(answer, "text", answer)).startswith("answer ")
    assert (await desk.told())[0] == ("human", "q?")


@pytest.mark.parametrize("make", [chain, lambda: RunnableLambda(look_up), prompt, RunnablePassthrough])
def test_what_is_no_model(make: Callable[[], Any]) -> None:
    assert not is_model(make())


@pytest.mark.parametrize(
    "value", [None, 1, 1.5, "a", b"a", (1, [2]), {"a": {1: {2}}}, look_up("q"), [AIMessage("a")], AIMessage("a").text]
)
def test_plain_values_can_be_described(value: Any) -> None:
    assert describable(value)


def test_other_values_cannot() -> None:
    import numpy as np

    class Text(str):
        __slots__ = ()

    endless: list[Any] = []
    endless.append(endless)
    assert describable(np.zeros(3))
    for value in (object(), lambda: 1, Text("a"), [Text("a")], {Text("a"): 1}, endless, bytearray(b"a"), look):
        assert not describable(value), value
