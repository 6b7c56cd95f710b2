"""Questions as they would be asked alone: what is resolved, and above all what is not trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.language.classify import content_words
from langchain_redis_memory.language.contextualise.contextualiser import Rewrite, search_query
from langchain_redis_memory.language.contextualise.llm import LLMContextualiser, checked
from langchain_redis_memory.language.contextualise.local import LocalContextualiser
from langchain_redis_memory.language.contextualise.mentions import is_plural, mentions
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.language.words import singular
from langchain_redis_memory.ops import settled
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.timeout import awithin, within
from tests.conftest import Both
from tests.support.chains import Broken, PureModel
from tests.support.table import table

CANCER = ("What is throat cancer?", "Throat cancer is a tumour of the larynx or pharynx. Smoking is a main cause.")
ENGINE = ("How does a diesel engine work?", "It compresses air until it is hot enough to light the fuel.")
CURIE = ("Who was Marie Curie?", "Marie Curie was a physicist who discovered polonium and radium.")
BOOK = ("Who wrote Moby-Dick?", "Herman Melville wrote it; it was published in 1851.")
NORWAY = ("What is the capital of Norway?", "Oslo is the capital of Norway.")


def talk(*said: str) -> list[BaseMessage]:
    return [(AIMessage if at % 2 else HumanMessage)(text) for at, text in enumerate(said)]


def rewrite(turn: str, *said: str, state: TurnState = NO_STATE) -> Rewrite:
    return LocalContextualiser().contextualise(turn, talk(*said), state)


@table(
    ("said", "turn", "question"),
    [
        (CANCER, "Is it treatable?", "Is throat cancer treatable?"),
        (CANCER, "What causes it?", "What causes throat cancer?"),
        (CANCER, "What are the symptoms?", "What are the symptoms of throat cancer?"),
        (CANCER, "Okay, what are its symptoms?", "Okay, what are throat cancer's symptoms?"),
        (CANCER, "Does this cancer spread?", "Does throat cancer spread?"),
        (CANCER, "What about lung cancer?", "What is lung cancer?"),
        (ENGINE, "How loud is it?", "How loud is a diesel engine?"),
        (CURIE, "When was she born?", "When was Marie Curie born?"),
        (CURIE, "How old was she when she died?", "How old was Marie Curie when Marie Curie died?"),
        (BOOK, "When did it come out?", "When did Moby-Dick come out?"),
        (NORWAY, "What about Sweden?", "What is the capital of Sweden?"),
        (("What is the weather in Paris?", "Sunny."), "And in Berlin?", "What is the weather in Berlin?"),
        (("What are mammals?", "Animals."), "Do they lay eggs?", "Do mammals lay eggs?"),
        (("Tell me about lung cancer.",), "Is it treatable?", "Is lung cancer treatable?"),
        (("What is Redis?",), "What is its licence?", "What is Redis' licence?"),
    ],
)
def test_what_is_certain(said: Sequence[str], turn: str, question: str) -> None:
    found = rewrite(turn, *said)
    assert (found.question, found.trusted, found.used) == (question, True, (0,))
    assert 0.5 < found.confidence <= 1
    assert found.reasons


@table(
    ("said", "turn"),
    [
        ((), "Is it treatable?"),
        (("Hi!", "Hello!"), "Is it treatable?"),
        (("I have a dog and a cat.", "Nice."), "Is it loud?"),
        (("What is the difference between Redis and Memcached?", "Types."), "Is it fast?"),
        (("What is Redis?", "A store.", "How does it differ from Memcached?", "Types."), "How does it scale?"),
        (BOOK, "When was he born?"),
        (("What is a good pet for a child?", "A hamster."), "Is it expensive?"),
        (("Recommend a book", "Moby-Dick."), "Is it long?"),
        (("Which planet is the biggest?", "Jupiter."), "How far away is it?"),
        (("Who is the CEO of Apple?", "Tim Cook."), "What did she say?"),
        (("What is the biggest plane?", "The A380."), "How much does it weigh?"),
        (("What is ibuprofen?", "Some people prefer Aspirin and Paracetamol."), "Is it safe?"),
        (("What is ibuprofen?", "It is for pain.", "And aspirin?", "It thins blood."), "Is it dangerous?"),
        (CANCER, "Why?"),
        (CANCER, "How much?"),
        (CANCER, "And in children?"),
        (CANCER, "Is that common?"),
        (CANCER, "Can you translate it to French?"),
        (CANCER, "Is it true?"),
        (CANCER, "Explain it again, please."),
        (("What is the best treatment for lung cancer?", "Chemotherapy."), "Is it painful?"),
        (("What is the cost of solar power?", "10 cents."), "Is it high?"),
        (("I bought a Swiss knife in Zurich", "Nice."), "Can I bring it on a plane?"),
        (("Who directed Inception?", "Christopher Nolan."), "What else did he direct?"),
        (CANCER, "Which one is worse?"),
        (CANCER, "Does it rain there?"),
        (CURIE, "Where did he live?"),
        (NORWAY, "How big is it?"),
        (("Compare Redis and Valkey", "Alike."), "Which is cheaper?"),
        (("What time does the museum open?", "At 9."), "Is it open on Sunday?"),
        (("Was ist Redis?", "Ein Speicher."), "Wie schnell ist es?"),
        (("Qu'est-ce que Redis ?", "x"), "Est-ce rapide ?"),
    ],
)
def test_what_is_not_trusted(said: Sequence[str], turn: str) -> None:
    found = rewrite(turn, *said)
    assert not found.trusted
    assert found.reasons
    assert found.confidence <= 0.5


def test_what_stands_alone_comes_back_as_it_is() -> None:
    for turn in ("What is lung cancer?", "How many bones are in the human body?", "  What is Redis?\n"):
        assert rewrite(turn, *CANCER) == Rewrite(turn, (), 0.9, True, ("stands alone",))


def test_a_chain_of_turns_is_followed() -> None:
    said = (*CANCER, "Is it treatable?", "Yes, it is.", "What are its symptoms?", "Throat cancer makes you hoarse.")
    assert rewrite("Does it spread?", *said).question == "Does throat cancer spread?"
    found = rewrite("Is it common?", *said, "Tell me about lung cancer.", "Lung cancer is a tumour.")
    assert (found.question, found.used) == ("Is lung cancer common?", (6,))


def test_an_unresolved_turn_makes_what_follows_uncertain() -> None:
    assert not rewrite("Is it treatable?", *CANCER, "And the other one with the cough?", "Yes.").trusted


def test_other_messages_do_not_disturb() -> None:
    history = talk(*CANCER)
    call: Any = {"name": "look", "args": {}, "id": "1"}
    between = [AIMessage("", tool_calls=[call]), ToolMessage("Aspirin", tool_call_id="1")]
    found = LocalContextualiser().contextualise(
        "Is it treatable?", [SystemMessage("Speak of Aspirin."), history[0], *between, history[1]]
    )
    assert (found.question, found.trusted, found.used) == ("Is throat cancer treatable?", True, (1,))


@table("state", [TurnState(entities=("Eiffel Tower",)), TurnState(topic="Eiffel Tower")])
def test_the_state_is_asked_where_the_history_names_nothing(state: TurnState) -> None:
    found = rewrite("How tall is it?", state=state)
    assert (found.question, found.trusted, found.used) == ("How tall is Eiffel Tower?", True, ())
    assert rewrite("Is it treatable?", *CANCER, state=state).question == "Is throat cancer treatable?"


@table(
    "state",
    [
        TurnState(entities=("Eiffel Tower", "Big Ben")),
        TurnState(entities=("", " ")),
        TurnState(topic="x" * 100_000),
        TurnState(summary="They spoke of the Eiffel Tower.", turns=3),
        NO_STATE,
    ],
)
def test_a_state_that_decides_nothing(state: TurnState) -> None:
    assert not rewrite("How tall is it?", state=state).trusted


# --- mentions --------------------------------------------------------------------------------------


@table(
    ("text", "found"),
    [
        ("What is throat cancer?", ["throat cancer"]),
        ("When did Netflix shift from DVDs to a streaming service?", ["Netflix shift", "DVDs", "a streaming service"]),
        ("Who wrote The Lord of the Rings?", ["The Lord of the Rings"]),
        ("What is Melania Trump's religion?", ["Melania Trump", "Melania Trump's religion"]),
        ("How was it developed?", []),
        ("Is Red Bull bad for you?", ["Red Bull"]),
        ("What happened in 1985?", []),
        ("", []),
    ],
)
def test_mentions(text: str, found: list[str]) -> None:
    assert [mention.text for mention in mentions(text)] == found


def test_number_and_kind() -> None:
    kinds = {
        text: mentions(f"Tell me about {text}.")[-1] for text in ("Marie Curie", "mammals", "a cat", "Albert Einstein")
    }
    agreeing = {text: {kind for kind in ("it", "they", "he", "she") if one.agrees(kind)} for text, one in kinds.items()}
    assert agreeing == {
        "Marie Curie": {"she", "they"},
        "mammals": {"they"},
        "a cat": {"it"},
        "Albert Einstein": {"he", "they"},
    }
    assert [is_plural(word) for word in ("cats", "news", "people", "bus", "analysis", "dog")] == [True, False, True] + [
        False
    ] * 3
    assert [singular(word) for word in ("cats", "stories", "bus", "glass", "ties")] == [
        "cat",
        "story",
        "bus",
        "glass",
        "tie",
    ]


# --- whatever is said ------------------------------------------------------------------------------

SAID = st.one_of(
    st.sampled_from(["What is throat cancer?", "Is it treatable?", "What about Norway?", "And in Berlin?", "Why?"]),
    st.sampled_from(
        ["they", "his her its", "```python\nit = 1\n```", "\u202eit?", "它是什么?", "\x00it\x1b", "What is 'it'?"]
    ),
    st.text(max_size=60),
)


@given(
    SAID,
    st.lists(SAID, max_size=6),
    st.builds(
        TurnState,
        topic=st.one_of(st.none(), st.text(max_size=20)),
        entities=st.lists(st.text(max_size=9), max_size=3).map(tuple),
    ),
)
def test_whatever_is_said(turn: str, said: list[str], state: TurnState) -> None:
    history = talk(*said)
    found = LocalContextualiser().contextualise(turn, history, state)
    assert all(0 <= place < len(history) for place in found.used)
    assert 0 <= found.confidence <= 1
    if found.trusted and found.question != turn:
        kept = content_words(turn.replace("\u2019", "'"))
        words = set().union(*(content_words(str(text)) for text in [*said, *state.entities, state.topic or ""]))
        assert content_words(found.question) <= kept | words | {word + "s" for word in words}, "only what was said"


@table("turn", ["it " * 33_000, "\x00" * 100_000, "what about " * 10_000, "(" * 100_000, "\u202e" * 99, "", " "])
def test_long_and_strange_turns_are_not_trusted(turn: str) -> None:
    assert not rewrite(turn, *CANCER).trusted
    found = rewrite("Is it treatable?", turn, turn)
    assert found.question == "Is it treatable?"
    assert not found.trusted


# --- what the retriever is asked -------------------------------------------------------------------


def test_the_query_keeps_the_users_words() -> None:
    history = talk(*CANCER)
    sure = Rewrite("Is throat cancer treatable?", (0,), 0.8, True)
    assert search_query("Is it treatable?", sure, history) == "Is throat cancer treatable?"
    doubtful = Rewrite("Is throat cancer treatable?", (0,), 0.4, False)
    expected = "What is throat cancer? Is it treatable?"
    assert (
        search_query("Is it treatable?", doubtful, history)
        == search_query("Is it treatable?", None, history)
        == expected
    )
    short = Rewrite("Is throat cancer curable?", (0,), 0.8, True)
    assert search_query("Is it treatable?", short, history) == "Is throat cancer curable? Is it treatable?"


# --- by a model ------------------------------------------------------------------------------------


def asked(model: PureModel, turn: str = "Is it treatable?", said: Sequence[str] = CANCER, **options: Any) -> Any:
    return LLMContextualiser(model, **options).contextualise(turn, talk(*said))


async def run(both: Both, answer: Any) -> Rewrite:
    client = Client.from_url("memory://contextualise")
    found = await both(client.drive)(settled(answer))
    assert isinstance(found, Rewrite)
    return found


async def test_a_model_rewrites(both: Both) -> None:
    model = PureModel(script=[AIMessage(' "Is throat cancer\ntreatable?" ')])
    found = await run(both, asked(model))
    assert (found.question, found.trusted, found.used) == ("Is throat cancer treatable?", True, (0, 1))
    system, told = model.shown[0]
    assert isinstance(system, SystemMessage)
    assert "treatable" not in system.text, "what the user said is data"
    assert '"question": "Is it treatable?"' in told.text


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "nothing"),
        ("Is throat cancer curable?", "lost"),
        ("Is lung cancer treatable?", "which nobody said"),
        ("Is throat cancer treatable? Yes, surgery and radiation help.", "which nobody said"),
        ("Is throat cancer treatable? " * 20, "longer"),
        ("Throat cancer is treatable.", "an answer"),
        ("HACKED", "lost"),
        ("Is it treatable?", "resolved nothing"),
    ],
)
async def test_what_the_conversation_does_not_vouch_for(both: Both, said: str, why: str) -> None:
    found = await run(both, asked(PureModel(script=[AIMessage(said)])))
    assert not found.trusted
    assert found.question == "Is it treatable?"
    assert why in found.reasons[0]


async def test_a_turn_that_stands_alone_stays(both: Both) -> None:
    found = await run(both, asked(PureModel(script=[AIMessage("What is Redis?")]), "What is Redis?"))
    assert (found.question, found.trusted, found.used) == ("What is Redis?", True, ())


async def test_other_languages(both: Both) -> None:
    said = ("什么是喉癌?", "喉癌是一种肿瘤。")
    found = await run(both, asked(PureModel(script=[AIMessage("喉癌可以治疗吗?")]), "可以治疗吗?", said))
    assert found.trusted
    found = await run(
        both, asked(PureModel(script=[AIMessage("Ist Kehlkopfkrebs heilbar?")]), "Ist er heilbar?", CANCER)
    )
    assert not found.trusted


async def test_a_model_that_fails_is_replaced(both: Both, caplog: pytest.LogCaptureFixture) -> None:
    found = await run(both, asked(PureModel(fail=True)))
    assert (found.question, found.trusted) == ("Is throat cancer treatable?", True)
    assert found.reasons == ("it = throat cancer",)
    assert "Broken" in caplog.text


async def test_a_model_that_is_too_slow_is_replaced(both: Both, caplog: pytest.LogCaptureFixture) -> None:
    import asyncio
    from threading import Event

    done = Event()

    class Slow(PureModel):
        def invoke(self, *args: Any, **kwargs: Any) -> AIMessage:
            done.wait(60)
            return AIMessage("late")

        async def ainvoke(self, *args: Any, **kwargs: Any) -> AIMessage:
            await asyncio.Event().wait()
            raise AssertionError

    try:
        found = await run(both, asked(Slow(), timeout_s=0.01))
    finally:
        done.set()
    assert found.question == "Is throat cancer treatable?"
    assert "TimeoutError" in caplog.text


async def test_a_model_is_asked_once_about_a_turn(both: Both) -> None:
    model = PureModel(script=[AIMessage("Is throat cancer treatable?"), AIMessage("Is asthma treatable?")])
    contextualiser = LLMContextualiser(model)
    first, again = [await run(both, contextualiser.contextualise("Is it treatable?", talk(*CANCER))) for _ in range(2)]
    assert (first.question, model.calls) == ("Is throat cancer treatable?", 1)
    assert again == first
    model.script.insert(0, AIMessage("Is throat cancer treatable?"))
    summarised = [SystemMessage("a summary"), *talk(*CANCER)]
    later = await run(both, contextualiser.contextualise("Is it treatable?", summarised))
    assert [summarised[place].text for place in later.used] == [talk(*CANCER)[place].text for place in first.used]
    other = await run(both, contextualiser.contextualise("Is it treatable?", talk("What is asthma?", "A disease.")))
    assert (other.question, model.calls) == ("Is asthma treatable?", 3)


def test_a_model_is_not_asked_in_vain() -> None:
    model = PureModel()
    assert isinstance(asked(model, said=()), Rewrite)
    assert isinstance(asked(model, turn=" "), Rewrite)
    assert isinstance(asked(model, turn="it " * 5_000), Rewrite)
    assert model.calls == 0


@table("timeout_s", [0, -1, "3"])
def test_a_wrong_timeout(timeout_s: Any) -> None:
    with pytest.raises(InvalidInputError, match="timeout_s"):
        LLMContextualiser(PureModel(), timeout_s=timeout_s)


@given(SAID, st.one_of(SAID, st.text(max_size=400)), st.lists(SAID, max_size=4))
def test_whatever_a_model_says(turn: str, answer: str, said: list[str]) -> None:
    history = talk(*said)
    found = checked(turn, answer, list(enumerate(history)))
    assert all(0 <= place < len(history) for place in found.used)
    if not found.trusted:
        assert found.question == turn


# --- only so long ----------------------------------------------------------------------------------


async def test_within() -> None:
    from contextvars import ContextVar

    seen: ContextVar[int] = ContextVar("seen", default=0)
    seen.set(3)

    async def later() -> int:
        return seen.get()

    def fail() -> None:
        raise Broken

    assert within(None, seen.get) == within(30, seen.get) == 3
    assert await awithin(None, later) == await awithin(30, later) == 3
    with pytest.raises(Broken):
        within(30, fail)
