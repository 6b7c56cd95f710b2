"""The parts that a user can replace: classifier, selector, cache; and what a turn's report says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.runnables import RunnableLambda

from langchain_redis_memory.cache.answers.answer_cache import Answer, CacheQuestion
from langchain_redis_memory.cache.answers.exact import ExactAnswerCache
from langchain_redis_memory.conversation.memory import ConversationMemory
from langchain_redis_memory.conversation.policy import Rule
from langchain_redis_memory.conversation.select.window import WindowSelector
from langchain_redis_memory.errors import InvalidIdError
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.ops import Flow, Invoke, Op, ask, pure, settled
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both, url_of
from tests.support.chains import MORE, NEW, SEARCH, Broken, Desk, LetterEmbeddings, Marked, PureModel, look_up
from tests.support.servers import TWO, Farm


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


# --- a classifier that asks a model ----------------------------------------------------------------


class Asking:
    """Asks a model what a turn means, in the colour of the turn."""

    def __init__(self, model: PureModel) -> None:
        self.model, self.colours = model, list[str]()

    def classify(self, turn: str, history: Sequence[BaseMessage], state: TurnState = NO_STATE) -> Flow[Verdict]:
        def call() -> AIMessage:
            self.colours.append("sync")
            return self.model.invoke(turn)

        async def acall() -> AIMessage:
            self.colours.append("async")
            return await self.model.ainvoke(turn)

        def flow() -> Flow[Verdict]:
            if not history:
                return Verdict(NEW, 1.0)
            answer: AIMessage = yield Invoke(call, acall)
            return Verdict(SEARCH, 0.8, (answer.text,), standalone=f"{turn} ({history[0].text})")

        return flow()


async def test_a_classifier_that_asks_a_model(client: Client, both: Both) -> None:
    asking = Asking(PureModel())
    desk = Desk(client, both, classifier=asking, retriever=look_up)
    await desk.say("first")
    await desk.say("second")
    colour = "async" if both.asynchronous else "sync"
    assert asking.colours == [colour]
    assert desk.last.verdict.reasons == (asking.model.made[0].text,)
    assert desk.last.query == "second (first)"
    assert desk.last.documents == look_up("second (first)")


async def test_what_it_understood_is_part_of_the_key(client: Client, both: Both) -> None:
    class Meant:
        def __init__(self, meant: str) -> None:
            self.meant = meant

        def classify(self, turn: str, history: Sequence[BaseMessage], state: Any = None) -> Verdict:
            return Verdict(SEARCH, 1.0, standalone=self.meant)

    desks = [Desk(client, both, classifier=Meant(meant), retriever=look_up) for meant in ("a", "b", "a")]
    answers = [(await desk.say("What about it?", f"s{number}")).text for number, desk in enumerate(desks)]
    assert [desk.last.cache for desk in desks] == ["miss", "miss", "hit"]
    assert answers[0] != answers[1]


async def test_a_classifier_flow_that_fails(client: Client, both: Both) -> None:
    asking = Asking(PureModel(fail=True))
    desk = Desk(client, both, classifier=asking)
    await desk.say("first")
    with pytest.raises(Broken):
        await desk.say("second")
    assert len(await desk.told()) == 2


def test_a_verdict_is_a_verdict_in_either_form() -> None:
    verdict = Verdict(NEW, 1.0)

    def flow() -> Flow[Verdict]:
        yield pure(None)
        return verdict

    client = ConversationMemory("memory://verdicts").client
    assert client.drive(settled(verdict)) is verdict
    waiting: Verdict | Flow[Verdict] = flow()
    assert client.drive(settled(waiting)) is verdict


# --- a selector of one's own -----------------------------------------------------------------------


class Evens:
    """Shows every other message and loads a lot."""

    def reach(self, rule: Rule) -> int:
        return 50

    def select(
        self, turn: str, verdict: Verdict, history: Sequence[BaseMessage], rule: Rule, state: Any = None
    ) -> list[BaseMessage]:
        return list(history[::2])


@pytest.mark.slow
async def test_a_selector_of_ones_own(client: Client, both: Both) -> None:
    desk = Desk(client, both, classifier=Marked(), selector=Evens())
    for number in range(15):
        await desk.say(f"F: {number}")
    assert [m.text for m in desk.last.memory] == [f"F: {number}" for number in range(14)]
    for session in ("one", "two"):
        await desk.say("N: a", session)
        desk.model.script = [AIMessage(session)] if session == "one" else []
        await desk.say("F: b", session)
        await desk.say("S: c", session)
    assert desk.last.cache == "hit", "what the selector left out does not decide the answer"


async def test_a_selector_that_shows_nothing_shares_nothing(client: Client, both: Both) -> None:
    class Nothing(WindowSelector):
        def select(self, *args: Any, **kwargs: Any) -> list[BaseMessage]:
            return []

    desk = Desk(client, both, classifier=Marked(), selector=Nothing())
    for session in ("one", "two"):
        await desk.say("S: c", session)
    assert [report.cache for report in desk.reports] == ["bypass", "bypass"]


# --- a cache of one's own --------------------------------------------------------------------------


class Nearby(ExactAnswerCache):
    """Answers any question of the same length, when asked for what means the same."""

    def __init__(self) -> None:
        super().__init__(60_000)

    def _blurred(self, asked: CacheQuestion) -> CacheQuestion:
        return replace(asked, question=str(len(asked.question)))

    def search(self, asked: CacheQuestion) -> Flow[Answer | None]:
        return (yield from ask(super().lookup(self._blurred(asked))))

    def store(self, asked: CacheQuestion, answer: Answer) -> Op[None]:
        return super().store(self._blurred(asked), answer)


async def test_a_cache_that_finds_what_means_the_same(client: Client, both: Both) -> None:
    desk = Desk(client, both, cache=Nearby())
    first = await desk.say("What is Redis?", "one")
    second = await desk.say("What is Kafka?", "two")
    assert first.text == second.text
    assert desk.last.cache == "hit"
    await desk.say("What is Valkey?", "three")
    assert desk.last.cache == "miss"


async def test_embeddings_make_the_default_cache_one_of_meaning(client: Client, both: Both) -> None:
    embeddings = LetterEmbeddings()
    desk = Desk(client, both, embeddings=embeddings)
    first = await desk.say("What is the capital of Norway?", "one")
    second = await desk.say("what is the capital of norway", "two")
    assert first.text == second.text
    assert desk.last.cache == "hit"
    await desk.say("What is the capital of Sweden?", "three")
    assert desk.last.cache == "miss"


async def test_an_embedding_model_that_fails_is_a_miss(client: Client, both: Both) -> None:
    def failing(_: Any) -> Any:
        raise OSError

    embeddings = LetterEmbeddings()
    embeddings.embed_documents = failing  # type: ignore[method-assign, assignment]
    desk = Desk(client, both, embeddings=embeddings)
    for session in ("one", "two"):
        await desk.say("What is the capital of Norway?", session)
    assert [report.cache for report in desk.reports] == ["miss", "miss"]


class Refused(ExactAnswerCache):
    """Its commands are refused by every server."""

    def lookup(self, asked: CacheQuestion) -> Op[Answer | None]:
        return Op((("NOSUCHCOMMAND", asked.key()),), lambda replies: replies[0])

    def store(self, asked: CacheQuestion, answer: Answer) -> Op[None]:
        return Op((("NOSUCHCOMMAND", asked.key()),), lambda replies: replies[0])


async def test_a_cache_that_the_server_refuses_does_not_disturb_the_turn(client: Client, both: Both) -> None:
    desk = Desk(client, both, cache=Refused(60_000))
    await desk.say("What is Redis?")
    await desk.say("And that?")
    assert [report.stored for report in desk.reports] == [True, True]
    assert len(await desk.told()) == 4


# --- the report ------------------------------------------------------------------------------------


async def test_what_a_report_says(client: Client, both: Both, trips: list[Trip]) -> None:
    desk = Desk(client, both, classifier=Marked(), retriever=look_up)
    usage: Any = {"input_tokens": 30, "output_tokens": 12, "total_tokens": 42}
    desk.model.script = [AIMessage("one"), AIMessage("two", usage_metadata=usage)]
    await desk.say("N: a")
    answer = await desk.say("S: b")
    first, second = desk.reports
    assert (first.question, second.question) == ("N: a", "S: b")
    assert second.value == second.output
    assert answer == second.value.model_copy(update={"response_metadata": answer.response_metadata})
    assert [m.text for m in second.memory] == ["N: a", "one"]
    assert (first.memory_tokens, second.memory_tokens) == (0, count_tokens_approximately(second.memory))
    assert second.query == "N: a S: b"
    assert second.documents == look_up("N: a S: b")
    assert second.tokens == 42, "as the model reported"
    assert first.tokens == count_tokens_approximately(
        [HumanMessage("N: a"), HumanMessage("document of <N: a>"), AIMessage("one")]
    )
    assert all(report.seconds >= 0 and report.stored for report in desk.reports)
    assert second.trips == 2


async def test_the_report_of_a_hit(client: Client, both: Both) -> None:
    desk = Desk(client, both, classifier=Marked(), retriever=look_up)
    usage: Any = {"input_tokens": 30, "output_tokens": 12, "total_tokens": 42}
    desk.model.script = [AIMessage("one", usage_metadata=usage)]
    for session in ("one", "two"):
        await desk.say("N: a", session)
    report = desk.last
    assert report.cache == "hit"
    assert report.tokens == 42, "what it would have cost"
    assert (report.query, list(report.documents), report.trips) == ("N: a", look_up("N: a"), 2)
    assert report.value.text == "one"


async def test_the_tokens_of_a_text(client: Client, both: Both) -> None:
    desk = Desk(client, both, chain=RunnableLambda(lambda _: "four words of text"))
    await desk.say("What is Redis?")
    assert desk.last.value == "four words of text"
    assert desk.last.tokens == count_tokens_approximately(
        [HumanMessage("What is Redis?"), AIMessage("four words of text")]
    )


async def test_every_turn_is_reported_once_and_without_a_listener_none_is(client: Client, both: Both) -> None:
    desk = Desk(client, both, classifier=Marked())
    for mark in "NFRS":
        await desk.say(f"{mark}: a")
    await desk.stream("F: b")
    assert len(desk.reports) == 5
    assert [report.verdict.type for report in desk.reports][1] is MORE
    desk.memory.on_turn = None
    await desk.say("F: c")
    assert len(desk.reports) == 5


# --- its other doors -------------------------------------------------------------------------------


async def test_its_histories_and_sessions_are_its_own(client: Client, both: Both) -> None:
    desk = Desk(client, both, tenant="t", max_messages=3, ttl_s=60)
    await desk.say("What is Redis?", "one")
    await desk.say("What is Redis?", "two", agent="x")
    page = await both(desk.memory.sessions().list_sessions)()
    assert [session.session_id for session in page.sessions] == ["one"]
    page = await both(desk.memory.sessions().list_sessions)(agent="x")
    assert [session.session_id for session in page.sessions] == ["two"]
    history = desk.memory.history("one")
    await both(history.add_messages)([HumanMessage("a"), HumanMessage("b")])
    assert await both.len(history) == 3
    assert repr(desk.memory) == f"ConversationMemory({client!r})"
    assert repr(desk.chat) == f"RememberingRunnable(ConversationMemory({client!r}), {type(desk.chat.chain).__name__})"


# --- whose parts -----------------------------------------------------------------------------------


async def test_every_part_takes_the_tenant(client: Client, both: Both) -> None:
    desk = Desk(client, both, tenant="own")
    for tenant in ("", "acme"):
        await desk.say("What is Redis?", tenant=tenant)
        await both(desk.memory.session("s", tenant=tenant).set)("whose", tenant)
        await both(desk.memory.agent_state(tenant=tenant).save)({"whose": tenant})
    own, acme = desk.memory, ConversationMemory(client, tenant="acme")
    for tenant, same in (("", ConversationMemory(client, tenant="own")), ("acme", acme)):
        for memory, named in ((own, tenant), (same, "")):
            assert len(await both.messages(memory.history("s", tenant=named))) == 2
            assert await both(memory.session("s", tenant=named).get)("whose") == tenant
            assert await both(memory.agent_state(tenant=named).load)() == {"whose": tenant}
            page = await both(memory.sessions(named).list_sessions)()
            assert [session.session_id for session in page.sessions] == ["s"]


def test_a_tenant_that_cannot_be_is_refused() -> None:
    memory = ConversationMemory("memory://parts-of-tenants")
    wrong: Any = "x" * 2000
    for part in (memory.sessions, lambda tenant: memory.history("s", tenant=tenant)):
        with pytest.raises(InvalidIdError):
            part(wrong)
    for data in (lambda: memory.session("s", tenant=wrong), lambda: memory.agent_state(tenant=wrong)):
        with pytest.raises(InvalidIdError):
            data()
