"""`RedisSemanticCache` in conversations that LangChain leads: a turn is answered from its own context or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_redis_memory.cache.semantic.bypass import tells_of_self
from langchain_redis_memory.cache.semantic.cache import RedisSemanticCache
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.contextualise.local import LocalContextualiser
from langchain_redis_memory.ops import Invoke
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both, url_of
from tests.support.chains import PureModel
from tests.support.meanings import MODEL, answers, prompt, semantic_cache, text
from tests.support.servers import NEWEST, Farm

CALL: Any = {"name": "look", "args": {"at": "x"}, "id": "1", "type": "tool_call"}
CANCER = ["What is throat cancer?", "A tumour of the larynx."]
MEASLES = ["What is measles?", "An infection by a virus."]
IT = "Is it treatable?"


@pytest.fixture(params=["memory", NEWEST])
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


@pytest.fixture
def cache(client: Client) -> RedisSemanticCache:
    return semantic_cache(client)


@pytest.fixture
def everywhere(cache: RedisSemanticCache) -> Iterator[RedisSemanticCache]:
    """The cache as LangChain's own, for every model."""
    set_llm_cache(cache)
    yield cache
    set_llm_cache(None)


class Talk:
    """A conversation with a model; each turn is asked with all that was said before."""

    def __init__(self, model: Any, both: Both, *before: BaseMessage) -> None:
        self.model, self.both = model, both
        self.messages: list[BaseMessage] = list(before)

    async def say(self, question: str) -> AIMessage:
        self.messages.append(HumanMessage(question, id=f"q{len(self.messages)}"))
        answer: AIMessage = await self.both(self.model.invoke)(self.messages)
        self.messages.append(answer)
        return answer


def served(answer: AIMessage) -> bool:
    return "semantic_cache" in answer.response_metadata


async def test_a_dependent_turn_is_answered_in_its_own_conversation_only(
    everywhere: RedisSemanticCache, both: Both
) -> None:
    model = PureModel()
    one, other, again = (Talk(model, both) for _ in range(3))
    for talk, topic in ((one, "What is throat cancer?"), (other, "What is measles?")):
        await talk.say(topic)
    first, second = await one.say(IT), await other.say(IT)
    assert first.text != second.text
    assert model.calls == 4
    await again.say("What is throat cancer?")
    assert (await again.say(IT)).text == first.text
    assert (await again.say("How high is it?")).text not in {first.text, second.text}
    assert model.calls == 5, "the very same exchange was answered from the cache"
    third = Talk(model, both)
    await third.say(IT)
    assert model.calls == 6, "without a conversation it is another question"


async def test_a_dependent_turn_is_found_by_meaning_within_its_context(
    everywhere: RedisSemanticCache, both: Both
) -> None:
    model = PureModel()
    for question, hit in (("How high is it?", False), ("How tall is it?", True)):
        talk = Talk(model, both)
        await talk.say("What is the Eiffel Tower?")
        assert served(await talk.say(question)) is hit
    elsewhere = Talk(model, both)
    await elsewhere.say("What is Big Ben?")
    assert not served(await elsewhere.say("How tall is it?"))


async def test_a_question_that_stands_alone_is_shared_by_all_conversations(
    everywhere: RedisSemanticCache, both: Both
) -> None:
    model = PureModel()
    one, other = Talk(model, both), Talk(model, both)
    await one.say("What is throat cancer?")
    first = await one.say("How tall is the Eiffel Tower?")
    await other.say("What is measles?")
    second = await other.say("How high is the Eiffel Tower?")
    assert served(second)
    assert second.text == first.text
    assert second.response_metadata["semantic_cache"]["question"] == "How tall is the Eiffel Tower?"
    assert (await everywhere.astats()).by("kind")["NEW_TOPIC"].hits == 1


async def test_recall_and_what_only_goes_on_are_always_asked(everywhere: RedisSemanticCache, both: Both) -> None:
    model = PureModel()
    for _ in range(2):
        talk = Talk(model, both)
        await talk.say("What is measles?")
        before = model.calls
        for question in ("What did I ask first?", "Thanks!", "Tell me more."):
            await talk.say(question)
        assert model.calls == before + 3
    kinds = (await both(everywhere.stats)()).by("kind")
    assert kinds[str(QuestionType.HISTORY_RECALL)].bypasses == 2
    assert kinds[str(QuestionType.CONTEXTUAL_FOLLOW_UP)].bypasses >= 2


@pytest.mark.parametrize("told", ["My name is Bob.", "I have diabetes.", "Thanks, I have diabetes.", "We live in Oslo"])
async def test_whoever_told_of_himself_is_answered_by_the_model(
    everywhere: RedisSemanticCache, both: Both, told: str
) -> None:
    model = PureModel()
    for _ in range(2):
        talk = Talk(model, both)
        await talk.say(told)
        before = model.calls
        await talk.say("What can people eat in Norway?")
        await talk.say(IT)
        assert model.calls == before + 2
    fresh = Talk(model, both)
    assert not served(await fresh.say("What can people eat in Norway?"))
    assert model.calls == 6, "what was answered in private was not stored for others"


async def test_batches_and_systems(everywhere: RedisSemanticCache, both: Both) -> None:
    model = PureModel()
    asked = [[SystemMessage(words), HumanMessage("How tall is the Eiffel Tower?")] for words in ("A", "B")]
    first = await both(model.batch)(asked)
    near = [[system, HumanMessage("How high is the Eiffel Tower?")] for system, _ in asked]
    second = await both(model.batch)(near)
    assert model.calls == 2
    assert [one.text for one in first] == [one.text for one in second]
    assert first[0].text != first[1].text
    await both(model.bind(stop=["x"]).invoke)(near[0])
    assert model.calls == 3, "other parameters are another model"


async def test_a_language_model(everywhere: RedisSemanticCache, both: Both) -> None:
    model = FakeListLLM(responses=["one", "two", "three"])
    assert await both(model.invoke)("How tall is the Eiffel Tower?") == "one"
    assert await both(model.invoke)("How high is the Eiffel Tower?") == "one"
    assert await both(model.batch)(["How high is the Eiffel Tower?", "What is measles?"]) == ["one", "two"]
    assert await both(model.invoke)(f"Human: {CANCER[0]}\nAI: {CANCER[1]}\nHuman: {IT}") == "three"


async def test_a_streamed_answer_is_served_whole(cache: RedisSemanticCache, both: Both) -> None:
    model = PureModel(cache=cache)
    first = await both(model.invoke)("How tall is the Eiffel Tower?")
    second = await both(model.invoke)("How high is the Eiffel Tower?")
    assert (second.text, type(second), model.calls) == (first.text, AIMessage, 1)
    assert second.id != first.id


# --- tools ----------------------------------------------------------------------------------------------------------

WEATHER = [
    HumanMessage("What is the weather in Oslo?"),
    AIMessage("", tool_calls=[CALL]),
    ToolMessage("rain", tool_call_id="1"),
]
AFTER_TOOLS: dict[str, list[BaseMessage]] = {
    "the tool spoke last": WEATHER,
    "leaning on what a tool said": [*WEATHER, AIMessage("It rains."), HumanMessage("Is it warm?")],
    "leaning on a call": [
        HumanMessage("What is the weather in Oslo?"),
        AIMessage("I look.", tool_calls=[CALL]),
        HumanMessage("Is it warm?"),
    ],
    "leaning on an old call": [
        HumanMessage("What is the weather in Oslo?"),
        AIMessage("I look.", additional_kwargs={"function_call": {"name": "f", "arguments": "{}"}}),
        HumanMessage("Is it warm?"),
    ],
}


@pytest.mark.parametrize("name", AFTER_TOOLS)
async def test_what_follows_tools_is_shared_only_where_it_is_wanted(real: Client, both: Both, name: str) -> None:
    asked = prompt(*AFTER_TOOLS[name])
    cache = semantic_cache(real)
    await both(cache.update)(asked, MODEL, answers("a"))
    assert await both(cache.lookup)(asked, MODEL) is None
    assert (await both(cache.explain)(asked, MODEL)).bypass == "tools"
    assert await both(cache.count)() == 0
    shared = semantic_cache(real, share_tools=True)
    await both(shared.update)(asked, MODEL, answers("a"))
    assert text(await both(shared.lookup)(asked, MODEL)) == "a"
    assert await both(shared.lookup)(asked.replace("Oslo", "Rome"), MODEL) is None
    assert await both(shared.lookup)(asked.replace('"x"', '"y"').replace("rain", "sun").replace("{}", "[]"), MODEL) is (
        None
    )


async def test_what_a_tool_gave_is_not_searched_by_meaning(real: Client, both: Both) -> None:
    shared = semantic_cache(real, share_tools=True)
    await both(shared.update)(prompt(*WEATHER), MODEL, answers("It rains."))
    near = [HumanMessage("How is the weather in Oslo?"), *WEATHER[1:]]
    other = [near[0], WEATHER[1], ToolMessage("rain today", tool_call_id="1")]
    assert (await both(shared.explain)(prompt(*near), MODEL)).candidates != ()
    assert (await both(shared.explain)(prompt(*other), MODEL)).candidates == ()


async def test_a_provider_s_empty_extras_are_no_tool(cache: RedisSemanticCache, both: Both) -> None:
    answer = AIMessage(CANCER[1], additional_kwargs={"refusal": None}, response_metadata={"id": "x"})
    asked = prompt(HumanMessage(CANCER[0]), answer, HumanMessage(IT))
    await both(cache.update)(asked, MODEL, answers("Yes."))
    again = answer.model_copy(update={"response_metadata": {"id": "y"}, "id": "z"})
    assert text(await both(cache.lookup)(prompt(HumanMessage(CANCER[0]), again, HumanMessage(IT)), MODEL)) == "Yes."


# --- contexts -------------------------------------------------------------------------------------------------------


async def test_a_dependent_turn_is_answered_after_the_very_same_conversation(
    cache: RedisSemanticCache, both: Both
) -> None:
    await both(cache.update)(prompt(*CANCER, IT), MODEL, answers("of cancer"))
    assert text(await both(cache.lookup)(prompt(*CANCER, IT), MODEL)) == "of cancer"
    for other in (
        prompt(*CANCER, *MEASLES, IT),
        prompt(*MEASLES, *CANCER, IT),
        prompt(CANCER[0], "Another answer.", IT),
        prompt(IT),
        IT,
    ):
        assert await both(cache.lookup)(other, MODEL) is None
        assert (await both(cache.explain)(other, MODEL)).candidates == ()


class Contextualiser:
    """Puts a word for the pronoun; sure of it, or not, or failing."""

    def __init__(self, sure: bool = True, fail: bool = False) -> None:
        self.sure, self.fail = sure, fail

    def contextualise(self, turn: str, history: Any, _state: Any) -> Any:
        if self.fail:
            raise LookupError
        topic = str(history[-2].content).removeprefix("What is ").rstrip("?")
        return type("Rewrite", (), {"question": turn.replace(" it ", f" {topic} "), "trusted": self.sure})()


async def test_what_a_turn_means_is_shared(cache: RedisSemanticCache, client: Client, both: Both) -> None:
    sure = semantic_cache(client, contextualiser=Contextualiser())
    await both(sure.update)(prompt(*CANCER, IT), MODEL, answers("of cancer"))
    assert text(await both(sure.lookup)("Is throat cancer treatable?", MODEL)) == "of cancer"
    assert text(await both(sure.lookup)(prompt(CANCER[0], "Another answer.", IT), MODEL)) == "of cancer"
    assert await both(sure.lookup)(prompt(*MEASLES, IT), MODEL) is None
    unsure = semantic_cache(client, contextualiser=Contextualiser(sure=False))
    assert await both(unsure.lookup)(prompt(*CANCER, IT), MODEL) is None
    assert (await both(unsure.explain)(prompt(*CANCER, IT), MODEL)).question == IT


async def test_a_rewriter_that_sees_nothing_missing_does_not_overrule_the_classifier(
    cache: RedisSemanticCache, client: Client, both: Both
) -> None:
    """`LocalContextualiser` sees no sign in these words; the classifier says that they depend on what was said."""

    class Dependent:
        def classify(self, *_args: Any) -> Verdict:
            return Verdict(QuestionType.CONTEXTUAL_WITH_SEARCH, 1.0)

    asked = "Which bicycles are allowed?"
    sure = semantic_cache(client, contextualiser=LocalContextualiser(), classifier=Dependent())
    await both(sure.update)(prompt(*CANCER, asked), MODEL, answers("of cancer"))
    assert await both(sure.lookup)(asked, MODEL) is None
    assert await both(sure.lookup)(prompt(*MEASLES, asked), MODEL) is None
    assert text(await both(sure.lookup)(prompt(*CANCER, asked), MODEL)) == "of cancer"


async def test_a_contextualiser_that_fails_is_a_bypass(
    client: Client, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    cache = semantic_cache(client, contextualiser=Contextualiser(fail=True))
    asked = prompt(*CANCER, IT)
    await both(cache.update)(asked, MODEL, answers("a"))
    assert await both(cache.lookup)(asked, MODEL) is None
    assert (await both(cache.explain)(asked, MODEL)).bypass == "not_understood"
    assert "LookupError" in caplog.text
    assert await both(cache.count)() == 0


# --- private, and what is no question -------------------------------------------------------------------------------

OF_SELF = """My name is Bob.|I have diabetes|Thanks, I have diabetes.|Thank you. I am pregnant|I'm 40 years old
Call me Ishmael|As I am pregnant, what now?|When I was diagnosed with it, what happened?|The thing is that I have cancer
So I am ill|We live in Oslo.|Our son is ill|Help me, my son is ill|I see a therapist every week|I'm trying to conceive
I\u2019ve got a dog|What I have is diabetes|I think of killing myself|Ich habe Diabetes|J'ai le diab\u00e8te
Tengo diabetes|\u6211\u6709\u7cd6\u5c3f\u75c5|\u79c1\u306f\u7cd6\u5c3f\u75c5\u3067\u3059|i live in rome
I want to lose weight|What should I do? I broke a leg|Is it for me? I am deaf"""
OF_NOBODY = """What is measles?|Can I eat apples?|How do I read a file?|Could you tell me what Redis is?|Thanks!
Thank you for helping me|I want to know what Redis is|I'd like to know what Redis is|What should I do when it fails?
Should we use Redis?|Let us talk about Redis|I was wondering how tall it is|I'm looking for the capital of Norway
I see.|I think so|Explain to me what it is|My question is: what is Redis?|Is Redis for me?"""


@pytest.mark.parametrize("said", [one for line in OF_SELF.splitlines() for one in line.split("|")])
def test_words_of_oneself(said: str) -> None:
    assert tells_of_self(said)


@pytest.mark.parametrize("said", [one for line in OF_NOBODY.splitlines() for one in line.split("|")])
def test_ways_of_asking_tell_nothing(said: str) -> None:
    assert not tells_of_self(said)


async def test_private_conversations_may_be_shared_on_purpose(real: Client, both: Both) -> None:
    asked = prompt("I have a dog.", "Nice.", "Which pets are best for children in Norway?")
    for role in (HumanMessage("I have a dog."), ChatMessage(content="I have a dog.", role="user")):
        spoken = prompt(role, AIMessage("Nice."), HumanMessage("Which pets are best for children in Norway?"))
        assert (await both(semantic_cache(real).explain)(spoken, MODEL)).bypass == "private"
    cache = semantic_cache(real, share_private=True)
    await both(cache.update)(asked, MODEL, answers("a"))
    assert text(await both(cache.lookup)(asked, MODEL)) == "a"
    assert await both(semantic_cache(real).lookup)(asked, MODEL) is None, "others' private turns are not asked"


TOLD = "I am allergic to nuts and live in Oslo."
ANYBODYS = "What is the capital of Norway?|How does a heat pump work?|What does error E15 on a dishwasher mean?"
HIS = """Which snacks are best for hikers?|Recommend a recipe for Norwegian waffles.
Are almonds safe for my diet?|What is my name?""".replace("\n", "|")


@pytest.mark.parametrize("asked", ANYBODYS.split("|"))
async def test_what_is_answered_alike_for_all_is_shared_whatever_was_told_before(
    real: Client, both: Both, asked: str
) -> None:
    cache = semantic_cache(real)
    await both(cache.update)(prompt(TOLD, "I see.", asked), MODEL, answers("a"))
    for before in (TOLD, "My name is Eva, I have two kids."):
        assert text(await both(cache.lookup)(prompt(before, "I see.", asked), MODEL)) == "a"
    assert text(await both(cache.lookup)(prompt("Tell me about Bergen.", "A city.", asked), MODEL)) == "a"


@pytest.mark.parametrize("asked", HIS.split("|"))
async def test_what_may_be_answered_for_the_one_who_told_of_himself_is_not(
    real: Client, both: Both, asked: str
) -> None:
    cache = semantic_cache(real)
    told = prompt(TOLD, "I see.", asked)
    assert (await both(cache.explain)(told, MODEL)).bypass
    await both(cache.update)(told, MODEL, answers("a"))
    assert await both(cache.count)() == 0


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
NO_QUESTION: dict[str, list[BaseMessage]] = {
    "nothing": [HumanMessage("")],
    "only the system": [SystemMessage("Be brief.")],
    "the model spoke last": [HumanMessage("a"), AIMessage("b")],
    "an image": [HumanMessage([{"type": "text", "text": "What is measles?"}, IMAGE])],
    "only an image": [HumanMessage([IMAGE])],
    "a file": [HumanMessage([{"type": "text", "text": "What is it?"}, {"type": "file", "id": "file-1"}])],
    "a name": [HumanMessage("What is measles?", name="bob")],
    "extras": [HumanMessage("What is measles?", additional_kwargs={"files": ["x"]})],
    "an image after tools": [*WEATHER, HumanMessage([IMAGE])],
}


@pytest.mark.parametrize("name", NO_QUESTION)
@pytest.mark.parametrize("share", [False, True])
async def test_what_is_no_question_of_words_alone_goes_past_the_cache(
    real: Client, both: Both, name: str, share: bool
) -> None:
    cache = semantic_cache(real, share_tools=share, share_private=share)
    asked = prompt(*NO_QUESTION[name])
    await both(cache.update)(asked, MODEL, answers("a"))
    assert await both(cache.lookup)(asked, MODEL) is None
    assert (await both(cache.explain)(asked, MODEL)).bypass in {"no_question", "tools"}
    assert await both(cache.count)() == 0


async def test_text_blocks_are_text_and_images_before_decide(cache: RedisSemanticCache, both: Both) -> None:
    await both(cache.update)(prompt(HumanMessage([{"type": "text", "text": "What is measles?"}])), MODEL, answers("a"))
    assert text(await both(cache.lookup)(prompt("What is measles?"), MODEL)) == "a"
    shown = [HumanMessage([{"type": "text", "text": "What is this flower?"}, IMAGE]), AIMessage("A rose.")]
    await both(cache.update)(prompt(*shown, HumanMessage(IT)), MODEL, answers("of the rose"))
    assert text(await both(cache.lookup)(prompt(*shown, HumanMessage(IT)), MODEL)) == "of the rose"
    other = prompt(*shown, HumanMessage(IT)).replace("AAAA", "BBBB")
    assert await both(cache.lookup)(other, MODEL) is None


# --- what is asked of whom ------------------------------------------------------------------------------------------


async def test_an_opening_that_points_at_something_never_told_goes_past_the_cache(
    everywhere: RedisSemanticCache, both: Both
) -> None:
    where = [HumanMessage("Where did he go to school?")]
    model = PureModel(script=[AIMessage("Ulm"), AIMessage("Paris"), AIMessage("Ulm"), AIMessage("x")])
    assert (await both(model.invoke)(where)).text == "Ulm"
    assert (await both(model.invoke)(where)).text == "Paris", "another man"
    assert (await both(everywhere.explain)(prompt(*where), MODEL)).bypass == "points_outside"
    about = [SystemMessage("The user is reading about Einstein."), *where]
    assert (await both(model.invoke)(about)).text == (await both(model.invoke)(about)).text == "Ulm", (
        "told by the system"
    )


class Counting:
    """Asks a model, as far as anybody can tell, and counts how often."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def classify(self, turn: str, history: Any, state: Any = None) -> Any:
        self.asked.append(turn)
        verdict = Verdict(QuestionType.CONTEXTUAL_WITH_SEARCH, 0.9, standalone="Is throat cancer treatable?")
        answer = yield Invoke(lambda: verdict, partial(_later, verdict))
        return answer


async def _later(verdict: Verdict) -> Verdict:
    return verdict


async def test_a_turn_is_classified_once_for_its_lookup_and_its_answer(client: Client, both: Both) -> None:
    classifier = Counting()
    cache = semantic_cache(client, classifier=classifier)
    asked = prompt(HumanMessage(CANCER[0]), AIMessage(CANCER[1]), HumanMessage(IT))
    for _ in range(2):
        assert await both(cache.lookup)(asked, MODEL) is None
    await both(cache.update)(asked, MODEL, answers("Often."))
    assert classifier.asked == [IT, IT]
    alone = prompt(HumanMessage("Is throat cancer treatable?"))
    assert text(await both(cache.lookup)(alone, MODEL)) == "Often.", "kept under the question that was looked for"
