"""A question is embedded once a turn, whoever asks: the classifier, recall by meaning, the cache of answers."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b

from langchain_core.embeddings import Embeddings

from langchain_redis_memory.conversation.select.memory import MemorySelector
from langchain_redis_memory.language.classify import EmbeddingClassifier
from langchain_redis_memory.language.text_vectors import TextVectors
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.chains import Desk


class Counting(Embeddings):
    """Counts the texts that it embeds, and its calls."""

    def __init__(self) -> None:
        self.texts: Counter[str] = Counter()
        self.calls = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.texts.update(texts)
        self.calls += 1
        return [[byte - 127.5 for byte in blake2b(text.encode(), digest_size=16).digest()] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


SAID = (
    "What is throat cancer?",
    "How does a diesel engine work?",
    "Which novel did you recommend to me?",
    "How does a diesel engine start?",
)


async def test_a_question_is_embedded_once_a_turn(client: Client, both: Both) -> None:
    embeddings = Counting()
    desk = Desk(
        client,
        both,
        embeddings=embeddings,
        classifier=EmbeddingClassifier(embeddings),
        selector=MemorySelector(embeddings=embeddings),
    )
    for at, said in enumerate(SAID):
        before = embeddings.calls
        await desk.say(said)
        # With a conversation before it, what is searched for is the question with what bears on it: one call more.
        assert embeddings.calls - before <= (2 if at else 1), said
    assert {said: embeddings.texts[said] for said in SAID} == dict.fromkeys(SAID, 1)
    assert "HISTORY_RECALL" in {str(report.verdict.type) for report in desk.reports}


def test_vectors_are_shared_by_object_and_bounded(client: Client) -> None:
    one, other = Counting(), Counting()
    first, second, third = TextVectors(one, 2), TextVectors(one, 3), TextVectors(other, 3)
    for vectors in (first, second, third):
        client.drive(vectors.rows_flow(["a", "b", "a"]))
    assert (one.texts, one.calls, other.calls) == (Counter("ab"), 1, 1)
    client.drive(first.rows_flow(["a", "c", "d"]))
    assert len(first) == len(second) == 3, "the largest bound holds, and the least recently used one is dropped"
    client.drive(second.rows_flow(["a"]))
    assert one.texts["a"] == 1
    client.drive(second.rows_flow(["b"]))
    assert one.texts["b"] == 2


def test_an_object_that_is_gone_leaves_nothing_behind(client: Client) -> None:
    from langchain_redis_memory.language import text_vectors

    embeddings = Counting()
    client.drive(TextVectors(embeddings, 2).rows_flow(["a"]))
    key = id(embeddings)
    assert key in text_vectors._memos
    del embeddings
    assert key not in text_vectors._memos


def test_an_object_without_weak_references_is_served_by_itself(client: Client) -> None:
    class Slotted:
        __slots__ = ("calls",)

        def __init__(self) -> None:
            self.calls = 0

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            self.calls += 1
            return [[1.0, 2.0] for _ in texts]

    embeddings = Slotted()
    vectors = TextVectors(embeddings, 5)  # type: ignore[arg-type]
    for _ in range(2):
        (row,) = client.drive(vectors.rows_flow(["a"]))
    assert (row.tolist(), embeddings.calls) == ([1.0, 2.0], 1)
    assert not row.flags.writeable
