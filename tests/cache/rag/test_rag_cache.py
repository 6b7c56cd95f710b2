"""`RagCache`: three tiers on one corpus, each alone and all together behind a conversation."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_redis_memory import (
    Answer,
    AnswerCache,
    CachedEmbeddings,
    CacheQuestion,
    ConversationMemory,
    EpochAnswerCache,
    RagCache,
    RedisMemoryError,
)
from langchain_redis_memory.errors import ConfigError, InvalidIdError, InvalidInputError, UnavailableError
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both, url_of
from tests.support.chains import Desk, Marked, Switch
from tests.support.rag import Library, Model
from tests.support.raw import raw
from tests.support.servers import TWO, Farm


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    """What is tested here is the client's own work; the scripts beneath are tested on every server elsewhere."""
    return url_of(request.param, farm)


class Assistant(Desk):
    """A conversation over a library, with all tiers of a `RagCache`."""

    def __init__(self, client: Client, both: Both, rag: RagCache, library: Library, **options: Any) -> None:
        super().__init__(
            client,
            both,
            retriever=rag.retriever(library, name="l"),
            cache=rag.responses,
            classifier=Marked(),
            **options,
        )


# --- responses behind a conversation ----------------------------------------------------------------


async def test_responses_are_shared_until_the_epoch_ends(client: Client, both: Both) -> None:
    rag, library = RagCache(client), Library()
    desk = Assistant(client, both, rag, library)
    first = await desk.say("What is Redis?", "ana")
    assert desk.last.cache == "miss"
    again = await desk.say("What is Redis?", "ben")
    assert (desk.last.cache, again.text) == ("hit", first.text)
    assert (desk.model.calls, len(library.asked)) == (1, 1)

    library.edition = 2
    await both(rag.bump_epoch)()
    anew = await desk.say("What is Redis?", "cleo")
    assert (desk.last.cache, desk.model.calls, len(library.asked)) == ("miss", 2, 2)
    assert desk.last.documents[0].metadata["edition"] == 2
    assert anew.text != first.text
    assert (await desk.say("What is Redis?", "dan")).text == anew.text
    assert desk.model.calls == 2


async def test_follow_ups_and_recalls_never_meet_the_responses(client: Client, both: Both) -> None:
    rag = RagCache(client)
    desk = Assistant(client, both, rag, Library())
    for session in ("ana", "ben"):
        for said in ("N: What is Redis?", "F: In one sentence?", "R: What did I ask first?", "S: And how?"):
            await desk.say(said, session)
    outcomes = [report.cache for report in desk.reports]
    assert outcomes[:4] == ["miss", "bypass", "bypass", "miss"]
    assert outcomes[4:] == ["hit", "bypass", "bypass", "hit"]
    told = (await both(rag.stats)())["responses"]
    assert told.total("updates") == 2


@pytest.mark.slow
async def test_a_turn_costs_no_more_trips_than_with_the_default_cache(
    client: Client, both: Both, trips: list[Trip]
) -> None:
    rag = RagCache(client)
    spent: dict[str, list[int]] = {}
    for name, cache in (("default", True), ("rag", rag.responses)):
        desk = Desk(client, both, classifier=Marked(), cache=cache, scope=name)
        spent[name] = []
        for round_ in ("warm", "real"):
            for said in ("N: one", "F: two", "R: three", "S: four", "N: five"):
                trips.clear()
                await desk.say(said, f"{name} {round_}")
                if round_ == "real":
                    spent[name].append(len(trips))
    assert spent["rag"] == spent["default"]
    assert max(spent["rag"]) <= 3


async def test_an_answer_that_a_bump_overtook_is_never_served(client: Client, both: Both) -> None:
    rag, library = RagCache(client), Library()

    def change() -> None:
        library.meanwhile, library.edition = None, 2
        rag.bump_epoch()

    library.meanwhile = change
    desk = Assistant(client, both, rag, library)
    await desk.say("What is Redis?", "ana")
    assert desk.last.documents[0].metadata["edition"] == 1
    await desk.say("What is Redis?", "ben")
    assert desk.last.cache == "miss"
    assert desk.last.documents[0].metadata["edition"] == 2
    await desk.say("What is Redis?", "cleo")
    assert desk.last.cache == "hit"


async def test_two_turns_at_once_do_not_mix_up_their_epochs(client: Client, both: Both) -> None:
    """A asks, the epoch ends, B asks the same, and then A's answer comes: it is not stored as B's."""
    rag, run = RagCache(client), both(client.run)
    cache, old, new = rag.responses, *(CacheQuestion(client.keys(), "", "s", "q") for _ in range(2))
    assert await run(cache.lookup(old)) is None
    await both(rag.bump_epoch)()
    assert await run(cache.lookup(new)) is None
    await run(cache.store(old, Answer("old")))
    assert await run(cache.lookup(CacheQuestion(client.keys(), "", "s", "q"))) is None
    await run(cache.store(new, Answer("new")))
    assert await run(cache.lookup(CacheQuestion(client.keys(), "", "s", "q"))) == Answer("new")
    await run(cache.store(old, Answer("old")))
    assert await run(cache.lookup(CacheQuestion(client.keys(), "", "s", "q"))) is None, "lost, and not wrong"


async def test_who_did_not_look_stores_nothing(client: Client, both: Both, trips: list[Trip]) -> None:
    asked = CacheQuestion(client.keys(), "", "s", "q")
    await both(client.run)(RagCache(client).responses.store(asked, Answer("a")))
    assert trips == []


async def test_answers_of_all_kinds_come_back(client: Client, both: Both) -> None:
    cache, run = RagCache(client).responses, both(client.run)
    answers = [Answer("text"), Answer("", 7), Answer(AIMessage("said", id="1", additional_kwargs={"a": 1}), 3)]
    for place, answer in enumerate(answers):
        asked = CacheQuestion(client.keys(), "", "s", f"q{place}")
        await run(cache.lookup(asked))
        await run(cache.store(asked, answer))
        assert await run(cache.lookup(asked)) == answer


@pytest.mark.parametrize("damage", [b"", b"x", b"\xff\xfe", b";", b"\x93\xa4text\xa1a\x00"])
async def test_damaged_answers_are_no_answers(client: Client, both: Both, damage: bytes) -> None:
    cache, run, asked = RagCache(client).responses, both(client.run), CacheQuestion(client.keys(), "", "s", "q")
    await run(cache.lookup(asked))
    token = asked.notes[asked.key()]
    for stored in (damage, token + b";" + damage[:1], token + damage):
        raw(client, ("SET", asked.key(), stored, "PX", 60_000))
        assert await run(cache.lookup(asked)) is None
    await run(cache.store(asked, Answer("a")))
    assert await run(cache.lookup(asked)) == Answer("a")


async def test_the_default_cache_and_this_one_do_not_read_each_other(client: Client, both: Both) -> None:
    for session, cache in enumerate((True, RagCache(client).responses, True)):
        desk = Desk(client, both, cache=cache, classifier=Marked())
        await desk.say("What is Redis?", str(session))
        assert desk.last.cache == "miss"


async def test_lifetimes_of_responses(client: Client, both: Both) -> None:
    asked, run = CacheQuestion(client.keys(), "", "s", "q"), both(client.run)
    every: list[tuple[dict[str, Any], int]] = [({}, 43_200_000), ({"responses_ttl_s": 100, "corpus": "c"}, 100_000)]
    for options, ms in every:
        rag = RagCache(client, **options)
        await run(rag.responses.lookup(asked))
        await run(rag.responses.store(asked, Answer("a")))
        (left,) = raw(client, ("PTTL", asked.key()))
        assert 0.9 * ms < left <= ms
        assert raw(client, ("PTTL", rag.responses.epoch))[0] > left


@pytest.mark.pins
async def test_responses_without_an_end(client: Client, both: Both) -> None:
    cache, asked = RagCache(client, responses_ttl_s=None).responses, CacheQuestion(client.keys(), "", "s", "q")
    await both(client.run)(cache.lookup(asked))
    await both(client.run)(cache.store(asked, Answer("a")))
    assert raw(client, ("PTTL", asked.key()), ("PTTL", cache.epoch)) == [-1, -1]


async def test_a_corpus_of_one_tenant_serves_conversations_of_many(client: Client, both: Both) -> None:
    """Answers are of the turn's tenant; the epoch is the corpus's, so ending it reaches all of them."""
    rag = RagCache(client)
    desk = Assistant(client, both, rag, Library())
    for outcomes in (["miss", "miss", "hit"], ["miss", "miss", "hit"]):
        for tenant in ("a", "b", "a"):
            await desk.say("What is Redis?", "s", tenant=tenant)
        assert [report.cache for report in desk.reports[-3:]] == outcomes
        await both(rag.bump_epoch)()


async def test_a_server_that_goes_away_is_no_failure(client: Client, both: Both) -> None:
    rag, library, switch = RagCache(client, Model()), Library(), Switch(client)
    desk = Assistant(client, both, rag, library)
    switch.off()
    for _ in range(2):
        await desk.say("What is Redis?", "ana")
    assert [report.cache for report in desk.reports] == ["off", "off"]
    assert await both(rag.embeddings.embed_query)("q") == Model().vector("q", "q")
    for call in (both(rag.bump_epoch), both(rag.clear), both(rag.stats)):
        with pytest.raises(UnavailableError):
            await call()
    switch.on()
    client.breaker.worked()
    await desk.say("What is Redis?", "ben")
    await desk.say("What is Redis?", "cleo")
    assert desk.last.cache == "hit"
    assert (await both(rag.stats)())["responses"].hits == 1


# --- the tiers together -----------------------------------------------------------------------------


async def test_each_tier_spares_the_next(client: Client, both: Both) -> None:
    model = Model()
    rag = RagCache(client, model, corpus="handbook")
    store = InMemoryVectorStore(rag.embeddings)
    await store.aadd_texts(["Reset it in the settings.", "Call the office."])
    desk = Desk(client, both, retriever=rag.retriever(store.as_retriever(), name="all"), cache=rag.responses)
    await desk.say("How do I reset my password?", "ana")
    assert (desk.model.calls, len(model.calls)) == (1, 2)
    await desk.say("How do I reset my password?", "ben")
    assert (desk.model.calls, len(model.calls)) == (1, 2)
    await both(rag.clear)("responses")
    await desk.say("How do I reset my password?", "cleo")
    assert (desk.model.calls, len(model.calls)) == (2, 2), "the search was kept"
    await both(rag.bump_epoch)()
    await desk.say("How do I reset my password?", "dan")
    assert (desk.model.calls, len(model.calls)) == (3, 2), "the vector was kept"
    await both(rag.clear)("embeddings")
    await both(rag.clear)("search")
    await desk.say("How do I reset his password?", "eva")
    assert (desk.model.calls, len(model.calls)) == (4, 3)


@pytest.mark.parametrize("tier", ["embeddings", "search", "responses", None])
async def test_clearing_empties_one_tier_or_all(
    client: Client, both: Both, tier: str | None, trips: list[Trip]
) -> None:
    model, library = Model(), Library()
    rag = RagCache(client, model)
    retriever, asked, run = (
        rag.retriever(library, name="l"),
        CacheQuestion(client.keys(), "", "s", "q"),
        both(client.run),
    )

    async def used() -> tuple[int, int, int]:
        """How often each tier had to go further: all are filled, as if their sources were asked."""
        await both(rag.embeddings.embed_query)("q")
        await both(retriever.invoke)("q")
        found = await run(rag.responses.lookup(asked))
        if found is None:
            await run(rag.responses.store(asked, Answer("a")))
        return len(model.calls), len(library.asked), int(found is None)

    assert await used() == (1, 1, 1)
    assert await used() == (1, 1, 0)
    trips.clear()
    await both(rag.clear)(tier)
    assert len(trips) == 1
    emptied = [tier in {name, None} for name in ("embeddings", "search", "responses")]
    assert await used() == (1 + emptied[0], 1 + emptied[1], int(emptied[2]))


async def test_statistics_by_tier(client: Client, both: Both, trips: list[Trip]) -> None:
    rag = RagCache(client, Model())
    desk = Assistant(client, both, rag, Library())
    for session in "abc":
        await desk.say("What is Redis?", session)
    other = rag.retriever(Library(), name="other")
    for _ in range(2):
        await both(other.invoke)("x")
    await both(rag.embeddings.embed_documents)(["a", "b"])
    trips.clear()
    told = await both(rag.stats)()
    assert len(trips) <= 2
    assert list(told) == ["embeddings", "search", "responses"]
    assert [(one.hits, one.misses) for one in told.values()] == [(0, 2), (3, 2), (2, 1)]
    assert [one.total("updates") for one in told.values()] == [0, 2, 1]
    elsewhere = await both(RagCache(client).stats)()
    assert list(elsewhere) == ["search", "responses"]
    assert elsewhere["responses"].rows == told["responses"].rows


async def test_another_corpus_is_bumped_by_name(client: Client, both: Both) -> None:
    libraries = {corpus: Library() for corpus in ("a", "b")}
    rags = {corpus: RagCache(client, corpus=corpus) for corpus in libraries}
    for _ in range(2):
        for corpus, library in libraries.items():
            await both(rags[corpus].retriever(library, name="l").invoke)("q")
        assert [await both(rags["a"].bump_epoch)(corpus) for corpus in ("b", "b", "c")] == [True, False, False]
    assert [len(library.asked) for library in libraries.values()] == [1, 2]


async def test_tenants_never_meet(client: Client, both: Both) -> None:
    seen = []
    for tenant in ("", "a", "a/b", "*"):
        model, library = Model(), Library()
        rag = RagCache(client, model, tenant=tenant)
        asked = CacheQuestion(client.keys(tenant), "", "s", "q")
        await both(rag.embeddings.embed_query)("q")
        await both(rag.retriever(library, name="l").invoke)("q")
        assert await both(client.run)(rag.responses.lookup(asked)) is None
        await both(client.run)(rag.responses.store(asked, Answer("a")))
        seen.append((len(model.calls), len(library.asked)))
    assert seen == [(1, 1)] * 4
    await both(RagCache(client, Model(), tenant="a").clear)()
    model = Model()
    await both(RagCache(client, model, tenant="*").embeddings.embed_query)("q")
    assert model.calls == []


# --- how it is made ---------------------------------------------------------------------------------


def test_constructing_sends_nothing(client: Client, trips: list[Trip]) -> None:
    rag = RagCache(client, Model(), corpus="c")
    cache: AnswerCache = rag.responses
    ConversationMemory(client, cache=cache).wrap(Desk(client).model, rag.retriever(Library()))
    assert isinstance(rag.responses, EpochAnswerCache)
    assert (repr(rag), trips) == (f"RagCache({client!r}, corpus='c')", [])


async def test_a_cached_model_of_your_own(client: Client, both: Both) -> None:
    own = CachedEmbeddings(client, Model(), dtype="float16", model="m")
    rag = RagCache(client, own)
    assert rag.embeddings is own
    await both(own.embed_query)("q")
    assert (await both(rag.stats)())["embeddings"].misses == 1


async def test_without_a_model(client: Client, both: Both) -> None:
    rag = RagCache(client)
    with pytest.raises(ConfigError, match="without an embedding model"):
        _ = rag.embeddings
    with pytest.raises(ConfigError, match="without an embedding model"):
        await both(rag.clear)("embeddings")
    await both(rag.clear)()


async def test_options_of_a_retriever(client: Client, both: Both) -> None:
    rag = RagCache(client, search_ttl_s=50)
    assert rag.retriever(Library()).ttl_s == 50
    made = rag.retriever(lambda q: [Document(q)], name="l", ttl_s=7, tags=["t"])
    assert (made.ttl_s, made.name, made.tags) == (7, "l", ["t"])
    with pytest.raises(InvalidInputError, match="stale_s"):
        rag.retriever(Library(), stale_s=0)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"embeddings_ttl_s": 0}, InvalidInputError),
        ({"search_ttl_s": 0}, InvalidInputError),
        ({"responses_ttl_s": -1}, InvalidInputError),
        ({"corpus": ""}, InvalidIdError),
        ({"tenant": "\ud800"}, InvalidIdError),
        ({"client": "nowhere://x"}, ConfigError),
    ],
)
def test_what_cannot_be_constructed(options: dict[str, Any], error: type[RedisMemoryError]) -> None:
    with pytest.raises(error):
        RagCache(**{"client": "memory://x", **options})


async def test_a_tier_that_is_none(client: Client, both: Both, trips: list[Trip]) -> None:
    with pytest.raises(InvalidInputError, match="one of 'embeddings', 'search', 'responses'"):
        await both(RagCache(client).clear)("answers")
    assert trips == []


async def test_on_a_cluster(cluster: Client, both: Both) -> None:
    rag, library = RagCache(cluster, Model()), Library()
    desk = Assistant(cluster, both, rag, library)
    for calls in (1, 2):
        for session in "ab":
            await desk.say("What is Redis?", session)
        assert desk.model.calls == calls
        await both(rag.bump_epoch)()
    await both(rag.clear)()
    assert (await both(rag.stats)())["responses"].hits == 2
