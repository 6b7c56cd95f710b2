"""Ops as values, and flows of them: no server needed to join ops, a client of any kind to run a flow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from langchain_redis_memory.errors import CorruptDataError, ServerError, UnavailableError, WrongKeyTypeError
from langchain_redis_memory.ops import (
    Flow,
    Invoke,
    Now,
    Op,
    Sleep,
    Step,
    StreamResult,
    ask,
    leave_behind,
    merge,
    pure,
)
from langchain_redis_memory.redis.client import drivers
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both

BROKEN = ServerError("no")


def get(key: str) -> Op[Any]:
    return Op((("GET", key),), lambda replies: replies[0])


# --- ops --------------------------------------------------------------------------------------------


def test_an_op_reads_its_replies() -> None:
    assert Op((("A",), ("B",)), list).read([1, 2]) == [1, 2]
    with pytest.raises(ServerError):
        Op((("A",), ("B",)), list).read([1, BROKEN])
    assert Op((("A",),), list, tolerant=True).read([BROKEN]) == [BROKEN]


def test_map_changes_the_result_only() -> None:
    op = get("x").map(int).map(lambda n: n + 1)
    assert op.commands == (("GET", "x"),)
    assert op.read([b"3"]) == 4
    with pytest.raises(ServerError):
        op.read([BROKEN])
    with pytest.raises(CorruptDataError, match=r"'x'.*ValueError"):
        op.optional(0).read([b"secret"])


def test_optional_gives_its_default_for_an_answer_of_the_server() -> None:
    assert get("x").optional("d").read([BROKEN]) == "d"
    assert get("x").optional("d").read([WrongKeyTypeError("x")]) == "d"
    assert get("x").optional("d").read([b"v"]) == b"v"
    assert merge(get("x"), get("y")).optional("d").read([b"v", BROKEN]) == "d"


def test_merge_gives_each_op_its_replies() -> None:
    two: Op[list[Any]] = Op((("A",), ("B",)), list)
    joined = merge(get("x"), two, pure("none"), get("y"))
    assert joined.commands == (("GET", "x"), ("A",), ("B",), ("GET", "y"))
    assert joined.read([1, 2, 3, 4]) == (1, [2, 3], "none", 4)
    assert merge(merge(get("x"), get("y")), get("z")).read([1, 2, 3]) == ((1, 2), 3)
    assert merge().read([]) == ()
    with pytest.raises(ServerError):
        joined.read([1, 2, BROKEN, 4])
    assert merge(get("x").optional(0), get("y")).read([BROKEN, 2]) == (0, 2)


# --- flows ------------------------------------------------------------------------------------------


def invoke(value: Any) -> Invoke:
    async def later() -> Any:
        return value

    return Invoke(lambda: value, later)


def failing(error: Exception) -> Invoke:
    def call() -> Any:
        raise error

    async def acall() -> Any:
        raise error

    return Invoke(call, acall)


async def test_a_flow_gets_the_result_of_each_step(client: Client, both: Both, trips: list[Trip]) -> None:
    key = client.keys().key("answer", "", "x")

    def flow() -> Flow[list[Any]]:
        before = yield Now()
        wrote = yield from ask(Op((("SET", key, "v", "EX", 60),), lambda _: "wrote"))
        nothing = yield Sleep(0.0)
        said = yield invoke("said")
        found = yield from ask(get(key))
        free = yield pure("free")
        after = yield Now()
        return [wrote, nothing, said, found, free, 0 <= after - before < 60]

    assert await both(client.drive)(flow()) == ["wrote", None, "said", b"v", "free", True]
    assert len(trips) == 2


async def test_a_flow_without_steps(client: Client, both: Both, trips: list[Trip]) -> None:
    def flow() -> Flow[int]:
        return 3
        yield

    assert await both(client.drive)(flow()) == 3
    assert await both.chunks(client, flow()) == ([], 3)
    assert trips == []


async def test_a_flow_may_catch_what_a_step_raised(client: Client, both: Both) -> None:
    key = client.keys().key("answer", "", "x")
    seen: list[str] = []

    def flow() -> Flow[str]:
        yield Op((("SET", key, "v", "EX", 60),), len)
        for step in (Op((("LLEN", key),), len), failing(KeyError("model")), failing(UnavailableError("gone"))):
            try:
                yield step
            except Exception as error:  # noqa: BLE001 - whatever it is
                seen.append(type(error).__name__)
        done = yield invoke("done")
        return str(done)

    assert await both(client.drive)(flow()) == "done"
    assert seen == ["WrongKeyTypeError", "KeyError", "UnavailableError"]


async def test_what_a_flow_does_not_catch_is_passed_on_and_the_flow_is_closed(client: Client, both: Both) -> None:
    closed: list[str] = []

    def flow(step: Any) -> Flow[None]:
        try:
            yield step
        finally:
            closed.append("closed")

    with pytest.raises(KeyError, match="model"):
        await both(client.drive)(flow(failing(KeyError("model"))))
    with pytest.raises(ServerError):
        await both(client.drive)(flow(Op((("NO-SUCH-COMMAND",),), len)))
    assert closed == ["closed", "closed"]

    def own() -> Flow[None]:
        yield pure(1)
        msg = "own"
        raise LookupError(msg)

    with pytest.raises(LookupError, match="own"):
        await both(client.drive)(own())


class Model:
    """Streams words and knows whether it was closed."""

    def __init__(self, *words: str, fails: bool = False) -> None:
        self.words, self.fails, self.log = words, fails, []  # type: ignore[var-annotated]

    def stream(self) -> Iterator[str]:
        try:
            for word in self.words:
                self.log.append(word)
                yield word
            if self.fails:
                msg = "broke"
                raise OSError(msg)
        finally:
            self.log.append("closed")

    async def astream(self) -> AsyncIterator[str]:
        for word in self.stream():
            await asyncio.sleep(0)
            yield word

    async def acall(self) -> str:
        return "".join(self.words)

    def invoke(self) -> Invoke:
        return Invoke(lambda: "".join(self.words), self.acall, self.stream, self.astream)


def answering(model: Model, stored: list[str], key: str) -> Flow[str]:
    yield Op((("GET", key),), len)
    answer = yield model.invoke()
    text = "".join(answer.chunks) if isinstance(answer, StreamResult) else answer
    yield Op((("SET", key, text, "EX", 60),), len)
    stored.append(text)
    return f"<{text}>"


@pytest.fixture
def key(client: Client) -> str:
    return client.keys().key("answer", "", "x")


async def test_chunks_pass_through(client: Client, both: Both, key: str, trips: list[Trip]) -> None:
    stored: list[str] = []
    assert await both.chunks(client, answering(Model("a", "b", "c"), stored, key)) == (["a", "b", "c"], "<abc>")
    assert stored == ["abc"]
    assert len(trips) == 2


async def test_a_driver_that_does_not_stream_invokes(client: Client, both: Both, key: str) -> None:
    model = Model("a", "b")
    assert await both(client.drive)(answering(model, [], key)) == "<ab>"
    assert model.log == []


async def test_a_reader_that_stops_early_ends_the_flow(client: Client, both: Both, key: str) -> None:
    model, stored = Model("a", "b", "c"), list[str]()
    if both.asynchronous:
        results = client.astream(answering(model, stored, key), chunks=True)
        assert await results.__anext__() == "a"
        await results.aclose()
    else:
        source = client.stream(answering(model, stored, key), chunks=True)
        assert next(source) == "a"
        source.close()
    assert stored == []
    assert await both(client.run)(get(key)) is None, "nothing is stored of half an answer"
    assert model.log[:1] == ["a"]
    assert "b" not in model.log


async def test_a_model_that_breaks_while_streaming(client: Client, both: Both, key: str) -> None:
    stored: list[str] = []
    with pytest.raises(OSError, match="broke"):
        await both.chunks(client, answering(Model("a", fails=True), stored, key))
    assert stored == []

    def patient() -> Flow[str]:
        try:
            yield Model("a", fails=True).invoke()
        except OSError:
            other = yield Model("b").invoke()
            return "".join(other.chunks)
        return "not reached"

    assert await both.chunks(client, patient()) == (["a", "b"], "b")


async def test_an_async_flow_that_is_cancelled_is_closed(client: Client) -> None:
    closed: list[str] = []
    started = asyncio.Event()

    async def forever() -> None:
        started.set()
        await asyncio.Event().wait()

    def flow() -> Flow[None]:
        try:
            yield Invoke(lambda: None, forever)
        finally:
            closed.append("closed")

    task = asyncio.create_task(client.adrive(flow()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == ["closed"]


async def test_what_cancelled_flows_leave_is_done_by_their_own_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that one client has is not given back to the server of another one, whose task is cancelled as well."""
    monkeypatch.setattr(drivers, "_LEFT_S", 30)
    done: list[tuple[str, str]] = []
    both_ended = asyncio.Event()

    def flow(*left: str) -> Flow[None]:
        try:
            yield get("forever")
        except GeneratorExit:
            for key in left:
                leave_behind(ask(get(key)))
            raise

    def runs(owner: str) -> Callable[[Step], Any]:
        async def run(step: Any) -> Any:
            ((_, key),) = step.commands
            if key == "forever" or (owner == "first" and not done):
                await both_ended.wait()
            done.append((owner, key))

        return run

    tasks = [
        asyncio.create_task(drivers.adrive(runs("first"), flow("a", "b"))),
        asyncio.create_task(drivers.adrive(runs("second"), flow("c"))),
    ]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks[1:])
    both_ended.set()
    await asyncio.wait(tasks)
    assert sorted(done) == [("first", "a"), ("first", "b"), ("second", "c")]


async def test_many_flows_at_once(client: Client, key: str) -> None:
    def flow(number: int) -> Flow[int]:
        first = yield from ask(Op((("INCR", key), ("PEXPIRE", key, 60_000)), lambda replies: replies[0]))
        yield Sleep(0)
        return number if first else -1

    drive: Callable[[int], Any] = lambda number: client.adrive(flow(number))  # noqa: E731 - short
    assert await asyncio.gather(*map(drive, range(50))) == list(range(50))
