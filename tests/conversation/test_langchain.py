"""The runnable among LangChain's own: composition, callbacks, batches, retrievers, outputs, graphs."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import ConfigurableField, RunnableConfig, RunnableLambda
from langgraph.graph import StateGraph

from langchain_redis_memory.conversation.memory import ConversationMemory
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both, url_of
from tests.support.chains import Desk, Marked, PureModel, look_up, pure_chain
from tests.support.servers import TWO, Farm

CONFIG: RunnableConfig = {"configurable": {"session_id": "s"}}


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


def session(name: str) -> RunnableConfig:
    return {"configurable": {"session_id": name}}


# --- composition -----------------------------------------------------------------------------------


async def test_between_other_runnables(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    chain = RunnableLambda(str.upper) | desk.chat | StrOutputParser() | RunnableLambda(lambda text: f"<{text}>")
    one = await both(chain.invoke)("what is redis?", config=session("one"))
    two = await both(chain.invoke)("what is redis?", config=session("two"))
    assert one == two == f"<{desk.model.made[0].text}>"
    assert desk.model.calls == 1
    assert (await desk.told("two"))[0] == ("human", "WHAT IS REDIS?")


@pytest.mark.parametrize("agent", ["", "expert"])
async def test_a_chain_within_itself_stores_a_turn_once(client: Client, both: Both, agent: str) -> None:
    """Two memories of one conversation would each store what was said; with an agent of its own the inner one may."""
    memory = ConversationMemory(client, ttl_s=60)
    inner = memory.wrap(PureModel()).with_config(configurable={"agent": agent})
    outer = memory.wrap(RunnableLambda(inner.invoke, inner.ainvoke) | StrOutputParser(), scope="outer")
    if not agent:
        with pytest.raises(ConfigError, match="wrap only one of them"):
            await both(outer.invoke)("What is Redis?", CONFIG)
        return
    await both(outer.invoke)("What is Redis?", CONFIG)
    stored = [memory.history("s", agent=name).messages for name in ("", agent)]
    assert [len(messages) for messages in stored] == [2, 2]


async def test_streaming_through_a_sequence(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    chain = desk.chat | StrOutputParser()
    chunks = await both.each(chain.stream)("What is Redis?", CONFIG)
    assert len([chunk for chunk in chunks if chunk]) > 1
    assert "".join(chunks) == desk.model.made[0].text
    assert len(await desk.told()) == 2


async def test_a_bound_config_names_the_conversation(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    bound = desk.chat.with_config(configurable={"session_id": "bound"})
    await both(bound.invoke)("What is Redis?")
    assert len(await desk.told("bound")) == 2


async def test_with_retry_a_failed_turn_is_stored_once(client: Client, both: Both) -> None:
    class Flaky(PureModel):
        def _message(self, messages: Any, arguments: Any) -> AIMessage:
            self.fail = self.calls == 0
            return super()._message(messages, arguments)

    desk = Desk(client, both, chain=Flaky())
    retried = desk.chat.with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    await both(retried.invoke)("What is Redis?", config=CONFIG)
    assert desk.model.calls == 2
    assert len(await desk.told()) == 2


async def test_with_fallbacks(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    desk.model.fail = True
    safe = desk.chat.with_fallbacks([RunnableLambda(lambda _: AIMessage("later"))])
    assert (await both(safe.invoke)("What is Redis?", config=CONFIG)).text == "later"
    assert await desk.told() == []


def test_what_a_config_may_set() -> None:
    model = PureModel().configurable_fields(fail=ConfigurableField(id="fail"))
    specs = {spec.id: spec for spec in ConversationMemory("memory://specs").wrap(model).config_specs}
    assert set(specs) == {"session_id", "agent", "tenant", "fail"}
    assert specs["session_id"].annotation is str
    assert (specs["agent"].default, specs["tenant"].default) == ("", "")
    composed = RunnableLambda(str) | ConversationMemory("memory://specs").wrap(model)
    assert "session_id" in {spec.id for spec in composed.config_specs}


# --- batches ---------------------------------------------------------------------------------------


async def test_batches_keep_their_order_and_their_sessions(client: Client, both: Both) -> None:
    desk = Desk(client, both, classifier=Marked())
    said = [f"F: {number}" for number in range(8)]
    answers = await both(desk.chat.batch)(said, config=[session(text) for text in said])
    assert len({answer.text for answer in answers}) == 8
    for text, answer in zip(said, answers, strict=True):
        assert await desk.told(text) == [("human", text), ("ai", answer.text)]


async def test_a_batch_with_a_failure(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    answers = await both(desk.chat.batch)(
        ["What is Redis?", 7], config=[session("one"), session("two")], return_exceptions=True
    )
    assert [type(answer).__name__ for answer in answers] == ["AIMessage", "InvalidInputError"]


# --- callbacks -------------------------------------------------------------------------------------


class Runs(BaseCallbackHandler):
    """Notes each run: its kind, its name, its parent's name, and how it ended."""

    def __init__(self) -> None:
        self.names: dict[UUID, str] = {}
        self.started: list[tuple[str, str | None]] = []
        self.ended: list[str] = []
        self.tokens = 0

    def _start(self, kind: str, run_id: UUID, parent_run_id: UUID | None) -> None:
        self.names[run_id] = kind
        self.started.append((kind, self.names.get(parent_run_id) if parent_run_id else None))

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, parent_run_id: Any = None, **kw: Any
    ) -> None:
        self._start(kw.get("name") or "chain", run_id, parent_run_id)

    def on_chat_model_start(
        self, serialized: Any, messages: Any, *, run_id: UUID, parent_run_id: Any = None, **kw: Any
    ) -> None:
        self._start("model", run_id, parent_run_id)

    def on_retriever_start(
        self, serialized: Any, query: str, *, run_id: UUID, parent_run_id: Any = None, **kw: Any
    ) -> None:
        self._start("retriever", run_id, parent_run_id)

    def on_llm_new_token(self, token: str | list[str | dict[str, Any]], **kw: Any) -> None:
        self.tokens += 1

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kw: Any) -> None:
        self.ended.append(self.names[run_id])

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kw: Any) -> None:
        self.ended.append(f"{self.names[run_id]}: {type(error).__name__}")


class Look(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return look_up(query)


@pytest.mark.parametrize("streaming", [False, True])
async def test_callbacks_see_one_run_with_the_others_inside(client: Client, both: Both, streaming: bool) -> None:
    desk = Desk(client, both, retriever=Look())
    for name, inside in (("one", ["retriever", "model"]), ("two", ["retriever"])):
        runs = Runs()
        config: RunnableConfig = {**session(name), "callbacks": [runs], "run_name": "outer"}
        if streaming and both.asynchronous:
            _ = [chunk async for chunk in desk.chat.astream("What is Redis?", config)]
        elif streaming:
            _ = list(desk.chat.stream("What is Redis?", config))
        else:
            await both(desk.chat.invoke)("What is Redis?", config=config)
        assert runs.started == [("outer", None), *((kind, "outer") for kind in inside)]
        assert runs.ended == ["outer"]
        assert (runs.tokens > 0) is (streaming and "model" in inside)


async def test_callbacks_see_the_error(client: Client, both: Both) -> None:
    desk, runs = Desk(client, both), Runs()
    desk.model.fail = True
    with pytest.raises(Exception, match="is down"):
        await both(desk.chat.invoke)("q?", config={**CONFIG, "callbacks": [runs], "run_name": "outer"})
    assert runs.ended == ["outer: Broken"]


async def test_events_name_the_model(client: Client) -> None:
    desk = Desk(client, Both(asynchronous=True))
    kinds = [event["event"] async for event in desk.chat.astream_events("What is Redis?", CONFIG, version="v2")]
    assert kinds[0] == "on_chain_start"
    assert "on_chat_model_stream" in kinds
    assert kinds[-1] == "on_chain_end"


# --- retrievers ------------------------------------------------------------------------------------

RETRIEVERS: dict[str, Any] = {
    "retriever": Look(),
    "runnable": RunnableLambda(look_up),
    "function": look_up,
    "sequence": RunnableLambda(str.strip) | RunnableLambda(look_up),
}


@pytest.mark.parametrize("name", RETRIEVERS)
async def test_retrievers_of_every_kind(client: Client, both: Both, name: str) -> None:
    desk = Desk(client, both, retriever=RETRIEVERS[name])
    await desk.say("What is Redis?")
    assert [d.page_content for d in desk.last.documents] == ["document of <What is Redis?>"]
    assert "document of <What is Redis?>" in str(desk.model.shown[0][0].content)


async def test_an_async_function_as_retriever(client: Client) -> None:
    async def retrieve(query: str) -> list[Document]:
        return look_up(query)

    desk = Desk(client, Both(asynchronous=True), retriever=retrieve)
    await desk.say("What is Redis?")
    assert len(desk.last.documents) == 1


# --- outputs ---------------------------------------------------------------------------------------


async def test_dicts_on_a_miss_and_on_a_hit(client: Client, both: Both) -> None:
    desk = Desk(client, both, chain=RunnableLambda(lambda f: {"tone": f["tone"], "answer": "a"}), output_key="answer")
    said = {"question": "What is Redis?", "tone": "kind"}
    assert await desk.say(said, "one") == await desk.say(said, "two") == {"tone": "kind", "answer": "a"}
    assert desk.last.cache == "hit"
    assert await desk.told("two") == [("human", "What is Redis?"), ("ai", "a")]


async def test_a_text_under_an_output_key_is_a_dict_both_times(client: Client, both: Both) -> None:
    desk = Desk(client, both, chain=RunnableLambda(lambda _: "a"), output_key="answer")
    assert await desk.say("What is Redis?", "one") == await desk.say("What is Redis?", "two") == {"answer": "a"}


async def test_messages_in_dicts(client: Client, both: Both) -> None:
    desk = Desk(client, both, chain=RunnableLambda(lambda _: {"answer": AIMessage("a")}), output_key="answer")
    answers = [await desk.say("What is Redis?", name) for name in ("one", "two")]
    assert [type(answer["answer"]) for answer in answers] == [AIMessage, AIMessage]
    assert [answer["answer"].text for answer in answers] == ["a", "a"]
    assert desk.last.cache == "hit"


async def test_a_legacy_model_gives_text(client: Client, both: Both) -> None:
    from langchain_core.language_models import FakeListLLM

    desk = Desk(client, both, chain=FakeListLLM(responses=["one", "two"]))
    assert await desk.say("What is Redis?", "a") == await desk.say("What is Redis?", "b") == "one"


# --- in a graph ------------------------------------------------------------------------------------


async def test_in_a_graph(client: Client, both: Both) -> None:
    desk = Desk(client, both, chain=RunnableLambda(pure_chain))

    def node(state: Any, config: RunnableConfig) -> dict[str, Any]:
        name = config["configurable"]["thread_id"]
        return {"said": desk.chat.invoke(state["said"], {"configurable": {"session_id": name}})}

    builder: StateGraph[Any] = StateGraph(cast("Any", dict))
    builder.add_node("chat", node)
    builder.set_entry_point("chat")
    compiled = builder.compile()
    answers = [
        await both(compiled.invoke)({"said": "What is Redis?"}, config={"configurable": {"thread_id": name}})
        for name in ("one", "two")
    ]
    assert desk.last.cache == "hit", "where the graph runs does not decide the answer"
    assert answers[0] == answers[1]
    assert (await both.messages(desk.memory.history("one")))[0].text == HumanMessage("What is Redis?").text
