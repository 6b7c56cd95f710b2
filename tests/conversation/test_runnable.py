"""What goes in and what comes out: every form of question, every wrong one, and what fails underneath."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompt_values import StringPromptValue
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_redis_memory.conversation.memory import ConversationMemory
from langchain_redis_memory.errors import (
    ConfigError,
    InvalidIdError,
    InvalidInputError,
    NotAMessageError,
    RedisMemoryError,
    UnserialisableError,
)
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both, url_of
from tests.support.chains import Broken, Desk, LetterEmbeddings, Marked, PureModel, look_up
from tests.support.servers import TWO, Farm

PICTURE: list[str | dict[Any, Any]] = [
    {"type": "text", "text": "What is Redis?"},
    {"type": "image", "url": "http://a/1.png"},
]


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


# --- questions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "lead", "content"),
    [
        ("What is Redis?", [], "What is Redis?"),
        ("", [], ""),
        ("日本語 🎉\n\x00", [], "日本語 🎉\n\x00"),
        (HumanMessage("What is Redis?"), [], "What is Redis?"),
        (HumanMessage(PICTURE), [], PICTURE),
        ([HumanMessage("What is Redis?")], [], "What is Redis?"),
        ((HumanMessage("What is Redis?"),), [], "What is Redis?"),
        ([SystemMessage("a"), SystemMessage("b"), HumanMessage("q?")], ["a", "b"], "q?"),
        ([("system", "a"), ("user", "q?")], ["a"], "q?"),
        ([SystemMessage("a"), {"role": "user", "content": "q?"}], ["a"], "q?"),
        (ChatPromptTemplate([("system", "a"), ("user", "{q}")]).invoke({"q": "q?"}), ["a"], "q?"),
        (StringPromptValue(text="q?"), [], "q?"),
        ({"question": "What is Redis?"}, [], "What is Redis?"),
        ({"question": HumanMessage(PICTURE), "more": 1}, [], PICTURE),
        ({"question": [SystemMessage("a"), HumanMessage("q?")]}, ["a"], "q?"),
    ],
)
async def test_questions_of_every_form(client: Client, both: Both, said: Any, lead: list[str], content: Any) -> None:
    desk = Desk(client, both)
    answer = await desk.say(said)
    assert [m.content for m in desk.model.shown[0]] == [*lead, content]
    stored = await both.messages(desk.memory.history("s"))
    assert [m.content for m in stored] == [content, answer.content]
    assert type(stored[0]) is HumanMessage


async def test_a_chain_gets_a_dict(client: Client, both: Both) -> None:
    given: list[dict[str, Any]] = []

    def chain(fields: dict[str, Any]) -> str:
        given.append(fields)
        return "fine"

    desk = Desk(client, both, chain=RunnableLambda(chain), retriever=look_up, classifier=Marked())
    await desk.say({"question": [SystemMessage("a"), HumanMessage("N: b")], "tone": "kind"})
    await desk.say("S: c")
    first, second = given
    assert sorted(first) == ["context", "documents", "history", "question", "tone"]
    assert first["question"] == "N: b"
    assert [m.content for m in first["history"]] == ["a"]
    assert first["context"] == "document of <N: b>"
    assert first["documents"] == look_up("N: b")
    assert first["tone"] == "kind"
    assert [m.content for m in second["history"]] == ["N: b", "fine"]


def _before(chain: Runnable[Any, Any], how: str) -> Runnable[Any, Any]:
    """Puts something in front of a prompt that prepares one of its fields, and names none of the others."""
    if how == "alone":
        return chain
    prepared = RunnablePassthrough.assign(found=lambda fields: f"found {fields['input']}").with_config(
        run_name="prepare"
    )
    if how == "assign":
        return prepared | chain
    return prepared | RunnablePassthrough.assign(said=chain) | (lambda fields: fields["said"])


@pytest.mark.parametrize("how", ["alone", "assign", "inside"])
@pytest.mark.parametrize("name", ["history", "chat_history"])
async def test_a_prompt_gets_the_conversation_under_its_own_name(
    client: Client, both: Both, name: str, how: str
) -> None:
    prompt = ChatPromptTemplate([MessagesPlaceholder(name), ("human", "{input}")])
    chain = prompt | RunnableLambda(lambda shown: shown.to_string())
    desk = Desk(client, both, chain=_before(chain, how), classifier=Marked())
    await desk.say("N: a")
    assert await desk.say("S: b") == "Human: N: a\nAI: Human: N: a\nHuman: S: b"


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ("q?", "question"),
        ({"question": "q?"}, "question"),
        ({"input": "q?"}, "input"),
        ({"messages": [HumanMessage("q?")]}, "question"),
        ({"messages": [("user", "q?")]}, "question"),
        ({"question": "q?", "input": "other"}, "question"),
    ],
)
async def test_a_chain_that_says_nothing_gets_the_question_as_its_caller_wrote_it(
    client: Client, both: Both, said: Any, key: str
) -> None:
    given: list[dict[str, Any]] = []

    def fine(fields: dict[str, Any]) -> str:
        given.append({**fields})
        return "fine"

    desk = Desk(client, both, chain=RunnableLambda(fine))
    assert await desk.say(said) == "fine"
    assert given[0][key] == "q?"
    assert "messages" not in given[0]


@pytest.mark.parametrize("said", ["q?", {"question": "q?"}, {"input": "q?"}, {"messages": [("user", "q?")]}])
@pytest.mark.parametrize("key", ["question", "input"])
async def test_a_chain_gets_the_question_under_the_name_that_it_asks_for(
    client: Client, both: Both, said: Any, key: str
) -> None:
    model = PureModel()
    desk = Desk(client, both, chain=ChatPromptTemplate([("human", "<{" + key + "}>")]) | model)
    await desk.say(said)
    assert model.shown[0][0].text == "<q?>"


async def test_the_name_of_the_question_tells_inputs_apart(client: Client, both: Both) -> None:
    desk = Desk(client, both, chain=RunnableLambda(lambda fields: ", ".join(sorted(fields))), classifier=Marked())
    answers = [await desk.say({name: "N: a"}, name) for name in ("question", "input")]
    assert answers == ["context, documents, history, question", "context, documents, history, input"]


async def test_another_input_key(client: Client, both: Both) -> None:
    given: list[dict[str, Any]] = []
    memory = ConversationMemory(client)

    def fine(fields: dict[str, Any]) -> str:
        given.append(fields)
        return "fine"

    chat = memory.wrap(RunnableLambda(fine), input_key="query")
    for said in ("q?", {"query": "q?", "question": "no", "input": "no"}):
        assert await both(chat.invoke)(said, config={"configurable": {"session_id": "s"}}) == "fine"
        assert given[-1]["query"] == "q?"
    for other in ("question", "input"):
        with pytest.raises(InvalidInputError, match="expected in 'query'"):
            await both(chat.invoke)({other: "q?"}, config={"configurable": {"session_id": "s"}})


WRONG: dict[str, tuple[Any, type[Exception], str]] = {
    "none": (None, InvalidInputError, "NoneType"),
    "number": (7, InvalidInputError, "int"),
    "bytes": (b"q?", InvalidInputError, "bytes"),
    "empty list": ([], InvalidInputError, "list"),
    "text in a list": (["q?"], InvalidInputError, "list"),
    "pair": (("human", "q?"), InvalidInputError, "tuple"),
    "an answer": (AIMessage("a"), InvalidInputError, "AIMessage"),
    "ends with an answer": ([HumanMessage("q?"), AIMessage("a")], InvalidInputError, "list"),
    "a whole conversation": (
        [HumanMessage("q"), AIMessage("a"), HumanMessage("q?")],
        InvalidInputError,
        "only the new",
    ),
    "a tool's answer before it": ([ToolMessage("a", tool_call_id="1"), HumanMessage("q?")], InvalidInputError, "only"),
    "only system": ([SystemMessage("a")], InvalidInputError, "list"),
    "dict without it": ({"query": "q?"}, InvalidInputError, "'question', 'input', 'messages'"),
    "dict with a wrong one": ({"question": 7}, InvalidInputError, "int"),
    "empty dict": ({}, InvalidInputError, "'question'"),
    "messages that are none": ({"messages": [7]}, InvalidInputError, "cannot be read"),
    "messages with a whole conversation": (
        {"messages": [("user", "q"), ("ai", "a"), ("user", "q?")]},
        InvalidInputError,
        "only the new",
    ),
    "what cannot be stored": (HumanMessage("q?", additional_kwargs={"a": object()}), UnserialisableError, "object"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
async def test_wrong_inputs_are_refused_before_anything_is_sent(
    client: Client, both: Both, trips: list[Trip], wrong: tuple[Any, type[Exception], str]
) -> None:
    said, kind, told = wrong
    desk = Desk(client, both)
    with pytest.raises(kind, match=told) as caught:
        await desk.say(said)
    assert type(caught.value) is kind
    with pytest.raises(kind):
        await desk.stream(said)
    assert trips == []
    assert desk.model.calls == 0


async def test_a_message_of_the_users_own_class(client: Client, both: Both, trips: list[Trip]) -> None:
    class Mine(HumanMessage):
        pass

    desk = Desk(client, both)
    with pytest.raises(NotAMessageError, match="Mine"):
        await desk.say(Mine(content="q?"))
    assert trips == []
    assert desk.model.calls == 0


@pytest.mark.parametrize(
    ("configurable", "kind"),
    [
        ({}, ConfigError),
        ({"session_id": None}, ConfigError),
        ({"session_id": ""}, InvalidIdError),
        ({"session_id": 7}, InvalidIdError),
        ({"session_id": "x" * 2000}, InvalidIdError),
        ({"session_id": "\ud800"}, InvalidIdError),
        ({"session_id": "s", "agent": 7}, InvalidIdError),
        ({"session_id": "s", "tenant": "x" * 2000}, InvalidIdError),
        ({"session_id": "s", "tenant": 7}, InvalidIdError),
    ],
)
async def test_wrong_configs(
    client: Client, both: Both, trips: list[Trip], configurable: Mapping[str, Any], kind: type[Exception]
) -> None:
    desk = Desk(client, both)
    with pytest.raises(kind) as caught:
        await both(desk.chat.invoke)("q?", config={"configurable": configurable})
    assert type(caught.value) is kind
    assert trips == []
    assert desk.model.calls == 0


async def test_no_config_at_all(client: Client, both: Both) -> None:
    with pytest.raises(ConfigError, match="session_id"):
        await both(Desk(client, both).chat.invoke)("q?")


@pytest.mark.parametrize("thing", [None, "model", lambda fields: "x", PureModel])
def test_wrap_takes_only_runnables(thing: Any) -> None:
    with pytest.raises(ConfigError, match="wrap takes a runnable"):
        ConversationMemory("memory://wrap").wrap(thing)


def _said(question: str) -> str:
    return question


OPTIONS: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "ttl": ({"ttl_s": 0}, InvalidInputError),
    "answer ttl": ({"answer_ttl_s": -1}, InvalidInputError),
    "answer ttl nan": ({"answer_ttl_s": float("nan")}, InvalidInputError),
    "tenant": ({"tenant": "x" * 2000}, InvalidIdError),
    "client": ({"client": 7}, ConfigError),
    "selector": ({"selector": 10}, ConfigError),
    "classifier": ({"classifier": "model"}, ConfigError),
    "on_turn": ({"on_turn": "print"}, ConfigError),
    "questions": ({"questions": {"policy": {}}}, ConfigError),
    "answers": ({"answers": 3}, ConfigError),
    "history": ({"history": {"max_messages": 3}}, ConfigError),
    "a cache of LangChain": ({"cache": InMemoryCache()}, ConfigError),
}


@pytest.mark.parametrize("wrong", OPTIONS.values(), ids=OPTIONS.keys())
def test_wrong_options(wrong: tuple[dict[str, Any], type[Exception]]) -> None:
    options, kind = wrong
    with pytest.raises(kind) as caught:
        ConversationMemory(**{"client": "memory://options", **options})
    assert isinstance(caught.value, RedisMemoryError)


def test_wrong_options_of_wrap() -> None:
    memory = ConversationMemory("memory://options")
    searching = {"context": RunnableLambda(_said), "question": RunnablePassthrough()}
    for text in (RunnableLambda(_said), searching | ChatPromptTemplate.from_template("{context}") | PureModel()):
        with pytest.raises(ConfigError, match=r"takes text, but is given a dict"):
            memory.wrap(text)
    with pytest.raises(ConfigError, match=r"as_retriever\(\)\), not InMemoryVectorStore"):
        memory.wrap(PureModel(), InMemoryVectorStore(LetterEmbeddings()))  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="pure_tools must be a sequence"):
        memory.wrap(PureModel(), pure_tools="search")


# --- answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (None, "NoneType"),
        (b"a", "bytes"),
        (object(), "object"),
        (HumanMessage("a"), "HumanMessage"),
        (ChatMessage(content="a", role="x"), "ChatMessage"),
        ({"answer": AIMessage("a")}, "output_key"),
        ({"answer": "a", "context": [Document("b")]}, "output_key"),
    ],
)
async def test_wrong_answers_are_refused_and_not_stored(client: Client, both: Both, raw: Any, told: str) -> None:
    desk = Desk(client, both, chain=RunnableLambda(lambda _: raw))
    with pytest.raises(InvalidInputError, match=told):
        await desk.say("q?")
    assert await desk.told() == []


@pytest.mark.parametrize("raw", [{"other": "a"}, {"answer": None}, {"answer": HumanMessage("a")}])
async def test_wrong_dicts_are_refused(client: Client, both: Both, raw: Any) -> None:
    desk = Desk(client, both, chain=RunnableLambda(lambda _: raw), output_key="answer")
    with pytest.raises(InvalidInputError):
        await desk.say("q?")
    assert await desk.told() == []


NOT_KEPT = {
    "a tool": AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "1"}]),
    "a tool and text": AIMessage("a", tool_calls=[{"name": "look", "args": {}, "id": "1"}]),
    "cut off": AIMessage("a", response_metadata={"finish_reason": "length"}),
    "filtered": AIMessage("a", response_metadata={"finish_reason": "content_filter"}),
    "empty": AIMessage(""),
    "blank": AIMessage(" \n"),
}


@pytest.mark.parametrize("answer", NOT_KEPT.values(), ids=NOT_KEPT.keys())
async def test_answers_that_are_stored_but_not_cached(client: Client, both: Both, answer: AIMessage) -> None:
    desk = Desk(client, both)
    desk.model.script = [answer]
    await desk.say("q?", "one")
    assert len(await desk.told("one")) == 2
    await desk.say("q?", "two")
    assert [report.cache for report in desk.reports] == ["miss", "miss"]
    await desk.say("q?", "three")
    assert desk.last.cache == "hit"


async def test_blank_texts_are_not_cached(client: Client, both: Both) -> None:
    desk = Desk(client, both, chain=RunnableLambda(lambda _: " "))
    for session in ("one", "two"):
        assert await desk.say("q?", session) == " "
    assert [report.cache for report in desk.reports] == ["miss", "miss"]


# --- what fails underneath -------------------------------------------------------------------------


class Failing:
    def classify(self, turn: str, history: Sequence[Any], state: Any = None) -> Verdict:
        msg = "the classifier is down"
        raise Broken(msg)


def failing(_: Any) -> Any:
    msg = "it is down"
    raise Broken(msg)


@pytest.mark.parametrize("what", ["model", "retriever", "classifier", "chain"])
async def test_what_fails_passes_through_and_nothing_is_stored(client: Client, both: Both, what: str) -> None:
    options: dict[str, Any] = {}
    if what == "retriever":
        options["retriever"] = failing
    if what == "classifier":
        options["classifier"] = Failing()
    if what == "chain":
        options["chain"] = RunnableLambda(failing)
    desk = Desk(client, both, **options)
    desk.model.fail = what == "model"
    with pytest.raises(Broken, match="is down") as caught:
        await desk.say("q?")
    assert type(caught.value) is Broken
    with pytest.raises(Broken):
        await desk.stream("q?")
    assert await desk.told() == []
    assert [type(report.error) for report in desk.reports] == [Broken, Broken]
    healthy = Desk(client, both)
    await healthy.say("q?")
    assert healthy.last.cache == "miss"


async def test_a_turn_after_a_failure_sees_no_trace_of_it(client: Client, both: Both) -> None:
    desk = Desk(client, both, classifier=Marked())
    await desk.say("F: a")
    desk.model.fail = True
    with pytest.raises(Broken):
        await desk.say("F: b")
    desk.model.fail = False
    await desk.say("F: c")
    assert [m.content for m in desk.model.shown[-1]][::2] == ["F: a", "F: c"]
    assert len(await desk.told()) == 4


async def test_an_answer_that_cannot_be_stored_says_so(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    desk.model.script = [AIMessage("a", response_metadata={"thing": object()})]
    with pytest.raises(UnserialisableError, match="object"):
        await desk.say("q?")
    assert await desk.told() == []


@pytest.mark.parametrize("found", [[], [Document("")], [Document("a"), Document("b")]])
async def test_what_the_retriever_finds(client: Client, both: Both, found: list[Document]) -> None:
    desk = Desk(client, both, retriever=lambda _: found)
    await desk.say("q?")
    shown = desk.model.shown[0]
    assert len(shown) == (2 if found else 1), "without documents the model is told of no context"
    if len(found) == 2:
        assert str(shown[0].content).endswith("Context:\na\n\nb")
    assert desk.last.documents == found
    assert desk.last.query == "q?"


@pytest.mark.parametrize(("found", "told"), [(["text"], "str"), ("text", "str"), (None, "NoneType")])
async def test_a_retriever_that_gives_no_documents_is_told(client: Client, both: Both, found: Any, told: str) -> None:
    desk = Desk(client, both, retriever=lambda _: found)
    with pytest.raises(InvalidInputError, match=f"what a retriever gives must be a list of documents, not {told}"):
        await desk.say("q?")
    assert desk.model.calls == 0


@pytest.mark.parametrize("name", ["session_id", "thread_id"])
async def test_a_conversation_may_be_named_by_a_uuid(client: Client, both: Both, name: str) -> None:
    memory = ConversationMemory(client)
    chat, session = memory.wrap(PureModel()), uuid4()
    await both(chat.invoke)("What is Redis?", {"configurable": {name: session}})
    assert [said.type for said in await both.messages(memory.history(str(session)))] == ["human", "ai"]
