"""Cached vectors of other packages: those of the same model spare its calls, and no other is mixed in."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from langchain_redis_memory import AdoptFrom, CachedEmbeddings, Client, ConfigError, RedisMigration
from tests.conftest import Both
from tests.operate.migrate.conftest import Origin
from tests.support.dumped import send
from tests.support.peers import TEXTS, embedded
from tests.support.rag import Model


async def test_vectors_of_redisvl_are_moved_if_the_model_gives_them(target: Client, origin: Origin, both: Both) -> None:
    cached = CachedEmbeddings(target, embedded())
    migration = RedisMigration(
        target, "redisvl-embeddings", origin=origin("redisvl-embeddings"), embeddings=cached, ttl_s=9000
    )
    report = await both(migration.run)()
    vectors = report.kinds["vectors"]
    assert (vectors.found, vectors.moved, vectors.refused) == (3, 2, 1)
    assert "1 left behind: another model gave them" in str(report)
    assert [failure.why for failure in report.failed] == ["it is the vector of something else than a text"]
    assert report.lost == {"metadata of vectors: a cache of vectors keeps none": 1}
    wanted = embedded().embed_documents(list(TEXTS))
    assert await both(cached.embed_documents)(list(TEXTS)) == [pytest.approx(one) for one in wanted]
    await both(cached.embed_query)(TEXTS[0])
    told = await both(cached.stats)()
    assert (told.hits, told.misses) == (3, 0)
    (reply,) = send(target, ("SCAN", 0, "MATCH", "*entries", "COUNT", 1000))
    lifetimes = {round(left, -2) for left in send(target, *(("TTL", key) for key in reply[1]))}
    assert lifetimes == {3600, 9000}
    assert (await both(migration.run)()).kinds["vectors"].there == 2


def put(client: Client, text: str, vector: list[float]) -> None:
    """An entry as redisvl stores it."""
    key = "embedcache:" + sha256(f"{text}:m".encode()).hexdigest()
    send(client, ("HSET", key, "content", text, "model_name", "m", "embedding", json.dumps(vector)))


async def test_a_vector_of_a_document_is_no_query_s_where_the_model_tells_them_apart(target: Client) -> None:
    model = Model()
    put(target, "a", model.vector("d", "a"))
    cached = CachedEmbeddings(target, model)
    assert RedisMigration(target, "redisvl-embeddings", embeddings=cached).run().kinds["vectors"].moved == 1
    model.calls.clear()
    assert cached.embed_documents(["a"]) == [model.vector("d", "a")]
    assert model.calls == []
    assert cached.embed_query("a") == model.vector("q", "a")


async def test_vectors_need_a_cache_that_keeps_them_and_must_be_vectors(target: Client) -> None:
    put(target, "a", [1.0])
    with pytest.raises(ConfigError, match="give RedisMigration the CachedEmbeddings"):
        RedisMigration(target, "redisvl-embeddings").run()
    put(target, "a", [float("nan")])
    report = RedisMigration(target, "redisvl-embeddings", embeddings=CachedEmbeddings(target, Model())).run()
    assert [failure.why for failure in report.failed] == ["it holds something else than a vector"]


# --- adopted ----------------------------------------------------------------------------------------

DIGESTED = [f"digested by {encoder}" for encoder in ("sha1", "blake2b", "sha256", "sha512")]
THEIRS = "vectors/fake-8"


async def test_vectors_of_langchain_are_adopted_when_their_texts_are_embedded(
    target: Client, origin: Origin, both: Both
) -> None:
    source = origin("langchain-embeddings")
    cached = CachedEmbeddings(target, embedded(), adopt=AdoptFrom("langchain-embeddings", prefix=THEIRS, origin=source))
    wanted = [pytest.approx(one) for one in embedded().embed_documents(DIGESTED)]
    assert await both(cached.embed_documents)(DIGESTED) == wanted
    assert (await both(cached.stats)()).misses == 0
    assert send(source, ("DBSIZE",)) == [0]
    again = CachedEmbeddings(target, embedded())
    assert await both(again.embed_documents)(DIGESTED) == wanted
    assert (await both(again.stats)()).misses == 0
    (reply,) = send(target, ("SCAN", 0, "MATCH", "*entries", "COUNT", 1000))
    assert all(3000 < left <= 3600 for left in send(target, *(("TTL", key) for key in reply[1])))


async def test_vectors_that_do_not_fit_are_not_adopted(target: Client, both: Both) -> None:
    model = Model()
    cached = CachedEmbeddings(target, model, adopt=AdoptFrom("langchain-embeddings", prefix="v/"))
    known = {"a": "[1, 2]", "b": "{}", "c": json.dumps([0.5] * 4)}
    send(target, *(("SET", f"v/{sha256(text.encode()).hexdigest()}", value) for text, value in known.items()))
    send(target, ("LPUSH", f"v/{sha256(b'd').hexdigest()}", "x"))
    await both(cached.embed_documents)(["begin"])
    assert (await both(cached.embed_documents)([*"abcd"]))[2] == [0.5] * 4
    assert model.calls[1:] == [["a", "b", "d"]]
    await both(cached.embed_query)("c")
    assert model.calls[2:] == [["c"]]


async def test_a_source_that_is_away_has_no_vectors(target: Client, both: Both) -> None:
    adopt = AdoptFrom("langchain-embeddings", prefix="v/", origin="redis://127.0.0.1:1/0")
    cached = CachedEmbeddings(target, Model(), adopt=adopt)
    assert await both(cached.embed_documents)(["a"]) == [Model().vector("d", "a")]


def test_where_vectors_cannot_be_adopted_from(target: Client) -> None:
    with pytest.raises(ConfigError, match="needs the prefix of its keys"):
        CachedEmbeddings(target, Model(), adopt="langchain-embeddings")
    with pytest.raises(ConfigError, match="vectors are adopted from 'langchain-embeddings', not from 'plainredis'"):
        CachedEmbeddings(target, Model(), adopt="plainredis")
