"""Models behind the limiter: it raises, and is settled by what each call used, streams and failures included."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import BaseChatModel, FakeListLLM
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.rate_limiters import BaseRateLimiter

from langchain_redis_memory import Client, ConfigError, Limit, RateLimitedError, RedisRateLimiter
from langchain_redis_memory.limits.settler import usage_of
from tests.conftest import Both, url_of
from tests.support.servers import TWO, Farm

LIMITS = [Limit(4, "1h"), Limit(1_000, "1d", unit="tokens"), Limit(1, unit="concurrent")]
USAGE: Any = {"input_tokens": 20, "output_tokens": 10, "total_tokens": 30}


class Model(BaseChatModel):
    """Answers "hi", in chunks or whole, with its usage; fails or is cut where it is told to."""

    fails: bool = False

    @property
    def _llm_type(self) -> str:
        return "test"

    def _generate(self, *_args: Any, **_kwargs: Any) -> ChatResult:
        if self.fails:
            raise LookupError
        return ChatResult(generations=[ChatGeneration(message=AIMessage("hi", usage_metadata=USAGE))])

    def _stream(self, *_args: Any, **_kwargs: Any) -> Iterator[ChatGenerationChunk]:
        yield ChatGenerationChunk(message=AIMessageChunk(content="h"))
        if self.fails:
            raise LookupError
        yield ChatGenerationChunk(message=AIMessageChunk(content="i", usage_metadata=USAGE))


class Streams:
    """Streams a model whole; both colours."""

    def __init__(self, model: BaseChatModel) -> None:
        self.model = model

    def stream(self, question: str, **kwargs: Any) -> str:
        return "".join(str(chunk.content) for chunk in self.model.stream(question, **kwargs))

    async def astream(self, question: str, **kwargs: Any) -> str:
        chunks: AsyncIterator[Any] = self.model.astream(question, **kwargs)
        return "".join([str(chunk.content) async for chunk in chunks])


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


@pytest.fixture
def limiter(client: Client) -> RedisRateLimiter:
    return RedisRateLimiter(client, LIMITS, key="user", reserve=200, timeout_s=0.05)


def left(limiter: RedisRateLimiter, key: str = "") -> list[int]:
    return [state.remaining for state in limiter.status(key)]


def test_it_is_langchains(limiter: RedisRateLimiter) -> None:
    assert isinstance(limiter, BaseRateLimiter)


async def test_a_model_that_is_over_its_limit_is_not_called(client: Client, both: Both) -> None:
    limiter = RedisRateLimiter(client, [Limit(1, "1h")], timeout_s=0.05)
    model = Model(rate_limiter=limiter)
    assert (await both(model.invoke)("q")).content == "hi"
    with pytest.raises(RateLimitedError):
        await both(model.invoke)("q")
    with pytest.raises(RateLimitedError):
        await both(Streams(model).stream)("q")
    careless = RedisRateLimiter(client, [Limit(1, "1h")], timeout_s=0.05, on_timeout="return")
    assert await both(careless.acquire)() is False


async def test_a_call_is_settled_by_what_it_used(limiter: RedisRateLimiter, both: Both) -> None:
    model = Model(rate_limiter=limiter, callbacks=[limiter.settler()])
    await both(model.invoke)("q")
    assert left(limiter) == [3, 970, 1]
    assert await both(Streams(model).stream)("q") == "hi"
    assert left(limiter) == [2, 940, 1]


async def test_the_user_of_a_call_is_named_by_its_metadata(limiter: RedisRateLimiter, both: Both) -> None:
    model = Model(rate_limiter=limiter)
    config: Any = {"metadata": {"user_id": "ana"}, "callbacks": [limiter.settler()]}
    await both(model.invoke)("q", config=config)
    assert left(limiter, "ana") == [3, 970, 1]
    assert left(limiter) == [4, 1000, 1]


async def test_a_batch_is_settled_call_by_call(client: Client, both: Both) -> None:
    limiter = RedisRateLimiter(client, LIMITS[:2], reserve=200)
    model = Model(rate_limiter=limiter, callbacks=[limiter.settler()])
    await both(model.batch)(["a", "b", "c"])
    assert left(limiter) == [1, 910]


async def test_a_call_that_fails_or_is_cut_counts_with_what_it_reserved(limiter: RedisRateLimiter, both: Both) -> None:
    model = Model(rate_limiter=limiter, callbacks=[limiter.settler()], fails=True)
    with pytest.raises(LookupError):
        await both(model.invoke)("q")
    assert left(limiter) == [3, 800, 1]
    with pytest.raises(LookupError):
        await both(Streams(model).stream)("q")
    assert left(limiter) == [2, 600, 1]


async def test_a_stream_that_nobody_reads_to_its_end_gives_its_place_back(limiter: RedisRateLimiter) -> None:
    model = Model(rate_limiter=limiter, callbacks=[limiter.settler()])
    stream = model.stream("q")
    next(stream)
    assert left(limiter) == [3, 800, 0]
    stream.close()  # type: ignore[attr-defined]
    assert left(limiter) == [3, 800, 1]


async def test_an_answer_from_a_cache_costs_nothing(limiter: RedisRateLimiter, both: Both) -> None:
    model = Model(rate_limiter=limiter, callbacks=[limiter.settler()], cache=InMemoryCache())
    for _ in range(3):
        await both(model.invoke)("q")
    assert left(limiter) == [3, 970, 1]


async def test_places_need_somebody_who_gives_them_back(limiter: RedisRateLimiter, both: Both) -> None:
    with pytest.raises(ConfigError, match=r"callbacks=\[limiter.settler\(\)\]"):
        await both(Model(rate_limiter=limiter).invoke)("q")


def test_the_usage_of_a_text_model_is_read_as_well() -> None:
    result = FakeListLLM(responses=["x"]).generate(["q"])
    assert usage_of(result) is None
    result.llm_output = {"token_usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}}
    assert usage_of(result) == {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}
