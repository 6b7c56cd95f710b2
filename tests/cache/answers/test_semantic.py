"""`SemanticAnswerCache`: the answers of a `ConversationMemory`, found by meaning in the very same context only."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from langchain_redis_memory.cache.answers.answer_cache import Answer, CacheQuestion
from langchain_redis_memory.cache.answers.semantic import SemanticAnswerCache
from langchain_redis_memory.cache.answers.semantic_records import query_of
from langchain_redis_memory.cache.rag.rag_cache import RagCache
from langchain_redis_memory.errors import ConfigError, InvalidIdError, InvalidInputError
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both, url_of
from tests.support.chains import Switch
from tests.support.meanings import ASKED, CLOSE, FAR, NEAR, Cut, WordEmbeddings, grouped, keys_of
from tests.support.raw import raw
from tests.support.servers import NEWEST, Farm, wait_for

ANSWER = Answer(AIMessage("330 metres", response_metadata={"finish_reason": "stop"}), 12)


@pytest.fixture(params=["memory", NEWEST])
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


class Counter:
    """A cache as a memory uses it: the very same question with the turn, then by meaning, then the answer."""

    def __init__(self, client: Client, both: Both, **options: Any) -> None:
        self.client, self.both = client, both
        given = {"embeddings": WordEmbeddings(), "policy": Cut(), **options}
        self.cache = SemanticAnswerCache(client, given.pop("embeddings"), **grouped(given))

    async def same(self, asked: CacheQuestion) -> Answer | None:
        found: Answer | None = await self.both(self.client.run)(self.cache.lookup(asked))
        return found

    async def near(self, asked: CacheQuestion) -> Answer | None:
        found: Answer | None = await self.both(self.client.drive)(self.cache.search(asked))
        return found

    async def keep(self, asked: CacheQuestion, answer: Answer = ANSWER) -> None:
        op = await self.both(self.client.drive)(self.cache.store(asked, answer))
        await self.both(self.client.run)(op)


@pytest.fixture
def desk(client: Client, both: Both) -> Counter:
    return Counter(client, both)


@pytest.fixture
def asked(client: Client) -> CacheQuestion:
    return CacheQuestion(client.keys(), "", "desk", ASKED)


async def test_an_answer_is_found_by_its_words_and_by_its_meaning(desk: Counter, asked: CacheQuestion) -> None:
    assert await desk.same(asked) is None
    assert await desk.near(asked) is None
    await desk.keep(asked)
    assert await desk.same(asked) == ANSWER
    assert await desk.same(replace(asked, question=f"  {ASKED}\n")) == ANSWER
    for question in (NEAR, CLOSE):
        assert await desk.same(replace(asked, question=question)) is None
        assert await desk.near(replace(asked, question=question)) == ANSWER
    assert await desk.near(replace(asked, question=FAR)) is None
    await desk.keep(replace(asked, question=FAR), Answer("light"))
    assert await desk.near(replace(asked, question=FAR)) == Answer("light")


async def test_a_hit_says_what_it_is(desk: Counter, asked: CacheQuestion) -> None:
    await desk.keep(asked, replace(ANSWER, seconds=2.5))
    same, near = await desk.same(asked), await desk.near(replace(asked, question=NEAR))
    assert same
    assert near
    assert (same.kind, same.why) == ("exact", "the very same question")
    assert near.kind == "meaning"
    assert near.why == "a question that was asked before means the same, p=1.00"
    assert ASKED not in near.why, "somebody else's words"
    assert same.entry.partition("-")[0] == near.entry.partition("-")[0]
    for found in (same, near):
        assert found.seconds == 2.5
        assert found.age_s is not None
        assert 0 <= found.age_s < 60


async def test_the_turn_s_trips(desk: Counter, asked: CacheQuestion, trips: list[Trip], url: str) -> None:
    near = 2 if url.startswith("memory") else 1  # a server that searches reads the nearest answer in the same trip
    for _ in range(2):
        await desk.near(replace(asked, question=NEAR))
        await desk.keep(asked)
        trips.clear()
    await desk.same(asked)
    assert len(trips) == 1
    await desk.near(replace(asked, question=NEAR))
    assert len(trips) == 1 + near
    await desk.keep(asked)
    assert len(trips) == 2 + near
    await desk.near(replace(asked, question=FAR))
    assert len(trips) == 3 + near


CONTEXT = [HumanMessage("What is measles?"), AIMessage("A virus.")]
APART: dict[str, Any] = {
    "agent": lambda asked: replace(asked, agent="a"),
    "scope": lambda asked: replace(asked, scope="other"),
    "given": lambda asked: replace(asked, given=[{"a": 1}]),
    "system": lambda asked: replace(asked, context=[SystemMessage("Be brief.")]),
    "context": lambda asked: replace(asked, context=CONTEXT),
    "other context": lambda asked: replace(asked, context=[CONTEXT[0], AIMessage("Another.")]),
    "order": lambda asked: replace(asked, context=CONTEXT[::-1]),
    "half": lambda asked: replace(asked, context=CONTEXT[:1]),
    "tenant": lambda asked: replace(asked, space=replace(asked.space, tenant="t")),
    "indents": lambda asked: replace(asked, question=ASKED.replace(" tall", "\n    tall")),
}


async def test_what_must_not_meet_is_never_found(desk: Counter, asked: CacheQuestion) -> None:
    await desk.keep(asked)
    policy: Any = desk.cache._searches._policy
    for name, change in APART.items():
        other = change(asked)
        policy.judged.clear()
        assert await desk.same(other) is None, name
        assert await desk.near(other) is None, name
        assert policy.judged == [], name
        await desk.keep(other, Answer(name))
    for name, change in APART.items():
        assert await desk.near(change(replace(asked, question=NEAR)) if name != "indents" else change(asked)) == Answer(
            name
        )
    assert await desk.near(replace(asked, question=NEAR)) == ANSWER


@pytest.mark.parametrize("question", [[{"type": "text", "text": ASKED}], None, "", "  ", "\ud83d?", "word " * 1000])
async def test_what_cannot_be_searched_by_meaning_costs_nothing(
    desk: Counter, asked: CacheQuestion, trips: list[Trip], question: Any
) -> None:
    strange = replace(asked, question=question)
    await desk.keep(strange)
    assert await desk.same(strange) is None
    assert await desk.near(strange) is None
    assert trips == []


@pytest.mark.parametrize("damage", [b"", b"hello", b"+inf:\xc0", b"+inf:"])
async def test_damaged_answers_are_none(desk: Counter, asked: CacheQuestion, client: Client, damage: bytes) -> None:
    await desk.keep(asked)
    keys = client.keys().entries("semantic", "answers")
    (name,) = raw(client, ("HKEYS", keys.items))[0]
    raw(client, ("HSET", keys.items, name, damage))
    assert await desk.same(asked) is None
    assert await desk.near(replace(asked, question=NEAR)) is None
    await desk.keep(asked)
    assert await desk.near(replace(asked, question=NEAR)) == ANSWER


async def test_lifetimes_and_the_bound(client: Client, both: Both, asked: CacheQuestion) -> None:
    short = Counter(client, both, ttl_s=0.2)
    await short.keep(asked)
    wait_for(lambda: not keys_of(client, "tally"))
    small = Counter(client, both, max_entries=2)
    for number in range(5):
        await small.keep(replace(asked, question=f"What is thing number {number}?"))
    assert raw(client, ("HLEN", client.keys().entries("semantic", "answers").items)) == [2]


async def test_a_server_that_dies(real: Client, both: Both) -> None:
    embeddings = WordEmbeddings()
    desk, asked = Counter(real, both, embeddings=embeddings), CacheQuestion(real.keys(), "", "desk", ASKED)
    switch = Switch(real)
    switch.off()
    real.breaker._first = 60
    for _ in range(3):
        assert await desk.near(asked) is None
        assert await both(real.drive)(desk.cache.store(asked, ANSWER)) is not None
    assert embeddings.asked == [ASKED], "after the first failure nothing is embedded in vain"
    switch.on()
    real.breaker.worked()
    await desk.keep(asked)
    assert await desk.near(replace(asked, question=NEAR)) == ANSWER


@pytest.mark.parametrize(
    "options",
    [
        {"embeddings": "minilm"},
        {"max_error": -1},
        {"ttl_s": 0},
        {"max_entries": 0},
        {"max_entries": "x"},
        {"name": ""},
        {"jitter": 2},
        {"judge": 5},
        {"engine": "best"},
        {"quantization": "int4"},
        {"policy": 0.9},
    ],
    ids=str,
)
def test_wrong_arguments_are_refused_early(both: Both, options: dict[str, Any]) -> None:
    with pytest.raises((ConfigError, InvalidInputError, InvalidIdError)):
        Counter(Client.from_url("memory://wrong"), both, **options)


# --- epochs ---------------------------------------------------------------------------------------------------------


async def test_answers_of_an_epoch_that_ended_are_not_served(client: Client, both: Both) -> None:
    rag = RagCache(client, corpus="docs")
    desk = Counter(client, both, epoch=rag.responses_epoch)

    async def turn(question: str, answer: str, *, bump: bool = False) -> Any:
        asked = CacheQuestion(client.keys(), "", "scope", question)
        found = await desk.same(asked) or await desk.near(asked)
        if found is None:
            if bump:
                await both(rag.bump_epoch)()
            await desk.keep(asked, Answer(answer))
        return None if found is None else found.value

    assert await turn(ASKED, "old") is None
    assert await turn(ASKED, "x") == "old"
    assert await turn(NEAR, "x") == "old"
    await both(rag.bump_epoch)()
    assert await turn(NEAR, "late", bump=True) is None
    assert await turn(NEAR, "new") is None, "what was made of the old documents is not stored as new"
    assert await turn(NEAR, "x") == "new"


async def test_without_a_look_nothing_of_an_epoch_is_stored(client: Client, both: Both) -> None:
    desk = Counter(client, both, epoch=RagCache(client).responses_epoch)
    asked = CacheQuestion(client.keys(), "", "scope", ASKED)
    await desk.keep(asked)
    assert await desk.same(asked) is None
    assert await desk.near(asked) is None


def milliseconds_of(client: Client) -> int:
    """The server's clock."""
    seconds, micros = raw(client, ("TIME",))[0]
    return int(seconds) * 1000 + int(micros) // 1000


async def test_vectors_of_what_had_to_go(client: Client, both: Both) -> None:
    desk = Counter(client, both, max_entries=1)
    one, two, three = (CacheQuestion(client.keys(), "", "scope", question) for question in (ASKED, FAR, CLOSE))
    for asked in (one, two, three):
        assert await desk.same(asked) is None
        await desk.near(asked)
        await desk.keep(asked)
        later = partial(lambda kept_at: milliseconds_of(client) > kept_at, milliseconds_of(client))
        wait_for(later)  # uses of one millisecond have no order
    assert await desk.same(three) == ANSWER
    seeker, sought = desk.cache._searches.of(client.keys()), query_of(three)
    assert sought is not None
    (vector,) = await both(client.drive)(seeker.embedder.many_flow([ASKED]))
    engine = await both(client.drive)(seeker.engine_flow(len(vector)))
    place = seeker.collection(sought.partition, seeker.embedder.name_of(vector), engine)
    assert await both(client.run)(engine.count(place)) == 2, (
        "the vector of what had to go first went with the next answer"
    )
