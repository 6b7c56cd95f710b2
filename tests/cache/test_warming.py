"""Answers cached before anybody asks, as every kind of model will ask for them; export and import."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from pydantic import BaseModel

from langchain_redis_memory import RedisCache
from langchain_redis_memory.cache import warming
from langchain_redis_memory.cache.entry_options import EntryOptions
from langchain_redis_memory.cache.exact_flows import name_of
from langchain_redis_memory.errors import InvalidInputError, UnavailableError, UnserialisableError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.support.chains import Broken, DescribedModel, PureModel
from tests.support.servers import TWO, Farm, wait_for

MODEL = "model-a"


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    from tests.conftest import url_of

    return url_of(request.param, farm)


@pytest.fixture
def cache(client: Client) -> RedisCache:
    return RedisCache(client)


# --- a model finds what was cached for it ---------------------------------------------------------------


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return city


class Person(BaseModel):
    """Somebody."""

    name: str


class WithTools(DescribedModel):
    """A model that takes tools, and answers nothing: whoever asks it has missed the cache."""

    fail: bool = True

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        from langchain_core.utils.function_calling import convert_to_openai_tool

        return self.bind(tools=[convert_to_openai_tool(one) for one in tools], **kwargs)


FAILING = PureModel(fail=True)
MODELS: dict[str, Any] = {
    "chat": FAILING,
    "described": DescribedModel(fail=True),
    "with tools": WithTools().bind_tools([weather], tool_choice="any"),
    "bound twice": WithTools().bind_tools([weather]).bind(stop=["x"], temperature=0.1),
    "with a config": FAILING.bind(stop=["\n"]).with_config(tags=["a"]),
    "with retries": FAILING.with_retry(stop_after_attempt=1),
    "structured": WithTools().bind(
        tools=[{"type": "function"}], ls_structured_output_format={"kwargs": {}, "schema": Person}
    ),
}
ASKED: dict[str, Any] = {
    "text": "what is it?",
    "messages": [SystemMessage("be brief"), HumanMessage("what is it?", name="ana", id="8"), AIMessage("x")],
    "blocks": [HumanMessage([{"type": "text", "text": "a"}, {"type": "image", "url": "http://x"}])],
    "odd": "a\ud800b",
    "tuples": [("system", "be brief"), ("human", "what is it?")],
    "dicts": [{"role": "user", "content": "what is it?"}],
    "prompt": ChatPromptTemplate.from_messages([("human", "{q}?")]).invoke({"q": "what is it"}),
}


def cached(model: Any, cache: RedisCache) -> Any:
    """The model with the cache set."""
    if hasattr(model, "bound"):
        return model.model_copy(update={"bound": cached(model.bound, cache)})
    return model.model_copy(update={"cache": cache})


@pytest.mark.parametrize("which", MODELS)
async def test_a_chat_model_finds_it(cache: RedisCache, both: Both, which: str) -> None:
    model = cached(MODELS[which], cache)
    for question in ASKED.values():
        with pytest.raises(Broken):
            await both(model.invoke)(question)
        assert await both(cache.warm)([(question, "it is warm")], model) == 1
        found = await both(model.invoke)(question)
        assert (type(found), found.content) == (AIMessage, "it is warm")
        await both(cache.clear)()


async def test_one_message_is_a_list_of_one(cache: RedisCache, both: Both) -> None:
    model = cached(FAILING, cache)
    await both(cache.warm)([(HumanMessage("q", id="1"), "warm")], model)
    assert (await both(model.invoke)([HumanMessage("q", id="2")])).content == "warm"


async def test_structured_output_finds_it(cache: RedisCache, both: Both) -> None:
    chain: Any = WithTools(cache=cache).with_structured_output(Person)
    call = {"name": "Person", "args": {"name": "Ana"}, "id": "1", "type": "tool_call"}
    answer = AIMessage("", tool_calls=[call])
    await both(cache.warm)([("who?", answer)], chain.first)
    assert await both(chain.invoke)("who?") == Person(name="Ana")


async def test_an_llm_finds_it(cache: RedisCache, both: Both) -> None:
    model = FakeListLLM(responses=["asked"], cache=cache)
    for asked in (model, model.bind(stop=["x"]), model.bind(stop=["x"], temperature=0)):
        await both(cache.warm)([("q", "warm")], asked)
        assert await both(asked.invoke)("q") == "warm"
    await both(cache.warm)([([HumanMessage("r")], "warm too")], model)
    assert await both(model.invoke)([HumanMessage("r")]) == "warm too"
    assert await both(model.invoke)("another") == "asked"


async def test_a_string_that_describes_the_model(cache: RedisCache, both: Both) -> None:
    await both(cache.warm)([("q", "a"), ("r", AIMessage("b")), ("s", [Generation(text="c")] * 2)], MODEL)
    assert await both(cache.lookup)("q", MODEL) == [Generation(text="a")]
    assert await both(cache.lookup)("r", MODEL) == [ChatGeneration(message=AIMessage("b"))]
    assert await both(cache.lookup)("s", MODEL) == [Generation(text="c")] * 2


# --- rows -----------------------------------------------------------------------------------------------


async def test_rows_of_a_file(cache: RedisCache, both: Both, tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    lines = [json.dumps({"question": f"q{i}" if i else "Wo ist 🦊?", "answer": f"a{i}", "more": 1}) for i in range(3)]
    file.write_text("\ufeff" + "\n\n".join([*lines, '{"prompt": "p", "answer": "b"}']) + "\n", "utf-8")
    for path in (file, str(file)):
        await both(cache.clear)()
        assert await both(cache.warm)(path, MODEL) == 4
        found = [await both(cache.lookup)(q, MODEL) for q in ("Wo ist 🦊?", "q1", "q2", "p")]
        assert [answer[0].text for answer in found] == ["a0", "a1", "a2", "b"]
    with pytest.raises(FileNotFoundError):
        await both(cache.warm)(tmp_path / "absent", MODEL)


@pytest.mark.slow
async def test_batches_and_progress(cache: RedisCache, both: Both, trips: list[Trip]) -> None:
    def rows() -> Iterator[tuple[str, str]]:
        for number in range(1200):
            yield f"q{number}", "" if number % 100 == 0 else f"a{number}"

    done: list[int] = []
    await both(cache.warm)([("q", "a")], MODEL)  # the script may be new to the server
    trips.clear()
    assert await both(cache.warm)(rows(), MODEL, progress=done.append) == 1188, "the policy refuses what is empty"
    assert done == [500, 500, 200]
    assert len(trips) <= 3 + 1
    assert await both(cache.count)() == 1189
    assert (await both(cache.lookup)("q1199", MODEL))[0].text == "a1199"
    assert await both(cache.warm)([], MODEL, progress=done.append) == 0


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([("q", "a"), "text"], "row 2 must be a pair"),
        ([("q", "a", "b")], "row 1"),
        ([{"question": "q"}], "row 1"),
        ([{"answer": "a"}], "row 1"),
        ([7], "row 1"),
        ([("q", 7)], "an answer must be"),
        ([(7, "a")], "prompt must be a text"),
    ],
)
async def test_rows_that_are_none(cache: RedisCache, both: Both, rows: list[Any], what: str) -> None:
    with pytest.raises(InvalidInputError, match=what):
        await both(cache.warm)(rows, MODEL)
    assert await both(cache.count)() == 0


async def test_lines_that_are_none(cache: RedisCache, both: Both, tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text('{"prompt": "q", "answer": "a"}\nnot json\n')
    with pytest.raises(InvalidInputError, match="line 2 is not JSON"):
        await both(cache.warm)(file, MODEL)
    file.write_bytes(b'{"prompt": "q", "answer": "\xff"}\n')
    with pytest.raises(InvalidInputError, match="UTF-8"):
        await both(cache.warm)(file, MODEL)


async def test_models_and_answers_that_are_none(cache: RedisCache, both: Both) -> None:
    for none in (7, None, RunnableLambda(str)):
        with pytest.raises(InvalidInputError, match="model must be"):
            await both(cache.warm)([("q", "a")], none)
    for question in (7, None, [], [7], [("nobody", "a", "b")], [{"content": "a"}]):
        for model in (FAILING, FakeListLLM(responses=[])):
            with pytest.raises(InvalidInputError, match="question"):
                await both(cache.warm)([(question, "a")], model)
    with pytest.raises(UnserialisableError):
        await both(cache.warm)([("q", AIMessage("a", response_metadata={"thing": object()}))], FAILING)


def test_what_is_asked_is_a_copy() -> None:
    message = HumanMessage("q", id="1")
    prompt, _ = warming.asked_of([message], FAILING)
    assert message.id == "1"
    assert '"1"' not in prompt


# --- export and import ----------------------------------------------------------------------------------


@pytest.mark.slow
async def test_what_is_exported_can_be_imported_elsewhere(client: Client, cache: RedisCache, both: Both) -> None:
    usage = {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}
    await both(cache.warm)([(f"q{i}", f"a{i}") for i in range(700)], MODEL)
    await both(cache.warm)([("who?", AIMessage("me", usage_metadata=usage))], FAILING)
    lines = await both.each(cache.export_entries)()
    assert len(lines) == len(set(lines)) == 701
    assert all(line.endswith("\n") and set(json.loads(line)) == {"id", "entry"} for line in lines)
    other, done = RedisCache(client, tenant="another", name="n", ttl_s=50, entries=EntryOptions(jitter=0)), list[int]()
    assert await both(other.import_entries)([*lines, "\n"], progress=done.append) == 701
    assert done == [500, 202]
    assert (await both(other.lookup)("q699", MODEL))[0].text == "a699"
    assert (await both(other.lookup)(*warming.asked_of("who?", FAILING)))[0].message.usage_metadata == usage
    assert sorted(await both.each(other.export_entries)()) == sorted(lines)
    left = client.run(other._flows.entries.get([name_of("q1", MODEL)]).map(lambda found: found[0]))
    assert left is not None
    assert 0 < (left.left_ms or 0) <= 50_000, "a whole lifetime from now"


async def test_an_entry_whose_time_is_over_is_not_exported(client: Client, both: Both) -> None:
    cache = RedisCache(client, ttl_s=100)
    for number in range(3):
        await both(cache.update)(f"q{number}", MODEL, [Generation(text="a")])
    name = name_of("q1", MODEL)
    key = cache._flows.entries.shard(name).items
    record = client.run(Op((("HGET", key, name),), lambda replies: replies[0]))
    client.run(Op((("HSET", key, name, b"1000:" + record.partition(b":")[2]),), len))
    assert await both(cache.lookup)("q1", MODEL) is None
    assert len(await both.each(cache.export_entries)()) == 2


async def test_an_empty_cache_exports_nothing(cache: RedisCache, both: Both) -> None:
    assert await both.each(cache.export_entries)() == []
    assert await both(cache.import_entries)([]) == 0


async def test_what_is_no_export(cache: RedisCache, both: Both) -> None:
    await both(cache.update)("q", MODEL, [Generation(text="a")])
    (line,) = await both.each(cache.export_entries)()
    row = json.loads(line)
    bad = [
        "not json",
        "7",
        "{}",
        json.dumps({**row, "id": "zz"}),
        json.dumps({**row, "id": row["id"][2:]}),
        json.dumps({**row, "entry": "AAAA"}),
        json.dumps({**row, "entry": "!"}),
        json.dumps({**row, "entry": None}),
        json.dumps({**row, "entry": row["entry"][:-8]}),
    ]
    for one in bad:
        with pytest.raises(InvalidInputError, match="line 2 is not an exported entry"):
            await both(cache.import_entries)([line, one])
    assert await both(cache.count)() == 1


async def test_export_from_a_server_that_is_away(both: Both) -> None:
    async with Client.from_url("redis://127.0.0.1:1", retries=0) as client:
        with pytest.raises(UnavailableError):
            await both.each(RedisCache(client).export_entries)()


async def test_a_warmed_answer_expires_as_any_other(client: Client, both: Both) -> None:
    cache = RedisCache(client, ttl_s=0.05)
    await both(cache.warm)([("q", "a")], MODEL)
    wait_for(lambda: cache.lookup("q", MODEL) is None)
