"""What a user needs at the end of a conversation, and whether an answer to another's need serves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from benchmarks.quality.needs import DEV, conversation, need_pairs
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.language.equivalence.pair_scorer import MOST_ODDS, SCORED
from langchain_redis_memory.language.equivalence.weights import shipped
from langchain_redis_memory.language.need.need import Fact, Need, need_of, read_need
from langchain_redis_memory.language.need.policy import NeedPolicy, NeedWeights, need_weights, same_need

DOG = ["I booked a flight to Lisbon", "I have a small dog", "Can it fly in the cabin?"]


class Alike(Embeddings):
    """Finds all texts alike: what is compared besides decides."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[1.0, 0.0] for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def need(*turns: str | tuple[str, str]) -> Need:
    found = need_of(conversation(turns))
    assert found is not None
    return found


def test_what_is_only_polite_is_left_out() -> None:
    plain = need(*DOG)
    assert plain.facts == (Fact(DOG[0]), Fact(DOG[1]))
    polite = need("Hello!", f"Hi there, {DOG[0]}", f"{DOG[1]}, please", "ok great", f"One more question: {DOG[2]}")
    assert polite.facts == plain.facts
    assert polite.lines == plain.lines
    assert polite.text != plain.text, "the words of the question are kept, to find and to remove it by"


def test_a_reply_that_says_something_and_an_answer_to_it_are_kept() -> None:
    found = need(
        ("Which plans are there?", "Silver and gold."), ("My phone is broken", "Is it wet?"), "no", "What now?"
    )
    assert found.facts == (
        Fact("Which plans are there?", "Silver and gold."),
        Fact("My phone is broken", "Is it wet?"),
        Fact("no"),
    )
    assert need("My phone is broken", "no", "What now?").facts == (Fact("My phone is broken"),)


@pytest.mark.parametrize("pair", list(need_pairs(DEV[:1]))[:18], ids=lambda pair: pair.kind)
def test_a_need_has_one_text(pair: object) -> None:
    for messages in (pair.asked, pair.other):  # type: ignore[attr-defined]
        found = need_of(messages, personal=True)
        assert found is not None
        assert read_need(found.text) == found


def test_questions_by_themselves_are_needs() -> None:
    assert read_need("What is it?") == Need("What is it?")
    alone = Need("What is it?", alone=True)
    assert read_need(alone.text) == alone


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [HumanMessage("a"), AIMessage("b")],
        [HumanMessage("My name is Ann"), AIMessage("Hi"), HumanMessage("What may I eat?")],
        [HumanMessage("It is for ann@example.org"), AIMessage("Hi"), HumanMessage("What may I eat?")],
        [HumanMessage("Look"), AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "1"}]), HumanMessage("Well?")],
        [HumanMessage("Look"), ToolMessage("x", tool_call_id="1"), HumanMessage("Well?")],
        [HumanMessage([{"type": "image_url", "image_url": {"url": "x"}}]), AIMessage("A rose."), HumanMessage("Why?")],
        [HumanMessage("word " * 500), AIMessage("ok"), HumanMessage("Why?")],
    ],
)
def test_what_is_no_need_that_may_be_shared(messages: list[BaseMessage]) -> None:
    assert need_of(messages) is None


def test_the_application_s_messages_are_no_part_of_it() -> None:
    assert need_of([SystemMessage("Be brief."), *conversation(DOG)]) == need(*DOG)


def test_an_aside_is_passed_over() -> None:
    hours = ("What are your opening hours?", "We open at nine.")
    assert need(DOG[0], hours, *DOG[1:]).lines == need(*DOG).lines
    sofa = need(("Do you have the Nordic sofa?", "Yes, in grey."), hours, "How long is the delivery time?")
    assert len(sofa.bearing) == 2, "nothing else says what the question is about"


def judged(one: Need, other: Need, similarity: float = 0.95) -> bool:
    return NeedPolicy(0.05).judge(one.text, other.text, similarity).hit


def test_the_same_need_in_other_words() -> None:
    assert judged(need(*DOG), need("I booked a flight to Lisbon", "I've got a small dog", "May it fly in the cabin?"))


TRAPS: dict[str, list[str | tuple[str, str]]] = {
    "what it is about": ["I booked a flight to Lisbon", "I have a small guitar", DOG[2]],
    "a detail": ["I booked a flight to Lisbon", "I have a big dog", DOG[2]],
    "what is asked": [*DOG[:2], "What does it cost in the cabin?"],
    "nothing said before": [DOG[2]],
    "another reply": [DOG[0], (DOG[1], "Dogs fly in the hold only."), DOG[2]],
}


@pytest.mark.parametrize("name", TRAPS)
def test_another_need(name: str) -> None:
    one, other = need(*DOG), need(*TRAPS[name])
    assert not judged(one, other, 0.985)
    assert not judged(other, one, 0.985)


def test_a_number_decides_where_the_question_leans_on_it() -> None:
    assert not judged(
        need("My daughter is 9", "What does she pay?"), need("My daughter is 19", "What does she pay?"), 0.985
    )


def test_an_answer_made_within_a_conversation_is_not_served_to_a_question_by_itself() -> None:
    question = "How long does it take to port a mobile number?"
    within, alone = need("I come from another provider", question), Need(question, alone=True)
    for one in (alone, Need(question)):
        assert not judged(one, within, 1.0)
        assert judged(one, Need(question), 1.0)


def test_a_question_within_a_conversation_is_compared_more_freely_than_a_first_one() -> None:
    asked, stored = "Where do I find the PUK of a SIM card?", "In which place can I find the PUK of a SIM card?"
    assert judged(Need(asked, alone=True), Need(stored), 0.94)
    assert not judged(Need(asked), Need(stored), 0.94)


def test_what_one_side_asks_besides_is_another_question() -> None:
    about = "What is a 529 plan?"
    assert not judged(Need("What are the types of 529 plans?", alone=True), Need(about), 0.9)
    assert not judged(
        Need("Tell me about the Bronze Age collapse.", alone=True),
        Need("What came after the Bronze Age collapse?"),
        0.95,
    )


class Says:
    """A scorer that says the same of every pair, with the weights of the package and one for itself."""

    def __init__(self, share: float) -> None:
        self.share, self.asked = share, list[tuple[str, str]]()
        found = need_weights()
        weights = {**found.leaning.weights, SCORED: 2.0}
        self.need_weights = NeedWeights(*(replace(one, weights=weights) for one in found))
        self.verifier_weights = replace(shipped(), weights={**shipped().weights, SCORED: 2.0})

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        self.asked += pairs
        return [self.share for _ in pairs]


def test_a_scorer_decides_where_the_words_leave_a_doubt() -> None:
    one, other = need(*DOG), need("I booked a flight to Lisbon", "I've got a small dog", "May it fly in the cabin?")
    hits = []
    for share in (0.99, 0.01):
        scorer = Says(share)
        judgement = NeedPolicy(0.05, scorer=scorer).judge(one.text, other.text, 0.86)
        assert scorer.asked == [(min(one.words, other.words), max(one.words, other.words))]
        assert judgement.features[SCORED] == pytest.approx(MOST_ODDS if share > 0.5 else -MOST_ODDS)
        hits.append(judgement.hit)
    assert hits == [True, False]


def test_a_scorer_overrules_no_veto_and_is_asked_only_where_it_matters() -> None:
    scorer = Says(0.99)
    policy = NeedPolicy(0.05, scorer=scorer)
    judged = [policy.judge(need(*DOG).text, need(*trap).text, 0.95) for trap in TRAPS.values()]
    assert sum(bool(one.vetoes) for one in judged) >= 3
    assert not any(one.hit for one in judged if one.vetoes)
    scorer.asked.clear()
    assert policy.judge(need(*DOG).text, need(*DOG).text, 1.0).hit
    assert scorer.asked == []


def test_a_scorer_brings_its_weights() -> None:
    class Bare:
        verifier_weights = Says(0.5).verifier_weights

        def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
            return [0.5 for _ in pairs]

    with pytest.raises(ConfigError, match="need_weights"):
        NeedPolicy(0.05, scorer=Bare())


def test_same_need_says_why() -> None:
    same = same_need(conversation(DOG), conversation(DOG), Alike())
    other = same_need(conversation(DOG), conversation([*DOG[:1], "I have a big dog", DOG[2]]), Alike())
    assert same.probability > 0.9 > 0.1 > other.probability
    assert any("I have a big dog" in line for line in other.evidence)
    with pytest.raises(InvalidInputError, match="question"):
        same_need(conversation(DOG)[:-1], conversation(DOG), Alike())
