"""Who may be served an answer: not another user, other rights, other documents, another day, nor in place of an effect.

The chains here can see who asks (they read the config), and their answers tell whose they are: a wrong serve is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any
from typing import TypedDict as TypingTypedDict
from uuid import uuid4

import pytest
from langchain.chat_models import init_chat_model
from langchain_core.documents import Document
from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, FewShotPromptTemplate, PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableSerializable
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.pregel.remote import RemoteGraph
from langgraph.runtime import Runtime
from langgraph_sdk import get_sync_client

from langchain_redis_memory import AnswerOptions, ConversationMemory, QuestionOptions, RagCache, TurnReport
from langchain_redis_memory.cache.sharing import Asker, Lifetimes, instructs
from langchain_redis_memory.conversation import runnable
from langchain_redis_memory.conversation.chain_threads import keeps_conversations
from langchain_redis_memory.conversation.policy import DEFAULT_POLICY, Rule
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.language.audience import Audience, AudienceVerdict
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.codec.fingerprint import Description, describe
from tests.conftest import Both, url_of
from tests.support.chains import DescribedModel
from tests.support.grouped import grouped
from tests.support.servers import TWO, Farm


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


class Bank:
    """A desk at which named users ask a chain; it notes what the chain did."""

    def __init__(self, client: Client, both: Both, chain: Any = None, retriever: Any = None, **options: Any) -> None:
        self.reports: list[TurnReport] = []
        self.done: list[str] = []
        self._both = both
        of_memory = {
            name: options.pop(name) for name in ("lifetimes", "cache", "policy", "classifier") if name in options
        }
        memory = ConversationMemory(client, on_turn=self.reports.append, **grouped(of_memory))
        options = {"scope": "bank", **options}
        self.chat = memory.wrap(chain or RunnableLambda(self.answer), retriever, **options)

    def answer(self, given: dict[str, Any], config: RunnableConfig) -> str:
        who = self.who(config)
        self.done.append(f"{who}: {given['question']}")
        return f"an answer for {who}, no. {len(self.done)}"

    @staticmethod
    def who(config: RunnableConfig) -> str:
        named = config.get("metadata", {}).get("user_id") or config["configurable"].get("user_id")
        return str(named or config["configurable"].get("session_id"))

    async def ask(self, who: str, question: Any, where: str = "metadata", session: str = "") -> Any:
        config: dict[str, Any] = {"configurable": {"session_id": session or f"session of {who}"}}
        if where != "session":
            config.setdefault(where, {})["user_id"] = who
        return await self._both(self.chat.invoke)(question, config)

    @property
    def served(self) -> list[str]:
        return [report.cache for report in self.reports]


PERSONAL = """
What is my account balance?
What's my balance?
Show my open orders.
What did my doctor say?
Am I eligible for a refund?
Do I have unread messages?
Which orders did I place last month?
How much do I owe?
""".strip().splitlines()
EFFECTS = """
Cancel order 123
Please cancel order 123.
Can you cancel order 123 for me?
Send an email to Bob.
Delete my account.
Book a table for two at Luigi's.
Remind me to call mum at five.
Transfer 100 euros to Bob.
Set the alarm for 7 am.
""".strip().splitlines()
VOLATILE = """
What is the date today?
What time is it now?
What's the weather today?
Who won the match yesterday?
Roll a dice.
Pick a random number.
What is the latest news?
Tell me another joke.
What is the price of bitcoin right now?
""".strip().splitlines()
PUBLIC = """
What is the capital of Norway?
How do vaccines work?
Who wrote Moby-Dick?
What happened today in 1969?
Can an order be cancelled?
""".strip().splitlines()


@pytest.mark.parametrize("where", ["metadata", "configurable", "session"])
@pytest.mark.parametrize("question", PERSONAL)
async def test_nobody_is_served_what_is_anothers(client: Client, both: Both, question: str, where: str) -> None:
    bank = Bank(client, both)
    assert "ana" in await bank.ask("ana", question, where)
    assert "ben" in await bank.ask("ben", question, where)
    assert bank.served[1] != "hit"


@pytest.mark.parametrize("question", EFFECTS + VOLATILE)
async def test_an_effect_is_had_each_time_and_what_changes_is_asked_anew(
    client: Client, both: Both, question: str
) -> None:
    bank = Bank(client, both)
    for who, session in (("ana", "1"), ("ben", "2"), ("ana", "3")):
        await bank.ask(who, question, session=session)
    assert len(bank.done) == 3
    assert "hit" not in bank.served


@pytest.mark.parametrize("share_rewrites", [False, True])
@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("What's the weather in Paris?", "What about Berlin?"),
        ("What is the price of bitcoin right now?", "How about gold?"),
        ("Book a table at Luigi's.", "What about Mario's?"),
    ],
)
async def test_a_question_continues_what_was_asked_before(
    client: Client, both: Both, first: str, then: str, share_rewrites: bool
) -> None:
    done: list[str] = []

    def answer(given: dict[str, Any]) -> str:
        done.append(given["question"])
        return "Sunny."

    memory = ConversationMemory(client, answers=AnswerOptions(share_rewrites=share_rewrites))
    chat = memory.wrap(RunnableLambda(answer), scope="s")
    for session in "12":
        for question in (first, then):
            config = {"configurable": {"session_id": session}, "metadata": {"user_id": "ana"}}
            await both(chat.invoke)(question, config)
    assert done == [first, then] * 2


@pytest.mark.parametrize("question", PUBLIC)
async def test_what_is_everybodys_is_shared(client: Client, both: Both, question: str) -> None:
    bank = Bank(client, both)
    await bank.ask("ana", question)
    await bank.ask("ben", question)
    assert bank.served == ["miss", "hit"]
    assert len(bank.done) == 1


async def test_nobody_is_served_again_what_he_may_have_changed(client: Client, both: Both) -> None:
    bank = Bank(client, both)
    for question in ("Show my open orders.", "Cancel order 123", "Show my open orders."):
        await bank.ask("ana", question)
    assert len(bank.done) == 3
    assert bank.served == ["bypass"] * 3


async def test_a_user_is_served_his_own_answer_for_as_long_as_the_application_says(client: Client, both: Both) -> None:
    bank = Bank(client, both, lifetimes=Lifetimes(user_s=60))
    for who, session in (("ana", "1"), ("ana", "2"), ("ben", "3")):
        await bank.ask(who, "Which colours do my walls have?", session=session)
    assert bank.served == ["miss", "hit", "miss"]
    assert await stored_for_s(client, both) <= 60


async def test_what_changes_by_itself_is_kept_for_as_long_as_the_application_says(client: Client, both: Both) -> None:
    bank = Bank(client, both, DescribedModel(), lifetimes=Lifetimes(volatile_s=60))
    for who in ("ana", "ben"):
        await bank.ask(who, "What is the weather in Oslo today?")
    assert bank.served == ["miss", "hit"]
    assert await stored_for_s(client, both) <= 60


async def test_a_type_of_question_has_a_lifetime_of_its_own(client: Client, both: Both) -> None:
    rule = replace(DEFAULT_POLICY[QuestionType.NEW_TOPIC], answer_ttl_s=30)
    bank = Bank(client, both, policy={QuestionType.NEW_TOPIC: rule})
    await bank.ask("ana", "What is the capital of Norway?")
    assert await stored_for_s(client, both) <= 30


async def stored_for_s(client: Client, both: Both) -> float:
    """The longest remaining lifetime of a cached answer, in seconds."""
    keys = await both(client.run)(
        Op((("KEYS", f"{client.keys().prefix}:*}}:answer"),), lambda replies: list(replies[0]))
    )
    assert keys
    left = Op(tuple(("PTTL", key) for key in keys), max)
    return float(await both(client.run)(left)) / 1000


@pytest.mark.parametrize("name", ["user_s", "volatile_s"])
@pytest.mark.parametrize("value", [-1, True, "1", float("nan")])
def test_a_lifetime_is_a_number_of_seconds(name: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=name):
        Lifetimes(**{name: value})


class Suspicious:
    """A classifier whose model takes every question for a personal one."""

    def classify(self, turn: str, history: Sequence[BaseMessage], state: TurnState = NO_STATE) -> Verdict:
        said = {"personal": 0.98, "volatile": 0.0, "effect": 0.0, "vary": 0.0}
        return Verdict(QuestionType.NEW_TOPIC, 1.0, said_of_audience=said)


async def test_what_the_classifiers_model_says_decides_as_well(client: Client, both: Both) -> None:
    bank = Bank(client, both, classifier=Suspicious())
    for who in ("ana", "ben"):
        await bank.ask(who, "What is the capital of Norway?")
    assert bank.served == ["bypass", "bypass"]
    assert bank.reports[1].verdict.audience is not None
    assert "the model says personal 0.98" in bank.reports[1].verdict.audience.evidence[-1]


async def test_a_report_says_for_whom_the_answer_is(client: Client, both: Both) -> None:
    bank = Bank(client, both)
    for question in ("What is my balance?", "What is the capital of Norway?", "Cancel order 123"):
        await bank.ask("ana", question)
    told = [report.verdict.audience for report in bank.reports]
    assert [each and each.audience for each in told] == [Audience.USER, Audience.EVERYONE, Audience.NOBODY]
    assert "the asker's own" in bank.reports[0].verdict.reasons[-1]
    assert "for user" in str(told[0])
    assert "my balance" in str(told[0])


async def test_a_model_that_knows_nobody_is_asked_once_for_a_how_to(client: Client, both: Both) -> None:
    bank = Bank(client, both, DescribedModel())
    for who in ("ana", "ben"):
        await bank.ask(who, "How do I reset my password?")
    assert bank.served == ["miss", "hit"]


@pytest.mark.parametrize(("share", "expected"), [("tenant", "hit"), ("user", "miss"), ("none", "bypass")])
async def test_the_application_may_say_with_whom(client: Client, both: Both, share: Any, expected: str) -> None:
    bank = Bank(client, both, share=share, lifetimes=Lifetimes(user_s=60))
    await bank.ask("ana", "Which colours do my walls have?")
    await bank.ask("ben", "Which colours do my walls have?")
    assert bank.served[1] == expected


def test_unknown_words_are_refused(client: Client, both: Both) -> None:
    with pytest.raises(ConfigError, match="'auto', 'user', 'tenant', 'none'"):
        Bank(client, both, share="everybody")
    with pytest.raises(ConfigError, match="'check', 'epoch', 'trust'"):
        Bank(client, both, grounding="maybe")


# --- documents --------------------------------------------------------------------------------------


class Library:
    """A retriever that gives each user what they may read, and counts its searches."""

    def __init__(self, **readable: list[str]) -> None:
        self.readable = readable
        self.searches = 0

    def __call__(self) -> Runnable[str, Any]:
        def find(query: str, config: RunnableConfig) -> list[Document]:
            self.searches += 1
            return [Document(text, metadata={"id": text[:9]}) for text in self.readable[Bank.who(config)]]

        return RunnableLambda(find)


def quote(given: dict[str, Any]) -> str:
    return f"according to: {given['context']}"


async def test_documents_of_other_rights_are_not_served(client: Client, both: Both) -> None:
    library = Library(ana=["the secret of ana"], ben=["what everybody may read"])
    bank = Bank(client, both, RunnableLambda(quote), library())
    assert "secret" in await bank.ask("ana", "What are the terms of the merger?")
    assert "secret" not in await bank.ask("ben", "What are the terms of the merger?")
    assert bank.served == ["miss", "miss"]


@pytest.mark.parametrize(("grounding", "searches"), [("check", 2), ("trust", 1)])
async def test_equal_documents_are_served_and_told(client: Client, both: Both, grounding: str, searches: int) -> None:
    library = Library(ana=["one", "two"], ben=["two", "one"])
    bank = Bank(client, both, RunnableLambda(quote), library(), grounding=grounding)
    for who in ("ana", "ben"):
        await bank.ask(who, "What are the terms of the merger?")
    assert bank.served == ["miss", "hit"]
    assert {document.page_content for document in bank.reports[1].documents} == {"one", "two"}
    assert library.searches == searches


async def test_an_epoch_does_for_a_search(client: Client, both: Both) -> None:
    library, rag = Library(ana=["one"], ben=["one"]), RagCache(client, corpus="papers")
    bank = Bank(client, both, RunnableLambda(quote), library(), cache=rag.responses, grounding="epoch")
    for who in ("ana", "ben"):
        await bank.ask(who, "What are the terms of the merger?")
    assert bank.served == ["miss", "hit"]
    assert library.searches == 1
    assert bank.reports[1].trips == bank.reports[0].trips
    library.readable["ben"] = ["two"]
    await both(rag.bump_epoch)()
    assert await bank.ask("ben", "What are the terms of the merger?", session="3") == "according to: two"


def test_an_epoch_without_a_cache_that_has_one_is_refused(client: Client, both: Both) -> None:
    with pytest.raises(ConfigError, match=r"RagCache\(\.\.\.\)\.responses"):
        Bank(client, both, grounding="epoch")


@pytest.mark.parametrize("now", [["one, changed"], ["one", "two"], []])
async def test_changed_documents_are_answered_anew(client: Client, both: Both, now: list[str]) -> None:
    library = Library(ana=["one"])
    bank = Bank(client, both, RunnableLambda(quote), library())
    await bank.ask("ana", "What are the terms of the merger?", session="1")
    library.readable["ana"] = now
    answer = await bank.ask("ana", "What are the terms of the merger?", session="2")
    assert bank.served == ["miss", "miss"]
    assert library.searches == 2, "the documents of the check are those of the answer"
    assert answer == "according to: " + "\n\n".join(now)


MERGER = "What are the terms of the merger?"


class Shelf:
    """A retriever that gives one list of documents after the other, and the bank that quotes them."""

    def __init__(self, client: Client, both: Both, *given: list[Document], **options: Any) -> None:
        left = iter(given)
        self.bank = Bank(client, both, RunnableLambda(self.cite), RunnableLambda(lambda query: next(left)), **options)

    @staticmethod
    def cite(given: dict[str, Any]) -> str:
        return " ".join(f"{d.id}: {d.page_content} ({d.metadata.get('rank')})" for d in given["documents"])

    async def ask(self) -> str:
        return str(await self.bank.ask("ana", MERGER, session=f"{id(self)} {len(self.bank.reports)}"))


@pytest.mark.parametrize(
    "changed",
    [
        Document("text", id="b", metadata={"rank": 1}),
        Document("text", id="a", metadata={"rank": 2}),
        Document("text", id="a", metadata={"rank": True}),
        Document("text, edited in place", id="a", metadata={"rank": 1}),
    ],
    ids=["id", "metadata", "type in the metadata", "text"],
)
async def test_a_document_is_all_that_a_chain_can_read_of_it(client: Client, both: Both, changed: Document) -> None:
    shelf = Shelf(client, both, [Document("text", id="a", metadata={"rank": 1})], [changed])
    assert await shelf.ask() != await shelf.ask()
    assert shelf.bank.served == ["miss", "miss"]


async def test_documents_that_cannot_be_compared_are_answered_anew(client: Client, both: Both) -> None:
    strange = [[Document("text", metadata={"rank": rank, "handle": object()})] for rank in (1, 2)]
    shelf = Shelf(client, both, *strange)
    assert [await shelf.ask(), await shelf.ask()] == ["None: text (1)", "None: text (2)"]
    plain = Shelf(client, both, [Document("text", metadata={"rank": 1})], strange[1])
    assert [await plain.ask(), await plain.ask()] == ["None: text (1)", "None: text (2)"]


async def test_reordered_documents_are_told_in_the_order_that_the_answer_counts_them_in(
    client: Client, both: Both
) -> None:
    one, two = Document("one", id="1"), Document("two", id="2")
    shelf = Shelf(client, both, [one, two], [two, one])
    assert await shelf.ask() == await shelf.ask()
    assert [document.id for document in shelf.bank.reports[1].documents] == ["1", "2"]


async def test_who_does_not_search_is_not_served_what_was_found(client: Client, both: Both) -> None:
    chain: Any = RunnableLambda(quote)
    found: Any = RunnableLambda(lambda query: [Document("a secret")])
    no_search = {QuestionType.NEW_TOPIC: Rule(search=False, read_cache=True, write_cache=True, window=1)}
    answers = []
    every: list[dict[str, Any]] = [{}, {"policy": no_search}]
    for options in every:
        chat = ConversationMemory(client, **grouped(options)).wrap(chain, found, scope="s")
        answers.append(await both(chat.invoke)(MERGER, {"configurable": {"session_id": "s"}}))
    assert answers == ["according to: a secret", "according to: "]


# --- outputs and tools ------------------------------------------------------------------------------


async def test_a_hit_gives_back_the_whole_output(client: Client, both: Both) -> None:
    def cite(given: dict[str, Any]) -> dict[str, Any]:
        return {"answer": AIMessage("42"), "sources": ["d1"], "confidence": 0.9, "context": [Document("a")]}

    bank = Bank(client, both, RunnableLambda(cite), output_key="answer")
    first = await bank.ask("ana", "How do vaccines work?")
    second = await bank.ask("ben", "How do vaccines work?")
    assert bank.served == ["miss", "hit"]
    assert {**second, "answer": second["answer"].text} == {**first, "answer": first["answer"].text}
    assert second["answer"].id != first["answer"].id


async def test_what_cannot_come_back_as_it_was_is_not_cached(client: Client, both: Both) -> None:
    def strange(given: dict[str, Any]) -> dict[str, Any]:
        return {"answer": "42", "handle": object()}

    bank = Bank(client, both, RunnableLambda(strange), output_key="answer")
    for who in ("ana", "ben"):
        assert "handle" in await bank.ask(who, "How do vaccines work?")
    assert bank.served == ["miss", "miss"]


@tool
def look_up_price(what: str) -> str:
    """Looks up a price."""
    return f"{what} costs 5"


@pytest.mark.parametrize(("pure", "expected"), [((), "miss"), (("look_up_price",), "hit")])
async def test_what_a_tool_did_is_not_served_again(
    client: Client, both: Both, pure: tuple[str, ...], expected: str
) -> None:
    def use(given: dict[str, Any], config: RunnableConfig) -> str:
        return str(look_up_price.invoke({"what": "tea"}, config))

    bank = Bank(client, both, RunnableLambda(use), pure_tools=pure)
    for who in ("ana", "ben"):
        await bank.ask(who, "What does tea consist of?")
    assert bank.served == ["miss", expected]


class Found(BaseRetriever):
    """A retriever whose one document changes."""

    text: str = "old"

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document(self.text)]


def seek(retriever: Found, through: Any = None) -> Runnable[Any, Any]:
    """A chain that searches by itself."""

    @tool
    def search(query: str) -> str:
        """Searches, in a chain of its own."""
        return str((RunnableLambda(lambda query: query) | retriever).invoke(query)[0].page_content)

    def answer(given: dict[str, Any], config: RunnableConfig) -> str:
        if through is None:
            return retriever.invoke(given["question"], config)[0].page_content
        return str(search.invoke({"query": given["question"]}, config))

    return RunnableLambda(answer)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, "new"), ({"grounding": "trust"}, "old"), ({"pure_tools": ("Found",)}, "old")],
    ids=["check", "trust", "pure"],
)
async def test_documents_found_inside_of_a_chain_cannot_be_checked(
    client: Client, both: Both, caplog: pytest.LogCaptureFixture, options: dict[str, Any], expected: str
) -> None:
    found = Found()
    bank = Bank(client, both, seek(found), **options)
    assert await bank.ask("ana", "What are the terms of the merger?", session="1") == "old"
    found.text = "new"
    for session in "23":
        assert await bank.ask("ana", "What are the terms of the merger?", session=session) == expected
    assert caplog.text.count("Found ran inside of the chain") == (expected == "new")


async def test_what_a_pure_tool_searches_is_pure(client: Client, both: Both) -> None:
    bank = Bank(client, both, seek(Found(), through="a tool"), pure_tools=("search",))
    for session in "12":
        assert await bank.ask("ana", "What are the terms of the merger?", session=session) == "old"
    assert bank.served == ["miss", "hit"]


# --- parts that fail, and what cannot be seen -------------------------------------------------------


def down_at_first(made_do: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """A chain whose first part fails once, and that makes do with another one then."""
    failures = iter([True])

    def main(given: dict[str, Any]) -> str:
        if next(failures, False):
            msg = "the model is down"
            raise ValueError(msg)
        return "an answer"

    return RunnableLambda(main).with_fallbacks([made_do])


@pytest.mark.parametrize("streaming", [False, True])
async def test_what_a_chain_made_do_with_is_not_served_when_its_model_is_back(
    client: Client, both: Both, streaming: bool
) -> None:
    bank = Bank(client, both, down_at_first(RunnableLambda(lambda given: "Sorry, we are closed.")))
    heard = []
    for session in "123":
        config: RunnableConfig = {"configurable": {"session_id": session}}
        if not streaming:
            heard.append(await both(bank.chat.invoke)("What is the capital of Norway?", config))
        elif both.asynchronous:
            chunks = [chunk async for chunk in bank.chat.astream("What is the capital of Norway?", config)]
            heard.append("".join(chunks))
        else:
            heard.append("".join(bank.chat.stream("What is the capital of Norway?", config)))
    assert heard == ["Sorry, we are closed.", "an answer", "an answer"]
    assert bank.served == ["miss", "miss", "hit"]


async def test_a_try_that_failed_is_no_answer_and_the_next_one_is_kept(client: Client, both: Both) -> None:
    bank = Bank(client, both, down_at_first(RunnableLambda(lambda given: "Sorry.")).with_retry())
    for session in "123":
        await both(bank.chat.invoke)("What is the capital of Norway?", {"configurable": {"session_id": session}})
    assert bank.served == ["miss", "miss", "hit"]


USER: ContextVar[str] = ContextVar("user", default="")


async def test_a_user_in_a_context_variable_is_told_by_the_words_alone(client: Client, both: Both) -> None:
    """Nobody can see whom a function reads from a context variable: personal questions are safe, others are shared."""
    bank = Bank(client, both, RunnableLambda(lambda given: f"for {USER.get()}"))
    heard = []
    for session, user in enumerate(("ana", "ben")):
        USER.set(user)
        for question in ("What is my account balance?", "What is the capital of Norway?"):
            config: RunnableConfig = {"configurable": {"session_id": f"{session}"}}
            heard.append(await both(bank.chat.invoke)(question, config))
    assert heard == ["for ana", "for ana", "for ben", "for ana"]


async def test_a_tool_without_callbacks_is_told_by_the_words_alone(client: Client, both: Both) -> None:
    """What runs with `callbacks=[]` leaves no trace; a request is never served all the same."""
    done: list[str] = []

    @tool
    def act(what: str) -> str:
        """Acts."""
        done.append(what)
        return f"done {len(done)}"

    bank = Bank(client, both, RunnableLambda(lambda given: act.invoke({"what": "it"}, {"callbacks": []})))
    for session in "12":
        for question in ("Cancel order 123", "What is the capital of Norway?"):
            await both(bank.chat.invoke)(question, {"configurable": {"session_id": session}})
    assert len(done) == 3


# --- manners ----------------------------------------------------------------------------------------


async def test_a_metrics_callback_that_fails_is_no_problem_of_the_users(
    client: Client, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(report: TurnReport) -> None:
        msg = "the dashboard is full"
        raise ValueError(msg)

    memory = ConversationMemory(client, on_turn=broken)
    chat = memory.wrap(RunnableLambda(lambda given: "a"), scope="s")
    assert await both(chat.invoke)("What is Redis?", {"configurable": {"session_id": "a"}}) == "a"
    assert "the dashboard is full" in caplog.text


async def test_an_async_metrics_callback_is_awaited(client: Client, both: Both) -> None:
    reports: list[TurnReport] = []

    async def note(report: TurnReport) -> None:
        reports.append(report)

    memory = ConversationMemory(client, on_turn=note)
    chat = memory.wrap(RunnableLambda(lambda given: "a"), scope="s")
    await both(chat.invoke)("What is Redis?", {"configurable": {"session_id": "a"}})
    assert [report.question for report in reports] == ["What is Redis?"]


@pytest.mark.parametrize("name", ["session_id", "thread_id"])
async def test_a_uuid_names_a_session(client: Client, both: Both, name: str) -> None:
    memory, session = ConversationMemory(client), uuid4()
    chat = memory.wrap(RunnableLambda(lambda given: "a"), scope="s")
    await both(chat.invoke)("What is Redis?", {"configurable": {name: session}})
    assert len(memory.history(str(session)).messages) == 2


async def test_a_thread_is_a_session(client: Client, both: Both) -> None:
    memory = ConversationMemory(client)
    chat = memory.wrap(RunnableLambda(lambda given: str(len(given["history"]))), scope="s")
    config: RunnableConfig = {"configurable": {"thread_id": "t"}}
    assert await both(chat.invoke)("Hi, I am Bob.", config) == "0"
    assert await both(chat.invoke)("What is my name?", config) == "2"


# --- everything in a config that a function can decide by -------------------------------------------


class AuthenticatedUser:
    """A user as LangGraph's server gives it: an object, whose fields can be asked for by name."""

    def __init__(self, *permissions: str, **more: Any) -> None:
        self.identity, self.permissions, self._more = "x", permissions, more

    def __iter__(self) -> Any:
        return iter(self._more)

    def __getitem__(self, name: str) -> Any:
        return self._more[name]


@dataclass
class Context:
    """What a graph is run with, as its `context`."""

    user_id: str = "x"
    role: str = "guest"


OPAQUE_READS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a role": ({"metadata": {"role": "boss"}}, {"metadata": {"role": "guest"}}),
    "a name like a trace's": ({"metadata": {"run_as_admin": True}}, {"metadata": {"run_as_admin": False}}),
    "a tenant that only the chain knows": ({"metadata": {"tenant": "a"}}, {"metadata": {"tenant": "b"}}),
    "permissions of an authenticated user": (
        {"configurable": {"langgraph_auth_user": {"identity": "x", "permissions": ["all"]}}},
        {"configurable": {"langgraph_auth_user": {"identity": "x", "permissions": []}}},
    ),
    "an authenticated user of a class of its own": (
        {"configurable": {"langgraph_auth_user": type("User", (), {"identity": "x"})()}},
        {"configurable": {"langgraph_auth_user": type("User", (), {"identity": "y"})()}},
    ),
    "permissions of an authenticated user that is an object": (
        {"configurable": {"langgraph_auth_user": AuthenticatedUser("all")}},
        {"configurable": {"langgraph_auth_user": AuthenticatedUser()}},
    ),
    "a field of an authenticated user that is an object": (
        {"configurable": {"langgraph_auth_user": AuthenticatedUser(plan="gold")}},
        {"configurable": {"langgraph_auth_user": AuthenticatedUser(plan="free")}},
    ),
    "the context that a graph is run with": (
        {"configurable": {"__pregel_runtime": Runtime(context=Context(role="boss"))}},
        {"configurable": {"__pregel_runtime": Runtime(context=Context())}},
    ),
    "tags": ({"tags": ["boss"]}, {"tags": ["guest"]}),
}


@pytest.mark.parametrize("name", OPAQUE_READS)
async def test_rights_in_the_config_keep_answers_apart(client: Client, both: Both, name: str) -> None:
    bank = Bank(client, both)
    for place, named in enumerate((*OPAQUE_READS[name], OPAQUE_READS[name][0])):
        config: dict[str, Any] = {**named, "configurable": {**named.get("configurable", {}), "session_id": f"{place}"}}
        await both(bank.chat.invoke)("What is the capital of Norway?", config)
    assert bank.served == ["miss", "miss", "hit"]


async def test_two_names_of_the_user_are_both_the_asker(client: Client, both: Both) -> None:
    bank = Bank(client, both, lifetimes=Lifetimes(user_s=60))
    for place, user in enumerate(("ana", "ben")):
        config: dict[str, Any] = {
            "configurable": {"session_id": f"{place}", "user_id": user},
            "metadata": {"user_id": "the-web-server"},
        }
        await both(bank.chat.invoke)("Which colours do my walls have?", config)
    assert bank.served == ["miss", "miss"]


async def test_the_user_of_a_graphs_context_is_the_asker(client: Client, both: Both) -> None:
    bank = Bank(client, both, lifetimes=Lifetimes(user_s=60))
    for place, user in enumerate(("ana", "ben", "ana")):
        runtime = Runtime(context=Context(user))
        config: dict[str, Any] = {"configurable": {"session_id": f"{place}", "__pregel_runtime": runtime}}
        await both(bank.chat.invoke)("Which colours do my walls have?", config)
    assert bank.served == ["miss", "miss", "hit"]


@pytest.mark.parametrize("share", ["auto", "user"])
async def test_what_is_of_one_session_is_of_one_user_in_it(client: Client, both: Both, share: Any) -> None:
    def of_the_session(turn: str, /, *, opaque: bool) -> AudienceVerdict:
        return AudienceVerdict(Audience.SESSION, False, False, False, 0.0, 0.0, 0.0, 0.0, opaque=opaque)

    reports: list[TurnReport] = []
    lasting = Lifetimes(user_s=60)
    memory = ConversationMemory(
        client,
        on_turn=reports.append,
        questions=QuestionOptions(audience=of_the_session),
        answers=AnswerOptions(lifetimes=lasting),
    )
    chat = memory.wrap(RunnableLambda(lambda given: "a"), scope="s", share=share)
    for user, session in (("ana", "s"), ("ben", "s"), ("ana", "other"), ("ana", "s")):
        config = {"configurable": {"session_id": session}, "metadata": {"user_id": user}}
        await both(chat.invoke)("What is the capital of Norway?", config)
    assert [report.cache for report in reports] == ["miss", "miss", "miss", "hit"]


class Speaker(RunnableSerializable[Any, str]):
    """A runnable of the user's that LangChain can serialise, and that still reads who asks."""

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        assert config is not None
        return f"for {Bank.who(config)}"


async def test_a_runnable_of_ones_own_may_see_who_asks(client: Client, both: Both) -> None:
    bank = Bank(client, both, Speaker())
    for who in ("ana", "ben"):
        assert who in await bank.ask(who, "Which colours do my walls have?")


async def test_what_a_chain_is_configured_with_is_part_of_it(client: Client, both: Both) -> None:
    def role(given: dict[str, Any], config: RunnableConfig) -> str:
        return str(config["metadata"]["role"])

    for name in ("boss", "guest"):
        bank = Bank(client, both, RunnableLambda(role).with_config(metadata={"role": name}))
        assert await bank.ask("ana", "What is the capital of Norway?", session=name) == name


# --- what a provider did by itself, and what let an answer in ---------------------------------------


class ServerSide(DescribedModel):
    """A model whose provider ran a tool of its own."""

    block: dict[str, Any]

    def _message(self, messages: Sequence[BaseMessage], arguments: Any) -> AIMessage:
        said = super()._message(messages, arguments)
        return AIMessage([self.block, {"type": "text", "text": f"{said.text} {len(self.shown)}"}])


RAN_BY_PROVIDERS: dict[str, dict[str, Any]] = {
    "a standard block": {"type": "server_tool_call", "name": "pay", "args": {}, "id": "1"},
    "Anthropic": {"type": "server_tool_use", "name": "pay", "input": {}, "id": "1"},
    "Anthropic's MCP": {"type": "mcp_tool_use", "name": "pay", "input": {}, "id": "1"},
    "OpenAI's MCP": {"type": "mcp_call", "name": "pay", "arguments": "{}", "id": "1"},
    "OpenAI's search": {"type": "web_search_call", "id": "1", "status": "completed"},
}


@pytest.mark.parametrize("parsed", [False, True])
@pytest.mark.parametrize("name", RAN_BY_PROVIDERS)
async def test_a_tool_that_the_provider_ran_is_a_tool(client: Client, both: Both, name: str, parsed: bool) -> None:
    model = ServerSide(block=RAN_BY_PROVIDERS[name])
    bank = Bank(client, both, model | StrOutputParser() if parsed else model)
    for who in ("ana", "ben"):
        await bank.ask(who, "What is the capital of Norway?")
    assert bank.served == ["miss", "miss"]


async def test_a_providers_tool_may_be_named_as_pure(client: Client, both: Both) -> None:
    model = ServerSide(block=RAN_BY_PROVIDERS["OpenAI's search"])
    bank = Bank(client, both, model, pure_tools=["web_search"])
    for who in ("ana", "ben"):
        await bank.ask(who, "What is the capital of Norway?")
    assert bank.served == ["miss", "hit"]


@tool
def book(what: str) -> str:
    """Books."""
    return "booked"


ALLOWED: dict[str, tuple[dict[str, Any], Any]] = {
    "a tool that was named as pure": ({"pure_tools": ["book"]}, lambda given: book.invoke({"what": "a table"})),
    "documents that were trusted": (
        {"grounding": "trust"},
        lambda given: Found().invoke(given["question"])[0].page_content,
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
async def test_what_was_allowed_once_is_not_served_where_it_is_not_any_more(
    client: Client, both: Both, name: str
) -> None:
    options, chain = ALLOWED[name]
    lenient, strict = Bank(client, both, RunnableLambda(chain), **options), Bank(client, both, RunnableLambda(chain))
    for bank, who in ((lenient, "ana"), (lenient, "ben"), (strict, "cleo")):
        await bank.ask(who, "What is the capital of Norway?")
    assert lenient.served == ["miss", "hit"]
    assert strict.served == ["miss"]


@pytest.mark.parametrize("said", [["What is my", "balance?"], ["Order 123:", "cancel it"]])
async def test_the_words_of_several_parts_do_not_run_together(client: Client, both: Both, said: list[str]) -> None:
    bank = Bank(client, both)
    for who in ("ana", "ben"):
        await bank.ask(who, [HumanMessage([{"type": "text", "text": part} for part in said])])
    assert len(bank.done) == 2
    assert bank.reports[0].question == "\n".join(said)


async def test_what_a_prompt_computes_is_part_of_the_key(client: Client, both: Both) -> None:
    day = ["Monday"]
    prompt = ChatPromptTemplate.from_messages([("system", "Today is {day}."), ("human", "{question}")])
    bank = Bank(client, both, prompt.partial(day=lambda: day[0]) | DescribedModel())
    for now in ("Monday", "Monday", "Tuesday"):
        day[0] = now
        await bank.ask("ana", "What is the capital of Norway?", session=f"{len(bank.reports)}")
    assert bank.served == ["miss", "hit", "miss"]


@pytest.mark.parametrize("then", ["What about Berlin?", "And in Berlin?", "How warm is it there?"])
@pytest.mark.parametrize("plain", [False, True])
async def test_what_changes_stands_behind_a_side_question(client: Client, both: Both, then: str, plain: bool) -> None:
    """The model is shown the weather that was told; that of Berlin is another one each day."""
    model = DescribedModel(script=[AIMessage("Sunny."), AIMessage("Melville."), AIMessage("Cloudy.")] * 2)
    bank = Bank(client, both, model if plain else RunnableLambda(lambda given: model.invoke("?").text))
    for session in "12":
        for question in ("What's the weather in Paris?", "Who wrote Moby-Dick?", then):
            await bank.ask("ana", question, session=session)
    assert bank.served[2::3] == ["bypass", "bypass"]


async def test_what_may_change_behind_a_side_question_keeps_nothing_from_the_cache(client: Client, both: Both) -> None:
    """Most questions that may change a little do not; the one that is asked last is judged by itself."""
    bank = Bank(client, both, RunnableLambda(lambda given: "It is so."))
    for session in "12":
        for question in ("What is the purpose of GDPR?", "What is throat cancer?", "How is it treated?"):
            await bank.ask("ana", question, session=session)
    assert bank.served[2::3] == ["miss", "hit"]


async def test_who_said_how_to_answer_is_answered_so_and_nobody_else_is(client: Client, both: Both) -> None:
    model = DescribedModel()
    bank = Bank(client, both, model)
    for who in ("ana", "ben"):
        if who == "ana":
            await bank.ask(who, "From now on answer in French.", session=who)
        await bank.ask(who, "What is the capital of Norway?", session=who)
    assert model.shown[1][0].text == "From now on answer in French."
    assert [message.text for message in model.shown[2]] == ["What is the capital of Norway?"]
    assert bank.served == ["bypass", "bypass", "miss"]


# --- what is inside of a chain --------------------------------------------------------------------------------------

CAPITAL = "What is the capital of Norway?"


def thread(saver: InMemorySaver | None) -> Any:
    """A graph that answers with all that was said in its thread."""

    def answer(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(" | ".join(str(said.text) for said in state["messages"]))]}

    return StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").compile(checkpointer=saver)


THREAD = thread(InMemorySaver())


def named_in_a_function(given: dict[str, Any], config: RunnableConfig) -> str:
    return str(THREAD.invoke({"messages": [HumanMessage(given["question"])]}, config)["messages"][-1].text)


def in_a_sequence() -> Any:
    begin: Any = RunnableLambda(lambda given: {"messages": [HumanMessage(given["question"])]})
    return begin | THREAD | RunnableLambda(lambda state: state["messages"][-1].text)


def in_a_node() -> Any:
    graph = THREAD

    def node(state: MessagesState, config: RunnableConfig) -> Any:
        own = {"configurable": {"thread_id": config["configurable"]["thread_id"]}}
        return {"messages": graph.invoke({"messages": state["messages"][-1:]}, own)["messages"][-1:]}

    return StateGraph(MessagesState).add_node("node", node).add_edge(START, "node").compile()


class Service:
    """An object of the application's that is not a runnable, and holds the graph somewhere."""

    def __init__(self) -> None:
        self.graphs = {"main": THREAD}

    def answer(self, given: dict[str, Any], config: RunnableConfig) -> str:
        asked = {"messages": [HumanMessage(given["question"])]}
        return str(self.graphs["main"].invoke(asked, config)["messages"][-1].text)


def in_an_object() -> Any:
    service = Service()
    return RunnableLambda(lambda given: service.answer(given, {"configurable": {"thread_id": "all"}}))


def by_default(given: dict[str, Any], config: RunnableConfig, *, graph: Any = THREAD) -> str:
    return str(graph.invoke({"messages": [HumanMessage(given["question"])]}, config)["messages"][-1].text)


def bound_to_it() -> Any:
    prompt = ChatPromptTemplate([("human", "{question}")])
    begin: Any = prompt | RunnableLambda(lambda said: {"messages": said.to_messages()})
    return begin | RunnableLambda(THREAD.invoke) | RunnableLambda(lambda state: state["messages"][-1].text)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RunnableLambda(named_in_a_function),
        in_a_sequence,
        in_a_node,
        in_an_object,
        lambda: RunnableLambda(Service().answer),
        lambda: RunnableLambda(by_default),
        bound_to_it,
    ],
)
async def test_a_chain_that_has_conversations_of_its_own_is_asked_each_time(
    client: Client, both: Both, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    reports: list[TurnReport] = []
    chat = ConversationMemory(client, on_turn=reports.append).wrap(make(), scope="s")
    assert "'LangGraph' inside of the chain keeps conversations of its own" in caplog.text
    for who in ("ana", "ben"):
        await both(chat.invoke)(CAPITAL, {"configurable": {"thread_id": f"{who} {uuid4()}"}})
    assert [report.cache for report in reports] == ["bypass", "bypass"]
    assert reports[1].why == "the chain keeps conversations of its own"


def test_a_graph_without_a_checkpointer_has_none(client: Client, both: Both, caplog: pytest.LogCaptureFixture) -> None:
    graph = thread(None)
    Bank(client, both, RunnableLambda(graph.invoke))
    assert "conversations of its own" not in caplog.text


def test_a_graph_elsewhere_keeps_its_threads_there() -> None:
    remote = RemoteGraph("helper", sync_client=get_sync_client(url="http://localhost:1"))
    assert keeps_conversations(RunnableLambda(remote.invoke)) == "the remote graph 'helper'"


class Nodes(RunnableSerializable[Any, str]):
    nodes: list[int]

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        return "one"


def test_nodes_may_be_anything() -> None:
    assert keeps_conversations(Nodes(nodes=[1])) is None


async def test_a_model_whose_settings_change_is_another_model(client: Client, both: Both) -> None:
    model = DescribedModel(temperature=0.1)
    bank = Bank(client, both, model)
    for who in ("ana", "ben"):
        await bank.ask(who, CAPITAL)
    model.temperature = 0.9
    await bank.ask("cleo", CAPITAL)
    assert bank.served == ["miss", "hit", "miss"]


async def test_a_call_beside_one_that_reads_the_chain_anew_goes_by_all_of_it(
    client: Client, both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = DescribedModel(temperature=0.1)
    bank = Bank(client, both, model)
    config: RunnableConfig = {"configurable": {"session_id": "s"}}
    scopes = [bank.chat.scope]

    def describe_slowly(part: Any) -> Description:
        monkeypatch.setattr(runnable, "describe", describe_beside)
        return describe(part)

    def describe_beside(part: Any) -> Description:
        monkeypatch.undo()
        scopes.append(bank.chat._prepare(CAPITAL, config, {})[1].scope)  # another thread's, in the middle
        return describe(part)

    model.temperature = 0.9
    monkeypatch.setattr(runnable, "describe", describe_slowly)
    scopes.append(bank.chat._prepare(CAPITAL, config, {})[1].scope)
    assert scopes[1] == scopes[2] != scopes[0].split("/")[0]
    assert scopes[1].startswith(bank.chat.scope)


async def test_what_a_chain_notes_in_its_documents_was_not_found(client: Client, both: Both) -> None:
    def rank(given: dict[str, Any]) -> str:
        for place, document in enumerate(given["documents"]):
            document.metadata["rank"], document.page_content = place, "cut"
        return "ranked"

    shelf = Shelf(client, both, *[[Document("one"), Document("two")] for _ in "12"])
    bank = Bank(client, both, RunnableLambda(rank), shelf.bank.chat.retriever)
    for who in ("ana", "ben"):
        await bank.ask(who, MERGER)
    assert bank.served == ["miss", "hit"]
    assert [document.metadata for document in bank.reports[0].documents] == [{}, {}]


async def test_a_chain_cannot_change_what_was_said(client: Client, both: Both) -> None:
    def mask(state: MessagesState) -> dict[str, Any]:
        state["messages"][-1].content = "[masked]"
        return {"messages": [AIMessage("done")]}

    memory = ConversationMemory(client)
    chat = memory.wrap(StateGraph(MessagesState).add_node("mask", mask).add_edge(START, "mask").compile(), scope="s")
    await both(chat.invoke)(CAPITAL, {"configurable": {"session_id": "1"}})
    again = await both(memory.wrap(RunnableLambda(lambda given: given["history"][0].text), scope="t").invoke)(
        "What did I ask first?", {"configurable": {"session_id": "1"}}
    )
    assert again == CAPITAL


async def test_what_no_key_can_hold_is_said(client: Client, both: Both) -> None:
    bank = Bank(client, both)
    await both(bank.chat.invoke)({"question": CAPITAL, "connection": object()}, {"configurable": {"session_id": "1"}})
    assert (bank.served, bank.reports[0].why) == (["bypass"], "it is given what no key can hold")


class Examples(BaseExampleSelector):
    def __init__(self) -> None:
        self.shown = [{"said": "one"}]

    def add_example(self, example: dict[str, str]) -> None:
        self.shown = [example]

    def select_examples(self, input_variables: dict[str, str]) -> list[dict[str, str]]:
        return self.shown


async def test_examples_that_are_chosen_somewhere_are_documents_that_nobody_checks(client: Client, both: Both) -> None:
    examples = Examples()
    prompt = FewShotPromptTemplate(
        example_selector=examples,
        example_prompt=PromptTemplate.from_template("{said}"),
        suffix="{question}",
        input_variables=["question"],
    )
    model = DescribedModel()
    bank = Bank(client, both, prompt | model)
    await bank.ask("ana", CAPITAL)
    examples.add_example({"said": "two"})
    await bank.ask("ben", CAPITAL)
    assert bank.served == ["miss", "miss"]
    assert "two" in model.shown[1][0].text


class State(TypingTypedDict):
    question: str
    answer: str


async def test_a_state_may_be_any_typed_dict(client: Client, both: Both) -> None:
    graph = StateGraph(State).add_node("n", lambda state: {"answer": state["question"]}).add_edge(START, "n").compile()
    bank = Bank(client, both, graph, output_key="answer")
    assert (await bank.ask("ana", CAPITAL))["answer"] == CAPITAL


async def test_a_model_that_each_call_chooses_gets_messages(client: Client, both: Both) -> None:
    chosen = init_chat_model(configurable_fields="any")
    assert Bank(client, both, chosen).chat._now.wrapped.shape.takes == "messages"
    assert describe(chosen).digest != describe(init_chat_model(configurable_fields=("model",))).digest


def test_no_session_is_spelled_like_a_user_in_one() -> None:
    assert Asker(("ana",), "x").place != Asker((), "['x', 'ana']").name


@pytest.mark.parametrize(
    "said",
    [
        "Call me Captain.",
        "Stop using emojis.",
        "Don't mention prices.",
        "I only speak Spanish",
        "I prefer metric units",
        "No more than two sentences per answer.",
        "Switch to Italian",
        "Respond formally",
        "Give all answers as bullet points",
    ],
)
def test_how_to_answer_is_said_in_many_ways(said: str) -> None:
    assert instructs(said)


@pytest.mark.parametrize("said", ["How do I switch to the annual plan?", "Is this an answer?", "I like tea."])
def test_what_is_no_instruction(said: str) -> None:
    assert not instructs(said)
