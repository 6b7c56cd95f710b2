"""A cached model answers from the cache however it is called, streaming included, and never anything but its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import BaseModel

from langchain_redis_memory import RedisCache, cached_model
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.chains import Broken, DescribedModel

WAYS = ("invoke", "stream", "batch")


class Fact(BaseModel):
    name: str


class ToolModel(DescribedModel):
    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        return self.bind(tools=[getattr(tool, "__name__", tool) for tool in tools], **kwargs)


class CountingLimiter(BaseRateLimiter):
    asked = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        self.asked += 1
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        return self.acquire(blocking=blocking)


@pytest.fixture
def cache(client: Client) -> RedisCache:
    return RedisCache(client, ttl_s=60)


async def ask(both: Both, way: str, model: Runnable[Any, Any], question: Any = "What is Redis?", **how: Any) -> Any:
    """The answer, whichever way it is asked for; chunks are joined."""
    if way == "invoke":
        return await both(model.invoke)(question, **how)
    if way == "batch":
        return (await both(model.batch)([question], **how))[0]
    chunks = await both.each(model.stream)(question, **how)
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


@pytest.mark.parametrize("first", WAYS)
async def test_every_way_of_asking_shares_the_answers(both: Both, cache: RedisCache, first: str) -> None:
    inner = DescribedModel()
    model = cached_model(inner, cache)
    answer = await ask(both, first, model)
    for way in WAYS:
        again = await ask(both, way, model)
        assert again.text == answer.text
        assert isinstance(again, AIMessageChunk if way == "stream" else AIMessage)
        assert again.response_metadata["cache"]["hit"]
        assert again.id != answer.id
    assert inner.calls == 1
    assert (await ask(both, "invoke", DescribedModel(cache=cache))).text == answer.text
    assert (await ask(both, "stream", model, "What is Valkey?")).text != answer.text
    assert (await ask(both, "stream", model, stop=["x"])).text != answer.text
    assert inner.calls == 3


async def test_a_stream_that_breaks_off_is_not_kept(both: Both, cache: RedisCache) -> None:
    inner = DescribedModel(fail_after=1)
    model = cached_model(inner, cache)
    with pytest.raises(Broken):
        await ask(both, "stream", model)
    inner.fail_after = None
    assert "cache" not in (await ask(both, "stream", model)).response_metadata
    assert inner.calls == 2


async def test_a_hit_costs_nothing_and_says_what_it_saved(both: Both, cache: RedisCache) -> None:
    usage: Any = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    limiter = CountingLimiter()
    inner = DescribedModel(script=[AIMessage("a store", usage_metadata=usage)], rate_limiter=limiter)
    model = cached_model(inner, cache)
    assert (await ask(both, "invoke", model)).usage_metadata == usage
    for way in WAYS:
        again = await ask(both, way, model)
        assert again.usage_metadata == {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
        assert again.response_metadata["cache"] == {"hit": True, "saved_tokens": 10}
    assert limiter.asked == 1
    await ask(both, "stream", model, "another question?")
    assert limiter.asked == 2


async def test_other_tools_are_another_answer(both: Both, cache: RedisCache) -> None:
    inner = ToolModel()
    plain, bound = cached_model(inner, cache), cached_model(inner, cache).bind_tools(["search"])  # type: ignore[list-item]
    assert (await ask(both, "stream", plain)).text != (await ask(both, "stream", bound)).text
    await ask(both, "stream", bound)
    await ask(both, "invoke", cached_model(inner.bind_tools(["search"]), cache))
    assert inner.calls == 2


@pytest.mark.parametrize("raw", [False, True])
async def test_a_structured_output_is_parsed_again(both: Both, cache: RedisCache, raw: bool) -> None:
    call = AIMessage("", tool_calls=[{"name": "Fact", "args": {"name": "Redis"}, "id": "1"}])
    inner = ToolModel(script=[call])
    outer: Any = cached_model(inner, cache)
    for model in (
        outer.with_structured_output(Fact, include_raw=raw),
        cached_model(inner.with_structured_output(Fact, include_raw=raw), cache),
    ):
        found = await ask(both, "invoke", model)
        assert (found["parsed"] if raw else found) == Fact(name="Redis")
    assert inner.calls == 1


async def test_events_of_a_graph_come_from_a_hit_as_well(cache: RedisCache) -> None:
    model = cached_model(DescribedModel(), cache)
    chain = RunnableLambda(lambda question: question) | model

    async def events() -> str:
        return "".join(
            [
                event["data"]["chunk"].text
                async for event in chain.astream_events("What is Redis?", version="v2")
                if event["event"] == "on_chat_model_stream"
            ]
        )

    assert await events() == await events()


async def test_a_model_that_cannot_stream_is_cached_too(both: Both) -> None:
    class Whole(DescribedModel):
        _stream = BaseChatModel._stream

    inner = Whole()
    model = cached_model(inner, InMemoryCache())
    assert (await ask(both, "stream", model)).text == (await ask(both, "stream", model)).text
    assert inner.calls == 1


def test_it_is_described_as_the_model_is(cache: RedisCache) -> None:
    inner = DescribedModel(tags=["a"], metadata={"m": 1})
    model: Any = cached_model(inner, cache)
    assert model._llm_type == inner._llm_type
    assert (model.tags, model.metadata["m"]) == (["a"], 1)
    assert model._get_ls_params() == inner._get_ls_params()
    counts: Any = cached_model(DescribedModel(custom_get_token_ids=lambda text: [1] * len(text)), cache)
    assert counts.get_num_tokens("a b") == 3


@pytest.mark.parametrize("wrong", [lambda _: "x", object()])
def test_what_is_no_model_is_refused(cache: RedisCache, wrong: Any) -> None:
    with pytest.raises(ConfigError, match="takes a chat model"):
        cached_model(RunnableLambda(wrong) if callable(wrong) else wrong, cache)
    with pytest.raises(ConfigError, match="a cache of LangChain"):
        cached_model(DescribedModel(), wrong)
