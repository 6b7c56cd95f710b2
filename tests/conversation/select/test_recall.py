"""Finding what was said: by position, by words, by meaning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_redis_memory.conversation.select.recall import by_position, by_words
from langchain_redis_memory.conversation.select.semantic_recall import SemanticRecall
from langchain_redis_memory.history.turns import turn_starts
from langchain_redis_memory.language.bm25 import search, terms
from langchain_redis_memory.language.words import stem
from langchain_redis_memory.redis.client.client import Client
from tests.support.chains import Broken

TALK: list[BaseMessage] = [
    SystemMessage("You are helpful."),
    HumanMessage("Hi!"),
    AIMessage("Hello! What can I do for you?"),
    HumanMessage("Which book should I read on holiday?"),
    AIMessage("I recommend The Name of the Rose by Umberto Eco."),
    HumanMessage("What is throat cancer?"),
    AIMessage("A tumour of the larynx or the pharynx."),
    HumanMessage("How do I cook risotto?"),
    AIMessage("Toast the rice, add stock slowly, stir in parmesan."),
    HumanMessage("My dog is called Bella."),
    AIMessage("What a nice name!"),
]
HI, BOOK, CANCER, RISOTTO, DOG = turn_starts(TALK)


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("What did I ask first?", {HI, BOOK}),
        ("What was my first question?", {HI, BOOK}),
        ("what was my very first message", {HI, BOOK}),
        ("What did I say at the beginning?", {HI, BOOK}),
        ("How did our conversation start?", {HI, BOOK}),
        ("What was my second question?", {BOOK, CANCER}),
        ("What was the 3rd thing I asked?", {CANCER, RISOTTO}),
        ("Tell me question number 2 again.", {BOOK, CANCER}),
        ("What was my last message?", {DOG, RISOTTO}),
        ("What did I just ask?", {DOG, RISOTTO}),
        ("What did you just say?", {DOG, RISOTTO}),
        ("And before that?", {RISOTTO, CANCER}),
        ("What was the question before that one?", {RISOTTO, CANCER}),
        ("my second to last question", {RISOTTO, CANCER}),
        ("two questions ago", {RISOTTO, CANCER}),
        ("What were my last two questions?", {DOG, RISOTTO, CANCER}),
        ("What were the first two questions?", {HI, BOOK, CANCER}),
        ("What did you say after I asked about the holiday book?", {BOOK, CANCER}),
        ("What did I ask before the risotto?", {CANCER, RISOTTO}),
        ("Can you summarize our conversation?", {HI, BOOK}),
    ],
)
def test_by_position(question: str, wanted: set[int]) -> None:
    assert set(by_position(question, TALK)) == wanted


@pytest.mark.parametrize(
    "question", ["Which book did you recommend?", "What is my dog's name?", "my 4000th question", "", "?", "before"]
)
def test_what_counts_no_position(question: str) -> None:
    assert by_position(question, TALK) == []


def test_positions_of_nothing() -> None:
    assert by_position("What did I ask first?", []) == []
    assert by_position("What did I ask first?", [AIMessage("a")]) == []


@pytest.mark.parametrize(
    ("question", "place"),
    [
        ("Which book did you recommend to me?", BOOK + 1),
        ("What did I tell you about my dog?", DOG),
        ("Which cancers did we talk about?", CANCER),
        ("how was risotto cooked", RISOTTO),
    ],
)
def test_by_words(question: str, place: int) -> None:
    assert by_words(question, TALK)[0].place == place


def test_words_that_nobody_said() -> None:
    assert by_words("Did we talk about submarines?", TALK) == []
    assert by_words("What did I say?", TALK) == []


def test_tools_are_searched_and_system_messages_are_not() -> None:
    history = [SystemMessage("zebra"), HumanMessage("x"), ToolMessage("a zebra", tool_call_id="1")]
    assert [hit.place for hit in by_words("zebras?", history)] == [2]


# --- BM25 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "group",
    ["recipe recipes", "company companies", "movie movies", "stop stops stopped stopping", "treat treated treating",
     "ask asked asking asks", "cat cats cat's"],
)  # fmt: skip
def test_stems(group: str) -> None:
    assert len({stem(word) for word in group.split()}) == 1


@given(st.text(max_size=30))
def test_a_stem_begins_its_word(word: str) -> None:
    assert word.startswith(stem(word))


def test_scores_are_those_of_the_formula() -> None:
    """Against a plain computation of BM25 with Lucene's idf, where every text is as long as the mean."""
    from math import log

    texts = ["aaa bbb ccc", "aaa aaa ddd", "eee fff ggg"]
    found = {hit.place: hit.score for hit in search("aaa bbb", texts)}
    idf_a, idf_b = log(1 + (3 - 2 + 0.5) / (2 + 0.5)), log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    assert found == pytest.approx({0: idf_a / 2.2 + idf_b / 2.2, 1: idf_a * 2 / 3.2})


def test_rare_words_and_short_texts_count_more() -> None:
    texts = ["the cat sat", "the cat", "the dog", "the " * 50 + "dog"]
    assert search("the sat", texts)[0].place == 0
    assert [hit.place for hit in search("dog", texts)] == [2, 3]
    assert [hit.place for hit in search("cat", ["cat", "cat", "dog"])] == [1, 0], "the newest first"


def test_other_scripts() -> None:
    texts = ["我喜欢吃苹果", "今天天气很好", "Я люблю кошек", "מה שלומך", "القطط جميلة"]
    assert search("苹果在哪里", texts)[0].place == 0
    assert search("天气", texts)[0].place == 1
    assert search("люблю", texts)[0].place == 2
    assert search("שלומך", texts)[0].place == 3
    assert search("القطط", texts)[0].place == 4
    assert terms("苹果派") == ("苹果", "果派")


@given(st.text(max_size=40), st.lists(st.text(max_size=60), max_size=6))
def test_whatever_is_searched(query: str, texts: list[str]) -> None:
    hits = search(query, texts)
    assert len({hit.place for hit in hits}) == len(hits)
    for hit in hits:
        assert hit.score > 0
        assert set(terms(query)) & set(terms(texts[hit.place])), "they share a stem"
    assert search(query, [query])[:1] != [] or not terms(query)


@given(st.text(max_size=200))
def test_whatever_is_asked(question: str) -> None:
    starts = set(turn_starts(TALK))
    assert set(by_position(question, TALK)) <= starts
    assert all(0 < hit.place < len(TALK) for hit in by_words(question, TALK))


@pytest.mark.parametrize("question", ["what did i ask " * 8000, "\x00\x1b" * 50_000, "first " * 20_000, "(" * 100_000])
def test_long_and_strange_questions(question: str) -> None:
    assert len(by_position(question, TALK)) <= len(TALK)
    assert len(by_words(question, [*TALK, HumanMessage(question)])) <= len(TALK) + 1


# --- by meaning -------------------------------------------------------------------------------------


class Topics(Embeddings):
    """A vector of which topic a text is about; notes what it was asked."""

    topics = (("novel", "book", "read"), ("illness", "cancer", "tumour"), ("meal", "risotto", "rice"), ("pet", "dog"))

    def __init__(self, *, fail: bool = False) -> None:
        self.asked: list[str] = []
        self.fail = fail

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if self.fail:
            raise Broken
        self.asked += texts
        return [[float(any(word in text.lower() for word in words)) for words in self.topics] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def test_by_meaning_every_text_is_embedded_once() -> None:
    client, embeddings = Client.from_url("memory://meaning"), Topics()
    recall = SemanticRecall(embeddings)
    assert client.drive(recall.nearest_flow("Which illness was it?", TALK, []))[:2] == [CANCER, CANCER + 1]
    asked = len(embeddings.asked)
    assert asked == len(TALK) + 1
    assert client.drive(recall.nearest_flow("What meal was it?", [*TALK, AIMessage("new")], []))[0] == RISOTTO
    assert embeddings.asked[asked:] == ["new", "What meal was it?"]


async def test_by_meaning_async() -> None:
    client = Client.from_url("memory://meaning")
    assert (await client.adrive(SemanticRecall(Topics()).nearest_flow("a pet?", TALK, [])))[0] == DOG
    await client.aclose()


def test_what_is_kept_and_compared_is_bounded() -> None:
    client, embeddings = Client.from_url("memory://meaning"), Topics()
    recall = SemanticRecall(embeddings, most_vectors=4, most_compared=3)
    found = client.drive(recall.nearest_flow("Which illness?", TALK, [CANCER]))
    assert found[0] == CANCER, "found by a word, beyond the newest"
    assert sorted(found) == [CANCER, 8, 9, 10]
    assert len(recall._vectors) == 4
    assert client.drive(recall.nearest_flow("Which illness?", [AIMessage(" ")], [])) == []
