"""What a function is described by: what it names in its module, tables, what holds itself, and what decides nothing."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import UserDict
from collections.abc import Callable
from types import FunctionType, MappingProxyType
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from langchain_redis_memory.redis.codec.fingerprint import describe, made_of


def _named(asked: Any) -> Any:
    return thing  # type: ignore[name-defined]  # noqa: F821


def naming(thing: Any) -> Any:
    """A function that names something in its module."""
    return FunctionType(_named.__code__, {"thing": thing, "__name__": "shop"})


def closing(thing: Any) -> Callable[[Any], Any]:
    return lambda asked: thing


def described(function: Any) -> tuple[str, str]:
    """How a chain with a function is named, and how the function's own results are."""
    return describe(RunnableLambda(function)).digest, made_of(function)


class OfARequest(UserDict[str, str]):
    """What stands for a request's data, and raises outside of one."""

    def __init__(self) -> None:
        pass

    @property
    def data(self) -> dict[str, str]:  # type: ignore[override]
        raise RuntimeError("there is no request")


class Unbound:
    """A proxy of something that is not there yet."""

    @property
    def __class__(self) -> Any:
        raise RuntimeError("nothing is bound")

    @__class__.setter
    def __class__(self, kind: Any) -> None:
        pass


class StandIn:
    """A proxy that says it is what it stands for."""

    @property
    def __class__(self) -> Any:
        return RunnableLambda

    @__class__.setter
    def __class__(self, kind: Any) -> None:
        pass


@pytest.mark.parametrize("kind", [OfARequest, Unbound, StandIn])
def test_what_stands_for_something_of_a_request_is_not_asked(kind: Callable[[], Any]) -> None:
    assert described(naming(kind())) == described(naming(threading.Lock()))


def test_the_environment_is_not_part_of_a_function_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from os import environ

    before = described(naming(environ))
    monkeypatch.setenv("HOSTNAME", "another")
    assert described(naming(environ)) == before


def tree(width: int, root: str) -> dict[str, Any]:
    """Nodes that know each other: every way through them has no end."""
    nodes: list[dict[str, Any]] = [{"name": f"{root}{number}"} for number in range(width)]
    for node in nodes:
        node |= {f"to{number}": other for number, other in enumerate(nodes)}
    return nodes[0]


@pytest.mark.parametrize("make", [naming, closing])
def test_what_holds_itself_is_read_once(make: Callable[[Any], Any]) -> None:
    assert describe(RunnableLambda(make(tree(4, "a")))).digest == describe(RunnableLambda(make(tree(4, "a")))).digest
    assert made_of(make(tree(4, "a")))
    within: list[Any] = ["a"]
    within.append(within)
    assert described(make(within)) == described(make(within))


def test_data_that_holds_itself_is_told_apart_by_what_else_it_holds() -> None:
    one, other = (describe(RunnableLambda(closing(tree(3, root)))).digest for root in "ab")
    assert one != other


@pytest.mark.parametrize("make", [naming, closing])
def test_a_long_table_counts_by_its_content(make: Callable[[Any], Any]) -> None:
    table = {f"a{number}": [number, "b"] for number in range(3000)}
    assert described(make(dict(table))) == described(make(dict(table)))
    changed = table | {"a2999": [0, "b"]}
    for one, other in zip(described(make(table)), described(make(changed)), strict=True):
        assert one != other


def test_constants_in_a_module_count() -> None:
    for one, other in [(1, 2), ({"a": 1}, {"a": 2}), (MappingProxyType({"a": 1}), MappingProxyType({"a": 2}))]:
        for name, another in zip(described(naming(one)), described(naming(other)), strict=True):
            assert name != another


asked = 0


def counted(question: Any) -> str:
    global asked  # noqa: PLW0603 - as people count calls
    asked += 1
    return "ninety days"


def counted_inside(question: Any) -> str:
    def note() -> None:
        global asked  # noqa: PLW0603 - as people count calls
        asked += 1

    note()
    return "ninety days"


@pytest.mark.parametrize("function", [counted, counted_inside])
def test_what_a_function_counts_in_its_module_is_not_part_of_it(function: Callable[[Any], str]) -> None:
    before = described(function)
    function("How long is the warranty?")
    assert described(function) == before


class Shop:
    def __init__(self, held: Any) -> None:
        self.place, self.held = "Delft", held

    def answer(self, question: Any) -> str:
        return self.place


@pytest.mark.parametrize(
    "make",
    [
        lambda: logging.getLogger("shop"),
        logging.getLogger,
        threading.Lock,
        threading.RLock,
        lambda: threading.Semaphore(2),
        asyncio.Lock,
        lambda: asyncio.Semaphore(2),
    ],
)
def test_a_logger_or_a_lock_is_equal_in_every_process(make: Callable[[], Any]) -> None:
    one, other = Shop(make()), Shop(make())
    assert made_of(one.answer) == made_of(other.answer)
    assert made_of(closing(one.held)) == made_of(closing(other.held))
