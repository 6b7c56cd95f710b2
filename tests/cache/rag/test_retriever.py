"""`CachedRetriever`: whole documents, names that cover all that decides, epochs, single flight, and a server away."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import ConfigurableField, RunnableConfig, RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_tests.integration_tests import RetrieversIntegrationTests

from langchain_redis_memory import CachedRetriever, RagCache, RedisMemoryError
from langchain_redis_memory.errors import ConfigError, InvalidIdError, InvalidInputError, UnavailableError
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both, url_of
from tests.support.chains import Broken, Switch, look_up
from tests.support.envelopes import envelope
from tests.support.rag import Library
from tests.support.raw import raw
from tests.support.servers import TWO, Farm, wait_for


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    """What is tested here is the client's own work; the scripts beneath are tested on every server elsewhere."""
    return url_of(request.param, farm)


class OverLibrary(CachedRetriever):
    """For LangChain's suite, which sets `k` when constructing."""

    def __init__(self, k: int = 2, **options: Any) -> None:
        super().__init__(retriever=Library(k=k), name=f"library-{k}", **options)


class TestStandard(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _on(self, client: Client) -> None:
        self.client = client

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return OverLibrary

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"client": self.client}

    @property
    def retriever_query_example(self) -> str:
        return "a query"


# --- what is served ---------------------------------------------------------------------------------


async def test_a_search_is_made_once(client: Client, both: Both, trips: list[Trip]) -> None:
    library = Library()
    cached = CachedRetriever(client, library, name="l")
    first = await both(cached.invoke)("q")
    trips.clear()
    assert await both(cached.invoke)("q") == first == library._found("q", None, None)
    assert len(trips) == 1
    trips.clear()
    await both(cached.invoke)("other")
    assert len(trips) == 2
    assert library.asked == ["q", "q", "other"], "the second was the test's own"
    assert library.colours == {"async" if both.asynchronous else "sync"}


async def test_two_processes_share_by_name(client: Client, both: Both) -> None:
    first, second = Library(edition=1), Library(edition=2)
    made = await both(CachedRetriever(client, first, name="l").invoke)("q")
    assert await both(CachedRetriever(client, second, name="l").invoke)("q") == made
    assert second.asked == []
    await both(CachedRetriever(client, second, name="m").invoke)("q")
    assert second.asked == ["q"]


async def test_documents_come_back_whole(client: Client, both: Both) -> None:
    documents = [
        Document("", id=None),
        Document("text \ud800 \0 🦊", id="7", metadata={"nested": {"a": [1, 2.5, None, True]}, "t": (1,), "s": {1}}),
        Document("x" * 10_000, metadata={"when": datetime(2026, 1, 2, tzinfo=timezone.utc), "id": UUID(int=7)}),
        Document("scored", metadata={"score": np.float32(0.5), "vector": b"\x00\xff", 3: "three", "big": 2**80}),
    ]
    cached = CachedRetriever(client, lambda _: documents, name="l")
    await both(cached.invoke)("q")
    found = await both(cached.invoke)("q")
    assert found == documents
    assert [repr(d) for d in found] == [repr(d) for d in documents]
    assert all(a is not b for a, b in zip(found, documents, strict=True))
    assert (await both(cached.stats)()).hits == 1


async def test_white_space_at_the_ends_does_not_count(client: Client, both: Both) -> None:
    library = Library()
    cached = CachedRetriever(client, library, name="l")
    for query in ("what is it", "  what is it\n"):
        await both(cached.invoke)(query)
    assert library.asked == ["what is it"]
    for query in ("What is it", "what is it?", "whatis it", "what\tis  it", ""):
        await both(cached.invoke)(query)
    assert len(library.asked) == 6


@pytest.mark.slow
async def test_what_is_no_query_is_refused(client: Client, both: Both, trips: list[Trip]) -> None:
    chain = {"context": CachedRetriever(client, look_up, name="l")} | RunnableLambda(str)
    with pytest.raises(InvalidInputError, match=r"a query must be text .*itemgetter\('question'\)"):
        await both(chain.invoke)({"question": "a"})
    assert trips == []


async def test_all_that_decides_is_in_the_name(client: Client, both: Both) -> None:
    library = Library()
    for tenant in ("", "a", "*"):
        for corpus in ("docs", "do:cs", "*"):
            for name in ("l", "m"):
                cached = CachedRetriever(client, library, tenant=tenant, corpus=corpus, name=name)
                for kwargs in ({}, {"k": 1}, {"k": True}):
                    for _ in range(2):
                        await both(cached.invoke)("q", None, **kwargs)
    assert len(library.asked) == 3 * 3 * 2 * 3


async def test_settings_decide_and_the_conversation_does_not(client: Client, both: Both) -> None:
    library = Library().configurable_fields(k=ConfigurableField(id="k"))
    cached = CachedRetriever(client, library, name="l")

    async def found(**configurable: Any) -> int:
        return len(await both(cached.invoke)("q", {"configurable": configurable}))

    assert [await found(k=1), await found(k=3), await found(), await found(k=1)] == [1, 3, 2, 1]
    assert [await found(k=3, session_id="s", thread_id="t", checkpoint_ns="x", __other="y")] == [3]
    told = await both(cached.stats)()
    assert (told.misses, told.hits) == (3, 2)
    await found(k=3, tenant="acme")
    assert (await both(cached.stats)()).misses == 4, "a tenant may see other documents"


async def test_the_settings_of_an_outer_chain_arrive(client: Client, both: Both) -> None:
    seen: list[Any] = []

    def search(query: str, config: RunnableConfig) -> list[Document]:
        seen.append(config.get("configurable", {}).get("rights"))
        return look_up(query)

    chain = RunnableLambda(lambda q: q) | CachedRetriever(client, search, name="l")
    for rights in ("all", "few", "all"):
        await both(chain.invoke)("q", {"configurable": {"rights": rights}})
    assert seen == ["all", "few"]


@pytest.mark.parametrize("odd", [object(), Library, open])
async def test_what_cannot_be_named_is_not_cached(client: Client, both: Both, odd: Any, trips: list[Trip]) -> None:
    cached = CachedRetriever(client, look_up, name="l")
    for _ in range(2):
        assert await both(cached.invoke)("q", {"configurable": {"odd": odd}}) == look_up("q")
    assert trips == []
    assert (await both(cached.stats)()).bypasses == 2


class Grade(str, Enum):
    GOOD = "good"


class Note(Document):
    pass


@pytest.mark.parametrize(
    "document",
    [Document("a", metadata={"x": object()}), Document("a", metadata={"g": Grade.GOOD}), Note(page_content="a")],
)
async def test_what_would_come_back_changed_is_not_cached(
    client: Client, both: Both, document: Document, caplog: pytest.LogCaptureFixture
) -> None:
    cached = CachedRetriever(client, lambda _: [document], name="l", single_flight_s=30)
    for _ in range(2):
        assert (await both(cached.invoke)("q"))[0] is document
    assert "would not come back as they are" in caplog.text
    told = await both(cached.stats)()
    assert (told.hits, told.total("refused_unserialisable")) == (0, 2)


# --- what it wraps ----------------------------------------------------------------------------------


async def test_functions_and_runnables(client: Client, both: Both) -> None:
    async def alook_up(query: str) -> list[Document]:
        return look_up(query)

    sources: list[Any] = [look_up, RunnableLambda(look_up), RunnableLambda(look_up, alook_up), Library()]
    for place, source in enumerate(sources):
        cached = CachedRetriever(client, source, name=f"n{place}")
        assert await both(cached.invoke)("q") == await both(cached.invoke)("q")
        assert (await both(cached.stats)()).hits == place + 1


async def test_without_a_name_only_the_object_shares(
    client: Client, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    library = Library()
    with caplog.at_level(logging.INFO):
        one, other = (CachedRetriever(client, library) for _ in range(2))
    assert "name it with CachedRetriever" in caplog.text
    for cached in (one, one, other, other):
        await both(cached.invoke)("q")
    assert len(library.asked) == 2


async def test_settings_that_change_in_place_are_noticed(client: Client, both: Both) -> None:
    library = Library()
    cached = CachedRetriever(client, library)
    for k, edition in ((1, 1), (3, 1), (3, 2)):
        library.k, library.edition = k, edition
        for _ in range(2):
            found = await both(cached.invoke)("q")
            assert (len(found), found[0].metadata["edition"]) == (k, edition)
    assert len(library.asked) == 3, "what it notes by itself is not a setting"
    described, other = Described(index="a"), Described(index="a")
    cached = CachedRetriever(client, described)
    described.index = "b"
    await both(cached.invoke)("q")
    assert (await both(CachedRetriever(client, other).invoke)("q"))[0].metadata["by"] == id(other)


class Described(BaseRetriever):
    """One that LangChain can describe."""

    index: str = "a"

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [Document(query, metadata={"by": id(self)})]


async def test_what_describes_itself_needs_no_name(client: Client, both: Both) -> None:
    sources = [Described(index=index) for index in "aab"]
    by = [(await both(CachedRetriever(client, one).invoke)("q"))[0].metadata["by"] for one in sources]
    assert by == [id(sources[0]), id(sources[0]), id(sources[2])]


async def test_a_vector_store_behind_it(client: Client, both: Both) -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    store.add_texts(["one", "two", "three"])
    cached = CachedRetriever(client, store.as_retriever(search_kwargs={"k": 2}), name="top2")
    first = await both(cached.invoke)("one")
    store.delete([d.id for d in first if d.id])
    assert await both(cached.invoke)("one") == first
    assert len(first) == 2
    cached.retriever.search_kwargs["k"] = 1
    assert len(await both(cached.invoke)("one")) == 1, "what is searched for is a part of the name"


@pytest.mark.parametrize("odd", ["text", None, ["text"], {"a": 1}, [Document("a"), None]])
async def test_what_is_no_documents_is_refused(client: Client, both: Both, odd: Any) -> None:
    cached = CachedRetriever(client, lambda _: odd, name="l", single_flight_s=60)
    for _ in range(2):
        with pytest.raises(InvalidInputError, match="list of documents"):
            await both(cached.invoke)("q")


async def test_callbacks_reach_the_retriever_within(client: Client, both: Both) -> None:
    class Heard(BaseCallbackHandler):
        def __init__(self) -> None:
            self.runs: list[tuple[Any, Any]] = []
            self.ended: list[Any] = []

        def on_retriever_start(self, *_: Any, run_id: UUID, parent_run_id: UUID | None = None, **__: Any) -> None:
            self.runs.append((run_id, parent_run_id))

        def on_retriever_end(self, documents: Any, *, run_id: UUID, **_: Any) -> None:
            self.ended.append(run_id)

    heard, cached = Heard(), CachedRetriever(client, Library(), name="l", tags=["outer"])
    config = {"callbacks": [heard], "tags": ["t"], "metadata": {"m": 1}}
    await both(cached.invoke)("q", config)
    (outer, parent), (inner, of) = heard.runs
    assert (parent, of) == (None, outer)
    assert heard.ended == [inner, outer]
    await both(cached.invoke)("q", config)
    assert len(heard.runs) == 3, "a hit asks nobody"


async def test_it_is_a_runnable_like_any(client: Client, both: Both) -> None:
    library = Library()
    cached = CachedRetriever(client, library, name="l")

    def texts(documents: list[Document]) -> list[str]:
        return [document.page_content for document in documents]

    chain = cached | RunnableLambda(texts)
    assert await both(chain.batch)(["a", "b"]) == [await both(chain.invoke)(q) for q in ("a", "b")]
    assert sorted(library.asked) == ["a", "b"]
    assert cached.get_name() == "l"
    again = CachedRetriever(**cached.__dict__)
    await both(again.invoke)("a")
    assert len(library.asked) == 2
    assert "redis://:" not in repr(cached)


# --- lifetimes --------------------------------------------------------------------------------------


def left_ms(client: Client, corpus: str = "default") -> list[int]:
    """What is left of the lifetime of each entry."""
    shelves = [client.keys().entries("search", f"{n}/{corpus}").items for n in range(64)]
    ((seconds, micro),) = raw(client, ("TIME",))
    now = int(seconds) * 1000 + int(micro) // 1000
    found = raw(client, *(("HVALS", key) for key in shelves))
    return [int(record.partition(b":")[0]) - now for records in found for record in records]


async def test_lifetimes(client: Client, both: Both) -> None:
    await both(CachedRetriever(client, look_up, name="l").invoke)("q")
    assert 0.89 * 86_400_000 < left_ms(client)[0] <= 86_400_000
    await both(CachedRetriever(client, look_up, name="l", corpus="c", ttl_s=100, jitter=0).invoke)("q")
    assert left_ms(client, "c") == [pytest.approx(100_000, abs=30_000)]
    await both(CachedRetriever(client, lambda _: [], name="l", corpus="d").invoke)("q")
    assert left_ms(client, "d") == [pytest.approx(60_000, abs=30_000)]


async def test_a_result_without_documents_is_kept_for_a_short_time(client: Client, both: Both) -> None:
    asked: list[str] = []

    def nothing(query: str) -> list[Document]:
        asked.append(query)
        return []

    for options, n in (({}, 1), ({"empty_ttl_s": None}, 2), ({"stale_s": 1000, "empty_ttl_s": 10}, 1)):
        asked.clear()
        cached = CachedRetriever(client, nothing, name=str(options), **options)
        for _ in range(2):
            assert await both(cached.invoke)("q") == []
        assert len(asked) == n


async def test_the_epoch_outlives_the_results(client: Client, both: Both) -> None:
    every: list[dict[str, Any]] = [{"ttl_s": 100}, {"ttl_s": 10, "stale_s": 200}, {"ttl_s": 1, "empty_ttl_s": 300}]
    for options in every:
        corpus = str(options)
        await both(CachedRetriever(client, look_up, name="l", corpus=corpus, **options).invoke)("q")
        (epoch,) = raw(client, ("PTTL", client.keys().epoch("search", corpus)))
        assert epoch > max(*left_ms(client, corpus), 1000 * options.get("empty_ttl_s", 0))


@pytest.mark.pins
async def test_results_without_an_end(client: Client, both: Both) -> None:
    await both(CachedRetriever(client, look_up, name="l", ttl_s=None).invoke)("q")
    assert raw(client, ("PTTL", client.keys().epoch("search", "default"))) == [-1]


async def test_what_is_stale_is_served_while_one_searches(client: Client, both: Both) -> None:
    library, served = Library(), list[int]()
    cached = CachedRetriever(client, library, name="l", ttl_s=0.001, stale_s=100)

    def meanwhile() -> None:
        library.edition = 2
        with ThreadPoolExecutor(1) as pool:
            served.append(pool.submit(cached.invoke, "q").result(60)[0].metadata["edition"])

    await both(cached.invoke)("q")
    wait_for(lambda: left_ms(client)[0] <= 100_000)
    library.edition, library.meanwhile = 2, meanwhile
    assert (await both(cached.invoke)("q"))[0].metadata["edition"] == 2
    assert served == [1]
    assert len(library.asked) == 2
    wait_for(lambda: left_ms(client)[0] <= 100_000)
    library.edition = 3
    await both(RagCache(client).bump_epoch)()
    library.meanwhile = None
    assert (await both(cached.invoke)("q"))[0].metadata["edition"] == 3, "what a bump ended is not served even then"


# --- epochs -----------------------------------------------------------------------------------------


async def test_a_bump_makes_all_results_stale(client: Client, both: Both, trips: list[Trip]) -> None:
    library, rag = Library(), RagCache(client)
    cached = CachedRetriever(client, library, name="l")
    other = CachedRetriever(client, Library(), name="l", corpus="other")
    await both(rag.bump_epoch)()  # the server knows the script
    await both(other.invoke)("q")
    for edition in (1, 2, 3):
        library.edition = edition
        for query in ("a", "b"):
            for _ in range(2):
                assert (await both(cached.invoke)(query))[0].metadata["edition"] == edition
        trips.clear()
        await both(rag.bump_epoch)()
        assert len(trips) == 1
    assert library.asked == ["a", "b"] * 3
    await both(other.invoke)("q")
    assert len(other.retriever.asked) == 1


@pytest.mark.parametrize("bumps", [1, 2])
@pytest.mark.parametrize("single_flight_s", [None, 60])
async def test_a_search_that_a_bump_overtook_is_never_served(
    client: Client, both: Both, bumps: int, single_flight_s: float | None
) -> None:
    """The retriever reads the old edition, the corpus changes, the epoch is bumped, then the retriever answers."""
    library, rag = Library(), RagCache(client)
    cached = CachedRetriever(client, library, name="l", single_flight_s=single_flight_s)

    def change() -> None:
        library.edition = 2
        for _ in range(bumps):
            rag.bump_epoch()
        library.meanwhile = None

    library.meanwhile = change
    assert (await both(cached.invoke)("q"))[0].metadata["edition"] == 1, "whoever asked before gets the old"
    assert (await both(cached.invoke)("q"))[0].metadata["edition"] == 2
    assert (await both(cached.invoke)("q"))[0].metadata["edition"] == 2
    assert library.asked == ["q", "q"]


async def test_a_slow_old_search_does_not_serve_over_a_quick_new_one(client: Client, both: Both) -> None:
    library, rag = Library(), RagCache(client)
    cached = CachedRetriever(client, library, name="l")

    def change() -> None:
        library.meanwhile, library.edition = None, 2
        rag.bump_epoch()
        assert CachedRetriever(client, library, name="l").invoke("q")[0].metadata["edition"] == 2

    library.meanwhile = change
    await both(cached.invoke)("q")
    assert (await both(cached.invoke)("q"))[0].metadata["edition"] == 2


async def test_an_epoch_that_was_missing_when_the_search_began(client: Client, both: Both) -> None:
    """It expires or is evicted while the retriever works, after a bump: still nothing old is served."""
    library, rag = Library(), RagCache(client)
    cached = CachedRetriever(client, library, name="l")

    def change() -> None:
        library.meanwhile, library.edition = None, 2
        rag.bump_epoch()
        raw(client, ("DEL", client.keys().epoch("search", "default")))

    library.meanwhile = change
    await both(cached.invoke)("q")
    assert (await both(cached.invoke)("q"))[0].metadata["edition"] == 2


async def test_who_waited_during_a_bump_gets_and_keeps_the_new(client: Client, both: Both) -> None:
    """The leader searches the old edition; who waits for it is not served that, and keeps what it finds itself."""
    began, go_on = threading.Event(), threading.Event()
    rag, editions, edition = RagCache(client), list[int](), [1]

    def search(query: str) -> list[Document]:
        mine = edition[0]
        editions.append(mine)
        if mine == 1:
            began.set()
            go_on.wait(60)
        return [Document(query, metadata={"edition": mine})]

    cached = CachedRetriever(client, RunnableLambda(search), name="l", single_flight_s=60)
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(cached.invoke, "q")
        assert began.wait(60)
        waiter = pool.submit(cached.invoke, "q")
        edition[0] = 2
        await both(rag.bump_epoch)()
        go_on.set()
        assert leader.result(60)[0].metadata["edition"] == 1
        assert waiter.result(60)[0].metadata["edition"] == 2
    assert (await both(cached.invoke)("q"))[0].metadata["edition"] == 2
    assert editions == [1, 2]


async def test_tenants_have_epochs_of_their_own(client: Client, both: Both) -> None:
    a, b = Library(), Library()
    for _ in range(2):
        for tenant, library in (("a", a), ("b", b)):
            await both(CachedRetriever(client, library, tenant=tenant, name="l").invoke)("q")
        await both(RagCache(client, tenant="a").bump_epoch)()
    assert (len(a.asked), len(b.asked)) == (2, 1)


async def test_clearing(client: Client, both: Both, trips: list[Trip]) -> None:
    library = Library()
    cached = CachedRetriever(client, library, name="l")
    await both(cached.clear)()  # the server knows the script
    await both(cached.invoke)("q")
    library.meanwhile = cached.clear
    trips.clear()
    await both(cached.clear)()
    assert len(trips) == 1
    assert left_ms(client) == []
    await both(cached.invoke)("q")
    library.meanwhile = None
    await both(cached.invoke)("q")
    assert len(library.asked) == 3, "what was searched while it was cleared is not kept"


# --- single flight ----------------------------------------------------------------------------------


async def test_of_many_one_searches(client: Client, both: Both) -> None:
    library, gate = Library(), threading.Event()
    library.meanwhile = None if both.asynchronous else lambda: gate.wait(0.2)
    cached = [CachedRetriever(client, library, name="l", single_flight_s=30) for _ in range(6)]
    if both.asynchronous:
        results = await asyncio.gather(*(asyncio.create_task(one.ainvoke("q")) for one in cached))
    else:
        with ThreadPoolExecutor(6) as pool:
            results = list(pool.map(lambda one: one.invoke("q"), cached))
    assert library.asked == ["q"]
    assert all(result == results[0] for result in results)


async def test_who_fails_lets_the_next_search(client: Client, both: Both) -> None:
    def fail() -> None:
        library.meanwhile = None
        raise Broken

    library = Library(meanwhile=fail)
    cached = CachedRetriever(client, library, name="l", single_flight_s=40)
    with pytest.raises(Broken):
        await both(cached.invoke)("q")
    if both.asynchronous:
        found = await asyncio.create_task(cached.ainvoke("q"))
    else:
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(cached.invoke, "q").result(60)
    assert len(found) == 2
    assert raw(client, ("KEYS", f"{client.keys().prefix}*:lease:*")) == [[]]


async def test_who_is_cancelled_lets_the_next_search(client: Client) -> None:
    began = asyncio.Event()

    async def search(query: str) -> list[Document]:
        began.set()
        return await asyncio.Future()

    cached = CachedRetriever(client, RunnableLambda(look_up, search), name="l", single_flight_s=40)
    task = asyncio.create_task(cached.ainvoke("q"))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert raw(client, ("KEYS", f"{client.keys().prefix}*:lease:*")) == [[]]


# --- what goes wrong --------------------------------------------------------------------------------


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "cut": lambda body: body[:-1],
    "longer": lambda body: body + b"x",
    "a bit": lambda body: body[:-1] + bytes([body[-1] ^ 1]),
    "foreign": lambda _: b"|\x90",
    "no documents": lambda _: envelope(b"|\x93\x01\x02\x03"),
    "a number": lambda _: envelope(b"|\x01"),
    "not deflated": lambda _: envelope(b"~\x00\xff"),
    "cut before it was sealed": lambda _: envelope(b"~"),
    "empty and sealed": lambda _: envelope(b""),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damaged_entries_are_missing(client: Client, both: Both, damage: str) -> None:
    library = Library()
    cached = CachedRetriever(client, library, name="l")
    found = await both(cached.invoke)("q")
    shelves = [client.keys().entries("search", f"{n}/default").items for n in range(64)]
    told = dict(zip(shelves, raw(client, *(("HKEYS", key) for key in shelves)), strict=True))
    ((key, (name,)),) = ((key, names) for key, names in told.items() if names)
    (record,) = raw(client, ("HGET", key, name))
    token, _, body = record.partition(b";")
    raw(client, ("HSET", key, name, token + b";" + DAMAGES[damage](body)))
    for _ in range(2):
        assert await both(cached.invoke)("q") == found
    assert len(library.asked) == 2
    raw(client, ("HSET", key, name, b"\xff\xfe"))
    assert await both(cached.invoke)("q") == found


async def test_without_a_server_it_is_the_retriever(both: Both) -> None:
    library = Library()
    away = Client.from_url("redis://127.0.0.1:1", retries=0)
    cached = CachedRetriever(away, library, name="l", single_flight_s=60, stale_s=5)
    for _ in range(3):
        assert len(await both(cached.invoke)("q")) == 2
    assert len(library.asked) == 3
    with pytest.raises(UnavailableError):
        await both(cached.clear)()


async def test_a_server_that_goes_during_the_search(client: Client, both: Both) -> None:
    library, switch = Library(), Switch(client)
    cached = CachedRetriever(client, library, name="l")
    library.meanwhile = switch.off
    assert len(await both(cached.invoke)("q")) == 2
    switch.on()
    client.breaker.worked()
    library.meanwhile = None
    for _ in range(2):
        assert len(await both(cached.invoke)("q")) == 2
    assert len(library.asked) == 2
    assert (await both(cached.stats)()).total("dropped") == 1


@pytest.mark.parametrize("which", ["epoch", "entries"])
async def test_something_else_under_its_keys(client: Client, both: Both, which: str) -> None:
    space, library = client.keys(), Library()
    keys = [space.epoch("search", "default")] if which == "epoch" else []
    keys = keys or [space.entries("search", f"{n}/default").items for n in range(64)]
    raw(client, *(("RPUSH", key, "mine") for key in keys), *(("PEXPIRE", key, 60_000) for key in keys))
    cached = CachedRetriever(client, library, name="l", single_flight_s=60)
    for _ in range(2):
        assert len(await both(cached.invoke)("q")) == 2
    assert len(library.asked) == 2


async def test_what_the_retriever_raises_is_raised(client: Client, both: Both) -> None:
    def fail(_: str) -> list[Document]:
        raise Broken

    cached = CachedRetriever(client, fail, name="l")
    with pytest.raises(Broken):
        await both(cached.invoke)("q")
    assert left_ms(client) == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"ttl_s": 0}, InvalidInputError),
        ({"empty_ttl_s": -1}, InvalidInputError),
        ({"stale_s": 0}, InvalidInputError),
        ({"single_flight_s": 0}, InvalidInputError),
        ({"jitter": 1.5}, InvalidInputError),
        ({"corpus": ""}, InvalidIdError),
        ({"tenant": "\ud800"}, InvalidIdError),
        ({"client": "nowhere://x"}, ConfigError),
    ],
)
def test_what_cannot_be_constructed(options: dict[str, Any], error: type[RedisMemoryError]) -> None:
    with pytest.raises(error):
        CachedRetriever(**{"retriever": look_up, "client": f"memory://{uuid4().hex}", "name": "l", **options})


async def test_on_a_cluster(cluster: Client, both: Both) -> None:
    library, rag = Library(), RagCache(cluster)
    cached = CachedRetriever(cluster, library, name="l", single_flight_s=30)
    queries = [f"q{n}" for n in range(20)]
    for edition in (1, 2):
        library.edition = edition
        for _ in range(2):
            for query in queries:
                assert (await both(cached.invoke)(query))[0].metadata["edition"] == edition
        await both(rag.bump_epoch)()
    assert library.asked == queries * 2
